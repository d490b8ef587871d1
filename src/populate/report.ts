import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "../cli/display.ts";
import { octal } from "../cli/octal.ts";
import type { Entry, Plan, Problem } from "./entry.ts";
import type { Explanation } from "./plan/why.ts";
import type { Request } from "./request.ts";

/** What a tool did, or would do, as `--json` shows it. */
export interface PopulateReport {
  /** The version of this shape. */
  version: 1;
  tool: string;
  jail: string;
  dryRun: boolean;
  /** The sections or files that were named. */
  asked: string[];
  /** What was or would be made, in order. */
  actions: ActionReport[];
  /** How many of the objects asked for stood in the jail before and stay as they are. */
  kept: number;
  /** Accounts that etc/passwd and etc/group have now, or would have. */
  users: string[];
  groups: string[];
  warnings: string[];
  /** Whatever makes the exit status other than 0. */
  problems: { code: string; path: string; message: string }[];
  exitStatus: number;
}

/** One object. `mode` is octal; `why` says which section wants it, and what it is for. */
export interface ActionReport {
  action: "create" | "replace";
  type: Entry["type"];
  path: string;
  source?: string;
  target?: string;
  device?: { type: "char" | "block"; major: number; minor: number };
  mode: string;
  uid: number;
  gid: number;
  size?: number;
  why: { section: string; kind: string; of?: string }[];
}

/** The actions of entries, without those that change nothing. */
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

/** What was or would be done, in one object. `entries`: those that stand in the jail now, or would. */
export function populateReport(
  request: Request,
  dryRun: boolean,
  plan: Plan,
  entries: readonly Entry[],
  problems: readonly Problem[],
  exitStatus: number,
): PopulateReport {
  return {
    version: 1,
    tool: request.tool,
    jail: jsonText(request.jail),
    dryRun,
    asked: request.asked.map(jsonText),
    actions: actionReports(entries),
    kept: keptCount(plan),
    users: request.accounts?.users.map(({ name }) => jsonText(name)) ?? [],
    groups: request.accounts?.groups.map(({ name }) => jsonText(name)) ?? [],
    warnings: plan.warnings.map(jsonText),
    problems: problemReports(problems),
    exitStatus,
  };
}

/** How many entries of a plan stand in the jail already and stay. */
function keptCount(plan: Plan): number {
  return plan.entries.filter((entry) => entry.action === "keep" && entry.type !== "directory").length;
}

/** Problems as JSON shows them. */
function problemReports(problems: readonly Problem[]): PopulateReport["problems"] {
  return problems.map(({ code, path, message }) => ({
    code,
    path: jsonText(path),
    message: jsonText(message),
  }));
}

/** Explanations of `--why` as JSON shows them. */
export function explanationReport(tool: string, path: ByteString, explanations: readonly Explanation[]) {
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
