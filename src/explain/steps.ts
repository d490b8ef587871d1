import type { ByteString } from "../../ffi/bytes.ts";
import type { CheckOutcome, CheckResult } from "../enter/checks.ts";
import type { Missing } from "../libraries/dependency.ts";
import type { ReportStep } from "./report.ts";

type Stage = ReportStep["stage"];
type StepMaker = (
  name: string,
  outcome: CheckOutcome,
  message: ByteString,
  remedy?: ByteString,
  exitStatus?: number,
) => ReportStep;

/** A function that creates steps of a stage. */
export const stepsOf =
  (stage: Stage): StepMaker =>
  (name, outcome, message, remedy = "", exitStatus) => ({
    stage,
    name,
    outcome,
    message,
    remedy,
    exitStatus,
  });

/** The step of a check. */
export const checkStep = (stage: Stage, { name, outcome, message, remedy, exitStatus }: CheckResult) =>
  stepsOf(stage)(name, outcome, message, remedy, exitStatus);

/** The steps about missing dependencies; `ending`: the remedy and the exit status for each. */
export function librarySteps(
  stage: Stage,
  program: ByteString,
  missing: readonly Missing[],
  ending: (one: Missing) => { remedy: ByteString; exitStatus: number },
): ReportStep[] {
  const step = stepsOf(stage);
  if (missing.length === 0)
    return [step("libraries", "passed", `the libraries and interpreters of ${program} exist`)];
  return missing.map((one) => {
    const { remedy, exitStatus } = ending(one);
    return step("libraries", "failed", one.message, remedy, exitStatus);
  });
}
