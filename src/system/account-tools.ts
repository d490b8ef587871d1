import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, describeError, JailkitError } from "../cli/error.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { didYouMean } from "../cli/suggest.ts";
import { keptLock } from "./account-lock.ts";
import { breaksPasswd, requireAccountName } from "./account-name.ts";
import {
  type Group,
  type GroupEntry,
  groupIdsOf,
  type PasswdEntry,
  passwdByName,
  wholeGroup,
} from "./accounts.ts";
import { ACCOUNT_FILE_LIMIT, flatAccounts, localGroups, localUsers } from "./flat-accounts.ts";
import { hostText } from "./host-files.ts";
import { findProgram, runProgram } from "./run.ts";
import { countingShadow, MISSING } from "./shadow.ts";

/** The group of jailed accounts, by which settings of sshd and others can name them all. */
export const JAILED_GROUP = "jailed";

/** The command that creates it without systemd-sysusers(8). */
export const MAKE_JAILED_GROUP: readonly string[] = ["groupadd", "--system", JAILED_GROUP];

/**
 * Runs usermod, useradd, groupadd, userdel or gpasswd. They lock the account files themselves, so call it without a lock on these.
 * Throws JailkitError with the program's message, but returns a status that is `awaited`.
 */
function runAccountTool(
  name: "usermod" | "useradd" | "groupadd" | "userdel" | "gpasswd",
  words: readonly ByteString[],
  awaited: readonly number[] = [],
): number {
  const path = findProgram(name);
  if (path === undefined) {
    throw new JailkitError("no-account-tool", 1, `${name} is not installed (Debian: package passwd)`);
  }
  const result = runProgram(path, words, {}, Number.POSITIVE_INFINITY, keptLock());
  if (result.status === 0 || awaited.includes(result.status)) return result.status;
  const lines = result.stderr.trim().split("\n");
  const reason = lines.find((line) => !line.includes(": Warning: ")) ?? lines[0] ?? "";
  // Our tools have no such option.
  const said = reason.replace(/: use --badname.*$/, "");
  const why = said === "" ? "" : `: ${display(said)}`;
  const odd = lineFromElsewhere();
  const what = `${name} failed with status ${result.status}${why}${odd === undefined ? "" : `; ${odd.message}`}`;
  throw new JailkitError("account-tool", 1, what, undefined, odd?.remedy);
}

/** A line of an account file that ends as on another system: the tools do not write such a file again. */
function lineFromElsewhere(): { readonly message: string; readonly remedy: Remedy } | undefined {
  for (const file of ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"]) {
    const lines = answered(() => hostText(file, ACCOUNT_FILE_LIMIT))?.split("\n") ?? [];
    const index = lines.findIndex((line) => line.endsWith("\r"));
    if (index < 0) continue;
    const remedy: Remedy = `sed -i 's/\\r$//' ${shellWord(file)}`;
    return { message: `line ${index + 1} of ${file} ends with a carriage return: ${remedy}`, remedy };
  }
  return undefined;
}

/** A change of an account. */
export interface AccountChange {
  home: ByteString;
  shell: ByteString;
  /** More groups; it stays in those that it has. */
  groups: readonly Group[];
}

/**
 * Gives an account another home and login shell, and more groups (usermod(8)), and reads the account again to check that.
 * Throws JailkitError if it failed, also for an account that is in no local file: "account-changed" if the account is not as it
 * was either.
 */
export function modifyAccount(user: PasswdEntry, { home, shell, groups }: AccountChange): void {
  requireAccountName(user.name);
  for (const value of [home, shell]) {
    if (!value.startsWith("/") || breaksPasswd(value)) {
      throw new JailkitError("bad-path", 1, `${quoted(value)} cannot be in the account files`);
    }
  }
  const same = user.home === home && user.shell === shell;
  const names = groups.map(({ name }) => name).join(",");
  const before = names === "" ? [] : groupIdsOf(user.name, user.gid);
  try {
    runAccountTool("usermod", [
      ...(same ? [] : ["-d", home, "-s", shell]),
      ...(names === "" ? [] : ["-a", "-G", names]),
      user.name,
    ]);
  } catch (error) {
    setBack(
      user,
      groups.filter(({ gid }) => !before.includes(gid)),
      error,
    );
    throw error;
  }
  const now = passwdByName(user.name);
  const gids = groupIdsOf(user.name, user.gid);
  const changed = now !== undefined && now.home === home && now.shell === shell && now.uid === user.uid;
  if (!changed || groups.some(({ gid }) => !gids.includes(gid))) {
    throw new JailkitError(
      "account-not-changed",
      1,
      `usermod reported success, but the account ${quoted(user.name)} is not as requested: check /etc/passwd and /etc/group`,
    );
  }
}

/**
 * Sets an account back that usermod(8) has changed before it failed, as where it could write one of the account files, and not the
 * next: its home and shell, and groups that it had not. Throws JailkitError "account-changed" if that fails, too.
 */
function setBack(user: PasswdEntry, groups: readonly Group[], failure: unknown): void {
  const { name, home, shell } = user;
  const changed = () => {
    const now = passwdByName(name);
    const gids = groups.length === 0 ? [] : groupIdsOf(name, user.gid);
    const other = now !== undefined && (now.home !== home || now.shell !== shell) ? now : undefined;
    return { other, gained: groups.filter(({ gid }) => gids.includes(gid)) };
  };
  const { other, gained } = changed();
  if (other !== undefined) answered(() => runAccountTool("usermod", ["-d", home, "-s", shell, name]));
  for (const group of gained) answered(() => leaveGroup(name, group.name));
  const left = changed();
  if (left.other === undefined && left.gained.length === 0) return;
  const is = [
    ...(left.other === undefined
      ? []
      : [`has the home ${quoted(left.other.home)} and the shell ${quoted(left.other.shell)}`]),
    ...left.gained.map((group) => `is in the group ${quoted(group.name)}`),
  ];
  const remedy = allOf([
    left.other === undefined ? "" : `usermod -d ${shellWord(home)} -s ${shellWord(shell)} ${operands(name)}`,
    ...left.gained.map((group): Remedy => `gpasswd -d ${operands(name, group.name)}`),
  ]);
  const message = `${describeError(failure)}; the account ${quoted(name)} ${is.join(", and ")} all the same, and could not be set back; to do that: ${remedy}`;
  throw new JailkitError("account-changed", 1, message, undefined, remedy);
}

/** Options of useradd(8) besides home and shell: the option letter -> the value, true for a flag. */
export type UseraddOptions = ReadonlyMap<string, ByteString | true>;

/** No program in a jail gives subordinate ids (subuid(5)), and those of the machine are used up after 9,155 accounts. */
const NO_SUBORDINATE_IDS = ["-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"];
/** Those of useradd(8) before shadow 4.8 that finds no place for none of them, or of one that does not know the keys. */
const NEEDS_SUBORDINATE_IDS = [3, 16, 18];

/**
 * Creates an account with useradd(8), and returns its entry. If useradd fails half-way, for example because it cannot
 * create the home, the account is removed again.
 */
export function addAccount(
  name: ByteString,
  home: ByteString,
  shell: ByteString,
  options: UseraddOptions,
): PasswdEntry {
  requireAccountName(name);
  if (passwdByName(name) !== undefined) {
    throw new JailkitError("user-exists", 1, `the user ${quoted(name)} exists already; jk_jailuser jails it`);
  }
  const words: ByteString[] = [];
  for (const [letter, value] of options) words.push(`-${letter}`, ...(value === true ? [] : [value]));
  try {
    const all = [...words, "-d", home, "-s", shell, "--", name];
    const status = runAccountTool("useradd", [...NO_SUBORDINATE_IDS, ...all], NEEDS_SUBORDINATE_IDS);
    if (status !== 0) runAccountTool("useradd", all);
  } catch (error) {
    if (passwdByName(name)?.home === home) removeAccount(name);
    throw error;
  }
  const entry = passwdByName(name);
  if (entry === undefined || entry.home !== home || entry.shell !== shell) {
    throw new JailkitError(
      "account-not-added",
      1,
      `useradd reported success, but ${quoted(name)} is not as requested`,
    );
  }
  return entry;
}

/** Creates a group with groupadd(8). */
export function addGroup(name: ByteString, gid?: number): void {
  requireAccountName(name);
  runAccountTool("groupadd", [...(gid === undefined ? [] : ["-g", `${gid}`]), "--", name]);
}

/** Gives an account another password field of shadow(5). Throws JailkitError. */
export function setPassword(name: ByteString, field: ByteString): void {
  requireAccountName(name);
  runAccountTool("usermod", ["-p", field, "--", name]);
}

/** Gives an account another comment. Throws JailkitError. */
export function setComment(name: ByteString, comment: ByteString): void {
  requireAccountName(name);
  runAccountTool("usermod", ["-c", comment, "--", name]);
}

/**
 * Takes an account out of a group (gpasswd(1)). Throws JailkitError, for one that is in it only by another group with the same gid
 * with the command for that one.
 */
export function leaveGroup(name: ByteString, group: ByteString): void {
  requireAccountName(name);
  requireAccountName(group);
  const groups = localGroups();
  const own = groups.find((one) => one.name === group);
  const hasName = ({ members }: GroupEntry) => members.includes(name);
  const other = groups.find((one) => one.gid === own?.gid && one.name !== group && hasName(one));
  if (own !== undefined && !hasName(own) && other !== undefined) {
    const remedy: Remedy = `gpasswd -d ${operands(name, other.name)}`;
    const message = `${quoted(name)} is in the group ${quoted(group)} only by its gid ${own.gid}, as a member of ${quoted(other.name)}; take it out of that one with: ${remedy}`;
    throw new JailkitError("account-tool", 1, message, undefined, remedy);
  }
  runAccountTool("gpasswd", ["-d", name, group]);
}

/** True if leaveGroup takes an account out of a group: also of the primary one, if that lists it. `gids`: as supplementaryGroups. */
export const isMember = ({ name, gid }: PasswdEntry, group: Group, gids: ReadonlySet<number>): boolean =>
  gids.has(group.gid) || (group.gid === gid && wholeGroup(group.name)?.members.includes(name) === true);

/** Removes an account that `addAccount` created. Its home stays. */
export function removeAccount(name: ByteString): void {
  requireAccountName(name);
  runAccountTool("userdel", ["--", name]);
}

/** The gids of a user's groups, without the primary one. */
export function supplementaryGroups(user: PasswdEntry): number[] {
  return groupIdsOf(user.name, user.gid).filter((gid) => gid !== user.gid);
}

/** True if sshd(8) without PAM takes the account for locked: its password begins with `!`. */
export function isLocked(account: Pick<PasswdEntry, "name" | "password">): boolean {
  const counts = countingShadow(account, false);
  return counts !== undefined && counts !== MISSING && counts.password.startsWith("!");
}

/** The names in an account file of the host, without name services. */
export const namesIn = (file: "/etc/passwd" | "/etc/group"): ByteString[] =>
  (file === "/etc/passwd" ? localUsers() : localGroups()).map(({ name }) => name);

/** True for an account of /etc/passwd, which usermod(8) changes. */
export const isLocalUser = (name: ByteString): boolean => flatAccounts.userByName(name) !== undefined;

/** `; did you mean 'NAME'?` if the host has an account with a similar name, else empty. */
export function userHint(name: ByteString): string {
  return didYouMean(name, namesIn("/etc/passwd"));
}
