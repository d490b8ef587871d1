/** `jailkit apply` where jails are not where they were: what is at the path of another jail is known by its directory. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const [A, B, C, NEW] = ["/srv/a", "/srv/b", "/srv/c", "/srv/new"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string, user: string, sections = "") =>
  `[jail ${path}]\nsections = uidbasics, basicshell${sections}\n[user ${user}]\njail = ${path}\nshell = /bin/bash\n`;
const DECLARED = jail(A, "ann", ", sftp") + jail(B, "bob");

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const passwd = (path: string) => m.read(`${path}/etc/passwd`);

beforeAll(async () => {
  m = await openApplyMachine();
  // Where no jail is searched for.
  m.mkdir("/kept/far/away");
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

const settled = () => expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });

const listed = (path: string) => {
  const { stdout, stderr } = m.run(["jailkit", "list", path]);
  return stdout + stderr;
};

/** What a run says that makes nothing, and the config check; the remedy of each jail. */
function told(...jails: readonly string[]) {
  const made = () => jails.map((path) => m.run(["find", `${path}/home`, `${path}/etc`]).stdout);
  const before = made();
  const planned = linesOf(m, "--check");
  expect([linesOf(m, "--prune").changes, linesOf(m).changes, made()]).toEqual([[], [], before]);
  const { problems } = linesOf(m).summary;
  expect(problems).toEqual(planned.summary.problems);
  const remedies = jails.map(
    (jail) => problems.find(({ message }) => message.startsWith(`jail ${jail}: `))?.remedy,
  );
  const { stdout } = m.run(["jailkit", "config", "check"]);
  for (const remedy of remedies) if (remedy !== null) expect(stdout).toContain(`${remedy}`);
  return {
    remedies,
    users: problems.flatMap(({ message }) => /^user (\w+): /.exec(message)?.[1] ?? []).sort(),
  };
}

/** Types each remedy that a run prints. */
const typeAll = () => {
  for (const { remedy } of linesOf(m).summary.problems) if (remedy !== null) m.must(["sh", "-c", remedy]);
};

test("two that were exchanged are errors of both, and of their users, and one of them tells the command once", () => {
  sh(`mv ${A} /srv/x; mv ${B} ${A}; mv /srv/x ${B}`);
  const { remedies, users } = told(A, B);
  expect(users).toEqual(["ann", "bob"]);
  expect(remedies).toEqual([`mv -nT ${A} ${A}.moved && mv -nT ${B} ${A} && mv -nT ${A}.moved ${B}`, null]);
  expect(linesOf(m).summary.problems.map(({ message }) => message)).toContain(
    `jail ${B}: its directory is that of the jail '${A}', so nothing is done in the two: move each jail back to its path, with the command that this shows: jailkit list ${A}`,
  );
  typeAll();
  settled();
  expect([passwd(A), passwd(B)]).toEqual([
    expect.stringContaining("\nann:"),
    expect.stringContaining("\nbob:"),
  ]);
});

test("of a ring of three, one tells the command, which heals all", () => {
  m.write(FILE, DECLARED + jail(C, "cat"));
  m.must(["jailkit", "apply"]);
  for (const [first, second] of [
    [B, C],
    [C, B],
  ] as const) {
    sh(`mv ${A} /srv/x; mv ${first} ${A}; mv ${second} ${first}; mv /srv/x ${second}`);
    expect(told(A, B, C).remedies).toEqual([expect.stringContaining("mv -nT"), null, null]);
    typeAll();
    settled();
  }
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect(m.exists(C)).toBe(false);
});

test("one of three is not declared any more, or none was declared but one", () => {
  m.must(["jk_init", "-j", C, "uidbasics", "basicshell"]);
  sh(`mv ${A} /srv/x; mv ${B} ${A}; mv ${C} ${B}; mv /srv/x ${C}`);
  expect(told(A, B).remedies).toEqual([expect.stringContaining("mv -nT"), null]);
  typeAll();
  settled();
  expect([A, B, C, "/srv/x", `${A}.moved`].map((path) => m.exists(path))).toEqual([
    ...[true, true, true],
    ...[false, false],
  ]);
  sh(`mv ${A} /srv/x; mv ${C} ${A}; mv /srv/x ${C}`);
  sh(told(A).remedies[0] ?? "");
  settled();
  expect([passwd(A).includes("\nann:"), m.exists(C), m.exists(`${A}.moved`)]).toEqual([true, true, false]);
  m.must(["jailkit", "delete", "--yes", C]);
});

test("one that is not declared any more stays remembered while it is exchanged, and goes when it is back", () => {
  for (const options of [[], ["--prune", "--delete-homes"]]) {
    m.write(FILE, DECLARED);
    sh(`mv ${A} /srv/x; mv ${B} ${A}; mv /srv/x ${B}`);
    m.write(FILE, jail(A, "ann", ", sftp"));
    const { changes, summary } = linesOf(m, ...options);
    expect(changes).toEqual([]);
    const told = [...summary.problems.map(({ message }) => message), ...summary.warnings].join("\n");
    const stays = `jail ${B}: is not declared any more, and stays: its directory is that of the jail '${A}'`;
    expect(told.split(stays)).toHaveLength(2);
    expect(told).not.toContain("another one than was declared");
    typeAll();
    expect([passwd(A).includes("\nann:"), passwd(B).includes("\nbob:")]).toEqual([true, true]);
  }
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect(m.exists(B)).toBe(false);
  settled();
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
});

test("one that was moved to the place of another", () => {
  sh(`mv ${B} /kept/far/away/b; mv ${A} ${B}`);
  const { remedies, users } = told(A, B);
  expect([remedies, users]).toEqual([
    [`mv -nT ${B} ${A}`, null],
    ["ann", "bob"],
  ]);
  expect(listed(A)).toContain(`move each jail back to its path, with: mv -nT ${B} ${A}`);
  expect(m.run(["jailkit", "status"]).stdout).toMatch(/\/srv\/a +mv -nT \/srv\/b \/srv\/a\n/);
  sh(remedies[0] ?? "");
  sh(`mv /kept/far/away/b ${B}`);
  settled();
});

test("one in whose place another directory is", () => {
  sh(`mv ${B} /kept/far/away/b; mv ${A} ${B}; mkdir ${A}`);
  const { remedies } = told(A, B);
  expect(remedies).toEqual([`mv -nT ${A} ${A}.moved && mv -nT ${B} ${A}`, null]);
  sh(remedies[0] ?? "");
  sh(`mv /kept/far/away/b ${B}; rmdir ${A}.moved`);
  settled();
});

test("no command is told where others could exchange the paths, or for a mount point", () => {
  sh(`mv ${B} /kept/far/away/b; mv ${A} ${B}; mount --bind ${B} ${B}`);
  const problems = () => linesOf(m).summary.problems.filter(({ message }) => message.startsWith("jail "));
  expect(problems()).toMatchObject([{ remedy: null }, { remedy: null }]);
  sh(`umount ${B}; mv ${B} ${A}; mv /kept/far/away/b ${B}`);
  settled();
});

test("one that has its record at its new path, and nothing else there", () => {
  sh(`mv ${A} ${NEW}`);
  m.must(["jailkit", "adopt", "--moved", A, NEW]);
  // All but the record as a run that was killed has left it.
  m.write(FILE, DECLARED);
  sh(`usermod -d ${A}/./home/ann ann; sed -i 's,"${NEW}",${`"${A}"`},g' /var/lib/jailkit/declared.json`);
  const remedy = `jailkit adopt --moved ${A} ${NEW}`;
  expect(told(A).remedies).toEqual([remedy]);
  expect([m.exists(A), listed(A).includes(remedy)]).toEqual([false, true]);
  sh(remedy);
  settled();
  sh(`mv ${NEW} ${A}; jailkit adopt --moved ${NEW} ${A}`);
  settled();
});

test("one that was not declared before it was moved, by its record", () => {
  m.must(["jk_init", "-j", C, "uidbasics", "basicshell"]);
  sh(`mv ${C} ${NEW}`);
  m.write(FILE, `${DECLARED}[jail ${NEW}]\nsections = uidbasics, basicshell\n`);
  expect(told(NEW).remedies).toEqual([`jailkit adopt --moved ${C} ${NEW}`]);
  sh(`jailkit adopt --moved ${C} ${NEW}`);
  settled();
  m.write(FILE, DECLARED);
  m.must(["jailkit", "delete", "--yes", NEW]);
});
