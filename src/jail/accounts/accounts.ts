import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import type { GroupEntry, PasswdEntry } from "../../system/accounts.ts";
import { adviceAt } from "../../system/exchange.ts";
import { ACCOUNT_FILE_LIMIT } from "../../system/flat-accounts.ts";
import { asideCommand } from "../../system/free-name.ts";
import { readJailFile } from "../fs/look.ts";
import type { JailRoot } from "../fs/walk.ts";
import { type AccountFile, parseGroup, parsePasswd } from "./account-lines.ts";

/** The accounts of a jail, as its etc/passwd and etc/group have them; the first entry of a name or id counts. */
export interface JailAccounts {
  readonly users: readonly PasswdEntry[];
  readonly groups: readonly GroupEntry[];
  userByName(name: ByteString): PasswdEntry | undefined;
  userByUid(uid: number): PasswdEntry | undefined;
  groupByName(name: ByteString): GroupEntry | undefined;
  groupByGid(gid: number): GroupEntry | undefined;
}

/** The view of two account files, as they are at each call. */
export function viewOf(passwd: AccountFile<PasswdEntry>, group: AccountFile<GroupEntry>): JailAccounts {
  const users = () => passwd.flatMap(({ entry }) => entry ?? []);
  const groups = () => group.flatMap(({ entry }) => entry ?? []);
  return {
    get users() {
      return users();
    },
    get groups() {
      return groups();
    },
    userByName: (name) => users().find((entry) => entry.name === name),
    userByUid: (uid) => users().find((entry) => entry.uid === uid),
    groupByName: (name) => groups().find((entry) => entry.name === name),
    groupByGid: (gid) => groups().find((entry) => entry.gid === gid),
  };
}

export const PASSWD = "/etc/passwd";
export const GROUP = "/etc/group";

/** An account file of the jail; empty if it is missing. Symbolic links are followed as in walk. */
export function readAccountFile(root: JailRoot, path: ByteString): Uint8Array {
  return readJailFile(root, path, ACCOUNT_FILE_LIMIT) ?? new Uint8Array(0);
}

/**
 * The accounts in etc/passwd and etc/group of the jail, without name services; a missing file has none. Throws SystemError
 * with the path: EFBIG above 16 MiB, EINVAL if it is not a regular file.
 */
export function readJailAccounts(root: JailRoot): JailAccounts {
  return viewOf(parsePasswd(readAccountFile(root, PASSWD)), parseGroup(readAccountFile(root, GROUP)));
}

/** The same, but throws JailkitError "bad-jail" with what to do, if there is no regular file, or a link that leads nowhere. */
export function requireJailAccounts(root: JailRoot): JailAccounts {
  try {
    return readJailAccounts(root);
  } catch (error) {
    if (!isErrno(error, "ELOOP", "EINVAL", "ENOTDIR") || error.path === undefined) throw error;
    const { advice, remedy } = adviceAt(error.path, asideCommand(error.path));
    const message = `${describeError(error)}: keep it under another name: ${advice}`;
    throw new JailkitError("bad-jail", 1, message, undefined, remedy);
  }
}
