import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
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

/** Finds them in a jail: what is wrong is told once for all homes in one directory. */
export function twoHomesIn(root: JailRoot, users: readonly JailedUser[]): TwoHomes[] {
  const places = Map.groupBy(users, ({ home }): ByteString => directoryOf(homeInJail(home)));
  return [...places.values()].flatMap((those) => {
    const error = faultOf(root, those);
    return error === undefined ? [] : [{ users: those, error }];
  });
}

function faultOf(root: JailRoot, [first]: readonly JailedUser[]): JailkitError | undefined {
  try {
    if (first !== undefined) requireOnePlace(root, homeInJail(first.home));
    return undefined;
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    // A link of a user's, of which the checks of a login say more.
    return error.code === "two-homes" ? error : undefined;
  }
}
