/**
 * Signals that ask a program to end: SIGHUP of a terminal that closes, SIGINT of Ctrl-C, SIGTERM of kill(1). They end it
 * at once, but for work that must not be cut short in the middle: that holds them back, asks at places of its own choice
 * whether one came, and tidies up. From source nothing holds them back.
 */
import { CFunction, FFIType, type Pointer, read } from "bun:ffi";
import { guardFunction, signalWord } from "./guard.ts";
import { libc } from "./libc.ts";

const NAMES: Readonly<Record<number, string>> = { 1: "SIGHUP", 2: "SIGINT", 15: "SIGTERM" };

let hold: CallableFunction | undefined;
let depth = 0;

function change(on: boolean): void {
  if (signalWord() === 0) return;
  hold ??= CFunction({ ptr: guardFunction("holdSignals"), args: [FFIType.u64], returns: FFIType.i32 });
  hold?.(on ? 1 : 0);
}

/** The number of the first signal that asked the program to end while they were held back; undefined where none did. */
export function signalThatCame(): number | undefined {
  const word = signalWord();
  // SAFETY: the guard keeps the word, a u32, as long as the process lives.
  const number = word === 0 ? 0 : read.u32(word as Pointer);
  return number === 0 ? undefined : number;
}

/** The name of one of them, as SIGINT. */
export const nameOfSignal = (number: number): string => NAMES[number] ?? `signal ${number}`;

/**
 * Does work that must not be cut short by a signal: one that comes is there for signalThatCame(), and ends nothing.
 * Programs that the work starts get them as usual.
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

/** Ends the process by that signal, as it would have ended had nobody held it back. */
export function endBySignal(number: number): void {
  libc.kill(libc.getpid(), number);
}
