import type { ByteString } from "../../ffi/bytes.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import type { Advice } from "../cli/remedy.ts";
import type { Missing } from "../libraries/dependency.ts";
import { missingFiles } from "../libraries/missing.ts";
import type { ReportStep } from "./report.ts";
import { stepsOf } from "./steps.ts";

/** The steps about the files that a program below `root` needs; `ending`: what to do, and the exit status, for each. */
export function librarySteps(
  stage: ReportStep["stage"],
  root: ByteString,
  program: ByteString,
  ending: (one: Missing) => { advice: Advice; exitStatus: number },
): ReportStep[] {
  const step = stepsOf(stage);
  const absolute = program.startsWith("/") ? program : `/${program}`;
  const missing = withRightsOf(undefined, () => missingFiles(root, absolute));
  if (missing.length === 0)
    return [step("libraries", "passed", `the libraries and interpreters of ${program} exist`)];
  return missing.map((one) => {
    const { advice, exitStatus } = ending(one);
    return step("libraries", "failed", one.message, advice, exitStatus);
  });
}
