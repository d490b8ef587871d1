import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { close, openAt, readDirectory } from "../../ffi/files.ts";

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "jailkit-read-directory-"));
});
afterAll(() => rmSync(base, { recursive: true }));

test("a directory that somebody removes while it is read has no names", () => {
  const path = join(base, "removed");
  mkdirSync(path);
  const fd = openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  rmdirSync(path);
  expect(readDirectory(fd)).toEqual([]);
  close(fd);
});

test("what is no directory is an error", () => {
  const path = join(base, "file");
  writeFileSync(path, "");
  const fd = openAt(AT_FDCWD, path, O_RDONLY);
  expect(() => readDirectory(fd)).toThrow("getdents64");
  close(fd);
});
