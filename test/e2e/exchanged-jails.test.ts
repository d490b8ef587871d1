/** Declared jails that have exchanged their paths: each tool says what `jailkit apply` says, and none works in them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { errorReportSchema } from "../../src/cli/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const DECLARED = `[jail ${A}]
sections = uidbasics, basicshell, sftp
[user ann]
jail = ${A}
shell = /bin/bash
[jail ${B}]
sections = uidbasics, basicshell
[user bob]
jail = ${B}
shell = /bin/bash
`;

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const exchange = () => sh(`mv ${A} /srv/x; mv ${B} ${A}; mv /srv/x ${B}`);
const settled = () => {
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
  expect(m.run(["jk_check"])).toMatchObject({ status: 0, stdout: "" });
};

beforeAll(async () => {
  m = await openApplyMachine();
  m.write("/etc/jailkit/jk_check.ini", "");
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  settled();
});
afterAll(() => m?.close());

const REMEDY = `mv -nT ${A} ${A}.moved && mv -nT ${B} ${A} && mv -nT ${A}.moved ${B}`;
const said = (whose: string, how: string) =>
  `its directory is that of the jail '${whose}', so nothing is done in the two: move each jail back to its path, with${how}`;
const OF_A = said(B, `: ${REMEDY}`);
const OF_B = said(A, ` the command that this shows: jailkit list ${A}`);
/** All that is in the two, and in the records, but when files were looked at. */
const all = () =>
  sh(`find ${A} ${B} /var/lib/jailkit/jails /etc/passwd /etc/fstab -printf '%p %s %m %U %T@ %i\\n' | sort`);

test("list, status, jk_check and explain have the finding of apply, and its remedy alone, once", () => {
  exchange();
  const { problems } = linesOf(m).summary;
  expect(problems.filter(({ code }) => code === "moved").map(({ message }) => message)).toEqual([
    `jail ${A}: ${OF_A}`,
    `jail ${B}: ${OF_B}`,
  ]);
  const { jails } = reportOf(REPORT_SCHEMAS["jailkit list"], m.run(["jailkit", "list", "--json"]).stdout);
  expect(jails).toMatchObject([
    { path: A, state: "moved", reason: `${A}: ${OF_A}`, remedy: REMEDY },
    { path: B, state: "moved", reason: `${B}: ${OF_B}`, remedy: null },
  ]);
  expect(m.run(["jailkit", "list", A])).toMatchObject({ status: 1, stderr: expect.stringContaining(REMEDY) });
  const checked = m.run(["jk_check", "--json"]);
  expect(checked.status).toBe(2);
  const check = reportOf(REPORT_SCHEMAS.jk_check, checked.stdout);
  expect(JSON.stringify(check).match(/"remedy":"[^"]*"/g)).toEqual([`"remedy":"${REMEDY}"`]);
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  expect(status.findings.map(({ kind, subject, command }) => [kind, subject, command])).toEqual([
    ["moved", A, REMEDY],
    ["moved", B, `jailkit list ${B}`],
    ["config", expect.stringContaining(FILE), "jailkit config check"],
    ["config", expect.stringContaining(FILE), "jailkit config check"],
  ]);
  for (const [user, message, remedies] of [
    ["ann", OF_A, [REMEDY]],
    ["bob", OF_B, []],
  ] as const) {
    const { stdout } = m.run(["jailkit", "explain", "--su", "--json", user]);
    const { steps } = reportOf(REPORT_SCHEMAS["jailkit explain"], stdout) as unknown as {
      readonly steps: readonly { readonly message: string; readonly remedy: string | null }[];
    };
    expect(steps.some((step) => step.message.endsWith(message))).toBe(true);
    expect(steps.flatMap(({ remedy }) => remedy ?? [])).toEqual([...remedies]);
  }
});

test("what changes the contents of a jail refuses, in the same words, and changes nothing", () => {
  const fstab = m.read("/etc/fstab");
  // Which the record of this jail does not name, as it was live until somebody made it anew.
  m.write("/etc/fstab", `${fstab}/usr ${A}/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0\n`);
  const before = all();
  for (const command of [
    ["jk_update", A],
    ["jk_update", "--check", A],
    ["jk_update", "--all"],
    ["jk_check", "--fix", A],
    ["jk_init", "-j", A, "netbasics"],
    ["jk_init", "--dry-run", "-j", A, "netbasics"],
    ["jk_init", "--remove", "-j", A, "sftp"],
    ["jk_cp", "-j", A, "/usr/bin/id"],
    ["jk_cp", "--remove", "-j", A, "/usr/bin/id"],
    ["jk_jailuser", "--jail-side-only", "-j", A, "ann"],
    ["jk_jailuser", "--jail-side-only", "--unjail", "-j", A, "bob"],
    ["jk_jailuser", "--unjail", "-m", "ann"],
    ["jk_addjailuser", "-j", A, "new"],
    ["jailkit", "delete", "--yes", "--unjail", "--user-files", A],
    ["jailkit", "delete", "--dry-run", "--unjail", "--user-files", A],
    ["jailkit", "unmount", "--left", A],
  ]) {
    const { stdout, stderr, status } = m.run(command);
    expect({ command, text: stdout + stderr }).toMatchObject({
      text: expect.stringContaining(`${A}: ${OF_A}`),
    });
    expect({ command, status }).not.toMatchObject({ status: 0 });
  }
  expect(all()).toBe(before);
  m.write("/etc/fstab", fstab);
  sh(REMEDY);
  settled();
});

test("what forgets a jail, or lets its users follow it, has the same words, and the command that heals", () => {
  exchange();
  const before = all();
  for (const [command, told] of [
    [["jailkit", "forget", A], OF_A],
    [["jailkit", "forget", B], OF_B],
    [["jailkit", "adopt", "--moved", A, B], OF_A],
    [["jailkit", "adopt", "--moved", B, A], OF_B],
    [["jailkit", "adopt", "--moved", A], OF_A],
  ] as const) {
    const { status, stderr } = m.run([...command]);
    expect([command, status, stderr]).toEqual([
      command,
      1,
      `jailkit ${command[1]}: ${command.find((word) => word.startsWith("/"))}: ${told}\n`,
    ]);
  }
  const adopts = reportOf(errorReportSchema, m.run(["jailkit", "adopt", "--json", "--moved", A, B]).stdout);
  expect(adopts.problems).toMatchObject([{ code: "moved", remedy: REMEDY }]);
  expect(all()).toBe(before);
  sh(REMEDY);
  settled();
});

test("the path of one is empty, and its directory is at that of the other", () => {
  sh(`mkdir -p /kept/far; mv ${B} /kept/far/b; mv ${A} ${B}`);
  const remedy = `mv -nT ${B} ${A}`;
  for (const command of [
    ["jk_check", A],
    ["jk_update", A],
    ["jk_init", "-j", A, "uidbasics"],
    ["jk_jailuser", "--unjail", "ann"],
    ["jailkit", "delete", "--yes", "--unjail", A],
    ["jk_cp", "-j", B, "/usr/bin/id"],
    ["jailkit", "list", A],
  ]) {
    const { stdout, stderr, status } = m.run(command);
    expect({ command, text: stdout + stderr }).toMatchObject({
      text: expect.stringContaining(command.includes(B) ? `jailkit list ${A}` : remedy),
    });
    expect({ command, text: stdout + stderr }).toMatchObject({
      text: expect.not.stringMatching(/adopt|forget|to create it/),
    });
    // A jail that is missing is a warning of jk_update.
    if (command[0] !== "jk_update") expect({ command, status }).not.toMatchObject({ status: 0 });
  }
  // What is at its path is no new jail.
  const { status, stderr } = m.run(["jailkit", "adopt", "--moved", B, "/kept/far/b"]);
  expect([status, stderr]).toEqual([1, `jailkit adopt: ${B}: ${OF_B}\n`]);
  expect(m.exists(A)).toBe(false);
  sh(`${remedy}; mv /kept/far/b ${B}`);
  settled();
});

test("jailkit apply sees it also when all that was recorded is lost", () => {
  const letters = () => sh(`cat ${A}/home/ann/letter ${B}/home/bob/letter`);
  sh(`echo ann >${A}/home/ann/letter; echo bob >${B}/home/bob/letter`);
  exchange();
  m.remove("/var/lib/jailkit");
  const before = sh(`find ${A} ${B} /etc/passwd -printf '%p %s %m %U %T@ %i\\n' | sort`);
  for (const options of [["--check"], [], ["--prune"]]) {
    const { status, changes, summary } = linesOf(m, ...options);
    const moved = summary.problems.filter(({ code }) => code === "moved");
    expect([status, changes.filter((change) => change.status !== "not-done")]).toEqual([1, []]);
    expect(moved.map(({ path, remedy }) => [path, remedy])).toEqual([
      [A, REMEDY],
      [B, null],
    ]);
    expect(moved[0]?.message).toContain(
      `those of the users of '${B}', such as 'bob', and the other way round`,
    );
  }
  expect(sh(`find ${A} ${B} /etc/passwd -printf '%p %s %m %U %T@ %i\\n' | sort`)).toBe(before);
  sh(REMEDY);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(letters()).toBe("ann\nbob\n");
  settled();
});

test.each([
  ["there are no records", "true"],
  // Of a version that did not see it.
  [
    "records were made after that",
    `for j in ${A} ${B}; do mv $j/etc/passwd $j/etc/p; done; jailkit adopt --all; for j in ${A} ${B}; do mv $j/etc/p $j/etc/passwd; done`,
  ],
])(
  "so does each other command, and nothing undoes it, when all that was recorded is lost, and %s",
  (_, then) => {
    exchange();
    m.remove("/var/lib/jailkit");
    sh(then);
    const records = () => sh("find /var/lib/jailkit/jails -type f 2>/dev/null | sort || true");
    const before = [sh(`find ${A} ${B} /etc/passwd -printf '%p %s %m %U %i\\n' | sort`), records()];
    const { problems } = linesOf(m, "--prune").summary;
    expect(problems.flatMap(({ code, path, remedy }) => (code === "moved" ? [[path, remedy]] : []))).toEqual([
      [A, REMEDY],
      [B, null],
    ]);
    const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
    expect(status.findings.map(({ kind, subject, command }) => [kind, subject, command])).toEqual([
      ["moved", A, REMEDY],
      ["moved", B, `jailkit list ${B}`],
      ["config", expect.stringContaining(FILE), "jailkit config check"],
      ["config", expect.stringContaining(FILE), "jailkit config check"],
    ]);
    const check = reportOf(REPORT_SCHEMAS.jk_check, m.run(["jk_check", "--json"]).stdout);
    expect(JSON.stringify(check).match(/"remedy":"[^"]*"/g)).toEqual([`"remedy":"${REMEDY}"`]);
    for (const command of [
      ["jailkit", "adopt", "--all"],
      ["jailkit", "adopt", A],
      ["jailkit", "adopt", "--force", A],
      ["jk_check", "--fix", A],
      ["jk_jailuser", "--unjail", "--jail-side-only", "-j", A, "bob"],
      ["jk_jailuser", "--jail-side-only", "-j", A, "ann"],
    ]) {
      const { stdout, stderr, status } = m.run(command);
      expect({ command, text: stdout + stderr }).toMatchObject({ text: expect.stringContaining(REMEDY) });
      expect({ command, status }).not.toMatchObject({ status: 0 });
    }
    expect([sh(`find ${A} ${B} /etc/passwd -printf '%p %s %m %U %i\\n' | sort`), records()]).toEqual(before);
    sh(REMEDY);
    // Records that were made at the wrong places are of the other jail.
    for (const command of ["jailkit adopt --all", `jk_check --fix ${A}`, `jk_check --fix ${B}`])
      m.run(command.split(" "));
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
    settled();
  },
);

test.each([
  [
    "a line has another uid",
    `sed -i 's/^bob:x:[0-9]*/bob:x:4711/' ${A}/etc/passwd; chown 4711 ${A}/home/bob`,
  ],
  ["a home is not there", `rm -r ${A}/home/bob`],
  ["the other one has nobody's line", `sed -i /^ann:/d ${B}/etc/passwd`],
  ["a user has the home where the account has it, too", `install -d -o bob ${B}/home/bob`],
  [
    "somebody lives where the directory is",
    `echo zed:x:4712:100::${A}/./home/zed:/bin/sh >>/etc/passwd; echo zed:x:4712:100::/home/zed:/bin/sh >>${A}/etc/passwd; install -d -o 4712 ${A}/home/zed`,
  ],
])("jails of which that is not certain: %s", (_, plant) => {
  sh(`cp -a ${A} /root/a; cp -a ${B} /root/b; cp -a /etc/passwd /root/passwd`);
  m.remove("/var/lib/jailkit");
  exchange();
  expect(m.run(["jailkit", "list", A]).stderr).toContain("the other way round");
  sh(plant);
  expect(m.run(["jailkit", "list", A]).stderr).not.toContain("the other way round");
  sh(`rm -r ${A} ${B}; mv /root/a ${A}; mv /root/b ${B}; cp -a /root/passwd /etc/passwd`);
  m.must(["jailkit", "apply"]);
});

test("jails that were restored, whose directories are all others, are worked in as ever", () => {
  sh(`cp -a ${A} /srv/x; rm -r ${A}; mv /srv/x ${A}`);
  m.must(["jk_update", A]);
  m.must(["jk_cp", "-j", A, "/usr/bin/id"]);
  expect(m.run(["jailkit", "list"]).status).toBe(0);
});
