import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, directoryOf, normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { ownersIn } from "../jail/accounts/service-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, type JailRoot, joinPath, openJailRoot } from "../jail/fs/walk.ts";
import { allKnownJails } from "../jails/known.ts";
import { giveCommand } from "../system/give.ts";
import type { ReservedUids } from "../system/login-defs.ts";
import { hostUser, isNobodys } from "../system/name-services.ts";
import { joinHome } from "../system/separator.ts";
import { hasStayed, whyKeysStay } from "../users/kernel-objects.ts";
import { forgetLine } from "../users/plan.ts";
import type { FaultText } from "./change.ts";
import type { Declaration, DeclaredUser } from "./model.ts";

// A directory that has an account no more, or that says so for a while, as one without a cache, tells nothing of its uid. What a
// jail has of the account does.

/** A line of a jail's etc/passwd; the home is plain. */
interface Line {
  readonly name: ByteString;
  readonly uid: number;
  readonly home: ByteString;
}

/** What in a jail has a uid: a line of its etc/passwd, what is at a place of the host, or both. */
export interface Holder {
  readonly uid: number;
  readonly jail: ByteString;
  readonly line: Line | undefined;
  readonly place: ByteString | undefined;
}

interface Placed extends Pick<DeclaredUser, "jail" | "home"> {
  /** The only account that asks is to have it: with its uid, by chance, it is that one's. */
  readonly isOwn?: boolean;
}

type Named = Pick<DeclaredUser, "name" | "jail" | "home">;

/** Uids by what jails have, whatever is remembered. Each of them is looked at once, when somebody asks. */
export class UidsInJails {
  readonly #lines = new Map<ByteString, ReadonlyMap<number, readonly Line[]>>();
  readonly #beside = new Map<ByteString, ReadonlyMap<number, readonly ByteString[]>>();
  #all: ReadonlyMap<number, Holder> | undefined;

  /** `homes`: those of jails that count for accounts without a uid, besides the known ones. */
  constructor(private readonly homes: () => readonly Placed[]) {}

  /** Whether something has it. */
  has = (uid: number): boolean => this.#holders().has(uid);

  /** Who has it by lines of known jails. */
  linesWith = (uid: number): readonly Pick<DeclaredUser, "name" | "jail">[] =>
    knownPlaces().flatMap(({ jail }) =>
      (this.#linesOf(jail).get(uid) ?? []).map(({ name }) => ({ name, jail })),
    );

  /** Why one that is wanted stays reserved; undefined if none does. */
  why(isWanted: (uid: number) => boolean): ReturnType<ReservedUids["letGo"]> {
    const found = [...this.#holders().values()].find(({ uid }) => isWanted(uid));
    if (found === undefined) return undefined;
    // Another one may have it, of which nobody knows while a name service is silent.
    const { what, remedy } = toldOf(found, isNobodys(found.uid));
    return { message: remedy === undefined ? what : `${what}; ${waysOf(found, remedy)}`, remedy };
  }

  /** What in the jail of a new account, besides its own line or home, has its uid; undefined also if one of these has it. */
  otherThan({ name, jail, home: asDeclared }: Named, uid: number): Holder | undefined {
    const home = normalPath(asDeclared);
    const lines = this.#linesOf(jail).get(uid) ?? [];
    const beside = this.#besideOf(jail, home, uid);
    if (lines.some((one) => one.name === name) || beside.includes(baseName(home))) return undefined;
    const [line] = lines;
    const own = line && this.#homeOf(jail, line);
    const [first] = beside;
    const place = own ?? (first && placeIn(jail, directoryOf(home), first));
    if (line === undefined && place === undefined) return undefined;
    return { uid, jail, line: own === undefined && place !== undefined ? undefined : line, place };
  }

  /** Whether a uid is in the jail with the name or the home of an account. */
  isThere({ name, jail, home: asDeclared }: Named, uid: number): boolean {
    const home = normalPath(asDeclared);
    return (this.#linesOf(jail).get(uid) ?? []).some((one) => one.name === name || one.home === home);
  }

  /**
   * The home of another account that has the uid of one which comes into the jail: by a line, or, if it `isKnown` that another one
   * had the uid there, what is beside its own home.
   */
  homeOfOther({ jail, home: asDeclared }: Named, uid: number, isKnown: boolean): Holder | undefined {
    const home = normalPath(asDeclared);
    for (const line of this.#linesOf(jail).get(uid) ?? []) {
      const place = this.#homeOf(jail, line);
      if (place !== undefined) return { uid, jail, line, place };
    }
    const [name] = isKnown ? this.#besideOf(jail, home, uid).filter((one) => one !== baseName(home)) : [];
    return name === undefined
      ? undefined
      : { uid, jail, line: undefined, place: placeIn(jail, directoryOf(home), name) };
  }

  #holders(): ReadonlyMap<number, Holder> {
    if (this.#all !== undefined) return this.#all;
    const found = new Map<number, Holder>();
    // Those that are asked for come last, and count where both have the same directory.
    const homes = [...knownPlaces(), ...this.homes()].map((one) => {
      const home = normalPath(one.home);
      return { ...one, directory: directoryOf(home), own: one.isOwn === true ? baseName(home) : undefined };
    });
    for (const [jail, here] of Map.groupBy(homes, (one) => one.jail)) {
      for (const [uid, [line]] of this.#linesOf(jail)) found.set(uid, { uid, jail, line, place: undefined });
      for (const { directory, own } of new Map(here.map((one) => [one.directory, one])).values())
        for (const [uid, names] of this.#ownersOf(jail, directory)) {
          const name = names.find((one) => one !== own);
          if (name !== undefined)
            found.set(uid, { uid, jail, line: undefined, place: placeIn(jail, directory, name) });
        }
    }
    this.#all = found;
    return found;
  }

  #homeOf(jail: ByteString, { uid, home }: Line): ByteString | undefined {
    const owner = home === "/" ? undefined : look(jail, (root) => lookUp(root, home)?.stat.uid);
    return owner === uid ? hostPath({ path: jail }, home) : undefined;
  }

  #linesOf = (jail: ByteString): ReadonlyMap<number, readonly Line[]> =>
    this.#lines.getOrInsertComputed(jail, () => Map.groupBy(look(jail, linesIn) ?? [], ({ uid }) => uid));

  #ownersOf = (jail: ByteString, directory: ByteString): ReadonlyMap<number, readonly ByteString[]> =>
    this.#beside.getOrInsertComputed(joinHome(jail, directory), () => {
      const names = new Map<number, ByteString[]>();
      for (const { uid, name } of look(jail, (root) => ownersIn(root, directory)) ?? [])
        names.getOrInsertComputed(uid, () => []).push(name);
      return names;
    });

  #besideOf = (jail: ByteString, home: ByteString, uid: number): readonly ByteString[] =>
    this.#ownersOf(jail, directoryOf(home)).get(uid) ?? [];
}

const placeIn = (jail: ByteString, directory: ByteString, name: ByteString): ByteString =>
  joinPath(hostPath({ path: jail }, directory), name);

/** The usual place of homes in each known jail: somebody who was removed may have files there, and programs with the own uid. */
function knownPlaces(): readonly Placed[] {
  // A configuration that cannot be read keeps nobody from being created: it names few jails that nothing else does.
  const { paths } = allKnownJails(jailedUsers(), () => undefined);
  return paths.map((jail) => ({ jail, home: usualHome("any") }));
}

/** Undefined for a jail that is yet to be made, or that cannot be used: nobody comes there. */
const look = <T>(jail: ByteString, use: (root: JailRoot) => T): T | undefined =>
  answered(() => {
    using root = openJailRoot(jail);
    return use(root);
  });

const linesIn = (root: JailRoot): readonly Line[] =>
  readJailAccounts(root).users.map(({ name, uid, home }) => ({ name, uid, home: normalPath(home) }));

/** Printable; `remedy`: what takes the uid from it, as far as one command does that; `gives`: it may give files away. */
function toldOf(
  { uid, jail, line, place }: Holder,
  gives: boolean,
): {
  readonly what: string;
  readonly remedy?: Remedy | undefined;
} {
  const of = line === undefined ? "" : ` of ${quoted(line.name)} by the jail's etc/passwd`;
  if (place !== undefined) {
    const is = line === undefined ? "" : `, the home${of}`;
    return {
      what: `the uid ${uid} is that of ${quoted(place)}${is}`,
      remedy: gives ? giveCommand(place, uid) : undefined,
    };
  }
  const name = line?.name ?? "";
  // One that is there has another uid by now.
  const isGone = answered(() => hostUser(name) === undefined) === true;
  const what = `the uid ${uid} belongs to ${quoted(name)} in ${quoted(`${jail}/etc/passwd`)}`;
  return { what, remedy: isGone ? forgetLine(jail, name) : undefined };
}

const waysOf = ({ place }: Holder, remedy: Remedy): string =>
  place === undefined
    ? `if that account is gone for good, take its line out with: ${remedy}`
    : `give them to root, with: ${remedy}`;

/** Why an account does not get a uid that something else in its jail has. Printable; `gives`: a command may give files away. */
export function heldFault(found: Holder, advice: string, gives: boolean): FaultText {
  const { what, remedy } = toldOf(found, gives);
  const isHome = found.place !== undefined;
  const whose = isHome ? ", whose files the new account would own" : "";
  const ways =
    remedy === undefined ? "" : `${isHome ? "," : ";"} or${isHome ? "" : ","} ${waysOf(found, remedy)}`;
  return { code: isHome ? "kept-home" : "uid-taken", message: `${what}${whose}: ${advice}${ways}`, remedy };
}

const hasStaying = (uid: number): boolean => whyKeysStay(uid) !== undefined;

/** The uids that no account gets by chance; `isOwned`: of those that stay, nothing is given away. */
export const reservedBy = (
  kept: ReservedUids,
  jails: UidsInJails,
  isOwned: (uid: number) => boolean = () => false,
): ReservedUids => {
  const shut = new Map<number, boolean>();
  return {
    has: (uid) =>
      kept.has(uid) || jails.has(uid) || hasStayed(uid) || shut.getOrInsertComputed(uid, hasStaying),
    letGo(isWanted) {
      const isFree = (uid: number) => isWanted(uid) && !isOwned(uid);
      return kept.letGo(isFree) ?? jails.why(isFree);
    },
  };
};

/** The homes of declared users, and the usual place of homes in each declared jail. */
export const homesIn = ({ jails, users }: Declaration): readonly Placed[] => [
  ...users,
  ...jails.map(({ path }) => ({ jail: path, home: usualHome("any") })),
];
