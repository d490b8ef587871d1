import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { livesIn, normalHome } from "../system/separator.ts";
import { isUntouched, markedAccount } from "./creating.ts";
import { hasHome, homeIdInJail, MAY_BE_OTHER } from "./ids.ts";
import type { Declaration, DeclaredUser } from "./model.ts";
import type { Once, OnceUser } from "./once-shape.ts";
import { recordedNameOf, uidOf } from "./once-shape.ts";

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
  const named = new Set(declared.map(({ name }) => name));
  const fresh = declared.filter(({ name }) => !known.has(name));
  if (fresh.length === 0 || before.users.length === 0) return before;
  const former = Map.groupBy(
    before.users.filter(({ out }) => !out),
    uidOf,
  );
  const names = new Set<ByteString>();
  const renamed = (user: DeclaredUser): OnceUser[] => {
    const account = answered(() => userByName(user.name));
    const found = (account && former.get(account.uid)) ?? [];
    for (const once of found) {
      if (account === undefined || once.jail !== user.jail || once.directory !== user.directory) continue;
      const now = ofAccount(once, account, before);
      if (now === undefined) continue;
      // If a name service is silent, it may be there.
      const there = answered(() => ({ uid: userByName(once.name)?.uid }));
      if (there === undefined || there.uid === account.uid) continue;
      // Another account may have that name by now.
      const isFree = there.uid === undefined && !named.has(once.name);
      if (!isFree && now.homeId === MAY_BE_OTHER) continue;
      if (once.created === undefined) names.add(once.name);
      const rights = { policy: false, otherPolicy: false, left: [] };
      const recordedAs = recordedNameOf(once);
      return [{ ...now, name: user.name, recordedAs, file: user.place.file, ...rights }];
    }
    return [];
  };
  const more = fresh.flatMap(renamed);
  if (more.length === 0) return before;
  const users = before.users.map((user) => (names.has(user.name) ? gone(user) : user));
  return { ...before, users: [...users, ...more] };
}

/** What is left of a name whose account has another one: its keys are in the home of that one, which the line of it names. */
const gone = (once: OnceUser): OnceUser => ({ ...once, out: once.directory, keys: [] });

/** What was declared once of an account; undefined if it is another one, or that is not known. */
function ofAccount(once: OnceUser, account: PasswdEntry, before: Once): OnceUser | undefined {
  if (once.created === undefined) return hasOwnHome(once, account) ? once : undefined;
  const createdHome = once.createdHome === account.home ? account.home : movedHome(once, account);
  if (createdHome !== undefined || isMarked(before, once, account)) return { ...once, createdHome };
  // The home that apply created is not that of the account: so it is doubtful.
  return isInJail(once, account) ? { ...once, homeId: MAY_BE_OTHER } : undefined;
}

/** Whether an account that apply did not create has the home of before in its jail. */
function hasOwnHome({ jail, directory, homeId }: OnceUser, account: PasswdEntry): boolean {
  const isHere = directory || livesIn(jail, account.home);
  return isHere && homeId !== undefined && homeIdInJail(jail, account) === homeId;
}

/** Whether an account is in the jail in which apply created one with another home. */
const isInJail = ({ jail, createdHome }: OnceUser, { home }: PasswdEntry): boolean =>
  createdHome !== undefined && livesIn(jail, home);

/** Where the home is now that apply created, if somebody has moved it in its jail; undefined for another one. */
function movedHome({ jail, createdDay, homeId }: OnceUser, account: PasswdEntry): ByteString | undefined {
  const { name, home } = account;
  // Somebody may have made an account for that home, with its uid.
  const isIt = livesIn(jail, home) && isUntouched(name, createdDay) && hasHome(account, homeId);
  return isIt ? normalHome(home) : undefined;
}

/** Whether an account has the password field that a run which was killed gave to useradd(8). */
const isMarked = ({ creating }: Once, { name }: OnceUser, account: PasswdEntry): boolean =>
  creating.some((one) => one.name === name && markedAccount(one)?.name === account.name);
