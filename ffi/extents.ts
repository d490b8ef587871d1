import type { ByteString } from "./bytes.ts";
import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, errno, libc } from "./libc.ts";
import {
  STATX_ATTR_APPEND,
  STATX_ATTR_IMMUTABLE,
  STATX_BASIC_STATS,
  STATX_BLOCKS,
  STATX_BTIME,
  STATX_MNT_ID,
  statxBuffer,
  statxIfPresent,
  statxLong,
  statxTime,
  statxWord,
} from "./statx.ts";

/** What statx(2) reports besides `Stat`. */
interface Birth {
  /** When the inode was created, in nanoseconds since the epoch; undefined if the file system does not report it. */
  readonly birth: bigint | undefined;
  /** The space that the file takes on its file system, in bytes. */
  readonly allocated: number;
}

/** statx(2) of a name below `dirfd`; follows no symbolic link at its end. Undefined if there is nothing at `path`. */
export function birthAt(dirfd: number, path: ByteString): Birth | undefined {
  return readBirth(dirfd, path, STATX_BLOCKS | STATX_BTIME);
}

function readBirth(dirfd: number, path: ByteString, mask: number): Birth | undefined {
  if (!statxIfPresent(dirfd, path, false, mask)) return undefined;
  const hasBirth = (statxBuffer.readUInt32LE(0) & STATX_BTIME) !== 0;
  const allocated = Number(statxBuffer.readBigUInt64LE(48)) * 512;
  return { birth: hasBirth ? statxTime(80) : undefined, allocated };
}

/** What can keep root from removing a file. */
export interface Holding {
  /** Flags of chattr(1) that forbid changes, as its letters: "i" immutable, "a" append-only. */
  readonly flags: string;
  /** The mount and the device that it is on. */
  readonly mountId: bigint;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** The same of a name below `dirfd`; follows no symbolic link at its end. Undefined if it is missing. */
export function holdingAt(dirfd: number, path: ByteString): Holding | undefined {
  if (!statxIfPresent(dirfd, path, false, STATX_MNT_ID)) return undefined;
  const attributes = statxWord(8);
  return {
    flags: `${attributes & STATX_ATTR_IMMUTABLE ? "i" : ""}${attributes & STATX_ATTR_APPEND ? "a" : ""}`,
    mountId: statxLong(144),
    devMajor: statxWord(136),
    devMinor: statxWord(140),
  };
}

/** Its flags alone; empty if it is missing. */
export const holdingFlags = (path: ByteString, dirfd: number = C.AT_FDCWD): string =>
  holdingAt(dirfd, path)?.flags ?? "";

/** The space that an inode takes, and its identity. */
export interface Usage extends Birth {
  readonly mode: number;
  readonly uid: number;
  readonly nlink: number;
  readonly size: number;
  /** In nanoseconds since the epoch. */
  readonly mtime: bigint;
  readonly ino: bigint;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly mountId: bigint;
}

const USAGE = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;

/** As birthAt, with more attributes. */
export function usageAt(dirfd: number, path: ByteString): Usage | undefined {
  const birth = readBirth(dirfd, path, USAGE);
  if (birth === undefined) return undefined;
  return {
    ...birth,
    nlink: statxBuffer.readUInt32LE(16),
    uid: statxBuffer.readUInt32LE(20),
    mode: statxBuffer.readUInt16LE(28),
    ino: statxBuffer.readBigUInt64LE(32),
    size: Number(statxBuffer.readBigUInt64LE(40)),
    mtime: statxTime(112),
    devMajor: statxBuffer.readUInt32LE(136),
    devMinor: statxBuffer.readUInt32LE(140),
    mountId: statxBuffer.readBigUInt64LE(144),
  };
}

/** A piece of a file on its device, in bytes. */
export interface Extent {
  readonly physical: bigint;
  readonly length: bigint;
  /** Other files share the blocks. */
  readonly shared: boolean;
  /** Its position on the device is unknown, or it has no blocks of its own. */
  readonly placeless: boolean;
}

// linux/fiemap.h
const FS_IOC_FIEMAP = 0xc020660b;
const FIEMAP_EXTENT_LAST = 0x1;
const FIEMAP_EXTENT_UNKNOWN = 0x2;
const FIEMAP_EXTENT_DELALLOC = 0x4;
const FIEMAP_EXTENT_DATA_INLINE = 0x200;
const FIEMAP_EXTENT_SHARED = 0x2000;
const HEAD = 32;
const ENTRY = 56;
const COUNT = 256;
const map = Buffer.alloc(HEAD + COUNT * ENTRY);
const MOST = 1 << 20;
const UNSUPPORTED = [C.EOPNOTSUPP, C.ENOTTY, C.EINVAL, C.EPERM, C.EBADR];

/** The extents of an open file (ioctl_fiemap(2)); undefined if the file system does not report them. */
export function extentsOf(fd: number): Extent[] | undefined {
  const extents: Extent[] = [];
  for (let start = 0n; extents.length < MOST; ) {
    map.fill(0, 0, HEAD);
    map.writeBigUInt64LE(start, 0);
    map.writeBigUInt64LE(0xffff_ffff_ffff_ffffn - start, 8);
    map.writeUInt32LE(COUNT, 24);
    // SAFETY: this module holds the map, which has room for COUNT extents.
    if (libc.ioctl(fd, FS_IOC_FIEMAP, addressOf(map)) < 0) {
      if (UNSUPPORTED.includes(errno())) return undefined;
      throw new SystemError(errno(), "ioctl FIEMAP", undefined);
    }
    const mapped = map.readUInt32LE(20);
    if (mapped === 0) return extents;
    for (let index = 0; index < mapped; index++) {
      const at = HEAD + index * ENTRY;
      const length = map.readBigUInt64LE(at + 16);
      const flags = map.readUInt32LE(at + 40);
      extents.push({
        physical: map.readBigUInt64LE(at + 8),
        length,
        shared: (flags & FIEMAP_EXTENT_SHARED) !== 0,
        placeless:
          (flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE)) !== 0,
      });
      start = map.readBigUInt64LE(at) + length;
      if ((flags & FIEMAP_EXTENT_LAST) !== 0) return extents;
    }
  }
  return extents;
}
