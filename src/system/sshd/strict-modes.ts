import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, ELOOP, S_IFLNK, S_IFMT, S_IFREG, S_ISVTX } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readLink, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { asUser, operands, readFirst } from "../../cli/shell-word.ts";
import { groupByGid, type PasswdEntry } from "../accounts.ts";
import { onlyRootExchanges } from "../exchange.ts";
import { hostText } from "../host-files.ts";

/** What sshd's StrictModes objects to: a path, and what mends it: a command, or words with one at their end. */
export interface StrictFinding {
  path: ByteString;
  message: ByteString;
  remedy: ByteString;
}

/** Whose keys they are. */
type Account = Pick<PasswdEntry, "name" | "uid" | "home">;

const MOST_LINKS = 40;

/** realpath(3): the path without links, "." and ".."; undefined where it leads nowhere. Throws SystemError. */
function realPath(path: ByteString): ByteString | undefined {
  let rest = pathComponents(path);
  let done: ByteString[] = [];
  let links = 0;
  while (rest.length > 0) {
    const [name = "", ...after] = rest;
    rest = after;
    if (name === "..") {
      done = done.slice(0, -1);
      continue;
    }
    const here = `/${[...done, name].join("/")}`;
    const stat = statIfPresent(AT_FDCWD, here);
    if (stat === undefined) return undefined;
    if ((stat.mode & S_IFMT) !== S_IFLNK) {
      done.push(name);
      continue;
    }
    if (++links > MOST_LINKS) throw new SystemError(ELOOP, "realpath", path);
    const target = readLink(AT_FDCWD, here);
    if (target.startsWith("/")) done = [];
    rest = [...pathComponents(target), ...rest];
  }
  return `/${done.join("/")}`;
}

/** Something on the way from the root directory to a path without links. */
interface Place {
  path: ByteString;
  stat: Stat;
}

/** All that is on the way, from the root directory to the end of the path; undefined where it leads nowhere. */
function wayTo(path: ByteString): Place[] | undefined {
  const names = pathComponents(path);
  const way: Place[] = [];
  for (let count = 0; count <= names.length; count++) {
    const at = `/${names.slice(0, count).join("/")}`;
    const stat = statIfPresent(AT_FDCWD, at);
    if (stat === undefined) return undefined;
    way.push({ path: at, stat });
  }
  return way;
}

const typeOf = ({ stat }: Place) => stat.mode & S_IFMT;
const isWritable = ({ stat }: Place) => (stat.mode & 0o022) !== 0;

// Debian's sshd, and that of its children, lets the group write whose one member the user is (user-group-modes.patch).
const isDebian = () => statIfPresent(AT_FDCWD, "/etc/debian_version", true) !== undefined;

/** Whether the user alone is in a group, as far as the machine's own files say. */
function isGroupOfOne(gid: number, uid: number): boolean {
  const group = groupByGid(gid);
  if (group === undefined) return false;
  const members = passwdEntries().filter((one) => one.gid === gid || group.members.includes(one.name));
  return members.length > 0 && members.every((one) => one.uid === uid);
}

function passwdEntries(): Pick<PasswdEntry, "name" | "uid" | "gid">[] {
  return (hostText("/etc/passwd") ?? "").split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = ""] = line.split(":");
    return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

type Fault = "kind" | "owner" | "mode";

function faultOf(place: Place, isFile: boolean, uid: number): Fault | undefined {
  const { uid: owner } = place.stat;
  if (isFile && typeOf(place) !== S_IFREG) return "kind";
  if (owner !== 0 && owner !== uid) return "owner";
  if (!isWritable(place)) return undefined;
  const byGroup = (place.stat.mode & 0o022) === 0o020 && isDebian() && isGroupOfOne(place.stat.gid, uid);
  return byGroup ? undefined : "mode";
}

const WHAT: Readonly<Record<Fault, (place: Place) => ByteString>> = {
  kind: ({ path }) => `${path} is no regular file`,
  owner: ({ path, stat }) => `${path} belongs to uid ${stat.uid}`,
  mode: ({ path }) => `${path} can be written by others`,
};

const endOf = (way: readonly Place[]): ByteString => way.at(-1)?.path ?? "/";

/**
 * The step before new keys can be put at the end of a way; nothing is lost. If users other than root could exchange the
 * end, it is moved with the rights of the user, or the nearest thing above it in a directory of theirs.
 */
function makeRoom(way: readonly Place[], { name, uid }: Account): ByteString {
  const move = (path: ByteString) => `mv -nT ${operands(path, `${path}.old`)}`;
  if (onlyRootExchanges(endOf(way))) return move(endOf(way));
  const theirs = way.findLast((_, index) => way[index - 1]?.stat.uid === uid);
  if (theirs !== undefined) return asUser(name, move(theirs.path));
  const open = way.findIndex(({ path }) => !onlyRootExchanges(path));
  return `let root alone write ${way[open - 1]?.path ?? "/"}`;
}

/** What sshd objects to: the end of a way, which is a file of keys or a directory that one is in. */
interface Broken {
  way: readonly Place[];
  fault: Fault;
  isFile: boolean;
  inHome: boolean;
}

/**
 * What mends it, where all above it that sshd looks at is as it should be. By its name, root changes only what nobody else
 * could exchange for a link. A file of somebody else's does not become the user's: it may have come there by a link, and
 * whose keys are in it is not known.
 */
function remedyFor({ way, fault, isFile, inHome }: Broken, account: Account, file: ByteString): ByteString {
  const { path = "/", stat } = way.at(-1) ?? {};
  const close = `chmod go-w ${operands(path)}`;
  // A directory of everybody's, such as /tmp.
  if (fault === "mode" && !inHome && ((stat?.mode ?? 0) & S_ISVTX) !== 0)
    return `let AuthorizedKeysFile name a file that is not below ${path}`;
  const first = isFile ? readFirst(path) : "";
  if (fault === "mode" && onlyRootExchanges(endOf(way))) return first + close;
  if (fault === "mode" && stat?.uid === account.uid) return first + asUser(account.name, close);
  if (fault === "owner" && onlyRootExchanges(endOf(way)) && !isFile)
    return `chown -h ${inHome ? account.uid : "root"} ${operands(path)}`;
  return `put the keys into ${file} anew, after: ${makeRoom(way, account)}`;
}

/** The first symbolic link on the way from a directory to a path below it; undefined for none. Throws SystemError. */
export function firstLink(directory: ByteString, below: ByteString): ByteString | undefined {
  let at = directory;
  for (const name of pathComponents(below)) {
    at = `${at}/${name}`;
    const stat = statIfPresent(AT_FDCWD, at);
    if (stat !== undefined && (stat.mode & S_IFMT) === S_IFLNK) return at;
  }
  return undefined;
}

/**
 * What StrictModes of sshd_config(5) objects to at a file of keys, as safe_path of OpenSSH looks: the file, and each
 * directory above it up to the home (to the root directory, where it lies elsewhere) is root's or the user's, and nobody
 * else can write it. Of several the one nearest to the root directory: what is below it can be mended then. undefined for
 * nothing. Throws SystemError.
 */
export function strictFinding(file: ByteString, account: Account): StrictFinding | undefined {
  const path = realPath(file);
  const way = path === undefined ? undefined : wayTo(path);
  if (way === undefined) return undefined;
  const home = realPath(account.home);
  const top = way.findIndex((place) => place.path === home);
  for (const [index, place] of way.entries()) {
    const isFile = index === way.length - 1;
    const fault = index < top ? undefined : faultOf(place, isFile, account.uid);
    if (fault === undefined) continue;
    const found = { path: place.path, message: WHAT[fault](place) };
    const below = file.startsWith(`${account.home}/`) ? file.slice(account.home.length) : undefined;
    const link = top >= 0 || home === undefined || below === undefined ? undefined : firstLink(home, below);
    const wayToLink = link === undefined ? undefined : wayTo(link);
    if (wayToLink === undefined) {
      const broken = { way: way.slice(0, index + 1), fault, isFile, inHome: top >= 0 };
      return { ...found, remedy: remedyFor(broken, account, file) };
    }
    const message = `${file} leads out of the home, and ${found.message}`;
    const remedy = `put a file of keys in the place of ${file}, and no link, after: ${makeRoom(wayToLink, account)}`;
    return { ...found, message, remedy };
  }
  return undefined;
}
