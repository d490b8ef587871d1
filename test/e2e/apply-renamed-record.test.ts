/**
 * A local account that was there before `jailkit apply`, and that somebody has renamed: the record of its jail tells its former
 * home and shell also if another account has its former name, in the same run or later.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";
import { done, J, RenamedScene, section } from "./renamed-scene.ts";

setDefaultTimeout(120_000);

let m: Machine;
let scene: RenamedScene;
const declare = (...texts: string[]) => scene.declare(texts.join(""));
const run = (...options: string[]) => linesOf(m, ...options);
const entryOf = (name: string) =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read("/etc/passwd"))?.[0].split(":").slice(5);
const create = (name: string, shell: string, home = `/home/${name}`) =>
  m.must(["useradd", "-m", "-d", home, "-g", "users", "-s", shell, name]);
const out = (name: string) => done(`user ${name}: entry in ${J} -> out of it, with its home`);
const IN_JAIL = (home: string) => [`${J}/./home/${home}`, "/usr/sbin/jk_chrootsh"];
const JO = section("jo", "home = /home/hans\n");
const HANS = section("hans", "home = /home/hans2\n");
/** The names by which the record of the jail has accounts. */
const recorded = () => {
  const { stdout } = m.must(["sh", "-c", "cat /var/lib/jailkit/jails/*/manifest.json"]);
  return stdout.match(/"(?:operands":\["|former-name":")(?:hans|jo|ida)"/g) ?? [];
};

beforeAll(async () => {
  scene = await RenamedScene.open();
  m = scene.m;
});
afterAll(() => scene?.[Symbol.dispose]());
beforeEach(() => {
  m.run(["userdel", "-f", "ida"]);
  scene.clear();
  for (const home of ["jo", "other", "ida"]) m.remove(`/home/${home}`);
  create("hans", "/bin/dash");
  declare(section("hans", ""));
  run();
  m.must(["usermod", "-l", "jo", "hans"]);
});

/** It is as before apply; what stays is as declared. */
function expectOut(name = "jo", home = "hans"): void {
  expect([entryOf(name), m.exists(`${J}/home/${home}`)]).toEqual([[`/home/${home}`, "/bin/dash"], false]);
  expect(m.stat(`/home/${home}`)?.uid).toBe(m.ids(name).uid);
  expect([did(m, "--prune"), run("--prune").status]).toEqual([[], 0]);
}

describe("a new user has its former name", () => {
  test.each([
    ["in the same run", () => declare(JO, HANS)],
    [
      "in a later one",
      () => {
        declare(JO);
        for (const options of [[], ["--prune"]]) run(...options);
        declare(JO, HANS);
      },
    ],
    [
      "by jk_addjailuser",
      () => {
        declare(JO);
        run();
        m.must(["jk_addjailuser", "-d", "/home/hans2", "-s", "/bin/bash", J, "hans"]);
        declare(JO, HANS);
      },
    ],
  ])("%s", (_, change) => {
    change();
    expect(run()).toMatchObject({ status: 0, summary: { problems: [] } });
    expect(run()).toMatchObject({ status: 0, changes: [] });
    declare(HANS);
    const planned = run("--check", "--prune").changes.map(({ text }) => `done ${text}`);
    expect([planned, did(m, "--prune")]).toEqual([[out("jo")], [out("jo")]]);
    expectOut();
    expect([entryOf("hans"), recorded()]).toEqual([IN_JAIL("hans2"), []]);
  });

  test("which gets nothing of it", () => {
    declare(JO, HANS);
    run();
    const { status, stderr } = m.run(["jk_jailuser", "--unjail", "-m", "hans"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("'hans' has no recorded shell")]);
    expect(recorded()).toEqual([`"former-name":"hans"`]);
  });

  test("and it leaves with the jail", () => {
    declare(JO, HANS);
    run();
    m.write("/etc/jailkit/jails.d/one.ini", "");
    expect(run("--prune", "--delete-homes")).toMatchObject({ status: 0, summary: { problems: [] } });
    expect([entryOf("hans"), m.exists(J)]).toEqual([undefined, false]);
    expectOut();
  });
});

test("an account from outside that has its former name gets its own home and shell back, and so does it", () => {
  create("hans", "/bin/sh", "/home/other");
  declare(JO, section("hans", "home = /home/other\n"));
  expect(run()).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(run()).toMatchObject({ status: 0, changes: [] });
  declare();
  expect(did(m, "--prune").toSorted()).toEqual([out("hans"), out("jo")]);
  expectOut();
  expect([entryOf("hans"), recorded()]).toEqual([["/home/other", "/bin/sh"], []]);
});

test("each of several that had a name gets back its own", () => {
  create("hans", "/bin/sh", "/home/other");
  declare(JO, section("hans", "home = /home/other\n"));
  run();
  m.must(["usermod", "-l", "ida", "hans"]);
  declare(JO, section("ida", "home = /home/other\n"), HANS);
  expect(run()).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(recorded()).toEqual([`"former-name":"hans"`, `"former-name":"hans"`]);
  declare(HANS);
  expect(did(m, "--prune").toSorted()).toEqual([out("ida"), out("jo")]);
  expectOut();
  expect([entryOf("ida"), recorded()]).toEqual([["/home/other", "/bin/sh"], []]);
});

test("a chain of names, each of which has the next account", () => {
  create("ida", "/bin/dash");
  declare(JO, section("ida", ""));
  run();
  for (const [from, to] of [
    ["jo", "hans"],
    ["ida", "jo"],
  ] as const)
    m.must(["usermod", "-l", to, from]);
  declare(section("hans", ""), section("jo", "home = /home/ida\n"), section("ida", "home = /home/ida2\n"));
  const { status, summary } = run();
  expect([status, summary.problems]).toEqual([0, []]);
  expect(run()).toMatchObject({ status: 0, changes: [] });
  declare(section("ida", "home = /home/ida2\n"));
  expect(did(m, "--prune").toSorted()).toEqual([out("hans"), out("jo")]);
  expectOut("hans");
  expectOut("jo", "ida");
});

describe("if it is not declared any more", () => {
  const UID = 4321;
  const NEW = section("hans", `home = /home/hans2\nuid = ${UID}\n`);

  test("a run with --prune takes it out before the new user of its name comes", () => {
    declare(NEW);
    expect(run("--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
    expectOut();
    expect(m.ids("hans").uid).toBe(UID);
  });

  test("one without says what lets the new one in, and the next one with it takes it out", () => {
    declare(NEW);
    const { summary } = run();
    expect(summary.problems).toMatchObject([{ path: "hans", code: "user-exists" }]);
    typeRemedy(m, summary.problems[0]?.remedy ?? "false");
    expect(run()).toMatchObject({ status: 0, summary: { problems: [] } });
    expect(m.ids("hans").uid).toBe(UID);
    expect(run()).toMatchObject({ status: 0, changes: [] });
    did(m, "--prune");
    expectOut();
  });
});

test("another account that gets its uid gets nothing of it", () => {
  declare(JO, HANS);
  run();
  const { uid } = m.ids("jo");
  m.must(["userdel", "-r", "jo"]);
  m.must(["useradd", "-o", "-u", `${uid}`, "-g", "users", "-m", "-d", `${J}/./home/hans`, "jo"]);
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "jo"]);
  run();
  declare(HANS);
  for (const _ of [1, 2]) run("--prune");
  expect([entryOf("jo"), m.exists("/home/hans")]).toEqual([IN_JAIL("hans"), false]);
});
