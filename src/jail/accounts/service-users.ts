import type { ByteString } from "../../../ffi/bytes.ts";
import { entriesOf, statIfPresent } from "../../../ffi/files.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT } from "../../system/flat-accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { livesIn } from "../../system/separator.ts";
import { readJailFile } from "../fs/look.ts";
import { type JailRoot, withDirectory } from "../fs/walk.ts";
import { parsePasswd } from "./account-lines.ts";
import type { JailedUser } from "./jailed-users.ts";

/** Errors are ignored: jk_check reports them. */
const orNothing = <T>(read: () => T[]): T[] => answered(read) ?? [];

/** The owners of the files in JAIL/home. */
const homeOwners = (root: JailRoot): number[] =>
  orNothing(() => {
    // No exception for the many jails that have none.
    if (statIfPresent(root.fd, "home") === undefined) return [];
    return ownersIn(root, "/home").map(({ uid }) => uid);
  });

/** What is in a directory of a jail, with its owner. Throws SystemError. */
export const ownersIn = (root: JailRoot, directory: ByteString): { name: ByteString; uid: number }[] =>
  withDirectory(root, directory, ({ fd }) =>
    entriesOf(fd).flatMap(({ name }) => {
      const uid = statIfPresent(fd, name)?.uid;
      return uid === undefined ? [] : { name, uid };
    }),
  );

/**
 * The accounts of a jail that are not among `local`, the names of /etc/passwd, but in a name service such as LDAP, which may
 * not list its accounts. It is asked for the names and uids in the jail's etc/passwd, and for `owners`. Throws JailkitError
 * "name-service" if it does not answer.
 */
export function serviceUsers(
  root: JailRoot,
  local: ReadonlySet<ByteString>,
  owners: Iterable<number>,
  accounts: HostAccounts,
): JailedUser[] {
  const passwd = orNothing(() => {
    const bytes = readJailFile(root, "/etc/passwd", ACCOUNT_FILE_LIMIT) ?? new Uint8Array(0);
    return parsePasswd(bytes).flatMap(({ entry }) => entry ?? []);
  });
  const uids = new Set([...passwd.map(({ uid }) => uid), ...owners].filter((uid) => uid !== 0));
  const found = new Map<ByteString, JailedUser>();
  const add = (entry: PasswdEntry | undefined) => {
    if (entry === undefined || !livesIn(root.path, entry.home) || local.has(entry.name)) return;
    const { name, home, shell } = entry;
    found.set(name, { name, home, shell, jail: root.path, fromService: true });
  };
  for (const { name } of passwd) add(accounts.userByName(name));
  for (const uid of uids) add(accounts.userByUid(uid));
  return [...found.values()];
}

/** As serviceUsers, with the reason why there may be more: a name service did not answer. */
export function knownServiceUsers(
  root: JailRoot,
  local: ReadonlySet<ByteString>,
  accounts: HostAccounts,
): { users: JailedUser[]; unknown: string | undefined } {
  try {
    return { users: serviceUsers(root, local, homeOwners(root), accounts), unknown: undefined };
  } catch (error) {
    if (!(error instanceof JailkitError) || error.code !== "name-service") throw error;
    return { users: [], unknown: error.message };
  }
}
