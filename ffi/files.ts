import { type ByteString, fromBytes } from "./bytes.ts";
import * as C from "./constants.ts";
import { isErrno, SystemError } from "./error.ts";
import { addressOf, cArgument, check, errno, fail, libc } from "./libc.ts";

/** What statx(2) tells of a file. Times in nanoseconds since the epoch. */
export interface Stat {
  /** Type and permission bits, as st_mode. */
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  size: number;
  ino: bigint;
  /** The device that holds the file, and, for a device file, the one that it stands for. */
  devMajor: number;
  devMinor: number;
  rdevMajor: number;
  rdevMinor: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  /** Unique while the mount lives; 0 where the kernel does not tell. */
  mountId: bigint;
}

const statBuffer = Buffer.alloc(256);
const STATX_BASIC_AND_MOUNT = 0x7ff | 0x1000;

function decodeStat(): Stat {
  const b = statBuffer;
  const time = (at: number) => b.readBigInt64LE(at) * 1_000_000_000n + BigInt(b.readUInt32LE(at + 8));
  return {
    nlink: b.readUInt32LE(16),
    uid: b.readUInt32LE(20),
    gid: b.readUInt32LE(24),
    mode: b.readUInt16LE(28),
    ino: b.readBigUInt64LE(32),
    size: Number(b.readBigUInt64LE(40)),
    atime: time(64),
    ctime: time(96),
    mtime: time(112),
    rdevMajor: b.readUInt32LE(128),
    rdevMinor: b.readUInt32LE(132),
    devMajor: b.readUInt32LE(136),
    devMinor: b.readUInt32LE(140),
    mountId: b.readBigUInt64LE(144),
  };
}

/** statx(2) of an open descriptor. */
export function fstat(fd: number): Stat {
  check(libc.statx(fd, cArgument(""), C.AT_EMPTY_PATH, STATX_BASIC_AND_MOUNT, statBuffer), "statx");
  return decodeStat();
}

/** statx(2) of a name below `dirfd`; a symbolic link is not followed unless `follow`. */
export function statAt(dirfd: number, path: ByteString, follow = false): Stat {
  const flags = follow ? 0 : C.AT_SYMLINK_NOFOLLOW;
  check(libc.statx(dirfd, cArgument(path), flags, STATX_BASIC_AND_MOUNT, statBuffer), "statx", path);
  return decodeStat();
}

/** As statAt, but undefined where nothing stands at `path` (ENOENT, ENOTDIR). */
export function statIfPresent(dirfd: number, path: ByteString, follow = false): Stat | undefined {
  const flags = follow ? 0 : C.AT_SYMLINK_NOFOLLOW;
  if (libc.statx(dirfd, cArgument(path), flags, STATX_BASIC_AND_MOUNT, statBuffer) < 0) {
    const number = errno();
    if (number === C.ENOENT || number === C.ENOTDIR) return undefined;
    throw new SystemError(number, "statx", path);
  }
  return decodeStat();
}

/** True where both describe the same inode of the same device. */
export function sameFile(a: Stat, b: Stat): boolean {
  return a.ino === b.ino && a.devMajor === b.devMajor && a.devMinor === b.devMinor;
}

/** openat(2). O_CLOEXEC is always set. `dirfd` may be AT_FDCWD. Returns the descriptor. */
export function openAt(dirfd: number, path: ByteString, flags: number, mode = 0): number {
  return check(libc.openat(dirfd, cArgument(path), flags | C.O_CLOEXEC, mode), "open", path);
}

const howBuffer = new BigUint64Array(3);
const howAddress = addressOf(howBuffer);

/**
 * openat2(2) with `resolve` (RESOLVE_*). O_CLOEXEC is always set. EAGAIN (a rename raced the walk) is tried
 * again, at most 64 times. EXDEV and ELOOP tell that `path` left `dirfd` or held a forbidden link.
 */
export function openAt2(dirfd: number, path: ByteString, flags: number, resolve: number, mode = 0): number {
  for (let attempt = 1; ; attempt++) {
    howBuffer[0] = BigInt(flags | C.O_CLOEXEC);
    howBuffer[1] = BigInt(mode);
    howBuffer[2] = BigInt(resolve);
    const pathAddress = addressOf(cArgument(path));
    const fd = libc.syscall(C.SYS_openat2, dirfd, pathAddress, howAddress, 24, 0, 0);
    if (fd >= 0) return fd;
    const number = errno();
    if ((number !== C.EAGAIN && number !== C.EINTR) || attempt === 64)
      throw new SystemError(number, "openat2", path);
  }
}

/** close(2). */
export function close(fd: number): void {
  libc.close(fd);
}

/** read(2) into `buffer`; the number of bytes, 0 at the end. Interrupted calls are repeated. */
export function readInto(fd: number, buffer: Uint8Array): number {
  for (;;) {
    const count = libc.read(fd, buffer, buffer.length);
    if (count >= 0) return count;
    if (errno() !== C.EINTR) fail("read");
  }
}

/** lseek(2); the new offset. `whence` is SEEK_SET or SEEK_CUR, and `offset` not negative. */
export function seek(fd: number, offset: number, whence: number): number {
  return check(Number(libc.lseek(fd, offset, whence)), "lseek");
}

/** pread(2) at a byte offset; the number of bytes, 0 at the end. */
export function readAt(fd: number, buffer: Uint8Array, offset: number): number {
  return check(libc.pread(fd, buffer, buffer.length, offset), "pread");
}

/** Writes all of `bytes`. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) {
    const count = libc.write(fd, rest, rest.length);
    if (count >= 0) rest = rest.subarray(count);
    else if (errno() !== C.EINTR) fail("write");
  }
}

/**
 * All that an open regular file holds, up to `limit` bytes; a larger one is an error (EFBIG), so that a file
 * that somebody else may write cannot exhaust the memory.
 */
export function readAllFd(fd: number, limit: number): Uint8Array {
  let buffer = new Uint8Array(Math.min(limit + 1, Math.max(fstat(fd).size + 1, 4096)));
  let used = 0;
  for (;;) {
    const count = readInto(fd, buffer.subarray(used));
    if (count === 0) return buffer.subarray(0, used);
    used += count;
    if (used > limit) throw new SystemError(C.EFBIG, `more than ${limit} bytes`, undefined);
    if (used === buffer.length) {
      const larger = new Uint8Array(Math.min(limit + 1, used * 2));
      larger.set(buffer);
      buffer = larger;
    }
  }
}

/** Reads a whole regular file by name, following links, up to `limit` bytes. For paths that only root may write. */
export function readFile(path: ByteString, limit: number, dirfd: number = C.AT_FDCWD): Uint8Array {
  const fd = openAt(dirfd, path, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY);
  try {
    if ((fstat(fd).mode & C.S_IFMT) !== C.S_IFREG)
      throw new SystemError(C.EINVAL, "not a regular file", path);
    return readAllFd(fd, limit);
  } catch (error) {
    // The descriptor's calls do not know the name.
    if (error instanceof SystemError && error.path === undefined) {
      throw new SystemError(error.errno, error.call, path);
    }
    throw error;
  } finally {
    close(fd);
  }
}

/** As readFile, but undefined where there is no such file. */
export function readFileIfPresent(path: ByteString, limit: number, dirfd: number = C.AT_FDCWD) {
  try {
    return readFile(path, limit, dirfd);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** One name in a directory. `type` is DT_* of readdir(3) (8 regular, 4 directory, 10 link, 0 unknown). */
export interface DirectoryEntry {
  name: ByteString;
  type: number;
}

let entryBuffer: Buffer | undefined;

/**
 * The names in an open directory (not O_PATH), without "." and "..", in the order of the file system. Reading stops
 * once there are more than `limit`.
 */
export function readDirectory(fd: number, limit = Number.POSITIVE_INFINITY): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  entryBuffer ??= Buffer.alloc(65536);
  check(Number(libc.lseek(fd, 0, 0)), "lseek");
  for (;;) {
    const count = check(libc.getdents64(fd, entryBuffer, entryBuffer.length), "getdents64");
    if (count === 0 || entries.length > limit) return entries;
    for (let at = 0; at < count; ) {
      const length = entryBuffer.readUInt16LE(at + 16);
      let end = at + 19;
      while (entryBuffer[end] !== 0) end++;
      const name = entryBuffer.toString("latin1", at + 19, end);
      if (name !== "." && name !== "..") entries.push({ name, type: entryBuffer[at + 18] ?? 0 });
      at += length;
    }
  }
}

let linkBuffer: Buffer | undefined;

/** The text of a symbolic link; with `path` "" that of the link that `dirfd` (O_PATH | O_NOFOLLOW) is. */
export function readLink(dirfd: number, path: ByteString): ByteString {
  linkBuffer ??= Buffer.alloc(4097);
  const length = check(libc.readlinkat(dirfd, cArgument(path), linkBuffer, 4097), "readlink", path);
  return fromBytes(linkBuffer, 0, length);
}

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

/** symlinkat(2): makes the link `name` that says `target`. */
export function makeSymlink(target: ByteString, dirfd: number, name: ByteString): void {
  check(libc.symlinkat(cArgument(target), dirfd, cArgument(name)), "symlink", name);
}

/** linkat(2). With AT_EMPTY_PATH in `flags` and `from` "", `fromFd` itself is linked (needs CAP_DAC_READ_SEARCH). */
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

/** fchownat(2) of what `fd` is, O_PATH too, and of a symbolic link itself. */
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

/** utimensat(2), times in nanoseconds; `name` "" means `fd` itself (needs Linux 5.8), links are not followed. */
export function setTimes(fd: number, name: ByteString, atime: bigint, mtime: bigint): void {
  putTime(0, atime);
  putTime(2, mtime);
  const flags = name === "" ? C.AT_EMPTY_PATH : C.AT_SYMLINK_NOFOLLOW;
  check(libc.utimensat(fd, cArgument(name), timesBuffer, flags), "utimensat", name);
}

/** The names of the extended attributes of `fd`; none where the file system has none. */
export function listXattrs(fd: number): ByteString[] {
  const size = libc.flistxattr(fd, null, 0);
  if (size < 0 && errno() === C.EOPNOTSUPP) return [];
  if (check(size, "flistxattr") === 0) return [];
  const buffer = new Uint8Array(65536);
  const used = check(libc.flistxattr(fd, buffer, buffer.length), "flistxattr");
  return fromBytes(buffer, 0, used).split("\0").slice(0, -1);
}

/** The value of an extended attribute, or undefined where there is none. */
export function getXattr(fd: number, name: ByteString): Uint8Array | undefined {
  const buffer = new Uint8Array(65536);
  const size = libc.fgetxattr(fd, cArgument(name), buffer, buffer.length);
  if (size < 0 && (errno() === C.ENODATA || errno() === C.EOPNOTSUPP)) return undefined;
  return buffer.slice(0, check(size, "fgetxattr", name));
}

/** Sets an extended attribute. */
export function setXattr(fd: number, name: ByteString, value: Uint8Array): void {
  // bun:ffi takes no pointer to an empty array
  const bytes = value.length === 0 ? new Uint8Array(1) : value;
  check(libc.fsetxattr(fd, cArgument(name), bytes, value.length, 0), "fsetxattr", name);
}

/** flock(2). With LOCK_NB, false where somebody else holds the lock. */
export function lockFile(fd: number, operation: number): boolean {
  for (;;) {
    if (libc.flock(fd, operation) === 0) return true;
    if (errno() === C.EAGAIN) return false;
    if (errno() !== C.EINTR) fail("flock");
  }
}

/** fsync(2). */
export function syncFd(fd: number): void {
  check(libc.fsync(fd), "fsync");
}

/** A descriptor on a directory for use as `dirfd`: O_PATH | O_DIRECTORY, links followed. */
export function openDirectoryPath(path: ByteString): number {
  return openAt(C.AT_FDCWD, path, C.O_PATH | C.O_DIRECTORY);
}

/**
 * As openAt, or as openAt2 where `resolve` is not 0, but undefined where nothing can be opened at `path` for a
 * reason that lies in the path: missing, a link loop, a component that is no directory, no permission.
 */
export function openIfPresent(
  dirfd: number,
  path: ByteString,
  flags: number,
  resolve = 0,
): number | undefined {
  if (resolve !== 0) {
    try {
      return openAt2(dirfd, path, flags, resolve);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EXDEV", "ENXIO", "ENAMETOOLONG"))
        return undefined;
      throw error;
    }
  }
  // Without an exception: a search for libraries asks for many names that are not there.
  const fd = libc.openat(dirfd, cArgument(path), flags | C.O_CLOEXEC, 0);
  if (fd >= 0) return fd;
  const number = errno();
  if ([2, 20, 40, 13, 18, 6, 36].includes(number)) return undefined;
  throw new SystemError(number, "open", path);
}
