/** `jailkit apply --prune` leaves what brings the shell of a declared user: the plan says so, as the run does. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const BASH = `${J}/bin/bash`;
const SHELL = "sections = uidbasics, basicshell\n";
const USER = `[user dora]\njail = ${J}\nshell = /bin/bash\n`;
const LOST = `its shell '${BASH}' would go with what is not declared any more, which stays: declare what brings it, or another shell`;
const GONE = "- jail /srv/customer: sections basicshell (no longer declared)";

let m: Machine;

const declare = (jail: string, user = USER) => m.write(FILE, `[jail ${J}]\n${jail}${user}`);
const prune = (...options: readonly string[]) => {
  const { status, changes, summary } = linesOf(m, "--prune", ...options);
  const faults = summary.problems.map(({ code, message }) => `${code}: ${message}`);
  return { status, changes: changes.map(({ text }) => text), faults };
};

const FAULTS = [
  `bad-shell: jail ${J}: nothing is taken out of it: the shell of 'dora' would go with what is not declared any more`,
  `bad-shell: user dora: ${LOST}`,
];

/** The plan and the run say the same, and the run can be repeated. */
function stays(): void {
  for (const options of [["--check"], [], []]) {
    expect(prune(...options)).toEqual({ status: 1, changes: [], faults: FAULTS });
    expect(m.must(["su", "dora", "-c", "echo in"]).stdout).toBe("in\n");
  }
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

test("a section with which the shell would go stays, and what the error advises heals", () => {
  declare("sections = uidbasics\n");
  stays();
  declare("sections = uidbasics\nfiles = /bin/bash\n");
  expect(prune()).toEqual({
    status: 0,
    changes: [expect.stringContaining("files /bin/bash"), GONE],
    faults: [],
  });
  expect(m.exists(BASH)).toBe(true);
});

test("what does not come in its place takes nothing away", () => {
  declare("sections = uidbasics\nlive = /usr\n");
  for (const options of [["--check"], [], []])
    expect(prune(...options)).toEqual({
      status: 1,
      changes: [],
      faults: [expect.stringMatching(/^live-obstacle: /)],
    });
  expect(m.must(["su", "dora", "-c", "echo in"]).stdout).toBe("in\n");
});

test("nothing is given to a user who would have no shell", () => {
  declare("sections = uidbasics\n", `${USER}groups = team\n`);
  stays();
  expect(m.must(["id", "-nG", "dora"]).stdout).not.toContain("team");
});

test("a section and a file that both bring it stay", () => {
  declare(`${SHELL}files = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  declare("sections = uidbasics\n");
  stays();
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
  expect([status, faults.at(-1)]).toEqual([1, `bad-shell: user dora: ${LOST.replace("bash'", "custom'")}`]);
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
