import { jsonText } from "../../cli/display.ts";
import type { CheckedJail, CheckResult } from "../check.ts";
import { recordedSections } from "../record.ts";
import { type CheckFinding, type CheckProblem, factsOf, type Level, type Subject } from "../rules.ts";

/** A finding in JSON. */
export interface FindingReport {
  rule: string;
  level: Level;
  subject: Subject;
  path: string;
  message: string;
  /** Why it is an error though the message is that of a warning. */
  reason?: string;
  remedy?: string;
  /** Gone after --fix. */
  fixed?: boolean;
}

/** What --json prints; docs/schemas/jk_check.schema.json describes it. */
export interface CheckReport {
  version: 1;
  tool: "jk_check";
  host: { findings: FindingReport[]; problems: ProblemReport[]; warnings: string[] };
  jails: JailJson[];
  exitStatus: number;
}

interface ProblemReport {
  code: string;
  path: string;
  message: string;
  /** Where in a configuration file it is. */
  line?: number;
  column?: number;
}

interface JailJson {
  path: string;
  /** The id of its record; null where it has none. */
  record: string | null;
  sections: string[];
  counts: { objects: number; compared: number; known: number; bytes: number } | null;
  findings: FindingReport[];
  problems: ProblemReport[];
  fixes: { done: boolean; path: string; message: string }[];
  tests: { sections: string[]; shows: string; outcome: string; reason?: string }[];
}

function findingReport(finding: CheckFinding, fixed?: boolean): FindingReport {
  const { rule, path, message, reason, remedy } = finding;
  const { level, subject } = factsOf(finding);
  const report: FindingReport = { rule, level, subject, path: jsonText(path), message: jsonText(message) };
  if (reason !== undefined) report.reason = jsonText(reason);
  if (remedy !== undefined) report.remedy = jsonText(remedy);
  if (fixed) report.fixed = true;
  return report;
}

const problemReport = ({ code, path, message, place }: CheckProblem): ProblemReport => ({
  code,
  path: jsonText(path),
  message: jsonText(message),
  ...(place === undefined ? {} : { line: place.line, column: place.column }),
});

function jailJson({ path, report, findings, problems, fixes, fixed, tests }: CheckedJail): JailJson {
  const content = report?.record.content;
  return {
    path: jsonText(path),
    record: content === undefined ? null : (report?.record.id ?? null),
    sections: content === undefined ? [] : recordedSections(content).map(jsonText),
    counts: report?.counts ?? null,
    findings: findings.map((finding) => findingReport(finding, fixed.has(finding))),
    problems: problems.map(problemReport),
    fixes: fixes.map((fix) => ({ done: fix.done, path: jsonText(fix.path), message: jsonText(fix.message) })),
    tests: tests.map(({ sections, shows, outcome, reason }) => {
      const test = { sections: sections.map(jsonText), shows, outcome };
      return reason === undefined ? test : { ...test, reason: jsonText(reason) };
    }),
  };
}

/** The result as one object; what is in it went through jsonText. */
export function checkReport({ host, jails, exitStatus }: CheckResult): CheckReport {
  return {
    version: 1,
    tool: "jk_check",
    host: {
      findings: host.findings.map((finding) => findingReport(finding)),
      problems: host.problems.map(problemReport),
      warnings: host.warnings.map(jsonText),
    },
    jails: jails.map(jailJson),
    exitStatus,
  };
}
