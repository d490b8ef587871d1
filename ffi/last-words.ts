import type { Pointer } from "bun:ffi";
import { type ByteString, toBytes } from "./bytes.ts";
import { SIGHUP, SIGINT, SIGTERM } from "./constants.ts";
import { signalWord } from "./guard.ts";
import { addressOf, libc, u32At } from "./libc.ts";
import { toBuffer } from "./native.ts";
import { doAroundLookUps, yieldToOthers } from "./waiting.ts";

// A signal that is held back (ffi/interrupts.ts) is seen between the steps of the work, and a look-up of the C library may
// wait for a server for minutes. While nothing is changed yet, the guard may end the process in the middle of one, with a line
// that was prepared before: see ffi/guard/interrupts.c.

const SIGNALS = [SIGHUP, SIGINT, SIGTERM];

// struct last_words of ffi/guard/guard.h: a phase, a descriptor, a length for each signal, and the bytes for each
const HEAD = 8 + 4 * SIGNALS.length;
const LONGEST = 4096;
/** Where the guard has the address of it, after its word for signals. */
const OF_GUARD = 16;
// The phases.
const HELD = 0;
const MAY_END = 1;

class LastWords {
  readonly #words = new Uint8Array(HEAD + LONGEST * SIGNALS.length);
  readonly #head = new Int32Array(this.#words.buffer, 0, HEAD / 4);

  constructor(fd: number, lineOf: (signal: number) => ByteString) {
    this.#head[1] = fd;
    for (const [index, signal] of SIGNALS.entries()) {
      const line = toBytes(lineOf(signal)).subarray(0, LONGEST);
      this.#words.set(line, HEAD + LONGEST * index);
      this.#head[2 + index] = line.length;
    }
    // SAFETY: the guard has a page there, which is its to change and ours; this object, which is never dropped, keeps the words.
    const place = toBuffer(signalWord() as Pointer, OF_GUARD, 8);
    place.writeBigUInt64LE(BigInt(addressOf(this.#words)));
  }

  begin(): void {
    Atomics.store(this.#head, 0, MAY_END);
    // One that came before, between two steps.
    const signal = u32At(signalWord(), 0);
    if (signal !== 0) libc.kill(libc.getpid(), signal);
  }

  end(): void {
    // The signal ends the process now, and nothing may be begun.
    while (Atomics.compareExchange(this.#head, 0, MAY_END, HELD) !== MAY_END) yieldToOthers();
  }
}

// The guard has its address.
let words: LastWords | undefined;

/**
 * From now on a signal that is held back ends the process at once if it comes during a look-up of the C library, and its line is
 * written to `fd`: until waitInLookUps is called. Nothing happens in privileged programs, or when run from source.
 */
export function endInLookUps(fd: number, lineOf: (signal: number) => ByteString): void {
  if (signalWord() === 0) return;
  words ??= new LastWords(fd, lineOf);
  doAroundLookUps(words);
}

/** From now on signals wait for the end of a look-up again: something is changed. */
export const waitInLookUps = (): void => doAroundLookUps(undefined);
