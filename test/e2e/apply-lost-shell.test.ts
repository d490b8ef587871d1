/** `jailkit apply --prune` takes away what brings the shell of a declared user: the plan says so, as the run does. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const BASH = `${J}/bin/bash`;
const SHELL = "sections = uidbasics, basicshell\n";
const USER = `[user dora]\njail = ${J}\nshell = /bin/bash\n`;
const LOST = `its shell '${BASH}' goes with what is not declared any more: declare what brings it, or another shell`;
const GONE = "- jail /srv/customer: sections basicshell (no longer declared)";

let m: Machine;

const declare = (jail: string, user = USER) => m.write(FILE, `[jail ${J}]\n${jail}${user}`);
const prune = (...options: readonly string[]) => {
  const { status, changes, summary } = linesOf(m, "--prune", ...options);
  const faults = summary.problems.map(({ code, message }) => `${code}: ${message}`);
  return { status, changes: changes.map(({ text }) => text), faults };
};

/** The plan and the run say the same, and the run can be repeated. */
function lose(changes: readonly string[]): void {
  const faults = [`bad-shell: user dora: ${LOST}`];
  expect(prune("--check")).toEqual({ status: 10, changes: [...changes], faults });
  expect(m.exists(BASH)).toBe(true);
  expect(prune()).toEqual({ status: 1, changes: [...changes], faults });
  expect(m.exists(BASH)).toBe(false);
  expect(prune()).toMatchObject({ status: 1, changes: [], faults: [expect.stringContaining("bad-shell")] });
}

/** Nobody loses a shell. */
function keep(changes: readonly string[]): void {
  expect(prune("--check")).toEqual({ status: 10, changes: [...changes], faults: [] });
  expect(prune()).toEqual({ status: 0, changes: [...changes], faults: [] });
  expect([m.exists(BASH), did(m, "--prune")]).toEqual([true, []]);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  declare(SHELL);
  m.must(["jailkit", "apply", "--prune"]);
});
afterAll(() => m?.close());

test("a section that goes takes the shell along, and what the error advises heals", () => {
  declare("sections = uidbasics\n");
  lose([GONE]);
  declare("sections = uidbasics\nfiles = /bin/bash\n");
  expect(prune()).toMatchObject({ status: 0, faults: [] });
  expect(m.exists(BASH)).toBe(true);
});

test("nothing is given to a user who would have no shell", () => {
  declare("sections = uidbasics\n", `${USER}groups = team\n`);
  lose([GONE]);
  expect(m.must(["id", "-nG", "dora"]).stdout).not.toContain("team");
});

test("a section and a file that both bring it go in one run", () => {
  declare(`${SHELL}files = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  declare("sections = uidbasics\n");
  lose(["- jail /srv/customer: files /bin/bash (no longer declared)", GONE]);
});

test("what comes with live directories keeps it", () => {
  m.mkdir("/opt/tool");
  m.must(["ln", "-sfT", "/usr/bin/bash", "/etc/alternatives/bash"]);
  declare("sections = uidbasics\nlive = /opt/tool\n");
  keep([expect.stringContaining("+ jail /srv/customer: live /opt/tool"), GONE]);
  declare(SHELL);
  m.must(["jailkit", "apply", "--prune"]);
  m.remove("/etc/alternatives/bash");
});

test("what is declared instead keeps it", () => {
  declare("sections = uidbasics\nfiles = /bin/bash\n");
  keep(["+ jail /srv/customer: files /bin/bash (not in the jail)", GONE]);
});

test("a shell that is a link, whose target goes", () => {
  declare(SHELL, USER.replace("/bin/bash", "/bin/custom"));
  m.must(["ln", "-s", "bash", `${J}/bin/custom`]);
  m.must(["jailkit", "apply"]);
  declare("sections = uidbasics\n", USER.replace("/bin/bash", "/bin/custom"));
  const { status, faults } = prune("--check");
  expect([status, faults]).toEqual([10, [`bad-shell: user dora: ${LOST.replace("bash'", "custom'")}`]]);
});

test.each([false, true])(
  "whose shell is the limited one loses nothing, a copy of it in the jail: %p",
  (copied) => {
    const limited = USER.replace("/bin/bash", "/usr/sbin/jk_lsh");
    declare("sections = uidbasics, basicshell, jk_lsh\n", limited);
    if (copied) m.must(["jk_init", "--copy-shell", "-j", J, "jk_lsh"]);
    m.must(["jailkit", "apply"]);
    const inJail = `${J}/usr/sbin/jk_lsh`;
    expect(m.exists(inJail)).toBe(copied);
    declare("sections = uidbasics\n", limited);
    const gone = GONE.replace("basicshell", "basicshell, jk_lsh");
    expect(prune("--check")).toEqual({ status: 10, changes: [gone], faults: [] });
    expect(prune()).toEqual({ status: 0, changes: [gone], faults: [] });
    expect([m.exists(inJail), did(m, "--prune")]).toEqual([false, []]);
  },
);
