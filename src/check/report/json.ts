import { jsonText } from "../../cli/display.ts";
import { problemReport } from "../../cli/report.ts";
import type { CheckedJail, HostReport } from "../check.ts";
import type { FixOutcome } from "../fix/fix.ts";
import { recordedSections } from "../record.ts";
import { type CheckFinding, type CheckProblem, factsOf } from "../rules.ts";
import type { CheckedJailReport, CheckProblemReport, CheckReport, FindingReport } from "./report-schema.ts";

function findingReport(finding: CheckFinding, fixed?: true): FindingReport {
  const { rule, path, message, reason, remedy, otherwise } = finding;
  const { level, subject } = factsOf(finding);
  const report = { rule, level, subject, path: jsonText(path), message: jsonText(message) };
  const text = (line: string | undefined) => (line ? jsonText(line) : undefined);
  return { ...report, reason: text(reason), remedy: text(remedy), otherwise: text(otherwise), fixed };
}

function checkProblemReport(problem: CheckProblem): CheckProblemReport {
  return { ...problemReport(problem), line: problem.place?.line, column: problem.place?.column };
}

const fixReport = ({ done, path, message }: FixOutcome) => ({
  ...{ done, path: jsonText(path), message: jsonText(message) },
});

/** The report of one jail. */
export function jailReport(jail: CheckedJail): CheckedJailReport {
  const { path, report, findings, problems, fixes, fixed, tests } = jail;
  const content = report?.record.content;
  return {
    path: jsonText(path),
    record: content === undefined ? null : (report?.record.id ?? null),
    sections: content === undefined ? [] : recordedSections(content).map(jsonText),
    counts: report?.counts ?? null,
    findings: findings.map((finding) => findingReport(finding, fixed.has(finding) || undefined)),
    problems: problems.map(checkProblemReport),
    fixes: fixes.map(fixReport),
    tests: tests.map(({ sections, shows, outcome, reason }) => {
      return { sections: sections.map(jsonText), shows, outcome, reason: reason && jsonText(reason) };
    }),
  };
}

/** The report of the host. */
export function hostReport({ findings, problems, warnings, fixes, fixed }: HostReport): CheckReport["host"] {
  return {
    findings: findings.map((finding) => findingReport(finding, fixed.has(finding) || undefined)),
    problems: problems.map(checkProblemReport),
    warnings: warnings.map(jsonText),
    fixes: fixes.map(fixReport),
  };
}
