import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { isLocked, JAILED_GROUP, supplementaryGroups } from "../system/account-tools.ts";
import { type GroupEntry, groupByGid, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { processesOf } from "../system/processes.ts";
import { keyWarnings, loginWarnings } from "../system/sshd.ts";
import { readJailAccounts, updateJailAccounts } from "./accounts.ts";
import { lookUp } from "./look.ts";
import { openManifest, recordRequest, removeRequests, saveManifest } from "./manifest.ts";
import { shellWord } from "./safety.ts";
import { joinHome, splitHome } from "./separator.ts";
import { type Access, planAccess, writeAccess } from "./user-access.ts";
import { applyJailing, changeAccount, type Reporter, requireSafeMove } from "./user-apply.ts";
import { type Before, leaveGoneJail } from "./user-gone.ts";
import { absolute } from "./user-jail.ts";
import { KEYS_FILE } from "./user-keys.ts";
import { missingLine, missingPolicy } from "./user-missing.ts";
import { CHROOT_SHELL, type JailingPlan, normalise, planJailing } from "./user-plan.ts";
import { closeJailRoot, hostPath, isDirectory, type JailRoot, openJailRoot } from "./walk.ts";

/** What was asked for. */
export interface JailingOptions {
  /** The host's root, opened with openTree("/"). */
  host: JailRoot;
  /** The jail that accounts go into; undefined where they are taken out. */
  root: JailRoot | undefined;
  /** The jail as it was written. */
  jail: ByteString | undefined;
  shell: ByteString | undefined;
  /** Groups, keys and services that the accounts are to have as well. */
  access: Access;
  move: boolean;
  dryRun: boolean;
}

/** How it went with one account. */
export interface UserOutcome {
  name: ByteString;
  status: "done" | "unchanged" | "planned" | "refused" | "not-done" | "failed";
  home: ByteString | undefined;
  shell: ByteString | undefined;
  steps: ByteString[];
  warnings: ByteString[];
  error: ByteString | undefined;
  exitStatus?: number;
}

/**
 * Tells `warn` what sshd, and what it starts itself, gives a jailed account, which no jail can hold: a line each, with
 * the way to mend it; and whether the account can log in at all, with a key where one was written. Throws SystemError.
 */
export function warnOfLogin(
  account: PasswdEntry,
  warn: (line: ByteString) => void,
  writesKeys = false,
): void {
  if (statIfPresent(AT_FDCWD, CHROOT_SHELL, true) === undefined) {
    warn(`${CHROOT_SHELL} is not installed: the account cannot log in until it is`);
  }
  // The shell that it has once it is jailed.
  const user = { ...account, shell: CHROOT_SHELL, groups: groupNamesOf(account) };
  const answer = loginWarnings(user);
  const keys =
    writesKeys && "settings" in answer
      ? keyWarnings(answer.settings, account.name, KEYS_FILE, isLocked(account.name))
      : [];
  for (const { message, remedy } of [...answer.warnings, ...keys]) warn(`${message}; ${remedy}`);
}

/** The account's groups, the primary one first; throws where the primary one has no name. */
export function groupsOf(user: PasswdEntry): GroupEntry[] {
  const primary = groupByGid(user.gid);
  if (primary === undefined) {
    throw new JailkitError(
      "no-group",
      1,
      `${quoted(user.name)} has gid ${user.gid}, which is no group: make it one`,
    );
  }
  const others = supplementaryGroups(user).flatMap((gid) => groupByGid(gid) ?? []);
  return [primary, ...others];
}

/** Collects what decides, and decides. Throws JailkitError where the account cannot be jailed. */
export function planFor(user: PasswdEntry, request: JailingOptions): JailingPlan {
  const { root } = request;
  if (root === undefined) throw new JailkitError("no-jail", 1, "no jail was named");
  return planJailing({
    user,
    groups: groupsOf(user),
    joins: request.access.joins,
    jail: root.path,
    accounts: readJailAccounts(root),
    shell: request.shell,
    move: request.move,
    processes: processesOf(user.uid),
  });
}

/** Throws JailkitError where there is no home to move, with how to do without. */
function requireHome({ user, jailHome }: JailingPlan, from: ByteString, root: JailRoot): void {
  if (statIfPresent(AT_FDCWD, from) !== undefined) return;
  const [jail, place] = [shellWord(root.path), shellWord(hostPath(root, jailHome))];
  const make = `jk_jailuser -n -j ${jail} ${shellWord(user.name)} && install -d -o ${user.uid} -g ${user.gid} -m 0700 ${place}`;
  const message = `${quoted(from)}, the home of ${quoted(user.name)}, does not exist, so none can be moved; jail the account without, and make one: ${make}`;
  throw new JailkitError("no-home", 1, message);
}

/** What is to be done to jail an account; calling it does it. */
export function jailUser(plan: JailingPlan, request: JailingOptions, outcome: UserOutcome) {
  const { host, root, access } = request;
  outcome.home = plan.home;
  outcome.shell = plan.shell;
  const { moveFrom } = plan;
  if (moveFrom !== undefined && root !== undefined) requireHome(plan, moveFrom, root);
  if (moveFrom !== undefined && root !== undefined)
    requireSafeMove({ from: host, fromPath: moveFrom, to: root, toPath: plan.jailHome });
  const { user, jailHome: home, jailShell } = plan;
  const keys = root && { root, user, home };
  const granted =
    root &&
    planAccess(
      { root, name: user.name, home, shell: jailShell },
      access,
      moveFrom === undefined ? keys : { root: host, user, home: moveFrom },
    );
  return (report: Reporter): void => {
    for (const note of plan.notes) report.done(note);
    const nothing =
      plan.entry === undefined && plan.groups.length + plan.joins.length === 0 && !plan.changeAccount;
    const unchanged = nothing && moveFrom === undefined && !granted?.changes;
    outcome.status = request.dryRun ? "planned" : unchanged ? "unchanged" : "done";
    if (request.dryRun) {
      describe(plan, report);
      for (const line of granted?.lines ?? []) report.done(line);
      return;
    }
    if (root === undefined || keys === undefined) return;
    // First: a run that is cut short must not lose where the account came from.
    const remembered = plan.changeAccount && rememberAccount(root, plan.user, request.shell);
    try {
      applyJailing(plan, root, host, report);
    } catch (error) {
      if (remembered) forgetAccount(root, plan.user.name);
      throw error;
    }
    if (request.move && moveFrom === undefined) tellOfOldHome(root, plan, report);
    writeAccess(keys, access, report.done, report.warn);
    const group = groupByGid(user.gid)?.name ?? "";
    const account = { root, name: user.name, group, shell: jailShell, access };
    // Whoever is in the jail already is known to the administrator.
    for (const one of plan.changeAccount ? missingPolicy(account) : []) report.warn(missingLine(one));
  };
}

/** Which account of the jail's recipe a request is about; jailing one records where it came from. */
const isAbout = (name: ByteString) => (request: { tool: ByteString; operands: ByteString[] }) =>
  request.tool === "jk_jailuser" && request.operands[0] === name;

/** Records what the account had before, for the way back, and its shell in the jail. True where it was recorded. */
function rememberAccount(root: JailRoot, user: PasswdEntry, shell: ByteString | undefined): boolean {
  // Jailed again after an edit by hand: what is recorded is from before the first time.
  if (splitHome(user.home) !== undefined) return false;
  const manifest = openManifest(root);
  removeRequests(manifest, isAbout(user.name));
  recordRequest(manifest, {
    tool: "jk_jailuser",
    sections: [],
    operands: [user.name],
    options: {
      "previous-home": user.home,
      "previous-shell": user.shell,
      ...(shell === undefined ? {} : { shell }),
    },
    time: Math.floor(Date.now() / 1000),
  });
  saveManifest(manifest);
  return true;
}

function forgetAccount(root: JailRoot, name: ByteString): void {
  const manifest = openManifest(root);
  removeRequests(manifest, isAbout(name));
  saveManifest(manifest);
}

/** A move that was cut short, or that found something changed, has left the home that was copied. */
function tellOfOldHome(root: JailRoot, { user, home, jailHome }: JailingPlan, report: Reporter): void {
  const old = recall(root, user.name).home;
  const there = old === undefined ? undefined : statIfPresent(AT_FDCWD, old);
  const now = lookUp(root, jailHome)?.stat;
  if (old === undefined || there === undefined || now === undefined) return;
  if (!isDirectory(there) || there.uid !== user.uid || sameFile(there, now)) return;
  report.warn(`${quoted(old)} is still there, from before the home moved: compare it with ${quoted(home)}`);
}

type Jailing = { tool: ByteString; operands: ByteString[]; options: Record<string, unknown> };

const text = (value: unknown) => (typeof value === "string" ? value : undefined);

function beforeOf(requests: readonly Jailing[], name: ByteString): Before {
  const options = requests.find(isAbout(name))?.options;
  return { home: text(options?.["previous-home"]), shell: text(options?.["previous-shell"]) };
}

/** The home and the shell that an account had before it was jailed, where that was recorded. */
function recall(root: JailRoot, name: ByteString): Before {
  return beforeOf(openManifest(root).content.requests, name);
}

/** The shell that an account was given in a jail, where that was recorded. */
export function recordedShell(root: JailRoot, name: ByteString): ByteString | undefined {
  return text(openManifest(root).content.requests.find(isAbout(name))?.options.shell);
}

function describe(plan: JailingPlan, report: Reporter): void {
  const name = quoted(plan.user.name);
  if (plan.moveFrom !== undefined) report.done(`would move ${quoted(plan.moveFrom)} to ${quoted(plan.home)}`);
  for (const group of plan.groups) {
    if (group.create) report.done(`would add the group ${quoted(group.name)} to the jail's etc/group`);
    if (group.addMember) report.done(`would add ${name} to the group ${quoted(group.name)} in the jail`);
  }
  if (plan.entry !== undefined) report.done(`would add ${name} to the jail's etc/passwd`);
  for (const group of plan.joins) report.done(`would add ${name} to the group ${quoted(group.name)}`);
  if (plan.changeAccount) {
    report.done(`would give ${name} the home ${quoted(plan.home)} and the shell ${quoted(plan.shell)}`);
  }
}

/** The jail that an account is in; throws where it is in none, or not in the one that was named. */
function jailOf(
  user: PasswdEntry,
  named: ByteString | undefined,
): { jail: ByteString; jailHome: ByteString } {
  const split = splitHome(user.home);
  if (split === undefined) throw new JailkitError("not-jailed", 1, `${quoted(user.name)} is in no jail`);
  const jail = normalise(split.jail);
  if (named !== undefined && normalise(absolute(named)) !== jail) {
    throw new JailkitError(
      "not-jailed",
      1,
      `${quoted(user.name)} is in the jail ${quoted(jail)}, not in that one`,
    );
  }
  return { jail, jailHome: normalise(split.home) };
}

/**
 * Decides how an account gets out of its jail: its entry in the jail goes, and it gets the shell that was asked for,
 * the one that it had, or /bin/sh. With `move` its home goes to where it was, or to the same path on the host; else
 * it stays where it is. Calling what is returned does it. Throws JailkitError, also where the move would not be safe.
 */
export function unjailUser(user: PasswdEntry, request: JailingOptions, outcome: UserOutcome) {
  const { jail, jailHome } = jailOf(user, request.jail);
  const processes = processesOf(user.uid);
  if (processes.length > 0) {
    const message = `${quoted(user.name)} has running processes (${processes.join(" ")}): end them first`;
    throw new JailkitError("has-processes", 1, message);
  }
  let root: JailRoot;
  try {
    root = openJailRoot(jail);
  } catch (error) {
    const remembered = (requests: readonly Jailing[]) => beforeOf(requests, user.name);
    return leaveGoneJail(user, jail, jailHome, request, outcome, error, remembered);
  }
  let before: Before;
  let home: ByteString;
  // Some accounts never had one.
  let move = request.move;
  try {
    before = recall(root, user.name);
    move &&= lookUp(root, jailHome) !== undefined;
    home = request.move ? normalise(before.home ?? jailHome) : normalise(`${jail}${jailHome}`);
    if (move) requireSafeMove({ from: root, fromPath: jailHome, to: request.host, toPath: home });
  } finally {
    closeJailRoot(root);
  }
  const shell = request.shell ?? before.shell ?? "/bin/sh";
  if (statIfPresent(AT_FDCWD, shell, true) === undefined) {
    throw new JailkitError("bad-shell", 1, `${quoted(shell)} does not exist: choose another with -s`);
  }
  outcome.home = home;
  outcome.shell = shell;
  return (report: Reporter): void => {
    outcome.status = request.dryRun ? "planned" : "done";
    // The primary group is no membership that could be taken away.
    if (supplementaryGroups(user).some((gid) => groupByGid(gid)?.name === JAILED_GROUP)) {
      const remedy = `gpasswd -d ${shellWord(user.name)} ${JAILED_GROUP}`;
      report.warn(`${quoted(user.name)} stays in the group ${JAILED_GROUP}; to take it out: ${remedy}`);
    }
    if (request.move && !move)
      report.warn(`${quoted(joinHome(jail, jailHome))} does not exist: no home is moved`);
    if (request.dryRun) {
      if (move) report.done(`would move ${quoted(joinHome(jail, jailHome))} to ${quoted(home)}`);
      report.done(`would give ${quoted(user.name)} the home ${quoted(home)} and the shell ${quoted(shell)}`);
      report.done(`would remove ${quoted(user.name)} from the jail's account files`);
    } else release(user, jail, jailHome, home, shell, { ...request, move }, report);
  };
}

function release(
  user: PasswdEntry,
  jail: ByteString,
  jailHome: ByteString,
  home: ByteString,
  shell: ByteString,
  request: JailingOptions,
  report: Reporter,
): void {
  const root = openJailRoot(jail);
  try {
    const move = { from: root, fromPath: jailHome, to: request.host, toPath: home };
    const nothing = () => undefined;
    const change = { home, shell, groups: [] };
    changeAccount(user, change, request.move ? move : undefined, nothing, nothing, report);
    // Last: until the host's account has changed, logins go into the jail and need these lines.
    updateJailAccounts(root, (accounts) => accounts.removeUser(user.name));
    report.done(`removed ${quoted(user.name)} from ${quoted(hostPath(root, "/etc/passwd"))}`);
    forgetAccount(root, user.name);
  } finally {
    closeJailRoot(root);
  }
}
