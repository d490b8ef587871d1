import { type ByteString, cString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, EACCES, ENOENT, EPERM, ESRCH } from "../../ffi/constants.ts";
import { errno, fail, libc } from "../../ffi/libc.ts";
import {
  STATX_INO,
  STATX_MNT_ID,
  STATX_NLINK,
  STATX_UID,
  statx,
  statxBuffer,
  statxKnown,
} from "../../ffi/statx.ts";
import { examineThreads } from "../system/processes.ts";

/** The identity of a directory. Equal fields mean the same directory on the same mount. */
export interface RootIdentity {
  devMajor: number;
  devMinor: number;
  ino: bigint;
  /** Unique among the mounts of all mount namespaces; 0 before Linux 5.8. */
  mountId: bigint;
  /** The directory was removed. */
  removed: boolean;
}

/**
 * Where an open /proc has a process: PID, or, for a root that the first thread has not, PID/task/TID. A process is there once
 * for each root of its threads.
 */
export type ProcessPath = ByteString;

interface RootGroup {
  identity: RootIdentity;
  processes: ProcessPath[];
}

interface Scan {
  /** Without the root of this process. */
  groups: RootGroup[];
  /** Processes with the root of this process. */
  unjailed: number;
  /** Processes that ended in the meantime. */
  ended: number;
  /** Processes of other users that this process may not examine. */
  unreadable: number;
  /** Processes with a root that cannot be examined, for example on a file system that only its owner may access. */
  unexamined: ProcessPath[];
}

// struct statx in words of 32 bits: stx_mask, stx_nlink, stx_uid, stx_ino, stx_dev_major and stx_dev_minor, stx_mnt_id.
const MASK = 0;
const NLINK = 4;
const UID = 5;
const INO = 8;
const DEVICE = 34;
const MOUNT = 36;

const ROOT_MASK = STATX_NLINK | STATX_INO | STATX_MNT_ID;
// Cached attributes are good enough, and a server that does not answer must not stop a list of processes.
const AT_STATX_DONT_SYNC = 0x4000;

const words = new Uint32Array(statxBuffer.buffer, statxBuffer.byteOffset, 64);

const word = (index: number) => words[index] ?? 0;
const wide = (index: number) => BigInt(word(index)) | (BigInt(word(index + 1)) << 32n);

function decode(): RootIdentity {
  return {
    devMajor: word(DEVICE),
    devMinor: word(DEVICE + 1),
    ino: wide(INO),
    mountId: (word(MASK) & STATX_MNT_ID) === 0 ? 0n : wide(MOUNT),
    removed: word(NLINK) === 0,
  };
}

/** The identity of a path, with symbolic links followed; undefined if it is missing or not accessible. */
export function identify(dirfd: number, path: ByteString): RootIdentity | undefined {
  return statx(dirfd, path, AT_STATX_DONT_SYNC, ROOT_MASK) ? decode() : undefined;
}

/** The effective uid of a process, from the owner of its directory in /proc; undefined if the process has ended. */
export function ownerOf(proc: number, process: ProcessPath): number | undefined {
  return statx(proc, process, AT_STATX_DONT_SYNC, STATX_UID) ? word(UID) : undefined;
}

const LOW = 0xffffffffn;
const ROOT = cString("/root");
const THREADS = cString("/task");
// Its links: for itself, in the directory above, and one for each thread.
const LINKS_OF_ONE = 3;
const ZERO = 48;
const NINE = 57;
// struct dirent64: the length of the entry, and its name with a NUL.
const RECORD_LENGTH = 16;
const NAME = 19;

/** What tells the root in the statx buffer from others. */
const rootKey = () => [MOUNT, MOUNT + 1, DEVICE, DEVICE + 1, INO, INO + 1].map(word).join(".");

/** Sorts processes by their root directories. */
class RootGroups {
  readonly scan: Scan = { groups: [], unjailed: 0, ended: 0, unreadable: 0, unexamined: [] };
  private readonly byRoot = new Map<string, RootGroup>();
  private readonly isRoot = libc.geteuid() === 0;

  constructor(
    private readonly proc: number,
    private readonly ownKey: string,
  ) {}

  /** A process whose root could not be examined, with the errno. */
  failed(process: ProcessPath, number: number): void {
    const { scan } = this;
    // Its other threads may go on.
    if (isGone(number)) this.addThreads(process, new Set());
    // Root may read every link, so the file system of the directory refused.
    else if (this.isRoot || (number !== EACCES && number !== EPERM)) scan.unexamined.push(process);
    else scan.unreadable++;
  }

  /** A process whose root is in the statx buffer, and not that of this process. Returns the key of the root. */
  add(process: ProcessPath): string {
    const key = rootKey();
    let group = this.byRoot.get(key);
    if (group === undefined) {
      group = { identity: decode(), processes: [] };
      this.byRoot.set(key, group);
      this.scan.groups.push(group);
    }
    group.processes.push(process);
    return key;
  }

  /** Looks for roots of a process other than those with these keys: each thread can have its own. */
  addThreads(pid: ByteString, known: Set<string>): void {
    const { scan } = this;
    const seen = examineThreads(this.proc, pid, (thread) => {
      const isSeen = statxKnown(this.proc, `${thread}/root`, 0, ROOT_MASK);
      const number = isSeen ? 0 : errno();
      if (isGone(number)) return false;
      const key = isSeen ? rootKey() : "unexamined";
      if (known.has(key)) return true;
      known.add(key);
      if (!isSeen) this.failed(thread, number);
      else if (key === this.ownKey) scan.unjailed++;
      else this.add(thread);
      return true;
    });
    if (seen === "ended" && known.size === 0) scan.ended++;
    else if (seen === "unknown") scan.unexamined.push(pid);
  }
}

const isGone = (number: number) => number === ENOENT || number === ESRCH;

/** Copies the digits that a name begins with, and returns how many there are. */
function copyDigits(from: Uint8Array, at: number, to: Uint8Array): number {
  let length = 0;
  let byte = from[at] ?? 0;
  while (byte >= ZERO && byte <= NINE) {
    to[length++] = byte;
    byte = from[at + length] ?? 0;
  }
  return length;
}

/**
 * Examines the root directory of every process, with two system calls for each that has one thread: statx(2) of
 * /proc/PID/root identifies the directory and its mount, so only one process of each root needs a closer look; that of
 * /proc/PID/task tells the number of threads. `proc` is an open /proc, `own` the root of this process.
 */
export function scanRoots(proc: number, own: RootIdentity): Scan {
  // The loop runs for every process of the host in an interpreter, so it uses local names and few calls.
  const { statx: examine, getdents64 } = libc;
  const stat = statxBuffer;
  const fields = words;
  const ino = Number(own.ino & LOW);
  const inoHigh = Number(own.ino >> 32n);
  const mount = Number(own.mountId & LOW);
  const { devMajor, devMinor } = own;
  const ownKey = [mount, Number(own.mountId >> 32n), devMajor, devMinor, ino, inoHigh].join(".");
  const groups = new RootGroups(proc, ownKey);
  const entries = new Uint8Array(1 << 15);
  const path = new Uint8Array(32);
  const [root, threads] = [ROOT, THREADS];
  let unjailed = 0;
  for (;;) {
    // SAFETY: at most the buffer's own length; each entry holds its length, and a name with a NUL.
    const count = getdents64(proc, entries, entries.length);
    if (count < 0) fail("getdents64", "/proc");
    if (count === 0) break;
    for (
      let at = 0;
      at < count;
      at += (entries[at + RECORD_LENGTH] ?? 0) | ((entries[at + RECORD_LENGTH + 1] ?? 0) << 8)
    ) {
      const length = copyDigits(entries, at + NAME, path);
      if (length === 0) continue;
      path.set(root, length);
      // SAFETY: the path ends with the suffix's NUL; the buffer is ffi/statx.ts's.
      if (examine(proc, path, AT_STATX_DONT_SYNC, ROOT_MASK, stat) !== 0) {
        groups.failed(fromBytes(path, 0, length), errno());
        continue;
      }
      let key = ownKey;
      if (
        fields[INO] === ino &&
        fields[MOUNT] === mount &&
        fields[DEVICE] === devMajor &&
        fields[DEVICE + 1] === devMinor &&
        fields[INO + 1] === inoHigh
      )
        unjailed++;
      else key = groups.add(fromBytes(path, 0, length));
      path.set(threads, length);
      // SAFETY: as above.
      const failed = examine(proc, path, AT_STATX_DONT_SYNC, STATX_NLINK, stat) !== 0;
      if (failed || fields[NLINK] !== LINKS_OF_ONE)
        groups.addThreads(fromBytes(path, 0, length), new Set([key]));
    }
  }
  groups.scan.unjailed = unjailed;
  return groups.scan;
}

/** The root directory of this process. */
export function ownRoot(): RootIdentity {
  return identify(AT_FDCWD, "/") ?? fail("statx", "/");
}

/** Whether both are the same directory, on any mount. */
export function sameDirectory(a: RootIdentity, b: RootIdentity): boolean {
  return a.ino === b.ino && a.devMajor === b.devMajor && a.devMinor === b.devMinor;
}
