import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ElfError } from "../../build/elf-file.ts";
import { type Architecture, buildEntry } from "../../build/guard.ts";

setDefaultTimeout(120_000);

const architectures: [Architecture, number, string][] = [
  ["x64", 62, "x86_64-linux-gnu-gcc"],
  ["arm64", 183, "aarch64-linux-gnu-gcc"],
];
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const ET_DYN = 3;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "jailkit-entry-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Type and flags of each program header, as readelf -l shows them. */
function segments(elf: Buffer): [type: number, flags: number][] {
  return Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const at = Number(elf.readBigUInt64LE(32)) + 56 * i;
    return [elf.readUInt32LE(at), elf.readUInt32LE(at + 4)];
  });
}

for (const [architecture, machine, compiler] of architectures) {
  const absent = architecture !== process.arch && Bun.which(compiler) === null;
  describe.skipIf(absent)(architecture, () => {
    const build = (name: string, file = name, target?: string) => {
      const output = join(folder, `${architecture}-${file}`);
      buildEntry({ name, output, architecture, ...(target === undefined ? {} : { target }) });
      return readFileSync(output);
    };

    test.each(["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"])(
      "%s: small, static, without writable memory",
      (name) => {
        const elf = build(name);
        expect(elf.length).toBeLessThan(10_240);
        expect(elf.readUInt16LE(16)).toBe(ET_DYN);
        expect(elf.readUInt16LE(18)).toBe(machine);
        // One segment, readable and executable, and a stack that is not; no interpreter, nothing to relocate.
        expect(segments(elf)).toEqual([
          [PT_LOAD, 5],
          [PT_GNU_STACK, 6],
        ]);
        expect(elf.includes(`JAILKIT_ENTRY=${name}\0`)).toBe(true);
        expect(elf.includes("/usr/sbin/jailkit\0") || elf.includes("/usr/sbin/jailkit ")).toBe(true);
        expect(statSync(join(folder, `${architecture}-${name}`)).mode & 0o7777).toBe(0o755);
      },
    );

    test.if(architecture === "x64")("README.md has the right size", () => {
      const readme = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
      const told = [...readme.matchAll(/native (?:program|entry) of (\d+) KB/g)].map(([, size]) =>
        Number(size),
      );
      const size = Math.round(build("jk_chrootsh").length / 1000);
      expect(told).toEqual([size, size]);
    });

    test("two builds are identical, and leave no other files", () => {
      expect(build("jk_chrootsh", "again").equals(build("jk_chrootsh"))).toBe(true);
      expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
    });

    test("another target is compiled in", () => {
      const elf = build("jk_uchroot", "elsewhere", "/opt/jailkit-3/sbin/jailkit");
      expect(elf.includes("/opt/jailkit-3/sbin/jailkit ")).toBe(true);
      expect(elf.includes("/usr/sbin/jailkit")).toBe(false);
    });

    test("names with code in them, and relative targets, are refused", () => {
      for (const name of ['x"', "", "a b", "../x"]) expect(() => build(name, "refused")).toThrow(ElfError);
      for (const target of ["jailkit", '/a"b', "/a b", "/a\\", ""])
        expect(() => build("jk_chrootsh", "refused", target)).toThrow(ElfError);
    });
  });
}
