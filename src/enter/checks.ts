import type { ByteString } from "../../ffi/bytes.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import type { Severity } from "../system/syslog.ts";
import type { LoginFacts } from "./facts.ts";

/**
 * The checks of a login: an ordered list over facts that are gathered when they are first asked for. jk_chrootsh
 * stops at the first that fails; `jailkit explain` goes on, leaving out those whose facts are then unknown.
 */

/** What came of a check. "skipped": an earlier one that it builds on failed; "unknown": the caller may not see. */
export type CheckOutcome = "passed" | "warned" | "failed" | "skipped" | "unknown";

/** A line for the log besides the outcome itself. */
export interface Note {
  severity: Severity;
  message: ByteString;
}

/** How the message of a check begins that was skipped. */
export const NOT_LOOKED_AT = "not looked at, because the check";

/** What a check says of the facts. */
export interface Verdict {
  outcome: CheckOutcome;
  /** The full reason, for the log and for administrators. Printable once it went through `display`. */
  message: ByteString;
  /** What to do about it; empty where nothing is wrong. */
  remedy?: ByteString;
  notes?: Note[];
  /** Where it is not the one of the check. */
  exitStatus?: number;
}

/** One check over facts of type F: what it is called, and how whoever fails it ends. */
export interface Check<F = LoginFacts> {
  /** A stable name for programs. */
  name: string;
  /** The exit status of the program where it fails; that of jailkit 2.23. */
  exitStatus: number;
  /** What a refused user is told: nothing that lies outside the jail. */
  shown: string;
  /** Checks without which the facts for this one do not exist. */
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

/** Nothing to object to; `message` says what was found. */
export function passed(message: ByteString, notes?: Note[]): Verdict {
  return notes === undefined ? { outcome: "passed", message } : { outcome: "passed", message, notes };
}

/** A refusal, with its full reason and what to do about it. */
export function failed(message: ByteString, remedy: ByteString, notes?: Note[]): Verdict {
  const verdict: Verdict = { outcome: "failed", message, remedy };
  return notes === undefined ? verdict : { ...verdict, notes };
}

/** Allowed, but worth a line in the log. */
export function warned(message: ByteString, remedy: ByteString, notes: Note[]): Verdict {
  return { outcome: "warned", message, remedy, notes };
}

/** Runs the checks in order. A fact that cannot be gathered (any error) fails the check that asked for it. */
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
