import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import {
  close,
  entriesOf,
  fstat,
  openAt,
  type Stat,
  sameFile,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { interruption } from "../../cli/interrupt.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { makeDirectoryIn } from "./directories.ts";
import { HOME, isGoneName, removeRestIn } from "./gone-home.ts";
import { sizesIn } from "./home-scan.ts";
import { isNoRoom, noRoom } from "./no-room.ts";
import { temporaryName } from "./place.ts";
import { removeTree } from "./remove.ts";
import { exchangeFindings } from "./safety.ts";
import { type Directory, hostPath, isDirectory, type JailRoot, joinPath, withDirectory } from "./walk.ts";

/** The copy of a home, in a directory that only root can enter: so the copy has its owner and its mode before it has its place. */
export interface HomeCopy {
  /** That directory, locked while a process works on it; close(2) releases it. */
  readonly box: Directory;
  readonly name: ByteString;
  /** O_PATH: the copy. */
  readonly fd: number;
}

const PREFIX = ".jk-home-";
const READ = C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW;

/** Where a home is copied. */
export interface CopyPlace {
  readonly root: JailRoot;
  /** Only root can write it. */
  readonly stage: Directory;
  /** Gets the path of the directory on the host before that exists. */
  readonly named: (path: ByteString) => void;
  /** True for the path of one that a run has left and that holds more than a part of a copy. */
  readonly stays: (path: ByteString) => boolean;
}

/** Creates the directory of a copy, and an empty copy in it. Removes what interrupted runs left there, unless others can enter it. */
export function makeCopy(place: CopyPlace): HomeCopy {
  const { root, stage } = place;
  sweepCopies(place);
  for (let attempt = 1; ; attempt++) {
    const copy = tryToMake(place);
    // Another run may have removed it as a leftover before it was locked.
    const there = statIfPresent(stage.fd, copy.name);
    if (there !== undefined && sameFile(there, copy.box.stat)) return copy;
    closeCopy(copy);
    if (attempt === 16)
      throw new SystemError(C.EAGAIN, "mkdir", hostPath(root, joinPath(stage.path, copy.name)));
  }
}

/** Closes what makeCopy opened, which unlocks the directory. */
export function closeCopy({ box, fd }: HomeCopy): void {
  close(fd);
  close(box.fd);
}

function tryToMake({ root, stage, named }: CopyPlace): HomeCopy {
  const name = `${PREFIX}${temporaryName().slice(4)}`;
  const path = joinPath(stage.path, name);
  named(hostPath(root, path));
  const alone = { mode: 0o700, uid: 0, gid: 0 };
  if (makeDirectoryIn(root, stage, name, alone) !== "created")
    throw new SystemError(C.EEXIST, "mkdir", hostPath(root, path));
  const lock = openAt(stage.fd, name, READ);
  // Only root can open it, so no user can hold its lock.
  lockFile(lock, C.LOCK_EX);
  const box: Directory = { ...stage, fd: lock, path, stat: fstat(lock), cached: false };
  try {
    makeDirectoryIn(root, box, HOME, alone);
    return { name, box, fd: openAt(lock, HOME, C.O_PATH | C.O_DIRECTORY | C.O_NOFOLLOW) };
  } catch (error) {
    close(lock);
    throw error;
  }
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

function sweepCopies({ root, stage, stays }: CopyPlace): void {
  for (const { name, type } of entriesOf(stage.fd)) {
    if (!isCopyName(name) || (type !== C.DT_DIR && type !== C.DT_UNKNOWN)) continue;
    if (stays(hostPath(root, joinPath(stage.path, name)))) continue;
    // A leftover does no harm.
    answered(() => sweepOne(root, stage, name));
  }
}

/** True for the name of the directory of a copy, or of a home that is removed, if only root can have given it. */
const isCopyName = (name: ByteString): boolean => name.startsWith(PREFIX) || isGoneName(name);

// Into another one somebody may have moved what others have.
const isRootsAlone = ({ uid, mode }: Stat): boolean => uid === 0 && (mode & 0o077) === 0;

/** Removes a copy, unless a run works on it, or others can enter it: false. Throws SystemError, JailkitError. */
function sweepOne(root: JailRoot, stage: Directory, name: ByteString): boolean {
  return withFd(openAt(stage.fd, name, READ), (lock) => {
    const stat = fstat(lock);
    if (!isRootsAlone(stat) || !lockFile(lock, C.LOCK_EX | C.LOCK_NB)) return false;
    const path = joinPath(stage.path, name);
    if (isGoneName(name)) removeRestIn(root, path, lock);
    removeTree(root, path, stat);
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

/** The directory of a copy that a run which was killed has left at a path, and what is in it; undefined if there is none. Throws SystemError. */
export const leftCopy = (root: JailRoot, path: ByteString): { readonly home: Stat | undefined } | undefined =>
  withCopy(root, path, (stage, name) =>
    withFd(openAt(stage.fd, name, READ), (box) => ({ home: statIfPresent(box, HOME) })),
  );

/** Removes it; false if there is none, a run works on it, or others can enter it. Throws SystemError, JailkitError. */
export const removeLeftCopy = (root: JailRoot, path: ByteString): boolean =>
  withCopy(root, path, (stage, name) => sweepOne(root, stage, name)) === true;

/** Calls `place` with the directory of a copy that was left complete, by its inode; false as for removeLeftCopy, or for another one. */
export const placeLeftCopy = (
  root: JailRoot,
  path: ByteString,
  inode: bigint,
  place: (box: Directory) => void,
): boolean =>
  withCopy(root, path, (stage, name) =>
    withFd(openAt(stage.fd, name, READ), (fd) => {
      const stat = fstat(fd);
      if (!isRootsAlone(stat) || !lockFile(fd, C.LOCK_EX | C.LOCK_NB)) return false;
      if (statIfPresent(fd, HOME)?.ino !== inode) return false;
      place({ ...stage, fd, stat, path, cached: false });
      attempt(() => unlinkAt(stage.fd, name, C.AT_REMOVEDIR));
      return true;
    }),
  ) === true;
