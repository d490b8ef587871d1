import type { ByteString } from "../../../ffi/bytes.ts";
import { chmodFd, chownFd, setTimes } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { fstat, openAt, type Stat, sameFile, withFd } from "../../../ffi/files.ts";
import { addressOf, cArgument, errno, libc, syscall } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { atSpot, spotPath } from "./look.ts";
import {
  type Directory,
  forgetDirectories,
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  namedError,
} from "./walk.ts";

/** Owner, mode and times of a file. Times in nanoseconds since the epoch; absent: now. */
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

/** Sets owner and times of `fd`, which may be O_PATH. */
export function setOwnerAndTimes(fd: number, attributes: Omit<Attributes, "mode">): void {
  chownFd(fd, attributes.uid, attributes.gid);
  setTimesOf(fd, attributes.atime, attributes.mtime);
}

/** Sets the times of `fd`, if there are any; a missing one is set to the other. */
export function setTimesOf(fd: number, atime: bigint | undefined, mtime: bigint | undefined): void {
  const either = mtime ?? atime;
  if (either !== undefined) setTimes(fd, "", atime ?? either, mtime ?? either);
}

/** Checks that a file opened by name was created by this process: without a trusted stage it may be another. */
export function verifyNew(stage: Directory, stat: Stat, type: number): void {
  if (stage.trusted) return;
  const ours = stat.uid === libc.geteuid() && (stat.mode & C.S_IFMT) === type;
  if (!ours || (type !== C.S_IFDIR && stat.nlink !== 1))
    throw new SystemError(C.EAGAIN, "exchanged", undefined);
}

/** Changes the mode of an O_PATH descriptor, not of a symbolic link (fchmodat2(2), Linux 6.6; before, see below). */
export function chmodPath(fd: number, mode: number): void {
  if (syscall(SYS_fchmodat2, fd, addressOf(cArgument("")), mode, C.AT_EMPTY_PATH) === 0) return;
  if (errno() !== C.ENOSYS && errno() !== C.EPERM) throw new SystemError(errno(), "fchmodat2", undefined);
  const stat = fstat(fd);
  // An older kernel: opens files and directories, but never a device.
  if (!isDirectory(stat) && !isRegular(stat))
    throw new SystemError(C.ENOSYS, "fchmodat2 (Linux 6.6)", undefined);
  withFd(isDirectory(stat) ? openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY) : reopen(fd), (again) => {
    if (!sameFile(fstat(again), stat)) throw new SystemError(C.EAGAIN, "open", undefined);
    chmodFd(again, mode);
  });
}

/** Opens a regular file for reading from its O_PATH descriptor, through /proc, where no user can exchange it. */
function reopen(fd: number): number {
  try {
    return openAt(C.AT_FDCWD, `/proc/self/fd/${fd}`, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY);
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, "fchmodat2", undefined) : error;
  }
}

/**
 * Changes owner, mode or times of `path`, never through a symbolic link: by descriptor, owner first, then mode. In a
 * directory that users can write, the name may be any file that they could link or move there. So the file must have the
 * directory's owner (not root) and, unless it is a directory, only one name; else "shared-with-users". With `seen` it must
 * be the same inode and type; else "exchanged". Throws SystemError with the path.
 */
export function setAttributes(root: JailRoot, at: ByteString, changes: Partial<Attributes>, seen?: Stat) {
  atSpot(root, at, (spot) => {
    const { parent, name } = spot;
    const path = spotPath(spot);
    try {
      withFd(openAt(parent.fd, name, C.O_PATH | C.O_NOFOLLOW), (fd) => {
        const stat = fstat(fd);
        if (seen !== undefined && !isSameInode(stat, seen)) throw exchanged(path);
        requireNoHostMount(root, parent, joinPath(parent.path, name), stat);
        if (!parent.trusted && mayBeAnothers(parent.stat, stat)) throw sharedWithUsers(path);
        const { uid, gid, mode, atime, mtime } = changes;
        if (uid !== undefined || gid !== undefined) chownFd(fd, uid ?? stat.uid, gid ?? stat.gid);
        if (mode !== undefined) {
          if (isLink(stat)) throw new SystemError(C.ELOOP, "chmod", undefined);
          chmodPath(fd, mode);
        }
        setTimesOf(fd, atime, mtime);
        if (isDirectory(stat)) forgetDirectories(root, parent);
      });
    } catch (error) {
      throw namedError(error, path);
    }
  });
}

/** True for the same inode and type: a new file may get the inode of a removed one. */
export function isSameInode(a: Stat, b: Stat): boolean {
  return sameFile(a, b) && ((a.mode ^ b.mode) & C.S_IFMT) === 0;
}

function mayBeAnothers(parent: Stat, stat: Stat): boolean {
  return stat.uid === 0 || stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);
}

/** The error for a file that is not the one that was examined. */
export function exchanged(path: ByteString): JailkitError {
  const message = `${display(path)}: was exchanged after it was examined, and is left unchanged`;
  return new JailkitError("exchanged", 1, message);
}

function sharedWithUsers(path: ByteString): JailkitError {
  const message =
    `${display(path)}: is in a directory that users can write, and may be another file under this name; ` +
    "its owner, mode and times are left unchanged; create it again instead";
  return new JailkitError("shared-with-users", 1, message);
}
