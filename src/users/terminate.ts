import { SIGKILL, SIGSTOP } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { withFd } from "../../ffi/files.ts";
import { isProcessOf, killAllOf } from "../../ffi/process.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { type LoginNote, noteLogin } from "../jail/fs/login-notes.ts";
import { whileEnding } from "../system/long-status.ts";
import { hostUser } from "../system/name-services.ts";
import { openProc, processesByUid, processesOf, readOf, signalEachOf } from "../system/processes.ts";
import { endUnauthenticated, unauthenticated } from "../system/sshd/unauthenticated.ts";
import { shownPids, whatRuns } from "./sessions.ts";

// What is killed needs a moment to end: this long, in milliseconds, so often.
const PAUSE = 20;
const MOST_PASSES = 250;
// Those that start others all the time are looked for so often before some are killed.
const MOST_SWEEPS = 50;
const MOST_DRAWS = 1000;

/** Whether a process has a uid. */
const isInUse = (uid: number): boolean => isProcessOf(uid) || processesByUid()(uid).length > 0;

/** The largest range of uids that there are for this process (user_namespaces(7)). Throws SystemError. */
function mappedUids(): { first: number; count: number } {
  const text = withFd(openProc(), (proc) => readOf(proc, "self", "uid_map"));
  const ranges = text.matchAll(/^ *(\d+) +\d+ +(\d+)$/gm);
  return ranges
    .map(([, first, count]) => ({ first: Number(first), count: Number(count) }))
    .reduce((largest, range) => (range.count > largest.count ? range : largest), { first: 0, count: 0 });
}

/**
 * A uid that no account and no process has: see killAllOf. It is one of the highest, which on a machine without a user namespace
 * nobody uses, and by chance, so that nobody can start a process with it on purpose.
 */
function spareUid(uid: number): number {
  const { first, count } = mappedUids();
  const half = Math.floor(count / 2);
  for (let draw = 0; draw < MOST_DRAWS; draw++) {
    const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
    const spare = first + half + (random % (count - half));
    // No number at all, if no range is known, is root's for the kernel.
    if (spare > 0 && spare !== uid && !isInUse(spare) && hostUser(spare) === undefined) return spare;
  }
  throw new JailkitError("failed", 1, "all user ids are in use");
}

/** Ends those that one kill(2) for all does not reach. */
function endOneByOne(uid: number): void {
  // While they are stopped they start no others, and keep their places among those that their user may have.
  const stopped = new Set<number>();
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    const before = stopped.size;
    for (const pid of signalEachOf(uid, SIGSTOP).sent) stopped.add(pid);
    if (stopped.size === before) break;
  }
  signalEachOf(uid, SIGKILL);
}

/** A uid, and the name of its account if that is known. */
const accountOf = (uid: number) => ({ uid, name: answered(() => hostUser(uid))?.name ?? "" });

/**
 * The pids, in order, that terminate would end now: processes of a user, and those of root for connections to sshd(8) that would
 * start some. Throws JailkitError "no-proc".
 */
export const pidsToEnd = (uid: number): readonly number[] =>
  whileEnding(uid, () => {
    const { named, unclear } = unauthenticated(accountOf(uid));
    return sorted(new Set([...ownPids(uid), ...named, ...unclear]));
  });

/** The processes of a user, without those of root that have the id: they go on, and may have it no more. */
function ownPids(uid: number): number[] {
  const ofRoot = new Set(signalEachOf(uid, 0).ofRoot);
  return processesOf(uid).filter((pid) => !ofRoot.has(pid));
}

const sorted = (pids: ReadonlySet<number>) => [...pids].sort((a, b) => a - b);

/**
 * Ends all processes of a user, also those with ids of subuid(5) in user namespaces of its own, and waits until they have ended;
 * also the connections to sshd(8) that would start more when they are authenticated. Returns the pids that have ended, in order, as
 * proc(5) showed them. Throws JailkitError "has-processes" if some go on, or others start all the time. Needs root.
 */
export const terminate = (uid: number): readonly number[] => whileEnding(uid, () => terminateNow(uid));

function terminateNow(uid: number): readonly number[] {
  const account = accountOf(uid);
  const ended = new Set<number>();
  // Only who stops some leaves something, if this process is killed.
  let note: LoginNote | undefined;
  const stopping = (pids: readonly number[]) => {
    note ??= noteLogin(account);
    note?.stops(pids);
  };
  const endConnections = () => {
    const { named, unclear } = endUnauthenticated(account, stopping);
    note?.remove();
    note = undefined;
    for (const pid of [...named, ...unclear]) ended.add(pid);
  };
  endConnections();
  for (const pid of ownPids(uid)) ended.add(pid);
  let spare: number | undefined;
  for (let pass = 0; ; pass++) {
    const runs = whatRuns(uid);
    if (runs === undefined) return sorted(ended);
    if (pass === MOST_PASSES) throw goOn(uid, runs);
    if (pass > 0) Bun.sleepSync(PAUSE);
    if (spare === undefined || isInUse(spare)) spare = spareUid(uid);
    try {
      killAllOf(uid, spare);
    } catch (error) {
      // None is left that it may signal.
      if (!isErrno(error, "ESRCH")) throw error;
    }
    endOneByOne(uid);
    if (pass > 0) endConnections();
  }
}

function goOn(uid: number, runs: string): JailkitError {
  const { sent, ofRoot } = signalEachOf(uid, 0);
  const services =
    ofRoot.length === 0 ? "" : `; root's are not ended: stop their services (${shownPids(ofRoot)})`;
  // Those of users have ended.
  const inside = processesOf(uid).filter((pid) => !(sent.includes(pid) || ofRoot.includes(pid)));
  const containers =
    inside.length === 0
      ? ""
      : `; some can take it in a user namespace that root has made, as for a container: stop that (${shownPids(inside)})`;
  const message = `processes with the uid ${uid} go on (${runs})${services}${containers}`;
  return new JailkitError("has-processes", 1, message);
}
