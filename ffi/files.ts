import { type ByteString, fromBytes } from "./bytes.ts";
import * as C from "./constants.ts";
import { attempt, isErrno, SystemError } from "./error.ts";
import { cArgument, check, errno, fail, libc } from "./libc.ts";
import { openAt, openAt2 } from "./open.ts";
import {
  STATX_BASIC_STATS,
  STATX_MNT_ID,
  STATX_UID,
  statx,
  statxIfPresent,
  statxLong,
  statxNumber,
  statxTime,
  statxWord,
} from "./statx.ts";

export { openAt, openAt2 } from "./open.ts";

/** Attributes of a file, from statx(2). Times are nanoseconds since the epoch. */
export interface Stat {
  /** Type and permission bits, as st_mode. */
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  size: number;
  ino: bigint;
  /** The device that holds the file, and of a device file its own. */
  devMajor: number;
  devMinor: number;
  rdevMajor: number;
  rdevMinor: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  /** Unique while the mount exists; 0 if the kernel does not report it. */
  mountId: bigint;
}

const STAT = STATX_BASIC_STATS | STATX_MNT_ID;

function decodeStat(): Stat {
  return {
    nlink: statxWord(16),
    uid: statxWord(20),
    gid: statxWord(24),
    mode: statxWord(28) & 0xffff,
    ino: statxLong(32),
    size: statxNumber(40),
    atime: statxTime(64),
    ctime: statxTime(96),
    mtime: statxTime(112),
    rdevMajor: statxWord(128),
    rdevMinor: statxWord(132),
    devMajor: statxWord(136),
    devMinor: statxWord(140),
    mountId: statxLong(144),
  };
}

/** statx(2) of an open descriptor. */
export function fstat(fd: number): Stat {
  if (!statx(fd, "", C.AT_EMPTY_PATH, STAT)) fail("statx");
  return decodeStat();
}

/** statx(2) of a name below `dirfd`; a symbolic link is not followed unless `follow`. */
export function statAt(dirfd: number, path: ByteString, follow = false): Stat {
  if (!statx(dirfd, path, follow ? 0 : C.AT_SYMLINK_NOFOLLOW, STAT)) fail("statx", path);
  return decodeStat();
}

/** As statAt, but undefined if there is nothing at `path` (ENOENT, ENOTDIR). */
export function statIfPresent(dirfd: number, path: ByteString, follow = false): Stat | undefined {
  return statxIfPresent(dirfd, path, follow, STAT) ? decodeStat() : undefined;
}

/** True if nothing is at a path; false also if that cannot be known. A symbolic link is not followed. */
export const isMissing = (path: ByteString): boolean =>
  attempt(() => statIfPresent(C.AT_FDCWD, path) === undefined) ?? false;

/** True for a directory, and for what cannot be looked at; false for a symbolic link. */
export const mayBeDirectory = (path: ByteString): boolean =>
  (attempt(() => (statIfPresent(C.AT_FDCWD, path)?.mode ?? 0) & C.S_IFMT) ?? C.S_IFDIR) === C.S_IFDIR;

/** The owner of a name below `dirfd`, by the least work, since there may be millions; undefined if there is nothing. */
export function ownerAt(dirfd: number, path: ByteString, follow = false): number | undefined {
  return statxIfPresent(dirfd, path, follow, STATX_UID) ? statxWord(20) : undefined;
}

/** What identifies a file. */
export type FileIdentity = Pick<Stat, "ino" | "devMajor" | "devMinor">;

/** Whether both describe the same inode of the same device. */
export function sameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.ino === b.ino && a.devMajor === b.devMajor && a.devMinor === b.devMinor;
}

/** close(2). */
export function close(fd: number): void {
  libc.close(fd);
}

/** Calls `use` with an open descriptor, and closes it. */
export function withFd<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}

/** read(2) into `buffer`; the number of bytes, 0 at the end. Interrupted calls are repeated. */
export function readInto(fd: number, buffer: Uint8Array): number {
  for (;;) {
    // SAFETY: at most the buffer's own length.
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
  // SAFETY: at most the buffer's own length.
  return check(libc.pread(fd, buffer, buffer.length, offset), "pread");
}

/** Writes all of `bytes`. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) {
    // SAFETY: `bytes` is the caller's; exactly its rest is read.
    const count = libc.write(fd, rest, rest.length);
    if (count >= 0) rest = rest.subarray(count);
    else if (errno() !== C.EINTR) fail("write");
  }
}

/**
 * The content of an open regular file, up to `limit` bytes. A larger file is an error (EFBIG), so that nobody who may
 * write it can exhaust the memory. `size`: its size, if the caller knows it.
 */
export function readAllFd(fd: number, limit: number, size = fstat(fd).size): Uint8Array {
  let buffer = new Uint8Array(Math.min(limit + 1, size > 0 ? size + 1 : 4096));
  let used = 0;
  for (;;) {
    const count = readInto(fd, buffer.subarray(used));
    used += count;
    // More than the size was asked for. Files of the kernel have none.
    if (count === 0 || (used === size && used <= limit)) return buffer.subarray(0, used);
    if (used > limit) throw new SystemError(C.EFBIG, `more than ${limit} bytes`, undefined);
    if (used === buffer.length) {
      const larger = new Uint8Array(Math.min(limit + 1, used * 2));
      larger.set(buffer);
      buffer = larger;
    }
  }
}

/** The content of a regular file, as readAllFd; follows symbolic links. For paths that only root may write. */
export function readFile(path: ByteString, limit: number, dirfd: number = C.AT_FDCWD): Uint8Array {
  const fd = openAt(dirfd, path, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY);
  try {
    if ((fstat(fd).mode & C.S_IFMT) !== C.S_IFREG)
      throw new SystemError(C.EINVAL, "not a regular file", path);
    return readAllFd(fd, limit);
  } catch (error) {
    // The calls on the descriptor do not know the path.
    if (error instanceof SystemError && error.path === undefined) {
      throw new SystemError(error.errno, error.call, path);
    }
    throw error;
  } finally {
    close(fd);
  }
}

/** As readFile, but undefined if there is no such file. */
export function readFileIfPresent(path: ByteString, limit: number, dirfd: number = C.AT_FDCWD) {
  try {
    return readFile(path, limit, dirfd);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** A name in a directory, with its type: DT_*. */
export interface DirectoryEntry {
  name: ByteString;
  type: number;
}

let entryBuffer: Buffer | undefined;

/**
 * The names in an open directory (not O_PATH), without "." and "..", in the order of the file system. It stops reading
 * after more than `limit` names.
 */
export function readDirectory(fd: number, limit = Number.POSITIVE_INFINITY): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  seek(fd, 0, C.SEEK_SET);
  while (readEntries(fd, entries) && entries.length <= limit);
  return entries;
}

/**
 * Adds the next names in an open directory, as readDirectory, to `entries`: one getdents64(2). False at the end; a
 * directory that was removed while it was open (ENOENT) has none.
 */
export function readEntries(fd: number, entries: DirectoryEntry[]): boolean {
  // Not cleared, since that touches all of its memory; only what the kernel wrote is read.
  entryBuffer ??= Buffer.allocUnsafeSlow(65536);
  // SAFETY: at most the buffer's own length. Each record holds its length, and a name with a NUL.
  const result = libc.getdents64(fd, entryBuffer, entryBuffer.length);
  if (result < 0 && errno() === C.ENOENT) return false;
  const count = check(result, "getdents64");
  for (let at = 0; at < count; ) {
    const length = entryBuffer.readUInt16LE(at + 16);
    let end = at + 19;
    while (entryBuffer[end] !== 0) end++;
    const name = entryBuffer.toString("latin1", at + 19, end);
    if (name !== "." && name !== "..") entries.push({ name, type: entryBuffer[at + 18] ?? 0 });
    at += length;
  }
  return count > 0;
}

/** As readDirectory, of an open directory that may be O_PATH. */
export const entriesOf = (directory: number, limit?: number): DirectoryEntry[] =>
  withFd(openAt(directory, ".", C.O_RDONLY | C.O_DIRECTORY), (fd) => readDirectory(fd, limit));

/** True if an open directory, which may be O_PATH, has no names. */
export const isEmptyDirectory = (directory: number): boolean => entriesOf(directory, 1).length === 0;

let linkBuffer: Buffer | undefined;

/** The target of a symbolic link; with `path` "", of the link that `dirfd` (O_PATH | O_NOFOLLOW) is. */
export function readLink(dirfd: number, path: ByteString): ByteString {
  linkBuffer ??= Buffer.alloc(C.PATH_MAX);
  // SAFETY: at most the buffer's own length; the kernel appends no NUL.
  const length = check(libc.readlinkat(dirfd, cArgument(path), linkBuffer, C.PATH_MAX), "readlink", path);
  return fromBytes(linkBuffer, 0, length);
}

/** A descriptor of a directory for use as `dirfd`; follows symbolic links. */
export function openDirectoryPath(path: ByteString): number {
  return openAt(C.AT_FDCWD, path, C.O_PATH | C.O_DIRECTORY);
}

const OF_THE_PATH = [C.ENOENT, C.ENOTDIR, C.ELOOP, C.EACCES, C.EXDEV, C.ENXIO, C.ENAMETOOLONG];

/** True for the errno of an open(2) that failed by its path: there is nothing that the user can open. */
export const isOfThePath = (error: number): boolean => OF_THE_PATH.includes(error);

/**
 * As openAt, or as openAt2 if `resolve` is not 0, but undefined if the path is the reason that nothing can be opened:
 * a missing or forbidden component, a loop of symbolic links, a component that is not a directory.
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
      if (error instanceof SystemError && isOfThePath(error.errno)) return undefined;
      throw error;
    }
  }
  // Without an exception, since a search for libraries tries many missing names.
  const fd = libc.openat(dirfd, cArgument(path), flags | C.O_CLOEXEC, 0);
  if (fd >= 0) return fd;
  const number = errno();
  if (isOfThePath(number)) return undefined;
  throw new SystemError(number, "open", path);
}
