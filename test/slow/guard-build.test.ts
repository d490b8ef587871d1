/** The guard as it is compiled, and the executables that it is not put into. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ElfError, onlySegment, PF_R, PF_X, PT_LOAD, readElf } from "../../build/elf-file.ts";
import { injectGuard } from "../../build/elf-inject.ts";
import { type Architecture, buildGuard } from "../../build/guard.ts";

const architectures: [Architecture, number, string][] = [
  ["x64", 62, "x86_64-linux-gnu-gcc"],
  ["arm64", 183, "aarch64-linux-gnu-gcc"],
];

describe("the guard's object code", () => {
  for (const [architecture, machine, compiler] of architectures) {
    const absent = architecture !== process.arch && Bun.which(compiler) === null;
    test.skipIf(absent)(`${architecture}: one segment, read-only and executable, configuration first`, () => {
      const guard = readElf(buildGuard(architecture));
      expect(guard.machine).toBe(machine);
      const segment = onlySegment(guard, PT_LOAD);
      expect(segment.flags).toBe(PF_R | PF_X);
      expect(segment.fileSize).toBe(segment.memorySize);
      // Eight pages: it is in each program, and all of it is read before any of them starts.
      expect(segment.fileSize).toBeLessThan(32_768);
      expect(segment.address).toBe(0x50000000);
      expect(guard.bytes.toString("latin1", segment.offset, segment.offset + 8)).toBe("\x01JKuard1");
      // A jump into the configuration would be the end of it.
      expect(guard.entry).toBe(segment.address + Number(guard.bytes.readBigUInt64LE(segment.offset + 8)));
    });
  }
});

describe("injectGuard refuses", () => {
  const guard = () => buildGuard(process.arch === "arm64" ? "arm64" : "x64");
  const refused = (bytes: Buffer, message: string) =>
    expect(() => injectGuard(bytes, guard(), false)).toThrow(new ElfError(message));

  test("a file that is not ELF", () => {
    refused(Buffer.from("#!/bin/sh\n"), "not a 64-bit little-endian ELF file");
    refused(Buffer.alloc(0), "not a 64-bit little-endian ELF file");
  });

  test("a relocatable program", () => {
    refused(readFileSync("/bin/true"), "the ELF file is not of type ET_EXEC");
  });

  test("another machine", () => {
    const other = Buffer.from(guard());
    other.writeUInt16LE(8, 18);
    refused(other, "the guard is for another machine");
  });

  test("the bun command itself, without a program", () => {
    expect(() => injectGuard(readFileSync(process.execPath), guard(), false)).toThrow(ElfError);
  });
});
