import * as C from "./constants.ts";
import { errno, fail, libc } from "./libc.ts";

/**
 * Seeks to the data at or after `offset` (lseek(2), SEEK_DATA), and returns its offset: `offset` if the file system does
 * not know, undefined if only a hole is left, or nothing. Throws SystemError.
 */
export function nextData(fd: number, offset: number): number | undefined {
  const found = Number(libc.lseek(fd, offset, C.SEEK_DATA));
  if (found >= 0) return found;
  if (errno() === C.ENXIO) return undefined;
  return errno() === C.EINVAL ? offset : fail("lseek");
}

/**
 * Seeks to the first hole at or after `offset` (SEEK_HOLE), which may be the end of the file, and returns its offset;
 * undefined if `offset` is beyond the end, or the file system does not know. Throws SystemError.
 */
export function nextHole(fd: number, offset: number): number | undefined {
  const found = Number(libc.lseek(fd, offset, C.SEEK_HOLE));
  if (found >= 0) return found;
  return errno() === C.ENXIO || errno() === C.EINVAL ? undefined : fail("lseek");
}
