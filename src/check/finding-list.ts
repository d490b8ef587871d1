import type { ByteString } from "../../ffi/bytes.ts";
import { type CheckFinding, RULES, type Rule, SUBJECTS } from "./rules.ts";

/**
 * Findings as they come. Of one rule no more are kept than anybody reads: a user may make millions. Those about what
 * users have put where they can write are counted for each owner, so that they hide no others.
 */
export interface FindingList {
  add(...findings: readonly CheckFinding[]): void;
  /** The same, about what belongs to `uid` where users can write. */
  addOf(uid: number, findings: readonly CheckFinding[]): void;
  /** By subject and path; where some were left out, a finding about `path` says how many. */
  inOrder(path: ByteString): CheckFinding[];
}

const MOST_OF_A_RULE = 1000;

/** How many of a rule there were, of one owner or of no user's. */
interface Count {
  readonly rule: Rule;
  readonly uid: number | undefined;
  count: number;
}

/** An empty list. */
export function createFindingList(): FindingList {
  const kept: CheckFinding[] = [];
  const counts = new Map<string, Count>();
  const rank = ({ rule }: CheckFinding) => SUBJECTS.indexOf(RULES[rule].subject);
  // Accounts stay in the order of their files.
  const place = (finding: CheckFinding) => (RULES[finding.rule].subject === "accounts" ? "" : finding.path);

  function keep(findings: readonly CheckFinding[], uid: number | undefined): void {
    for (const finding of findings) {
      const { rule } = finding;
      const key = `${rule} ${uid ?? ""}`;
      const counted = counts.get(key) ?? { rule, uid, count: 0 };
      counts.set(key, counted);
      if (++counted.count <= MOST_OF_A_RULE) kept.push(finding);
    }
  }

  return {
    add: (...findings) => keep(findings, undefined),
    addOf: (uid, findings) => keep(findings, uid),
    inOrder(path) {
      const sorted = [...kept].sort((a, b) => rank(a) - rank(b) || compare(place(a), place(b)));
      for (const { rule, uid, count } of counts.values()) {
        if (count <= MOST_OF_A_RULE) continue;
        const whose = uid === undefined ? "" : `, about what belongs to uid ${uid},`;
        const message = `${count - MOST_OF_A_RULE} more findings of the kind ${rule}${whose} are not shown`;
        sorted.push({ rule: "too-many", path, message });
      }
      return sorted;
    },
  };
}

// What is wrong with a directory itself, in which programs or libraries are.
const OF_DIRECTORY: readonly Rule[] = [
  "unsafe-jail",
  "foreign-owner",
  "writable-for-others",
  "writable-for-group",
  "acl-entry",
];

const OF_CONTENT: readonly Rule[] = [
  "unrecorded",
  "no-counterpart",
  "different-size",
  "different-content",
  "different-link",
  "different-type",
];
// What is not told of a path of which that is told: it says no more, or has a remedy that would make things worse.
const SAYS_ENOUGH: Readonly<Partial<Record<Rule, readonly Rule[]>>> = {
  "home-owner": ["unknown-owner"],
  "link-outside": OF_CONTENT,
  preload: OF_CONTENT,
  shadow: OF_CONTENT,
};

/**
 * What makes a jail unsafe, and jailkit 2 has a line for, is told by that line, which scripts look for: in the place of
 * ours, with what ours says as its reason.
 */
function withReasons(findings: readonly CheckFinding[]): CheckFinding[] {
  const lines = new Map<CheckFinding, CheckFinding>();
  for (const one of findings) {
    const { toldAs, path } = one;
    const line = toldAs && findings.find((other) => other.rule === toldAs && other.path === path);
    if (line !== undefined) lines.set(one, line);
  }
  const moved = new Set(lines.values());
  return findings.flatMap((one) => {
    if (moved.has(one)) return [];
    const { toldAs: _, ...unsafe } = one;
    const line = lines.get(one);
    if (line === undefined) return [unsafe];
    const reason = `${RULES[unsafe.rule].summary}: ${unsafe.message}`;
    return [{ ...line, reason, ...(unsafe.remedy === undefined ? {} : { remedy: unsafe.remedy }) }];
  });
}

/** The findings without those that only follow from another one among them, or say the same. */
export function withoutConsequences(all: readonly CheckFinding[]): CheckFinding[] {
  const findings = withReasons(all);
  const blamed = new Set(findings.flatMap(({ rule, path }) => (OF_DIRECTORY.includes(rule) ? path : [])));
  const follows = ({ causes = [] }: CheckFinding) =>
    causes.length > 0 && causes.every((path) => blamed.has(path));
  const enough = new Set(findings.flatMap((one) => hiddenBy(one).map((rule) => `${rule} ${one.path}`)));
  return findings.filter((one) => !follows(one) && !enough.has(`${one.rule} ${one.path}`));
}

function hiddenBy({ rule, repair }: CheckFinding): readonly Rule[] {
  // That the owner is another is the one thing about an unsafe directory that is repaired.
  if (rule === "unsafe-jail") return repair === undefined ? [] : ["foreign-owner", "unknown-owner"];
  return SAYS_ENOUGH[rule] ?? [];
}

const compare = (a: ByteString, b: ByteString): number => (a < b ? -1 : a > b ? 1 : 0);

/** A list in order at once. */
export function ordered(findings: readonly CheckFinding[], path: ByteString): CheckFinding[] {
  const list = createFindingList();
  list.add(...findings);
  return list.inOrder(path);
}
