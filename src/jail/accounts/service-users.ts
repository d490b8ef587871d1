import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { close, openAt, readDirectory, statIfPresent } from "../../../ffi/files.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { JailkitError } from "../../cli/error.ts";
import { type PasswdEntry, passwdByName, passwdByUid } from "../../system/accounts.ts";
import { readJailFile } from "../fs/look.ts";
import { type JailRoot, release, walk } from "../fs/walk.ts";
import { parsePasswdLine } from "./account-lines.ts";
import { ACCOUNT_FILE_LIMIT } from "./accounts.ts";
import type { JailedUser } from "./jailed-users.ts";
import { splitHome } from "./separator.ts";

/** What cannot be read in a jail is for its check to tell. */
function orNothing<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof JailkitError || error instanceof SystemError) return [];
    throw error;
  }
}

/** To whom the names in JAIL/home belong. */
function homeOwners(root: JailRoot): number[] {
  return orNothing(() => {
    const directory = walk(root, "/home");
    const fd = openAt(directory.fd, ".", O_RDONLY | O_DIRECTORY);
    try {
      return readDirectory(fd).flatMap(({ name }) => statIfPresent(fd, name)?.uid ?? []);
    } finally {
      close(fd);
      release(directory);
    }
  });
}

/**
 * Accounts that live in a jail and are not among `known`, those of /etc/passwd: a name service such as LDAP has them,
 * which can be asked, and need not have a list. It is asked for the names and the uids of the jail's etc/passwd, and
 * for `owners`. Throws SystemError where it does not answer.
 */
export function serviceUsers(
  root: JailRoot,
  known: readonly JailedUser[],
  owners: Iterable<number>,
): JailedUser[] {
  const passwd = orNothing(() => {
    const bytes = readJailFile(root, "/etc/passwd", ACCOUNT_FILE_LIMIT) ?? new Uint8Array(0);
    return fromBytes(bytes)
      .split("\n")
      .flatMap((line) => parsePasswdLine(line) ?? []);
  });
  const uids = new Set([...passwd.map(({ uid }) => uid), ...owners].filter((uid) => uid !== 0));
  const found = new Map<ByteString, JailedUser>();
  const add = (entry: PasswdEntry | undefined) => {
    const split = entry === undefined ? undefined : splitHome(entry.home);
    if (entry === undefined || split === undefined || plainPath(split.jail) !== root.path) return;
    if (known.some(({ name }) => name === entry.name)) return;
    const { name, home, shell } = entry;
    found.set(name, { name, home, shell, jail: root.path, fromService: true });
  };
  for (const { name } of passwd) add(passwdByName(name));
  for (const uid of uids) add(passwdByUid(uid));
  return [...found.values()];
}

/** As serviceUsers, for what is only told: nothing where the service does not answer. */
export function serviceUsersIfAnswered(root: JailRoot, known: readonly JailedUser[]): JailedUser[] {
  return orNothing(() => serviceUsers(root, known, homeOwners(root)));
}
