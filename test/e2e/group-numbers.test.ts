/** Numbers as groups: gids in all tools and in declarations, as useradd(8) and usermod(8) read them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/one.ini";
let m: Machine;
let next = 0;

const groupsOf = (name: string) => m.must(["id", "-Gn", name]).stdout.trim().split(" ");

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["groupadd", "-g", "4711", "proj"]);
  // Whatever groupadd(8) says, a name may be a number.
  m.write("/etc/group", `${m.read("/etc/group")}4711:x:4600:\n4622:x:4601:\n4602:x:4602:\n`);
});
afterAll(() => m?.close());

const NO_SUCH = "there is no group with the gid 4622: write another one, or the name of a group";
const BAD_NAME =
  "the name of the group '4711' (gid 4600) is a number, which useradd(8) and usermod(8) take for the gid of another: give it another name, with groupmod(8)";

describe("jk_jailuser -G, jk_addjailuser -G and -g", () => {
  const jailed = (option: string, word: string) => {
    const name = `u${next++}`;
    m.addUser(name, { createHome: true });
    return { name, result: m.run(["jk_jailuser", "-n", option, word, "-j", J, name]) };
  };
  const added = (option: string, word: string) => {
    const name = `u${next++}`;
    return { name, result: m.run(["jk_addjailuser", option, word, J, name]) };
  };

  test.each([
    [jailed, "-G"],
    [added, "-G"],
    [added, "-g"],
  ])("%p %s", (run, option) => {
    // Not the group of that name.
    const { name, result } = run(option, "4711");
    expect([result.status, groupsOf(name).includes("proj"), groupsOf(name).includes("4711")]).toEqual([
      ...[0, true, false],
    ]);
    const same = run(option, "4602");
    expect([same.result.status, groupsOf(same.name).includes("4602")]).toEqual([0, true]);
    for (const [word, said] of [
      ["4622", NO_SUCH],
      ["99999999999", "there is no group with the gid 99999999999: write"],
      ["4600", BAD_NAME],
    ] as const) {
      const before = m.read("/etc/group");
      const { result: refused } = run(option, word);
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(said)]);
      expect(m.read("/etc/group").replace(/^u\d+:.*\n/gm, "")).toBe(before.replace(/^u\d+:.*\n/gm, ""));
    }
  });
});

describe("a declaration", () => {
  const declare = (groups: string) =>
    m.write(FILE, `[user decl]\njail = ${J}\nshell = /bin/bash\ngroups = ${groups}\n`);
  const findings = () =>
    reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json", FILE]).stdout).findings;

  test.each([
    ["4622", NO_SUCH],
    ["4600", BAD_NAME],
  ])("with %s is refused with the same words", (word, said) => {
    declare(`team, ${word}`);
    expect(findings().map(({ code, message }) => [code, message])).toEqual([["unknown-group", said]]);
    const { status, summary } = linesOf(m);
    expect([status, summary.problems.map(({ message }) => message)]).toEqual([1, [`user decl: ${said}`]]);
  });

  test("with the gid of administrators is a warning", () => {
    declare("27");
    expect(findings().map(({ severity, message }) => [severity, message])).toEqual([
      ["warning", "a member of the group 'sudo' can become root on most machines"],
    ]);
  });

  test("with the gid of a group makes a member of it, once", () => {
    declare("team, 4711");
    expect(findings()).toEqual([]);
    expect(linesOf(m).status).toBe(0);
    expect(groupsOf("decl").sort()).toEqual(["proj", "team", "users"]);
    expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
    // One of a directory is told by name, too.
    m.remove(FILE);
  });
});
