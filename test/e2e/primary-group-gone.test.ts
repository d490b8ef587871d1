/** The primary group of users is gone from /etc/group, so that no login works: each tool tells it, and its command helps. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j2";
const FILE = "/etc/jailkit/jails.d/a.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const SHELL = "/usr/sbin/jk_chrootsh";

let m: Machine;
let groups = "";

const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const status = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ kind, subject, message, command }) => [kind, subject, message, command],
  );
const config = () =>
  reportOf(REPORT_SCHEMAS["jailkit config"], m.run(["jailkit", "config", "check", "--json"]).stdout)
    .findings.filter(({ severity }) => severity === "error")
    .map(({ line, code, message, remedy }) => [line, code, message, remedy]);
const applied = (...options: string[]) =>
  linesOf(m, ...options).summary.problems.map(({ path, code, message, remedy }) => [
    path,
    code,
    message,
    remedy,
  ]);
const checked = () =>
  m
    .run(["jk_check", J])
    .stdout.split("\n")
    .filter((line) => line.includes("group"));
const enters = (name: string) =>
  m.run([SHELL, "-c", "echo in"], { user: name, env: { USER: name } }).stdout === "in\n";

beforeAll(async () => {
  m = await openApplyMachine();
  groups = m.read("/etc/group");
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, JAIL + user("ann") + user("bob"));
  m.must(["jailkit", "apply"]);
  expect([enters("ann"), status(), config(), applied()]).toEqual([true, [], [], []]);
});
afterEach(() => {
  m.write("/etc/group", groups);
  for (const name of ["ann", "bob"]) m.must(["userdel", "-f", name]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

test.each([
  ["is gone", "/^users:/d", "users"],
  ["has another gid now", "s/^users:x:100:/users:x:4321:/", "g100"],
])("a group that %s", (_, script, name) => {
  sh(`sed -i '${script}' /etc/group`);
  expect(enters("ann")).toBe(false);
  const make = `groupadd -g 100 ${name}`;
  const said = (one: string) =>
    `'${one}' has gid 100, which is not a group: no login works; create it: ${make}`;
  const both = <T>(of: (one: string) => T) => ["ann", "bob"].map(of);
  for (const options of [["--check"], []])
    expect(applied(...options)).toEqual(both((one) => [one, "no-group", `user ${one}: ${said(one)}`, make]));
  expect(config()).toEqual(both((one) => [one === "ann" ? 3 : 6, "unknown-group", said(one), make]));
  expect(status()).toEqual(both((one) => ["no-group", one, said(one), make]));
  expect(checked()).toEqual([
    expect.stringContaining(`gid 100 of user ann is not a group of the real system: no login works`),
    `  remedy: ${make}`,
  ]);
  expect(m.run(["jk_jailuser", "--jail-side-only", "-j", J, "ann"]).stderr).toContain(said("ann"));
  expect(m.run(["jailkit", "explain", "ann"]).stdout).toContain("groupadd -g 100 ");
  sh(make);
  expect([applied(), config(), status(), checked()]).toEqual([[], [], [], []]);
  expect(both(enters)).toEqual([true, true]);
});

test("a user whom nothing declares: jailkit status and jk_check", () => {
  m.write(FILE, JAIL);
  sh(`sed -i '/^users:/d' /etc/group`);
  expect(status().map(([kind, subject, , command]) => [kind, subject, command])).toEqual(
    ["ann", "bob"].map((one) => ["no-group", one, "groupadd -g 100 users"]),
  );
});
