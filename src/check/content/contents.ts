import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Collected } from "../collect.ts";
import type { CheckFinding, CheckProblem } from "../rules.ts";
import { type Comparison, type Job, stampOf } from "./compare.ts";
import { startComparisons } from "./threads.ts";
import { isKnownSame, isSettled, type Verified, type VerifiedFiles } from "./verified.ts";

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

/** A job, and what its outcome means. */
interface Open {
  readonly job: Job;
  readonly size: number;
  readonly settle: (outcome: Comparison) => void;
}

/**
 * Compares what is pending, but for files that are known to be the same from an earlier check; with `full` all of
 * them, and their digests are remembered: where the host's file is gone, they tell whether the jail's was changed.
 */
export function compareContents(
  root: JailRoot,
  { pending, gone }: Pick<Collected, "pending" | "gone">,
  before: VerifiedFiles,
  full: boolean,
): { finished(): Promise<Compared> } {
  const now = BigInt(Date.now()) * 1_000_000n;
  const verified: VerifiedFiles = new Map();
  const findings: CheckFinding[] = [];
  const problems: CheckProblem[] = [];
  const open: Open[] = [];
  let known = 0;
  for (const one of pending) {
    const { judged, counterpart, finding } = one;
    const { path, stat } = judged.seen;
    if (counterpart.stat === undefined) continue;
    const stamp = stampOf(stat);
    const source = { path: counterpart.path, stamp: stampOf(counterpart.stat) };
    const earlier = before.get(path);
    if (!full && earlier !== undefined && isKnownSame(earlier, stamp, source.path, source.stamp)) {
      verified.set(path, earlier);
      known++;
      continue;
    }
    const settled = isSettled(stat, now) && isSettled(counterpart.stat, now);
    open.push({
      job: { path, stamp, source },
      size: stat.size,
      settle(outcome) {
        if (outcome.verdict === "different") findings.push(finding);
        else if (outcome.verdict !== "same") problems.push(problemOf(judged.path, source.path, outcome));
        else if (settled) verified.set(path, remembered(stamp, source, outcome.digest));
      },
    });
  }
  for (const { judged, gone: what } of gone) {
    const { path, stat } = judged.seen;
    const stamp = stampOf(stat);
    const earlier = before.get(path);
    if (earlier?.stamp === stamp) {
      verified.set(path, earlier);
      findings.push(what.unchanged);
    } else if (earlier?.digest === undefined) findings.push(what.otherwise);
    else {
      const source = { path: earlier.source, stamp: earlier.sourceStamp };
      open.push({
        job: { path, stamp, source: undefined },
        size: stat.size,
        settle(outcome) {
          const same = outcome.digest === earlier.digest;
          if (outcome.verdict !== "same") problems.push(problemOf(judged.path, earlier.source, outcome));
          else findings.push(same ? what.unchanged : what.changed);
          verified.set(
            path,
            same && isSettled(stat, now) ? remembered(stamp, source, outcome.digest) : earlier,
          );
        },
      });
    }
  }
  const sizes = open.map(({ size }) => size);
  const jobs = open.map(({ job }) => job);
  const running = startComparisons(root.fd, jobs, sizes, full);

  return {
    async finished() {
      const outcomes = await running.finished();
      open.forEach(({ settle }, index) => {
        settle(outcomes[index] ?? { verdict: "unreadable" });
      });
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      return { findings, problems, verified, compared: jobs.length, known, bytes };
    },
  };
}

function remembered(
  stamp: string,
  source: { readonly path: ByteString; readonly stamp: string },
  digest: string | undefined,
): Verified {
  const kept = { stamp, source: source.path, sourceStamp: source.stamp };
  return digest === undefined ? kept : { ...kept, digest };
}

function problemOf(path: ByteString, source: ByteString, { verdict, reason }: Comparison): CheckProblem {
  const pair = `${display(path)} or ${display(source)}`;
  const message =
    verdict === "changed"
      ? `${pair} was changed while it was being compared`
      : `cannot read ${pair} ! (${reason ?? "no answer"})`;
  return { code: verdict, path, message };
}
