import * as C from "./constants.ts";
import { errno, fail, libc } from "./libc.ts";

const [ENXIO, EINVAL] = [6, 22];

/**
 * Where data begins at `offset` or after it (lseek(2), SEEK_DATA), and where the file then stands; undefined where only
 * a hole is left, or nothing. `offset` itself where the file system cannot tell. Throws SystemError.
 */
export function nextData(fd: number, offset: number): number | undefined {
  const found = Number(libc.lseek(fd, offset, C.SEEK_DATA));
  if (found >= 0) return found;
  if (errno() === ENXIO) return undefined;
  return errno() === EINVAL ? offset : fail("lseek");
}

/**
 * Where the first hole begins at `offset` or after it (SEEK_HOLE), which may be the one at the end; undefined where there
 * is nothing more, or the file system cannot tell. Throws SystemError.
 */
export function nextHole(fd: number, offset: number): number | undefined {
  const found = Number(libc.lseek(fd, offset, C.SEEK_HOLE));
  if (found >= 0) return found;
  return errno() === ENXIO || errno() === EINVAL ? undefined : fail("lseek");
}
