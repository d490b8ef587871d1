import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath, pathComponents } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { isJailsOwn, neverHome } from "../jail/accounts/home-place.ts";
import { breaksPasswd, isPlainName, nameFault, otherName } from "../system/account-name.ts";
import { JAILED_GROUP } from "../system/account-tools.ts";
import type { Group, PasswdEntry } from "../system/accounts.ts";
import { jailOfHome, joinHome } from "../system/separator.ts";
import { isAdministrators } from "../users/groups.ts";
import { leaveCommand, type shellsOutside } from "../users/leaving.ts";
import { DEFAULT_GROUP, fieldFault } from "../users/new-account.ts";
import type { TransferUser } from "./document.ts";

interface IdRange {
  readonly least: number;
  readonly most: number;
}

const isIn = ({ least, most }: IdRange, id: number): boolean => id >= least && id <= most;

/** What this machine knows about accounts. */
export interface AccountFacts {
  userByName(name: ByteString): PasswdEntry | undefined;
  userByUid(uid: number): PasswdEntry | undefined;
  groupByName(name: ByteString): Group | undefined;
  groupByGid(gid: number): Group | undefined;
  /** The recorded shells of the accounts of another jail. */
  readonly shellsIn: typeof shellsOutside;
  /** The ids that users and their groups have; others are the system's, or of containers of other users. */
  readonly uids: IdRange;
  readonly gids: IdRange;
  readonly keptUid: KeptUid;
}

/** Why a new account cannot have its uid: that of a home which stays without its account. Undefined if it can. */
export type KeptUid = (user: TransferUser) => string | undefined;

interface AccountOptions {
  /** The new jail. */
  readonly jail: ByteString;
  readonly createUsers: boolean;
  readonly trusted: boolean;
}

/** What is done about one account. */
export interface AccountChoice {
  readonly user: TransferUser;
  /** "here": it lives in the jail on this machine already; "create": it is created; "absent": nothing is done. */
  readonly state: "here" | "create" | "absent";
  /** The primary group is created first. */
  readonly createGroup: boolean;
  /** Groups of this machine that it joins. */
  readonly joins: readonly Group[];
}

export interface AccountChoices {
  readonly choices: readonly AccountChoice[];
  readonly problems: readonly { code: ProblemCode; path: ByteString; message: string }[];
  readonly warnings: readonly string[];
}

// GROUP_NAME_MAX_LENGTH of shadow, unless it was built otherwise.
const LONGEST_GROUP = 32;

/** What earlier users of the file get. */
interface Taken {
  /** New groups, by name and by gid. */
  readonly groups: Map<ByteString, number>;
  readonly gids: Map<number, ByteString>;
  /** The users with these homes. */
  readonly homes: Map<ByteString, ByteString>;
}

// NAME_MAX of Linux.
const LONGEST_COMPONENT = 255;

// Nobody, and (uid_t) -1 of 16 bits.
const NOBODY = new Set([65_534, 65_535]);

/**
 * Decides about the accounts of a transfer, which another machine has named: an account that is here and lives elsewhere is
 * never touched, and none gets an id or a group of the system unless the administrator trusts the file. Pure.
 */
export function chooseAccounts(
  users: readonly TransferUser[],
  facts: AccountFacts,
  options: AccountOptions,
): AccountChoices {
  const problems: AccountChoices["problems"][number][] = [];
  const warnings: string[] = [];
  const choices: AccountChoice[] = [];
  const names = new Set<ByteString>();
  const uids = new Set<number>();
  const taken: Taken = { groups: new Map(), gids: new Map(), homes: new Map() };
  const refuse = (user: TransferUser, code: ProblemCode, message: string) => {
    problems.push({ code, path: user.name, message: `user ${quoted(user.name)}: ${message}` });
  };
  for (const user of users) {
    if (names.has(user.name) || uids.has(user.uid)) {
      refuse(user, "bad-user", "the file has another user with this name or uid");
      continue;
    }
    names.add(user.name);
    uids.add(user.uid);
    const fault = valueFault(user);
    if (fault !== undefined) {
      refuse(user, "bad-user", fault);
      continue;
    }
    const here = facts.userByName(user.name);
    if (here !== undefined) {
      const other = otherAccount(user, here, options.jail, facts);
      if (other !== undefined) refuse(user, "user-exists", other);
      else {
        choices.push({ user, state: "here", createGroup: false, joins: [] });
        taken.homes.set(user.home, user.name);
      }
      continue;
    }
    const creates = options.createUsers && user.local;
    const owner = facts.userByUid(user.uid);
    const unusable =
      owner === undefined
        ? creates && newFault(user, facts, options, taken)
        : `the uid ${user.uid} belongs to ${quoted(owner.name)} on this machine`;
    if (typeof unusable === "string") {
      refuse(user, "bad-id", unusable);
      continue;
    }
    if (!creates) {
      warnings.push(absentLine(user));
      choices.push({ user, state: "absent", createGroup: false, joins: [] });
      continue;
    }
    taken.homes.set(user.home, user.name);
    const createGroup = facts.groupByName(user.group) === undefined && !taken.groups.has(user.group);
    if (createGroup) {
      taken.groups.set(user.group, user.gid);
      taken.gids.set(user.gid, user.group);
    }
    choices.push({ user, state: "create", createGroup, joins: joinsOf(user, facts, options, warnings) });
  }
  return { choices, problems, warnings };
}

/** Why the values of an account cannot be used on any machine; undefined if they can. */
function valueFault({ name, uid, group, comment, home, shell }: TransferUser): string | undefined {
  const bad = nameFault(name) ?? nameFault(group);
  if (bad !== undefined)
    return `the name of the user or of its group ${quoted(group)} cannot be used: ${bad}`;
  // In files with sections for users, it means everybody.
  if (name === "DEFAULT") return "that is no name of a user";
  if (breaksPasswd(comment + home + shell)) return "its comment, home or shell breaks passwd(5)";
  return uidFault(uid) ?? homeFault(home) ?? shellFault(shell);
}

/** Why no user of a jail can have a uid; undefined if one can. Pure. */
export function uidFault(uid: number): string | undefined {
  if (uid === 0) return "a jail cannot hold root";
  return NOBODY.has(uid) ? `the uid ${uid} means nobody` : undefined;
}

/** Why a directory, as the jail sees it, cannot be a user's home; undefined if it can. Pure. */
export function homeFault(home: ByteString): string | undefined {
  if (pathComponents(home).some((part) => part.length > LONGEST_COMPONENT))
    return `the home ${quoted(home)} has a name of more than ${LONGEST_COMPONENT} bytes`;
  const plain = home.startsWith("/") && normalPath(home) === home;
  if (!plain || isJailsOwn(home)) return `the home ${quoted(home)} is a directory of the jail's own`;
  const why = neverHome(home);
  return why && `the home ${quoted(home)} ${why}`;
}

/** Why a path cannot be that of a shell; undefined if it can. Pure. */
export const shellFault = (shell: ByteString): string | undefined =>
  shell.startsWith("/") && normalPath(shell) === shell ? undefined : `the shell ${quoted(shell)} is no path`;

/** Why the account of that name on this machine is another one; undefined if it is the same and lives in the jail. */
function otherAccount(
  { name, uid, home, shell }: TransferUser,
  here: PasswdEntry,
  jail: ByteString,
  { shellsIn }: AccountFacts,
): string | undefined {
  const named = otherName(name, here);
  if (named !== undefined) return `${named} on this machine: use that in the file, or use --without-users`;
  if (here.uid !== uid)
    return `it has the uid ${here.uid} on this machine, and ${uid} in the file: change one, or use --without-users`;
  const wanted = joinHome(jail, home);
  if (here.home === wanted) return undefined;
  // Out of another jail first.
  const there = jailOfHome(here.home);
  const out = there === undefined ? "" : `${leaveCommand([here], shellsIn(there), { move: true })} && `;
  const later = `${out}jk_jailuser --move -s ${shellWord(shell)} -j ${shellWord(jail)} ${operands(name)}`;
  return `the account is on this machine already, with the home ${quoted(here.home)}, not ${quoted(wanted)}: use --without-users, and jail it afterwards: ${later}`;
}

/** Why a new account cannot have these ids and groups here; false if it can. */
function newFault(
  user: TransferUser,
  facts: AccountFacts,
  { trusted }: AccountOptions,
  taken: Taken,
): string | false {
  const { uid, gid, group, name, comment, home } = user;
  const bad = fieldFault("comment", comment) ?? fieldFault("home", home) ?? facts.keptUid(user);
  if (bad !== undefined) return bad;
  const other = taken.homes.get(home);
  if (other !== undefined)
    return `${quoted(home)} is the home of ${quoted(other)}, which comes earlier in the file`;
  const trust = "if you trust the file, use --trusted";
  if (!isIn(facts.uids, uid) && !trusted)
    return `the uid ${uid} is not in the range of users, in /etc/login.defs; ${trust}`;
  const named = facts.groupByName(group)?.gid ?? taken.groups.get(group);
  const numbered = facts.groupByGid(gid)?.name ?? taken.gids.get(gid);
  const shown = `the group ${quoted(group)}`;
  if (named !== undefined && named !== gid)
    return `${shown} has the gid ${named} on this machine or for another user, and ${gid} here in the file`;
  if (named === undefined && numbered !== undefined)
    return `${shown} has the gid ${gid} in the file, which belongs to ${quoted(numbered)}`;
  if (!isIn(facts.gids, gid) && group !== DEFAULT_GROUP && !trusted)
    return `the gid ${gid} of ${shown} is not in the range of users, in /etc/login.defs; ${trust}`;
  if (isAdministrators(group) && !trusted) return `a member of ${shown} can become root; ${trust}`;
  if (isPrivate(group, facts) && !trusted)
    return `${shown} has the name of another account, and may be its own; ${trust}`;
  if (group.length > LONGEST_GROUP)
    return `groupadd(8) accepts no name of more than ${LONGEST_GROUP} bytes: create ${shown} by hand`;
  if (isPlainName(name) && isPlainName(group)) return false;
  return "useradd(8) accepts letters, digits, '_', '.', '-', and a '$' at the end: create the account by hand";
}

/** True for a group that may be that of one account, to whose files its members have access: it is named as such. */
const isPrivate = (group: ByteString, facts: AccountFacts): boolean => facts.userByName(group) !== undefined;

function absentLine({ name, local }: TransferUser): string {
  const what = `this machine has no account ${quoted(name)}`;
  if (local) return `${what}: --create-users creates it`;
  return `${what}: it comes from a name service (LDAP), which this machine must ask too`;
}

/** The groups of this machine that an account joins; a line for each other one. */
function joinsOf(
  { name, groups }: TransferUser,
  facts: AccountFacts,
  { trusted }: AccountOptions,
  warnings: string[],
): Group[] {
  return groups.flatMap((group) => {
    const here = facts.groupByName(group.name);
    // Its gid differs between machines, and it only takes rights away.
    if (here !== undefined && group.name === JAILED_GROUP) return [here];
    const same = here !== undefined && here.gid === group.gid;
    const listed = isAdministrators(group.name) || isPrivate(group.name, facts);
    const plain = same && isIn(facts.gids, group.gid) && !listed;
    if (here !== undefined && (plain || trusted)) return [here];
    const user = `user ${quoted(name)} does not join the group ${quoted(group.name)}`;
    warnings.push(
      here === undefined
        ? `${user}, which this machine does not have`
        : `${user}: its members may have more rights here; if it should: gpasswd -a ${operands(name, group.name)}`,
    );
    return [];
  });
}
