/** `jailkit apply --prune` of a local account that was there before, and that somebody has renamed: it leaves its jail as any other. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";
import { done, J, RenamedScene, section } from "./renamed-scene.ts";

setDefaultTimeout(120_000);

let m: Machine;
let scene: RenamedScene;
const declare = (text: string) => scene.declare(text);
const entryOf = (name: string) =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read("/etc/passwd"))?.[0].split(":").slice(5);
const create = (name: string, shell: string) => m.must(["useradd", "-m", "-g", "users", "-s", shell, name]);
const out = (name: string, what = "out of it, with its home") =>
  done(`user ${name}: entry in ${J} -> ${what}`);
const ofLine = done(`user hans: entry in ${J}`);
const IN_JAIL = [`${J}/./home/hans`, "/usr/sbin/jk_chrootsh"];
const OUTSIDE = ["/home/hans", "/bin/dash"];

beforeAll(async () => {
  scene = await RenamedScene.open();
  m = scene.m;
});
afterAll(() => scene?.[Symbol.dispose]());
beforeEach(() => {
  m.run(["userdel", "ida"]);
  scene.clear();
  m.remove("/home/jo");
  create("hans", "/bin/dash");
  declare(section("hans", ""));
  m.must(["jailkit", "apply"]);
});
const rename = () => m.must(["usermod", "-l", "jo", "hans"]);

function expectOut(name = "jo"): void {
  expect(entryOf(name)).toEqual(OUTSIDE);
  expect([m.exists(`${J}/home/hans`), m.stat("/home/hans")?.uid]).toEqual([false, m.ids(name).uid]);
  expect([did(m, "--prune"), scene.known()]).toEqual([[], []]);
}

test.each([
  ["usermod(8)", () => rename()],
  ["an editor", () => m.must(["sed", "-i", "s/^hans:/jo:/", "/etc/passwd", "/etc/shadow"])],
])("with its home and its former shell, if %s has changed its name", (_, change) => {
  change();
  declare("");
  const planned = linesOf(m, "--check", "--prune").changes.map(({ text }) => `done ${text}`);
  const all = [ofLine, out("jo")];
  expect([planned, did(m, "--prune")]).toEqual([all, all]);
  expectOut();
});

test("also after runs without --prune, and with a line that somebody has taken out by hand", () => {
  rename();
  declare("");
  for (const _ of [1, 2]) m.must(["jailkit", "apply"]);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "hans"]);
  expect(did(m, "--prune")).toEqual([out("jo")]);
  expectOut();
});

test("so it does if its new name was declared meanwhile, and if it has had several names", () => {
  rename();
  declare(section("jo", "home = /home/hans\n"));
  for (const _ of [1, 2]) m.must(["jailkit", "apply", "--prune"]);
  expect(scene.known()).toEqual(["jo"]);
  m.must(["usermod", "-l", "ida", "jo"]);
  declare(section("ida", "home = /home/hans\n"));
  for (const _ of [1, 2]) m.must(["jailkit", "apply", "--prune"]);
  declare("");
  expect(did(m, "--prune")).toEqual([out("ida")]);
  expectOut("ida");
});

test("and if its jail is not declared any more, which goes, too", () => {
  rename();
  m.write("/etc/jailkit/jails.d/one.ini", "");
  expect(did(m, "--prune")).toEqual([ofLine, out("jo"), done(`jail ${J}`)]);
  expect([entryOf("jo"), m.exists(J)]).toEqual([OUTSIDE, false]);
});

test("accounts that have exchanged their names get each its own home and shell back", () => {
  create("jo", "/bin/sh");
  declare(section("hans", "") + section("jo", ""));
  m.must(["jailkit", "apply"]);
  const [hans, jo] = [m.ids("hans").uid, m.ids("jo").uid];
  for (const [from, to] of [
    ["hans", "ida"],
    ["jo", "hans"],
    ["ida", "jo"],
  ] as const)
    m.must(["usermod", "-l", to, from]);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect([entryOf("jo"), entryOf("hans")]).toEqual([OUTSIDE, ["/home/jo", "/bin/sh"]]);
  expect([m.stat("/home/hans")?.uid, m.stat("/home/jo")?.uid]).toEqual([hans, jo]);
});

const expectProblem = (code: string, ...options: string[]) => {
  const { status, summary } = linesOf(m, "--prune", ...options);
  expect(summary.problems).toMatchObject([{ code, path: "jo" }]);
  expect([status > 0, entryOf("jo")]).toEqual([true, IN_JAIL]);
  const [problem] = summary.problems;
  return problem;
};

test("another account of the former name keeps its own shell, and an error says what takes out the renamed one, if the record does not know its uid", () => {
  const { uid } = m.ids("hans");
  m.must(["sh", "-c", `sed -i 's/"uid":"${uid}"/"gid":"100"/' /var/lib/jailkit/jails/*/manifest.json`]);
  rename();
  m.must(["useradd", "-m", "-d", "/home/other", "-s", "/bin/sh", "hans"]);
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "hans"]);
  // The record of that name is its own from now on.
  m.must(["jk_jailuser", "-m", "-j", J, "-s", "/bin/bash", "hans"]);
  declare("");
  expectProblem("no-shell", "--check");
  for (const _ of [1, 2]) {
    expectProblem("no-shell");
    expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^jo:/m);
  }
  m.must(["jk_jailuser", "--unjail", "-m", "hans"]);
  expect(entryOf("hans")).toEqual(["/home/other", "/bin/sh"]);
  const [, open, closed] =
    /: (jk_jailuser [^;]*); .*: (jk_jailuser .*)$/.exec(`${expectProblem("no-shell")?.message}`) ?? [];
  expect(open).toBe("jk_jailuser --unjail -m -s /bin/sh jo");
  typeRemedy(m, `${closed}`);
  expect(entryOf("jo")).toEqual(["/home/hans", "/usr/sbin/nologin"]);
  expect([did(m, "--prune"), linesOf(m, "--prune").status]).toEqual([[], 0]);
});

test("another account with the former name and home keeps these, and the command leaves the home in the jail", () => {
  rename();
  create("hans", "/bin/sh");
  declare("");
  expectProblem("home-exists", "--check");
  const remedy = expectProblem("home-exists")?.remedy ?? "false";
  // That of before, with its uid.
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^(hans|jo):/m);
  typeRemedy(m, remedy);
  expect([entryOf("jo"), entryOf("hans")]).toEqual([
    [`${J}/home/hans`, "/bin/dash"],
    ["/home/hans", "/bin/sh"],
  ]);
  expect([m.stat("/home/hans")?.uid, did(m, "--prune"), scene.known()]).toEqual([m.ids("hans").uid, [], []]);
});

test.each([
  ["before the next run", ""],
  ["of the new name while that was declared", section("jo", "home = /home/hans\n")],
])("another account that got the former uid %s gets no shell of the machine", (_, text) => {
  const { uid } = m.ids("hans");
  if (text !== "") {
    rename();
    declare(text);
    m.must(["jailkit", "apply"]);
  }
  m.must(["userdel", "-r", text === "" ? "hans" : "jo"]);
  m.must(["useradd", "-o", "-u", `${uid}`, "-g", "users", "-m", "-d", `${J}/./home/hans`, "jo"]);
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "jo"]);
  m.run(["jailkit", "apply"]);
  declare("");
  for (const _ of [1, 2]) m.run(["jailkit", "apply", "--prune"]);
  expect([entryOf("jo"), m.exists("/home/hans")]).toEqual([IN_JAIL, false]);
});
