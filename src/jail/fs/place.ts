import type { ByteString } from "../../../ffi/bytes.ts";
import { makeLink, renameAt, syncFd, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, openAt, type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
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

/** What became of a name: it is new, what stood there was replaced, or it was left as it was. */
export type Placement = "created" | "replaced" | "kept";

const pool = new Uint8Array(1536);
let used = pool.length;

/** A name that nobody can guess: ".jk-" and 72 random bits. */
export function temporaryName(): ByteString {
  if (used + 9 > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, used + 9);
  used += 9;
  return `.jk-${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url")}`;
}

/**
 * The directory in which something that is to stand in `parent` is made ready. In a directory that users can
 * write they could exchange it between two steps, so it is made in the nearest directory above where nobody can
 * and moved when it is finished; where no such directory is on the same mount, in `parent` itself.
 */
export function stageFor(root: JailRoot, parent: Directory): Directory {
  const stage = parent.stage;
  if (parent.trusted || stage === undefined) return parent;
  return stage.fd >= 0 ? stage : walk(root, stage.path);
}

/**
 * As stageFor, where that is root's alone. Throws JailkitError "no-safe-place", with the command that mends it where one
 * does.
 */
export function requireStage(root: JailRoot, parent: Directory): Directory {
  const stage = stageFor(root, parent);
  if (stage.trusted) return stage;
  const parts = pathComponents(parent.path);
  const names: ByteString[] = [];
  let sticky = false;
  for (let count = 0; count <= parts.length; count++) {
    const one = walk(root, parts.slice(0, count).join("/"));
    if (!onlyRootWrites(one.stat)) {
      names.push(hostPath(root, one.path));
      sticky ||= (one.stat.mode & C.S_ISVTX) !== 0;
    }
    release(one);
  }
  const where = quoted(hostPath(root, parent.path));
  const what = `no home can be copied to ${where}, for no directory on its mount is root's alone`;
  const remedy = sticky
    ? "choose a place that is not below a directory that everybody can write"
    : `fix it with: chmod go-w ${operands(...names)}`;
  throw new JailkitError("no-safe-place", 1, `${what}; ${remedy}`);
}

/** Calls `make` with new random names until one is free, and gives that name back. */
export function withTemporaryName(make: (name: ByteString) => void): ByteString {
  for (let attempt = 1; ; attempt++) {
    const name = temporaryName();
    try {
      make(name);
      return name;
    } catch (error) {
      if (!isErrno(error, "EEXIST") || attempt === 16) throw error;
    }
  }
}

/**
 * Removes a name where it still is what was `made`, which is nothing where making it failed; for cleaning up, where
 * the first error is the one to tell.
 */
export function discard(directory: Directory, name: ByteString, made: Stat | undefined, flags = 0): void {
  try {
    const there = made === undefined ? undefined : statIfPresent(directory.fd, name);
    if (made === undefined || there === undefined || !sameFile(there, made)) return;
    unlinkAt(directory.fd, name, flags);
  } catch {
    // The user may have taken it away, or the disk failed: the error that led here says more.
  }
}

/** fsync(2) of a directory, where the jail was opened with `sync`. */
export function syncDirectory(root: JailRoot, directory: Directory): void {
  if (!root.sync) return;
  const fd = openAt(directory.fd, ".", C.O_RDONLY | C.O_DIRECTORY);
  try {
    syncFd(fd);
  } finally {
    close(fd);
  }
}

/** renameat2(RENAME_NOREPLACE), also where the file system has no such flag; `directory`: what is moved is one. */
export function renameNew(
  from: Directory,
  name: ByteString,
  to: Directory,
  target: ByteString,
  directory = false,
) {
  try {
    renameAt(from.fd, name, to.fd, target, C.RENAME_NOREPLACE);
  } catch (error) {
    if (!isErrno(error, "EINVAL", "ENOSYS")) throw error;
    // rename(2) puts a directory in the place of an empty directory only, never of a file.
    if (directory) return renameAt(from.fd, name, to.fd, target);
    makeLink(from.fd, name, to.fd, target);
    unlinkAt(from.fd, name);
  }
}

/**
 * Puts something that is not a directory at `name` in `parent`: `make` makes it ready under a random name, and one
 * rename(2) lets it appear. Nothing that stands there is opened, followed or changed. `make` must create with
 * O_EXCL or its like, and answers what it made as soon as that is there. `absent`: the caller has looked already, and
 * nothing was there. Throws JailkitError "directory-in-the-way", SystemError naming the path.
 */
export function place(
  root: JailRoot,
  parent: Directory,
  name: ByteString,
  options: { replace?: boolean; absent?: boolean },
  make: (stage: Directory, temporary: ByteString, made: (stat: Stat) => void) => void,
): Placement {
  const { replace = false, absent = false } = options;
  const path = joinPath(parent.path, name);
  try {
    const existing = absent ? undefined : statIfPresent(parent.fd, name);
    if (existing !== undefined && isDirectory(existing)) throw directoryInTheWay(root, path);
    if (existing !== undefined && !replace) return "kept";
    const stage = stageFor(root, parent);
    let temporary: ByteString | undefined;
    let made: Stat | undefined;
    try {
      withTemporaryName((candidate) => {
        temporary = candidate;
        make(stage, candidate, (stat) => {
          made = stat;
        });
      });
      if (temporary === undefined || made === undefined) return "kept";
      const placement = settle(stage, temporary, parent, name, existing !== undefined, replace);
      // Without a directory of root's to make it in, it may have been exchanged between two steps.
      if (placement !== "kept" && !stage.trusted) requireSame(parent, name, made);
      if (placement === "kept") {
        discard(stage, temporary, made);
        const there = statIfPresent(parent.fd, name);
        if (there !== undefined && isDirectory(there)) throw directoryInTheWay(root, path);
      }
      if (existing !== undefined && isLink(existing)) forgetDirectories(root, parent);
      syncDirectory(root, parent);
      return placement;
    } catch (error) {
      if (temporary !== undefined) discard(stage, temporary, made);
      throw error;
    }
  } catch (error) {
    if (isErrno(error, "EISDIR")) throw directoryInTheWay(root, path);
    throw namedError(error, hostPath(root, path));
  }
}

function requireSame(parent: Directory, name: ByteString, made: Stat): void {
  const there = statIfPresent(parent.fd, name);
  if (there === undefined || !sameFile(there, made)) throw new SystemError(C.EAGAIN, "exchanged", undefined);
}

function settle(
  stage: Directory,
  temporary: ByteString,
  parent: Directory,
  name: ByteString,
  exists: boolean,
  replace: boolean,
): Placement {
  if (!exists) {
    try {
      renameNew(stage, temporary, parent, name);
      return "created";
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      if (!replace) return "kept";
    }
  }
  renameAt(stage.fd, temporary, parent.fd, name);
  return "replaced";
}

function directoryInTheWay(root: JailRoot, path: ByteString): JailkitError {
  const shown = display(hostPath(root, path));
  return new JailkitError("directory-in-the-way", 1, `${shown}: is a directory; move it away first`);
}
