/** Whoever is renamed keeps the limits of the sessions, whatever command says how the login works again. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/r";
const D = "/etc/jailkit/jails.d";
const FILE = `${D}/one.ini`;
const OWN = "/etc/jailkit/jk_chrootsh.ini";
const LIMITS = "confine = 1\nlimits = nproc 64\n";
const SIDE = ["jk_jailuser", "--jail-side-only", "-j", J, "liz"];

let m: Machine;
const declare = (text: string) => m.write(FILE, `[jail ${J}]\nsections = basicshell\n${text}`);
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${LIMITS}${more}`;
const sh = (line: string) => m.must(["sh", "-ec", line]);
const has = (name: string) => m.run(["id", name]).status === 0;
const lineOf = (name: string) => new RegExp(`^${name}:.*$`, "m").exec(m.read(`${J}/etc/passwd`))?.[0];
const found = () =>
  reportOf(REPORT_SCHEMAS["jailkit config"], m.run(["jailkit", "config", "check", "--json"]).stdout).findings;
const status = () =>
  reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout).findings;
const checked = () => check(m, J).found;
/** The limit of processes in a session, by a login as sshd begins it; "" if it is refused. */
const processes = (name: string) =>
  m.run(["runuser", "-l", name, "-s", "/usr/sbin/jk_chrootsh", "-c", "ulimit -u"]).stdout.trim();
const byHand = () => sh(`usermod -l liz lea; sed -i 's/^lea:/liz:/' ${J}/etc/passwd`);
const problems = () => linesOf(m, "--check").summary.problems;

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of ["lea", "liz"]) m.run(["userdel", name]);
  sh(`rm -rf /var/lib/jailkit ${J}; rm -f ${D}/* /etc/jailkit/jk_chrootsh.d/* /root/named.ini; : > ${OWN}`);
  declare(user("lea"));
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test.each([
  ["has its line in the jail by that name", byHand],
  [
    "has a line beside that of before",
    () => sh(`usermod -l liz lea; cd ${J}/etc; sed -n 's/^lea:/liz:/p' passwd >> passwd`),
  ],
  ["has no line in the jail any more", () => sh(`usermod -l liz lea; sed -i '/^lea:/d' ${J}/etc/passwd`)],
])("an account with another name that %s is known, and no second one is made", (_, act) => {
  act();
  const { uid } = m.ids("liz");
  const remedy = `write in line 3 of ${FILE}:\n[user liz]\nhome = /home/lea`;
  for (const more of ["", "home = /home/lea2\n", `uid = ${uid}\n`]) {
    declare(user("lea", more));
    const [problem, ...others] = problems();
    expect(problem).toMatchObject({
      code: "user-exists",
      message: expect.stringContaining(
        `the account is 'liz' now, by its uid ${uid} and its home: write '[user liz]'`,
      ),
    });
    expect(others).toEqual([]);
    expect(linesOf(m)).toMatchObject({ status: 1, changes: [] });
    expect(found()).toMatchObject([{ file: FILE, code: "taken", remedy: problem?.remedy }]);
    expect([has("lea"), `${problem?.remedy}`]).toEqual([
      false,
      more.startsWith("home") ? remedy.replace(/\nhome.*/, "") : remedy,
    ]);
  }
  declare(user("lea"));
  typeRemedy(m, `${problems()[0]?.remedy}`);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(processes("liz")).toBe("64");
  m.must(["jailkit", "apply", "--prune"]);
  expect([did(m, "--prune"), found(), status()]).toEqual([[], [], []]);
});

test("if the section says that it means another account, that is made, and the one of before is declared no more", () => {
  byHand();
  declare(user("lea", "uid = 7777\nhome = /home/lea2\n"));
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([m.ids("lea").uid, has("liz")]).toEqual([7777, true]);
  expect(linesOf(m, "--check").summary.noLongerDeclared).toEqual(["user liz"]);
  m.must(["jailkit", "apply", "--prune"]);
  expect([has("liz"), has("lea"), lineOf("liz"), processes("lea")]).toEqual([false, true, undefined, "64"]);
});

test("if another account has the name by now, it is not taken for it, and the one of before is not forgotten", () => {
  byHand();
  sh(`useradd -u 7777 -m -d ${J}/./home/lea2 -s /usr/sbin/jk_chrootsh lea`);
  declare(user("lea", "home = /home/lea2\n"));
  const [problem] = problems();
  const { uid } = m.ids("liz");
  expect(problem).toMatchObject({
    code: "doubtful-account",
    message: `user lea: the account that was declared is 'liz' now, by its uid ${uid} and its home, and another one has this name: if '[user lea]' means that one, write '[user liz]' in place of '[user lea]'; if it means another one, declare 'uid = 7777'`,
  });
  expect(found()).toMatchObject([{ severity: "error", code: "taken" }]);
  expect(linesOf(m)).toMatchObject({ status: 1, changes: [] });
  declare(user("lea", "home = /home/lea2\nuid = 7777\n"));
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  m.must(["jailkit", "apply", "--prune"]);
  expect([has("liz"), has("lea"), processes("lea")]).toEqual([false, true, "64"]);
});

test("with another home it may be the account, and no second one is made until the section says so", () => {
  sh(`usermod -l liz -d ${J}/./home/liz -m lea; sed -i 's/^lea:/liz:/' ${J}/etc/passwd`);
  sh(`cd ${J}/home; cp -a liz new; mv liz old; mv new liz`);
  const { uid } = m.ids("liz");
  const may = `user lea: the account that was declared may be 'liz' now, by its uid ${uid}: if '[user lea]' means that one, write '[user liz]' in place of '[user lea]'; if it means another one, declare another uid with the key 'uid'`;
  expect(problems()).toMatchObject([{ code: "doubtful-account", message: may }]);
  expect([linesOf(m).status, has("lea")]).toEqual([1, false]);
  // A program would take for certain what may be.
  expect(problems()[0]?.remedy).toBeNull();
  m.must(["sed", "-i", "s/^\\[user lea\\]/[user liz]/", FILE]);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(processes("liz")).toBe("64");
});

test("so it is if another account has the name, and not of an account that is elsewhere", () => {
  sh(`usermod -l liz -d ${J}/./home/liz -m lea; sed -i 's/^lea:/liz:/' ${J}/etc/passwd`);
  sh(`cd ${J}/home; cp -a liz new; mv liz old; mv new liz`);
  sh(`useradd -u 7777 -m -d ${J}/./home/lea -s /usr/sbin/jk_chrootsh lea`);
  expect(problems()).toMatchObject([
    {
      code: "doubtful-account",
      message: expect.stringMatching(/may be 'liz' now, .*, and another one has .*'uid = 7777'$/),
    },
  ]);
  sh("usermod -d /home/liz -s /bin/sh liz");
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(processes("lea")).toBe("64");
});

test("the line of the old name stays, whatever jk_check says is typed first, and status leads to the limits", () => {
  m.must(["usermod", "-l", "liz", "lea"]);
  const of = (rule: string) => checked().find((one) => one.rule === rule);
  expect(of("user-unknown")).toMatchObject({
    message: `user lea in jail ${J}/ does not exist on the real system, and 'liz' has its uid`,
    remedy: "jailkit apply --check",
  });
  expect([m.run(SIDE).status, lineOf("liz"), lineOf("lea") === undefined]).toEqual([1, undefined, false]);
  const { remedy = "" } = of("user-not-in-jail") ?? {};
  expect(remedy).toBe(`${linesOf(m).summary.problems[0]?.remedy}`);
  typeRemedy(m, remedy);
  m.must(["jailkit", "apply"]);
  expect([of("user-not-in-jail"), of("user-unknown"), processes("liz")]).toEqual([
    undefined,
    undefined,
    "64",
  ]);
});

test("so it is if the old name is declared no more, or in another file", () => {
  m.must(["usermod", "-l", "liz", "lea"]);
  declare("");
  const ways = () => status().flatMap(({ kind, command }) => (kind === "not-in-jail" ? command : []));
  expect(ways()).toEqual(["jailkit apply --prune"]);
  m.write("/root/named.ini", user("lea"));
  m.run(["jailkit", "apply", "/root/named.ini"]);
  sh("usermod -l lea liz; jailkit apply /root/named.ini; usermod -l liz lea");
  expect(ways()).toEqual(["jailkit apply /root/named.ini"]);
  expect(m.run(["jailkit", "apply", "/root/named.ini"]).stderr).toContain("[user liz]");
});

test.each([["--jail-side-only"], ["-n"]])(
  "jk_jailuser %s lets no renamed account in without its limits",
  (option) => {
    m.must(["usermod", "-l", "liz", "lea"]);
    const type = () => m.run(["jk_jailuser", option, "-j", J, "liz"]);
    const refused = type();
    expect([refused.status, lineOf("liz"), processes("liz")]).toEqual([1, undefined, ""]);
    expect(refused.stderr).toContain("limits the sessions of 'lea'");
    expect(refused.stderr).toContain("; type first: jailkit apply\n");
    // Also if the line of the old name is gone.
    m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "lea"]);
    expect([type().status, lineOf("liz")]).toEqual([1, undefined]);
    declare(user("liz", "home = /home/lea\n"));
    expect(type().stderr).toContain("jailkit apply");
    m.must(["jailkit", "apply"]);
    expect([type().status, processes("liz")]).toEqual([0, "64"]);
  },
);

test.each([
  ["jk_chrootsh.ini", () => OWN, "/bin/bash"],
  ["a drop-in of it", () => "/etc/jailkit/jk_chrootsh.d/x.ini", "/bin/bash"],
  ["jk_lsh.ini of the jail", () => `${J}/etc/jailkit/jk_lsh.ini`, "/usr/sbin/jk_lsh"],
])("so it is for who was never declared, with a section in %s", (_, fileOf, shell) => {
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  declare("[user other]\nallow = sftp\n".slice(0, 0));
  m.must(["jk_addjailuser", "-j", J, "-s", shell, "lea"]);
  m.write(fileOf(), `# rules\n[lea]\nlimits = nproc 64\n`);
  m.must(["usermod", "-l", "liz", "lea"]);
  const refused = m.run([...SIDE, "--json"]);
  expect([refused.status, lineOf("liz")]).toEqual([1, undefined]);
  const remedy = `write in line 2 of ${fileOf()}:\n[liz]`;
  expect(m.run(SIDE).stderr).toContain(`line 2, limits the sessions of 'lea'`);
  typeRemedy(m, remedy);
  m.must(SIDE);
  expect([lineOf("lea"), lineOf("liz")?.endsWith(shell)]).toEqual([undefined, true]);
  if (shell === "/bin/bash") expect(processes("liz")).toBe("64");
});

test("one without limits, or whose new name has a section, comes back as before", () => {
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "lea"]);
  m.write(OWN, "[lea]\numask = 022\n");
  m.must(["usermod", "-l", "liz", "lea"]);
  m.must(SIDE);
  expect(lineOf("liz")).toBeDefined();
  m.must(["usermod", "-l", "lea", "liz"]);
  m.write(OWN, "[liz]\nlimits = nproc 64\n[lea]\nlimits = nproc 65\n");
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "lea"]);
  expect(processes("lea")).toBe("65");
});
