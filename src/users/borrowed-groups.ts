import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { groupByGid } from "../system/accounts.ts";
import { holdersOfGids } from "../system/gid-holders.ts";
import { firstUserId } from "../system/login-defs.ts";
import type { Leaver, Membership } from "./leaver.ts";
import { endingOf } from "./sessions.ts";

/**
 * Throws JailkitError "has-processes", with what ends them, if processes of other users of a jail have a group of who leaves it and
 * are not in that: they can make setgid programs as long as they run. Those of services, which root starts with any group, do not count.
 */
export function requireNobodyBorrows(
  root: JailRoot,
  { name, uid, gids }: Leaver,
  isMember: Membership,
  stop: ByteString,
): void {
  const first = firstUserId();
  const users = new Set((answered(() => readJailAccounts(root).users) ?? []).map((one) => one.uid));
  const isBorrower = (owner: number, gid: number) =>
    owner !== uid && owner >= first && users.has(owner) && !isMember({ uid: owner, gid });
  const found = holdersOfGids(gids, stop).filter(({ uids, gid }) =>
    [...uids].some((one) => isBorrower(Number(one), gid)),
  );
  const [one] = found;
  if (one === undefined) return;
  const { whose, remedy } = endingOf(found.filter(({ gid }) => gid === one.gid));
  const group = answered(() => groupByGid(one.gid)?.name);
  const which = group === undefined ? `gid ${one.gid}` : `group ${quoted(group)}`;
  const message = `processes of ${whose} have the ${which} of ${quoted(name)}, perhaps by a setgid program, and may make another one: end them, and run this again: ${remedy}`;
  throw new JailkitError("has-processes", 1, message, undefined, remedy);
}
