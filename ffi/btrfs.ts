import { addressOf, libc } from "./libc.ts";

// From <linux/btrfs.h>: _IOWR(0x94, 18, struct btrfs_ioctl_ino_lookup_args), which is two u64 and room for a path.
const BTRFS_IOC_INO_LOOKUP = 0xd0009412;
const LOOKUP_SIZE = 4096;
// _IOR(0x94, 25, __u64)
const BTRFS_IOC_SUBVOL_GETFLAGS = 0x80089419;
const BTRFS_SUBVOL_RDONLY = 1n << 1n;
/** The inode of the directory that a subvolume begins with. */
const BTRFS_FIRST_FREE_OBJECTID = 256n;

/** The number of the subvolume that an open directory is in (btrfs-subvolume(8)); undefined for no btrfs. */
export function subvolumeId(fd: number): bigint | undefined {
  const lookup = Buffer.alloc(LOOKUP_SIZE);
  lookup.writeBigUInt64LE(BTRFS_FIRST_FREE_OBJECTID, 8);
  // SAFETY: the buffer, which this call holds, has the size of the struct.
  if (libc.ioctl(fd, BTRFS_IOC_INO_LOOKUP, addressOf(lookup)) < 0) return undefined;
  return lookup.readBigUInt64LE(0);
}

/** True for the open top of a subvolume that is read-only, such as a snapshot. */
export function isReadOnlySubvolume(fd: number): boolean {
  const flags = Buffer.alloc(8);
  // SAFETY: the buffer, which this call holds, has the size of the flags.
  if (libc.ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, addressOf(flags)) < 0) return false;
  return (flags.readBigUInt64LE(0) & BTRFS_SUBVOL_RDONLY) !== 0n;
}
