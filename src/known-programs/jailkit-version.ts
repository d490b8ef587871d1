import { fromBytes } from "../../ffi/bytes.ts";
import { readAt } from "../../ffi/files.ts";
import { GUARD_MAGIC } from "../../ffi/guard.ts";

/**
 * The jailkit that a program belongs to. "jailkit-2": the jk_lsh of 2.23 or earlier; "jailkit-3": the runtime with its
 * guard, under any name and of any build; "entry": a native entry of jailkit 3.
 */
export type JailkitVersion = "jailkit-2" | "jailkit-3" | "entry";

const HEADER = 64;
const PROGRAM_HEADER = 56;
const MOST_SEGMENTS = 64;
const PT_LOAD = 1;
const EXECUTABLE_TYPES = [2, 3];

// That of 2.23 has 23 KB, a static one less than 1 MB. build/guard.ts limits native entries.
const LARGEST_OLD = 4 << 20;
const LARGEST_ENTRY = 10_240;

// Messages of every version, for any compiler, machine and configuration directory.
const OLD_MARKS = [
  /jk_lsh,? version [0-2]\.[\w.+~-]{1,16}, started\0/,
  /which is never allowed by jk_lsh\0/,
  /does not have a key executables\0/,
];
// HANDOVER_NAME of ffi/guard/guard.h, with the name of the program.
const ENTRY_MARK = /JAILKIT_ENTRY=jk_chrootsh\0/;
const ANY_ENTRY_MARK = /JAILKIT_ENTRY=jk_\w+\0/;

/** `length` bytes at `offset` of a file; undefined if it is shorter. */
function bytesAt(fd: number, offset: number, length: number): Buffer | undefined {
  const buffer = Buffer.alloc(length);
  return readAt(fd, buffer, offset) === length ? buffer : undefined;
}

/** The header of an executable 64-bit ELF file (elf(5)); undefined for anything else. */
function executableHeader(fd: number): Buffer | undefined {
  const header = bytesAt(fd, 0, HEADER);
  if (header === undefined || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
  return EXECUTABLE_TYPES.includes(header[5] === 2 ? header.readUInt16BE(16) : header.readUInt16LE(16))
    ? header
    : undefined;
}

/** True if a segment of the file begins with the guard's first word. */
function hasGuard(fd: number, size: number, header: Buffer): boolean {
  if (header[4] !== 2 || header[5] !== 1) return false;
  const count = header.readUInt16LE(56);
  const at = Number(header.readBigUInt64LE(32));
  if (header.readUInt16LE(54) !== PROGRAM_HEADER || count > MOST_SEGMENTS || at > size) return false;
  const table = bytesAt(fd, at, count * PROGRAM_HEADER);
  for (let i = 0; table !== undefined && i < count; i++) {
    const segment = table.subarray(i * PROGRAM_HEADER);
    const offset = Number(segment.readBigUInt64LE(8));
    if (segment.readUInt32LE(0) !== PT_LOAD || offset > size) continue;
    if (bytesAt(fd, offset, 8)?.readBigUInt64LE(0) === GUARD_MAGIC) return true;
  }
  return false;
}

/** True for one of our executables with the runtime in it. Reads a few hundred bytes. */
export function isRuntime(fd: number, size: number): boolean {
  const header = executableHeader(fd);
  return header !== undefined && hasGuard(fd, size, header);
}

/** True for a program of jailkit 3, with the runtime in it or a native entry of any name. */
export function isJailkit3(fd: number, size: number): boolean {
  const header = executableHeader(fd);
  if (header === undefined) return false;
  const text = size > LARGEST_ENTRY ? undefined : bytesAt(fd, 0, size);
  return hasGuard(fd, size, header) || (text !== undefined && ANY_ENTRY_MARK.test(fromBytes(text)));
}

/** The jailkit that an open regular file of `size` bytes belongs to, by its content; undefined for none. */
export function jailkitVersionOf(fd: number, size: number): JailkitVersion | undefined {
  const header = executableHeader(fd);
  if (header === undefined) return undefined;
  if (hasGuard(fd, size, header)) return "jailkit-3";
  const text = size > LARGEST_OLD ? undefined : bytesAt(fd, 0, size);
  if (text === undefined) return undefined;
  const content = fromBytes(text);
  if (OLD_MARKS.every((mark) => mark.test(content))) return "jailkit-2";
  return size <= LARGEST_ENTRY && ENTRY_MARK.test(content) ? "entry" : undefined;
}
