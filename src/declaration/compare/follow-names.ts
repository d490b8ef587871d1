import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { findEntry } from "../../config/model.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { homeInJail, isSameHome, normalHome } from "../../system/separator.ts";
import { isOfOtherDay } from "../creating.ts";
import { hasHome, MAY_BE_OTHER } from "../ids.ts";
import type { DeclaredUser } from "../model.ts";
import { asOfDirectory, leftJails, notCreated, policiesIn, union, withFormer } from "../once.ts";
import { type OnceUser, recordedNameOf, uidOf } from "../once-shape.ts";
import type { Former } from "./by-former-name.ts";
import { formerName, isHere } from "./former-name.ts";
import { meansOther } from "./lost-name.ts";
import type { Moved } from "./other-names.ts";

// What is known of accounts goes to the names that usermod(8) has given them since.

/** A section, as far as it tells which account it means. */
export type Meant = Pick<DeclaredUser, "name" | "jail" | "uid" | "home" | "directory" | "place">;

/**
 * Whether a section says that it means the account which has its name now: by the uid, or by the home, if that is written since,
 * or has stayed as it was when that account had another name. `before`: whom the section meant last.
 */
export function saysWhich(
  { uid, jail, home, directory, place: { section } }: Meant,
  { account, once }: Moved,
  before: OnceUser,
): boolean {
  if (directory) return true;
  if (uid !== undefined) return uid === account.uid;
  const isHere = homeInJail(account.home) === normalPath(home) && before.createdHome !== account.home;
  const isWhere = once.createdHome === account.home && isSameHome(account.home, jail, home);
  return isHere && (findEntry(section, "home") !== undefined || isWhere);
}

interface Users {
  /** Gets them. */
  readonly users: Map<ByteString, OnceUser>;
  readonly known: ReadonlyMap<ByteString, OnceUser>;
  readonly declared: ReadonlyMap<ByteString, DeclaredUser>;
  readonly leaving: ReadonlySet<ByteString>;
  /** The accounts that sections may mean by their homes. */
  readonly byHome: ReadonlyMap<ByteString, Former>;
}

/** Whether what is known of the new name of an account belongs to one that has another name, too, or is declared. */
export function isFree({ once, account: { name } }: Moved, { known, declared, leaving }: Users): boolean {
  const other = known.get(name);
  const isLeaving = leaving.has(name) && other !== undefined && uidOf(other) !== undefined;
  return !leaving.has(once.name) || other === undefined || declared.has(name) || isLeaving;
}

/** Gives what is known of accounts to the names that they have. */
export function follow(group: readonly Moved[], { users, known, declared, leaving, byHome }: Users): void {
  const named = new Set(group.map(({ account }) => account.name));
  const isFormer = (name: ByteString) => (leaving.has(name) || byHome.has(name)) && !named.has(name);
  for (const { once, account } of group)
    if (isFormer(once.name)) users.set(once.name, formerName(once, account));
  for (const { once, account } of group) {
    const before = known.get(account.name);
    const former = declared.get(once.name);
    const isOther = former !== undefined && (named.has(once.name) || meansOther(former, account));
    const isGone = leaving.has(once.name) || isOther;
    const section = declared.get(account.name);
    if (section !== undefined && before !== undefined) {
      // Another account has what is known of this name, or nobody.
      const isMeant = !section.directory && saysWhich(section, { once, account }, before);
      const own = isMeant ? { ...asNamed(once, account, before), file: before.file } : before;
      const meant = withAccess(own, before);
      users.set(account.name, withAccess(meant, once));
    }
    // A section that has no other account may mean it.
    else if (isGone && (before === undefined || leaving.has(account.name)))
      users.set(account.name, asNamed(once, account, before));
  }
}

/** From now on, a name that a section has tells of the account that it may mean: the name by which its home is known gets another one. */
export function nameFormer(name: ByteString, { account, once }: Former, { users, leaving }: Users): void {
  const its = users.get(account.name);
  const isIts = its !== undefined && uidOf(its) === account.uid;
  if (!isIts && its !== undefined && !leaving.has(account.name)) return;
  const now = isIts ? its : asNamed(once, account, its);
  users.set(account.name, { ...now, formerly: union(now.formerly, [name]) });
}

/** A user with what was given to the account under another name. */
const withAccess = (user: OnceUser, { groups, groupIds, keys }: OnceUser): OnceUser => ({
  ...user,
  ...{ groups: union(user.groups, groups), groupIds: [...user.groupIds, ...groupIds] },
  keys: union(user.keys, keys),
});

/** The user of an account with another name, of which something may be known: its line, and its rights. */
function asNamed(known: OnceUser, account: PasswdEntry, before: OnceUser | undefined): OnceUser {
  const isSame = account.uid === uidOf(known);
  const here = isSame ? known : { ...notCreated(known), uid: account.uid };
  const once = isLocalUser(account.name) ? here : asOfDirectory(known);
  const { jail, created, createdDay } = once;
  const { name, home } = account;
  const createdHome = created === undefined ? undefined : normalHome(home);
  const isKnown = known.directory || (hasHome(account, once.homeId) && !isOfOtherDay(name, createdDay));
  const policies = before === undefined ? [] : policiesIn(jail, before);
  return {
    ...once,
    ...(isKnown ? { createdHome } : { homeId: MAY_BE_OTHER, createdDay: undefined }),
    ...{
      name,
      recordedAs: isSame ? recordedNameOf(once) : undefined,
      limited: true,
      policy: policies.includes(true),
      otherPolicy: policies.includes(false),
      formerly: withFormer(known, name),
    },
    left: before === undefined ? [] : leftJails(jail, before),
    keys: !known.directory || isHere(once, account) ? once.keys : [],
  };
}
