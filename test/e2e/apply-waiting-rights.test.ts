/** `jailkit apply` of rights for users who cannot be as declared yet: those that are written can be taken back. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const SECTION = "/etc/jailkit/jk_chrootsh.d/ann.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const RIGHTS = "confine = 1\nwrite = ~\n";
const user = (more: string, jail = J) => `[user ann]\njail = ${jail}\nshell = /bin/bash\n${more}`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.run(["userdel", "-rf", "ann"]);
  for (const path of ["/var/lib/jailkit", J, "/srv/link", SECTION]) m.remove(path);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

/** The texts of a run with their statuses; --check says the same changes, and fails alike. */
function bothDid(): string[] {
  const plan = linesOf(m, "--check", "--prune");
  const run = linesOf(m, "--prune");
  const texts = (lines: typeof plan) =>
    lines.changes.map(({ text, status }) => `${status.replace("planned", "done")} ${text}`);
  expect([texts(plan), plan.summary.failed, plan.summary.problems]).toEqual([
    ...[texts(run), run.summary.failed, run.summary.problems],
  ]);
  return texts(run);
}

test("an account outside of jails with running processes gets no rights before it can come in", () => {
  m.must(["useradd", "-m", "ann"]);
  const sleeping = m.start(["sleep", "600"], { user: "ann" });
  m.write(FILE, JAIL + user(RIGHTS));
  try {
    expect([bothDid(), m.exists(SECTION)]).toEqual([[], false]);
  } finally {
    sleeping.kill();
  }
});

test("so it is with one whose jail is named by a link", () => {
  m.must(["useradd", "-m", "ann"]);
  m.must(["ln", "-s", J, "/srv/link"]);
  m.write(FILE, JAIL + user(RIGHTS, "/srv/link"));
  expect([bothDid().filter((text) => !text.startsWith("not-done ")), m.exists(SECTION)]).toEqual([[], false]);
});

test("what an account in the jail, with a fault, is not allowed any more goes when that is not declared any more", () => {
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "ann"]);
  m.write(FILE, JAIL + user(`${RIGHTS}groups = team, nosuch\n`));
  const made = did(m, "--prune");
  expect(made).toContain("done + user ann: policy confine, write (it has no section)");
  expect([m.read(SECTION).includes("write = ~"), m.must(["id", "-Gn", "ann"]).stdout]).toEqual([
    ...[true, "users\n"],
  ]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.exists(SECTION)).toBe(false);
});
