import type { ByteString } from "../../ffi/bytes.ts";
import { O_PATH } from "../../ffi/constants.ts";
import { attempt, isErrno } from "../../ffi/error.ts";
import { openIfPresent, statIfPresent, withFd } from "../../ffi/files.ts";
import { quoted, shortPath } from "../cli/display.ts";
import { answered, errorOf, JailkitError } from "../cli/error.ts";
import { takeLinesOut } from "../enter/remedies.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { CHANGES } from "../jail/fs/owned.ts";
import { BOTH, type Counting, findSetIds, ITS_GROUP, takeFromNameless } from "../jail/fs/set-ids.ts";
import { ofMachine, unmountedBelow } from "../jail/fs/unmounted.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { type GidHolder, holdersOfGids } from "../system/gid-holders.ts";
import { type Holder, lookAtHolders, waysOf } from "../system/holders.ts";
import type { AccountFacts } from "../system/host-accounts.ts";
import { worksIn } from "../system/works-in.ts";
import { requireNobodyBorrows } from "./borrowed-groups.ts";
import { countingFor, type Leaver, leaverOf, memberships, ofOthersIn } from "./leaver.ts";
import { atWork, endingOf, requireNothingRuns, shownPids } from "./sessions.ts";

// Who starts a setuid program of an account gets all that its processes have: outside of the jail, the machine. So it is with a
// group by a setgid program, and by that another user can make one of its own.

const ATTEMPTS = 4;
// The ctime of a file is that of the last tick of a clock, which may be 10 ms ago.
const TICK = 10;
const NEVER = 1n << 62n;
const BITS = "the setuid and setgid bits";

/** Programs that give others the rights of a user, or those of a group. */
export interface SetIds {
  /** Some, as the jail sees them. */
  readonly paths: ByteString[];
  count: number;
}

const MOST_PATHS = 3;

/** Makes no other path: that of each file takes as long as it is deep. */
function add(to: SetIds, path: () => ByteString): void {
  if (to.count++ < MOST_PATHS) to.paths.push(path());
}

/** Those of all users of a jail. */
export interface AllSetIds {
  readonly byUid: ReadonlyMap<number, SetIds>;
  /** Those of owners who are not in their group, by gid and then by uid. */
  readonly byGid: ReadonlyMap<number, ReadonlyMap<number, SetIds>>;
}

/** Looks for them. Throws as findSetIds and memberships. */
export function foreseeSetIds(root: JailRoot): AllSetIds {
  const [byUid, byGid] = [new Map<number, SetIds>(), new Map<number, Map<number, SetIds>>()];
  const isMember = memberships();
  const none = () => ({ paths: [], count: 0 });
  const stop = "nothing was changed; run this again";
  findSetIds(root, { counting: () => BOTH, since: NEVER, take: false, stop }, (stat, make) => {
    let made: ByteString | undefined;
    const path = () => (made ??= make());
    add(byUid.getOrInsertComputed(stat.uid, none), path);
    if ((stat.mode & ITS_GROUP) === 0 || isMember(stat)) return;
    const byOwner = byGid.getOrInsertComputed(stat.gid, () => new Map<number, SetIds>());
    add(byOwner.getOrInsertComputed(stat.uid, none), path);
  });
  return { byUid, byGid };
}

/** Those among them that a user takes along. Pure. */
export function setIdsOf({ byUid, byGid }: AllSetIds, { uid, gids }: Omit<Leaver, "name">): SetIds {
  const ofOthers = [...gids].flatMap((gid) =>
    [...(byGid.get(gid) ?? [])].flatMap(([owner, found]) => (owner === uid ? [] : found)),
  );
  const all = [byUid.get(uid) ?? [], ...ofOthers].flat();
  const paths = all.flatMap((found) => found.paths).slice(0, MOST_PATHS);
  return { paths, count: all.reduce((sum, { count }) => sum + count, 0) };
}

/** What is said of them, printable; undefined if there are none. */
export function setIdsText(root: Pick<JailRoot, "path">, found: SetIds | undefined): string | undefined {
  if (found === undefined || found.count === 0) return undefined;
  const { paths, count } = found;
  const more = count > paths.length ? ` and ${count - paths.length} more` : "";
  return `${BITS} from ${paths.map((path) => quoted(shortPath(hostPath(root, path)))).join(", ")}${more}`;
}

/** For plans of many accounts that are not carried out: what is asked once for all of them. */
export interface Foreseen {
  readonly facts?: Pick<AccountFacts, "groupsOf">;
  /** What was found in jails, by their paths. */
  readonly setIds?: Map<ByteString, AllSetIds>;
  readonly held?: () => Held;
}

/** What processes of the machine have. */
export interface Held {
  readonly gids: readonly GidHolder[];
  /** Those that may have any file. */
  readonly doubtful: readonly Holder[];
}

/** Looks for it. Throws as holdersOfGids and lookAtHolders. */
export function heldByProcesses(): Held {
  const stop = "nothing was changed; run this again";
  return {
    gids: holdersOfGids({ has: () => true }, stop),
    doubtful: lookAtHolders(() => undefined, stop),
  };
}

/** Says what an account will lose. Throws as foreseeSetIds. */
export function tellOfSetIds(
  root: JailRoot,
  user: PasswdEntry,
  say: (line: string) => void,
  { facts, setIds = new Map() }: Foreseen = {},
): void {
  const all = setIds.getOrInsertComputed(root.path, () => foreseeSetIds(root));
  const text = setIdsText(root, setIdsOf(all, leaverOf(user, [], facts)));
  if (text !== undefined) say(`would take ${text}`);
}

interface Leaving {
  readonly ends: boolean;
  /** The account is removed then: no command can name it any more. */
  readonly isRemoved?: boolean;
  /** The names of groups that it was in until now. */
  readonly groups?: readonly ByteString[] | undefined;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

/**
 * Takes the setuid and setgid bits from all files of an account in a jail that it leaves, so that nobody there becomes it, and the
 * setgid bit from those with one of its groups whose owners are not in that; so it does from those without a name that others have
 * open. `say` gets what was done, printable, and `warn` that one may be left, since others change the jail all the time, who do not
 * keep the account in it, or since a file system is not mounted. `ends`: nothing of the account may run. Throws JailkitError, with
 * what to do, for what else may leave one.
 */
export function takeSetIds(root: JailRoot, account: PasswdEntry, leaving: Leaving): void {
  const { ends, isRemoved, say, warn } = leaving;
  const user = leaverOf(account, leaving.groups);
  const taken: SetIds = { paths: [], count: 0 };
  const pids = new Set<number>();
  const advice = (take: string) =>
    isRemoved
      ? "nobody else gets its uid while it is there"
      : `${take} with: ${takeLinesOut(root.path, user.name)}`;
  // A program there is one as soon as it is mounted again.
  const away = answered(() => unmountedBelow(root.path, ofMachine(), true)) ?? [];
  for (const place of away)
    warn(
      `${quoted(place)} is not mounted: a setuid program of ${quoted(user.name)} may be there; ${advice("when it is, take it")}`,
    );
  try {
    for (let attempt = 1; !takeOnce(root, user, ends, { taken, pids }); attempt++) {
      if (attempt === ATTEMPTS) {
        warn(busyText(root, user, advice("take it later")));
        break;
      }
      Bun.sleepSync(2 * TICK);
    }
    const working = ends ? undefined : answered(() => worksIn(root.fd, { uid: user.uid }))?.get(user.uid);
    if (working !== undefined)
      warn(
        `processes of ${quoted(user.name)} (${shownPids(working)}) work in ${quoted(root.path)}, where they can make a setuid program; ${advice("when they have ended, take it")}`,
      );
  } finally {
    for (const pid of pids) say(`took ${BITS} from a file without a name that the process ${pid} has open`);
    const text = setIdsText(root, taken);
    if (text !== undefined) say(`took ${text}`);
  }
}

/**
 * Throws JailkitError as takeSetIds for what processes of others have of an account that leaves a jail, before anything of it goes.
 */
export function requireNoneKeeps(
  root: JailRoot,
  account: PasswdEntry,
  groups: readonly ByteString[] | undefined,
  { facts, held }: Pick<Foreseen, "facts" | "held"> = {},
): void {
  const user = leaverOf(account, groups, facts);
  const known = held?.();
  requireNobodyBorrows(root, user, memberships(), stopText(user), known?.gids);
  requireNothingHidden(root, user, () => undefined, known?.doubtful);
}

const stopText = ({ name }: Leaver) => `${quoted(name)} is still in the jail; run this again`;

/** False if there may be more: until none is found, somebody may have made another one with the last, or moved one. */
function takeOnce(
  root: JailRoot,
  user: Leaver,
  ends: boolean,
  { taken, pids }: { readonly taken: SetIds; readonly pids: Set<number> },
): boolean {
  if (ends) requireNothingRuns(user);
  const since = BigInt(Date.now() - TICK) * 1_000_000n;
  let isClean = true;
  const took = (note: () => void) => {
    isClean = false;
    note();
  };
  try {
    const stop = stopText(user);
    const isMember = memberships();
    const counting = countingFor(user, isMember);
    requireNobodyBorrows(root, user, isMember, stop);
    // Before the files, as a file without a name may get one.
    takeFromOpen(root, user, counting, (pid) => took(() => pids.add(pid)));
    const wanted = { counting, since, take: true, stop };
    findSetIds(root, wanted, (_, path) => took(() => add(taken, path)));
  } catch (error) {
    if (error instanceof JailkitError && error.code === CHANGES) return false;
    const full = noRoom(error, root.path, {
      left: [],
      progress: `a setuid program of ${quoted(user.name)} stays`,
    });
    throw full === undefined ? error : errorOf(full);
  }
  return isClean;
}

/** Takes the bits from files without a name that others have open, or execute; `took` gets the pids of those. */
function takeFromOpen(root: JailRoot, user: Leaver, counting: Counting, took: (pid: number) => void): void {
  requireNothingHidden(root, user, (owner, { pid }, file) => {
    if (owner === 0 || file === undefined) return;
    // Those of others are many.
    if (owner !== user.uid && !attempt(() => isCounted(file.proc, file.path, counting))) return;
    const fd = openedBy(file.proc, file.path);
    if (fd !== undefined && withFd(fd, (open) => takeFromNameless(open, counting))) took(pid);
  });
}

/** Calls `note` for what processes have; throws JailkitError if those of others may have a program that is not seen. */
function requireNothingHidden(
  root: JailRoot,
  user: Leaver,
  note: Parameters<typeof lookAtHolders>[0],
  known?: readonly Holder[],
): void {
  const { name, uid } = user;
  const stop = stopText(user);
  const doubtful = known ?? lookAtHolders(note, stop);
  const others = doubtful.filter(({ uids }) => [...uids].some((one) => Number(one) !== uid));
  const ofJail = ofOthersIn(root, { uid }, others, stop);
  if (ofJail.length === 0) return;
  const { whose, remedy } = endingOf(ofJail);
  const message = `processes of ${whose} have ${waysOf(ofJail)}, in which they may keep a setuid program of ${quoted(name)}: end them, and run this again: ${remedy}`;
  throw new JailkitError("has-processes", 1, message, undefined, remedy);
}

function isCounted(proc: number, path: ByteString, counting: Counting): boolean {
  const stat = statIfPresent(proc, path, true);
  return stat !== undefined && stat.nlink === 0 && counting(stat) !== 0;
}

function openedBy(proc: number, path: ByteString): number | undefined {
  try {
    return openIfPresent(proc, path, O_PATH);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** What is said of a jail in which somebody else changes something all the time, printable. */
function busyText(root: JailRoot, user: Leaver, advice: string): string {
  const others = answered(() => atWork(root.fd));
  const who = others === undefined ? "" : `, where processes of ${others.whose} work`;
  return `a setuid program of ${quoted(user.name)} may be left in ${quoted(root.path)}, which changes while it is looked through${who}; ${advice}`;
}
