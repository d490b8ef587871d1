import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import type { JailRoot } from "../jail/walk.ts";
import type { Pending } from "./check-collect.ts";
import { type Job, type Outcome, stampOf } from "./check-compare.ts";
import type { CheckFinding, CheckProblem } from "./check-rules.ts";
import { startComparisons } from "./check-threads.ts";
import { isKnownSame, isSettled, type VerifiedFiles } from "./check-verified.ts";

/** What came of the comparisons of a jail. */
export interface Compared {
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
  /** What is to be remembered for the next check. */
  readonly verified: VerifiedFiles;
  readonly compared: number;
  readonly known: number;
  readonly bytes: number;
}

/**
 * Compares what is pending, but for files that are known to be the same from an earlier check; with `full` all of
 * them, and their digests are remembered.
 */
export function compareContents(
  root: JailRoot,
  pending: readonly Pending[],
  before: VerifiedFiles,
  full: boolean,
): { finished(): Promise<Compared> } {
  const now = BigInt(Date.now()) * 1_000_000n;
  const verified: VerifiedFiles = new Map();
  const open: { pending: Pending; job: Job }[] = [];
  let known = 0;
  for (const one of pending) {
    const { judged, counterpart } = one;
    const { path, stat } = judged.seen;
    if (counterpart.stat === undefined) continue;
    const stamp = stampOf(stat);
    const sourceStamp = stampOf(counterpart.stat);
    const earlier = before.get(path);
    if (!full && earlier !== undefined && isKnownSame(earlier, stamp, counterpart.path, sourceStamp)) {
      verified.set(path, earlier);
      known++;
      continue;
    }
    open.push({ pending: one, job: { path, stamp, source: { path: counterpart.path, stamp: sourceStamp } } });
  }
  const sizes = open.map(({ pending: { judged } }) => judged.seen.stat.size);
  const jobs = open.map(({ job }) => job);
  const running = startComparisons(root.fd, jobs, sizes, full);

  function remember({ judged, counterpart }: Pending, { stamp, source }: Job, outcome: Outcome): void {
    const { stat } = judged.seen;
    if (source === undefined || counterpart.stat === undefined) return;
    if (!isSettled(stat, now) || !isSettled(counterpart.stat, now)) return;
    const { digest } = outcome;
    const kept = { stamp, source: source.path, sourceStamp: source.stamp };
    verified.set(judged.seen.path, digest === undefined ? kept : { ...kept, digest });
  }

  return {
    async finished() {
      const outcomes = await running.finished();
      const findings: CheckFinding[] = [];
      const problems: CheckProblem[] = [];
      open.forEach(({ pending: one, job }, index) => {
        const outcome = outcomes[index] ?? { verdict: "unreadable" };
        if (outcome.verdict === "same") remember(one, job, outcome);
        else if (outcome.verdict === "different") findings.push(one.finding);
        else problems.push(problemOf(one.judged.path, one.counterpart.path, outcome));
      });
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      return { findings, problems, verified, compared: jobs.length, known, bytes };
    },
  };
}

function problemOf(path: ByteString, source: ByteString, { verdict, reason }: Outcome): CheckProblem {
  const pair = `${display(path)} or ${display(source)}`;
  const message =
    verdict === "changed"
      ? `${pair} was changed while it was being compared`
      : `cannot read ${pair} ! (${reason ?? "no answer"})`;
  return { code: verdict, path, message };
}
