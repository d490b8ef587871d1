import type { ByteString } from "./bytes.ts";
import { AT_SYMLINK_NOFOLLOW, ENOENT, ENOTDIR } from "./constants.ts";
import { cArgument, errno, fail, libc } from "./libc.ts";

/** struct statx of the last successful call. */
export const statxBuffer = Buffer.alloc(256);

// Its words of 32 and 64 bits. An element of these costs a login less than a method of the buffer.
const words = new Uint32Array(statxBuffer.buffer, statxBuffer.byteOffset, 64);
const longs = new BigUint64Array(statxBuffer.buffer, statxBuffer.byteOffset, 32);

/** The 32 bits at a multiple of 4 in statxBuffer. */
export const statxWord = (at: number): number => words[at >>> 2] ?? 0;

/** The 64 bits at a multiple of 8 in statxBuffer. */
export const statxLong = (at: number): bigint => longs[at >>> 3] ?? 0n;

// What to ask for
export const STATX_NLINK = 0x4;
export const STATX_UID = 0x8;
export const STATX_INO = 0x100;
export const STATX_BLOCKS = 0x400;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;

// In stx_attributes
export const STATX_ATTR_IMMUTABLE = 0x10;
export const STATX_ATTR_APPEND = 0x20;

/** statx(2) of a name below `dirfd` into statxBuffer; false, with errno, if it fails. */
export function statx(dirfd: number, path: ByteString, flags: number, mask: number): boolean {
  // SAFETY: this module holds the buffer, and struct statx has 256 bytes.
  return libc.statx(dirfd, cArgument(path), flags, mask, statxBuffer) === 0;
}

/** As statx, of a name that may be missing (ENOENT, ENOTDIR): false then, while other failures throw SystemError. */
export function statxIfPresent(dirfd: number, path: ByteString, follow: boolean, mask: number): boolean {
  if (statx(dirfd, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, mask)) return true;
  return errno() === ENOENT || errno() === ENOTDIR ? false : fail("statx", path);
}

/** The time at an offset of statxBuffer, in nanoseconds since the epoch. */
export function statxTime(at: number): bigint {
  return BigInt.asIntN(64, statxLong(at)) * 1_000_000_000n + BigInt(statxWord(at + 8));
}
