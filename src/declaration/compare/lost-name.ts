import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { JailAccounts } from "../../jail/accounts/accounts.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { localGroups } from "../../system/flat-accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { dirsEqual, homeInJail, isSameHome, jailOfHome } from "../../system/separator.ts";
import { homeFor } from "../../users/jail-side.ts";
import { newNameFault } from "../../users/new-account.ts";
import type { FaultText } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";
import { heldBy } from "./held-by.ts";
import { DECLARED, renamedLines } from "./intent.ts";

type Named = Pick<DeclaredUser, "jail" | "name" | "directory" | "place">;

/**
 * The account that a user may have now: apply has created one with its uid, and this has another home in that jail; or it has the uid,
 * and something of what was declared. Only of one that is declared it matters: a new account of the old name would hide it.
 */
export function perhapsOf(
  once: OnceUser,
  { userByName, userByUid }: Pick<HostAccounts, "userByName" | "userByUid">,
): PasswdEntry | undefined {
  const { name, created, jail, out } = once;
  const uid = uidOf(once);
  if (uid === undefined || out || userByName(name)?.uid === uid) return undefined;
  const account = userByUid(uid);
  if (account === undefined) return undefined;
  if (created !== undefined && jailOfHome(account.home) === jail) return account;
  const membersOf = (group: ByteString) =>
    localGroups().flatMap((one) => (one.name === group ? one.members : []));
  const { groups, keys } = heldBy(once, account, membersOf);
  return groups.length + keys.length > 0 ? account : undefined;
}

/** Whether a section says that it means no account with that uid. */
export const meansOther = ({ uid }: Pick<DeclaredUser, "uid">, account: PasswdEntry): boolean =>
  uid !== undefined && uid !== account.uid;

/**
 * What is to be done for an account that has another name now: what the file should say, or what gives the name back that can be
 * declared. `there`: its jail, if it may be another one; then the remedy is of no use, as the section has a jail.
 */
function nameAdvice(
  user: Named,
  account: Pick<PasswdEntry, "name" | "home">,
  there?: ByteString,
): { readonly shown: string; readonly remedy: Remedy } {
  const isLocal = isLocalUser(account.name);
  if (isLocal && newNameFault(account.name, DECLARED) !== undefined) {
    const remedy: Remedy = `usermod -l ${shellWord(user.name)} ${operands(account.name)}`;
    return { shown: `give it back its name: ${remedy}`, remedy };
  }
  const jail = there ?? user.jail;
  const ofJail = jail === user.jail ? [] : [`jail = ${jail}`];
  const more = isLocal || user.directory ? ofJail : ["directory = yes"];
  const { shown, remedy } = renamedLines({ ...user, jail }, account, more);
  return { shown: `write ${shown} in place of ${quoted(`[user ${user.name}]`)}`, remedy };
}

/** Why nothing is done for a user whose account somebody has renamed. */
export function renamedText(user: Named, account: Pick<PasswdEntry, "name" | "home" | "uid">) {
  const { shown, remedy } = nameAdvice(user, account);
  const message = `the account is ${quoted(account.name)} now, by its uid ${account.uid} and its home: ${shown}`;
  return { code: "user-exists", message, remedy } as const;
}

/**
 * Why no account is created for a name that somebody has changed with usermod(8): the account has another one now, and a section of
 * that name means it, and this one another account.
 */
export function renamedFault(
  declared: Renamed,
  jailAccounts: Pick<JailAccounts, "userByName"> | undefined,
  {
    accounts,
    isDeclared,
  }: { readonly accounts: UserByUid; readonly isDeclared: (name: ByteString) => boolean },
) {
  const owner = renamedOwner(declared, jailAccounts, accounts);
  return owner === undefined || isDeclared(owner.name) ? undefined : renamedText(declared, owner);
}

type UserByUid = Pick<HostAccounts, "userByUid">;
type Renamed = Pick<DeclaredUser, "name" | "jail" | "uid" | "directory" | "place">;

/** The account of a name that nobody has any more, by the uid of the line in the jail, and its home there. */
export function renamedOwner(
  declared: Omit<Renamed, "place">,
  jailAccounts: Pick<JailAccounts, "userByName"> | undefined,
  accounts: UserByUid,
): PasswdEntry | undefined {
  const { name, jail, directory } = declared;
  const line = jailAccounts?.userByName(name);
  const owner = line && accounts.userByUid(line.uid);
  if (line === undefined || owner === undefined || meansOther(declared, owner)) return undefined;
  // Its directory need not say anything of the jail.
  const isIt = directory ? dirsEqual(homeFor(owner, jail), line.home) : jailOfHome(owner.home) === jail;
  // With a line of its own it is another account.
  if (!isIt || jailAccounts?.userByName(owner.name) !== undefined) return undefined;
  return !directory && newNameFault(owner.name, DECLARED) !== undefined ? undefined : owner;
}

/**
 * Why it is not known which account a section means. `other`: the account of before, or what may be that, as only the uid tells,
 * or a name or a home of before. `now`: the one that has the name.
 */
export function lostNameFault(
  user: Named,
  other: PasswdEntry,
  {
    by,
    now,
  }: { readonly by: "uid and home" | "uid" | "name" | "home"; readonly now: PasswdEntry | undefined },
): FaultText {
  const header = quoted(`[user ${user.name}]`);
  const isLikely = by !== "uid and home";
  const is = isLikely ? "may be" : "is";
  const isBefore = by === "name" || by === "home";
  const sign = isBefore ? `its ${by} of before` : `its uid ${other.uid}${isLikely ? "" : " and its home"}`;
  const another = now === undefined ? "" : ", and another one has this name";
  const which = now === undefined ? "another uid with the key 'uid'" : quoted(`uid = ${now.uid}`);
  const there = isLikely && !user.directory ? jailOfHome(other.home) : undefined;
  const { shown, remedy } = nameAdvice(user, other, there);
  const message = `the account that was declared ${is} ${quoted(other.name)} now, by ${sign}${another}: if ${header} means that one, ${shown}; if it means another one, declare ${which}`;
  // A program would take what may be for certain.
  return { code: "doubtful-account", message, remedy: isLikely ? undefined : remedy };
}

/** Why it is not known whether a section means the account that has its name `now`, or the one of before: `other`. */
export function meantFault(
  user: Named & Pick<DeclaredUser, "uid">,
  now: { readonly once: OnceUser; readonly account: PasswdEntry },
  other: PasswdEntry | undefined,
  keepsName: (name: ByteString) => boolean,
): FaultText {
  const { name, uid } = user;
  const header = quoted(`[user ${name}]`);
  const take = `if ${header} means this one, declare 'uid = ${now.account.uid}'`;
  const of = `is the account that was declared as ${quoted(now.once.name)}, by its uid ${now.account.uid}`;
  // A program would give what is another customer's to this one.
  if (other === undefined || newNameFault(other.name, DECLARED) !== undefined)
    return { code: "doubtful-account", message: `${of}, and has another name now: ${take}` };
  // A second section of that name would make the file invalid.
  if (keepsName(other.name)) {
    const message = `${of}, and the one of before is ${quoted(other.name)} now, which is declared, too: if ${header} means that one still, give each section the name that its account has now; ${take}`;
    return { code: "doubtful-account", message };
  }
  const ofUid = uid === undefined ? [`uid = ${other.uid}`] : [];
  const { shown, remedy } = renamedLines(user, other, ofUid);
  return {
    code: "doubtful-account",
    message: `${of}, and the one of before is ${quoted(other.name)} now: if ${header} means that one still, write ${shown} in place; ${take}`,
    remedy,
  };
}

/** Where a section has its user, as far as that is known. */
export type Place = Partial<Pick<DeclaredUser, "jail" | "home">>;

/** Whether an account has the home that a section declares. */
export const hasDeclaredHome = ({ home }: Pick<PasswdEntry, "home">, { jail, home: own }: Place): boolean =>
  jail !== undefined && own !== undefined && isSameHome(home, jail, own);

/**
 * Whether an account with the name of `user` is that of the section of its `former` name still: that declares its home, and the one of
 * its name says nothing of it.
 */
export const isOfFormer = (
  account: PasswdEntry,
  user: Place & Pick<DeclaredUser, "uid" | "directory">,
  former: Place | undefined,
): boolean =>
  !user.directory &&
  user.uid !== account.uid &&
  !hasDeclaredHome(account, user) &&
  former !== undefined &&
  hasDeclaredHome(account, former);

/** Why nothing is done for a user whose account has the name of another section. */
export function namedAnewFault(user: Named, account: PasswdEntry, { jail }: Place): FaultText {
  const header = quoted(`[user ${account.name}]`);
  const back: Remedy = `usermod -l ${shellWord(user.name)} ${operands(account.name)}`;
  const home = quoted(`home = ${homeInJail(account.home)}`);
  const or =
    jail === user.jail ? `; or, if ${header} means it, write ${home} there, and another home here` : "";
  const message = `the account is ${quoted(account.name)} now, by its uid ${account.uid} and its home, and ${header} is declared, too: give it back its name: ${back}${or}`;
  return { code: "doubtful-account", message };
}

/** Why there is no account that is declared as one of a directory. `otherText`: what is said of another one with its uid. */
export function goneText(name: ByteString, otherText = ""): string {
  const gone = `no name service knows the account, which 'directory' says is in one: getent passwd ${operands(name)}`;
  if (otherText === "")
    return `${gone}; if it is gone for good, take its section out, and type: jailkit apply --prune`;
  return gone + otherText;
}

/** What is said of an account with the uid of one that its directory has no more; empty without one. */
export function heirText(user: Named, heir: PasswdEntry | undefined): string {
  if (heir === undefined) return "";
  const { shown } = nameAdvice(user, heir);
  return `; ${quoted(heir.name)} has its uid ${heir.uid}, and another home: if it is that account, ${shown}`;
}

/** Why an account stays that is declared no more; `section`: the one that may mean it. */
export function staysFault(
  { account: { name, uid }, once }: { readonly account: PasswdEntry; readonly once: OnceUser },
  section: DeclaredUser | undefined,
): FaultText {
  const is = `its account is ${quoted(name)} now, by its uid ${uid}`;
  const code = "doubtful-account";
  if (section !== undefined)
    return {
      code,
      message: `${is}, and ${quoted(`[user ${section.name}]`)} does not say which account it means`,
    };
  const shared = `${is}, a name that was declared of another one`;
  if (once.directory) return { code, message: `${shared}: if it is to go, take it out of its directory` };
  const remedy: Remedy = `userdel ${operands(name)}`;
  return { code, message: `${shared}: if it is to go: ${remedy}`, remedy };
}
