import type { PasswdEntry } from "./accounts.ts";

// PASSWD_ENTRY_MAX_LENGTH of shadow, less what it reckons for the ids and the colons.
const MOST = 32_768 - 100;

/**
 * Why useradd(8) and usermod(8) fail at the end, when all else is done: they cannot write the line of an account with such a
 * comment. Undefined if they can. Pure.
 */
export function commentFault(entry: Omit<PasswdEntry, "uid" | "gid">): string | undefined {
  const { name, password, gecos, home, shell } = entry;
  const over = name.length + password.length + gecos.length + home.length + shell.length - MOST;
  const bytes = over === 1 ? "1 byte" : `${over} bytes`;
  const fault = `with it, the line of passwd(5) is ${bytes} longer than useradd(8) and usermod(8) can write`;
  return over > 0 ? fault : undefined;
}
