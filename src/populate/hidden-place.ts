import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered, type JailkitError, problemFrom } from "../cli/error.ts";
import { coveredPlace } from "../jail/fs/covered.ts";
import { unmountedAt, unmountedPlace } from "../jail/fs/unmounted.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { isEmptied, unmountedUnrecorded } from "../jail/record/emptied.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { below } from "../system/mountinfo.ts";
import { directoriesInFstab } from "./apply/live-lines.ts";
import type { PopulateProblem } from "./entry.ts";
import { asksForFiles } from "./record/requests.ts";

/**
 * Throws JailkitError "not-mounted" for an open jail of which nothing is there, since its file system is not mounted: the next
 * mount would hide what comes into the directory below. Another problem of its record is told by whoever needs that.
 */
export function requireMountedJail(root: JailRoot): void {
  const error = unmountedAt(root.path);
  if (error === undefined) return;
  const isThere = answered(() => {
    const { content } = openManifest(root);
    return content.requests.some(asksForFiles)
      ? !isEmptied(root, content)
      : unmountedUnrecorded(root) === undefined;
  });
  if (isThere === false) throw error;
}

/** The same error for paths of a jail that are created or replaced, one of them where a mount would hide it; undefined if none is. */
export function hiddenPlace(jail: ByteString, paths: Iterable<ByteString>): JailkitError | undefined {
  const directories = [...new Set([...paths].map(directoryOf))];
  if (directories.length === 0) return undefined;
  // The lines of directories that were live go before.
  const live = directoriesInFstab(jail);
  const others = directories.filter((path) => !live.some((one) => below(path, one) !== undefined));
  return unmountedPlace({ path: jail }, others);
}

/**
 * The error for recorded paths of an open jail at which nothing is now, if one of them may be there all the same: on a file system
 * that is not mounted, or below another one. Undefined if they are gone.
 */
export const hiddenFile = (root: JailRoot, paths: readonly ByteString[]): JailkitError | undefined =>
  paths.length === 0 ? undefined : (hiddenPlace(root.path, paths) ?? coveredPlace(root, paths));

/** As hiddenPlace, as the problem of a run. */
export function hiddenProblem(jail: ByteString, paths: Iterable<ByteString>): PopulateProblem | undefined {
  const hidden = hiddenPlace(jail, paths);
  return hidden && problemFrom(hidden, "not-mounted", jail);
}
