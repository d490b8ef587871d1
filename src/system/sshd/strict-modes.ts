import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, ELOOP, S_IFLNK, S_IFMT, S_IFREG, S_ISVTX } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readLink, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { asUser, operands, readFirst } from "../../cli/shell-word.ts";
import { groupByGid, type PasswdEntry } from "../accounts.ts";
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
export function realPath(path: ByteString): ByteString | undefined {
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

/**
 * Whether nobody but root could exchange the end of a way: all above it is root's alone, or sticky and holds what is
 * root's.
 */
function isRoots(way: readonly Place[]): boolean {
  return way.slice(0, -1).every((place, index) => {
    const held = (place.stat.mode & S_ISVTX) !== 0 && way[index + 1]?.stat.uid === 0;
    return place.stat.uid === 0 && (held || !isWritable(place));
  });
}

/**
 * What is to be done before new keys are put where the end of a way is; nothing is lost. Where others than root could
 * exchange it, it is moved with the rights of the user, or what holds it and stands in a directory of theirs.
 */
function makeRoom(way: readonly Place[], { name, uid }: Account): ByteString {
  const move = ({ path }: Place) => `mv -nT ${operands(path, `${path}.old`)}`;
  const last = way.at(-1);
  if (last !== undefined && isRoots(way)) return move(last);
  const theirs = way.findLast((_, index) => way[index - 1]?.stat.uid === uid);
  if (theirs !== undefined) return asUser(name, move(theirs));
  const open = way.find((_, index) => !isRoots(way.slice(0, index + 2)));
  return `let root alone write ${open?.path ?? "/"}`;
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
  if (fault === "mode" && isRoots(way)) return first + close;
  if (fault === "mode" && stat?.uid === account.uid) return first + asUser(account.name, close);
  if (fault === "owner" && isRoots(way) && !isFile)
    return `chown -h ${inHome ? account.uid : "root"} ${operands(path)}`;
  return `put the keys into ${file} anew, after: ${makeRoom(way, account)}`;
}

/** The way to the first link between the home and a file in it; undefined where there is none. */
function linkIn(home: ByteString, file: ByteString): Place[] | undefined {
  const names = pathComponents(file);
  return names
    .map((_, index) => wayTo(`${home}/${names.slice(0, index + 1).join("/")}`))
    .find((way) => way?.some((place) => typeOf(place) === S_IFLNK));
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
    const link = top >= 0 || home === undefined || below === undefined ? undefined : linkIn(home, below);
    if (link === undefined) {
      const broken = { way: way.slice(0, index + 1), fault, isFile, inHome: top >= 0 };
      return { ...found, remedy: remedyFor(broken, account, file) };
    }
    const message = `${file} leads out of the home, and ${found.message}`;
    const remedy = `put a file of keys in the place of ${file}, and no link, after: ${makeRoom(link, account)}`;
    return { ...found, message, remedy };
  }
  return undefined;
}
