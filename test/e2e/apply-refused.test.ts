/** `jailkit apply`: what was declared and could not be made is not taken away by --prune: it is of others. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { holdLock, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const FILE = "/etc/jailkit/jails.d/one.ini";
const ROOTS_KEYS = "/root/.ssh/authorized_keys";
const SECTIONS = "sections = uidbasics, basicshell\n";
const ACCESS = `allow = sftp\ngroups = team\nauthorized_keys = ${KEYS[0]}\n`;
const user = (name: string, jail: string, more = ACCESS) => `[user ${name}]\njail = ${jail}\n${more}`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
afterEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune"]);
});

const inTeam = (name: string) => m.must(["id", "-Gn", name]).stdout.split(/\s/).includes("team");
const lineOf = (name: string) => m.must(["getent", "passwd", name]).stdout;

/** An account with a group and a key that an administrator gave it. */
function addAccount(name: string): string {
  const home = `/home/${name}`;
  m.addUser(name, { home, createHome: true, shell: "/bin/bash" });
  m.must(["gpasswd", "-a", name, "team"]);
  m.must(["install", "-d", "-o", name, "-m", "0700", `${home}/.ssh`]);
  m.write(`${home}/.ssh/authorized_keys`, `${KEYS[0]}\n`);
  m.must(["chown", name, `${home}/.ssh/authorized_keys`]);
  return `${home}/.ssh/authorized_keys`;
}

/** The codes of a run that refuses something, and the changes of one with --prune after the declaration is gone. */
function declareAndWithdraw(text: string, ...options: readonly string[]) {
  m.write(FILE, text);
  const codes = linesOf(m, ...options).summary.problems.map(({ code }) => code);
  m.write(FILE, "");
  const { status, changes } = linesOf(m, "--prune");
  return { codes, status, changes: changes.map(({ text }) => text) };
}

test("an account that is not jailed, because it has processes, keeps its group and its key", async () => {
  const keys = addAccount("pam");
  const session = await sleeperOf(m, "pam");
  const jail = `[jail /srv/pam]\n${SECTIONS}`;
  expect(declareAndWithdraw(`${jail}${user("pam", "/srv/pam")}`)).toEqual({
    ...{ codes: ["has-processes"], status: 0, changes: ["- jail /srv/pam (no longer declared)"] },
  });
  expect([inTeam("pam"), m.read(keys)]).toEqual([true, `${KEYS[0]}\n`]);
  session.kill();
  await session.ended;
});

test("nor does one whose jail cannot be made lose them", () => {
  const keys = addAccount("otto");
  const jail = "[jail /srv/otto]\nsections = sft\n";
  expect(declareAndWithdraw(`${jail}${user("otto", "/srv/otto")}`)).toEqual({
    ...{ codes: ["no-such-section", "waits-for-jail"], status: 0, changes: [] },
  });
  expect([inTeam("otto"), m.read(keys)]).toEqual([true, `${KEYS[0]}\n`]);
});

test("nor does one that the run has not come to", async () => {
  const jail = `[jail /srv/late]\n${SECTIONS}`;
  m.write(FILE, jail);
  m.must(["jailkit", "apply"]);
  const keys = addAccount("lena");
  const holder = await holdLock(m, "/srv/late");
  m.write(FILE, `${jail}${user("lena", "/srv/late")}`);
  expect(linesOf(m, "--no-wait").summary.problems.map(({ code }) => code)).toEqual(["busy"]);
  holder.kill();
  await holder.ended;
  expect(declareAndWithdraw(jail).changes).toEqual(["- jail /srv/late (no longer declared)"]);
  expect([inTeam("lena"), m.read(keys)]).toEqual([true, `${KEYS[0]}\n`]);
});

test("root keeps its keys, its groups and its line in the jail", () => {
  m.must(["gpasswd", "-a", "root", "team"]);
  m.mkdir("/root/.ssh", { mode: 0o700 });
  m.write(ROOTS_KEYS, `${KEYS[0]}\n`);
  m.must(["jk_init", "-j", "/srv/roots", "uidbasics", "basicshell"]);
  const passwd = m.read("/srv/roots/etc/passwd");
  expect(passwd).toContain("root:");
  const { codes, status, changes } = declareAndWithdraw(user("root", "/srv/roots"));
  expect([codes, status, changes]).toEqual([["root"], 0, []]);
  expect([inTeam("root"), m.read(ROOTS_KEYS), m.read("/srv/roots/etc/passwd")]).toEqual([
    ...[true, `${KEYS[0]}\n`, passwd],
  ]);
  m.must(["gpasswd", "-d", "root", "team"]);
});

test("a jail that commands made, and that could not be changed, stays", () => {
  m.must(["jk_init", "-j", "/srv/commands", "uidbasics"]);
  const { codes, status, changes } = declareAndWithdraw("[jail /srv/commands]\nsections = sft\n");
  expect([codes, status, changes]).toEqual([["no-such-section"], 0, []]);
  expect(m.exists("/srv/commands/etc")).toBe(true);
});

test("an account that commands jailed, and that contradicts its declaration, stays in its jail", () => {
  m.must(["jk_init", "-j", "/srv/jailed", "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/srv/jailed", "-s", "/bin/bash", "bea"]);
  const before = lineOf("bea");
  const declared = user("bea", "/srv/jailed", `shell = /bin/bash\nuid = 4000\n`);
  expect(declareAndWithdraw(declared)).toEqual({ codes: ["uid-differs"], status: 0, changes: [] });
  expect(lineOf("bea")).toBe(before);
});

test("what was remembered before stays so, and follows to another file", () => {
  const jail = `[jail /srv/known]\n${SECTIONS}`;
  const two = "/etc/jailkit/jails.d/two.ini";
  m.write(FILE, `${jail}${user("kim", "/srv/known")}`);
  m.must(["jailkit", "apply"]);
  m.write(FILE, "");
  m.write(two, `[jail /srv/known]\nsections = sft\n${user("kim", "/srv/known", `${ACCESS}uid = 4000\n`)}`);
  expect(linesOf(m).status).toBe(1);
  m.write(two, "");
  const { status, changes } = linesOf(m, "--prune", "--delete-homes", two);
  expect([status, changes.map(({ name }) => name)]).toEqual([0, ["kim", "/srv/known"]]);
  m.remove(two);
});
