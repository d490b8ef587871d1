import type { ByteString } from "../../ffi/bytes.ts";
import { close, fstat } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { updateJailAccounts } from "../jail/accounts/accounts.ts";
import {
  closeHome,
  copyHome,
  type HomeSource,
  isUnchanged,
  openHome,
  requireMovable,
} from "../jail/fs/home-move.ts";
import { scanTree } from "../jail/fs/home-scan.ts";
import { requireStage } from "../jail/fs/place.ts";
import { isOneOf, removeTree } from "../jail/fs/remove.ts";
import { exchangeFindings, type Finding, nearestDirectory } from "../jail/fs/safety.ts";
import { hostPath, isDirectory, type JailRoot, release } from "../jail/fs/walk.ts";
import { type AccountChange, modifyAccount } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { processesOf } from "../system/processes.ts";
import type { GroupChange, JailingPlan } from "./plan.ts";

/** What a change of an account tells meanwhile. */
export interface Reporter {
  /** One step was done; a printable line. */
  done(line: ByteString): void;
  /** Something that the administrator should know. */
  warn(line: ByteString): void;
  /** How far a home is copied. */
  progress(done: number, total: number): void;
}

/** Where a home goes from and to: two trees and a path in each, as each tree sees it. */
export interface HomeMove {
  from: JailRoot;
  fromPath: ByteString;
  to: JailRoot;
  toPath: ByteString;
}

/**
 * Throws JailkitError "unsafe-parent" where others than root could put another directory in the place of the old home
 * or of the new one while root works on it, "no-safe-place" where there is nowhere to make the new one, and where the old
 * one is not of `uid` or the new one is there already.
 */
export function requireSafeMove({ from, fromPath, to, toPath }: HomeMove, uid: number): void {
  const findings = [
    ...exchangeFindings(from, directoryOf(fromPath)),
    ...exchangeFindings(to, directoryOf(toPath)),
  ];
  const what = `${quoted(hostPath(from, fromPath))} is not moved to ${quoted(hostPath(to, toPath))}`;
  refuseUnsafe(findings, what);
  const parent = nearestDirectory(to, directoryOf(toPath));
  requireStage(to, parent);
  release(parent);
  requireMovable(from, fromPath, uid, to, toPath);
}

/** The same for a home that is made by its name, as useradd(8) does. */
export function requireSafePlace(root: JailRoot, home: ByteString): void {
  refuseUnsafe(exchangeFindings(root, directoryOf(home)), `${quoted(hostPath(root, home))} is not made`);
}

function refuseUnsafe([finding]: readonly Finding[], what: string): void {
  if (finding === undefined) return;
  const message = `${what}, for others could exchange it meanwhile: ${finding.message}; mend it with: ${finding.remedy}`;
  throw new JailkitError("unsafe-parent", 1, message);
}

function requireNoProcesses(user: PasswdEntry): void {
  const processes = processesOf(user.uid);
  if (processes.length === 0) return;
  const message = `${quoted(user.name)} started processes meanwhile (${processes.join(" ")}); nothing was changed`;
  throw new JailkitError("has-processes", 1, message);
}

/**
 * Gives an account a new home, and more groups, in four steps: the home is copied, `accounts` changes what has to know, the host's
 * account is changed, and only then the old home goes. Where a step fails, those before it are taken back
 * (`undoAccounts`), so that the account is as it was and the old home whole. Throws JailkitError, also where the move
 * would not be safe (requireSafeMove).
 */
export function changeAccount(
  user: PasswdEntry,
  change: AccountChange,
  move: HomeMove | undefined,
  accounts: () => void,
  undoAccounts: () => void,
  report: Reporter,
): void {
  if (move !== undefined) requireSafeMove(move, user.uid);
  const source = move === undefined ? undefined : openHome(move.from, move.fromPath, user.uid);
  let copy: number | undefined;
  try {
    if (move !== undefined && source !== undefined) {
      copy = copyHome(source, move.to, move.toPath, (done, total) => report.progress(done, total));
      report.done(`copied ${quoted(source.path)} to ${quoted(hostPath(move.to, move.toPath))}`);
    }
    try {
      accounts();
      try {
        modify(user, change, report);
      } catch (error) {
        undoAccounts();
        throw error;
      }
    } catch (error) {
      if (move !== undefined && source !== undefined && copy !== undefined)
        removeCopy(source, move, copy, report);
      throw error;
    }
    if (move !== undefined && source !== undefined) removeOldHome(source, move, user, report);
  } finally {
    if (copy !== undefined) close(copy);
    if (source !== undefined) closeHome(source);
  }
}

function modify(user: PasswdEntry, change: AccountChange, report: Reporter): void {
  const { home, shell, groups } = change;
  const moved = user.home !== home || user.shell !== shell;
  if (!moved && groups.length === 0) return;
  if (moved) requireNoProcesses(user);
  modifyAccount(user, change);
  const name = quoted(user.name);
  if (moved) report.done(`the account ${name} has the home ${quoted(home)} and the shell ${quoted(shell)}`);
  for (const group of groups) report.done(`the account ${name} is in the group ${quoted(group.name)}`);
}

/** Removes the copy of a home again, but nothing that is not in the home: its user can write there by now. */
function removeCopy(source: HomeSource, move: HomeMove, copy: number, report: Reporter): void {
  const where = hostPath(move.to, move.toPath);
  try {
    const originals = new Map(source.entries.map(({ path, stat }) => [path, stat]));
    const copied = scanTree(copy, where).filter(({ path, stat }) => {
      const original = originals.get(path);
      return original !== undefined && (isDirectory(stat) || original.size === stat.size);
    });
    removeTree(move.to, move.toPath, fstat(copy), isOneOf(copied.map(({ stat }) => stat)));
  } catch (error) {
    report.warn(`${quoted(where)}, a copy of the home, could not be removed again: ${describeError(error)}`);
  }
}

/** Removes a home that was copied, unless something in it is not in the copy. */
function removeOldHome(source: HomeSource, move: HomeMove, user: PasswdEntry, report: Reporter): void {
  const where = quoted(hostPath(move.from, move.fromPath));
  try {
    if (!isUnchanged(source) || processesOf(user.uid).length > 0) {
      report.warn(`${where} was changed after it was copied: it stays; compare the two`);
      return;
    }
    const copied = isOneOf(source.entries.map(({ stat }) => stat));
    removeTree(move.from, move.fromPath, fstat(source.fd), copied);
    report.done(`removed ${where}`);
  } catch (error) {
    report.warn(`${where} could not be removed, though its copy is complete: ${describeError(error)}`);
  }
}

/** Adds the lines that a plan wants to the jail's account files; how to take them back is returned. */
export function addToJail(
  root: JailRoot,
  entry: PasswdEntry | undefined,
  name: ByteString,
  groups: GroupChange[],
) {
  updateJailAccounts(root, (accounts) => {
    for (const group of groups) {
      if (group.create) accounts.addGroup({ name: group.name, password: "x", gid: group.gid, members: [] });
      if (group.addMember) accounts.addMember(group.name, name);
    }
    if (entry !== undefined) accounts.addUser(entry);
  });
}

/** Carries out a plan of planJailing. `host` is the host's root, opened with openTree("/"). */
export function applyJailing(plan: JailingPlan, root: JailRoot, host: JailRoot, report: Reporter): void {
  const move =
    plan.moveFrom === undefined
      ? undefined
      : { from: host, fromPath: plan.moveFrom, to: root, toPath: plan.jailHome };
  changeAccount(
    plan.user,
    { home: plan.home, shell: plan.shell, groups: plan.joins },
    move,
    () => {
      addToJail(root, plan.entry, plan.user.name, plan.groups);
      if (plan.entry !== undefined) report.done(`added ${quoted(plan.user.name)} to the jail's etc/passwd`);
    },
    () => {
      if (plan.entry !== undefined)
        updateJailAccounts(root, (accounts) => accounts.removeUser(plan.user.name));
    },
    report,
  );
}
