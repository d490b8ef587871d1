// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what the limited shell reads
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JailkitError } from "../../src/cli/error.ts";
import { createBudget, DEFAULT_LIMITS, type Limits } from "../../src/limited-shell/budget.ts";
import { expandWords } from "../../src/limited-shell/expand.ts";
import type { FileView } from "../../src/limited-shell/files.ts";
import { compilePattern, matches } from "../../src/limited-shell/pattern.ts";
import { WordError } from "../../src/limited-shell/refusal.ts";

const TREE: Record<string, string[]> = {
  ".": ["b", "a", ".h", "B", "-x", "d", "f"],
  "d/": ["1", "2", "dangling"],
  d: ["1", "2", "dangling"],
  "/": ["bin", "d"],
  "/d/": ["x"],
  many: [],
};
const none: FileView = {
  isRegularFile: () => false,
  isDirectory: (path) => path in TREE,
  exists: (path) => ["d/1", "d/2", "/d/x", "f"].includes(path),
  readDirectory: (path) => TREE[path],
  readLink: () => undefined,
  look: () => undefined,
  identity: () => undefined,
  homeOf: (user) => ({ ann: "/home/a *" })[user],
};

function words(
  line: string,
  environment: Record<string, string> = {},
  limits: Partial<Limits> = {},
  files = none,
) {
  const budget = createBudget({ ...DEFAULT_LIMITS, ...limits });
  return expandWords(line, { environment: new Map(Object.entries(environment)), home: "/h", files }, budget);
}

/** The words, or "code: message" of the error, which always has exit status 6. */
function result(line: string, environment?: Record<string, string>): string[] | string {
  try {
    return words(line, environment);
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    expect(error.exitStatus).toBe(6);
    return error.what;
  }
}

describe("expandWords", () => {
  test.each<[string, string[] | string]>([
    ["", []],
    ["a  b\tc", ["a", "b", "c"]],
    [`'' "" x''`, ["", "", "x"]],
    ["\\a\\ b", ["a b"]],
    [`"\\a\\$\\"\\\\"`, ['\\a$"\\']],
    ['$ a$ $. "$"', ["$", "a$", "$.", "$"]],
    ["a#b #c", ["a#b", "#c"]],
    // parameters
    ["$X/$Y ${X}y", ["/", "y"]],
    ["$V ${V}s $Vs", ["v", "vs"]],
    ["$W \"$W\" '$W'", ["a", "b", "a b", "$W"]],
    ["${X-d} ${X:-d} ${X+d} ${X:+d}", ["d", "d"]],
    ["${E-d}. ${E:-d} ${E+d} ${E:+d}", [".", "d", "d"]],
    ["${V-d} ${V:-d} ${V+d} ${V:+d}", ["v", "v", "d", "d"]],
    ["${X=1}$X ${Y:=2}$Y ${E:=3}$E ${V=4}$V", ["11", "22", "33", "vv"]],
    ["${E=4}$E.", ["."]],
    ["${V?no} ${E?no}.", ["v", "."]],
    ["${X?no}", "parameter-not-set"],
    ["${E:?}", "parameter-not-set"],
    ["${V:-${X?not evaluated}}", ["v"]],
    ["${V+${X?evaluated}}", "parameter-not-set"],
    ["${#V}${#X}${#W}", ["103"]],
    ["${P#*.} ${P##*.} ${P%.*} ${P%%.*} ${P#/} ${P%q}", ["b.c", "c", "/a.b", "/a", "a.b.c", "/a.b.c"]],
    [`\${P#"/"*.} \${P#'*'} \${P%\\*}`, ["b.c", "/a.b.c", "/a.b.c"]],
    ["${P%$D*}", ["/a.b"]],
    ["${X-a b} \"${X-a b}\" ${X-'a b'} ${X-a;b|c}", ["a", "b", "a b", "a b", "a;b|c"]],
    ["${X-*} \"${X-*}\" ${X-'*'}", ["-x", "B", "a", "b", "d", "f", "*", "*"]],
    ["${X#${Y:=a}}$Y.", ["."]],
    [`"\${X-"a b"}" "\${X-'a b'}" "\${X-a\\}b\\x}"`, ["a b", "'a b'", "a}b\\x"]],
    // arithmetic
    ["$((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((-7/2)) $((-7%3))", ["7", "9", "3", "-3", "-1"]],
    [
      "$((1<<62)) $((1<<64)) $((0x7fffffffffffffff+1)) $((010))",
      ["4611686018427387904", "1", "-9223372036854775808", "8"],
    ],
    [
      "$((1?2:3)) $((0?2:3)) $((1?0?4:5:6)) $((2>1)) $((1==1&&0||1)) $((!5)) $((~5)) $((5^1|2&3))",
      ["2", "3", "5", "1", "1", "0", "-6", "6"],
    ],
    [
      "$((N+1)) $(($N+1)) $((U)) $(( )) $((0&&1/0)) $((1||1/0)) $((1?1:1/0))",
      ["6", "6", "0", "0", "0", "1", "1"],
    ],
    [
      "$((U=3)) $U $((U*=2)) $U $((U<<=1)) $((1-1-1)) $((0&&(U=9))) $U",
      ["3", "3", "6", "6", "12", "-1", "0", "12"],
    ],
    ['"$((1+1))"x a$(("1"))', "arithmetic"],
    ["$((M+1)) $((Q)) $((0?1/0:1)) $((0?1?1/0:2:3)) $((0&&(1?1/0:2)))", ["-11", "5", "1", "3", "0"]],
    ["$(((1 2)))", "arithmetic"],
    ["$((1?2))", "arithmetic"],
    ["$((1?2 3 4))", "arithmetic"],
    ["$((*1))", "arithmetic"],
    ["$((1/0))", "arithmetic"],
    ["$((1%0))", "arithmetic"],
    ["$((1+))", "arithmetic"],
    ["$((1 1))", "arithmetic"],
    ["$((08))", "arithmetic"],
    ["$((1a))", "arithmetic"],
    ["$((V))", "arithmetic"],
    ["$((S))", "arithmetic"],
    ["$((0x))", "arithmetic"],
    ["$((18446744073709551616))", "arithmetic"],
    ["$((1,2))", "arithmetic"],
    ["$((1=2))", "arithmetic"],
    ["$((N++))", "arithmetic"],
    ["$((a[1]))", "arithmetic"],
    ["$((1)2))", "command-substitution"],
    // splitting
    ['$S "$S" x$S', ["p", "q", " p  q ", "x", "p", "q"]],
    ["$((10))$V", ["10v"]],
    // pathnames
    ["*", ["-x", "B", "a", "b", "d", "f"]],
    ["[ab] [!ab] ? .* .h", ["a", "b", "B", "d", "f", "B", "a", "b", "d", "f", ".h", ".h"]],
    ["'*' \\* \"*\" *'*' [\"a\"b] q*", ["*", "*", "*", "**", "a", "b", "q*"]],
    ["[[:upper:]] [a]", ["B", "a"]],
    ["*/ d/* */1 /*/x /d/[x]", ["d/", "d/1", "d/2", "d/dangling", "d/1", "/d/x", "/d/x"]],
    ['$G "$G"', ["d/1", "d/2", "d/dangling", "d/*"]],
    ["[ a[ [] [a]b", ["[", "a[", "[]", "[a]b"]],
    // tilde
    [
      "~ ~/x ~ann ~ann/y ~bob a~ '~' \\~ ~\"ann\" x=~",
      ["/home/me", "/home/me/x", "/home/a *", "/home/a */y", "~bob", "a~", "~", "~", "~ann", "x=~"],
    ],
    ['${X:-~} "${X:-~}"', ["/home/me", "~"]],
  ])("%s", (line, expected) => {
    const environment = {
      HOME: "/home/me",
      E: "",
      V: "v",
      W: "a b",
      P: "/a.b.c",
      D: ".",
      N: "5",
      M: "-12",
      Q: " +5\t",
      S: " p  q ",
      G: "d/*",
    };
    expect(result(line, environment)).toEqual(expected);
  });

  test("without HOME a tilde means the home of the account", () => {
    expect(words("~ ~/x")).toEqual(["/h", "/h/x"]);
  });

  test("IFS splits only the results of expansions", () => {
    expect(words("$C", { IFS: ":", C: ":a::b c:" })).toEqual(["", "a", "", "b c"]);
    expect(words("x:y $C", { IFS: " :", C: "a : b" })).toEqual(["x:y", "a", "b"]);
    expect(words("$C", { IFS: " :", C: " :a" })).toEqual(["", "a"]);
    expect(words("$C", { IFS: "", C: "a b" })).toEqual(["a b"]);
    expect(words("${IFS:=:}x $C", { C: "a:b c" })).toEqual(["", "x", "a", "b c"]);
  });
});

describe("expandWords refuses", () => {
  const illegal = [..."|&;<>(){}"].flatMap((byte) => [byte, `a${byte}b`, `a ${byte} b`]);
  test.each(illegal)("unquoted: %s", (line) => {
    expect(result(line)).toBe("illegal-word");
  });
  test("but not quoted", () => {
    expect(result(`'|&;' "<>" \\( \\) "{}"`)).toEqual(["|&;", "<>", "(", ")", "{}"]);
  });

  test.each([
    "`id`",
    "$(id)",
    '"`id`"',
    '"$(id)"',
    "a$(",
    "${X-`id`}",
    "${X-$(id)}",
    '"${X-`id`}"',
    '"${X-$(id)}"',
    "${X#`id`}",
    '"${X#$(id)}"',
    "$((`id`))",
    "$(($(id)))",
    '"$((`id`))"',
    "$((${X-`id`}))",
    "${`id`}",
    "${X`id`}",
    "$((1)`id`)",
    '"${X-"`id`"}"',
    "~`id`",
    "$((1) )",
  ])("command substitution: %s", (line) => {
    expect(result(line)).toBe("command-substitution");
  });

  test.each([
    "'",
    '"',
    "\\",
    '"\\"',
    "a'b",
    '"$((1))',
    "${",
    "${X",
    "${X-",
    "${X-'}",
    '"${X-"',
    "${}",
    "${1}",
    "${X/a/b}",
    "${X:1}",
    "${X^}",
    "${!X}",
    "${X }",
    "${ X}",
    "${#}",
    "${#X-a}",
    "${@}",
    "$((",
    "$((1",
    "$((1)",
    "$(((1)",
    "${X-${Y}",
    "${X#'",
    "${X:}",
    "${-}",
    "${X@Q}",
    "${X,,}",
  ])("syntax error: %s", (line) => {
    expect(result(line)).toBe("syntax-error");
  });

  test.each(["$1", "$0", "$@", "$*", "$#", "$?", "$$", "$!", "$-", '"$@"', "$((  $$ ))"])(
    "special: %s",
    (line) => {
      expect(result(line)).toBe("special-parameter");
    },
  );

  test.each(["a\nb", "'a\nb'", '"\n"', "\\\n", "a\0", "\r", "\x7f", "${X-\n}", "$((1\n))"])(
    "control: %j",
    (line) => {
      expect(result(line)).toBe("control-character");
    },
  );
});

describe("expandWords is bounded", () => {
  const many = Array.from({ length: 500 }, (_, index) => `n${index}`);
  const wide: FileView = { ...none, readDirectory: () => many, exists: () => true, isDirectory: () => true };
  const refused = (line: string, limits: Partial<Limits>, what: keyof Limits, environment = {}) => {
    expect(() => words(line, environment, limits, wide)).toThrow(
      `the expansion needs more than ${limits[what]} ${what}`,
    );
  };

  test("in words", () => {
    refused("*", { words: 499 }, "words");
    refused("a b c", { words: 2 }, "words");
    expect(words("*", {}, { words: 500 }, wide)).toHaveLength(500);
  });
  test("in bytes, including those that are not in the result", () => {
    refused("$X$X", { bytes: 199 }, "bytes", { X: "x".repeat(100) });
    const doubling = Array.from(
      { length: 40 },
      (_, index) => `\${Z+\${V${index + 1}:=$V${index}$V${index}}}`,
    ).join("");
    refused(doubling, { bytes: 1 << 20 }, "bytes", { Z: "", V0: "x" });
    refused(`$((${"1+".repeat(300)}1))`, { bytes: 100 }, "bytes");
  });
  test("in names of directories", () => {
    refused("*/*", { entries: 5000 }, "entries");
    refused("*/../*", { entries: 5000 }, "entries");
    refused("n*/a/b/c/d/e/f", { entries: 3000 }, "entries");
    refused("/*/*/*/*/*/*/*/*", { entries: DEFAULT_LIMITS.entries }, "entries");
    let asked = 0;
    words(
      "*",
      {},
      { entries: 700 },
      {
        ...wide,
        readDirectory: (_, limit) => {
          asked = limit;
          return many;
        },
      },
    );
    expect(asked).toBe(699);
  });
  test("in steps of the matcher, whatever the pattern", () => {
    const stars = { S: `${"*a".repeat(2000)}b`, E: `b${"a*".repeat(2000)}`, T: "a".repeat(20_000) };
    for (const line of ["${T##$S}", "${T%%$E}", "${T#$S}", "${T%$E}"]) {
      refused(line, { steps: 100_000 }, "steps", stars);
    }
    refused("$((X))$((X))", { steps: 1000 }, "steps", { X: `1${" ".repeat(600)}` });
    refused("[".repeat(4000), { steps: 100_000 }, "steps");
    refused("[[:alpha:]".repeat(4000), { steps: 100_000 }, "steps");
    refused(`[${"a-z".repeat(4000)}`, { steps: 100_000 }, "steps");
    refused(`${"*n".repeat(1000)}x`, { steps: 1000 }, "steps");
    refused(`$((${"1+".repeat(300)}1))`, { steps: 100 }, "steps");
  });
  test("in depth", () => {
    const deep = (open: string, inside: string, close: string) =>
      open.repeat(10_000) + inside + close.repeat(10_000);
    for (const line of [
      deep("${X-", "a", "}"),
      deep('"${X-', "a", '}"'),
      deep("$((", "1", "))"),
      `$((${deep("(", "1", ")")}))`,
      `$((${deep("-", "1", "")}))`,
      `$((${deep("1?", "1", ":1")}))`,
      `$((${deep("N=", "1", "")}))`,
    ]) {
      expect(() => words(line)).toThrow(/nests too deeply/);
    }
  });
  test("in the length of paths", () => {
    let longest = 0;
    const read = (path: string) => {
      longest = Math.max(longest, path.length);
      return ["n".repeat(255)];
    };
    words("*/".repeat(40), {}, {}, { ...wide, readDirectory: read });
    expect(longest).toBeLessThanOrEqual(4096);
  });

  test("and ends for any line", () => {
    const piece = fc.constantFrom(
      ..."$ { } ( ) $(( )) ${X ${Y:= : - = ? + # ## % %% ' \" \\ * ? [ ] [[: :] ~ / . a 1 X Y ` \t ; !".split(
        " ",
      ),
      " ",
    );
    const limits = { words: 1000, bytes: 20_000, entries: 1000, steps: 20_000 };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.string({ maxLength: 6 }), (pieces, value) => {
        try {
          const found = words(pieces.join(""), { X: value, IFS: " a" }, limits);
          expect(found.length).toBeLessThanOrEqual(1000);
        } catch (error) {
          expect(error).toBeInstanceOf(JailkitError);
          expect(error).toHaveProperty("exitStatus", 6);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("patterns", () => {
  const test1 = (pattern: string, text: string) =>
    matches(
      compilePattern({ text: pattern, marks: "u".repeat(pattern.length) }, createBudget()),
      text,
      createBudget(),
    );

  test.each<[string, string[], string[]]>([
    ["", [""], ["a"]],
    ["*", ["", "abc"], []],
    ["a*b*c", ["abc", "aXbYc", "abcbc"], ["ab", "acb", "abcd"]],
    ["a?c", ["abc", "a\xffc"], ["ac", "abbc"]],
    ["[a-c]", ["a", "b", "c"], ["d", "", "ab"]],
    ["[[:constructor:]]", [], ["c", ""]],
    ["[!a-c]", ["d", "-"], ["a", ""]],
    ["[^a]", ["b"], ["a"]],
    ["[]a]", ["]", "a"], ["b"]],
    ["[!]a]", ["b"], ["]", "a"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[-a]", ["a", "-"], ["b"]],
    ["[z-a]", [], ["a", "z", "m"]],
    ["[a!]", ["a", "!"], ["b"]],
    ["[[:digit:][:upper:]_]", ["5", "A", "_"], ["a", ":"]],
    ["[[:nosuch:]]", [], ["n", ":", "a"]],
    ["[[.-.]a]", ["-", "a"], ["."]],
    ["[[=a=]]", ["a"], ["="]],
    ["[a\\]b]", ["a", "]", "b"], ["\\"]],
    ["[\x80-\xff]", ["\xe9"], ["a"]],
    ["\\*", ["*"], ["a", "\\*"]],
    ["a\\", ["a\\"], ["a"]],
    ["[a", ["[a"], ["a"]],
    ["[a-\\", ["[a-\\"], ["a"]],
    ["[[:alpha:]", [], ["a"]],
  ])("%s", (pattern, yes, no) => {
    for (const text of yes) expect({ text, match: test1(pattern, text) }).toEqual({ text, match: true });
    for (const text of no) expect({ text, match: test1(pattern, text) }).toEqual({ text, match: false });
  });

  test("quoted bytes mean themselves", () => {
    expect(
      matches(compilePattern({ text: "*[a]?", marks: "qqqqq" }, createBudget()), "*[a]?", createBudget()),
    ).toBeTrue();
    expect(
      matches(compilePattern({ text: "[a-c]", marks: "uuquu" }, createBudget()), "b", createBudget()),
    ).toBeFalse();
    expect(
      matches(compilePattern({ text: "[a]b]", marks: "uuquu" }, createBudget()), "]", createBudget()),
    ).toBeTrue();
    expect(
      matches(compilePattern({ text: "[!a]", marks: "uquu" }, createBudget()), "!", createBudget()),
    ).toBeTrue();
  });
});
