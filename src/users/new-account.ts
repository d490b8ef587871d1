import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { requireFreeHome, usualHome } from "../jail/accounts/home-place.ts";
import { joinHome, splitHome } from "../jail/accounts/separator.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot } from "../jail/fs/walk.ts";
import { requireAccountName } from "../system/account-tools.ts";
import {
  type GroupEntry,
  groupByName,
  type PasswdEntry,
  passwdByName,
  passwdByUid,
} from "../system/accounts.ts";
import { passwordState } from "../system/shadow.ts";
import { type Access, planAccess } from "./access.ts";
import { requireSafePlace } from "./change-account.ts";
import { requireGroup } from "./groups.ts";
import { jailCommand } from "./jailing.ts";
import type { JailedAccount } from "./login-needs.ts";
import { LIMITED_SHELL } from "./open-jail.ts";
import { planJailing } from "./plan.ts";

/** The group of accounts for which no other is named; it is created if it is missing. */
export const DEFAULT_GROUP = "users";

/** The values of a new account, most of them for useradd(8), as they were given. */
export interface NewAccountValues {
  name: ByteString;
  /** In the jail. */
  shell: ByteString | undefined;
  comment: ByteString | undefined;
  expiredate: ByteString | undefined;
  inactive: ByteString | undefined;
  password: ByteString | undefined;
  /** As the jail sees it. */
  home: ByteString | undefined;
  skel: ByteString | undefined;
  uid: ByteString | undefined;
  gid: ByteString | undefined;
  nonUnique: boolean;
  noCreateHome: boolean;
  authorizedKey: readonly ByteString[];
}

export interface NewAccount extends JailedAccount {
  /** In passwd(5). */
  home: ByteString;
  /** As the jail sees it. */
  jailHome: ByteString;
  hasPassword: boolean;
  /** From planAccess. */
  accessLines: readonly string[];
}

/**
 * Checks the values of a new account before anything is created: useradd(8) would accept them, and the jail has a place for
 * the account. Throws JailkitError.
 */
export function planNewAccount(root: JailRoot, values: NewAccountValues, access: Access): NewAccount {
  const { name, noCreateHome, password, shell = LIMITED_SHELL } = values;
  const uid = requireNewAccount(root, values, access);
  requireFreeName(root, name, uid);
  const jailHome = normalPath(values.home ?? usualHome(name));
  if (jailHome === "/") throw refuse("bad-home", "the home cannot be '/'");
  requireFreeHome(root, jailHome, uid === undefined ? undefined : `${uid}`);
  if (!noCreateHome) requireSafePlace(root, jailHome);
  const home = joinHome(root.path, jailHome);
  const group = values.gid === undefined ? DEFAULT_GROUP : requireGroup(values.gid).name;
  if (noCreateHome && access.keys.length > 0 && lookUp(root, jailHome) === undefined) {
    const where = quoted(hostPath(root, jailHome));
    throw refuse("no-home", `${where} does not exist: --authorized-key needs a home, so omit -M`);
  }
  requireFreeLines(root, { name, uid, home, shell }, groupsFor(group, access));
  const accessLines = planAccess({ root, name, home: jailHome, shell }, access, undefined).lines;
  const hasPassword = password !== undefined && isUsablePassword(password);
  return { root, name, group, home, jailHome, shell, access, hasPassword, accessLines };
}

// (uid_t) -1 means none.
const MOST_UIDS = 0xffff_fffe;

const refuse = (code: string, message: ByteString) => new JailkitError(code, 1, message);

/** Throws for a value that a line of passwd(5) cannot hold, or that useradd(8) would not get as it is. */
function requireField(what: string, value: ByteString | undefined): void {
  if (value === undefined) return;
  const utf8 =
    Buffer.from(Buffer.from(value, "latin1").toString("utf8"), "utf8").toString("latin1") === value;
  if (!utf8 || /[:\x00-\x1f\x7f]/.test(value))
    throw refuse(
      "bad-value",
      `${quoted(value)} cannot be the ${what}: it has a ':' or a control character, or is not UTF-8`,
    );
}

function requireUid(uid: ByteString | undefined, nonUnique: boolean): number | undefined {
  if (uid === undefined) {
    if (nonUnique) throw refuse("bad-uid", "-o needs a uid: -u UID");
    return undefined;
  }
  const number = /^\d{1,10}$/.test(uid) ? Number(uid) : undefined;
  if (number === undefined || number > MOST_UIDS) throw refuse("bad-uid", `${quoted(uid)} is not a uid`);
  const owner = passwdByUid(number);
  if (owner !== undefined && !nonUnique)
    throw refuse("uid-taken", `the uid ${number} belongs to ${quoted(owner.name)}: choose another`);
  return number;
}

/** Throws for values that useradd(8) refuses, and for a name that exists. Returns the uid, if it was given. */
function requireNewAccount(root: JailRoot, values: NewAccountValues, access: Access): number | undefined {
  const { name, uid, nonUnique, inactive } = values;
  requireAccountName(name);
  if (/^\d+$/.test(name))
    throw refuse("bad-name", `${quoted(name)} cannot be an account's name: it is a number`);
  const present = passwdByName(name);
  if (present !== undefined) throw userExists(root, present, values, access);
  requireField("comment", values.comment);
  requireField("home", values.home);
  requireField("password", values.password);
  if (inactive !== undefined && !/^(?:-1|\d{1,9})$/.test(inactive))
    throw refuse("bad-inactive", `${quoted(inactive)} is not a number of days; -1 means none`);
  return requireUid(uid, nonUnique);
}

/** The error for a name that exists. If its home is in the jail, an interrupted run may have left it. */
function userExists(
  root: JailRoot,
  { name, home }: PasswdEntry,
  { shell, authorizedKey }: NewAccountValues,
  access: Access,
): JailkitError {
  const isHere = splitHome(home)?.jail === root.path;
  if (!isHere) return refuse("user-exists", `the user ${quoted(name)} exists already; jk_jailuser jails it`);
  const complete = jailCommand(root.path, name, shell, access, authorizedKey);
  const message = `the user ${quoted(name)} exists already in this jail; if an earlier run was interrupted, complete it with: ${complete}`;
  return refuse("user-exists", message);
}

/** Throws if the jail has a user of that name, from an earlier account. */
function requireFreeName(root: JailRoot, name: ByteString, uid: number | undefined): void {
  const present = readJailAccounts(root).userByName(name);
  if (present === undefined || String(present.uid) === `${uid}`) return;
  const remedy = `jk_jailuser --unjail --jail-side-only -j ${shellWord(root.path)} ${operands(name)}`;
  const message = `the jail's etc/passwd has a user ${quoted(name)} already (uid ${present.uid}), from an earlier account: choose another name, or fix it with: ${remedy}`;
  throw refuse("user-exists", message);
}

/** False for a text that no password matches, unless it locks the account on purpose (`*`, `!`). */
function isUsablePassword(password: ByteString): boolean {
  return passwordState(password) !== "none" || /^[*!]/.test(password);
}

/** Warnings about values that useradd(8) accepts silently, and takes in another sense. Throws SystemError. */
export function newAccountWarnings({ password, expiredate, skel }: NewAccountValues): string[] {
  const lines: string[] = [];
  if (password === "") lines.push("the password is empty: nobody is asked for one");
  else if (password !== undefined && !isUsablePassword(password))
    lines.push("the value of -p is not a hash of crypt(3): no password matches it");
  if (expiredate !== undefined && !/^(?:|-1|\d+|\d{4}-\d\d-\d\d)$/.test(expiredate))
    lines.push(`the date ${quoted(expiredate)} is not YYYY-MM-DD: useradd decides what it means`);
  const stat = skel === undefined ? undefined : statIfPresent(AT_FDCWD, skel, true);
  if (skel !== undefined && (stat === undefined || !isDirectory(stat)))
    lines.push(`${quoted(skel)} is not a directory: the new home is empty`);
  return lines;
}

/** The groups of a new account that exist, the primary one first. */
function groupsFor(primary: ByteString, { joins }: Access): GroupEntry[] {
  const present = groupByName(primary);
  return present === undefined ? [...joins] : [present, ...joins];
}

/** Throws JailkitError if the jail's passwd and group contradict a new account, as planJailing does. */
function requireFreeLines(
  root: JailRoot,
  account: { name: ByteString; uid: number | undefined; home: ByteString; shell: ByteString },
  groups: readonly GroupEntry[],
): void {
  const { name, uid, home, shell } = account;
  const gid = groups[0]?.gid ?? MOST_UIDS;
  planJailing({
    // No line of the jail has the uid that useradd will choose.
    user: { name, password: "x", uid: uid ?? MOST_UIDS, gid, gecos: "", home, shell },
    groups,
    jail: root.path,
    accounts: readJailAccounts(root),
    shell,
    move: false,
    processes: [],
  });
}
