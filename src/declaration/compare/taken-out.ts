import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { jailOfHome, splitHome } from "../../system/separator.ts";
import { readAllKeys } from "../../users/declared-keys.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { KeyPlace } from "../../users/key-place.ts";
import { isTwoHomes } from "../../users/one-home.ts";
import { type Change, type Fault, listed, listedKeys, NO_LONGER } from "../change.ts";
import { keysAmong } from "../once.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";
import { closedAccounts, GROUPS } from "./closed-accounts.ts";
import { groupsHeld } from "./limits.ts";
import type { Machine } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";
import { isSame, mayBeIt } from "./which-account.ts";

/** An account that is in no jail any more, since somebody has taken it out, with what apply gave it and it still has. */
export interface TakenOut {
  readonly name: ByteString;
  /** That it stays, told once; undefined if it was told, or if apply did not create it. */
  readonly note: Pick<Fault, "of" | "name" | "message"> | undefined;
  /** What takes back the groups and keys: outside, these let somebody in on the machine. */
  readonly changes: readonly Change[];
  /** Why groups are not taken back. */
  readonly fault: Fault | undefined;
}

/** The same as isSame for one outside of jails, where no home tells it from one that got the name later. */
export const isOutside = (once: OnceUser, user: PasswdEntry): boolean =>
  splitHome(user.home) === undefined && isSame(once, user) && [undefined, user.uid].includes(once.uid);

/** The same of one that somebody has put into another jail. */
export function isTakenOut(once: OnceUser, user: PasswdEntry): boolean {
  const there = jailOfHome(user.home);
  return there === undefined ? isOutside(once, user) : there !== once.jail && uidOf(once) === user.uid;
}

/** Looks for it; undefined if the account is not there, or somewhere else. `why`: the reason of the changes. */
export function takenOut(once: OnceUser, machine: Machine, why: string): TakenOut | undefined {
  const { name, jail, created, directory } = once;
  const account = directory ? undefined : answered(() => machine.accounts.userByName(name));
  if (account === undefined || !isTakenOut(once, account) || !machine.facts.isLocal(name)) return undefined;
  const groups = groupsLeft(once, account, machine);
  const closed = closedFor(groups, jail);
  const changes = changesOf(once, closed === undefined ? groups : [], keysLeft(once, account), why);
  const stays = `the account stays, as it was taken out of ${display(jail)} by hand; userdel ${operands(name)} removes it`;
  return {
    name,
    note: created === undefined ? undefined : { of: "user", name, message: stays },
    changes,
    fault: closed && { of: "user", name, jail, ...closed },
  };
}

/** What takes groups and keys back from an account that cannot leave its jail, as far as it is known to be the one. */
export function keptInside(
  once: OnceUser,
  machine: Machine,
  root: JailRoot | undefined,
  why: string,
): readonly Change[] {
  const account = answered(() => machine.accounts.userByName(once.name));
  if (account === undefined || !mayBeIt(once, account) || !machine.facts.isLocal(once.name)) return [];
  const place = root && { root, user: account, home: homeFor(account, root.path) };
  const keys = place === undefined ? [] : (answered(() => keysInside(place, once.keys)) ?? []);
  const groups = groupsLeft(once, account, machine);
  return changesOf(once, closedFor(groups, once.jail) === undefined ? groups : [], keys, why);
}

/** Those of some keys that are there. All of them if sshd(8) looks in another home than that of the jail: then the run says so. */
function keysInside(place: KeyPlace, keys: readonly ByteString[]): readonly ByteString[] {
  try {
    return keysAmong(readAllKeys(place), keys);
  } catch (error) {
    if (isTwoHomes(error)) return keys;
    throw error;
  }
}

/** Keys that a user whose logins have ended, and whose account stays in the jail, has put back. */
export function keysBack(once: OnceUser, machine: Machine, opened: OpenJails): readonly Change[] {
  const { name, jail, out, keys } = once;
  if (!out || keys.length === 0) return [];
  const { root, inside } = opened.get(jail);
  const account = answered(() => machine.accounts.userByName(name));
  // Somebody may have put the account into the jail again.
  const isEnded = inside.accounts !== undefined && inside.accounts.userByName(name) === undefined;
  return isEnded && jailOfHome(account?.home ?? "") === jail
    ? keptInside(once, machine, root, NO_LONGER)
    : [];
}

/**
 * What is said, once, of an account that is not in the jail and has no line there, if the jail is open: one of a directory, or
 * one that was there before and is gone, of which no other name is known.
 */
export function keysMayStay(
  { name, jail, directory, created, keys }: OnceUser,
  { accounts }: Pick<Machine, "accounts">,
  root: JailRoot | undefined,
): NonNullable<TakenOut["note"]>[] {
  if (keys.length === 0 || root === undefined) return [];
  const isGone = () => answered(() => accounts.userByName(name) === undefined) === true;
  if (!(directory || (created === undefined && isGone()))) return [];
  const message = `keys that were declared may be left in its home in ${display(jail)}: nothing says any more which home that was`;
  return [{ of: "user", name, message }];
}

/** Why an account cannot leave groups; undefined if it can. */
const closedFor = (groups: readonly ByteString[], jail: ByteString) =>
  groups.length > 0 ? closedAccounts(jail, GROUPS) : undefined;

function changesOf(
  { name, jail }: OnceUser,
  groups: readonly ByteString[],
  keys: readonly ByteString[],
  why: string,
): readonly Change[] {
  const about = { action: "remove", of: "user", name, jail, why } as const;
  return [
    ...(groups.length > 0
      ? [{ ...about, what: "groups", from: listed(groups), items: groups } as const]
      : []),
    ...(keys.length > 0 ? [{ ...about, what: "keys", from: listedKeys(keys), items: keys } as const] : []),
  ];
}

/** Declared groups that the account is in, and that it leaves. */
const groupsLeft = ({ groups }: OnceUser, account: PasswdEntry, { facts, accounts }: Machine) =>
  groupsHeld(account, groups, {
    groupsOf: facts.groupsOf,
    groupByName: (name) => answered(() => accounts.groupByName(name)),
  }).leaves;

/**
 * True if others than root can exchange a home outside of jails: what is in it now tells nothing of what was there before, and
 * may be there later.
 */
export function isExchangeable(home: ByteString): boolean {
  const path = normalPath(home);
  const real = answered(() => withTree((tree) => lookUp(tree, path, { follow: true })?.canonicalPath));
  return !onlyRootExchanges(real ?? path);
}

function keysIn(jail: ByteString, user: PasswdEntry, keys: readonly ByteString[]): readonly ByteString[] {
  using root = openJailRoot(jail);
  const home = homeFor(user, jail);
  const found = keysAmong(readAllKeys({ root, user, home }), keys);
  return found.length === 0 && isExchangeable(hostPath(root, home)) ? keys : found;
}

/** Declared keys in its home. All of them if these cannot be read, or found: then the run says why. */
function keysLeft(once: OnceUser, user: PasswdEntry): readonly ByteString[] {
  const { keys } = once;
  const home = normalPath(user.home);
  if (keys.length === 0) return [];
  const jail = jailOfHome(user.home);
  if (jail !== undefined) return answered(() => keysIn(jail, user, keys)) ?? keys;
  const unfound = () => (isExchangeable(home) ? keys : []);
  // Who can change a directory above it may have put a loop of links there.
  const found = answered(() => ({ stat: statIfPresent(AT_FDCWD, home, true) }));
  // As sshd(8), which accepts keys in a home of the user or of root.
  if (found !== undefined && ![user.uid, 0].includes(found.stat?.uid ?? -1)) return unfound();
  const there = answered(() => withTree((root) => keysAmong(readAllKeys({ root, user, home }), keys)));
  return there?.length === 0 ? unfound() : (there ?? keys);
}
