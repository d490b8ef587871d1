import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { fstat, readInto, seek, writeAll } from "./files.ts";
import { receivedSignal } from "./interrupts.ts";
import { check, errno, fail, libc } from "./libc.ts";

const FICLONE = 0x40049409;
/** Longer files are copied with their holes, if they have any. */
export const LONGEST_WHOLE = 1 << 16;
// For files of size 0; /proc/kallsyms has some 15 MB.
const LONGEST_UNSIZED = 1 << 26;
// A signal is looked for between two pieces.
const AT_ONCE = 0x4000000;
const NOT_IN_KERNEL = [C.EXDEV, C.EINVAL, C.ENOSYS, C.EOPNOTSUPP, C.EINTR];
let copyBuffer: Uint8Array | undefined;

/**
 * Copies `size` bytes from the offset of `from` to the offset of `to`, which is its end, and returns how many there
 * were: by reflink, or inside the kernel (copy_file_range(2), sendfile(2)), or by read and write. Holes of large files
 * stay holes. A file of size 0 may be one of proc(5): it is copied to its end, but no more than 64 MiB, since a user who
 * can write it could fill the disk. Throws SystemError: EFBIG for a longer one, or a size beyond 2^53; EINTR for a signal
 * that was held back.
 */
export function copyContents(from: number, to: number, size: number): number {
  if (size > Number.MAX_SAFE_INTEGER) throw tooLarge();
  if (size > LONGEST_WHOLE) {
    if (libc.ioctl(to, FICLONE, from) === 0) return size;
    const copied = copyPieces(from, to, size);
    if (copied !== undefined) return copied;
  }
  if (size > 0) return copyBytes(from, to, size);
  const copied = copyBytes(from, to, LONGEST_UNSIZED + 1);
  if (copied > LONGEST_UNSIZED) throw tooLarge();
  return copied;
}

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
function nextHole(fd: number, offset: number): number | undefined {
  const found = Number(libc.lseek(fd, offset, C.SEEK_HOLE));
  if (found >= 0) return found;
  return errno() === C.ENXIO || errno() === C.EINVAL ? undefined : fail("lseek");
}

const tooLarge = () => new SystemError(C.EFBIG, "copy", undefined);

/** Copies everything but the holes; does nothing, and returns undefined, if there are none or they are unknown. */
function copyPieces(from: number, to: number, size: number): number | undefined {
  const start = seek(from, 0, C.SEEK_CUR);
  const end = start + size;
  const shift = seek(to, 0, C.SEEK_CUR) - start;
  const firstHole = nextHole(from, start);
  seek(from, start, C.SEEK_SET);
  if (firstHole === undefined || firstHole >= end) return undefined;
  let at = start;
  while (at < end) {
    const data = nextData(from, at);
    if (data === undefined || data >= end) break;
    const stop = Math.min(nextHole(from, data) ?? end, end);
    seek(from, data, C.SEEK_SET);
    seek(to, data + shift, C.SEEK_SET);
    const copied = copyBytes(from, to, stop - data);
    if (copied < stop - data) return data + copied - start;
    at = stop;
  }
  const left = fstat(from).size;
  if (left < end) return Math.max(0, left - start);
  check(libc.ftruncate(to, end + shift), "ftruncate");
  seek(from, end, C.SEEK_SET);
  return size;
}

function copyBytes(from: number, to: number, size: number): number {
  let total = 0;
  const rest = () => {
    if (receivedSignal() !== undefined) throw new SystemError(C.EINTR, "copy", undefined);
    return Math.min(size - total, AT_ONCE);
  };
  copyBuffer ??= new Uint8Array(1 << 17);
  if (size <= LONGEST_WHOLE) {
    // Two calls: asking for a faster way would take longer.
    total = readInto(from, copyBuffer.subarray(0, size));
    writeAll(to, copyBuffer.subarray(0, total));
  }
  while (total < size) {
    const count = libc.copy_file_range(from, null, to, null, rest(), 0);
    if (count > 0) {
      total += count;
      continue;
    }
    // 0 may be the end, or a file system (such as /proc) that does not know its sizes: read(2) finds out.
    const number = count === 0 ? 0 : errno();
    if (number !== 0 && !NOT_IN_KERNEL.includes(number)) fail("copy_file_range");
    if (number !== C.EINTR) break;
  }
  // Between two file systems: sendfile(2) copies once, read and write twice.
  while (total < size) {
    const count = libc.sendfile(to, from, null, rest());
    if (count <= 0) break;
    total += count;
  }
  while (total < size) {
    const count = readInto(from, copyBuffer.subarray(0, Math.min(rest(), copyBuffer.length)));
    if (count === 0) break;
    writeAll(to, copyBuffer.subarray(0, count));
    total += count;
  }
  return total;
}
