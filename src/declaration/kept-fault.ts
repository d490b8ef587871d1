import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { hostPath } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { giveCommand } from "../system/give.ts";
import { joinHome, splitHome } from "../system/separator.ts";
import type { FaultText } from "./change.ts";
import type { Found, KeptHomes } from "./kept-homes.ts";
import { isWholeJail, placeOf } from "./kept-where.ts";
import { formerWays } from "./left-uids.ts";
import type { DeclaredUser } from "./model.ts";
import type { KeptHome } from "./once-shape.ts";
import { heldFault, type UidsInJails } from "./uids-in-jails.ts";

type Named = Pick<DeclaredUser, "name" | "jail" | "home">;
type Comer = Named & Pick<DeclaredUser, "directory">;
type Account = Pick<PasswdEntry, "uid" | "home">;

const ownHome = ({ jail, home }: Named): ByteString => joinHome(jail, normalPath(home));

/** As keptFault, as far as it is due to a home that is remembered. */
export function keptHomeFault(
  declared: Named,
  uid: number,
  kept: KeptHomes,
  advice: string,
): FaultText | undefined {
  const own = ownHome(declared);
  const found = kept.of(uid, (one) => one.name === declared.name || one.home === own || isWholeJail(one));
  return found && homeFault(found, uid, advice);
}

/**
 * Why nobody else gets a uid on purpose: the files in a home that stays, or in a jail, would be the new account's. Who has the
 * name or the home of before may be who comes back.
 */
export function keptFault(
  declared: Named,
  uid: number,
  kept: KeptHomes,
  jails: UidsInJails,
  advice: string,
): KeptFault | undefined {
  const { name } = declared;
  const own = ownHome(declared);
  const isOwn = (one: KeptHome) => one.name === name || one.home === own;
  const fault = keptHomeFault(declared, uid, kept, advice);
  if (fault !== undefined) return fault;
  const left = leftFault(name, own, uid, kept, advice);
  if (left !== undefined || kept.isLeft(uid, isOwn)) return left;
  const held = jails.otherThan(declared, uid);
  return held && heldFault(held, advice);
}

/** Whether an account comes into a jail that has no line of it. */
function comesAnew(declared: Comer, { uid, home }: Account, jails: UidsInJails): boolean {
  const comes = declared.directory || splitHome(home) === undefined;
  return comes && !jails.isThere(declared, uid);
}

const comerAdvice = ({ directory }: Comer): string =>
  `give the account another uid ${directory ? "in its directory" : "with usermod -u"}, or, if it is the same user, that home`;

/** As formerFault, as far as it is due to a home that is remembered. */
export function formerHomeFault(
  declared: Comer,
  account: Account,
  kept: KeptHomes,
  jails: UidsInJails,
): FaultText | undefined {
  if (!comesAnew(declared, account, jails)) return undefined;
  const { name, jail, directory } = declared;
  const { uid } = account;
  const isFar = (one: KeptHome) => !directory && placeOf(one).jail !== jail;
  const found = kept.of(uid, (one) => one.name === name || isWholeJail(one) || isFar(one));
  // Somebody has moved it there.
  const isOwn = found?.place === hostPath({ path: jail }, normalPath(declared.home));
  return found === undefined || isOwn ? undefined : homeFault(found, uid, comerAdvice(declared));
}

/**
 * Why an account does not come into a jail, one of a directory or one that is in none: its uid is that of a home which another one
 * had, unless that is its own. That of a local one must be in this jail. Of who is there it is told no more.
 */
export function formerFault(
  declared: Comer,
  account: Account,
  kept: KeptHomes,
  jails: UidsInJails,
): FaultText | undefined {
  const fault = formerHomeFault(declared, account, kept, jails);
  if (fault !== undefined || !comesAnew(declared, account, jails)) return fault;
  const { name, jail } = declared;
  const isKnown = kept.hasAny(account.uid, (one) => one.name !== name && placeOf(one).jail === jail);
  const held = jails.homeOfOther(declared, account.uid, isKnown);
  return held && heldFault(held, comerAdvice(declared));
}

/** Why a uid is not given that a home has which somebody else had. Printable. */
function homeFault(found: Found, uid: number, advice: string): FaultText {
  const shown = quoted(found.place ?? normalPath(found.home.home));
  const what = `the uid ${uid} is that of ${shown}, the home that ${quoted(found.home.name)} had, whose files the new account would own`;
  const give = found.place && giveCommand(found.place, uid);
  const away = found.isElsewhere ? `; ${formerWays(placeOf(found.home).jail)}` : "";
  const also = give === undefined ? away : `, or give them to root, with: ${give}`;
  return { code: "kept-home", message: `${what}: ${advice}${also}`, remedy: give };
}

/** Why a uid is not given that files in jails may have. Printable. */
interface KeptFault extends FaultText {
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
