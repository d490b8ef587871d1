import { type Comparison, createComparer, type Job } from "./compare.ts";

/** The input of a worker. Threads share descriptors, so `rootFd` is the jail's root here too. */
export interface WorkOrder {
  readonly rootFd: number;
  readonly jobs: readonly Job[];
  readonly wantDigest: boolean;
}

/** The answer: by the number of the job, the outcomes that are not "same" or have a digest. */
export interface WorkAnswer {
  readonly outcomes: readonly (readonly [index: number, outcome: Comparison])[];
}

function work({ rootFd, jobs, wantDigest }: WorkOrder): WorkAnswer {
  const compare = createComparer(rootFd);
  const outcomes: [number, Comparison][] = [];
  jobs.forEach((job, index) => {
    const outcome = compare(job, wantDigest);
    if (outcome.verdict !== "same" || outcome.digest !== undefined) outcomes.push([index, outcome]);
  });
  return { outcomes };
}

/** Makes this thread a worker that compares the files it receives. */
export function serveComparisons(): void {
  const scope = globalThis as unknown as {
    onmessage: ((event: { data: WorkOrder }) => void) | null;
    postMessage(answer: WorkAnswer): void;
  };
  scope.onmessage = ({ data }) => scope.postMessage(work(data));
}

// From source this file is the worker; in an executable the entry calls serveComparisons.
if (!Bun.isMainThread && !import.meta.path.startsWith("/$bunfs/")) serveComparisons();
