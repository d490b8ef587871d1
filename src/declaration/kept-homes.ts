import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered, isReported, JailkitError } from "../cli/error.ts";
import { ownersIn } from "../jail/accounts/service-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { mountRemedy, unmountedIn } from "../jail/fs/unmounted.ts";
import { hostPath, isDirectory, type JailRoot, joinPath, openJailRoot } from "../jail/fs/walk.ts";
import { mayComeBack } from "../jail/record/emptied.ts";
import type { LeftHome } from "../jails/delete-request.ts";
import type { ReservedUids } from "../system/login-defs.ts";
import { hostUser, isNobodys } from "../system/name-services.ts";
import { jailOfHome, joinHome } from "../system/separator.ts";
import { jailIdAt } from "./ids.ts";
import { homeOutside, isElsewhere, isWholeJail, keptKey, openPlace, placeOf } from "./kept-where.ts";
import { inFormer, type LeftUid, uidsLeftIn, whyHome, whyLeft } from "./left-uids.ts";
import { type KeptHome, type Once, type OnceUser, uidOf } from "./once-shape.ts";

/** A home that is there, or may be. */
export interface Found {
  readonly home: KeptHome;
  /** Where it is on the host; undefined if that is not known. */
  readonly place: ByteString | undefined;
  /** Another directory is where that was in which it is. */
  readonly isElsewhere?: boolean;
}

/** The home that apply created for a user, which stays when somebody removes the account; undefined for none. */
export function createdHomeOf(user: OnceUser | undefined): KeptHome | undefined {
  const { name, created: uid, createdHome: home } = user ?? {};
  if (name === undefined || uid === undefined || home === undefined) return undefined;
  return { name, uid, home, created: true, directoryId: undefined };
}

/** The homes of a jail to which links in it lead the host, and which stay when it goes. */
export const homesOutside = (jail: ByteString, { users, kept }: Pick<Once, "users" | "kept">): KeptHome[] =>
  [...kept, ...users.flatMap((user) => createdHomeOf(user) ?? [])]
    .filter((home) => placeOf(home).jail === jail)
    .flatMap((home) => homeOutside(home) ?? []);

/**
 * The jail that an account is declared in, whoever created it, as a whole, or none: files in it may have its uid, such as a setuid
 * program in /tmp, which would be the next one's. One that it was declared in before is kept since then.
 */
export function wholeJail(user: OnceUser | undefined): KeptHome[] {
  const uid = user && uidOf(user);
  if (user === undefined || uid === undefined) return [];
  const { name, jail } = user;
  return [{ name, uid, home: joinHome(jail, "/"), created: undefined, directoryId: undefined }];
}

/** The jail of an account that what is known of its user does not tell any more; `now`: undefined if nothing is. */
export function jailForgotten(before: OnceUser | undefined, now: OnceUser | undefined): KeptHome[] {
  const known = wholeJail(now).map(keptKey);
  return wholeJail(before).filter((one) => !known.includes(keptKey(one)));
}

/** The jail of an account, by its home, unless what is known of the user tells it. */
export function createdIn(user: OnceUser, home: ByteString | undefined): KeptHome | undefined {
  const jail = jailOfHome(home ?? "");
  const [here] = jail === undefined || jail === user.jail ? [] : wholeJail({ ...user, jail });
  return here && answered(() => hostUser(user.name)?.uid) === here.uid ? here : undefined;
}

/**
 * Homes that stay without their accounts, or would: nobody else gets the uid of one by chance, and with it the files. It is
 * looked at when somebody asks about a uid, since there may be thousands.
 */
export class KeptHomes implements ReservedUids {
  readonly #byUid: Map<number, KeptHome[]>;
  readonly #found = new Set<number>();
  /** The uids of accounts that go. */
  readonly #going = new Set<number>();
  /** What was found in jails. */
  readonly #left = new Map<ByteString, readonly LeftUid[]>();
  readonly #let: KeptHome[] = [];
  /** Whether jails are not there, and may come back. */
  readonly #away = new Map<ByteString, boolean>();
  /** By directory. */
  readonly #beside = new Map<ByteString, ReturnType<typeof namesByOwner>>();

  constructor(private readonly once: Pick<Once, "users" | "kept">) {
    const created = once.users.flatMap((user) => [createdHomeOf(user) ?? [], wholeJail(user)].flat());
    this.#byUid = Map.groupBy([...once.kept, ...created], ({ uid }) => uid);
  }

  /** Says that an account goes, and whether its home stays. What its jails have of it then is not known yet. */
  goes(name: ByteString, uid: number, stays: KeptHome | undefined): void {
    const others = (this.#byUid.get(uid) ?? []).filter((one) => one.name !== name);
    this.#byUid.set(uid, stays === undefined ? others : [...others, stays]);
    this.#found.delete(uid);
    this.#going.add(uid);
  }

  /** The home with a uid that is there, or may be; `besides` those that somebody may have. */
  of(uid: number, besides: (home: KeptHome) => boolean = () => false): Found | undefined {
    const found = this.#byUid.get(uid)?.filter((home) => !besides(home)) ?? [];
    return found.length === 0 ? undefined : this.#there(found)[0];
  }

  /** Whether there is one, or was one when somebody asked first: each new account asks about the uids of all. */
  has = (uid: number): boolean => {
    if (this.#found.has(uid)) return true;
    if (this.of(uid) === undefined) return false;
    this.#found.add(uid);
    return true;
  };

  /** Whether such a one is remembered. */
  hasAny = (uid: number, isIt: (home: KeptHome) => boolean): boolean =>
    this.#byUid.get(uid)?.some(isIt) ?? false;

  /** Whether what jails have of a uid is that of a home which `isOwn`, or goes. */
  isLeft = (uid: number, isOwn: (home: KeptHome) => boolean): boolean =>
    this.#going.has(uid) || this.hasAny(uid, isOwn);

  /** True for a home that apply created for a user of that name and uid, and left without its account. */
  hasCreated = ({ name, uid, home }: Pick<KeptHome, "name" | "uid" | "home">): boolean =>
    this.hasAny(uid, (one) => one.name === name && one.home === home && one.created === true);

  /**
   * Looks, once in each jail that they were in, which uids of accounts without homes nothing has any more there, and lets
   * these go.
   */
  letGo(isWanted: (uid: number) => boolean): ReturnType<ReservedUids["letGo"]> {
    // As long as a home is there, nothing else matters.
    const wanted = this.#jails(({ uid }) => isWanted(uid) && this.of(uid, isWholeJail) === undefined);
    return whyLeft(this.#leftIn(wanted), isWanted) ?? this.#whyHome(isWanted);
  }

  /** Why a uid stays reserved that somebody wants on purpose: by what is in jails, besides those where some names had it. */
  whyLeft(uid: number, besides: readonly (ByteString | undefined)[]): ReturnType<typeof whyLeft> {
    const jails = (this.#byUid.get(uid) ?? []).filter(isWholeJail);
    const theirs = new Set(jails.flatMap(({ name, home }) => (besides.includes(name) ? home : [])));
    const others = jails.filter(({ home }) => !theirs.has(home));
    return whyLeft(this.#leftIn(others), (one) => one === uid);
  }

  /** What had uids that were let go. */
  gone = (): readonly KeptHome[] => this.#let;

  #jails = (isWanted: (jail: KeptHome) => boolean): readonly KeptHome[] =>
    [...this.#byUid.values()].flat().filter((one) => isWholeJail(one) && isWanted(one));

  /** What has uids of accounts in some jails. */
  #leftIn(wanted: readonly KeptHome[]): LeftUid[] {
    const jails = new Set(this.#there(wanted).map(({ home }) => placeOf(home).jail));
    return [...jails].flatMap((jail) => this.#left.getOrInsertComputed(jail, () => this.#lookThrough(jail)));
  }

  #lookThrough(jail: ByteString): readonly LeftUid[] {
    const homes = this.#jails((home) => placeOf(home).jail === jail && !this.#going.has(home.uid));
    const here = uidsLeftIn(jail, new Set(homes.map(({ uid }) => uid)));
    const isKnown = here.every(({ uid }) => uid !== undefined);
    const now = jailIdAt(jail);
    const former = homes.filter(({ directoryId = now }) => isKnown && directoryId !== now);
    const left = [...here, ...former.map(({ uid }) => inFormer(jail, uid))];
    const stay = new Set(left.map(({ uid }) => uid));
    for (const home of homes) if (!(stay.has(home.uid) || stay.has(undefined))) this.#letOne(home);
    return left;
  }

  #letOne(home: KeptHome): void {
    this.#byUid.set(home.uid, this.#byUid.get(home.uid)?.filter((one) => one !== home) ?? []);
    this.#found.delete(home.uid);
    this.#let.push(home);
  }

  /** Why a uid stays reserved that is wanted: by a home. */
  #whyHome(isWanted: (uid: number) => boolean) {
    for (const uid of this.#byUid.keys()) {
      const found = isWanted(uid) ? this.of(uid, isWholeJail) : undefined;
      if (found?.place !== undefined && isNobodys(uid)) return whyHome(found.home, found.place);
    }
    return undefined;
  }

  /** Those without accounts of users that are remembered, and which are there or may be, each once. */
  all(): readonly KeptHome[] {
    const all = new Map(this.once.kept.map((one) => [keptKey(one), one]));
    return this.#there([...all.values()]).map(({ home }) => home);
  }

  #there(homes: readonly KeptHome[]): Found[] {
    const byJail = Map.groupBy(homes, (home) => placeOf(home).jail);
    return [...byJail].flatMap(([jail, all]) => {
      const unknown = () => all.map((home) => ({ home, place: undefined }));
      if (jail !== "/" && this.#away.getOrInsertComputed(jail, mayComeBack)) return unknown();
      try {
        using root = openPlace(jail);
        return all.flatMap((home) => this.#find(root, home) ?? []);
      } catch (error) {
        if (!isReported(error)) throw error;
        // What fstab(5) mounts in it may come back with files of its users.
        const isGone =
          error instanceof JailkitError &&
          error.code === "no-such-jail" &&
          answered(() => unmountedIn(jail).length) === 0;
        return isGone ? unknown().filter(({ home }) => home.isLost) : unknown();
      }
    });
  }

  /** Looks for a home; what is beside its place may be it, under another name. */
  #find(root: JailRoot, home: KeptHome): Found | undefined {
    if (isWholeJail(home)) return { home, place: undefined };
    const { path } = placeOf(home);
    const above = directoryOf(path);
    const owner = answered(() => ({ uid: lookUp(root, path)?.stat.uid }));
    if (owner?.uid === home.uid) return { home, place: hostPath(root, path) };
    const directory = hostPath(root, above);
    const beside = owner && this.#beside.getOrInsertComputed(directory, () => namesByOwner(root, above));
    if (beside === undefined) return { home, place: undefined };
    const name = beside.get(home.uid);
    if (name !== undefined) return { home, place: joinPath(directory, name) };
    return isElsewhere(root, home) ? { home, place: undefined, isElsewhere: true } : undefined;
  }
}

/** One of which it is known whether apply created it. */
interface KnownLeftHome extends LeftHome {
  readonly isCreated: boolean;
}

/** The path of a home without links, as the jail sees both. */
export const plainIn = (root: JailRoot, home: ByteString): ByteString =>
  answered(() => lookUp(root, home)?.canonicalPath) ?? home;

/** Those of some homes that are in a jail, and there, with the owner of before, and left: each once. */
export function leftIn(
  jail: ByteString,
  homes: readonly KeptHome[],
  isLeft: (home: KeptHome) => boolean,
): readonly KnownLeftHome[] {
  const here = homes.filter((home) => placeOf(home).jail === jail && !isWholeJail(home) && isLeft(home));
  if (here.length === 0) return [];
  const found = answered(() => {
    using root = openJailRoot(jail);
    const all = here.map((home) => {
      const { uid, created } = home;
      return { uid, path: plainIn(root, placeOf(home).path), isCreated: created === true };
    });
    return all.filter((home) => isStillThere(root, home));
  });
  return [...new Map((found ?? []).map((home) => [home.path, home])).values()];
}

/** Whether a home is a directory of its owner. */
export function isStillThere(root: JailRoot, { uid, path }: LeftHome): boolean {
  const stat = answered(() => lookUp(root, path)?.stat);
  return stat?.uid === uid && isDirectory(stat);
}

/** The owner of a home, as passwd(5) has that; undefined if it is not there, or if that is not known. */
export const ownerOf = (home: ByteString): number | undefined =>
  answered(() => {
    const { jail, path } = placeOf({ home });
    using root = openPlace(jail);
    return lookUp(root, path)?.stat.uid;
  });

/** For the owners of what is in a directory of a jail, a name each; undefined if that cannot be known. */
function namesByOwner(root: JailRoot, directory: ByteString): ReadonlyMap<number, ByteString> | undefined {
  return answered(() => {
    if (mountRemedy(hostPath(root, directory)) !== undefined) return undefined;
    if (lookUp(root, directory) !== undefined)
      return new Map(ownersIn(root, directory).map(({ uid, name }) => [uid, name]));
    // An empty directory may be the place of a file system.
    return lookUp(root, "/etc") === undefined ? undefined : new Map();
  });
}
