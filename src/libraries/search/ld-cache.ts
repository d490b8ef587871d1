import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { PATH_MAX } from "../../../ffi/constants.ts";

/** One entry of /etc/ld.so.cache. */
interface CacheEntry {
  path: ByteString;
  /** The glibc-hwcaps subdirectory that it is in; undefined for a library for any processor. */
  hwcap: ByteString | undefined;
}

/** /etc/ld.so.cache: the entries for a name, of any ABI, in the order of the file. */
export interface LinkerCache {
  entries(name: ByteString): CacheEntry[];
}

/** A full desktop has some 200 KB. */
export const LARGEST_CACHE = 1 << 25;

const MAGIC_OLD = "ld.so-1.7.0\0";
const MAGIC_NEW = "glibc-ld.so.cache1.1";
const OLD_HEADER = 16;
const OLD_ENTRY = 12;
const HEADER = 48;
const ENTRY = 24;
const EXTENSION_MAGIC = 0xeaa42174;
const MOST_SECTIONS = 64;
const MOST_HWCAPS = 1024;
const LONGEST_HWCAP = 255;
const TAG_HWCAPS = 1;
/** DL_CACHE_HWCAP_EXTENSION, in the upper half of the hwcap field. */
const HWCAP_EXTENSION = 1 << 30;
/** FLAG_ELF and FLAG_ELF_LIBC6, in the low byte of the flags. */
const FLAG_ELF = 1;
const FLAG_ELF_LIBC6 = 3;

/**
 * Parses the format "glibc-ld.so.cache1.1" of either byte order, also after the old format in the same file. Undefined
 * for another or an inconsistent file, which ld.so ignores too.
 */
export function parseLinkerCache(bytes: Uint8Array): LinkerCache | undefined {
  let start = 0;
  const at = (position: number, length: number) => fromBytes(bytes.subarray(position, position + length));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (at(0, MAGIC_OLD.length) === MAGIC_OLD && bytes.length >= OLD_HEADER) {
    for (const little of [true, false]) {
      const after = OLD_HEADER + view.getUint32(12, little) * OLD_ENTRY;
      const aligned = Math.ceil(after / 8) * 8;
      if (at(aligned, MAGIC_NEW.length) === MAGIC_NEW) start = aligned;
    }
  }
  if (at(start, MAGIC_NEW.length) !== MAGIC_NEW || start + HEADER > bytes.length) return undefined;

  // Since 2.33 the flags have the byte order; before, the size makes sense in only one.
  const orders = { 2: [true], 3: [false] }[(bytes[start + 28] ?? 0) & 3] ?? [true, false];
  const size = bytes.length - start;
  for (const little of orders) {
    const count = view.getUint32(start + 20, little);
    if (HEADER + count * ENTRY + view.getUint32(start + 24, little) <= size) {
      return readEntries(bytes.subarray(start), count, little);
    }
  }
  return undefined;
}

function readEntries(bytes: Uint8Array, count: number, little: boolean): LinkerCache {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = (offset: number) => view.getUint32(offset, little);
  const hwcaps = readHwcapNames(bytes, number);
  const byName = new Map<ByteString, CacheEntry[]>();

  function string(offset: number): ByteString | undefined {
    const end = offset < bytes.length ? bytes.indexOf(0, offset) : -1;
    return end < 0 || end - offset >= PATH_MAX ? undefined : fromBytes(bytes, offset, end);
  }

  for (let index = 0; index < count; index++) {
    const at = HEADER + index * ENTRY;
    const kind = number(at) & 0xff;
    if (kind !== FLAG_ELF && kind !== FLAG_ELF_LIBC6) continue;
    const name = string(number(at + 4));
    const path = string(number(at + 8));
    if (name === undefined || path === undefined || !path.startsWith("/")) continue;
    const low = number(at + (little ? 16 : 20));
    const high = number(at + (little ? 20 : 16));
    // Without the extension, numbered capabilities of glibc before 2.33: no current ld.so reads them.
    const hwcap = (high & HWCAP_EXTENSION) !== 0 ? hwcaps[low] : undefined;
    if (hwcap === undefined && (low !== 0 || high !== 0)) continue;
    byName.getOrInsertComputed(name, () => []).push({ path, hwcap });
  }
  return { entries: (name) => byName.get(name) ?? [] };
}

/** The names in the extension "glibc-hwcaps", to which entries refer by index. */
function readHwcapNames(bytes: Uint8Array, number: (offset: number) => number): ByteString[] {
  const directory = number(32);
  if (directory === 0 || directory + 8 > bytes.length || number(directory) !== EXTENSION_MAGIC) return [];
  const sections = Math.min(number(directory + 4), MOST_SECTIONS);
  const names: ByteString[] = [];
  for (let index = 0; index < sections; index++) {
    const section = directory + 8 + index * 16;
    if (section + 16 > bytes.length) break;
    const offset = number(section + 8);
    const length = number(section + 12);
    if (number(section) !== TAG_HWCAPS || offset + length > bytes.length) continue;
    for (let at = offset; at + 4 <= offset + length && names.length < MOST_HWCAPS; at += 4) {
      const name = number(at);
      const end = name < bytes.length ? bytes.indexOf(0, name) : -1;
      names.push(end < 0 ? "" : fromBytes(bytes, name, Math.min(end, name + LONGEST_HWCAP)));
    }
  }
  return names;
}
