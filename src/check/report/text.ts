import type { ByteString } from "../../../ffi/bytes.ts";
import type { Paint } from "../../cli/colour.ts";
import { displayAgain } from "../../cli/display.ts";
import type { CheckedJail, HostReport } from "../check.ts";
import { type CheckFinding, type CheckProblem, RULES } from "../rules.ts";

/** Lines for standard output, and those for standard error. */
export interface Lines {
  readonly out: readonly ByteString[];
  readonly err: readonly Pick<CheckProblem, "message" | "place">[];
}

function findingLines({ rule, message, remedy, reason }: CheckFinding, paint: Paint): ByteString[] {
  const word = RULES[rule].level === "error" ? paint("bad", "ERROR") : paint("caution", "WARNING");
  const [first, ...more] = (remedy || undefined)?.split("\n").map(displayAgain) ?? [];
  return [
    `${word}: ${message}`,
    ...(reason === undefined ? [] : [`  reason: ${reason}`]),
    ...(first === undefined ? [] : [`  remedy: ${first}`, ...more.map((line) => `    ${line}`)]),
  ];
}

/** The lines about the host, before those about the jails. */
export function hostLines({ findings, problems, warnings }: HostReport, paint: Paint): Lines {
  const lines = warnings.map((warning) => `${paint("caution", "WARNING")}: ${warning}`);
  return { out: [...lines, ...findings.flatMap((finding) => findingLines(finding, paint))], err: problems };
}

/** The lines about a jail: findings on standard output, problems on standard error. */
export function jailLines({ findings, problems, fixes, fixed }: CheckedJail, paint: Paint): Lines {
  const outcome = (done: boolean) => (done ? paint("good", "Fixed") : paint("bad", "Not fixed"));
  const out = findings.flatMap((finding) => findingLines(finding, paint));
  out.push(...fixes.map(({ done, message }) => `${outcome(done)}: ${message}`));
  const counted = fixed.size === 1 ? "1 finding is" : `${fixed.size} findings are`;
  const left = findings.length - fixed.size;
  if (fixes.length > 0) out.push(`${counted} fixed, ${left} ${left === 1 ? "is" : "are"} left`);
  return { out, err: problems };
}
