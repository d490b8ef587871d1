/** A jail that is made anew while the file system of the old one is not mounted: nobody else gets the uids of the homes in that. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/data/jail";
const FILE = "/etc/jailkit/jails.d/one.ini";
const ONCE = "/var/lib/jailkit/declared.json";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, uid?: number) =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${uid === undefined ? "" : `uid = ${uid}\n`}`;

let m: Machine;

const sh = (text: string) => m.must(["sh", "-ec", text]);
const uidOf = (name: string) => Number(m.run(["id", "-u", name]).stdout);
function declare(text: string, ...options: string[]): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", ...options]);
}
/** The problems of a user who is to get a uid. */
function problemsOf(uid: number) {
  const before = m.read(FILE);
  m.write(FILE, before + user("dora", uid));
  const { problems } = linesOf(m, "--check").summary;
  m.write(FILE, before);
  return problems.map(({ code }) => code);
}
// As unmounted and mounted again, with what is on it.
const unmount = (place = "/data") => sh(`mkdir -p /away; mount --move ${place} /away`);
const mount = (place = "/data") => m.must(["mount", "--move", "/away", place]);

/** Leaves the home of bob; his uid. */
function leaveHome(): number {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob");
  declare(JAIL, "--prune");
  expect(m.stat(`${J}/home/bob`)?.uid).toBe(uid);
  return uid;
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.mkdir("/data", { mode: 0o755 });
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/data"]);
  declare(JAIL);
});
afterEach(() => {
  for (const name of ["bob", "carl", "dora"]) m.run(["userdel", name]);
  for (const path of [`${J}/home/bob`, `${J}/home`, "/data", "/away"]) m.run(["umount", path]);
  for (const path of ["/data", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

test("a home that stays keeps the uid, also if it comes back with the mount", () => {
  const uid = leaveHome();
  unmount();
  declare(JAIL + user("carl"));
  expect(uidOf("carl")).toBe(uid + 1);
  expect(problemsOf(uid)).toEqual(["kept-home"]);
  mount();
  expect(problemsOf(uid)).toEqual(["kept-home"]);
});

test("what else of the jail has the uid keeps it, and so does one of an account that was removed later", () => {
  const uid = leaveHome();
  m.remove(`${J}/home/bob`);
  declare(JAIL + user("carl"));
  const other = uidOf("carl");
  unmount();
  declare(JAIL + user("carl"));
  declare(JAIL, "--prune", "--delete-homes");
  expect([uid, other].map(problemsOf)).toEqual([["left-uid"], ["left-uid"]]);
});

test("so does a home on a file system that was mounted in the jail", () => {
  m.mkdir(`${J}/home`, { mode: 0o755 });
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", `${J}/home`]);
  const uid = leaveHome();
  unmount(`${J}/home`);
  declare(JAIL + user("carl"));
  expect([uidOf("carl"), problemsOf(uid)]).toEqual([uid + 1, ["kept-home"]]);
});

test("so does one that is below what is mounted on it, and one on a file system of its own that is not mounted", () => {
  const home = `${J}/home/bob`;
  declare(JAIL + user("bob"));
  const uid = uidOf("bob");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", home]);
  declare(JAIL, "--prune", "--delete-homes");
  expect([m.run(["id", "bob"]).status, problemsOf(uid)]).toEqual([1, ["kept-home"]]);
  m.must(["umount", home]);
  expect(problemsOf(uid)).toEqual(["kept-home"]);
  m.remove(home);
  expect(problemsOf(uid)).toEqual([]);
  m.mkdir(home);
  m.must(["mount", "-t", "tmpfs", "-o", `uid=${uid + 1},mode=700`, "none", home]);
  declare(JAIL + user("bob", uid + 1));
  declare(JAIL, "--prune");
  unmount(home);
  declare(JAIL + user("carl"));
  expect(problemsOf(uid + 1)).toEqual(["kept-home"]);
  mount(home);
  m.must(["umount", home]);
});

test.each([
  ["one that was removed by hand, after the command that the message shows", true],
  ["one that 'jailkit delete' has removed", false],
])("%s keeps nothing", (_, byHand) => {
  const uid = leaveHome();
  if (byHand) m.remove(J);
  else m.must(["jailkit", "delete", "-y", "--user-files", J]);
  declare(JAIL);
  expect(problemsOf(uid)).toEqual(byHand ? ["kept-home"] : []);
  if (!byHand) return;
  m.write(FILE, JAIL + user("dora", uid));
  const [{ message = "" } = {}] = linesOf(m, "--check").summary.problems;
  sh(/if it was deleted: (.*)/.exec(message)?.[1] ?? "false");
  m.must(["jailkit", "apply"]);
  expect(uidOf("dora")).toBe(uid);
});

test("one that --prune has removed keeps nothing", () => {
  const uid = leaveHome();
  declare("", "--prune", "--delete-homes");
  expect(m.exists(J)).toBe(false);
  declare(JAIL);
  expect(problemsOf(uid)).toEqual([]);
});

test("of a former version, which did not say in which directory homes are, only what is there keeps it", () => {
  const uid = leaveHome();
  const once = JSON.parse(m.read(ONCE));
  for (const one of once.kept) delete one.directoryId;
  m.write(ONCE, JSON.stringify(once));
  expect(problemsOf(uid)).toEqual(["kept-home"]);
  m.remove(`${J}/home/bob`);
  expect(problemsOf(uid)).toEqual([]);
});
