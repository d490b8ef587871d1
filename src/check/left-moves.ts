import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import { composed } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { isGoneName } from "../jail/fs/gone-home.ts";
import { forgetSettled, type LeftMove, leftMoves, mendMoves } from "../jail/fs/home-moves.ts";
import { below } from "../system/mountinfo.ts";
import type { FixOutcome } from "./fix/fix.ts";
import type { CheckFinding } from "./rules.ts";

const FIX = "jk_check --fix";
const KILLED = "a run of jailkit that was killed while it";
const SINCE = "since a run of jailkit was killed";

/** True for a move into one of these jails, or out of it. */
const isOf = ({ home, box, rest }: LeftMove, jails: readonly ByteString[]): boolean => {
  const paths = [home, box?.path, box?.to, rest?.to].filter((path) => path !== undefined);
  return jails.some((jail) => paths.some((path) => below(path, jail) !== undefined));
};

/** The finding about what is left of a move. `jails`: the known ones. */
export function leftMoveFinding(left: LeftMove, jails: readonly ByteString[]): CheckFinding {
  const jail = jails.find((one) => isOf(left, [one]));
  const remedy = jail === undefined ? FIX : composed(`${FIX} ${operands(jail)}`);
  return { rule: "interrupted-move", ...whatIsLeft(left), remedy };
}

function whatIsLeft({ name, home, mode, box, rest }: LeftMove): { path: ByteString; message: string } {
  if (rest !== undefined) {
    const to = display(rest.to);
    const copied = rest.isHome
      ? `, the home of an account, was copied to ${to}, and both are`
      : ` was copied to ${to}, which is ${rest.isThere ? "the home" : "not its copy now"}, and is`;
    return { path: home, message: `${display(home)}${copied} left, whole or in part, ${SINCE}` };
  }
  const left = display(box?.path ?? "");
  if (box?.goes === "place") {
    const message = `${display(box.to)}, the home of ${display(name)}, is in ${left} still, ${SINCE} while it moved it`;
    return { path: box.path, message };
  }
  const closed = `${display(home)} is closed to others since ${KILLED} copied it`;
  if (box === undefined) return { path: home, message: closed };
  if (box.goes === "back")
    return { path: box.path, message: `${display(home)} is in ${left}, ${SINCE} while it moved it` };
  if (isGoneName(baseName(box.path))) {
    const message = `${left} is what is left of ${display(home)}, since a run of jailkit ended while it removed that`;
    return { path: box.path, message };
  }
  if (box.goes === undefined) {
    const message = `${left} was left by ${KILLED} moved ${display(home)}, and may hold the only copy of a home`;
    return { path: box.path, message };
  }
  const part = `${left} was left by ${KILLED} copied ${display(home)}`;
  return mode === undefined
    ? { path: box.path, message: part }
    : { path: home, message: `${closed}, which also left ${left}` };
}

/** The findings about what is left of moves of homes into these jails or out of them, or of all; with `fix`, what was mended of it. */
export function mendedMoves(jails: readonly ByteString[], isAll: boolean, fix: boolean) {
  const found = leftMoves()
    .filter((left) => isAll || isOf(left, jails))
    .map((left) => ({ left, finding: leftMoveFinding(left, jails) }));
  const fixes = fix ? found.flatMap(({ left }) => mended(left)) : [];
  if (fix) forgetSettled();
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
