import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { livesIn, normalHome } from "../system/separator.ts";
import { isUntouched, markedAccount } from "./creating.ts";
import { hasHome, MAY_BE_OTHER } from "./ids.ts";
import type { Declaration, DeclaredUser } from "./model.ts";
import type { Once, OnceUser } from "./once-shape.ts";

type UserByName = (name: ByteString) => PasswdEntry | undefined;

/**
 * What was declared once, also of users whose accounts somebody has renamed since, such as with usermod(8), under the names
 * that are declared now: apply has created these accounts, whatever their names are. What it knows of the former names stays,
 * since lines and rights of these may be left. An account counts as renamed if it has the uid of one that is not there any
 * more, and its home, which may be at another place in the jail. With another home in that jail it is doubtful, as one whose home
 * was exchanged: somebody may have made it.
 */
export function withRenamed(
  before: Once,
  declarations: readonly Declaration[],
  userByName: UserByName,
): Once {
  const declared = declarations.flatMap(({ users }) => users);
  const known = new Set(before.users.map(({ name }) => name));
  const named = new Set(declared.map(({ name }) => name));
  const former = new Map<number, OnceUser>();
  for (const user of before.users)
    if (user.created !== undefined && !named.has(user.name) && !user.out) former.set(user.created, user);
  if (former.size === 0) return before;
  const renamed = (user: DeclaredUser): OnceUser[] => {
    if (known.has(user.name) || user.directory) return [];
    const account = answered(() => userByName(user.name));
    const once = account && former.get(account.uid);
    if (account === undefined || once === undefined || once.jail !== user.jail) return [];
    const createdHome = once.createdHome === account.home ? account.home : movedHome(once, account);
    const isKnown = createdHome !== undefined || isMarked(before, once, account);
    if (!isKnown && !isInJail(once, account)) return [];
    // If a name service is silent, it may be there.
    if (answered(() => userByName(once.name) === undefined) !== true) return [];
    return [
      {
        ...once,
        // The home that apply created is not that of the account: so it is doubtful.
        ...(isKnown ? { createdHome } : { homeId: MAY_BE_OTHER }),
        name: user.name,
        file: user.place.file,
        policy: false,
        otherPolicy: false,
        left: [],
      },
    ];
  };
  const more = declared.flatMap(renamed);
  return more.length === 0 ? before : { ...before, users: [...before.users, ...more] };
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
