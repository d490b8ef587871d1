import type { ByteString } from "../../../ffi/bytes.ts";
import { entriesOf, statIfPresent } from "../../../ffi/files.ts";
import { answered, describeError, JailkitError } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT } from "../../system/flat-accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { isRefusedName } from "../../system/name-services.ts";
import { jailOfHome } from "../../system/separator.ts";
import { readJailFile } from "../fs/look.ts";
import { type JailRoot, withDirectory } from "../fs/walk.ts";
import { parsePasswd } from "./account-lines.ts";
import { isChrootShell, type JailedUser } from "./jailed-users.ts";

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

/** Accounts of name services that a jail has to do with. */
interface ServiceUsers {
  /** Those who live in it. */
  readonly users: readonly JailedUser[];
  /** Those whose names its etc/passwd has, and who live in another jail. */
  readonly elsewhere: readonly JailedUser[];
  /** An account with such a name has the shell jk_chrootsh, and a home that names no jail. */
  readonly isAnyHomeless: boolean;
}

/** True if a name service does not answer, or not for a name: somebody may have that account. */
export const isUnanswered = (error: unknown): error is JailkitError =>
  isRefusedName(error) || (error instanceof JailkitError && error.code === "name-service");

/**
 * The accounts of a jail that are not among `local`, the names of /etc/passwd, but in a name service such as LDAP, which may
 * not list its accounts. It is asked for the names and uids in the jail's etc/passwd, and for `owners`. Throws JailkitError
 * "name-service" if it does not answer, and "name-refused" if it does not take a name, or say who has a uid; with `passOver`, which
 * is called with that error, these count as nobody's.
 */
export function serviceUsers(
  root: JailRoot,
  local: ReadonlySet<ByteString>,
  owners: Iterable<number>,
  accounts: HostAccounts,
  passOver?: (error: JailkitError) => void,
): ServiceUsers {
  const passwd = orNothing(() => {
    const bytes = readJailFile(root, "/etc/passwd", ACCOUNT_FILE_LIMIT) ?? new Uint8Array(0);
    return parsePasswd(bytes).flatMap(({ entry }) => entry ?? []);
  });
  const uids = new Set([...passwd.map(({ uid }) => uid), ...owners].filter((uid) => uid !== 0));
  const found = new Map<ByteString, JailedUser>();
  const elsewhere = new Map<ByteString, JailedUser>();
  let isAnyHomeless = false;
  const add = (entry: PasswdEntry | undefined, isNamed: boolean) => {
    if (entry === undefined || local.has(entry.name)) return;
    const { name, home, shell } = entry;
    const jail = jailOfHome(home);
    if (jail === root.path) found.set(name, { name, home, shell, jail, fromService: true });
    else if (jail !== undefined && isNamed)
      elsewhere.set(name, { name, home, shell, jail, fromService: true });
    else if (isNamed && isChrootShell(shell)) isAnyHomeless = true;
  };
  const ask = (find: () => PasswdEntry | undefined, isNamed: boolean) => {
    try {
      add(find(), isNamed);
    } catch (error) {
      if (passOver === undefined || !isRefusedName(error)) throw error;
      passOver(error);
    }
  };
  for (const { name } of passwd) ask(() => accounts.userByName(name), true);
  for (const uid of uids) ask(() => accounts.userByUid(uid), false);
  return { users: [...found.values()], elsewhere: [...elsewhere.values()], isAnyHomeless };
}

/** As serviceUsers, with the reason why there may be more: a name service did not answer, or does not take a name or a uid. */
export function knownServiceUsers(
  root: JailRoot,
  local: ReadonlySet<ByteString>,
  accounts: HostAccounts,
): ServiceUsers & { readonly unknown: string | undefined } {
  const refused: JailkitError[] = [];
  try {
    const found = serviceUsers(root, local, homeOwners(root), accounts, (error) => refused.push(error));
    const [first, ...others] = refused;
    const more = others.length === 0 ? "" : ` (so it is with ${others.length} other names or uids)`;
    return { ...found, unknown: first && `${describeError(first)}${more}` };
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    return { users: [], elsewhere: [], isAnyHomeless: false, unknown: error.message };
  }
}
