import type { ByteString } from "../../../ffi/bytes.ts";
import { renameAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
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

interface SeenBeforeMove {
  readonly made: Stat;
  readonly present: Stat | undefined;
}

/**
 * Moves `made`, prepared in the jail, to its place beside it by one rename(2); processes with the old file open keep it.
 * "exchange": the two change places (also a directory and a link), and the old one is then at `from`; "new": the place
 * must be free. Returns "kept" if the place is not as it was seen. Throws EPERM if users other than root can change the
 * directory, ESTALE if `made` is no longer at `from`.
 */
export function moveInPlace(
  root: JailRoot,
  from: ByteString,
  to: ByteString,
  how: "replace" | "exchange" | "new",
  seen: SeenBeforeMove,
): Placement {
  const { above, name } = splitPath(root, to);
  const parent = walk(root, above);
  try {
    return moveIn(root, parent, splitPath(root, from).name, name, how, seen);
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
  { made, present }: SeenBeforeMove,
): Placement {
  // Where users can write, they could have exchanged what was prepared.
  if (!parent.trusted) throw new SystemError(C.EPERM, "rename", undefined);
  const there = statIfPresent(parent.fd, name);
  if (!isSame(there, present)) return "kept";
  if (!isSame(statIfPresent(parent.fd, from), made)) throw new SystemError(C.ESTALE, "rename", undefined);
  if (there !== undefined && (isDirectory(there) || isLink(there))) forgetDirectories(root, parent);
  try {
    if (how === "new") renameNew(parent, from, parent, name, isDirectory(made));
    else renameAt(parent.fd, from, parent.fd, name, how === "exchange" ? C.RENAME_EXCHANGE : 0);
  } catch (error) {
    if (how === "new" && isErrno(error, "EEXIST")) return "kept";
    throw error;
  }
  syncDirectory(root, parent);
  return how === "new" ? "created" : "replaced";
}

function isSame(there: Stat | undefined, seen: Stat | undefined): boolean {
  return there === undefined || seen === undefined ? there === seen : sameFile(there, seen);
}
