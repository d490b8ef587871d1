import { leftMoveFinding } from "../check/left-moves.ts";
import { display } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import { type LeftMove, leftMoves, mendMoves } from "../jail/fs/home-moves.ts";
import type { Comparison } from "./compare/compare.ts";
import { changesOf } from "./compare/work.ts";

/** True for what would be in the way of a plan, but for what a run that opens a home removes. */
const isInTheWay = ({ rest, box }: LeftMove): boolean =>
  rest !== undefined || (box !== undefined && box.goes !== "remove");

/**
 * Brings homes to their places that runs which were killed were moving, and removes what is left of copies, and of homes that were
 * copied: it would be in the way of the plan. Returns warnings, and what there is then of moves.
 */
export function finishedMoves(): { readonly warnings: string[]; readonly left: readonly LeftMove[] } {
  const all = leftMoves();
  const warnings = all.flatMap((left) => (isInTheWay(left) ? told(left, mended(left)) : []));
  return { warnings, left: warnings.length === 0 ? all : leftMoves() };
}

/**
 * Warnings about what runs that were killed have left of moves of homes, but for homes that the plan opens; without `check` it is
 * mended.
 */
export function leftMoveWarnings(
  { jails }: Pick<Comparison, "jails">,
  all: readonly LeftMove[],
  check: boolean,
): string[] {
  if (all.length === 0) return [];
  const opened = new Set(
    jails.flatMap(changesOf).flatMap(({ what, items }) => (what === "home-mode" ? items : [])),
  );
  const others = all.filter((left) => !opened.has(left.home) && (check || !isInTheWay(left)));
  return others.map((left) => told(left, check ? willMend(left) : mended(left)));
}

const told = (left: LeftMove, end: string): string => `${leftMoveFinding(left, []).message}; ${end}`;

/** What a run does, printable. */
function willMend({ home, rest, box }: LeftMove): string {
  const isKnown =
    rest === undefined
      ? box?.goes !== undefined || box === undefined
      : rest.isThere && !rest.isHome && !rest.isTold;
  return isKnown
    ? "a run mends that"
    : `compare them: ${display(home)} stays as it is until one of them is moved away`;
}

/** What was done, or why nothing was, printable. */
function mended({ home }: LeftMove): string {
  try {
    // A look before this one may have mended it.
    return mendMoves({ only: home }).join(", ") || "that is mended, or another run does it";
  } catch (error) {
    if (!isReported(error)) throw error;
    return describeError(error);
  }
}
