import type { ByteString } from "../../ffi/bytes.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { type Advice, allAdvice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { Severity } from "../system/syslog.ts";
import type { LoginFacts, Unsafe } from "./facts.ts";

/**
 * The checks of a login: an ordered list over facts, each gathered when it is first needed. jk_chrootsh stops at the
 * first failure; `jailkit explain` goes on, and skips the checks whose facts are unknown then.
 */

/** The result of a check. "skipped": a check that it needs has failed; "unknown": the caller may not see the facts. */
export type CheckOutcome = "passed" | "warned" | "failed" | "skipped" | "unknown";

/** A line for the log, besides the outcome. */
export interface Note {
  severity: Severity;
  message: ByteString;
}

/** The message of a skipped check begins with this. */
export const NOT_LOOKED_AT = "not looked at, because the check";

/** The result of a check, with its reason. */
export interface Verdict {
  outcome: CheckOutcome;
  /** The full reason, for the log and for administrators. Not escaped yet: see `display`. */
  message: ByteString;
  /** Empty if nothing is wrong. */
  advice?: Advice;
  notes?: Note[];
  /** If it is not the one of the check. */
  exitStatus?: number;
}

/** One check over facts of type F. */
export interface Check<F = LoginFacts> {
  /** A stable name for programs. */
  name: string;
  /** The exit status of the program if it fails, as in jailkit 2.23. */
  exitStatus: number;
  /** The message for a refused user: nothing about the host. */
  shown: string;
  /** Checks that must pass first, or this one has no facts. */
  needs: readonly string[];
  judge: (facts: F) => Verdict;
}

/** A check as a row of a table; see Check. */
export function check<F = LoginFacts>(
  name: string,
  exitStatus: number,
  shown: string,
  needs: readonly string[],
  judge: (facts: F) => Verdict,
): Check<F> {
  return { name, exitStatus, shown, needs, judge };
}

/** A check with its outcome. */
export interface CheckResult extends Verdict {
  name: string;
  exitStatus: number;
  shown: string;
}

/** Allowed; `message` says what was found. */
export function passed(message: ByteString): Verdict {
  return { outcome: "passed", message };
}

/** Refused, with the full reason and what to do. */
export function failed(message: ByteString, advice: Advice, notes: Note[] = []): Verdict {
  return { outcome: "failed", message, advice, notes };
}

/** Allowed, but worth a line in the log. */
export function warned(message: ByteString, advice: Advice, notes: Note[]): Verdict {
  return { outcome: "warned", message, advice, notes };
}

const errors = (unsafe: readonly Unsafe[]) =>
  unsafe.map(({ message }): Note => ({ severity: "err", message }));

/** Settings that were read. `found`: where they come from. */
export function settingsVerdict(
  found: ByteString,
  warnings: readonly ByteString[],
  file: ByteString,
): Verdict {
  if (warnings.length === 0) return passed(found);
  const notes = warnings.map((message): Note => ({ severity: "warning", message }));
  const message = `${found}, with warnings: ${warnings.join("; ")}`;
  return warned(message, `jailkit config check ${shellWord(file)}`, notes);
}

/** A jail that cannot be reached. */
export function unreachable(
  jail: ByteString,
  fact: { reason: ByteString; advice?: Advice | undefined },
): Verdict {
  const what = `chdir(${jail}) failed: ${fact.reason}, check the permissions for ${jail}`;
  return failed(`abort, ${what}`, fact.advice ?? `ls -ld ${shellWord(jail)}`);
}

/** A jail whose path has symbolic links, dots or doubled slashes in it. */
export function notPlain(jail: ByteString, { reason }: { reason: ByteString }, advice: Advice): Verdict {
  return failed(`abort, the jail ${jail} is not the path of a directory without detours: ${reason}`, advice);
}

/** What makes a jail unsafe. */
export function jailVerdict(jail: ByteString, findings: readonly Unsafe[]): Verdict {
  const [first] = findings;
  if (first === undefined) return passed(`${jail} is safe`);
  const what = `${jail} is not a safe jail, check ownership and permissions.`;
  return failed(
    `abort, ${what} ${first.message}`,
    allAdvice(findings.map(({ advice }) => advice)),
    errors(findings),
  );
}

/** What makes a program of a jail unsafe; `refusal` makes the message from the reason. */
export function programVerdict(
  path: ByteString,
  unsafe: readonly Unsafe[],
  refusal: (reason: ByteString) => ByteString,
): Verdict {
  const [first] = unsafe;
  if (first === undefined) return passed(`${path} is safe to run`);
  return failed(
    refusal(`it is not safe to run, ${first.message}`),
    allAdvice(unsafe.map(({ advice }) => advice)),
    errors(unsafe),
  );
}

/** The verdict of one check. If its facts cannot be gathered (any error), it fails. */
export function runCheck<F>(facts: F, { judge }: Check<F>): Verdict {
  try {
    return judge(facts);
  } catch (error) {
    const remedy = error instanceof JailkitError ? error.remedy : "";
    return failed(`abort, ${describeError(error)}`, remedy);
  }
}

/** Whether the checks that need this one can be looked at. */
export const isPassed = ({ outcome }: Verdict): boolean => outcome === "passed" || outcome === "warned";

/** Runs the checks in order; see runCheck. A check is skipped if one that it needs did not pass. */
export function* runChecks<F>(facts: F, checks: readonly Check<F>[]): Generator<CheckResult, void> {
  const missing = new Set<string>();
  for (const one of checks) {
    const { name, exitStatus, shown, needs } = one;
    const because = needs.find((need) => missing.has(need));
    const verdict: Verdict =
      because === undefined
        ? runCheck(facts, one)
        : { outcome: "skipped", message: `${NOT_LOOKED_AT} ${because} did not pass` };
    if (!isPassed(verdict)) missing.add(name);
    yield { name, exitStatus, shown, ...verdict };
  }
}
