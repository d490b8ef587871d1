import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toBytes } from "../../ffi/bytes.ts";
import { type Dialect, type IniFile, LIMITS } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { listItems } from "../../src/config/values.ts";
import { appendSections } from "../../src/config/write.ts";

const scan = (text: string, dialect: Dialect = "c"): IniFile => scanIni(toBytes(text), "f", dialect);

/** What was read, without positions: section names with their keys and values. */
function content(ini: IniFile): [string, Record<string, string>][] {
  return ini.sections.map(({ name, entries }) => [
    name,
    Object.fromEntries(entries.map(({ key, value }) => [key, value])),
  ]);
}

const dialects: Dialect[] = ["c", "py", "plain"];
// Bytes that mean something are frequent.
const piece = fc.oneof(
  fc.constantFrom(
    "[",
    "]",
    "[a]",
    "[DEFAULT]",
    "=",
    ":",
    "\n",
    "\r\n",
    " ",
    "\t",
    "#",
    ";",
    "%(k)s",
    "%",
    "k",
    ",",
    "\0",
  ),
  fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
);
const anything = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(""));
const name = fc.stringMatching(/^[a-z/][a-z0-9/._-]{0,11}$/);
const value = fc.oneof(
  fc.stringMatching(/^[!-Z\\^-~]([ -Z\\^-~]{0,20}[!-Z\\^-~])?$/),
  fc.constantFrom("true", "0", "\xe9"),
);

describe.each(dialects)("any bytes in dialect %p", (dialect) => {
  test("never throws, and every position is inside the file", () => {
    fc.assert(
      fc.property(anything, (text) => {
        const ini = scan(text, dialect);
        const lines = text.split(dialect === "py" ? /\r\n|\r|\n/ : "\n");
        const inside = ({ line, column }: { line: number; column: number }) =>
          line >= 1 && line <= lines.length && column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1;
        const sections = [...ini.sections, ...ini.defaults];
        const places = [
          ...ini.problems.filter((problem) => problem.code !== "byte-order-mark"),
          ...sections,
          ...sections.flatMap(({ entries }) => entries.flatMap((entry) => [entry, ...(entry.pieces ?? [])])),
          ...sections.flatMap(({ entries }) => entries.flatMap(listItems)),
        ];
        expect(places.filter((place) => !inside(place))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("a section reads back the same, or is not written", () => {
    const sections = fc.uniqueArray(fc.tuple(name, fc.dictionary(name, value, { maxKeys: 4 })), {
      selector: ([section]) => section,
      maxLength: 4,
    });
    let written = 0;
    fc.assert(
      fc.property(sections, (wanted) => {
        let text: string;
        try {
          text = wanted.reduce(
            (before, [section, values]) => appendSections(before, [{ name: section, values }], dialect),
            "",
          );
        } catch {
          return;
        }
        written++;
        expect(content(scan(text, dialect)).map(([section, values]) => [section, { ...values }])).toEqual(
          wanted.map(([section, values]) => [section, { ...values }]),
        );
      }),
      { numRuns: 200 },
    );
    expect(written).toBeGreaterThan(20);
  });
});

test("dialect c: values are at their positions", () => {
  fc.assert(
    fc.property(anything, (text) => {
      const lines = text.split("\n");
      for (const section of scan(text).sections) {
        for (const { key, value, line, column, valueColumn } of section.entries) {
          expect(lines[line - 1]?.startsWith(key, column - 1)).toBe(true);
          expect(lines[line - 1]?.startsWith(value, valueColumn - 1)).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("hostile files take time in proportion to their size", () => {
  const size = LIMITS.fileBytes / 4;
  for (const text of [
    "[a]\n".repeat(size / 4),
    "k=v\n".repeat(size / 4),
    `[a]\n${Array.from({ length: size / 8 }, (_, i) => `${i.toString(36)}=\n`).join("")}`,
    `[a]\nk=${" ".repeat(size)}x`,
    `${"[".repeat(size)}`,
    `[a]\n${";[\n".repeat(size / 3)}`,
    `[a]\nk=${"%(k)s".repeat(size / 5)}`,
    Array.from({ length: size / 8 }, (_, i) => `[${i.toString(36)}]\n`).join(""),
  ]) {
    for (const dialect of dialects)
      expect(scan(text.slice(0, size), dialect).problems.length).toBeLessThan(1002);
  }
});
