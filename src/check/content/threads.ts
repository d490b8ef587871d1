import { neverWait } from "../../../ffi/served.ts";
import { type Comparison, createComparer, type Job } from "./compare.ts";

/** The input of a thread. Threads share descriptors, so `rootFd` is the jail's root there too. */
interface WorkOrder {
  readonly rootFd: number;
  readonly jobs: readonly Job[];
  readonly wantDigest: boolean;
}

// Below this a thread costs more than it saves.
const BYTES_FOR_A_THREAD = 64 << 20;
const MOST_THREADS = 8;

const compiled = import.meta.path.startsWith("/$bunfs/");

/**
 * Starts to compare files, whose sizes are `sizes`: many bytes in several threads at once, few bytes later. `finished`
 * returns all outcomes, in the order of the jobs.
 */
export function startComparisons(
  rootFd: number,
  jobs: readonly Job[],
  sizes: readonly number[],
  wantDigest: boolean,
): { finished(): Promise<Comparison[]> } {
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const wanted = Math.floor(bytes / BYTES_FOR_A_THREAD);
  const threads = Math.min(wanted, MOST_THREADS, navigator.hardwareConcurrency);
  if (threads < 2) return { finished: async () => compareAll({ rootFd, jobs, wantDigest }) };
  const shares = share(sizes, threads);
  const answers = shares.map((indexes) => {
    const order = { rootFd, jobs: indexes.flatMap((index) => jobs[index] ?? []), wantDigest };
    // Without a thread it takes longer, with the same result.
    return inThread(order).catch(() => compareAll(order));
  });
  return {
    async finished() {
      const found = (await Promise.all(answers)).flat();
      const order = shares.flat();
      const outcomes: Comparison[] = [];
      for (const [at, index] of order.entries()) outcomes[index] = found[at] ?? { verdict: "unreadable" };
      return outcomes;
    },
  };
}

function compareAll({ rootFd, jobs, wantDigest }: WorkOrder): Comparison[] {
  const compare = createComparer(rootFd);
  return jobs.map((job) => compare(job, wantDigest));
}

/** Divides the jobs among threads, so that each has about the same number of bytes to read. */
export function share(sizes: readonly number[], threads: number): number[][] {
  const parts = Array.from({ length: threads }, () => ({ bytes: 0, indexes: [] as number[] }));
  for (const [index, size] of sizes.entries()) {
    const least = parts.reduce((a, b) => (b.bytes < a.bytes ? b : a));
    // Opening a file costs about as much as reading this many bytes.
    least.bytes += size + 32768;
    least.indexes.push(index);
  }
  return parts.map(({ indexes }) => indexes);
}

function inThread(order: WorkOrder): Promise<Comparison[]> {
  return new Promise((resolve, reject) => {
    // In a thread the executable calls serveComparisons; see src/tools/jk_check.ts.
    const worker = new Worker(compiled ? Bun.main : import.meta.url);
    worker.onmessage = ({ data }: MessageEvent<Comparison[]>) => {
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

/** Makes this thread a worker that compares the files it receives; it leaves other orders alone. */
export function serveComparisons(): void {
  neverWait();
  const scope = globalThis as unknown as {
    addEventListener(type: "message", listener: (event: { data: WorkOrder }) => void): void;
    postMessage(answer: Comparison[]): void;
  };
  scope.addEventListener("message", ({ data }) => {
    if (Array.isArray(data.jobs)) scope.postMessage(compareAll(data));
  });
}

// From source this file is the worker; in an executable the entry calls serveComparisons.
if (!Bun.isMainThread && !compiled) serveComparisons();
