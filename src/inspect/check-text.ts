import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain } from "../cli/display.ts";
import type { CheckedJail, HostReport } from "./check.ts";
import { type CheckFinding, RULES } from "./check-rules.ts";

/** Lines for standard output, and those for standard error. */
export interface Lines {
  readonly out: readonly ByteString[];
  readonly err: readonly ByteString[];
}

/** A finding as jailkit 2 worded it. */
export function findingLine({ rule, message }: CheckFinding): ByteString {
  return `${RULES[rule].level === "error" ? "ERROR" : "WARNING"}: ${message}`;
}

/** A finding, and below it what to type. */
function findingLines(finding: CheckFinding): ByteString[] {
  const [first, ...more] = (finding.remedy ?? "").split("\n").map(displayAgain);
  const remedy =
    first === undefined || first === "" ? [] : [`  remedy: ${first}`, ...more.map((line) => `    ${line}`)];
  return [findingLine(finding), ...remedy];
}

/** What is told of the host, before the jails. */
export function hostLines({ findings, problems, warnings }: HostReport): Lines {
  return {
    out: [...warnings.map((warning) => `WARNING: ${warning}`), ...findings.flatMap(findingLines)],
    err: problems.map(({ message }) => message),
  };
}

/**
 * What is told of a jail: what was found on standard output, what kept jk_check from looking on standard error.
 */
export function jailLines({ findings, problems, fixes, fixed }: CheckedJail): Lines {
  const repaired = fixes.map(({ done, message }) => `${done ? "Fixed" : "Not fixed"}: ${message}`);
  const left = findings.length - fixed.size;
  const rest = fixes.length > 0 ? [`${fixed.size} findings are gone, ${left} are left`] : [];
  return {
    out: [...findings.flatMap(findingLines), ...repaired, ...rest],
    err: problems.map(({ message }) => message),
  };
}

/** A line of -v. Text from outside is in it as it is. */
export const verboseLine = (line: ByteString): ByteString => display(line);
