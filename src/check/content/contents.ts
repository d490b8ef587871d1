import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { isSettled, nanosecondsNow, stampOf, type VerifiedFiles } from "../../jail/record/verified.ts";
import type { Collected } from "../collect.ts";
import type { CheckFinding, CheckProblem } from "../rules.ts";
import type { Comparison, Job } from "./compare.ts";
import { startComparisons } from "./threads.ts";

interface OpenJob {
  readonly job: Job;
  readonly size: number;
  readonly settle: (outcome: Comparison) => void;
}

/**
 * Starts to compare pending files, except those that an earlier check found equal; with `full` all of them. With `full`
 * the digests are kept too: if the host's file is missing later, they show whether the jail's file changed.
 */
export function startComparing(
  root: JailRoot,
  { pending, gone }: Pick<Collected, "pending" | "gone">,
  before: VerifiedFiles,
  full: boolean,
) {
  const comparison = new ContentComparison(before, full);
  for (const one of pending) comparison.compare(one);
  for (const one of gone) comparison.compareWithDigest(one);
  return comparison.start(root);
}

class ContentComparison {
  readonly #before: VerifiedFiles;
  readonly #full: boolean;
  readonly #now = nanosecondsNow();
  readonly #verified: VerifiedFiles = new Map();
  readonly #findings: CheckFinding[] = [];
  readonly #problems: CheckProblem[] = [];
  readonly #open: OpenJob[] = [];
  #known = 0;

  constructor(before: VerifiedFiles, full: boolean) {
    this.#before = before;
    this.#full = full;
  }

  /** Adds a file to compare with the host's. */
  compare({ item, counterpart, finding }: Collected["pending"][number]): void {
    const { path, stat } = item.seen;
    if (counterpart.stat === undefined) return;
    const stamp = stampOf(stat);
    const source = { path: counterpart.path, stamp: stampOf(counterpart.stat) };
    const earlier = this.#before.get(path);
    const isSame = earlier?.stamp === stamp && earlier.source === source.path;
    const settled = isSettled(stat, this.#now) && isSettled(counterpart.stat, this.#now);
    if (!this.#full && settled && isSame && earlier.sourceStamp === source.stamp) {
      this.#verified.set(path, earlier);
      this.#known++;
      return;
    }
    const settle = ({ verdict, reason, digest }: Comparison) => {
      if (verdict === "different") this.#findings.push(finding);
      else if (verdict !== "same") this.#addProblem(item.path, source.path, verdict, reason);
      else if (settled)
        this.#verified.set(path, { stamp, source: source.path, sourceStamp: source.stamp, digest });
    };
    this.#open.push({ job: { path, stamp, source }, size: stat.size, settle });
  }

  /** Adds a file whose source is missing, to compare with the digest of an earlier check. */
  compareWithDigest({ item, gone }: Collected["gone"][number]): void {
    const { path, stat } = item.seen;
    const stamp = stampOf(stat);
    const earlier = this.#before.get(path);
    if (earlier?.stamp === stamp) {
      this.#verified.set(path, earlier);
      this.#findings.push(gone.unchanged);
      return;
    }
    if (earlier?.digest === undefined) {
      this.#findings.push(gone.otherwise);
      return;
    }
    const settle = ({ verdict, reason, digest }: Comparison) => {
      const same = digest === earlier.digest;
      if (verdict !== "same") this.#addProblem(item.path, earlier.source, verdict, reason);
      else this.#findings.push(same ? gone.unchanged : gone.changed);
      this.#verified.set(path, same && isSettled(stat, this.#now) ? { ...earlier, stamp } : earlier);
    };
    this.#open.push({ job: { path, stamp, source: undefined }, size: stat.size, settle });
  }

  /** Starts the jobs. `finish` waits for the outcomes. */
  start({ fd }: JailRoot) {
    const jobs = this.#open.map(({ job }) => job);
    const sizes = this.#open.map(({ size }) => size);
    const running = startComparisons(fd, jobs, sizes, this.#full);
    return { finish: async () => this.#result(await running.finished()) };
  }

  /** `verified` is for the next check. */
  #result(outcomes: readonly Comparison[]) {
    for (const [index, { settle }] of this.#open.entries())
      settle(outcomes[index] ?? { verdict: "unreadable" });
    return {
      findings: this.#findings,
      problems: this.#problems,
      verified: this.#verified,
      compared: this.#open.length,
      known: this.#known,
      bytes: this.#open.reduce((sum, { size }) => sum + size, 0),
    };
  }

  #addProblem(path: ByteString, source: ByteString, code: ProblemCode, reason = "no answer"): void {
    const pair = `${display(path)} or ${display(source)}`;
    const message =
      code === "changed" ? `${pair} changed during the comparison` : `cannot read ${pair} ! (${reason})`;
    this.#problems.push({ code, path, message });
  }
}
