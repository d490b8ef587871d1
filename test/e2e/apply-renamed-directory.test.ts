/** `jailkit apply` after a rename of an account of a directory, which takes nobody out of the groups of a machine. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";
import { DIRECTORY, done, J, key, keysOf, RenamedScene, section } from "./renamed-scene.ts";

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

const account = (name: string, uid: number, home: string) =>
  `${name}:x:${uid}:7200::${home}:/usr/sbin/jk_chrootsh\n`;
const user = (name: string, more: string) => section(name, `directory = 1\n${more}`);
const left = "user dave: groups team";
const gone = `user davy: keys ${FINGERPRINTS[0]}`;
const rename = (home = "dave") => m.write(DIRECTORY, account("davy", 7104, `${J}/./home/${home}`));

beforeEach(() => {
  scene.clear();
  m.write(DIRECTORY, account("dave", 7104, `${J}/./home/dave`));
  m.must(["gpasswd", "-a", "dave", "team"]);
  declare(user("dave", `groups = team\n${key(0)}`));
  m.must(["jailkit", "apply"]);
});

test("each run without --prune tells its keys, and the group that has the former name, until one takes them", () => {
  rename();
  declare(user("davy", key(1)));
  const all = [left, "user davy: groups team", gone];
  expect(told()).toEqual(expect.arrayContaining([gone, left]));
  expect([told(), told()].map((lines) => lines.toSorted())).toEqual([all, all]);
  expect(warned()).toEqual([]);
  expect(did(m, "--prune").toSorted()).toEqual(all.map(done));
  expect([members(), members(`${J}/etc/group`), m.read(keysOf("dave"))]).toEqual(["", "", `${KEYS[1]}\n`]);
  expect([did(m, "--prune"), told(), known()]).toEqual([[], [], ["davy"]]);
});

test("the first run with --prune takes them, and nothing that is declared", () => {
  rename();
  m.must(["gpasswd", "-a", "davy", "team"]);
  declare(user("davy", `groups = team\n${key(0)}`));
  expect(did(m, "--prune")).toContain(done(left));
  expect([members(), members(`${J}/etc/group`), m.read(keysOf("dave"))]).toEqual([
    "davy",
    "davy",
    `${KEYS[0]}\n`,
  ]);
  expect([did(m, "--prune"), told(), known()]).toEqual([[], [], ["davy"]]);
});

test("so it is if the directory says nothing of the jail", () => {
  scene.clear();
  m.write(DIRECTORY, account("dave", 7104, "/home/dave"));
  m.must(["gpasswd", "-a", "dave", "team"]);
  declare(user("dave", `groups = team\n${key(0)}`));
  m.must(["jailkit", "apply"]);
  m.write(DIRECTORY, account("davy", 7104, "/home/dave"));
  declare(user("davy", key(1)));
  expect(told()).toContain(gone);
  m.must(["jailkit", "apply", "--prune"]);
  expect([m.read(keysOf("dave")), members()]).toEqual([`${KEYS[1]}\n`, ""]);
});

test("one that is in no jail any more, and has no line there, leaves its groups", () => {
  m.write(DIRECTORY, account("dave", 7104, "/home/dave"));
  m.must(["sed", "-i", "/^dave:/d", `${J}/etc/passwd`]);
  declare("");
  expect([told(), told()]).toEqual([[left], [left]]);
  expect(did(m, "--prune")).toEqual([done(left)]);
  expect([members(), members(`${J}/etc/group`), did(m, "--prune"), known()]).toEqual(["", "", [], []]);
});

test("while no service answers, nothing is told, taken or forgotten", () => {
  m.must(["sed", "-i", "/^dave:/d", `${J}/etc/passwd`]);
  declare("");
  m.remove(DIRECTORY);
  m.run(["jailkit", "apply", "--prune"]);
  expect([members(), known()]).toEqual(["dave", ["dave"]]);
});

test("its home may have another name, too", () => {
  rename("davy");
  m.must(["mv", `${J}/home/dave`, `${J}/home/davy`]);
  declare(user("davy", key(1)));
  expect(told()).toContain(gone);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(keysOf("davy"))).toBe(`${KEYS[1]}\n`);
});

test("a new account of the former name gets no group of before, and each run has the command until then", () => {
  rename();
  declare(user("davy", ""));
  m.must(["jailkit", "apply"]);
  m.write(DIRECTORY, account("davy", 7104, `${J}/./home/dave`) + account("dave", 7300, "/home/dave"));
  for (const options of [[], ["--prune"], ["--prune"]])
    expect(warned(...options)).toEqual([expect.stringContaining("gpasswd -d dave team")]);
  const remedy = "gpasswd -d dave team";
  typeRemedy(m, remedy);
  expect([warned("--prune"), warned(), known()]).toEqual([[], [], ["davy"]]);
  m.must(["gpasswd", "-a", "dave", "team"]);
  expect([warned("--prune"), did(m, "--prune"), members()]).toEqual([[], [], "dave"]);
});

test("a new account with the former uid keeps what it was given, and gets nothing", () => {
  m.write(DIRECTORY, account("hank", 7104, `${J}/./home/hank`));
  // It would own that.
  m.remove(`${J}/home/dave`);
  m.must(["gpasswd", "-a", "hank", "team"]);
  m.must(["sh", "-ec", `mkdir -p ${J}/home/hank/.ssh; chown -R 7104:7200 ${J}/home/hank`]);
  m.write(keysOf("hank"), `${KEYS[0]}\n`);
  m.must(["chown", "7104:7200", keysOf("hank")]);
  declare(user("hank", key(1)));
  m.must(["jailkit", "apply"]);
  m.must(["jailkit", "apply", "--prune"]);
  expect([members(), m.read(keysOf("hank"))]).toEqual(["hank", `${KEYS[0]}\n${KEYS[1]}\n`]);
});
