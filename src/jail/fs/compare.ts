import type { ByteString } from "../../../ffi/bytes.ts";
import { SEEK_SET } from "../../../ffi/constants.ts";
import { nextData } from "../../../ffi/copy.ts";
import { fstat, readInto, type Stat, sameFile, seek, withFd } from "../../../ffi/files.ts";
import { type Found, withJailFile } from "./look.ts";
import { openSource } from "./source.ts";
import { isRegular, type JailRoot } from "./walk.ts";

// Large enough that the system calls do not matter, small enough that both stay in the processor's cache.
const BLOCK = 1 << 18;
let buffers: { one: Uint8Array; other: Uint8Array } | undefined;

/** Fills the buffer unless the file ends; read(2) may return less. */
function fill(fd: number, buffer: Uint8Array): number {
  let used = 0;
  for (let count = -1; count !== 0 && used < buffer.length; used += count)
    count = readInto(fd, buffer.subarray(used));
  return used;
}

/** Seeks to the first block from `at` on in which one of the files has data, and returns its offset; or `size`. */
function nextBlock(fds: readonly number[], at: number, size: number): number {
  let next = size;
  for (const [index, fd] of fds.entries()) {
    next = Math.min(next, nextData(fd, at) ?? size);
    // The usual case: both are there already.
    if (index === 0 && next === at) return at;
  }
  if (next === size) return size;
  const block = next - (next % BLOCK);
  for (const fd of fds) seek(fd, block, SEEK_SET);
  return block;
}

/**
 * Compares the `size` bytes of two open files block by block, or reads just one. Skips blocks that have no data in either
 * file, and calls `each` with the others. "ended": one is shorter.
 */
export function compareOpen(
  fd: number,
  otherFd: number | undefined,
  size: number,
  each: (offset: number, block: Uint8Array) => void = () => undefined,
): "same" | "different" | "ended" {
  buffers ??= { one: new Uint8Array(BLOCK), other: new Uint8Array(BLOCK) };
  const { one, other } = buffers;
  const fds = otherFd === undefined ? [fd] : [fd, otherFd];
  for (let at = 0; ; at += BLOCK) {
    // A small file is read at once.
    if (size > BLOCK && at < size) at = nextBlock(fds, at, size);
    if (at >= size) return fds.some((one) => fstat(one).size < size) ? "ended" : "same";
    const count = fill(fd, one);
    // A file that is less than a block shorter is found at the end.
    if (count === 0) return "ended";
    const block = one.subarray(0, count);
    if (otherFd !== undefined && fill(otherFd, other) !== count) return "ended";
    if (otherFd !== undefined && Buffer.compare(block, other.subarray(0, count)) !== 0) return "different";
    each(at, block);
  }
}

/** Compares a regular file of the jail with one of the host, byte by byte. False if either was exchanged. */
export function sameContent(root: JailRoot, path: ByteString, source: ByteString, stat: Stat): boolean {
  const compare = (fd: number, sourceFd: number): boolean => {
    const there = fstat(sourceFd);
    if (sameFile(there, stat)) return true;
    if (!isRegular(there) || there.size !== stat.size) return false;
    return compareOpen(fd, sourceFd, stat.size) === "same";
  };
  const same = (fd: number, found: Found) =>
    sameFile(found.stat, stat) && withFd(openSource(source), (sourceFd) => compare(fd, sourceFd));
  return withJailFile(root, path, same, { follow: false }) ?? false;
}
