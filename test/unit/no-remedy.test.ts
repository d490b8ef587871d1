/** Where no command helps, a report has none: never an empty text, which somebody would type. */
import { expect, test } from "bun:test";
import { hostReport } from "../../src/check/report/json.ts";
import { fixText } from "../../src/config/fixes.ts";
import type { Problem } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { renamedProblem } from "../../src/declaration/machine-place.ts";
import { unreadReport } from "../../src/declaration/report-failed.ts";

test("in jailkit config check: of an account with another name", () => {
  const ini = scanIni(Buffer.from("[user anna]\n"), "/etc/jailkit/jails.d/one.ini", "py");
  const place = { file: "/etc/jailkit/jails.d/one.ini", line: 1, column: 7 };
  const fixOf = (fault: Parameters<typeof renamedProblem>[1]) => {
    const problem = renamedProblem("anna", fault);
    return [problem.fix, fixText({ ...place, ...problem }, ini)];
  };
  const remedy = "usermod -l anna -- bert";
  expect(fixOf({ message: "has another name", remedy })).toEqual([{ kind: "command", text: remedy }, remedy]);
  expect(fixOf({ message: "has another name" })).toEqual([{ kind: "none" }, undefined]);
  const empty: Problem = {
    ...place,
    severity: "error",
    code: "taken",
    message: "x",
    fix: { kind: "command", text: "" },
  };
  expect(fixText(empty, ini)).toBeUndefined();
});

test("in jk_check", () => {
  const finding = { rule: "interrupted-move", path: "/home/anna", message: "is closed", remedy: "" } as const;
  const none = { problems: [], warnings: [], fixes: [], fixed: new Set<never>() };
  const [reported] = hostReport({ findings: [finding], ...none }).findings;
  expect(JSON.parse(JSON.stringify(reported))).not.toHaveProperty("remedy");
});

test("of a file that jailkit apply does not read", () => {
  expect(unreadReport({ file: "/etc/x", message: "is a link", remedy: "" }).remedy).toBeNull();
});
