/** The line of a file below a message about it, with a caret under the place. */
import { describe, expect, test } from "bun:test";
import { fromBytes, toBytes, utf8 } from "../../ffi/bytes.ts";
import { excerptLines } from "../../src/cli/excerpt.ts";
import { mergeFiles } from "../../src/config/load.ts";
import { placeOf } from "../../src/config/place.ts";
import { scanIni } from "../../src/config/scan.ts";

/** What is shown of a line where byte `at`, from 0 on, is the place. */
function shown(text: string, at: number): [string, string] {
  const [line, caret] = excerptLines({ line: 7, column: at + 1, text });
  expect(line.slice(0, 8)).toBe(text.trim() === "" ? line.slice(0, 8) : "    7 | ");
  expect(caret).toMatch(/^ {6}\| *\^$/);
  return [line.slice(8), caret.slice(8)];
}

describe("a short line", () => {
  test.each([
    ["paths = /bin/ls", 8, "paths = /bin/ls", 8],
    ["paths", 0, "paths", 0],
    ["paths", 5, "paths", 5],
    ["paths", 50, "paths", 5],
    ["", 0, "", 0],
    ["\tkey = x", 1, "        key = x", 8],
    ["ab\tc\td", 3, "ab      c       d", 8],
    ["ab\tc\td", 5, "ab      c       d", 16],
    ["a\x1b[31mb", 6, "a\\x1b[31mb", 9],
    ["a\x1b[31mb", 1, "a\\x1b[31mb", 1],
    ["back\\slash", 5, "back\\\\slash", 6],
    ["a\0b", 2, "a\\x00b", 5],
    ["\xff\xc3x", 2, "\\xff\\xc3x", 8],
    [utf8("k = žč"), 6, utf8("k = žč"), 5],
    [utf8("k = žč"), 7, utf8("k = žč"), 5],
    [utf8("日本語x"), 9, utf8("日本語x"), 6],
    [utf8("日本語x"), 4, utf8("日本語x"), 2],
    [utf8("e\u0301x"), 3, utf8("e\u0301x"), 1],
    [utf8("😀x"), 4, utf8("😀x"), 2],
    [utf8("a\u202eb"), 4, "a\\xe2\\x80\\xaeb", 13],
    [utf8("日").slice(0, 2), 1, "\\xe6\\x97", 4],
  ])("%j, byte %d", (text, at, line, column) => {
    expect(shown(text, at)).toEqual([line, `${" ".repeat(column)}^`]);
  });
});

describe("a long line is cut around the position", () => {
  const letters = Array.from({ length: 4000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join("");

  test.each([0, 10, 40, 41, 100, 2000, 3990, 3999])("byte %d of 4000", (at) => {
    const [line, caret] = shown(letters, at);
    expect(line.length).toBeLessThanOrEqual(80);
    // The caret is under its letter.
    expect(line.charAt(caret.length - 1)).toBe(letters.charAt(at));
    expect(line.startsWith("...")).toBe(at > 40);
    expect(line.endsWith("...")).toBe(at < 3960);
    expect(caret.length - 1).toBeLessThan(line.length);
  });

  test("between characters, wide ones too", () => {
    const text = utf8("日".repeat(2000));
    for (const at of [0, 3, 2997, 3000, 5997]) {
      const [line, caret] = shown(text, at);
      const decoded = new TextDecoder("utf-8", { fatal: true }).decode(toBytes(line));
      expect(decoded).toMatch(/^(?:\.\.\.)?日+(?:\.\.\.)?$/);
      expect(Bun.stringWidth(decoded)).toBeLessThanOrEqual(80);
      const before = caret.length - 1 - (decoded.startsWith("...") ? 3 : 0);
      expect(before % 2).toBe(0);
    }
  });

  test("one of a million bytes", () => {
    const [line, caret] = shown("\x01".repeat(1_000_000), 500_000);
    expect(line).toMatch(/^\.\.\.(?:\\x01)+\.\.\.$/);
    expect((caret.length - 4) % 4).toBe(0);
  });

  test("any bytes, any position: no line is too wide, and all of it is printable", () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const wrong: string[] = [];
    for (let round = 0; round < 2000; round++) {
      const text = fromBytes(new Uint8Array(random(300)).map(() => random(256)));
      const [line, caret] = excerptLines({ line: 1, column: 1 + random(400), text });
      const width = Bun.stringWidth(new TextDecoder().decode(toBytes(line)));
      const isNarrow = Math.max(width, caret.length) <= 8 + 72 + 6;
      if (!isNarrow || !/^[\x20-\x7e\x80-\xff]*$/.test(line)) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });
});

describe("the line of a problem", () => {
  const place = (text: string, dialect: "c" | "py") => {
    const ini = scanIni(toBytes(text), "/f", dialect);
    return ini.problems.map((problem) => placeOf(ini, problem));
  };

  test("by the ends of lines of each dialect", () => {
    expect(place("[a]\r\nstray\r\n", "c")).toEqual([{ line: 2, column: 1, text: "stray" }]);
    expect(place("[a]\rx = 1\rstray\r", "py")).toEqual([{ line: 3, column: 1, text: "stray" }]);
    expect(place("[a]\r\nx = 1\n\nx = 2", "py")).toEqual([{ line: 4, column: 1, text: "x = 2" }]);
    expect(place("[a\rb\nstray", "c").at(-1)).toEqual({ line: 2, column: 1, text: "stray" });
  });

  test("in the first line without its byte order mark, and with a NUL byte", () => {
    expect(place("\xef\xbb\xbf[a\n", "c").at(-1)).toEqual({ line: 1, column: 1, text: "[a" });
    expect(place("[a]\nx = 1\0y\n", "c")[0]).toEqual({ line: 2, column: 6, text: "x = 1\0y" });
  });

  test("in the right one of several merged files", () => {
    const parts = ["[a]\nx = 1\n", "[a]\nx = 2\n"].map((text, i) => scanIni(toBytes(text), `/f${i}`, "py"));
    const merged = mergeFiles(parts, "/f0", "py");
    const [problem] = merged.problems;
    expect(problem).toMatchObject({ file: "/f1", code: "duplicate-section" });
    expect(problem && placeOf(merged, problem)).toEqual({ line: 1, column: 1, text: "[a]" });
    expect(placeOf(merged, { file: "/other", line: 1, column: 1 })).toBeUndefined();
    expect(placeOf(merged, { file: "/f0", line: 99, column: 1 })).toBeUndefined();
  });
});
