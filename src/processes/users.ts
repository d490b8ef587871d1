import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { flatFirstAccounts } from "../system/flat-accounts.ts";

/** Returns the names of users by uid, and looks each up once; undefined for a uid without a known account. */
export function userNames(): (uid: number) => ByteString | undefined {
  const names = new Map<number, ByteString | undefined>();
  return (uid) => {
    if (names.has(uid)) return names.get(uid);
    let name: ByteString | undefined;
    try {
      name = flatFirstAccounts.userByUid(uid)?.name;
    } catch (error) {
      // Without an answer of the name service only the name is missing.
      if (!(error instanceof SystemError)) throw error;
    }
    names.set(uid, name);
    return name;
  };
}
