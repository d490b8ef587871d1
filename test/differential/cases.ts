import { underTest } from "../machine/machine.ts";

/**
 * What a case leads to: the same for both implementations, or one result each, and then the difference is deliberate
 * and stands under its id in docs/differences.md.
 */
export type Expected<T> = T | Different<T>;

interface Different<T> {
  debian: T;
  ours: T;
  difference: string;
}

/** What the implementation under test is expected to do. */
export function expectedOf<T extends object | string | number>(expected: Expected<T>): T {
  return isDifferent(expected) ? expected[underTest] : expected;
}

function isDifferent<T extends object | string | number>(expected: Expected<T>): expected is Different<T> {
  return typeof expected === "object" && "difference" in expected;
}

/** A result for `toMatchObject`: the exit status, and what was written where that matters. */
export interface Result {
  status: number;
  stdout?: string;
  stderr?: string;
}

/** Status 0 and this output. */
export const prints = (stdout: string): Result => ({ status: 0, stdout });

/** This status, and nothing on standard output. */
export const ends = (status: number): Result => ({ status, stdout: "" });
