import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { allOf, composed, type Remedy, withAdvice } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import type { JailAccounts } from "../jail/accounts/accounts.ts";
import { neverHome, otherHomeInDirectory, usualHome } from "../jail/accounts/home-place.ts";
import { breaksPasswd, nameFault } from "../system/account-name.ts";
import type { Group, PasswdEntry } from "../system/accounts.ts";
import { below } from "../system/mountinfo.ts";
import { commentFault } from "../system/passwd-line.ts";
import { dirsEqual, jailOfHome, joinHome, splitHome } from "../system/separator.ts";
import { homeFor, isOfOther, requireOwnGroupName } from "./jail-side.ts";
import { leaveCommand, type shellsOutside } from "./leaving.ts";
import { LIMITED_SHELL } from "./open-jail.ts";
import { requireNoProcesses } from "./sessions.ts";

/** The login shell of a jailed account on the host. */
export const CHROOT_SHELL = "/usr/sbin/jk_chrootsh";

/** The facts for planning to jail an account. */
export interface JailingFacts {
  user: PasswdEntry;
  /** The account is yet to be created. */
  isNew?: boolean;
  /** The primary group first. */
  groups: readonly Group[];
  /** Groups that it joins. */
  joins?: readonly Group[];
  /** The jail on the host, normalised. */
  jail: ByteString;
  /** The present accounts of the jail. */
  accounts: Pick<JailAccounts, "users" | "userByName" | "groupByName" | "groupByGid">;
  /** The group of the host with a gid. */
  hostGroup: Parameters<typeof isOfOther>[2];
  /** The shell in the jail; undefined keeps that of an existing entry, else jk_lsh. */
  shell: ByteString | undefined;
  /** Groups of the jail with another gid become as on the host; else they are an error. */
  corrects?: boolean | undefined;
  move?: boolean;
  /** It is in a directory, which names a jail that is not there: there is nothing to take it out of. */
  isLost?: boolean;
  /** The home outside that an account of the jail has left behind; see homeLeftOutside. */
  left?: ByteString | undefined;
  /** The recorded shells of the accounts of another jail; none if it is not given. */
  shellsIn?: typeof shellsOutside;
  /** It is not in /etc/passwd. */
  isDirectorys?: boolean;
  /** Pids of the account's processes. */
  processes?: readonly number[];
}

/** A change of a group in the jail's etc/group. */
export interface GroupChange {
  name: ByteString;
  gid: number;
  create: boolean;
  /** It is there with another gid, or the primary one with another name: it becomes as on the host. */
  correct?: boolean;
  addMember: boolean;
}

/** The changes for jailing an account, decided before the first is made. */
export interface JailingPlan {
  user: PasswdEntry;
  /** The new line for the jail's etc/passwd; undefined if it exists. */
  entry: PasswdEntry | undefined;
  groups: GroupChange[];
  /** The home in the jail, as the jail sees it. */
  jailHome: ByteString;
  /** The new home in the host's account files: `JAIL/./HOME`. */
  home: ByteString;
  shell: ByteString;
  /** In the jail. */
  jailShell: ByteString;
  /** The host's account gets another home or shell. */
  changeAccount: boolean;
  /** Groups of the host that it joins. */
  joins: readonly Group[];
  /** The directory that moves into the jail. */
  moveFrom: ByteString | undefined;
  /** Printable lines about unchanged parts. */
  notes: ByteString[];
}

/** The account's home in the jail: that of homeFor. */
function homeInJail(facts: JailingFacts): { jailHome: ByteString; inside: boolean } {
  const { user, jail, accounts, move, isLost = false, shellsIn } = facts;
  const split = splitHome(user.home);
  const there = jailOfHome(user.home);
  if (there !== undefined && there !== jail && !isLost) {
    const recorded = shellsIn?.(there) ?? (() => undefined);
    const leave = leaveCommand([user], recorded, { move: move ?? false });
    const message = `${quoted(user.name)} is in another jail already, ${quoted(there)}: take it out first with: ${leave}`;
    throw new JailkitError("in-another-jail", 1, message, undefined, leave);
  }
  // Of such a home, the rest may be a mistake, too.
  const line = isLost ? accounts.userByName(user.name) : undefined;
  if (line?.uid === user.uid) return { jailHome: normalPath(line.home), inside: true };
  if (split !== undefined) return { jailHome: normalPath(split.home), inside: true };
  return { jailHome: homeFor(user, jail), inside: below(normalPath(user.home), jail) !== undefined };
}

function refuse(code: ProblemCode, user: PasswdEntry, why: string, remedy?: Remedy): JailkitError {
  return new JailkitError(code, 1, `${quoted(user.name)} ${why}`, undefined, remedy);
}

const sideCommand = (jail: ByteString, name: ByteString, ...options: readonly string[]): Remedy =>
  composed(
    [...["jk_jailuser", ...options, "--jail-side-only", "-j"], shellWord(jail), operands(name)].join(" "),
  );

/** Takes the line of an account that is no more out of a jail. */
export const forgetLine = (jail: ByteString, name: ByteString): Remedy => sideCommand(jail, name, "--unjail");

/** Makes the jail's lines agree with the host. */
const sideRemedy = ({ jail, user, isNew = false }: JailingFacts): Remedy =>
  isNew ? forgetLine(jail, user.name) : sideCommand(jail, user.name);

/** The jail's new entry for the account; undefined if the existing one is right. */
function planEntry(facts: JailingFacts, jailHome: ByteString): PasswdEntry | undefined {
  const { user, accounts, shell, jail } = facts;
  const present = accounts.userByName(user.name);
  if (present === undefined) return { ...user, password: "x", home: jailHome, shell: shell ?? LIMITED_SHELL };
  const file = quoted(`${jail}/etc/passwd`);
  const remedy = sideRemedy(facts);
  if (present.uid !== user.uid) {
    const uids = `uid ${present.uid} in ${file}, and ${user.uid} on the host`;
    throw refuse("jail-entry-differs", user, `has ${uids}: fix it with: ${remedy}`, remedy);
  }
  if (!dirsEqual(present.home, jailHome)) {
    const homes = `home ${quoted(present.home)} in ${file}, and would have ${quoted(jailHome)}`;
    throw refuse("jail-entry-differs", user, `has the ${homes}: fix it with: ${remedy}`, remedy);
  }
  return undefined;
}

/** `isMember`: of the group of the host. */
function groupDiffers(facts: JailingFacts, { name, gid }: Group, inside: Group, isMember: boolean) {
  const { user, jail, isNew } = facts;
  const where = quoted(`${jail}/etc/group`);
  const what = `the group ${quoted(name)} has gid ${inside.gid} in ${where}, and ${gid} on the host`;
  // That command corrects the groups of the account, and no command those of one that is not there.
  const side = isNew === true ? undefined : sideRemedy(facts);
  const join: Remedy = isMember ? "" : `gpasswd -a ${operands(user.name, name)}`;
  const remedy = side && allOf([join, side]);
  const advice = remedy === undefined ? "write the gid of the host there" : `fix it with: ${remedy}`;
  return new JailkitError("jail-group-differs", 1, `${what}: ${advice}`, undefined, remedy);
}

function planGroups(facts: JailingFacts, joins: readonly Group[]): GroupChange[] {
  const { user, accounts, corrects = false, hostGroup } = facts;
  const [first] = facts.groups;
  if (first !== undefined) requireOwnGroupName(accounts, user, first, hostGroup);
  // Where another group has the name in the jail, it is none there.
  const isHidden = (group: Group) => isOfOther(accounts.groupByName(group.name), group, hostGroup);
  const all = [...facts.groups, ...joins].filter((group) => group === first || !isHidden(group));
  // One that gets another gid does not keep this one.
  const keeps = ({ name, gid }: Group) => all.every((one) => one.name !== name || one.gid === gid);
  return all.flatMap((group, index) => {
    const primary = index === 0;
    const byName = accounts.groupByName(group.name);
    if (!corrects && byName !== undefined && byName.gid !== group.gid)
      throw groupDiffers(facts, group, byName, facts.groups.includes(group));
    const numbered = accounts.groupByGid(group.gid);
    const byGid = numbered !== undefined && keeps(numbered) ? numbered : undefined;
    // Of the primary one, a login compares the name, too.
    const renames = byName === undefined && byGid !== undefined && (primary || corrects);
    const present = byName ?? (primary || renames ? undefined : byGid);
    const correct = renames || (byName !== undefined && byName.gid !== group.gid);
    const addMember = !primary && !(present?.members.includes(user.name) ?? false);
    const create = present === undefined && !correct;
    if (!create && !correct && !addMember) return [];
    const change = { name: present?.name ?? group.name, gid: group.gid, create, addMember };
    return [correct ? { ...change, correct } : change];
  });
}

/** The error of an account that would get the jail itself as its home. */
function wholeJail({ user, jail, isDirectorys }: JailingFacts): JailkitError {
  const home = joinHome(jail, usualHome(user.name));
  const remedy: Remedy = `usermod -d ${shellWord(home)} ${operands(user.name)}`;
  const why = `has the home ${quoted(user.home)}, the jail itself, which can be no home in it`;
  if (isDirectorys === true)
    return refuse("no-home", user, `${why}: ${otherHomeInDirectory(jail, user.name)}`);
  return refuse("no-home", user, withAdvice(why, remedy), remedy);
}

/**
 * Plans the changes for jailing an account. Throws JailkitError for root, an account in another jail or with processes, and
 * if the jail's account files have other values for its name. Pure.
 */
export function planJailing(facts: JailingFacts): JailingPlan {
  const { user, jail, processes = [] } = facts;
  if (user.uid === 0) throw refuse("root", user, "has uid 0: a jail cannot hold root");
  const fault = nameFault(user.name);
  if (fault !== undefined) throw refuse("bad-name", user, `cannot be jailed, because of the name: ${fault}`);
  for (const value of [user.gecos, user.home, jail]) {
    if (breaksPasswd(value))
      throw refuse("bad-path", user, `cannot be jailed: ${quoted(value)} breaks passwd(5)`);
  }
  const { jailHome, inside } = homeInJail(facts);
  const home = joinHome(jail, jailHome);
  const changeAccount = home !== user.home || user.shell !== CHROOT_SHELL;
  // usermod(8) would normalise it, and it would no longer name the jail.
  if (jailHome === "/" && changeAccount) throw wholeJail(facts);
  const outside = inside ? facts.left : normalPath(user.home);
  const moveFrom = facts.move ? outside : undefined;
  const never = moveFrom === undefined ? undefined : neverHome(jailHome);
  if (never !== undefined) {
    const why = `would have the home ${quoted(jailHome)} in the jail, which ${never}: give the account another home first`;
    throw refuse("bad-home", user, why);
  }
  const long =
    facts.isNew || changeAccount ? commentFault({ ...user, home, shell: CHROOT_SHELL }) : undefined;
  if (long !== undefined && facts.isDirectorys !== true)
    throw refuse("bad-value", user, `cannot be jailed because of the comment: ${long}`);
  if (changeAccount || moveFrom !== undefined) requireNoProcesses(user, processes);
  const entry = planEntry(facts, jailHome);
  const joins = (facts.joins ?? []).filter(({ gid }) => facts.groups.every((group) => group.gid !== gid));
  const notes: ByteString[] = [];
  if (entry === undefined) notes.push(`user ${quoted(user.name)} is already in the jail's etc/passwd`);
  if (!changeAccount) notes.push(`user ${quoted(user.name)} is already jailed on the host`);
  if (normalPath(user.home) === jail)
    notes.push(`user ${quoted(user.name)} gets the home ${jailHome}: the jail itself can be no home in it`);
  if (facts.move && moveFrom === undefined)
    notes.push(`the home of ${quoted(user.name)} is already inside the jail`);
  return {
    user,
    entry,
    groups: planGroups(facts, joins),
    jailHome,
    home,
    shell: CHROOT_SHELL,
    jailShell: entry?.shell ?? facts.accounts.userByName(user.name)?.shell ?? "",
    changeAccount,
    joins,
    moveFrom,
    notes,
  };
}

/** True if the account and its jail are as planned already. */
export const changesNothing = ({ entry, groups, joins, changeAccount, moveFrom }: JailingPlan): boolean =>
  entry === undefined && groups.length + joins.length === 0 && !changeAccount && moveFrom === undefined;
