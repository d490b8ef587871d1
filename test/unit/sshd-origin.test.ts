/** Where a login comes from, as patterns of sshd name it, and what sshd says of addresses that it turns away. */
import { describe, expect, test } from "bun:test";
import { countSteps } from "../../src/explain/sshd/counts.ts";
import { namesOrigin } from "../../src/system/sshd/origin.ts";
import { matchesPattern, parseSshdSettings } from "../../src/system/sshd/settings.ts";

describe("a list of origins", () => {
  test.each([
    ["10.1.2.3", "10.1.2.3", true],
    ["10.0.0.0/8", "10.1.2.3", true],
    ["10.0.0.0/8", "11.1.2.3", false],
    ["10.1.2.0/23", "10.1.4.0", false],
    ["10.1.2.0/23", "10.1.3.0", true],
    ["10.1.2.0/23,*", "10.1.3.0", true],
    ["0.0.0.0/0", "10.1.2.3", true],
    ["::/0", "10.1.2.3", false],
    ["10.*", "10.1.2.3", true],
    ["!10.1.2.3,*", "10.1.2.3", false],
    ["!10.1.2.0/24,10.*", "10.1.3.3", true],
    ["10.1.2.3/8,*", "10.1.2.3", false],
    ["10.1.2.3/33,*", "10.1.2.3", false],
    ["", "10.1.2.3", false],
    ["10.1.2.3,,*", "10.1.2.3", false],
    ["2001:db8::/32", "2001:DB8:1::2", true],
    ["2001:db8::1", "2001:db8:0:0:0:0:0:1", true],
    ["2001:db8::/32", "2001:db9::", false],
    ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true],
    ["2001:db8::1::/32", "2001:db8::1", false],
    ["2001:DB8:*", "2001:db8::1", true],
    ["300.1.2.3", "10.1.2.3", false],
    ["localhost", "127.0.0.1", false],
  ])("%j for %s: %p", (list, from, expected) => {
    expect(namesOrigin(list, from, false)).toBe(expected);
  });

  test("names of hosts, if sshd looks them up", () => {
    expect(namesOrigin("localhost", "127.0.0.1", true)).toBeUndefined();
    expect(namesOrigin("!localhost,127.0.0.1", "127.0.0.1", true)).toBeUndefined();
    expect(namesOrigin("127.0.0.1,!10.0.0.1", "127.0.0.1", true)).toBe(true);
    expect(namesOrigin("10.0.0.1", "127.0.0.1", true)).toBe(false);
  });

  test("without an address", () => {
    expect(namesOrigin("*", undefined, false)).toBe(true);
    expect(namesOrigin("10.0.0.0/8", undefined, false)).toBeUndefined();
    expect(namesOrigin("10.0.0.1/8", undefined, false)).toBe(false);
  });
});

test("patterns, also one of a user that can fail in many ways", () => {
  for (const [text, pattern] of [
    ...[
      ["abc", "abc"],
      ["abc", "a*"],
      ["abc", "*c"],
      ["abc", "?b?"],
      ["", "*"],
      ["aXbXc", "a*X*c"],
      ["a.b", "*.b"],
    ],
  ])
    expect([pattern, matchesPattern(text ?? "", pattern ?? "")]).toEqual([pattern, true]);
  for (const [text, pattern] of [
    ["abc", "ab"],
    ["abc", "?"],
    ["axb", "a.b"],
    ["", "?"],
    ["abcd", "a*c"],
  ])
    expect([pattern, matchesPattern(text ?? "", pattern ?? "")]).toEqual([pattern, false]);
  expect(matchesPattern("1".repeat(40), `${"*1".repeat(39)}x`)).toBe(false);
});

describe("addresses that sshd rejects", () => {
  const penalties = "persourcepenalties crash:90 authfail:5 max:600 min:15\npersourcepenaltyexemptlist";
  const told = (text: string, from?: string) =>
    countSteps(parseSshdSettings(text), from).map(({ message }) => message);
  test.each([
    ["persourcepenalties no\n", undefined],
    ["", undefined],
    [`${penalties} 10.0.0.0/8\n`, "10.1.2.3"],
  ])("none: %j, %p", (text, from) => {
    expect(told(text, from)).toEqual([]);
  });
  test.each([
    [`${penalties} none\n`, undefined, "refuses an address for up to 600 seconds"],
    [`${penalties} none\n`, "10.1.2.3", "refuses 10.1.2.3, like any address, for up to 600 seconds"],
    [`${penalties} 10.0.0.0/8\n`, "11.1.2.3", "refuses 11.1.2.3"],
    [`${penalties} 10.0.0.0/8\n`, undefined, "refuses an address"],
  ])("%j, %p", (text, from, expected) => {
    expect(told(text, from)).toEqual([expect.stringContaining(expected)]);
  });
});
