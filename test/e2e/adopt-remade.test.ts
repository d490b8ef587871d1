/** A jail that was moved to another directory, and made anew by `jailkit apply` before anything followed: adopt heals it. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { errorReportSchema } from "../../src/cli/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const [A, B, NEW, ASIDE] = ["/srv/a", "/srv/b", "/data/a", "/srv/a.anew"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const declared = (path: string, user: string) => `[jail ${path}]
sections = uidbasics, basicshell
[user ${user}]
jail = ${path}
shell = /bin/bash
authorized_keys = ${KEYS[0]}
`;

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const ADOPT = ["jailkit", "adopt", "--moved", A, NEW];
const COMMAND = `chmod 0700 ${A} && mv -nT ${A} ${ASIDE} && jailkit adopt --moved ${A} ${NEW}`;
const LETTER = "home/ann/letter";
const KEY = "home/ann/.ssh/authorized_keys";

beforeAll(async () => {
  m = await openApplyMachine();
  m.write("/etc/jailkit/jk_check.ini", "");
  m.mkdir("/data");
});
afterAll(() => m?.close());

beforeEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  for (const path of [A, B, NEW, ASIDE, "/var/lib/jailkit"]) m.remove(path);
  for (const user of ["ann", "bob"]) m.run(["userdel", user]);
  m.write(FILE, declared(A, "ann") + declared(B, "bob"));
  m.must(["jailkit", "apply"]);
  sh(`echo of-ann > ${A}/${LETTER}; chown ann ${A}/${LETTER}; mv ${A} ${NEW}`);
  m.must(["jailkit", "apply"]);
  expect([m.exists(`${A}/home/ann`), m.exists(`${A}/${LETTER}`)]).toEqual([true, false]);
});

/** The error of the move, in a program's words. */
function refused() {
  const { stdout, status } = m.run(["jailkit", "adopt", "--json", "--moved", A, NEW]);
  expect(status).toBe(1);
  const [problem] = reportOf(errorReportSchema, stdout).problems;
  expect(problem?.code).toBe("not-moved");
  return problem;
}

/** Nothing is left to do, and the user has the files of before. */
function healed() {
  expect([m.read(`${NEW}/${LETTER}`), m.exists(A)]).toEqual(["of-ann\n", false]);
  expect(m.read("/etc/passwd")).toContain(`:${NEW}/./home/ann:`);
  expect(m.read(FILE)).toContain(`[jail ${NEW}]`);
  for (const options of [["--check"], ["--prune"]])
    expect(linesOf(m, ...options)).toMatchObject({ status: 0, changes: [] });
  for (const command of [["jk_check"], ["jailkit", "list"], ["jailkit", "config", "check"]])
    expect({ command, ...m.run(command) }).toMatchObject({ command, status: 0 });
  expect(m.run(["jailkit", "status"]).stdout).toContain("Nothing needs attention");
}

test("nobody has put anything there: the remedy moves it away, and all follows the jail", () => {
  const { message, remedy } = refused() ?? {};
  expect(message).toBe(
    `${A}: still exists, so it was not moved; '${NEW}' has what is recorded of it, as if 'jailkit apply' had made the jail anew after it was moved; nobody has put files into the new one: move that away, where all of it stays, and let everything follow: ${COMMAND}`,
  );
  expect(remedy).toBe(COMMAND);
  sh(COMMAND);
  healed();
  expect(m.exists(`${ASIDE}/home/ann`)).toBe(true);
  expect(m.run(ADOPT)).toMatchObject({ status: 1 });
});

test("a setuid program that comes between the report and the remedy is in reach of nobody later", () => {
  m.addUser("mallory");
  const { remedy } = refused() ?? {};
  const program = "home/ann/.p";
  sh(`install -o ann -m 4755 /bin/sleep ${A}/${program}; chmod 0711 ${A}/home ${A}/home/ann`);
  const run = (jail: string) => m.run(["sh", "-c", `${jail}/${program} 0`], { user: "mallory" }).status;
  expect(run(A)).toBe(0);
  sh(remedy ?? "");
  healed();
  expect([m.exists(`${ASIDE}/${program}`), run(ASIDE)]).toEqual([true, 126]);
});

test("a remedy that was stopped between its commands is not followed by the jail that was made anew", () => {
  const { remedy } = refused() ?? {};
  sh(`chmod 0700 ${A}`);
  expect(refused()?.remedy).toBe(remedy);
  sh(`mv -nT ${A} ${ASIDE}`);
  const { stdout } = m.run(["jailkit", "apply", "--check", "--json"]);
  for (const words of ["status", "list", "config check", "apply --check"])
    expect(`${m.run(["jailkit", ...words.split(" ")]).stdout} ${stdout}`).not.toContain(
      `--moved ${A} ${ASIDE}`,
    );
  // Typed once more, and where a run has made another one.
  m.must(["jailkit", "apply"]);
  const again = refused()?.remedy ?? "";
  expect([remedy, again]).toEqual([COMMAND, COMMAND.replaceAll(ASIDE, `${ASIDE}2`)]);
  sh(again);
  healed();
  m.remove(`${ASIDE}2`);
});

test("files that were put there since are named, and no command is a remedy; what is printed keeps them", () => {
  for (const [put, named] of [
    [`chmod 4600 ${A}/${KEY}`, `${A}/${KEY}`],
    [`chmod 600 ${A}/${KEY}; echo new > ${A}/home/ann/new; chown ann ${A}/home/ann/new`, `${A}/home/ann/new`],
    [`mv ${A}/home/ann/new ${A}/home/ann/.profile`, `${A}/home/ann/.profile`],
    [
      `chown root ${A}/home/ann/.profile; mv ${A}/home/ann/.profile ${A}/tmp/; mkdir ${A}/srv; echo > ${A}/srv/site`,
      `${A}/srv`,
    ],
    [`rm -r ${A}/srv; mkdir ${A}/mnt; mount -t tmpfs none ${A}/mnt`, `umount ${A}/mnt`],
  ] as const) {
    sh(put);
    const { message, remedy } = refused() ?? {};
    expect(message).toContain(named);
    expect(message).toEndWith(COMMAND);
    expect(remedy).toBeNull();
  }
  sh(`umount ${A}/mnt; mv ${A}/tmp/.profile ${A}/home/ann/new; chown ann ${A}/home/ann/new; ${COMMAND}`);
  healed();
  expect(m.read(`${ASIDE}/home/ann/new`)).toBe("new\n");
});

test("what the new one shows of the host, as a live jail, nobody has put there: the remedy unmounts it first", () => {
  const live = declared(A, "ann").replace("sections", "live = /usr\nsections");
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  sh(`userdel ann; rm -r ${NEW}`);
  m.write(FILE, live);
  m.must(["jailkit", "apply"]);
  sh(`echo of-ann > ${A}/${LETTER}; chown ann ${A}/${LETTER}; jailkit unmount ${A}; mv ${A} ${NEW}`);
  m.must(["jailkit", "apply"]);
  const command = `jailkit unmount ${A} && ${COMMAND}`;
  m.mkdir(`${A}/mnt`);
  sh(`mount -t tmpfs none ${A}/mnt`);
  const { message, remedy } = refused() ?? {};
  expect(message).toContain(`(a file system is mounted at '${A}/mnt', and has to be unmounted first`);
  expect([message?.endsWith(command), remedy]).toEqual([true, null]);
  sh(`umount ${A}/mnt`);
  expect(refused()?.remedy).toBe(command);
  sh(command);
  expect(sh("cat /proc/self/mounts")).not.toContain(ASIDE);
  expect(m.must(["jailkit", "apply"]).stdout).toContain(NEW);
  healed();
  expect(sh("cat /proc/self/mounts")).toContain(` ${NEW}/usr `);
  expect(m.read("/etc/fstab")).not.toContain(`${A}/`);
  m.must(["jailkit", "unmount", NEW]);
});

test("the new path is written into the declaration: apply has the words of adopt, and sets no home aside", () => {
  sh(`sed -i 's|${A}|${NEW}|' ${FILE}; echo new > ${A}/home/ann/new; chown ann ${A}/home/ann/new`);
  const what = `its users are in the jail '${A}', and '${NEW}' has what is recorded of it, as if 'jailkit apply' had made the jail anew after it was moved; look into the new one first (`;
  const moved = (...options: readonly string[]) => {
    const { changes, summary } = linesOf(m, ...options);
    expect(changes).toEqual([]);
    expect(summary.problems.map(({ code }) => code).sort()).toEqual(["has-users", "moved", "waits-for-jail"]);
    return summary.problems.find(({ code }) => code === "moved");
  };
  for (const options of [
    ["--check", "--prune"],
    ["--prune", "--delete-homes"],
  ]) {
    const { message, remedy } = moved(...options) ?? {};
    expect(message).toStartWith(`jail ${NEW}: ${what}`);
    expect(message).toEndWith(COMMAND);
    expect(remedy).toBeNull();
  }
  const found = m.run(["jailkit", "config", "check"]);
  expect(found.stdout + found.stderr).toContain(COMMAND);
  expect(found.stdout + found.stderr).not.toMatch(/unjail|not there any more/);
  m.remove(`${A}/home/ann/new`);
  expect(moved("--prune", "--delete-homes")?.remedy).toBe(COMMAND);
  sh(COMMAND);
  healed();
});

test("another directory, another jail, or the same one by a mount is not taken for the jail of before", () => {
  const plain = (to: string) => {
    const { stderr, status } = m.run(["jailkit", "adopt", "--moved", A, to]);
    expect([stderr, status]).toEqual([`jailkit adopt: ${A}: still exists, so it was not moved\n`, 1]);
  };
  m.mkdir("/data/empty");
  m.mkdir("/data/same");
  sh(`mount --bind ${A} /data/same`);
  for (const to of [B, "/data/empty", "/data/same", "/data/missing"]) plain(to);
  sh("umount /data/same");
});
