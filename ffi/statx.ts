import type { ByteString } from "./bytes.ts";
import { cArgument, libc } from "./libc.ts";

/** struct statx of the last successful call. */
export const statxBuffer = Buffer.alloc(256);

// What to ask for
export const STATX_NLINK = 0x4;
export const STATX_UID = 0x8;
export const STATX_INO = 0x100;
export const STATX_BLOCKS = 0x400;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;

/** statx(2) of a name below `dirfd` into statxBuffer; false, with errno, if it fails. */
export function statx(dirfd: number, path: ByteString, flags: number, mask: number): boolean {
  // SAFETY: this module holds the buffer, and struct statx has 256 bytes.
  return libc.statx(dirfd, cArgument(path), flags, mask, statxBuffer) === 0;
}
