import type { ByteString } from "../../../ffi/bytes.ts";
import { renameAt, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import {
  close,
  fstat,
  openAt,
  readDirectory,
  type Stat,
  sameFile,
  statAt,
  statIfPresent,
} from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { exchanged } from "./attributes.ts";
import { splitPath } from "./look.ts";
import { renameNew, stageFor, syncDirectory, temporaryName, withTemporaryName } from "./place.ts";
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
 * Removes one name from the jail: a file, a link (never what it leads to), a device or an empty directory, if it is
 * what it was when it was looked at: `seen`. False where nothing stands there. Throws JailkitError "exchanged",
 * SystemError ENOTEMPTY for a directory that holds something.
 */
export function removePath(root: JailRoot, path: ByteString, seen: Stat): boolean {
  return removeSeen(root, path, seen, undefined);
}

/**
 * Removes a directory and all that is in it, or one name, if it is what it was when it was looked at (`seen`; whoever
 * keeps a descriptor of it makes sure that no other gets its inode); by descriptor and never through a link. With
 * `among`, only what that knows (by its Stat, and its path in the jail): what came later ends it with JailkitError
 * "appeared", and stays. Other file systems
 * are not entered: EBUSY names the mount point. False where nothing stands there. Throws JailkitError "exchanged".
 */
export function removeTree(root: JailRoot, path: ByteString, seen: Stat, among: Among = () => true): boolean {
  return removeSeen(root, path, seen, among);
}

/** True for what may be removed. */
export type Among = (stat: Stat, path: ByteString) => boolean;

/** By which something that was looked at is known again. */
type Seen = Pick<Stat, "mode" | "devMajor" | "devMinor" | "ino" | "size" | "mtime">;

/**
 * For `among` of removeTree: what is one of those that were looked at, with the content that it had by size and time;
 * another file may have got its inode.
 */
export function isOneOf(all: Iterable<Seen>): (stat: Stat) => boolean {
  const key = ({ mode, devMajor, devMinor, ino, size, mtime }: Seen) => {
    // Those of a directory change while it is emptied.
    const content = (mode & C.S_IFMT) === C.S_IFDIR ? "" : `${size}:${mtime}`;
    return `${devMajor}:${devMinor}:${ino}:${content}`;
  };
  const keys = new Set<string>();
  for (const one of all) keys.add(key(one));
  return (stat) => keys.has(key(stat));
}

function removeSeen(root: JailRoot, path: ByteString, seen: Stat, among: Among | undefined): boolean {
  return (
    inParentIfThere(root, path, (parent, name) => {
      const stat = statIfPresent(parent.fd, name);
      if (stat === undefined) return false;
      if (!sameFile(stat, seen)) throw exchanged(hostPath(root, path));
      // What is remembered may lead through it.
      if (isDirectory(stat) || isLink(stat)) forgetDirectories(root, parent);
      if (!isDirectory(stat)) removeFile(root, parent, name, seen);
      else {
        if (among !== undefined) emptyDirectory(root, parent, name, seen, among);
        // Whatever has the name by now: rmdir(2) takes nothing but an empty directory.
        unlinkAt(parent.fd, name, C.AT_REMOVEDIR);
      }
      syncDirectory(root, parent);
      return true;
    }) ?? false
  );
}

/**
 * Where users can write, another file may get the name after any look at it. So it is moved where they cannot, and
 * looked at again there; where no such place is on the mount, whoever could exchange it could remove it as well.
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
    // Its name is taken by now.
    withTemporaryName(back);
  }
  throw exchanged(hostPath(root, joinPath(parent.path, name)));
}

// Each level holds a descriptor; what lies deeper is moved up first, for a user may nest as deep as he likes.
const DEPTH_LIMIT = 64;

/** Opens a directory if it is the one that was seen, and nothing is mounted on it. */
function openLevel(parentFd: number, name: ByteString, seen: Stat, mount: Stat, path: ByteString): number {
  const fd = openAt(parentFd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK);
  const stat = fstat(fd);
  const sameMount =
    stat.mountId === mount.mountId && stat.devMajor === mount.devMajor && stat.devMinor === mount.devMinor;
  if (sameMount && sameFile(stat, seen)) return fd;
  close(fd);
  if (sameMount) throw exchanged(path);
  throw new SystemError(C.EBUSY, "a file system is mounted here; unmount it first", path);
}

function emptyDirectory(root: JailRoot, parent: Directory, name: ByteString, seen: Stat, among: Among): void {
  const path = joinPath(parent.path, name);
  const top = openLevel(parent.fd, name, seen, parent.stat, hostPath(root, path));
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
    if (!among(stat, at)) {
      const message = `${display(hostPath(root, at))}: appeared after the rest was looked at, and stays`;
      throw new JailkitError("appeared", 1, message);
    }
    if (!isDirectory(stat)) {
      unlinkAt(fd, entry);
      return;
    }
    if (depth >= DEPTH_LIMIT) {
      moveUp(fd, entry, top, stat, hostPath(root, at));
      return;
    }
    const child = openLevel(fd, entry, stat, parent.stat, hostPath(root, at));
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

/** Moves a directory that lies too deep to the top of what is emptied; another one that got its name goes back. */
function moveUp(fd: number, entry: ByteString, top: number, seen: Stat, path: ByteString): void {
  const name = temporaryName();
  renameAt(fd, entry, top, name, C.RENAME_NOREPLACE);
  if (sameFile(statAt(top, name), seen)) return;
  renameAt(top, name, fd, entry, C.RENAME_NOREPLACE);
  throw exchanged(path);
}
