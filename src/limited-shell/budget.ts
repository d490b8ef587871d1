import { wordError } from "./refusal.ts";

/** How much one command line may cost. */
export interface Limits {
  /** Words that come out. */
  words: number;
  /** Bytes that all expansions together produce, intermediate results counted too. */
  bytes: number;
  /** Names that are read from directories, and paths that are looked at, for pathname expansion. */
  entries: number;
  /** Steps of the pattern matcher and of the arithmetic. */
  steps: number;
}

/** Generous for people, and spent in well under a second. */
export const DEFAULT_LIMITS: Readonly<Limits> = {
  words: 32_768,
  bytes: 1 << 20,
  entries: 65_536,
  steps: 5_000_000,
};

/** How deep `${...}`, `$((...))`, quotes and parentheses may nest, so that no stack overflows. */
export const MAXIMUM_DEPTH = 64;

/** Counts down what is left; `spend` throws (exit status 6) once a limit is passed. */
export interface Budget {
  spend(what: keyof Limits, amount: number): void;
  /** What is left of `what`. */
  left(what: keyof Limits): number;
}

/** A budget that starts with `limits`. */
export function createBudget(limits: Readonly<Limits> = DEFAULT_LIMITS): Budget {
  const rest = { ...limits };
  return {
    spend(what, amount) {
      rest[what] -= amount;
      if (rest[what] < 0) {
        throw wordError("expansion-too-large", `the expansion needs more than ${limits[what]} ${what}`);
      }
    },
    left: (what) => Math.max(0, rest[what]),
  };
}
