import type { ByteString } from "./bytes.ts";
import { AT_EMPTY_PATH } from "./constants.ts";
import { fail } from "./libc.ts";
import { STATX_BASIC_STATS, statx, statxIfPresent, statxNumber, statxWord } from "./statx.ts";

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

function decode(): BasicStat {
  return {
    mode: statxWord(28) & 0xffff,
    uid: statxWord(20),
    gid: statxWord(24),
    size: statxNumber(40),
    devMajor: statxWord(136),
    devMinor: statxWord(140),
    inoLow: statxWord(32),
    inoHigh: statxWord(36),
    rdevMajor: statxWord(128),
    rdevMinor: statxWord(132),
    atimeSeconds: statxNumber(64),
    atimeNanoseconds: statxWord(72),
    mtimeSeconds: statxNumber(112),
    mtimeNanoseconds: statxWord(120),
    ctimeSeconds: statxNumber(96),
    ctimeNanoseconds: statxWord(104),
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
