import type { ByteString } from "../../ffi/bytes.ts";
import { below } from "../system/mountinfo.ts";
import { type CheckFinding, RULES, type Rule, SUBJECTS } from "./rules.ts";

/** Of each rule: a user may create millions of files. */
const MOST_OF_A_RULE = 1000;

const rank = ({ rule, first }: CheckFinding) =>
  SUBJECTS.indexOf(RULES[rule].subject) - (first === true ? 0.5 : 0);
/** Findings about accounts stay in the order of lines in their files. */
const sortKey = (finding: CheckFinding) => (RULES[finding.rule].subject === "accounts" ? "" : finding.path);
const compare = (a: ByteString, b: ByteString) => (a < b ? -1 : a > b ? 1 : 0);

/** Who owns files: a uid, or all uids without an account, of which a user may have thousands (subuid(5)). */
type Owner = number | "unknown";

/** Findings, of which only so many are kept for each rule. */
export class FindingList {
  readonly #kept: CheckFinding[] = [];
  readonly #counts = new Map<string, { rule: Rule; uid: Owner | undefined; count: number }>();

  add(...findings: readonly CheckFinding[]): this {
    return this.addOf(undefined, findings);
  }

  /**
   * Adds findings about files that `uid` owns in directories of users: they are counted by owner, so that they hide no
   * others.
   */
  addOf(uid: Owner | undefined, findings: readonly CheckFinding[]): this {
    for (const finding of findings) {
      const { rule } = finding;
      const counted = this.#counts.getOrInsertComputed(`${rule} ${uid}`, () => ({ rule, uid, count: 0 }));
      if (++counted.count <= MOST_OF_A_RULE) this.#kept.push(finding);
    }
    return this;
  }

  /** By subject, those to fix first, and path. If some were dropped, a finding about `path` says how many. */
  inOrder(path: ByteString): CheckFinding[] {
    const sorted = this.#kept.toSorted((a, b) => rank(a) - rank(b) || compare(sortKey(a), sortKey(b)));
    for (const { rule, uid, count } of this.#counts.values()) {
      if (count <= MOST_OF_A_RULE) continue;
      const whose = uid === "unknown" ? "uids without an account" : `uid ${uid}`;
      const owner = uid === undefined ? "" : `, about files of ${whose},`;
      const message = `${count - MOST_OF_A_RULE} more findings of the rule ${rule}${owner} are not shown`;
      sorted.push({ rule: "too-many", path, message });
    }
    return sorted;
  }
}

// Rules about a directory with programs or libraries.
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
// For a rule, rules that are not reported about the same path: they are redundant, or have a harmful remedy.
const SAYS_ENOUGH: Readonly<Partial<Record<Rule, readonly Rule[]>>> = {
  "foreign-owner": ["others-file"],
  "home-owner": ["unknown-owner"],
  "link-outside": OF_CONTENT,
  "others-file": OF_CONTENT,
  preload: OF_CONTENT,
  shadow: OF_CONTENT,
};

function hiddenBy({ rule, repair }: CheckFinding): readonly Rule[] {
  // The wrong owner of an unsafe directory is the only repair.
  if (rule === "unsafe-jail") return repair === undefined ? [] : ["foreign-owner", "unknown-owner"];
  return SAYS_ENOUGH[rule] ?? [];
}

/**
 * Scripts look for the lines of jailkit 2. If jailkit 2 has a line for a finding, that line is used, with our own message
 * as the reason.
 */
function withReasons(findings: readonly CheckFinding[]): CheckFinding[] {
  const lineOf = ({ reportedAs = [], path }: CheckFinding) =>
    reportedAs
      .map((rule) => findings.find((other) => other.rule === rule && other.path === path))
      .find((other) => other !== undefined);
  const moved = new Set(findings.map(lineOf));
  return findings.flatMap((one) => {
    if (moved.has(one)) return [];
    const { reportedAs: _, ...unsafe } = one;
    const line = lineOf(one);
    if (line === undefined) return [unsafe];
    const reason = `${RULES[unsafe.rule].summary}: ${unsafe.message}`;
    // A mode without write permission leaves the entry of an ACL, which is a finding of its own.
    const remedy = line.rule === "acl-entry" ? line.remedy : (unsafe.remedy ?? line.remedy);
    return [{ ...line, reason, remedy }];
  });
}

/** Removes findings that follow from others or repeat them. */
export function withoutConsequences(all: readonly CheckFinding[]): CheckFinding[] {
  const findings = withReasons(all);
  const blamed = new Set(findings.flatMap(({ rule, path }) => (OF_DIRECTORY.includes(rule) ? path : [])));
  const follows = ({ causes = [] }: CheckFinding) =>
    causes.length > 0 && causes.every((path) => blamed.has(path));
  const enough = new Set(findings.flatMap((one) => hiddenBy(one).map((rule) => `${rule} ${one.path}`)));
  return findings.filter((one) => !follows(one) && !enough.has(`${one.rule} ${one.path}`));
}

// Rules about files that say nothing once the host's directory hides them.
const HIDDEN: readonly Rule[] = [
  ...OF_CONTENT,
  "link-outside",
  "dangerous-program",
  "missing-library",
  "missing-interpreter",
  "bad-program",
];

/**
 * Removes findings that follow from directories of a live jail that are not mounted (`places`, on the host): programs and
 * shells are missing, and other files may be in their place, which the mounts will hide. Copies would only be in the way.
 */
export function withoutHidden(
  findings: readonly CheckFinding[],
  places: readonly ByteString[],
): CheckFinding[] {
  if (places.length === 0) return [...findings];
  const follows = ({ rule, path }: CheckFinding) =>
    rule === "shell-missing" || (HIDDEN.includes(rule) && places.some((at) => below(path, at) !== undefined));
  return findings.filter((one) => !follows(one));
}
