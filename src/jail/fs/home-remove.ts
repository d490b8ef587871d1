import type { ByteString } from "../../../ffi/bytes.ts";
import { unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, fstat, openAt2, type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { lookAt, lookAtFile } from "../../../ffi/stat-keys.ts";
import { answered } from "../../cli/error.ts";
import type { Original } from "./home-fill.ts";
import type { HomeThread } from "./home-pass.ts";
import { namesOfFiles, WITHIN, walkHome } from "./home-scan.ts";
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
  if (home.thread.isStarted && isStillAt(root, path, top)) answered(() => removeFiles(home));
  removeTree(root, path, top, (stat) => home.seen.mayRemove(stat));
}

function isStillAt(root: JailRoot, path: ByteString, top: Stat): boolean {
  return withDirectory(root, directoryOf(path), (parent) => {
    requireNoHostMount(root, parent, joinPath(parent.path, baseName(path)));
    const there = statIfPresent(parent.fd, baseName(path));
    return there !== undefined && sameFile(there, top);
  });
}

/** Removes the files of a home, in two threads, and empty directories; what cannot be removed is left to removeTree. */
function removeFiles({ fd, path, seen, thread }: Parameters<typeof removeHome>[0]): void {
  using directories = new Directories(fd, seen);
  using pass = thread.begin({ work: "remove", seen: seen.share() });
  walkHome(fd, path, (level) => {
    const from = level.keep();
    pass.share({ from, to: -1, path: level.path }, namesOfFiles(level), {
      own: (name) => attempt(() => removeIfCopied(from, name, seen)),
      told: () => undefined,
      finish: () => directories.remove(level.path),
    });
  });
  pass.finish();
  directories.removeRest();
}

/** Removes the directories of a home, `top`, that are empty, and were copied. */
class Directories implements Disposable {
  /** Those that were not empty yet; a directory comes before those in it, mostly. */
  readonly #rest: ByteString[] = [];
  // Many in a row are in the same one.
  #above: ByteString | undefined;
  #parent = -1;

  constructor(
    private readonly top: number,
    private readonly seen: Seen,
  ) {}

  /** Removes the directory, or notes it for removeRest. */
  remove(path: ByteString): void {
    if (path !== "" && attempt(() => this.#tryToRemove(path)) === undefined) this.#rest.push(path);
  }

  removeRest(): void {
    for (const path of this.#rest.reverse()) attempt(() => this.#tryToRemove(path));
  }

  [Symbol.dispose](): void {
    if (this.#parent >= 0) close(this.#parent);
  }

  #tryToRemove(path: ByteString): true {
    const name = baseName(path);
    const above = path.slice(0, Math.max(0, path.length - name.length - 1));
    if (above !== this.#above) {
      this[Symbol.dispose]();
      this.#above = undefined;
      this.#parent = -1;
      this.#parent = openAt2(this.top, above || ".", C.O_PATH | C.O_DIRECTORY, WITHIN);
      this.#above = above;
    }
    lookAt(this.#parent, name);
    // rmdir(2) removes no file, no mount point, and only an empty directory.
    if (this.seen.mayRemoveLast()) unlinkAt(this.#parent, name, C.AT_REMOVEDIR);
    return true;
  }
}

/** Removes a file of a home if it is as it was copied, and tells whether it was. Throws SystemError. */
export function removeIfCopied(from: number, name: ByteString, seen: Seen): boolean {
  if (!lookAtFile(from, name) || !seen.mayRemoveLast()) return false;
  unlinkAt(from, name);
  return true;
}
