import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { birthAt } from "../../ffi/extents.ts";
import type { Stat } from "../../ffi/files.ts";
import { parentOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import { lookUp, readJailLink } from "../jail/fs/look.ts";
import { isDirectory, isLink, isRegular, type JailRoot, release, walk } from "../jail/fs/walk.ts";
import type { ManifestEntry } from "../jail/record/manifest.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { jailFileSystem } from "../populate/open-jail.ts";

/**
 * Where a file of a jail comes from. "as-put": as jailkit put it there. "changed": put there, and changed since.
 * "unrecorded": not recorded, but older than its inode, as a copy is. "made-here": made in the jail. "user": it belongs
 * to a user other than root, and is not as it was given to that user.
 */
type Origin = "as-put" | "changed" | "unrecorded" | "made-here" | "user";

/** What is at a path of the jail. */
export interface JailObject {
  readonly stat: Stat;
  /** The text of a symbolic link. */
  readonly target: ByteString | undefined;
  readonly origin: Origin;
}

/** A jail before it is changed. */
export interface JailState {
  readonly root: JailRoot;
  /** What was put at a path: by the record, and by the journal of an interrupted run. */
  recordsOf(path: ByteString): readonly ManifestEntry[];
  /** What is at a path; undefined if nothing is. Read once, so this is the jail as it was. */
  at(path: ByteString): JailObject | undefined;
}

/** True if a file is as an entry of the record says: type, owner, and size and time, text or device numbers. */
export function isAsRecorded(entry: ManifestEntry, stat: Stat, target: ByteString | undefined): boolean {
  if (stat.uid !== entry.uid) return false;
  switch (entry.type) {
    case "file":
      return (
        isRegular(stat) &&
        stat.size === entry.size &&
        (entry.mtime === undefined || stat.mtime === entry.mtime)
      );
    case "link":
      return isLink(stat) && target === entry.target;
    case "directory":
      return isDirectory(stat);
    default: {
      const type = { char: C.S_IFCHR, block: C.S_IFBLK }[entry.type];
      const same = stat.rdevMajor === (entry.major ?? 0) && stat.rdevMinor === (entry.minor ?? 0);
      return (stat.mode & C.S_IFMT) === type && same;
    }
  }
}

const CONFIGURATION = /^\/etc\//;

/** Configuration is edited on purpose, so changes in the jail stay. */
function isConfiguration(path: ByteString): boolean {
  return CONFIGURATION.test(path);
}

/** Reads a jail. `records`: of its record, `intended`: of an interrupted run. */
export function jailState(
  root: JailRoot,
  records: ReadonlyMap<ByteString, ManifestEntry>,
  intended: ReadonlyMap<ByteString, ManifestEntry>,
): JailState {
  const read = new Map<ByteString, JailObject | undefined>();

  function recordsOf(path: ByteString): ManifestEntry[] {
    return [records.get(path), intended.get(path)].filter((entry) => entry !== undefined);
  }

  /** A copy gets the time of its source, which is older than the copy. */
  function isMadeHere(path: ByteString, stat: Stat): boolean {
    const birth = birthAt(root.fd, path.slice(1))?.birth;
    return birth !== undefined && stat.mtime >= birth;
  }

  function readAt(path: ByteString): JailObject | undefined {
    const found = lookAt(root, path);
    // The target of a symbolic link has its own path and records.
    if (found === undefined || found.canonicalPath !== path) return undefined;
    const { stat, target } = found;
    const recorded = recordsOf(path);
    const origin = (): Origin => {
      if (recorded.some((entry) => isAsRecorded(entry, stat, target))) {
        // jk_init keeps a file that the administrator made before, and records it as it found it.
        return isConfiguration(path) && isRegular(stat) && isMadeHere(path, stat) ? "made-here" : "as-put";
      }
      // A user may change what was given to him: no update takes that back.
      if (stat.uid !== 0) return "user";
      if (recorded.length > 0) return "changed";
      const copied = (isRegular(stat) || isDirectory(stat)) && !isMadeHere(path, stat);
      return copied ? "unrecorded" : "made-here";
    };
    return { stat, target, origin: origin() };
  }

  return {
    root,
    recordsOf,
    at(path) {
      if (!read.has(path)) read.set(path, readAt(path));
      return read.get(path);
    },
  };
}

/** What is at a path of a jail; undefined if only a symbolic link of a user leads there. */
export function lookAt(
  root: JailRoot,
  path: ByteString,
): { stat: Stat; target: ByteString | undefined; canonicalPath: ByteString } | undefined {
  try {
    const found = lookUp(root, path);
    if (found === undefined) return undefined;
    const target = isLink(found.stat) ? readJailLink(root, path) : undefined;
    return { ...found, target };
  } catch (error) {
    if (error instanceof JailkitError && error.code === "link-in-untrusted-directory") return undefined;
    throw error;
  }
}

/** True if a file of the jail may be replaced by that of the recipe. With `prune` every file may. */
export function mayReplace(path: ByteString, { origin }: JailObject, prune: boolean): boolean {
  if (prune || origin === "as-put") return true;
  return (origin === "changed" || origin === "unrecorded") && !isConfiguration(path);
}

/**
 * The jail for planning: files that may be replaced are missing in it, so that the plan is that of a new jail; files that
 * are not jailkit's are there. Directories are there too, except `hidden` ones.
 */
export function planningView(
  state: JailState,
  replaceable: (path: ByteString, existing: JailObject) => boolean,
  hidden: Pick<ReadonlySet<ByteString>, "has">,
): FileSystem {
  const real = jailFileSystem(state.root);
  const lstat = (path: ByteString) => {
    const stat = real.lstat(path);
    if (stat === undefined || hidden.has(path)) return undefined;
    if ((stat.mode & C.S_IFMT) === C.S_IFDIR) return stat;
    const existing = state.at(path);
    return existing !== undefined && replaceable(path, existing) ? undefined : stat;
  };
  return { ...real, lstat, stat: lstat };
}

/**
 * Directories of the record that are no directories on the host any more, and in which everything is jailkit's: they are
 * replaced. With each, all that was seen in it.
 */
export function changedDirectories(
  state: JailState,
  records: Iterable<ManifestEntry>,
  host: FileSystem,
  namesIn: (path: ByteString) => readonly ByteString[],
): Map<ByteString, readonly Stat[]> {
  const isOurs = (path: ByteString, within: Stat[]): boolean => {
    const existing = state.at(path);
    if (existing?.origin !== "as-put") return false;
    within.push(existing.stat);
    return !isDirectory(existing.stat) || namesIn(path).every((name) => isOurs(`${path}/${name}`, within));
  };
  const found = new Map<ByteString, readonly Stat[]>();
  for (const { path, type, source } of records) {
    if (type !== "directory" || source === undefined) continue;
    const stat = host.lstat(source);
    const other = stat !== undefined && (stat.mode & C.S_IFMT) !== C.S_IFDIR;
    const within: Stat[] = [];
    if (other && isOurs(path, within)) found.set(path, within);
  }
  return found;
}

/**
 * A test for paths that a user has made unreachable, with a symbolic link or a file instead of a directory, where users can
 * write.
 */
export function blockedByUsers(root: JailRoot): (path: ByteString) => boolean {
  const results = new Map<ByteString, boolean>();

  function find(directory: ByteString): boolean {
    try {
      release(walk(root, directory || "/"));
      return false;
    } catch (error) {
      if (error instanceof JailkitError && error.code === "link-in-untrusted-directory") return true;
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
      if (isBlocked(directory)) return true;
      return isErrno(error, "ENOTDIR") && !isTrusted(parentOf(directory));
    }
  }

  function isTrusted(directory: ByteString): boolean {
    try {
      const found = walk(root, directory || "/");
      release(found);
      return found.trusted;
    } catch {
      return true;
    }
  }

  function isBlocked(path: ByteString): boolean {
    const directory = parentOf(path);
    if (directory === "") return false;
    const blocked = results.get(directory) ?? find(directory);
    results.set(directory, blocked);
    return blocked;
  }

  return isBlocked;
}
