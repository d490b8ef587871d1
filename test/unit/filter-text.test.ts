/** How the files of config/filters/ are read, and what is refused in them. */
import { describe, expect, test } from "bun:test";
import { compileFilter } from "../../build/filters/libseccomp.ts";
import { FilterError, parseFilter } from "../../build/filters/text.ts";

const parse = (text: string) => parseFilter(text, "x.filter");
const conditionOf = (text: string) =>
  parse(`default allow\nioctl EPERM ${text}`).rules[0]?.conditions[0]?.anyOf;

test("a file: comments, a default, rules, and 32-bit programs if it says so", () => {
  const text = "# text\n\ndefault EPERM # more\nread   allow\nsocket kill 0:int == 0x1, 2:long == 7\n";
  expect(parse(text)).toEqual({
    otherwise: { errno: 1 },
    narrow: false,
    rules: [
      { call: "read", action: "allow", conditions: [], line: 4 },
      {
        call: "socket",
        action: "kill",
        conditions: [
          { argument: 0, anyOf: [{ is: "equal", mask: 0xffffffffn, value: 1n }] },
          { argument: 2, anyOf: [{ is: "equal", mask: 0xffffffffffffffffn, value: 7n }] },
        ],
        line: 5,
      },
    ],
  });
  expect(parse("default allow\n32-bit too\n").narrow).toBe(true);
});

describe("conditions", () => {
  test("a range is as few blocks as it needs, and they are exact", () => {
    const blocks = conditionOf("1:int in 3-9 17") ?? [];
    expect(blocks).toHaveLength(4);
    const holds = (value: bigint) =>
      blocks.some((one) => one.is === "equal" && (value & one.mask) === one.value);
    for (let value = 0n; value < 40n; value++)
      expect(holds(value)).toBe((value >= 3n && value <= 9n) || value === 17n);
    expect(holds(3n + (1n << 31n))).toBe(false);
    // Above an int nothing counts.
    expect(holds(3n + (1n << 32n))).toBe(true);
  });

  test("bits", () => {
    expect(conditionOf("1:long any 0x5")).toEqual([
      { is: "equal", mask: 1n, value: 1n },
      { is: "equal", mask: 4n, value: 4n },
    ]);
    expect(conditionOf("1:int none 0x5")).toEqual([{ is: "equal", mask: 5n, value: 0n }]);
    expect(conditionOf("1:0xf == 5")).toEqual([{ is: "equal", mask: 15n, value: 5n }]);
    expect(conditionOf("1:long != 5")).toEqual([{ is: "different", value: 5n }]);
  });
});

describe("refused, with file and line", () => {
  const faults: [line: string, message: string][] = [
    ["read", "read: no rule"],
    ["read EWHAT", "EWHAT: neither allow, kill, nor the name of an error"],
    ["Read EPERM", "Read EPERM: no rule"],
    ["read EPERM 6:int == 1", "6:int == 1: no condition"],
    ["read EPERM 1:short == 1", "1:short == 1: no condition"],
    ["read EPERM 1:int == 0x100000000", "0x100000000: too large for the argument"],
    ["read EPERM 1:0xf in 4-16", "4-16: no range of such an argument"],
    ["read EPERM 1:0xf0 in 1-2", "1-2: no range of such an argument"],
    ["read EPERM 1:int in 5-4", "5-4: no range of such an argument"],
    ["read EPERM 1:int == x", "x: no number"],
    ["read EPERM 1:int == -1", "-1: no number"],
    ["read EPERM 1:int == 1 2", "2: one value is enough for =="],
    ["read EPERM 1:int any 0", "0: has no bit"],
    ["read EPERM 1:long none 0x0", "0x0: has no bit"],
    ["read EPERM 1:int != 1", "!=: unknown, or not for such an argument"],
    ["read EPERM 1:int > 1", ">: unknown, or not for such an argument"],
    [
      "read EPERM 1:int == 1, 1:int == 2",
      "read EPERM 1:int == 1, 1:int == 2: two conditions on one argument",
    ],
    ["write EACCES", "write: has a rule without conditions, and another rule"],
    ["write EPERM 1:int == 1", "write: has a rule without conditions, and another rule"],
    ["lseek EACCES 1:int == 2", "lseek: has two actions"],
    ["default kill", "a second default"],
  ];
  test.each(faults)("%s", (line, message) => {
    const text = `default allow\nwrite EPERM\nlseek EPERM 1:int == 1\n${line}\n`;
    expect(() => parse(text)).toThrow(new FilterError(`x.filter:4: ${message}`));
  });

  test("a file without a default", () => {
    expect(() => parse("read EPERM\n")).toThrow(new FilterError("x.filter: has no default"));
  });

  test("a call that libseccomp does not know", () => {
    const filter = parse("default allow\n\nfrobnicate EPERM\n");
    expect(() => compileFilter(filter, "x64", "x.filter")).toThrow(
      new FilterError("x.filter:3: libseccomp knows no call frobnicate"),
    );
  });

  test("a rule that does what happens anyway", () => {
    const filter = parse("default allow\nread allow\n");
    expect(() => compileFilter(filter, "x64", "x.filter")).toThrow(/^x\.filter:2: libseccomp says -\d+$/);
  });
});
