/** By its default, sshd(8) also looks for keys in .ssh/authorized_keys2, into which users may copy what is to be taken away. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/j.ini";
const [ONE, TWO] = KEYS;
const SSH = `${J}/home/anna/.ssh`;
const SECOND = `${SSH}/authorized_keys2`;
let m: Machine;

const declare = (keys: string) => m.write(FILE, `[jail ${J}]\nsections = basicshell\n${keys}`);
const user = (...keys: string[]) =>
  `[user anna]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${keys.join("\n  ")}\n`;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  declare(user(ONE));
  m.must(["jailkit", "apply"]);
  m.must(["cp", "-p", `${SSH}/authorized_keys`, SECOND]);
  m.must(["sh", "-c", `echo '# mine' >> ${SECOND}`]);
});

test("a key that is not declared any more is taken out of it", () => {
  expect(linesOf(m, "--check").status).toBe(0);
  declare(user(TWO));
  expect(did(m, "--prune")).toContainEqual(expect.stringMatching(/^done - user anna: keys/));
  expect([m.read(`${SSH}/authorized_keys`), m.read(SECOND)]).toEqual([`${TWO}\n`, "# mine\n"]);
  expect(linesOf(m, "--check", "--prune")).toMatchObject({ status: 0, changes: [] });
});

test("the options of a declared key are those in each file", () => {
  declare(user(`restrict ${ONE}`));
  expect(linesOf(m).status).toBe(0);
  expect(m.read(SECOND)).toBe(`restrict ${ONE}\n# mine\n`);
  m.must(["sed", "-i", "s/^restrict //", SECOND]);
  // Whoever did not run it would have no limits by that line.
  expect(did(m)).toEqual([expect.stringMatching(/^done ~ user anna: .*option/)]);
  expect([m.read(SECOND), linesOf(m, "--check").status]).toEqual([`restrict ${ONE}\n# mine\n`, 0]);
});

test("it goes from there with its user", () => {
  m.addUser("bea", { home: "/home/bea", createHome: true });
  declare(`[user bea]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
  m.must(["jailkit", "apply"]);
  const second = `${J}/home/bea/.ssh/authorized_keys2`;
  m.must(["cp", "-p", `${J}/home/bea/.ssh/authorized_keys`, second]);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read("/home/bea/.ssh/authorized_keys2")).toBe("");
});

test.each([
  ["a symbolic link to the first one", ["ln", "-sfn", "authorized_keys", SECOND], undefined],
  ["a directory", ["mkdir", SECOND], undefined],
  [
    "a FIFO",
    ["mkfifo", SECOND],
    /sshd looks for keys in '\/srv\/j\/home\/anna\/\.ssh\/authorized_keys2', too/,
  ],
  ["a link to another file", ["ln", "-sfn", "../k", SECOND], /no regular file of this user's own/],
])("with %s in its place, the first one is changed all the same", (_, make, warning) => {
  m.must(["rm", SECOND]);
  m.must(make);
  declare(user(`restrict ${ONE}`));
  expect(linesOf(m).status).toBe(0);
  expect(m.read(`${SSH}/authorized_keys`)).toBe(`restrict ${ONE}\n`);
  declare(user(TWO));
  const { changes, summary } = linesOf(m, "--prune");
  const warnings = changes.flatMap((one) => one.warnings);
  expect(warnings.filter((line) => /sshd looks for keys/.test(line))).toEqual(
    warning === undefined ? [] : [expect.stringMatching(warning)],
  );
  expect([summary.exitStatus, m.read(`${SSH}/authorized_keys`)]).toEqual([0, `${TWO}\n`]);
  expect(linesOf(m, "--check", "--prune").status).toBe(0);
  m.must(["rm", "-r", SECOND]);
});

test("a user who leaves with such a link loses the keys", () => {
  m.addUser("cleo", { home: "/home/cleo", createHome: true });
  declare(`[user cleo]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
  m.must(["jailkit", "apply"]);
  m.must(["ln", "-s", "authorized_keys", `${J}/home/cleo/.ssh/authorized_keys2`]);
  declare("");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.read("/home/cleo/.ssh/authorized_keys")).toBe("");
});
