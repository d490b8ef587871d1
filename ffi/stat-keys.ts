import type { ByteString } from "./bytes.ts";
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_IFDIR, S_IFMT } from "./constants.ts";
import type { Stat } from "./files.ts";
import { fail } from "./libc.ts";
import { STATX_BASIC_STATS, STATX_MNT_ID, statx, statxBuffer, statxIfPresent } from "./statx.ts";

// Keys for hashes of many files, without an object for each: bytes of a length that is fixed for each kind of key. A kind
// has a buffer of its own, which holds until the next key of the kind is made.

// Words of struct statx, by their offsets divided by 4.
const from = new Uint32Array(statxBuffer.buffer, statxBuffer.byteOffset, 64);
const MODE = 7;
const DEVICE = 34;
const INODE = 8;
const SIZE = 10;
const CTIME = 24;
const MTIME = 28;
// In bytes
const MOUNT_ID = 144;

const isDirectory = () => ((from[MODE] ?? 0) & S_IFMT) === S_IFDIR;

/** A buffer for keys, as the words and the bytes of it. */
function keyBuffer(words: number) {
  const bytes = new Uint8Array(4 * words);
  return { bytes, words: new Uint32Array(bytes.buffer), long: new BigUint64Array(bytes.buffer) };
}

const state = keyBuffer(10);
const removal = keyBuffer(10);

/** Looks at a name below `dirfd` for the functions below, and follows no symbolic link. Throws SystemError. */
export function lookAt(dirfd: number, name: ByteString): void {
  if (!statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS)) fail("statx", name);
}

/** As lookAt, at an open file; the id of its mount, as in Stat. */
export function lookAtOpen(fd: number): bigint {
  if (!statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID)) fail("statx");
  return statxBuffer.readBigUInt64LE(MOUNT_ID);
}

/** As lookAt; false if there is no such name, or it is a directory. */
export function lookAtFile(dirfd: number, name: ByteString): boolean {
  return statxIfPresent(dirfd, name, false, STATX_BASIC_STATS) && !isDirectory();
}

/** The key that changes with any change of the file that was looked at last (by any statx(2)). `path`: a hash of its path. */
export function stateKey(path: bigint): Uint8Array {
  const { bytes, words, long } = state;
  for (let word = 0; word < 2; word++) {
    words[word] = from[DEVICE + word] ?? 0;
    words[2 + word] = from[INODE + word] ?? 0;
  }
  for (let word = 0; word < 3; word++) words[4 + word] = from[CTIME + word] ?? 0;
  long[4] = path;
  return bytes;
}

/** The key of the file that was looked at last, with its size and time, unless it is a directory. */
export function removalKey(): Uint8Array {
  const { bytes, words } = removal;
  const counts = !isDirectory();
  for (let word = 0; word < 2; word++) {
    words[word] = from[DEVICE + word] ?? 0;
    words[2 + word] = from[INODE + word] ?? 0;
    words[4 + word] = counts ? (from[SIZE + word] ?? 0) : 0;
  }
  for (let word = 0; word < 3; word++) words[6 + word] = counts ? (from[MTIME + word] ?? 0) : 0;
  return bytes;
}

/** As removalKey, of a file that was looked at before. */
export function removalKeyOf({ mode, devMajor, devMinor, ino, size, mtime }: Stat): Uint8Array {
  const { bytes, words, long } = removal;
  const counts = (mode & S_IFMT) !== S_IFDIR;
  words[0] = devMajor;
  words[1] = devMinor;
  long[1] = ino;
  long[2] = counts ? BigInt(size) : 0n;
  const second = 1_000_000_000n;
  const nanoseconds = ((mtime % second) + second) % second;
  long[3] = counts ? BigInt.asUintN(64, (mtime - nanoseconds) / second) : 0n;
  words[8] = counts ? Number(nanoseconds) : 0;
  return bytes;
}
