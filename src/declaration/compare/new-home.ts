import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { homeOfOther, usualHome } from "../../jail/accounts/home-place.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { inPlaceOfMount, newMount } from "../../jail/fs/mounted-home.ts";
import { hostPath, isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import { holdsJail } from "../../jail/record/registry.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { adviceAt } from "../../system/exchange.ts";
import { asideCommand } from "../../system/free-name.ts";
import { isSomebodys } from "../../system/home-owner.ts";
import { isSameHome } from "../../system/separator.ts";
import { DEFAULT_GROUP, type NewAccountValues, type NewHome, newIds } from "../../users/new-account.ts";
import type { NewAccountHost } from "../../users/new-account-place.ts";
import { whoseHomeIn } from "../../users/own-home.ts";
import { planSkeletonKeys } from "../../users/skeleton-keys.ts";
import type { DeclaredUser } from "../model.ts";
import { DECLARED, renamedLines, wantedLine } from "./intent.ts";
import type { Machine } from "./machine.ts";
import { orRename, renameAdvice } from "./uid-fault.ts";

/** Throws JailkitError for a home that is there and is not that of the new account, which could not log in. */
export function requireOwnHome(
  { root, jailHome, user }: Pick<NewHome, "root" | "jailHome"> & { user: Pick<PasswdEntry, "uid"> },
  declared: Pick<DeclaredUser, "name" | "uid" | "place">,
  userByUid: (uid: number) => PasswdEntry | undefined,
): void {
  const stat = lookUp(root, jailHome)?.stat;
  if (stat === undefined || (stat.uid === user.uid && isDirectory(stat))) return;
  if (newMount(root, jailHome) !== undefined) return;
  const place = hostPath(root, jailHome);
  const what = isDirectory(stat) ? `belongs to uid ${stat.uid}, and not to it` : "is not a directory";
  const mount = inPlaceOfMount(root, jailHome);
  const { advice, remedy } = mount ?? adviceAt(place, asideCommand(place));
  // As after --prune without --delete-homes.
  const isLeft = isSomebodys(stat) && userByUid(stat.uid) === undefined;
  const holds = holdsJail(place);
  const whose = (holds && `it ${holds}`) ?? (isLeft ? undefined : whoseHomeIn(root, place)?.why);
  const there = `the account is not created, because its home ${quoted(place)} is there already, and ${what}; `;
  // No command takes it from its user.
  if (whose !== undefined) throw new JailkitError("foreign-home", 1, `${there}${whose}: ${DECLARED.home}`);
  const again = isLeft ? `declare 'uid = ${stat.uid}' if it is that of this user, or ` : "";
  const message = `${there}${again}${mount === undefined ? "keep it under another name: " : ""}${advice}`;
  // Of a user who returns; another uid is declared on purpose, and a home with another name was another one's.
  const isUsual = normalPath(jailHome) === usualHome(declared.name);
  const line = isUsual && declared.uid === undefined ? wantedLine(declared, "uid", `${stat.uid}`) : undefined;
  // Of an account that is there, it may be the home by now.
  const help = isSomebodys(stat) ? undefined : remedy;
  throw new JailkitError("foreign-home", 1, message, undefined, isLeft ? line : help);
}

/** Throws JailkitError for the home of an account in the jail, of which, perhaps, the name alone is declared otherwise. */
export function requireNobodysHome(
  root: JailRoot,
  declared: DeclaredUser,
  { byJail, noLonger }: Pick<Machine, "byJail" | "noLonger">,
): void {
  const home = normalPath(declared.home);
  const owner = byJail.get(root.path)?.find((one) => isSameHome(one.home, root.path, home));
  if (owner === undefined) return;
  const rename = renameAdvice(owner, { declared, formerly: noLonger });
  const { shown } = renamedLines(declared, owner);
  const meant = `; or, if that account is meant, write ${shown} in place of ${quoted(`[user ${declared.name}]`)}`;
  const advice = rename === undefined ? DECLARED.home + meant : orRename(DECLARED.home, rename);
  throw homeOfOther(root, home, owner, { advice, remedy: rename?.remedy });
}

/**
 * Throws JailkitError for what keeps a new account out of a jail that is not there yet, whatever that gets: no id that is left, or
 * a skeleton with keys that others could write.
 */
export function requireNewUser(
  { keys = [] }: Pick<DeclaredUser, "keys">,
  values: NewAccountValues,
  uid: number | undefined,
  host: NewAccountHost,
): void {
  newIds(uid, values, host, DEFAULT_GROUP, DECLARED);
  if (keys.length > 0) planSkeletonKeys(host.skeleton, keys);
}
