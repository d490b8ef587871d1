import type { ByteString } from "../../../ffi/bytes.ts";
import { LOCK_SH } from "../../../ffi/constants.ts";
import { JailkitError } from "../../cli/error.ts";
import { typed, withAdvice } from "../../cli/remedy.ts";
import { type LeftMove, requireNoRest } from "../../jail/fs/home-moves.ts";
import { forFree } from "../../jail/fs/move-notes.ts";
import { commandAt } from "../../system/exchange.ts";
import { asideCommand } from "../../system/free-name.ts";

/** The homes of which a run has begun to remove what another one, which was killed, has left. */
function begun(): ReadonlySet<ByteString> {
  const homes = new Set<ByteString>();
  forFree(LOCK_SH, (_, { noted: { home, removes } }) => {
    if (removes !== undefined) homes.add(home);
  });
  return homes;
}

/**
 * Throws JailkitError for a home, or the place of a new one, of which a run that was killed has left something that later ones have
 * not removed, with the command that moves it away. What none has tried to remove, the next run does. `left`: see leftMoves.
 */
export function requireNoRestOf(paths: readonly ByteString[], left: readonly LeftMove[]): void {
  const found = left.find(
    ({ home, rest }) => rest !== undefined && [home, rest.path].some((path) => paths.includes(path)),
  );
  if (found?.rest === undefined || !begun().has(found.home)) return;
  const { path } = found.rest;
  try {
    requireNoRest(paths);
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    const advice = commandAt(path, asideCommand(path));
    throw new JailkitError(error.code, 1, withAdvice(error.message, advice), undefined, typed(advice));
  }
}
