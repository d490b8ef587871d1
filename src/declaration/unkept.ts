import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { withTree } from "../jail/fs/look.ts";
import { fullProblem, noRoom } from "../jail/fs/no-room.ts";
import { heldPlace, readOnlyProblem } from "../jail/fs/writable.ts";
import { STATE_DIRECTORY } from "../jail/record/state-directory.ts";
import { type FaultText, faultText } from "./change.ts";
import type { Comparison } from "./compare/compare.ts";
import type { Remembered } from "./keep.ts";
import { ONCE_FILE, UNKEPT } from "./once.ts";
import { requireRoom } from "./once-full.ts";

// What is given, and cannot be written down, would be nobody's later: --prune would not take it back. So it waits.

/** Why what is declared cannot be kept, if that is certain before any change, and anything has to be. */
export async function whyUnkept(
  remembered: Remembered,
  compared: Comparison,
): Promise<FaultText | undefined> {
  const size = statIfPresent(AT_FDCWD, ONCE_FILE)?.size ?? 1;
  const problem = withTree((tree) => {
    const held = heldPlace(tree, [STATE_DIRECTORY], [ONCE_FILE]);
    return (
      readOnlyProblem(tree, [STATE_DIRECTORY], STATE_DIRECTORY, UNKEPT) ??
      (held && faultText(held)) ??
      fullProblem(tree, STATE_DIRECTORY, size, UNKEPT)
    );
  });
  const { memoryOf, mustKeep } = await import("./keep.ts");
  try {
    if (problem === undefined)
      requireRoom(remembered, { ...compared, all: memoryOf(remembered, compared).all() });
    else if (mustKeep(remembered, compared)) return problem;
    return undefined;
  } catch (error) {
    return faultText(error);
  }
}

/** The same for an error of writing it. */
export const unkeptBy = (error: unknown): FaultText =>
  noRoom(error, STATE_DIRECTORY, { left: [], progress: UNKEPT }) ?? faultText(error);

/**
 * What has to be forgotten is not removed then, unless there is no room: users may have brought that about, and less makes room.
 */
export const isRemoved = (unkept: FaultText | undefined): boolean =>
  unkept === undefined || unkept.code === "no-room" || unkept.code === "state-full";
