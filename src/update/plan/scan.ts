import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { answered, problemFrom } from "../../cli/error.ts";
import { hostSystemOf, outsidePathOf } from "../../jail/fs/host-mounts.ts";
import { namesIn } from "../../jail/fs/names.ts";
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
import { FOUND_SECTION } from "../../jail/record/journal.ts";
import type { Entry, PopulateProblem, Want } from "../../populate/entry.ts";
import type { FileSystem } from "../../populate/file-system.ts";
import type { JailObject, JailState } from "../state.ts";
import type { KnownContents } from "./known-contents.ts";
import type { PathSet } from "./scope.ts";
import { isOurRuntime } from "./shell.ts";

/** True for an entry that nobody requested: it was found in the jail. */
export function isFound({ because }: Entry): boolean {
  return because.every(({ section }) => section === FOUND_SECTION);
}

/** The files outside the record that a walk through directories of a jail found. */
export interface Scan {
  /** Files that differ from those of the host. */
  readonly outdated: readonly Want[];
  /** Files that the host no longer has; the content of a directory comes before it. */
  readonly missing: readonly ByteString[];
  /** Files that differ, and are our own runtime on the host. */
  readonly unasked: readonly ByteString[];
  readonly problems: readonly PopulateProblem[];
}

interface ScanOptions {
  readonly state: JailState;
  readonly host: FileSystem;
  readonly contents: KnownContents;
  /** As the jail sees them. */
  readonly directories: readonly ByteString[];
  readonly skipped: (path: ByteString) => boolean;
  /** Homes of the accounts of the jail: they are never read. */
  readonly homes: PathSet;
  /** Also files that were created in the jail, or belong to users. */
  readonly prune: boolean;
  /** Also files that were created in the jail, if the host has a file of that name. */
  readonly replaceMade: boolean;
  readonly report: (line: ByteString) => void;
}

// Each level holds a descriptor open.
const DEEPEST = 256;

/**
 * Walks through directories of a jail and compares its files with those of the host at the same paths. Follows no
 * symbolic link, and enters no other file system and no directory that users can write.
 */
export function scanJail(options: ScanOptions): Scan {
  const scanner = new JailScanner(options);
  for (const path of options.directories) scanner.scan(path);
  return scanner;
}

class JailScanner implements Scan {
  readonly outdated: Want[] = [];
  readonly missing: ByteString[] = [];
  readonly unasked: ByteString[] = [];
  readonly problems: PopulateProblem[] = [];
  private readonly root: JailRoot;
  private readonly seen = new Set<ByteString>();

  constructor(private readonly options: ScanOptions) {
    this.root = options.state.root;
  }

  scan(path: ByteString): void {
    let directory: Directory;
    try {
      directory = openDirectory(this.root, path);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR")) this.fail(path, error);
      return;
    }
    try {
      const { mount } = directory;
      const isHosts = hostSystemOf(this.root, mount) ?? outsidePathOf(this.root, mount);
      if (isHosts === undefined) this.list(directory, 0);
    } finally {
      release(directory);
    }
  }

  private list(directory: Directory, depth: number): void {
    const { prune, report, skipped, homes } = this.options;
    if (this.seen.has(directory.path) || (!directory.trusted && !prune) || depth > DEEPEST) return;
    this.seen.add(directory.path);
    report(`scanning ${this.root.path}${directory.path}`);
    for (const name of namesIn(directory)) {
      const path = joinPath(directory.path, name);
      if (skipped(path) || homes.paths.includes(path)) continue;
      try {
        this.visit(directory, name, path, depth);
      } catch (error) {
        // A user may remove a file before it is read.
        if (!isErrno(error, "ENOENT")) this.fail(path, error);
      }
    }
  }

  private visit(parent: Directory, name: ByteString, path: ByteString, depth: number): void {
    const { state, host } = this.options;
    const existing = state.at(path);
    if (existing === undefined) return;
    const isDir = isDirectory(existing.stat);
    if (isDir && !this.enter(parent, name, depth)) return;
    if (state.recordsOf(path).length > 0) return;
    const onHost = host.lstat(path);
    if (onHost === undefined) this.missing.push(path);
    else if (isDir || !this.isOutdated(path, existing, onHost.mode)) return;
    else if (isOurRuntime(path)) this.unasked.push(path);
    else this.outdated.push(this.wantOf(path, existing));
  }

  /** Lists a directory; false if it is on another file system. */
  private enter(parent: Directory, name: ByteString, depth: number): boolean {
    const child = openChild(this.root, parent, name);
    try {
      if (child.stat.mountId !== parent.stat.mountId) return false;
      this.list(child, depth + 1);
      return true;
    } finally {
      release(child);
    }
  }

  private isOutdated(path: ByteString, { stat, target, origin }: JailObject, mode: number): boolean {
    const { prune, replaceMade, host } = this.options;
    const isMade = origin === "made-here" && isRegular(stat) && !replaceMade;
    if (!prune && (origin === "user" || isMade)) return false;
    if (isRegular(stat)) {
      return (mode & C.S_IFMT) === C.S_IFREG && !this.options.contents.same(path, path, stat);
    }
    return isLink(stat) && isLink({ mode }) && host.readlink(path) !== target;
  }

  /** Keeps the present owner and special bits. */
  private wantOf(path: ByteString, { stat }: JailObject): Want {
    const onHost = this.options.host.lstat(path);
    return {
      pattern: path,
      written: path,
      section: FOUND_SECTION,
      keepOwner: onHost !== undefined && stat.uid === onHost.uid && stat.gid === onHost.gid,
      keepSetuid: (stat.mode & (C.S_ISUID | C.S_ISGID)) !== 0,
      glob: false,
      kind: "any",
    };
  }

  private fail(path: ByteString, error: unknown): void {
    const code = "unreadable";
    this.problems.push({ ...problemFrom(error, code, this.root.path + path), code });
  }
}

/** The names in a directory of a jail; none if there is no such directory. */
export function namesAt(root: JailRoot, path: ByteString): ByteString[] {
  const directory = answered(() => openDirectory(root, path));
  if (directory === undefined) return [];
  try {
    return namesIn(directory);
  } finally {
    release(directory);
  }
}
