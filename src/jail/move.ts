import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { renameAt, statIfPresent } from "../../ffi/files.ts";
import { splitPath } from "./look.ts";
import { type Placement, renameNew, syncDirectory } from "./place.ts";
import {
  type Directory,
  forgetDirectories,
  hostPath,
  isDirectory,
  isLink,
  type JailRoot,
  joinPath,
  namedError,
  release,
  walk,
} from "./walk.ts";

/**
 * Moves something that was made ready in the jail to its place beside it, by one rename(2): what has the old one open
 * keeps it. "exchange": both change places, also a directory and a link, and the old one then stands at `from`;
 * "new": nothing stands there, and "kept" is the answer where something does after all. The directory must be one
 * that nobody but root can change (EPERM).
 */
export function moveInPlace(
  root: JailRoot,
  from: ByteString,
  to: ByteString,
  how: "replace" | "exchange" | "new",
): Placement {
  const { above, name } = splitPath(root, to);
  const parent = walk(root, above);
  try {
    return moveIn(root, parent, splitPath(root, from).name, name, how);
  } catch (error) {
    throw namedError(error, hostPath(root, joinPath(parent.path, name)));
  } finally {
    release(parent);
  }
}

function moveIn(
  root: JailRoot,
  parent: Directory,
  from: ByteString,
  name: ByteString,
  how: "replace" | "exchange" | "new",
): Placement {
  // Where users can write, what was made ready may be another thing by now.
  if (!parent.trusted) throw new SystemError(1, "rename", undefined);
  const there = statIfPresent(parent.fd, name);
  if (how === "new" && there !== undefined) return "kept";
  if (there !== undefined && (isDirectory(there) || isLink(there))) forgetDirectories(root, parent);
  const made = statIfPresent(parent.fd, from);
  try {
    if (how === "new") renameNew(parent, from, parent, name, made !== undefined && isDirectory(made));
    else renameAt(parent.fd, from, parent.fd, name, how === "exchange" ? C.RENAME_EXCHANGE : 0);
  } catch (error) {
    if (how === "new" && isErrno(error, "EEXIST")) return "kept";
    throw error;
  }
  syncDirectory(root, parent);
  return how === "new" ? "created" : "replaced";
}
