import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { close, entriesOf, fstat, openAt, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { interruption } from "../../cli/interrupt.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { makeDirectoryIn } from "./directories.ts";
import { sizesIn } from "./home-scan.ts";
import { isNoRoom, noRoom } from "./no-room.ts";
import { temporaryName } from "./place.ts";
import { removeTree } from "./remove.ts";
import { exchangeFindings } from "./safety.ts";
import { type Directory, hostPath, isDirectory, type JailRoot, joinPath, withDirectory } from "./walk.ts";

/** A directory in which a home is copied. */
export interface HomeCopy {
  readonly name: ByteString;
  /** O_PATH. */
  readonly fd: number;
  /** Held while a process works on the copy; close(2) releases it. */
  readonly lock: number;
}

const PREFIX = ".jk-home-";
const READ = C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW;

/**
 * Creates the directory of a copy in `stage`, which only root can write. Removes what interrupted runs left there, unless others can enter it. `named` gets its
 * path before it exists.
 */
export function makeCopy(root: JailRoot, stage: Directory, named: (path: ByteString) => void): HomeCopy {
  sweepCopies(root, stage);
  for (let attempt = 1; ; attempt++) {
    const copy = tryToMake(root, stage, named);
    // Another run may have removed it as a leftover before it was locked.
    const there = statIfPresent(stage.fd, copy.name);
    if (there !== undefined && sameFile(there, fstat(copy.fd))) return copy;
    close(copy.fd);
    close(copy.lock);
    if (attempt === 16)
      throw new SystemError(C.EAGAIN, "mkdir", hostPath(root, joinPath(stage.path, copy.name)));
  }
}

function tryToMake(root: JailRoot, stage: Directory, named: (path: ByteString) => void): HomeCopy {
  const name = `${PREFIX}${temporaryName().slice(4)}`;
  named(hostPath(root, joinPath(stage.path, name)));
  const placement = makeDirectoryIn(root, stage, name, { mode: 0o700, uid: 0, gid: 0 });
  if (placement !== "created")
    throw new SystemError(C.EEXIST, "mkdir", hostPath(root, joinPath(stage.path, name)));
  const lock = openAt(stage.fd, name, READ);
  // Only root can open it, so no user can hold its lock.
  lockFile(lock, C.LOCK_EX);
  return { name, lock, fd: openAt(lock, ".", C.O_PATH | C.O_DIRECTORY) };
}

/** How far the copy of a home came when a signal ended it. */
export const NOTHING_MOVED = "nothing was moved; run this again";

/**
 * The error to report when nothing of the copy of `home` is left: a signal, a full or read-only file system, or `error`.
 */
export function whyNotCopied(
  root: JailRoot,
  home: { readonly fd: number; readonly path: ByteString },
  error: unknown,
): unknown {
  const stop = interruption(NOTHING_MOVED);
  if (stop !== undefined || !isNoRoom(error)) return stop ?? error;
  const left = answered(() => sizesIn(home.fd, home.path)) ?? [];
  const full = noRoom(error, root.path, { left, progress: "nothing was moved" });
  return full === undefined ? error : new JailkitError(full.code, 1, full.message);
}

function sweepCopies(root: JailRoot, stage: Directory): void {
  for (const { name, type } of entriesOf(stage.fd)) {
    if (!isCopyName(name) || (type !== C.DT_DIR && type !== C.DT_UNKNOWN)) continue;
    // A leftover does no harm.
    answered(() => sweepOne(root, stage, name));
  }
}

/** True for the name of the directory of a copy, if only root can have given it. */
export const isCopyName = (name: ByteString): boolean => name.startsWith(PREFIX);

/** Removes a copy, unless a run works on it, or others can enter it: false. Throws SystemError, JailkitError. */
function sweepOne(root: JailRoot, stage: Directory, name: ByteString): boolean {
  return withFd(openAt(stage.fd, name, READ), (lock) => {
    const stat = fstat(lock);
    // Into another one somebody may have moved what others have.
    const isRoots = stat.uid === 0 && (stat.mode & 0o077) === 0;
    if (!isRoots || !lockFile(lock, C.LOCK_EX | C.LOCK_NB)) return false;
    removeTree(root, joinPath(stage.path, name), stat);
    return true;
  });
}

/** Calls `use` for a copy that is there, and that only root can exchange; undefined for anything else. */
function withCopy<T>(
  root: JailRoot,
  path: ByteString,
  use: (stage: Directory, name: ByteString) => T,
): T | undefined {
  const name = baseName(path);
  if (!isCopyName(name)) return undefined;
  return withDirectory(root, directoryOf(path), (stage) => {
    // From the root directory, nothing is trusted that is below a sticky one.
    const isSafe = onlyRootWrites(stage.stat) && exchangeFindings(root, directoryOf(path)).length === 0;
    const there = isSafe ? statIfPresent(stage.fd, name) : undefined;
    return there !== undefined && isDirectory(there) ? use(stage, name) : undefined;
  });
}

/** True if a run that was killed has left a copy at a path. Throws SystemError. */
export const isCopyLeft = (root: JailRoot, path: ByteString): boolean =>
  withCopy(root, path, () => true) === true;

/** Removes it; false if there is none, a run works on it, or others can enter it. Throws SystemError, JailkitError. */
export const removeLeftCopy = (root: JailRoot, path: ByteString): boolean =>
  withCopy(root, path, (stage, name) => sweepOne(root, stage, name)) === true;
