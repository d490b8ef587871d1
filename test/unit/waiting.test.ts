import { describe, expect, test } from "bun:test";
import { waitingLine } from "../../src/cli/waiting.ts";
import { inTime, SLOWEST_ANSWER_MS } from "../../src/system/accounts.ts";

describe("the line about a look-up that waits", () => {
  test.each([
    ["getpwnam", "anna", "the user 'anna'"],
    ["getpwuid", "7001", "the user with the uid '7001'"],
    ["getgrnam", "web", "the group 'web'"],
    ["getgrgid", "7001", "the group with the gid '7001'"],
    ["getgrouplist", "anna", "the groups of 'anna'"],
    ["getspnam", "anna", "the password of 'anna'"],
    ["getpwnam", "a\x1b[2J\nb", "the user 'a\\x1b[2J\\nb'"],
  ])("%s %j", (call, key, what) => {
    expect(waitingLine("jk_x", call, key)).toBe(
      `jk_x: still waiting for the name services (/etc/nsswitch.conf), now for ${what}\n`,
    );
  });

  test.each([
    ["7", "the process 7, whose user keeps others from looking at it; to end it: kill -KILL 7"],
    ["", "a process whose user keeps others from looking at it"],
  ])("the process %j", (key, what) => {
    expect(waitingLine("jk_x", "process", key)).toBe(`jk_x: still waiting for ${what}\n`);
  });

  test("fits into its buffer, also as JSON, however long the name is", () => {
    const line = waitingLine("jk_x", "getpwnam", "\xff".repeat(10_000));
    expect(JSON.stringify({ notice: line }).length).toBeLessThan(4096);
  });
});

describe("an answer that there is nothing", () => {
  const after = (milliseconds: number) => {
    const times = [0, milliseconds];
    return () => times.shift() ?? 0;
  };
  test("counts as none if it takes half a minute", () => {
    expect(inTime(() => undefined, after(SLOWEST_ANSWER_MS - 1))).toBeUndefined();
    expect(() => inTime(() => undefined, after(SLOWEST_ANSWER_MS))).toThrow("timed out");
  });
  test("an account that is found counts, however long that takes", () => {
    expect(inTime(() => "anna", after(10 * SLOWEST_ANSWER_MS))).toBe("anna");
  });
});
