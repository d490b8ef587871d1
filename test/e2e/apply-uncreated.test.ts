/** An account that cannot be created leaves nothing behind: its rules are written before it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const USERADD = "/usr/sbin/useradd";
const LIMITED = `${J}/etc/jailkit/jk_lsh.ini`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

const rules = () => [
  m.exists("/etc/jailkit/jk_chrootsh.d") ? m.list("/etc/jailkit/jk_chrootsh.d") : [],
  m.exists(LIMITED) && m.read(LIMITED).includes("[anna]"),
];

test.each([
  ["in the machine's jk_chrootsh.ini", "shell = /bin/bash\nnetwork = none\n"],
  ["in the jail's jk_lsh.ini", "allow = sftp\n"],
])("rules %s, which the next run writes again", (_, keys) => {
  const jail = m.read(FILE);
  const before = rules();
  m.write(FILE, `${jail}[user anna]\njail = ${J}\n${keys}`);
  m.must(["mv", USERADD, `${USERADD}.real`]);
  m.write(USERADD, "#!/bin/sh\necho 'useradd: failure while writing changes to /etc/passwd' >&2\nexit 1\n", {
    mode: 0o755,
  });
  try {
    const { status, changes } = linesOf(m);
    expect([status, m.run(["id", "anna"]).status, rules()]).toEqual([1, 1, before]);
    const steps = changes.flatMap((change) => change.steps);
    expect(steps.filter((step) => /wrote|removed|took/.test(step))).toEqual([
      expect.stringMatching(/^wrote /),
      expect.stringMatching(/^(?:removed|took the section)/),
    ]);
  } finally {
    m.must(["mv", `${USERADD}.real`, USERADD]);
  }
  m.must(["jailkit", "apply"]);
  expect(rules()).not.toEqual(before);
  expect(linesOf(m).changes).toEqual([]);
  m.write(FILE, jail);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([m.run(["id", "anna"]).status, rules()]).toEqual([1, before]);
});
