import type { ByteString } from "../../../ffi/bytes.ts";
import { EROFS } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { isReadOnly } from "../../system/mounts.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { withTree } from "./look.ts";
import { type Failure, noRoom } from "./no-room.ts";
import { nearestDirectory } from "./safety.ts";
import { hostPath, type JailRoot, release } from "./walk.ts";

/**
 * Throws SystemError EROFS if one of these directories of a jail, or the nearest above it, is on a read-only mount, and
 * JailkitError "host-mount" if it is on a mount of the host's own directories.
 */
export function requireWritable(root: JailRoot, paths: readonly ByteString[]): void {
  for (const path of paths) {
    const directory = nearestDirectory(root, path);
    const closed = isReadOnly(directory.fd);
    release(directory);
    requireNoHostMount(root, directory, path);
    if (closed) throw new SystemError(EROFS, "statfs", hostPath(root, directory.path));
  }
}

/** The same for the host's account files, which usermod(8) and useradd(8) cannot lock then. */
export function requireWritableAccounts(): void {
  withTree((host) => requireWritable(host, ["/etc"]));
}

/**
 * The problem to report before any change if one of these directories of `root`, or the nearest above it, is on a
 * read-only mount; `jail` and `progress` as for noRoom. A path that cannot be walked is skipped: its change will fail.
 */
export function readOnlyProblem(
  root: JailRoot,
  paths: Iterable<ByteString>,
  jail: ByteString,
  progress = "nothing was changed",
): Failure | undefined {
  for (const path of new Set(paths)) {
    try {
      requireWritable(root, [path]);
    } catch (error) {
      const problem = noRoom(error, jail, { left: [], progress });
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}
