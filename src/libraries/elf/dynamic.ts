import type { ByteString } from "../../../ffi/bytes.ts";
import { type ElfHeader, type ElfImage, readElfImage, readInterpreter } from "./header.ts";
import { type DlopenNote, readDlopenNotes } from "./notes.ts";
import { badElf, type ElfReader } from "./reader.ts";
import { type ImportFilter, readImports } from "./symbols.ts";

/** The dynamic section of a program or library, as ld.so(8) reads it. */
export interface ElfFile {
  header: ElfHeader;
  /** PT_INTERP. */
  interpreter: ByteString | undefined;
  /** DT_NEEDED, and before them DT_FILTER, in the order of the file. */
  needed: ByteString[];
  /** DT_AUXILIARY: used if they are found. */
  auxiliary: ByteString[];
  soname: ByteString | undefined;
  /** DT_RPATH, unchanged. */
  rpath: ByteString | undefined;
  runpath: ByteString | undefined;
  /** DF_1_NODEFLIB: the default directories are not searched. */
  noDefaultLibraries: boolean;
  /** The functions of the filter that it imports. */
  imports: ReadonlySet<string>;
  /** Libraries that it may dlopen(3), by its own notes. */
  dlopenNotes: DlopenNote[];
}

const PT_DYNAMIC = 2;

const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const DT_FLAGS_1 = 0x6ffffffb;
const DT_AUXILIARY = 0x7ffffffd;
const DT_FILTER = 0x7fffffff;
const DF_1_NODEFLIB = 0x800;

/** Limits for hostile files, far above those of distributions. */
const LARGEST_DYNAMIC = 1 << 18;
const MOST_LIBRARIES = 2048;
const LONGEST_NAME = 4095;
const LONGEST_RPATH = 65535;

/** The entries of the dynamic section up to DT_NULL; empty for static programs. */
function readDynamic(image: ElfImage): [tag: number, value: number][] {
  const { reader } = image;
  const segment = image.segments.find((candidate) => candidate.type === PT_DYNAMIC);
  // Files with only debugging information keep the header, without contents.
  if (segment === undefined || segment.size === 0) return [];
  if (segment.size > LARGEST_DYNAMIC) throw badElf(reader.path, `a dynamic section of ${segment.size} bytes`);
  // ld.so uses the address, not the offset.
  const { offset, end } = image.locate(segment.address, "the dynamic section");
  if (offset + segment.size > end) throw badElf(reader.path, "the dynamic section is cut off");
  const bytes = Buffer.from(reader.bytes(offset, segment.size, "the dynamic section"));
  const word = image.header.abi.bits / 8;
  const entries: [number, number][] = [];
  for (let at = 0; at + 2 * word <= bytes.length; at += 2 * word) {
    const tag = image.number(bytes, at, 0);
    if (tag === DT_NULL) break;
    entries.push([tag, image.number(bytes, at + word, 0)]);
  }
  return entries;
}

/**
 * Reads the parts of a program or shared object that a loader uses. `importFilter` has the functions to look for; without
 * it neither symbols nor notes are read. Throws JailkitError "bad-elf" that says what is wrong.
 */
export function readElfFile(reader: ElfReader, header: ElfHeader, importFilter?: ImportFilter): ElfFile {
  const image = readElfImage(reader, header);
  const interpreter = readInterpreter(image);
  const entries = readDynamic(image);
  const values = new Map(entries);
  const file: ElfFile = {
    header,
    interpreter,
    needed: [],
    auxiliary: [],
    soname: undefined,
    rpath: undefined,
    runpath: undefined,
    noDefaultLibraries: ((values.get(DT_FLAGS_1) ?? 0) & DF_1_NODEFLIB) !== 0,
    imports: new Set(),
    dlopenNotes: [],
  };
  const strings = values.get(DT_STRTAB);
  if (strings === undefined) {
    if (entries.some(([tag]) => tag === DT_NEEDED)) throw badElf(reader.path, "no string table");
    return file;
  }
  const table = image.locate(strings, "the string table");
  const end = Math.min(table.end, table.offset + (values.get(DT_STRSZ) ?? Number.POSITIVE_INFINITY));

  function text(offset: number, what: string, longest = LONGEST_NAME): ByteString {
    return reader.string(table.offset + offset, end, longest, what);
  }
  function library(offset: number): ByteString {
    const name = text(offset, "a needed library's name");
    if (name === "") throw badElf(reader.path, "a needed library without a name");
    return name;
  }
  for (const [tag, value] of entries) {
    if (tag === DT_NEEDED) file.needed.push(library(value));
    else if (tag === DT_FILTER) file.needed.unshift(library(value));
    else if (tag === DT_AUXILIARY) file.auxiliary.push(library(value));
    else if (tag === DT_SONAME) file.soname = text(value, "the soname");
    else if (tag === DT_RPATH) file.rpath = text(value, "the RPATH", LONGEST_RPATH);
    else if (tag === DT_RUNPATH) file.runpath = text(value, "the RUNPATH", LONGEST_RPATH);
    if (file.needed.length + file.auxiliary.length > MOST_LIBRARIES) {
      throw badElf(reader.path, `more than ${MOST_LIBRARIES} needed libraries`);
    }
  }
  if (importFilter !== undefined) {
    file.imports = readImports(image, values, { offset: table.offset, end }, importFilter);
    file.dlopenNotes = readDlopenNotes(image);
  }
  return file;
}
