import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { hasHome, homeIdInJail } from "../ids.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";

/** An account that apply created, or gave something, and that has another name now. */
export interface Moved {
  readonly once: OnceUser;
  readonly account: PasswdEntry;
}

/** Who has a name, or a uid. */
export type Accounts = Pick<HostAccounts, "userByName" | "userByUid">;

/** The account of a user, if that has another name. */
export function movedFrom(
  once: OnceUser,
  known: ReadonlyMap<ByteString, OnceUser>,
  {
    userByName,
    userByUid,
    ownerOfHome,
  }: Accounts & { readonly ownerOfHome: (homeId: ByteString) => PasswdEntry | undefined },
): Moved | undefined {
  const { name, created, directory, homeId, out } = once;
  const uid = uidOf(once);
  if (uid === undefined || out) return undefined;
  return answered(() => {
    if (userByName(name)?.uid === uid) return undefined;
    // Its directory need not say anything of the jail.
    const isOf = (user: OnceUser, account: PasswdEntry) =>
      user.directory
        ? user.homeId !== undefined && homeIdInJail(user.jail, account) === user.homeId
        : user.createdHome === account.home || hasHome(account, user.homeId);
    const byUid = userByUid(uid);
    const isIt = byUid !== undefined && byUid.name !== name && isOf(once, byUid);
    const byHome = isIt || directory || homeId === undefined ? undefined : ownerOfHome(homeId);
    const account = byHome ?? byUid;
    if (account === undefined || account.name === name) return undefined;
    const other = known.get(account.name);
    // Of which all is known by that name.
    if (other !== undefined && uidOf(other) === account.uid) return undefined;
    if (isIt || account === byHome) return { once, account };
    const jail = jailOfHome(account.home);
    const isNear = jail === once.jail || once.left.some((one) => one.jail === jail);
    // Somebody else may have the uid by now, as one of whom usermod(8) has changed that.
    const isLikely = isNear && created !== undefined && other !== undefined && !isOf(other, account);
    return isLikely ? { once, account } : undefined;
  });
}

/** Those of which one has the name of another one, together. */
export function togetherIn(moved: readonly Moved[]): Moved[][] {
  const groups: Moved[][] = [];
  const names = (group: readonly Moved[]) => group.flatMap(({ once, account }) => [once.name, account.name]);
  for (const one of moved) {
    const own = new Set(names([one]));
    const near = groups.filter((group) => names(group).some((name) => own.has(name)));
    for (const group of near) groups.splice(groups.indexOf(group), 1);
    groups.push([...near.flat(), one]);
  }
  return groups;
}
