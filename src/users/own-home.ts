import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { type Advice, inWords, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { giveHome, giveTree, homeRemedy, jailSideRemedy } from "../enter/remedies.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import {
  isJailsOwn,
  isRootsPlace,
  mayBeGiven,
  moveToHome,
  otherHomeInDirectory,
  usualHome,
} from "../jail/accounts/home-place.ts";
import { asidePath } from "../jail/fs/home-aside.ts";
import { awaitedAt } from "../jail/fs/home-moves.ts";
import { isVacant } from "../jail/fs/home-place.ts";
import { isIn, lookUp } from "../jail/fs/look.ts";
import { inPlaceOfMount } from "../jail/fs/mounted-home.ts";
import { mountRemedy } from "../jail/fs/unmounted.ts";
import { hostPath, isDirectory, isLink, type JailRoot } from "../jail/fs/walk.ts";
import { holdsJail } from "../jail/record/registry.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { adviceAt } from "../system/exchange.ts";
import { freeName } from "../system/free-name.ts";
import { isSomebodys, keptAnew, livingOwner, unlessSomebodys, whoseHome } from "../system/home-owner.ts";
import { below } from "../system/mountinfo.ts";
import { dirsEqual, livesIn, splitHome } from "../system/separator.ts";
import { recall } from "./account-record.ts";
import { homesBeside } from "./home-beside.ts";
import { homesWhereKnown } from "./known-homes.ts";
import { homesInOthers, isCertain, type OtherJailHome, otherJailAdvice } from "./other-jail-home.ts";

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

/** Where a home is that the jail of its account lacks. */
export interface HomeElsewhere {
  /** On the host. */
  readonly path: ByteString;
  /** A run that was interrupted has put it there: the next one moves it to its place. */
  readonly isAside: boolean;
  /** What such a run has written down says so. */
  readonly isNoted: boolean;
  /** If it is, or may be, in another jail, or in another place of its own: where, and whether it is the only one. */
  readonly other?: (OtherJailHome & { readonly isOnly: boolean }) | undefined;
}

/**
 * Where the home of an account of a jail is, if there is none in the jail: outside still, since it was jailed without -m, or the move
 * did not come on the disk, or where an interrupted run has put it aside. That is the one of the record, which `recorded` knows, or
 * the one at the same path, if it is the account's own; or that of its line in another jail. Undefined if there is none, so that an
 * empty one hides nothing, and if the file system of its place in the jail is not mounted. Throws as `recorded`.
 */
export function homeElsewhere(
  user: Pick<PasswdEntry, "name" | "uid" | "home">,
  root: JailRoot,
  recorded?: () => ByteString | undefined,
): HomeElsewhere | undefined {
  const found = findElsewhere(user, root, recorded) ?? findInOther(user, root);
  const place = normalPath(splitHome(user.home)?.home ?? "/");
  return found === undefined || mountRemedy(hostPath(root, place)) !== undefined ? undefined : found;
}

function findElsewhere(
  user: Pick<PasswdEntry, "name" | "uid" | "home">,
  root: JailRoot,
  recorded = () => recall(root, user.name)?.home,
): HomeElsewhere | undefined {
  const split = splitHome(user.home);
  if (split === undefined || !livesIn(root.path, user.home)) return undefined;
  const home = normalPath(split.home);
  // An empty directory keeps its place meanwhile.
  const awaited = awaitedAt(root, home);
  if (awaited !== undefined) return { path: awaited, isAside: true, isNoted: true };
  if (answered(() => isVacant(root, home)) !== true) return undefined;
  const isOwn = ({ path }: HomeElsewhere) => {
    const stat = statIfPresent(AT_FDCWD, path);
    return stat !== undefined && isDirectory(stat) && stat.uid === user.uid;
  };
  const places = [recorded() ?? [], split.home]
    .flat()
    .map(normalPath)
    .filter((path) => below(path, root.path) === undefined);
  return places
    .flatMap((path) => [
      { path, isAside: false, isNoted: false },
      { path: asidePath(path), isAside: true, isNoted: false },
    ])
    .find(isOwn);
}

/** The same of another jail, or of another place, as after an older passwd(5) has come back. */
function findInOther(user: Pick<PasswdEntry, "name" | "uid" | "home">, root: JailRoot) {
  const split = splitHome(user.home);
  if (split === undefined || !livesIn(root.path, user.home)) return undefined;
  const home = normalPath(split.home);
  if (answered(() => isVacant(root, home)) !== true) return undefined;
  const [other, ...more] = homesInstead(user, root, home);
  if (other === undefined) return undefined;
  const isOnly = more.length === 0 && isCertain(user, other);
  return { path: other.path, isAside: false, isNoted: false, other: { ...other, isOnly } };
}

/**
 * The homes that an account may have where its own is not there: in its jail, and in others; those that no line has, but what is
 * declared, come first.
 */
export function homesInstead(user: Pick<PasswdEntry, "name" | "uid">, root: JailRoot, home: ByteString) {
  const found = [...homesBeside(user, root, home), ...homesInOthers(user, root, home)];
  const known = homesWhereKnown(user, root, home);
  return [...known.filter(({ path }) => !found.some((one) => one.path === path)), ...found];
}

/** What is said of a home that is elsewhere, printable, and the command that moves it into the jail, or "". */
export function elsewhereAdvice(
  { name, home }: Pick<PasswdEntry, "name" | "home">,
  jail: ByteString,
  found: HomeElsewhere,
) {
  if (found.other !== undefined) return otherJailAdvice({ name, home }, found.other, found.other.isOnly);
  const path = quoted(found.path);
  const message = found.isAside
    ? `an interrupted run has put its home aside in ${path}`
    : `its home is still ${path}`;
  const remedy = jailSideRemedy(jail, name, "-n -m");
  return { message, advice: `move it into the jail with: ${remedy}`, remedy };
}

/** What helps, as it is told where there may be no command. */
export const elsewhereHelp = ({ advice, remedy }: ReturnType<typeof elsewhereAdvice>): Advice =>
  remedy === "" ? inWords(advice) : remedy;

/** The home outside that an account of a jail has left behind, wherever it belongs; undefined if there is none. */
export function homeLeftOutside(user: PasswdEntry, root: JailRoot): ByteString | undefined {
  const found = findElsewhere(user, root);
  return found?.isAside === false ? found.path : undefined;
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
  const stat = lookUp(root, home)?.stat;
  // What comes first is the same in both ways.
  if (stat === undefined || remedy === undefined || !isSomebodys(stat, uid))
    return { advice: keptAnew(advice), remedy, stays: false };
  const give = adviceAt(shown, giveTree(stat, uid, shown)).advice;
  return { advice: unlessSomebodys(livingOwner(stat), give, advice), remedy: undefined, stays: false };
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
  // What is mounted there may be a directory of the host.
  if (found.stays || inPlaceOfMount(root, home) !== undefined) return found;
  const shown = hostPath(root, home);
  if (!mayBeGiven(stat, account.uid, isRoots)) return found;
  // Another group than root's may be meant: relax_home_group.
  const { advice, remedy } = adviceAt(shown, `${giveHome(account, stat, stat.gid !== 0)} ${operands(shown)}`);
  return { advice: `give it to the user: ${advice}`, remedy, stays: false };
}
