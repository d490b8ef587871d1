import type { ByteString } from "../../../ffi/bytes.ts";
import { unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { type Stat, sameFile, statAt, statIfPresent } from "../../../ffi/files.ts";
import { exchanged } from "./attributes.ts";
import { type Among, emptyDirectory, type Watch, type Within } from "./empty.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { splitPath } from "./look.ts";
import { renameNew, stageFor, syncDirectory, withTemporaryName } from "./place.ts";
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
 * Removes one name from the jail if it is still the file `seen`: a file, a symbolic link (not its target), a device or an
 * empty directory. False if it does not exist. Throws JailkitError "exchanged", SystemError ENOTEMPTY.
 */
export const removePath = (root: JailRoot, path: ByteString, seen: Stat): boolean =>
  removeSeen(root, path, seen);

/**
 * Removes a name, and for a directory all that is in it, if it is still the file `seen`; by descriptor, never through a
 * symbolic link. (A caller with an open descriptor of it makes sure that its inode is not used again.) With `among`, only
 * files that it accepts are removed: another one stays, and throws JailkitError "appeared". Without, each directory becomes
 * root's alone before it is emptied, so that nobody can fill it meanwhile. Does not enter other file systems: EBUSY with the
 * mount point. False if it does not exist. Throws JailkitError "exchanged".
 */
export function removeTree(
  root: JailRoot,
  path: ByteString,
  seen: Stat,
  among?: Among,
  watch: Watch = {},
): boolean {
  return removeSeen(root, path, seen, { among: among ?? "all", watch });
}

/** Identifies a file that was looked at. */
type Seen = Pick<Stat, "mode" | "devMajor" | "devMinor" | "ino" | "size" | "mtime">;

/**
 * For `among` of removeTree: accepts the files in `all`, if size and time are unchanged. Another file may have got the
 * inode of one of them.
 */
export function isOneOf(all: Iterable<Seen>): (stat: Stat) => boolean {
  const key = ({ mode, devMajor, devMinor, ino, size, mtime }: Seen) => {
    // Size and time of a directory change while it is emptied.
    const content = (mode & C.S_IFMT) === C.S_IFDIR ? "" : `${size}:${mtime}`;
    return `${devMajor}:${devMinor}:${ino}:${content}`;
  };
  const keys = new Set(Array.from(all, key));
  return (stat) => keys.has(key(stat));
}

function removeSeen(root: JailRoot, path: ByteString, seen: Stat, within?: Within): boolean {
  const { above, name } = splitPath(root, path);
  let parent: Directory;
  try {
    parent = walk(root, above);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
  try {
    const stat = statIfPresent(parent.fd, name);
    if (stat === undefined) return false;
    if (!sameFile(stat, seen)) throw exchanged(hostPath(root, path));
    requireNoHostMount(root, parent, joinPath(parent.path, name));
    // A remembered path may lead through it.
    if (isDirectory(stat) || isLink(stat)) forgetDirectories(root, parent);
    if (!isDirectory(stat)) removeFile(root, parent, name, seen);
    else {
      if (within !== undefined) emptyDirectory(root, parent, name, seen, within);
      // If another file has the name by now: rmdir(2) removes only an empty directory.
      unlinkAt(parent.fd, name, C.AT_REMOVEDIR);
    }
    syncDirectory(root, parent);
    return true;
  } catch (error) {
    throw namedError(error, hostPath(root, path));
  } finally {
    release(parent);
  }
}

/**
 * Where users can write, they could exchange the name after any check. So the file is moved to a trusted directory and
 * checked there. If there is none on the mount, a user who could exchange the file could also have removed it.
 */
function removeFile(root: JailRoot, parent: Directory, name: ByteString, seen: Stat): void {
  const stage = stageFor(root, parent);
  if (stage === parent) {
    unlinkAt(parent.fd, name);
    return;
  }
  const aside = withTemporaryName((candidate) => renameNew(parent, name, stage, candidate));
  const moved = statAt(stage.fd, aside);
  if (sameFile(moved, seen)) {
    unlinkAt(stage.fd, aside);
    return;
  }
  const back = (to: ByteString) => renameNew(stage, aside, parent, to, isDirectory(moved));
  try {
    back(name);
  } catch {
    // Its old name is taken.
    withTemporaryName(back);
  }
  throw exchanged(hostPath(root, joinPath(parent.path, name)));
}
