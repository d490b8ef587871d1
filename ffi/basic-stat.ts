import type { ByteString } from "./bytes.ts";
import { AT_EMPTY_PATH } from "./constants.ts";
import { fail } from "./libc.ts";
import { STATX_BASIC_STATS, statx, statxBuffer, statxIfPresent } from "./statx.ts";

/** The part of `Stat` that is ordinary numbers, for looking at many files quickly. */
export interface BasicStat {
  /** Type and permission bits, as st_mode. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  devMajor: number;
  devMinor: number;
  /** The inode number, in two halves. */
  inoLow: number;
  inoHigh: number;
  rdevMajor: number;
  rdevMinor: number;
  /** Seconds since the epoch, and nanoseconds in them. */
  atimeSeconds: number;
  atimeNanoseconds: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  ctimeSeconds: number;
  ctimeNanoseconds: number;
}

// Words of struct statx, by their offsets divided by 4.
const words = new Uint32Array(statxBuffer.buffer, statxBuffer.byteOffset, 64);
const word = (index: number): number => words[index] ?? 0;
const seconds = (low: number): number => word(low) + (word(low + 1) | 0) * 0x100000000;

function decode(): BasicStat {
  return {
    mode: word(7) & 0xffff,
    uid: word(5),
    gid: word(6),
    size: word(10) + word(11) * 0x100000000,
    devMajor: word(34),
    devMinor: word(35),
    inoLow: word(8),
    inoHigh: word(9),
    rdevMajor: word(32),
    rdevMinor: word(33),
    atimeSeconds: seconds(16),
    atimeNanoseconds: word(18),
    mtimeSeconds: seconds(28),
    mtimeNanoseconds: word(30),
    ctimeSeconds: seconds(24),
    ctimeNanoseconds: word(26),
  };
}

/** statx(2) of a name below `dirfd`; undefined if there is nothing at `path` (ENOENT, ENOTDIR). */
export function basicStat(dirfd: number, path: ByteString, follow = false): BasicStat | undefined {
  return statxIfPresent(dirfd, path, follow, STATX_BASIC_STATS) ? decode() : undefined;
}

/** statx(2) of an open descriptor. */
export function basicFstat(fd: number): BasicStat {
  if (!statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS)) fail("statx");
  return decode();
}
