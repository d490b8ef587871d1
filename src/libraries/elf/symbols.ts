import { fromBytes } from "../../../ffi/bytes.ts";
import { EM_ALPHA, EM_S390 } from "./abi.ts";
import type { ElfImage } from "./header.ts";
import { badElf } from "./reader.ts";

const DT_HASH = 4;
const DT_SYMTAB = 6;
const DT_SYMENT = 11;
const DT_GNU_HASH = 0x6ffffef5;

/** More symbols are ignored: real programs import some thousands. */
const MOST_SYMBOLS = 1 << 17;
const CHUNK = 512;
const LONGEST_SYMBOL = 64;
/** The string table is read in pieces of this size. */
const WINDOW = 16384;

/**
 * The number of symbols at the start of .dynsym that include all imports. Section headers are not trusted, since loading
 * does not need them. DT_GNU_HASH has the index of its first symbol, and no import comes after it; DT_HASH has the number
 * of symbols.
 */
function countSymbols(image: ElfImage, dynamic: ReadonlyMap<number, number>): number {
  const gnuHash = dynamic.get(DT_GNU_HASH);
  if (gnuHash !== undefined) {
    const { offset } = image.locate(gnuHash, "the hash table");
    return image.number(image.reader.bytes(offset, 16, "the hash table"), 4, 4);
  }
  const hash = dynamic.get(DT_HASH);
  if (hash === undefined) return 0;
  const { offset } = image.locate(hash, "the hash table");
  // Alpha and s390x have entries of 8 bytes there; read as 4 bytes, the number is 0.
  const { machine, bits } = image.header.abi;
  const wide = machine === EM_ALPHA || (machine === EM_S390 && bits === 64);
  const size = wide ? 8 : 4;
  return image.number(image.reader.bytes(offset, 2 * size, "the hash table"), size, size);
}

/** The functions to look for among the imports. */
export interface ImportFilter {
  names: ReadonlySet<string>;
  /** By the first byte of a name: 1 if one of the names starts with it. */
  firstBytes: Uint8Array;
}

/** A filter for these names, none longer than 63 bytes. */
export function createImportFilter(names: Iterable<string>): ImportFilter {
  const firstBytes = new Uint8Array(256);
  const set = new Set(names);
  for (const name of set) firstBytes[name.charCodeAt(0)] = 1;
  return { names: set, firstBytes };
}

/** The offsets in the string table of the names of all undefined symbols, ascending. */
function importNames(image: ElfImage, offset: number, count: number): Uint32Array {
  const wide = image.header.abi.bits === 64;
  const size = wide ? 24 : 16;
  const section = wide ? 6 : 14;
  const found = new Uint32Array(count);
  let used = 0;
  for (let start = 0; start < count; start += CHUNK) {
    const length = Math.min(CHUNK, count - start) * size;
    const bytes = image.reader.bytes(offset + start * size, length, "the symbol table");
    for (let at = 0; at < length; at += size) {
      if (image.number(bytes, at + section, 2) === 0) found[used++] = image.number(bytes, at, 4);
    }
  }
  return found.subarray(0, used).sort();
}

/**
 * The functions of `filter` that the file imports: undefined symbols of .dynsym. `dynamic` is its dynamic section by
 * tag, `strings` its string table. Throws JailkitError "bad-elf".
 */
export function readImports(
  image: ElfImage,
  dynamic: ReadonlyMap<number, number>,
  strings: { offset: number; end: number },
  filter: ImportFilter,
): Set<string> {
  const found = new Set<string>();
  const address = dynamic.get(DT_SYMTAB);
  if (address === undefined) return found;
  const { reader } = image;
  const entrySize = image.header.abi.bits === 64 ? 24 : 16;
  if ((dynamic.get(DT_SYMENT) ?? entrySize) !== entrySize) {
    throw badElf(reader.path, `symbols of ${dynamic.get(DT_SYMENT)} bytes`);
  }
  const table = image.locate(address, "the symbol table");
  const count = Math.min(countSymbols(image, dynamic), MOST_SYMBOLS);
  if (table.offset + count * entrySize > table.end) throw badElf(reader.path, "the symbol table is cut off");
  const size = strings.end - strings.offset;
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  for (const name of importNames(image, table.offset, count)) {
    if (name >= size) throw badElf(reader.path, "a symbol's name lies outside the string table");
    if (name + LONGEST_SYMBOL > windowAt + window.length && windowAt + window.length < size) {
      window = reader.bytes(strings.offset + name, Math.min(WINDOW, size - name), "the string table");
      windowAt = name;
    }
    const at = name - windowAt;
    if (filter.firstBytes[window[at] ?? 0] === 0) continue;
    const end = window.indexOf(0, at);
    if (end < 0 || end - at >= LONGEST_SYMBOL) continue;
    const text = fromBytes(window, at, end);
    if (filter.names.has(text)) found.add(text);
  }
  return found;
}
