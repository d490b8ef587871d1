import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { birthAt } from "../../ffi/extents.ts";
import type { Stat } from "../../ffi/files.ts";
import { parentOf } from "../../ffi/paths.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { lookUp, readJailLink } from "../jail/fs/look.ts";
import {
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  release,
  walk,
  withDirectory,
} from "../jail/fs/walk.ts";
import { isAsRecorded } from "../jail/record/as-recorded.ts";
import type { ManifestEntry } from "../jail/record/manifest.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { jailFileSystem } from "../populate/open-jail.ts";

/**
 * The origin of a file of a jail. "as-put": unchanged since jailkit put it there. "changed": changed since. "unrecorded":
 * not recorded, but older than its inode, as a copy is. "made-here": created in the jail. "user": belongs to a user other
 * than root, and is not as that user got it.
 */
type Origin = "as-put" | "changed" | "unrecorded" | "made-here" | "user";

/** A file at a path of the jail. */
export interface JailObject {
  readonly stat: Stat;
  /** The text of a symbolic link. */
  readonly target: ByteString | undefined;
  readonly origin: Origin;
  /** The entries for it: of the record, and of the journal of an interrupted run. */
  readonly records: readonly ManifestEntry[];
}

/** A jail before it is changed. */
export interface JailState {
  readonly root: JailRoot;
  /** The entries for a path: of the record, and of the journal of an interrupted run. */
  recordsOf(path: ByteString): readonly ManifestEntry[];
  /** The file at a path; undefined if there is none. Read once, so this is the jail before the update. */
  at(path: ByteString): JailObject | undefined;
}

/** Configuration is edited on purpose, so its changes stay. */
const isConfiguration = (path: ByteString): boolean => path.startsWith("/etc/");

/** Reads a jail. `records`: from its record, `intended`: from an interrupted run. */
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
        // jk_init keeps an existing file of the administrator, and records it as it is.
        return isConfiguration(path) && isRegular(stat) && isMadeHere(path, stat) ? "made-here" : "as-put";
      }
      // A user may change their files: no update reverts that.
      if (stat.uid !== 0) return "user";
      if (recorded.length > 0) return "changed";
      const copied = (isRegular(stat) || isDirectory(stat)) && !isMadeHere(path, stat);
      return copied ? "unrecorded" : "made-here";
    };
    return { stat, target, origin: origin(), records: recorded };
  }

  return {
    root,
    recordsOf,
    at: (path) => read.getOrInsertComputed(path, readAt),
  };
}

/** The file at a path of a jail; undefined if only a symbolic link of a user leads there. */
export function lookAt(root: JailRoot, path: ByteString) {
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

/** True if a file of the jail may be replaced by that of the recipe. With `prune`, always. */
export function mayReplace(path: ByteString, { origin }: JailObject, prune: boolean): boolean {
  if (prune || origin === "as-put") return true;
  return (origin === "changed" || origin === "unrecorded") && !isConfiguration(path);
}

/**
 * The view of the jail for planning: files that may be replaced are missing in it, so that the plan is that of a new
 * jail; files that are not jailkit's are there. Directories are there too, except `hidden` ones.
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

/** Recorded directories that hold only jailkit's files and are no directories on the host now, with their content. */
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

/** A test for paths that a user has blocked, where users can write, by a symbolic link or file in place of a directory. */
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

  const isTrusted = (directory: ByteString): boolean =>
    answered(() => withDirectory(root, directory || "/", ({ trusted }) => trusted)) ?? true;

  function isBlocked(path: ByteString): boolean {
    const directory = parentOf(path);
    return directory !== "" && results.getOrInsertComputed(directory, find);
  }

  return isBlocked;
}
