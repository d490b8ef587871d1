import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { readAt } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";

/** The error for an invalid ELF file. */
export function badElf(path: ByteString, what: string): JailkitError {
  return new JailkitError("bad-elf", 1, `${display(path)}: not a sound ELF file: ${what}`);
}

/**
 * Bounded reads of one open file. A read outside the file is an error that names the file and the part. The caller limits
 * the length of a read.
 */
export interface ElfReader {
  path: ByteString;
  size: number;
  /** `length` bytes at `offset`; valid until the next read. `what`: their name in an error. */
  bytes(offset: number, length: number, what: string): Buffer;
  /** The string at `offset`; a NUL must end it before `end` and within `longest` bytes. */
  string(offset: number, end: number, longest: number, what: string): ByteString;
}

const BLOCK = 8192;

// Shared by all readers, since files are read one after the other.
const blocks = Array.from({ length: 16 }, () => Buffer.allocUnsafe(BLOCK));

/** A reader of the open file `fd` of `size` bytes; it does not close it. One reader at a time. */
export function createElfReader(fd: number, path: ByteString, size: number): ElfReader {
  const held = new Map<number, Buffer>();
  let turn = 0;

  function block(index: number, what: string): Buffer {
    const known = held.get(index);
    if (known !== undefined) return known;
    turn = (turn + 1) % blocks.length;
    const buffer = blocks[turn];
    if (buffer === undefined) throw badElf(path, what);
    for (const [other, its] of held) if (its === buffer) held.delete(other);
    const expected = Math.min(BLOCK, size - index * BLOCK);
    const count = readAt(fd, buffer, index * BLOCK);
    // Less than the size of fstat(2): the file is being truncated.
    if (count < expected) throw badElf(path, `${what} is cut off`);
    held.set(index, buffer);
    return buffer;
  }

  function bytes(offset: number, length: number, what: string): Buffer {
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
      throw badElf(path, `${what} lies outside the file`);
    }
    const first = Math.floor(offset / BLOCK);
    const at = offset - first * BLOCK;
    if (at + length <= BLOCK)
      return length === 0 ? Buffer.alloc(0) : block(first, what).subarray(at, at + length);
    const out = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const position = offset + done;
      const index = Math.floor(position / BLOCK);
      const start = position - index * BLOCK;
      const count = Math.min(BLOCK - start, length - done);
      block(index, what).copy(out, done, start, start + count);
      done += count;
    }
    return out;
  }

  function string(offset: number, end: number, longest: number, what: string): ByteString {
    const limit = Math.min(end, size, offset + longest + 1);
    if (!(offset >= 0 && offset < limit)) throw badElf(path, `${what} lies outside the string table`);
    // Most names are short: try the rest of the block first.
    for (let length = Math.min(limit - offset, BLOCK - (offset % BLOCK)); ; length = limit - offset) {
      const text = bytes(offset, length, what);
      const nul = text.indexOf(0);
      if (nul >= 0) return fromBytes(text, 0, nul);
      if (length >= limit - offset) throw badElf(path, `${what} has no end`);
    }
  }

  return { path, size, bytes, string };
}
