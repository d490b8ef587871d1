/** jk_init and jk_cp that cannot make a jail leave none: neither its directory, nor a record of it. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(60_000);

const STATE = "/var/lib/jailkit";
const RECORDS = `${STATE}/jails`;
const NEW = "/srv/above/jail";

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jailkit"] });
  m.must(["jk_init", "-j", "/srv/other", "uidbasics"]);
});
afterAll(() => m?.close());
afterEach(() => {
  for (const path of [NEW, "/srv/small", STATE]) m.run(["umount", path]);
  m.run(["chmod", "0700", RECORDS]);
  m.remove("/srv/above");
});

const names = (path: string) => m.list(path).sort();

/** Neither a directory nor a record is new after a run that fails. */
function leavesNothing(argv: readonly string[], says: RegExp): void {
  const before = [names("/srv"), names(RECORDS)];
  const { status, stderr } = m.run(argv);
  expect([status === 0, stderr]).toEqual([false, expect.stringMatching(says)]);
  expect([names("/srv"), names(RECORDS)]).toEqual(before);
}

const ways = [
  { name: "jk_init", argv: ["jk_init", "-j", NEW, "basicshell"] },
  { name: "jk_cp -i", argv: ["jk_cp", "-i", "-j", NEW, "/bin/sh"] },
  { name: "jk_init --live", argv: ["jk_init", "--live", "-j", NEW] },
];

test.each(ways)("$name: others can write the registry", ({ argv }) => {
  m.must(["chmod", "0777", RECORDS]);
  leavesNothing(argv, /users other than root can write it/);
});

test.each(ways.slice(0, 2))("$name: no record can be written", ({ argv }) => {
  m.must(["mount", "--bind", STATE, STATE]);
  m.must(["mount", "-o", "remount,bind,ro", STATE]);
  leavesNothing(argv, /read-only/);
});

test.each(ways.slice(0, 2))("$name: there is no room for the first directory in it", ({ argv }) => {
  m.mkdir("/srv/small");
  // For the root of the file system, a directory, and the jail.
  m.must(["mount", "-t", "tmpfs", "-o", "nr_inodes=3,mode=755", "none", "/srv/small"]);
  const there = argv.map((one) => one.replace(NEW, "/srv/small/above/jail"));
  leavesNothing(there, /no more files can be created/);
  expect(names("/srv/small")).toEqual([]);
});

test("a directory that was there, and what is above, stays", () => {
  m.must(["chmod", "0777", RECORDS]);
  m.mkdir(NEW);
  const { status } = m.run(["jk_init", "-j", NEW, "basicshell"]);
  expect([status === 0, names("/srv/above")]).toEqual([false, ["jail"]]);
  m.run(["jk_init", "-j", "/srv/above/other/jail", "basicshell"]);
  expect(names("/srv/above")).toEqual(["jail"]);
});
