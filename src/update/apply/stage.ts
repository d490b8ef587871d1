import { basicFstat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { fstat, type Stat, withFd } from "../../../ffi/files.ts";
import { directoryOf, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { moveInPlace, temporaryName } from "../../jail/fs/place.ts";
import { openSource } from "../../jail/fs/source.ts";
import { isRegular, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import {
  type Among,
  isOneOf,
  makeDirectories,
  type Placement,
  putDevice,
  putFile,
  putHardLink,
  putSymlink,
  removePath,
  removeTree,
  setAttributes,
} from "../../jail/fs/write.ts";
import { isNotLinkable, stillGrants, whyNotLinked } from "../../populate/apply/link.ts";
import type { Entry } from "../../populate/entry.ts";
import type { Change } from "../plan/compare.ts";

/** A file or directory under a random name, in a directory that only root can change. */
interface Temporary {
  readonly path: ByteString;
  readonly made: Stat;
}

/** A prepared change, which only needs a rename(2). */
export interface Staged {
  readonly change: Change;
  /** The prepared file; undefined if the change is made in place. */
  readonly temporary: Temporary | undefined;
  /** A directory that was created in its place already. */
  readonly directory?: Temporary | undefined;
  /** It is a hard link to the host's file. */
  readonly linked: boolean;
}

/** True if only root can change the names in the directory of a path. */
const isTrustedPlace = (root: JailRoot, path: ByteString): boolean =>
  withDirectory(root, directoryOf(path), ({ trusted }) => trusted);

/**
 * Prepares a change beside its place, where a failure affects nothing; or at `at`, in a directory that is itself
 * prepared. New directories are created at once. Throws if the change cannot be prepared.
 */
export function stage(root: JailRoot, change: Change, at: ByteString | undefined): Staged {
  const { entry, action } = change;
  const inPlace: Staged = { change, temporary: undefined, linked: false };
  if (action === "attributes") return inPlace;
  if (entry.type === "directory" && action === "create") {
    return { ...inPlace, directory: makeNewDirectory(root, entry, at ?? entry.path) };
  }
  if (at !== undefined) return { change, temporary: undefined, linked: putEntry(root, change, at) };
  // Users could replace a prepared file in a directory that they can write.
  if (!isTrustedPlace(root, entry.path)) return inPlace;
  const path = `${parentOf(entry.path)}/${temporaryName()}`;
  const linked = putEntry(root, change, path);
  return { change, temporary: whatIsAt(root, path), linked };
}

function whatIsAt(root: JailRoot, path: ByteString): Temporary {
  const made = lookUp(root, path)?.stat;
  if (made === undefined) throw new JailkitError("missing", 1, `${display(root.path + path)}: was removed`);
  return { path, made };
}

/**
 * Creates a directory that appears with its mode and owner, so that an existing directory is complete. Undefined where
 * users can write, since they could exchange it.
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
  let placement: Placement = "kept";
  try {
    placement = moveInPlace(root, temporary, path, "new", { made, present: undefined });
    return placement === "kept" ? undefined : { path, made };
  } finally {
    if (placement === "kept") discard(root, { path: temporary, made });
  }
}

/** Creates an entry at a free path, or replaces the file there. True if it became a hard link to its source. */
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
    case "device":
      putDevice(root, path, entry.device ?? { type: "char", major: 0, minor: 0 }, entry, how);
      return false;
    case "file":
      if (change.hardlink && linkFile(root, entry, path, how)) return true;
      copyFile(root, entry, path, how);
      return false;
  }
}

function copyFile(root: JailRoot, entry: Entry, path: ByteString, how: object): void {
  const source = entry.source ?? "";
  withFd(openSource(source), (fd) => {
    const stat = fstat(fd);
    // Its libraries were found in the file as it was then.
    const same = isRegular(stat) && stat.size === entry.size && stat.mtime === entry.mtime;
    if (!same || !stillGrants(entry, basicFstat(fd))) {
      throw new JailkitError("changed", 1, `${display(source)}: changed while it was being copied`);
    }
    putFile(root, path, { fd, size: stat.size }, { ...entry, atime: stat.atime }, how);
  });
}

/** False if a hard link is impossible, or would not be as planned. */
function linkFile(root: JailRoot, entry: Entry, path: ByteString, how: object): boolean {
  return withFd(openSource(entry.source ?? ""), (fd) => {
    try {
      if (whyNotLinked(fd, entry) !== undefined) return false;
      putHardLink(root, path, fd, how);
      return true;
    } catch (error) {
      if (isNotLinkable(error)) return false;
      throw error;
    }
  });
}

/** Makes a prepared change. "in-the-way": another file, not jailkit's, was created there meanwhile. */
export function commit(root: JailRoot, { change, temporary }: Staged): "done" | "in-the-way" {
  const { entry, action, existing } = change;
  if (action === "attributes") {
    const { mode, uid, gid } = entry;
    const times = entry.type === "file" ? { atime: existing?.stat.atime, mtime: entry.mtime } : {};
    const owner = existing?.stat.uid === uid && existing.stat.gid === gid ? {} : { uid, gid };
    setAttributes(root, entry.path, { ...owner, mode, ...times }, existing?.stat);
    return "done";
  }
  if (temporary === undefined) {
    const copied = { ...change, hardlink: false };
    if (entry.type !== "directory") putEntry(root, copied, entry.path, action !== "create");
    return "done";
  }
  const how = action === "create" ? "new" : action;
  const seen = { made: temporary.made, present: existing?.stat };
  if (moveInPlace(root, temporary.path, entry.path, how, seen) === "kept") return "in-the-way";
  if (action === "exchange" && existing !== undefined) removeOld(root, change, temporary, existing.stat);
  return "done";
}

/** Removes the old file. A directory that got new content since it was read is moved back. */
function removeOld(root: JailRoot, { entry, within }: Change, temporary: Temporary, old: Stat): void {
  try {
    removeTree(root, temporary.path, old, isOneOf(within));
  } catch (error) {
    if (lookUp(root, temporary.path) === undefined) throw error;
    moveInPlace(root, temporary.path, entry.path, "exchange", { made: old, present: temporary.made });
    if (!(error instanceof JailkitError && error.code === "appeared")) throw error;
    const message = `${display(root.path + entry.path)}: a file was put into it meanwhile: it stays`;
    throw new JailkitError("appeared", 1, message);
  }
}

/** Removes created directories that are empty. */
export function discardDirectories(root: JailRoot, staged: readonly Staged[]): void {
  for (const { directory } of staged.toReversed()) {
    try {
      if (directory !== undefined) removePath(root, directory.path, directory.made);
    } catch {
      // It is not empty, or the first error prevents this too.
    }
  }
}

/** Removes a prepared file, or a directory with those files that `among` accepts. The next run removes the rest. */
export function discard(root: JailRoot, temporary: Temporary, among: Among = () => false): void {
  try {
    removeTree(root, temporary.path, temporary.made, among);
  } catch {
    // The first error says more.
  }
}
