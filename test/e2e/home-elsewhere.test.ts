/**
 * The home of a jailed account that its jail lacks may be outside still: after a power cut between two file systems, or after a run
 * that was killed. Nobody creates an empty one then, or says so: the command that is shown moves the home.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
let name = "";
let users = 0;

const declared = () => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const inside = () => `${J}/home/${name}`;
const outside = () => `/home/${name}`;
const move = () => `jk_jailuser -n -m -j ${J} ${name}`;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());
beforeEach(() => {
  name = `user${users++}`;
  m.addUser(name, { home: outside(), createHome: true, shell: "/bin/bash" });
  m.write(`${outside()}/thesis`, "mine\n");
  m.write(FILE, JAIL);
});

const jailed = () => m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name]);

/** How the home came to be where it is: each leaves it outside. */
const WAYS: readonly (readonly [string, string, () => void])[] = [
  [
    "of which the move did not come on the disk",
    "its home is still",
    () => {
      jailed();
      m.must(["mv", inside(), outside()]);
    },
  ],
  [
    "that has another path in the jail",
    "its home is still",
    () => {
      jailed();
      m.must(["mv", inside(), outside()]);
      m.must(["usermod", "-d", `${J}/./home/${name}.new`, name]);
      m.must(["sed", "-i", `s,:/home/${name}:,:/home/${name}.new:,`, `${J}/etc/passwd`]);
    },
  ],
  [
    "that an interrupted run has put aside",
    "an interrupted run has put its home aside in",
    () => {
      jailed();
      m.must(["mkdir", "-m", "700", `/home/.jk-move-${name}`]);
      m.must(["mv", inside(), `/home/.jk-move-${name}/home`]);
    },
  ],
];

const remedies = {
  "jailkit status": () =>
    reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout)
      .findings.filter(({ kind, subject }) => kind === "home" && subject === name)
      .map(({ message, command }) => [message, command]),
  jk_check: () => {
    const { stdout } = m.run(["jk_check", "--json", J]);
    const report = reportOf(REPORT_SCHEMAS.jk_check, stdout);
    const jails = "jails" in report && Array.isArray(report.jails) ? report.jails : [];
    return jails
      .flatMap(({ findings }) => findings)
      .filter(({ rule, message }) => rule === "home-missing" && message.includes(`user ${name} `))
      .map(({ message, remedy }) => [message, remedy]);
  },
  "jailkit explain": () => {
    const { stdout } = m.run(["jailkit", "explain", "--json", name]);
    const report = reportOf(REPORT_SCHEMAS["jailkit explain"], stdout);
    return ("steps" in report ? report.steps : [])
      .filter((step) => step.name === "home-present")
      .map(({ message, remedy }) => [message, remedy]);
  },
};

for (const [way, says, plant] of WAYS) {
  test.each(Object.entries(remedies))(`%s shows what moves a home ${way}`, (_, ask) => {
    plant();
    expect(ask()).toEqual([[expect.stringContaining(says), move()]]);
    m.must(["sh", "-c", move()]);
    expect(m.must(["sh", "-c", `cat ${J}/home/${name}*/thesis`]).stdout).toBe("mine\n");
    expect(ask().filter(([, remedy]) => remedy === move())).toEqual([]);
  });

  test(`jk_jailuser creates none in the place of one ${way}`, () => {
    plant();
    const isAside = way.includes("aside");
    const { status, stderr } = m.run(["jk_jailuser", "--jail-side-only", "-j", J, name]);
    expect(status).toBe(0);
    // That one is moved to its place instead.
    if (isAside) expect(m.read(`${inside()}/thesis`)).toBe("mine\n");
    else
      expect([stderr, m.run(["ls", `${J}/home`]).stdout]).toEqual([
        expect.stringContaining(move()),
        expect.not.stringContaining(name),
      ]);
    expect(m.run(["jk_jailuser", "-n", "-j", J, name]).stderr.includes(move())).toBe(!isAside);
    m.must(["sh", "-c", move()]);
  });
}

test.each(["with its line", "without its line"])(
  "jailkit apply creates none of an account %s in the jail",
  (how) => {
    jailed();
    m.must(["mv", inside(), outside()]);
    if (how === "without its line") m.must(["sed", "-i", `/^${name}:/d`, `${J}/etc/passwd`]);
    m.write(FILE, JAIL + declared());
    const problems = [
      expect.objectContaining({
        code: "home-elsewhere",
        message: expect.stringContaining(`its home is still '${outside()}'`),
        remedy: move(),
      }),
    ];
    expect(linesOf(m, "--check").summary.problems).toEqual(problems);
    expect(linesOf(m)).toMatchObject({ status: 1, summary: { problems } });
    expect([m.exists(inside()), m.read(`${J}/etc/passwd`).includes(`\n${name}:`)]).toEqual([false, true]);
    m.must(["sh", "-c", move()]);
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { changed: 0, problems: [] } });
    expect(m.read(`${inside()}/thesis`)).toBe("mine\n");
  },
);

test("a login itself, which cannot read the record, says so of one at the same path", () => {
  WAYS[0]?.[2]();
  const { stdout } = m.run(["jailkit", "explain", "--json", name], { user: name });
  const report = reportOf(REPORT_SCHEMAS["jailkit explain"], stdout);
  const steps = "steps" in report ? report.steps : [];
  expect(steps.find((step) => step.name === "home-present")).toMatchObject({
    outcome: "failed",
    remedy: move(),
  });
  m.must(["sh", "-c", move()]);
});

test("where a file system is not mounted over the place of a home, that is said first", () => {
  WAYS[0]?.[2]();
  const fstab = m.exists("/etc/fstab") ? m.read("/etc/fstab") : "";
  m.write("/etc/fstab", `${fstab}\ntmpfs ${J}/home tmpfs defaults 0 0\n`);
  for (const ask of [remedies.jk_check, remedies["jailkit status"]])
    expect(ask().map(([, remedy]) => remedy)).toEqual([expect.stringContaining("mount ")]);
  m.write("/etc/fstab", fstab);
  m.must(["sh", "-c", move()]);
});

test("jailkit apply moves one that an interrupted run has put aside", () => {
  WAYS[2]?.[2]();
  m.write(FILE, JAIL + declared());
  expect(linesOf(m).status).toBe(0);
  expect(m.read(`${inside()}/thesis`)).toBe("mine\n");
});

test("a directory outside that is another one's is none, and an empty home is created", () => {
  jailed();
  m.must(["rm", "-r", inside()]);
  m.must(["mkdir", outside()]);
  m.write(FILE, JAIL + declared());
  expect(linesOf(m).status).toBe(0);
  expect(m.exists(inside())).toBe(true);
  expect(m.exists(outside())).toBe(true);
});
