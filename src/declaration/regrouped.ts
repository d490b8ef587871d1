import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { type Group, wholeGroup } from "../system/accounts.ts";
import { hostGroup } from "../system/name-services.ts";
import { isNumber } from "../users/groups.ts";
import type { Declaration } from "./model.ts";
import type { GroupId, Once, OnceUser } from "./once-shape.ts";

const known = new Map<ByteString, number>();

/** The gid of a group of this machine. Thousands of users are in the same few, which are asked for once. */
function gidOf(name: ByteString): number | undefined {
  const gid = known.get(name) ?? hostGroup(name)?.gid;
  if (gid !== undefined) known.set(name, gid);
  return gid;
}

interface AskGroups {
  groupByName(name: ByteString): Group | undefined;
  groupByGid(gid: number): Group | undefined;
}

type Given = Pick<OnceUser, "groups" | "groupIds">;

/** Which groups of this machine have these names now. A gid that no group has any more may be given again, and is left out. */
export function groupIdsOf(groups: readonly ByteString[], before: Given | undefined): GroupId[] {
  const now = groups.flatMap((name): GroupId[] => {
    const gid = isNumber(name) ? undefined : answered(() => gidOf(name));
    return gid === undefined ? [] : [{ name, gid }];
  });
  const isOther = (one: GroupId) => now.every(({ name, gid }) => one.name !== name || one.gid !== gid);
  const isGone = ({ gid }: GroupId) => answered(() => hostGroup(gid) === undefined) === true;
  return [...(before?.groupIds ?? []).filter((one) => isOther(one) && !isGone(one)), ...now];
}

/** The names that the group has now, such as since groupmod -n, which was given to a user by this one. Throws JailkitError. */
function namesNow(name: ByteString, { groups, groupIds }: Given, { groupByGid, groupByName }: AskGroups) {
  const ids = groups.includes(name) ? groupIds.filter((one) => one.name === name) : [];
  return ids.flatMap(({ gid }) => {
    const group = groupByGid(gid);
    // Two groups may have one gid.
    return group === undefined || group.name === name || groupByName(name)?.gid === gid ? [] : [group.name];
  });
}

/** True if an account is a member of a group by its name. Throws JailkitError. */
const isIn = (group: ByteString, user: ByteString): boolean =>
  wholeGroup(group)?.members.includes(user) === true;

/**
 * The name that a group has now which was given to a user by one that no group has any more; undefined if that is not known. groupmod -n
 * keeps its members: after groupdel, another group may have the gid, which was never given.
 */
export function renamedGroup(
  name: ByteString,
  once: (Given & Pick<OnceUser, "name">) | undefined,
  ask: AskGroups,
): ByteString | undefined {
  if (once === undefined) return undefined;
  return answered(() => {
    const names = ask.groupByName(name) === undefined ? namesNow(name, once, ask) : [];
    return names.find((one) => isIn(one, once.name));
  });
}

/** What is said of that. Printable. */
export const renamedText = (word: ByteString, name: ByteString): string =>
  `there is no group ${quoted(word)}: the one that was has the name ${quoted(name)} now`;

/**
 * What was declared once, with the names that groups have now: an account is in such a one as before. The former names stay, since
 * lines of jails may have them. A declaration that has the former name means that group, until its name is mended.
 */
export function withRegrouped(
  before: Once,
  declarations: readonly Declaration[],
  accountsOf: () => AskGroups,
): Once {
  const isAsBefore = ({ name, gid }: GroupId) => answered(() => gidOf(name)) === gid;
  if (before.users.every(({ groupIds }) => groupIds.every(isAsBefore))) return before;
  const ask = accountsOf();
  const declared = new Map<ByteString, Set<ByteString>>();
  for (const { name, groups } of declarations.flatMap(({ users }) => users))
    declared.set(name, new Set([...groups, ...(declared.get(name) ?? [])]));
  const more = (user: OnceUser): ByteString[] => {
    const own = declared.get(user.name);
    const isMeant = (name: ByteString) => own?.has(name) === true && ask.groupByName(name) === undefined;
    // That is the one that was given: groupmod -g has given it another gid.
    const former = new Set(user.groupIds.map(({ name }) => name));
    return [...former]
      .flatMap((name) => {
        const names = answered(() => (isMeant(name) ? [] : namesNow(name, user, ask))) ?? [];
        return names.length > 0 && answered(() => isIn(name, user.name)) === true ? [] : names;
      })
      .filter((name) => !user.groups.includes(name));
  };
  const users = before.users.map((user) => {
    const names = more(user);
    return names.length === 0 ? user : { ...user, groups: [...user.groups, ...new Set(names)] };
  });
  return users.every((user, at) => user === before.users[at]) ? before : { ...before, users };
}
