import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { describeError } from "../../cli/error.ts";
import { type Advice, inWords, type Remedy } from "../../cli/remedy.ts";
import { describeHere, lackingHere } from "../../confine/kernel.ts";
import type { Confinement } from "../../confine/policy.ts";
import { sectionLinesRemedy } from "../../enter/remedies.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

/** What is wanted in place of `confine = require`, and the exit status of a session that cannot be confined. */
interface Asked {
  weaker: Advice;
  exitStatus: number;
}

/** What to write in a section of a file where the kernel cannot do what `confine = require` asks for. */
export const notRequired = (file: ByteString, section: ByteString | undefined): Remedy =>
  sectionLinesRemedy(file, section ?? "DEFAULT", ["confine = 1"]);

/**
 * What the kernel enforces on a session, in one step of `stage`, and what this kernel lacks for it; no step if nothing is
 * asked of it. It fails if `confine = require` refuses the session.
 */
export function confinementSteps(
  stage: ReportStep["stage"],
  confinement: Confinement,
  { weaker, exitStatus }: Asked,
): ReportStep[] {
  const { require, noNewPrivs, limits } = confinement;
  if (!noNewPrivs && limits.length === 0) return [];
  const step = (outcome: ReportStep["outcome"], message: ByteString, advice?: Advice) => [
    stepsOf(stage)("confinement", outcome, message, advice, outcome === "failed" ? exitStatus : undefined),
  ];
  try {
    const text = describeHere(confinement);
    const lacking = lackingHere(confinement).join(", ");
    if (lacking === "") return step("passed", text);
    if (!require) return step("warned", `${text}; the kernel lacks: ${lacking}`);
    const message = `${text}; confine = require refuses the session, since the kernel lacks: ${lacking}`;
    return step("failed", message, weaker);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const message = `the session cannot be confined: ${describeError(error)}`;
    return step("failed", message, inWords("allow the calls of landlock(7) here"));
  }
}
