import type { ByteString } from "../../../ffi/bytes.ts";
import { close } from "../../../ffi/files.ts";
import type { SharedSeen, Told } from "./home-seen.ts";
import { type Batch, MOST_NAMES, Slots } from "./home-slots.ts";
import type { JailRoot } from "./walk.ts";

/** What the second thread does with each name that it gets. Threads share descriptors. */
export interface HomeOrder {
  readonly work: "copy" | "look" | "remove";
  readonly slots: SharedArrayBuffer;
  readonly seen: SharedSeen;
  /** The mount that the home is on. */
  readonly mount: bigint;
  /** The jail that the copy is for. */
  readonly root?: Pick<JailRoot, "path" | "sync">;
}

/** What this thread does with the names of one directory. */
export interface ShareWork {
  /** Does the work for one name. */
  readonly own: (name: ByteString) => void;
  /** The other thread has done it. */
  readonly told: (told: Told) => void;
  /** Work for this thread alone, while the other one is at the names. */
  readonly rest?: () => void;
  /** All names are done. */
  readonly finish?: () => void;
}

/** A directory of a home, some names of which the other thread may have. The pass closes its descriptors. */
interface Share extends Pick<Batch, "from" | "to" | "path"> {
  readonly work: ShareWork;
  /** Batches at the other thread, and one until all names are offered. */
  open: number;
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
  readonly #given = new Map<number, { readonly share: Share; readonly names: readonly ByteString[] }>();

  constructor(readonly slots: Slots | undefined) {}

  /** Works on names in a directory, whose descriptors are the pass's from now on. */
  share(directory: Pick<Batch, "from" | "to" | "path">, names: readonly ByteString[], work: ShareWork): void {
    const share: Share = { ...directory, work, open: 1 };
    this.#shares.add(share);
    for (let at = 0; at < names.length; at += MOST_NAMES) {
      const some = names.slice(at, at + MOST_NAMES);
      this.#collect();
      const { from, to, path } = share;
      const slot = this.slots?.publish({ from, to, path, names: some });
      if (slot === undefined) {
        for (const name of some) work.own(name);
        continue;
      }
      this.#given.set(slot, { share, names: some });
      share.open++;
    }
    work.rest?.();
    this.#close(share);
  }

  /** Waits until all names are done. */
  finish(): void {
    for (const slot of this.#given.keys()) if (this.slots?.takeBack(slot)) this.#settle(slot, false);
    while (this.#given.size > 0) {
      for (const slot of this.#given.keys()) this.slots?.wait(slot);
      this.#collect();
    }
  }

  [Symbol.dispose](): void {
    this.slots?.end();
    this.#given.clear();
    for (const share of this.#shares) closeShare(share);
    this.#shares.clear();
  }

  #collect(): void {
    for (const slot of this.#given.keys()) if (this.slots?.isDone(slot)) this.#settle(slot, true);
  }

  /** Settles a batch, whose slot is free. Only afterwards another one may be published there. */
  #settle(slot: number, isDone: boolean): void {
    const given = this.#given.get(slot);
    if (given === undefined) return;
    this.#given.delete(slot);
    const { share, names } = given;
    for (const [index, name] of names.entries()) {
      const told = isDone ? this.slots?.told(slot, index) : undefined;
      if (told === undefined) share.work.own(name);
      else share.work.told(told);
    }
    this.#close(share);
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
