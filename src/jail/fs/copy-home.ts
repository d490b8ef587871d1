import type { ByteString } from "../../../ffi/bytes.ts";
import { syncFileSystem, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import { fstat, sameFile, statAt } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { makeDirectories } from "./directories.ts";
import { HOME } from "./gone-home.ts";
import { type CopyPlace, closeCopy, type HomeCopy, makeCopy, whyNotCopied } from "./home-copy.ts";
import { fillCopy, homeChanged } from "./home-fill.ts";
import { type HomeSource, homeExists, isUnchanged } from "./home-move.ts";
import { holdPlace, realPlace, releasePlace, takePlace } from "./home-place.ts";
import { countHome } from "./home-scan.ts";
import type { CopiedFiles } from "./home-seen.ts";
import { closeTop } from "./home-top.ts";
import { requireStage } from "./place.ts";
import { removeTree } from "./remove.ts";
import {
  type Directory,
  hostPath,
  type JailRoot,
  joinPath,
  openDirectory,
  release,
  withDirectory,
} from "./walk.ts";

// Below this a thread costs more than it saves.
const NAMES_FOR_A_THREAD = 500;

/** What is written down of a copy. */
export interface CopyNotes {
  /** Gets the mode of a home that is about to be closed, and has no room for it. */
  closes(mode: number): void;
  /** Gets the path of the directory of the copy, on the host, before that exists. */
  boxAt(path: ByteString): void;
  /** Called when the copy is complete, and on the disk; `copied`: the files of the home that it has. */
  complete(to: ByteString, inodes: Inodes, copied: CopiedFiles): void;
}

/** Of a home, and of what takes its place. */
export interface Inodes {
  readonly homeInode: bigint;
  readonly copyInode: bigint;
}

/** A complete copy of a home, which only root can reach. Nobody else gets its place. */
export interface CompleteCopy {
  /** O_PATH; `close` closes it. */
  readonly fd: number;
  /** Where it is, on the host. */
  readonly path: ByteString;
  /** Gives it its place. Throws JailkitError, SystemError; the copy can be dropped then. */
  readonly place: () => void;
  /** Removes it. Throws JailkitError, SystemError. */
  readonly drop: () => void;
  readonly close: () => void;
}

/**
 * Copies a home that gets its place at `to` in the jail. The copy is made in a directory that only root can enter, on the same
 * mount, and has its place by one rename. It keeps owners, modes, times, extended attributes, hard links, sockets and FIFOs, but not
 * setuid, setgid (of files), security.capability and whiteouts. Missing directories above are root's and 0755. `stays`: see
 * CopyPlace. Throws JailkitError if no directory there is trusted, the source changes meanwhile, or cannot be moved (see walkHome).
 */
export function copyHome(
  home: HomeSource,
  root: JailRoot,
  to: ByteString,
  step: (done: number, total: number) => void = () => undefined,
  note?: CopyNotes,
  stays: CopyPlace["stays"] = () => false,
): CompleteCopy {
  // Others could rename there what they may write, and each copy would fail. It is so also while the original is removed.
  home.closed.mode ??= closeTop(home.fd, (mode) => note?.closes(mode));
  const total =
    countHome(home.fd, home.path, (count) => {
      if (count >= NAMES_FOR_A_THREAD && !home.thread.isStarted) home.thread.start();
    }) + 1;
  home.seen.reserve(total);
  const above = directoryOf(to);
  makeDirectories(root, above, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const parent = openDirectory(root, above);
  let made: HomeCopy | undefined;
  try {
    const stage = requireStage(root, parent);
    made = makeCopy({ root, stage, named: (path) => note?.boxAt(path), stays });
    const { fd, box, name } = made;
    let done = 0;
    const top: Directory = { ...box, fd, path: joinPath(box.path, HOME), stat: fstat(fd) };
    step(done++, total);
    const finishTop = fillCopy(home, root, top, home.seen, () => step(done++, total), home.thread);
    if (!isUnchanged(home)) throw homeChanged(home.path);
    if (!sameFile(statAt(stage.fd, name), box.stat)) throw new SystemError(C.ESTALE, "rename", undefined);
    finishTop();
    // After a power cut, the copy is still what the note says, and the account file is on the disk.
    syncFileSystem(box.fd);
    const original = fstat(home.fd);
    const inodes = { homeInode: original.ino, copyInode: fstat(fd).ino };
    note?.complete(realPlace(root, to), inodes, home.seen.copied(original));
    holdPlace(root, to);
    return completeCopy(made, root, to);
  } catch (error) {
    if (made !== undefined) dropAfter(made, root);
    throw isErrno(error, "EEXIST", "ENOTEMPTY") ? homeExists(root, to) : whyNotCopied(root, home, error);
  } finally {
    release(parent);
  }
}

function completeCopy(copy: HomeCopy, root: JailRoot, to: ByteString): CompleteCopy {
  const { fd, box, name } = copy;
  return {
    ...{ fd, path: hostPath(root, joinPath(box.path, HOME)) },
    place() {
      takePlace(root, box, to);
      // It is empty: a run that sweeps removes it.
      attempt(() =>
        withDirectory(root, directoryOf(box.path), (stage) => unlinkAt(stage.fd, name, C.AT_REMOVEDIR)),
      );
    },
    drop() {
      releasePlace(root, to);
      removeTree(root, box.path, box.stat);
    },
    close: () => closeCopy(copy),
  };
}

function dropAfter(copy: HomeCopy, root: JailRoot): void {
  try {
    removeTree(root, copy.box.path, copy.box.stat);
  } catch (failure) {
    // The next run removes it; the error that led here says more.
    if (!isErrno(failure, "EROFS")) throw failure;
  } finally {
    closeCopy(copy);
  }
}
