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

function findingLines(
  { rule, message, remedy, reason, otherwise }: CheckFinding,
  paint: Paint,
): ByteString[] {
  const word = RULES[rule].level === "error" ? paint("bad", "ERROR") : paint("caution", "WARNING");
  const [first, ...more] = (remedy || undefined)?.split("\n").map(displayAgain) ?? [];
  return [
    `${word}: ${message}`,
    ...(reason === undefined ? [] : [`  reason: ${reason}`]),
    ...(first === undefined ? [] : [`  remedy: ${first}`, ...more.map((line) => `    ${line}`)]),
    ...(otherwise === undefined ? [] : [`  or, ${otherwise}`]),
  ];
}

/** The lines about the host, before those about the jails. */
export function hostLines({ findings, problems, warnings }: HostReport, paint: Paint): Lines {
  const lines = warnings.map((warning) => `${paint("caution", "WARNING")}: ${warning}`);
  return { out: [...lines, ...findings.flatMap((finding) => findingLines(finding, paint))], err: problems };
}

// More have one reason: nobody made so many one by one.
const MOST_LINKS = 10;

/** With one finding about many hard links in a jail, as those of a jail whose record was lost. */
function withSummary(findings: CheckedJail["findings"]): CheckedJail["findings"] {
  const links = findings.filter(({ rule }) => rule === "hard-link");
  const [first] = links;
  if (first === undefined || links.length <= MOST_LINKS) return findings;
  const summary = { ...first, message: `${first.message}; this is so of ${links.length} files in the jail` };
  return findings.flatMap((one) => (one === first ? [summary] : one.rule === "hard-link" ? [] : [one]));
}

/** The lines about a jail: findings on standard output, problems on standard error. */
export function jailLines({ findings, problems, fixes, fixed }: CheckedJail, paint: Paint): Lines {
  const outcome = (done: boolean) => (done ? paint("good", "Fixed") : paint("bad", "Not fixed"));
  const out = withSummary(findings).flatMap((finding) => findingLines(finding, paint));
  out.push(...fixes.map(({ done, message }) => `${outcome(done)}: ${message}`));
  const counted = fixed.size === 1 ? "1 finding is" : `${fixed.size} findings are`;
  const left = findings.length - fixed.size;
  if (fixes.length > 0) out.push(`${counted} fixed, ${left} ${left === 1 ? "is" : "are"} left`);
  return { out, err: problems };
}
