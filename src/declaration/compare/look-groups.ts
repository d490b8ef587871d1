import type { ByteString } from "../../../ffi/bytes.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { told } from "../../cli/remedy.ts";
import { isMember } from "../../system/account-tools.ts";
import type { Group, PasswdEntry } from "../../system/accounts.ts";
import { livesIn } from "../../system/separator.ts";
import { groupNameFault, groupOf, requireGroups } from "../../users/groups.ts";
import { isOfOther } from "../../users/jail-side.ts";
import { type FaultText, faultText } from "../change.ts";
import { dueTo, withDue } from "../due.ts";
import { remedyOfItems } from "../list-fixes.ts";
import type { DeclaredPlace, DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once-shape.ts";
import { renamedGroup, renamedText } from "../regrouped.ts";
import { itemsOf } from "../section.ts";
import type { InJail } from "./in-jail.ts";
import type { Machine } from "./machine.ts";
import { membershipFault } from "./membership.ts";
import type { UserState } from "./user-state.ts";
import { untilRight } from "./wrong-lists.ts";

/** The groups that a user loses: none while one of the list does not exist, as its fault says then. */
export function groupsThatGo(fault: FaultText | undefined, lost: readonly ByteString[]) {
  const isWrong = fault?.code === "no-such-group" || fault?.code === "not-local-group";
  const said = fault && untilRight(fault, isWrong && lost.length > 0 ? ["groups"] : []);
  return { fault: said, groups: isWrong ? [] : lost };
}

/** A group that does not exist keeps nothing but groups from being taken away. */
export function groupsOrFault(...args: Parameters<typeof groupState>): ReturnType<typeof groupState> {
  try {
    return groupState(...args);
  } catch (error) {
    return { lacksGroups: [], hasGroup: true, fault: faultText(error) };
  }
}

/** Throws JailkitError for groups that were renamed, if all of these were, with the line that names them as they are now. */
function requireOldNames(
  words: readonly ByteString[],
  { section }: DeclaredPlace,
  item: ByteString | undefined,
  nameOf: (word: ByteString) => ByteString | undefined,
): void {
  const now = new Map(words.map((word) => [word, nameOf(word)]));
  if (section === undefined || [...now.values()].includes(undefined)) return;
  const items = itemsOf(section, "groups").filter(({ value }) => now.has(value));
  const fix = remedyOfItems(items, ({ value }) => ({ kind: "item", old: value, with: now.get(value) }));
  const texts = [...now].map(([word, name = ""]) => renamedText(word, name));
  const { message, remedy } = told(texts.join("; "), fix ?? "");
  throw withDue(new JailkitError("no-such-group", 1, message, undefined, remedy), { key: "groups", item });
}

/** Throws JailkitError for a group that does not exist, with the command that creates it. */
function groupState(
  { name, groups, directory, jail, place }: DeclaredUser,
  account: PasswdEntry | undefined,
  inside: InJail,
  machine: Machine,
  once: OnceUser | undefined,
): Pick<UserState, "lacksGroups" | "lacksInside" | "hasGroup" | "fault"> {
  const local = machine.localGroups();
  const wanted = groups.map((word) => groupOf(word, machine.accounts) ?? word);
  const isUsable = (group: Group) => local.has(group.name) && groupNameFault(group) === undefined;
  const unusable = groups.filter((_, index) => {
    const group = wanted[index];
    return typeof group !== "object" || !isUsable(group);
  });
  const item = unusable.length === 1 ? unusable[0] : undefined;
  if (unusable.length > 0) {
    requireOldNames(unusable, place, item, (word) => renamedGroup(word, once, machine.accounts));
    dueTo({ key: "groups", item }, () => requireGroups(unusable.join(",")));
  }
  if (account === undefined) return { lacksGroups: groups, hasGroup: true, fault: undefined };
  const gids = new Set([account.gid, ...machine.facts.groupsOf(account)]);
  const known = wanted.filter((group) => typeof group !== "string");
  const outside = known.filter(({ gid }) => !gids.has(gid));
  if (directory && outside.length > 0) {
    const { message, command: remedy } = membershipFault(name, outside);
    const lacks = groups.filter((_, index) => outside.some((group) => group === wanted[index]));
    const due = { key: "groups", item: lacks.length === 1 ? lacks[0] : undefined };
    return { lacksGroups: [], hasGroup: true, fault: { code: "not-local", message, remedy, due } };
  }
  const { accounts } = inside;
  const isIn = directory || livesIn(jail, account.home);
  if (accounts === undefined || !isIn)
    return { lacksGroups: outside.map((group) => group.name), hasGroup: true, fault: undefined };
  // By the name: with that of before, or of a group that had the gid, it is no member.
  const memberInside = (gid: number, group: ByteString) => {
    const there = accounts.groupByName(group);
    return there?.gid === gid && there.members.includes(name);
  };
  const primary = machine.accounts.groupByGid(account.gid);
  // Where another group has its name in the jail, it is none there.
  const isHidden = (group: Group) =>
    group.gid !== account.gid &&
    isOfOther(accounts.groupByName(group.name), group, machine.accounts.groupByGid);
  // That of a group that the account is to join is corrected then.
  const own = known.filter((group) => gids.has(group.gid) && !isHidden(group));
  const contradicts = [...own, ...(primary ? [primary] : [])].some(
    (group) => (accounts.groupByName(group.name)?.gid ?? group.gid) !== group.gid,
  );
  const named = accounts.groupByGid(account.gid)?.name;
  // A login compares the names.
  const hasPrimary = named !== undefined && named === (primary?.name ?? named);
  const lacking = known.filter(
    (group) =>
      group.gid !== account.gid &&
      (!gids.has(group.gid) || !(isHidden(group) || memberInside(group.gid, group.name))),
  );
  return {
    lacksGroups: directory ? [] : lacking.map((group) => group.name),
    lacksInside: lacking.every(({ gid }) => gids.has(gid)),
    hasGroup: hasPrimary && !contradicts && !(directory && lacking.length > 0),
    fault: undefined,
  };
}

/** Groups that were declared and are not any more, of which the account is a member. */
export function formerGroups(
  { groups }: DeclaredUser,
  once: OnceUser,
  account: PasswdEntry,
  inside: InJail,
  machine: Machine,
): ByteString[] {
  const gids = new Set(machine.facts.groupsOf(account));
  // A jail that could not be opened has its members still.
  const isInside = (name: ByteString) =>
    inside.accounts?.groupByName(name)?.members.includes(account.name) === true;
  const gidOf = (word: ByteString) => answered(() => groupOf(word, machine.accounts)?.gid);
  // Its line gets the new name of the same group, which is declared.
  const isRenamed = (name: ByteString) => groups.map(gidOf).includes(inside.accounts?.groupByName(name)?.gid);
  return once.groups.filter((name) => {
    const found = groups.includes(name)
      ? undefined
      : answered(() => ({ group: machine.accounts.groupByName(name) }));
    if (found === undefined) return false;
    const { group } = found;
    if (group === undefined) return isInside(name) && !isRenamed(name);
    return isMember(account, group, gids) || (group.gid !== account.gid && isInside(name));
  });
}
