import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "../cli/display.ts";
import { octal } from "../cli/octal.ts";
import { problemReport } from "../cli/report.ts";
import type { Entry, Plan, PopulateProblem } from "./entry.ts";
import type { Explanation } from "./plan/why.ts";
import type { ActionReport, PopulateReport, WhyReport } from "./report-schema.ts";
import type { PopulateRequest } from "./request.ts";
import type { Suggestion } from "./suggest.ts";

function actionReports(entries: readonly Entry[]): ActionReport[] {
  return entries.flatMap((entry) => {
    if (entry.action === "keep") return [];
    const action: ActionReport = {
      action: entry.action,
      type: entry.type,
      path: jsonText(entry.path),
      mode: octal(entry.mode),
      uid: entry.uid,
      gid: entry.gid,
      why: entry.because.map(({ section, reason }) => {
        const of =
          reason.kind === "asked" ? reason.pattern : reason.kind === "parent" ? reason.of : reason.from.path;
        return { section: jsonText(section), kind: reason.kind, of: jsonText(of) };
      }),
    };
    if (entry.source !== undefined) action.source = jsonText(entry.source);
    if (entry.target !== undefined) action.target = jsonText(entry.target);
    if (entry.device !== undefined) action.device = entry.device;
    if (entry.type === "file") action.size = entry.size;
    return [action];
  });
}

/** What jk_init or jk_cp did, or would do. */
interface Populated {
  readonly dryRun: boolean;
  /** Those that are in the jail now, or would be. */
  readonly entries: readonly Entry[];
  readonly problems: readonly PopulateProblem[];
  readonly suggestions: readonly Suggestion[];
  readonly exitStatus: number;
}

/** The report of jk_init or jk_cp. */
export function populateReport(
  request: PopulateRequest,
  plan: Plan,
  { dryRun, entries, problems, suggestions, exitStatus }: Populated,
): PopulateReport {
  return {
    version: 1,
    tool: request.tool,
    jail: jsonText(request.jail),
    dryRun,
    asked: request.asked.map(jsonText),
    actions: actionReports(entries),
    kept: plan.entries.filter(({ action, type }) => action === "keep" && type !== "directory").length,
    users: request.accounts?.users.map(({ name }) => jsonText(name)) ?? [],
    groups: request.accounts?.groups.map(({ name }) => jsonText(name)) ?? [],
    warnings: plan.warnings.map(jsonText),
    suggestions: suggestions.map(({ path, section, command }) => ({
      path: jsonText(path),
      section: jsonText(section),
      command: jsonText(command),
    })),
    problems: problems.map(problemReport),
    exitStatus,
  };
}

/** The report of jk_init or jk_cp with --why. */
export function whyReport(
  tool: PopulateRequest["tool"],
  path: ByteString,
  explanations: readonly Explanation[],
): WhyReport {
  return {
    version: 1,
    tool,
    path: jsonText(path),
    sections: explanations.map(({ section, steps }) => ({
      section: jsonText(section),
      steps: steps.map((step) => ({ path: jsonText(step.path), why: jsonText(step.why) })),
    })),
  };
}
