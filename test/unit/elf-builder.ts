/** What a made ELF file shall hold; everything has a default, a 64-bit little-endian x86-64 library. */
export interface ElfRecipe {
  bits?: 32 | 64;
  little?: boolean;
  machine?: number;
  flags?: number;
  type?: number;
  interpreter?: string;
  needed?: string[];
  auxiliary?: string[];
  soname?: string;
  rpath?: string;
  runpath?: string;
  flags1?: number;
  imports?: string[];
  exports?: string[];
  /** Which table tells the number of symbols. */
  hash?: "gnu" | "sysv";
  /** JSON of a .note.dlopen. */
  note?: string;
  /** More entries of the dynamic section. */
  dynamic?: [tag: number, value: number][];
  /** More program headers: type, offset, address, file size. */
  segments?: [number, number, number, number][];
  /** Bytes at the end. */
  data?: string;
  /** No dynamic section at all. */
  static?: boolean;
}

/** Where the parts of a made file lie, to damage them. */
export interface MadeElf {
  bytes: Buffer;
  at: {
    dynamic: number;
    strings: number;
    symbols: number;
    hash: number;
    interpreter: number;
    segments: number;
  };
}

const BASE = 0x10000;

/** Makes an ELF file with one segment that holds all of it, at the address 0x10000. */
export function makeElf(recipe: ElfRecipe = {}): MadeElf {
  const little = recipe.little ?? true;
  const wide = (recipe.bits ?? 64) === 64;
  const parts: Buffer[] = [];
  let length = 0;

  function add(part: Buffer): number {
    const padding = Buffer.alloc((8 - (length % 8)) % 8);
    parts.push(padding, part);
    length += padding.length + part.length;
    return length - part.length;
  }
  const half = (value: number) => {
    const out = Buffer.alloc(2);
    little ? out.writeUInt16LE(value) : out.writeUInt16BE(value);
    return out;
  };
  const int = (value: number) => {
    const out = Buffer.alloc(4);
    little ? out.writeUInt32LE(value) : out.writeUInt32BE(value);
    return out;
  };
  const word = (value: number) => {
    if (!wide) return int(value);
    const out = Buffer.alloc(8);
    little ? out.writeBigUInt64LE(BigInt(value)) : out.writeBigUInt64BE(BigInt(value));
    return out;
  };

  let strings = "\0";
  const string = (text: string) => {
    strings += `${text}\0`;
    return strings.length - text.length - 1;
  };
  const dynamic: [number, number][] = [];
  for (const name of recipe.needed ?? []) dynamic.push([1, string(name)]);
  for (const name of recipe.auxiliary ?? []) dynamic.push([0x7ffffffd, string(name)]);
  if (recipe.soname !== undefined) dynamic.push([14, string(recipe.soname)]);
  if (recipe.rpath !== undefined) dynamic.push([15, string(recipe.rpath)]);
  if (recipe.runpath !== undefined) dynamic.push([29, string(recipe.runpath)]);
  if (recipe.flags1 !== undefined) dynamic.push([0x6ffffffb, recipe.flags1]);

  const symbol = (name: number, section: number) =>
    wide
      ? Buffer.concat([int(name), Buffer.from([0x12, 0]), half(section), Buffer.alloc(16)])
      : Buffer.concat([int(name), Buffer.alloc(8), Buffer.from([0x12, 0]), half(section)]);
  const imports = recipe.imports ?? [];
  const symbolTable = Buffer.concat([
    symbol(0, 0),
    ...imports.map((name) => symbol(string(name), 0)),
    ...(recipe.exports ?? []).map((name) => symbol(string(name), 1)),
  ]);
  const symbolCount = symbolTable.length / (wide ? 24 : 16);

  const headerSize = wide ? 64 : 52;
  const segmentSize = wide ? 56 : 32;
  const segmentCount =
    1 +
    (recipe.interpreter === undefined ? 0 : 1) +
    (recipe.static ? 0 : 1) +
    (recipe.note === undefined ? 0 : 1) +
    (recipe.segments?.length ?? 0);
  add(Buffer.alloc(headerSize));
  const segmentsAt = add(Buffer.alloc(segmentSize * segmentCount));
  const interpreter = Buffer.from(`${recipe.interpreter ?? ""}\0`, "latin1");
  const interpreterAt = add(interpreter);
  const stringsAt = add(Buffer.from(strings, "latin1"));
  const symbolsAt = add(symbolTable);
  const hash = recipe.hash === "sysv" ? [1, symbolCount, 0] : [1, imports.length + 1, 1, 0, 0, 0, 0];
  const hashAt = add(Buffer.concat(hash.map(int)));
  dynamic.push([5, BASE + stringsAt], [10, strings.length], [6, BASE + symbolsAt], [11, wide ? 24 : 16]);
  dynamic.push([recipe.hash === "sysv" ? 4 : 0x6ffffef5, BASE + hashAt], ...(recipe.dynamic ?? []), [0, 0]);
  const dynamicTable = Buffer.concat(dynamic.flat().map(word));
  const dynamicAt = add(dynamicTable);
  const noteText = Buffer.from(recipe.note ?? "", "latin1");
  const note = Buffer.concat([
    ...[4, noteText.length, 0x407c0c0a].map(int),
    Buffer.from("FDO\0"),
    noteText,
    Buffer.alloc((4 - (noteText.length % 4)) % 4),
  ]);
  const noteAt = add(note);
  add(Buffer.from(recipe.data ?? "", "latin1"));
  const bytes = Buffer.concat(parts);

  const segment = (type: number, offset: number, address: number, size: number) =>
    wide
      ? Buffer.concat([
          int(type),
          int(4),
          word(offset),
          word(address),
          word(address),
          word(size),
          word(size),
          word(8),
        ])
      : Buffer.concat([
          int(type),
          word(offset),
          word(address),
          word(address),
          word(size),
          word(size),
          int(4),
          int(8),
        ]);
  const segments = [segment(1, 0, BASE, bytes.length)];
  if (recipe.interpreter !== undefined) {
    segments.push(segment(3, interpreterAt, BASE + interpreterAt, interpreter.length));
  }
  if (!recipe.static) segments.push(segment(2, dynamicAt, BASE + dynamicAt, dynamicTable.length));
  if (recipe.note !== undefined) segments.push(segment(4, noteAt, BASE + noteAt, note.length));
  for (const each of recipe.segments ?? []) segments.push(segment(...each));
  Buffer.concat(segments).copy(bytes, segmentsAt);

  const ident = Buffer.from([
    0x7f,
    0x45,
    0x4c,
    0x46,
    wide ? 2 : 1,
    little ? 1 : 2,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);
  Buffer.concat([
    ident,
    half(recipe.type ?? 3),
    half(recipe.machine ?? 62),
    int(1),
    word(0),
    word(segmentsAt),
    word(0),
    int(recipe.flags ?? 0),
    half(headerSize),
    half(segmentSize),
    half(segmentCount),
    half(0),
    half(0),
    half(0),
  ]).copy(bytes, 0);
  return {
    bytes,
    at: {
      dynamic: dynamicAt,
      strings: stringsAt,
      symbols: symbolsAt,
      hash: hashAt,
      interpreter: interpreterAt,
      segments: segmentsAt,
    },
  };
}

/** Makes a ld.so.cache of [name, path, hwcap] lines, all of x86-64, in their order. */
export function makeCache(
  lines: [name: string, path: string, hwcap?: string][],
  { little = true, old = false, flags = 0x0303 } = {},
): Buffer {
  const int = (value: number) => {
    const out = Buffer.alloc(4);
    little ? out.writeUInt32LE(value) : out.writeUInt32BE(value);
    return out;
  };
  const wide = (low: number, high: number) => (little ? [int(low), int(high)] : [int(high), int(low)]);
  const hwcaps = [...new Set(lines.flatMap(([, , hwcap]) => (hwcap === undefined ? [] : [hwcap])))];
  const stringsAt = 48 + lines.length * 24;
  let strings = "";
  const string = (text: string) => {
    strings += `${text}\0`;
    return stringsAt + strings.length - text.length - 1;
  };
  const entries = lines.flatMap(([name, path, hwcap]) => [
    int(flags),
    int(string(name)),
    int(string(path)),
    int(0),
    ...(hwcap === undefined ? wide(0, 0) : wide(hwcaps.indexOf(hwcap), 1 << 30)),
  ]);
  const names = hwcaps.map(string);
  while ((stringsAt + strings.length) % 4 !== 0) strings += "\0";
  const extension = stringsAt + strings.length;
  const bytes = Buffer.concat([
    Buffer.from("glibc-ld.so.cache1.1"),
    int(lines.length),
    int(strings.length),
    Buffer.from([little ? 2 : 3, 0, 0, 0]),
    int(extension),
    Buffer.alloc(12),
    ...entries,
    Buffer.from(strings, "latin1"),
    ...[0xeaa42174, 1, 1, 0, extension + 24, names.length * 4].map(int),
    ...names.map(int),
  ]);
  if (!old) return bytes;
  return Buffer.concat([Buffer.from("ld.so-1.7.0\0"), int(1), Buffer.alloc(12), Buffer.alloc(4), bytes]);
}
