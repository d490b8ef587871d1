import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { recall } from "../../users/account-record.ts";
import type { OnceUser } from "../once.ts";

/** What --prune does with a user of a jail. */
export interface Fate {
  /**
   * "removed": the account that apply created. "out": of the jail, with the home. "line": an account of a directory loses its
   * lines in the jail. "stays": so does one that is not known to have had a shell of the machine: what ends its logins must
   * not give it others, outside.
   */
  readonly how: "removed" | "out" | "line" | "stays";
  /** The directory that goes with it, as the jail sees it. */
  readonly home: ByteString | undefined;
}

/** Decides it; `user` is the account as it is now. Throws JailkitError if the record of the jail cannot be read. */
export function fateOf(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  deleteHomes: boolean,
): Fate {
  const { name, created, createdHome, directory } = once;
  if (directory) return { how: "line", home: undefined };
  const home = normalPath(splitHome(user?.home ?? "")?.home ?? "/");
  // Of that name, but another account.
  if (user !== undefined && created === user.uid) {
    const stat = lookUp(root, home)?.stat;
    const isNew = createdHome === home && stat?.uid === user.uid && isDirectory(stat);
    return { how: "removed", home: deleteHomes && isNew ? home : undefined };
  }
  if (recall(root, name)?.shell === undefined) return { how: "stays", home: undefined };
  return { how: "out", home };
}
