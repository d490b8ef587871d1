import type { ByteString } from "../../ffi/bytes.ts";
import { type CheckFinding, RULES, type Rule } from "./check-rules.ts";

/** Findings as they come. Of one rule no more are kept than anybody reads: a user may make millions. */
export interface FindingList {
  add(...findings: readonly CheckFinding[]): void;
  /** By subject and path; where some were left out, a finding about `path` says how many. */
  inOrder(path: ByteString): CheckFinding[];
}

const MOST_OF_A_RULE = 1000;
const SUBJECTS = ["host", "jail", "files", "accounts", "run"];

/** An empty list. */
export function createFindingList(): FindingList {
  const kept: CheckFinding[] = [];
  const counts = new Map<Rule, number>();
  const rank = ({ rule }: CheckFinding) => SUBJECTS.indexOf(RULES[rule].subject);
  // Accounts stay in the order of their files.
  const place = (finding: CheckFinding) => (RULES[finding.rule].subject === "accounts" ? "" : finding.path);

  return {
    add(...findings) {
      for (const finding of findings) {
        const count = (counts.get(finding.rule) ?? 0) + 1;
        counts.set(finding.rule, count);
        if (count <= MOST_OF_A_RULE) kept.push(finding);
      }
    },
    inOrder(path) {
      const sorted = [...kept].sort((a, b) => rank(a) - rank(b) || compare(place(a), place(b)));
      for (const [rule, count] of counts) {
        if (count <= MOST_OF_A_RULE) continue;
        const message = `${count - MOST_OF_A_RULE} more findings of the kind ${rule} are not shown`;
        sorted.push({ rule: "too-many", path, message });
      }
      return sorted;
    },
  };
}

const compare = (a: ByteString, b: ByteString): number => (a < b ? -1 : a > b ? 1 : 0);

/** A list in order at once. */
export function ordered(findings: readonly CheckFinding[], path: ByteString): CheckFinding[] {
  const list = createFindingList();
  list.add(...findings);
  return list.inOrder(path);
}
