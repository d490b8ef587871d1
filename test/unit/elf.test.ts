import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import * as C from "../../ffi/constants.ts";
import { close, fstat, openAt } from "../../ffi/files.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { type ElfFile, readElfFile } from "../../src/libraries/elf/dynamic.ts";
import { isElf, isLoadable, readElfHeader } from "../../src/libraries/elf/header.ts";
import { createElfReader } from "../../src/libraries/elf/reader.ts";
import { createImportFilter } from "../../src/libraries/elf/symbols.ts";
import { type ElfRecipe, makeElf } from "./elf-builder.ts";

const directory = mkdtempSync(join(tmpdir(), "jailkit-elf-"));
const file = join(directory, "file");
afterAll(() => rmSync(directory, { recursive: true }));

const filter = createImportFilter(["getpwnam", "iconv_open", "backtrace"]);

function read(bytes: Buffer): ElfFile | undefined {
  writeFileSync(file, bytes);
  const fd = openAt(C.AT_FDCWD, file, C.O_RDONLY);
  try {
    const reader = createElfReader(fd, file, fstat(fd).size);
    if (!isElf(reader.bytes(0, Math.min(4, reader.size), "the start"))) return undefined;
    const header = readElfHeader(reader);
    return isLoadable(header) ? readElfFile(reader, header, filter) : undefined;
  } finally {
    close(fd);
  }
}

function refusal(bytes: Buffer): string {
  try {
    read(bytes);
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    expect(error.code).toBe("bad-elf");
    expect(error.exitStatus).toBe(1);
    const prefix = `${file}: not a sound ELF file: `;
    expect(error.message.slice(0, prefix.length)).toBe(prefix);
    return error.message.slice(prefix.length);
  }
  return "accepted";
}

const full: ElfRecipe = {
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: ["libc.so.6", "libm.so.6"],
  auxiliary: ["libfast.so"],
  soname: "libit.so.1",
  rpath: "$ORIGIN/../lib",
  runpath: "/opt/lib:/srv/lib",
  flags1: 0x800,
  imports: ["xgetpwnam", "getpwnam", "getpwnam_r", "malloc", "iconv_open"],
  exports: ["backtrace"],
  note: '[{"soname":["libzstd.so.1"],"feature":"zstd","priority":"suggested"},{"soname":["liblz4.so.1","a/b",7]}]',
};

describe("the parts that a loader reads", () => {
  for (const bits of [32, 64] as const) {
    for (const little of [true, false]) {
      for (const hash of ["gnu", "sysv"] as const) {
        test(`${bits} bits, ${little ? "little" : "big"} endian, ${hash} hash table`, () => {
          const elf = read(makeElf({ ...full, bits, little, hash, machine: 8, flags: 0x70001020 }).bytes);
          expect(elf).toEqual({
            header: expect.objectContaining({ abi: { bits, little, machine: 8, variant: 0x1020 }, type: 3 }),
            interpreter: "/lib64/ld-linux-x86-64.so.2",
            needed: ["libc.so.6", "libm.so.6"],
            auxiliary: ["libfast.so"],
            soname: "libit.so.1",
            rpath: "$ORIGIN/../lib",
            runpath: "/opt/lib:/srv/lib",
            noDefaultLibraries: true,
            imports: new Set(["getpwnam", "iconv_open"]),
            dlopenNotes: [
              { sonames: ["libzstd.so.1"], feature: "zstd", priority: "suggested" },
              { sonames: ["liblz4.so.1"], feature: "", priority: "recommended" },
            ],
          });
        });
      }
    }
  }

  test("a static program", () => {
    const elf = read(makeElf({ static: true, type: 2 }).bytes);
    expect(elf?.needed).toEqual([]);
    expect(elf?.interpreter).toBeUndefined();
  });

  test("a file of debugging information, with empty segments", () => {
    const { bytes, at } = makeElf({ needed: ["liba.so"], interpreter: "/lib/ld.so" });
    for (const segment of [0, 1, 2]) bytes.writeBigUInt64LE(0n, at.segments + segment * 56 + 32);
    expect(read(bytes)).toEqual(expect.objectContaining({ interpreter: undefined, needed: [] }));
  });

  test("names are bytes", () => {
    expect(read(makeElf({ needed: ["lib\xe9\xff.so", "a;b$(c)\n"] }).bytes)?.needed).toEqual([
      "lib\xe9\xff.so",
      "a;b$(c)\n",
    ]);
  });

  test("objects and core dumps are not loadable", () => {
    expect(read(makeElf({ type: 1 }).bytes)).toBeUndefined();
    expect(read(makeElf({ type: 4 }).bytes)).toBeUndefined();
    expect(read(Buffer.from("\x7fEL"))).toBeUndefined();
    expect(read(Buffer.alloc(0))).toBeUndefined();
  });

  test("the symbol table is read across the blocks of the reader", () => {
    const imports = Array.from({ length: 3000 }, (_, index) => `function_number_${index}`);
    expect(read(makeElf({ imports: [...imports, "iconv_open"] }).bytes)?.imports).toEqual(
      new Set(["iconv_open"]),
    );
  });
});

/** A 64-bit little-endian file with one field changed. */
function damaged(
  recipe: ElfRecipe,
  change: (bytes: Buffer, at: ReturnType<typeof makeElf>["at"]) => void,
): Buffer {
  const made = makeElf(recipe);
  change(made.bytes, made.at);
  return made.bytes;
}

describe("hostile files are refused with a reason", () => {
  const all = 0xffff_ffff_ffff_ffffn;
  const word = (bytes: Buffer, at: number, value: bigint) => bytes.writeBigUInt64LE(value, at);
  /** The entries of `full` without notes, in their order, from which the numbers below are counted. */
  const plain: ElfRecipe = { needed: ["libc.so.6"], interpreter: "/lib/ld.so", imports: ["malloc"] };
  const cases: [string, Buffer, string | RegExp][] = [
    ["cut in the magic's neighbourhood", Buffer.from("\x7fELF"), "the ELF header is cut off"],
    ["cut in the header", makeElf().bytes.subarray(0, 60), "the ELF header is cut off"],
    ["unknown class", damaged(plain, (b) => b.writeUInt8(3, 4)), "unknown class 3"],
    ["unknown byte order", damaged(plain, (b) => b.writeUInt8(0, 5)), "unknown byte order 0"],
    ["no program headers", damaged(plain, (b) => b.writeUInt16LE(0, 56)), "no program headers"],
    ["65535 program headers", damaged(plain, (b) => b.writeUInt16LE(0xffff, 56)), "65535 program headers"],
    [
      "1170 program headers",
      damaged(plain, (b) => b.writeUInt16LE(1170, 56)),
      /program header table lies outside/,
    ],
    [
      "program headers of 1 byte",
      damaged(plain, (b) => b.writeUInt16LE(1, 54)),
      "program headers of 1 bytes",
    ],
    [
      "program headers at 2^64-1",
      damaged(plain, (b) => word(b, 32, all)),
      /program header table lies outside/,
    ],
    [
      "a segment of 2^64-1 bytes",
      damaged(plain, (b, at) => word(b, at.segments + 32, all)),
      /a segment lies outside the file/,
    ],
    ["cut behind the headers", makeElf(plain).bytes.subarray(0, 400), /a segment lies outside the file/],
    ["two segments for one address", makeElf({ ...plain, segments: [[1, 0, 0x10010, 64]] }).bytes, /overlap/],
    [
      "an interpreter of 2^64-1 bytes",
      damaged(plain, (b, at) => word(b, at.segments + 56 + 32, all)),
      /^an interpreter's name of \d+ bytes$/,
    ],
    [
      "an interpreter outside the file",
      damaged(plain, (b, at) => word(b, at.segments + 56 + 8, 1n << 40n)),
      "the interpreter's name lies outside the file",
    ],
    [
      "an interpreter without an end",
      damaged(plain, (b, at) => b.fill(0x61, at.interpreter + 1, at.interpreter + 11)),
      "the interpreter's name has no end",
    ],
    ["a relative interpreter", makeElf({ interpreter: "ld.so" }).bytes, /interpreter's name is not absolute/],
    ["an empty interpreter", makeElf({ interpreter: "" }).bytes, "an interpreter's name of 1 bytes"],
    [
      "an interpreter longer than PATH_MAX",
      makeElf({ interpreter: `/${"a".repeat(4096)}` }).bytes,
      /of 4098 bytes/,
    ],
    [
      "a dynamic section of 2^64-1 bytes",
      damaged(plain, (b, at) => word(b, at.segments + 112 + 32, all)),
      /a dynamic section of \d+ bytes/,
    ],
    [
      "a dynamic section at no address",
      damaged(plain, (b, at) => word(b, at.segments + 112 + 16, 0x10n)),
      "the dynamic section lies outside every segment",
    ],
    [
      "a dynamic section that goes on behind its segment",
      damaged(plain, (b, at) => word(b, at.segments + 112 + 32, 4096n)),
      "the dynamic section is cut off",
    ],
    [
      "a name at 2^64-1",
      damaged(plain, (b, at) => word(b, at.dynamic + 8, all)),
      /lies outside the string table/,
    ],
    [
      "a name behind the table",
      damaged(plain, (b, at) => word(b, at.dynamic + 8, 4000n)),
      /outside the string table/,
    ],
    [
      "a string table at 2^64-1",
      damaged(plain, (b, at) => word(b, at.dynamic + 24, all)),
      /outside every segment/,
    ],
    [
      "a string table of no bytes",
      damaged(plain, (b, at) => word(b, at.dynamic + 40, 0n)),
      /outside the string table/,
    ],
    ["no string table", damaged(plain, (b, at) => word(b, at.dynamic + 16, 0x77777777n)), "no string table"],
    ["a library without a name", makeElf({ needed: [""] }).bytes, "a needed library without a name"],
    ["a library's name of 5000 bytes", makeElf({ needed: ["a".repeat(5000)] }).bytes, /name has no end/],
    ["a RUNPATH of 70,000 bytes", makeElf({ runpath: "a".repeat(70_000) }).bytes, "the RUNPATH has no end"],
    [
      "3000 libraries",
      makeElf({ needed: Array.from({ length: 3000 }, (_, index) => `l${index}`) }).bytes,
      "more than 2048 needed libraries",
    ],
    [
      "a library's name without an end",
      damaged({ needed: ["libc.so.6"], dynamic: [[10, 11]] }, (b, at) =>
        b.fill(0x61, at.strings, at.strings + 11),
      ),
      /name has no end/,
    ],
    [
      "a symbol table at 2^64-1",
      damaged(plain, (b, at) => word(b, at.dynamic + 56, all)),
      /outside every segment/,
    ],
    [
      "symbols of 2^64-1 bytes",
      damaged(plain, (b, at) => word(b, at.dynamic + 72, all)),
      /^symbols of \d+ bytes$/,
    ],
    [
      "2^32-1 symbols",
      damaged(plain, (b, at) => b.writeUInt32LE(0xffffffff, at.hash + 4)),
      /symbol table is cut off/,
    ],
    [
      "a symbol's name at 2^32-1",
      damaged(plain, (b, at) => b.writeUInt32LE(0xffffffff, at.symbols + 24)),
      "a symbol's name lies outside the string table",
    ],
  ];
  for (const [name, bytes, reason] of cases) {
    test(name, () => {
      const told = refusal(bytes);
      if (typeof reason === "string") expect(told).toBe(reason);
      else expect(told).toMatch(reason);
    });
  }

  test("the name of the file is shown without its control bytes", () => {
    const bad = join(directory, "a\n\x1b[2J");
    writeFileSync(bad, "\x7fELF");
    const fd = openAt(C.AT_FDCWD, bad, C.O_RDONLY);
    expect(() => readElfHeader(createElfReader(fd, bad, 4))).toThrow(
      `${directory}/a\\n\\x1b[2J: not a sound ELF file`,
    );
    close(fd);
  });

  test("a note that is not JSON is skipped", () => {
    for (const note of ["{", "{}", '[1,null,{"soname":"x"}]', "\xff\xfe"]) {
      expect(read(makeElf({ note }).bytes)?.dlopenNotes).toEqual([]);
    }
  });
});

describe("a randomly damaged file is read or refused", () => {
  const real = readFileSync("/bin/true");
  for (const [name, original] of [
    ["a program of this machine", real],
    ["a made one", makeElf(full).bytes],
  ] as const) {
    /** Where the tables are that anything depends on: the start of the file, and for a small file all of it. */
    const interesting = Math.min(original.length, 4096);

    test(`${name}, bytes changed`, () => {
      const change = fc.tuple(fc.nat(interesting - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
          const bytes = Buffer.from(original);
          for (const [at, extreme, any] of changes) bytes[at] = any % 2 === 0 ? extreme : any;
          refusalOrNothing(bytes);
        }),
        { numRuns: 300 },
      );
    });

    test(`${name}, cut anywhere`, () => {
      fc.assert(
        fc.property(fc.nat(original.length - 1), (length) => refusalOrNothing(original.subarray(0, length))),
        { numRuns: 200 },
      );
    });
  }

  function refusalOrNothing(bytes: Buffer): void {
    if (isElf(bytes)) refusal(bytes);
    else expect(read(bytes)).toBeUndefined();
  }
});
