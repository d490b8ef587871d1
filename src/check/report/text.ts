import type { ByteString } from "../../../ffi/bytes.ts";
import { type Paint, plain } from "../../cli/colour.ts";
import { display, displayAgain } from "../../cli/display.ts";
import type { CheckedJail, HostReport } from "../check.ts";
import { type CheckFinding, type CheckProblem, RULES } from "../rules.ts";

/** Lines for standard output, and those for standard error. */
export interface Lines {
  readonly out: readonly ByteString[];
  readonly err: readonly Pick<CheckProblem, "message" | "place">[];
}

function findingLine({ rule, message }: CheckFinding, paint: Paint = plain): ByteString {
  const word = RULES[rule].level === "error" ? paint("bad", "ERROR") : paint("caution", "WARNING");
  return `${word}: ${message}`;
}

function findingLines(finding: CheckFinding, paint: Paint): ByteString[] {
  const [first, ...more] = (finding.remedy ?? "").split("\n").map(displayAgain);
  const remedy =
    first === undefined || first === "" ? [] : [`  remedy: ${first}`, ...more.map((line) => `    ${line}`)];
  const reason = finding.reason === undefined ? [] : [`  reason: ${finding.reason}`];
  return [findingLine(finding, paint), ...reason, ...remedy];
}

/** The lines about the host, before those about the jails. */
export function hostLines({ findings, problems, warnings }: HostReport, paint: Paint = plain): Lines {
  return {
    out: [
      ...warnings.map((warning) => `${paint("caution", "WARNING")}: ${warning}`),
      ...findings.flatMap((finding) => findingLines(finding, paint)),
    ],
    err: problems,
  };
}

/** The lines about a jail: findings on standard output, problems on standard error. */
export function jailLines({ findings, problems, fixes, fixed }: CheckedJail, paint: Paint = plain): Lines {
  const outcome = (done: boolean) => (done ? paint("good", "Fixed") : paint("bad", "Not fixed"));
  const repaired = fixes.map(({ done, message }) => `${outcome(done)}: ${message}`);
  const left = findings.length - fixed.size;
  const rest =
    fixes.length > 0 ? [`${counted(fixed.size)} fixed, ${left} ${left === 1 ? "is" : "are"} left`] : [];
  return {
    out: [...findings.flatMap((finding) => findingLines(finding, paint)), ...repaired, ...rest],
    err: problems,
  };
}

/** A line of -v; it may contain unescaped text from outside. */
export const verboseLine = (line: ByteString): ByteString => display(line);

const counted = (count: number) => (count === 1 ? "1 finding is" : `${count} findings are`);
