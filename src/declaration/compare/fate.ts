import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { joinHome, splitHome } from "../../jail/accounts/separator.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { recall } from "../../users/account-record.ts";
import { otherHomeIn } from "../../users/home-along.ts";
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
  /** A user whose home is in that of this one, which stays therefore. */
  readonly holds?: ByteString | undefined;
}

const NOBODY: ReadonlySet<ByteString> = new Set();

/**
 * Decides it; `user` is the account as it is now, and `gone` are users whose homes will have left before. Throws JailkitError
 * if the record of the jail cannot be read, or a name service is silent.
 */
export function fateOf(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  deleteHomes: boolean,
  gone = NOBODY,
): Fate {
  const { name, created, createdHome, directory } = once;
  if (directory) return { how: "line", home: undefined };
  const home = normalPath(splitHome(user?.home ?? "")?.home ?? "/");
  // Of that name, but another account.
  if (user !== undefined && created === user.uid) {
    const stat = lookUp(root, home)?.stat;
    const isOurs = createdHome === joinHome(root.path, home);
    const goes = deleteHomes && isOurs && stat?.uid === user.uid && isDirectory(stat);
    const holds = goes ? homeIn(root, home, user, gone) : undefined;
    return { how: "removed", home: goes && holds === undefined ? home : undefined, holds };
  }
  if (recall(root, name)?.shell === undefined) return { how: "stays", home: undefined };
  return { how: "out", home };
}

/** Another user whose home is in a directory of the jail, or is it: by a line of the jail, or as the machine knows it. */
function homeIn(
  root: JailRoot,
  directory: ByteString,
  user: PasswdEntry,
  gone: ReadonlySet<ByteString>,
): ByteString | undefined {
  const line = readJailAccounts(root).users.find(({ name, home }) => {
    const isOther = name !== user.name && !gone.has(name) && below(normalPath(home), directory) !== undefined;
    return isOther && lookUp(root, normalPath(home)) !== undefined;
  });
  return (line ?? otherHomeIn(user, hostPath(root, directory), gone))?.name;
}
