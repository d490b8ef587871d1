import type { JailRoot } from "../../jail/fs/walk.ts";
import { jailIdOf, samenessOf } from "../ids.ts";
import type { OnceJail } from "../once-shape.ts";
import type { JailOnce, JailState } from "./jail-state.ts";

/** Which directory a jail is, and what was declared of that once; of another one, what that has left in fstab(5). */
export function whichJail(
  root: JailRoot | undefined,
  once: OnceJail | undefined,
  { leftMounts }: Pick<JailState, "leftMounts">,
): { directoryId: OnceJail["directoryId"]; once: JailOnce | undefined } {
  const directoryId = root && jailIdOf(root);
  if (samenessOf(once?.directoryId, directoryId) !== "other") return { directoryId, once };
  const live = once?.live.filter((directory) => leftMounts.includes(directory)) ?? [];
  const left = { sections: [], files: [], live, logSocket: false, proc: false };
  return { directoryId, once: live.length === 0 ? undefined : left };
}
