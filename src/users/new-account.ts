import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { requireFreeHome, usualHome } from "../jail/accounts/home-place.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { newMount } from "../jail/fs/mounted-home.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { hostPath, isDirectory, type JailRoot } from "../jail/fs/walk.ts";
import { isPlainName, requireAccountName, requireOwnName } from "../system/account-name.ts";
import { groupByGid, type PasswdEntry, passwdByName, passwdByUid } from "../system/accounts.ts";
import { allUsed, noUid } from "../system/login-defs.ts";
import { joinHome, livesIn } from "../system/separator.ts";
import { passwordState } from "../system/shadow.ts";
import { type Access, type AccessPlan, planAccess } from "./access.ts";
import { type Advice, OPTIONS } from "./advice.ts";
import { requireGroup } from "./groups.ts";
import { jailCommand } from "./jailing.ts";
import { whyKeysStay } from "./kernel-objects.ts";
import { KEYS_FILE } from "./key-place.ts";
import { planKeys } from "./keys.ts";
import type { JailedAccount } from "./login-needs.ts";
import { type NewAccountHost, NewAccountPlace } from "./new-account-place.ts";
import { LIMITED_SHELL } from "./open-jail.ts";
import { CHROOT_SHELL, forgetLine, planJailing } from "./plan.ts";
import { NO_SKELETON, planSkeletonKeys } from "./skeleton-keys.ts";

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
  /** The uid in the place of the one that useradd(8) would choose; undefined for that. Asked again when that chooses. */
  uidInstead?: () => number | undefined;
  gid: ByteString | undefined;
  nonUnique: boolean;
  noCreateHome: boolean;
  system: boolean;
  authorizedKey: readonly ByteString[];
}

export interface NewAccount extends JailedAccount {
  /** As useradd(8) will create it. */
  user: PasswdEntry;
  /** In passwd(5). */
  home: ByteString;
  /** As the jail sees it. */
  jailHome: ByteString;
  hasPassword: boolean;
  hasKey: boolean;
  /** The password field of shadow(5); undefined leaves it to useradd(8), which locks the account. */
  password: ByteString | undefined;
  /** The home is new. */
  createsHome: boolean;
  /** It is the top of a file system without files that is mounted there. */
  mount: Stat | undefined;
  plan: AccessPlan;
}

/** The account and its home, which may be there. */
export type NewHome = Pick<NewAccount, "root" | "jailHome" | "user">;

/**
 * Checks the values of a new account before anything is created: useradd(8) would accept them, and the jail has a place for
 * the account. Throws JailkitError. `place`: shared by plans of several accounts. `requireHome`: throws for a home that the
 * account cannot have, before the keys in it are looked at, which would be refused with less advice.
 */
export function planNewAccount(
  root: JailRoot,
  values: NewAccountValues,
  access: Access,
  advice: Advice = OPTIONS,
  place = new NewAccountPlace(root),
  requireHome: (account: NewHome) => void = () => undefined,
): NewAccount {
  const { name, noCreateHome, password, shell = LIMITED_SHELL } = values;
  const uid = requireNewAccount(root, values, access, advice);
  requireFreeName(place, name, uid, advice);
  const jailHome = normalPath(values.home ?? usualHome(name));
  if (jailHome === "/") throw refuse("bad-home", "the home cannot be '/'");
  requireFreeHome(root, jailHome, uid, {
    usersOf: (home) => place.usersOfHome(home),
    advice: advice.home,
  });
  if (!noCreateHome) place.requireSafe(jailHome, advice.home);
  const group = values.gid === undefined ? DEFAULT_GROUP : requireGroup(values.gid).name;
  const user: PasswdEntry = {
    ...{ name, password: "x", gecos: values.comment ?? "" },
    ...newIds(uid, values, place, group, advice),
    ...{ home: joinHome(root.path, jailHome), shell: CHROOT_SHELL },
  };
  if (noCreateHome && access.keys.length > 0 && lookUp(root, jailHome) === undefined) {
    const where = quoted(hostPath(root, jailHome));
    throw refuse("no-home", `${where} does not exist: --authorized-key needs a home, so omit -M`);
  }
  const primary = place.group(group);
  const groups = [...(primary === undefined ? [] : [primary]), ...access.joins];
  // Throws if the jail's passwd and group contradict the account.
  const jail = { jail: root.path, accounts: place.accounts, hostGroup: groupByGid };
  planJailing({ ...jail, user, isNew: true, groups, corrects: access.correctsGroups, shell });
  requireHome({ root, jailHome, user });
  const mount = noCreateHome ? undefined : newMount(root, jailHome);
  const isThere = mount === undefined && lookUp(root, jailHome) !== undefined;
  // useradd(8) copies nothing to a directory that is there.
  const skeleton = mount === undefined ? (values.skel ?? place.skeleton) : NO_SKELETON;
  const plan = planAccess({ root, name, home: jailHome, shell }, access, (keys) =>
    isThere ? planKeys({ root, user, home: jailHome }, keys) : planSkeletonKeys(skeleton, keys),
  );
  const createsHome = !noCreateHome && !isThere;
  const made = mount === undefined ? directoryOf(jailHome) : jailHome;
  requireRoom(place, createsHome ? ["/etc", made] : ["/etc"]);
  return {
    ...{ root, name, user, group, home: user.home, jailHome, shell, access, plan, createsHome, mount },
    hasPassword: password !== undefined && isUsablePassword(password),
    hasKey: (isThere || createsHome) && startsWithKey(root, jailHome, skeleton),
    // No password matches `*`; and it does not lock the account, for which sshd without PAM accepts no key.
    password: access.keys.length > 0 && password === undefined ? "*" : password,
  };
}

/** Whether an account has a key from the start: in a home that is there in the jail, or else by the skeleton directory. */
export function startsWithKey(root: JailRoot | undefined, home: ByteString, skeleton: ByteString): boolean {
  const hasKey = (tree: JailRoot, directory: ByteString) =>
    lookUp(tree, `${directory}/${KEYS_FILE}`) !== undefined;
  const isThere = root !== undefined && lookUp(root, home) !== undefined;
  return isThere ? hasKey(root, home) : withTree((tree) => hasKey(tree, skeleton));
}

/** The ids that useradd(8) will give to a new account, or a uid that is `given`. Throws JailkitError "no-id". */
export function newIds(
  given: number | undefined,
  { system, uidInstead }: Pick<NewAccountValues, "system" | "uidInstead">,
  host: NewAccountHost,
  group: ByteString,
  advice: Advice,
): Pick<PasswdEntry, "uid" | "gid"> {
  const uid = given ?? uidInstead?.() ?? host.nextUid(system);
  const gid = host.group(group)?.gid ?? host.nextGid();
  if (uid === undefined) throw noUid(advice.uid);
  const create: Remedy = `groupadd -g GID ${operands(group)}`;
  if (gid === undefined)
    throw refuse("no-id", `${allUsed("gids")}; create the group with another: ${create}`);
  return { uid, gid };
}

/** Throws if the host's account files, or one of these directories of the jail, are on a read-only file system. */
function requireRoom(place: NewAccountPlace, paths: readonly ByteString[]): void {
  try {
    place.requireWritable(paths);
  } catch (error) {
    const problem = noRoom(error, place.root.path, { left: [], progress: "no account was created" });
    throw problem === undefined ? error : refuse(problem.code, problem.message, problem.remedy);
  }
}

// (uid_t) -1 means none.
const MOST_UIDS = 0xffff_fffe;

const refuse = (code: ProblemCode, message: ByteString, remedy?: Remedy) =>
  new JailkitError(code, 1, message, undefined, remedy);

/** Why a line of passwd(5) cannot hold a value, or useradd(8) would not get it as it is; undefined if neither. Pure. */
export function fieldFault(what: string, value: ByteString): string | undefined {
  const isUtf8 = Buffer.from(Buffer.from(value, "latin1").toString()).toString("latin1") === value;
  if (isUtf8 && !/[:\x00-\x1f\x7f]/.test(value)) return undefined;
  const why = "it has a ':' or a control character, or is not UTF-8";
  return `${quoted(value)} cannot be the ${what}: ${why}`;
}

function requireField(what: string, value: ByteString | undefined): void {
  const fault = value === undefined ? undefined : fieldFault(what, value);
  if (fault !== undefined) throw refuse("bad-value", fault);
}

/** The number of a uid in decimal digits; undefined for any other text. Pure. */
export function uidIn(text: ByteString): number | undefined {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
  return number === undefined || number > MOST_UIDS ? undefined : number;
}

function requireUid(uid: ByteString | undefined, nonUnique: boolean, advice: string): number | undefined {
  if (uid === undefined) {
    if (nonUnique) throw refuse("bad-uid", "-o needs a uid: -u UID");
    return undefined;
  }
  const number = uidIn(uid);
  if (number === undefined) throw refuse("bad-uid", `${quoted(uid)} is not a uid`);
  const owner = passwdByUid(number);
  if (owner !== undefined && !nonUnique)
    throw refuse("uid-taken", `the uid ${number} belongs to ${quoted(owner.name)}: ${advice}`);
  const stay = owner === undefined ? whyKeysStay(number) : undefined;
  if (stay !== undefined) throw stay;
  return number;
}

/** Why useradd(8) refuses a name; undefined if it accepts it. Pure. */
export function newNameFault(name: ByteString, { oddName }: Advice): string | undefined {
  if (isPlainName(name)) return undefined;
  const cannot = `${quoted(name)} cannot be an account's name`;
  if (/^\d+$/.test(name)) return `${cannot}: it is a number`;
  const rule = "useradd(8) accepts letters, digits, '_', '.', '-', and a '$' at the end";
  return `${cannot}: ${rule}; ${oddName}`;
}

/** Throws for values that useradd(8) refuses, and for a name that exists. Returns the uid, if it was given. */
function requireNewAccount(
  root: JailRoot,
  values: NewAccountValues,
  access: Access,
  advice: Advice,
): number | undefined {
  const { name, uid, nonUnique, inactive } = values;
  requireAccountName(name);
  const fault = newNameFault(name, advice);
  if (fault !== undefined) throw refuse("bad-name", fault);
  const present = requireOwnName(name, passwdByName(name));
  if (present !== undefined) throw userExists(root, present, values, access, advice);
  requireField("comment", values.comment);
  requireField("home", values.home);
  requireField("password", values.password);
  if (inactive !== undefined && !/^(?:-1|\d{1,9})$/.test(inactive))
    throw refuse("bad-inactive", `${quoted(inactive)} is not a number of days; -1 means none`);
  return requireUid(uid, nonUnique, advice.uid);
}

/** The error for a name that exists. If its home is in the jail, an interrupted run may have left it. */
function userExists(
  root: JailRoot,
  { name, home }: PasswdEntry,
  { shell, authorizedKey }: NewAccountValues,
  access: Access,
  advice: Advice,
): JailkitError {
  const isHere = livesIn(root.path, home);
  if (!isHere) return refuse("user-exists", `the user ${quoted(name)} exists already; ${advice.exists}`);
  const complete = jailCommand(root.path, name, shell, access, authorizedKey);
  const message = `the user ${quoted(name)} exists already in this jail; if an earlier run was interrupted, complete it with: ${complete}`;
  return refuse("user-exists", message, complete);
}

/**
 * Throws if the jail has a user of that name, from an earlier account. With the uid of another account, the line may be that one's, which
 * has the name of before again, as after an older passwd(5) has come back: it tells where its home is.
 */
function requireFreeName(
  { root, accounts }: NewAccountPlace,
  name: ByteString,
  uid: number | undefined,
  advice: Advice,
): void {
  const present = accounts.userByName(name);
  if (present === undefined || String(present.uid) === `${uid}`) return;
  const remedy = forgetLine(root.path, name);
  // A new one that gets a uid of its own is none of these.
  const owner = present.uid === 0 || uid !== undefined ? undefined : passwdByUid(present.uid);
  const what = `the jail's etc/passwd has a user ${quoted(name)} already (uid ${present.uid})`;
  const usual = `from an earlier account: ${advice.name}, or`;
  if (owner === undefined) throw refuse("user-exists", `${what}, ${usual} fix it with: ${remedy}`, remedy);
  const rename = `usermod -l ${shellWord(name)} ${operands(owner.name)}`;
  const ways = `if it is that of ${quoted(owner.name)}, rename the account with: ${rename}; if it is ${usual} take the line out with: ${remedy}`;
  throw refuse("user-exists", `${what}, and ${quoted(owner.name)} has that uid: ${ways}`);
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
