import type { ByteString } from "./bytes.ts";
import * as C from "./constants.ts";
import { isErrno } from "./error.ts";
import { cArgument, check, errno, fail, libc } from "./libc.ts";

// Calls that change a file system, or lock a file of it.

/** mkdirat(2); the mode is subject to the umask. */
export function makeDirectory(dirfd: number, name: ByteString, mode: number): void {
  check(libc.mkdirat(dirfd, cArgument(name), mode), "mkdir", name);
}

/** mknodat(2): `mode` with S_IFCHR, S_IFBLK, S_IFIFO or S_IFSOCK, subject to the umask. */
export function makeNode(dirfd: number, name: ByteString, mode: number, major = 0, minor = 0): void {
  // makedev(3)
  const device =
    (BigInt(minor) & 0xffn) |
    ((BigInt(major) & 0xfffn) << 8n) |
    ((BigInt(minor) & 0xffffff00n) << 12n) |
    ((BigInt(major) & 0xfffff000n) << 32n);
  check(libc.mknodat(dirfd, cArgument(name), mode, device), "mknod", name);
}

/** symlinkat(2): creates the symbolic link `name` to `target`. */
export function makeSymlink(target: ByteString, dirfd: number, name: ByteString): void {
  check(libc.symlinkat(cArgument(target), dirfd, cArgument(name)), "symlink", name);
}

/** linkat(2). With AT_EMPTY_PATH and `from` "", links `fromFd` itself (needs CAP_DAC_READ_SEARCH). */
export function makeLink(fromFd: number, from: ByteString, toFd: number, to: ByteString, flags = 0): void {
  check(libc.linkat(fromFd, cArgument(from), toFd, cArgument(to), flags), "link", to);
}

/** unlinkat(2); `flags` may be AT_REMOVEDIR. */
export function unlinkAt(dirfd: number, name: ByteString, flags = 0): void {
  check(libc.unlinkat(dirfd, cArgument(name), flags), "unlink", name);
}

/** As unlinkAt; does nothing if there is no such name. */
export function unlinkIfPresent(dirfd: number, name: ByteString): void {
  try {
    unlinkAt(dirfd, name);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** renameat2(2) with RENAME_*. */
export function renameAt(fromFd: number, from: ByteString, toFd: number, to: ByteString, flags = 0): void {
  check(libc.renameat2(fromFd, cArgument(from), toFd, cArgument(to), flags), "rename", to);
}

/** fchmod(2) of a descriptor that is not O_PATH. */
export function chmodFd(fd: number, mode: number): void {
  check(libc.fchmod(fd, mode), "fchmod");
}

/** fchownat(2) of a descriptor, which may be O_PATH, or a symbolic link itself. */
export function chownFd(fd: number, uid: number, gid: number): void {
  check(libc.fchownat(fd, cArgument(""), uid, gid, C.AT_EMPTY_PATH | C.AT_SYMLINK_NOFOLLOW), "fchown");
}

const timesBuffer = new BigInt64Array(4);

function putTime(index: number, time: bigint): void {
  const second = 1_000_000_000n;
  let nanoseconds = time % second;
  // Before the epoch the seconds count down and the nanoseconds up.
  if (nanoseconds < 0n) nanoseconds += second;
  timesBuffer[index] = (time - nanoseconds) / second;
  timesBuffer[index + 1] = nanoseconds;
}

/** utimensat(2), in nanoseconds. `name` "" means `fd` itself (Linux 5.8). Symbolic links are not followed. */
export function setTimes(fd: number, name: ByteString, atime: bigint, mtime: bigint): void {
  putTime(0, atime);
  putTime(2, mtime);
  const flags = name === "" ? C.AT_EMPTY_PATH : C.AT_SYMLINK_NOFOLLOW;
  // SAFETY: this module holds the two timespecs of two words each.
  check(libc.utimensat(fd, cArgument(name), timesBuffer, flags), "utimensat", name);
}

/** flock(2). With LOCK_NB, false if another process holds the lock. */
export function lockFile(fd: number, operation: number): boolean {
  for (;;) {
    if (libc.flock(fd, operation) === 0) return true;
    if (errno() === C.EAGAIN) return false;
    if (errno() !== C.EINTR) fail("flock");
  }
}

/** syncfs(2): writes all of an open file's file system to the disk. Throws SystemError. */
export function syncFileSystem(fd: number): void {
  check(libc.syncfs(fd), "syncfs");
}

/** fsync(2). */
export function syncFd(fd: number): void {
  check(libc.fsync(fd), "fsync");
}
