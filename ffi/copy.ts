import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { fstat, readInto, seek, writeAll } from "./files.ts";
import { nextData, nextHole } from "./holes.ts";
import { signalThatCame } from "./interrupts.ts";
import { check, errno, fail, libc } from "./libc.ts";

const FICLONE = 0x40049409;
const EINTR = 4;
const SMALL = 1 << 16;
// /proc/kallsyms has some 15 MB.
const LONGEST_UNTOLD = 1 << 26;
// Between two pieces a signal is looked for.
const AT_ONCE = 0x4000000;
let copyBuffer: Uint8Array | undefined;

/**
 * Copies `size` bytes from where `from` is to where `to` is, which is its end, and returns how many there were: by
 * reflink where the file system can, else inside the kernel (copy_file_range(2), sendfile(2)), else by read and write.
 * Holes stay holes (lseek(2), SEEK_HOLE), but in what is small. A size of 0 is not believed, for files of proc(5) have
 * it: then all is copied, and what is longer than such files are is an error (EFBIG), for who can write an empty file could
 * make it one that fills the disk. So is a size that a number does not hold to the byte. Throws SystemError; EINTR where a
 * signal came that is held back.
 */
export function copyContents(from: number, to: number, size: number): number {
  if (size > Number.MAX_SAFE_INTEGER) throw tooLarge();
  if (size > SMALL) {
    if (libc.ioctl(to, FICLONE, from) === 0) return size;
    const copied = copyPieces(from, to, size);
    if (copied !== undefined) return copied;
  }
  if (size > 0) return copyBytes(from, to, size);
  const copied = copyBytes(from, to, LONGEST_UNTOLD + 1);
  if (copied > LONGEST_UNTOLD) throw tooLarge();
  return copied;
}

const tooLarge = () => new SystemError(C.EFBIG, "copy", undefined);

/** Copies what is no hole; undefined, and nothing is done, where there is none or the file system cannot tell. */
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

/** Copies up to `size` bytes, holes as zeros. */
function copyBytes(from: number, to: number, size: number): number {
  let total = 0;
  const rest = () => {
    if (signalThatCame() !== undefined) throw new SystemError(EINTR, "copy", undefined);
    return Math.min(size - total, AT_ONCE);
  };
  copyBuffer ??= new Uint8Array(1 << 17);
  if (size <= SMALL) {
    // Two calls, where asking for something better would take more than it saves.
    total = readInto(from, copyBuffer.subarray(0, size));
    writeAll(to, copyBuffer.subarray(0, total));
  }
  while (total < size) {
    const count = libc.copy_file_range(from, null, to, null, rest(), 0);
    if (count > 0) {
      total += count;
      continue;
    }
    // 0 may be the end, or a file system (such as /proc) that does not know its sizes: read(2) tells.
    const number = count === 0 ? 0 : errno();
    if (number !== 0 && ![18, 22, 38, 95, 4].includes(number)) fail("copy_file_range");
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
