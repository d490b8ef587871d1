import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { createGroup, rootsGroupAdvice } from "../enter/remedies.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { hostGroup } from "../system/name-services.ts";

type Ids = Pick<PasswdEntry, "name" | "uid" | "gid">;

/** The fault of an account whose primary group is none. `inJail`: the name of its gid in its jail. */
export function noGroup(user: Ids, inJail: ByteString | undefined) {
  const { name, gid } = user;
  const remedy = createGroup(user, inJail);
  const how = isLocalUser(name) ? "create it" : "add it to the directory of the account, or create it here";
  const message = `${quoted(name)} has gid ${gid}, which is not a group: no login works; ${how}: ${remedy}`;
  return { code: "no-group", message, remedy } as const;
}

/** The same; undefined if it is one, or a name service does not answer. */
export function primaryGroupFault(
  user: Ids,
  { groupByGid }: Pick<HostAccounts, "groupByGid">,
  nameInJail: (gid: number) => ByteString | undefined,
): ReturnType<typeof noGroup> | undefined {
  const { gid } = user;
  const isNone = groupByGid(gid) === undefined && answered(() => hostGroup(gid) === undefined);
  return isNone === true ? noGroup(user, nameInJail(gid)) : undefined;
}

/** The fault of an account whose primary group is that of root; undefined if it is not, or for root. */
export function rootsGroupFault({ name, uid, gid }: Ids) {
  if (gid !== 0 || uid === 0) return undefined;
  const what = `${quoted(name)} has the primary group of root (gid 0), and so the rights of that`;
  return { what, advice: rootsGroupAdvice(name, isLocalUser(name)) };
}
