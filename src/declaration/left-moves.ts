import { leftMoveFinding } from "../check/left-moves.ts";
import { describeError, isReported } from "../cli/error.ts";
import { type LeftMove, leftMoves, mendMoves } from "../jail/fs/home-moves.ts";
import type { Comparison } from "./compare/compare.ts";
import { changesOf } from "./compare/work.ts";

/**
 * Removes, of homes that runs which were killed have copied, what is not the home any more, or yet: it would be in the way of the
 * plan. Returns warnings.
 */
export const finishedMoves = (): string[] =>
  leftMoves().flatMap((left) => (left.rest === undefined ? [] : told(left, mended(left))));

/**
 * Warnings about what runs that were killed have left of moves of homes, but for homes that the plan opens; without `check` it is
 * mended.
 */
export function leftMoveWarnings({ jails }: Pick<Comparison, "jails">, check: boolean): string[] {
  const all = leftMoves();
  if (all.length === 0) return [];
  const opened = new Set(
    jails.flatMap(changesOf).flatMap(({ what, items }) => (what === "home-mode" ? items : [])),
  );
  const others = all.filter(({ home, rest }) => !opened.has(home) && (check || rest === undefined));
  return others.map((left) => told(left, check ? "a run mends that" : mended(left)));
}

const told = (left: LeftMove, end: string): string => `${leftMoveFinding(left, []).message}; ${end}`;

/** What was done, or why nothing was, printable. */
function mended({ home }: LeftMove): string {
  try {
    return mendMoves({ only: home }).join(", ");
  } catch (error) {
    if (!isReported(error)) throw error;
    return describeError(error);
  }
}
