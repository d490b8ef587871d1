import type { ByteString } from "../../ffi/bytes.ts";
import { type JailAccounts, readJailAccounts } from "../jail/accounts/accounts.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { processesOf } from "../system/processes.ts";
import { recall } from "./account-record.ts";

/** What plans to jail accounts see of a jail and of this machine. */
export interface Seen {
  /** Those of the jail. Throws SystemError. */
  readonly accounts: Pick<JailAccounts, "users" | "userByName" | "groupByName" | "groupByGid">;
  /** As recall. */
  readonly recorded: (name: ByteString) => ReturnType<typeof recall>;
  readonly processesOf: (uid: number) => readonly number[];
}

/** As it is at each question: what is carried out must fit the machine as it is then. */
export const seenNow = (root: JailRoot): Seen => ({
  get accounts() {
    return readJailAccounts(root);
  },
  recorded: (name) => recall(root, name),
  processesOf,
});
