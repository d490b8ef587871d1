import type { ByteString } from "../../../ffi/bytes.ts";
import { JailkitError } from "../../cli/error.ts";
import { typed, withAdvice } from "../../cli/remedy.ts";
import { type LeftMove, requireNoRest } from "../../jail/fs/home-moves.ts";
import { commandAt } from "../../system/exchange.ts";
import { asideCommand } from "../../system/free-name.ts";

/**
 * Throws JailkitError for a home, or the place of a new one, of which a run that was killed has left something that later ones have
 * not removed, with the command that moves it away. What none has tried to remove, the next run does. `left`: see leftMoves.
 */
export function requireNoRestOf(paths: readonly ByteString[], left: readonly LeftMove[]): void {
  const rest = left
    .map((one) => one.rest)
    .find((one) => one?.isTold === true && [one.path, one.to].some((path) => paths.includes(path)));
  if (rest === undefined) return;
  const { path } = rest;
  try {
    requireNoRest(paths);
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    const advice = commandAt(path, asideCommand(path));
    throw new JailkitError(error.code, 1, withAdvice(error.message, advice), undefined, typed(advice));
  }
}
