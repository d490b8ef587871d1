import { type BasicStat, basicFstat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, openIfPresent, readLink } from "../../ffi/files.ts";
import { cArgument, errno, libc } from "../../ffi/libc.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { unsafeBecause } from "../config/trusted.ts";
import { onlyRootWrites } from "../system/exchange.ts";

/** Names of directories, and the names that lead to the directory above them. */
export type Group = readonly [above: readonly ByteString[], names: readonly ByteString[]];

/**
 * The system's directories of programs, interpreters, the dynamic linker and helpers. Also /usr/share, where many links
 * of /usr/bin lead, and /opt. Not /etc, whose scripts root runs, nor /usr/games.
 */
export const SYSTEM_GROUPS: readonly Group[] = [
  [[], ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"]],
  [["usr"], ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share"]],
  [
    ["usr", "local"],
    ["bin", "sbin", "lib", "libexec", "share"],
  ],
];

/** True for one of these directories, and for a path below or above one. */
export function isOfSystem(path: ByteString): boolean {
  return SYSTEM_GROUPS.some(([above, names]) =>
    names.some((name) => {
      const one = `/${[...above, name].join("/")}`;
      return path === "/" || path === one || path.startsWith(`${one}/`) || one.startsWith(`${path}/`);
    }),
  );
}

/** A directory that users other than root can write. */
export interface UnsafeDirectory {
  path: ByteString;
  /** The reason, as the rest of a sentence that begins with the path. */
  because: ByteString;
}

/** A directory from which nothing may be executed. */
export interface LeftOut {
  path: ByteString;
  /** The reason, as a clause. */
  why: ByteString;
  /** The directory itself or one above it, if users other than root can write it. */
  unsafe?: UnsafeDirectory;
}

type Reason = Omit<LeftOut, "path">;

/** The directories to judge. */
export interface ExecuteScope {
  /** Directories besides the system's: absolute, without a slash at the end. */
  named: readonly ByteString[];
  /** The user's home directory. */
  home: ByteString;
  /** Only those of `named` that exist, and none of the system's. */
  onlyNamed?: boolean;
  /** Those of the system that are not judged yet; all unless it is given. */
  system?: readonly Group[];
}

const NAME = C.O_PATH | C.O_NOFOLLOW;

/** Why a directory that is not there does not count. */
export const NO_SUCH_DIRECTORY = "there is no such directory, or it is a link";
// On many systems some of the names are missing, or symbolic links to others of them, which is not a fault.
const MISSING: Reason = { why: NO_SUCH_DIRECTORY };

/** Opens a directory in an open one that only root can write. MISSING if it is a symbolic link, or not a directory. */
function openIn(above: number, name: ByteString): number | Reason {
  const flags = C.O_PATH | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_CLOEXEC;
  const fd = libc.openat(above, cArgument(name), flags, 0);
  if (fd >= 0) return fd;
  // Without an exception, which a login has no time for.
  const number = errno();
  if (number === C.ENOENT || number === C.ENOTDIR || number === C.ELOOP) return MISSING;
  if (number === C.EACCES) return { why: "the user cannot look into it" };
  throw new SystemError(number, "open", name);
}

/** Why users other than root can write an open directory; undefined if they cannot. */
function unsafe(fd: number, path: ByteString, stat: BasicStat): Reason | undefined {
  // Without the text of unsafeBecause, which takes time.
  if (onlyRootWrites(stat)) return undefined;
  const directory = { path: path || "/", because: unsafeBecause(fstat(fd)) ?? "" };
  return { why: `${directory.path} ${directory.because}`, unsafe: directory };
}

/** Opens a directory through directories that only root can write; or returns why not. */
function descend(root: number, names: readonly ByteString[]): number | Reason {
  let fd = openAt(root, ".", C.O_PATH | C.O_DIRECTORY);
  let here = "";
  let why = unsafe(fd, here, basicFstat(fd));
  for (const name of names) {
    if (why !== undefined) break;
    const next = openIn(fd, name);
    if (typeof next !== "number") {
      why = next;
      break;
    }
    close(fd);
    fd = next;
    here += `/${name}`;
    why = unsafe(fd, here, basicFstat(fd));
  }
  if (why === undefined) return fd;
  close(fd);
  return why;
}

/**
 * The home and the directories above it; none if only root can write the home and all of its path. Who can write a directory
 * of its path can lock the home, or put a link in its place, until the session has begun: that directory counts as well.
 * Symbolic links are resolved one by one, so that a directory counts to which one leads, though nothing in it can be opened.
 */
function homeAndAbove(root: number, home: ByteString): BasicStat[] {
  const found: BasicStat[] = [];
  const way: { fd: number; stat: BasicStat }[] = [];
  const enter = (fd: number, stat: BasicStat) => {
    way.push({ fd, stat });
    if (onlyRootWrites(stat)) return;
    for (const above of way) {
      let isKnown = false;
      for (const one of found) isKnown ||= sameInode(one, above.stat);
      if (!isKnown) found.push(above.stat);
    }
  };
  const leaveTo = (depth: number) => {
    while (way.length > depth) close(way.pop()?.fd ?? -1);
  };
  const top = openAt(root, ".", NAME | C.O_DIRECTORY);
  enter(top, basicFstat(top));
  const left = pathComponents(home).reverse();
  for (let links = 0; left.length > 0; ) {
    const name = left.pop() ?? "";
    if (name === "..") {
      // The directory above the root is the root.
      leaveTo(Math.max(1, way.length - 1));
      continue;
    }
    // What the user cannot reach does not count.
    const fd = openIfPresent(way[way.length - 1]?.fd ?? top, name, NAME);
    if (fd === undefined) break;
    const stat = basicFstat(fd);
    const type = stat.mode & C.S_IFMT;
    if (type === C.S_IFDIR) {
      enter(fd, stat);
      continue;
    }
    const target = type === C.S_IFLNK && ++links <= C.MOST_LINKS ? readLink(fd, "") : undefined;
    close(fd);
    if (target === undefined) break;
    if (target.startsWith("/")) leaveTo(1);
    for (const one of pathComponents(target).reverse()) left.push(one);
  }
  leaveTo(0);
  return found;
}

/** Whether two names lead to one file. */
export const sameInode = (a: BasicStat, b: BasicStat): boolean =>
  a.inoLow === b.inoLow && a.inoHigh === b.inoHigh && a.devMajor === b.devMajor && a.devMinor === b.devMinor;

/**
 * Calls `use` with each directory of the system and of `named` below `root` that only root can write, opened with
 * O_PATH. It and all directories above belong to root, have no write bit for group or others (which named entries of an
 * ACL show in: acl(5)), and are no symbolic links; and the home is not in it. Returns the directories that were left
 * out, without missing ones or links of the system's. Throws SystemError.
 */
export function eachTrustedDirectory(
  root: number,
  { named, home, onlyNamed = false, system = onlyNamed ? [] : SYSTEM_GROUPS }: ExecuteScope,
  use: (path: ByteString, fd: number) => void,
): LeftOut[] {
  const leftOut: LeftOut[] = [];
  if (system.length === 0 && named.length === 0) return leftOut;
  const homes = homeAndAbove(root, home);
  const offer = (fd: number, path: ByteString): Reason | undefined => {
    const stat = basicFstat(fd);
    const why = unsafe(fd, path, stat);
    if (why !== undefined) return why;
    for (const one of homes) if (sameInode(one, stat)) return { why: `the home ${home} is in it` };
    use(path, fd);
    return undefined;
  };
  const offerGroup = (above: readonly ByteString[], names: readonly ByteString[], all: boolean): void => {
    const directory = descend(root, above);
    const prefix = above.length === 0 ? "/" : `/${above.join("/")}/`;
    for (const name of names) {
      const path = prefix + name;
      const fd = typeof directory === "number" ? openIn(directory, name) : directory;
      const reason = typeof fd === "number" ? offer(fd, path) : fd;
      if (typeof fd === "number") close(fd);
      if (reason !== undefined && (all || reason !== MISSING)) leftOut.push({ path, ...reason });
    }
    if (typeof directory === "number") close(directory);
  };
  for (const group of system) offerGroup(group[0], group[1], false);
  for (const path of named) {
    const names = path.split("/").slice(1);
    if (names.some((name) => /^\.{0,2}$/.test(name))) leftOut.push({ path, why: "its path is not plain" });
    else offerGroup(names.slice(0, -1), names.slice(-1), !onlyNamed);
  }
  return leftOut;
}

/** True if eachTrustedDirectory would call `use` with one of the named directories. Throws SystemError. */
export function someNamedCounts(root: number, scope: ExecuteScope): boolean {
  let found = false;
  const use = () => {
    found = true;
  };
  if (scope.named.length > 0) eachTrustedDirectory(root, { ...scope, onlyNamed: true }, use);
  return found;
}
