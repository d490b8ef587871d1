/** Homes of a jail to which a symbolic link in it leads: they go and stay as others do. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { check } from "./check-helper.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const BOTH = ["--prune", "--delete-homes"];
const HOME = `${J}/var/homes/bob`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, `${JAIL}[user bob]\njail = ${J}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  m.must(["sh", "-ec", `cd ${J}; mkdir -p var; mv home var/homes; ln -s var/homes home`]);
  m.must(["sh", "-ec", `echo precious >${HOME}/letter; chown bob: ${HOME}/letter`]);
});
afterEach(() => {
  if (uidIn(m, "bob") !== undefined) m.must(["userdel", "bob"]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** That a run says what its plan does, and ends well. */
function runsAsPlanned(...options: string[]) {
  const planned = linesOf(m, "--check", ...options);
  const run = linesOf(m, ...options);
  expect([run.status, run.summary.problems, planned.summary.problems]).toEqual([0, [], []]);
  expect(run.changes.map(({ text }) => text)).toEqual(planned.changes.map(({ text }) => text));
  expect(run.summary.warnings).toEqual(planned.summary.warnings);
  return run;
}

test("one run deletes them with their accounts, and the jail", () => {
  m.write(FILE, "");
  const { changes } = runsAsPlanned(...BOTH);
  expect(changes.map(({ of }) => of)).toEqual(["user", "jail"]);
  expect([m.exists(J), uidIn(m, "bob")]).toEqual([false, undefined]);
});

test("they stay with the jail, and a later run deletes both", () => {
  m.write(FILE, "");
  runsAsPlanned("--prune");
  expect(runsAsPlanned("--prune").summary.warnings).toEqual([
    expect.stringContaining(
      `stays with what earlier runs left in it ('${HOME}'): to delete both: jailkit apply`,
    ),
  ]);
  expect(m.read(`${HOME}/letter`)).toBe("precious\n");
  expect(runsAsPlanned(...BOTH).changes.map(({ text }) => text)).toEqual([
    expect.stringContaining(`and the homes that stayed in it: ${HOME}`),
  ]);
  expect(m.exists(J)).toBe(false);
});

test("jk_check knows one that stays, and gives it to nobody", () => {
  m.write(FILE, JAIL);
  expect(did(m, "--prune")).toHaveLength(1);
  const found = check(m, "-j", J).found.filter(({ path }) => path.startsWith(HOME));
  expect(found[0]?.message).toContain("it is in a home that 'jailkit apply' keeps with this uid");
  expect(found.flatMap(({ remedy }) => remedy ?? [])).toEqual([]);
});
