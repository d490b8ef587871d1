import type { ByteString } from "../../ffi/bytes.ts";
import { sameBytes } from "../../ffi/compare.ts";
import { close, fstat, readInto, type Stat, sameFile } from "../../ffi/files.ts";
import { withJailFile } from "./look.ts";
import { openSource } from "./source.ts";
import { isRegular, type JailRoot } from "./walk.ts";

const SIZE = 1 << 18;
const buffers = { one: new Uint8Array(0), other: new Uint8Array(0) };

function fill(fd: number, buffer: Uint8Array): number {
  let used = 0;
  for (let count = -1; count !== 0 && used < buffer.length; used += count)
    count = readInto(fd, buffer.subarray(used));
  return used;
}

/** Compares a regular file of the jail with one of the host, byte by byte. False where either is another by now. */
export function sameContent(root: JailRoot, path: ByteString, source: ByteString, stat: Stat): boolean {
  if (buffers.one.length === 0) {
    buffers.one = new Uint8Array(SIZE);
    buffers.other = new Uint8Array(SIZE);
  }
  const { one, other } = buffers;
  const compare = (fd: number): boolean => {
    const sourceFd = openSource(source);
    try {
      const there = fstat(sourceFd);
      if (sameFile(there, stat)) return true;
      if (!isRegular(there) || there.size !== stat.size) return false;
      for (;;) {
        const count = fill(fd, one);
        if (fill(sourceFd, other) !== count) return false;
        if (count === 0) return true;
        if (!sameBytes(one, other, count)) return false;
      }
    } finally {
      close(sourceFd);
    }
  };
  return (
    withJailFile(root, path, (fd, found) => sameFile(found.stat, stat) && compare(fd), { follow: false }) ??
    false
  );
}
