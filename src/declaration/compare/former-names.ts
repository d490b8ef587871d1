import type { ByteString } from "../../../ffi/bytes.ts";
import { comesWith, LIVE_SECTION } from "../../populate/apply/live.ts";
import { below } from "../../system/mountinfo.ts";
import type { JailOnce, JailState } from "./jail-state.ts";

/** Those of some names that are not among others. Pure. */
export const without = (some: readonly ByteString[], others: readonly ByteString[]) =>
  some.filter((one) => !others.includes(one));

/**
 * The live directories that were declared once and not any more: those that are in the record, and those that an earlier run
 * has taken out, without an end. If the jail is gone, it begins anew without them.
 */
export function formerLive(
  live: readonly ByteString[],
  state: JailState,
  once: JailOnce | undefined,
  isGone: boolean,
) {
  const recorded = [...state.live];
  const names = (once?.live ?? []).filter((directory) => !live.includes(directory));
  const former = without(comesWith(recorded, names), comesWith(recorded, live));
  // It is to go still.
  const isLeft = (directory: ByteString) => state.leftMounts.includes(directory);
  const isShown = (directory: ByteString) => recorded.some((one) => below(directory, one) !== undefined);
  return {
    former,
    taken: names.filter((directory) => (isGone || !isShown(directory)) && !isLeft(directory)),
  };
}

interface FormerOf extends Readonly<Record<"leaves" | "taken", readonly ByteString[]>> {
  readonly once: JailOnce | undefined;
  readonly prune: boolean;
}

/**
 * The sections and files that were declared once, are there, and go. `leaves`, `taken`: live directories that go now, and that an
 * earlier run has taken out.
 */
export function formerNames(
  { sections, files, live }: Readonly<Record<"sections" | "files" | "live", readonly ByteString[]>>,
  state: JailState,
  { once, prune, leaves, taken }: FormerOf,
) {
  if (!prune) return { sections: [], files: [] };
  // The last one may have gone in a run that was refused others.
  const isLastLive = leaves.length + taken.length > 0 && leaves.length === state.live.size;
  // It came with the live directories.
  const ours = isLastLive ? [...(once?.sections ?? []), LIVE_SECTION] : (once?.sections ?? []);
  const whole = live.length === 0 ? sections : [...sections, LIVE_SECTION];
  return {
    sections: ours.filter((name) => state.sections.has(name) && !whole.includes(name)),
    files: (once?.files ?? []).filter((name) => state.files.has(name) && !files.includes(name)),
  };
}
