import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { withTree } from "../../jail/fs/look.ts";
import { hostPath, joinPath, openJailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { readAllKeys } from "../../users/declared-keys.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { KeyPlace } from "../../users/key-place.ts";
import { KEYS_FILE } from "../../users/keys.ts";
import { keysAmong } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";

/** Calls `use` with the place of the keys of an account, wherever it is; that of a directory is in the jail. */
function withKeysOf<T>(
  { jail, directory }: Pick<OnceUser, "jail" | "directory">,
  user: PasswdEntry,
  use: (place: KeyPlace) => T,
): T | undefined {
  const there = directory ? jail : jailOfHome(user.home);
  return answered(() => {
    if (there === undefined) return withTree((root) => use({ root, user, home: normalPath(user.home) }));
    using root = openJailRoot(there);
    return use({ root, user, home: homeFor(user, there) });
  });
}

/** What of the declared groups and keys an account has that may be the one. */
export function heldBy(
  once: Pick<OnceUser, "jail" | "directory" | "groups" | "keys">,
  heir: PasswdEntry,
  membersOf: (group: ByteString) => readonly ByteString[],
) {
  const { groups, keys: sums } = once;
  const found = withKeysOf(once, heir, (place) => ({
    keys: sums.length === 0 ? [] : keysAmong(readAllKeys(place), sums),
    file: hostPath(place.root, joinPath(place.home, KEYS_FILE)),
  }));
  return {
    groups: groups.filter((group) => membersOf(group).includes(heir.name)),
    ...{ keys: found?.keys ?? [], file: found?.file ?? KEYS_FILE },
  };
}
