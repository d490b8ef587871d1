import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import {
  fstat,
  isEmptyDirectory,
  openAt,
  readAllFd,
  readLink,
  type Stat,
  sameFile,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { baseName, directoryOf, normalPath, pathComponents } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { aclOf, modeWithoutAcl } from "../../system/acl.ts";
import type { IsThere } from "../../system/free-name.ts";
import { mayFollow } from "./strict.ts";
import {
  type Directory,
  hostPath,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  linkRefused,
  namedError,
  openTree,
  release,
  walk,
  withDirectory,
} from "./walk.ts";

/** How often to open a file that is exchanged each time. */
const MOST_ATTEMPTS = 64;

/** Splits a path of the jail into its directory and its last component, which must not be ".." or missing. */
export function splitPath(root: JailRoot, path: ByteString): { above: ByteString; name: ByteString } {
  const parts = pathComponents(path);
  const name = parts.pop();
  if (name === undefined || name === "..") throw new SystemError(C.EINVAL, "path", hostPath(root, path));
  return { above: `/${parts.join("/")}`, name };
}

/** A name in an open directory of a jail. */
export interface Spot {
  readonly root: JailRoot;
  readonly parent: Directory;
  readonly name: ByteString;
}

/** A name in a directory that nobody but root can reach. */
export interface CopySpot extends Pick<Spot, "parent" | "name"> {
  readonly root: Pick<JailRoot, "path" | "sync">;
}

/** Calls `use` with the open directory of `path` and the last component. */
export function atSpot<T>(root: JailRoot, path: ByteString, use: (spot: Spot) => T): T {
  const { above, name } = splitPath(root, path);
  return withDirectory(root, above, (parent) => use({ root, parent, name }));
}

/** The path of a spot on the host. */
export const spotPath = ({ root, parent, name }: CopySpot): ByteString =>
  hostPath(root, joinPath(parent.path, name));

/** A file at a path of a jail. */
export interface Found {
  stat: Stat;
  /** As the jail sees it, without symbolic links. */
  canonicalPath: ByteString;
}

interface OpenPlace extends Found {
  directory: Directory;
  name: ByteString;
}

/** Finds `path` and calls `use` while its directory is open; undefined if it does not exist. */
function withPlace<T>(
  root: JailRoot,
  path: ByteString,
  follow: boolean,
  use: (place: OpenPlace) => T,
): T | undefined {
  let rest = path;
  for (let links = 0; links <= C.MOST_LINKS; links++) {
    const parts = pathComponents(rest);
    const name = parts.pop();
    // The root, or the target of "..": a directory, so walk there.
    const bare = name === undefined || name === "..";
    let directory: Directory;
    try {
      directory = walk(root, bare ? rest : parts.join("/"));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
    try {
      if (bare) {
        return use({ directory, name: ".", stat: fstat(directory.fd), canonicalPath: directory.path });
      }
      const canonicalPath = joinPath(directory.path, name);
      const stat = statIfPresent(directory.fd, name);
      if (stat === undefined) return undefined;
      if (!follow || !isLink(stat)) return use({ directory, name, stat, canonicalPath });
      if (!mayFollow(directory, stat)) throw linkRefused(root, canonicalPath);
      const target = readLink(directory.fd, name);
      rest = target.startsWith("/") ? target : `${directory.path}/${target}`;
    } catch (error) {
      throw namedError(error, hostPath(root, path));
    } finally {
      release(directory);
    }
  }
  throw new SystemError(C.ELOOP, "open", hostPath(root, path));
}

/** The file at `path`, as the jail sees it (see walk); undefined if missing. `follow`: also a symbolic link at the end. */
export function lookUp(root: JailRoot, path: ByteString, { follow = false } = {}): Found | undefined {
  return withPlace(root, path, follow, ({ stat, canonicalPath }) => ({ stat, canonicalPath }));
}

/** Throws SystemError for what is at a path, and was not found when it was opened: a symbolic link that leads nowhere. */
export function requireAbsent(root: JailRoot, path: ByteString): undefined {
  if (lookUp(root, path) !== undefined) throw new SystemError(C.ENOENT, "open", path);
}

/** Whether something has a path of a jail, for freeName. */
export const isIn =
  (root: JailRoot): IsThere =>
  (path) =>
    answered(() => lookUp(root, path)) !== undefined;

/**
 * The last directory that can be reached on the way to `path`, as the jail sees both, and why it goes no further: this
 * process cannot pass it, or what comes next is missing. Undefined if the way leads to the end.
 */
function endOfWay(
  root: JailRoot,
  path: ByteString,
): { at: ByteString; why: "closed" | "missing" } | undefined {
  let at = "";
  let names = pathComponents(path);
  let links = 0;
  while (names.length > 0 && links <= C.MOST_LINKS) {
    const [name = "", ...rest] = names;
    const next = `${at}/${name}`;
    try {
      const found = lookUp(root, next);
      if (found === undefined) return { at: at || "/", why: "missing" };
      const target = isLink(found.stat) ? readJailLink(root, next) : undefined;
      if (target === undefined) {
        at = next;
        names = rest;
        continue;
      }
      links++;
      names = [...pathComponents(normalPath(target.startsWith("/") ? target : `${at}/${target}`)), ...rest];
      at = "";
    } catch (error) {
      if (isErrno(error, "EACCES")) return { at: at || "/", why: "closed" };
      throw error;
    }
  }
  return undefined;
}

/** The directory that this process cannot pass on the way to `path`, as the jail sees both; undefined if it can pass all. */
export function closedOnTheWay(root: JailRoot, path: ByteString): ByteString | undefined {
  const end = endOfWay(root, path);
  return end?.why === "closed" ? end.at : undefined;
}

/**
 * The empty directory of root's, on the way to a path that is missing, on which a live jail has a directory of the host
 * mounted; undefined if there is none. The record, which only root can read, says whether the jail is live.
 */
export function emptyMountPoint(root: JailRoot, path: ByteString): ByteString | undefined {
  const end = endOfWay(root, path);
  if (end?.why !== "missing" || !/^\/(?:usr(?:\/local)?|opt(?:\/.*)?)$/.test(end.at)) return undefined;
  return withDirectory(root, end.at, ({ fd, stat }) =>
    stat.uid === 0 && isEmptyDirectory(fd) ? end.at : undefined,
  );
}

/** True if there is an empty directory at a path that leads through no link. */
export const isEmptyAt = (root: JailRoot, path: ByteString): boolean =>
  answered(() => withDirectory(root, path, (at) => at.path === path && isEmptyDirectory(at.fd))) ?? false;

/** The text of the symbolic link at `path`; undefined if it does not exist. Throws EINVAL for other files. */
export function readJailLink(root: JailRoot, path: ByteString): ByteString | undefined {
  return withPlace(root, path, false, ({ directory, name }) => readLink(directory.fd, name));
}

/**
 * Opens a regular file of the jail for reading, with symbolic links followed as in walk, and calls `use`; undefined if it
 * does not exist. Other types of files are never opened: EINVAL. EAGAIN: the file was exchanged at each of many attempts.
 */
export function withJailFile<T>(
  root: JailRoot,
  path: ByteString,
  use: (fd: number, found: Found) => T,
  { follow = true } = {},
): T | undefined {
  const look = (last: boolean) =>
    withPlace(root, path, follow, ({ directory, name, stat, canonicalPath }) => {
      if (!isRegular(stat)) throw new SystemError(C.EINVAL, "not a regular file", undefined);
      // Non-blocking, and compared: a user may put a FIFO in its place meanwhile.
      const flags = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
      return withFd(openAt(directory.fd, name, flags), (fd) => {
        const opened = fstat(fd);
        if (sameFile(opened, stat)) return { result: use(fd, { stat: opened, canonicalPath }) };
        if (last) throw new SystemError(C.EAGAIN, "open", undefined);
        return "exchanged";
      });
    });
  // Another of our programs may just have renamed a new file to this path.
  for (let attempt = 1; ; attempt++) {
    const found = look(attempt === MOST_ATTEMPTS);
    if (found !== "exchanged") return found?.result;
  }
}

/**
 * Owner and mode for the replacement of a regular file of the jail. It has no ACL, so the group gets only the bits of its
 * own entry. Undefined if the file does not exist. Symbolic links are followed as in walk.
 */
export function attributesAt(root: JailRoot, path: ByteString) {
  return withJailFile(root, path, (fd, { stat: { mode, uid, gid } }) => ({
    mode: modeWithoutAcl(mode, aclOf(fd)) & 0o7777,
    uid,
    gid,
  }));
}

/** The content of a regular file of the jail, at most `limit` bytes (EFBIG); undefined if it does not exist. */
export function readJailFile(root: JailRoot, path: ByteString, limit: number): Uint8Array | undefined {
  return withJailFile(root, path, (fd, { stat }) => readAllFd(fd, limit, stat.size));
}

let shared: JailRoot | undefined;

/** Calls `use` with a directory of the host, opened as jails are, so that the same rules for symbolic links apply. */
export function withTree<T>(use: (tree: JailRoot) => T, path: ByteString = "/"): T {
  if (shared !== undefined && path === "/") return use(shared);
  using tree = openTree(path);
  return use(tree);
}

/** Does work that changes nothing, with one open tree of the host for all that it looks up. Do not nest. */
export function withOneTree<T>(work: () => T): T {
  using tree = openTree("/");
  shared = tree;
  try {
    return work();
  } finally {
    shared = undefined;
  }
}

/** Where a path of a jail is on the host, by the links of the jail; its end, and directories above that, may be missing. */
export function placeOnHost(root: JailRoot, path: ByteString): ByteString {
  const above = directoryOf(path);
  const found = lookUp(root, above, { follow: true });
  const directory = found === undefined ? placeOnHost(root, above) : hostPath(root, found.canonicalPath);
  return joinPath(directory, baseName(path));
}
