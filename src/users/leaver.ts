import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { BOTH, type Counting, type Ids, ITS_GROUP } from "../jail/fs/set-ids.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { groupByName, type PasswdEntry } from "../system/accounts.ts";
import type { Holder } from "../system/holders.ts";
import { type AccountFacts, askedFacts } from "../system/host-accounts.ts";
import { firstUserId } from "../system/login-defs.ts";
import { hostUser } from "../system/name-services.ts";
import { worksIn } from "../system/works-in.ts";

/** Who leaves a jail: nobody there gets what it has. */
export interface Leaver extends Pick<PasswdEntry, "name" | "uid"> {
  /** Those of its groups, also of those that it has just lost. */
  readonly gids: ReadonlySet<number>;
}

/** The same for an account; `groups`: the names of those that it was in. Throws JailkitError if a name service is silent. */
export function leaverOf(
  user: PasswdEntry,
  groups: readonly ByteString[] = [],
  { groupsOf }: Pick<AccountFacts, "groupsOf"> = askedFacts,
): Leaver {
  const { name, uid, gid } = user;
  const lost = groups.flatMap((group) => groupByName(group)?.gid ?? []);
  return { name, uid, gids: new Set([gid, ...groupsOf(user), ...lost]) };
}

/**
 * Those of some processes that are of other users of a jail: of who has a line there, but for services, or of who works there, as
 * who was taken out a moment ago or has become somebody else by a setuid program. Throws as worksIn.
 */
export function ofOthersIn<T extends Pick<Holder, "pid" | "uids">>(
  root: JailRoot,
  { uid }: Pick<Leaver, "uid">,
  holders: readonly T[],
  stop: ByteString,
): readonly T[] {
  if (holders.length === 0) return [];
  const listed = new Set((answered(() => readJailAccounts(root).users) ?? []).map((one) => one.uid));
  const first = firstUserId();
  const isOther = (other: number) => listed.has(other) && other >= first && other !== uid;
  const pids = holders.map(({ pid }) => pid);
  const inside = new Set([...worksIn(root.fd, { pids, stop }).values()].flat());
  return holders.filter(({ pid, uids }) => inside.has(pid) || [...uids].some((one) => isOther(Number(one))));
}

/** Whether an owner of files is in a group: nobody else can give a file of its own the setgid bit with it, but by a program that has it. */
export type Membership = (ids: Ids) => boolean;

/** The same as the machine knows its accounts, each of which is asked once. Throws JailkitError if a name service is silent. */
export function memberships(): Membership {
  const known = new Map<number, ReadonlySet<number>>();
  const gidsOf = (uid: number): ReadonlySet<number> => {
    const user = hostUser(uid);
    return new Set(user === undefined ? [] : [user.gid, ...askedFacts.groupsOf(user)]);
  };
  return ({ uid, gid }) => known.getOrInsertComputed(uid, gidsOf).has(gid);
}

/** The bits of files by which others would have the rights or a group of who leaves. */
export function countingFor({ uid, gids }: Leaver, isMember: Membership): Counting {
  return (ids) => {
    if (ids.uid === uid) return BOTH;
    return gids.has(ids.gid) && !isMember(ids) ? ITS_GROUP : 0;
  };
}
