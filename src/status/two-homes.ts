import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered, errorWithCode, type JailkitError } from "../cli/error.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { homeInJail } from "../system/separator.ts";
import { requireOneLink, requireOnePlace } from "../users/one-home.ts";

/** Users whose homes are in one directory, by a link that leads the host elsewhere than the jail. */
export interface TwoHomes {
  readonly users: readonly JailedUser[];
  /** Of the first of them. */
  readonly error: JailkitError;
}

/** Finds them in a jail: what is wrong is told once for all homes in one directory. Of a link of a user's, the checks of a login say more. */
export function twoHomesIn(root: JailRoot, users: readonly JailedUser[]): TwoHomes[] {
  const places = Map.groupBy(users, ({ home }): ByteString => directoryOf(homeInJail(home)));
  const fault = (home: ByteString, require: typeof requireOnePlace) =>
    answered(() => errorWithCode("two-homes", () => require(root, homeInJail(home))));
  return [...places.values()].flatMap((those): TwoHomes[] => {
    const error = fault(those[0]?.home ?? "", requireOnePlace);
    if (error !== undefined) return [{ users: those, error }];
    return those.flatMap((user) => {
      const own = fault(user.home, requireOneLink);
      return own === undefined ? [] : [{ users: [user], error: own }];
    });
  });
}
