import type { ByteString } from "../../../ffi/bytes.ts";
import { close } from "../../../ffi/files.ts";
import type { SharedSeen, Told } from "./home-seen.ts";
import { MOST_GROUPS, MOST_NAMES, type Names, Slots } from "./home-slots.ts";
import type { JailRoot } from "./walk.ts";

/** What the second thread does with each name that it gets. Threads share descriptors. */
export interface HomeOrder {
  readonly work: "copy" | "look" | "remove";
  readonly slots: SharedArrayBuffer;
  readonly seen: SharedSeen;
  /** The jail that the copy is for. */
  readonly root?: Pick<JailRoot, "path" | "sync">;
}

/** What this thread does with the names of one directory. */
export interface ShareWork {
  /** Does the work for one name. */
  readonly own: (name: ByteString) => void;
  /** The other thread has done it. */
  readonly told: (told: Told) => void;
  /** All names are done. */
  readonly finish?: () => void;
}

/** A directory of a home, some names of which the other thread may have. The pass closes its descriptors. */
interface Share extends Omit<Names, "names"> {
  readonly work: ShareWork;
  /** Groups that are not settled, and one until all names are in groups. */
  open: number;
}

/** Some names of a directory. */
interface Group {
  readonly share: Share;
  readonly names: readonly ByteString[];
}

const compiled = import.meta.path.startsWith("/$bunfs/");
// One for all homes of a run.
let worker: Worker | undefined;

function startWorker(): Worker {
  // In a thread the executable calls serveHomes; see src/tools/jk_jailuser.ts.
  const started = new Worker(compiled ? Bun.main : import.meta.resolve("./home-thread.ts"), { smol: true });
  started.onerror = () => undefined;
  // The program ends while it waits.
  started.unref();
  return started;
}

/** The second thread for one home. Nothing waits for its start, and without it all takes longer, with the same result. */
export class HomeThread {
  #isStarted = false;

  /** Starts the thread, which takes some 20 ms. */
  start(): void {
    // So many files pay for the compiler, of this thread, too.
    Bun.unsafe.setJITPolicy(1);
    if (navigator.hardwareConcurrency === 1) return;
    worker ??= startWorker();
    this.#isStarted = true;
  }

  /** True if it was started for this home. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Begins to go through the home once; dispose of the pass before the next one begins. */
  begin(order: Omit<HomeOrder, "slots">): Pass {
    if (!this.#isStarted) return new Pass(undefined);
    const slots = new Slots();
    worker?.postMessage({ ...order, slots: slots.memory } satisfies HomeOrder);
    return new Pass(slots);
  }
}

/**
 * Shares the work on the names of directories with the other thread. This thread does what the other one does not get, has
 * not begun at the end, or could not do, so that each error is found here, too. When a pass was disposed of, the other
 * thread uses none of its descriptors.
 */
export class Pass implements Disposable {
  readonly #shares = new Set<Share>();
  readonly #given = new Map<number, readonly Group[]>();
  /** The next batch. Small directories share one. */
  #next: Group[] = [];
  #room = MOST_NAMES;

  constructor(readonly slots: Slots | undefined) {}

  /**
   * Works on names in a directory, whose descriptors are the pass's from now on. What `pieces` does between two pieces,
   * this thread does while the other one is at the names.
   */
  share(directory: Omit<Names, "names">, pieces: Iterable<readonly ByteString[]>, work: ShareWork): void {
    const share: Share = { ...directory, work, open: 1 };
    this.#shares.add(share);
    for (const names of pieces) {
      if (this.slots === undefined) {
        for (const name of names) work.own(name);
        continue;
      }
      for (let at = 0; at < names.length; ) {
        const some = names.slice(at, at + this.#room);
        at += some.length;
        this.#room -= some.length;
        share.open++;
        this.#next.push({ share, names: some });
        if (this.#room === 0 || this.#next.length === MOST_GROUPS) this.#offer();
      }
    }
    this.#close(share);
  }

  /** Waits until all names are done. */
  finish(): void {
    this.#offer();
    for (const slot of this.#given.keys()) if (this.slots?.takeBack(slot)) this.#settle(slot, false);
    while (this.#given.size > 0) {
      for (const slot of this.#given.keys()) this.slots?.wait(slot);
      this.#collect();
    }
  }

  [Symbol.dispose](): void {
    this.slots?.end();
    this.#given.clear();
    this.#next = [];
    for (const share of this.#shares) closeShare(share);
    this.#shares.clear();
  }

  /** Gives the next batch to the other thread, or does its work. */
  #offer(): void {
    const groups = this.#next;
    this.#next = [];
    this.#room = MOST_NAMES;
    this.#collect();
    const slot = this.slots?.publish(
      groups.map(({ share: { from, to, path }, names }) => ({ from, to, path, names })),
    );
    if (slot !== undefined) this.#given.set(slot, groups);
    else
      for (const { share, names } of groups) {
        for (const name of names) share.work.own(name);
        this.#close(share);
      }
  }

  #collect(): void {
    for (const slot of this.#given.keys()) if (this.slots?.isDone(slot)) this.#settle(slot, true);
  }

  /** Settles a batch, whose slot is free. Only afterwards another one may be published there. */
  #settle(slot: number, isDone: boolean): void {
    const groups = this.#given.get(slot) ?? [];
    this.#given.delete(slot);
    let index = 0;
    for (const { share, names } of groups) {
      for (const name of names) {
        const told = isDone ? this.slots?.told(slot, index) : undefined;
        if (told === undefined) share.work.own(name);
        else share.work.told(told);
        index++;
      }
      this.#close(share);
    }
  }

  #close(share: Share): void {
    share.open--;
    if (share.open > 0) return;
    share.work.finish?.();
    this.#shares.delete(share);
    closeShare(share);
  }
}

function closeShare({ from, to }: Share): void {
  close(from);
  if (to >= 0) close(to);
}
