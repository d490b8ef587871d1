import { type BasicStat, basicFstat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt } from "../../ffi/files.ts";
import { cArgument, errno, libc } from "../../ffi/libc.ts";
import { unsafeBecause } from "../config/trusted.ts";

/** Directories that stand in one, which is given by the names that lead to it. */
export type Group = readonly [above: readonly ByteString[], names: readonly ByteString[]];

/**
 * Where systems keep programs and what these start: interpreters, the dynamic linker, helpers. /usr/share too, where
 * many names in /usr/bin lead, and /opt, where programs keep helpers beside them. Not /etc, whose scripts are run by
 * root, nor /usr/games, from which no server starts anything.
 */
export const SYSTEM_GROUPS: readonly Group[] = [
  [[], ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"]],
  [["usr"], ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share"]],
  [
    ["usr", "local"],
    ["bin", "sbin", "lib", "libexec", "share"],
  ],
];

/** True for one of these directories, what is in it, and what is above it. */
export function isOfSystem(path: ByteString): boolean {
  return SYSTEM_GROUPS.some(([above, names]) =>
    names.some((name) => {
      const one = `/${[...above, name].join("/")}`;
      return path === "/" || path === one || path.startsWith(`${one}/`) || one.startsWith(`${path}/`);
    }),
  );
}

/** Why nothing may be executed from a directory. */
interface Reason {
  /** A clause. */
  why: ByteString;
  /** The directory, it or one above it, that others than root can write; undefined where that is not the reason. */
  unsafe?: UnsafeDirectory;
}

/** A directory that others than root can write. */
export interface UnsafeDirectory {
  path: ByteString;
  /** Why: the end of a sentence that begins with it. */
  because: ByteString;
}

/** A directory from which nothing may be executed. */
export interface LeftOut extends Reason {
  path: ByteString;
}

/** Whose directories are asked for. */
export interface ExecuteScope {
  /** Directories besides those of the system: absolute, without a slash at the end. */
  named: readonly ByteString[];
  /** The user's home directory. */
  home: ByteString;
  /** The named ones alone, and of these those that are there; none of the system's. */
  onlyNamed?: boolean;
}

// On many systems some of the names are missing, or links to others of them: nothing is wrong then.
const MISSING: Reason = { why: "there is no such directory, or it is a link" };

const [ENOENT, EACCES, ENOTDIR, ELOOP] = [2, 13, 20, 40];

/** Opens a directory in an open one that root alone can write; a link, or what is none, is MISSING. Throws SystemError. */
function openIn(above: number, name: ByteString): number | Reason {
  const flags = C.O_PATH | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_CLOEXEC;
  const fd = libc.openat(above, cArgument(name), flags, 0);
  if (fd >= 0) return fd;
  // No exception where nothing is wrong: a login has no time to make one.
  const number = errno();
  if (number === ENOENT || number === ENOTDIR || number === ELOOP) return MISSING;
  if (number === EACCES) return { why: "the user cannot look into it" };
  throw new SystemError(number, "open", name);
}

/** As unsafeBecause finds: the words take time. */
const isSafe = (stat: BasicStat): boolean => stat.uid === 0 && (stat.mode & 0o022) === 0;

/** Why others than root can write into an open directory; undefined where they cannot. */
function unsafe(fd: number, path: ByteString, stat: BasicStat): Reason | undefined {
  if (isSafe(stat)) return undefined;
  const directory = { path: path || "/", because: unsafeBecause(fstat(fd), 0) ?? "" };
  return { why: `${directory.path} ${directory.because}`, unsafe: directory };
}

/** Goes down to a directory, through directories into which root alone can write; or tells why not. */
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

/** The home and the directories above it, the nearest first; nothing where root alone can write into the home. */
function homeAndAbove(root: number, home: ByteString): BasicStat[] {
  const found: BasicStat[] = [];
  // What the user cannot reach is nobody's home.
  let fd = libc.openat(root, cArgument(home.slice(1)), C.O_PATH | C.O_DIRECTORY | C.O_CLOEXEC, 0);
  let last: BasicStat | undefined;
  while (fd >= 0) {
    const stat = basicFstat(fd);
    // Above the root there is only the root.
    const above =
      (last === undefined && isSafe(stat)) || (last !== undefined && same(last, stat))
        ? -1
        : openAt(fd, "..", C.O_PATH | C.O_DIRECTORY);
    if (above >= 0) found.push(stat);
    close(fd);
    fd = above;
    last = stat;
  }
  return found;
}

const same = (a: BasicStat, b: BasicStat): boolean =>
  a.inoLow === b.inoLow && a.inoHigh === b.inoHigh && a.devMajor === b.devMajor && a.devMinor === b.devMinor;

/**
 * Hands on, one by one and opened (O_PATH), the directories below `root` into which root alone can write: those of the
 * system, and the named ones. Each of them and all above belong to root, have no write bit for others (the named
 * entries of an ACL show in these bits: acl(5)), and are no links; and the home does not lie in it. Returns what was
 * left out; of the system's directories not those that are missing or links. Throws SystemError.
 */
export function eachTrustedDirectory(
  root: number,
  { named, home, onlyNamed = false }: ExecuteScope,
  use: (path: ByteString, fd: number) => void,
): LeftOut[] {
  const homes = homeAndAbove(root, home);
  const leftOut: LeftOut[] = [];
  const offer = (fd: number, path: ByteString): Reason | undefined => {
    const stat = basicFstat(fd);
    const why = unsafe(fd, path, stat);
    if (why !== undefined) return why;
    for (const one of homes) if (same(one, stat)) return { why: `the home ${home} lies in it` };
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
  if (!onlyNamed) for (const group of SYSTEM_GROUPS) offerGroup(group[0], group[1], false);
  for (const path of named) {
    const names = path.split("/").slice(1);
    if (names.some((name) => /^\.{0,2}$/.test(name))) leftOut.push({ path, why: "its path is not plain" });
    else offerGroup(names.slice(0, -1), names.slice(-1), !onlyNamed);
  }
  return leftOut;
}

/** Whether one of the directories that a scope names would be handed on by eachTrustedDirectory. Throws SystemError. */
export function someNamedCounts(root: number, scope: ExecuteScope): boolean {
  let found = false;
  if (scope.named.length > 0) {
    eachTrustedDirectory(root, { ...scope, onlyNamed: true }, () => {
      found = true;
    });
  }
  return found;
}
