import { fromBytes } from "../../ffi/bytes.ts";
import type { ElfImage } from "./elf.ts";
import { badElf } from "./elf-reader.ts";

const DT_HASH = 4;
const DT_SYMTAB = 6;
const DT_SYMENT = 11;
const DT_GNU_HASH = 0x6ffffef5;

/** More symbols are not looked at: real programs import some thousands. */
const MOST_SYMBOLS = 1 << 17;
const CHUNK = 512;
const LONGEST_SYMBOL = 64;

/**
 * How many symbols at the start of .dynsym hold all imports. Section headers are not needed to load a program,
 * so they are not believed. DT_GNU_HASH says where the symbols start that it hashes, and an import is never
 * among them; DT_HASH says how many there are.
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
  // Alpha and s390x have entries of 8 bytes there, and a high half of 0 would be read as no symbols.
  const wide =
    image.header.abi.machine === 0x9026 || (image.header.abi.machine === 22 && image.header.abi.bits === 64);
  const size = wide ? 8 : 4;
  return image.number(image.reader.bytes(offset, 2 * size, "the hash table"), size, size);
}

/**
 * Which of the functions `wanted` the file imports (symbols of .dynsym that are not defined in it), `dynamic`
 * being its dynamic section by tag and `strings` its string table. Throws JailkitError "bad-elf".
 */
export function readImports(
  image: ElfImage,
  dynamic: ReadonlyMap<number, number>,
  strings: { offset: number; end: number },
  wanted: ReadonlySet<string>,
): Set<string> {
  const found = new Set<string>();
  const address = dynamic.get(DT_SYMTAB);
  if (address === undefined || wanted.size === 0) return found;
  const { reader } = image;
  const wide = image.header.abi.bits === 64;
  const entrySize = wide ? 24 : 16;
  if ((dynamic.get(DT_SYMENT) ?? entrySize) !== entrySize) {
    throw badElf(reader.path, `symbols of ${dynamic.get(DT_SYMENT)} bytes`);
  }
  const table = image.locate(address, "the symbol table");
  const count = Math.min(countSymbols(image, dynamic), MOST_SYMBOLS);
  if (table.offset + count * entrySize > table.end) throw badElf(reader.path, "the symbol table is cut off");
  const firstLetters = new Set([...wanted].map((name) => name.charCodeAt(0)));
  for (let start = 0; start < count; start += CHUNK) {
    const chunk = Math.min(CHUNK, count - start);
    // A copy, as names are read in between.
    const bytes = Buffer.from(
      reader.bytes(table.offset + start * entrySize, chunk * entrySize, "the symbol table"),
    );
    for (let at = 0; at < bytes.length; at += entrySize) {
      if (image.number(bytes, at + (wide ? 6 : 14), 2) !== 0) continue;
      const offset = strings.offset + image.number(bytes, at, 4);
      // The length is not known, and the longest name of interest is short.
      const length = Math.min(LONGEST_SYMBOL, strings.end - offset);
      if (length <= 0) throw badElf(reader.path, "a symbol's name lies outside the string table");
      const name = reader.bytes(offset, length, "a symbol's name");
      if (!firstLetters.has(name[0] ?? 0)) continue;
      const nul = name.indexOf(0);
      const text = nul < 0 ? "" : fromBytes(name, 0, nul);
      if (wanted.has(text)) found.add(text);
    }
  }
  return found;
}
