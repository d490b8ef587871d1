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
export function hostLines(host: HostReport, paint: Paint): Lines {
  const { findings, problems, warnings } = host;
  const lines = warnings.map((warning) => `${paint("caution", "WARNING")}: ${warning}`);
  const found = findings.flatMap((finding) => findingLines(finding, paint));
  return { out: [...lines, ...found, ...fixLines(host, paint)], err: problems };
}

function fixLines(
  { findings, fixes, fixed }: Pick<HostReport, "findings" | "fixes" | "fixed">,
  paint: Paint,
): ByteString[] {
  if (fixes.length === 0) return [];
  const outcome = (done: boolean) => (done ? paint("good", "Fixed") : paint("bad", "Not fixed"));
  const counted = fixed.size === 1 ? "1 finding is" : `${fixed.size} findings are`;
  const left = findings.length - fixed.size;
  const lines = fixes.map(({ done, message }) => `${outcome(done)}: ${message}`);
  return [...lines, `${counted} fixed, ${left} ${left === 1 ? "is" : "are"} left`];
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
export function jailLines(jail: CheckedJail, paint: Paint): Lines {
  const out = withSummary(jail.findings).flatMap((finding) => findingLines(finding, paint));
  return { out: [...out, ...fixLines(jail, paint)], err: jail.problems };
}
