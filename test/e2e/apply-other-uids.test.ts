/** `jailkit apply` for users whose accounts have got other uids than those with which it created them. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const D = "/etc/jailkit/jails.d";
const MEMORY = "/var/lib/jailkit/declared.json";
const PRUNE = ["--prune", "--delete-homes"];
const user = (name: string, more = "") =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\ngroups = team\nauthorized_keys = ${KEYS[0]}\n${more}`;

let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]);
const declare = (name: string, text: string) => m.write(`${D}/${name}.ini`, text);
const remembered = (name: string) =>
  JSON.parse(m.read(MEMORY).split("\n")[0] ?? "").users.find((one: { name: string }) => one.name === name);
/** What lets a user log in, and what apply gave; undefined for no account. */
const rights = (name: string) => {
  const line = new RegExp(`^${name}:.*$`, "m");
  const home = line.exec(m.read("/etc/passwd"))?.[0].split(":")[5];
  if (home === undefined) return undefined;
  const keys = `${home.replace("/./", "/")}/.ssh/authorized_keys`;
  return {
    line: line.test(m.read(`${J}/etc/passwd`)),
    team: m.must(["id", "-Gn", name]).stdout.split(/\s/).includes("team"),
    key: m.exists(keys) && m.read(keys).includes(KEYS[0]),
  };
};
const ALL = { line: true, team: true, key: true };
const NONE = { line: false, team: false, key: false };

beforeAll(async () => {
  m = await openApplyMachine();
  declare("jail", `[jail ${J}]\nsections = uidbasics, basicshell\n`);
});
beforeEach(() => {
  for (const name of ["ann", "bob"]) m.run(["userdel", name]);
  sh(`rm -rf /var/lib/jailkit ${J} /home/ann /home/bob`);
  for (const name of ["ann", "bob"]) declare(name, user(name));
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

/** A run that takes a user out of the jail who is declared no more, and a second one, which has nothing to do. */
function leave(name: string): void {
  declare(name, "");
  const foreseen = linesOf(m, "--check", ...PRUNE).changes.map(({ text }) => text);
  expect(foreseen).toEqual([expect.stringContaining(`- user ${name}: entry in ${J}`)]);
  expect(linesOf(m, ...PRUNE)).toMatchObject({
    ...{ status: 0, changes: [{ text: foreseen[0], status: "done" }] },
  });
  expect(rights(name)).toEqual(NONE);
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, changes: [] });
  // Nothing but that it is there, or not even that.
  expect([undefined, true]).toContain(remembered(name)?.out);
}

describe("an account that", () => {
  const ways: [string, () => unknown, string][] = [
    ["usermod -u has changed", () => sh("usermod -u 31000 ann"), `${J}/home/ann`],
    [
      "usermod -u has changed, as the file says it",
      () => {
        declare("ann", user("ann", "uid = 31000\n"));
        expect(linesOf(m).summary.problems).toMatchObject([{ code: "uid-differs" }]);
        sh("usermod -u 31000 ann");
      },
      `${J}/home/ann`,
    ],
    ["was made again", () => sh("userdel -r ann && useradd -m -u 31000 -s /bin/bash ann"), "/home/ann"],
  ];
  test.each(ways)("%s, and that a run finds declared, cannot log in when it is not", (_, change, home) => {
    change();
    m.must(["jailkit", "apply", "--prune"]);
    expect([remembered("ann").created, rights("ann"), m.ids("ann").uid]).toEqual([null, ALL, 31000]);
    expect(did(m, "--prune")).toEqual([]);
    leave("ann");
    // It is not one that apply created, nor is its home.
    expect([m.ids("ann").uid, m.exists(home)]).toEqual([31000, true]);
  });

  test("has another uid loses a group and a key that are not declared any more", () => {
    sh("usermod -u 31000 ann");
    m.must(["jailkit", "apply", "--prune"]);
    declare("ann", user("ann").replace(/groups.*/s, ""));
    m.must(["jailkit", "apply", "--prune"]);
    expect(rights("ann")).toEqual({ line: true, team: false, key: false });
  });

  test("is not as declared is known to be another one all the same", () => {
    declare("ann", user("ann", `uid = ${m.ids("ann").uid}\n`));
    m.must(["jailkit", "apply"]);
    sh("usermod -u 31000 ann");
    expect(linesOf(m).summary.problems).toMatchObject([{ code: "uid-differs" }]);
    expect(remembered("ann").created).toBeNull();
    leave("ann");
  });
});

test("two who have exchanged their names are removed, each with its home, when they are not declared any more", () => {
  sh("usermod -l new ann && usermod -l ann bob && usermod -l bob new");
  declare("ann", user("ann", "home = /home/bob\n"));
  declare("bob", user("bob", "home = /home/ann\n"));
  m.must(["jailkit", "apply", "--prune"]);
  expect([did(m, "--prune"), rights("ann"), rights("bob")]).toEqual([[], ALL, ALL]);
  for (const [name, home, other] of [
    ["ann", `${J}/home/bob`, ALL],
    ["bob", `${J}/home/ann`, undefined],
  ] as const) {
    declare(name, "");
    expect(did(m, ...PRUNE)).toEqual([
      `done - user ${name}: account and its home ${home} (no longer declared)`,
    ]);
    expect([rights(name), m.exists(home), rights("bob")]).toEqual([undefined, false, other]);
    expect(did(m, ...PRUNE)).toEqual([]);
  }
});

describe("an account that no run has found declared", () => {
  const message =
    "user ann: is not declared any more, and stays: it may be another account than was declared, by its uid: if it is another one, declare it; if it is the one that was declared: userdel ann";
  const problems = [{ code: "doubtful-account", message, remedy: null }];

  test.each([
    ["its home", "usermod -u 31000 ann && chage -d 2020-02-02 ann"],
    ["its home, which was moved", `usermod -u 31000 -d ${J}/./home/new -m ann && chage -d 2020-02-02 ann`],
    [
      "its day in shadow(5)",
      `usermod -u 31000 ann && cd ${J}/home && cp -a ann new && rm -r ann && mv new ann`,
    ],
  ])(
    "with another uid, and that is the one by %s, stays and cannot log in, which each run tells",
    (_, change) => {
      sh(change);
      declare("ann", "");
      const text = `- user ann: entry in ${J} (no longer declared)`;
      expect(linesOf(m)).toMatchObject({ status: 0, changes: [], summary: { warnings: [message] } });
      expect(linesOf(m, "--check", ...PRUNE)).toMatchObject({
        ...{ status: 10, changes: [{ text }], summary: { problems } },
      });
      expect(linesOf(m, ...PRUNE)).toMatchObject({
        ...{ status: 1, changes: [{ text, status: "done" }], summary: { problems } },
      });
      expect(rights("ann")).toEqual(NONE);
      m.must(["gpasswd", "-a", "ann", "team"]);
      expect(linesOf(m, ...PRUNE)).toMatchObject({
        status: 1,
        changes: [{ what: "groups", status: "done" }],
      });
      expect(rights("ann")).toEqual(NONE);
      typeRemedy(m, "userdel ann");
      expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, changes: [] });
      sh(`rm -rf ${J}/home/new`);
    },
  );

  test("with another uid, another home and another day is another one, and stays as it is, which is told", () => {
    sh(`userdel -r ann && useradd -M -u 31000 -d ${J}/./home/ann -s /usr/sbin/jk_chrootsh ann`);
    sh(`mkdir ${J}/home/ann && chown ann ${J}/home/ann && chage -d 2020-02-02 ann`);
    declare("ann", "");
    const line = () => /^ann:.*$/m.exec(m.read(`${J}/etc/passwd`))?.[0];
    const before = line();
    const warnings = [["--check"], []].map((options) => linesOf(m, "--prune", ...options).summary.warnings);
    const stays =
      "user ann: the account stays, as it may be another one than was declared; userdel ann removes it";
    expect([did(m, "--prune"), warnings]).toEqual([[], [[stays], [stays]]]);
    expect([m.ids("ann").uid, line()]).toEqual([31000, before]);
  });
});

describe("uids that somebody has edited in passwd(5), while the homes are of those of before,", () => {
  const OTHER = "/srv/other";
  const [ANN, BOB, CORA] = ["ann", "bob", "cora"] as const;
  const ALL_THREE = [ANN, BOB, CORA];
  const logsIn = (name: string) =>
    m.run(["su", "-", name, "-c", "echo x > own; cat letter"]).stdout === `of ${name}\n`;
  /** Gives accounts uids as an editor does. */
  const edit = (uids: Readonly<Record<string, number>>) => {
    const line = ([name, uid]: [string, number]) => `s/^${name}:x:[0-9]*:/${name}:x:${uid}:/`;
    sh(`sed -i '${Object.entries(uids).map(line).join(";")}' /etc/passwd`);
  };
  const told = () => {
    const [checked, ran] = [linesOf(m, "--check", "--prune"), linesOf(m, "--prune")];
    expect(ran.summary.problems).toEqual(checked.summary.problems);
    expect([checked.changes, ran.changes]).toEqual([[], []]);
    const { stdout } = m.run(["jailkit", "config", "check", "--json"]);
    const { findings } = reportOf(REPORT_SCHEMAS["jailkit config"], stdout);
    expect(findings.map(({ remedy }) => remedy)).toEqual(ran.summary.problems.map(({ remedy }) => remedy));
    return ran.summary.problems;
  };
  let uids: Record<string, number>;
  const uidOf = (name: string) => uids[name] ?? 0;
  /** All is as it was made, and all log in. */
  const expectAsBefore = () => {
    m.must(["jailkit", "apply", "--prune"]);
    expect([did(m, "--prune"), ALL_THREE.map(logsIn)]).toEqual([[], [true, true, true]]);
    for (const name of ALL_THREE) expect(m.ids(name).uid).toBe(uidOf(name));
    expect(sh(`find ${J}/home ${OTHER}/home -name '*.old'`).stdout).toBe("");
  };

  beforeAll(() => {
    declare("other", `[jail ${OTHER}]\nsections = uidbasics, basicshell\n`);
  });
  beforeEach(() => {
    m.run(["userdel", CORA]);
    sh(`rm -rf ${OTHER}`);
    declare(CORA, user(CORA).replace(J, OTHER));
    m.must(["jailkit", "apply"]);
    uids = Object.fromEntries(ALL_THREE.map((name) => [name, m.ids(name).uid]));
    for (const name of ALL_THREE)
      sh(`cd /srv/*/home/${name}; echo of ${name} > letter; chown ${name} letter; chmod 600 letter`);
    expect(ALL_THREE.map(logsIn)).toEqual([true, true, true]);
  });
  afterAll(() => {
    m.run(["userdel", CORA]);
    for (const name of [CORA, "other"]) m.remove(`${D}/${name}.ini`);
  });

  test.each([
    ["of two in one jail are exchanged", [ANN, BOB]],
    ["of two in two jails are exchanged", [ANN, CORA]],
    ["of three are exchanged", [ANN, BOB, CORA]],
  ])("%s: each gets its own back by the remedies", (_, names) => {
    const next = (at: number) => names[(at + 1) % names.length] ?? ANN;
    edit(Object.fromEntries(names.map((name, at) => [name, uidOf(next(at))])));
    const problems = told();
    expect(problems.map(({ code, path, remedy }) => [code, path, remedy])).toEqual(
      names.map((name) => ["uid-changed", name, `usermod -o -u ${uidOf(name)} ${name}`]),
    );
    for (const { remedy } of problems) typeRemedy(m, `${remedy}`);
    expectAsBefore();
  });

  test("which have been exchanged: the first remedy alone has the next run tell the second one", () => {
    edit({ ann: uidOf(BOB), bob: uidOf(ANN) });
    const [first] = told();
    typeRemedy(m, `${first?.remedy}`);
    const [second, ...more] = told();
    expect([second?.code, second?.remedy, more]).toEqual(["uid-taken", `usermod -u ${uidOf(BOB)} bob`, []]);
    typeRemedy(m, `${second?.remedy}`);
    expectAsBefore();
  });

  test("of which one got the other's former one: both get their own back", () => {
    edit({ ann: 31000, cora: uidOf(ANN) });
    const problems = told();
    const home = `${OTHER}/home/cora`;
    const give = `chown -hR --from=+${uidOf(CORA)} +${uidOf(ANN)} ${home}`;
    expect(problems).toMatchObject([
      { path: ANN, remedy: `usermod -o -u ${uidOf(ANN)} ann` },
      {
        path: CORA,
        message: `user cora: has the uid ${uidOf(ANN)}, and its home '${home}' belongs to the uid that it had, ${uidOf(CORA)}: logins are refused; give the account its own back, with: usermod -u ${uidOf(CORA)} cora; or, if the new one is meant, give it the home: ${give}`,
        remedy: `usermod -u ${uidOf(CORA)} cora`,
      },
    ]);
    for (const { remedy } of problems) typeRemedy(m, `${remedy}`);
    expectAsBefore();
  });

  test("of one alone: it gets its own back, or the home for the new one", () => {
    edit({ ann: 31000 });
    const [problem] = told();
    const give = `chown -hR --from=+${uidOf(ANN)} +31000 ${J}/home/ann`;
    expect([problem?.remedy, problem?.message.endsWith(`give it the home: ${give}`)]).toEqual([
      `usermod -u ${uidOf(ANN)} ann`,
      true,
    ]);
    typeRemedy(m, `${problem?.remedy}`);
    expectAsBefore();
    edit({ ann: 31000 });
    typeRemedy(m, give);
    m.must(["jailkit", "apply", "--prune"]);
    expect([did(m, "--prune"), ALL_THREE.map(logsIn), m.ids(ANN).uid]).toEqual([
      ...[[], [true, true, true]],
      31000,
    ]);
  });

  test("of one whose former uid an account has by usermod(8): no command, and the ways that heal", () => {
    edit({ ann: 31000 });
    m.must(["usermod", "-u", `${uidOf(ANN)}`, CORA]);
    const [problem] = linesOf(m, "--prune").summary.problems;
    const ways = [
      `usermod -u ${uidOf(ANN)} ann`,
      `chown -hR --from=+${uidOf(ANN)} +31000 ${J}/home/ann`,
    ] as const;
    expect([problem?.code, problem?.remedy, problem?.message]).toEqual([
      "uid-changed",
      null,
      `user ann: has the uid 31000, and its home '${J}/home/ann' belongs to the uid that it had, ${uidOf(ANN)}, which 'cora' has now: logins are refused; give 'cora' another one by usermod -u, and then give the account its own back, with: ${ways[0]}; or, if the new one is meant, give it the home: ${ways[1]}`,
    ]);
    m.must(["usermod", "-u", "31001", CORA]);
    typeRemedy(m, ways[0]);
    expect([linesOf(m, "--prune").status, ALL_THREE.map(logsIn)]).toEqual([0, [true, true, true]]);
  });

  test("as declared, or by usermod(8), which gives the homes with them: that is as declared", () => {
    sh(`usermod -u 31000 ann; usermod -u ${uidOf(ANN)} bob; usermod -u ${uidOf(BOB)} ann`);
    m.must(["jailkit", "apply", "--prune"]);
    expect([did(m, "--prune"), ALL_THREE.map(logsIn)]).toEqual([[], [true, true, true]]);
    edit({ cora: 31000 });
    declare(CORA, user(CORA, "uid = 31000\n").replace(J, OTHER));
    expect(linesOf(m, "--prune").summary.problems).toMatchObject([{ path: CORA, code: "foreign-home" }]);
  });
});
