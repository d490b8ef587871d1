import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { splitHome } from "../jail/accounts/separator.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot } from "../jail/fs/walk.ts";
import { isLocked, supplementaryGroups } from "../system/account-tools.ts";
import { type GroupEntry, groupByGid, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { onlyRootExchanges } from "../system/exchange.ts";
import { processesOf } from "../system/processes.ts";
import { jobWarnings } from "../system/scheduled-jobs.ts";
import { keyWarnings, loginWarnings } from "../system/sshd/warnings.ts";
import { type Access, planAccess, writeAccess } from "./access.ts";
import { forgetAccount, recall, rememberAccount } from "./account-record.ts";
import { applyJailing, type Reporter, requireSafeMove } from "./change-account.ts";
import { groupWarning } from "./groups.ts";
import { KEYS_FILE } from "./keys.ts";
import { missingLine, missingPolicy } from "./login-needs.ts";
import { CHROOT_SHELL, type JailingPlan, planJailing } from "./plan.ts";
import type { JailedUserReport } from "./report-schema.ts";

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
  status: JailedUserReport["status"];
  home: ByteString | undefined;
  /** Where the home moves from. */
  moveFrom?: ByteString;
  shell: ByteString | undefined;
  steps: ByteString[];
  warnings: ByteString[];
  error: ByteString | undefined;
  exitStatus?: number;
}

/**
 * Tells `warn` what sshd, what it starts itself, and cron and at give a jailed account, which no jail can hold: a line
 * each, with the way to mend it; groups that make it root; and whether the account can log in at all, with a key where
 * one was written. Throws SystemError.
 */
export function warnOfLogin(
  account: PasswdEntry,
  warn: (line: ByteString) => void,
  { keys: written, joins }: Access,
): void {
  if (statIfPresent(AT_FDCWD, CHROOT_SHELL, true) === undefined) {
    warn(`${CHROOT_SHELL} is not installed: the account cannot log in until it is`);
  }
  // The shell and the groups that it has once it is jailed.
  const joined = joins.map(({ name }) => name);
  const present = groupNamesOf(account);
  const groups = [...new Set([...joined, ...present])];
  const user = { ...account, shell: CHROOT_SHELL, groups };
  const answer = loginWarnings(user);
  const keys =
    written.length > 0 && "settings" in answer
      ? keyWarnings(answer.settings, account.name, KEYS_FILE, isLocked(account.name))
      : [];
  const primary = groupByGid(account.gid)?.name ?? "";
  const isThere = joined.every((name) => present.includes(name));
  const administrator = groupWarning(account.name, primary, groups, isThere);
  if (administrator !== undefined) warn(administrator);
  for (const { message, remedy } of [...answer.warnings, ...jobWarnings(account), ...keys])
    warn(`${message}; ${remedy}`);
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
function requireHome(
  { user, jailHome }: JailingPlan,
  from: ByteString,
  root: JailRoot,
  request: JailingOptions,
): void {
  if (statIfPresent(AT_FDCWD, from) !== undefined) return;
  const { shell, access } = request;
  const options = [
    ...(shell === undefined ? [] : ["-s", shell]),
    ...(access.joins.length === 0 ? [] : ["-G", access.joins.map((group) => group.name).join(",")]),
    ...(access.services.length === 0 ? [] : ["--policy", access.services.map((one) => one.name).join(",")]),
  ];
  const words = ["jk_jailuser", "-n", ...options, "-j", root.path].map(shellWord).join(" ");
  const jailing = `${words} ${operands(user.name)}`;
  const place = hostPath(root, jailHome);
  const install = `install -d -o ${user.uid} -g ${user.gid} -m 0700 ${shellWord(place)}`;
  const make = onlyRootExchanges(place) ? `${jailing} && ${install}` : jailing;
  const message = `${quoted(from)}, the home of ${quoted(user.name)}, does not exist, so none can be moved; jail the account without, and make one: ${make}`;
  throw new JailkitError("no-home", 1, message);
}

/** What is to be done to jail an account; calling it does it. */
export function jailUser(plan: JailingPlan, request: JailingOptions, outcome: UserOutcome) {
  const { host, root, access } = request;
  outcome.home = plan.home;
  outcome.shell = plan.shell;
  const { moveFrom } = plan;
  if (moveFrom !== undefined) outcome.moveFrom = moveFrom;
  if (moveFrom !== undefined && root !== undefined) requireHome(plan, moveFrom, root, request);
  if (moveFrom !== undefined && root !== undefined)
    requireSafeMove({ from: host, fromPath: moveFrom, to: root, toPath: plan.jailHome }, plan.user.uid);
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
    if (root === undefined || keys === undefined) return;
    // Jailed again after an edit by hand: what is recorded is from before the first time.
    const remembered = plan.changeAccount && splitHome(plan.user.home) === undefined;
    if (request.dryRun) {
      describe(plan, report);
      for (const line of granted?.lines ?? []) report.done(line);
    } else {
      // First: a run that is cut short must not lose where the account came from.
      if (remembered) rememberAccount(root, plan.user, request.shell);
      try {
        applyJailing(plan, root, host, report);
      } catch (error) {
        if (remembered) forgetAccount(root, plan.user.name);
        throw error;
      }
    }
    // What is told from here on is the same in a dry run.
    const before = remembered ? plan.user : recall(root, user.name);
    if (request.move && moveFrom === undefined) tellOfOldHome(root, plan, before?.home, report);
    if (request.dryRun) for (const line of granted?.warnings ?? []) report.warn(line);
    else writeAccess(keys, access, report.done, report.warn);
    const group = groupByGid(user.gid)?.name ?? "";
    const account = { root, name: user.name, group, shell: jailShell, access };
    // Whoever is in the jail already is known to the administrator.
    for (const one of plan.changeAccount ? missingPolicy(account) : []) report.warn(missingLine(one));
  };
}

/** A move that was cut short, or that found something changed, has left the home that was copied. */
function tellOfOldHome(
  root: JailRoot,
  { user, home, jailHome }: JailingPlan,
  old: ByteString | undefined,
  report: Reporter,
): void {
  const there = old === undefined ? undefined : statIfPresent(AT_FDCWD, old);
  const now = lookUp(root, jailHome)?.stat;
  if (old === undefined || there === undefined || now === undefined) return;
  if (!isDirectory(there) || there.uid !== user.uid || sameFile(there, now)) return;
  report.warn(`${quoted(old)} is still there, from before the home moved: compare it with ${quoted(home)}`);
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
