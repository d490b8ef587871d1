/** `jailkit apply --prune --delete-homes` where something is mounted in a home: nothing of the home is deleted. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/q";
const HOME = `${J}/home/h1`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const PRUNE = ["--prune", "--delete-homes"];

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/data/x");
  m.write("/data/x/kept", "");
});
beforeEach(() => {
  m.write(FILE, `${JAIL}[user h1]\njail = ${J}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

/** Mounts something in the home, where the user has files. */
const mount = () => {
  m.must(["install", "-d", "-o", "h1", `${HOME}/aa`, place]);
  m.write(`${HOME}/aa/work`, "");
  m.must(["mount", "--bind", "/data/x", place]);
};

const place = `${HOME}/zz/deep/mnt`;
const why = `stays: a file system is mounted at '${place}', and has to be unmounted first; first let root alone write the directories above ${place}`;

test("a home in which a file system is mounted stays as it is, without the account", () => {
  mount();
  m.write(FILE, JAIL);
  const { changes, status } = linesOf(m, ...PRUNE, "--check");
  expect([status, changes.map(({ text }) => text)]).toEqual([
    ...[
      10,
      [expect.stringContaining(`- user h1: account but not its home ${HOME}, which stays with the uid `)],
    ],
  ]);
  const run = linesOf(m, ...PRUNE);
  expect([run.status, run.changes.flatMap(({ warnings }) => warnings)]).toEqual([
    0,
    [expect.stringContaining(why)],
  ]);
  expect(linesOf(m, ...PRUNE, "--check").status).toBe(0);
  expect(m.exists("/data/x/kept")).toBe(true);
  m.must(["umount", place]);
  expect(m.exists(`${HOME}/aa/work`)).toBe(true);
  m.remove(HOME);
});

test("so does the jail, with an error that names the mount, until nothing is mounted there", () => {
  mount();
  m.write(FILE, "");
  const stays = expect.objectContaining({
    code: "mounts",
    path: J,
    message: expect.stringContaining(why),
  });
  for (const options of [["--check"], [], ["--check"], []])
    expect(linesOf(m, ...PRUNE, ...options).summary.problems).toEqual([stays]);
  expect([m.exists(`${HOME}/aa/work`), m.exists("/data/x/kept")]).toEqual([true, true]);
  m.must(["umount", place]);
  expect([linesOf(m, ...PRUNE).status, m.exists(J)]).toEqual([0, false]);
});
