import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { JailkitError } from "../../cli/error.ts";
import { isNoRoom } from "../../jail/fs/no-room.ts";
import { reopenJailRoot } from "../../jail/fs/reopen.ts";
import { type Directory, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import type { Placement } from "../../jail/fs/write.ts";
import { copyFile, type FileJob } from "./copy-file.ts";

/** What became of an entry before its turn to be reported. */
export interface Outcome {
  /** The line about it is to be printed: its source was as planned. */
  readonly announced: boolean;
  readonly result: Placement | JailkitError | SystemError | Error;
}

/** An outcome as it passes between threads, with the index of its job. */
type Sent = readonly [
  index: number,
  announced: boolean,
  result: Placement | readonly [number, string, ByteString | undefined] | readonly [string, number, string],
];

/** The input of a thread. Threads share descriptors, so `rootFd` is the jail's root there too. */
interface CopyOrder {
  readonly copies: readonly FileJob[];
  readonly rootFd: number;
  readonly path: ByteString;
  readonly sync: boolean;
  /** How many jobs are taken, and whether to stop. */
  readonly shared: Int32Array<SharedArrayBuffer>;
}

// Below this a thread costs more than it saves: it needs some 20 ms to start.
const FILES_FOR_A_THREAD = 1000;
const AT_ONCE = 16;
const TAKEN = 0;
const STOP = 1;

const compiled = import.meta.path.startsWith("/$bunfs/");

/** True if files are copied in two threads. */
export const copiesInThreads = (files: number): boolean =>
  files >= FILES_FOR_A_THREAD && navigator.hardwareConcurrency > 1;

/** A thread that waits for files to copy. */
export interface CopyThread {
  /** Once. Rejects if the thread has failed. */
  copy(order: CopyOrder): Promise<readonly Sent[]>;
  end(): void;
}

/**
 * Copies files into a jail, in this thread and another one at once, and returns the outcome of each; undefined for those that
 * were not tried, because a signal came or there is no room. `done` is called after each in this thread.
 */
export async function copyInThreads(
  root: JailRoot,
  copies: readonly FileJob[],
  thread: CopyThread,
  done: () => void,
): Promise<(Outcome | undefined)[]> {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const order = { copies, rootFd: root.fd, path: root.path, sync: root.sync, shared };
  // Without the thread it takes longer, with the same result.
  const other = thread.copy(order).catch((): Sent[] => []);
  const sent = copyShare(root, order, false, done);
  const outcomes: (Outcome | undefined)[] = copies.map(() => undefined);
  for (const one of [...sent, ...(await other)]) outcomes[one[0]] = received(one);
  if (Atomics.load(shared, STOP) === 1) return outcomes;
  // What a thread that failed had taken.
  for (const [index, outcome] of outcomes.entries()) {
    const job = copies[index];
    if (outcome === undefined && job !== undefined) outcomes[index] = received(copyOne(root, job, index));
  }
  return outcomes;
}

/**
 * Copies the files that no other thread has taken, from the first on, or with `backwards` from the last: two threads in one
 * directory would wait for each other.
 */
function copyShare(
  root: JailRoot,
  { copies, shared }: CopyOrder,
  backwards: boolean,
  done: () => void = () => undefined,
): Sent[] {
  const sent: Sent[] = [];
  for (let own = 0; ; own += AT_ONCE) {
    const left = copies.length - Atomics.add(shared, TAKEN, AT_ONCE);
    const count = Math.min(left, AT_ONCE);
    if (count <= 0) return sent;
    const first = backwards ? copies.length - own - count : own;
    for (let index = first; index < first + count; index++) {
      if (receivedSignal() !== undefined) Atomics.store(shared, STOP, 1);
      const job = copies[index];
      if (Atomics.load(shared, STOP) === 1 || job === undefined) return sent;
      const outcome = copyOne(root, job, index);
      if (isNoRoom(received(outcome).result)) Atomics.store(shared, STOP, 1);
      sent.push(outcome);
      done();
    }
  }
}

function copyOne(root: JailRoot, job: FileJob, index: number): Sent {
  let announced = false;
  let parent: Directory | undefined;
  try {
    parent = walk(root, parentOf(job.path));
    const placement = copyFile({ root, parent, name: baseName(job.path) }, job, () => {
      announced = true;
    });
    return [index, announced, placement];
  } catch (error) {
    if (error instanceof SystemError) return [index, announced, [error.errno, error.call, error.path]];
    if (error instanceof JailkitError)
      return [index, announced, [error.code, error.exitStatus, error.message]];
    throw error;
  } finally {
    if (parent !== undefined) release(parent);
  }
}

function received([, announced, result]: Sent): Outcome {
  if (typeof result === "string") return { announced, result };
  const [first, second, third] = result;
  return {
    announced,
    result:
      typeof first === "number"
        ? new SystemError(first, String(second), third)
        : new JailkitError(first, Number(second), third ?? ""),
  };
}

/** Starts a thread, which takes some time. End it. */
export function startCopyThread(): CopyThread {
  // In a thread the executable calls serveCopies; see src/tools/jk_init.ts.
  const worker = new Worker(compiled ? Bun.main : import.meta.url);
  const failed = new Promise<never>((_, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
  });
  failed.catch(() => undefined);
  const copy = (order: CopyOrder) => {
    const answer = new Promise<readonly Sent[]>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<readonly Sent[]>) => resolve(data);
    });
    worker.postMessage(order);
    return Promise.race([answer, failed]);
  };
  return { copy, end: () => worker.terminate() };
}

/** Makes this thread a worker that copies the files it receives; it leaves other orders alone. */
export function serveCopies(): void {
  const scope = globalThis as unknown as {
    addEventListener(type: "message", listener: (event: { data: CopyOrder }) => void): void;
    postMessage(answer: Sent[]): void;
  };
  scope.addEventListener("message", ({ data }) => {
    if (!Array.isArray(data.copies)) return;
    using root = reopenJailRoot(data.rootFd, data.path, data.sync);
    scope.postMessage(copyShare(root, data, true));
  });
}

// From source this file is the worker; in an executable the entry calls serveCopies.
if (!Bun.isMainThread && !compiled) serveCopies();
