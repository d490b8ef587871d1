/** A jail in another one: what the users of that can do, and what the tools say of it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";

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
      expect.stringMatching(
        new RegExp(
          `^jailkit apply: warning: jail ${INNER}: ${RegExp.escape(SAYS)}\n.*passwd in\n.*passwd out\n$`,
        ),
      ),
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
    `jailkit apply: warning: jail ${INNER}: ${SAYS}\njailkit apply: warning: jail ${OUTER}: is not declared any more, and stays: it holds other things, such as 'deep': move them away, or keep all of it as it is with: jailkit apply --prune; jailkit forget ${OUTER}\n`,
  );
});

test("jk_check --fix of the outer one leaves the inner one alone, and says that it is there", () => {
  const before = m.snapshot(INNER);
  const { jails } = reportOf(checkReportSchema, m.run(["jk_check", "--json", OUTER]).stdout);
  expect(
    jails.flatMap((jail) => jail.findings).map(({ rule, path, message }) => [rule, path, message]),
  ).toEqual([["inner-jail", INNER, `${INNER} ${SAYS}; its contents were not checked with it`]]);
  m.run(["jk_check", "--fix", "-j", OUTER]);
  expect(m.snapshot(INNER)).toEqual(before);
  expect(m.run(["jk_check", INNER])).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

describe("jk_check passes over no directory that only looks like another jail", () => {
  const J = "/srv/shared";
  const HOME = `${J}/home/anna`;

  beforeAll(() => {
    m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
    m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", J, "--uid", "4002", "anna"]);
  });

  const found = () => check(m, J).found.map(({ rule, path, remedy }) => [rule, path, remedy]);
  const setuid = (path: string) =>
    ["others", "group", "user"].map((who) => [`setuid-for-${who}`, path, undefined]);

  test("a user who may rename a directory of root's to its name hides nothing in it", () => {
    // The account is of a jail that is gone.
    m.must(["useradd", "-M", "-d", `${HOME}/site/./home/x`, "x"]);
    m.mkdir(`${HOME}/log`, { mode: 0o777 });
    m.must(["cp", "/bin/true", `${HOME}/log/su`]);
    m.chown(`${HOME}/log/su`, 4002, 4002);
    m.chmod(`${HOME}/log/su`, 0o4755);
    expect(found().filter(([rule]) => rule?.startsWith("setuid"))).toHaveLength(3);
    m.must(["mkdir", `${HOME}/log/etc`], { user: "anna" });
    m.must(["touch", `${HOME}/log/etc/passwd`], { user: "anna" });
    m.must(["mv", "log", "site"], { user: "anna", cwd: HOME });
    expect(found()).toEqual(
      expect.arrayContaining([["inner-jail", `${HOME}/site`, undefined], ...setuid(`${HOME}/site/su`)]),
    );
    // Not by the record of a jail that was there either.
    m.remove(`${HOME}/site`);
    m.must(["userdel", "x"]);
    expect(found()).toEqual([]);
  });

  test("an account with a misplaced /./ hides no directory of the jail, and --fix leaves that alone", () => {
    m.must(["useradd", "-M", "-d", `${J}/usr/./x`, "y"]);
    m.must(["cp", "/bin/true", `${J}/usr/su`]);
    m.chmod(`${J}/usr/su`, 0o4755);
    const rules = found();
    expect(rules).toEqual(
      expect.arrayContaining([["inner-jail", `${J}/usr`, undefined], ...setuid(`${J}/usr/su`)]),
    );
    m.run(["jk_check", "--fix", J]);
    expect((m.stat(`${J}/usr/su`)?.mode ?? 0) & 0o7777).toBe(0o4755);
    m.must(["userdel", "y"]);
    m.run(["jk_check", "--fix", J]);
    expect((m.stat(`${J}/usr/su`)?.mode ?? 0) & 0o7777).toBe(0o755);
    m.must(["rm", `${J}/usr/su`]);
  });

  test("a jail whose record is damaged keeps its devices", () => {
    const inner = `${J}/deep/damaged`;
    m.must(["jk_init", "-j", inner, "basicshell"]);
    m.must(["mknod", `${inner}/dev/kmsg`, "c", "1", "11"]);
    const [record = ""] = m.must(["grep", "-l", inner, "-r", "/var/lib/jailkit/jails"]).stdout.split("\n");
    m.write(record, "{");
    const before = m.list(`${inner}/dev`);
    m.run(["jk_check", "--fix", J]);
    expect(m.list(`${inner}/dev`)).toEqual(before);
    expect(found().map(([rule, path]) => [rule, path])).toContainEqual(["inner-jail", inner]);
  });

  test("a jail that only jk_check.ini names keeps its devices", () => {
    const inner = `${J}/deep/old`;
    m.must(["jk_init", "-j", inner, "basicshell", "uidbasics"]);
    const records = m.must(["grep", "-l", `"${inner}"`, "-r", "/var/lib/jailkit/jails"]).stdout.trim();
    for (const file of records.split("\n")) m.remove(file);
    m.write("/etc/jailkit/jk_check.ini", `[${inner}/]\n`);
    const before = m.list(`${inner}/dev`);
    m.run(["jk_check", "--fix", J]);
    expect(m.list(`${inner}/dev`)).toEqual(before);
  });
});
