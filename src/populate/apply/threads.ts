import type { ByteString } from "../../../ffi/bytes.ts";
import { reopenJailRoot } from "../../jail/fs/reopen.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { type FileJob, prepareFile } from "./copy-file.ts";

/** The input of the thread that prepares files: more jobs, in their order. */
export interface CopyOrder {
  readonly copies: readonly FileJob[];
  /** No more will come. */
  readonly last: boolean;
  /** Threads share descriptors, so this is the jail's root there too. */
  readonly rootFd: number;
  readonly path: ByteString;
  readonly sync: boolean;
  /** One cell for PHASE and for OPEN, and then one for each job. */
  readonly shared: Int32Array<SharedArrayBuffer>;
  /** The most descriptors that may wait. */
  readonly most: number;
}

/** What the other thread is to do: PLANNING, APPLYING or STOPPED. */
export const PHASE = 0;
export const PLANNING = 0;
export const APPLYING = 1;
export const STOPPED = 2;
/** How many descriptors wait. */
export const OPEN = 1;
/** The first job. */
export const FIRST = 2;
/** A job: nobody has begun it, one of the threads is at it, the other thread failed; else FINISHED and the descriptor. */
export const FREE = 0;
export const TAKEN = 1;
export const FAILED = 2;
export const FINISHED = 3;

/** The part of a program that runs in the other thread. */
class CopyThread {
  readonly #jobs: FileJob[] = [];
  #next = 0;
  #root: JailRoot | undefined;

  take(order: CopyOrder): void {
    const { copies, last, rootFd, path, sync, shared } = order;
    const jobs = this.#jobs;
    jobs.push(...copies);
    this.#root ??= reopenJailRoot(rootFd, path, sync);
    const root = this.#root;
    while (this.#next < jobs.length && Atomics.load(shared, PHASE) === PLANNING) {
      const index = this.#next++;
      prepare(root, jobs[index], index, order);
    }
    if (!last) return;
    // The first thread begins at the other end.
    for (let index = jobs.length - 1; index >= this.#next && Atomics.load(shared, PHASE) !== STOPPED; index--)
      prepare(root, jobs[index], index, order);
  }
}

/** Prepares a file, unless the first thread has begun it. */
function prepare(
  root: JailRoot,
  job: FileJob | undefined,
  index: number,
  { shared, most }: Pick<CopyOrder, "shared" | "most">,
): void {
  for (let open = Atomics.load(shared, OPEN); open >= most; open = Atomics.load(shared, OPEN)) {
    if (Atomics.load(shared, PHASE) === STOPPED) return;
    Atomics.wait(shared, OPEN, open, 100);
  }
  const cell = FIRST + index;
  if (job === undefined || Atomics.compareExchange(shared, cell, FREE, TAKEN) !== FREE) return;
  let state = FAILED;
  try {
    state = FINISHED + prepareFile(root, job);
    Atomics.add(shared, OPEN, 1);
  } catch {
    // The first thread tries again, and reports the error.
  }
  Atomics.store(shared, cell, state);
  Atomics.notify(shared, cell);
}

const compiled = import.meta.path.startsWith("/$bunfs/");

/** Starts the other thread, which takes some time. */
export function startCopyThread(): { post(order: CopyOrder): void; end(): void } {
  // In a thread the executable calls serveCopies; see src/tools/jk_init.ts.
  const worker = new Worker(compiled ? Bun.main : import.meta.url);
  // Without the thread it takes longer, with the same result.
  worker.onerror = () => undefined;
  return { post: (order) => worker.postMessage(order), end: () => worker.terminate() };
}

/** Makes this thread one that prepares the files that it is told; it leaves other orders alone. */
export function serveCopies(): void {
  const scope = globalThis as unknown as {
    addEventListener(type: "message", listener: (event: { data: CopyOrder }) => void): void;
  };
  const thread = new CopyThread();
  scope.addEventListener("message", ({ data }) => {
    if (Array.isArray(data.copies)) thread.take(data);
  });
}

// From source this file is the worker; in an executable the entry calls serveCopies.
if (!Bun.isMainThread && !compiled) serveCopies();
