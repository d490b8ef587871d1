/** `jailkit apply` for a user whose account somebody has renamed: apply has created it, whatever its name is. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const HOME = `${J}/home/anna`;
const D = "/etc/jailkit/jails.d";
const FILE = `${D}/one.ini`;
const RIGHTS = `${J}/etc/jailkit/jk_lsh.ini`;
const MEMORY = "/var/lib/jailkit/declared.json";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`;
const user = (name: string, key: string, more = "") =>
  `[user ${name}]\njail = ${J}\nallow = sftp\nauthorized_keys = ${key}\n${more}`;

let m: Machine;
const declare = (text: string) => m.write(FILE, JAIL + text);
/** What `jailkit config check` reports. */
const found = () =>
  reportOf(REPORT_SCHEMAS["jailkit config"], m.run(["jailkit", "config", "check", "--json", FILE]).stdout)
    .findings;
const PRUNE = ["--prune", "--delete-homes"];
const has = (name: string) => m.run(["id", name]).status === 0;

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of ["anna", "nora", "dora", "annika"]) m.run(["userdel", name]);
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.remove(`${J}/home`);
  declare(user("anna", KEYS[0], "groups = team\n"));
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("it loses the rights, groups and keys of before, and goes with its home", () => {
  m.must(["usermod", "-l", "nora", "anna"]);
  declare(user("nora", KEYS[1], "home = /home/anna\n"));
  expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  expect([did(m, "--prune"), did(m)]).toEqual([[], []]);
  expect(m.read(RIGHTS)).toBe("\n[nora]\nallow = sftp\n");
  expect(m.read(`${HOME}/.ssh/authorized_keys`)).toBe(`${KEYS[1]}\n`);
  expect(m.must(["id", "-Gn", "nora"]).stdout).toBe("users\n");
  declare("");
  expect(did(m, "--prune", "--delete-homes")).toEqual([
    `done - user nora: account and its home ${HOME} (no longer declared)`,
  ]);
  expect([has("nora"), m.exists(HOME)]).toEqual([false, false]);
});

test("so it is if the file declares a new account of the former name at once", () => {
  const { uid } = m.ids("anna");
  m.must(["usermod", "-l", "nora", "anna"]);
  declare(user("nora", KEYS[1], "home = /home/anna\n") + user("anna", KEYS[0], "home = /home/other\n"));
  m.must(["useradd", "-g", "users", "-m", "-d", `${J}/./home/other`, "anna"]);
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "anna"]);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(`${HOME}/.ssh/authorized_keys`)).toBe(`${KEYS[1]}\n`);
  expect([m.must(["id", "-Gn", "nora"]).stdout, did(m, "--prune")]).toEqual(["users\n", []]);
  declare(user("anna", KEYS[0], "home = /home/other\n"));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([m.run(["id", "-un", `${uid}`]).status, has("anna"), m.exists(HOME)]).toEqual([1, true, false]);
});

test("so it is after a run without --prune, and after one that was for this file", () => {
  m.must(["usermod", "-l", "nora", "anna"]);
  declare(user("nora", KEYS[0], "home = /home/anna\n"));
  m.must(["jailkit", "apply", FILE]);
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes", FILE]);
  expect([has("nora"), m.exists(HOME), m.read(RIGHTS)]).toEqual([false, false, ""]);
});

test("so it is if nothing but the name is declared otherwise", () => {
  const plain = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\nhome = /home/anna\n`;
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  declare(plain("anna"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-l", "nora", "anna"]);
  declare(plain("nora"));
  m.must(["jailkit", "apply"]);
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([has("nora"), m.exists(HOME)]).toEqual([false, false]);
});

/** Renames the account, and moves its home, by hand. */
const moveToNora = () => m.must(["usermod", "-l", "nora", "-d", `${J}/./home/nora`, "-m", "anna"]);

test("so it is if its home was renamed with it", () => {
  moveToNora();
  declare(user("nora", KEYS[1]));
  expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  expect([did(m, "--prune"), did(m)]).toEqual([[], []]);
  expect(m.read(RIGHTS)).toBe("\n[nora]\nallow = sftp\n");
  expect(m.read(`${J}/home/nora/.ssh/authorized_keys`)).toBe(`${KEYS[1]}\n`);
  declare("");
  expect(did(m, "--prune", "--delete-homes")).toEqual([
    `done - user nora: account and its home ${J}/home/nora (no longer declared)`,
  ]);
  expect([has("nora"), m.exists(`${J}/home/nora`)]).toEqual([false, false]);
});

test("also if it is renamed and moved once more", () => {
  moveToNora();
  declare(user("nora", KEYS[1]));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-l", "dora", "-d", `${J}/./home/dora`, "-m", "nora"]);
  declare(user("dora", KEYS[1]));
  m.must(["jailkit", "apply", "--prune"]);
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([has("dora"), m.exists(`${J}/home/dora`)]).toEqual([false, false]);
});

test("not if another directory has the number of its home, which a file system gives again", () => {
  moveToNora();
  const memory = JSON.parse(m.read(MEMORY));
  const [anna] = memory.users;
  const [number = "", birth = ""] = anna.homeId.split(" ");
  expect(number).toBe(m.must(["stat", "-c", "%i", `${J}/home/nora`]).stdout.trim());
  anna.homeId = `${number} ${BigInt(birth) - 1n}`;
  m.write(MEMORY, JSON.stringify(memory));
  declare(user("nora", KEYS[0]));
  m.must(["jailkit", "apply"]);
  declare("");
  m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([has("nora"), m.exists(`${J}/home/nora`)]).toEqual([true, true]);
});

test("a file that does not tell which directory a home is, as former versions wrote it, is read", () => {
  const memory = JSON.parse(m.read(MEMORY));
  for (const one of memory.users) delete one.homeId;
  m.write(MEMORY, JSON.stringify(memory));
  expect(linesOf(m, "--check").status).toBe(0);
  moveToNora();
  declare(user("nora", KEYS[0]));
  m.must(["jailkit", "apply"]);
  declare("");
  m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect(has("nora")).toBe(true);
});

test.each([
  ["while the other name is there, too", "useradd -o -u UID -g users -d /nowhere -M nora"],
  [
    "with a copy of its home",
    "usermod -l nora -d /srv/customer/./home/nora anna; cp -a HOME/anna HOME/nora; rm -r HOME/anna",
  ],
  [
    "that somebody has made with its uid",
    "userdel -r anna; useradd -o -u UID -g users -m -d /srv/customer/./home/nora nora",
  ],
  [
    "that somebody has made for its home on another day",
    "userdel anna; mv HOME/anna HOME/nora; useradd -o -u UID -g users -d /srv/customer/./home/nora nora; chage -d 2020-02-02 nora",
  ],
  [
    "that has a password of its own and another home",
    "usermod -l nora -d /srv/customer/./home/nora -m -p '$6$salt$sum' anna",
  ],
  ["that was out of the jail", "usermod -l nora -d /home/nora -m anna; usermod -s /bin/sh nora"],
  ["with another uid", "usermod -l nora -u 7777 anna"],
])("an account is not that of apply %s", (_, commands) => {
  const { uid } = m.ids("anna");
  m.must(["sh", "-ec", commands.replace("UID", `${uid}`).replaceAll("HOME", `${J}/home`)]);
  if (has("anna")) m.must(["usermod", "-d", `${J}/./home/anna`, "-s", "/usr/sbin/jk_chrootsh", "nora"]);
  const home = m.exists(`${J}/home/nora`) ? "/home/nora" : "/home/anna";
  declare(user("nora", KEYS[0], `home = ${home}\n`));
  m.run(["jailkit", "apply"]);
  declare("");
  m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect(has("nora")).toBe(true);
});

/** As a user does it who can write the directory above the home. */
const exchange = () => m.must(["sh", "-ec", `cd ${J}/home; cp -a nora new; mv nora old; mv new nora`]);

test.each([
  ["exchanged before the next run", exchange],
  [
    "exchanged, and which has a password",
    () => exchange() && m.must(["usermod", "-p", "$6$salt$sum", "nora"]),
  ],
])(
  "an account with another home that was %s cannot log in when it is declared no more, which each run tells",
  (_, act) => {
    moveToNora();
    act();
    declare(user("nora", KEYS[0], "groups = team\n"));
    m.must(["jailkit", "apply", "--prune"]);
    expect(did(m, "--prune")).toEqual([]);
    declare("");
    const problems = [{ code: "doubtful-account", path: "nora", remedy: null }];
    expect(linesOf(m, "--check", ...PRUNE)).toMatchObject({ status: 10, summary: { problems } });
    expect(linesOf(m, ...PRUNE)).toMatchObject({
      status: 1,
      changes: [{ what: "entry" }],
      summary: { problems },
    });
    expect([has("nora"), m.exists(`${J}/home/nora/.ssh`), m.read(RIGHTS)]).toEqual([true, true, ""]);
    expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^nora:/m);
    expect(m.must(["id", "-Gn", "nora"]).stdout).toBe("users\n");
    expect(m.read(`${J}/home/nora/.ssh/authorized_keys`)).toBe("");
    expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 1, changes: [], summary: { problems } });
    typeRemedy(m, "userdel nora");
    expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, changes: [] });
  },
);

test("its line, which the run gives the other name, is not told to be there still", () => {
  const plain = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\nhome = /home/anna\n`;
  const told = (...options: string[]) => linesOf(m, ...options).summary.noLongerDeclared;
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  declare(plain("anna"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-l", "nora", "anna"]);
  declare(plain("nora"));
  expect([told("--check"), told(), told()]).toEqual([[], [], []]);
  expect(m.read(`${J}/etc/passwd`)).toMatch(/^nora:/m);
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^anna:/m);
});

test("with --prune, too, its line is not taken away first", () => {
  m.must(["usermod", "-l", "nora", "anna"]);
  declare(user("nora", KEYS[0], "home = /home/anna\ngroups = team\n"));
  expect(did(m, "--prune")).toEqual([
    "done - user anna: policy in /srv/customer (no longer declared)",
    "done + user nora: policy allow (it has no section)",
    "done + user nora: entry /usr/sbin/jk_lsh (it is not in the jail's etc/passwd)",
    "done + user nora: groups team (it is not a member in the jail)",
  ]);
  expect([did(m, "--prune"), m.read(RIGHTS)]).toEqual([[], "\n[nora]\nallow = sftp\n"]);
  expect(m.read(`${J}/etc/group`)).toMatch(/^team:.*:nora$/m);
});

test("while the file has the old name, the remedy is the new one with the home, and the account is not touched", () => {
  m.must(["usermod", "-l", "nora", "anna"]);
  const remedy = `write in line 3 of ${FILE}:\n[user nora]\nhome = /home/anna`;
  const message =
    /^user anna: the account is 'nora' now, .*: write '\[user nora\]' and 'home = \/home\/anna' in place of '\[user anna\]'$/;
  for (const options of [["--check"], []]) {
    const { status, changes, summary } = linesOf(m, ...options);
    expect([status, changes]).toEqual([1, []]);
    expect(summary.problems).toMatchObject([
      { code: "user-exists", remedy, line: 3, message: expect.stringMatching(message) },
    ]);
  }
  typeRemedy(m, remedy);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(m.read(`${J}/etc/passwd`)).toMatch(/^nora:/m);
  const gone = `done - user anna: policy in ${J} (no longer declared)`;
  expect([did(m, "--prune"), did(m, "--prune")]).toEqual([[gone], []]);
});

test("config check and status say of an account with another name what apply says, and nothing else", () => {
  const { uid } = m.ids("anna");
  m.must(["usermod", "-l", "nora", "anna"]);
  for (const more of ["", `uid = ${uid}\n`, `uid = ${uid}\nhome = /home/anna\n`]) {
    declare(user("anna", KEYS[0], more));
    const [problem] = linesOf(m, "--check").summary.problems;
    const message = `${problem?.message}`.replace("user anna:", "'anna':");
    expect(found()).toMatchObject([{ line: 3, code: "taken", message, remedy: problem?.remedy }]);
    const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
    expect(status.findings.filter(({ kind }) => kind === "config")).toMatchObject([
      { message: expect.stringContaining("the account is 'nora' now") },
    ]);
  }
  typeRemedy(m, `${found()[0]?.remedy}`);
  expect([found(), linesOf(m).status]).toEqual([[], 0]);
});

test.each([
  ["in jk_chrootsh.d", "shell = /bin/bash\nlimits = nofile 256\n"],
  ["in the jail's jk_lsh.ini", "allow = sftp\n"],
])(
  "the section of the former name %s is told with what takes it away, and gives nobody else its rights",
  (_where, keys) => {
    const written = (name: string) => `[user ${name}]\njail = ${J}\n${keys}`;
    const all = () =>
      reportOf(REPORT_SCHEMAS["jailkit config"], m.run(["jailkit", "config", "check", "--json"]).stdout)
        .findings;
    declare(written("anna"));
    m.must(["jailkit", "apply", "--prune"]);
    m.must(["usermod", "-l", "annika", "anna"]);
    const renamed = all();
    expect(renamed).toMatchObject([{ file: FILE, line: 3, code: "taken" }]);
    typeRemedy(m, `${renamed[0]?.remedy}`);
    m.must(["jailkit", "apply"]);
    const left = all();
    expect(left).toMatchObject([
      { severity: "warning", code: "unknown-user", remedy: "jailkit apply --prune" },
    ]);
    typeRemedy(m, `${left[0]?.remedy}`);
    expect(all()).toEqual([]);
  },
);

test("if the name is changed in the file alone, apply and config check name the command that keeps the account", () => {
  const { uid } = m.ids("anna");
  const text = user("nora", KEYS[0], `uid = ${uid}\nhome = /home/anna\n`);
  const rename = "usermod -l nora anna";
  const advice = `to keep that account, which is no longer declared, rename it with: ${rename}`;
  const told = () =>
    [linesOf(m, "--check").summary.problems, found()].map((all) => all.map(({ message }) => message));
  declare(text);
  expect(told()).toEqual([
    [`user nora: the uid ${uid} belongs to 'anna': declare another uid with the key 'uid'; or, ${advice}`],
    [`the uid ${uid} belongs to 'anna' on this machine; ${advice}`],
  ]);
  // Somebody else's account, and one that is declared elsewhere.
  m.write(`${D}/two.ini`, user("anna", KEYS[0]));
  expect(`${told()}`).not.toContain(rename);
  m.remove(`${D}/two.ini`);
  m.must(["usermod", "-d", "/home/anna", "anna"]);
  expect(`${told()}`).not.toContain(rename);
  m.must(["usermod", "-d", HOME.replace("/home", "/./home"), "anna"]);
  m.must(rename.split(" "));
  expect([found(), linesOf(m)]).toMatchObject([[], { status: 0, summary: { problems: [] } }]);
  expect([m.ids("nora").uid, m.exists(HOME)]).toEqual([uid, true]);
});

test("so they do if the home is declared, and no uid", () => {
  const text = user("nora", KEYS[0], "groups = team\nhome = /home/anna\n");
  const rename = "usermod -l nora anna";
  const or = `; or, to keep that account, which is no longer declared, rename it with: ${rename}`;
  declare(text);
  const home = `'${HOME}' is the home of 'anna': name another home with the key 'home'${or}`;
  const told = { code: "bad-home", message: `user nora: ${home}`, remedy: rename };
  for (const options of [["--check"], []])
    expect(linesOf(m, ...options).summary.problems).toMatchObject([told]);
  expect(found()).toMatchObject([
    {
      message: `'/home/anna' is the home of 'anna' in this jail: name another one with the key 'home'${or}`,
      remedy: rename,
    },
  ]);
  // The other way.
  declare(user("nora", KEYS[0], "home = /home/other\n"));
  expect(linesOf(m, "--check").summary.problems).toEqual([]);
  declare(text);
  typeRemedy(m, rename);
  expect([found(), linesOf(m)]).toMatchObject([[], { status: 0, summary: { problems: [] } }]);
  expect([has("anna"), m.read(`${HOME}/.ssh/authorized_keys`), did(m)]).toEqual([false, `${KEYS[0]}\n`, []]);
});

test("not if somebody else declares the old name, or the account left the jail", () => {
  declare(user("nora", KEYS[0], "home = /home/anna\n"));
  m.write(`${D}/two.ini`, user("anna", KEYS[0]));
  const told = () =>
    `${[...linesOf(m, "--check").summary.problems, ...found()].map(({ message }) => message)}`;
  expect(told()).not.toContain("usermod -l");
  m.remove(`${D}/two.ini`);
  m.must(["usermod", "-d", "/home/anna", "anna"]);
  expect(told()).not.toContain("usermod -l");
});
