import { type Comparison, createComparer, type Job } from "./compare.ts";
import type { WorkAnswer, WorkOrder } from "./worker.ts";

interface Comparisons {
  /** All outcomes, in the order of the jobs. */
  finished(): Promise<Comparison[]>;
}

// Below this a thread costs more than it saves.
const BYTES_FOR_A_THREAD = 64 << 20;
const MOST_THREADS = 8;

const compiled = import.meta.path.startsWith("/$bunfs/");

/** Starts to compare files, whose sizes are `sizes`: many bytes in several threads at once, few bytes later. */
export function startComparisons(
  rootFd: number,
  jobs: readonly Job[],
  sizes: readonly number[],
  wantDigest: boolean,
): Comparisons {
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const wanted = Math.floor(bytes / BYTES_FOR_A_THREAD);
  const threads = Math.min(wanted, MOST_THREADS, navigator.hardwareConcurrency);
  if (threads < 2) return { finished: async () => here(rootFd, jobs, wantDigest) };
  const shares = share(sizes, threads);
  const workers = shares.map(async (indexes) => {
    const part = indexes.flatMap((index) => jobs[index] ?? []);
    try {
      return await startWorker({ rootFd, jobs: part, wantDigest });
    } catch {
      // Without a thread it takes longer, with the same result.
      return { outcomes: here(rootFd, part, wantDigest).map((outcome, index) => [index, outcome] as const) };
    }
  });
  return {
    async finished() {
      const outcomes: Comparison[] = jobs.map(() => ({ verdict: "same" }));
      const answers: readonly WorkAnswer[] = await Promise.all(workers);
      answers.forEach((answer, thread) => {
        const indexes = shares[thread] ?? [];
        for (const [number, outcome] of answer.outcomes) {
          const index = indexes[number];
          if (index !== undefined) outcomes[index] = outcome;
        }
      });
      return outcomes;
    },
  };
}

function here(rootFd: number, jobs: readonly Job[], wantDigest: boolean): Comparison[] {
  const compare = createComparer(rootFd);
  return jobs.map((job) => compare(job, wantDigest));
}

/** Divides the jobs among threads, so that each has about the same number of bytes to read. */
export function share(sizes: readonly number[], threads: number): number[][] {
  const parts = Array.from({ length: threads }, () => ({ bytes: 0, indexes: [] as number[] }));
  sizes.forEach((size, index) => {
    const least = parts.reduce((a, b) => (b.bytes < a.bytes ? b : a));
    // Opening a file costs about as much as reading this many bytes.
    least.bytes += size + 32768;
    least.indexes.push(index);
  });
  return parts.map(({ indexes }) => indexes);
}

function startWorker(order: WorkOrder): Promise<WorkAnswer> {
  return new Promise((resolve, reject) => {
    // In a thread the executable calls serveComparisons; see src/tools/jk_check.ts.
    const worker = new Worker(compiled ? Bun.main : new URL("./worker.ts", import.meta.url).href);
    worker.onmessage = ({ data }: MessageEvent<WorkAnswer>) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => {
      worker.terminate();
      reject(new Error(event.message));
    };
    worker.postMessage(order);
  });
}
