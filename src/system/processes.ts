import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { attempt, isErrno } from "../../ffi/error.ts";
import {
  close,
  openAt,
  openIfPresent,
  readDirectory,
  readFileIfPresent,
  sameFile,
  statAt,
  withFd,
} from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { isProcessOf, sendSignal } from "../../ffi/process.ts";
import { answered } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { counted, isEnough } from "./long-status.ts";
import { lookingAt } from "./looking-at.ts";
import { noProc } from "./mountinfo.ts";
import { isProc } from "./mounts.ts";
import { pidsIn, SeenProcesses } from "./pids.ts";

/** Real, effective and saved user id of a process (proc(5), the `Uid:` line of status). */
const UIDS = /^Uid:\t(\d+)\t(\d+)\t(\d+)/m;
/** The first 15 bytes of the name of its program. */
const NAME = /^Name:\t(.*)/;
/** Its pid in each pid namespace in which it has one, from that of the proc(5) that is read. */
const PIDS = /^NSpid:\t(.*)$/m;
/** Its number of threads, each of which has ids of its own. */
const THREADS = /^Threads:\t(\d+)/m;
/** The process that started it, or took it over. */
const PARENT = /^PPid:\t(\d+)/m;
/** One that has ended, and has no rights any more. Nobody has waited for it, and perhaps nobody will. */
const ZOMBIE = /^State:\t[ZX]/m;

/** Opens /proc. Throws JailkitError "no-proc" if proc(5) is not mounted there. */
export function openProc(): number {
  let proc = -1;
  try {
    proc = openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
    if (isProc(proc)) return proc;
    close(proc);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
  }
  throw noProc("processes");
}

// What has ended when it is looked at may have started another one before, so all are listed again, so often.
export const MOST_PASSES = 100;

/** The processes of a user, as proc(5) shows them. */
interface Processes {
  readonly pids: readonly number[];
  /** The uids of other users than root who have started some, as they can with a setuid program. */
  readonly starters: ReadonlySet<number>;
  /** Some had the real uid, and have ended: the kernel counts them until another process has waited for them (isProcessOf). */
  readonly hasZombies: boolean;
  /** Each process that was listed was there when it was looked at, in the last pass over them. */
  readonly isComplete: boolean;
}

/**
 * All processes that run as `uid` (real, effective or saved) or can come back to it, but those that end before they are looked at
 * in each of many passes. The id for files alone (setfsuid(2)) does not count: only root can have it, as a file server that acts
 * for the user. Throws JailkitError if /proc is not mounted.
 */
export function lookForProcesses(uid: number): Processes {
  return withFd(openProc(), (proc) => {
    const seen = new SeenProcesses();
    let hasZombies = false;
    for (let pass = 0; ; pass++) {
      const found = lookOnce(proc, uid, seen);
      hasZombies ||= found.hasZombies;
      const isEnough = found.isComplete || found.pids.length > 0 || pass === MOST_PASSES;
      if (isEnough || (!hasZombies && isProcessOf(uid))) return { ...found, hasZombies };
    }
  });
}

/** One pass, over those that are not `seen` yet. */
function lookOnce(proc: number, uid: number, seen: SeenProcesses): Processes {
  const pids: number[] = [];
  const starters = new Set<number>();
  let [hasZombies, isComplete] = [false, true];
  for (const pid of seen.newIn(proc)) {
    const status = readStatus(proc, pid);
    const ids = uidsOf(proc, pid, status);
    if (ZOMBIE.test(status) && UIDS.exec(status)?.[1] === String(uid)) hasZombies = true;
    if (ids.size === 0) isComplete = false;
    else if (ids.has(String(uid)) || (uid !== 0 && uidsToTake(proc, pid, ids).includes(uid))) {
      pids.push(pid);
      const starter = ids.has(String(uid)) ? starterOf(proc, status, uid) : undefined;
      if (starter !== undefined) starters.add(starter);
    }
  }
  return { pids: pids.reverse(), starters, hasZombies, isComplete };
}

/** Who has started a process with a uid, by its own real id or that of its parent; undefined for the same user, or root. */
function starterOf(proc: number, status: ByteString, uid: number): number | undefined {
  const realOf = (text: ByteString) => Number(UIDS.exec(text)?.[1] ?? uid);
  const own = realOf(status);
  const starter = own === uid ? realOf(readStatus(proc, PARENT.exec(status)?.[1] ?? "0")) : own;
  return starter === uid || starter === 0 ? undefined : starter;
}

/** The pids of the same. */
export const processesOf = (uid: number): readonly number[] => lookForProcesses(uid).pids;

/** The same for many uids: all processes are looked at once, now. */
export function processesByUid(): (uid: number) => readonly number[] {
  const found = new Map<string, number[]>();
  withFd(openProc(), (proc) => {
    for (const pid of pidsIn(proc))
      for (const uid of uidsOf(proc, pid)) found.getOrInsertComputed(uid, () => []).push(pid);
  });
  return (uid) => found.get(String(uid)) ?? [];
}

/**
 * Sends a signal to each process that has `uid` as one of its ids and none of root, one by one: not only to those that a process
 * of the user could signal (kill(2)), but also to those with the effective id alone, or with the ids in one of their threads.
 * Returns their pids, and those of the processes of root that have the id. Throws JailkitError if /proc is not mounted.
 */
export function signalEachOf(uid: number, signal: number): { sent: number[]; ofRoot: number[] } {
  const sent: number[] = [];
  const ofRoot: number[] = [];
  withFd(openProc(), (proc) => {
    for (const pid of pidsIn(proc).reverse()) {
      const directory = openIfPresent(proc, String(pid), O_RDONLY | O_DIRECTORY);
      if (directory === undefined) continue;
      // What has this descriptor gets the signal, and never another process that has its pid by then.
      withFd(directory, (fd) => {
        // Of one that lasts too long, whoever looks for what goes on is told.
        const ids = answered(() => uidsOf(fd, "."));
        if (!ids?.has(String(uid))) return;
        if (ids.has("0")) ofRoot.push(pid);
        else if (sendSignal(fd, signal)) sent.push(pid);
      });
    }
  });
  return { sent, ofRoot };
}

/**
 * The uids that a process with these ids can take in a user namespace of users: the kernel lets them map their own one there, alone,
 * beside ranges of subuid(5), one of which the process may have. Who can take the ids of a range has them from root.
 */
export function uidsToTake(proc: number, pid: number, ids: ReadonlySet<string>): readonly number[] {
  const [real] = ids;
  const map = real === "0" ? "" : readOf(proc, pid, "uid_map");
  const alone = [...map.matchAll(/^ *\d+ +(\d+) +1$/gm)].map(([, uid]) => Number(uid));
  // What proc(5) shows of the namespace of this process are no ids of it.
  return alone.length === 0 || map === readOf(proc, "self", "uid_map") ? [] : alone;
}

/**
 * The user ids of a process, of all its threads that have not ended: one may have kept what the others have given up. The kernel
 * writes all groups of a thread, too, which may be 65,536. Throws SystemError, JailkitError as counted, and, with `stop`, for a
 * signal. Some are missing where isEnough says so.
 */
export function uidsOf(
  proc: number,
  pid: number | ByteString,
  status = readStatus(proc, pid),
  stop?: string,
): ReadonlySet<string> {
  const uids = new Set(idsIn(status));
  if ((THREADS.exec(status)?.[1] ?? "1") === "1") return uids;
  return lookingAt(Number(pid) || undefined, () => {
    for (const thread of namesIn(proc, `${pid}/task`)) {
      if (stop !== undefined) stopIfInterrupted(stop);
      const one = readStatus(proc, `${pid}/task/${thread}`);
      for (const uid of idsIn(one)) uids.add(uid);
      if (isEnough(one, uids)) break;
    }
    return uids;
  });
}

const idsIn = (status: ByteString): readonly string[] => (ZOMBIE.test(status) ? [] : allIdsIn(status));
const allIdsIn = (status: ByteString): readonly string[] => UIDS.exec(status)?.slice(1) ?? [];

/**
 * Calls `examine` with the path, in an open /proc, of each thread of a process: each can have a root and descriptors of its
 * own, and the first one can end before the others, and has neither then. `examine` returns false for a thread that has ended.
 * Returns "ended" if all have, and "unknown" if they end all the time before they are examined. Throws what `examine` throws.
 */
export function examineThreads(
  proc: number,
  pid: number | ByteString,
  examine: (thread: ByteString) => boolean,
): "examined" | "ended" | "unknown" {
  const examined = new Set<ByteString>();
  const ended = new Set<ByteString>();
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    let isMissed = false;
    for (const tid of namesIn(proc, `${pid}/task`)) {
      if (examined.has(tid)) continue;
      // Also if it had ended: one that executes a program takes the place of the first one.
      if (examine(`${pid}/task/${tid}`)) examined.add(tid);
      else if (!ended.has(tid)) {
        ended.add(tid);
        isMissed = true;
      }
    }
    if (isMissed) continue;
    if (examined.size > 0) return "examined";
    if (hasEnded(proc, pid)) return "ended";
  }
  return "unknown";
}

/** True for a process that a signal has stopped; `process`: its directory in /proc. */
export const hasStopped = (process: number): boolean => /^State:\tT/m.test(readStatus(process, "."));

/** True if a process has no thread any more that runs, and could start another one: it has no memory then. */
function hasEnded(proc: number, pid: number | ByteString, status = readStatus(proc, pid)): boolean {
  return status === "" || (!/^VmSize:/m.test(status) && THREADS.exec(status)?.[1] === "1");
}

/** The user ids that a process had when it ended, none if another one has waited for it; undefined if it has not ended. */
export function uidsAtEnd(proc: number, pid: number): ReadonlySet<string> | undefined {
  const status = readStatus(proc, pid);
  const isThere = status !== "" && (!ZOMBIE.test(status) || THREADS.exec(status)?.[1] !== "1");
  return isThere ? undefined : new Set(UIDS.exec(status)?.slice(1));
}

/** The processes that have not ended, by the one that started them or took them over. */
export function childrenIn(proc: number): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const pid of pidsIn(proc)) {
    const status = readStatus(proc, pid);
    if (!hasEnded(proc, pid, status)) children.getOrInsertComputed(parentIn(status), () => []).push(pid);
  }
  return children;
}

/** The names in a directory of an open /proc; none if the process has ended. */
export function namesIn(proc: number, directory: ByteString): ByteString[] {
  try {
    return withFd(openAt(proc, directory, O_RDONLY | O_DIRECTORY), (fd) =>
      readDirectory(fd).map(({ name }) => name),
    );
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return [];
    throw error;
  }
}

/** True if all user ids of a process are `uid`. Throws SystemError. */
export function isRunBy(pid: number, uid: number): boolean {
  const ids = uidsOf(AT_FDCWD, `/proc/${pid}`);
  return ids.size === 1 && ids.has(String(uid));
}

/** True if root has another process with one of these names (proc(5), `Name:`). Throws SystemError. */
export function rootRuns(names: ReadonlySet<ByteString>): boolean {
  return withFd(openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY), (proc) =>
    pidsIn(proc).some((pid) => {
      if (pid === libc.getpid()) return false;
      const status = readStatus(proc, pid);
      const name = NAME.exec(status)?.[1];
      return name !== undefined && names.has(name) && UIDS.exec(status)?.[2] === "0";
    }),
  );
}

const parentIn = (status: ByteString): number => Number(PARENT.exec(status)?.[1] ?? 0);

/** What everybody may read of a process. */
export interface Identity {
  readonly name: ByteString;
  readonly realUid: number;
  readonly parent: number;
  /** The number of pid namespaces in which it has a pid. */
  readonly depth: number;
}

/** What a process is; undefined if it has ended. */
export function identityOf(proc: number, pid: number | ByteString): Identity | undefined {
  const status = readStatus(proc, pid);
  const [, name] = NAME.exec(status) ?? [];
  const [, real] = UIDS.exec(status) ?? [];
  if (name === undefined || real === undefined || hasEnded(proc, pid, status)) return undefined;
  const depth = PIDS.exec(status)?.[1]?.split("\t").length ?? 1;
  return { name, realUid: Number(real), parent: parentIn(status), depth };
}

/** Whether a process has the root directory of this one; undefined if it has ended, or root may not know it, as in some containers. */
export function sharesRoot(proc: number, pid: number | ByteString): boolean | undefined {
  const root = attempt(() => statAt(proc, `${pid}/root`, true));
  return root && sameFile(root, statAt(AT_FDCWD, "/"));
}

/** The process that started one, or took it over; 0 if it has ended. `process`: its directory in /proc. */
export const parentOf = (process: number): number => parentIn(readStatus(process, "."));

/** That of proc_pid_status(5). */
const readStatus = (proc: number, pid: number | ByteString): ByteString => readOf(proc, pid, "status");

/**
 * The text of a file of proc(5), of which `status` names up to 65,536 groups; "" if the process has ended. Throws SystemError, and
 * JailkitError as counted.
 */
export function readOf(
  proc: number,
  pid: number | ByteString,
  name: "status" | "uid_map" | "maps" | "cmdline" | "syscall" | "stack" | "stat" | `fdinfo/${string}`,
  limit = 1 << 20,
): ByteString {
  const start = performance.now();
  try {
    const text = fromBytes(readFileIfPresent(`${pid}/${name}`, limit, proc) ?? new Uint8Array(0));
    return name === "status" ? counted(text, performance.now() - start, allIdsIn) : text;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return "";
    throw error;
  }
}
