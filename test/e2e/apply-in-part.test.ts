/** `jailkit apply`: what a run makes in part is foretold in its words, and told as long as it is so. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { BUSY } from "../../src/cli/options.ts";
import type { Machine } from "../machine/machine.ts";
import { holdLock, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const PART = "it has what is the same in the rules of before and in the declared ones";
const BEFORE = "allow = sftp, scp upload\numask = 027\n";
const AFTER = "allow = scp upload, rsync download\n";

let m: Machine;

const declare = (rules: string, more = "", sections = "sftp") =>
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics, basicshell, scp, rsync, ${sections}\n[user ann]\njail = ${J}\n${rules}${more}`,
  );
/** The changes of a run with what it says of them, and its problems. */
const said = (...options: string[]) => {
  const { status, changes, summary } = linesOf(m, ...options);
  const problems = summary.problems.map(({ code }) => code);
  return { status, problems, changes: changes.map((one) => [one.status, one.text, one.waits]), summary };
};
const rules = () => m.read(`${J}/etc/jailkit/jk_lsh.ini`).split("[ann]\n")[1]?.trim();

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  declare(BEFORE);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

const TEXT = "~ user ann: policy differs in allow, umask";
const LESS = "allow = scp upload\numask = 027";

test.each([
  ["the jail has a fault", "", "nosuch", `jail ${J}`, ["no-such-section", "waits-for-jail"]],
  ["a group is missing", "groups = team, none1\n", "sftp", "user ann: groups none1", ["no-such-group"]],
])(
  "%s: the plan is what the run does, and the next runs say what is left",
  (_, more, sections, waits, codes) => {
    declare(AFTER, more, sections);
    const part = { problems: codes, changes: [["not-done", TEXT, waits]] };
    const check = linesOf(m, "--check");
    expect(said("--check")).toMatchObject({ status: 10, ...part });
    expect(check.changes.map(({ steps }) => steps)).toEqual([[PART]]);
    const text = m.run(["jailkit", "apply", "--check"]);
    expect(text.stdout).toContain(
      `${TEXT}, in part\nuser ann: policy differs in allow, umask: not complete\n  ${PART}\n`,
    );
    expect(rules()).toBe(BEFORE.trim());
    const run = linesOf(m);
    expect(run.changes.map(({ steps }) => steps)).toEqual([
      [expect.stringContaining("wrote the section"), PART],
    ]);
    expect(rules()).toBe(LESS);
    for (const options of [["--check"], []]) {
      expect(said(...options)).toMatchObject({ status: 1, ...part });
      expect(rules()).toBe(LESS);
    }
    const { stderr } = m.run(["jailkit", "apply"]);
    if (more !== "")
      expect(stderr).toContain("user ann: not done: policy; it waits for user ann: groups none1\n");
    declare(AFTER);
    expect(said()).toMatchObject({
      status: 0,
      problems: [],
      changes: [["done", expect.stringContaining("policy"), null]],
    });
    expect(rules()).toBe(AFTER.trim());
  },
);

test("another tool works on the jail: its changes do not wait for the jail itself", async () => {
  declare(BEFORE, "groups = team\n", "sftp, git");
  const holder = await holdLock(m, J);
  const { status, stderr } = m.run(["jailkit", "apply", "--no-wait"]);
  holder.kill();
  await holder.ended;
  expect([status, stderr]).toEqual([
    BUSY,
    expect.stringContaining(`jail ${J}: not done: sections; it waits for jail ${J}: busy\n`),
  ]);
  expect(stderr).toContain(`user ann: not done: groups; it waits for jail ${J}: busy\n`);
});

test("what is declared cannot be kept: the same", () => {
  declare(AFTER, "groups = team\n");
  m.must(["mount", "--bind", "/var/lib/jailkit", "/var/lib/jailkit"]);
  m.must(["mount", "-o", "remount,ro,bind", "/var/lib/jailkit"]);
  const [check, run] = [linesOf(m, "--check"), linesOf(m)];
  m.must(["umount", "/var/lib/jailkit"]);
  const of = ({ changes }: typeof run) => changes.map(({ text, status, waits }) => [text, status, waits]);
  expect([of(check), check.status]).toEqual([of(run), 10]);
  expect(check.changes.find(({ what }) => what === "policy")).toMatchObject({
    status: "not-done",
    steps: [PART],
  });
  expect(rules()).toBe(LESS);
});

test("a key that was removed in a jail of the customer's is not told again as one that may come back", () => {
  const keys = (key: string) => `authorized_keys = ${key}\n`;
  declare(BEFORE, keys(KEYS[0]));
  m.must(["jailkit", "apply"]);
  m.must(["chown", "ann", J]);
  declare(BEFORE, keys(KEYS[1]));
  const file = `${J}/home/ann/.ssh/authorized_keys`;
  const removed = (status: string) => [status, expect.stringMatching(/^- user ann: keys SHA256:/), null];
  expect(said("--prune").changes).toContainEqual(removed("done"));
  expect(m.read(file)).toBe("");
  const { problems, changes } = said("--prune");
  expect(problems).toEqual(["unsafe-jail", "waits-for-jail"]);
  expect(changes.filter(([, text]) => `${text}`.startsWith("-"))).toEqual([]);
  m.must(["chown", "-h", "root", J]);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(file)).toBe(`${KEYS[1]}\n`);
});

test.each([
  ["whole", "shell = /bin/bash\n", "shell = /bin/bash\nconfine = 1\n", "done"],
  ["in part", "shell = /usr/sbin/jk_lsh\n", AFTER, "not-done"],
])("rules that are written %s while the jail waits are taken back", (_, before, after, status) => {
  declare(before);
  m.must(["jailkit", "apply", "--prune"]);
  // Those of an administrator, for all.
  const file = `${J}/etc/jailkit/jk_lsh.ini`;
  const own = m.exists(file) ? m.read(file) : "";
  const others = `${own}[DEFAULT]\nallow = sftp, scp upload\n`;
  m.write(file, others);
  declare(after, "", "nosuch");
  const [policy] = said("--prune").changes;
  declare(before);
  m.must(["jailkit", "apply", "--prune"]);
  expect([m.read(file), m.exists("/etc/jailkit/jk_chrootsh.d/ann.ini")]).toEqual([others, false]);
  m.write(file, own);
  expect(policy?.slice(0, 2)).toEqual([status, expect.stringContaining("+ user ann: policy")]);
});
