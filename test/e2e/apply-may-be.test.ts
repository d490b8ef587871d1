/** `jailkit apply --prune` takes nothing from an account that a declared user may be, as after a backup of passwd(5) or of jails.d. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const [J, K] = ["/srv/one", "/srv/two"] as const;
const D = "/etc/jailkit/jails.d";
const ONE = `${D}/one.ini`;
const MEMORY = "/var/lib/jailkit/declared.json";
const PRUNE = ["--prune", "--delete-homes"] as const;
const SECTIONS = "sections = uidbasics, basicshell\n";
const ACCESS = `groups = team\nauthorized_keys = ${KEYS[0]}\n`;
const user = (name: string, more = "", jail: string = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;
const ANNA = user("anna", `home = /home/ann\n${ACCESS}`);

let m: Machine;
const sh = (text: string) => m.must(["sh", "-ec", text]);
const declare = (text: string) => m.write(ONE, `[jail ${J}]\n${SECTIONS}${text}`);
const apply = () => m.must(["jailkit", "apply", "--prune"]);
/** Keeps the accounts, the memory or the declarations, and gives back what restores them. */
const backup = (...files: string[]) => {
  const kept = files.map((file) => [file, m.read(file)] as const);
  return () => {
    for (const [file, text] of kept) m.write(file, text);
  };
};
const ACCOUNTS = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];
/** The customer has another name, on the machine and in the file. */
const rename = (text = ANNA) => {
  m.must(["usermod", "-l", "anna", "ann"]);
  declare(text);
  apply();
};
const letter = (name: string, jail: string = J) => {
  const file = `${jail}/home/${name}/letter`;
  m.write(file, `of ${name}\n`);
  m.must(["chown", name, file]);
};
/** All that an account has. */
const state = () => [
  ...[...ACCOUNTS, `${J}/etc/passwd`, `${J}/etc/group`].map((file) => m.read(file)),
  ...["letter", ".ssh/authorized_keys"].map((file) => m.read(`${J}/home/ann/${file}`)),
];
/** What removes an account, or takes something from it. */
const TAKES = /--prune|userdel|--unjail|gpasswd|rm -/;
/** Nothing is done for these, and nobody says that something is to be typed which takes something. */
function expectKept(paths: readonly string[]): ReturnType<typeof linesOf>["summary"]["problems"] {
  const before = state();
  const all = [["--check", ...PRUNE], ["--check", "--prune"], PRUNE, ["--prune"], []].map((options) => {
    const { status, changes, summary } = linesOf(m, ...options);
    const path = summary.problems.map((one) => `${one.path}`).toSorted();
    expect([options, status, changes, path]).toEqual([
      options,
      1,
      [],
      options.includes("--prune") ? paths.toSorted() : expect.anything(),
    ]);
    return summary.problems;
  });
  expect(state()).toEqual(before);
  const said = [["status"], ["config", "check"]].map((words) => m.run(["jailkit", ...words]).stdout);
  expect([...said, m.run(["jk_check"]).stdout].filter((text) => TAKES.test(text))).toEqual([]);
  return all[0] ?? [];
}
const expectHealed = (name: string, uid: number | undefined) => {
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
  expect([uidIn(m, name), m.read(`${J}/home/ann/letter`)]).toEqual([uid, "of ann\n"]);
  expect(m.run(["su", "-", name, "-c", "cat letter"]).stdout).toBe("of ann\n");
};

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["sh", "-c", "for u in ann anna bob carl lim; do userdel -f $u; groupdel $u; done"]);
  sh(
    `rm -rf ${J} ${K} /var/lib/jailkit; rm -f ${D}/*; sed -i 's/^\\(team:.*:\\).*/\\1/' /etc/group /etc/gshadow`,
  );
  declare(user("ann", ACCESS));
  apply();
  letter("ann");
});

describe("a customer was renamed", () => {
  test("and the accounts come from a backup of before: account and home stay, and the former name heals", () => {
    const before = backup(...ACCOUNTS);
    rename();
    before();
    const problems = expectKept(["ann", "anna"]);
    expect(problems.map(({ code, path, remedy }) => [path, code, remedy]).toSorted()).toEqual([
      ["ann", "doubtful-account", null],
      ["anna", "doubtful-account", null],
    ]);
    expect(problems.find(({ path }) => path === "ann")?.message).toBe(
      `user ann: is not declared any more, and stays: '[user anna]' of '${ONE}', line 3, may mean this account, by its uid ${uidIn(m, "ann")}`,
    );
    const uid = uidIn(m, "ann");
    m.must(["usermod", "-l", "anna", "ann"]);
    expectHealed("anna", uid);
  });

  test("and the declarations come from a backup of before", () => {
    const before = backup(ONE);
    rename();
    before();
    expectKept(["ann", "anna"]);
    const uid = uidIn(m, "anna");
    declare(ANNA);
    expectHealed("anna", uid);
  });

  test("and the accounts and what is remembered come from a backup of before", () => {
    const before = backup(...ACCOUNTS, MEMORY);
    rename();
    before();
    expectKept(["ann", "anna"]);
    const uid = uidIn(m, "ann");
    m.must(["usermod", "-l", "anna", "ann"]);
    expectHealed("anna", uid);
  });

  test("so it is if the home has got another name, too", () => {
    const before = backup(...ACCOUNTS, MEMORY);
    m.must(["usermod", "-l", "anna", "-d", `${J}/./home/anna`, "-m", "ann"]);
    declare(user("anna", ACCESS));
    apply();
    before();
    const kept = m.read("/etc/passwd");
    const { status, changes } = linesOf(m, ...PRUNE);
    expect([status, changes, m.read("/etc/passwd"), m.read(`${J}/home/anna/letter`)]).toEqual([
      1,
      [],
      kept,
      "of ann\n",
    ]);
  });

  test("on the machine alone, later back: the same", () => {
    rename();
    m.must(["usermod", "-l", "ann", "anna"]);
    expectKept(["ann", "anna"]);
  });

  test("if the section means another account by its uid, the one of before goes", () => {
    const before = backup(...ACCOUNTS);
    rename();
    before();
    declare(user("anna", "uid = 7171\n"));
    expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0, summary: { problems: [] } });
    expect([uidIn(m, "ann"), uidIn(m, "anna"), m.exists(`${J}/home/ann`)]).toEqual([undefined, 7171, false]);
  });
});

describe("the name is changed in the file alone, and the home is declared", () => {
  test.each([
    ["", () => ""],
    ["with its uid", () => `uid = ${uidIn(m, "ann")}\n`],
  ])("the account and its home stay %s, and the command that keeps both heals", (_, uidLine) => {
    const uid = uidIn(m, "ann");
    declare(`${ANNA}${uidLine()}`);
    const problems = expectKept(["ann", "anna"]);
    expect(problems.find(({ path }) => path === "ann")).toMatchObject({
      code: "doubtful-account",
      remedy: null,
    });
    const rename = problems.find(({ path }) => path === "anna")?.message.match(/usermod -l anna ann$/)?.[0];
    m.must((rename ?? "false").split(" "));
    expectHealed("anna", uid);
  });

  test("so it is if somebody else leaves the jail in the same run", () => {
    declare(user("ann", ACCESS) + user("lim"));
    apply();
    declare(ANNA);
    const { status, changes } = linesOf(m, ...PRUNE);
    expect([status, changes.map(({ name }) => name), m.read(`${J}/home/ann/letter`)]).toEqual([
      1,
      ["lim"],
      "of ann\n",
    ]);
    expect([uidIn(m, "ann"), uidIn(m, "anna")]).toEqual([expect.any(Number), undefined]);
  });

  test("an account leaves whose home a declared user has, too, who is there; the home stays", () => {
    sh(`useradd -u 7172 -g users -M -d ${J}/./home/ann -s /usr/sbin/jk_chrootsh anna`);
    declare(user("anna", "home = /home/ann\n"));
    m.run(["jailkit", "apply", ...PRUNE]);
    expect([uidIn(m, "ann"), m.read(`${J}/home/ann/letter`)]).toEqual([undefined, "of ann\n"]);
  });
});

test("an account of another name and another uid is not the customer's for status and jk_check alone", () => {
  sh("usermod -l anna ann; usermod -u 3000 anna");
  const problems = expectKept(["ann"]);
  expect(problems).toMatchObject([
    { code: "user-exists", message: expect.stringContaining("is 'anna' now") },
  ]);
  const shown = [m.run(["jailkit", "status"]).stdout, m.run(["jk_check"]).stdout].join("");
  expect(shown.match(/jk_jailuser/g)).toBeNull();
  // Each names what shows it: status for the account, jk_check for this and the line of the former name.
  expect(shown.match(/^(not-in-jail| {2}remedy:).*jailkit apply --check$/gm)?.length).toBe(3);
  typeRemedy(m, `${problems[0]?.remedy}`);
  expectHealed("anna", 3000);
});

test.each([
  ["", ""],
  [", also while others leave the jail", user("lim")],
])("no second account is made in the home of another one%s", (_, others) => {
  declare(user("ann", ACCESS) + others);
  apply();
  sh("usermod -l anna ann; sed -i 's/^anna:x:[0-9]*:/anna:x:3000:/' /etc/passwd");
  declare(user("ann", ACCESS));
  for (const options of [["--check", ...PRUNE], [], PRUNE]) {
    const { changes, summary } = linesOf(m, ...options);
    expect([changes.filter(({ name }) => name !== "lim"), summary.problems]).toMatchObject([
      [],
      [
        {
          code: "bad-home",
          finding: "taken",
          message: `user ann: '${J}/home/ann' is the home of 'anna': name another home with the key 'home'; or, if that account is meant, write '[user anna]' and 'home = /home/ann' in place of '[user ann]'`,
          remedy: null,
        },
      ],
    ]);
  }
  expect([uidIn(m, "ann"), uidIn(m, "anna"), m.read(`${J}/home/ann/letter`)]).toEqual([
    undefined,
    3000,
    "of ann\n",
  ]);
  expect(m.run(["jailkit", "status"]).stdout).not.toMatch(TAKES);
});

describe("a customer was renamed, and another one has the former name", () => {
  const KEYS_OF = { anna: ANNA, ann: user("ann", `authorized_keys = ${KEYS[1]}\n`, K) };
  const both = () => declare(`${KEYS_OF.anna}[jail ${K}]\n${SECTIONS}${KEYS_OF.ann}`);

  test("in another jail: after a backup of the accounts, none of them gets what is the other one's", () => {
    const before = backup(...ACCOUNTS);
    rename();
    both();
    apply();
    letter("ann", K);
    const uid = uidIn(m, "ann");
    before();
    const first = uidIn(m, "ann");
    const problems = expectKept(["ann", "anna"]);
    expect(problems.map(({ code, path, remedy }) => [path, code, remedy]).toSorted()).toEqual([
      ["ann", "doubtful-account", null],
      ["anna", "doubtful-account", null],
    ]);
    const found = m.run(["jailkit", "config", "check"]).stdout;
    expect([found.match(/\[taken\]/g)?.length, found.includes("remedy")]).toEqual([2, false]);
    // With the uid of the second one the account, which has the password of the first, would get its files.
    const told = check(m).found.filter(({ message }) => message.includes("usermod -l anna ann"));
    expect(told.map(({ rule, remedy }) => [rule, remedy])).toEqual([["user-changed", undefined]]);
    const back = /give it back its name: (usermod -l anna ann)$/;
    m.must(
      (back.exec(`${problems.find(({ path }) => path === "anna")?.message}`)?.[1] ?? "false").split(" "),
    );
    expectHealed("anna", first);
    expect([uidIn(m, "ann"), m.read(`${K}/home/ann/letter`)]).toEqual([uid, "of ann\n"]);
  });

  test.each([
    ["its name is given back", "usermod -l ann anna", () => "ann"],
    [
      "the section of the new name says its home",
      "true",
      () => {
        declare(user("ann", "home = /home/other\n") + ANNA);
        return "anna";
      },
    ],
  ])("in its jail, by its name alone: nothing is taken, until %s", (_, command, act) => {
    sh("usermod -l anna ann");
    declare(user("ann", ACCESS) + user("anna"));
    const problems = expectKept(["ann", "anna"]);
    expect(problems.map(({ code, remedy }) => [code, remedy])).toEqual([
      ["doubtful-account", null],
      ["doubtful-account", null],
    ]);
    expect(m.run(["jailkit", "config", "check"]).stdout).not.toContain("remedy");
    const uid = uidIn(m, "anna");
    sh(command);
    expectHealed(act(), uid);
    expect([uidIn(m, "ann"), uidIn(m, "anna")]).toEqual([expect.any(Number), expect.any(Number)]);
  });
});
