import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered, errorWithCode, type JailkitError } from "../cli/error.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { homeInJail } from "../system/separator.ts";
import { requireOnePlace } from "../users/one-home.ts";

/** Users whose homes are in one directory, by a link that leads the host elsewhere than the jail. */
export interface TwoHomes {
  readonly users: readonly JailedUser[];
  /** Of the first of them. */
  readonly error: JailkitError;
}

/** Finds them in a jail: what is wrong is told once for all homes in one directory. Of a link of a user's, the checks of a login say more. */
export function twoHomesIn(root: JailRoot, users: readonly JailedUser[]): TwoHomes[] {
  const places = Map.groupBy(users, ({ home }): ByteString => directoryOf(homeInJail(home)));
  return [...places.values()].flatMap((those) => {
    const home = homeInJail(those[0]?.home ?? "");
    const error = answered(() => errorWithCode("two-homes", () => requireOnePlace(root, home)));
    return error === undefined ? [] : [{ users: those, error }];
  });
}
