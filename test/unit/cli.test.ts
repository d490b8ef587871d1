import { describe, expect, test } from "bun:test";
import { utf8 } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { display, jsonText } from "../../src/cli/display.ts";
import { describeError, JailkitError, UsageError } from "../../src/cli/error.ts";
import { getopt } from "../../src/cli/getopt.ts";
import { optionRows, renderHelp } from "../../src/cli/help.ts";
import { jsonDocument, jsonLine } from "../../src/cli/output.ts";
import { table as columns, fit } from "../../src/cli/table.ts";
import { defineTool } from "../../src/cli/tool.ts";
import { VERSION } from "../../src/cli/version.ts";

const table = {
  jail: { short: "j", value: "JAIL", description: "the jail" },
  skip: { short: "s", value: "PATH", repeat: true, description: "skip it" },
  verbose: { short: "v", description: "say more" },
  force: { short: "f", description: "replace" },
  forgive: { description: "another that begins with forc, nearly" },
} as const;

const parse = (...words: string[]) => {
  const { options, operands } = getopt(words, table);
  return [options.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`)), operands];
};

describe("getopt_long's grammar", () => {
  test.each([
    [
      ["-v", "-f", "x"],
      [["verbose", "force"], ["x"]],
    ],
    [
      ["-vf", "x"],
      [["verbose", "force"], ["x"]],
    ],
    [
      ["-vj/srv", "x"],
      [["verbose", "jail=/srv"], ["x"]],
    ],
    [
      ["-j", "-v", "x"],
      [["jail=-v"], ["x"]],
    ],
    [["--jail=/s=t"], [["jail=/s=t"], []]],
    [
      ["--jail", "/s"],
      [["jail=/s"], []],
    ],
    [["--jail="], [["jail="], []]],
    [
      ["--ja=/s", "--verb"],
      [["jail=/s", "verbose"], []],
    ],
    [
      ["x", "-v", "y"],
      [["verbose"], ["x", "y"]],
    ],
    [
      ["-v", "--", "-f", "--"],
      [["verbose"], ["-f", "--"]],
    ],
    [
      ["-", "-s1", "-s", "2"],
      [["skip=1", "skip=2"], ["-"]],
    ],
    [["-j\xff\x01"], [["jail=\xff\x01"], []]],
  ])("%j", (words, expected) => {
    expect(parse(...words)).toEqual(expected);
  });

  test.each([
    [["--nope"], "unrecognized option '--nope'"],
    [["-x"], "invalid option -- 'x'"],
    [["--for"], "option '--for' is ambiguous; possibilities: '--force' '--forgive'"],
    [["--verbose=1"], "option '--verbose' does not take an argument"],
    [["-j"], "option '-j' needs an argument"],
    [["--jail"], "option '--jail' needs an argument"],
    [["--\x1b[31m"], "unrecognized option '--\\x1b[31m'"],
    [["--=x"], "unrecognized option '--'"],
  ])("%j is refused", (words, message) => {
    expect(() => parse(...words)).toThrow(new UsageError(message));
  });

  test("options end at the first operand if the tool requires it", () => {
    expect(getopt(["-v", "prog", "-f"], table, true).operands).toEqual(["prog", "-f"]);
  });
});

describe("a tool", () => {
  const seen: unknown[] = [];
  const tool = defineTool({
    name: "jk_example",
    summary: "An example.",
    synopsis: ["[-v] -j JAIL"],
    options: table,
    exitStatus: { 0: "done" },
    badOptionStatus: 7,
    run({ options, operands }) {
      seen.push(options.jail, options.skip, options.verbose, options.force, operands);
      return 3;
    },
  });

  test("gets typed values with unchanged bytes", async () => {
    expect(await tool.main(["-j", "/\xe9", "--skip=a", "-s", "b", "-v", "op"])).toBe(3);
    expect(seen).toEqual(["/\xe9", ["a", "b"], true, false, ["op"]]);
  });

  test("help names every option once", () => {
    const text = renderHelp(tool);
    for (const [left] of optionRows(tool.options)) expect(text.split(left)).toHaveLength(2);
    expect(text).toStartWith("Usage: jk_example [-v] -j JAIL\n");
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe("display", () => {
  test.each([
    ["plain text", "plain text"],
    [utf8("caf\u00e9 \u20ac \u{1f600}"), utf8("caf\u00e9 \u20ac \u{1f600}")],
    ["a\nb\tc\x1b[31m", "a\\nb\\tc\\x1b[31m"],
    ["back\\slash", "back\\\\slash"],
    ["\xff\xe9x", "\\xff\\xe9x"],
    [utf8("\u202egnp.exe"), "\\xe2\\x80\\xaegnp.exe"],
    [utf8("\u0085"), "\\xc2\\x85"],
    ["\xc0\x80", "\\xc0\\x80"],
  ])("%j", (given, expected) => {
    expect(display(given)).toBe(expected);
  });

  test("no character that turns text or is shown as nothing is left as it is", () => {
    const left: string[] = [];
    for (let code = 0x80; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      if (!/[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cc}]/u.test(character))
        continue;
      if (!/^(?:\\x[0-9a-f]{2}){2,4}$/.test(display(utf8(character)))) left.push(code.toString(16));
    }
    expect(left).toEqual([]);
  });

  test("an error message is not escaped twice, and no control byte reaches a terminal", () => {
    const message = `${display("/a\nb\\c\xff")}: is \x1b[31m`;
    expect(describeError(new JailkitError("failed", 1, message))).toBe("/a\\nb\\\\c\\xff: is \\x1b[31m");
    expect(describeError(new SystemError(2, "open", "/a\nb"))).toBe(
      "/a\\nb: open: No such file or directory",
    );
  });

  test("JSON keeps every byte", () => {
    expect(jsonText(utf8("\u20ac"))).toBe("\u20ac");
    expect(jsonText(utf8("a\ufeffb"))).toBe("a\ufeffb");
    expect(JSON.stringify(jsonText("a\xff"))).toBe('"a\\udcff"');
  });

  test("no character in JSON ends a line, is a command of a terminal, or turns or hides text", () => {
    const name = "a\n\v\x1cb\x7f\x85\x9b\u2028\u2029\u20ac\u202e\u2066\u200b\u{e0001}\u{1f600}\u3164";
    const escaped =
      "a\\n\\u000b\\u001cb\\u007f\\u0085\\u009b\\u2028\\u2029\u20ac\\u202e\\u2066\\u200b\\udb40\\udc01\u{1f600}\\u3164";
    for (const text of [jsonLine({ [name]: name }), jsonDocument({ [name]: name })]) {
      expect(text).toMatch(
        new RegExp(`"${RegExp.escape(utf8(escaped))}": ?"${RegExp.escape(utf8(escaped))}"`),
      );
      expect(JSON.parse(Buffer.from(text, "latin1").toString())).toEqual({ [name]: name });
    }
  });
});

test("the version is that of the package", async () => {
  const { version } = await Bun.file(`${import.meta.dir}/../../package.json`).json();
  expect(VERSION).toBe(version);
});

test("a table aligns columns, not bytes or characters, and cuts between these", () => {
  const name = utf8("/srv/\u00e9\u4e2d");
  const rows = [
    ["JAIL", "STATE", "SIZE"],
    [name, "ok", "7"],
    ["/srv/abc", "", "1000"],
  ];
  expect(columns(rows, 2)).toEqual([
    "JAIL      STATE  SIZE",
    `${name}  ok        7`,
    "/srv/abc         1000",
  ]);
  expect([fit(name, 6), fit(name, 9), fit("abc", 2)]).toEqual([utf8("/srv/\u00e9"), `${name} `, "ab"]);
});
