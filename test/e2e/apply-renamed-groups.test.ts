/** A group that groupmod(8) has renamed is the one that apply gave to an account: by its gid. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/one.ini";
const ONCE = "/var/lib/jailkit/declared.json";
const NO_GROUPS = `[user ann]\njail = ${J}\nshell = /bin/bash\n`;
const declare = (groups: string) => m.write(FILE, `${NO_GROUPS}groups = ${groups}\n`);
const groupsOf = () => m.must(["id", "-Gn", "ann"]).stdout.trim().split(" ").slice(1).sort();
const inside = () => m.read(`${J}/etc/group`).match(/^(team|crew|ops):.*$/gm) ?? [];

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "basicshell"]);
});
afterAll(() => m?.close());
beforeEach(() => {
  for (const name of ["team", "crew", "ops"]) m.run(["groupdel", name]);
  for (const [at, name] of ["team", "ops"].entries()) m.must(["groupadd", "-g", `${3401 + at}`, name]);
  m.write(FILE, NO_GROUPS);
  m.must(["jailkit", "apply", "--prune"]);
  declare("team");
  m.must(["jailkit", "apply"]);
  expect([groupsOf(), did(m, "--check")]).toEqual([["team"], []]);
});

/** What was remembered is as an earlier version wrote it. */
const withoutIds = () => m.write(ONCE, m.read(ONCE).replace(/"groupIds":\[[^\]]*\],/g, ""));

test("and is not declared any more: --prune takes it away by the name that it has now", () => {
  m.must(["groupmod", "-n", "crew", "team"]);
  m.write(FILE, NO_GROUPS);
  expect(linesOf(m).summary.noLongerDeclared).toEqual(["user ann: groups team, crew"]);
  expect(did(m, "--prune")).toEqual(["done - user ann: groups team, crew (no longer declared)"]);
  expect([groupsOf(), inside(), did(m, "--prune")]).toEqual([[], [], []]);
  // What an administrator adds is none of apply.
  m.must(["gpasswd", "-a", "ann", "crew"]);
  expect([did(m, "--prune"), groupsOf()]).toEqual([[], ["crew"]]);
});

test("twice, with runs in between, and the account goes", () => {
  m.must(["groupmod", "-n", "crew", "team"]);
  m.write(FILE, NO_GROUPS);
  expect(linesOf(m).status).toBe(0);
  m.must(["groupmod", "-n", "crew2", "crew"]);
  expect(linesOf(m).status).toBe(0);
  m.write(FILE, "");
  expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
  expect(m.read("/etc/group")).toMatch(/^crew2:x:3401:$/m);
  m.must(["groupdel", "crew2"]);
});

test("and the names of two were exchanged", () => {
  m.must(["groupmod", "-n", "tmp", "team"]);
  m.must(["groupmod", "-n", "team", "ops"]);
  m.must(["groupmod", "-n", "ops", "tmp"]);
  expect(linesOf(m, "--prune").status).toBe(0);
  expect([groupsOf(), did(m, "--prune")]).toEqual([["team"], []]);
  expect(m.must(["id", "-G", "ann"]).stdout).toContain("3402");
});

test("and is declared by the name of before: apply and config check name the one of now", () => {
  declare("team, jailed");
  m.must(["jailkit", "apply"]);
  m.must(["groupmod", "-n", "crew", "team"]);
  const remedy = `write in line 4 of ${FILE}:\ngroups = crew, jailed`;
  const message = "there is no group 'team': the one that was has the name 'crew' now";
  const { status, summary } = linesOf(m, "--prune");
  expect(status).toBe(1);
  expect(summary.problems).toMatchObject([
    { code: "no-such-group", message: expect.stringContaining(message), line: 4, remedy },
  ]);
  expect(groupsOf()).toEqual(["crew", "jailed"]);
  const { findings } = reportOf(
    configReportSchema,
    m.run(["jailkit", "config", "check", "--json", FILE]).stdout,
  );
  expect(findings).toMatchObject([{ code: "unknown-group", message, remedy }]);
  expect(m.run(["jailkit", "apply", "--check"]).stderr).toContain("groups = crew, jailed");
  declare("crew, jailed");
  expect(linesOf(m).status).toBe(0);
  expect([groupsOf(), did(m, "--prune")]).toEqual([["crew", "jailed"], []]);
  expect(inside()).toContain("crew:x:3401:ann");
});

test("a group that was deleted is forgotten: another one with its gid is not it", () => {
  m.must(["groupdel", "team"]);
  m.write(FILE, NO_GROUPS);
  expect(linesOf(m).status).toBe(0);
  m.must(["groupadd", "-g", "3401", "-U", "ann", "crew"]);
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(groupsOf()).toEqual(["crew"]);
});

test("what an earlier version remembered has no gids, and is read", () => {
  withoutIds();
  m.must(["groupmod", "-n", "crew", "team"]);
  expect(linesOf(m).summary.problems).toMatchObject([{ code: "no-such-group" }]);
  declare("crew");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.read(ONCE)).toContain('"groupIds":[{"name":"crew","gid":3401}]');
});

test("and is deleted, and another group gets its gid: nothing says that this one was meant", () => {
  m.must(["groupdel", "team"]);
  m.must(["groupadd", "-g", "3401", "crew"]);
  const [problem, ...more] = linesOf(m).summary.problems;
  expect([problem, more]).toMatchObject([{ code: "no-such-group", path: "ann" }, []]);
  const { findings } = reportOf(
    configReportSchema,
    m.run(["jailkit", "config", "check", "--json", FILE]).stdout,
  );
  expect(findings).toMatchObject([{ code: "unknown-group" }]);
  expect(JSON.stringify([problem, findings])).not.toContain("crew");
  expect(groupsOf()).toEqual([]);
});
