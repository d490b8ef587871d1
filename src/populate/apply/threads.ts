import type { ByteString } from "../../../ffi/bytes.ts";
import { close } from "../../../ffi/files.ts";
import { reopenJailRoot } from "../../jail/fs/reopen.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { linkNameless } from "../../jail/fs/write.ts";
import { type FileJob, prepareFile } from "./copy-file.ts";
import { SpotFinder } from "./spot.ts";

/** The input of the thread that prepares files: more jobs, in their order. */
export interface CopyOrder {
  readonly copies: readonly FileJob[];
  /**
   * No more will come. One byte for each job: 1 if the plan has the file as it was offered, so that this thread may give it
   * its name too.
   */
  readonly last?: Uint8Array | undefined;
  /** Threads share descriptors, so this is the jail's root there too. */
  readonly rootFd: number;
  readonly path: ByteString;
  readonly sync: boolean;
  /** One cell for PHASE and for OPEN, and then one for each job. */
  readonly shared: Int32Array<SharedArrayBuffer>;
  /** The most descriptors that may wait. */
  readonly most: number;
}

/** Whether the plan is still growing. */
export const PHASE = 0;
export const PLANNING = 0;
export const APPLYING = 1;
/** How many descriptors wait. */
export const OPEN = 1;
/** The first job. */
export const FIRST = 2;
/**
 * A job: nobody has begun it, the other thread is at it, that one failed, the first thread does it itself, the file is in
 * its place; else FINISHED and the descriptor.
 */
export const FREE = 0;
export const TAKEN = 1;
export const FAILED = 2;
export const OURS = 3;
export const PLACED = 4;
export const FINISHED = 5;

/** The part of a program that runs in the other thread. */
class CopyThread {
  readonly #jobs: FileJob[] = [];
  #next = 0;
  #root: JailRoot | undefined;

  take(order: CopyOrder): void {
    const { copies, last, rootFd, path, sync, shared, most } = order;
    const jobs = this.#jobs;
    jobs.push(...copies);
    this.#root ??= reopenJailRoot(rootFd, path, sync);
    const root = this.#root;
    while (this.#next < jobs.length && hasRoom(shared, most)) {
      const index = this.#next++;
      prepare(root, jobs[index], FIRST + index, shared);
    }
    if (last === undefined) return;
    const spots = new SpotFinder(root);
    // The first thread begins at the other end.
    for (let index = jobs.length - 1; index >= 0; index--) {
      const job = jobs[index];
      if (job === undefined || last[index] !== 1) continue;
      if (Atomics.load(shared, OPEN) < most) prepare(root, job, FIRST + index, shared);
      giveName(root, spots, job, FIRST + index, shared);
    }
  }
}

/** False as soon as the plan is complete. Waits while too many descriptors wait. */
function hasRoom(shared: CopyOrder["shared"], most: number): boolean {
  while (Atomics.load(shared, PHASE) === PLANNING) {
    const open = Atomics.load(shared, OPEN);
    if (open < most) return true;
    Atomics.wait(shared, OPEN, open, 100);
  }
  return false;
}

/** Prepares a file, unless the first thread has begun it. */
function prepare(root: JailRoot, job: FileJob | undefined, cell: number, shared: CopyOrder["shared"]): void {
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

/** Gives a prepared file its name, unless the first thread is at it. */
function giveName(
  root: JailRoot,
  spots: SpotFinder,
  job: FileJob,
  cell: number,
  shared: CopyOrder["shared"],
): void {
  const state = Atomics.load(shared, cell);
  if (state < FINISHED || Atomics.compareExchange(shared, cell, state, TAKEN) !== state) return;
  const fd = state - FINISHED;
  let end = state;
  try {
    const placement = spots.at(job.path, (spot) => linkNameless(spot, fd, root.top));
    if (placement !== undefined) end = PLACED;
  } catch {
    // As above.
  }
  if (end === PLACED) {
    close(fd);
    Atomics.sub(shared, OPEN, 1);
  }
  Atomics.store(shared, cell, end);
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
