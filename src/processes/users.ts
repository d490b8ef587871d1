import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { flatFirstAccounts } from "../system/flat-accounts.ts";

/** Names of users by uid, each asked for once; undefined for a uid that no account has, or that nobody can tell. */
export function userNames(): (uid: number) => ByteString | undefined {
  const known = new Map<number, ByteString | undefined>();
  return (uid) => {
    if (known.has(uid)) return known.get(uid);
    let name: ByteString | undefined;
    try {
      name = flatFirstAccounts.userByUid(uid)?.name;
    } catch (error) {
      // A name service that does not answer costs the name, not the list.
      if (!(error instanceof SystemError)) throw error;
    }
    known.set(uid, name);
    return name;
  };
}
