/** A jail was moved, and `jailkit adopt --moved` is refused, since something is at its old path again: nothing is given up meanwhile. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { errorReportSchema } from "../../src/cli/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const [OLD, NEW] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const DECLARED = `[jail ${OLD}]
sections = uidbasics, basicshell
[user ann]
jail = ${OLD}
shell = /bin/bash
authorized_keys = ${KEYS[0]}
`;
const ADOPT = `jailkit adopt --moved ${OLD} ${NEW}`;
const REMEDY = `rmdir ${OLD} && ${ADOPT}`;

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const declareNew = () => sh(`sed -i 's|${OLD}|${NEW}|' ${FILE}`);
const places = () => sh(`find /srv /home -printf '%p %U %m\\n' | sort; grep ^ann: /etc/passwd`);

beforeAll(async () => {
  m = await openApplyMachine();
  m.write("/etc/jailkit/jk_check.ini", "");
});
afterAll(() => m?.close());

beforeEach(() => {
  m.run(["userdel", "ann"]);
  for (const path of ["/srv", "/home/ann", "/var/lib/jailkit"]) m.remove(path);
  m.mkdir("/srv");
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  sh(`echo of-ann > ${OLD}/home/ann/letter; chown ann ${OLD}/home/ann/letter`);
});

/** What adopt says. */
function refused() {
  const { stdout, status } = m.run([...ADOPT.split(" "), "--json"]);
  expect(status).toBe(1);
  const [problem] = reportOf(errorReportSchema, stdout).problems;
  expect(problem?.code).toBe("not-moved");
  return problem;
}

/** Runs change nothing, and tell nobody to leave, to forget or to mount anything; returns the remedies of the last one. */
function waits(): (string | null)[] {
  const before = places();
  const all = [["--check", "--prune"], ["--prune", "--delete-homes"], [], []].map((options) => {
    const { status, changes, summary } = linesOf(m, ...options);
    expect([options, status, changes]).toEqual([options, 1, []]);
    const told = [...summary.problems.map(({ message }) => message), ...summary.warnings].join("\n");
    expect(told).not.toMatch(/unjail|forget|to be mounted/);
    return summary.problems.flatMap(({ code, remedy }) => (code === "waits-for-jail" ? [] : remedy));
  });
  expect(places()).toBe(before);
  return all.at(-1) ?? [];
}

/** Nothing is left to do, and the user has the files of before. */
function healed() {
  expect(m.read(`${NEW}/home/ann/letter`)).toBe("of-ann\n");
  expect(m.exists(OLD)).toBe(false);
  expect(m.read("/etc/passwd")).toContain(`:${NEW}/./home/ann:/usr/sbin/jk_chrootsh`);
  for (const options of [["--check"], ["--prune"]])
    expect(linesOf(m, ...options)).toMatchObject({ status: 0, changes: [] });
  expect(m.run(["jailkit", "status"]).stdout).toContain("Nothing needs attention");
}

test.each([
  ["the new path is declared", declareNew, "true"],
  ["the old path is declared", () => "", "true"],
  ["the new path is declared, and the memory is lost", declareNew, "rm /var/lib/jailkit/declared.json"],
  ["the new path is declared, and the record is lost", declareNew, "rm -r /var/lib/jailkit/jails"],
  ["the account has followed it by hand", declareNew, `usermod -d ${NEW}/./home/ann ann`],
])("an empty directory is there: each tells the command that heals; %s", (title, declare, lose) => {
  sh(`mv ${OLD} ${NEW}; mkdir ${OLD}`);
  declare();
  sh(lose);
  const [remedy, ...more] = waits();
  expect([title, remedy, more.filter((one) => one !== remedy)]).toEqual([title, REMEDY, []]);
  if (!title.includes("record")) {
    expect(refused()?.remedy).toBe(REMEDY);
    for (const words of [`list ${OLD}`, "status --json"])
      if (!title.includes("hand"))
        expect(m.run(["jailkit", ...words.split(" ")]).stderr).not.toContain("forget");
    expect(m.run(["jailkit", "list", "--json", OLD]).stdout).toContain(REMEDY);
  }
  expect(m.run(["jailkit", "config", "check"]).stdout).not.toContain("unjail");
  sh(REMEDY);
  if (title.includes("record")) m.must(["jailkit", "apply"]);
  healed();
});

test("it was copied: the command of adopt, and of apply, is the same", () => {
  sh(`cp -a ${OLD} ${NEW}; rm -r ${OLD}; mkdir ${OLD}`);
  declareNew();
  expect(refused()?.remedy).toBe(REMEDY);
  expect(waits()).toContain(REMEDY);
  sh(REMEDY);
  healed();
});

test("other files are there: they are named as what to look into, and stay", () => {
  sh(`mv ${OLD} ${NEW}; mkdir -p ${OLD}/www; echo site > ${OLD}/www/index`);
  const { message, remedy } = refused() ?? {};
  const end = `look into what is at '${OLD}', and move that away, or unmount it; then let all follow the jail, with: ${ADOPT}`;
  expect([message?.endsWith(end), remedy]).toEqual([true, null]);
  expect(waits()).toEqual([null]);
  declareNew();
  const [back] = waits();
  expect(back).toBe(`mv -nT ${OLD} ${OLD}.moved && mv -nT ${NEW} ${OLD}`);
  sh(`mv ${OLD} /srv/site; ${ADOPT}`);
  healed();
  expect(m.read("/srv/site/www/index")).toBe("site\n");
});

test("a file system is mounted there, empty: no command removes its mount point", () => {
  sh(`mv ${OLD} ${NEW}; mkdir ${OLD}; mount -t tmpfs -o mode=755 none ${OLD}`);
  expect(refused()?.remedy).toBeNull();
  expect(waits()).toEqual([null]);
  sh(`umount ${OLD}`);
  expect([refused()?.remedy, waits()]).toEqual([REMEDY, [REMEDY]]);
  sh(REMEDY);
  healed();
});

test("the recorded directory is a file system that is mounted elsewhere: it was not moved, and is to be mounted", () => {
  m.write(FILE, "");
  sh(`jailkit apply --prune --delete-homes; mkdir -p ${OLD} ${NEW}; mount -t tmpfs -o mode=755 none ${OLD}`);
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  sh(`mount --bind ${OLD} ${NEW}; umount ${OLD}`);
  const { status, changes, summary } = linesOf(m, "--prune");
  expect([status, changes]).toEqual([1, []]);
  expect(summary.problems[0]).toMatchObject({ code: "not-mounted", remedy: null });
  sh(`mount --bind ${NEW} ${OLD}; umount ${NEW}; rmdir ${NEW}`);
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
  sh(`umount ${OLD}`);
});

test("another jail was made there: no run with --prune forgets whose directory is at the new path", () => {
  sh(`mv ${OLD} ${NEW}; jk_init -j ${OLD} uidbasics`);
  declareNew();
  const back = `mv -nT ${OLD} ${OLD}.moved && mv -nT ${NEW} ${OLD}`;
  expect(waits()).toEqual([back]);
  sh(back);
  const [again] = waits();
  expect(again).toBe(`mv -nT ${OLD} ${NEW} && ${ADOPT}`);
  sh(again ?? "");
  m.must(["jailkit", "apply"]);
  healed();
});
