/** Users who are declared with rights to run what their jail lacks: who is told, where, and that the advice heals. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const FILE = "/etc/jailkit/jails.d/c.ini";
const NEEDS = "'sftp' needs 'sftp-server', which the jail lacks";

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(async () => m.close());

const declaration = (jail: string, sections: string, name: string, allow = "sftp") =>
  `[jail ${jail}]\n${sections}\n[user ${name}]\njail = ${jail}\nauthorized_keys = ${KEYS[0]}\nallow = ${allow}\n`;
const warnings = (...options: string[]) => linesOf(m, ...options).summary.warnings;
const found = (jail: string) => {
  const file = `${jail}/etc/jailkit/jk_lsh.ini`;
  const { findings } = reportOf(
    configReportSchema,
    m.run(["jailkit", "config", "check", "--json", file]).stdout,
  );
  return findings.map(({ file, line, message, remedy }) => [`${file}:${line}`, message, remedy]);
};

test("a jail without sftp-server: the line of 'allow' is told, and the line of 'sections' that heals", () => {
  m.write(FILE, declaration("/srv/c", "sections = uidbasics", "anna"));
  const remedy = `add 'sftp' to 'sections', line 2 of ${FILE}, and type: jailkit apply`;
  const warning = `user anna: ${NEEDS}: ${remedy} (declared in ${FILE}:6:9)`;
  expect(warnings("--check").filter((line) => line.includes("needs"))).toEqual([warning]);
  const { stderr, status } = m.run(["jailkit", "apply"]);
  expect([status, stderr]).toEqual([0, expect.stringContaining(`warning: user anna: ${NEEDS}: ${remedy}\n`)]);
  // It is as declared, and lacks it still.
  expect(linesOf(m, "--check").summary).toMatchObject({ exitStatus: 0, warnings: [warning] });
  expect(m.run(["jailkit", "apply"]).stderr).not.toContain("needs");
  expect(found("/srv/c")).toEqual([
    [`${FILE}:6`, `'sftp' needs 'sftp-server', which is not here; ${remedy}`, null],
  ]);
  const { steps } = reportOf(
    explainReportSchema,
    m.run(["jailkit", "explain", "--json", "anna", "--", "/usr/lib/openssh/sftp-server"]).stdout,
  ) as { steps: { message: string; remedy: string | null }[] };
  const said = steps.map((step) => `${step.message} ${step.remedy}`);
  expect(said).toContainEqual(expect.stringContaining(remedy));
  expect(said.filter((one) => /jk_(?:init|cp) -j/.test(one))).toEqual([]);
  m.write(FILE, m.read(FILE).replace("sections = uidbasics", "sections = uidbasics, sftp"));
  expect(warnings()).toEqual([]);
  expect([warnings("--check"), found("/srv/c")]).toEqual([[], []]);
});

test("a jail without the key, with the section, and with the program as a file", () => {
  m.write(FILE, declaration("/srv/d", "files = /etc/passwd, /etc/group", "bert"));
  const below = `write 'sections = sftp' below [jail /srv/d], line 1 of ${FILE}, and type: jailkit apply`;
  expect(warnings("--check")).toEqual([expect.stringContaining(below)]);
  m.write(FILE, declaration("/srv/d", "sections = sftp", "bert"));
  expect(warnings("--check")).toEqual([]);
  m.must(["jailkit", "apply"]);
  m.remove("/srv/d/usr/lib/openssh/sftp-server");
  expect(warnings("--check")).toEqual([expect.stringContaining(`${NEEDS}: type: jk_update -j /srv/d (`)]);
  m.must(["jk_update", "-j", "/srv/d"]);
  expect(warnings("--check")).toEqual([]);
  m.must(["mv", "/usr/bin/borg", "/usr/bin/borg.off"]);
  m.write(FILE, declaration("/srv/d", "sections = sftp", "bert", "sftp, borg"));
  const install = `install borg on this machine; write 'files = borg' below [jail /srv/d], line 1 of ${FILE}`;
  expect(warnings("--check")).toEqual([expect.stringContaining(install)]);
});

test("a program that is there and cannot start is told like one that is missing, and the advice heals", () => {
  const told = (...options: string[]) =>
    warnings(...options).filter((line) => line.includes("cannot start in the jail"));
  const lose = () => m.must(["sh", "-c", "rm /srv/start/usr/lib/*/libpopt.so.0"]);
  const text = (sections: string, rights: string) =>
    `[jail /srv/start]\nsections = ${sections}\n[user rita]\njail = /srv/start\n${rights}\n`;
  const why =
    "'/usr/bin/rsync' cannot start in the jail: /usr/bin/rsync: needs libpopt.so.0, which is missing";
  m.write(FILE, text("uidbasics, rsync", "shell = /usr/bin/rsync"));
  m.must(["jailkit", "apply"]);
  lose();
  for (const [rights, column] of [
    ["allow = rsync", 9],
    ["executables = /usr/bin/rsync", 15],
    ["force = /usr/bin/rsync --version", 9],
  ] as const) {
    m.write(FILE, text("uidbasics, rsync", rights));
    const warning = `user rita: ${why}: type: jk_update -j /srv/start (declared in ${FILE}:5:${column})`;
    expect(told("--check")).toEqual([warning]);
    expect(told()).toEqual([warning]);
  }
  m.must(["jk_update", "-j", "/srv/start"]);
  expect(told("--check")).toEqual([]);
  // Of a jail that gets more, a run would bring what its programs need.
  lose();
  m.write(FILE, text("uidbasics", "allow = rsync"));
  m.must(["jk_init", "--remove", "-j", "/srv/start", "rsync"]);
  m.must(["jk_cp", "-j", "/srv/start", "rsync"]);
  lose();
  const add = `add 'rsync' to 'sections', line 2 of ${FILE}, and type: jailkit apply`;
  expect(told("--check")).toEqual([`user rita: ${why}: ${add} (declared in ${FILE}:5:9)`]);
  m.write(FILE, text("uidbasics, rsync", "allow = rsync"));
  expect([told("--check"), told(), told("--check")]).toEqual([[], [], []]);
});

test("a live jail lacks nothing that the machine has", () => {
  m.write(FILE, declaration("/srv/live", "live = /usr", "carl"));
  expect([warnings("--check"), warnings(), warnings("--check")]).toEqual([[], [], []]);
});

test("a section that goes with --prune takes the program of a user who may run it still", () => {
  const lacking = (...options: string[]) => warnings(...options).filter((line) => line.includes("needs"));
  m.write(FILE, declaration("/srv/e", "sections = uidbasics, sftp, scp", "emma"));
  expect([lacking("--check"), lacking()]).toEqual([[], []]);
  const { ino } = m.stat("/srv/e/usr/lib/openssh/sftp-server") ?? {};
  m.write(FILE, declaration("/srv/e", "sections = uidbasics, scp", "emma"));
  // It stays without --prune.
  expect([lacking("--check"), lacking()]).toEqual([[], []]);
  expect(m.stat("/srv/e/usr/lib/openssh/sftp-server")?.ino).toBe(ino);
  const remedy = `add 'sftp' to 'sections', line 2 of ${FILE}, and type: jailkit apply`;
  const warning = `user emma: ${NEEDS}: ${remedy} (declared in ${FILE}:6:9)`;
  expect(lacking("--check", "--prune")).toEqual([warning]);
  expect(lacking("--prune")).toEqual([warning]);
  expect(m.exists("/srv/e/usr/lib/openssh/sftp-server")).toBeFalse();
  expect([lacking("--check"), lacking()]).toEqual([[warning], []]);
  m.write(FILE, declaration("/srv/e", "sections = uidbasics, scp, sftp", "emma"));
  expect(lacking()).toEqual([]);
  // What another section brings stays, and so does what comes in the same run.
  m.write(
    FILE,
    declaration("/srv/e", "sections = uidbasics, scp\nfiles = /usr/lib/openssh/sftp-server", "emma"),
  );
  expect([lacking("--check", "--prune"), lacking("--prune"), lacking("--check")]).toEqual([[], [], []]);
});

test("a section that goes with --prune takes what other rights name, and their users are told before", () => {
  const text = (sections: string) =>
    `[jail /srv/f]\nsections = ${sections}\n` +
    "[user fred]\njail = /srv/f\nexecutables = /usr/bin/scp\n" +
    "[user gina]\njail = /srv/f\nforce = /usr/bin/scp -t /home/gina\n" +
    "[user hans]\njail = /srv/f\nshell = /bin/bash\nconfine = 1\nread = /usr/bin/scp, /usr/bin/id\n";
  const told = (...options: string[]) =>
    warnings(...options).filter((line) => line.includes("does not exist"));
  m.write(FILE, text("uidbasics, basicshell, scp"));
  m.must(["jailkit", "apply"]);
  m.write(FILE, text("uidbasics, basicshell"));
  expect(told("--check")).toEqual([]);
  const heals = `: add 'scp' to 'sections', line 2 of ${FILE}, and type: jailkit apply`;
  const missing = (before = "") => [
    `user fred: ${before}'/usr/bin/scp' does not exist${heals} (declared in ${FILE}:5:15)`,
    `user gina: ${before}'/usr/bin/scp' does not exist${heals} (declared in ${FILE}:8:9)`,
    `user hans: ${before}'/usr/bin/scp' does not exist: 'read' allows nothing there (declared in ${FILE}:13:8)`,
  ];
  expect(told("--check", "--prune")).toEqual(missing("without what --prune removes, "));
  expect(told("--prune")).toEqual(missing("without what --prune removes, "));
  expect(m.exists("/srv/f/usr/bin/scp")).toBeFalse();
  expect(told("--check")).toEqual(missing());
  // What another declared thing brings stays.
  m.write(FILE, text("uidbasics, basicshell, scp"));
  m.must(["jailkit", "apply"]);
  m.write(FILE, text("uidbasics, basicshell\nfiles = /usr/bin/scp"));
  expect([told("--check", "--prune"), told("--prune")]).toEqual([[], []]);
});

test("the plan of a jail whose record was lost says that, and not that its files are not there", () => {
  m.write(FILE, "[jail /srv/lost]\nsections = uidbasics\n");
  m.must(["jailkit", "apply"]);
  m.must(["mv", "/var/lib/jailkit/jails", "/var/lib/jailkit/jails.lost"]);
  const { stdout } = m.run(["jailkit", "apply", "--check"]);
  m.remove("/var/lib/jailkit/jails");
  m.must(["mv", "/var/lib/jailkit/jails.lost", "/var/lib/jailkit/jails"]);
  expect(stdout).toContain("sections uidbasics (the jail has files, and no record of them)");
});
