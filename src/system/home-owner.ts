import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { passwdByUid } from "./accounts.ts";
import { ACCOUNT_FILE_LIMIT, usersIn } from "./flat-accounts.ts";
import { hostText } from "./host-files.ts";

/** An account by its name, with its home on the host. */
interface Home {
  readonly name: ByteString;
  readonly home: ByteString;
}

/** The accounts of the host with a uid. Several of /etc/passwd may share it; name services report one of them. */
function accountsOf(uid: number): readonly Home[] {
  const local = usersIn(hostText("/etc/passwd", ACCOUNT_FILE_LIMIT) ?? "").filter((one) => one.uid === uid);
  const real = passwdByUid(uid);
  return real === undefined ? local : [real, ...local];
}

/**
 * The account that owns a directory of the host which is its home, or in its home: root should not take that. Its home
 * without detours. An account that lives in the jail at `path` does not count. `others`: accounts of that uid in a jail.
 * Throws SystemError if a name service does not answer.
 */
export function homeAround(
  path: ByteString,
  others: (uid: number) => readonly Home[] = () => [],
): Home | undefined {
  const uid = statIfPresent(AT_FDCWD, path)?.uid;
  if (uid === undefined || uid === 0) return undefined;
  for (const { name, home } of [...accountsOf(uid), ...others(uid)]) {
    const plain = normalPath(home);
    const separator = home.lastIndexOf("/./");
    const livesHere = separator >= 0 && normalPath(home.slice(0, separator)) === path;
    const around = plain !== "/" && (path === plain || path.startsWith(`${plain}/`));
    if (around && !livesHere) return { name, home: plain };
  }
  return undefined;
}
