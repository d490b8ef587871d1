import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archivedLocales, languagesOf } from "../../src/system/locales.ts";

test.each([
  ["de_DE.utf8", ["de_DE", "de"]],
  ["de_DE", ["de_DE", "de"]],
  ["de_DE@euro", ["de_DE@euro", "de@euro", "de_DE", "de"]],
  ["sr_RS.utf8@latin", ["sr_RS@latin", "sr@latin", "sr_RS", "sr"]],
  ["eo.utf8", ["eo"]],
  ["ast_ES.ISO-8859-15", ["ast_ES", "ast"]],
  ["C.utf8", []],
  ["POSIX", []],
  ["locale-archive", []],
  ["../de", []],
  ["d*_DE", []],
  ["de_DE.utf8/..", []],
  ["", []],
])("the languages of %s", (locale, expected) => {
  expect(languagesOf(locale)).toEqual(expected);
});

/** A locale-archive with a table of two places, one of them empty. */
function archive(magic = 0xde020109, size = 2): Buffer {
  const bytes = Buffer.alloc(120);
  [magic, 0, 56, 1, size].forEach((word, at) => void bytes.writeUInt32LE(word, at * 4));
  [7, 90, 1].forEach((word, at) => void bytes.writeUInt32LE(word, 56 + 12 + at * 4));
  bytes.write("fr_FR.utf8\0", 90);
  return bytes;
}

test("the locales of an archive; none of one that is missing, cut off or of another form", () => {
  const directory = mkdtempSync(join(tmpdir(), "locales"));
  const path = join(directory, "locale-archive");
  const read = (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    return archivedLocales(path);
  };
  try {
    expect(archivedLocales(path)).toEqual([]);
    expect(read(archive())).toEqual(["fr_FR.utf8"]);
    expect(read(archive(0xde020109, 0xffff_ffff))).toContain("fr_FR.utf8");
    expect(read(archive(1))).toEqual([]);
    expect(read(archive().subarray(0, 60))).toEqual([]);
    expect(read(Buffer.alloc(0))).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
