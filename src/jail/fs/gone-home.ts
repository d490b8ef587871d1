import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, type Stat, sameFile, statAt, statIfPresent } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { quoted, shortPath } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { freeNumbered } from "../../system/free-name.ts";
import { hostUser } from "../../system/name-services.ts";
import { exchanged } from "./attributes.ts";
import { makeDirectoryIn } from "./directories.ts";
import type { Watch } from "./empty.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { renameNew, syncDirectory, temporaryName, withTemporaryName } from "./place.ts";
import { removeTree } from "./remove.ts";
import {
  type Directory,
  forgetDirectories,
  hostPath,
  type JailRoot,
  joinPath,
  openDirectory,
  release,
} from "./walk.ts";

/**
 * A home that is removed. One rename brings it from its place into a directory that only root can enter, beside it, where it is
 * emptied: its account has a whole home until then, and none from then on. What a run that ends meanwhile leaves there, the next
 * one removes, whatever has become of the account.
 */
export interface GoneHome {
  readonly root: JailRoot;
  /** The place that it had. */
  readonly path: ByteString;
  /** The directory of that place. */
  readonly parent: Directory;
  /** The directory that only root can enter; locked as long as it is open. */
  readonly box: Directory;
  readonly stat: Stat;
}

const PREFIX = ".jk-gone-";
/** The name of a home in such a directory, and of its copy in one of home-copy.ts. */
export const HOME = "home";

/** True for the name of such a directory, if only root can have given it. */
export const isGoneName = (name: ByteString): boolean => name.startsWith(PREFIX);

/** The path of the home now, as the jail sees it. */
export const gonePath = ({ box }: Pick<GoneHome, "box">): ByteString => joinPath(box.path, HOME);

/**
 * Takes the home `path`, which is `seen`, from its place. Undefined if it has to be removed there: others can write the directory
 * above it, something is mounted on it, or nothing can be created beside it. `named` gets the path of the directory on the host
 * before that exists. Throws JailkitError "exchanged".
 */
export function takeAway(
  root: JailRoot,
  path: ByteString,
  seen: Stat,
  named: (path: ByteString) => void,
): GoneHome | undefined {
  const parent = openDirectory(root, directoryOf(path));
  let box: Directory | undefined;
  let gone: GoneHome | undefined;
  try {
    requireNoHostMount(root, parent, path);
    box = parent.trusted ? makeBox(root, parent, named) : undefined;
    if (box === undefined) return undefined;
    const taken = { root, path, parent, box, stat: seen };
    if (!isTaken(taken)) return undefined;
    // A remembered path may lead through it.
    forgetDirectories(root, parent);
    if (!sameFile(statAt(box.fd, HOME), seen)) {
      putBackGone(taken);
      throw exchanged(hostPath(root, path));
    }
    gone = taken;
    return gone;
  } finally {
    if (gone === undefined) {
      if (box !== undefined) close(box.fd);
      release(parent);
    }
  }
}

/** Renames it; false if that cannot be. */
function isTaken({ path, parent, box }: GoneHome): boolean {
  try {
    renameNew(parent, baseName(path), box, HOME, true);
    return true;
  } catch (error) {
    removeBox({ parent, box });
    if (error instanceof SystemError) return false;
    throw error;
  }
}

function makeBox(
  root: JailRoot,
  parent: Directory,
  named: (path: ByteString) => void,
): Directory | undefined {
  const name = `${PREFIX}${temporaryName().slice(4)}`;
  const path = joinPath(parent.path, name);
  named(hostPath(root, path));
  let fd = -1;
  try {
    if (makeDirectoryIn(root, parent, name, { mode: 0o700, uid: 0, gid: 0 }) !== "created") return undefined;
    fd = openAt(parent.fd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  const stat = fstat(fd);
  const there = lockFile(fd, C.LOCK_EX | C.LOCK_NB) ? statIfPresent(parent.fd, name) : undefined;
  if (there !== undefined && sameFile(there, stat))
    return { fd, path, stat, trusted: true, stage: undefined, cached: false, mount: parent.mount };
  // Another run has removed it as a leftover before it was locked.
  close(fd);
  return undefined;
}

/** Puts it back, whole. Throws JailkitError if something else has its place, with the name that it has then, and SystemError. */
export function putBackGone(gone: GoneHome): void {
  const { root, path, parent, box } = gone;
  const back = (name: ByteString) => renameNew(box, HOME, parent, name, true);
  try {
    back(baseName(path));
  } catch (error) {
    if (!isErrno(error, "EEXIST", "ENOTEMPTY")) throw error;
    const other = quoted(hostPath(root, joinPath(parent.path, withTemporaryName(back))));
    const message = `${quoted(hostPath(root, path))} exists again, and the home that was there is in ${other}: compare the two`;
    throw new JailkitError("home-exists", 1, message);
  } finally {
    removeBox(gone);
  }
}

/** Removes it, as removeTree does. */
export function emptyGone(gone: GoneHome, watch: Watch): void {
  const { root, parent, stat } = gone;
  removeTree(root, gonePath(gone), stat, undefined, watch);
  forgetDirectories(root, parent);
  removeBox(gone);
  syncDirectory(root, parent);
}

/** The next run removes one that stays. */
const removeBox = ({ parent, box }: Pick<GoneHome, "parent" | "box">): void =>
  void attempt(() => unlinkAt(parent.fd, baseName(box.path), C.AT_REMOVEDIR));

/** Closes what takeAway opened, which unlocks the directory. */
export function closeGone({ parent, box }: GoneHome): void {
  close(box.fd);
  release(parent);
}

/**
 * Removes what a run has left of a home in such a directory, at `path`, which is open as `fd` and locked: but for a directory with
 * content of others, which may have come there by a descriptor that somebody has. Throws JailkitError "holds-home" then.
 */
export function removeRestIn(root: JailRoot, path: ByteString, fd: number): void {
  const home = statIfPresent(fd, HOME);
  if (home === undefined) return;
  const directory: Watch["directory"] = (stat, at) => {
    if (stat.uid === home.uid || (stat.uid === 0 && onlyRootWrites(stat))) return;
    const owner = hostUser(stat.uid);
    if (owner === undefined) return;
    const theirs = hostPath(root, at());
    const what = `the directory ${quoted(shortPath(theirs))} of ${quoted(owner.name)} is in it`;
    const beside = freeNumbered(hostPath(root, joinPath(directoryOf(path), baseName(theirs))));
    const remedy: Remedy = `mv -nT ${operands(theirs, beside)}`;
    const message = `${quoted(hostPath(root, path))} is not removed: ${what}; what brings it out: ${remedy}`;
    throw new JailkitError("holds-home", 1, message, undefined, remedy);
  };
  removeTree(root, joinPath(path, HOME), home, undefined, { directory });
}
