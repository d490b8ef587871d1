import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { type Directory, type JailRoot, joinPath, walk } from "./walk.ts";

/** A directory of a tree. */
interface Nearest {
  readonly directory: Directory;
  /** The first path below it that does not exist. */
  readonly missing: ByteString | undefined;
}

/**
 * Opens the directory at `path` of a tree, or if it is missing the nearest one above, also above the target of a symbolic
 * link. Pass it to release.
 */
export function nearest(root: JailRoot, path: ByteString): Nearest {
  let missing: ByteString | undefined;
  for (let at = path; ; ) {
    let above: ByteString | undefined;
    try {
      const directory = walk(root, at, (parent, name) => {
        above = parent.path;
        missing = joinPath(above, name);
        throw new SystemError(C.ENOENT, "open", undefined);
      });
      return { directory, missing };
    } catch (error) {
      if (above === undefined) throw error;
      at = above;
    }
  }
}

/** The directory alone: see nearest. */
export const nearestDirectory = (root: JailRoot, path: ByteString): Directory =>
  nearest(root, path).directory;
