import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toBytes } from "../../ffi/bytes.ts";
import { readKeys } from "../../src/config/keys.ts";
import { scanIni } from "../../src/config/scan.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { type Budget, createBudget, DEFAULT_LIMITS } from "../../src/limited-shell/budget.ts";
import { mismatch, readCommands } from "../../src/limited-shell/command-pattern.ts";

function commandsIn(text: string) {
  const [section] = scanIni(toBytes(`[u]\n${text}\n`), "f", "c").sections;
  if (section === undefined) throw new Error("no section");
  return readCommands(section, readKeys(section, lshKeys));
}

function patternOf(line: string) {
  const { patterns, problems } = commandsIn(`command x = ${line}`);
  const [pattern] = patterns;
  if (pattern === undefined) throw new Error(problems[0]?.message ?? "no pattern");
  return pattern;
}

/** Why the arguments do not match a pattern, after its program `p`; undefined if they do. */
const failure = (pattern: string, args: string[], budget: Budget = createBudget()) =>
  mismatch(patternOf(`p ${pattern}`), args, budget);
const isMatch = (pattern: string, ...args: string[]) => failure(pattern, args) === undefined;

describe("a word of a pattern", () => {
  test.each<[pattern: string, yes: string[], no: string[]]>([
    ["abc", ["abc"], ["ab", "abcd", "ABC", "", "abc "]],
    ["a*c", ["ac", "abc", "abbc"], ["a/c", "a", "acd", "xac"]],
    ["/data/*", ["/data/x", "/data/", "/data/.x", "/data/a b"], ["/data", "/data/x/y", "/datax", "x/data/y"]],
    ["/data/**", ["/data/x", "/data/", "/data/x/y"], ["/data", "/datax", "/data/a../b"]],
    ["/data/***", ["/data/x/y"], ["/data"]],
    ["**", ["x", "/x/y", "~root/x"], [""]],
    ["a?c", ["abc", "a\xffc"], ["ac", "a/c", "abbc"]],
    ["[abc]", ["a", "c"], ["d", "", "ab"]],
    ["[a-c]x", ["bx"], ["dx", "-x"]],
    ["[!a]", ["b", "\xff"], ["a", "/"]],
    ["x[,-0]y", ["x,y", "x0y"], ["x/y"]],
    ["x[/]y", [], ["x/y", "x[/]y"]],
    ["x[[:digit:]]", ["x7"], ["xa"]],
    ["[]]", ["]"], ["["]],
    ["{a,bc}", ["a", "bc"], ["ab", "b", "", "{a,bc}", "a,bc"]],
    ["{a,b{c,d}}x", ["ax", "bcx", "bdx"], ["bx", "abcx"]],
    ["x{,y}", ["x", "xy"], ["y", ""]],
    ["x{y,}", ["x", "xy"], ["xx"]],
    ["{a*,/b/**}", ["ax", "/b/c/d"], ["a/x", "/c"]],
    ["{[a,b],c}x", ["ax", ",x", "cx"], ["x"]],
    ["{a}", ["a"], ["{a}"]],
    ["a,b", ["a,b"], ["a"]],
    ["...a", ["...a"], ["a", "xyza"]],
    ["\xff*", ["\xff\xfe"], ["\xfe\xff"]],
    ["$HOME~&;", ["$HOME~&;"], ["x"]],
  ])("%s", (pattern, yes, no) => {
    for (const word of yes) expect([pattern, word, isMatch(pattern, word)]).toEqual([pattern, word, true]);
    for (const word of no) expect([pattern, word, isMatch(pattern, word)]).toEqual([pattern, word, false]);
  });

  test.each<[pattern: string, yes: string[], no: string[]]>([
    ["'a*'", ["a*"], ["ab"]],
    ['"a?"', ["a?"], ["ab"]],
    ["'[ab]'", ["[ab]"], ["a"]],
    ["a\\*", ["a*"], ["ab"]],
    ["a*'*'", ["a*", "ab*"], ["ab", "a/*"]],
    ["\\{a,b\\}", ["{a,b}"], ["a"]],
    ["{a\\,b,c}", ["a,b", "c"], ["a", "b"]],
    ["'...'", ["..."], ["x"]],
    ["'/srv/{a,b}.git'", ["/srv/a.git", "/srv/b.git"], ["/srv/{a,b}.git", "/srv/.git"]],
    ["'{a b,c}'", ["a b", "c"], ["a"]],
    ["{'a,b',c}", ["a,b", "c"], ["a", "b"]],
    ["''", [""], ["x"]],
    ["'a 'b", ["a b"], ["a", "a "]],
  ])("quotes: %s", (pattern, yes, no) => {
    for (const word of yes) expect([pattern, word, isMatch(pattern, word)]).toEqual([pattern, word, true]);
    for (const word of no) expect([pattern, word, isMatch(pattern, word)]).toEqual([pattern, word, false]);
  });

  test.each([
    ["/data/**", "/data/.."],
    ["/data/**", "/data/../etc"],
    ["/data/**", "/data/a/../../etc/x"],
    ["/data/**", "/data/a..b/../../etc"],
    ["/data/**", "/data/.../../../etc"],
    ["/data/*", "/data/.."],
    ["/data/**", "/data/.\\./etc"],
    ["/data/**", "/data/\\../etc"],
    ["**", ".."],
    ["**", "../x"],
    ["x=**", "x=../y"],
    ["x=**", "x=.."],
    ["x=**", "x=..,/y"],
    ["x=**", "x=/a:..:/b"],
    ["**", "/a/.. /b"],
    ["/data/a..*", "/data/a../b"],
    ["/{a,b}/*", "/a/.."],
    ["/a/..*", "/a/.."],
    ["?[.]", ".."],
    ["...", "/a/../b"],
    ["...", ""],
    ["*", ""],
    ["{a,**}", ""],
    ["[a]*", ""],
  ])("no wildcard of %s matches %j", (pattern, word) => {
    expect(isMatch(pattern, word)).toBe(false);
  });

  test.each([
    ["/a/../b", "/a/../b"],
    ["/{a,x}/../b", "/a/../b"],
    ["/data/*", "/data/..."],
    ["/data/*", "/data/..x"],
    ["/data/*", "/data/a..b"],
    ["*", "wait..."],
    ["{a,}", ""],
  ])("%s matches %j", (pattern, word) => {
    expect(isMatch(pattern, word)).toBe(true);
  });

  test.each<[pattern: string, yes: string[], no: string[]]>([
    ["-*", ["-", "-x", "-vlogDtpre.iLsfxCIvu"], ["--", "--x", "--rsync-path=x", "x", "-e/x"]],
    ["--*", ["--", "--x", "--config=x"], ["-x", "-"]],
    ["*", ["x"], ["-", "-x", "--x"]],
    ["**", ["/x"], ["-x", "--x"]],
    ["*-x", ["a-x"], ["-x"]],
    ["?x", ["ax"], ["-x"]],
    ["[-a]x", ["ax"], ["-x"]],
    ["-?x", ["-ax"], ["--x"]],
    ["-{-,}x*", ["--xy", "-xy"], ["-y"]],
    ["-[!a]*", ["-b"], ["--b"]],
  ])("a dash at the start of a word only matches itself: %s", (pattern, yes, no) => {
    for (const word of yes) expect([pattern, word, isMatch(pattern, word)]).toEqual([pattern, word, true]);
    for (const word of no) expect([pattern, word, isMatch(pattern, word)]).toEqual([pattern, word, false]);
  });
});

describe("the words of a pattern", () => {
  test.each<[pattern: string, yes: string[], no: string[]]>([
    ["", [""], ["a"]],
    ["a b", ["a b"], ["a", "a b c", "b a", ""]],
    ["...", ["", "a", "a b c", "-x --y"], []],
    ["... b", ["b", "a b", "b b", "a a b"], ["", "a", "b a"]],
    ["a ...", ["a", "a b"], ["", "b a"]],
    ["... a ... b ...", ["a b", "x a x b x", "a a b b"], ["b a", "a", "b"]],
    ["... ...", ["", "a b"], []],
  ])("%s", (pattern, yes, no) => {
    const words = (line: string) => line.split(" ").filter((word) => word !== "");
    for (const line of yes)
      expect([pattern, line, isMatch(pattern, ...words(line))]).toEqual([pattern, line, true]);
    for (const line of no)
      expect([pattern, line, isMatch(pattern, ...words(line))]).toEqual([pattern, line, false]);
  });

  test.each<[pattern: string, args: string[], at: number, why: string]>([
    ["--server -* . /data/**", ["--server", "-v", ".", "/etc"], 3, "word 5, '/etc', is not '/data/**'"],
    ["--server -* . /data/**", ["--server", "--x"], 1, "word 3, '--x', is not '-*'"],
    ["a b", ["a"], 1, "'b' is missing at the end"],
    ["a", ["a", "\x1b[2J"], 1, "word 3, '\\x1b[2J', is one too many"],
    ["... x", ["a", ".."], 1, "word 3, '..', is not 'x'"],
  ])("%s fails for %j", (pattern, args, at, why) => {
    expect(failure(pattern, args)).toEqual({ at, why });
  });
});

describe("errors", () => {
  test.each<[line: string, column: number, message: string]>([
    ["command x = p a[b", 15, "'command x': a '[' is not closed in 'a[b'"],
    ["command x = p 'q r' {a,b", 21, "'command x': a '{' is not closed in '{a,b'"],
    ["command x = p {a, b}", 15, "'command x': a '{' is not closed in '{a,'"],
    ["command x = p a}", 15, "'command x': there is no '{' for a '}' in 'a}'"],
    ["command x = p {}", 15, "'command x': there is nothing between '{' and '}' in '{}'"],
    ["command x = p 'a", 13, "'command x': a single quote is not closed"],
    ["command x = p a\\", 13, "'command x': a backslash ends the command"],
    [
      "command x = p*",
      13,
      "'command x': the program 'p*' has a wildcard, or stands for more than 64 programs",
    ],
    ["command x = ''", 13, "'command x': the program '' has no name"],
    ["command x = {p,} a", 13, "'command x': the program '{p,}' has no name"],
    ["command x = ./p", 13, "'command x': the program './p' is neither a name nor an absolute path"],
    [
      `command x = ${"{a,b}".repeat(7)}`,
      13,
      `'command x': the program '${"{a,b}".repeat(7)}' has a wildcard, or stands for more than 64 programs`,
    ],
    ["force = p 'a", 9, "'force': a single quote is not closed"],
  ])("%s", (line, column, message) => {
    const { patterns, problems } = commandsIn(line);
    expect(patterns).toEqual([]);
    expect(problems.map((one) => [one.line, one.column, one.severity, one.message])).toEqual([
      [2, column, "error", message],
    ]);
  });

  test("braces nest at most 64 deep", () => {
    expect(isMatch(`${"{".repeat(64)}a${"}".repeat(64)}`, "a")).toBe(true);
    expect(() => patternOf(`p ${"{".repeat(65)}a${"}".repeat(65)}`)).toThrow("braces nest too deeply");
  });

  test("the programs of the first word", () => {
    expect(patternOf("{git-upload,/bin/git-receive}-pack x").programs).toEqual([
      "git-upload-pack",
      "/bin/git-receive-pack",
    ]);
  });
});

/** A matcher that is short: it tries all ways, one after the other. */
function naive(pattern: string, word: string): boolean {
  const first = pattern.charAt(0);
  if (first === "") return word === "";
  if (first === "*") {
    const deep = pattern.charAt(1) === "*";
    const rest = pattern.replace(/^\*+/, "");
    for (let at = 0; at <= word.length; at++) {
      if (naive(rest, word.slice(at))) return true;
      if (!deep && word.charAt(at) === "/") return false;
    }
    return false;
  }
  if (first === "{") {
    const [, inner = "", rest = ""] = /^\{([^}]*)\}(.*)$/.exec(pattern) ?? [];
    return inner.split(",").some((one) => naive(one + rest, word));
  }
  if (word === "") return false;
  if (first === "?") return word.charAt(0) !== "/" && naive(pattern.slice(1), word.slice(1));
  const [all = "", members = ""] = /^\[([ab]+)\]/.exec(pattern) ?? [];
  if (all !== "") return members.includes(word.charAt(0)) && naive(pattern.slice(all.length), word.slice(1));
  return first === word.charAt(0) && naive(pattern.slice(1), word.slice(1));
}

function naiveWords(pattern: readonly string[], words: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return words.length === 0;
  const [word, ...others] = words;
  if (first === "...") return naiveWords(rest, words) || (word !== undefined && naiveWords(pattern, others));
  return word !== undefined && naive(first, word) && naiveWords(rest, others);
}

const piece = fc.constantFrom("a", "b", "/", "*", "**", "?", "[ab]", "[a]", "{a,b?}", "{,ab}", "{a/,?}");
// Two stars of two pieces are one wildcard of another kind.
const patternWord = fc
  .array(piece, { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join("").replace(/\*{3,}/g, "**"));
const word = fc
  .array(fc.constantFrom("a", "b", "/"), { minLength: 1, maxLength: 6 })
  .map((all) => all.join(""));

describe("fuzzed", () => {
  test("the same as a matcher that tries all ways", () => {
    fc.assert(
      fc.property(patternWord, word, (pattern, text) => {
        expect(isMatch(pattern, text)).toBe(naive(pattern, text));
      }),
      { numRuns: 1500 },
    );
  });

  test("the same for several words", () => {
    const words = fc.array(fc.constantFrom("a", "ab", "/"), { maxLength: 6 });
    const pattern = fc.array(fc.constantFrom("a", "a*", "...", "?"), { maxLength: 6 });
    fc.assert(
      fc.property(pattern, words, (one, args) => {
        expect(isMatch(one.join(" "), ...args)).toBe(naiveWords(one, args));
      }),
      { numRuns: 1500 },
    );
  });

  test("any bytes: no error, and no wildcard matches what leads up", () => {
    const bytes = fc.uint8Array({ maxLength: 6 }).map((all) => String.fromCharCode(...all));
    const text = fc.oneof(bytes, fc.constantFrom("..", "/", "/data/", ".", "-", "\\"));
    const words = fc.array(
      fc.array(text, { maxLength: 4 }).map((all) => all.join("")),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(words, (args) => {
        const leadsUp = (one: string) => one === "" || one.split("/").includes("..");
        if (isMatch("... {/data/**,[!a]*}", ...args)) expect(args.filter(leadsUp)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the cost is bounded", () => {
  /** The steps of a comparison that fails. */
  function steps(pattern: string, args: string[]): number {
    const budget = createBudget({ ...DEFAULT_LIMITS, steps: 1e9 });
    expect(failure(pattern, args, budget)).toBeDefined();
    return 1e9 - budget.left("steps");
  }

  test.each<[string, (size: number) => [pattern: string, args: string[]]]>([
    ["stars", (size) => ["*a".repeat(size), ["a".repeat(size), "x"]]],
    ["double stars", (size) => [`${"**a".repeat(size)}b`, ["a".repeat(size)]]],
    ["alternatives", (size) => [`${"{a,aa,}".repeat(size)}b`, ["a".repeat(size)]]],
    ["alternatives that are empty", (size) => [`**${"{,}".repeat(size)}b`, ["a".repeat(size)]]],
    ["any words", (size) => [`${"... a ".repeat(size)}b`, Array<string>(size).fill("a")]],
  ])("%s: at most the product of both lengths", (_, make) => {
    for (const size of [8, 64, 256]) {
      const [pattern, args] = make(size);
      const product = (pattern.length + 2) * (args.join(" ").length + 2);
      expect([size, steps(pattern, args) <= 3 * product]).toEqual([size, true]);
    }
  });

  test.each<[pattern: string, args: string[]]>([
    ["**", ["a".repeat(2000)]],
    ["...", Array<string>(2000).fill("a")],
    [`... ${"a".repeat(100)}`, Array<string>(100).fill("b")],
  ])("a comparison that takes too long is refused: %#", (pattern, args) => {
    const budget = createBudget({ ...DEFAULT_LIMITS, steps: 1000 }, "it");
    expect(() => failure(pattern, args, budget)).toThrow("it needs more than 1000 steps");
  });
});
