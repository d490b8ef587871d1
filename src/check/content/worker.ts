import { type Comparison, createComparer, type Job } from "./compare.ts";

/** What a worker is sent: descriptors are the process's, so the jail's root is the same file here. */
export interface WorkOrder {
  readonly rootFd: number;
  readonly jobs: readonly Job[];
  readonly wantDigest: boolean;
}

/** What it answers: the outcomes that are not plainly "same", by the number of the job. */
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

/** Makes this thread, which is a worker, compare what it is sent. */
export function serveComparisons(): void {
  const scope = globalThis as unknown as {
    onmessage: ((event: { data: WorkOrder }) => void) | null;
    postMessage(answer: WorkAnswer): void;
  };
  scope.onmessage = ({ data }) => scope.postMessage(work(data));
}

// From source this file is the whole worker; in an executable it is a part of one, whose entry calls the function.
if (!Bun.isMainThread && !import.meta.path.startsWith("/$bunfs/")) serveComparisons();
