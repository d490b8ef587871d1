import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { livesIn, normalHome, splitHome } from "../system/separator.ts";
import { isOfFormer } from "./compare/lost-name.ts";
import { isUntouched, markedAccount } from "./creating.ts";
import { hasHome, homeIdAnywhere, homeIdInJail, MAY_BE_OTHER } from "./ids.ts";
import type { Declaration, DeclaredUser } from "./model.ts";
import { asOfDirectory, gone, notCreated, withFormer } from "./once.ts";
import type { Once, OnceUser } from "./once-shape.ts";
import { recordedNameOf, uidOf } from "./once-shape.ts";

/** Instead of a home that is not there. */
const NO_HOME = "none";

type UserByName = (name: ByteString) => PasswdEntry | undefined;

/**
 * What was declared once, also of users whose accounts somebody has renamed since, such as with usermod(8), under the names
 * that are declared now: apply has created these accounts, or given them groups and keys, whatever their names are. What it
 * knows of the former names stays, since lines and rights of these may be left, and groups by that name. An account counts as
 * renamed if it has the uid of one that is not there any more, and its home, which may be at another place in the jail. One that
 * apply created is doubtful with another home in that jail, as one whose home was exchanged: somebody may have made it. Of
 * others, the uid may have been given again.
 */
export function withRenamed(
  before: Once,
  declarations: readonly Declaration[],
  userByName: UserByName,
): Once {
  const declared = declarations.flatMap(({ users }) => users);
  const known = new Set(before.users.map(({ name }) => name));
  const named = new Map(declared.map((user) => [user.name, user]));
  const fresh = declared.filter(({ name }) => !known.has(name));
  if (fresh.length === 0 || before.users.length === 0) return before;
  const all = before.users.filter(({ out }) => !out);
  const byUid = Map.groupBy(all, uidOf);
  const byHome = Map.groupBy(all, ({ homeId }) => homeId);
  const names = new Set<ByteString>();
  const renamed = (user: DeclaredUser): OnceUser[] => {
    const account = answered(() => userByName(user.name));
    if (account === undefined) return [];
    for (const one of byUid.get(account.uid) ?? byHome.get(homeOf(user, account)) ?? []) {
      const isSame = uidOf(one) === account.uid;
      const once = asDeclared(one, user, isSame);
      const now = once && ofAccount(once, account, before);
      if (now === undefined) continue;
      // If a name service is silent, it may be there.
      const there = answered(() => ({ uid: userByName(one.name)?.uid }));
      if (there === undefined || there.uid === account.uid) continue;
      // Another account may have that name by now.
      const isFree = there.uid === undefined && !named.has(one.name);
      const isDoubtful =
        !isSame || now.homeId === MAY_BE_OTHER || isOfFormer(account, user, named.get(one.name));
      if (!isFree && isDoubtful) continue;
      if (now.created === undefined) names.add(one.name);
      const rights = { policy: false, otherPolicy: false, left: [] };
      const own = { name: user.name, file: user.place.file, formerly: withFormer(one, user.name) };
      return [{ ...now, ...knownOf(one, now, account), ...own, ...rights }];
    }
    return [];
  };
  const more = fresh.flatMap(renamed);
  if (more.length === 0) return before;
  const users = before.users.map((user) => (names.has(user.name) ? gone(user) : user));
  return { ...before, users: [...users, ...more] };
}

/** By which name a record has it, and which uid. With another one in a directory, its groups may be those of another account. */
function knownOf(before: OnceUser, now: OnceUser, { uid }: PasswdEntry): Partial<OnceUser> {
  if (uidOf(before) !== uid) return now.directory ? { groups: [], groupIds: [] } : { uid };
  return { recordedAs: before.created === undefined ? recordedNameOf(now) : undefined };
}

/** Which directory the home of an account is, as it was remembered, if it has got another uid. */
const homeOf = ({ jail, directory }: DeclaredUser, account: PasswdEntry): ByteString =>
  (directory ? homeIdInJail(jail, account) : homeIdAnywhere(account)) ?? NO_HOME;

/**
 * What was declared once, as of the account of a user; undefined if that is elsewhere, or of this machine again. One with another
 * uid, or in a directory by now, is none that apply created.
 */
function asDeclared(
  once: OnceUser,
  { jail, directory }: DeclaredUser,
  hasUid: boolean,
): OnceUser | undefined {
  // Its line of before need not be gone, whatever jail its directory says.
  if (directory ? !once.directory && once.jail !== jail : once.directory) return undefined;
  return hasUid && once.directory === directory ? once : { ...asOfDirectory(once), directory };
}

/** What was declared once of an account; undefined if it is another one, or that is not known. */
function ofAccount(once: OnceUser, account: PasswdEntry, before: Once): OnceUser | undefined {
  if (once.created === undefined) return hasOwnHome(once, account) ? once : undefined;
  const createdHome = once.createdHome === account.home ? account.home : movedHome(once, account);
  if (createdHome !== undefined || isMarked(before, once, account)) return { ...once, createdHome };
  // The home that apply created is not that of the account: so it is doubtful.
  if (isInJail(once, account)) return { ...once, homeId: MAY_BE_OTHER };
  // Somebody may have made it for that home, which is elsewhere now.
  return hasHome(account, once.homeId) ? notCreated(once) : undefined;
}

/** Whether an account that apply did not create has the home of before; that of a directory says nothing of the jail. */
const hasOwnHome = ({ jail, directory, homeId }: OnceUser, account: PasswdEntry): boolean =>
  directory ? homeId !== undefined && homeIdInJail(jail, account) === homeId : hasHome(account, homeId);

/** Whether an account is in the jail in which apply created one with another home. */
const isInJail = ({ jail, createdHome }: OnceUser, { home }: PasswdEntry): boolean =>
  createdHome !== undefined && livesIn(jail, home);

/** Where the home is now that apply created, if somebody has moved it in its jail, or to another one; undefined for another one. */
function movedHome({ createdDay, homeId }: OnceUser, account: PasswdEntry): ByteString | undefined {
  const { name, home } = account;
  // Somebody may have made an account for that home, with its uid.
  const isIt = splitHome(home) !== undefined && isUntouched(name, createdDay) && hasHome(account, homeId);
  return isIt ? normalHome(home) : undefined;
}

/** Whether an account has the password field that a run which was killed gave to useradd(8). */
const isMarked = ({ creating }: Once, { name }: OnceUser, account: PasswdEntry): boolean =>
  creating.some((one) => one.name === name && markedAccount(one)?.name === account.name);
