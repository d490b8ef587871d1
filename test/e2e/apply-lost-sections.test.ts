/** /etc/jailkit/jk_init.ini is gone, or is another one: one error says so, and nothing advises to empty the jails. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const INIT = "/etc/jailkit/jk_init.ini";
const jail = (path: string, user: string, sections: string) =>
  `[jail ${path}]\nsections = ${sections}\n[user ${user}]\njail = ${path}\nshell = /bin/bash\n`;
const DECLARED = jail(A, "ann", "uidbasics, basicshell") + jail(B, "bob", "basicshell");

let m: Machine;
let init: string;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const files = () => sh(`find ${A} ${B} | sort`);
const faults = (...options: readonly string[]) => {
  const { status, changes, summary } = linesOf(m, "--prune", ...options);
  return {
    ...{ status, changes: changes.map(({ text }) => text) },
    problems: summary.problems.map(({ path, code, finding, remedy }) => [path, code, finding, remedy]),
  };
};
const checked = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings;
const settled = () => expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });

beforeAll(async () => {
  m = await openApplyMachine();
  init = m.read(INIT);
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  settled();
});
afterEach(() => {
  m.write(INIT, init);
  m.write(FILE, DECLARED);
  settled();
});
afterAll(() => m?.close());

test.each([
  ["is missing", () => m.remove(INIT), `${INIT}, the file with the sections, is missing: `],
  [
    "is that of another machine",
    () => m.write(INIT, "[ourtools]\npaths = /usr/bin/env\n"),
    `${INIT} has none of the declared sections, neither 'uidbasics' nor 'basicshell': `,
  ],
])("the file with the sections %s: one error, which has no command", (_, plant, text) => {
  const before = files();
  plant();
  for (const options of [["--check"], []])
    expect(faults(...options)).toEqual({
      ...{ status: 1, changes: [] },
      problems: [[A, "no-config", "unknown-section", null]],
    });
  const [problem] = linesOf(m).summary.problems;
  expect(problem?.message).toStartWith(`jail ${A}: ${text}restore it from a backup, or`);
  expect(checked()).toMatchObject([
    { file: FILE, line: 2, code: "unknown-section", remedy: null, message: expect.stringContaining(text) },
  ]);
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  expect(status.findings.filter(({ kind }) => kind === "config")).toHaveLength(1);
  expect(files()).toBe(before);
});

test("a new jail has the same error, and is not made", () => {
  m.remove(INIT);
  m.write(FILE, `[jail /srv/c]\nsections = uidbasics\n${DECLARED}`);
  expect(faults().problems).toEqual([["/srv/c", "no-config", "unknown-section", null]]);
  expect(m.exists("/srv/c")).toBe(false);
});

test("drop-ins that have all declared sections are enough", () => {
  m.write("/etc/jailkit/jk_init.d/all.ini", init);
  m.remove(INIT);
  settled();
  m.remove("/etc/jailkit/jk_init.d");
});

test("of a section that is unknown beside others the line is written anew; without others there is no command", () => {
  m.write(INIT, init.replace("[basicshell]", "[othershell]").replaceAll("basicshell", "othershell"));
  const found = checked();
  expect(found).toMatchObject([
    { line: 2, code: "unknown-section", remedy: `write in line 2 of ${FILE}:\nsections = uidbasics` },
    { line: 7, code: "unknown-section", remedy: null },
  ]);
  expect(typeRemedy(m, found[0]?.remedy ?? "").status).toBe(0);
  expect(checked()).toMatchObject([{ line: 7 }]);
  // What it does now is no more than that.
  const before = files();
  expect(faults().problems).toMatchObject([
    [A, "bad-shell", null, null],
    ["ann", "bad-shell", null, null],
  ]);
  expect(files()).toBe(before);
});

test("sections that a comment has taken out of the declaration stay with the shells of users", () => {
  const before = files();
  m.write(FILE, DECLARED.replaceAll("sections", "#sections"));
  for (const options of [["--check"], []])
    expect(faults(...options)).toMatchObject({ status: 1, changes: [] });
  expect(files()).toBe(before);
  expect(linesOf(m, "--prune").summary.problems.map(({ message }) => message)).toEqual([
    `jail ${A}: nothing is taken out of it: the shell of 'ann' would go with what is not declared any more`,
    `user ann: its shell '${A}/bin/bash' would go with what is not declared any more, which stays: declare what brings it, or another shell`,
    `jail ${B}: nothing is taken out of it: the shell of 'bob' would go with what is not declared any more`,
    `user bob: its shell '${B}/bin/bash' would go with what is not declared any more, which stays: declare what brings it, or another shell`,
  ]);
});
