/** `jailkit apply` for names that accounts had before, and that others have now, or are to get, all of it declared. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/customer";
const K = "/srv/other";
const D = "/etc/jailkit/jails.d";
const FILE = `${D}/one.ini`;
const NAMES = ["ann", "bob", "cid"] as const;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const OTHER = `[jail ${K}]\nsections = uidbasics, basicshell\n`;
const PRUNE = ["--prune", "--delete-homes"];

let m: Machine;
let uids: Record<string, number | undefined>;

const user = (name: string, home: string, more = "", jail = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\nhome = /home/${home}\n${more}`;
const declare = (...users: string[]) => m.write(FILE, JAIL + users.join(""));
const sh = (line: string) => m.must(["sh", "-ec", line]);
const nameOf = (uid: number | undefined) => m.run(["id", "-un", `${uid}`]).stdout.trim();
/** The names, uids and homes in the passwd(5) of a jail. */
const linesIn = (jail: string) =>
  m
    .read(`${jail}/etc/passwd`)
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, , uid]) => Number(uid) >= 1000 && Number(uid) < 60_000)
    .map(([name, , uid, , , home]) => `${name} ${uid} ${home}`)
    .sort();
const config = () =>
  reportOf(REPORT_SCHEMAS["jailkit config"], m.run(["jailkit", "config", "check", "--json"]).stdout).findings;
/** A run does what its check says, and all of it; returns what that is. */
function applied(...options: string[]): string[] {
  expect(config()).toEqual([]);
  const told = linesOf(m, "--check", ...options);
  expect(told.summary.problems).toEqual([]);
  const done = linesOf(m, ...options);
  expect([done.status, done.summary.problems]).toEqual([0, []]);
  expect(done.changes.map(({ text }) => text)).toEqual(told.changes.map(({ text }) => text));
  expect([did(m, ...options), did(m, "--prune"), config()]).toEqual([[], [], []]);
  return done.changes.map(({ text }) => text);
}
/** Declares nobody any more: what apply has created goes. */
function leave(...homes: string[]): void {
  m.write(FILE, m.exists(K) ? JAIL + OTHER : JAIL);
  for (const file of ["two.ini"]) m.remove(`${D}/${file}`);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [], warnings: [] } });
  expect([...homes, ...NAMES.map((name) => `${J}/home/${name}`)].filter((home) => m.exists(home))).toEqual(
    [],
  );
  expect(NAMES.map((name) => nameOf(uids[name]))).toEqual(["", "", ""]);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of [...NAMES, "zoe", "new", "tom"]) {
    m.run(["userdel", name]);
    m.run(["groupdel", name]);
  }
  sh(`rm -rf /var/lib/jailkit ${J} ${K}; rm -f ${D}/*`);
  declare(...NAMES.map((name) => user(name, name)));
  m.must(["jailkit", "apply"]);
  uids = Object.fromEntries(NAMES.map((name) => [name, uidIn(m, name)]));
});
afterAll(() => m?.close());

const OTHERS = user("bob", "bob") + user("cid", "cid");
const rename = () => sh("usermod -l zoe ann");

test.each([
  ["after it", () => [user("zoe", "ann"), user("ann", "ann2")]],
  ["before it", () => [user("ann", "ann2"), user("zoe", "ann")]],
  ["with a uid", () => [user("zoe", "ann"), user("ann", "ann2", "uid = 7777\n")]],
  ["the renamed one with its uid", () => [user("ann", "ann2"), user("zoe", "ann", `uid = ${uids.ann}\n`)]],
])("the former name of a declared account goes to a new one, declared %s", (_, sections) => {
  rename();
  // As a panel does it.
  m.write(`${FILE}.tmp`, JAIL + sections().join("") + OTHERS);
  const told = linesOf(m, "--check", `${FILE}.tmp`);
  expect([told.status, told.summary.problems]).toEqual([10, []]);
  m.rename(`${FILE}.tmp`, FILE);
  expect(applied().sort()).toEqual([
    `+ user ann: account in ${J}, home /home/ann2, shell /bin/bash (it does not exist)`,
    "+ user zoe: entry /bin/bash (it is not in the jail's etc/passwd)",
  ]);
  expect(nameOf(uids.ann)).toBe("zoe");
  expect(linesIn(J)).toEqual([
    `ann ${uidIn(m, "ann")} /home/ann2`,
    `bob ${uids.bob} /home/bob`,
    `cid ${uids.cid} /home/cid`,
    `zoe ${uids.ann} /home/ann`,
  ]);
  leave(`${J}/home/ann2`);
  expect(["ann", "zoe"].map((name) => uidIn(m, name))).toEqual([undefined, undefined]);
});

test.each([
  [
    "two",
    "usermod -l new ann; usermod -l ann bob; usermod -l bob new",
    { ann: "bob", bob: "ann", cid: "cid" },
  ],
  [
    "three",
    "usermod -l new ann; usermod -l ann bob; usermod -l bob cid; usermod -l cid new",
    { ann: "bob", bob: "cid", cid: "ann" },
  ],
])("%s accounts that have exchanged their names stay those that apply has created", (_, commands, homes) => {
  sh(commands);
  declare(...Object.entries(homes).map(([name, home]) => user(name, home)));
  applied("--prune");
  expect(linesIn(J)).toEqual(
    Object.entries(homes).map(([name, home]) => `${name} ${uids[home]} /home/${home}`),
  );
  leave();
});
