import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { JailAccounts } from "../jail/accounts/accounts.ts";
import {
  type AccountsEditor,
  tryJailAccounts,
  updateJailAccounts,
} from "../jail/accounts/change-accounts.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { breaksPasswd, ifNamed, requireAccountName } from "../system/account-name.ts";
import { type Group, groupByGid, groupByName, type PasswdEntry, passwdByName } from "../system/accounts.ts";
import { dirsEqual, jailOfHome, livesIn, splitHome } from "../system/separator.ts";
import { LIMITED_SHELL } from "./open-jail.ts";

/** A change of an account's lines in a jail. */
interface JailSideRequest {
  root: JailRoot;
  /** Undefined keeps that of an existing line. */
  shell: ByteString | undefined;
  /** The default for a new line; jk_lsh unless given. */
  usualShell: ByteString | undefined;
  dryRun: boolean;
}

/**
 * The home of an account as a jail sees it: the part after the separator or below the jail, or the same path. If the jail itself
 * is the home, as that of a site in hosting panels, which give another one later: the usual home.
 */
export function homeFor(user: Pick<PasswdEntry, "name" | "home">, jail: ByteString): ByteString {
  const split = splitHome(user.home);
  const home = normalPath(split?.home ?? user.home);
  if (split === undefined && home === jail) return usualHome(user.name);
  return home.startsWith(`${jail}/`) ? home.slice(jail.length) : home;
}

/** The account that has a name itself: a name service may find one by other names, too. */
export const accountNamed = (name: ByteString): PasswdEntry | undefined => ifNamed(name, passwdByName(name));

/** The lines with the uid of an account, and names that the host does not have. */
export const formerLines = (
  { users }: Pick<JailAccounts, "users">,
  { uid }: Pick<PasswdEntry, "uid">,
): PasswdEntry[] => users.filter((entry) => entry.uid === uid && accountNamed(entry.name) === undefined);

/** The line that becomes an account's own: the one with its name, or else one of a former name. */
export const ownLine = (
  accounts: Pick<JailAccounts, "users">,
  user: Pick<PasswdEntry, "name" | "uid">,
): PasswdEntry | undefined =>
  accounts.users.find((entry) => entry.name === user.name) ?? formerLines(accounts, user)[0];

/** Whether an account is in another jail: a line of its name, with the uid of another one, is left from before that had another name. */
export const isInOtherJail = ({ home }: PasswdEntry, { path }: Pick<JailRoot, "path">): boolean =>
  jailOfHome(home) !== undefined && !livesIn(path, home);

/**
 * The lines of an account that is in a jail, with names that it had: nobody has these now, or an account that is not in this jail,
 * as after an exchange of names with somebody in another one.
 */
export function linesLeft(accounts: Pick<JailAccounts, "users">, user: PasswdEntry, root: JailRoot) {
  const { name, uid } = user;
  const home = homeFor(user, root.path);
  return accounts.users.filter((line) => {
    if (line.uid !== uid || line.name === name) return false;
    const real = accountNamed(line.name);
    if (real === undefined) return true;
    if (real.uid === uid || livesIn(root.path, real.home)) return false;
    return isInOtherJail(real, root) || dirsEqual(line.home, home);
  });
}

/**
 * Makes an account's lines in a jail's passwd and group agree with the host: adds a line, or gives the existing one the
 * host's name, uid, gid and home. Other lines with its name or number are corrected, or removed if the host has no such
 * account, or has it in another jail. Returns the changes, one printable line each.
 */
function putJailSide(
  accounts: AccountsEditor,
  user: PasswdEntry,
  groups: readonly Group[],
  home: ByteString,
  { root, shell, usualShell = LIMITED_SHELL }: JailSideRequest,
): string[] {
  const { name, uid, gid } = user;
  const steps: string[] = [];
  const say = (what: string) => steps.push(what);
  let own = accounts.users.find((entry) => entry.name === name);
  for (const entry of accounts.users) {
    if (entry === own || (entry.name !== name && entry.uid !== uid)) continue;
    const real = entry.name === name ? undefined : accountNamed(entry.name);
    if (real?.uid === uid) continue;
    if (real !== undefined && !isInOtherJail(real, root)) {
      accounts.replaceUser(entry, { ...entry, uid: real.uid, gid: real.gid });
      say(`gave ${quoted(entry.name)} its uid ${real.uid} in the jail's etc/passwd`);
    } else if (own === undefined) {
      own = { ...entry, name };
      accounts.replaceUser(entry, own);
      renameMember(accounts, entry.name, name);
      say(`named ${quoted(entry.name)} ${quoted(name)} in the jail's etc/passwd`);
    } else {
      accounts.replaceUser(entry);
      renameMember(accounts, entry.name, name);
      say(`removed the line of ${quoted(entry.name)} (uid ${entry.uid}) from the jail's etc/passwd`);
    }
  }
  if (own === undefined) {
    accounts.addUser({ ...user, password: "x", home, shell: shell ?? usualShell });
    say(`added ${quoted(name)} to the jail's etc/passwd`);
  } else {
    const wanted = { ...own, uid, gid, home, shell: shell ?? own.shell };
    const same = own.uid === uid && own.gid === gid && own.home === home && own.shell === wanted.shell;
    accounts.replaceUser(own, wanted);
    if (!same) say(`changed the line of ${quoted(name)} in the jail's etc/passwd`);
  }
  groups.forEach((group, index) => {
    if (index > 0) {
      if (putMember(accounts, group, name, say))
        say(`made ${quoted(name)} a member of ${quoted(group.name)} in the jail's etc/group`);
      return;
    }
    requireOwnGroupName(accounts, user, group, groupByGid);
    putGroup(accounts, group, say);
  });
  return steps;
}

/** The group of the host with a gid. */
type GroupOfGid = (gid: number) => Pick<Group, "name"> | undefined;

/**
 * True if the line of a jail with the name of a group is right for another one: a directory may have one that is named as one of
 * the machine. The jail has one of each name.
 */
export function isOfOther(
  line: Pick<Group, "gid"> | undefined,
  { name, gid }: Pick<Group, "name" | "gid">,
  byGid: GroupOfGid,
): boolean {
  return line !== undefined && line.gid !== gid && byGid(line.gid)?.name === name;
}

/**
 * Throws JailkitError "jail-group-differs" if the line of a jail with the name of the primary group of an account is right for
 * another one, the primary group of somebody else there (of `users`): both cannot be in the jail. Pure but for `byGid`.
 */
export function requireOwnGroupName(
  accounts: Pick<JailAccounts, "users" | "groupByName">,
  user: PasswdEntry,
  group: Group,
  byGid: GroupOfGid,
): void {
  const line = accounts.groupByName(group.name);
  if (line === undefined || !isOfOther(line, group, byGid)) return;
  const other = accounts.users.find(({ name, gid }) => name !== user.name && gid === line.gid);
  if (other === undefined) return;
  const message = primaryTaken(user, group, { user: other.name, gid: line.gid });
  throw new JailkitError("jail-group-differs", 1, message);
}

/** As putGroup, and makes an account a member; but not of another group that has the name. True if it was no member. */
export function putMember(
  accounts: AccountsEditor,
  group: Group,
  name: ByteString,
  say: (what: string) => void,
): boolean {
  if (isOfOther(accounts.groupByName(group.name), group, groupByGid)) return false;
  putGroup(accounts, group, say);
  return accounts.addMember(group.name, name) === "added";
}

/** The primary group that has a name in a jail, and an account that has it. */
export interface NameHolder {
  readonly user: ByteString;
  readonly gid: number;
}

/** Why a group is not in a jail under its name, which that of another account has there; after what it is. Pure. */
export const nameTaken = ({ user, gid }: NameHolder): string =>
  `has the name of another one, the primary group of ${quoted(user)} (gid ${gid}), and a jail has one group of a name: give one of both another name`;

/** The same of the primary group of an account, which cannot come into the jail. Pure. */
export const primaryTaken = (
  { name }: Pick<PasswdEntry, "name">,
  group: Pick<Group, "name" | "gid">,
  holder: NameHolder,
): string =>
  `the primary group of ${quoted(name)}, ${quoted(group.name)} (gid ${group.gid}), ${nameTaken(holder)}`;

/** Gives the memberships of a name that the host does not know any more to the present one. */
function renameMember(accounts: AccountsEditor, old: ByteString, name: ByteString): void {
  for (const group of accounts.groups) {
    if (!group.members.includes(old)) continue;
    const members = group.members.map((member) => (member === old ? name : member));
    accounts.replaceGroup(group, { ...group, members: [...new Set(members)] });
  }
}

/** Makes a group of a jail agree with that of the host; other lines with its name or gid are corrected or removed. */
export function putGroup(
  accounts: AccountsEditor,
  { name, gid }: Pick<Group, "name" | "gid">,
  say: (what: string) => void,
): void {
  let own = accounts.groups.find((entry) => entry.name === name);
  for (const entry of accounts.groups) {
    if (entry === own || (entry.name !== name && entry.gid !== gid)) continue;
    const real = entry.name === name ? undefined : groupByName(entry.name);
    if (real?.gid === gid) continue;
    if (real !== undefined) {
      accounts.replaceGroup(entry, { ...entry, gid: real.gid });
      say(`gave the group ${quoted(entry.name)} its gid ${real.gid} in the jail's etc/group`);
    } else if (own === undefined) {
      own = { ...entry, name };
      accounts.replaceGroup(entry, own);
      say(`named the group ${quoted(entry.name)} ${quoted(name)} in the jail's etc/group`);
    } else {
      accounts.replaceGroup(entry);
      say(`removed the line of the group ${quoted(entry.name)} (gid ${entry.gid}) from the jail's etc/group`);
    }
  }
  if (own === undefined) {
    accounts.addGroup({ name, password: "x", gid, members: [] });
    say(`added the group ${quoted(name)} to the jail's etc/group`);
  } else if (own.gid !== gid) {
    // The members of another group of that name are none of this.
    const members = isOfOther(own, { name, gid }, groupByGid) ? [] : own.members;
    accounts.replaceGroup(own, { ...own, gid, members });
    say(`gave the group ${quoted(name)} its gid ${gid} in the jail's etc/group`);
  }
}

/** Runs `change` on the accounts of the jail; with `dryRun` on a copy. */
function apply<T>({ root, dryRun }: JailSideRequest, change: (accounts: AccountsEditor) => T): T {
  return dryRun ? tryJailAccounts(root, change) : updateJailAccounts(root, change);
}

/** Throws JailkitError for an account, or a group of it, that a directory has, and that no line in a jail can hold. Pure. */
export function requireLines(user: PasswdEntry, groups: readonly Group[], jail: ByteString): void {
  if (user.uid === 0)
    throw new JailkitError("root", 1, `${quoted(user.name)} has uid 0: a jail cannot hold root`);
  requireAccountName(user.name);
  for (const value of [user.gecos, homeFor(user, jail)]) {
    if (breaksPasswd(value))
      throw new JailkitError("bad-path", 1, `${quoted(user.name)}: ${quoted(value)} breaks passwd(5)`);
  }
  for (const { name } of groups) requireAccountName(name, "a group name");
}

/**
 * Makes an account's lines in a jail agree with the host; the account itself stays as it is. `groups`: the primary one
 * first. Returns the changes. Throws JailkitError as requireLines.
 */
export function writeJailSide(
  user: PasswdEntry,
  groups: readonly Group[],
  request: JailSideRequest,
): string[] {
  const { path } = request.root;
  requireLines(user, groups, path);
  const home = homeFor(user, path);
  return apply(request, (accounts) => putJailSide(accounts, user, groups, home, request));
}

/** Removes all lines of a name from a jail's passwd, and its memberships; the host need not have such an account. */
export function removeJailSide(name: ByteString, request: JailSideRequest): string[] {
  const removed = apply(request, (accounts) => accounts.removeUser(name));
  return removed ? [`removed ${quoted(name)} from the jail's etc/passwd`] : [];
}

/** Removes the lines of an account that leaves a jail, also those of linesLeft. Returns what they were. */
export const takeLines = (root: JailRoot, user: PasswdEntry): PasswdEntry[] =>
  updateJailAccounts(root, (accounts) =>
    [user, ...linesLeft(accounts, user, root)].filter(({ name }) => accounts.removeUser(name)),
  );

/** Takes a user out of groups of a jail's etc/group. One that the host does not have any more goes with its last member. */
export function leaveJailGroups(root: JailRoot, name: ByteString, groups: readonly ByteString[]): void {
  updateJailAccounts(root, (accounts) => {
    for (const entry of accounts.groups) {
      if (!groups.includes(entry.name) || !entry.members.includes(name)) continue;
      const members = entry.members.filter((member) => member !== name);
      const isUsed = members.length > 0 || accounts.users.some(({ gid }) => gid === entry.gid);
      if (isUsed || groupByName(entry.name) !== undefined)
        accounts.replaceGroup(entry, { ...entry, members });
      else accounts.replaceGroup(entry);
    }
  });
}
