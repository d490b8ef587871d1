import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, openAt, readDirectory } from "../../../ffi/files.ts";
import { describeError } from "../../cli/error.ts";
import { sameContent } from "../../jail/fs/compare.ts";
import {
  type Directory,
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  openChild,
  openDirectory,
  release,
} from "../../jail/fs/walk.ts";
import type { PopulateProblem, Want } from "../../populate/entry.ts";
import { type FileSystem, isSymlink } from "../../populate/file-system.ts";
import type { JailState, Standing } from "../state.ts";
import type { PathSet } from "./scope.ts";
import { isOurRuntime } from "./shell.ts";

/** The section of what is brought up to date without having been asked for. */
export const FOUND_SECTION = "jk_update";

/** What a walk through directories of a jail found, of what its record does not tell. */
export interface Scan {
  /** What the host has otherwise by now. */
  readonly outdated: readonly Want[];
  /** What the host does not have any more; what is in a directory before it. */
  readonly gone: readonly { path: ByteString; standing: Standing }[];
  /** What the host has otherwise by now, and is our own runtime there. */
  readonly unasked: readonly ByteString[];
  readonly problems: readonly PopulateProblem[];
}

/** How a jail is scanned. */
export interface ScanOptions {
  readonly state: JailState;
  readonly host: FileSystem;
  /** As the jail sees them. */
  readonly directories: readonly ByteString[];
  readonly skipped: (path: ByteString) => boolean;
  /** Homes of the jail's accounts: never looked into. */
  readonly homes: PathSet;
  /** Also what was written in the jail, or belongs to users. */
  readonly prune: boolean;
  /** Also files that were written in the jail, where the host has one of that name. */
  readonly replaceMade: boolean;
  readonly tell: (line: ByteString) => void;
}

// Each level holds a descriptor.
const DEEPEST = 256;

const S_SPECIAL = 0o6000;

/**
 * Walks through directories of a jail by descriptors, never through a link in them, and compares what is there with
 * what the host has at the same paths. What users can write is not entered, nor other file systems.
 */
export function scanJail(options: ScanOptions): Scan {
  const { state, host, prune } = options;
  const { root } = state;
  const outdated: Want[] = [];
  const gone: { path: ByteString; standing: Standing }[] = [];
  const unasked: ByteString[] = [];
  const problems: PopulateProblem[] = [];
  const seen = new Set<ByteString>();

  function list(directory: Directory, depth: number): void {
    if (seen.has(directory.path) || (!directory.trusted && !prune) || depth > DEEPEST) return;
    seen.add(directory.path);
    options.tell(`scanning ${root.path}${directory.path}`);
    for (const name of namesIn(directory)) {
      const path = joinPath(directory.path, name);
      if (options.skipped(path) || options.homes.paths.includes(path)) continue;
      try {
        visit(directory, name, path, depth);
      } catch (error) {
        // A user may take away what is about to be looked at.
        if (!isErrno(error, "ENOENT"))
          problems.push({ code: "unreadable", path: root.path + path, message: describeError(error) });
      }
    }
  }

  function visit(parent: Directory, name: ByteString, path: ByteString, depth: number): void {
    const standing = state.at(path);
    if (standing === undefined) return;
    const there = host.lstat(path);
    if (isDirectory(standing.stat)) {
      const child = openChild(root, parent, name);
      try {
        if (child.stat.mountId === parent.stat.mountId) list(child, depth + 1);
        else return;
      } finally {
        release(child);
      }
      if (there === undefined && state.recordsOf(path).length === 0) gone.push({ path, standing });
      return;
    }
    if (state.recordsOf(path).length > 0) return;
    if (there === undefined) gone.push({ path, standing });
    else if (!isOutdated(path, standing, there.mode)) return;
    else if (isOurRuntime(path)) unasked.push(path);
    else outdated.push(wantOf(path, standing));
  }

  function isOutdated(path: ByteString, { stat, target, whose }: Standing, mode: number): boolean {
    if (!prune && (whose === "user" || (whose === "made-here" && isRegular(stat) && !options.replaceMade)))
      return false;
    if (isRegular(stat)) {
      if ((mode & C.S_IFMT) !== C.S_IFREG) return false;
      return !sameContent(root, path, path, stat);
    }
    return isLink(stat) && isSymlink(mode) && host.readlink(path) !== target;
  }

  /** It keeps the group and the special bits that it was given once. */
  function wantOf(path: ByteString, { stat }: Standing): Want {
    const there = host.lstat(path);
    const sameOwner = there !== undefined && stat.uid === there.uid && stat.gid === there.gid;
    return {
      pattern: path,
      written: path,
      section: FOUND_SECTION,
      keepOwner: sameOwner,
      keepSetuid: (stat.mode & S_SPECIAL) !== 0,
      glob: false,
      kind: "any",
    };
  }

  for (const path of options.directories) {
    let directory: Directory;
    try {
      directory = openDirectory(root, path);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR"))
        problems.push({ code: "unreadable", path: root.path + path, message: describeError(error) });
      continue;
    }
    try {
      list(directory, 0);
    } finally {
      release(directory);
    }
  }
  return { outdated, gone, unasked, problems };
}

/** The names in an open directory, in the order of their bytes. */
export function namesIn(directory: Directory): ByteString[] {
  const fd = openAt(directory.fd, ".", C.O_RDONLY | C.O_DIRECTORY);
  try {
    return readDirectory(fd)
      .map(({ name }) => name)
      .sort();
  } finally {
    close(fd);
  }
}

/** The names in a directory of a jail; none where there is no such directory. */
export function namesAt(root: JailRoot, path: ByteString): ByteString[] {
  let directory: Directory;
  try {
    directory = openDirectory(root, path);
  } catch {
    return [];
  }
  try {
    return namesIn(directory);
  } finally {
    release(directory);
  }
}
