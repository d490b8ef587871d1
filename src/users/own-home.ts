import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { giveHome, homeRemedy } from "../enter/remedies.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import {
  isJailsOwn,
  isRootsPlace,
  mayBeGiven,
  moveToHome,
  otherHomeInDirectory,
  usualHome,
} from "../jail/accounts/home-place.ts";
import { isIn, lookUp } from "../jail/fs/look.ts";
import { inPlaceOfMount } from "../jail/fs/mounted-home.ts";
import { hostPath, isDirectory, isLink, type JailRoot } from "../jail/fs/walk.ts";
import { holdsJail } from "../jail/record/registry.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { adviceAt } from "../system/exchange.ts";
import { freeName } from "../system/free-name.ts";
import { whoseHome } from "../system/home-owner.ts";
import { below } from "../system/mountinfo.ts";
import { dirsEqual, splitHome } from "../system/separator.ts";
import { recall } from "./account-record.ts";

/**
 * As whoseHome, of a path of the host; accounts that only the jail has count, too. `own`: the name of one that does not: what is
 * in the place of its home may be its own file, and its line in the jail may have another uid.
 */
export const whoseHomeIn = (
  root: JailRoot,
  path: ByteString,
  own?: ByteString,
): ReturnType<typeof whoseHome> =>
  whoseHome(
    path,
    (uid) =>
      readJailAccounts(root).users.flatMap(({ name, uid: its, home }) =>
        its === uid ? [{ name, home: hostPath(root, home) }] : [],
      ),
    own,
  );

/**
 * The home outside that an account of a jail has left behind, since it was jailed without -m: the one of the record, or that
 * at the same path, if it is the account's own and there is none in the jail. Undefined if there is none.
 */
export function homeLeftOutside(user: PasswdEntry, root: JailRoot): ByteString | undefined {
  const split = splitHome(user.home);
  if (split === undefined || normalPath(split.jail) !== root.path) return undefined;
  const isMissing = answered(() => lookUp(root, normalPath(split.home)) === undefined);
  if (isMissing !== true) return undefined;
  const places = [recall(root, user.name)?.home ?? [], split.home].flat().map(normalPath);
  return places.find((place) => {
    const stat = statIfPresent(AT_FDCWD, place);
    const isOwn = stat !== undefined && isDirectory(stat) && stat.uid === user.uid;
    return isOwn && below(place, root.path) === undefined;
  });
}

/** How an account gets the usual home, where its own is not for it alone, and the command if there is one. */
export function otherHomeAdvice(
  { name }: Pick<PasswdEntry, "name">,
  { path }: Pick<JailRoot, "path">,
  home: ByteString,
): { readonly advice: string; readonly remedy: Remedy | undefined } {
  const usual = usualHome(name);
  if (home === usual) return { advice: "give the account a home outside of it", remedy: undefined };
  if (!isLocalUser(name)) return { advice: otherHomeInDirectory(path, name), remedy: undefined };
  const remedy = moveToHome(path, usual, name);
  return { advice: `give the account another home: ${remedy}`, remedy };
}

/** The same advice without the command. */
export const otherHome = (...args: Parameters<typeof otherHomeAdvice>): string =>
  otherHomeAdvice(...args).advice;

/**
 * Why a home at a path of a tree is not moved: it is a symbolic link, and what it leads to would stay. A printable text after the
 * name of the account, with the command that names the real home, if root alone decides where the link leads; undefined for
 * another home.
 */
export function linkedHome({ name }: Pick<PasswdEntry, "name">, root: JailRoot, home: ByteString) {
  const found = lookUp(root, home);
  if (found === undefined || !isLink(found.stat)) return undefined;
  const is = `has the home ${quoted(hostPath(root, home))}, which is a symbolic link and is not moved`;
  const target = answered(() => lookUp(root, home, { follow: true })?.canonicalPath);
  if (target === undefined) return { message: `${is}: put the home itself there`, remedy: undefined };
  const remedy: Remedy = root.isJail
    ? moveToHome(root.path, target, name)
    : `usermod -d ${shellWord(target)} ${operands(name)}`;
  return { message: `${is}: give the account the home where it leads: ${remedy}`, remedy };
}

/** Why what is in the place of a home is none, printable, and whether its user may have put it there. */
export function whyNotHome(stat: Stat, { uid }: Pick<PasswdEntry, "uid">): string {
  if (isDirectory(stat)) return `belongs to uid ${stat.uid}, not to the user`;
  const what = `is not a directory, but a ${isLink(stat) ? "symbolic link" : "file"}`;
  return stat.uid === uid ? `${what} of its user` : what;
}

/** What to do about a home that belongs to somebody else. */
interface InPlaceOfOther {
  readonly advice: string;
  /** The command, if the advice is one. */
  readonly remedy: Remedy | undefined;
  /** It is another account's, the jail's own, or holds a jail, and stays. */
  readonly stays: boolean;
}

/** How an account gets a home in place of what is at `home`, which is not its own; `elsewhere`: if that stays. */
export function inPlaceOfOther(
  root: JailRoot,
  { name, uid, gid }: Pick<PasswdEntry, "name" | "uid" | "gid">,
  home: ByteString,
  elsewhere: ReturnType<typeof otherHomeAdvice>,
): InPlaceOfOther {
  const shown = hostPath(root, home);
  const isTheirs = () =>
    readJailAccounts(root).users.some(
      (one) => one.uid !== uid && one.name !== name && dirsEqual(one.home, home),
    );
  const why = whoseHomeIn(root, shown, name)?.why;
  if (why !== undefined) return { ...elsewhere, advice: `${why}: ${elsewhere.advice}`, stays: true };
  const hasJail = () => holdsJail(shown) !== undefined;
  if (isJailsOwn(home) || (answered(isTheirs) ?? true) || (answered(hasJail) ?? true))
    return { ...elsewhere, stays: true };
  const mount = inPlaceOfMount(root, home);
  if (mount !== undefined) return { ...mount, stays: false };
  const command = homeRemedy(shown, uid, gid, hostPath(root, freeName(home, ".old", isIn(root))));
  const { advice, remedy } = adviceAt(shown, command);
  return { advice: `keep it under another name, and create a new one: ${advice}`, remedy, stays: false };
}

/**
 * The same of an account that has lived in the jail: a directory of root in the place of its home, as after a restore by root,
 * becomes its own again, if root alone can have put it there. A login advises the same.
 */
export function inPlaceOrGiven(
  root: JailRoot,
  account: Pick<PasswdEntry, "name" | "uid" | "gid">,
  stat: Stat,
  home: ByteString,
  elsewhere: ReturnType<typeof otherHomeAdvice>,
): InPlaceOfOther {
  const found = inPlaceOfOther(root, account, home, elsewhere);
  const isRoots = () => isRootsPlace(home, (path) => lookUp(root, path)?.stat);
  if (found.stays || !mayBeGiven(stat, account.uid, isRoots)) return found;
  // What is mounted there may be a directory of the host.
  if (inPlaceOfMount(root, home) !== undefined) return found;
  const shown = hostPath(root, home);
  // Another group than root's may be meant: relax_home_group.
  const { advice, remedy } = adviceAt(shown, `${giveHome(account, stat, stat.gid !== 0)} ${operands(shown)}`);
  return { advice: `give it to the user: ${advice}`, remedy, stays: false };
}
