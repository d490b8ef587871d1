import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { answered } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { type JailedUser, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { lostJail } from "../jail/record/moved.ts";
import { knownJails } from "../jail/record/registry.ts";
import { passwdByName } from "../system/accounts.ts";

/** True if all these accounts have their line and their home in the jail at a path, and nobody else has. */
function haveAllIn(path: ByteString, users: readonly Pick<JailedUser, "name">[]): boolean {
  using root = openJailRoot(path);
  const atHome = readJailAccounts(root).users.filter(
    ({ uid, home }) => uid !== 0 && lookUp(root, home)?.stat.uid === uid,
  );
  const uids = new Map(atHome.map(({ name, uid }) => [name, uid]));
  const isHere = ({ name }: Pick<JailedUser, "name">) =>
    uids.has(name) && uids.get(name) === passwdByName(name)?.uid;
  return uids.size === users.length && users.every(isHere);
}

/**
 * Where a jail is that is missing and has no record: the one recorded jail in which all of its users have their lines and homes, and
 * nobody lives. It was moved, and the accounts come from a time before that. `users`: the accounts that it has.
 */
export function whereUsersAre(
  jail: ByteString,
  users: readonly Pick<JailedUser, "name">[] = jailedUsers().filter((one) => one.jail === jail),
): ByteString | undefined {
  if (users.length === 0 || !isMissing(jail) || answered(() => lostJail(jail)) !== undefined)
    return undefined;
  return answered(() => {
    const inhabited = new Set(jailedUsers().map((one) => one.jail));
    const places = knownJails().map((one) => one.jail.path);
    const found = places.filter(
      (place) => !inhabited.has(place) && answered(() => haveAllIn(place, users)) === true,
    );
    return found.length === 1 ? found[0] : undefined;
  });
}
