import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";

/** A home of passwd(5) split at the separator. */
interface SplitHome {
  /** The jail on the host: the part before the separator, word for word. */
  jail: ByteString;
  /** The home as the jail sees it, with its leading slash; "/" if nothing follows the separator. */
  home: ByteString;
}

/** Whether a path is "", "/", "/." or similar. Without a pattern, which would cost a login time. */
function isRoot(path: ByteString): boolean {
  for (let i = 0; i < path.length; i++) if (path[i] !== "/" && path[i] !== ".") return false;
  return !path.includes("..");
}

/**
 * Splits a home at its last "/./", as every tool does: the jail is the part before it, the home the part after it, from the
 * separator's last slash on. Nothing is normalised: the path of the jail is compared with the directory when it is opened.
 * Undefined if there is no separator, or if the jail would be the root directory of the host.
 */
export function splitHome(home: ByteString): SplitHome | undefined {
  const at = home.lastIndexOf("/./");
  if (at < 0) return undefined;
  const jail = home.slice(0, at);
  if (isRoot(jail)) return undefined;
  return { jail, home: home.slice(at + 2) };
}

/** The jail of a home, with nothing to resolve, as openJailRoot opens it; undefined if it is in none. */
export function jailOfHome(home: ByteString): ByteString | undefined {
  const split = splitHome(home);
  return split === undefined ? undefined : normalPath(split.jail);
}

/** The home in passwd(5) of the host for an account in `jail` with the home `home` there (with a leading slash). */
export function joinHome(jail: ByteString, home: ByteString): ByteString {
  return `${jail}/.${home}`;
}

/** A home of passwd(5) with nothing to resolve, with the separator if it is in a jail. */
export function normalHome(home: ByteString): ByteString {
  const split = splitHome(home);
  return split === undefined ? normalPath(home) : joinHome(normalPath(split.jail), normalPath(split.home));
}

/**
 * Whether a login takes a home of the host for the home `inside` of a jail: it compares the text, as both account files and the
 * path of the jail have it.
 */
export function isHomeIn(jail: ByteString, home: ByteString, inside: ByteString): boolean {
  const split = splitHome(home);
  return split !== undefined && dirsEqual(split.jail, jail) && dirsEqual(split.home, inside);
}

/** Whether a home of passwd(5) is the home `inside` of a jail, with nothing to resolve in either. */
export const isSameHome = (home: ByteString, jail: ByteString, inside: ByteString): boolean =>
  normalHome(home) === joinHome(jail, normalPath(inside));

/** True if two paths are equal, except for a slash at the end of either. */
export function dirsEqual(a: ByteString, b: ByteString): boolean {
  return a === b || a === `${b}/` || b === `${a}/`;
}

/** A home as its jail sees it, with nothing to resolve; "/" if it is in none. */
export const homeInJail = (home: ByteString): ByteString => normalPath(splitHome(home)?.home ?? "/");

/** True if a home is in this jail, however it is written. A login also compares the text: see isHomeIn. */
export const livesIn = (jail: ByteString, home: ByteString): boolean => jailOfHome(home) === jail;
