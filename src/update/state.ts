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
 * Whose something in a jail is. "as-put": as jailkit put it there. "changed": put there, and other than it was.
 * "unrecorded": nobody knows, but it is no newer than its inode, as what was copied. "made-here": written in the
 * jail. "user": it belongs to somebody else than root, and is not as it was given to that user.
 */
export type Whose = "as-put" | "changed" | "unrecorded" | "made-here" | "user";

/** What stands at a path of the jail. */
export interface Standing {
  readonly stat: Stat;
  /** The text of a link. */
  readonly target: ByteString | undefined;
  readonly whose: Whose;
}

/** What is known of a jail before it is changed. */
export interface JailState {
  readonly root: JailRoot;
  /** What was put at a path: as the record has it, and as a run meant to that was cut short. */
  recordsOf(path: ByteString): readonly ManifestEntry[];
  /** undefined where nothing stands there. Asked for once, then remembered: the jail as it was. */
  at(path: ByteString): Standing | undefined;
}

/** True where something is what an entry of the record says: type, owner, and size and time, text or numbers. */
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

// Files there are edited on purpose, so what is not as it was put there is somebody's work.
const CONFIGURATION = /^\/etc\//;

/** True for a path at which what was changed in the jail stays. */
export function isConfiguration(path: ByteString): boolean {
  return CONFIGURATION.test(path);
}

/** Looks at a jail. `records`: of its manifest, `intended`: of a run that was cut short. */
export function jailState(
  root: JailRoot,
  records: ReadonlyMap<ByteString, ManifestEntry>,
  intended: ReadonlyMap<ByteString, ManifestEntry>,
): JailState {
  const known = new Map<ByteString, Standing | undefined>();

  function recordsOf(path: ByteString): ManifestEntry[] {
    return [records.get(path), intended.get(path)].filter((entry) => entry !== undefined);
  }

  /** What is copied gets the time of its source, which is older than the copy; what is written here does not. */
  function isMadeHere(path: ByteString, stat: Stat): boolean {
    const birth = birthAt(root.fd, path.slice(1))?.birth;
    return birth !== undefined && stat.mtime >= birth;
  }

  function judge(path: ByteString): Standing | undefined {
    const found = look(root, path);
    // Where a link leads is another place, with records of its own.
    if (found === undefined || found.canonicalPath !== path) return undefined;
    const { stat, target } = found;
    const told = recordsOf(path);
    const whose = (): Whose => {
      if (told.some((entry) => isAsRecorded(entry, stat, target))) {
        // jk_init leaves a file of the administrator's where it is, and then the record has it as it was found.
        return isConfiguration(path) && isRegular(stat) && isMadeHere(path, stat) ? "made-here" : "as-put";
      }
      // What was given to a user is the user's to change, and no update takes that back.
      if (stat.uid !== 0) return "user";
      if (told.length > 0) return "changed";
      const copied = (isRegular(stat) || isDirectory(stat)) && !isMadeHere(path, stat);
      return copied ? "unrecorded" : "made-here";
    };
    return { stat, target, whose: whose() };
  }

  return {
    root,
    recordsOf,
    at(path) {
      if (!known.has(path)) known.set(path, judge(path));
      return known.get(path);
    },
  };
}

/** What stands at a path of a jail; nothing where only a link of a user's leads there. */
export function look(
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

/** Whether what stands at a path may be replaced by what the recipe has there. `prune`: whatever it is. */
export function mayReplace(path: ByteString, { whose }: Standing, prune: boolean): boolean {
  if (prune || whose === "as-put") return true;
  return (whose === "changed" || whose === "unrecorded") && !isConfiguration(path);
}

/**
 * The jail as planning is to see it: what may be replaced is not there, so that the plan is that of a new jail, and
 * what is not jailkit's is. Directories are there, but for `hidden` ones.
 */
export function planningView(
  state: JailState,
  replaceable: (path: ByteString, standing: Standing) => boolean,
  hidden: Pick<ReadonlySet<ByteString>, "has">,
): FileSystem {
  const real = jailFileSystem(state.root);
  const lstat = (path: ByteString) => {
    const stat = real.lstat(path);
    if (stat === undefined || hidden.has(path)) return undefined;
    if ((stat.mode & C.S_IFMT) === C.S_IFDIR) return stat;
    const standing = state.at(path);
    return standing !== undefined && replaceable(path, standing) ? undefined : stat;
  };
  return { ...real, lstat, stat: lstat };
}

/**
 * Directories of the record in whose place the host has something else now, and in which there is nothing that is
 * not jailkit's: they make room. With each, all that was seen in it.
 */
export function changedDirectories(
  state: JailState,
  records: Iterable<ManifestEntry>,
  host: FileSystem,
  namesIn: (path: ByteString) => readonly ByteString[],
): Map<ByteString, readonly Stat[]> {
  const isOurs = (path: ByteString, within: Stat[]): boolean => {
    const standing = state.at(path);
    if (standing?.whose !== "as-put") return false;
    within.push(standing.stat);
    return !isDirectory(standing.stat) || namesIn(path).every((name) => isOurs(`${path}/${name}`, within));
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
 * A test for paths that a user has made unreachable, with a link or a file in the place of a directory that users can
 * write.
 */
export function usersObstacles(root: JailRoot): (path: ByteString) => boolean {
  const known = new Map<ByteString, boolean>();

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
    const blocked = known.get(directory) ?? find(directory);
    known.set(directory, blocked);
    return blocked;
  }

  return isBlocked;
}
