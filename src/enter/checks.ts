import type { ByteString } from "../../ffi/bytes.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import type { Severity } from "../system/syslog.ts";
import type { LoginFacts } from "./facts.ts";

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
  remedy?: ByteString;
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

/** A check with its outcome. */
export interface CheckResult extends Verdict {
  /** The position in the order of checks, from 1. */
  number: number;
  name: string;
  exitStatus: number;
  shown: string;
}

/** Allowed; `message` says what was found. */
export function passed(message: ByteString, notes?: Note[]): Verdict {
  return notes === undefined ? { outcome: "passed", message } : { outcome: "passed", message, notes };
}

/** Refused, with the full reason and the remedy. */
export function failed(message: ByteString, remedy: ByteString, notes?: Note[]): Verdict {
  const verdict: Verdict = { outcome: "failed", message, remedy };
  return notes === undefined ? verdict : { ...verdict, notes };
}

/** Allowed, but worth a line in the log. */
export function warned(message: ByteString, remedy: ByteString, notes: Note[]): Verdict {
  return { outcome: "warned", message, remedy, notes };
}

/** Runs the checks in order. A check whose facts cannot be gathered (any error) fails. */
export function* runChecks<F>(facts: F, checks: readonly Check<F>[]): Generator<CheckResult, void> {
  const missing = new Set<string>();
  for (const [index, check] of checks.entries()) {
    const { name, exitStatus, shown } = check;
    const because = check.needs.find((need) => missing.has(need));
    let verdict: Verdict;
    if (because !== undefined) {
      verdict = { outcome: "skipped", message: `${NOT_LOOKED_AT} ${because} did not pass` };
    } else {
      try {
        verdict = check.judge(facts);
      } catch (error) {
        const remedy = error instanceof JailkitError ? error.remedy : "";
        verdict = failed(`abort, ${describeError(error)}`, remedy);
      }
    }
    if (verdict.outcome !== "passed" && verdict.outcome !== "warned") missing.add(name);
    yield { number: index + 1, name, exitStatus, shown, ...verdict };
  }
}
