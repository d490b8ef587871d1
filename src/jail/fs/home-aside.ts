import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, type Stat, sameFile, statAt, statIfPresent } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { makeDirectories, makeDirectoryIn } from "./directories.ts";
import { HOME } from "./gone-home.ts";
import { prepareReplacements, type Replacement, replaceFiles, sweepReplacements } from "./home-clean.ts";
import { mayMoveWhole } from "./home-move.ts";
import { syncPlace, takePlace } from "./home-place.ts";
import { renameNew } from "./place.ts";
import {
  type Directory,
  forgetDirectories,
  hostPath,
  type JailRoot,
  joinPath,
  onSameMount,
  openDirectory,
  release,
} from "./walk.ts";

/**
 * A home that is moved without a copy is first put aside: renamed into a directory that only root can enter, beside its old
 * place. No journal is needed: its name says which home is in it, and a home in it belongs to its old place until the
 * account has the new one.
 */
export interface Aside {
  readonly host: JailRoot;
  /** The old place of the home. */
  readonly path: ByteString;
  /** The directory of the old place. */
  readonly parent: Directory;
  /** The directory that only root can enter; locked as long as it is open. */
  readonly box: Directory;
  /** O_PATH: the home. */
  readonly fd: number;
}

const PREFIX = ".jk-move-";

/** The directory in which a home is put aside, by the home. */
export const asideBox = (path: ByteString): ByteString =>
  joinPath(directoryOf(path), `${PREFIX}${baseName(path)}`);

/** The path of a home that is put aside. */
export const asidePath = (path: ByteString): ByteString => joinPath(asideBox(path), HOME);

/**
 * Puts the home `path`, which is open as `homeFd`, aside. Undefined if it must be copied: others can write the directory
 * above it, the new place is on another mount, or it cannot be renamed (such as an immutable directory). Throws JailkitError.
 */
export function putAside(
  host: JailRoot,
  path: ByteString,
  homeFd: number,
  root: JailRoot,
  to: ByteString,
): Aside | undefined {
  const parent = openDirectory(host, directoryOf(path));
  const box = mayMoveWhole(parent, root, to) ? openBox(host, parent, path, true) : undefined;
  if (box === undefined) {
    release(parent);
    return undefined;
  }
  const aside = { host, path, parent, box, fd: openAt(homeFd, ".", C.O_PATH | C.O_DIRECTORY) };
  try {
    renameNew(parent, baseName(path), box, HOME, true);
  } catch (error) {
    removeBox(aside);
    closeAside(aside);
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  forgetDirectories(host, parent);
  if (sameFile(statAt(box.fd, HOME), fstat(homeFd))) return aside;
  putBack(aside);
  throw new SystemError(C.ESTALE, "rename", hostPath(host, path));
}

/**
 * The home that an interrupted run has put aside from `path`, if it is the one that is looked for; undefined if there is none. With
 * `sweep`, an empty directory that such a run has left is removed. Throws JailkitError if another run works on it.
 */
export function leftAside(
  host: JailRoot,
  path: ByteString,
  isTheirs: (home: Stat) => boolean,
  sweep: boolean,
): Aside | undefined {
  const parent = answered(() => openDirectory(host, directoryOf(path)));
  if (parent === undefined) return undefined;
  const box = parent.trusted ? openBox(host, parent, path, false) : undefined;
  const there = box && statIfPresent(box.fd, HOME);
  if (box !== undefined && there !== undefined && isTheirs(there))
    return { host, path, parent, box, fd: openAt(box.fd, HOME, C.O_PATH | C.O_DIRECTORY | C.O_NOFOLLOW) };
  if (box !== undefined) {
    if (sweep && there === undefined) removeBox({ parent, box, path });
    close(box.fd);
  }
  release(parent);
  return undefined;
}

/** Prepares a home that was put aside for a jail: see prepareReplacements. */
export function prepareHome(aside: Aside): Replacement[] {
  sweepReplacements(aside.box, HOME);
  return prepareReplacements(aside, aside.host, aside.box);
}

/** Moves a home that was put aside to `to` in the jail, in which nobody else has come: see holdPlace. Throws JailkitError if `to` exists. */
export function moveHome(aside: Aside, replacements: readonly Replacement[], root: JailRoot, to: ByteString) {
  replaceFiles(aside, aside.box, replacements);
  takePlace(root, aside.box, to);
  syncMoved(root, to);
  removeBox(aside);
}

/**
 * Brings a home that was put aside to `to`, or back to its place. Throws JailkitError if another one is there, or if it cannot be in a
 * jail (prepareReplacements).
 */
export function settleAside(aside: Aside, root: JailRoot, to: ByteString | undefined): void {
  if (to === undefined) {
    putBack(aside);
    return;
  }
  makeDirectoriesAbove(root, to);
  moveHome(aside, prepareHome(aside), root, to);
}

/** Creates the directories above the new home. */
export function makeDirectoriesAbove(root: JailRoot, to: ByteString): void {
  makeDirectories(root, directoryOf(to), () => ({ mode: 0o755, uid: 0, gid: 0 }));
}

/** Puts a home back. Throws JailkitError if another one has its place. */
export function putBack(aside: Aside): void {
  const { host, path, parent, box } = aside;
  try {
    renameNew(box, HOME, parent, baseName(path), true);
  } catch (error) {
    if (!isErrno(error, "EEXIST", "ENOTEMPTY")) throw error;
    const where = quoted(hostPath(host, asidePath(path)));
    const message = `${quoted(hostPath(host, path))} exists, and an interrupted run has put the home aside in ${where}: compare the two`;
    throw new JailkitError("home-exists", 1, message);
  }
  syncMoved(host, path);
  removeBox(aside);
}

// The note goes next, and may be on another disk: without it nobody finds the home where it was.
function syncMoved(root: JailRoot, to: ByteString): void {
  answered(() => syncPlace(root, to));
}

/** Closes what putAside or leftAside opened, which unlocks the directory. */
export function closeAside({ parent, box, fd }: Aside): void {
  close(fd);
  close(box.fd);
  release(parent);
}

function openBox(
  host: JailRoot,
  parent: Directory,
  home: ByteString,
  create: boolean,
): Directory | undefined {
  const name = `${PREFIX}${baseName(home)}`;
  const path = joinPath(parent.path, name);
  let fd = -1;
  try {
    if (create) makeDirectoryIn(host, parent, name, { mode: 0o700, uid: 0, gid: 0 });
    // Only root can open it, so no user can hold its lock.
    fd = openAt(parent.fd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  const stat = fstat(fd);
  if (!lockFile(fd, C.LOCK_EX | C.LOCK_NB)) {
    close(fd);
    throw new JailkitError("home-busy", 1, `${quoted(home)} is being moved by another run: wait for it`);
  }
  const isOurs = stat.uid === 0 && (stat.mode & 0o077) === 0 && onSameMount(stat, parent.stat);
  // A home that is in it already must not be replaced: see leftAside.
  if (isOurs && (!create || statIfPresent(fd, HOME) === undefined))
    return { fd, path, stat, trusted: true, stage: undefined, cached: false, mount: parent.mount };
  close(fd);
  return undefined;
}

function removeBox({ parent, box, path }: Pick<Aside, "parent" | "box" | "path">): void {
  sweepReplacements(box, HOME);
  try {
    unlinkAt(parent.fd, `${PREFIX}${baseName(path)}`, C.AT_REMOVEDIR);
  } catch {
    // The next run uses it.
  }
}
