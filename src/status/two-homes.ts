import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered, errorWithCode, type JailkitError } from "../cli/error.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { homeInJail } from "../system/separator.ts";
import { requireOnePlace, twoByLink } from "../users/one-home.ts";

/** Users whose homes are in one directory, by a link that leads the host elsewhere than the jail. */
export interface TwoHomes {
  readonly users: readonly JailedUser[];
  /** Of the first of them. */
  readonly error: JailkitError;
}

/** Finds them in a jail; `statOf`: of the homes there. What is wrong is told once for all homes in one directory. Of a link of a user's, the checks of a login say more. */
export function twoHomesIn(
  root: JailRoot,
  users: readonly JailedUser[],
  statOf: (user: JailedUser) => Stat | undefined,
): TwoHomes[] {
  const places = Map.groupBy(users, ({ home }): ByteString => directoryOf(homeInJail(home)));
  return [...places.values()].flatMap((those): TwoHomes[] => {
    const home = homeInJail(those[0]?.home ?? "");
    const error = answered(() => errorWithCode("two-homes", () => requireOnePlace(root, home)));
    if (error !== undefined) return [{ users: those, error }];
    return those.flatMap((user) => {
      const own = twoByLink(root, homeInJail(user.home), statOf(user));
      return own === undefined ? [] : [{ users: [user], error: own }];
    });
  });
}
