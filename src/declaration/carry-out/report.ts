import type { Change, Failure, Fault } from "../change.ts";

/** The end of a change. */
export interface Ended {
  readonly change: Change;
  /** "not-done": something before it failed, or a signal came. */
  readonly status: "done" | "failed" | "not-done";
  /** What was done, printable. */
  readonly steps: readonly string[];
  readonly warnings: readonly string[];
  /** Why it failed. */
  readonly errors: readonly Failure[];
}

/** Shows what happens. */
export interface Shown {
  readonly ended: (change: Ended) => void;
  readonly fault: (fault: Fault) => void;
}
