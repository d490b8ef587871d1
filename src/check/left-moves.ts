import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import { composed } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { type LeftMove, leftMoves, leftPaths, mendMoves } from "../jail/fs/home-moves.ts";
import { below } from "../system/mountinfo.ts";
import type { FixOutcome } from "./fix/fix.ts";
import type { CheckFinding } from "./rules.ts";

const FIX = "jk_check --fix";
const KILLED = "a run of jailkit that was killed while it copied";

/** True for a move into one of these jails, or out of it. */
const isOf = (left: LeftMove, jails: readonly ByteString[]): boolean => {
  const paths = [left.home, ...leftPaths(left), ...(left.rest === undefined ? [] : [left.rest.kept.path])];
  return jails.some((jail) => paths.some((path) => below(path, jail) !== undefined));
};

/** The finding about what is left of a move. `jails`: the known ones. */
export function leftMoveFinding(left: LeftMove, jails: readonly ByteString[]): CheckFinding {
  const jail = jails.find((one) => isOf(left, [one]));
  const remedy = jail === undefined ? FIX : composed(`${FIX} ${operands(jail)}`);
  return { rule: "interrupted-move", ...whatIsLeft(left), remedy };
}

function whatIsLeft({ home, mode, copy, rest }: LeftMove): { path: ByteString; message: string } {
  if (rest !== undefined) {
    const [path, kept] = [display(rest.path), display(rest.kept.path)];
    const what = rest.which === "home" ? "was copied to" : "is a copy of";
    const message = `${path} ${what} ${kept}, which is the home, and is left, whole or in part, since a run of jailkit was killed`;
    return { path: rest.path, message };
  }
  const left = copy === undefined ? "" : display(copy);
  const closed = `${display(home)} is closed to others since ${KILLED} it`;
  const part = `${left} was left by ${KILLED} ${display(home)}`;
  const message = mode === undefined ? part : left === "" ? closed : `${closed}, which also left ${left}`;
  return { path: mode === undefined ? (copy ?? home) : home, message };
}

/** The findings about what is left of moves of homes into these jails or out of them, or of all; with `fix`, what was mended of it. */
export function mendedMoves(jails: readonly ByteString[], isAll: boolean, fix: boolean) {
  const found = leftMoves()
    .filter((left) => isAll || isOf(left, jails))
    .map((left) => ({ left, finding: leftMoveFinding(left, jails) }));
  const fixes = fix ? found.flatMap(({ left }) => mended(left)) : [];
  const now = new Set((fix ? leftMoves() : []).map(({ home }) => home));
  const gone = found.filter(({ left }) => fix && !now.has(left.home));
  return {
    findings: found.map(({ finding }) => finding),
    fixes,
    fixed: new Set(gone.map(({ finding }) => finding)),
  };
}

function mended({ home }: LeftMove): FixOutcome[] {
  const outcome = (done: boolean, message: string): FixOutcome => ({ done, path: home, message });
  try {
    return mendMoves({ only: home }).map((step) => outcome(true, step));
  } catch (error) {
    if (!isReported(error)) throw error;
    return [outcome(false, `${display(home)}: ${describeError(error)}`)];
  }
}
