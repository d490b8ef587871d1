import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { readJailAccounts, updateJailAccounts, withAccountsLock } from "../jail/accounts/accounts.ts";
import { joinHome, splitHome } from "../jail/accounts/separator.ts";
import { lookUp } from "../jail/fs/look.ts";
import { closeJailRoot, hostPath, isDirectory, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/manifest.ts";
import { JAILED_GROUP, supplementaryGroups } from "../system/account-tools.ts";
import { groupByGid, type PasswdEntry } from "../system/accounts.ts";
import { processesOf } from "../system/processes.ts";
import { type Before, forgetAccount, recall, rememberAccount } from "./account-record.ts";
import type { AccountRun } from "./account-run.ts";
import { changeAccount, requireSafeMove } from "./change-account.ts";
import type { JailingOptions } from "./jailing.ts";
import { leaveGoneJail } from "./missing-jail.ts";
import { absolute } from "./open-jail.ts";

/** How an account gets out of a jail. */
interface Release {
  user: PasswdEntry;
  jail: ByteString;
  /** As the jail sees it. */
  jailHome: ByteString;
  home: ByteString;
  shell: ByteString;
  /** The home is moved out of the jail. */
  move: boolean;
  /** Nothing is recorded of what it had before. */
  unrecorded: boolean;
}

function notJailed(user: PasswdEntry, why: string): JailkitError {
  return new JailkitError("not-jailed", 1, `${quoted(user.name)} is in ${why}`);
}

function withJail<T>(jail: ByteString, use: (root: JailRoot) => T): T {
  const root = openJailRoot(jail);
  try {
    return use(root);
  } finally {
    closeJailRoot(root);
  }
}

/** True where an account that is in no jail has something in this one: a run was cut short, or somebody's edit. */
function isLeftIn(root: JailRoot, user: PasswdEntry): boolean {
  const line = readJailAccounts(root).userByName(user.name);
  return recall(root, user.name) !== undefined && (line === undefined || line.uid === user.uid);
}

/** The jail in which an account was left that is in none by its home; the first where there are several. */
function jailOfLeftover(user: PasswdEntry, named: ByteString | undefined): ByteString | undefined {
  if (named !== undefined) return withJail(named, (root) => isLeftIn(root, user)) ? named : undefined;
  return knownJails()
    .map(({ jail }) => jail.path)
    .sort()
    .find((path) => {
      try {
        return withJail(path, (root) => isLeftIn(root, user));
      } catch {
        // What is gone or damaged holds no account that could be taken out of it.
        return false;
      }
    });
}

/** Decides about an account that is in its jail by its home. */
function planRelease(
  user: PasswdEntry,
  jail: ByteString,
  home: ByteString,
  request: JailingOptions,
): Release {
  const jailHome = normalPath(home);
  return withJail(jail, (root) => {
    const before = recall(root, user.name);
    const target = request.move ? normalPath(before?.home ?? jailHome) : normalPath(`${jail}${jailHome}`);
    // Some accounts never had one.
    const move = request.move && lookUp(root, jailHome) !== undefined;
    if (move) requireSafeMove({ from: root, fromPath: jailHome, to: request.host, toPath: target }, user.uid);
    const shell = request.shell ?? before?.shell ?? "/bin/sh";
    const unrecorded = before === undefined;
    return { user, jail, jailHome, home: target, shell, move, unrecorded };
  });
}

/** Decides about one that is out of it, and left something there. */
function planCompletion(user: PasswdEntry, jail: ByteString, request: JailingOptions): Release {
  return withJail(jail, (root) => {
    const before: Before | undefined = recall(root, user.name);
    const line = readJailAccounts(root).userByName(user.name);
    const jailHome = normalPath(line?.home ?? before?.home ?? user.home);
    const shell = request.shell ?? user.shell;
    return { user, jail, jailHome, home: user.home, shell, move: false, unrecorded: false };
  });
}

function decide(user: PasswdEntry, request: JailingOptions): Release {
  const named = request.jail === undefined ? undefined : normalPath(absolute(request.jail));
  const split = splitHome(user.home);
  if (split === undefined) {
    const jail = jailOfLeftover(user, named);
    if (jail === undefined) throw notJailed(user, "no jail");
    return planCompletion(user, jail, request);
  }
  const jail = normalPath(split.jail);
  if (named !== undefined && named !== jail)
    throw notJailed(user, `the jail ${quoted(jail)}, not in that one`);
  return planRelease(user, jail, split.home, request);
}

/**
 * Decides how an account gets out of its jail: its entry in the jail goes, and it gets the shell that was asked for,
 * the one that it had, or /bin/sh. With `move` its home goes to where it was, or to the same path on the host; else
 * it stays where it is. What a run that was cut short has left in a jail goes as well. Calling what is returned does
 * it. Throws JailkitError, also where the move would not be safe.
 */
export function unjailUser(user: PasswdEntry, request: JailingOptions, run: AccountRun): () => void {
  let plan: Release;
  try {
    plan = decide(user, request);
  } catch (error) {
    const split = splitHome(user.home);
    if (split === undefined) throw error;
    return leaveGoneJail(user, normalPath(split.jail), normalPath(split.home), request, run, error);
  }
  const { jail, jailHome, home, shell, move } = plan;
  const processes = home === user.home && shell === user.shell ? [] : processesOf(user.uid);
  if (processes.length > 0) {
    const message = `${quoted(user.name)} has running processes (${processes.join(" ")}): end them first`;
    throw new JailkitError("has-processes", 1, message);
  }
  if (statIfPresent(AT_FDCWD, shell, true) === undefined) {
    throw new JailkitError("bad-shell", 1, `${quoted(shell)} does not exist: choose another with -s`);
  }
  run.home = home;
  run.shell = shell;
  return () => {
    run.status = request.dryRun ? "planned" : "done";
    // The primary group is no membership that could be taken away.
    if (supplementaryGroups(user).some((gid) => groupByGid(gid)?.name === JAILED_GROUP)) {
      const remedy = `gpasswd -d ${shellWord(user.name)} ${JAILED_GROUP}`;
      run.warn(`${quoted(user.name)} stays in the group ${JAILED_GROUP}; to take it out: ${remedy}`);
    }
    const leaves = home !== user.home;
    if (request.move && !move && leaves)
      run.warn(`${quoted(joinHome(jail, jailHome))} does not exist: no home is moved`);
    if (request.dryRun) {
      if (move) run.done(`would move ${quoted(joinHome(jail, jailHome))} to ${quoted(home)}`);
      if (leaves || shell !== user.shell)
        run.done(`would give ${quoted(user.name)} the home ${quoted(home)} and the shell ${quoted(shell)}`);
      run.done(`would remove ${quoted(user.name)} from the jail's account files`);
    } else release(plan, request.host, run);
  };
}

function release(plan: Release, host: JailRoot, run: AccountRun): void {
  const { user, jail, jailHome, home, shell, unrecorded } = plan;
  withJail(jail, (root) => {
    const move = plan.move ? { from: root, fromPath: jailHome, to: host, toPath: home } : undefined;
    // Before anything is moved: a jail that cannot be written keeps the account.
    withAccountsLock(root, () => undefined);
    // First: when a run that is cut short has changed the account, this alone tells the next one of the jail.
    if (unrecorded) rememberAccount(root, { name: user.name, home, shell });
    try {
      const nothing = () => undefined;
      changeAccount(user, { home, shell, groups: [] }, move, nothing, nothing, run);
    } catch (error) {
      if (unrecorded) forgetAccount(root, user.name);
      throw error;
    }
    if (home === user.home) tellOfJailHome(root, plan, run);
    // Last: until the host's account has changed, logins go into the jail and need these lines.
    if (updateJailAccounts(root, (accounts) => accounts.removeUser(user.name)))
      run.done(`removed ${quoted(user.name)} from ${quoted(hostPath(root, "/etc/passwd"))}`);
    forgetAccount(root, user.name);
  });
}

/** A run that was cut short has left the home that was copied out of the jail. */
function tellOfJailHome(root: JailRoot, { user, jailHome, home }: Release, run: AccountRun): void {
  const old = lookUp(root, jailHome)?.stat;
  if (old === undefined || !isDirectory(old) || old.uid !== user.uid) return;
  const now = statIfPresent(AT_FDCWD, home);
  if (now !== undefined && sameFile(old, now)) return;
  const where = quoted(hostPath(root, jailHome));
  run.warn(`${where} is still there, from before the home moved: compare it with ${quoted(home)}`);
}
