import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, ELOOP, MOST_LINKS, S_IFLNK, S_IFMT, S_IFREG, S_ISVTX } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readLink, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { parentOf, pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { type PasswdEntry, wholeGroup } from "../accounts.ts";
import { asUser, copyAnewAs } from "../as-user.ts";
import { adviceOf, copyAnew, onlyRootExchanges } from "../exchange.ts";
import { localUsers } from "../flat-accounts.ts";
import { asideCommand, freeName } from "../free-name.ts";
import { whoseHome } from "../home-owner.ts";
import { splitHome } from "../separator.ts";

/** A finding of sshd's StrictModes. */
interface StrictFinding {
  message: ByteString;
  advice: Advice;
}

type Account = Pick<PasswdEntry, "name" | "uid" | "home">;

/** The setting that names the file. */
type Keyword = "AuthorizedKeysFile" | "AuthorizedPrincipalsFile";

const CONTENTS: Readonly<Record<Keyword, string>> = {
  AuthorizedKeysFile: "keys",
  AuthorizedPrincipalsFile: "principals",
};

const isLink = ({ mode }: Stat) => (mode & S_IFMT) === S_IFLNK;

/** realpath(3): the path without symbolic links, "." and ".."; undefined if it does not exist. Throws SystemError. */
function realPath(path: ByteString, links = 0): ByteString | undefined {
  const names = pathComponents(path);
  let done: ByteString = "";
  for (const [index, name] of names.entries()) {
    const here = name === ".." ? parentOf(done) : `${done}/${name}`;
    const stat = statIfPresent(AT_FDCWD, here || "/");
    if (stat === undefined) return undefined;
    if (isLink(stat)) {
      if (links === MOST_LINKS) throw new SystemError(ELOOP, "realpath", path);
      const target = readLink(AT_FDCWD, here);
      const rest = names.slice(index + 1).join("/");
      return realPath(`${target.startsWith("/") ? "" : done}/${target}/${rest}`, links + 1);
    }
    done = here;
  }
  return done || "/";
}

/** A file or directory on the way from the root directory to a path. */
interface WayStep {
  path: ByteString;
  stat: Stat;
}

/** All directories above an absolute path, from the root directory on, and its end; undefined if one is missing. */
function wayTo(path: ByteString): WayStep[] | undefined {
  const names = pathComponents(path);
  const way = ["", ...names].flatMap((_, count): WayStep[] => {
    const at = `/${names.slice(0, count).join("/")}`;
    const stat = statIfPresent(AT_FDCWD, at);
    return stat === undefined ? [] : [{ path: at, stat }];
  });
  return way.length > names.length ? way : undefined;
}

// Debian's sshd, and that of its derivatives, allows group write if the user is the only member (user-group-modes.patch).
const isDebian = () => statIfPresent(AT_FDCWD, "/etc/debian_version", true) !== undefined;

/** True if the user is the only member of a group, by the host's own files. */
function isGroupOfOne(gid: number, uid: number): boolean {
  const group = wholeGroup(gid);
  if (group === undefined) return false;
  const users = localUsers();
  const members = users.filter((one) => one.gid === gid || group.members.includes(one.name));
  return members.length > 0 && members.every((one) => one.uid === uid);
}

/** True if others than root and the user can write a file or directory by its mode, and sshd(8) therefore reads no keys there. */
export function othersWrite({ mode, gid }: Pick<Stat, "mode" | "gid">, uid: number): boolean {
  if ((mode & 0o022) === 0) return false;
  return (mode & 0o002) !== 0 || !isDebian() || !isGroupOfOne(gid, uid);
}

type Fault = "kind" | "owner" | "mode";

function faultOf(place: WayStep, isFile: boolean, uid: number): Fault | undefined {
  const { uid: owner } = place.stat;
  if (isFile && (place.stat.mode & S_IFMT) !== S_IFREG) return "kind";
  if (owner !== 0 && owner !== uid) return "owner";
  return othersWrite(place.stat, uid) ? "mode" : undefined;
}

const WHAT: Readonly<Record<Fault, (place: WayStep) => ByteString>> = {
  kind: ({ path }) => `${path} is not a regular file`,
  owner: ({ path, stat }) => `${path} belongs to uid ${stat.uid}`,
  mode: ({ path }) => `${path} can be written by others`,
};

/**
 * The step that makes room for new keys at the end of a path, without losing anything. If users other than root could
 * exchange the end, the move is done as the user: of the end, or of the nearest path above it in a directory of theirs.
 */
function makeRoom(way: readonly WayStep[], { name, uid, home }: Account): string {
  const end = way.at(-1)?.path ?? "/";
  if (onlyRootExchanges(end)) return asideCommand(end);
  const theirs = way.findLast((_, index) => way[index - 1]?.stat.uid === uid);
  if (theirs !== undefined)
    return asUser({ name, jail: splitHome(home)?.jail }, "mv -nT", theirs.path, freeName(theirs.path, ".old"))
      .advice;
  const open = way.findIndex(({ path }) => !onlyRootExchanges(path));
  return `let root alone write ${display(way[open - 1]?.path ?? "/")}`;
}

/** A file that sshd objects to: the last one of `way`, a key file or a directory above one. */
interface Broken {
  way: readonly WayStep[];
  fault: Fault;
  isFile: boolean;
  inHome: boolean;
}

/**
 * What to do, if all above it that sshd checks is correct. Root changes only names that nobody else could exchange for a
 * link. What belongs to another user is not given to this user, who may have moved it there, a file by a hard link; and it is
 * unknown who wrote its keys.
 */
function adviceFor(
  { way, fault, isFile, inHome }: Broken,
  account: Account,
  file: ByteString,
  keyword: Keyword,
): Advice {
  const { path = "/", stat } = way.at(-1) ?? {};
  // What root would take from the user whose home it is in, or whose home it may be.
  const whose = fault === "owner" && !isFile ? whoseHome(path)?.why : undefined;
  if (inHome && whose !== undefined)
    return inWords(`give ${display(account.name)} another home than ${display(account.home)}: ${whose}`);
  const isShared = fault === "mode" && ((stat?.mode ?? 0) & S_ISVTX) !== 0;
  const elsewhere = `let ${keyword} name a file that is not below ${display(path)}`;
  if (!inHome && whose !== undefined) return inWords(`${elsewhere}: ${whose}`);
  // Such as /tmp.
  if (!inHome && isShared) return inWords(elsewhere);
  const copy = isFile && fault === "mode" && stat !== undefined ? copyAnew(path, stat, stat.uid) : undefined;
  if (copy !== undefined) return copy;
  if (fault === "mode" && !isFile && onlyRootExchanges(path)) return `chmod go-w ${operands(path)}`;
  if (fault === "mode" && stat?.uid === account.uid) {
    const acting = { name: account.name, jail: splitHome(account.home)?.jail };
    return isFile ? inWords(copyAnewAs(acting, path)) : adviceOf(asUser(acting, "chmod go-w", path));
  }
  if (fault === "owner" && onlyRootExchanges(path) && !isFile && !inHome)
    return `chown -h root ${operands(path)}`;
  return inWords(`put the ${CONTENTS[keyword]} into ${file} anew, after: ${makeRoom(way, account)}`);
}

/** The first symbolic link on the way from a directory to a path below it; undefined if none. Throws SystemError. */
export function firstLink(directory: ByteString, below: ByteString): ByteString | undefined {
  let at = directory;
  for (const name of pathComponents(below)) {
    at = `${at}/${name}`;
    const stat = statIfPresent(AT_FDCWD, at);
    if (stat !== undefined && isLink(stat)) return at;
  }
  return undefined;
}

/**
 * The finding of StrictModes for a file of keys or principals, as in safe_path of OpenSSH: the file, and each directory
 * above it up to the home (or the root directory, if it is elsewhere), must belong to root or the user, and nobody else
 * may write it. Returns the one nearest to the root directory, since what is below can be fixed afterwards; undefined if
 * there is none. Throws SystemError.
 */
export function strictFinding(
  file: ByteString,
  account: Account,
  keyword: Keyword = "AuthorizedKeysFile",
): StrictFinding | undefined {
  const path = realPath(file);
  const way = path === undefined ? undefined : wayTo(path);
  if (way === undefined) return undefined;
  const home = realPath(account.home);
  const top = way.findIndex((place) => place.path === home);
  for (const [index, place] of way.entries()) {
    const isFile = index === way.length - 1;
    const fault = index < top ? undefined : faultOf(place, isFile, account.uid);
    if (fault === undefined) continue;
    const found = WHAT[fault](place);
    const below = file.startsWith(`${account.home}/`) ? file.slice(account.home.length) : undefined;
    const link = top >= 0 || home === undefined || below === undefined ? undefined : firstLink(home, below);
    const wayToLink = link === undefined ? undefined : wayTo(link);
    if (wayToLink === undefined) {
      const broken = { way: way.slice(0, index + 1), fault, isFile, inHome: top >= 0 };
      return { message: found, advice: adviceFor(broken, account, file, keyword) };
    }
    const advice = inWords(
      `put a regular file of ${CONTENTS[keyword]} in the place of ${file}, after: ${makeRoom(wayToLink, account)}`,
    );
    return { message: `${file} leads out of the home, and ${found}`, advice };
  }
  return undefined;
}
