import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { sameFile, statIfPresent } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { interrupted, noRoom } from "../../jail/fs/no-room.ts";
import { hostPath, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { removePath } from "../../jail/fs/write.ts";
import { problemAt } from "../../populate/reporter.ts";
import type { ApplyEvents } from "../events.ts";
import type { Removal } from "../plan/compare.ts";

interface Removed {
  readonly removed: readonly ByteString[];
  readonly incomplete: boolean;
  /** The disk is full or read-only, or a signal came, and the rest was not tried. */
  readonly stopped: boolean;
}

/** Removes files of a jail, never through a symbolic link. A directory that is not empty stays. */
export function applyRemovals(
  root: JailRoot,
  removals: readonly Removal[],
  events: Pick<ApplyEvents, "removed" | "failed">,
): Removed {
  const removed: ByteString[] = [];
  let incomplete = false;
  for (const removal of removals) {
    const { path } = removal;
    const progress = `${removed.length} of ${removals.length} are removed`;
    const stop = interrupted(root.path, progress);
    if (stop !== undefined) {
      events.failed(stop);
      return { removed, incomplete: true, stopped: true };
    }
    try {
      if (!isReallyAt(root, path)) continue;
      if (removePath(root, path, removal.seen)) events.removed(removal);
      removed.push(path);
    } catch (error) {
      if (removal.type === "directory" && isErrno(error, "ENOTEMPTY", "EEXIST")) continue;
      incomplete = true;
      const full = noRoom(error, root.path, { left: [], progress });
      events.failed(full ?? problemAt(root.path + path, error, "cannot-remove"));
      if (full !== undefined) return { removed, incomplete, stopped: true };
    }
  }
  return { removed, incomplete, stopped: false };
}

/**
 * False if the directory of a path is now reached through a symbolic link, so that another file is there. Throws
 * JailkitError if it is a directory of the host that is mounted in the jail.
 */
function isReallyAt(root: JailRoot, path: ByteString): boolean {
  const above = directoryOf(path);
  try {
    const { same, isHosts } = withDirectory(root, above, (directory) => {
      const hosts = statIfPresent(AT_FDCWD, above, true);
      const isHosts = hosts !== undefined && sameFile(hosts, directory.stat);
      return { same: directory.path === above, isHosts };
    });
    if (!isHosts) return same;
    const message = `${display(hostPath(root, above))} is the host's own ${display(above)}: unmount it first`;
    throw new JailkitError("host-directory", 1, message);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}
