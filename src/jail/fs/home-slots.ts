import type { ByteString } from "../../../ffi/bytes.ts";
import type { Told } from "./home-seen.ts";

/** The most names in one batch: few, so that both threads end at about the same time. */
export const MOST_NAMES = 64;
/** The most directories that share a batch: few, since each is open meanwhile. */
export const MOST_GROUPS = 16;
/** How many batches may wait: some, so that a thread never waits for the other. */
const SLOTS = 4;
/** What the other thread tells of a name: see Told. */
const HASHES = 2;
const MOST_TEXT = 1 << 15;

// The words for all: whether the pass is over, and a number that grows with each batch.
const OVER = 0;
const PUBLISHED = 1;
const FIRST = 2;
// The words of each slot, and then those of its groups.
const STATE = 0;
const LENGTH = 1;
const GROUPS = 2;
const HEAD = 3;
// The words of each group
const FROM = 0;
const TO = 1;
const COUNT = 2;
const GROUP_WORDS = 3;
const WORDS = HEAD + GROUP_WORDS * MOST_GROUPS;

const FREE = 0;
const READY = 1;
const TAKEN = 2;
const DONE = 3;

const HASH_BYTES = 8 * HASHES * MOST_NAMES * SLOTS;
const WORD_BYTES = 4 * (FIRST + WORDS * SLOTS);
const MARK_BYTES = MOST_NAMES * SLOTS;

/** Names in one directory of a home. */
export interface Names {
  /** Descriptors, which threads share: of the directory, and of its copy, or -1. */
  readonly from: number;
  readonly to: number;
  /** Of the directory, relative to the home. */
  readonly path: ByteString;
  readonly names: readonly ByteString[];
}

/** Some batches in memory that two threads share: the first one fills and empties the slots, the other takes from them. */
export class Slots {
  readonly #hashes: BigUint64Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;
  // 1: the name was done.
  readonly #marks: Uint8Array<SharedArrayBuffer>;
  readonly #text: Buffer;

  constructor(
    readonly memory = new SharedArrayBuffer(HASH_BYTES + WORD_BYTES + MARK_BYTES + MOST_TEXT * SLOTS),
  ) {
    this.#hashes = new BigUint64Array(memory, 0, HASHES * MOST_NAMES * SLOTS);
    this.#words = new Int32Array(memory, HASH_BYTES, FIRST + WORDS * SLOTS);
    this.#marks = new Uint8Array(memory, HASH_BYTES + WORD_BYTES, MARK_BYTES);
    this.#text = Buffer.from(memory, HASH_BYTES + WORD_BYTES + MARK_BYTES, MOST_TEXT * SLOTS);
  }

  /** Offers a batch to the other thread, and returns its slot; undefined if there is no room for it. */
  publish(batch: readonly Names[]): number | undefined {
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#state(slot) !== FREE) continue;
      let count = 0;
      const texts: ByteString[] = [];
      for (const { path, names } of batch) {
        count += names.length;
        texts.push(path, ...names);
      }
      const text = texts.join("\0");
      if (text.length > MOST_TEXT || count > MOST_NAMES || batch.length > MOST_GROUPS) return undefined;
      this.#text.write(text, slot * MOST_TEXT, "latin1");
      this.#marks.fill(0, slot * MOST_NAMES, (slot + 1) * MOST_NAMES);
      const words = this.#words;
      const at = wordOf(slot);
      words[at + LENGTH] = text.length;
      words[at + GROUPS] = batch.length;
      let group = at + HEAD;
      for (const { from, to, names } of batch) {
        words[group + FROM] = from;
        words[group + TO] = to;
        words[group + COUNT] = names.length;
        group += GROUP_WORDS;
      }
      Atomics.store(words, at + STATE, READY);
      Atomics.add(words, PUBLISHED, 1);
      Atomics.notify(words, PUBLISHED);
      return slot;
    }
    return undefined;
  }

  /** True if the other thread is finished with a slot, which is free then; what it told stays until the next publish. */
  isDone(slot: number): boolean {
    return this.#change(slot, DONE, FREE);
  }

  /** Takes a batch back that the other thread has not begun; false if it has. */
  takeBack(slot: number): boolean {
    return this.#change(slot, READY, FREE);
  }

  /** Waits a while until the other thread is finished with a slot. */
  wait(slot: number): void {
    Atomics.wait(this.#words, wordOf(slot) + STATE, TAKEN, 100);
  }

  /** What the other thread told of a name; undefined if it did not do its work. */
  told(slot: number, index: number): Told | undefined {
    const name = slot * MOST_NAMES + index;
    if (this.#marks[name] !== 1) return undefined;
    const hashes = this.#hashes;
    const at = name * HASHES;
    return { original: hashes[at] ?? 0n, removable: hashes[at + 1] ?? 0n };
  }

  /** Ends the pass. Afterwards the other thread works on no batch any more. */
  end(): void {
    Atomics.store(this.#words, OVER, 1);
    Atomics.add(this.#words, PUBLISHED, 1);
    Atomics.notify(this.#words, PUBLISHED);
    for (let slot = 0; slot < SLOTS; slot++)
      while (!this.takeBack(slot) && this.#state(slot) === TAKEN) this.wait(slot);
  }

  /** True if the other thread should do nothing more. */
  get isOver(): boolean {
    return Atomics.load(this.#words, OVER) === 1;
  }

  /**
   * The other thread: calls `each` with batches until the pass ends. `done` tells of a name, by its index in the batch, that
   * its work is done; names of which nothing was told are left to the first thread.
   */
  serve(each: (batch: readonly Names[], done: (index: number, told: Told) => void) => void): void {
    const words = this.#words;
    while (!this.isOver) {
      const published = Atomics.load(words, PUBLISHED);
      const slot = this.#take();
      if (slot === undefined) {
        if (!this.isOver) Atomics.wait(words, PUBLISHED, published, 100);
        continue;
      }
      try {
        each(this.#batchOf(slot), (index, told) => {
          const name = slot * MOST_NAMES + index;
          const at = name * HASHES;
          this.#hashes[at] = told.original;
          this.#hashes[at + 1] = told.removable;
          this.#marks[name] = 1;
        });
      } catch {
        // The first thread tries the rest, and reports the error.
      } finally {
        Atomics.store(words, wordOf(slot) + STATE, DONE);
        Atomics.notify(words, wordOf(slot) + STATE);
      }
    }
  }

  #take(): number | undefined {
    for (let slot = 0; slot < SLOTS; slot++) if (this.#change(slot, READY, TAKEN)) return slot;
    return undefined;
  }

  #batchOf(slot: number): Names[] {
    const words = this.#words;
    const at = wordOf(slot);
    const start = slot * MOST_TEXT;
    const texts = this.#text.toString("latin1", start, start + (words[at + LENGTH] ?? 0)).split("\0");
    const batch: Names[] = [];
    let first = 0;
    for (let index = 0; index < (words[at + GROUPS] ?? 0); index++) {
      const group = at + HEAD + GROUP_WORDS * index;
      const path = texts[first++] ?? "";
      const names = texts.slice(first, first + (words[group + COUNT] ?? 0));
      first += names.length;
      batch.push({ from: words[group + FROM] ?? -1, to: words[group + TO] ?? -1, path, names });
    }
    return batch;
  }

  #state(slot: number): number {
    return Atomics.load(this.#words, wordOf(slot) + STATE);
  }

  #change(slot: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, wordOf(slot) + STATE, from, to) === from;
  }
}

const wordOf = (slot: number): number => FIRST + slot * WORDS;
