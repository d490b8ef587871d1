import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expandWords } from "../../src/limited-shell/expand.ts";
import { systemFiles } from "../../src/limited-shell/files.ts";
import { splitWords } from "../../src/limited-shell/split.ts";

// The words that the limited shell makes of a line are compared with those that bash makes of it, in the same
// directory and with the same variables, for lines that the limited shell accepts. Many lines go to one bash.

// RUNS=500 SEED=$RANDOM explores further than a test run has the time for.
const SEARCH = { numRuns: Number(process.env.RUNS ?? 3), seed: Number(process.env.SEED ?? 1) };
let directory = "";
const before = process.cwd();
const FILES = [
  "a",
  "b",
  "abc",
  "a.txt",
  "b.txt",
  ".hid",
  "sp ace",
  "star*",
  "[x]",
  "A1",
  "z-9",
  "dir/x.txt",
  "dir/y",
];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "limited-shell-"));
  for (const name of ["dir", "dir/.in", "dir2", "dir2/sub"]) mkdirSync(join(directory, name));
  for (const name of [...FILES, "dir/.in/x", "dir2/sub/x.txt"]) writeFileSync(join(directory, name), "");
  process.chdir(directory);
});
afterAll(() => {
  process.chdir(before);
  rmSync(directory, { recursive: true, force: true });
});

const VARIABLES: Record<string, string> = {
  HOME: "/home/me",
  A: "a b",
  E: "",
  S: "  x  *.txt ",
  P: "/usr/lib/a.tar.gz",
  N: "5",
  M: "-12",
  C: "a::b, c:",
  T: "a\tb\nc",
  B: "star\\*",
  G: "[xab]*",
};

function bashWords(lines: readonly string[], ifs: string): string[][] {
  const assignments = Object.entries(VARIABLES).map(([name, value]) => `${name}=${quote(value)}`);
  const script = ["set -o posix", `show() { (( $# )) && printf '%s\\0' "$@"; }`];
  for (const line of lines) {
    script.push(`unset U V; IFS=${quote(ifs)} ${assignments.join(" ")}`);
    script.push(`command eval ${quote(`show ${line}`)}; printf '\\1\\0'`);
  }
  const result = Bun.spawnSync(["bash", "--norc", "--noprofile"], {
    cwd: directory,
    env: { LC_ALL: "C", PATH: "/usr/bin:/bin" },
    stdin: Buffer.from(script.join("\n"), "latin1"),
    stderr: "pipe",
  });
  const output = result.stdout.toString("latin1");
  const groups = output.split("\x01\0");
  if (groups.length !== lines.length + 1)
    throw new Error(`bash stopped: ${result.stderr.toString().slice(0, 500)}`);
  return groups.slice(0, -1).map((group) => group.split("\0").slice(0, -1));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function tryWords(words: () => string[]): string[] | undefined {
  try {
    return words();
  } catch {
    return undefined;
  }
}

const pick = (...texts: string[]) => fc.constantFrom(...texts);
const joined = (piece: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(piece, { maxLength }).map((pieces) => pieces.join(""));

const name = pick("A", "E", "S", "P", "N", "M", "C", "T", "B", "G", "U", "V", "HOME");
const number = pick("0", "1", "7", "010", "0x1f", "63", "9223372036854775807", "N", "M", "U", "$N", `\${N}`);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    number,
    fc
      .tuple(
        tie("expression"),
        pick(
          "+",
          "-",
          "*",
          "/",
          "%",
          "<<",
          ">>",
          "<",
          ">",
          "<=",
          ">=",
          "==",
          "!=",
          "&",
          "|",
          "^",
          "&&",
          "||",
        ),
        tie("expression"),
      )
      .map(([a, operator, b]) => `${a} ${operator} ${b}`),
    fc.tuple(pick("!", "~", "- ", "+ "), tie("expression")).map(([operator, a]) => `${operator}${a}`),
    fc
      .tuple(tie("expression"), tie("expression"), tie("expression"))
      .map(([a, b, c]) => `${a} ? ${b} : ${c}`),
    fc.tuple(pick("U=", "V+=", "V<<=", "N%="), tie("expression")).map(([a, b]) => `(${a}${b})`),
    tie("expression").map((inner) => `(${inner})`),
  ),
}));

const plain = pick("a", "b", "x", "t", ".txt", "/", "dir", "-", ",", ":", "1", "+", "@", "%", "^", "!");
const glob = pick("*", "?", "[ab]", "[!a]", "[^a-c]", "[a-c]", "[[:alpha:]]", "[", "]", "[]x]", "[a-]", "*/");
const escaped = pick("\\a", "\\*", "\\ ", "\\$", "\\\\", "\\'", '\\"', "\\[", "\\~");
const single = joined(pick("a", " ", "*", "$A", "\\", '"', "}"), 4).map((text) => `'${text}'`);

// Of quotes in patterns within double quotes each shell has its own reading.
const patternInDouble = joined(
  pick("a", "/", ".", "*", "?", "[ab]", "[!a]", "\\*", "\\a", " ", "$A", "$N"),
  4,
);

type Rule = "unquoted" | "inDouble" | "braceWord" | "double" | "dollar" | "dollarInDouble";
const { unquoted } = fc.letrec<Record<Rule, string>>((tie) => {
  const dollar = (word: fc.Arbitrary<string>, pattern: fc.Arbitrary<string>) =>
    fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      name.map((text) => `\${${text}}`),
      name.map((text) => `\${#${text}}`),
      expression.map((text) => `$((${text}))`),
      fc.tuple(name, pick("-", ":-", "=", ":=", "+", ":+"), word).map(([a, op, b]) => `\${${a}${op}${b}}`),
      fc.tuple(name, pick("#", "##", "%", "%%"), pattern).map(([a, op, b]) => `\${${a}${op}${b}}`),
    );
  return {
    dollar: dollar(tie("braceWord"), tie("braceWord")),
    dollarInDouble: dollar(tie("inDouble"), patternInDouble),
    inDouble: joined(
      fc.oneof(
        { maxDepth: 3, depthSize: "small" },
        pick("a", " ", "*", "'", "/", "\\$", "\\\\", '\\"', "\\a", "~", "."),
        tie("dollarInDouble"),
      ),
      3,
    ),
    double: tie("inDouble").map((text) => `"${text}"`),
    braceWord: joined(
      fc.oneof(
        { maxDepth: 3, depthSize: "small" },
        plain,
        pick(" ", "*", "?", "[ab]", ".", "~/", ";", "|"),
        escaped,
        single,
        tie("double"),
        tie("dollar"),
      ),
      3,
    ),
    unquoted: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      plain,
      glob,
      escaped,
      single,
      tie("double"),
      tie("dollar"),
    ),
  };
});
const tilde = pick("", "", "", "~", "~/", "~nosuchuser/", "~\\a");
// bash knows ~+ and ~-, and ends the name after a tilde at a colon too.
const word = fc
  .tuple(tilde, joined(unquoted, 5))
  .map(([start, rest]) => start + rest)
  .filter((text) => !/^~[-+:]/.test(text));
const line = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(" "));

describe("words as bash splits them", () => {
  test.each([" \t\n", ":", ", ", ""])("with expansion, IFS %j", (ifs) => {
    const files = systemFiles(() => undefined);
    const environment = new Map(Object.entries({ ...VARIABLES, IFS: ifs }));
    const ours = (text: string) => tryWords(() => expandWords(text, { environment, home: "/", files }));
    let compared = 0;
    fc.assert(
      fc.property(fc.array(line, { minLength: 60, maxLength: 60 }), (lines) => {
        // bash does not know [[:alpha:]] for a pattern where IFS holds a colon.
        const known = lines.filter((text) => !(ifs.includes(":") && text.includes("[:")));
        // It drops the second of two slashes behind a pattern. What other directories hold changes meanwhile.
        const accepted = known.filter((text) =>
          ours(text)?.every((word) => !word.includes("//") && !(word.startsWith("/") && files.exists(word))),
        );
        compared += accepted.length;
        const theirs = bashWords(accepted, ifs);
        for (const [index, text] of accepted.entries()) {
          expect({ text, words: ours(text) }).toEqual({ text, words: theirs[index] });
        }
      }),
      SEARCH,
    );
    expect(compared).toBeGreaterThan(60);
  });

  test("the real file system", () => {
    symlinkSync("nowhere", join(directory, "dangling"));
    symlinkSync("dir", join(directory, "link"));
    symlinkSync("a", join(directory, "file-link"));
    const files = systemFiles(() => undefined);
    const look = (path: string) => [files.isRegularFile(path), files.isDirectory(path), files.exists(path)];
    expect(look("a")).toEqual([true, false, true]);
    expect(look("file-link")).toEqual([true, false, true]);
    expect(look("link")).toEqual([false, true, true]);
    expect(look("dangling")).toEqual([false, false, true]);
    expect(look("a/b")).toEqual([false, false, false]);
    expect(look("n".repeat(5000))).toEqual([false, false, false]);
    expect(files.readDirectory("dir", 100)?.sort()).toEqual([".in", "x.txt", "y"]);
    expect(files.readDirectory("a", 100)).toBeUndefined();
    expect(files.readDirectory("nowhere", 100)).toBeUndefined();
    for (const name of ["dangling", "link", "file-link"]) unlinkSync(join(directory, name));
  });

  test("quoted in every way, without and with expansion", () => {
    const files = systemFiles(() => undefined);
    const environment = new Map(Object.entries(VARIABLES));
    const byte = fc.integer({ min: 32, max: 255 }).filter((code) => code !== 127);
    const bytes = fc.array(byte, { maxLength: 8 }).map((codes) => String.fromCharCode(...codes));
    const ways = [
      quote,
      (text: string) => `"${text.replace(/[$`"\\]/g, "\\$&")}"`,
      (text: string) => (text === "" ? "''" : text.replace(/./gs, "\\$&")),
      (text: string) => text.split("").map(quote).join("") || '""',
    ];
    const quotedWord = fc
      .tuple(fc.array(bytes, { minLength: 1, maxLength: 3 }), fc.nat())
      .map(([parts, seed]) => ({
        word: parts.join(""),
        typed: parts.map((part, index) => (ways[(seed + index) % ways.length] ?? quote)(part)).join(""),
      }));
    const blank = pick(" ", "\t", "  ");
    fc.assert(
      fc.property(
        fc.array(fc.array(quotedWord, { maxLength: 4 }), { maxLength: 60 }),
        blank,
        (lists, between) => {
          const lines = lists.map(
            (words) => between + words.map(({ typed }) => typed).join(between) + between,
          );
          const meant = lists.map((words) => words.map(({ word }) => word));
          expect(bashWords(lines, " ")).toEqual(meant);
          expect(lines.map(splitWords)).toEqual(meant);
          expect(lines.map((text) => expandWords(text, { environment, home: "/", files }))).toEqual(meant);
        },
      ),
      SEARCH,
    );
  });
});
