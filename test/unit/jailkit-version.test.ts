import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AT_FDCWD, O_RDONLY } from "../../ffi/constants.ts";
import { close, openAt } from "../../ffi/files.ts";
import { GUARD_MAGIC } from "../../ffi/guard.ts";
import { isJailkit3, isRuntime, jailkitVersionOf } from "../../src/known-programs/jailkit-version.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "jailkit-make-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An ELF header, and what follows it; `class64` and `little` as e_ident says, whatever machine it is for. */
function elf(tail: Buffer | string, { type = 3, class64 = true, little = true } = {}): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF", "latin1");
  header[4] = class64 ? 2 : 1;
  header[5] = little ? 1 : 2;
  if (little) header.writeUInt16LE(type, 16);
  else header.writeUInt16BE(type, 16);
  return Buffer.concat([header, Buffer.from(tail as string, "latin1")]);
}

/** A 64-bit ELF file with a table of program headers, and a guard's first word where the last of them says. */
function guarded(change: (table: Buffer, header: Buffer) => void = () => undefined): Buffer {
  const table = Buffer.alloc(2 * 56);
  table.writeUInt32LE(1, 0);
  table.writeUInt32LE(1, 56);
  table.writeBigUInt64LE(64n + 112n, 56 + 8);
  const magic = Buffer.alloc(16);
  magic.writeBigUInt64LE(GUARD_MAGIC, 0);
  const file = elf(Buffer.concat([table, magic]));
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  change(file.subarray(64, 64 + 112), file);
  return file;
}

function judge<T>(content: Buffer | string, use: (fd: number, size: number) => T): T {
  const path = join(folder, "file");
  const bytes = Buffer.from(content as string, "latin1");
  writeFileSync(path, bytes);
  const fd = openAt(AT_FDCWD, path, O_RDONLY);
  try {
    return use(fd, bytes.length);
  } finally {
    close(fd);
  }
}

const OLD = [
  "jk_lsh version 2.23, started",
  "WARNING: user %s (%u) tried to get an interactive shell session (%s), which is never allowed by jk_lsh",
  "section %s does not have a key executables",
];
const text = (strings: readonly string[]) => `${strings.join("\0")}\0`;

describe("the jailkit that a program belongs to", () => {
  test.each([
    ["2.23's jk_lsh", elf(text(OLD))],
    ["for a 32-bit machine", elf(text(OLD), { class64: false })],
    ["for one of the other byte order", elf(text(OLD), { little: false })],
    ["at a fixed address", elf(text(OLD), { type: 2 })],
    ["an earlier version", elf(text(["jk_lsh version 2.9, started", ...OLD.slice(1)]))],
  ] as const)("%s", (_, content) => expect(judge(content, jailkitVersionOf)).toBe("jailkit-2"));

  test("our runtime with its guard", () => {
    expect(judge(guarded(), jailkitVersionOf)).toBe("jailkit-3");
    expect(judge(guarded(), isRuntime)).toBe(true);
    expect(judge(guarded(), isJailkit3)).toBe(true);
  });

  test("a native entry of any program is jailkit 3's", () => {
    expect(judge(elf("JAILKIT_ENTRY=jk_uchroot\0"), isJailkit3)).toBe(true);
    expect(judge("JAILKIT_ENTRY=jk_uchroot\0", isJailkit3)).toBe(false);
    expect(judge(elf(text(OLD)), isJailkit3)).toBe(false);
  });

  test("a native entry of jk_chrootsh, and of no other program", () => {
    expect(judge(elf("JAILKIT_ENTRY=jk_chrootsh\0"), jailkitVersionOf)).toBe("entry");
    expect(judge(elf("JAILKIT_ENTRY=jk_uchroot\0"), jailkitVersionOf)).toBeUndefined();
    expect(judge(elf(`JAILKIT_ENTRY=jk_chrootsh\0${" ".repeat(11_000)}`), jailkitVersionOf)).toBeUndefined();
  });

  test.each([
    ["nothing", ""],
    ["a script with the same words", `#!/bin/sh\n${text(OLD)}`],
    ["a script with a guard's first word", `#!/bin/sh\n\x01JKuard1`],
    ["an object file", elf(text(OLD), { type: 1 })],
    ["a core dump", elf(text(OLD), { type: 4 })],
    ...OLD.map((string) => [`lacks: ${string}`, elf(text(OLD.filter((each) => each !== string)))] as const),
    ["a version that is not ours to know", elf(text(["jk_lsh version 4.0, started", ...OLD.slice(1)]))],
    ["words that go on", elf(text([...OLD.slice(0, 2), `${OLD[2]} here`]))],
    ["more than such a program has", elf(text(OLD) + " ".repeat(4 << 20))],
  ] as const)("%s does not belong to any", (_, content) =>
    expect(judge(content, jailkitVersionOf)).toBeUndefined(),
  );

  test.each([
    ["a header is cut off", (): Buffer => guarded().subarray(0, 60)],
    ["the table is cut off", () => guarded().subarray(0, 100)],
    ["the guard is cut off", () => guarded().subarray(0, 64 + 112 + 4)],
    ["the table lies outside", () => guarded((_, header) => header.writeBigUInt64LE(2n ** 64n - 1n, 32))],
    ["the guard lies outside", () => guarded((table) => table.writeBigUInt64LE(2n ** 63n, 64))],
    ["there are too many segments", () => guarded((_, header) => header.writeUInt16LE(65_535, 56))],
    ["segments have another size", () => guarded((_, header) => header.writeUInt16LE(57, 54))],
    ["the segment is not loaded", () => guarded((table) => table.writeUInt32LE(4, 56))],
    ["it is for another byte order", () => guarded((_, header) => header.writeUInt8(2, 5))],
  ] as const)("without a guard if %s", (_, content) => {
    expect(judge(content(), isRuntime)).toBe(false);
    expect(judge(content(), jailkitVersionOf)).toBeUndefined();
  });
});
