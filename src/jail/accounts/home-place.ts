import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { directoryOf, normalPath, pathComponents } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { type Advice, allOf, type Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { commandAt, onlyRootWrites } from "../../system/exchange.ts";
import { joinHome } from "../../system/separator.ts";
import { lookUp } from "../fs/look.ts";
import { isStrict } from "../fs/strict.ts";
import { unmountedPlace } from "../fs/unmounted.ts";
import { hostPath, isDirectory, type JailRoot } from "../fs/walk.ts";

// The system directories belong to the jail with all that is below; of the shared ones only the directory itself.
const SYSTEM = /^(?:bin|dev|etc|lib(?:32|64|x32)?|proc|sbin|sys|usr)$/;
const SHARED = /^(?:boot|home|media|mnt|opt|run|srv|tmp|var)$/;

/** True for a directory of the jail's own (as the jail sees it), which no account can have as its home. */
export function isJailsOwn(home: ByteString): boolean {
  const [, first = "", second] = normalPath(home).split("/");
  const isAlone = second === undefined && (SHARED.test(first) || isStrict(first));
  return first === "" || SYSTEM.test(first) || isAlone;
}

/**
 * Why no account can have a home (as the jail sees it), whether or not it exists; undefined if one can. At the top of a
 * jail, a user's directory with such a name makes the jail unsafe; and what has a name of jailkit's own counts as left over.
 * `all`: all of the jail's own directories count.
 */
export function neverHome(home: ByteString, all = false): string | undefined {
  const parts = pathComponents(normalPath(home));
  const isAtTop = parts.length === 1 && isStrict(parts[0] ?? "");
  if (isAtTop || (all && isJailsOwn(home))) return "is a directory of the jail's own";
  if (parts.some((part) => part.startsWith(".jk-")))
    return "has a name of jailkit's temporary files (.jk-...)";
  return undefined;
}

type Look = (path: ByteString) => Pick<Stat, "uid" | "gid" | "mode"> | undefined;

/**
 * True if nobody but root can have put what is at a path of a jail there: it is in one of the jail's own directories, which root's
 * group has. That nobody else can exchange it now proves little, since root may have closed a directory above meanwhile, as our own
 * advice says; its group then still is the one that could write it.
 */
export function isRootsPlace(path: ByteString, look: Look): boolean {
  const above = directoryOf(normalPath(path));
  if (!isJailsOwn(above)) return false;
  for (let at = above; ; at = directoryOf(at)) {
    const stat = look(at);
    if (stat === undefined || !isDirectory(stat) || !onlyRootWrites(stat) || stat.gid !== 0) return false;
    if (at === "/") return true;
  }
}

/**
 * True if a remedy may give an account (`uid`) the directory at the path of its home: it is its own, or root's, as after a
 * restore, in a place where root alone can have put it (`isRoots`). Any other one is kept under another name, and a new home takes its
 * place: the user may have moved it there.
 */
export const mayBeGiven = (stat: Pick<Stat, "uid" | "mode">, uid: number, isRoots: () => boolean): boolean =>
  isDirectory(stat) && (stat.uid === uid || (stat.uid === 0 && isRoots()));

/** The default home of an account, as the jail sees it. */
export const usualHome = (name: ByteString): ByteString => `/home/${name}`;

/**
 * Throws JailkitError "bad-home" for a home (as the jail sees it) that a new account cannot have: see neverHome; an existing
 * directory of the jail's own, or the home of another account. `uid`: that of the new account, if known; `usersOf`: the accounts of the jail
 * with a home; `advice`: what to do.
 */
export function requireFreeHome(
  root: JailRoot,
  home: ByteString,
  uid: number | undefined,
  { usersOf, advice }: { usersOf: (home: ByteString) => readonly PasswdEntry[]; advice: string },
): void {
  const why = neverHome(home, isJailsOwn(home) && lookUp(root, home) !== undefined);
  if (why !== undefined) throw badHome(root, home, why, advice);
  const other = usersOf(home).find((one) => one.uid !== uid);
  if (other !== undefined) throw homeOfOther(root, home, other, advice);
}

/** The error for a home; `what`: why nobody, or not this account, can have it; `advice`: with the command, if it is one. */
export function badHome(root: Pick<JailRoot, "path">, home: ByteString, what: ByteString, advice: Advised) {
  const { advice: text, remedy } = typeof advice === "string" ? { advice, remedy: undefined } : advice;
  return new JailkitError(
    "bad-home",
    1,
    `${quoted(hostPath(root, home))} ${what}: ${text}`,
    undefined,
    remedy,
  );
}

/** What to do about a home, and the command that does it. */
type Advised = string | { readonly advice: string; readonly remedy: Remedy | undefined };

/** The error for the home of another account. */
export const homeOfOther = (
  root: Pick<JailRoot, "path">,
  home: ByteString,
  { name }: Pick<PasswdEntry, "name">,
  advice: Advised,
): JailkitError => badHome(root, home, `is the home of ${quoted(name)}`, advice);

/** Why no home is created in that of another user, as the end of a sentence. `advice`: what to do. */
export const homeInside = (home: ByteString, { name }: Pick<PasswdEntry, "name">, advice: string): string =>
  `home ${quoted(home)} is not created in that of ${quoted(name)}, who could exchange it: ${advice}`;

/** How an account that usermod(8) cannot change gets the default home in its jail. */
export const otherHomeInDirectory = (jail: ByteString, name: ByteString): ByteString =>
  `give the account another home in its directory, such as ${shellWord(joinHome(jail, usualHome(name)))}`;

/** The command that gives an account another home in its jail, `home` as the jail sees it; it creates none. */
export const moveToHome = (jail: ByteString, home: ByteString, name: ByteString): Remedy =>
  `usermod -d ${shellWord(joinHome(jail, home))} ${operands(name)} && jk_jailuser --jail-side-only -j ${shellWord(jail)} ${operands(name)}`;

/**
 * Gives an account the default home in its jail, because its present one is not its own. `advise`: what says the same
 * as commandAt of the path of a home: install(1) follows a link there, and gives the account what that leads to.
 */
export function otherHomeAdvice(
  jail: ByteString,
  { name, uid, gid }: { name: ByteString; uid: number; gid: number },
  advise = commandAt,
): Advice {
  const home = usualHome(name);
  const place = `${jail}${home}`;
  // Then that is advised again, if it is still missing.
  const hidden = unmountedPlace({ path: jail }, [home]);
  if (hidden !== undefined) return hidden.remedy;
  const create: Remedy = `install -d -o +${uid} -g +${gid} -m 0700 ${shellWord(place)}`;
  return advise(place, allOf([moveToHome(jail, home, name), create]));
}
