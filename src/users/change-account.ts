import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { usageAt } from "../../ffi/extents.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, describeError, JailkitError } from "../cli/error.ts";
import { updateJailAccounts } from "../jail/accounts/change-accounts.ts";
import { type CompleteCopy, copyHome } from "../jail/fs/copy-home.ts";
import {
  askForAll,
  closeHome,
  type HomeSource,
  homeExists,
  isUnchanged,
  openHome,
  requireMovable,
} from "../jail/fs/home-move.ts";
import { isLeftAt, isLeftWhole, mendMoves, requireNoRest } from "../jail/fs/home-moves.ts";
import { type MoveNote, noteMove } from "../jail/fs/home-note.ts";
import { isVacant, knownPlace, syncPlace } from "../jail/fs/home-place.ts";
import { removeHome } from "../jail/fs/home-remove.ts";
import { lookUp } from "../jail/fs/look.ts";
import { staysMounted, unmountAt } from "../jail/fs/mounted-home.ts";
import { nearestDirectory } from "../jail/fs/nearest.ts";
import { requireStage } from "../jail/fs/place.ts";
import { exchangeFindings } from "../jail/fs/safety.ts";
import { hostPath, type JailRoot, release } from "../jail/fs/walk.ts";
import { holdsJail } from "../jail/record/registry.ts";
import type { AccountChange } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { endSessions } from "../system/end-sessions.ts";
import { normalHome } from "../system/separator.ts";
import type { AccountRun } from "./account-run.ts";
import { changeLogin } from "./change-login.ts";
import { requireNoneAlong, requireNoneInside } from "./home-along.ts";
import { putGroup } from "./jail-side.ts";
import { changeAndPlace, type HomeMove, moveWithoutCopy, NotUndone, type Steps } from "./move-aside.ts";
import { requireOnePlace } from "./one-home.ts";
import { linkedHome } from "./own-home.ts";
import type { GroupChange, JailingPlan } from "./plan.ts";
import { refuseUnsafe, requireMountedPlace } from "./safe-place.ts";
import { atWork, leasedText, requireNothingRuns, whatRuns } from "./sessions.ts";

/**
 * Throws JailkitError "unsafe-parent" if users other than root could exchange the old or the new home while root works on
 * it, "not-mounted" if the new one would be where /etc/fstab mounts something over it, "no-safe-place" if no directory is safe for the copy, "holds-home" if the home of another account would move along;
 * also if the old home does not belong to the user or is a symbolic link, or the new one exists. `whole`: as in
 * requireNoneAlong.
 */
export function requireSafeMove(
  { from, fromPath, to, toPath }: HomeMove,
  user: PasswdEntry,
  whole = false,
): void {
  requireMountedPlace(to, toPath);
  requireOnePlace(to, toPath);
  const what = `${quoted(hostPath(from, fromPath))} is not moved to ${quoted(hostPath(to, toPath))}`;
  refuseUnsafe(from, exchangeFindings(from, directoryOf(fromPath)), what);
  refuseUnsafe(to, exchangeFindings(to, directoryOf(toPath)), what);
  const parent = nearestDirectory(to, directoryOf(toPath));
  requireStage(to, parent);
  release(parent);
  requireNoneAt(to, toPath);
  const linked = linkedHome(user, from, fromPath);
  if (linked !== undefined) {
    const { message, remedy } = linked;
    throw new JailkitError("not-their-home", 1, `${quoted(user.name)} ${message}`, undefined, remedy);
  }
  requireMovable(from, fromPath, user.uid);
  if (!isVacant(to, toPath) && !isLeftAt(knownPlace(to, toPath))) throw homeExists(to, toPath, user);
  requireNoneAlong(user, hostPath(from, fromPath), whole);
}

/** Throws JailkitError for a new home that is a jail or holds one, or on which something is mounted: no command moves it away. */
function requireNoneAt(to: JailRoot, toPath: ByteString): void {
  const place = hostPath(to, toPath);
  const isThere = lookUp(to, toPath) !== undefined;
  const unmount = isThere ? unmountAt(to, toPath) : undefined;
  if (unmount !== undefined) {
    const why = `${quoted(place)} exists already, and a file system is mounted there; unmount it first: ${unmount.advice}`;
    throw new JailkitError("home-exists", 1, why, undefined, unmount.remedy);
  }
  const what = isThere ? holdsJail(place) : undefined;
  if (what === undefined) return;
  throw new JailkitError(
    "home-exists",
    1,
    `${quoted(place)} ${what}, and stays: give the account another home`,
  );
}

function requireNoProcesses(user: PasswdEntry): void {
  const runs = whatRuns(user.uid);
  if (runs === undefined) return;
  const remedy = endSessions(user.uid);
  const message = `${quoted(user.name)} started processes meanwhile (${runs}), and nothing was changed: end them first, with: ${remedy}`;
  throw new JailkitError("has-processes", 1, message, undefined, remedy);
}

/**
 * Gives an account a new home and more groups. A home that cannot move without a copy (moveWithoutCopy) moves in four
 * steps: it is copied, `changeJail` changes the jail, the host's account is changed, and only then the old home is removed.
 * If a step fails, those before it are undone (`undoJail`): the account is as it was, and the old home complete. Throws
 * JailkitError, also if the move is not safe (requireSafeMove).
 */
export function changeAccount(
  user: PasswdEntry,
  change: AccountChange,
  move: HomeMove | undefined,
  run: AccountRun,
  changeJail: () => void = () => undefined,
  undoJail: () => void = () => undefined,
): void {
  const changeBoth = () => {
    changeJail();
    try {
      if (move !== undefined) requireNoProcesses(user);
      modify(user, change, run);
    } catch (error) {
      undoJail();
      throw error;
    }
  };
  if (move === undefined) {
    changeBoth();
    return;
  }
  // Out of a jail it is always copied.
  const whole = move.to.path === "/";
  // Its new place may be that of a home which a run that was killed has left. What is elsewhere others mend.
  const left = knownPlace(move.from, move.fromPath);
  const places = [left, knownPlace(move.to, move.toPath)];
  for (const step of mendMoves({ about: { name: user.name, places }, but: left, mayFail: true }))
    run.warn(`what a run that was killed has left: ${step}`);
  requireNoRest(places);
  requireSafeMove(move, user, whole);
  const source = openHome(move.from, move.fromPath, user.uid);
  let note: MoveNote | undefined;
  const undo = () => {
    const { home, shell } = change;
    if (home !== user.home || shell !== user.shell)
      changeLogin({ ...user, home, shell }, { ...user, groups: [] }, run);
    undoJail();
  };
  try {
    const was = answered(() => usageAt(source.fd, "."));
    const moved = { from: normalHome(user.home), to: normalHome(change.home), was };
    const examine = (fd: number) => {
      requireNoneInside(user, hostPath(move.from, move.fromPath), fd, whole);
      move.examine?.(fd);
    };
    const steps = { examine, change: changeBoth, undo };
    const account = { name: user.name, before: normalPath(user.home), after: normalPath(change.home) };
    const held = noteMove(source.fd, account);
    note = held;
    if (!moveWithoutCopy(source, move, run, steps, held)) {
      moveByCopy(source, move, run, steps, held, () => copyOf(source, move, user, run, held));
      held.placed();
      run.moved = moved;
      if (removeOldHome(source, move, user, run)) held.settled();
      // It stays closed, and is told.
      else source.closed.mode = undefined;
    }
    run.moved = moved;
  } finally {
    closeHome(source, (line) => run.warn(line));
    note?.end();
  }
}

/** Moves a home of which `makeCopy` makes a copy; the home itself stays. If a step fails, those before it are undone. */
function moveByCopy(
  source: HomeSource,
  { to, toPath }: HomeMove,
  run: AccountRun,
  steps: Steps,
  note: MoveNote,
  makeCopy: () => CompleteCopy,
): void {
  const copy = makeCopy();
  try {
    const place = hostPath(to, toPath);
    run.done(`copied ${quoted(source.path)} to ${quoted(place)}`);
    steps.examine(copy.fd);
    changeAndPlace(steps, () => copy.place());
  } catch (error) {
    if (error instanceof NotUndone) throw error.at(copy.path);
    note.drops();
    dropCopy(copy, source, run);
    throw error;
  } finally {
    copy.close();
  }
}

/** Copies a home. If others change it meanwhile, or keep files from being opened, the error says who may do so. */
function copyOf(
  source: HomeSource,
  { to, toPath }: HomeMove,
  user: PasswdEntry,
  run: AccountRun,
  note: MoveNote,
): CompleteCopy {
  try {
    return copyHome(source, to, toPath, run.output.progress, note, isLeftWhole);
  } catch (error) {
    const isChanged = error instanceof JailkitError && error.code === "home-changed";
    const isLeased = isErrno(error, "EAGAIN") && error.call === "openat2";
    // A name that was listed is gone, or is another file.
    if (!isChanged && !isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EAGAIN")) throw error;
    requireNothingRuns(user);
    if (isLeased) answered(() => askForAll(source));
    const cannot = `${quoted(source.path)} cannot be copied, and nothing was moved`;
    const others = atWork(source.fd);
    if (others !== undefined) {
      const { whose, remedy } = others;
      const message = `${cannot}, while processes of ${whose} work in it: end them first, with: ${remedy}`;
      throw new JailkitError("home-changed", 1, message, undefined, remedy);
    }
    if (!isLeased) throw error;
    const message = `${cannot}: ${quoted(error.path ?? source.path)} ${leasedText()}`;
    throw new JailkitError("home-changed", 1, message);
  }
}

function modify(user: PasswdEntry, change: AccountChange, run: AccountRun): void {
  const { home, shell, groups } = change;
  const moved = user.home !== home || user.shell !== shell;
  if (!moved && groups.length === 0) return;
  if (moved) requireNoProcesses(user);
  changeLogin(user, change, run);
  const name = quoted(user.name);
  if (moved) run.done(`the account ${name} has the home ${quoted(home)} and the shell ${quoted(shell)}`);
  for (const group of groups) run.done(`the account ${name} is in the group ${quoted(group.name)}`);
}

/** Removes a copy that has no place. */
function dropCopy(copy: CompleteCopy, { path }: HomeSource, run: AccountRun): void {
  try {
    copy.drop();
  } catch (error) {
    run.warn(`a copy of ${quoted(path)} could not be removed again: ${describeError(error)}`);
  }
}

/** Removes a home that was copied, unless it has changed since. False if it stays in part. */
function removeOldHome(source: HomeSource, move: HomeMove, user: PasswdEntry, run: AccountRun): boolean {
  const where = quoted(hostPath(move.from, move.fromPath));
  try {
    syncPlace(move.to, move.toPath);
    const stays = staysMounted(move.from, move.fromPath);
    if (stays !== undefined) {
      run.warn(stays);
      return true;
    }
    if (!isUnchanged(source) || whatRuns(user.uid) !== undefined) {
      run.warn(`${where} was changed after it was copied: it stays; compare the two`);
      return true;
    }
    removeHome(source, move.from, move.fromPath);
    run.done(`removed ${where}`);
    return true;
  } catch (error) {
    run.warn(`${where} could not be removed, though its copy is complete: ${describeError(error)}`);
    return false;
  }
}

/** Adds an entry and groups to the jail's account files, and corrects groups there; `run` gets those, a step each. */
export function addToJail(
  root: JailRoot,
  entry: PasswdEntry | undefined,
  name: ByteString,
  groups: readonly GroupChange[],
  run: Pick<AccountRun, "done">,
): void {
  updateJailAccounts(root, (accounts) => {
    for (const group of groups) {
      if (group.correct) putGroup(accounts, group, (line) => run.done(line));
      if (group.create) accounts.addGroup({ name: group.name, password: "x", gid: group.gid, members: [] });
      if (group.addMember) accounts.addMember(group.name, name);
    }
    if (entry !== undefined) accounts.addUser(entry);
  });
}

/** Carries out a plan of planJailing. `host`: the host's root, openTree("/"). */
export function applyJailing(plan: JailingPlan, root: JailRoot, host: JailRoot, run: AccountRun): void {
  const { user, entry, home, shell, joins, moveFrom, jailHome } = plan;
  const into = { from: host, to: root, toPath: jailHome };
  const move = moveFrom === undefined ? undefined : { ...into, fromPath: moveFrom };
  const addLines = () => {
    addToJail(root, entry, user.name, plan.groups, run);
    if (entry !== undefined) run.done(`added ${quoted(user.name)} to the jail's etc/passwd`);
  };
  const removeLine = () => {
    if (entry !== undefined) updateJailAccounts(root, (accounts) => accounts.removeUser(user.name));
  };
  changeAccount(user, { home, shell, groups: joins }, move, run, addLines, removeLine);
}
