import type { ByteString } from "../../../ffi/bytes.ts";
import { unlinkAt } from "../../../ffi/changes.ts";
import { attempt } from "../../../ffi/error.ts";
import { fstat, type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { lookAtFile } from "../../../ffi/stat-keys.ts";
import { answered } from "../../cli/error.ts";
import type { Original } from "./home-fill.ts";
import type { HomeThread } from "./home-pass.ts";
import { namesOfFiles, walkHome } from "./home-scan.ts";
import type { Seen } from "./home-seen.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { removeTree } from "./remove.ts";
import { type JailRoot, joinPath, withDirectory } from "./walk.ts";

/**
 * Removes a home, at `path` of `root`, that was copied: only what is as it was copied. Throws JailkitError and SystemError
 * as removeTree, for the first thing that stays.
 */
export function removeHome(
  home: Original & { readonly seen: Seen; readonly thread: HomeThread },
  root: JailRoot,
  path: ByteString,
): void {
  const top = fstat(home.fd);
  // What goes wrong there goes wrong below, too, and is reported.
  if (home.thread.isStarted && isStillAt(root, path, top)) answered(() => removeFiles(home, top.mountId));
  removeTree(root, path, top, (stat) => home.seen.mayRemove(stat));
}

function isStillAt(root: JailRoot, path: ByteString, top: Stat): boolean {
  return withDirectory(root, directoryOf(path), (parent) => {
    requireNoHostMount(root, parent, joinPath(parent.path, baseName(path)));
    const there = statIfPresent(parent.fd, baseName(path));
    return there !== undefined && sameFile(there, top);
  });
}

/** Removes the files of a home, in two threads; directories, and what cannot be removed, are left to removeTree. */
function removeFiles({ fd, path, seen, thread }: Parameters<typeof removeHome>[0], mount: bigint): void {
  using pass = thread.begin({ work: "remove", seen: seen.share(), mount });
  walkHome(fd, path, (level) => {
    const from = level.keep();
    pass.share({ from, to: -1, path: level.path }, namesOfFiles(level), {
      own: (name) => attempt(() => removeIfCopied(from, name, seen)),
      told: () => undefined,
    });
  });
  pass.finish();
}

/** Removes a file of a home if it is as it was copied, and tells whether it was. Throws SystemError. */
export function removeIfCopied(from: number, name: ByteString, seen: Seen): boolean {
  if (!lookAtFile(from, name) || !seen.mayRemoveLast()) return false;
  unlinkAt(from, name);
  return true;
}
