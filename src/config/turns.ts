import type { Remedy } from "../cli/remedy.ts";
import type { Place } from "./model.ts";

// The turn in which a remedy is typed. First what makes the lines those that were counted; then, with 0, what names lines and
// leaves all others where they are; then what names a line and adds some below it; then what names a section; and what needs
// files without errors.
export const ADDS = 1;
export const IN_SECTION = 2;
const APPLIES = 3;

/** The turn of a remedy by its text, and the line that it names, if it adds some. Pure. */
export function turnOfRemedy(remedy: Remedy): { readonly turn: number; readonly line: number } {
  const [adds, line] = /^write in line (\d+) of .*\n.*\n/.exec(remedy) ?? [];
  if (adds !== undefined) return { turn: ADDS, line: Number(line) };
  if (remedy.startsWith("in section [")) return { turn: IN_SECTION, line: 0 };
  return { turn: remedy.startsWith("jailkit apply") ? APPLIES : 0, line: 0 };
}

/** Problems in an order in which all their remedies can be typed: of those that add lines, the last line comes first. Pure. */
export function byTurns<T extends Pick<Place, "line">>(
  problems: readonly T[],
  turn: (problem: T) => number,
): T[] {
  const sorted = problems.map((problem, index) => ({ problem, index, turn: turn(problem) }));
  sorted.sort(
    (a, b) => a.turn - b.turn || (a.turn === ADDS ? b.problem.line - a.problem.line : 0) || a.index - b.index,
  );
  return sorted.map(({ problem }) => problem);
}
