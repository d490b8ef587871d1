import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import {
  close,
  openAt,
  ownerAt,
  readDirectory,
  readFileIfPresent,
  readLink,
  withFd,
} from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { JailkitError } from "../cli/error.ts";
import { noProc } from "./mountinfo.ts";
import { isProc } from "./mounts.ts";

/** Real, effective and saved user id of a process (proc(5), the `Uid:` line of status). */
const UIDS = /^Uid:\t(\d+)\t(\d+)\t(\d+)/m;
/** Its number of threads, each of which has ids of its own. */
const THREADS = /^Threads:\t(\d+)/m;

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

/** The pids in an open /proc. */
const pidsIn = (proc: number) =>
  readDirectory(proc).flatMap(({ name }) => (/^\d+$/.test(name) ? [Number(name)] : []));

/**
 * The pids of all processes that run as `uid` (real, effective or saved) or can come back to it, without those that end
 * meanwhile, so that some may be hidden: see isProcessOf. Throws JailkitError if /proc is not mounted.
 */
export function processesOf(uid: number): number[] {
  const isItsOwn = (proc: number, pid: number) => {
    const ids = uidsOf(proc, pid);
    const [real] = ids;
    return ids.has(String(uid)) || (uid !== 0 && real !== "0" && isInNamespaceOf(proc, pid, uid));
  };
  return withFd(openProc(), (proc) => pidsIn(proc).filter((pid) => isItsOwn(proc, pid)));
}

/** True for a process in a user namespace that maps this one id: there it may have one of subuid(5), and can take this one. */
const isInNamespaceOf = (proc: number, pid: number, uid: number): boolean =>
  new RegExp(`^ *\\d+ +${uid} +1$`, "m").test(readOf(proc, pid, "uid_map"));

/** The same for many uids: all processes are looked at once, now. */
export function processesByUid(): (uid: number) => readonly number[] {
  const found = new Map<string, number[]>();
  withFd(openProc(), (proc) => {
    for (const pid of pidsIn(proc))
      for (const uid of uidsOf(proc, pid)) found.getOrInsertComputed(uid, () => []).push(pid);
  });
  return (uid) => found.get(String(uid)) ?? [];
}

/** The user ids of a process, of all its threads: one may have kept what the others have given up. */
function uidsOf(proc: number, pid: number | ByteString): ReadonlySet<string> {
  const status = readStatus(proc, pid);
  const uids = new Set(UIDS.exec(status)?.slice(1));
  if ((THREADS.exec(status)?.[1] ?? "1") === "1") return uids;
  for (const thread of namesIn(proc, `${pid}/task`))
    for (const uid of UIDS.exec(readStatus(proc, `${pid}/task/${thread}`))?.slice(1) ?? []) uids.add(uid);
  return uids;
}

// What has ended when it is looked at may have started another one before, so all are listed again, so often.
const MOST_PASSES = 100;

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

/** True if a process has no thread any more that runs, and could start another one: it has no memory then. */
function hasEnded(proc: number, pid: number | ByteString): boolean {
  const status = readStatus(proc, pid);
  return status === "" || (!/^VmSize:/m.test(status) && THREADS.exec(status)?.[1] === "1");
}

/** The names in a directory of an open /proc; none if the process has ended. */
function namesIn(proc: number, directory: ByteString): ByteString[] {
  try {
    return withFd(openAt(proc, directory, O_RDONLY | O_DIRECTORY), (fd) =>
      readDirectory(fd).map(({ name }) => name),
    );
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return [];
    throw error;
  }
}

/** A process that has a uid, or can get it. */
export interface Holder {
  readonly pid: number;
  /** If that is only possible, because of an io_uring: the uids of the process. */
  readonly ringOf?: ReadonlySet<string>;
}

/**
 * For each of `uids` that a process has, or can get by a setuid program that it executes or has open, which need have no name
 * any more, such a process. What a process of another user than root has in an io_uring(7) is not known: the rights of any user,
 * or any file. Throws SystemError, and JailkitError if /proc is not mounted, or if processes end all the time before they can be
 * looked at.
 */
export function holdersOf(uids: ReadonlySet<number>): ReadonlyMap<number, Holder> {
  const found = new Map<number, Holder>();
  const rings: Holder[] = [];
  const note = (uid: number | undefined, pid: number) => {
    if (uid !== undefined && uids.has(uid)) found.getOrInsert(uid, { pid });
  };
  withFd(openProc(), (proc) => {
    const seen = new Set<number>();
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      let isMissed = false;
      for (const pid of pidsIn(proc)) {
        if (seen.has(pid)) continue;
        seen.add(pid);
        const held = holdsOf(proc, pid, (uid) => note(uid, pid));
        if (held.ringOf !== undefined) rings.push({ pid, ringOf: held.ringOf });
        if (!held.isSeen) isMissed = true;
      }
      if (!isMissed) return;
    }
    throw passing("processes");
  });
  const [ring] = rings;
  if (ring !== undefined) for (const uid of uids) found.getOrInsert(uid, ring);
  return found;
}

const passing = (what: string) => new JailkitError("failed", 1, `${what} end before they can be looked at`);

interface Held extends Pick<Holder, "ringOf"> {
  /** False if the process has ended. */
  readonly isSeen: boolean;
}

/** Notes the uids that a process has or can get, as holdersOf. Throws SystemError and JailkitError. */
function holdsOf(proc: number, pid: number, note: (uid: number | undefined) => void): Held {
  const own = uidsOf(proc, pid);
  for (const uid of own) note(Number(uid));
  // Root has no need of it.
  if (own.size === 1 && own.has("0")) return { isSeen: true };
  let hasRing = false;
  let isMapped: boolean | undefined;
  const seen = examineThreads(proc, pid, (thread) => {
    const open = namesIn(proc, `${thread}/fd`).map((name) => `${thread}/fd/${name}`);
    hasRing ||= open.some((path) => linkOf(proc, path) === RING);
    // Once: threads have one memory, and may be many.
    isMapped ??= mapsRing(proc, thread);
    // The program comes last: a thread that has ended executes none, and what it had open was not seen.
    const owners = [...open, `${thread}/exe`].map((path) => ownerOfOpen(proc, path));
    for (const uid of owners) note(uid);
    return owners.at(-1) !== undefined;
  });
  if (seen === "unknown") throw passing(`threads of the process ${pid}`);
  return { isSeen: seen === "examined", ...(hasRing || isMapped ? { ringOf: own } : {}) };
}

/** What proc(5) calls an io_uring, and no file. */
const RING = "anon_inode:[io_uring]";
const MOST_MAPS = 1 << 26;

/** Whether an io_uring is in the memory of a thread, or may be, as in one of too many parts; undefined if it has ended. */
function mapsRing(proc: number, thread: ByteString): boolean | undefined {
  try {
    const maps = readOf(proc, thread, "maps", MOST_MAPS);
    return maps === "" ? undefined : maps.includes(` ${RING}\n`);
  } catch (error) {
    if (isErrno(error, "EFBIG")) return true;
    throw error;
  }
}

/** The text of a link of proc(5); undefined if it is not there any more. */
function linkOf(proc: number, path: ByteString): ByteString | undefined {
  try {
    return readLink(proc, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** The owner of what a link of proc(5) is; undefined if it is not there any more. */
function ownerOfOpen(proc: number, path: ByteString): number | undefined {
  try {
    return ownerAt(proc, path, true);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** The command that ends all processes of a user, for messages: what ends its logins comes before. */
export const endSessions = (uid: number): string => `jailkit terminate-user --uid=${uid}`;

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
      const name = /^Name:\t(.*)/.exec(status)?.[1];
      return name !== undefined && names.has(name) && UIDS.exec(status)?.[2] === "0";
    }),
  );
}

/** The text of proc_pid_status(5); "" if the process has ended. */
const readStatus = (proc: number, pid: number | ByteString): ByteString => readOf(proc, pid, "status");

function readOf(
  proc: number,
  pid: number | ByteString,
  name: "status" | "uid_map" | "maps",
  limit = 1 << 16,
): ByteString {
  try {
    return fromBytes(readFileIfPresent(`${pid}/${name}`, limit, proc) ?? new Uint8Array(0));
  } catch (error) {
    if (isErrno(error, "ESRCH")) return "";
    throw error;
  }
}
