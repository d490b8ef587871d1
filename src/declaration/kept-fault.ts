import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { hostPath } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { giveCommand } from "../system/give.ts";
import { joinHome, splitHome } from "../system/separator.ts";
import type { FaultText } from "./change.ts";
import { type Found, KeptHomes } from "./kept-homes.ts";
import { isWholeJail, placeOf } from "./kept-where.ts";
import { formerWays } from "./left-uids.ts";
import type { DeclaredUser } from "./model.ts";
import { readOnce } from "./once.ts";
import type { KeptHome, Once } from "./once-shape.ts";
import { IN_DIRECTORY, type UidOwners, uidOfOther, uidOwnersHere } from "./uid-owners.ts";
import { type Holder, heldFault, UidsInJails } from "./uids-in-jails.ts";

type Named = Pick<DeclaredUser, "name" | "jail" | "home">;
type Comer = Named & Pick<DeclaredUser, "directory">;
type Account = Pick<PasswdEntry, "uid" | "home">;

/** What has uids. */
export interface KnownUids {
  readonly kept: KeptHomes;
  readonly uids: UidsInJails;
  readonly owners: UidOwners;
}

/** The same by what was declared once. */
export const knownUids = (once: Once, owners: UidOwners): KnownUids => {
  return { kept: new KeptHomes(once), uids: new UidsInJails(() => []), owners };
};

/** The same on this machine, for a tool that gives or takes one account. Throws JailkitError. */
export function uidsHere(): KnownUids {
  const once = readOnce();
  return knownUids(
    once,
    uidOwnersHere(() => once),
  );
}

const ownHome = ({ jail, home }: Named): ByteString => joinHome(jail, normalPath(home));

/** As keptFault, as far as it is due to a declared user, or a home that is remembered. */
export function keptHomeFault(
  declared: Named,
  uid: number,
  { kept, owners }: Pick<KnownUids, "kept" | "owners">,
  advice: string,
): KeptFault | undefined {
  const { name } = declared;
  const own = ownHome(declared);
  const found = kept.of(uid, (one) => one.name === name || one.home === own || isWholeJail(one));
  const other = owners.of(uid, name, found?.home.name);
  if (other !== undefined) return uidOfOther(uid, other, advice);
  return found && homeFault(found, { uid, name }, owners, advice);
}

/**
 * Why nobody else gets a uid on purpose: the files in a home that stays, or in a jail, would be the new account's. Who has the
 * name or the home of before may be who comes back.
 */
export function keptFault(
  declared: Named,
  uid: number,
  known: KnownUids,
  advice: string,
): KeptFault | undefined {
  const { kept, uids, owners } = known;
  const { name } = declared;
  const own = ownHome(declared);
  const isOwn = (one: KeptHome) => one.name === name || one.home === own;
  const fault = keptHomeFault(declared, uid, known, advice);
  if (fault !== undefined) return fault;
  const left = leftFault(name, own, uid, kept, advice);
  if (left !== undefined || kept.isLeft(uid, isOwn)) return left;
  const held = uids.otherThan(declared, uid);
  return held && heldByOther(held, name, owners, { advice, ifTaken: advice });
}

/** Why an account does not get a uid that something in its jail has; `ifTaken`: the advice if that is another account's. */
function heldByOther(
  held: Holder,
  name: ByteString,
  owners: UidOwners,
  { advice, ifTaken }: Readonly<Record<"advice" | "ifTaken", string>>,
): KeptFault {
  const { uid, jail, line, place } = held;
  const other = owners.of(uid, name, line?.name);
  if (other !== undefined) return uidOfOther(uid, other, ifTaken);
  const gives = place !== undefined && owners.mayGive(uid, name, place, jail, line?.name);
  return heldFault(held, advice, gives);
}

/** Whether an account comes into a jail that has no line of it. That of root has a message of its own. */
function comesAnew(declared: Comer, { uid, home }: Account, jails: UidsInJails): boolean {
  const comes = uid !== 0 && (declared.directory || splitHome(home) === undefined);
  return comes && !jails.isThere(declared, uid);
}

const comerAdvice = ({ directory }: Comer): string =>
  `${directory ? IN_DIRECTORY : "give the account another uid with usermod -u"}, or, if it is the same user, that home`;

/** The same if the uid is that of an account which is there, or is declared. */
const ifTaken = (declared: Comer): string => (declared.directory ? IN_DIRECTORY : comerAdvice(declared));

/** As formerFault, as far as it is due to a home that is remembered. */
function formerHomeFault(
  declared: Comer,
  account: Account,
  { kept, uids, owners }: KnownUids,
): FaultText | undefined {
  if (!comesAnew(declared, account, uids)) return undefined;
  const { name, jail, directory } = declared;
  const { uid } = account;
  const isFar = (one: KeptHome) => !directory && placeOf(one).jail !== jail;
  const found = kept.of(uid, (one) => one.name === name || isWholeJail(one) || isFar(one));
  // Somebody has moved it there.
  const isOwn = found?.place === hostPath({ path: jail }, normalPath(declared.home));
  if (found === undefined || isOwn) return undefined;
  const other = owners.of(uid, name, found.home.name);
  if (other !== undefined) return uidOfOther(uid, other, ifTaken(declared));
  return homeFault(found, { uid, name }, owners, comerAdvice(declared));
}

/**
 * Why an account does not come into a jail, one of a directory or one that is in none: its uid is that of a home which another one
 * had, unless that is its own. That of a local one must be in this jail. Of who is there it is told no more.
 */
export function formerFault(declared: Comer, account: Account, known: KnownUids): FaultText | undefined {
  const { kept, uids, owners } = known;
  const fault = formerHomeFault(declared, account, known);
  if (fault !== undefined || !comesAnew(declared, account, uids)) return fault;
  const { name, jail } = declared;
  const isKnown = kept.hasAny(account.uid, (one) => one.name !== name && placeOf(one).jail === jail);
  const held = uids.homeOfOther(declared, account.uid, isKnown);
  const ways = { advice: comerAdvice(declared), ifTaken: ifTaken(declared) };
  return held && heldByOther(held, name, owners, ways);
}

/** Why a uid is not given that a home has which somebody else had. Printable. */
function homeFault(
  found: Found,
  { uid, name }: Readonly<{ uid: number; name: ByteString }>,
  owners: UidOwners,
  advice: string,
): FaultText {
  const { place, home } = found;
  const gives = place !== undefined && owners.mayGive(uid, name, place, placeOf(home).jail, home.name);
  const shown = quoted(place ?? normalPath(home.home));
  const what = `the uid ${uid} is that of ${shown}, the home that ${quoted(home.name)} had, whose files the new account would own`;
  const give = gives ? giveCommand(place, uid) : undefined;
  const away = found.isElsewhere ? `; ${formerWays(placeOf(home).jail)}` : "";
  const also = give === undefined ? away : `, or give them to root, with: ${give}`;
  return { code: "kept-home", message: `${what}: ${advice}${also}`, remedy: give };
}

/** Why a uid is not given that files in jails may have. Printable. */
interface KeptFault extends FaultText {
  /** It is that of a declared user whose account is not there. */
  readonly isDeclared?: boolean;
  /** The message, for who gives it all the same: then the command in it would take from the new account, too. */
  readonly told?: string;
}

function leftFault(
  name: ByteString,
  own: ByteString,
  uid: number,
  kept: KeptHomes,
  advice: string,
): KeptFault | undefined {
  const former = kept.of(uid, (one) => one.home !== own)?.home.name;
  const why = kept.whyLeft(uid, [name, former]);
  if (why === undefined) return undefined;
  const what = `the uid ${uid} was that of an account which is removed, whose files the new account would own: ${advice}`;
  const told = `${what}; ${why.what}`;
  return { code: "left-uid", message: `${what}; ${why.message}`, remedy: why.remedy, told };
}
