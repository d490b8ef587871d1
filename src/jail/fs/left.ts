import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile, makeDirectory, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { namesIn } from "./names.ts";
import { temporaryName, withTemporaryName } from "./place.ts";
import { type Directory, isDirectory, isRegular, type JailRoot, withDirectory } from "./walk.ts";

// The temporary files of data, and directories that are prepared for a place which users can write. Their makers hold a lock on
// them until they have their names, so that whoever gets the lock knows that the maker was killed. By then they may be their
// user's. Where root alone can write the directory, only root can have given such a name, and a user none of anything else: a
// file goes, and a directory if it is empty.

const PREFIX = ".jk-put-";
const HELD = /^\.jk-put-[\w-]{12}$/;

/** True for the name of such a file or directory. It says nothing where users can write. Pure. */
export const isHeldName = (name: ByteString): boolean => HELD.test(name);

/** The name of a temporary file that is held, from one that nobody can guess. */
export const heldName = (temporary: ByteString): ByteString => PREFIX + temporary.slice(".jk-".length);

/** Directories in which this process has looked for what others left. */
const swept = new Set<string>();

/**
 * Creates a temporary file and locks it: the caller closes it when it has its name. Throws SystemError, EEXIST also if it was
 * taken for one that was left.
 */
export function createHeld(stage: Directory, name: ByteString): number {
  sweepHeld(stage);
  return hold(stage, name, C.O_WRONLY | C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW);
}

/** The same for a directory, with the mode 0700. Returns its name, too. */
export function createHeldDirectory(stage: Directory): { readonly name: ByteString; readonly fd: number } {
  sweepHeld(stage);
  let fd = -1;
  const name = withTemporaryName(
    (candidate) => {
      makeDirectory(stage.fd, candidate, 0o700);
      fd = hold(stage, candidate, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW);
    },
    () => heldName(temporaryName()),
  );
  return { name, fd };
}

function hold(stage: Directory, name: ByteString, flags: number): number {
  const fd = openAt(stage.fd, name, flags, 0o600);
  try {
    // Without locks, as on some network file systems, nothing is ever swept.
    const isLocked = attempt(() => lockFile(fd, C.LOCK_EX | C.LOCK_NB)) ?? true;
    const there = isLocked ? statIfPresent(stage.fd, name) : undefined;
    if (there === undefined || !sameFile(there, fstat(fd)))
      throw new SystemError(C.EEXIST, "open", undefined);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Removes what makers that were killed have left in a directory, if only root can write it. */
function sweepHeld(stage: Directory): void {
  const { devMajor, devMinor, ino } = stage.stat;
  const key = `${devMajor}:${devMinor}:${ino}`;
  if (!stage.trusted || swept.has(key)) return;
  swept.add(key);
  for (const name of attempt(() => namesIn(stage)) ?? []) {
    // A leftover does no harm.
    if (HELD.test(name)) attempt(() => sweepOne(stage, name));
  }
}

/** Removes a file, or an empty directory; false if its maker is at work, or it is anything else. Throws SystemError. */
function sweepOne(stage: Directory, name: ByteString): boolean {
  const flags = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
  return withFd(openAt(stage.fd, name, flags), (fd) => {
    const stat = fstat(fd);
    if (!(isRegular(stat) || isDirectory(stat)) || !lockFile(fd, C.LOCK_EX | C.LOCK_NB)) return false;
    // It may have got its name meanwhile.
    const there = statIfPresent(stage.fd, name);
    if (there === undefined || !sameFile(there, stat)) return false;
    unlinkAt(stage.fd, name, isDirectory(stat) ? C.AT_REMOVEDIR : 0);
    return true;
  });
}

/** Whether root alone can have given a path of a jail such a name. Throws SystemError. */
export const isHeldPath = (root: JailRoot, path: ByteString): boolean =>
  isHeldName(baseName(path)) && withDirectory(root, directoryOf(path), ({ trusted }) => trusted);

/** Removes what a maker that was killed has left at a path; false if that is not sure, or it is not empty. Throws SystemError. */
export const removeLeft = (root: JailRoot, path: ByteString): boolean =>
  isHeldName(baseName(path)) &&
  withDirectory(root, directoryOf(path), (stage) => stage.trusted && sweepOne(stage, baseName(path)));
