/** A jail in another one: what the users of that can do, and what the tools say of it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const OUTER = "/srv/outer";
const INNER = `${OUTER}/deep/inner`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const SAYS = `is inside the jail '${OUTER}', whose users can read what everybody may read in it, and reach its sockets: choose a place that is in no jail; to move a jail, see --moved in jailkit-adopt(8)`;
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  const user = (name: string, jail: string) => `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n`;
  const jail = (path: string) => `[jail ${path}]\nsections = basicshell\n`;
  m.write(FILE, jail(INNER) + jail(OUTER) + user("out", OUTER) + user("in", INNER));
});
afterAll(() => m?.close());

const findings = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json", FILE]).stdout).findings.map(
    ({ severity, line, code, message }) => [severity, line, code, message],
  );

test("apply and config check warn of it, in the same words, before it is there and later", () => {
  const warned = [["warning", 1, "inside-jail", `the jail '${INNER}' ${SAYS}`]];
  expect(findings()).toEqual(warned);
  const { status, stdout, stderr } = m.run(["jailkit", "apply", "--check"]);
  expect([status, stderr, stdout]).toEqual([
    ...[
      10,
      `jailkit apply: warning: jail ${INNER}: ${SAYS}\n`,
      expect.stringContaining("4 to change, 0 failed"),
    ],
  ]);
  expect(linesOf(m)).toMatchObject({
    status: 0,
    summary: { failed: 0, warnings: [`jail ${INNER}: ${SAYS}`] },
  });
  expect(linesOf(m, "--check")).toMatchObject({
    ...{ status: 0, changes: [], summary: { warnings: [`jail ${INNER}: ${SAYS}`] } },
  });
  expect(findings()).toEqual(warned);
});

test("the users of the outer one read what everybody may read in the inner one", () => {
  m.write(`${INNER}/home/in/open`, "mine", { owner: [m.ids("in").uid, m.ids("in").gid] });
  m.chmod(`${INNER}/home/in`, 0o755);
  const inside = (path: string) =>
    m.run(["jk_chrootlaunch", "-j", OUTER, "-u", "out", "-x", "/bin/cat", "--", path]);
  expect(inside("/deep/inner/home/in/open").stdout).toBe("mine");
  m.chmod(`${INNER}/home/in`, 0o700);
  expect(inside("/deep/inner/home/in/open").stdout).toBe("");
});

test("jk_init warns of it, for a jail that has a record", () => {
  const other = `${OUTER}/another`;
  const { warnings } = reportOf(
    populateReportSchema("jk_init"),
    m.run(["jk_init", "--json", "--dry-run", "-j", other, "basicshell"]).stdout,
  );
  expect(warnings).toContain(`${other} ${SAYS}`);
  expect(m.run(["jk_init", "--dry-run", "-j", other, "basicshell"]).stderr).toContain(
    `jk_init: warning: ${other} ${SAYS}\n`,
  );
});

test("a jail that is only declared, or only known, counts, and one beside another does not", () => {
  m.write(FILE, `[jail ${INNER}]\nsections = basicshell\n[jail ${OUTER}-2]\nsections = basicshell\n`);
  expect(findings().map(([, line, code]) => [line, code])).toEqual([[1, "inside-jail"]]);
  expect(m.run(["jailkit", "apply", "--check"]).stderr).toBe(
    `jailkit apply: warning: jail ${INNER}: ${SAYS}\n`,
  );
});

test("jk_check --fix of the outer one leaves the inner one alone, and says that it is there", () => {
  const before = m.snapshot(INNER);
  const { jails } = reportOf(checkReportSchema, m.run(["jk_check", "--json", OUTER]).stdout);
  expect(
    jails.flatMap((jail) => jail.findings).map(({ rule, path, message }) => [rule, path, message]),
  ).toEqual([["inner-jail", INNER, `${INNER} ${SAYS}`]]);
  m.run(["jk_check", "--fix", "-j", OUTER]);
  expect(m.snapshot(INNER)).toEqual(before);
  expect(m.run(["jk_check", INNER])).toMatchObject({ status: 0, stdout: "", stderr: "" });
});
