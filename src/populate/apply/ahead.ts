import { fromBytes } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, readFile } from "../../../ffi/files.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Entry } from "../entry.ts";
import type { FileJob } from "./copy-file.ts";
import {
  APPLYING,
  type CopyOrder,
  FINISHED,
  FIRST,
  FREE,
  OPEN,
  PHASE,
  STOPPED,
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
 * Prepares the new files of a growing plan in a second thread, while the first one goes on planning and then puts them in
 * their places. A prepared file has content, owner, mode and times, and no name, so that nothing is seen of it before its
 * turn comes, and a plan that is not carried out leaves nothing.
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
    const { type, action, source, mode, uid, gid, mtime, untrusted } = entry;
    if (type !== "file" || action !== "create" || this.#jobs.length === MOST_FILES) return;
    this.#indexes.set(entry, this.#jobs.length);
    this.#jobs.push({ source, mode, uid, gid, mtime, untrusted });
    if (this.#jobs.length === FILES_FOR_A_THREAD) this.#start();
    if (this.#jobs.length - this.#sent >= AT_ONCE) this.#send(false);
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

  /** The plan is complete, and is now carried out in its order. */
  begin(): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    Atomics.store(shared, PHASE, APPLYING);
    this.#send(true);
  }

  /**
   * The open file that is ready to be linked to the place of an entry; close it. Undefined if the caller must copy it.
   */
  take(entry: Entry): number | undefined {
    const index = this.#indexes.get(entry);
    const job = this.#jobs[index ?? -1];
    const shared = this.#shared;
    if (shared === undefined || index === undefined || job === undefined) return undefined;
    const cell = FIRST + index;
    let state = Atomics.compareExchange(shared, cell, FREE, TAKEN);
    if (state === FREE) return undefined;
    while (state === TAKEN && receivedSignal() === undefined) {
      Atomics.wait(shared, cell, TAKEN, 100);
      state = Atomics.load(shared, cell);
    }
    if (state < FINISHED) return undefined;
    Atomics.store(shared, cell, TAKEN);
    Atomics.sub(shared, OPEN, 1);
    Atomics.notify(shared, OPEN);
    const fd = state - FINISHED;
    if (isFor(job, entry)) return fd;
    close(fd);
    return undefined;
  }

  [Symbol.dispose](): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    Atomics.store(shared, PHASE, STOPPED);
    Atomics.notify(shared, OPEN);
    this.#thread?.end();
    for (const index of this.#jobs.keys()) {
      const state = Atomics.load(shared, FIRST + index);
      if (state >= FINISHED) close(state - FINISHED);
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

  #send(last: boolean): void {
    const { path, fd: rootFd, sync } = this.#root;
    const shared = this.#shared;
    if (shared === undefined) return;
    const copies = this.#jobs.slice(this.#sent);
    this.#thread?.post({ copies, last, rootFd, path, sync, shared, most: this.#most });
    this.#sent = this.#jobs.length;
  }
}

/** True if a file was prepared for what an entry is in the end: it may have been requested once more. */
function isFor(job: FileJob, entry: Entry): boolean {
  return (Object.keys(job) as (keyof FileJob)[]).every((key) => job[key] === entry[key]);
}

/** The most files that may be open while they wait: what the process may have (getrlimit(2)) and does not need itself. */
function mostOpen(): number {
  const limits = attempt(() => fromBytes(readFile("/proc/self/limits", 1 << 16))) ?? "";
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 0) - OWN_DESCRIPTORS;
}
