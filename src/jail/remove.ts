import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import {
  close,
  fstat,
  openAt,
  readDirectory,
  renameAt,
  type Stat,
  sameFile,
  statIfPresent,
  unlinkAt,
} from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { splitPath } from "./look.ts";
import { syncDirectory, temporaryName } from "./place.ts";
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

function inParentIfThere<T>(
  root: JailRoot,
  path: ByteString,
  use: (parent: Directory, name: ByteString) => T,
): T | undefined {
  const { above, name } = splitPath(root, path);
  let parent: Directory;
  try {
    parent = walk(root, above);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    return use(parent, name);
  } catch (error) {
    throw namedError(error, hostPath(root, path));
  } finally {
    release(parent);
  }
}

/**
 * Removes one name from the jail: a file, a link (never what it leads to), a device or an empty directory. False
 * where nothing stands there. `expected`: what was checked, and anything else stays. Throws SystemError ENOTEMPTY for a
 * directory that holds something, JailkitError "exchanged".
 */
export function removePath(root: JailRoot, path: ByteString, expected?: Stat): boolean {
  return (
    inParentIfThere(root, path, (parent, name) => {
      const stat = statIfPresent(parent.fd, name);
      if (stat === undefined) return false;
      if (expected !== undefined && !sameFile(stat, expected)) {
        const message = `${display(hostPath(root, path))}: is another than was looked at, and stays`;
        throw new JailkitError("exchanged", 1, message);
      }
      // What is remembered may lead through it.
      if (isDirectory(stat) || isLink(stat)) forgetDirectories(root, parent);
      unlinkAt(parent.fd, name, isDirectory(stat) ? C.AT_REMOVEDIR : 0);
      syncDirectory(root, parent);
      return true;
    }) ?? false
  );
}

/**
 * Removes a directory and all that is in it, or one name; by descriptor and never through a link. Other file
 * systems are not entered: EBUSY names the mount point. False where nothing stands there.
 */
export function removeTree(root: JailRoot, path: ByteString): boolean {
  return (
    inParentIfThere(root, path, (parent, name) => {
      const stat = statIfPresent(parent.fd, name);
      if (stat === undefined) return false;
      if (isDirectory(stat) || isLink(stat)) forgetDirectories(root, parent);
      if (isDirectory(stat)) emptyDirectory(root, parent, name, joinPath(parent.path, name));
      unlinkAt(parent.fd, name, isDirectory(stat) ? C.AT_REMOVEDIR : 0);
      syncDirectory(root, parent);
      return true;
    }) ?? false
  );
}

// Each level holds a descriptor; what lies deeper is moved up first, for a user may nest as deep as he likes.
const DEPTH_LIMIT = 64;

function openLevel(parentFd: number, name: ByteString, mount: Stat | undefined, path: ByteString): number {
  const fd = openAt(parentFd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK);
  const stat = fstat(fd);
  const same =
    mount === undefined ||
    (stat.mountId === mount.mountId && stat.devMajor === mount.devMajor && stat.devMinor === mount.devMinor);
  if (same) return fd;
  close(fd);
  throw new SystemError(16, "a file system is mounted here; unmount it first", path);
}

function emptyDirectory(root: JailRoot, parent: Directory, name: ByteString, path: ByteString): void {
  const top = openLevel(parent.fd, name, parent.stat, hostPath(root, path));
  const mount = fstat(top);
  const descend = (fd: number, at: ByteString, depth: number): void => {
    for (const entry of readDirectory(fd)) {
      const here = joinPath(at, entry.name);
      try {
        removeEntry(fd, entry.name, here, depth);
      } catch (error) {
        throw namedError(error, hostPath(root, here));
      }
    }
  };
  const removeEntry = (fd: number, entry: ByteString, at: ByteString, depth: number): void => {
    const stat = statIfPresent(fd, entry);
    if (stat === undefined) return;
    if (!isDirectory(stat)) {
      unlinkAt(fd, entry);
      return;
    }
    if (depth >= DEPTH_LIMIT) {
      renameAt(fd, entry, top, temporaryName(), C.RENAME_NOREPLACE);
      return;
    }
    const child = openLevel(fd, entry, mount, hostPath(root, at));
    try {
      descend(child, at, depth + 1);
    } finally {
      close(child);
    }
    unlinkAt(fd, entry, C.AT_REMOVEDIR);
  };
  try {
    // Again for what was moved up; a user who keeps adding files is left with them in the end (ENOTEMPTY).
    for (let round = 0; round < 4096; round++) {
      const before = readDirectory(top).length;
      if (before === 0) return;
      descend(top, path, 0);
    }
  } finally {
    close(top);
  }
}
