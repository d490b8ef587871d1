import type { ByteString } from "./bytes.ts";
import { AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW, EACCES, ENOENT, ENOTDIR } from "./constants.ts";
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

function call(dirfd: number, path: ByteString, flags: number, mask: number): boolean {
  // SAFETY: this module holds the buffer, and struct statx has 256 bytes.
  return libc.statx(dirfd, cArgument(path), flags, mask, statxBuffer) === 0;
}

/** As statx, but of what the kernel knows: no server of a file system is asked for the file itself. */
export function statxKnown(dirfd: number, path: ByteString, flags: number, mask: number): boolean {
  return call(dirfd, path, flags | AT_STATX_DONT_SYNC, mask);
}

/** True for a mount (stx_mnt_id) whose server may be asked, and knows more than the kernel. Throws if it must not be asked. */
export type MayAsk = (mountId: bigint) => boolean;
let mayAsk: MayAsk | undefined;

/** From now on nothing is asked of the server of a mount that `rule` does not allow: see neverWait of served.ts. */
export function setMayAsk(rule: MayAsk): void {
  mayAsk = rule;
}

/** True if setMayAsk was called. */
export const asksFirst = (): boolean => mayAsk !== undefined;

/** statx(2) of a name below `dirfd` into statxBuffer; false, with errno, if it fails. Throws what the rule of setMayAsk throws. */
export function statx(dirfd: number, path: ByteString, flags: number, mask: number): boolean {
  if (mayAsk === undefined) return call(dirfd, path, flags, mask);
  if (statxKnown(dirfd, path, flags, mask)) {
    // What is on a block device of its own is the kernel's.
    return statxWord(136) !== 0 || !mayAsk(statxLong(144)) || call(dirfd, path, flags, mask);
  }
  if (errno() !== EACCES) return false;
  // FUSE refuses root too, but tells which mount it is.
  if (statxKnown(dirfd, path, flags, 0)) mayAsk(statxLong(144));
  return statxKnown(dirfd, path, flags, mask);
}

/** As statx, of a name that may be missing (ENOENT, ENOTDIR): false then, while other failures throw SystemError. */
export function statxIfPresent(dirfd: number, path: ByteString, follow: boolean, mask: number): boolean {
  if (statx(dirfd, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, mask)) return true;
  return errno() === ENOENT || errno() === ENOTDIR ? false : fail("statx", path);
}

/** A signed number of 64 bits at a multiple of 8 in statxBuffer, if it is less than 2^53, such as a size or seconds. */
export const statxNumber = (at: number): number => statxWord(at) + (statxWord(at + 4) | 0) * 0x100000000;

/** A time in nanoseconds. */
export const nanoseconds = (seconds: number, rest: number): bigint =>
  BigInt(seconds) * 1_000_000_000n + BigInt(rest);

/** The time at an offset of statxBuffer, in nanoseconds since the epoch. */
export const statxTime = (at: number): bigint => nanoseconds(statxNumber(at), statxWord(at + 8));
