/** `jailkit apply` for names that accounts had before, and that others have now, or are to get, all of it declared. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, KEYS, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

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
  m.remove(`${D}/two.ini`);
  m.write(FILE, m.exists(K) ? JAIL + OTHER : JAIL);
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

/** As a panel does it: the new text of a file is checked under a name that is not read. */
function putChecked(text: string): void {
  m.write(`${FILE}.tmp`, text);
  const told = linesOf(m, "--check", `${FILE}.tmp`);
  expect([told.status, told.summary.problems]).toEqual([10, []]);
  m.rename(`${FILE}.tmp`, FILE);
}

const OTHERS = user("bob", "bob") + user("cid", "cid");
const killedAt = (call: string, nth: number) =>
  m.run([
    ...["strace", "-qq", "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${nth}`],
    ...["jailkit", "apply"],
  ]).signal === "SIGKILL";
const rename = () => sh("usermod -l zoe ann");

test.each([
  ["after it", () => [user("zoe", "ann"), user("ann", "ann2")]],
  ["before it", () => [user("ann", "ann2"), user("zoe", "ann")]],
  ["with a uid", () => [user("zoe", "ann"), user("ann", "ann2", "uid = 7777\n")]],
  ["the renamed one with its uid", () => [user("ann", "ann2"), user("zoe", "ann", `uid = ${uids.ann}\n`)]],
])("the former name of a declared account goes to a new one, declared %s", (_, sections) => {
  rename();
  putChecked(JAIL + sections().join("") + OTHERS);
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

test("so it does if the renamed one has another home, which the new one gets, and its groups and keys stay", () => {
  const rights = (index: 0 | 1) => `groups = team\nauthorized_keys = ${KEYS[index]}\n`;
  declare(user("ann", "ann", rights(0)), OTHERS);
  m.must(["jailkit", "apply"]);
  sh(`usermod -l zoe -d ${J}/./home/zoe -m ann`);
  putChecked(JAIL + user("ann", "ann", rights(1)) + user("zoe", "zoe", rights(0)) + OTHERS);
  applied("--prune");
  expect(["ann", "zoe"].map((home) => m.read(`${J}/home/${home}/.ssh/authorized_keys`))).toEqual([
    `${KEYS[1]}\n`,
    `${KEYS[0]}\n`,
  ]);
  expect(m.read("/etc/group")).toMatch(/^team:.*:(ann,zoe|zoe,ann)$/m);
  leave(`${J}/home/zoe`);
});

test.each([
  ["before it", OTHER + JAIL],
  ["after it", JAIL + OTHER],
])("so it does if the new one is in another jail, which is declared %s", (_, jails) => {
  m.write(FILE, jails + user("ann", "ann") + OTHERS);
  m.must(["jailkit", "apply"]);
  rename();
  m.write(FILE, jails + user("zoe", "ann") + user("ann", "ann", "", K) + OTHERS);
  applied("--prune");
  expect([linesIn(J), linesIn(K)]).toEqual([
    [`bob ${uids.bob} /home/bob`, `cid ${uids.cid} /home/cid`, `zoe ${uids.ann} /home/ann`],
    [`ann ${uidIn(m, "ann")} /home/ann`],
  ]);
  leave(`${K}/home/ann`);
});

test("if the renamed one is to be in another jail, both remedies heal, in their order", () => {
  m.write(FILE, JAIL + OTHER + user("ann", "ann") + OTHERS);
  m.must(["jailkit", "apply"]);
  rename();
  m.write(FILE, JAIL + OTHER + user("ann", "ann2") + user("zoe", "ann", "", K) + OTHERS);
  const { problems } = linesOf(m, "--check").summary;
  expect(problems.map(({ path, code }) => `${path} ${code}`)).toEqual([
    "ann user-exists",
    "zoe in-another-jail",
  ]);
  for (const { remedy } of problems) typeRemedy(m, `${remedy}`);
  applied("--prune");
  expect([nameOf(uids.ann), linesIn(K)]).toEqual(["zoe", [`zoe ${uids.ann} /home/ann`]]);
  leave(`${K}/home/ann`, `${J}/home/ann2`);
});

test("if another file has the section of the renamed one, a run of one file waits for that of the other", () => {
  rename();
  declare(user("ann", "ann2"), OTHERS);
  m.write(`${D}/two.ini`, user("zoe", "ann"));
  expect(linesOf(m, "--check")).toMatchObject({ status: 10, summary: { problems: [] } });
  const remedy = `jailkit apply ${D}/two.ini`;
  const message = `user ann: the line of this name in '${J}/etc/passwd' is that of 'zoe', by its uid ${uids.ann}, which gets its name with: ${remedy}`;
  for (const options of [["--check"], []])
    expect(linesOf(m, ...options, FILE)).toMatchObject({
      status: 1,
      changes: [],
      summary: { problems: [{ code: "user-exists", path: "ann", message, remedy }] },
    });
  typeRemedy(m, remedy);
  expect(linesOf(m, FILE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([did(m, "--prune"), nameOf(uids.ann)]).toEqual([[], "zoe"]);
  leave(`${J}/home/ann2`);
});

test("with another uid, if nobody declares the renamed one, that one goes with its line, and the new one comes", () => {
  rename();
  declare(user("ann", "ann2", "uid = 7777\n"), OTHERS);
  applied(...PRUNE);
  expect([nameOf(uids.ann), m.exists(`${J}/home/ann`), linesIn(J)[0]]).toEqual([
    "",
    false,
    "ann 7777 /home/ann2",
  ]);
  leave(`${J}/home/ann2`);
});

test("if the run is killed, the next one completes it, and nobody loses anything", () => {
  for (let nth = 1; ; nth++) {
    declare(user("ann", "ann", "groups = team\n"), user("bob", "bob"), user("cid", "cid"));
    m.must(["jailkit", "apply", ...PRUNE]);
    uids = Object.fromEntries(NAMES.map((name) => [name, uidIn(m, name)]));
    sh("usermod -l zoe ann; usermod -l new bob; usermod -l bob cid; usermod -l cid new");
    const renamed = [user("bob", "cid"), user("cid", "bob"), user("zoe", "ann", "groups = team\n")];
    declare(user("ann", "ann2"), ...renamed);
    const isKilled = killedAt("renameat", nth);
    expect([nth, linesOf(m, "--prune").summary.problems]).toEqual([nth, []]);
    expect([did(m, "--prune"), m.read("/etc/group")]).toEqual([[], expect.stringMatching(/^team:.*:zoe$/m)]);
    expect(linesIn(J)).toEqual([
      `ann ${uidIn(m, "ann")} /home/ann2`,
      `bob ${uids.cid} /home/cid`,
      `cid ${uids.bob} /home/bob`,
      `zoe ${uids.ann} /home/ann`,
    ]);
    leave(`${J}/home/ann2`);
    expect([...NAMES, "zoe"].flatMap((name) => uidIn(m, name) ?? [])).toEqual([]);
    if (!isKilled) break;
  }
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

test("so they do if one is in another jail, and another file has the other's section", () => {
  m.write(FILE, JAIL + OTHER + user("ann", "ann") + user("cid", "cid"));
  m.must(["jailkit", "apply", ...PRUNE]);
  m.write(`${D}/two.ini`, user("bob", "bob", "groups = team\n", K));
  m.must(["jailkit", "apply"]);
  uids = { ...uids, bob: uidIn(m, "bob") };
  sh("usermod -l new ann; usermod -l ann bob; usermod -l bob new");
  m.write(`${FILE}.tmp`, JAIL + OTHER + user("bob", "ann") + user("cid", "cid"));
  m.write(`${D}/two.ini.tmp`, user("ann", "bob", "groups = team\n", K));
  const files = [FILE, `${D}/two.ini`];
  const told = linesOf(m, "--check", ...files.map((file) => `${file}.tmp`));
  expect([told.status, told.summary.problems]).toEqual([10, []]);
  for (const file of files) m.rename(`${file}.tmp`, file);
  expect(applied()).toHaveLength(3);
  expect([linesIn(J), linesIn(K)]).toEqual([
    [`bob ${uids.ann} /home/ann`, `cid ${uids.cid} /home/cid`],
    [`ann ${uids.bob} /home/bob`],
  ]);
  leave(`${K}/home/bob`);
});
