import { describe, expect, test } from "bun:test";
import { type RunOptions, type RunResult, underTest } from "../machine/machine.ts";

/**
 * The result of a case: the same for both implementations, or one for each, and then the difference is deliberate
 * and has its id in docs/differences.md.
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

/** A call of a program: its arguments, what is changed on the machine before it, and what is expected. */
export interface Case extends RunOptions {
  name: string;
  args?: readonly string[];
  before?: () => void;
  is: Expected<Result>;
}

/** Returns a function that makes a test of each case. A case without arguments has the usual ones. */
export function tableOf(
  run: (args: readonly string[], options: RunOptions) => RunResult,
  usual: readonly string[],
): (title: string, cases: readonly Case[]) => void {
  return (title, cases) =>
    describe(title, () => {
      test.each(cases.map((one) => [one.name, one] as const))("%s", (_, one) => {
        const { args = usual, before, is, name: _name, ...options } = one;
        before?.();
        expect(run(args, options)).toMatchObject(expectedOf(is));
      });
    });
}
