import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { ownerAt, readLink, withFd } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { examineThreads, MOST_PASSES, namesIn, openProc, pidsIn, readOf, uidsOf } from "./processes.ts";

/** A process that has a uid, or can get it. */
export interface Holder {
  readonly pid: number;
  /** If that is only possible: by what it has, printable, and the uids of the process. */
  readonly may?: { readonly by: string; readonly uids: ReadonlySet<string> };
}

/** Gets a uid that a process has; or the path, in an open /proc, of a file that it has open or executes, and the owner of that. */
type Note = (uid: number, pid: number, file?: { readonly proc: number; readonly path: ByteString }) => void;

/**
 * For each of `uids` that a process has, or can get by a setuid program that it executes or has open, which need have no name
 * any more, such a process. What a process of another user than root has in an io_uring(7) is not known: the rights of any user,
 * or any file; nor which files are on their way to it (SCM_RIGHTS in unix(7)). Throws SystemError, and JailkitError if /proc is
 * not mounted, or if processes end all the time before they can be looked at.
 */
export function holdersOf(uids: ReadonlySet<number>): ReadonlyMap<number, Holder> {
  const found = new Map<number, Holder>();
  const [one] = lookAtHolders((uid, pid) => {
    if (uids.has(uid)) found.getOrInsert(uid, { pid });
  });
  if (one !== undefined) for (const uid of uids) found.getOrInsert(uid, one);
  return found;
}

/** Calls `note` for what the processes of other users than root have, and returns those that may have any. Throws as holdersOf. */
export function lookAtHolders(note: Note): readonly Required<Holder>[] {
  const doubtful: Required<Holder>[] = [];
  return withFd(openProc(), (proc) => {
    const seen = new Set<number>();
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      let isMissed = false;
      for (const pid of pidsIn(proc)) {
        if (seen.has(pid)) continue;
        seen.add(pid);
        const held = holdsOf(proc, pid, note);
        if (held.may !== undefined) doubtful.push({ pid, may: held.may });
        if (!held.isSeen) isMissed = true;
      }
      if (!isMissed) return doubtful;
    }
    throw passing("processes");
  });
}

const passing = (what: string) => new JailkitError("failed", 1, `${what} end before they can be looked at`);

interface Held extends Pick<Holder, "may"> {
  /** False if the process has ended. */
  readonly isSeen: boolean;
}

/** Notes the uids that a process has or can get, as holdersOf. Throws SystemError and JailkitError. */
function holdsOf(proc: number, pid: number, note: Note): Held {
  const own = uidsOf(proc, pid);
  for (const uid of own) note(Number(uid), pid);
  // Root has no need of it.
  if (own.size === 1 && own.has("0")) return { isSeen: true };
  let by: string | undefined;
  let isMapped: boolean | undefined;
  const seen = examineThreads(proc, pid, (thread) => {
    const open = namesIn(proc, `${thread}/fd`);
    for (const name of open) by ??= hidesIn(proc, thread, name);
    if (by === undefined && staysInCall(proc, thread)) by = "a thread in execve(2) or sendmsg(2)";
    // Once: threads have one memory, and may be many.
    isMapped ??= mapsRing(proc, thread);
    // The program comes last: a thread that has ended executes none, and what it had open was not seen.
    const paths = [...open.map((name) => `fd/${name}`), "exe"].map((name) => `${thread}/${name}`);
    let last: number | undefined;
    for (const path of paths) {
      last = ownerOfOpen(proc, path);
      if (last !== undefined) note(last, pid, { proc, path });
    }
    return last !== undefined;
  });
  if (seen === "unknown") throw passing(`threads of the process ${pid}`);
  if (isMapped) by ??= AN_IO_URING;
  return { isSeen: seen === "examined", ...(by === undefined ? {} : { may: { by, uids: own } }) };
}

/** What proc(5) calls an io_uring, and no file. */
const RING = "anon_inode:[io_uring]";
const AN_IO_URING = "an io_uring";
const MOST_MAPS = 1 << 26;

/** What an open file is, printable, if files may be in it that are not known; otherwise undefined. */
function hidesIn(proc: number, thread: ByteString, name: ByteString): string | undefined {
  const link = linkOf(proc, `${thread}/fd/${name}`) ?? "";
  if (link === RING) return AN_IO_URING;
  if (!link.startsWith("socket:")) return undefined;
  // Of a socket that listens, those of its connections are counted, too.
  const count = /^scm_fds:[\t ]*(\d+)/m.exec(readOf(proc, thread, `fdinfo/${name}`))?.[1];
  return Number(count ?? 0) > 0 ? "a socket with open files in its queue" : undefined;
}

// execve, execveat, sendmsg, and sendmmsg, also of programs for 32 bits (socketcall, too), and for x32: in these the kernel may
// have a file that the process has closed, and somebody can keep them from ending.
const CALLS: Partial<Record<string, readonly number[]>> = {
  x64: [59, 322, 46, 307, 11, 358, 370, 345, 102, ...[520, 545, 518, 538].map((call) => 0x4000_0000 + call)],
  arm64: [221, 281, 211, 269, 11, 387, 296, 374],
};
const HANDING = new Set(CALLS[process.arch]);
const [LOOKS, PAUSE] = [5, 10];

/** Whether a thread is in one of these calls each time that it is looked at. */
function staysInCall(proc: number, thread: ByteString): boolean {
  for (let look = 1; ; look++) {
    // The number of the call, and its arguments; a word for a thread that runs.
    const [call] = readOf(proc, thread, "syscall").split(" ", 1);
    if (!HANDING.has(Number(call || "-1"))) return false;
    if (look === LOOKS) return true;
    Bun.sleepSync(PAUSE);
  }
}

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
