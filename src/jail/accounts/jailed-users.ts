import { type ByteString, fromBytes, trim } from "../../../ffi/bytes.ts";
import { readFileIfPresent } from "../../../ffi/files.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { splitHome } from "../../system/separator.ts";

/** An account whose home has the separator. */
export interface JailedUser {
  readonly name: ByteString;
  readonly home: ByteString;
  readonly shell: ByteString;
  /** Undefined if the home names no jail. */
  readonly jail: ByteString | undefined;
  /** It is in a name service, not in /etc/passwd. */
  readonly fromService?: boolean;
}

const PASSWD_LIMIT = 1 << 26;

/** The accounts of the host's /etc/passwd that live in a jail, in the order of the file. */
export function jailedUsers(file: ByteString = "/etc/passwd"): JailedUser[] {
  return usersIn(file).flatMap(({ name, home, shell }): JailedUser[] => {
    if (!home.includes("/./")) return [];
    const split = splitHome(home);
    const jail = split === undefined ? undefined : plainPath(split.jail);
    return [{ name, home, shell, jail }];
  });
}

/** The names of users. */
export const namesOf = (users: readonly Pick<JailedUser, "name">[]): ReadonlySet<ByteString> =>
  new Set(users.map(({ name }) => name));

/** The users of each jail. */
export const usersByJail = (
  users: readonly JailedUser[],
): ReadonlyMap<ByteString | undefined, JailedUser[]> => Map.groupBy(users, ({ jail }) => jail);

/** The accounts of the host's /etc/passwd whose login shell is the limited one, without a jail. */
export function limitedUsers(): Pick<JailedUser, "name" | "home">[] {
  return usersIn("/etc/passwd").filter(({ shell }) => shell.endsWith("/jk_lsh"));
}

/** True if an account of the host's /etc/passwd has the login shell jk_chrootsh, and no jail in its home. */
export const isAnyHomeless = (): boolean =>
  usersIn("/etc/passwd").some(({ home, shell }) => shell.endsWith("/jk_chrootsh") && !home.includes("/./"));

function usersIn(file: ByteString): Pick<JailedUser, "name" | "home" | "shell">[] {
  const text = fromBytes(readFileIfPresent(file, PASSWD_LIMIT) ?? new Uint8Array(0));
  return text.split("\n").map((line) => {
    const [name = "", , , , , home = "", shell = ""] = line.split(":");
    return { name, home, shell: trim(shell) };
  });
}
