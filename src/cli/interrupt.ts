import type { ByteString } from "../../ffi/bytes.ts";
import { endBySignal, nameOfSignal, receivedSignal } from "../../ffi/interrupts.ts";
import { endInLookUps } from "../../ffi/last-words.ts";
import { JailkitError } from "./error.ts";
import { printError } from "./output.ts";

let reported = false;

/**
 * The error "interrupted" for a signal that holdingSignals() held back, with the exit status that a shell shows;
 * undefined where no signal came. `how`: how far the work came, and what to do. The caller must stop.
 */
export function interruption(how: string): JailkitError | undefined {
  const signal = receivedSignal();
  if (signal === undefined) return undefined;
  reported = true;
  return interrupted(signal, how);
}

/**
 * Lets a signal that is held back end the process at once if it comes during a look-up of an account, which may wait for
 * minutes, until waitInLookUps: `how` as for interruption(). `lineOf`: what is printed on `fd`, for the error.
 */
export function endInLookUpsWith(
  how: string,
  fd: number,
  lineOf: (error: JailkitError, signal: (typeof SIGNAL_STATUSES)[number]) => ByteString,
): void {
  endInLookUps(fd, (signal) => {
    const status = SIGNAL_STATUSES.find((one) => one - 128 === signal) ?? 130;
    return lineOf(interrupted(signal, how), status);
  });
}

const interrupted = (signal: number, how: string) =>
  new JailkitError("interrupted", 128 + signal, `interrupted by ${nameOfSignal(signal)} (${how})`);

/** Throws the error of interruption(), if there is one. */
export function stopIfInterrupted(how: string): void {
  const stop = interruption(how);
  if (stop !== undefined) throw stop;
}

/** What a shell shows of a program that SIGHUP, SIGINT or SIGTERM ended. */
export const SIGNAL_STATUSES = [129, 130, 143] as const;

/** The exit status for a report: that of the signal, if one came. */
export function statusAfterSignals<T extends number>(status: T): T | (typeof SIGNAL_STATUSES)[number] {
  const signal = receivedSignal();
  return SIGNAL_STATUSES.find((one) => one - 128 === signal) ?? status;
}

/** Ends the process by the signal that came, if one did, so that a script that waits for it ends too. */
export function endIfInterrupted(name: string): void {
  const signal = receivedSignal();
  if (signal === undefined) return;
  if (!reported) printError(`${name}: interrupted by ${nameOfSignal(signal)}, when the work was done`);
  endBySignal(signal);
}
