import { endBySignal, nameOfSignal, signalThatCame } from "../../ffi/interrupts.ts";
import { JailkitError } from "./error.ts";
import { printError } from "./output.ts";

let reported = false;

/**
 * The error "interrupted" for a signal that holdingSignals() held back, with the exit status that a shell shows;
 * undefined where no signal came. `how`: how far the work came, and what to do. The caller must stop.
 */
export function interruption(how: string): JailkitError | undefined {
  const signal = signalThatCame();
  if (signal === undefined) return undefined;
  reported = true;
  return new JailkitError("interrupted", 128 + signal, `interrupted by ${nameOfSignal(signal)} (${how})`);
}

/** Throws the error of interruption(), if there is one. */
export function stopIfInterrupted(how: string): void {
  const stop = interruption(how);
  if (stop !== undefined) throw stop;
}

/** The exit status in a report: that of the signal, if one came. */
export function statusAfterSignals(status: number): number {
  const signal = signalThatCame();
  return signal === undefined ? status : 128 + signal;
}

/** Ends the process by the signal that came, if one did, so that a script that waits for it ends too. */
export function endIfInterrupted(name: string): void {
  const signal = signalThatCame();
  if (signal === undefined) return;
  if (!reported) printError(`${name}: interrupted by ${nameOfSignal(signal)}, when the work was done`);
  endBySignal(signal);
}
