import { AT_FDCWD, EACCES, ENOENT, EPERM, ESRCH, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, openAt } from "../../ffi/files.ts";
import { cArgument, check, errno, fail, libc } from "../../ffi/libc.ts";
import { JailkitError } from "../cli/error.ts";
import { isProc } from "../system/mounts.ts";

/** A directory as the kernel tells directories apart. Equal fields: the same directory, by way of the same mount. */
export interface RootIdentity {
  devMajor: number;
  devMinor: number;
  ino: bigint;
  /** Every mount of every mount namespace has its own; 0 before Linux 5.8. */
  mountId: bigint;
  /** It has been removed and has no name any more. */
  removed: boolean;
}

/** A root directory and the processes that have it, in the order of /proc. */
export interface RootGroup {
  identity: RootIdentity;
  pids: number[];
}

/** What a look at all processes found. */
export interface Scan {
  /** By root directory, without that of this process. */
  groups: RootGroup[];
  /** Processes that have the root of this one. */
  unjailed: number;
  /** Processes that ended meanwhile. */
  ended: number;
  /** Processes of other users that this one may not look at. */
  unreadable: number;
  /** Those whose root can be read but not examined, as on a file system that lets in its owner alone. */
  unexamined: number[];
}

// struct statx in words of 32 bits: stx_mask, stx_nlink, stx_uid, stx_ino, stx_dev_major and stx_dev_minor, stx_mnt_id.
const MASK = 0;
const NLINK = 4;
const UID = 5;
const INO = 8;
const DEVICE = 34;
const MOUNT = 36;

// STATX_NLINK, STATX_INO, STATX_MNT_ID
const STATX_NLINK_INO_MOUNT = 0x1104;
const STATX_UID = 0x8;
const STATX_MNT_ID = 0x1000;
// What is cached is true enough, and a server that does not answer must not stop a list of processes.
const AT_STATX_DONT_SYNC = 0x4000;

const words = new Uint32Array(64);
const statBuffer = new Uint8Array(words.buffer);

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

/** What a path leads to, links followed; undefined where it leads nowhere or may not be gone. */
export function identify(dirfd: number, path: string): RootIdentity | undefined {
  const flags = AT_STATX_DONT_SYNC;
  return libc.statx(dirfd, cArgument(path), flags, STATX_NLINK_INO_MOUNT, statBuffer) < 0
    ? undefined
    : decode();
}

/** The owner of a directory of /proc, which is the effective uid of its process; undefined where that has ended. */
export function ownerOf(proc: number, pid: number): number | undefined {
  const failed = libc.statx(proc, cArgument(`${pid}`), AT_STATX_DONT_SYNC, STATX_UID, statBuffer) < 0;
  return failed ? undefined : word(UID);
}

/** Opens /proc. Throws JailkitError "no-proc" where proc(5) is not mounted there. */
export function openProc(): number {
  const missing = () =>
    new JailkitError(
      "no-proc",
      1,
      "/proc is not mounted, so processes cannot be seen: mount -t proc proc /proc",
    );
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw missing();
    throw error;
  }
  if (isProc(fd)) return fd;
  close(fd);
  throw missing();
}

const LOW = 0xffffffffn;
const SUFFIX = Uint8Array.from([47, 114, 111, 111, 116, 0]); // "/root" and its NUL

/**
 * Looks at the root directory of every process. One system call for each of them: statx(2) of /proc/PID/root tells
 * the directory and the mount that it belongs to, so of processes that share a root one alone is looked at further.
 * `proc` is an open /proc, `own` the root of this process.
 */
export function scanRoots(proc: number, own: RootIdentity): Scan {
  const scan: Scan = { groups: [], unjailed: 0, ended: 0, unreadable: 0, unexamined: [] };
  const groups = new Map<string, RootGroup>();
  const root = libc.geteuid() === 0;

  const failed = (pid: number, number: number) => {
    if (number === ENOENT || number === ESRCH) scan.ended++;
    else if (number !== EACCES && number !== EPERM) scan.unexamined.push(pid);
    // Root may read every link: then it was the file system of the directory that said no.
    else if (root) scan.unexamined.push(pid);
    else scan.unreadable++;
  };
  const found = (pid: number) => {
    const key = [MOUNT, MOUNT + 1, DEVICE, DEVICE + 1, INO, INO + 1].map(word).join(".");
    let group = groups.get(key);
    if (group === undefined) {
      group = { identity: decode(), pids: [] };
      groups.set(key, group);
      scan.groups.push(group);
    }
    group.pids.push(pid);
  };

  // What follows is done for every process of the machine by an interpreter: no call and no name from outside the
  // function that can be avoided.
  const { statx, getdents64 } = libc;
  const stat = statBuffer;
  const fields = words;
  const ino = Number(own.ino & LOW);
  const inoHigh = Number(own.ino >> 32n);
  const mount = Number(own.mountId & LOW);
  const { devMajor, devMinor } = own;
  // A directory entry has its name at byte 19, and its own length at 16 (getdents64(2)).
  const entries = new Uint8Array(1 << 15);
  const path = new Uint8Array(32);
  const suffix = SUFFIX;
  let unjailed = 0;
  for (;;) {
    const count = getdents64(proc, entries, entries.length);
    if (count < 0) fail("getdents64", "/proc");
    if (count === 0) break;
    for (let at = 0; at < count; at += (entries[at + 16] ?? 0) | ((entries[at + 17] ?? 0) << 8)) {
      let pid = 0;
      let length = 0;
      let byte = entries[at + 19] ?? 0;
      // 48 to 57 are the digits.
      while (byte >= 48 && byte <= 57) {
        pid = pid * 10 + byte - 48;
        path[length++] = byte;
        byte = entries[at + 19 + length] ?? 0;
      }
      if (length === 0) continue;
      path.set(suffix, length);
      if (statx(proc, path, AT_STATX_DONT_SYNC, STATX_NLINK_INO_MOUNT, stat) !== 0) failed(pid, errno());
      else if (
        fields[INO] === ino &&
        fields[MOUNT] === mount &&
        fields[DEVICE] === devMajor &&
        fields[DEVICE + 1] === devMinor &&
        fields[INO + 1] === inoHigh
      )
        unjailed++;
      else found(pid);
    }
  }
  scan.unjailed = unjailed;
  return scan;
}

/** The root directory of this process. */
export function ownRoot(): RootIdentity {
  check(
    libc.statx(AT_FDCWD, cArgument("/"), AT_STATX_DONT_SYNC, STATX_NLINK_INO_MOUNT, statBuffer),
    "statx",
    "/",
  );
  return decode();
}

/** True where both are one directory, whatever mount leads there. */
export function sameDirectory(a: RootIdentity, b: RootIdentity): boolean {
  return a.ino === b.ino && a.devMajor === b.devMajor && a.devMinor === b.devMinor;
}
