import type { ByteString } from "../../../ffi/bytes.ts";
import { answered, isReported, JailkitError } from "../../cli/error.ts";
import { isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import { liveOf } from "../../populate/apply/live.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import type { Change } from "../change.ts";
import { withDue } from "../due.ts";
import { lostWays } from "../list-fixes.ts";
import { requireLivePlace, requireMountPlaces } from "./fillable.ts";

/**
 * All directories of a live jail. What it throws is due to the first one that would not do alone. `others`: jails that are
 * there, or will be.
 */
export function liveDirectories(
  live: readonly ByteString[],
  jail: ByteString,
  others: readonly ByteString[],
): readonly ByteString[] {
  const of = (...some: readonly ByteString[]) =>
    liveOf(some.join(","), fileSystemAt(), jail, others).directories;
  try {
    return of(...live);
  } catch (error) {
    const item = live.find((one) => answered(() => of(one)) === undefined);
    if (!isReported(error)) throw error;
    const isLost = item !== undefined && !isDirectory({ mode: fileSystemAt().lstat(item)?.mode ?? 0 });
    const lost = isLost && new JailkitError("live-source", 1, error.message + lostWays("live"));
    throw withDue(lost || error, { key: "live", item });
  }
}

/** Throws JailkitError for something in a jail that is in the way of live directories. */
export function requirePlaces(
  root: JailRoot | undefined,
  changes: readonly Change[],
  liveOf: (live: readonly ByteString[]) => readonly ByteString[],
): void {
  if (root === undefined) return;
  requireLivePlace(root, changes, liveOf);
  requireMountPlaces(root, changes);
}
