/** What a login compares as text, in the account files of the host and of the jail, is compared so by all tools. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/c1.ini";
const DECLARED = `[jail ${J}]\nsections = basicshell\n[user u1]\njail = ${J}\nshell = /bin/bash\ngroups = team\n`;
const FILES = ["/etc/passwd", "/etc/group", `${J}/etc/passwd`, `${J}/etc/group`];

let m: Machine;
let before: readonly string[];

const login = () => m.run(["su", "-", "u1", "-c", "true"]).status;
const plan = () => linesOf(m, "--check").changes.map(({ text }) => text);
const edit = (script: string, file: string) => m.must(["sed", "-i", script, file]);

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  before = FILES.map((file) => m.read(file));
});
afterAll(() => m?.close());
beforeEach(() => {
  for (const [index, file] of FILES.entries()) m.write(file, before[index] ?? "");
  expect([plan(), login()]).toEqual([[], 0]);
});

/** One run of apply heals it. */
function healsAtOnce(): void {
  expect(linesOf(m).status).toBe(0);
  expect([plan(), login(), m.run(["jk_check", J]).stdout]).toEqual([[], 0, ""]);
}

describe("a home of the host that is written in another way", () => {
  const WHY = "no login works with a home that is so written";
  test.each([
    [`${J}/.//home/u1`, 39],
    [`${J}/./home//u1`, 39],
    ["/srv//c1/./home/u1", 21],
    [`${J}/././home/u1`, 21],
    ["/srv/../srv/c1/./home/u1", 21],
  ])("%s", (home, status) => {
    edit(`s#^\\(u1:.*\\):${J}/./home/u1:#\\1:${home}:#`, "/etc/passwd");
    expect(login()).toBe(status);
    expect(plan()).toEqual([`~ user u1: account ${home} -> ${J}/./home/u1 (${WHY})`]);
    const remedy = `usermod -d ${J}/./home/u1 u1`;
    expect(m.run(["jk_check", J]).stdout).toContain(remedy);
    expect(m.run(["jailkit", "explain", "u1"]).stdout).toContain(remedy);
    const side = m.run(["jk_jailuser", "--jail-side-only", "-j", J, "u1"]);
    expect([side.status, side.stderr]).toEqual([
      0,
      `jk_jailuser: warning: u1 cannot log in with a home that is written '${home}'; fix it with: ${remedy}\n`,
    ]);
    healsAtOnce();
  });

  test.each(["/srv/a/../c1/./home/u1", "/srv/.//c1/./home/u1", "/srv/a/b/../../c1//././home/u1"])(
    "every tool counts %s as one in the jail",
    (home) => {
      edit(`s#^\\(u1:.*\\):${J}/./home/u1:#\\1:${home}:#`, "/etc/passwd");
      const { jails } = reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout);
      expect(jails.map(({ path, users }) => [path, users.map(({ name }) => name)])).toEqual([[J, ["u1"]]]);
      for (const command of ["delete --yes", "forget"]) {
        const { status, stderr } = m.run(["sh", "-c", `jailkit ${command} ${J}`]);
        expect([status, stderr]).toEqual([1, expect.stringContaining("users live in it (u1)")]);
      }
      const remedy = `usermod -d ${J}/./home/u1 u1`;
      expect(m.run(["jk_check", J]).stdout).toContain(remedy);
      expect(m.run(["jk_check"]).stdout).not.toContain("/srv/a");
      const out = m.run(["jk_jailuser", "--unjail", "--dry-run", "-s", "/bin/sh", "-j", J, "u1"]);
      expect(out).toMatchObject({ status: 0, stderr: "" });
      expect(m.run(["jailkit", "explain", "u1"]).stdout).toContain(remedy);
      healsAtOnce();
    },
  );

  test("what a login takes is as declared", () => {
    edit(`s#^\\(u1:.*\\):${J}/./home/u1:#\\1:${J}//./home/u1/:#`, "/etc/passwd");
    expect([login(), plan()]).toEqual([0, []]);
    // The same text on both sides.
    edit(`s#^\\(u1:.*\\):${J}//./home/u1/:#\\1:${J}/./home//u1:#`, "/etc/passwd");
    edit("s#:/home/u1:#:/home//u1:#", `${J}/etc/passwd`);
    expect([login(), plan()]).toEqual([0, []]);
  });

  test("with another home in the jail, and another shell there", () => {
    edit(`s#^\\(u1:.*\\):${J}/./home/u1:#\\1:${J}/./home//u1:#`, "/etc/passwd");
    edit("s#:/home/u1:/bin/bash#:/home/./u1:/bin/sh#", `${J}/etc/passwd`);
    expect(login()).toBe(39);
    healsAtOnce();
  });
});

test("a home in the jail that is written in another way", () => {
  edit("s#:/home/u1:#:/home//u1:#", `${J}/etc/passwd`);
  expect(login()).toBe(39);
  expect(plan()).toEqual(["~ user u1: entry (the jail's etc/passwd contradicts the account)"]);
  healsAtOnce();
});

test.each([
  ["in the jail", () => edit("s/^users:/staffs:/", `${J}/etc/group`)],
  ["on the host", () => edit("s/^users:/staffs:/", "/etc/group")],
])("the primary group with another name %s", (_, change) => {
  change();
  expect(login()).toBe(37);
  expect(plan()).toEqual(["~ user u1: entry (its group is not in the jail's etc/group)"]);
  healsAtOnce();
});
