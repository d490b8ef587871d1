/** `jailkit apply` for a local account that has another name and is elsewhere: in another jail, or in none. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const JAILS = [A, B].map((path) => `[jail ${path}]\nsections = uidbasics, basicshell\n`).join("");
const FILE = "/etc/jailkit/jails.d/one.ini";
const user = (name: string, jail: string, more: string) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;
const ONCE = `groups = team\nauthorized_keys = ${KEYS[0]}\n`;
const NOW = `authorized_keys = ${KEYS[1]}\n`;
const HOME = "home = /home/ron\n";

let m: Machine;
const declare = (text: string) => m.write(FILE, JAILS + text);
const sh = (text: string) => m.must(["sh", "-ec", text]);
const run = (...options: string[]) => {
  const { status, changes, summary } = linesOf(m, ...options);
  return { status, changes: changes.map(({ text }) => text), ...summary };
};
const team = () => /^team:.*:(.*)$/m.exec(m.read("/etc/group"))?.[1];
/** The accounts, with their homes. */
const people = () =>
  m
    .read("/etc/passwd")
    .match(/^r[eo][nx]:.*(?=:)/gm)
    ?.map((line) => line.replace(/:x:.*:/, " ")) ?? [];
const hasKey = (home: string) => m.read(`${home}/.ssh/authorized_keys`).includes(KEYS[0]);
/** Nothing is told or to be done any more. */
const expectSettled = () =>
  expect(run("--prune")).toMatchObject({ status: 0, changes: [], noLongerDeclared: [], problems: [] });

/** Takes the line of the old name out of the jail. */
const FORGET = `sed -i /^ron:/d ${A}/etc/passwd`;
const TAKE_OUT = "jk_jailuser --unjail -m -s /bin/bash";
const LOSES = ["- user rex: groups team", `- user rex: keys ${FINGERPRINTS[0]}`].map(
  (text) => `${text} (no longer declared)`,
);
const may = (what: string) =>
  `user ron: the account 'rex' has its uid and another home, and may be the one that was declared: it is in 'team': to take it out: gpasswd -d rex team${what}; if that is to stay, run jailkit apply after that, and add it again, or declare it`;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

describe.each([
  ["that apply created", false],
  ["that was there before", true],
])("an account %s", (_, isOld) => {
  beforeEach(() => {
    m.run(["sh", "-c", "userdel -f ron; userdel -f rex"]);
    for (const place of [A, B, "/home/ron", "/home/rex", "/var/lib/jailkit"]) m.remove(place);
    if (isOld) m.must(["useradd", "-m", "-g", "users", "-s", "/bin/sh", "ron"]);
    declare(user("ron", A, ONCE));
    m.must(["jailkit", "apply"]);
  });
  /** It is declared no more: then it is as it was before. */
  function expectEnd() {
    declare("");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([people(), team()]).toEqual([isOld ? ["rex /home/ron"] : [], ""]);
    if (isOld) expect(hasKey("/home/ron")).toBe(false);
    expectSettled();
  }

  test("renamed, and declared in another jail by the same edit, loses what is declared no more", () => {
    sh("usermod -l rex ron");
    declare(user("rex", B, HOME + NOW));
    const lost = LOSES.map((text) => text.replace(/^- (.*) \(.*/, "$1"));
    expect(run("--check").noLongerDeclared).toEqual(expect.arrayContaining(lost));
    const { changes, problems } = run("--prune");
    expect(changes).toEqual(expect.arrayContaining(LOSES));
    expect([team(), hasKey(`${A}/home/ron`)]).toEqual(["", false]);
    expect(problems).toMatchObject([{ code: "in-another-jail" }]);
    typeRemedy(m, `${problems[0]?.remedy}`);
    expect(run("--prune")).toMatchObject({ status: 0, problems: [], noLongerDeclared: [] });
    expect(people()).toEqual([`rex ${B}/./home/ron`]);
    expectSettled();
    expectEnd();
  });

  test("so it does if the remedy is typed after no more than --check", () => {
    sh("usermod -l rex ron");
    declare(user("rex", B, HOME + NOW));
    typeRemedy(m, `${run("--check").problems[0]?.remedy}`);
    expect(run("--prune")).toMatchObject({ status: 0, changes: expect.arrayContaining(LOSES) });
    expect([team(), hasKey(`${B}/home/ron`), people()]).toEqual(["", false, [`rex ${B}/./home/ron`]]);
    expectSettled();
    expectEnd();
  });

  const BY_HAND = [
    ["taken out of its jail and renamed", `${TAKE_OUT} ron; usermod -l rex ron`],
    ["renamed and taken out of its jail", `usermod -l rex ron; ${TAKE_OUT} rex`],
    [
      "renamed and put into another jail",
      `usermod -l rex ron; ${TAKE_OUT} rex; jk_jailuser -n -m -s /bin/bash -j ${B} rex`,
    ],
  ] as const;

  test.each(BY_HAND)(
    "%s by hand gets no second one beside it while the section has the old name",
    (_how, commands) => {
      sh(commands);
      for (const options of [["--check"], [], ["--prune"]])
        expect(run(...options)).toMatchObject({
          ...{ status: 1, changes: [] },
          problems: [
            {
              code: "user-exists",
              message: expect.stringMatching(/the account is 'rex' now, by its uid \d+ and its home: write/),
              remedy: `write in line 5 of ${FILE}:\n[user rex]\nhome = /home/ron`,
            },
          ],
        });
      typeRemedy(m, `${run("--check").problems[0]?.remedy}`);
      // One in another jail is taken out of that first.
      for (const { remedy } of run("--prune").problems) typeRemedy(m, `${remedy}`);
      m.must(["jailkit", "apply", "--prune"]);
      expect([people(), team()]).toEqual([[`rex ${A}/./home/ron`], "rex"]);
      expectSettled();
      expectEnd();
    },
  );

  test.each(BY_HAND)("%s by hand loses groups and keys when it is declared no more", (_how, commands) => {
    sh(commands);
    declare("");
    expect(run("--prune").changes).toEqual(expect.arrayContaining(LOSES));
    const [[rex = ""], isIn] = [people(), commands.includes(B)];
    expect([rex, team()]).toEqual([`rex ${isIn ? `${B}/.` : ""}/home/ron`, ""]);
    expect(hasKey(`${isIn ? B : ""}/home/ron`)).toBe(false);
    expectSettled();
  });

  test("taken out with usermod(8), and renamed, loses what is declared no more, and counts as one of before", () => {
    sh("usermod -l rex -d /home/ron -m -s /bin/sh ron");
    declare(user("rex", A, HOME + NOW));
    expect(run("--prune")).toMatchObject({ status: 0, changes: expect.arrayContaining(LOSES) });
    expect([people(), team(), hasKey(`${A}/home/ron`)]).toEqual([[`rex ${A}/./home/ron`], "", false]);
    expectSettled();
    declare("");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([people(), hasKey("/home/ron")]).toEqual([["rex /home/ron"], false]);
  });

  test.each(
    BY_HAND.map(([how, commands]) => [
      how,
      commands.replace(/; usermod.*|usermod.*?; /, "").replaceAll("rex", "ron"),
    ]),
  )("%s, but for the name, by hand loses them, too", (_how, commands) => {
    sh(commands);
    declare("");
    expect(run("--prune").changes).toEqual(LOSES.map((text) => text.replace("rex", "ron")));
    expect([people().length, team(), hasKey(`${commands.includes(B) ? B : ""}/home/ron`)]).toEqual([
      1,
      "",
      false,
    ]);
    expectSettled();
  });

  test.each([
    ["in its jail", A, "usermod -l rex -u 7777 ron"],
    ["in another jail", B, "usermod -l rex -u 7777 ron"],
    ["after it was taken out", A, `${TAKE_OUT} ron; usermod -l rex -u 7777 ron`],
  ])("with another uid, too, declared %s, is the same by its home", (_where, jail, commands) => {
    sh(commands);
    declare(user("ron", jail, NOW));
    const [problem] = run("--prune").problems;
    expect(problem).toMatchObject({
      code: "user-exists",
      message: expect.stringContaining("'rex' now, by its uid 7777"),
    });
    typeRemedy(m, `${problem?.remedy}`);
    for (const { remedy } of run("--prune").problems) typeRemedy(m, `${remedy}`);
    m.must(["jailkit", "apply", "--prune"]);
    expect([people(), team(), hasKey(`${jail}/home/ron`)]).toEqual([[`rex ${jail}/./home/ron`], "", false]);
    expectSettled();
  });

  describe("whose home was copied out by hand, so that only the uid tells", () => {
    const copy = `usermod -l rex -d /home/rex -s /bin/sh ron; cp -a ${A}/home/ron /home/rex; rm -r ${A}/home/ron`;

    test("is told by each run with what it still has, until that is gone", () => {
      sh(copy);
      declare("");
      const keys = `; '/home/rex/.ssh/authorized_keys' has ${FINGERPRINTS[0]}: take the line out`;
      for (const options of [[], ["--prune"], ["--prune"]])
        expect(run(...options).warnings).toContain(may(keys));
      sh("gpasswd -d rex team");
      m.write("/home/rex/.ssh/authorized_keys", "");
      expect(run("--prune").warnings.filter((line) => line.includes("may be the one"))).toEqual([]);
      expectSettled();
    });

    test("gets no second one beside it, unless the section says that it means another one", () => {
      sh(`${copy}; ${FORGET}`);
      const [problem] = run("--prune").problems;
      expect(problem).toMatchObject({
        code: "doubtful-account",
        message: expect.stringMatching(
          /may be 'rex' now, by its uid \d+: if '\[user ron\]' means that one, write/,
        ),
      });
      expect(people()).toEqual(["rex /home/rex"]);
      const file = m.read(FILE);
      // A program would take for certain what may be.
      expect(problem?.remedy).toBeNull();
      m.must(["sed", "-i", "s/^\\[user ron\\]/[user rex]/", FILE]);
      m.must(["jailkit", "apply"]);
      expect(people()).toEqual([`rex ${A}/./home/rex`]);
      m.write(FILE, `${file}uid = 7778\n`);
      m.must(["jailkit", "apply"]);
      expect(people().toSorted()).toEqual([`rex ${A}/./home/rex`, `ron ${A}/./home/ron`]);
    });
  });

  test("that is gone, and whose uid somebody has who has nothing of it, is made anew", () => {
    const { uid } = m.ids("ron");
    sh(`userdel -r ron; ${FORGET}; useradd -o -u ${uid} -m -g users rex`);
    expect(run()).toMatchObject({ status: 0, problems: [] });
    expect(people().toSorted()).toEqual(["rex /home/rex", `ron ${A}/./home/ron`]);
  });
});
