import type { ByteString } from "../../../ffi/bytes.ts";
import { chmodFd, chownFd, renameAt, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import {
  close,
  type DirectoryEntry,
  fstat,
  openAt,
  readEntries,
  type Stat,
  sameFile,
  seek,
  statAt,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { exchanged } from "./attributes.ts";
import { requireNoHostMount } from "./host-mounts.ts";
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
  onSameMount,
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
 * mount point. `require`: gets each directory in it before that is emptied, and throws if it stays. False if it does not
 * exist. Throws JailkitError "exchanged".
 */
export function removeTree(
  root: JailRoot,
  path: ByteString,
  seen: Stat,
  among?: Among,
  require?: (directory: Stat, path: ByteString) => void,
): boolean {
  return removeSeen(root, path, seen, { among: among ?? "all", require });
}

/** What of a directory is removed. */
interface Within {
  readonly among: Among | "all";
  readonly require: Parameters<typeof removeTree>[4];
}

/** True if a file (with its path in the jail) may be removed. */
export type Among = (stat: Stat, path: ByteString) => boolean;

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

// Each level holds a descriptor. Deeper directories are moved up first, since a user may nest without limit.
const DEPTH_LIMIT = 64;

function openLevel(parentFd: number, name: ByteString, seen: Stat, mount: Stat, path: ByteString): number {
  const fd = openAt(parentFd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK);
  const stat = fstat(fd);
  const sameMount = onSameMount(stat, mount);
  if (sameMount && sameFile(stat, seen)) return fd;
  close(fd);
  if (sameMount) throw exchanged(path);
  throw new SystemError(C.EBUSY, "a file system is mounted here; unmount it first", path);
}

/**
 * Keeps others from creating names in an open directory, also through descriptors that they have. Its owner stays if it is
 * the first one: by that a removal that was interrupted is known again.
 */
function holdDirectory(fd: number, isFirst: boolean): void {
  const stat = fstat(fd);
  if (onlyRootWrites(stat)) return;
  // Not every file system allows it.
  attempt(() => {
    if (!isFirst) chownFd(fd, 0, 0);
    // The group's bits are the mask of an ACL, which so gives nothing any more.
    if ((stat.mode & 0o7777) !== 0o700) chmodFd(fd, 0o700);
  });
}

// Of one directory: enough for any that others cannot fill meanwhile.
const MOST_PASSES = 1 << 20;

function emptyDirectory(
  root: JailRoot,
  parent: Directory,
  name: ByteString,
  seen: Stat,
  { among, require }: Within,
) {
  const path = joinPath(parent.path, name);
  const top = openLevel(parent.fd, name, seen, parent.stat, hostPath(root, path));
  const empty = (fd: number, at: ByteString, depth: number): void => {
    if (among === "all") holdDirectory(fd, depth === 0);
    // Again for what a pass did not see, such as directories that were moved up.
    for (let pass = 0, count = 1; count > 0 && pass < MOST_PASSES; pass++) count = emptyOnce(fd, at, depth);
  };
  /** Removes what is in a directory, and returns how many names there were. In pieces: a user may have made millions. */
  const emptyOnce = (fd: number, at: ByteString, depth: number): number => {
    let count = 0;
    seek(fd, 0, C.SEEK_SET);
    for (let more = true; more; ) {
      const piece: DirectoryEntry[] = [];
      more = readEntries(fd, piece);
      count += piece.length;
      for (const entry of piece) {
        const here = joinPath(at, entry.name);
        try {
          removeEntry(fd, entry.name, here, depth);
        } catch (error) {
          throw namedError(error, hostPath(root, here));
        }
      }
    }
    return count;
  };
  const removeEntry = (fd: number, entry: ByteString, at: ByteString, depth: number): void => {
    const stat = statIfPresent(fd, entry);
    if (stat === undefined) return;
    if (among !== "all" && !among(stat, at)) {
      const message = `${display(hostPath(root, at))}: appeared after the rest was looked at, and stays`;
      throw new JailkitError("appeared", 1, message);
    }
    if (!isDirectory(stat)) {
      unlinkAt(fd, entry);
      return;
    }
    require?.(stat, at);
    if (depth >= DEPTH_LIMIT) {
      moveUp(fd, entry, top, stat, hostPath(root, at));
      return;
    }
    const child = openLevel(fd, entry, stat, parent.stat, hostPath(root, at));
    withFd(child, () => empty(child, at, depth + 1));
    unlinkAt(fd, entry, C.AT_REMOVEDIR);
  };
  withFd(top, () => empty(top, path, 0));
}

/** Moves a deep directory to the top of the tree being emptied. If another one got its name, it is moved back. */
function moveUp(fd: number, entry: ByteString, top: number, seen: Stat, path: ByteString): void {
  const name = temporaryName();
  renameAt(fd, entry, top, name, C.RENAME_NOREPLACE);
  if (sameFile(statAt(top, name), seen)) return;
  renameAt(top, name, fd, entry, C.RENAME_NOREPLACE);
  throw exchanged(path);
}
