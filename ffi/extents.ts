import type { ByteString } from "./bytes.ts";
import { AT_SYMLINK_NOFOLLOW, ENOENT, ENOTDIR } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, cArgument, errno, libc } from "./libc.ts";

/** What statx(2) tells besides `Stat`. */
export interface Birth {
  /** When the inode was made, in nanoseconds since the epoch; undefined where the file system does not tell. */
  readonly birth: bigint | undefined;
  /** What the file takes on its file system, in bytes. */
  readonly allocated: number;
}

const buffer = Buffer.alloc(256);
const STATX_BLOCKS = 0x400;
const STATX_BTIME = 0x800;

/** statx(2) of a name below `dirfd`, never through a link at its end; undefined where nothing stands there. */
export function birthAt(dirfd: number, path: ByteString): Birth | undefined {
  return statxAt(dirfd, path, STATX_BLOCKS | STATX_BTIME);
}

function statxAt(dirfd: number, path: ByteString, mask: number): Birth | undefined {
  if (libc.statx(dirfd, cArgument(path), AT_SYMLINK_NOFOLLOW, mask, buffer) < 0) {
    const number = errno();
    if (number === ENOENT || number === ENOTDIR) return undefined;
    throw new SystemError(number, "statx", path);
  }
  const told = (buffer.readUInt32LE(0) & STATX_BTIME) !== 0;
  const birth = buffer.readBigInt64LE(80) * 1_000_000_000n + BigInt(buffer.readUInt32LE(88));
  return { birth: told ? birth : undefined, allocated: Number(buffer.readBigUInt64LE(48)) * 512 };
}

/** What an inode takes, and how it is told from others. */
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

const STATX_ALL = 0x7ff | STATX_BTIME | 0x1000;

/** As birthAt, with what counts inodes. */
export function usageAt(dirfd: number, path: ByteString): Usage | undefined {
  const birth = statxAt(dirfd, path, STATX_ALL);
  if (birth === undefined) return undefined;
  return {
    ...birth,
    nlink: buffer.readUInt32LE(16),
    uid: buffer.readUInt32LE(20),
    mode: buffer.readUInt16LE(28),
    ino: buffer.readBigUInt64LE(32),
    size: Number(buffer.readBigUInt64LE(40)),
    mtime: buffer.readBigInt64LE(112) * 1_000_000_000n + BigInt(buffer.readUInt32LE(120)),
    devMajor: buffer.readUInt32LE(136),
    devMinor: buffer.readUInt32LE(140),
    mountId: buffer.readBigUInt64LE(144),
  };
}

/** A piece of a file on its device, in bytes. */
export interface Extent {
  readonly physical: bigint;
  readonly length: bigint;
  /** Other files have the same blocks. */
  readonly shared: boolean;
  /** Its place on the device is not known, or it is not in blocks of its own. */
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

/** The extents of an open file (ioctl_fiemap(2)); undefined where the file system does not tell. */
export function extentsOf(fd: number): Extent[] | undefined {
  const extents: Extent[] = [];
  for (let start = 0n; extents.length < MOST; ) {
    map.fill(0, 0, HEAD);
    map.writeBigUInt64LE(start, 0);
    map.writeBigUInt64LE(0xffff_ffff_ffff_ffffn - start, 8);
    map.writeUInt32LE(COUNT, 24);
    if (libc.ioctl(fd, FS_IOC_FIEMAP, addressOf(map)) < 0) {
      // EOPNOTSUPP, ENOTTY, EINVAL, EPERM, EBADR
      if ([95, 25, 22, 1, 53].includes(errno())) return undefined;
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
