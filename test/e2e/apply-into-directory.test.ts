/** `jailkit apply` of a local account that somebody has put into a directory, under another name: nothing of it stays usable. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS, linesOf } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";
import { DIRECTORY, done, J, key, keysOf, RenamedScene, section } from "./renamed-scene.ts";

setDefaultTimeout(120_000);

const LIMITS = "/etc/jailkit/jk_chrootsh.d/hans.ini";
let m: Machine;
let scene: RenamedScene;
const declare = (text: string) => scene.declare(text);
const told = (...options: string[]) => scene.told(...options);
const warned = (...options: string[]) => scene.warned(...options);

beforeAll(async () => {
  scene = await RenamedScene.open();
  m = scene.m;
});
afterAll(() => scene?.[Symbol.dispose]());

const jo = (more: string) => section("jo", `home = /home/hans\ndirectory = 1\n${more}`);
/** Puts it there; with another uid, its home is given to that. */
function move(uid: number, home = `${J}/./home/hans`, now = uid): void {
  m.must(["userdel", "hans"]);
  m.write(DIRECTORY, `jo:x:${now}:100::${home}:/usr/sbin/jk_chrootsh\n`);
  if (now !== uid) m.must(["chown", "-R", `${now}`, `${J}/home/hans`]);
}
const lines = () => m.read(`${J}/etc/passwd`).match(/^(hans|jo):.*$/gm) ?? [];
/** Groups, keys and limits. */
const usable = () => [
  scene.members(),
  scene.members(`${J}/etc/group`),
  m.read(keysOf("hans")),
  m.exists(LIMITS),
];
const keyOf = (name: string) => `user ${name}: keys ${FINGERPRINTS[0]}`;

describe.each([
  ["that was there before", true],
  ["that apply created", false],
])("an account %s", (_, isThere) => {
  let uid = 0;
  beforeEach(() => {
    scene.clear();
    if (isThere) m.must(["useradd", "-m", "-g", "users", "-s", "/bin/sh", "hans"]);
    declare(section("hans", `groups = team\nlimits = nofile 256\n${key(0)}`));
    m.must(["jailkit", "apply"]);
    ({ uid } = m.ids("hans"));
  });

  test.each([
    ["the same uid", (one: number) => one],
    ["another uid", () => 7104],
  ])("with %s loses all, if neither is declared", (_title, now) => {
    move(uid, undefined, now(uid));
    declare("");
    expect([told(), told()].map((all) => all.includes(`user hans: entry in ${J}`))).toEqual([true, true]);
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems]).toEqual([0, []]);
    expect([lines(), usable()]).toEqual([[], ["", "", "", false]]);
    expect([did(m, "--prune"), warned("--prune")]).toEqual([[], []]);
  });

  test.each([
    ["the same uid", (one: number) => one],
    ["another uid", () => 7104],
  ])("with %s loses what is not declared of it", (_title, now) => {
    move(uid, undefined, now(uid));
    declare(jo(key(1)));
    m.must(["jailkit", "apply"]);
    expect([told(), told()].map((all) => all.includes(keyOf("jo")))).toEqual([true, true]);
    expect(did(m, "--prune")).toContain(done(keyOf("jo")));
    expect(lines()).toEqual([expect.stringMatching(/^jo:/)]);
    expect(usable()).toEqual(["", "", `${KEYS[1]}\n`, false]);
    expect([did(m, "--prune"), told(), scene.known()]).toEqual([[], [], ["jo"]]);
  });

  test("keeps what is declared of it, also in the first run with --prune", () => {
    move(uid, undefined, 7104);
    declare(jo(key(0)));
    m.must(["jailkit", "apply", "--prune"]);
    expect([lines().length, usable()]).toEqual([1, ["", "", `${KEYS[0]}\n`, false]]);
  });

  test("so does one of this machine with another uid", () => {
    m.must(["usermod", "-l", "jo", "-u", "7104", "hans"]);
    for (const which of [0, 1] as const) {
      declare(section("jo", `home = /home/hans\n${key(which)}`));
      m.must(["jailkit", "apply", "--prune"]);
      expect(m.read(keysOf("hans"))).toBe(`${KEYS[which]}\n`);
    }
  });

  test("is an error while the former name is declared, with lines that heal it", () => {
    declare(section("hans", key(0)));
    m.must(["jailkit", "apply", "--prune"]);
    move(uid);
    for (const options of [["--check"], ["--prune"]]) {
      const { status, summary } = linesOf(m, ...options);
      expect([status, summary.problems.map(({ code, path }) => [code, path])]).toEqual([
        1,
        [["user-exists", "hans"]],
      ]);
    }
    typeRemedy(m, linesOf(m, "--check").summary.problems[0]?.remedy ?? "false");
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
    expect(lines()).toEqual([expect.stringMatching(/^jo:/)]);
  });

  test("is not followed to one with another home, which keeps what it was given", () => {
    m.must(["userdel", "-r", "hans"]);
    m.write(DIRECTORY, `jo:x:${uid}:100::${J}/./home/hans:/usr/sbin/jk_chrootsh\n`);
    m.must(["sh", "-ec", `mkdir -p ${J}/home/hans/.ssh; chown -R ${uid}:100 ${J}/home/hans`]);
    m.write(keysOf("hans"), `${KEYS[0]}\n`);
    m.must(["chown", `${uid}:100`, keysOf("hans")]);
    declare(jo(key(1)));
    for (const _ of [1, 2]) linesOf(m, "--prune");
    expect(m.read(keysOf("hans"))).toBe(`${KEYS[0]}\n${KEYS[1]}\n`);
  });
});
