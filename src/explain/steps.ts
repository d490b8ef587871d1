import type { ByteString } from "../../ffi/bytes.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { CheckOutcome, CheckResult } from "../enter/checks.ts";
import type { LoginReport, ReportStep } from "./report.ts";

type Stage = ReportStep["stage"];
type StepMaker = (
  name: string,
  outcome: CheckOutcome,
  message: ByteString,
  remedy?: ByteString,
  exitStatus?: number,
) => ReportStep;

/** A function that creates steps of a stage. */
export function stepsOf(stage: Stage): StepMaker {
  return (name, outcome, message, remedy = "", exitStatus) => {
    return { stage, name, outcome, message, remedy, exitStatus };
  };
}

/** Adds the steps of checks; returns the names of those that passed, also with a warning. */
export function addChecks(report: LoginReport, stage: Stage, results: Iterable<CheckResult>): Set<string> {
  const passed = new Set<string>();
  for (const { name, outcome, message, remedy, exitStatus } of results) {
    report.steps.push(stepsOf(stage)(name, outcome, message, remedy, exitStatus));
    if (outcome === "passed" || outcome === "warned") passed.add(name);
  }
  return passed;
}

/** The command that comments out a line of a config file, which is numbered from 1. */
export const commentOut = (file: ByteString, line: number): ByteString =>
  `sed -i '${line}s/^/#/' ${shellWord(file)}`;
