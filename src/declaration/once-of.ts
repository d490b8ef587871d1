import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { Place } from "../config/model.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { passwdByName } from "../system/accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { type Change, taking } from "./change.ts";
import type { UserWork } from "./compare/work.ts";
import { homeIdInJail, homeIdOf, samenessOf } from "./ids.ts";
import type { DeclaredJail, DeclaredUser } from "./model.ts";
import { createdOf, leftJails, policiesIn, sumOf, union } from "./once.ts";
import type { OnceJail, OnceUser } from "./once-shape.ts";
import { groupIdsOf } from "./regrouped.ts";

/** What is as it was stays the same object, which writeOnce need not write down. */
export const sameOr = <T>(before: T | undefined, now: T): T =>
  before !== undefined && Bun.deepEquals(before, now) ? before : now;

/** A jail that is declared. `once`: as it was before. `directoryId`: which directory it is now; undefined if that is not known. */
export function onceJailOf(
  { path, place, sections, files, live, logSocket, proc }: DeclaredJail,
  before: OnceJail | undefined,
  pathOf: (operand: ByteString) => ByteString,
  directoryId: ByteString | undefined,
): OnceJail {
  const once = samenessOf(before?.directoryId, directoryId) === "other" ? undefined : before;
  return {
    ...{ path, file: place.file, directoryId, formerly: before === undefined ? [] : before.formerly },
    sections: union(once?.sections, sections),
    files: union(once?.files, files.map(pathOf)),
    // Of another one, too: its lines in fstab(5) may be there.
    live: union(before?.live, live ?? []),
    // What is declared to be off is off.
    logSocket: logSocket ?? once?.logSocket ?? false,
    proc: proc ?? once?.proc ?? false,
  };
}

/** The same, declared by another file. */
export const declaredIn = <T extends OnceJail | OnceUser>({ file }: Place, once: T): T =>
  once.file === file ? once : { ...once, file };

/** By which other name a record has the account. With another home or uid it may be another account. */
const recordedAsOf = (once: OnceUser | undefined, { homeId, uid }: Pick<OnceUser, "homeId" | "uid">) =>
  once?.homeId === homeId && once?.uid === uid ? once?.recordedAs : undefined;

/** A user whose account was changed, with which directory its home is now, also where that was missing. */
export function withHomeId(user: OnceUser): OnceUser {
  const { name, jail, directory, created, createdHome } = user;
  const account = directory ? answered(() => hostUser(name)) : passwdByName(name);
  const isIt =
    [undefined, account?.uid].includes(created) && [undefined, account?.home].includes(createdHome);
  if (account === undefined || !isIt) return user;
  const homeId = directory ? homeIdInJail(jail, account) : homeIdOf(account.home, account.uid);
  const now = { ...user, homeId: homeId ?? user.homeId };
  return { ...now, recordedAs: recordedAsOf(user, now) };
}

/**
 * A user who was declared before, and is now, with an account of `uid` or none, and a home as homeIdOf. With another uid it is
 * another account than apply has created, or nothing tells that it is that one.
 */
const withAccount = (once: OnceUser, homeId: ByteString | undefined, uid: number | undefined): OnceUser =>
  uid === undefined || once.created === undefined || once.created === uid
    ? once
    : { ...once, ...createdOf(undefined), homeId, uid };

/**
 * A user who is declared. `once`: as it was before. `homeId`, `uid`: which directory its home is now, and which account it is;
 * undefined if that is not known.
 */
export function onceOf(
  user: DeclaredUser,
  once: OnceUser | undefined,
  { homeId, uid }: Pick<UserWork, "homeId" | "uid">,
): OnceUser {
  const { name, place, jail, directory, groups, keys = [], policy, shell } = user;
  const isSame = once?.jail === jail;
  const limited = policy === undefined && isSame ? once.limited : isLimitedShell(shell);
  const before = once === undefined ? [] : policiesIn(jail, once);
  const account = once?.directory === directory ? once : undefined;
  const made = createdOf(directory ? undefined : once);
  const identity = {
    // Who may write above the own home exchanges it, or root brings one back from a backup: the account is the same.
    homeId: homeId ?? account?.homeId,
    // That of root is none to follow; `created` has that of an account of apply, and is written when there is one.
    uid: made.created === undefined ? uid || account?.uid : undefined,
  };
  const now = {
    ...{ name, file: place.file, jail, directory },
    // One of a directory is another account, whatever its uid.
    ...made,
    ...identity,
    recordedAs: recordedAsOf(account, identity),
    formerly: account?.formerly,
    out: false,
    limited,
    policy: policy !== undefined || before.includes(limited),
    otherPolicy: before.includes(!limited),
    groups: union(once?.groups, groups),
    groupIds: groupIdsOf(groups, once),
    keys: union(
      once?.keys,
      keys.map(({ key }) => sumOf(key)),
    ),
    keysTaken: undefined,
    left: once === undefined ? [] : leftJails(jail, once),
  };
  return sameOr(once, now);
}

/**
 * A user who is declared, with what is to be made of it, of which a fault may prevent all or some; undefined to remember nothing.
 */
export function userNow(
  user: DeclaredUser,
  { changes = [], fault, onlyTakes, homeId, uid }: Partial<UserWork>,
  before: OnceUser | undefined,
): OnceUser | undefined {
  // With the uid of another account it is that by a mistake, as with one that does not own its home: what it was before stays known.
  const isMistaken = fault?.code === "uid-taken" || fault?.code === "uid-changed";
  const now = isMistaken ? { homeId: undefined, uid: undefined } : { homeId, uid };
  const once = before && withAccount(before, now.homeId, now.uid);
  const whole = fault === undefined ? user : { ...user, keys: undefined };
  const isHere = once === undefined || once.jail === user.jail;
  const given = onlyTakes ? isHere && givenInSpite(user, changes) : whole;
  return given ? onceOf(given, once, now) : once && declaredIn(user.place, once);
}

/** What changes that take something away write of a user, such as rules, though a fault prevents the rest; undefined for nothing. */
function givenInSpite(user: DeclaredUser, changes: readonly Change[]): DeclaredUser | undefined {
  const giving = taking(changes).filter(({ action }) => action !== "remove");
  const policy = giving.some(({ what }) => what === "policy") ? user.policy : undefined;
  const groups = giving.flatMap(({ what, items }) => (what === "groups" ? items : []));
  const isKey = giving.some(({ what, action }) => what === "keys" && action === "create");
  if (policy === undefined && groups.length === 0 && !isKey) return undefined;
  return { ...user, groups, keys: isKey ? user.keys : undefined, policy };
}

const MOST_FORMER = 1000;

/** A declared user of whom nothing else is there any more. `other`: as another declaration has it. `before`: as it was. */
export function settledUser(
  user: DeclaredUser,
  other: DeclaredUser | undefined,
  before: OnceUser | undefined,
): OnceUser {
  const now = onceOf(user, other && onceOf(other, undefined, {}), {});
  // A key that no run has found may come back: its user can have moved it away. The last of these are remembered.
  const known = new Set(now.keys);
  const former = (before?.keys ?? []).filter((sum) => !known.has(sum)).slice(-MOST_FORMER);
  const stays = { keys: [...now.keys, ...former], left: before?.left ?? [] };
  return sameOr(before, { ...now, ...createdOf(before), ...stays });
}

/** A user after a change that was made: keys that it took out are gone. */
export function withoutKeys(user: OnceUser, { action, what, items }: Change): OnceUser {
  if (action !== "remove" || what !== "keys") return user;
  const gone = new Set(items.map(sumOf));
  return { ...user, keys: user.keys.filter((sum) => !gone.has(sum)) };
}
