import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { PATH_MAX } from "../../../ffi/constants.ts";
import { type Abi, abiOf } from "./abi.ts";
import { badElf, type ElfReader } from "./reader.ts";

/** The header of an ELF file. */
export interface ElfHeader {
  abi: Abi;
  /** e_type: a loader takes ET_EXEC (2) and ET_DYN (3), but no objects or core dumps. */
  type: number;
  programHeaders: { offset: number; size: number; count: number };
}

/** A program header, see elf(5). Addresses and sizes above 2^53 are rounded, and outside any file. */
interface Segment {
  type: number;
  offset: number;
  address: number;
  /** p_filesz. */
  size: number;
}

/** A file, its header, and its program headers, which are checked to be inside the file. */
export interface ElfImage {
  reader: ElfReader;
  header: ElfHeader;
  segments: Segment[];
  /** An unsigned number of 2, 4 or 8 bytes in the byte order of the file; size 0 is a word of its class. */
  number(bytes: Buffer, at: number, size: 0 | 2 | 4 | 8): number;
  /** The offset of a virtual address in the file, and the end of its segment in the file. */
  locate(address: number, what: string): { offset: number; end: number };
}

const ET_EXEC = 2;
const ET_DYN = 3;
/** The type of a segment that is mapped. */
export const PT_LOAD = 1;
const PT_INTERP = 3;
/** The kernel's limit on the program headers, in bytes (ELF_MIN_ALIGN aside). */
const PROGRAM_HEADERS_LIMIT = 65536;

function readNumber(bytes: Buffer, at: number, size: 2 | 4 | 8, little: boolean): number {
  if (size === 2) return little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  if (size === 4) return little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  const low = readNumber(bytes, little ? at : at + 4, 4, little);
  return readNumber(bytes, little ? at + 4 : at, 4, little) * 2 ** 32 + low;
}

/** True if a file starts as ELF files do. */
export function isElf(start: Uint8Array): boolean {
  return fromBytes(start, 0, 4) === "\x7fELF";
}

/** The header of a file that starts with the ELF magic. Throws JailkitError "bad-elf" if it is invalid. */
export function readElfHeader(reader: ElfReader): ElfHeader {
  const ident = reader.bytes(0, Math.min(16, reader.size), "the ELF header");
  const [, , , , classByte, dataByte] = ident;
  if (ident.length < 16) throw badElf(reader.path, "the ELF header is cut off");
  if (classByte !== 1 && classByte !== 2) throw badElf(reader.path, `unknown class ${classByte}`);
  if (dataByte !== 1 && dataByte !== 2) throw badElf(reader.path, `unknown byte order ${dataByte}`);
  const little = dataByte === 1;
  const wide = classByte === 2;
  const headerSize = wide ? 64 : 52;
  if (reader.size < headerSize) throw badElf(reader.path, "the ELF header is cut off");
  const bytes = reader.bytes(0, headerSize, "the ELF header");
  const number = (at: number, size: 2 | 4 | 8) => readNumber(bytes, at, size, little);
  return {
    abi: abiOf(wide ? 64 : 32, little, number(18, 2), number(wide ? 48 : 36, 4)),
    type: number(16, 2),
    programHeaders: {
      offset: number(wide ? 32 : 28, wide ? 8 : 4),
      size: number(wide ? 54 : 42, 2),
      count: number(wide ? 56 : 44, 2),
    },
  };
}

/** True for a program or shared object, which the kernel or ld.so can load. */
export function isLoadable(header: ElfHeader): boolean {
  return header.type === ET_EXEC || header.type === ET_DYN;
}

function readSegments(reader: ElfReader, header: ElfHeader): Segment[] {
  const { abi } = header;
  const { offset, size, count } = header.programHeaders;
  const wide = abi.bits === 64;
  if (count === 0) throw badElf(reader.path, "no program headers");
  if (size !== (wide ? 56 : 32)) throw badElf(reader.path, `program headers of ${size} bytes`);
  if (count * size > PROGRAM_HEADERS_LIMIT) throw badElf(reader.path, `${count} program headers`);
  // A copy, since later reads reuse the buffer.
  const table = Buffer.from(reader.bytes(offset, count * size, "the program header table"));
  const word = wide ? 8 : 4;
  const segments: Segment[] = [];
  for (let at = 0; at < table.length; at += size) {
    const field = (position: number, bytes: 2 | 4 | 8) => readNumber(table, at + position, bytes, abi.little);
    const segment: Segment = {
      type: field(0, 4),
      offset: field(wide ? 8 : 4, word),
      address: field(wide ? 16 : 8, word),
      size: field(wide ? 32 : 16, word),
    };
    if (segment.type === PT_LOAD && segment.size > 0 && segment.offset + segment.size > reader.size) {
      const why = "a segment lies outside the file: the file is cut off, or its headers are wrong";
      throw badElf(reader.path, why);
    }
    segments.push(segment);
  }
  return segments;
}

/**
 * The program headers of a program or shared object. Throws JailkitError "bad-elf" if they are cut off, too many, or
 * outside the file, or if two segments have the same address.
 */
export function readElfImage(reader: ElfReader, header: ElfHeader): ElfImage {
  const segments = readSegments(reader, header);
  const loads = segments
    .filter((segment) => segment.type === PT_LOAD && segment.size > 0)
    .sort((a, b) => a.address - b.address);
  let end = -1;
  for (const load of loads) {
    // Different readers would find different bytes at the same address.
    if (load.address < end) throw badElf(reader.path, "two segments overlap");
    end = load.address + load.size;
  }
  const wordSize = header.abi.bits === 64 ? 8 : 4;
  return {
    reader,
    header,
    segments,
    number: (bytes, at, size) => readNumber(bytes, at, size === 0 ? wordSize : size, header.abi.little),
    locate(address, what) {
      const load = loads.find((one) => address >= one.address && address < one.address + one.size);
      if (load === undefined) throw badElf(reader.path, `${what} lies outside every segment`);
      return { offset: load.offset + (address - load.address), end: load.offset + load.size };
    },
  };
}

/** PT_INTERP, the program's dynamic loader; undefined in libraries and static programs. */
export function readInterpreter(image: ElfImage): ByteString | undefined {
  const { reader } = image;
  const segment = image.segments.find((candidate) => candidate.type === PT_INTERP);
  // Files with only debugging information keep the header, without contents.
  if (segment === undefined || segment.size === 0) return undefined;
  // The kernel's own rules (load_elf_binary): 2 bytes to PATH_MAX, and a NUL at the end.
  if (segment.size < 2 || segment.size > PATH_MAX) {
    throw badElf(reader.path, `an interpreter's name of ${segment.size} bytes`);
  }
  const end = segment.offset + segment.size;
  if (end > reader.size) throw badElf(reader.path, "the interpreter's name lies outside the file");
  const name = reader.string(segment.offset, end, segment.size, "the interpreter's name");
  if (name.startsWith("/")) return name;
  const why = "the interpreter's name is not absolute, so it depends on the current directory";
  throw badElf(reader.path, why);
}
