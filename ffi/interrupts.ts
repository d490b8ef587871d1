import type { Pointer } from "bun:ffi";
import { SIGHUP, SIGINT, SIGTERM } from "./constants.ts";
import { guardFunction, signalWord } from "./guard.ts";
import { libc } from "./libc.ts";
import { i32, linkSymbols, read, u64 } from "./native.ts";

// Signals that ask a program to end: SIGHUP from a closed terminal, SIGINT from Ctrl-C, SIGTERM from kill(1). They end it
// at once, except during work that must not be interrupted: it holds them back, checks for one between its steps, and
// cleans up. From source nothing holds them back.
const NAMES: Readonly<Record<number, string>> = {
  [SIGHUP]: "SIGHUP",
  [SIGINT]: "SIGINT",
  [SIGTERM]: "SIGTERM",
};

const link = () =>
  linkSymbols({ hold: { ptr: guardFunction("holdSignals"), args: [u64], returns: i32 } }).symbols;
let linked: ReturnType<typeof link> | undefined;
let depth = 0;

function change(on: boolean): void {
  if (signalWord() === 0) return;
  linked ??= link();
  linked.hold(on ? 1 : 0);
}

/** The number of the first signal that arrived while they were held back; undefined if there was none. */
export function receivedSignal(): number | undefined {
  const word = signalWord();
  // SAFETY: the guard keeps the word, a u32, as long as the process lives.
  const number = word === 0 ? 0 : read.u32(word as Pointer);
  return number === 0 ? undefined : number;
}

/** True during work that no signal may interrupt. */
export const holdsSignals = (): boolean => depth > 0 && signalWord() !== 0;

/** The name of a signal, for example SIGINT. */
export const nameOfSignal = (number: number): string => NAMES[number] ?? `signal ${number}`;

/**
 * Does work that no signal may interrupt: receivedSignal() returns one that arrives. Programs that the work starts get
 * signals as usual.
 */
export function holdingSignals<T>(work: () => T): T {
  if (depth++ === 0) change(true);
  const end = () => {
    if (--depth === 0) change(false);
  };
  let result: T;
  try {
    result = work();
  } catch (error) {
    end();
    throw error;
  }
  if (result instanceof Promise) return result.finally(end) as T;
  end();
  return result;
}

/**
 * Ends the process by a signal that was held back. With raise(3): under a tracer, another thread may take a signal of kill(2)
 * later than this one goes on, and ends with an ordinary exit status.
 */
export function endBySignal(number: number): void {
  libc.raise(number);
}
