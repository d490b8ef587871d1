import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { giveTree } from "../../enter/remedies.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { adviceAt } from "../../system/exchange.ts";
import { asideCommand } from "../../system/free-name.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { isSameHome, jailOfHome, joinHome, livesIn } from "../../system/separator.ts";
import { accountNamed } from "../../users/jail-side.ts";
import { whyKeysStay } from "../../users/kernel-objects.ts";
import { newNameFault } from "../../users/new-account.ts";
import { homeIn } from "../../users/other-jail-home.ts";
import { type FaultText, faultText } from "../change.ts";
import { homeIdOf } from "../ids.ts";
import { type KnownUids, keptFault } from "../kept-fault.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once-shape.ts";
import { IN_DIRECTORY, type LostUid, type UidOwners, uidOfOther } from "../uid-owners.ts";
import type { Claims } from "./home-differs.ts";
import { DECLARED } from "./intent.ts";

/** Who wants a uid, and what was declared of the account that has it, if nothing declares that any more. */
interface Wanted {
  readonly declared: Pick<DeclaredUser, "name" | "jail">;
  readonly formerly: (name: ByteString) => Pick<OnceUser, "jail" | "directory"> | undefined;
}

/** Why no account can be created with the uid that is declared for it. */
export function newUidFault(
  declared: DeclaredUser,
  uid: number,
  known: KnownUids,
  { userByUid, formerly }: { readonly userByUid: UserByUid; readonly formerly?: Wanted["formerly"] },
): FaultText | undefined {
  const fault = uidFault(uid, userByUid, formerly && { declared, formerly });
  const why = fault ?? keptFault(declared, uid, known, DECLARED.uid) ?? whyKeysStay(uid);
  return why instanceof JailkitError ? faultText(why) : why;
}

/**
 * What is said of an account with another uid than the declared one, if that is the uid of another account, or another section
 * declares its own: the section may be that of the other one, which would get the keys and rules of this one, or the file would be
 * of no use. Pure, but for the accounts.
 */
export function otherUidText(
  { name, uid }: Pick<DeclaredUser, "name" | "uid">,
  account: Pick<PasswdEntry, "uid">,
  { accounts, claimants }: Claims & { readonly accounts: Pick<HostAccounts, "userByUid"> },
): string | undefined {
  const owner = uid === undefined ? undefined : accounts.userByUid(uid);
  if (owner !== undefined)
    return `has the uid ${account.uid}, and ${uid}, which is that of ${quoted(owner.name)}, is declared: if that account is meant, correct the name of the section; if not, declare 'uid = ${account.uid}'`;
  const other = claimants().find((one) => one.name !== name && one.uid === account.uid);
  if (other === undefined) return undefined;
  return `has the uid ${account.uid}, which ${quoted(`[user ${other.name}]`)} declares, and ${uid} is declared: declare the uid that each of the two has`;
}

type UserByUid = (uid: number) => PasswdEntry | undefined;

function uidFault(uid: number, userByUid: UserByUid, wanted?: Wanted) {
  const owner = userByUid(uid);
  if (owner === undefined) return undefined;
  const rename = wanted && renameAdvice(owner, wanted);
  const other = uidOfOther(uid, { name: owner.name, isDeclared: false }, orRename(DECLARED.uid, rename));
  return { ...other, remedy: rename?.remedy } as const;
}

/** Advice, and the way that keeps an account, if there is one. Pure. */
export const orRename = (advice: string, rename: ReturnType<typeof renameAdvice>): string =>
  rename === undefined ? advice : `${advice}; or, ${rename.advice}`;

/** The way that keeps an account of which the name alone is declared otherwise, printable; undefined for another one. */
export function renameAdvice(
  owner: Pick<PasswdEntry, "name" | "home">,
  { declared: { name, jail }, formerly }: Wanted,
): { readonly advice: string; readonly remedy: Remedy } | undefined {
  const once = livesIn(jail, owner.home) ? formerly(owner.name) : undefined;
  if (once === undefined || once.directory || once.jail !== jail) return undefined;
  if (newNameFault(name, DECLARED) !== undefined) return undefined;
  const remedy: Remedy = `usermod -l ${shellWord(name)} ${operands(owner.name)}`;
  return { advice: `to keep that account, which is no longer declared, rename it with: ${remedy}`, remedy };
}

/**
 * Why an account is not in a jail: with the uid of another account it is that one for the kernel, whose files and processes are its
 * own, also outside of the jail. One that is no directory's may share its uid since before it was declared, as a second name of one customer.
 */
export function sharedUidFault(
  { directory, uid: declared }: Pick<DeclaredUser, "directory" | "uid">,
  account: PasswdEntry,
  owners: Pick<UidOwners, "of" | "had" | "lost" | "nameSince">,
) {
  const { name, uid } = account;
  // That of root has a message of its own.
  if (uid === 0) return undefined;
  if (directory) {
    const owner = owners.of(uid, name);
    return owner && { ...uidOfOther(uid, owner, IN_DIRECTORY), remedy: undefined };
  }
  const former = { uid: owners.had(name) };
  if (former.uid === undefined || former.uid === uid) return undefined;
  const owner = owners.of(uid, name);
  if (owner === undefined && declared === uid) return undefined;
  const since = owner?.isDeclared ? undefined : nameSince(account, owners);
  if (since !== undefined) return sinceFault(account, since, former.uid);
  if (owner === undefined) return lostUidFault(account, declared, owners);
  if (owners.of(former.uid, name) !== undefined)
    return { ...uidOfOther(uid, owner, "give one of the two another uid"), remedy: undefined };
  const back: Remedy = `usermod -u ${former.uid} ${operands(name)}`;
  if (!owner.isDeclared)
    return { ...uidOfOther(uid, owner, `give the account its own back, with: ${back}`), remedy: back };
  return { ...uidOfOther(uid, owner, renamedOr(account, owner.name, former.uid)), remedy: undefined };
}

/**
 * By which other name an account with its uid is remembered, or by its line in the jail, with a home that belongs to it: an older
 * passwd(5) has it by the name of before, which is another one's by now.
 */
function nameSince(account: PasswdEntry, owners: Pick<UidOwners, "nameSince">): ByteString | undefined {
  const since = owners.nameSince(account);
  const jail = jailOfHome(account.home);
  if (since !== undefined || jail === undefined) return since;
  const line = answered(() => homeIn(account, jail)?.there.line);
  const isNobodys = line !== undefined && line !== account.name && accountNamed(line) === undefined;
  return isNobodys ? line : undefined;
}

/** With another uid, it would get the files of who has its name by now. */
function renamedOr({ name }: Pick<PasswdEntry, "name">, since: ByteString, uid: number): string {
  const rename = `usermod -l ${shellWord(since)} ${operands(name)}`;
  const back = `usermod -u ${uid} ${operands(name)}`;
  return `if it is the account of ${quoted(since)}, which had this name before, rename it with: ${rename}; if only its uid was edited, give it its own back, with: ${back}`;
}

const sinceFault = (account: PasswdEntry, since: ByteString, former: number) =>
  ({
    code: "uid-changed",
    message: `has the uid ${account.uid}, which is that of ${quoted(since)} by what is known: ${renamedOr(account, since, former)}`,
    remedy: undefined,
  }) as const satisfies FaultText;

/**
 * Why an account with another uid than it was declared with gets nothing: somebody has edited passwd(5), as usermod(8) would have
 * given it its home, and the files in that one are not there for whoever has the uid now.
 */
function lostUidFault(account: PasswdEntry, declared: number | undefined, owners: Pick<UidOwners, "lost">) {
  const lost = owners.lost(account);
  return lost && lostUidText(account, lost.uid === declared ? { ...lost, isSure: true } : lost);
}

/**
 * The same of an account that was never declared, or with the uid that it has, as when what is remembered came back with an older
 * passwd(5): by its line in a jail and its home there, which have one uid. What would make the line right would leave the home to
 * nobody, or to who has that uid next.
 */
export function lineUidFault(
  jail: ByteString,
  line: Pick<PasswdEntry, "uid" | "home">,
  account: PasswdEntry,
  owners: Pick<UidOwners, "of" | "had" | "nameSince" | "isAtHome">,
) {
  const { name, uid, home } = account;
  const had = owners.had(name);
  if (had !== undefined && had !== uid) {
    const isLost = had === line.uid && owners.of(had, name) === undefined && !owners.isAtHome(account);
    return isLost ? otherHomeFault(jail, line, account) : undefined;
  }
  if ([0, uid].includes(line.uid) || uid === 0 || !livesIn(jail, home)) return undefined;
  if (homeIdOf(home, line.uid) === undefined) return undefined;
  const since = had === undefined ? nameSince(account, owners) : undefined;
  if (since !== undefined) return sinceFault(account, since, line.uid);
  const to = owners.of(line.uid, name)?.name;
  const lost = { uid: line.uid, to, isFree: to === undefined, isSure: had === undefined };
  return lostUidText(account, lost, owners.of(uid, name)?.name);
}

/**
 * The same where line and home are those of the account that was declared, which nobody is now, and the account of now has a home of
 * its own: another one had that name before, as an older passwd(5) says.
 */
function otherHomeFault(
  jail: ByteString,
  line: Pick<PasswdEntry, "uid" | "home">,
  { name, uid, home }: PasswdEntry,
) {
  const there = joinHome(jail, normalPath(line.home));
  if (!livesIn(jail, home) || isSameHome(home, jail, line.home)) return undefined;
  if (homeIdOf(home, uid) === undefined) return undefined;
  const back = `usermod -u ${line.uid} -d ${shellWord(there)} ${operands(name)}`;
  const place = normalPath(home);
  const message = `has the uid ${uid} and the home ${quoted(place)}, and its line in the jail, with another home, has the uid that was declared, ${line.uid}: if it is the account that was declared, give it its own back, with: ${back}; if it is another one, which had this name before, and is meant, declare 'uid = ${uid}'`;
  return { code: "uid-changed", message, remedy: undefined } as const satisfies FaultText;
}

/** `other`: who has its uid of now, too. */
function lostUidText(account: PasswdEntry, lost: LostUid, other?: ByteString) {
  const { name, uid, home } = account;
  const place = normalPath(home);
  const { to, isFree, isSure } = lost;
  const whose = to === undefined ? "" : `, which ${quoted(to)} has now`;
  const ofOther = other === undefined ? "" : `, which belongs to ${quoted(other)}`;
  const what = `has the uid ${uid}${ofOther}, and its home ${quoted(place)} belongs to the uid that it had, ${lost.uid}${whose}: logins are refused; `;
  // Until the other one has got back its own, too, both have this one.
  const isShared = to !== undefined && isFree;
  const back: Remedy = isShared
    ? `usermod -o -u ${lost.uid} ${operands(name)}`
    : `usermod -u ${lost.uid} ${operands(name)}`;
  const give = adviceAt(place, giveTree({ uid: lost.uid }, uid, place)).advice;
  if (!isSure) {
    const aside = adviceAt(place, asideCommand(place)).advice;
    const ways = `if it is the account that was declared, give it its own back, with: ${back}; if the new one is meant, give it the home: ${give}; if it is another account, keep that home under another name: ${aside}`;
    return { code: "uid-changed", message: what + ways, remedy: undefined } as const satisfies FaultText;
  }
  const orGive =
    isShared || other !== undefined ? "" : `; or, if the new one is meant, give it the home: ${give}`;
  const first = to === undefined || isFree ? "" : `give ${quoted(to)} another one by usermod -u, and then `;
  const message = `${what}${first}give the account its own back, with: ${back}${orGive}`;
  return { code: "uid-changed", message, remedy: isFree ? back : undefined } as const satisfies FaultText;
}
