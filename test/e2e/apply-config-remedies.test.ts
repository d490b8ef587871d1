/** jailkit apply has the remedy of jailkit config check for what both refuse: typed, it heals. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j2";
const FILE = "/etc/jailkit/jails.d/a.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["cp", "/bin/bash", "/bin/odd"]);
});
afterEach(() => {
  m.run(["userdel", "-f", "ann"]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** The remedies that lines of a run have. */
const remediesIn = (text: string) =>
  [...text.matchAll(/^ {2}remedy: .*(?:\n {4}.*)*/gm)].map(([one]) =>
    one.replace("  remedy: ", "").replaceAll("\n    ", "\n"),
  );

test.each([
  ["a misspelt group", "shell = /bin/bash\ngroups = jaild, team", "groups = jailed, team"],
  ["two misspelt groups", "shell = /bin/bash\ngroups = jaild, taem", "groups = jailed, team"],
  ["a gid of no group", "shell = /bin/bash\ngroups = 4711, team", "groups = team"],
  ["a shell that the jail does not get", "shell = /bin/odd", "files = /bin/odd"],
])("%s", (_, lines, says) => {
  m.mkdir("/srv", { mode: 0o755 });
  for (const made of [false, true]) {
    m.write(FILE, JAIL + (made ? "" : `[user ann]\njail = ${J}\n${lines}\n`));
    if (made) {
      m.must(["jailkit", "apply"]);
      m.write(FILE, `${JAIL}[user ann]\njail = ${J}\n${lines}\n`);
    }
    const [found] = reportOf(
      REPORT_SCHEMAS["jailkit config"],
      m.run(["jailkit", "config", "check", "--json"]).stdout,
    ).findings;
    expect(found?.remedy).toContain(says);
    for (const options of [["--check"], []]) {
      const { problems } = linesOf(m, ...options).summary;
      expect(problems.map(({ finding, remedy }) => [finding, remedy])).toContainEqual([
        found?.code ?? null,
        found?.remedy ?? null,
      ]);
      expect(remediesIn(m.run(["jailkit", "apply", ...options]).stderr)).toEqual([`${found?.remedy}`]);
    }
    expect(typeRemedy(m, found?.remedy ?? "").status).toBe(0);
    expect(linesOf(m).summary.problems).toEqual([]);
    m.run(["userdel", "-f", "ann"]);
    for (const path of [J, "/var/lib/jailkit"]) m.remove(path);
  }
});

test("users who lack the same line are told it once, and each what it lacks of its own", () => {
  const user = (name: string, lines: string) => `[user ${name}]\njail = ${J}\n${lines}\n`;
  m.mkdir("/srv", { mode: 0o755 });
  m.write(
    FILE,
    JAIL +
      ["ann", "bob", "cora"].map((name) => user(name, "shell = /bin/odd")).join("") +
      user("dora", "shell = /bin/bash\ngroups = jaild"),
  );
  for (const options of [["--check"], []]) {
    const { stderr } = m.run(["jailkit", "apply", ...options]);
    expect(stderr.match(/^jailkit apply: user \w+: /gm)).toHaveLength(4);
    expect(remediesIn(stderr)).toEqual([
      `in section [jail ${J}] of ${FILE} write:\nfiles = /bin/odd`,
      `write in line 15 of ${FILE}:\ngroups = jailed`,
    ]);
  }
});
