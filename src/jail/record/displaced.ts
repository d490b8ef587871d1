import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { isMissing, statIfPresent } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { localUsers } from "../../system/flat-accounts.ts";
import { freeName } from "../../system/free-name.ts";
import { jailOfHome } from "../../system/separator.ts";
import { jailIdAt, jailIdOf, MAY_BE_OTHER } from "../fs/directory-id.ts";
import { mountRemedy } from "../fs/unmounted.ts";
import type { JailRoot } from "../fs/walk.ts";
import { isRemovable, wayPast } from "./bare.ts";
import { type DeclaredDirectory, declaredDirectories } from "./declared-file.ts";
import { followLink, followRemedy } from "./follow.ts";
import { FormerPlaces } from "./former-places.ts";
import { formerPath, isRecorded, mayHaveMoved } from "./moved.ts";
import { OthersUsers } from "./others-users.ts";
import { knownJails, REGISTRY } from "./registry.ts";
import { areRenamed, type Renames, renames, roundBack, toTheNext } from "./renames.ts";

/** Why nothing is done in a jail that is not where it was. */
export interface MovedFault {
  readonly code: "moved";
  readonly message: string;
  readonly remedy?: Remedy | undefined;
  /** Another directory is at its path, or its own at that of another jail. */
  readonly isExchanged?: boolean;
}

/** Why nothing is done in a jail whose record and accounts still name its old path. */
export function movedFault(from: ByteString, to: ByteString): MovedFault & { readonly remedy: Remedy } {
  const remedy = followRemedy(from, to);
  const message = `it was moved, from ${quoted(from)}: let its record, its accounts and the configuration follow, with: ${remedy}`;
  return { code: "moved", message, remedy };
}

/** The same of an open jail, by the record of this id. */
export function recordedElsewhere(root: JailRoot, id: ByteString): MovedFault | undefined {
  const from = formerPath(root, id);
  return from !== undefined && mountRemedy(from) === undefined ? movedFault(from, root.path) : undefined;
}

/** True if `jailkit adopt --moved` takes what is at the second path for the jail that was at the first. */
const canFollow = (from: ByteString, to: ByteString): boolean =>
  isMissing(from) ? mayHaveMoved(from, to) : followLink(from, true) === followRemedy(from, to);

/** As movedFault, where an empty directory has come to the old path since; `where`: the other one of both paths, in words. */
function movedFromEmpty(from: ByteString, to: ByteString, where: string): MovedFault {
  const { text, remedy } = wayPast(from, to);
  const message = `it was moved, ${where}: ${text}`;
  return { code: "moved", message, remedy, isExchanged: true };
}

/** The command that exchanges the paths of two jails; "" if that takes more. */
export function exchangeBack(one: ByteString, other: ByteString): Remedy {
  return answered(() => areRenamed([one, other])) === true ? renames(roundBack([one, other])) : "";
}

/** The fault of a path; the command is shown for one of those that it moves alone. */
function toldBy(teller: ByteString, path: ByteString, what: string, remedy: Remedy): MovedFault {
  const all = `${what}, so nothing is done in the two: move each jail back to its path`;
  const fault = { code: "moved", isExchanged: true } as const;
  if (remedy === "") return { ...fault, message: all };
  if (teller === path) return { ...fault, message: `${all}, with: ${remedy}`, remedy };
  // Typed for each of them, it would exchange them once more.
  const shows = `jailkit list ${operands(teller)}`;
  return { ...fault, message: `${all}, with the command that this shows: ${shows}` };
}

/**
 * Finds jails that are at the paths of others, by the identities of their directories: after a move that was not followed, or
 * not to the end, and where two have exchanged their paths. `known`: the paths of all known jails.
 */
export class Displaced {
  readonly #own: ReadonlyMap<ByteString, ByteString>;
  readonly #owners: ReadonlyMap<ByteString, readonly ByteString[]>;
  readonly #users = new OthersUsers();
  readonly #former: FormerPlaces;
  readonly #ids = new Map<ByteString, ByteString | undefined>();
  #places: ReadonlyMap<ByteString | undefined, readonly ByteString[]> | undefined;

  constructor(
    once: readonly DeclaredDirectory[],
    private readonly known: () => Iterable<ByteString>,
  ) {
    const own = once.flatMap(({ path, directoryId: id = MAY_BE_OTHER }): [ByteString, ByteString][] =>
      id === MAY_BE_OTHER ? [] : [[path, id]],
    );
    this.#own = new Map(own);
    const owners = Map.groupBy(own, ([, id]) => id);
    this.#owners = new Map([...owners].map(([id, some]) => [id, some.map(([path]) => path)]));
    this.#former = new FormerPlaces(once, {
      users: this.#users,
      isKnown: (path) => once.some((one) => one.path === path) || new Set(this.known()).has(path),
      mayFollow: (from, to) => this.#mayFollow(from, to),
    });
  }

  /**
   * Why nothing is done at a path: it has the directory of another jail, or another path has that of its own. `root`: the jail
   * that is open there, if it is.
   */
  faultOf(path: ByteString, root?: JailRoot): MovedFault | undefined {
    if (root !== undefined) this.#ids.getOrInsertComputed(path, () => jailIdOf(root));
    const own = this.#own.get(path);
    if (own !== undefined && own === this.#idAt(path)) return undefined;
    const whose = this.#ownerOf(path);
    if (whose !== undefined) {
      if (this.#mayFollow(whose, path)) return movedFault(whose, path);
      if (this.#isLeft(whose, path))
        return movedFromEmpty(whose, path, `from ${quoted(whose)}, where another directory is now`);
      return this.#moveBack(`its directory is that of the jail ${quoted(whose)}`, path, path);
    }
    const place = this.#placeOf(path);
    if (place === undefined) return this.#back(path) ?? this.#byUsers(path);
    const remedy = followRemedy(path, place);
    if (this.#mayFollow(path, place)) return { code: "moved", message: `it was moved: ${remedy}`, remedy };
    if (this.#isLeft(path, place))
      return movedFromEmpty(path, place, `to ${quoted(place)}, and another directory is here now`);
    return this.#moveBack(`its directory is at ${quoted(place)} now, the path of another jail`, path, place);
  }

  /** The same of a known jail that has no record: it was copied, and that of its old path is the last that follows it. */
  withoutRecord(path: ByteString): MovedFault | undefined {
    const own = this.#own.get(path);
    if (own === undefined || own !== this.#idAt(path)) return undefined;
    const lost = answered(() =>
      knownJails().find((one) => isMissing(one.jail.path) && isRecorded(path, one, REGISTRY, false)),
    );
    return lost && movedFault(lost.jail.path, path);
  }

  /** The same of one of which nothing tells which directory it was: by its users. */
  #byUsers(path: ByteString): MovedFault | undefined {
    const whose = answered(() => this.#users.exchangedWith(path));
    if (whose === undefined) return undefined;
    const what = `its etc/passwd and its homes are those of the users of ${quoted(whose.jail)}, such as ${quoted(whose.name)}, and the other way round`;
    const [teller, second] = path < whose.jail ? [path, whose.jail] : [whose.jail, path];
    return toldBy(teller, path, what, exchangeBack(teller, second));
  }

  /** The same of one that has come back to where it was before it was moved, as from a backup: by its users. */
  #back(path: ByteString): MovedFault | undefined {
    const found = answered(() => (isMissing(path) ? this.#former.of(path) : this.#former.at(path)));
    return found && { code: "moved", isExchanged: true, ...found };
  }

  #idAt(path: ByteString): ByteString | undefined {
    return this.#ids.getOrInsertComputed(path, () => jailIdAt(path));
  }

  /** The jail whose directory is at a path, and not at its own. */
  #ownerOf(path: ByteString): ByteString | undefined {
    const here = this.#idAt(path);
    const owners = here === undefined ? [] : (this.#owners.get(here) ?? []);
    return owners.find((one) => one !== path && this.#idAt(one) !== here);
  }

  /** Where the directory of a jail is, if that is not its own there. */
  #placeOf(path: ByteString): ByteString | undefined {
    const own = this.#own.get(path);
    if (own === undefined) return undefined;
    this.#places ??= Map.groupBy(new Set([...this.known(), ...this.#own.keys()]), (one) => this.#idAt(one));
    return this.#places.get(own)?.find((one) => one !== path && this.#own.get(one) !== own);
  }

  /** True if no other jail than the moved one has a right to its new path. */
  #mayFollow(from: ByteString, to: ByteString): boolean {
    return this.#isFree(from, to) && answered(() => canFollow(from, to)) === true;
  }

  /** The same if an empty directory is at the old path. */
  #isLeft(from: ByteString, to: ByteString): boolean {
    return this.#isFree(from, to) && isRemovable(from) && answered(() => isOrMayBe(from, to)) === true;
  }

  #isFree(from: ByteString, to: ByteString): boolean {
    const [own, other] = [this.#own.get(from), this.#own.get(to)];
    return other === undefined || other === own;
  }

  /** `at`: where the directory is that the fault of `path` is about. */
  #moveBack(what: string, path: ByteString, at: ByteString): MovedFault {
    const chain = this.#chainAt(at);
    const remedy = renames(answered(() => this.#movesBack(chain)) ?? []);
    const known = new Set([...this.known(), ...this.#own.keys()]);
    // One that is declared alone is found by nothing but its own path.
    const isFound = chain.every((one) => known.has(one));
    const teller = (isFound ? chain.filter((one) => this.#own.has(one)).sort()[0] : undefined) ?? path;
    return toldBy(teller, path, what, remedy);
  }

  /** The paths of which each has the directory of the next one, with this among them; of a ring it is the same for all. */
  #chainAt(at: ByteString): readonly [ByteString, ...ByteString[]] {
    let first = at;
    const seen = new Set([at]);
    for (let before = this.#placeOf(at); before !== undefined; before = this.#placeOf(before)) {
      first = seen.has(before) ? ([...seen].sort()[0] ?? at) : before;
      if (seen.has(before)) break;
      seen.add(before);
    }
    const others = new Set<ByteString>();
    for (let next = this.#ownerOf(first); next !== undefined; next = this.#ownerOf(next)) {
      if (next === first || others.has(next)) break;
      others.add(next);
    }
    return [first, ...others];
  }

  /** The renames after which each directory is where it was; none if that takes more. */
  #movesBack(paths: readonly [ByteString, ...ByteString[]]): Renames {
    if (!areRenamed(paths)) return [];
    const [first] = paths;
    const last = paths.at(-1) ?? first;
    if (paths.length === 1) return [];
    if (this.#ownerOf(last) === first || wasAt(first, last)) return roundBack(paths);
    const aside = isMissing(last) ? [] : [[last, freeName(last, ".moved")] as const];
    return [...aside, ...toTheNext(paths).toReversed()];
  }
}

/** Asks about a path. `root`: as for Displaced. */
export type AskDisplaced = (path: ByteString, root?: JailRoot) => MovedFault | undefined;

/** Why a jail is not where it was, by what was declared once; all known jails are looked at, if they may have its directory. */
export function displacedHere(): AskDisplaced {
  let made: Displaced | undefined;
  return (path, root) =>
    answered(() => {
      made ??= new Displaced(declaredDirectories(), () => [
        ...knownJails().map(({ jail }) => jail.path),
        ...localUsers().flatMap(({ home }) => jailOfHome(home) ?? []),
      ]);
      return made.faultOf(path, root);
    });
}

// As it was when this process first asked. What it makes since has a directory that nobody had.
let asked: AskDisplaced | undefined;

/** Why nothing is done in a jail that has exchanged its path with another one. */
export function exchangedAt(path: ByteString, root?: JailRoot): MovedFault | undefined {
  asked ??= displacedHere();
  const fault = asked(path, root);
  return fault?.isExchanged === true ? fault : undefined;
}

/** Throws JailkitError "moved" for such a jail: what is for one would come into the other. */
export function requireInPlace(path: ByteString, root?: JailRoot, exitStatus = 1): void {
  const fault = exchangedAt(path, root);
  if (fault === undefined) return;
  throw new JailkitError(
    fault.code,
    exitStatus,
    `${display(path)}: ${fault.message}`,
    undefined,
    fault.remedy,
  );
}

/** True if no record says that what is at the second path is not the jail which was at the first. */
function isOrMayBe(from: ByteString, to: ByteString): boolean {
  const record = knownJails().find(({ jail }) => jail.path === from);
  return record === undefined || isRecorded(to, record);
}

/** True if the record of a jail that was never declared is that of the directory at another path. */
function wasAt(path: ByteString, now: ByteString): boolean {
  const record = knownJails().find(({ jail }) => jail.path === path)?.jail;
  const there = statIfPresent(AT_FDCWD, now);
  return there !== undefined && record?.ino === there.ino;
}
