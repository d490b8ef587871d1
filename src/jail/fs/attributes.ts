import type { ByteString } from "../../../ffi/bytes.ts";
import { chmodFd, chownFd, setTimes } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, type Stat, sameFile } from "../../../ffi/files.ts";
import { addressOf, cArgument, errno, libc, syscall } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { splitPath } from "./look.ts";
import {
  type Directory,
  forgetDirectories,
  hostPath,
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  namedError,
  release,
  walk,
} from "./walk.ts";

/** Whose a file is, and what may be done with it. Times in nanoseconds since the epoch; absent: now. */
export interface Attributes {
  /** Permission bits, with setuid, setgid and sticky: 0o7777 at most. */
  mode: number;
  uid: number;
  gid: number;
  atime?: bigint | undefined;
  mtime?: bigint | undefined;
}

// linux/fcntl.h and the system call tables: glibc 2.41 has no wrapper that takes AT_EMPTY_PATH.
const SYS_fchmodat2 = 452;

/** Gives `fd`, which may be O_PATH, its owner and times. */
export function setOwnerAndTimes(fd: number, attributes: Omit<Attributes, "mode">): void {
  chownFd(fd, attributes.uid, attributes.gid);
  setTimesOf(fd, attributes.atime, attributes.mtime);
}

/** Gives `fd` its times where there are any; one that is missing is as the other. */
export function setTimesOf(fd: number, atime: bigint | undefined, mtime: bigint | undefined): void {
  const either = mtime ?? atime;
  if (either !== undefined) setTimes(fd, "", atime ?? either, mtime ?? either);
}

/**
 * Checks that what was opened by name is what this process has just made. Only where no trusted directory was
 * there to make it in could it be anything else.
 */
export function verifyNew(stage: Directory, stat: Stat, type: number): void {
  if (stage.trusted) return;
  const ours = stat.uid === libc.geteuid() && (stat.mode & C.S_IFMT) === type;
  if (!ours || (type !== C.S_IFDIR && stat.nlink !== 1))
    throw new SystemError(C.EAGAIN, "exchanged", undefined);
}

/** Changes the mode of what an O_PATH descriptor is, not a link (fchmodat2(2), Linux 6.6; before it, see below). */
export function chmodPath(fd: number, mode: number): void {
  if (syscall(SYS_fchmodat2, fd, addressOf(cArgument("")), mode, C.AT_EMPTY_PATH) === 0) return;
  if (errno() !== C.ENOSYS && errno() !== C.EPERM) throw new SystemError(errno(), "fchmodat2", undefined);
  const stat = fstat(fd);
  // An older kernel: files and directories can be opened, a device must not be.
  if (!isDirectory(stat) && !isRegular(stat))
    throw new SystemError(C.ENOSYS, "fchmodat2 (Linux 6.6)", undefined);
  const again = isDirectory(stat) ? openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY) : reopen(fd);
  try {
    if (!sameFile(fstat(again), stat)) throw new SystemError(C.EAGAIN, "open", undefined);
    chmodFd(again, mode);
  } finally {
    close(again);
  }
}

/** A regular file's O_PATH descriptor, opened for reading: by way of /proc, whose link cannot be exchanged. */
function reopen(fd: number): number {
  try {
    return openAt(C.AT_FDCWD, `/proc/self/fd/${fd}`, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY);
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, "fchmodat2", undefined) : error;
  }
}

/**
 * Changes owner, mode or times of what stands at `path`, never through a link: by descriptor, owner first, then
 * mode. In a directory that users can write, a name may stand for any file that they could link or move there, so
 * there it must have the directory's owner (not root) and, unless it is a directory, one name only;
 * "shared-with-users" otherwise. With `seen` it must be what was looked at before, and of the same type: "exchanged"
 * otherwise. Throws SystemError naming the path.
 */
export function setAttributes(
  root: JailRoot,
  path: ByteString,
  changes: Partial<Attributes>,
  seen?: Stat,
): void {
  const { above, name } = splitPath(root, path);
  const parent = walk(root, above);
  try {
    setAttributesIn(root, parent, name, changes, seen);
  } finally {
    release(parent);
  }
}

/** As setAttributes, in an open directory. */
function setAttributesIn(
  root: JailRoot,
  parent: Directory,
  name: ByteString,
  changes: Partial<Attributes>,
  seen?: Stat,
): void {
  const path = hostPath(root, joinPath(parent.path, name));
  try {
    const fd = openAt(parent.fd, name, C.O_PATH | C.O_NOFOLLOW);
    try {
      const stat = fstat(fd);
      if (seen !== undefined && !isSameInode(stat, seen)) throw exchanged(path);
      if (!parent.trusted && mayBeAnothers(parent.stat, stat)) throw sharedWithUsers(path);
      const { uid, gid, mode, atime, mtime } = changes;
      if (uid !== undefined || gid !== undefined) chownFd(fd, uid ?? stat.uid, gid ?? stat.gid);
      if (mode !== undefined) {
        if (isLink(stat)) throw new SystemError(C.ELOOP, "chmod", undefined);
        chmodPath(fd, mode);
      }
      setTimesOf(fd, atime, mtime);
      if (isDirectory(stat)) forgetDirectories(root, parent);
    } finally {
      close(fd);
    }
  } catch (error) {
    throw namedError(error, path);
  }
}

/** True where both are the same inode and of one type: what was removed leaves its inode to whatever is made next. */
export function isSameInode(a: Stat, b: Stat): boolean {
  return sameFile(a, b) && ((a.mode ^ b.mode) & C.S_IFMT) === 0;
}

function mayBeAnothers(parent: Stat, stat: Stat): boolean {
  return stat.uid === 0 || stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);
}

/** The error for something that is not what it was when it was looked at. */
export function exchanged(path: ByteString): JailkitError {
  const message = `${display(path)}: is not what it was when it was looked at, and is left alone`;
  return new JailkitError("exchanged", 1, message);
}

function sharedWithUsers(path: ByteString): JailkitError {
  const message =
    `${display(path)}: stands in a directory that users can write and may be another file under this name; ` +
    "its owner, mode and times are left alone, put it there anew instead";
  return new JailkitError("shared-with-users", 1, message);
}
