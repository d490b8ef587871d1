import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { Declaration, DeclaredUser } from "./model.ts";
import type { Once, OnceUser } from "./once.ts";

type UserByName = (name: ByteString) => PasswdEntry | undefined;

/**
 * What was declared once, also of users whose accounts somebody has renamed since, such as with usermod(8), under the names
 * that are declared now: apply has created these accounts, whatever their names are. What it knows of the former names stays,
 * since lines and rights of these may be left. An account counts as renamed if it has the uid and the home of one that is not
 * there any more.
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
    const isSame = once?.jail === user.jail && once.createdHome === account?.home;
    if (once === undefined || !isSame) return [];
    // If a name service is silent, it may be there.
    if (answered(() => userByName(once.name) === undefined) !== true) return [];
    return [{ ...once, name: user.name, file: user.place.file, policy: false, otherPolicy: false, left: [] }];
  };
  const more = declared.flatMap(renamed);
  return more.length === 0 ? before : { ...before, users: [...before.users, ...more] };
}
