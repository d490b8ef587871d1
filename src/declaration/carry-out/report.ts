import type { Change, Fault, FaultText } from "../change.ts";

/** The end of a change. */
export interface Ended {
  readonly change: Change;
  /** "not-done": something before it failed, or a signal came. */
  readonly status: "done" | "failed" | "not-done";
  /** For what it waits if it is not done, printable; undefined for a signal. */
  readonly waits?: string | undefined;
  /** What was done, printable. */
  readonly steps: readonly string[];
  readonly warnings: readonly string[];
  /** Why it failed. */
  readonly errors: readonly FaultText[];
}

/** Of a change of which there is nothing to say. */
export const NOTHING_SAID = { steps: [], warnings: [], errors: [] };

/** Shows what happens. */
export interface Shown {
  readonly ended: (change: Ended) => void;
  readonly fault: (fault: Fault) => void;
  /** Hears of changes before they are made; for what they wait, printable, or undefined. */
  readonly begins?: (changes: readonly Change[]) => string | undefined;
}
