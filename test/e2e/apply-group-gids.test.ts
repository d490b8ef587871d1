/** A group of a jail that has another gid than on the host gets that of the host when an account joins it. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/c1.ini";
const JAIL = `[jail ${J}]\nsections = basicshell\n`;
const user = (name: string, groups = "team") =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\ngroups = ${groups}\n`;
const GROUP = `${J}/etc/group`;
const MEMBER = "+ user u1: groups team (it is not a member)";
const GAVE = `gave the group 'team' its gid 3339 in the jail's etc/group`;

let m: Machine;

const plan = () => linesOf(m, "--check").changes.map(({ text }) => text);
const groupsIn = (file: string) => m.read(file).match(/^team:.*\n/gm) ?? [];

/** The group is deleted, and made again with another gid. */
function makeAgain(): void {
  m.must(["groupdel", "team"]);
  m.must(["groupadd", "-g", "3339", "team"]);
}

/** Removes an account that is not declared any more. */
function remove(name: string): void {
  m.must(["userdel", "-f", name]);
  m.must(["jk_jailuser", "--jail-side-only", "--unjail", "-j", J, name]);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["groupdel", "team"]);
  m.must(["groupadd", "-g", "3338", "team"]);
  m.write(FILE, JAIL + user("u1"));
  m.must(["jailkit", "apply"]);
  expect([plan(), groupsIn(GROUP)]).toEqual([[], ["team:x:3338:u1\n"]]);
});

describe("a group that was made again", () => {
  test("apply gives it its gid, and says no step that it does not make", () => {
    makeAgain();
    expect(plan()).toEqual([MEMBER]);
    const { status, changes } = linesOf(m);
    expect([status, changes.map(({ status: done, steps }) => [done, steps.includes(GAVE)])]).toEqual([
      0,
      [["done", true]],
    ]);
    expect([plan(), groupsIn(GROUP), m.run(["jk_check", J]).stdout]).toEqual([[], ["team:x:3339:u1\n"], ""]);
  });

  test("for another account, which is new", () => {
    m.write(FILE, JAIL + user("u1") + user("u2"));
    makeAgain();
    expect(linesOf(m).status).toBe(0);
    expect([plan(), groupsIn(GROUP)]).toEqual([[], ["team:x:3339:u1,u2\n"]]);
    remove("u2");
  });

  test("by its gid, which is that of another group", () => {
    m.must(["groupadd", "-g", "8001", "old"]);
    m.write(FILE, JAIL + user("u1", "8001"));
    expect(linesOf(m).status).toBe(0);
    m.must(["groupmod", "-g", "8002", "old"]);
    m.must(["groupadd", "-g", "8001", "other"]);
    expect(linesOf(m).status).toBe(0);
    expect(plan()).toEqual([]);
    m.must(["groupdel", "other"]);
    m.must(["groupdel", "old"]);
  });

  test("jk_jailuser -G, which refuses that, prints a command that heals", () => {
    makeAgain();
    const words = ["jk_jailuser", "-n", "-G", "team", "-j", J, "u1"];
    const { status, stderr } = m.run(words);
    expect([status, groupsIn(GROUP)]).toEqual([1, ["team:x:3338:u1\n"]]);
    m.must(["sh", "-c", stderr.split("fix it with: ")[1] ?? "false"]);
    m.must(words);
    expect([plan(), groupsIn(GROUP)]).toEqual([[], ["team:x:3339:u1\n"]]);
  });
});

describe("a group that has left the host", () => {
  const groups = () => m.read(GROUP).match(/^(team|crew):.*$/gm) ?? [];
  const ends = () => {
    expect([plan(), linesOf(m, "--check", "--prune").changes]).toEqual([[], []]);
    expect(m.run(["jk_check", J]).stdout).not.toMatch(/team|crew/);
    m.run(["groupdel", "crew"]);
  };

  test("with another name now: the jail has that", () => {
    m.must(["groupmod", "-n", "crew", "team"]);
    m.write(FILE, JAIL + user("u1", "crew"));
    expect(plan()).toEqual(["+ user u1: groups crew (it is not a member in the jail)"]);
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(groups()).toEqual(["crew:x:3338:u1"]);
    ends();
  });

  test("the same, told once: the old name goes with that change, with and without --prune", () => {
    m.must(["groupmod", "-n", "crew", "team"]);
    m.write(FILE, JAIL + user("u1", "crew"));
    for (const options of [["--check"], ["--check", "--prune"], []]) {
      const { changes, summary } = linesOf(m, ...options);
      expect([changes.map(({ text }) => text), summary.noLongerDeclared]).toEqual([
        ["+ user u1: groups crew (it is not a member in the jail)"],
        [],
      ]);
    }
    expect([groups(), linesOf(m).summary.noLongerDeclared]).toEqual([["crew:x:3338:u1"], []]);
    ends();
  });

  test("with another name than the declared one: the old one is told, and --prune takes it out", () => {
    m.must(["groupmod", "-n", "crew", "team"]);
    m.must(["groupadd", "-g", "3337", "other"]);
    m.write(FILE, JAIL + user("u1", "other"));
    // What was declared in tests before is remembered, too.
    const told = expect.stringMatching(/^user u1: groups .*\bteam$/);
    expect(linesOf(m, "--check").summary.noLongerDeclared).toEqual([told]);
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(groups().join()).not.toMatch(/^team|u1/m);
    m.write(FILE, JAIL + user("u1").replace(/groups.*\n/, ""));
    expect(linesOf(m, "--prune").status).toBe(0);
    m.must(["groupdel", "other"]);
    ends();
  });

  test("and is not declared any more: --prune takes its line out", () => {
    m.must(["groupdel", "team"]);
    m.write(FILE, JAIL + user("u1").replace(/groups.*\n/, ""));
    const { status, changes } = linesOf(m, "--prune");
    expect([status, changes.map(({ text }) => text)]).toEqual([
      0,
      ["- user u1: groups team (no longer declared)"],
    ]);
    expect(groups()).toEqual([]);
    ends();
  });

  test("and another one has its gid", () => {
    m.must(["groupdel", "team"]);
    m.must(["groupadd", "-g", "3338", "crew"]);
    m.write(FILE, JAIL + user("u1", "crew"));
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(groups()).toEqual(["crew:x:3338:u1"]);
    ends();
  });
});

test("the primary group of a new account, with another gid or another name in the jail", () => {
  const names = ["n1", "n2"];
  for (const [index, script] of ["s/^users:x:100:/users:x:4321:/", "s/^users:/staffs:/"].entries()) {
    const name = names[index] ?? "";
    m.must(["sed", "-i", script, GROUP]);
    m.write(FILE, JAIL + ["u1", ...names.slice(0, index + 1)].map((one) => user(one)).join(""));
    expect(linesOf(m).status).toBe(0);
    expect(m.run(["su", "-", name, "-c", "true"]).status).toBe(0);
    expect(m.read(GROUP).match(/^(?:users|staffs):.*$/gm)).toEqual(["users:x:100:"]);
  }
});
