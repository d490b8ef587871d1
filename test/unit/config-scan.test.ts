import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { type Dialect, type IniFile, LIMITS } from "../../src/config/model.ts";
import { groupOfSection, memberBy, scanIni, selectSection } from "../../src/config/scan.ts";
import { listItems } from "../../src/config/values.ts";

const scan = (text: string, dialect: Dialect = "c"): IniFile => scanIni(toBytes(text), "f", dialect);

/** What was read, without positions: section names with their keys and values. */
function content(ini: IniFile): [string, Record<string, string>][] {
  return ini.sections.map(({ name, entries }) => [
    name,
    Object.fromEntries(entries.map(({ key, value }) => [key, value])),
  ]);
}

/** Problems as "error 2:1 code". */
function problems(ini: IniFile): string[] {
  return ini.problems.map(({ severity, line, column, code }) => `${severity} ${line}:${column} ${code}`);
}

describe("dialect c", () => {
  const accepted: [string, string, [string, Record<string, string>][], string[]][] = [
    [
      "a plain file",
      "[a]\nk = v\n[b]\nl=w\n",
      [
        ["a", { k: "v" }],
        ["b", { l: "w" }],
      ],
      [],
    ],
    ["no newline at the end", "[a]\nk = /bin/ls", [["a", { k: "/bin/ls" }]], []],
    ["CRLF", "[a]\r\nk = v\r\n", [["a", { k: "v" }]], []],
    ["indented keys and headers", "  [a]\n\tk\t=\tv \n", [["a", { k: "v" }]], []],
    ["'#' at the start only is a comment", "[a]\nk = v # c\n#k = w\n", [["a", { k: "v # c" }]], []],
    ["an indented '#'", "[a]\n  # see [b]\nk = v\n", [["a", { k: "v" }]], []],
    ["'[' in a value", "[a]\nk = /usr/bin/[\nl = w\n", [["a", { k: "/usr/bin/[", l: "w" }]], []],
    ["only the first '=' separates", "[a]\nk = A=b=c\n", [["a", { k: "A=b=c" }]], []],
    ["':' does not separate", "[a]\nk: v = w\n", [["a", { "k: v": "w" }]], []],
    ["case is kept", "[A]\nKey = v\n", [["A", { Key: "v" }]], []],
    ["blanks in a header are part of the name", "[ DEFAULT ]\n", [[" DEFAULT ", {}]], []],
    ["text after a header", "[a] # c\nk = v\n", [["a", { k: "v" }]], []],
    ["other text after a header", "[a] c\nk=v\n", [["a", { k: "v" }]], ["warning 1:4 stray-text"]],
    ["an empty value", "[a]\nk =\n", [["a", { k: "" }]], []],
    ["no continuation lines", "[a]\nk = v,\n  w\n", [["a", { k: "v," }]], ["warning 3:3 stray-text"]],
    ["the first key wins", "[a]\nk = v\nk = w\n", [["a", { k: "v" }]], ["warning 3:1 duplicate-key"]],
    [
      "keys do not match by prefix",
      "[a]\ne = x\nexe\nexecutables = y\n",
      [["a", { e: "x", executables: "y" }]],
      ["warning 3:1 stray-text"],
    ],
    ["blanks inside a key", "[a]\nexec utables = x\n", [["a", { "exec utables": "x" }]], []],
    [
      "a newline does not join a key",
      "[a]\nexe\ncutables = x\n",
      [["a", { cutables: "x" }]],
      ["warning 2:1 stray-text"],
    ],
    ["keys outside of a section", "k = v\n[a]\n", [["a", {}]], ["warning 1:1 no-section"]],
    ["';' is no comment, and no key either", "[a]\n;k = v\n", [["a", {}]], ["warning 2:1 stray-text"]],
    ["a byte order mark", "\xef\xbb\xbf[a]\nk=v\n", [["a", { k: "v" }]], ["warning 1:1 byte-order-mark"]],
    ["bytes that are no UTF-8", "[\xff]\n\xfe = \x80\n", [["\xff", { "\xfe": "\x80" }]], []],
    [
      "names of JavaScript's own",
      "[__proto__]\nconstructor = true\n__proto__ = null\n",
      [
        [
          "__proto__",
          Object.fromEntries([
            ["constructor", "true"],
            ["__proto__", "null"],
          ]),
        ],
      ],
      [],
    ],
  ];
  test.each(accepted)("%s", (_, text, sections, warnings) => {
    const ini = scan(text);
    expect(content(ini)).toEqual(sections);
    expect(problems(ini)).toEqual(warnings);
  });

  const refused: [string, string, string][] = [
    ["an unfinished header", "[a\nk = v]\n", "error 1:1 bad-header"],
    ["an empty header", "[]\n[a]\n", "error 1:1 bad-header"],
    ["two headers on a line", "[a] [b]\n", "error 1:4 bad-header"],
    ["'[' in a key", "[a]\nx [b] = v\n", "error 2:1 bad-header"],
    ["a header behind ';', with keys", "[a]\n;[b]\nk = v\n", "error 2:1 doubtful-header"],
    ["a header behind ' #', with keys", "[a]\n #[b]\nk = v\n", "error 2:2 doubtful-header"],
    ["a header behind text, with keys", "[a]\nx [b]\nk = v\n", "error 2:3 doubtful-header"],
    [
      "a name that 2.23's buffer could not hold",
      `[${"n".repeat(LIMITS.nameBytes + 1)}]\n`,
      "error 1:1 too-long",
    ],
    ["a NUL byte", "[a]\nk = \0v\n", "error 2:5 nul-byte"],
    ["more than fits into memory", "#".repeat(LIMITS.fileBytes + 1), "error 1:1 too-long"],
  ];
  test.each(refused)("refuses %s", (_, text, problem) => {
    expect(problems(scan(text))).toContain(problem);
  });

  test("a header after ';' without keys only causes a warning", () => {
    const ini = scan("[a]\nk = v\n;[b]\n;l = w\n[c]\nm = x\n");
    expect(problems(ini).filter((problem) => problem.startsWith("error"))).toEqual([]);
    expect(content(ini)).toEqual([
      ["a", { k: "v" }],
      ["c", { m: "x" }],
    ]);
  });

  test("long values are complete", () => {
    const items = Array.from({ length: 1000 }, (_, i) => `/usr/bin/${i}`).join(", ");
    const ini = scan(`[a]\nexecutables = ${items}\numask =${" ".repeat(28)}027\n`);
    expect(content(ini)).toEqual([["a", { executables: items, umask: "027" }]]);
  });

  test("positions count from 1, in bytes", () => {
    const [section] = scan("# c\n [a]\n  key =  v\n").sections;
    expect(section).toMatchObject({ line: 2, column: 2 });
    expect(section?.entries[0]).toMatchObject({ line: 3, column: 3, valueColumn: 10 });
  });
});

describe("selectSection", () => {
  const ini = scan("[DEFAULT]\nk=d\n[group u]\nk=g\n[u]\nk=first\n[u]\nk=second\n[group  w]\n[Group x]\n");
  const nobody = () => false;
  const chosen = (user: string, group: string) => selectSection(ini, user, group, nobody)?.entries[0]?.value;
  test.each([
    ["u", "u", "first"],
    ["v", "u", "g"],
    ["v", "v", "d"],
    ["v", "w", "d"],
    ["v", "x", "d"],
    ["U", "U", "d"],
  ])("user %p of group %p gets %p", (user, group, value) => {
    expect(chosen(user, group)).toBe(value);
  });
  test("none if no section matches", () => {
    expect(selectSection(scan("[ DEFAULT ]\n[default]\n"), "u", "u", nobody)).toBeUndefined();
  });

  const text =
    "[DEFAULT]\n[member c]\n[member b]\n[member b]\nk=2\n[group a]\n[u]\n[member ]\n[member  d]\n[Member e]\n";
  const of = (user: string, group: string, members: string[], text_ = text) =>
    selectSection(scan(text_), user, group, (name) => members.includes(name));
  test.each([
    ["u", "a", ["b"], "u"],
    ["v", "a", ["b"], "group a"],
    ["v", "v", ["b", "c"], "member c"],
    ["v", "v", ["b"], "member b"],
    ["v", "v", ["B", "a", "DEFAULT", "d", "e", "member b"], "DEFAULT"],
    ["v", "v", [" d"], "member  d"],
    ["v", "v", [], "DEFAULT"],
    // The first word decides what such a name means, whoever has it.
    ["member b", "v", [], "DEFAULT"],
    ["group a", "v", [], "DEFAULT"],
  ])("user %p with the primary group %p, in %p, gets [%s]", (user, group, members, name) => {
    const found = of(user, group, members);
    expect([found?.name, found?.entries]).toEqual([name, []]);
  });

  test("asks for groups only if no section precedes, in the order of the file, and no more than it needs", () => {
    const asked: string[] = [];
    const select = (user: string, group: string, text_ = text) => {
      asked.length = 0;
      return selectSection(scan(text_), user, group, (name) => {
        asked.push(name);
        return name === "b";
      });
    };
    select("u", "v");
    expect(asked).toEqual([]);
    select("v", "a");
    expect(asked).toEqual([]);
    select("v", "v");
    expect(asked).toEqual(["c", "b"]);
    select("v", "v", "[DEFAULT]\n[group b]\n");
    expect(asked).toEqual([]);
  });

  test("a group that cannot be looked up is no reason for another section", () => {
    const fail = () => {
      throw new Error("no answer");
    };
    expect(() => selectSection(scan(text), "v", "v", fail)).toThrow("no answer");
  });

  test("a member is who has the gid of the name, with any bytes", () => {
    const groups: Record<string, number> = { "\xff]": 5, g: 7 };
    const isMember = (gids: number[]) =>
      memberBy(
        () => gids,
        (name) => (Object.hasOwn(groups, name) ? { gid: groups[name] ?? -1 } : undefined),
      );
    expect([isMember([7])("g"), isMember([5])("g"), isMember([5])("\xff]"), isMember([])("g")]).toEqual([
      ...[true, false, true, false],
    ]);
    expect([isMember([7])("7"), isMember([7])("G"), isMember([7])("")]).toEqual([false, false, false]);
  });

  test("the gids are asked for once, and only for a group that there is", () => {
    let asked = 0;
    const gids = () => {
      asked++;
      return [7];
    };
    const isMember = memberBy(gids, (name) => (name === "none" ? undefined : { gid: name.length }));
    expect(isMember("none")).toBe(false);
    expect(asked).toBe(0);
    expect(["a", "b", "seventh"].map((name) => isMember(name))).toEqual([false, false, true]);
    expect(asked).toBe(1);
    const unknown: string[] = [];
    const telling = memberBy(
      gids,
      (name) => (name === "none" ? undefined : { gid: 7 }),
      (name) => unknown.push(name),
    );
    expect([telling("a"), telling("none"), unknown]).toEqual([true, false, ["none"]]);
  });

  test("the group of a section's name", () => {
    expect(groupOfSection("group a b")).toEqual({ group: "a b", primary: true });
    expect(groupOfSection("member a")).toEqual({ group: "a", primary: false });
    for (const name of ["member", "members a", "Group a", " group a", "DEFAULT", "u"])
      expect(groupOfSection(name)).toBeUndefined();
  });
});

describe("dialect plain", () => {
  const accepted: [string, string, [string, Record<string, string>][]][] = [
    ["'=' alone, and the case of keys", "[A]\nKeY = x:y=z\n", [["A", { KeY: "x:y=z" }]]],
    ["names with dots and blanks", "[jail /srv/a.b c]\nk=v\n", [["jail /srv/a.b c", { k: "v" }]]],
    ["brackets inside a name", "[jail /srv/[a]b]\nk=v\n", [["jail /srv/[a]b", { k: "v" }]]],
    ["comments of both kinds, indented too", "# a\n[a]\n  ; c\nk = v # w ; x\n", [["a", { k: "v # w ; x" }]]],
    ["quotes are bytes", `[a]\nk = "v", 'w'\n`, [["a", { k: `"v", 'w'` }]]],
    [
      "a value that begins in the next line, with a comment in it",
      "[a]\nk =\n  one\n\n  # c\n\ttwo\nl = x\n",
      [["a", { k: "\none\n\ntwo", l: "x" }]],
    ],
    ["keys that are indented alike", "[a]\n  k = v\n  l = w\n", [["a", { k: "v", l: "w" }]]],
    ["% is a byte", "[a]\nd = x\nk = %(d)s %%\n", [["a", { d: "x", k: "%(d)s %%" }]]],
    [
      "[DEFAULT] is a section like others",
      "[DEFAULT]\nk=v\n[a]\n",
      [
        ["DEFAULT", { k: "v" }],
        ["a", {}],
      ],
    ],
    ["CRLF", "[a]\r\nk = v\r\n", [["a", { k: "v" }]]],
    ["bytes that are no UTF-8", "[\xff]\n\xfe = \x80\n", [["\xff", { "\xfe": "\x80" }]]],
  ];
  test.each(accepted)("%s", (_, text, sections) => {
    const ini = scan(text, "plain");
    expect(content(ini)).toEqual(sections);
    expect(problems(ini)).toEqual([]);
  });

  const refused: [string, string, string[]][] = [
    ["a section twice", "[a]\n[b]\n[a]\n", ["error 3:1 duplicate-section"]],
    ["[DEFAULT] twice", "[DEFAULT]\n[DEFAULT]\n", ["error 2:1 duplicate-section"]],
    ["a key twice", "[a]\nk=v\nk=w\n", ["error 3:1 duplicate-key"]],
    ["text before the first header", "k = v\n[a]\n", ["error 1:1 no-section"]],
    ["a line without '='", "[a]\nk: v\n", ["error 2:1 stray-text"]],
    ["a value without a key", "[a]\n= v\n", ["error 2:1 stray-text"]],
    ["text after a header", "[a] b\n", ["error 1:5 bad-header"]],
    ["a comment after a header, with a bracket", "[a]  # [b]\n", ["error 1:6 bad-header"]],
    ["a header without an end", "[a\nk = v\n", ["error 1:1 bad-header"]],
    ["a header without a name", "[]\nk = v\n", ["error 1:1 bad-header"]],
    ["a header in the lines of a value", "[a]\nk = v,\n  [b]\nl = w\n", ["error 3:3 bad-header"]],
    ["a control character", "[a]\nk = v\x1b[2J\n", ["error 2:6 control-character"]],
    ["a carriage return in a line", "[a]\nk = v\rl = w\n", ["error 2:6 control-character"]],
    ["an escape sequence in a comment", "# \x1b]0;x\x07\n", ["error 1:3 control-character"]],
    ["a NUL byte", "[a]\nk = \0v\n", ["error 2:5 nul-byte"]],
  ];
  test.each(refused)("refuses %s", (_, text, expected) => {
    expect(problems(scan(text, "plain"))).toEqual(expected);
  });

  test("the keys of a header that is wrong are no other section's", () => {
    expect(content(scan("[a]\nk = v\n[b\nl = w\n", "plain"))).toEqual([["a", { k: "v" }]]);
  });

  test("each line of a value has its position", () => {
    const [section] = scan("[a]\nk = one,\n\n    two,\n # c\n\tthree\n", "plain").sections;
    expect(section?.entries[0]?.pieces).toEqual([
      { line: 2, column: 5 },
      { line: 3, column: 1 },
      { line: 4, column: 5 },
      { line: 6, column: 2 },
    ]);
  });
});

describe("dialect py", () => {
  // Python's MAX_INTERPOLATION_DEPTH is 10, and a value without % is no level.
  const NAMES = Array.from({ length: 11 }, (_, level) => `k${level}`);
  const LEVELS = NAMES.slice(1)
    .map((name, level) => `k${level} = %(${name})s\n`)
    .join("");
  const accepted: [string, string, [string, Record<string, string>][]][] = [
    ["'=' and ':'", "[a]\nk: v=w\nl = x:y\n", [["a", { k: "v=w", l: "x:y" }]]],
    ["keys in small letters, sections as they are", "[A]\nKeY = V\n", [["A", { key: "V" }]]],
    [
      "keys that are indented alike",
      "[a]\n  k = v\n  l = w\n    x\n m = y\n",
      [["a", { k: "v", l: "w\nx", m: "y" }]],
    ],
    ["comments, indented too", "[a]\n  # c\n;c\nk = v ; w # x\n", [["a", { k: "v ; w # x" }]]],
    ["continuation lines", "[a]\nk = v,\n  w,\n\tx\nl = y\n", [["a", { k: "v,\nw,\nx", l: "y" }]]],
    ["comments and empty lines inside a value", "[a]\nk = v\n # c\n\n  w\n\n", [["a", { k: "v\n\nw" }]]],
    ["a header that is indented continues a value", "[a]\nk = v\n [b]\n", [["a", { k: "v\n[b]" }]]],
    ["[DEFAULT] is inherited and not listed", "[DEFAULT]\ng=x\nk=d\n[a]\nk=v\n", [["a", { k: "v", g: "x" }]]],
    ["[DEFAULT] at the end", "[a]\nk=v\n[DEFAULT]\ng=x\n", [["a", { k: "v", g: "x" }]]],
    ["a lone % is itself", "[a]\ncomment = 100% x\n", [["a", { comment: "100% x" }]]],
    ["%% and %(name)s as in Python", "[a]\nd = /x\nk = %(D)s/y 50%%\n", [["a", { d: "/x", k: "/x/y 50%" }]]],
    ["a name in UTF-8", "[a]\n\xc3\xa9 = x\nk = %(\xc3\xa9)s\n", [["a", { "\xc3\xa9": "x", k: "x" }]]],
    [
      "a name ten levels deep",
      `[a]\n${LEVELS}k10 = x\n`,
      [["a", Object.fromEntries(NAMES.map((k) => [k, "x"]))]],
    ],
    ["an unknown name is itself", "[a]\nk = %(d)s %%\n", [["a", { k: "%(d)s %%" }]]],
    ["a name that stands for itself", "[a]\nk = %(k)s\n", [["a", { k: "%(k)s" }]]],
    ["']' in a name", "[a]b] c\nk=v\n", [["a]b", { k: "v" }]]],
    ["all kinds of line ends", "[a]\r\nk = v\rl = w\n", [["a", { k: "v", l: "w" }]]],
  ];
  test.each(accepted)("%s", (_, text, sections) => {
    const ini = scan(text, "py");
    expect(content(ini)).toEqual(sections);
    expect(problems(ini)).toEqual([]);
  });

  const refused: [string, string, string[]][] = [
    ["a section twice", "[a]\n[b]\n[a]\n", ["error 3:1 duplicate-section"]],
    ["a key twice", "[a]\nk=v\nK=w\n", ["error 3:1 duplicate-key"]],
    ["a key twice over two [DEFAULT]", "[DEFAULT]\nk=v\n[DEFAULT]\nk=w\n", ["error 4:1 duplicate-key"]],
    ["text before the first header", "k = v\n[a]\n", ["error 1:1 no-section"]],
    ["a line without a delimiter", "[a]\nk\n", ["error 2:1 stray-text"]],
    ["a value without a key", "[a]\n= v\n", ["error 2:1 stray-text"]],
    [
      "all of them at once",
      "k\n[a]\nx\n[a]\n",
      ["error 1:1 no-section", "error 3:1 stray-text", "error 4:1 duplicate-section"],
    ],
  ];
  test.each(refused)("refuses %s", (_, text, expected) => {
    expect(problems(scan(text, "py"))).toEqual(expected);
  });

  test("nested references do not fill the memory", () => {
    const keys = Array.from({ length: 9 }, (_, i) => `k${i} = ${`%(k${i + 1})s`.repeat(200)}\n`).join("");
    expect(problems(scan(`[a]\n${keys}k9 = ${"v".repeat(1000)}\n`, "py"))).toEqual(["error 1:1 too-long"]);
  });

  test("items of a list have the right positions", () => {
    const entry = scan("[a]\npaths = x,\n   y, z\n", "py").sections[0]?.entries[0];
    expect(entry === undefined ? [] : listItems(entry)).toEqual([
      { file: "f", value: "x", line: 2, column: 9 },
      { file: "f", value: "y", line: 3, column: 4 },
      { file: "f", value: "z", line: 3, column: 7 },
    ]);
  });

  test("an empty list has no items", () => {
    const entry = scan("[a]\npaths =\n", "py").sections[0]?.entries[0];
    expect(entry === undefined ? undefined : listItems(entry)).toEqual([]);
  });
});
