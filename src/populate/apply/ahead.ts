import { fromBytes } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, readFile } from "../../../ffi/files.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Entry } from "../entry.ts";
import type { FileJob } from "./copy-file.ts";
import {
  APPLYING,
  type CopyOrder,
  FINISHED,
  FIRST,
  OPEN,
  OURS,
  PHASE,
  PLACED,
  startCopyThread,
  TAKEN,
} from "./threads.ts";

// Below this a thread costs more than it saves: it needs some 20 ms to start.
const FILES_FOR_A_THREAD = 500;
const MOST_FILES = 1 << 17;
const AT_ONCE = 64;
// Directories of the jail, and a few files.
const OWN_DESCRIPTORS = 512;

/**
 * Prepares the new files of a growing plan in a second thread, while the first one goes on planning. A prepared file has
 * content, owner, mode and times, and no name, so that a plan that is not carried out leaves nothing. When the plan is
 * carried out, the second thread gives names too, from the other end.
 */
export class CopyAhead implements Disposable {
  readonly #root: JailRoot;
  readonly #jobs: FileJob[] = [];
  readonly #indexes = new Map<Entry, number>();
  #shared: CopyOrder["shared"] | undefined;
  #thread: ReturnType<typeof startCopyThread> | undefined;
  #sent = 0;
  #most = 0;

  constructor(root: JailRoot) {
    this.#root = root;
  }

  /** Takes an entry of the plan that is new in the jail. */
  offer(entry: Entry): void {
    const { path, type, action, source, mode, uid, gid, mtime, untrusted } = entry;
    if (type !== "file" || action !== "create" || this.#jobs.length === MOST_FILES) return;
    this.#indexes.set(entry, this.#jobs.length);
    this.#jobs.push({ path, source, mode, uid, gid, mtime, untrusted });
    if (this.#jobs.length === FILES_FOR_A_THREAD) this.#start();
    if (this.#jobs.length - this.#sent >= AT_ONCE) this.#send();
  }

  /** True if a second thread is at work. */
  get isRunning(): boolean {
    return this.#shared !== undefined;
  }

  /** Forgets what it took: that plan is not carried out. */
  startOver(): void {
    if (this.#jobs.length === 0) return;
    this[Symbol.dispose]();
    this.#shared = undefined;
    this.#thread = undefined;
    this.#jobs.length = 0;
    this.#indexes.clear();
    this.#sent = 0;
  }

  /**
   * The plan is complete, its directories are there, and its files are now put in their places, by the caller in their
   * order: see take.
   */
  begin(entries: readonly Entry[]): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    const last = new Uint8Array(this.#jobs.length);
    // Where one is replaced, the directories that the other thread has open may be others by then.
    if (entries.every(({ action }) => action !== "replace")) {
      for (const entry of entries) {
        const index = this.#indexes.get(entry);
        const job = this.#jobs[index ?? -1];
        if (index === undefined || job === undefined) continue;
        if (entry.action === "create" && isFor(job, entry)) last[index] = 1;
      }
    }
    Atomics.store(shared, PHASE, APPLYING);
    Atomics.notify(shared, OPEN);
    this.#send(last);
  }

  /**
   * "placed" if the file of an entry is in its place; else the open file that is ready to be linked there: close it.
   * Undefined if the caller must copy it.
   */
  take(entry: Entry): number | "placed" | undefined {
    const index = this.#indexes.get(entry);
    const job = this.#jobs[index ?? -1];
    const shared = this.#shared;
    if (shared === undefined || index === undefined || job === undefined) return undefined;
    const state = this.#claim(shared, FIRST + index);
    if (state === PLACED) return "placed";
    if (state < FINISHED) return undefined;
    const fd = state - FINISHED;
    if (isFor(job, entry)) return fd;
    close(fd);
    return undefined;
  }

  /** Takes all that is left from the other thread. Returns the entries that it has put in their places, and nobody took. */
  stop(): Set<Entry> {
    const shared = this.#shared;
    const placed = new Set<Entry>();
    if (shared === undefined) return placed;
    Atomics.store(shared, PHASE, APPLYING);
    Atomics.notify(shared, OPEN);
    for (const [entry, index] of this.#indexes) {
      const state = this.#claim(shared, FIRST + index);
      if (state === PLACED) placed.add(entry);
      if (state >= FINISHED) close(state - FINISHED);
    }
    return placed;
  }

  [Symbol.dispose](): void {
    if (this.#shared === undefined) return;
    this.stop();
    this.#thread?.end();
  }

  /** Makes a job one of this thread, if it is not done; waits while the other one is at it. Returns what it was before. */
  #claim(shared: CopyOrder["shared"], cell: number): number {
    for (;;) {
      const state = Atomics.load(shared, cell);
      if (state === TAKEN) {
        Atomics.wait(shared, cell, TAKEN, 100);
      } else if (Atomics.compareExchange(shared, cell, state, OURS) === state) {
        if (state >= FINISHED) {
          Atomics.sub(shared, OPEN, 1);
          Atomics.notify(shared, OPEN);
        }
        return state;
      }
    }
  }

  #start(): void {
    const root = this.#root;
    if (navigator.hardwareConcurrency === 1 || !root.top.trusted) return;
    this.#most = mostOpen();
    if (this.#most < 1) return;
    this.#shared = new Int32Array(new SharedArrayBuffer(4 * (FIRST + MOST_FILES)));
    this.#thread = startCopyThread();
  }

  #send(last?: Uint8Array): void {
    const { path, fd: rootFd, sync } = this.#root;
    const shared = this.#shared;
    if (shared === undefined) return;
    const copies = this.#jobs.slice(this.#sent);
    this.#thread?.post({ copies, last, rootFd, path, sync, shared, most: this.#most });
    this.#sent = this.#jobs.length;
  }
}

/** True if a file was prepared for what an entry is in the end: it may have been requested once more. */
const isFor = (job: FileJob, entry: Entry): boolean =>
  job.path === entry.path &&
  job.source === entry.source &&
  job.mode === entry.mode &&
  job.uid === entry.uid &&
  job.gid === entry.gid &&
  job.mtime === entry.mtime &&
  job.untrusted === entry.untrusted;

/** The most files that may be open while they wait: what the process may have (getrlimit(2)) and does not need itself. */
function mostOpen(): number {
  const limits = attempt(() => fromBytes(readFile("/proc/self/limits", 1 << 16))) ?? "";
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 0) - OWN_DESCRIPTORS;
}
