import type { ByteString } from "../../ffi/bytes.ts";
import { type Advice, type Remedy, told } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { CheckOutcome, CheckResult } from "../enter/checks.ts";
import type { LoginReport, ReportStep } from "./report.ts";

type Stage = ReportStep["stage"];
type StepMaker = (
  name: string,
  outcome: CheckOutcome,
  message: ByteString,
  advice?: Advice,
  exitStatus?: number,
) => ReportStep;

/** A function that creates steps of a stage; words of advice are in their messages. */
export function stepsOf(stage: Stage): StepMaker {
  return (name, outcome, message, advice = "", exitStatus) => {
    return { stage, name, outcome, ...told(message, advice), exitStatus };
  };
}

/** Adds the steps of checks; returns the names of those that passed, also with a warning. */
export function addChecks(report: LoginReport, stage: Stage, results: Iterable<CheckResult>): Set<string> {
  const passed = new Set<string>();
  for (const { name, outcome, message, advice, exitStatus } of results) {
    report.steps.push(stepsOf(stage)(name, outcome, message, advice, exitStatus));
    if (outcome === "passed" || outcome === "warned") passed.add(name);
  }
  return passed;
}

/** The command that comments out a line of a config file, which is numbered from 1. */
export const commentOut = (file: ByteString, line: number): Remedy =>
  `sed -i '${line}s/^/#/' ${shellWord(file)}`;
