import type { ByteString } from "../../../ffi/bytes.ts";
import { renameAt, syncFd, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { isEmptyDirectory, openAt, type Stat, statIfPresent, withFd } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { makeDirectoryIn } from "./directories.ts";
import { HOME } from "./gone-home.ts";
import { homeExists } from "./home-move.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { lookUp } from "./look.ts";
import { renameNew } from "./place.ts";
import { type Directory, hostPath, isDirectory, type JailRoot, joinPath, withDirectory } from "./walk.ts";

// An account has its new home before that has its place. Until then an empty directory of root is there: below a sticky directory,
// such as /tmp, somebody else could create one, and the account would have it.

const ALONE = { mode: 0o700, uid: 0, gid: 0 };

/** True for what holdPlace makes, or nobody would miss: rmdir(2) and rename(2) replace only an empty one. */
export const isHeld = (stat: Stat): boolean =>
  isDirectory(stat) && stat.uid === 0 && (stat.mode & 0o7777) === 0o700;

/** True if there is nothing at the place of a home, or only what holdPlace makes. Throws SystemError, JailkitError. */
export function isVacant(root: JailRoot, home: ByteString): boolean {
  const there = lookUp(root, home);
  if (there === undefined || !isHeld(there.stat)) return there === undefined;
  return withDirectory(
    root,
    home,
    ({ fd, stat }) => isHeld(stat) && withFd(openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY), isEmptyDirectory),
  );
}

/** The place of a new home on the host, without symbolic links; the directory above it exists. Throws SystemError, JailkitError. */
export const realPlace = (root: JailRoot, to: ByteString): ByteString =>
  withDirectory(root, directoryOf(to), ({ path }) => hostPath(root, joinPath(path, baseName(to))));

/** The same, or as the path says it where that cannot be looked at. */
export const knownPlace = (root: JailRoot, to: ByteString): ByteString =>
  answered(() => realPlace(root, to)) ?? hostPath(root, to);

/** Keeps others from the place of a new home. Throws JailkitError if that exists, unless it is what a run that was killed has left. */
export function holdPlace(root: JailRoot, to: ByteString): void {
  withDirectory(root, directoryOf(to), (parent) => {
    const made = makeDirectoryIn(root, parent, baseName(to), ALONE);
    if (made !== "created" && !isVacant(root, to)) throw homeExists(root, to);
  });
}

/** Gives the home in `box` its place. Throws JailkitError if something is there but what holdPlace has made. */
export function takePlace(root: JailRoot, box: Directory, to: ByteString): void {
  const name = baseName(to);
  try {
    withDirectory(root, directoryOf(to), (parent) => {
      requireNoHostMount(root, parent, joinPath(parent.path, name));
      const there = statIfPresent(parent.fd, name);
      if (there === undefined) renameNew(box, HOME, parent, name, true);
      else if (isHeld(there)) renameAt(box.fd, HOME, parent.fd, name);
      else throw homeExists(root, to);
    });
  } catch (error) {
    throw isErrno(error, "EEXIST", "ENOTEMPTY", "ENOTDIR") ? homeExists(root, to) : error;
  }
}

/** Gives a place up that holdPlace keeps. Throws SystemError, JailkitError. */
export function releasePlace(root: JailRoot, to: ByteString): void {
  withDirectory(root, directoryOf(to), (parent) => {
    const there = statIfPresent(parent.fd, baseName(to));
    if (there !== undefined && isHeld(there))
      attempt(() => unlinkAt(parent.fd, baseName(to), C.AT_REMOVEDIR));
  });
}

/** Brings to the disk that a home has its place: what removes the old one must not come there before. Throws SystemError. */
export function syncPlace(root: JailRoot, to: ByteString): void {
  try {
    withDirectory(root, directoryOf(to), ({ fd }) =>
      withFd(openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY), syncFd),
    );
  } catch (error) {
    // Not every file system has that for directories.
    if (!isErrno(error, "EINVAL", "ENOSYS", "EOPNOTSUPP")) throw error;
  }
}
