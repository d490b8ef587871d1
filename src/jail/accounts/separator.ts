import type { ByteString } from "../../../ffi/bytes.ts";

/** A home of passwd(5) split at the separator. */
interface SplitHome {
  /** The jail on the host, word for word: what stands before the separator. */
  jail: ByteString;
  /** The home as the jail sees it, with its leading slash: "/" where nothing follows the separator. */
  home: ByteString;
}

/**
 * Splits a home at its last "/./", as every tool does: the jail is what stands before, the home what follows, from
 * the separator's last slash on. Nothing is normalised, since what opens the jail compares it with where it leads.
 * Undefined where there is no separator, or where the jail would be the root directory of the host.
 */
export function splitHome(home: ByteString): SplitHome | undefined {
  const at = home.lastIndexOf("/./");
  if (at < 0) return undefined;
  const jail = home.slice(0, at);
  // "", "/", "/." and their like.
  if (/^[/.]*$/.test(jail) && !jail.includes("..")) return undefined;
  return { jail, home: home.slice(at + 2) };
}

/** The home, as passwd(5) of the host has it, of an account whose home in `jail` is `home` (with a leading slash). */
export function joinHome(jail: ByteString, home: ByteString): ByteString {
  return `${jail}/.${home}`;
}

/** True where two directories are written alike, but for one slash at the end of either. */
export function dirsEqual(a: ByteString, b: ByteString): boolean {
  return a === b || a === `${b}/` || b === `${a}/`;
}
