/** `jailkit apply` for users whose accounts have got names of each other: what was declared once is known by uid. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const D = "/etc/jailkit/jails.d";
const FILE = `${D}/one.ini`;
const MEMORY = "/var/lib/jailkit/declared.json";
const RIGHTS = `${J}/etc/jailkit/jk_lsh.ini`;
const NAMES = ["anna", "bert", "cora"] as const;
const ALL_KEYS = [...KEYS, KEYS[0].replace("BEGGvDPaGZ", "BEGGvDPaGA")] as const;
const PRUNE = ["--prune", "--delete-homes"];

let m: Machine;
let uids: Record<string, number>;

const keyOf = (name: string) => ALL_KEYS[NAMES.indexOf(name as "anna")] ?? KEYS[1];
const user = (name: string, more = "") =>
  `[user ${name}]\njail = ${J}\nallow = sftp\nauthorized_keys = ${keyOf(name)}\ngroups = team\n${more}`;
const declare = (...users: string[]) =>
  m.write(FILE, `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n${users.join("")}`);
const sh = (line: string) => m.must(["sh", "-ec", line]);
const nameOf = (uid: number | undefined) => m.run(["id", "-un", `${uid}`]).stdout.trim();
const keysIn = (home: string) => m.read(`${J}/home/${home}/.ssh/authorized_keys`).trimEnd();
/** All that says who may do what. */
const state = () => [
  ...["/etc/passwd", "/etc/group", `${J}/etc/passwd`, `${J}/etc/group`, RIGHTS].map((file) => m.read(file)),
  ...NAMES.map(keysIn),
];
const exchange = () => sh("usermod -l new anna; usermod -l anna bert; usermod -l bert new");
const turn = () => sh("usermod -l new anna; usermod -l anna cora; usermod -l cora bert; usermod -l bert new");
/** What `jailkit config check` reports. */
const found = () =>
  reportOf(REPORT_SCHEMAS["jailkit config"], m.run(["jailkit", "config", "check", "--json", FILE]).stdout)
    .findings;
const codes = (...options: string[]) => {
  const { status, changes, summary } = linesOf(m, ...options);
  return [status, changes.length, summary.problems.map(({ code, path }) => `${code} ${path}`)];
};

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of [...NAMES, "nora", "dora", "new"]) m.run(["userdel", name]);
  m.run(["groupdel", "new"]);
  sh(`rm -rf /var/lib/jailkit ${J}; rm -f ${D}/*`);
  declare(...NAMES.map((name) => user(name)));
  m.must(["jailkit", "apply"]);
  uids = Object.fromEntries(NAMES.map((name) => [name, m.ids(name).uid]));
});
afterAll(() => m?.close());

test.each([
  ["two", exchange],
  ["three", turn],
])("%s who have exchanged their names leave with their homes when they are declared no more", (_, act) => {
  act();
  declare();
  const told = linesOf(m).summary.noLongerDeclared;
  const foreseen = linesOf(m, "--check", ...PRUNE);
  expect([told.length, foreseen.status]).toEqual([3, 10]);
  const homes = [...NAMES].map((name) => `account and its home ${J}/home/${name}`).sort();
  const texts = foreseen.changes.map(({ text }) => text.replace(/^- user \w+: (.*) \(no.*$/, "$1"));
  expect(texts.sort()).toEqual(homes);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [], warnings: [] } });
  expect(NAMES.map((name) => [nameOf(uids[name]), m.exists(`${J}/home/${name}`)])).toEqual(
    NAMES.map(() => ["", false]),
  );
  expect([m.read(`${J}/etc/passwd`).match(/anna|bert|cora/), m.read(RIGHTS)]).toEqual([null, ""]);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
});

test("so they do without --delete-homes, and lose groups and keys", () => {
  exchange();
  declare(user("cora"));
  m.must(["jailkit", "apply", "--prune"]);
  expect([nameOf(uids.anna), nameOf(uids.bert), keysIn("anna"), keysIn("bert"), keysIn("cora")]).toEqual([
    ...["", "", "", ""],
    keyOf("cora"),
  ]);
  expect([did(m, "--prune"), m.read("/etc/group")]).toEqual([[], expect.stringMatching(/^team:.*:cora$/m)]);
});

/** What a section of one of the two would mean is not known. */
function exchangedHalf(): string {
  exchange();
  declare(user("bert"), user("cora"));
  const before = state();
  const problems = ["doubtful-account anna", "doubtful-account bert"];
  for (const options of [["--check", ...PRUNE], PRUNE, PRUNE])
    expect(codes(...options)).toEqual([1, 0, problems]);
  for (const options of [["--check"], []]) {
    expect(codes(...options)).toEqual([1, 0, ["doubtful-account bert"]]);
    expect(linesOf(m, ...options).summary.warnings).toEqual([
      `user anna: is not declared any more, and stays: its account is 'bert' now, by its uid ${uids.anna}, and '[user bert]' does not say which account it means`,
    ]);
  }
  expect(state()).toEqual(before);
  const [, problem] = linesOf(m, ...PRUNE).summary.problems;
  expect(problem?.message).toBe(
    `user bert: is the account that was declared as 'anna', by its uid ${uids.anna}, and the one of before is 'anna' now: if '[user bert]' means that one still, write '[user anna]' and 'home = /home/bert' and 'uid = ${uids.bert}' in place; if '[user bert]' means this one, declare 'uid = ${uids.anna}'`,
  );
  // As `jailkit config check` says it.
  expect(found()).toMatchObject([
    {
      code: "taken",
      line: 3,
      message: `${problem?.message}`.replace("user bert", "'bert'"),
      remedy: problem?.remedy,
    },
  ]);
  return `${problem?.remedy}`;
}

test("if one of the two stays declared, nothing is done until its section says which one it means: the one of before", () => {
  typeRemedy(m, exchangedHalf());
  expect(found()).toEqual([]);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([nameOf(uids.anna), nameOf(uids.bert), m.exists(`${J}/home/anna`)]).toEqual(["", "anna", false]);
  expect([keysIn("bert"), m.read(`${J}/etc/passwd`).match(/^(anna|bert):x:\d+/gm)]).toEqual([
    keyOf("bert"),
    [`anna:x:${uids.bert}`],
  ]);
  expect([did(m, ...PRUNE), m.read(RIGHTS)]).toEqual([
    [],
    "\n[anna]\nallow = sftp\n\n[cora]\nallow = sftp\n",
  ]);
});

test("that one is also meant by a section with its uid, which lacks only the other name", () => {
  exchange();
  declare(user("bert", `uid = ${uids.bert}\n`), user("cora"));
  const problem = linesOf(m, ...PRUNE).summary.problems.find(({ path }) => path === "bert");
  expect(problem?.remedy).toBe(`write in line 3 of ${FILE}:\n[user anna]\nhome = /home/bert`);
  typeRemedy(m, `${problem?.remedy}`);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([nameOf(uids.anna), nameOf(uids.bert), keysIn("bert")]).toEqual(["", "anna", keyOf("bert")]);
});

test("or the one that has its name now, which then has nothing of before", () => {
  exchangedHalf();
  declare(user("bert", `uid = ${uids.anna}\nhome = /home/anna\n`), user("cora"));
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([nameOf(uids.anna), nameOf(uids.bert), m.exists(`${J}/home/bert`)]).toEqual(["bert", "", false]);
  expect([keysIn("anna"), did(m, ...PRUNE)]).toEqual([keyOf("bert"), []]);
});

test("of three, if one stays declared, the others stay, too, until its section says which one it means", () => {
  turn();
  declare(user("cora"));
  const before = state();
  const problems = ["anna", "bert", "cora"].map((name) => `doubtful-account ${name}`);
  for (const options of [["--check", ...PRUNE], PRUNE, PRUNE])
    expect(codes(...options)).toEqual([1, 0, problems]);
  expect(state()).toEqual(before);
  const told = linesOf(m, ...PRUNE).summary.problems.find(({ path }) => path === "cora");
  typeRemedy(m, `${told?.remedy}`);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(NAMES.map((name) => nameOf(uids[name]))).toEqual(["", "", "anna"]);
  expect([keysIn("cora"), did(m, ...PRUNE)]).toEqual([keyOf("cora"), []]);
});

test("if all stay declared, the remedies, typed in their order, let each account keep what is its own", () => {
  exchange();
  declare(...NAMES.map((name) => user(name)));
  const before = state();
  const { status, changes, summary } = linesOf(m, ...PRUNE);
  expect([status, changes, state()]).toEqual([1, [], before]);
  expect(summary.problems.map(({ path }) => path).sort()).toEqual(["anna", "bert"]);
  for (const { remedy } of summary.problems) typeRemedy(m, `${remedy}`);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([nameOf(uids.anna), keysIn("anna"), nameOf(uids.bert), keysIn("bert")]).toEqual([
    ...["bert", keyOf("anna")],
    ...["anna", keyOf("bert")],
  ]);
  expect(did(m, ...PRUNE)).toEqual([]);
  // They are apply's own still.
  declare();
  expect(linesOf(m, ...PRUNE).status).toBe(0);
  expect([NAMES.filter((name) => m.run(["id", name]).status === 0), sh(`ls ${J}/home`).stdout]).toEqual([
    [],
    "",
  ]);
});

test("one that has another name, and is declared by none, leaves", () => {
  sh("usermod -l nora anna");
  declare(user("bert"), user("cora"));
  m.must(["jailkit", "apply"]);
  m.must(["jailkit", "apply", ...PRUNE]);
  expect([nameOf(uids.anna), m.exists(`${J}/home/anna`), m.read(`${J}/etc/passwd`).includes("anna")]).toEqual(
    [...["", false, false]],
  );
  expect(did(m, ...PRUNE)).toEqual([]);
});

test.each([
  [
    "whose home somebody has exchanged",
    "cd HOME; cp -a anna new; rm -r anna; mv new anna; usermod -l nora anna",
  ],
  [
    "whose name another one has, and whose home somebody has exchanged",
    "cd HOME; cp -a anna new; rm -r anna; mv new anna; userdel bert; usermod -l bert anna",
  ],
])("an account with another name %s cannot log in, which each run tells", (_, commands) => {
  sh(commands.replace("HOME", `${J}/home`));
  const name = nameOf(uids.anna);
  declare(user("cora"));
  for (const time of ["first", "second"]) {
    const { status, summary } = linesOf(m, ...PRUNE);
    const problems = [{ code: "doubtful-account", path: name, remedy: null }];
    expect([time, status, summary.problems]).toMatchObject([time, 1, problems]);
  }
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(new RegExp(`^${name}:`, "m"));
  typeRemedy(m, `userdel ${name}`);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
});

test("an account that somebody has made with the uid of one that is gone is not it", () => {
  sh(`userdel -r anna; useradd -o -u ${uids.anna} -g users -m -d ${J}/./home/nora nora`);
  declare(user("bert"), user("cora"));
  const { status, summary } = linesOf(m, ...PRUNE);
  expect([status, summary.problems, nameOf(uids.anna)]).toEqual([0, [], "nora"]);
});

test("of one that apply created, and one that was there before, each run tells what it does not know", () => {
  sh("useradd -m dora");
  declare(user("anna"), user("dora"));
  m.must(["jailkit", "apply", "--prune"]);
  sh("usermod -l new anna; usermod -l anna dora; usermod -l dora new");
  // As a former version wrote it, which knew no uid but those that it gave.
  const memory = JSON.parse(m.read(MEMORY));
  for (const one of memory.users) delete one.uid;
  m.write(MEMORY, JSON.stringify(memory));
  declare();
  for (const time of ["first", "second"]) {
    const { status, summary } = linesOf(m, ...PRUNE);
    const told = summary.problems.map(({ code, path }) => `${code} ${path}`);
    expect([time, status, told]).toEqual([...[time, 1], ["doubtful-account anna", "doubtful-account dora"]]);
  }
  expect([nameOf(uids.anna), m.exists(`${J}/home/anna`)]).toEqual(["dora", true]);
  sh("userdel -r anna; userdel dora");
});

test("one that apply created goes, and one that was there before leaves its jail, without what it was given", () => {
  sh("useradd -m -g users dora");
  declare(user("anna"), user("dora"));
  m.must(["jailkit", "apply", "--prune"]);
  const { uid } = m.ids("dora");
  sh("usermod -l new anna; usermod -l anna dora; usermod -l dora new");
  declare();
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([nameOf(uids.anna), nameOf(uid), m.exists(`${J}/home/anna`)]).toEqual(["", "anna", false]);
  expect([m.must(["id", "-Gn", "anna"]).stdout, m.read("/home/dora/.ssh/authorized_keys")]).toEqual([
    "users\n",
    "",
  ]);
  expect(m.read("/etc/passwd")).toMatch(/^anna:.*:\/home\/dora:\/bin\/sh$/m);
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^(anna|dora):/m);
  expect(did(m, ...PRUNE)).toEqual([]);
  sh("userdel -r anna");
});

test("what another file declared is not touched", () => {
  declare(user("cora"));
  for (const name of ["anna", "bert"]) m.write(`/root/${name}.ini`, user(name));
  m.must(["jailkit", "apply", "/root/anna.ini", "/root/bert.ini"]);
  exchange();
  m.write("/root/anna.ini", "");
  const before = state();
  expect(codes(...PRUNE)).toEqual([0, 0, []]);
  expect(codes(...PRUNE, "/root/anna.ini")).toEqual([1, 0, ["doubtful-account anna"]]);
  expect(state()).toEqual(before);
});
