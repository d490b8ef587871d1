/** An executable cannot take the guard; the message says why. */
export class ElfError extends Error {
  override readonly name = "ElfError";
}

export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

/** Sizes of a section header, of Elf64_Rela and of Elf64_Sym. */
export const SECTION_HEADER = 64;
const RELOCATION = 24;
const SYMBOL = 24;

const ET_EXEC = 2;

export const PT_LOAD = 1;
const PT_DYNAMIC = 2;
export const PT_NOTE = 4;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

/** A program header; `at` is its offset in the file. Offsets and sizes fit a double, since the file is in memory. */
interface Segment {
  at: number;
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
  align: number;
}

interface Section {
  at: number;
  name: string;
  address: number;
  offset: number;
  size: number;
}

/** An entry of the dynamic section; `at` is its offset in the file, `address` the one in memory. */
export interface DynamicEntry {
  at: number;
  address: number;
  tag: number;
  value: number;
}

interface Relocation {
  address: number;
  type: number;
  symbol: string;
}

/** An ELF file: 64 bits, little endian, not relocatable. See elf(5). */
export interface Elf {
  bytes: Buffer;
  machine: number;
  entry: number;
  segments: Segment[];
}

const number64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

/** Reads the header and the program headers. Throws `ElfError` for another kind of file. */
export function readElf(bytes: Buffer): Elf {
  // \x7fELF, ELFCLASS64, ELFDATA2LSB
  if (bytes.length < 64 || bytes.toString("latin1", 0, 6) !== "\x7fELF\x02\x01")
    throw new ElfError("not a 64-bit little-endian ELF file");
  // A relocatable executable (ET_DYN) would not be at the addresses that are compiled into the guard.
  if (bytes.readUInt16LE(16) !== ET_EXEC) throw new ElfError("the ELF file is not of type ET_EXEC");
  const table = number64(bytes, 32);
  const entrySize = bytes.readUInt16LE(54);
  const segments: Segment[] = [];
  for (let i = 0; i < bytes.readUInt16LE(56); i++) {
    const at = table + i * entrySize;
    segments.push({
      at,
      type: bytes.readUInt32LE(at),
      flags: bytes.readUInt32LE(at + 4),
      offset: number64(bytes, at + 8),
      address: number64(bytes, at + 16),
      fileSize: number64(bytes, at + 32),
      memorySize: number64(bytes, at + 40),
      align: number64(bytes, at + 48),
    });
  }
  return { bytes, machine: bytes.readUInt16LE(18), entry: number64(bytes, 24), segments };
}

/** The offset in the file of an address in memory. */
export function offsetOf(elf: Elf, address: number): number {
  for (const segment of elf.segments) {
    const inside = address - segment.address;
    if (segment.type === PT_LOAD && inside >= 0 && inside < segment.fileSize) return segment.offset + inside;
  }
  throw new ElfError(`no segment holds the address 0x${address.toString(16)}`);
}

/** The one segment of a type. */
export function onlySegment(elf: Elf, type: number): Segment {
  const [first, second] = elf.segments.filter((segment) => segment.type === type);
  if (first === undefined || second !== undefined)
    throw new ElfError(`expected one program header of type ${type}`);
  return first;
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}

/** The section headers, with their names. */
export function sections(elf: Elf): Section[] {
  const { bytes } = elf;
  const table = number64(bytes, 40);
  const strings = number64(bytes, table + bytes.readUInt16LE(62) * SECTION_HEADER + 24);
  return Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => {
    const at = table + i * SECTION_HEADER;
    return {
      at,
      name: textAt(bytes, strings + bytes.readUInt32LE(at)),
      address: number64(bytes, at + 16),
      offset: number64(bytes, at + 24),
      size: number64(bytes, at + 32),
    };
  });
}

/** The section with a name. Throws `ElfError` if there is none, as in a stripped file. */
export function sectionNamed(elf: Elf, name: string): Section {
  const section = sections(elf).find((candidate) => candidate.name === name);
  if (section === undefined) throw new ElfError(`no section ${name}`);
  return section;
}

/** The dynamic section, including DT_NULL. */
export function dynamicEntries(elf: Elf): DynamicEntry[] {
  const dynamic = onlySegment(elf, PT_DYNAMIC);
  const entries: DynamicEntry[] = [];
  for (let i = 0; i < dynamic.fileSize; i += 16) {
    const at = dynamic.offset + i;
    const tag = number64(elf.bytes, at);
    entries.push({ at, address: dynamic.address + i, tag, value: number64(elf.bytes, at + 8) });
    if (tag === 0) return entries;
  }
  throw new ElfError("the dynamic section has no end");
}

/** The relocations in a table of Elf64_Rela at an address. */
export function relocationsAt(
  elf: Elf,
  address: number,
  size: number,
  symbols: { table: number; strings: number },
): Relocation[] {
  const { bytes } = elf;
  const start = offsetOf(elf, address);
  const found: Relocation[] = [];
  for (let at = start; at < start + size; at += RELOCATION) {
    const symbol = bytes.readUInt32LE(at + 12);
    found.push({
      address: number64(bytes, at),
      type: bytes.readUInt32LE(at + 8),
      symbol: textAt(bytes, symbols.strings + bytes.readUInt32LE(symbols.table + symbol * SYMBOL)),
    });
  }
  return found;
}
