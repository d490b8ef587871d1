import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { fstat, withFd } from "../../ffi/files.ts";
import { normalPath, pathsDownTo } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import {
  type Aside,
  asidePath,
  closeAside,
  leftAside,
  makeDirectoriesAbove,
  moveHome,
  prepareHome,
  putAside,
  putBack,
  settleAside,
} from "../jail/fs/home-aside.ts";
import type { HomeSource } from "../jail/fs/home-move.ts";
import { leftMoves, mendMoves } from "../jail/fs/home-moves.ts";
import type { MoveNote } from "../jail/fs/home-note.ts";
import { holdPlace, realPlace, releasePlace } from "../jail/fs/home-place.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { identify, ownRoot, sameDirectory, scanRoots } from "../processes/scan.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { openProc } from "../system/processes.ts";
import { livesIn, splitHome } from "../system/separator.ts";
import type { AccountRun } from "./account-run.ts";

/** A home that moves: two trees and a path in each, as each tree sees it. */
export interface HomeMove {
  from: JailRoot;
  fromPath: ByteString;
  to: JailRoot;
  toPath: ByteString;
  /** Gets the home that moves, which only root can reach, or its copy, and throws if it does not move after all. */
  readonly examine?: ((fd: number) => void) | undefined;
}

/** Steps of a move, besides those on the home. */
export interface Steps {
  /** Gets the home, which only root can reach, and throws if it does not move after all. */
  readonly examine: (fd: number) => void;
  /** Throws if the user has processes. */
  readonly change: () => void;
  readonly undo: () => void;
}

/**
 * Moves a home into a jail on the same file system, without copying it: it is put aside where only root can reach it,
 * examined there, `change` changes the account, and the home moves to its new place. False, with everything as before, if
 * it must be copied. If a step fails, those before it are undone.
 */
export function moveWithoutCopy(
  source: HomeSource,
  move: HomeMove,
  run: AccountRun,
  steps: Steps,
  note: MoveNote,
): boolean {
  const { from, fromPath, to, toPath } = move;
  // A process in a jail that has a directory of the home open would get out of the jail with it: such a home is copied.
  if (to.path === "/") return false;
  makeDirectoriesAbove(to, toPath);
  note.asideFor(fstat(source.fd).ino, realPlace(to, toPath));
  const aside = putAside(from, fromPath, source.fd, to, toPath);
  try {
    if (aside !== undefined && moveAside(aside, move, run, steps)) return true;
  } catch (error) {
    if (error instanceof NotUndone) throw error.at(asidePath(fromPath));
    if (aside !== undefined) restore(aside, error);
    if (!isErrno(error, "EXDEV")) throw error;
  } finally {
    if (aside !== undefined) closeAside(aside);
  }
  note.settled();
  return false;
}

/** The account has its new home, though that could not have its place. */
export class NotUndone extends Error {
  constructor(
    readonly why: unknown,
    readonly failure: unknown,
  ) {
    super();
  }

  /** The error to report. `home`: where the home is, on the host. */
  at(home: ByteString): JailkitError {
    const remedy = "jk_check --fix";
    const message = `${describeError(this.why)}; and the account could not be set back: ${describeError(this.failure)}; its home is in ${quoted(home)}; what moves it to its place: ${remedy}`;
    return new JailkitError("home-aside", 1, message, undefined, remedy);
  }
}

/** Changes the account, and then gives its home its place. If that fails, the account is set back; throws NotUndone if it is not. */
export function changeAndPlace({ change, undo }: Steps, place: () => void): void {
  change();
  try {
    // Only now: a home never has to leave a jail again because a later step fails.
    place();
  } catch (why) {
    try {
      undo();
    } catch (failure) {
      throw new NotUndone(why, failure);
    }
    throw why;
  }
}

function restore(aside: Aside, why: unknown): void {
  try {
    putBack(aside);
  } catch (error) {
    const where = quoted(asidePath(aside.path));
    const message = `${describeError(why)}; the home is in ${where}, and was not put back: ${describeError(error)}; run this again`;
    throw new JailkitError("home-aside", 1, message);
  }
}

function moveAside(
  aside: Aside,
  { from, fromPath, to, toPath }: HomeMove,
  run: AccountRun,
  steps: Steps,
): boolean {
  if (isRootAbove(aside.parent.path)) {
    putBack(aside);
    return false;
  }
  steps.examine(aside.fd);
  const replacements = prepareHome(aside);
  holdPlace(to, toPath);
  try {
    changeAndPlace(steps, () => moveHome(aside, replacements, to, toPath));
  } catch (error) {
    if (!(error instanceof NotUndone)) releasePlace(to, toPath);
    throw error;
  }
  run.done(`moved ${quoted(hostPath(from, fromPath))} to ${quoted(hostPath(to, toPath))}`);
  return true;
}

/**
 * True if the root directory of a process is `path` or a directory above it, other than the host's root: a process that
 * stays in a directory which moves out from below its root can leave that root.
 */
function isRootAbove(path: ByteString): boolean {
  const above = pathsDownTo(path).map((each) => identify(AT_FDCWD, each));
  const { groups, unexamined } = withFd(openProc(), (proc) => scanRoots(proc, ownRoot()));
  return (
    unexamined.length > 0 ||
    groups.some(({ identity }) => above.some((one) => one !== undefined && sameDirectory(one, identity)))
  );
}

/**
 * Completes an interrupted move of an account's home (completeMove), if there is one. `jail`: the jail that the account is
 * in, and its former home in the record.
 */
export function completeOwnMove(
  user: PasswdEntry,
  host: JailRoot,
  jail: { readonly root: JailRoot; readonly recorded: () => ByteString | undefined } | undefined,
  run: AccountRun,
  dryRun: boolean,
): void {
  const left = leftMoves().find(
    ({ name, box }) => name === user.name && box !== undefined && box.goes !== "remove",
  );
  if (left?.box !== undefined) {
    if (dryRun) throw stillAside(user, left.box.path);
    for (const step of mendMoves({ only: left.home })) run.done(step);
    return;
  }
  const split = splitHome(user.home);
  if (split === undefined) {
    completeMove(user, host, normalPath(user.home), undefined, run, dryRun);
    return;
  }
  const jailHome = normalPath(split.home);
  if (jail === undefined || !livesIn(jail.root.path, user.home)) return;
  const old = jail.recorded();
  if (old !== undefined)
    completeMove(user, host, normalPath(old), { root: jail.root, jailHome }, run, dryRun);
}

function stillAside({ name }: PasswdEntry, place: ByteString): JailkitError {
  const remedy = "jk_check --fix";
  const message = `an interrupted run has put the home of ${quoted(name)} aside in ${quoted(place)}; what moves it to its place: ${remedy}`;
  return new JailkitError("home-aside", 1, message, undefined, remedy);
}

/**
 * Completes a move that was interrupted while the home was put aside, and that nothing tells of but the home: if the account has its
 * new home already (`jailHome` in `root`), the home moves there, else back to `oldHome`. Returns nothing if no home is aside. With
 * `dryRun`, or if both homes exist, throws JailkitError.
 */
function completeMove(
  user: PasswdEntry,
  host: JailRoot,
  oldHome: ByteString,
  jailed: { readonly root: JailRoot; readonly jailHome: ByteString } | undefined,
  run: AccountRun,
  dryRun: boolean,
): void {
  const aside = leftAside(host, oldHome, ({ uid }) => uid === user.uid, !dryRun);
  if (aside === undefined) return;
  try {
    if (dryRun) {
      const message = `an interrupted run has put the home of ${quoted(user.name)} aside in ${quoted(asidePath(oldHome))}: a run without --dry-run moves it to its place`;
      throw new JailkitError("home-aside", 1, message);
    }
    settleAside(aside, jailed?.root ?? host, jailed?.jailHome);
    run.done(
      jailed === undefined
        ? `put ${quoted(oldHome)} back, which an interrupted run had put aside`
        : `moved ${quoted(oldHome)} to ${quoted(hostPath(jailed.root, jailed.jailHome))}, as an interrupted run had begun`,
    );
  } finally {
    closeAside(aside);
  }
}
