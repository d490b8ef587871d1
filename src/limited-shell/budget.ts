import { WordError } from "./refusal.ts";

/** The limits of one command line: generous for people, and used up in well under a second. */
export const DEFAULT_LIMITS = {
  /** Words of the result. */
  words: 32_768,
  /** Bytes of all expansions together, with intermediate results. */
  bytes: 1 << 20,
  /** Names read from directories, and paths examined, for pathname expansion; each `~user` counts as 256. */
  entries: 65_536,
  /** Steps of the matcher of patterns, for words and for commands, and of the arithmetic. */
  steps: 5_000_000,
};

/** Numbers for each kind of limit. */
export type Limits = typeof DEFAULT_LIMITS;

/** The nesting limit of `${...}`, `$((...))`, quotes and parentheses, so that no stack overflows. */
export const MAXIMUM_DEPTH = 64;

/** Counts down. `spend` throws (exit status 6) once a limit is passed. */
export interface Budget {
  spend(what: keyof Limits, amount: number): void;
  left(what: keyof Limits): number;
}

/** A budget that starts with `limits`. `subject`: what uses it up, for the message. */
export function createBudget(limits: Readonly<Limits> = DEFAULT_LIMITS, subject = "the expansion"): Budget {
  const rest = { ...limits };
  return {
    spend(what, amount) {
      rest[what] -= amount;
      if (rest[what] < 0) {
        throw new WordError("expansion-too-large", `${subject} needs more than ${limits[what]} ${what}`);
      }
    },
    left: (what) => Math.max(0, rest[what]),
  };
}
