import type { ByteString } from "../../../ffi/bytes.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { describeError } from "../../cli/error.ts";
import { inWords } from "../../cli/remedy.ts";
import { someNamedCounts } from "../../confine/directories.ts";
import {
  canLimitExecution,
  canLimitServers,
  type ExecuteLimits,
  NO_LANDLOCK,
} from "../../confine/execute.ts";
import { grantedBy, viewExecution } from "../../confine/execute-view.ts";
import { executedFiles } from "../../libraries/closure.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

/** The exit status if a program may not be executed. */
export const NOT_EXECUTABLE = 126;

interface ExecuteQuestion {
  root: ByteString;
  rootFd: number;
  configFile: ByteString;
  limits: ExecuteLimits | "any";
  executables: readonly ByteString[];
  noNewPrivs: boolean;
  /** The program of the command; undefined if there is none. */
  command: ByteString | undefined;
}

const step = (
  outcome: ReportStep["outcome"],
  message: ByteString,
  words?: string,
  exitStatus?: number,
): ReportStep => stepsOf("jk_lsh")("execute", outcome, message, words && inWords(words), exitStatus);

/** True if the kernel limits the executions of the known programs of a section. */
export function holdsPrograms(rootFd: number, limits: ExecuteLimits | "any"): boolean {
  const held = () => limits !== "any" && !someNamedCounts(rootFd, limits) && canLimitServers();
  return attempt(held) ?? false;
}

/** Explains the effect of the key `execute` of a section, and whether it prevents the command. */
export function explainExecute(question: ExecuteQuestion): ReportStep[] {
  const { root, rootFd, configFile, limits, executables, noNewPrivs, command } = question;
  const steps = (noNewPrivs ? executables : []).flatMap((path) => {
    const granted = grantedBy(rootFd, path);
    if (granted === undefined) return [];
    const words = `if the program needs it, write execute = any and confine = 0 in ${configFile}`;
    return [step("warned", `${path} ${granted}, which has no effect in the limited shell`, words)];
  });
  if (limits === "any") {
    const message = "execute = any: uploaded programs can be executed";
    return [step("warned", message, `change ${configFile}`), ...steps];
  }
  try {
    if (!canLimitExecution())
      return [step("warned", `the programs may execute anything: ${NO_LANDLOCK}`), ...steps];
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const message = `executions cannot be limited: ${describeError(error)}`;
    const words = `allow the calls of landlock(7) here, or write execute = any and confine = 0 in ${configFile}`;
    return [step("failed", message, words, NOT_EXECUTABLE), ...steps];
  }
  const view = viewExecution(rootFd, limits);
  const places = view.directories.join(", ");
  steps.unshift(step("passed", `may be executed: the allowed programs, and files in ${places}`));
  const fix = `fix it, or change ${configFile}`;
  for (const { path, why } of view.leftOut)
    steps.push(step("warned", `nothing in ${path} may be executed: ${why}`, fix));
  // Interpreters and the dynamic linker.
  const files = command === undefined ? [] : withRightsOf(undefined, () => executedFiles(root, command));
  const blocked = files.find((path) => !view.mayExecute(path));
  if (blocked !== undefined) {
    const unsafe = view.unsafeFor(blocked);
    const allow = `write execute = system, ${parentOf(blocked)} in ${configFile}`;
    const words = unsafe === undefined ? allow : `${unsafe.path} ${unsafe.because}`;
    const message = `${command} needs ${blocked}, which may not be executed`;
    steps.push(step("failed", message, words, NOT_EXECUTABLE));
  }
  return steps;
}
