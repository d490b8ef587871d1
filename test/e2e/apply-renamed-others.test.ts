/** `jailkit apply` after a rename of a local account that was there before: what it gave under the former name goes. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS, linesOf } from "./apply-scene.ts";
import { done, J, key, keysOf, RenamedScene, section } from "./renamed-scene.ts";

setDefaultTimeout(120_000);

let m: Machine;
let scene: RenamedScene;
const declare = (text: string) => scene.declare(text);
const told = (...options: string[]) => scene.told(...options);
const warned = (...options: string[]) => scene.warned(...options);
const known = () => scene.known();
const members = (file?: string) => scene.members(file);

beforeAll(async () => {
  scene = await RenamedScene.open();
  m = scene.m;
});
afterAll(() => scene?.[Symbol.dispose]());

beforeEach(() => {
  scene.clear();
  m.must(["useradd", "-m", "-g", "users", "-s", "/bin/sh", "hans"]);
  declare(section("hans", `groups = team\n${key(0)}`));
  m.must(["jailkit", "apply"]);
});
const now = (more = key(1), home = "hans") => section("jo", `home = /home/${home}\n${more}`);
const lost = ["user jo: groups team", `user jo: keys ${FINGERPRINTS[0]}`];
const expectLost = (home = "hans") => {
  expect([did(m, "--prune"), told(), known()]).toEqual([[], [], ["jo"]]);
  expect([members(), members(`${J}/etc/group`)]).toEqual(["", ""]);
  expect(m.read(keysOf(home))).toBe(`${KEYS[1]}\n`);
};

test("the first run with --prune takes groups and keys of before", () => {
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now());
  expect(did(m, "--prune")).toEqual(expect.arrayContaining(lost.map(done)));
  expectLost();
});

test("each run without --prune tells them, until one takes them", () => {
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now());
  expect([told(), told(), told()]).toEqual([lost, lost, lost]);
  expect(did(m, "--prune")).toEqual(lost.map(done));
  expectLost();
});

test("so it is of what was taken out of the file before the rename, and if the home was renamed, too", () => {
  declare(section("hans", ""));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-l", "jo", "-d", `${J}/./home/jo`, "-m", "hans"]);
  declare(now("", "jo"));
  expect([told(), told()]).toEqual([lost, lost]);
  expect(did(m, "--prune")).toEqual(lost.map(done));
  expect([members(), m.read(keysOf("jo")), known()]).toEqual(["", "", ["jo"]]);
});

test("if the new name is not declared, it loses them all the same, and leaves the jail", () => {
  m.must(["usermod", "-l", "jo", "hans"]);
  declare("");
  expect(told()).toContain("user jo: entry in /srv/l -> out of it, with its home");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^(hans|jo):/m);
  expect([members(), m.read("/home/hans/.ssh/authorized_keys"), did(m, "--prune"), told()]).toEqual([
    "",
    "",
    [],
    [],
  ]);
});

test("a new account of the former name keeps what it was given", () => {
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now());
  m.must(["useradd", "-m", "-d", "/home/hans", "-g", "users", "-G", "team", "hans"]);
  expect(told()).toEqual(lost);
  m.must(["jailkit", "apply", "--prune"]);
  expect([members(), did(m, "--prune"), warned()]).toEqual(["hans", [], []]);
});

test.each([
  ["with another home", "userdel -r hans; useradd -o -u UID -g users -m -d /srv/l/./home/jo jo"],
  ["at its path", "userdel -r hans; useradd -o -u UID -g users -m -d /srv/l/./home/hans jo"],
  ["beside it", "useradd -o -u UID -g users -m -d /srv/l/./home/jo jo; userdel hans"],
])("a new account with the former uid, %s, keeps what it was given", (_, commands) => {
  m.must(["sh", "-ec", commands.replace("UID", `${m.ids("hans").uid}`)]);
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "-G", "team", "jo"]);
  const home = m.exists(`${J}/home/jo`) ? "jo" : "hans";
  m.must(["sh", "-ec", `mkdir ${J}/home/${home}/.ssh; chown jo ${J}/home/${home}/.ssh`]);
  m.write(keysOf(home), `${KEYS[0]}\n`);
  m.must(["chown", "jo", keysOf(home)]);
  declare(now(key(1), home));
  expect(told()).toEqual([]);
  m.must(["jailkit", "apply", "--prune"]);
  expect([members(), m.read(keysOf(home))]).toEqual(["jo", `${KEYS[0]}\n${KEYS[1]}\n`]);
});

test("a name without an account that is still a member of a group is told, and taken out", () => {
  m.must(["sed", "-i", "/^hans:/d", "/etc/passwd", "/etc/shadow"]);
  declare("");
  const gone = "user hans: groups team";
  expect([told(), told()].map((all) => all.includes(gone))).toEqual([true, true]);
  expect(did(m, "--prune")).toContain(done(gone));
  expect([members(), members(`${J}/etc/group`), did(m, "--prune"), known()]).toEqual(["", "", [], []]);
});

test("so it is if the file declares a new account of the former name at once", () => {
  m.must(["usermod", "-l", "jo", "hans"]);
  const other = section("hans", `home = /home/other\nauthorized_keys = ${KEYS[1]}\n`);
  m.must(["useradd", "-m", "-d", "/home/other", "-g", "users", "hans"]);
  declare(now("") + other);
  // It has its line in the jail, and its group there.
  const all = ["user hans: groups team", ...lost];
  expect([told(), told()].map((lines) => lines.toSorted())).toEqual([all, all]);
  m.must(["jailkit", "apply", "--prune"]);
  expect([members(), m.read(keysOf("hans")), m.read(keysOf("other"))]).toEqual(["", "", `${KEYS[1]}\n`]);
  expect([did(m, "--prune"), told(), known().toSorted()]).toEqual([[], [], ["hans", "jo"]]);
});

test("a new account of the former name in the jail keeps what it was given, too", () => {
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now());
  m.must(["jailkit", "apply"]);
  m.must(["useradd", "-g", "users", "-G", "team", "-m", "-d", `${J}/./home/other`, "hans"]);
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "hans"]);
  m.must(["jk_jailuser", "-j", J, "-s", "/bin/bash", "hans"]);
  m.must(["jailkit", "apply", "--prune"]);
  expect([members(), did(m, "--prune"), warned()]).toEqual(["hans", [], []]);
  expect(m.read(`${J}/etc/passwd`)).toMatch(/^hans:/m);
});

test("so does one with another uid, in place of one that nobody has renamed", () => {
  m.must(["userdel", "-r", "hans"]);
  m.must(["useradd", "-u", "4711", "-g", "users", "-G", "team", "-m", "-d", `${J}/./home/hans`, "hans"]);
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "hans"]);
  declare("");
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([members(), did(m, "--prune"), warned("--prune")]).toEqual(["hans", [], []]);
});

test("so does one outside, though the one of before was taken out by hand", () => {
  m.must(["jk_jailuser", "--unjail", "-m", "hans"]);
  declare("");
  m.must(["jailkit", "apply"]);
  m.must(["userdel", "-r", "hans"]);
  m.must(["useradd", "-u", "4711", "-g", "users", "-G", "team", "-m", "hans"]);
  expect(warned("--prune")).toEqual([expect.stringContaining("gpasswd -d hans team")]);
  expect([members(), did(m, "--prune"), warned()]).toEqual(["hans", [], []]);
});

test("the account is the same with another uid and its home", () => {
  m.must(["usermod", "-u", "4711", "hans"]);
  declare("");
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([members(), m.read("/home/hans/.ssh/authorized_keys"), m.ids("hans").uid]).toEqual(["", "", 4711]);
});

test("keys of an account that somebody has removed go from the home that the line in the jail names", () => {
  m.must(["userdel", "hans"]);
  declare("");
  expect(told()).toContain("user hans: entry in /srv/l");
  m.must(["jailkit", "apply", "--prune"]);
  expect([m.read(keysOf("hans")), warned("--prune"), known()]).toEqual(["", [], []]);
});

test("so they do not if somebody has its uid, and perhaps its home", () => {
  const { uid } = m.ids("hans");
  m.must(["userdel", "hans"]);
  m.must(["useradd", "-u", `${uid}`, "-g", "users", "-M", "-d", `${J}/./home/hans`, "jo"]);
  scene.remember((one) => delete one.uid);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(keysOf("hans"))).toBe(`${KEYS[0]}\n`);
  expect([warned(), warned()]).toEqual([
    [expect.stringContaining("keys that were declared may be left")],
    [],
  ]);
});

test("keys of one that is gone with its line are told until --prune", () => {
  m.must(["userdel", "hans"]);
  m.must(["sed", "-i", "/^hans:/d", `${J}/etc/passwd`]);
  declare("");
  const may = `user hans: keys that were declared may be left in its home in ${J}: nothing says any more which home that was`;
  expect([warned(), warned("--prune"), warned("--prune"), known()]).toEqual([[may], [may], [], []]);
});

test("what a former version wrote, which does not say the uid, is read, and tells it from the next run on", () => {
  scene.remember((one) => delete one.uid);
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now());
  expect(told()).toEqual(lost);
});

/** As a user can do it who may write the directory of the homes. */
const exchangeHome = () => m.must(["sh", "-ec", `cd ${J}/home; mv hans .h; cp -a .h hans`]);
const may = (what: string) =>
  `user hans: the account 'jo' has its uid and another home, and may be the one that was declared: ${what}; if that is to stay, run jailkit apply after that, and add it again, or declare it`;
const ofGroup = "it is in 'team': to take it out: gpasswd -d jo team";
const ofKeys = `'${keysOf("hans")}' has ${FINGERPRINTS[0]}: take the line out`;

test("one that has exchanged its home before is told with what it still has, by each run, until that is gone", () => {
  exchangeHome();
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now());
  const all = [may(`${ofGroup}; ${ofKeys}`)];
  expect([told(), warned(), warned("--prune"), warned("--check", "--prune")]).toEqual([[], all, all, all]);
  m.must(["sh", "-ec", "gpasswd -d jo team"]);
  expect([warned("--prune"), members()]).toEqual([[may(ofKeys)], ""]);
  m.write(keysOf("hans"), `${KEYS[1]}\n`);
  m.run(["jailkit", "apply", "--prune"]);
  expect([warned("--prune"), known()]).toEqual([[], ["jo"]]);
});

test("so it is of one outside, of which no home tells that it is the account", () => {
  exchangeHome();
  m.must(["usermod", "-l", "jo", "-d", "/home/jo", "-s", "/bin/sh", "hans"]);
  declare("");
  const all = [may(ofGroup)];
  expect([warned(), warned("--prune"), warned("--prune")]).toEqual([all, all, all]);
});

test("so it is not of what is declared of it", () => {
  exchangeHome();
  m.must(["usermod", "-l", "jo", "hans"]);
  declare(now(`groups = team\nauthorized_keys = ${KEYS[0]}\n`));
  expect(`${[warned(), warned("--prune"), warned("--prune")]}`).not.toContain("may be the one");
});
