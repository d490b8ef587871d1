import { basicFstat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, fstat, type Stat } from "../../../ffi/files.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { moveInPlace } from "../../jail/fs/move.ts";
import { temporaryName } from "../../jail/fs/place.ts";
import { openSource } from "../../jail/fs/source.ts";
import { isRegular, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import {
  type Among,
  type Attributes,
  isOneOf,
  makeDirectories,
  putDevice,
  putFile,
  putHardLink,
  putSymlink,
  removePath,
  removeTree,
  setAttributes,
} from "../../jail/fs/write.ts";
import { stillGrants, whyNotLinked } from "../../populate/apply/link.ts";
import type { Entry } from "../../populate/entry.ts";
import type { Change } from "../plan/compare.ts";

/** Something that was made ready under a name that nobody could guess, in a directory that root alone can change. */
export interface Temporary {
  readonly path: ByteString;
  readonly made: Stat;
}

/** A change that is made ready, so that all that is left to do is a rename(2). */
export interface Staged {
  readonly change: Change;
  /** Where it lies meanwhile, and what it is; undefined where it is done in its place. */
  readonly temporary: Temporary | undefined;
  /** A directory that was made in its place already. */
  readonly directory?: Temporary | undefined;
  /** It is another name of the host's file. */
  readonly linked: boolean;
}

// link(2): another file system, too many links, not allowed, no CAP_DAC_READ_SEARCH
const NO_LINK = ["EXDEV", "EMLINK", "EPERM", "EACCES", "ENOENT", "EOPNOTSUPP"];

const attributesOf = ({ mode, uid, gid, atime, mtime }: Entry): Attributes => ({
  mode,
  uid,
  gid,
  atime,
  mtime,
});

/** True where nobody but root can change the names in the directory of a path. */
function isTrustedPlace(root: JailRoot, path: ByteString): boolean {
  const directory = walk(root, parentOf(path) || "/");
  const { trusted } = directory;
  release(directory);
  return trusted;
}

/**
 * Makes a change ready beside its place, where it can fail without anybody seeing anything of it. `at` is where it is
 * made where that is not beside its place, as in a directory that itself is made ready. Directories that are only
 * added are made at once. Throws for what cannot be made.
 */
export function stage(root: JailRoot, change: Change, at: ByteString | undefined): Staged {
  const { entry, action } = change;
  const inPlace: Staged = { change, temporary: undefined, linked: false };
  if (action === "attributes") return inPlace;
  if (entry.type === "directory" && action === "create") {
    return { ...inPlace, directory: makeNewDirectory(root, entry, at ?? entry.path) };
  }
  if (at !== undefined) return { change, temporary: undefined, linked: putEntry(root, change, at) };
  // Where users can write, what lies there could be exchanged before it is moved.
  if (!isTrustedPlace(root, entry.path)) return inPlace;
  const path = `${parentOf(entry.path)}/${temporaryName()}`;
  const linked = putEntry(root, change, path);
  return { change, temporary: whatIsAt(root, path), linked };
}

function whatIsAt(root: JailRoot, path: ByteString): Temporary {
  const made = lookUp(root, path)?.stat;
  if (made === undefined) throw new JailkitError("gone", 1, `${display(root.path + path)}: is gone`);
  return { path, made };
}

/**
 * A directory appears with its mode and owner, so that one that is there is one that is finished. undefined where users
 * can write: it may be another by now.
 */
function makeNewDirectory(root: JailRoot, entry: Entry, path: ByteString): Temporary | undefined {
  const attributes = () => ({ mode: entry.mode, uid: entry.uid, gid: entry.gid });
  if (!isTrustedPlace(root, path)) {
    makeDirectories(root, path, attributes);
    return undefined;
  }
  const temporary = `${parentOf(path)}/${temporaryName()}`;
  makeDirectories(root, temporary, attributes);
  const { made } = whatIsAt(root, temporary);
  try {
    const placement = moveInPlace(root, temporary, path, "new", { made, present: undefined });
    if (placement !== "kept") return { path, made };
    discard(root, { path: temporary, made });
    return undefined;
  } catch (error) {
    discard(root, { path: temporary, made });
    throw error;
  }
}

/** Puts what an entry says at a path where nothing stands. True where it became another name of its source. */
function putEntry(root: JailRoot, change: Change, path: ByteString, replace = false): boolean {
  const { entry } = change;
  const how = replace ? { replace } : { absent: true };
  switch (entry.type) {
    case "directory":
      makeDirectories(root, path, () => ({ mode: entry.mode, uid: entry.uid, gid: entry.gid }));
      return false;
    case "symlink":
      putSymlink(root, path, entry.target ?? "", how);
      return false;
    case "device": {
      const { type, major, minor } = entry.device ?? { type: "char", major: 0, minor: 0 };
      putDevice(root, path, { type, major, minor }, attributesOf(entry), how);
      return false;
    }
    case "file":
      if (change.hardlink && linkFile(root, entry, path, how)) return true;
      copyFile(root, entry, path, how);
      return false;
  }
}

function copyFile(root: JailRoot, entry: Entry, path: ByteString, how: object): void {
  const source = entry.source ?? "";
  const fd = openSource(source);
  try {
    const stat = fstat(fd);
    // Its libraries were looked up in the file that it was.
    const same = isRegular(stat) && stat.size === entry.size && stat.mtime === entry.mtime;
    if (!same || !stillGrants(entry, basicFstat(fd))) {
      throw new JailkitError("changed", 1, `${display(source)}: changed while it was being copied`);
    }
    putFile(root, path, { fd, size: stat.size }, attributesOf(entry), how);
  } finally {
    close(fd);
  }
}

/** False where a link is not possible, or would be or grant something else than the entry says. */
function linkFile(root: JailRoot, entry: Entry, path: ByteString, how: object): boolean {
  const fd = openSource(entry.source ?? "");
  try {
    if (whyNotLinked(fd, entry) !== undefined) return false;
    putHardLink(root, path, fd, how);
    return true;
  } catch (error) {
    if (isErrno(error, ...NO_LINK)) return false;
    throw error;
  } finally {
    close(fd);
  }
}

/** What became of a change: done, or something had come there meanwhile that is not jailkit's. */
export type Committed = "done" | "in-the-way";

/** Lets a change that was made ready appear. */
export function commit(root: JailRoot, { change, temporary }: Staged): Committed {
  const { entry, action, standing } = change;
  if (action === "attributes") {
    const { mode, uid, gid } = entry;
    const times = entry.type === "file" ? { atime: entry.atime, mtime: entry.mtime } : {};
    const owner = standing?.stat.uid === uid && standing.stat.gid === gid ? {} : { uid, gid };
    setAttributes(root, entry.path, { ...owner, mode, ...times }, standing?.stat);
    return "done";
  }
  if (temporary === undefined) {
    const copied = { ...change, hardlink: false };
    if (entry.type !== "directory") putEntry(root, copied, entry.path, action !== "create");
    return "done";
  }
  const how = action === "create" ? "new" : action;
  const seen = { made: temporary.made, present: standing?.stat };
  if (moveInPlace(root, temporary.path, entry.path, how, seen) === "kept") return "in-the-way";
  if (action === "exchange" && standing !== undefined) removeOld(root, change, temporary, standing.stat);
  return "done";
}

/** What stood there goes; a directory into which something was put since it was looked at comes back with it. */
function removeOld(root: JailRoot, { entry, within }: Change, temporary: Temporary, old: Stat): void {
  try {
    removeTree(root, temporary.path, old, isOneOf(within));
  } catch (error) {
    if (lookUp(root, temporary.path) === undefined) throw error;
    moveInPlace(root, temporary.path, entry.path, "exchange", { made: old, present: temporary.made });
    if (!(error instanceof JailkitError && error.code === "appeared")) throw error;
    const message = `${display(root.path + entry.path)}: something was put into it meanwhile: it stays`;
    throw new JailkitError("appeared", 1, message);
  }
}

/** Takes directories away again that were made and that nothing has come into. */
export function discardDirectories(root: JailRoot, staged: readonly Staged[]): void {
  for (const { directory } of staged.toReversed()) {
    try {
      if (directory !== undefined) removePath(root, directory.path, directory.made);
    } catch {
      // Something is in it, or the error that led here is in the way of this too.
    }
  }
}

/**
 * Takes what was made ready away again, of a directory what `among` knows; what cannot be is left to the next run, which
 * tidies up.
 */
export function discard(root: JailRoot, temporary: Temporary | undefined, among: Among = () => false): void {
  if (temporary === undefined) return;
  try {
    removeTree(root, temporary.path, temporary.made, among);
  } catch {
    // The error that led here says more.
  }
}
