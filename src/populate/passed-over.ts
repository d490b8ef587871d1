import type { PopulateProblem } from "./entry.ts";

/**
 * Problems that leave the exit status at 0, as in jailkit 2.23, unless --strict or --json is given: what was asked for is
 * not there or cannot be copied, or a container refuses it. Nothing is in the jail that should not be. A jail that is not
 * safe or cannot be written, a refused source, and a missing record are never passed over.
 */
const PASSED_OVER: ReadonlySet<string> = new Set([
  "bad-program",
  "device-refused",
  "directory-in-the-way",
  "file-in-the-way",
  "kernel-file",
  "mount-refused",
  "no-such-command",
  "no-such-jail",
  "no-such-section",
  "not-copyable",
  "nothing-found",
  "withheld",
]);

/** True for a problem that makes the exit status other than 0 only with --strict or --json. */
export const isPassedOver = ({ code }: Pick<PopulateProblem, "code">): boolean => PASSED_OVER.has(code);

/** The problems that count for the exit status. */
export const countedProblems = (problems: readonly PopulateProblem[], strict: boolean): PopulateProblem[] =>
  problems.filter((problem) => strict || !isPassedOver(problem));
