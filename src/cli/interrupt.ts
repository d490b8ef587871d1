import { endBySignal, nameOfSignal, signalThatCame } from "../../ffi/interrupts.ts";
import { JailkitError } from "./error.ts";
import { printError } from "./output.ts";

let told = false;

/**
 * What to tell where a signal asked for the end while holdingSignals() held it back: `how` far the work came, and what to do.
 * The code is "interrupted", the exit status that which a shell shows. Undefined where none came. Whoever calls this stops.
 */
export function interruption(how: string): JailkitError | undefined {
  const signal = signalThatCame();
  if (signal === undefined) return undefined;
  told = true;
  return new JailkitError("interrupted", 128 + signal, `interrupted by ${nameOfSignal(signal)} (${how})`);
}

/** Throws what interruption() makes, where there is one. */
export function stopIfInterrupted(how: string): void {
  const stop = interruption(how);
  if (stop !== undefined) throw stop;
}

/** The exit status as a report shows it: that of the signal where one came. */
export function statusAfterSignals(status: number): number {
  const signal = signalThatCame();
  return signal === undefined ? status : 128 + signal;
}

/** Ends the process by the signal that came, if one did, so that a script that waits for it ends too. */
export function endIfInterrupted(name: string): void {
  const signal = signalThatCame();
  if (signal === undefined) return;
  if (!told) printError(`${name}: interrupted by ${nameOfSignal(signal)}, when the work was done`);
  endBySignal(signal);
}
