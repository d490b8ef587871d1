/** An account that was renamed, and its declaration not: no tool advises a line in the jail alone, without its rights and limits. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/c1.ini";

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics, basicshell\n[user lea]\njail = ${J}\nshell = /bin/bash\nlimits = nproc 64\n`,
  );
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-l", "liz", "lea"]);
});
afterAll(() => m?.close());

const processes = (user: string) => m.run(["su", "-", user, "-c", "ulimit -u"]).stdout.trim();

test("the advice is, or leads to, what the section should have", () => {
  const { findings } = JSON.parse(m.run(["jailkit", "status", "--json"]).stdout);
  expect(findings).toMatchObject([
    { kind: "config", command: "jailkit config check", message: expect.stringContaining("is 'liz' now") },
    { kind: "not-in-jail", subject: "liz", command: "jailkit config check" },
  ]);
  const checked = JSON.parse(m.run(["jk_check", "--json", J]).stdout);
  const found = checked.jails.flatMap((jail: { findings: unknown[] }) => jail.findings);
  expect(found).toContainEqual(
    expect.objectContaining({
      rule: "user-not-in-jail",
      remedy: linesOf(m, "--check").summary.problems[0]?.remedy,
    }),
  );
});

test("a line in the jail alone is refused", () => {
  for (const more of [["--dry-run"], []]) {
    const { status, stderr } = m.run(["jk_jailuser", ...more, "--jail-side-only", "-j", J, "liz"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("limits the sessions of 'lea' alone")]);
  }
});

test("without limits it is warned of", () => {
  const file = m.must(["sh", "-c", "echo /etc/jailkit/jk_chrootsh.d/*"]).stdout.trim();
  const text = m.read(file);
  m.remove(file);
  const { status, stderr } = m.run(["jk_jailuser", "--dry-run", "--jail-side-only", "-j", J, "liz"]);
  m.write(file, text);
  expect([status, stderr]).toEqual([
    0,
    expect.stringContaining(`'liz' was declared as 'lea', in '${FILE}', and renamed since`),
  ]);
});

test("what the run says heals, and the limits count", () => {
  const [problem] = linesOf(m).summary.problems;
  expect(problem?.remedy).toStartWith(`write in line 3 of ${FILE}:\n[user liz]\n`);
  typeRemedy(m, problem?.remedy ?? "");
  m.must(["jailkit", "apply", "--prune"]);
  expect(processes("liz")).toBe("64");
  expect(JSON.parse(m.run(["jailkit", "status", "--json"]).stdout).findings).toEqual([]);
  expect(m.run(["jk_jailuser", "--jail-side-only", "-j", J, "liz"])).toMatchObject({ status: 0, stderr: "" });
});
