/** `jailkit apply --prune` of an account of a directory that has got another name there: who is declared no more is out, by whatever name. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS, linesOf } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";
import { DIRECTORY, done, J, key, keysOf, MEMORY, RenamedScene, section } from "./renamed-scene.ts";

setDefaultTimeout(120_000);

let m: Machine;
let scene: RenamedScene;
const CHROOTSH = "/usr/sbin/jk_chrootsh";
const declare = (text: string) => scene.declare(text);
const account = (name: string, home = `${J}/./home/dave`, uid = 7104) =>
  `${name}:x:${uid}:7200::${home}:${CHROOTSH}\n`;
const rename = (home?: string) => m.write(DIRECTORY, account("davy", home));
const DAVE = section("dave", `directory = 1\ngroups = team\n${key(0)}`);
const lines = () => m.read(`${J}/etc/passwd`).match(/^d[aio].*?:/gm) ?? [];
const login = (name: string) => {
  const ids = ["--reuid=7104", "--regid=7200", "--clear-groups"];
  return m.run(["setpriv", ...ids, CHROOTSH, "-c", "pwd"], { env: { USER: name } }).stdout;
};
/** What gives the line of the jail the new name, which jk_check tells nobody to type while the former one is declared. */
function jail(name = "davy"): void {
  const { jails } = JSON.parse(m.run(["jk_check", "--json", J]).stdout);
  const remedies = jails.flatMap((one: { findings: { remedy: string }[] }) =>
    one.findings.map(({ remedy }) => remedy),
  );
  const remedy = `jk_jailuser --jail-side-only -j ${J} ${name}`;
  expect([remedies.includes("jailkit apply --check"), remedies.includes(remedy)]).toEqual([true, false]);
  typeRemedy(m, remedy);
  expect([lines(), login(name)]).toEqual([[`${name}:`], "/home/dave\n"]);
}
const entry = (name: string, to = "") => done(`user ${name}: entry in ${J}${to}`);
const NOTHING_LEFT = [[], "", "", "", [], [], 0];
const left = () => [
  ...[lines(), login("davy"), scene.members(), m.read(keysOf("dave"))],
  ...[did(m, "--prune"), scene.told(), m.run(["jailkit", "apply"]).status],
];

beforeAll(async () => {
  scene = await RenamedScene.open();
  m = scene.m;
});
afterAll(() => scene?.[Symbol.dispose]());
beforeEach(() => {
  scene.clear();
  m.write(DIRECTORY, account("dave"));
  m.must(["gpasswd", "-a", "dave", "team"]);
  declare(DAVE);
  m.must(["jailkit", "apply"]);
});

describe("with the line of its new name", () => {
  beforeEach(() => {
    rename();
    jail();
    m.must(["gpasswd", "-a", "davy", "team"]);
  });

  test.each([
    ["the first run with --prune", 0],
    ["also after runs without it", 2],
  ])("it is out: %s", (_, runs) => {
    declare("");
    for (let run = 0; run < runs; run++) expect(scene.told()).toContain(`user davy: entry in ${J}`);
    const planned = linesOf(m, "--check", "--prune").changes.map(({ text }) => `done ${text}`);
    const all = did(m, "--prune");
    expect(planned).toEqual(all);
    expect(all.toSorted()).toEqual([
      done("user dave: groups team"),
      entry("davy", " -> out of it, but not its home /srv/l/home/dave, which stays with the uid 7104"),
    ]);
    expect(left()).toEqual(NOTHING_LEFT);
  });
});

test("it is out with the line of its former name, and leaves the groups that it is in by its new one", () => {
  rename();
  m.must(["gpasswd", "-a", "davy", "team"]);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect(left()).toEqual(NOTHING_LEFT);
});

test("rights of the former name go, too", () => {
  declare(`[user dave]\njail = ${J}\ndirectory = 1\nallow = sftp\nwrite = /home/dave\n`);
  m.must(["jailkit", "apply"]);
  rename();
  m.must(["sed", "-i", "s/^dave:/davy:/", `${J}/etc/passwd`]);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).not.toContain("dave");
  expect(left()).toEqual(NOTHING_LEFT);
});

test("after several names, and if one of them was declared", () => {
  rename();
  declare(DAVE.replace("dave", "davy").replace(/^groups.*\n/m, ""));
  m.must(["jailkit", "apply", "--prune"]);
  m.write(DIRECTORY, account("dora"));
  jail("dora");
  declare("");
  expect(did(m, "--prune")).toContainEqual(expect.stringContaining(`- user dora: entry in ${J}`));
  expect(left()).toEqual(NOTHING_LEFT);
});

test("it may be declared again by its new name", () => {
  rename();
  jail();
  declare("");
  m.must(["jailkit", "apply"]);
  declare(section("davy", `directory = 1\n${key(0)}`));
  expect(did(m, "--prune").join()).not.toContain("entry");
  expect([lines(), m.read(keysOf("dave")), did(m)]).toEqual([["davy:"], `${KEYS[0]}\n`, []]);
});

test("a section of its new name that means an account of this machine is told so", () => {
  declare(DAVE + section("davy", ""));
  m.must(["jailkit", "apply"]);
  m.must(["userdel", "-r", "davy"]);
  rename();
  declare(section("davy", ""));
  const { problems } = linesOf(m).summary;
  expect(problems).toMatchObject([{ code: "not-local", path: "davy" }]);
  typeRemedy(m, problems[0]?.remedy ?? "false");
  expect(m.run(["jailkit", "apply"]).status).toBe(0);
});

test("another account that has the former name by now keeps its own place in the jail", () => {
  m.write(DIRECTORY, account("davy") + account("dave", `${J}/./home/other`, 7300));
  m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/sh", "-j", J, "dave"]);
  m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/sh", "-j", J, "davy"]);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect([lines(), login("davy")]).toEqual([["dave:"], ""]);
  expect(scene.warned("--prune")).toEqual([expect.stringContaining("gpasswd -d dave team")]);
});

test("accounts that have exchanged their names", () => {
  const [one, two] = [account("dave"), account("dina", `${J}/./home/dina`, 7105)];
  const DINA = section("dina", `directory = 1\n${key(1)}`);
  m.write(DIRECTORY, one + two);
  declare(DAVE + DINA);
  m.must(["jailkit", "apply"]);
  m.write(DIRECTORY, one.replace("dave", "dina") + two.replace("dina", "dave"));
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "dave", "dina"]);
  declare(DAVE);
  m.must(["jailkit", "apply", "--prune"]);
  expect([lines(), login("dina")]).toEqual([["dave:"], ""]);
  expect([m.read(keysOf("dave")), m.read(keysOf("dina"))]).toEqual(["", `${KEYS[0]}\n`]);
  expect(did(m, "--prune")).toEqual([]);
});

describe("one that is declared in another jail with its new name", () => {
  const K = "/srv/k";
  const moves = () => {
    m.must(["gpasswd", "-a", "davy", "team"]);
    declare(
      `[jail ${K}]\nsections = uidbasics, basicshell\n[user davy]\njail = ${K}\ndirectory = 1\nshell = /bin/bash\n${key(1)}`,
    );
  };
  const lost = [`user davy: groups team`, `user davy: keys ${FINGERPRINTS[0]}`];
  beforeEach(() => m.remove(K));

  test.each([
    ["former", () => undefined, [entry("dave")]],
    ["new", () => jail(), []],
  ])("loses the groups and keys of before, and its line of the %s name", (_, change, gone) => {
    rename();
    change();
    moves();
    expect(scene.told()).toEqual(expect.arrayContaining(lost));
    expect(did(m, "--prune")).toEqual(expect.arrayContaining([...lost.map(done), ...gone]));
    m.write(DIRECTORY, account("davy", `${K}/./home/dave`));
    m.must(["jailkit", "apply"]);
    expect([lines(), scene.members(), m.read(keysOf("dave")), did(m, "--prune")]).toEqual([[], "", "", []]);
    expect([login("davy"), m.run(["jk_check"]).status, scene.known()]).toEqual(["/home/dave\n", 0, ["davy"]]);
  });
});

// A rename in a directory often has a new path of the home, which nobody moves: then another account may have the uid by now.
test("one with the uid and another home is told by each run, with the command that takes it out", () => {
  m.write(DIRECTORY, account("davy", `${J}/./home/davy`));
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "davy"]);
  declare("");
  const remedy = `jk_jailuser --unjail --jail-side-only -j ${J} davy`;
  const who = `user dave: the account 'davy' has its uid and another home, and may be the one that was declared`;
  const message = `${who}: it has a line in '${J}/etc/passwd': to take it out: ${remedy}; if that is to stay, run jailkit apply after that, and add it again, or declare it`;
  for (const options of [[], ["--prune"], ["--prune"], []])
    expect(scene.warned(...options)).toEqual([message]);
  typeRemedy(m, remedy);
  expect([lines(), login("davy")]).toEqual([[], ""]);
  expect(scene.warned("--prune")).toEqual([expect.stringContaining("keys that were declared may be left")]);
  expect([scene.warned("--prune"), scene.known()]).toEqual([[], []]);
});

test("so it is not told of one that is declared", () => {
  m.write(DIRECTORY, account("davy", `${J}/./home/davy`));
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "davy"]);
  declare(section("davy", "directory = 1\n"));
  for (const options of [[], ["--prune"]])
    expect(scene.warned(...options)).not.toContainEqual(expect.stringContaining("has its uid"));
});

test("no advice lets in who was taken out, and has another name since", () => {
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  rename();
  const { jails } = JSON.parse(m.run(["jk_check", "--json", J]).stdout);
  const shows = "jk_jailuser --unjail --dry-run -s /usr/sbin/nologin davy";
  expect(jails[0].findings).toMatchObject([{ rule: "user-not-in-jail", remedy: shows }]);
  expect(typeRemedy(m, shows).stdout).toContain("davy");
  m.write(DIRECTORY, account("davy", "/home/dave"));
  expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
});

describe("while its section has the former name", () => {
  const told = () => {
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems.length]).toEqual([1, 1]);
    return summary.problems[0];
  };
  const config = () => m.run(["jailkit", "config", "check"]).stdout;
  const findings = () => JSON.parse(m.run(["jailkit", "status", "--json"]).stdout).findings;

  test.each([
    ["", () => rename()],
    [
      ", and the line of its new name",
      () => {
        rename();
        jail();
      },
    ],
    [
      ", and its home another name",
      () => {
        rename(`${J}/./home/davy`);
        m.must(["mv", `${J}/home/dave`, `${J}/home/davy`]);
      },
    ],
  ])("each run says what the section should have%s", (_, change) => {
    change();
    m.must(["gpasswd", "-d", "dave", "team"]);
    m.must(["gpasswd", "-a", "davy", "team"]);
    const file = "/etc/jailkit/jails.d/one.ini";
    const remedy = `write in line 3 of ${file}:\n[user davy]`;
    const message =
      "user dave: the account is 'davy' now, by its uid 7104 and its home: write '[user davy]' in place of '[user dave]'";
    expect(told()).toMatchObject({ path: "dave", finding: "taken", line: 3, message, remedy });
    expect(config()).toContain(message.replace("user dave", "'dave'"));
    for (const { command } of findings())
      expect(["jailkit apply", "jailkit config check"]).toContain(command);
    typeRemedy(m, remedy);
    m.must(["jailkit", "apply", "--prune"]);
    expect([did(m, "--prune"), m.run(["jailkit", "apply"]).status, findings()]).toEqual([[], 0, []]);
    expect([lines(), scene.members(), scene.known()]).toEqual([["davy:"], "davy", ["davy"]]);
    expect([config(), m.run(["jk_check", J]).stdout]).toEqual(["", ""]);
  });

  test.each([
    [
      "nothing is remembered of it",
      () => {
        rename();
        m.remove(MEMORY);
      },
    ],
    ["its directory says nothing of the jail", () => rename("/home/dave")],
  ])("so it is if %s", (_, change) => {
    change();
    declare(DAVE.replace(/^groups.*\n/m, ""));
    typeRemedy(m, told()?.remedy ?? "false");
    m.must(["jailkit", "apply"]);
    expect([did(m), lines(), m.run(["jailkit", "apply"]).status]).toEqual([[], ["davy:"], 0]);
  });

  // It may be another account.
  test("one with its uid and another home is told, and may be declared", () => {
    m.write(DIRECTORY, account("davy", `${J}/./home/davy`));
    declare(DAVE.replace(/^groups.*\n/m, ""));
    const message =
      "user dave: no name service knows the account, which 'directory' says is in one: getent passwd dave; 'davy' has its uid 7104, and another home: if it is that account, write '[user davy]' in place of '[user dave]'";
    expect(told()).toMatchObject({ code: "no-such-user", message, remedy: null });
    const davy = DAVE.replace(/^groups.*\n/m, "").replace("dave", "davy");
    declare(DAVE.replace(/^groups.*\n/m, "") + davy);
    const messages = linesOf(m, "--check").summary.problems.map((one) => one.message);
    expect(messages.filter((one) => one.includes("if it is that account, write"))).toEqual([]);
    declare(davy);
    const own = told();
    expect(own?.message).toContain(
      "give the account another uid in its directory, or, if it is the same user, that home",
    );
    typeRemedy(m, own?.remedy ?? "false");
    m.must(["jailkit", "apply", "--prune"]);
    expect([did(m, "--prune"), lines()]).toEqual([[], ["davy:"]]);
  });
});

// Its directory has the home that an account of no jail has: the line of the jail alone tells the other.
describe("a directory that says nothing of the jail", () => {
  beforeEach(() => {
    scene.clear();
    m.write(DIRECTORY, account("dave", "/home/dave"));
    m.must(["gpasswd", "-a", "dave", "team"]);
    declare(DAVE);
    m.must(["jailkit", "apply"]);
    rename("/home/dave");
    m.must(["gpasswd", "-a", "davy", "team"]);
  });

  test("it is out with the line of its new name", () => {
    m.must(["jk_jailuser", "--jail-side-only", "-j", J, "davy"]);
    expect(lines()).toEqual(["davy:"]);
    declare("");
    expect(scene.told()).toEqual(["user dave: groups team", `user davy: entry in ${J}`]);
    m.must(["jailkit", "apply", "--prune"]);
    expect(left()).toEqual(NOTHING_LEFT);
  });

  test("so it is after a run without --prune and another name", () => {
    for (const name of ["davy", "dora"]) {
      m.write(DIRECTORY, account(name, "/home/dave"));
      m.must(["jk_jailuser", "--jail-side-only", "-j", J, name]);
      declare("");
      expect(scene.told()).toContain(`user ${name}: entry in ${J}`);
    }
    m.must(["jailkit", "apply", "--prune"]);
    expect([lines(), m.read(keysOf("dave"))]).toEqual([[], ""]);
  });

  test("it is out with the line of its former name, which tells where its keys are", () => {
    declare("");
    expect(scene.told()).toEqual([`user dave: entry in ${J}`, "user davy: groups team"]);
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.warnings]).toEqual([0, []]);
    expect(left()).toEqual(NOTHING_LEFT);
  });
});
