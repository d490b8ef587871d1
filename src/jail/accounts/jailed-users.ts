import type { ByteString } from "../../../ffi/bytes.ts";
import { localUsers } from "../../system/flat-accounts.ts";
import { jailOfHome } from "../../system/separator.ts";

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

/** True for the login shell that enters a jail, wherever it is: whether it can be trusted is another question. */
export const isChrootShell = (shell: ByteString): boolean => shell.endsWith("/jk_chrootsh");

/** True for the shell that obeys jk_lsh.ini. */
export const isLimitedShell = (shell: ByteString): boolean => shell.endsWith("/jk_lsh");

/** The accounts of the host's /etc/passwd that live in a jail, in the order of the file. */
export function jailedUsers(): JailedUser[] {
  return localUsers().flatMap(({ name, home, shell }): JailedUser[] => {
    if (!home.includes("/./")) return [];
    return [{ name, home, shell, jail: jailOfHome(home) }];
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
  return localUsers().filter(({ shell }) => isLimitedShell(shell));
}

/** True if an account of the host's /etc/passwd has the login shell jk_chrootsh, and no jail in its home. */
export const isAnyHomeless = (): boolean =>
  localUsers().some(({ home, shell }) => isChrootShell(shell) && jailOfHome(home) === undefined);
