import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { groupByGid } from "../system/accounts.ts";
import { holdersOfGids } from "../system/gid-holders.ts";
import { firstUserId, NOBODY } from "../system/login-defs.ts";
import { type Leaver, type Membership, ofOthersIn } from "./leaver.ts";
import { endingOf } from "./sessions.ts";

/**
 * Throws JailkitError "has-processes", with what ends them, if processes of other users of a jail have a group of who leaves it and
 * are not in that: they can make setgid programs as long as they run. `holders`: what has gids, if that was looked for.
 */
export function requireNobodyBorrows(
  root: JailRoot,
  leaver: Leaver,
  isMember: Membership,
  stop: ByteString,
  holders = holdersOfGids(leaver.gids, stop),
): void {
  const first = firstUserId();
  // Root starts services with any group.
  const isUser = (uid: number) => uid >= first && uid !== NOBODY;
  const borrows = (uid: number, gid: number) => uid !== leaver.uid && isUser(uid) && !isMember({ uid, gid });
  const borrowers = holders.filter(
    ({ uids, gid }) => leaver.gids.has(gid) && [...uids].some((one) => borrows(Number(one), gid)),
  );
  const found = ofOthersIn(root, leaver, borrowers, stop);
  const [one] = found;
  if (one === undefined) return;
  const { whose, remedy } = endingOf(found.filter(({ gid }) => gid === one.gid));
  const group = answered(() => groupByGid(one.gid)?.name);
  const which = group === undefined ? `gid ${one.gid}` : `group ${quoted(group)}`;
  const message = `processes of ${whose} have the ${which} of ${quoted(leaver.name)}, perhaps by a setgid program, and may make another one: end them, and run this again: ${remedy}`;
  throw new JailkitError("has-processes", 1, message, undefined, remedy);
}
