import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, readLink, type Stat } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { type AclReading, aclAt } from "../../system/acl.ts";

/** An open directory of a jail. */
export interface Directory {
  /** O_PATH; -1 once closed, so that a stale one is an error and never another file. */
  fd: number;
  /** Its path as the jail sees it, without links: "/", "/usr/lib". */
  readonly path: ByteString;
  readonly stat: Stat;
  /**
   * It and all directories above it, up to the jail's root, belong to root and are writable by nobody else, so
   * nobody else can change what a name in it means.
   */
  readonly trusted: boolean;
  /** Where it is not trusted: the nearest trusted directory above from which rename(2) into it works. */
  readonly stage: Directory | undefined;
  /** Kept open by the root, or else to be closed by who asked for it. */
  readonly cached: boolean;
}

/** A directory above a jail. */
export interface Ancestor {
  readonly path: ByteString;
  readonly stat: Stat;
  /** Read only where it matters: see parentFindings of safety.ts. */
  readonly acl: AclReading;
}

/** An open jail; every look into it and every write starts from its descriptor. */
export interface JailRoot {
  /** The absolute path on the host, without ".", ".." and doubled slashes. */
  readonly path: ByteString;
  /** O_PATH | O_DIRECTORY. */
  readonly fd: number;
  readonly top: Directory;
  /** The directories above the jail, from "/" on, as they were when the jail was opened through them. */
  readonly ancestors: readonly Ancestor[];
  /** Whether what is written is to be on the disk before the next step (fsync(2)). */
  readonly sync: boolean;
  /** Trusted directories, by the path that was asked for; the least recently used first. */
  readonly cache: Map<ByteString, Directory>;
  /** How many of them stay open, about. */
  readonly cacheLimit: number;
}

/** How a tree is opened: see JailRoot. */
export interface TreeOptions {
  sync?: boolean;
  cacheLimit?: number;
}

const CACHE_LIMIT = 256;
const LINK_LIMIT = 40;

/** A path in the jail as the host's administrator would write it, for messages. */
export function hostPath(root: JailRoot, path: ByteString): ByteString {
  const rest = pathComponents(path).join("/");
  if (rest === "") return root.path;
  return root.path === "/" ? `/${rest}` : `${root.path}/${rest}`;
}

/**
 * The same error, naming `path` (a path of the host). Other errors come back as they are, and so do those that
 * name an absolute path already.
 */
export function namedError(error: unknown, path: ByteString): unknown {
  if (!(error instanceof SystemError) || error.path?.startsWith("/")) return error;
  return new SystemError(error.errno, error.call, path);
}

/**
 * True where nobody but root can change the names in a directory. The ACL need not be read for that: the bits of the
 * group are then its mask, and what the mask does not let through no entry gives (acl(5)).
 */
export function onlyRootWrites(stat: Pick<Stat, "uid" | "mode">): boolean {
  return stat.uid === 0 && (stat.mode & 0o022) === 0;
}

const isType = (stat: Pick<Stat, "mode">, type: number) => (stat.mode & C.S_IFMT) === type;

/** True for a directory. */
export const isDirectory = (stat: Pick<Stat, "mode">): boolean => isType(stat, C.S_IFDIR);
/** True for a symbolic link. */
export const isLink = (stat: Pick<Stat, "mode">): boolean => isType(stat, C.S_IFLNK);
/** True for a regular file. */
export const isRegular = (stat: Pick<Stat, "mode">): boolean => isType(stat, C.S_IFREG);

/**
 * True where a directory is writable by gid 0 alone, as far as its bits tell, which is tolerated above a jail: they
 * may be the mask of an ACL, which then is to be read. In a sticky directory it gives nobody what is root's.
 */
export function toleratesGroup(stat: Stat): boolean {
  return (stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & C.S_ISVTX) === 0;
}

/** `name` in the directory `path`. */
export function joinPath(path: ByteString, name: ByteString): ByteString {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}

/**
 * Opens the directory at an absolute path of the host, component by component from "/", following no symbolic
 * link; ".." is taken textually. Throws JailkitError: "relative-path",
 * "link-in-jail-path", "no-such-jail", "not-a-directory".
 */
export function openTree(path: ByteString, options: TreeOptions = {}): JailRoot {
  if (!path.startsWith("/")) {
    throw new JailkitError("relative-path", 1, `${display(path)}: not an absolute path; write it from / on`);
  }
  const parts: ByteString[] = [];
  for (const part of pathComponents(path)) {
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  const ancestors: Ancestor[] = [];
  let at: ByteString = "/";
  let fd = openAt(C.AT_FDCWD, "/", C.O_PATH | C.O_DIRECTORY);
  let stat = fstat(fd);
  try {
    for (const part of parts) {
      ancestors.push({ path: at, stat, acl: toleratesGroup(stat) ? aclAt(fd, ".") : "none" });
      at = joinPath(at, part);
      const next = openAt(fd, part, C.O_PATH | C.O_NOFOLLOW);
      close(fd);
      fd = next;
      stat = fstat(fd);
      if (isLink(stat)) {
        const message = `${display(at)}: is a symbolic link; name the directory that it leads to`;
        throw new JailkitError("link-in-jail-path", 1, message);
      }
      if (!isDirectory(stat)) throw new JailkitError("not-a-directory", 1, `${display(at)}: not a directory`);
    }
  } catch (error) {
    close(fd);
    if (!isErrno(error, "ENOENT")) throw namedError(error, at);
    const message = `${display(at)}: no such directory; make it with: mkdir -m 0755 ${shellWord(at)}`;
    throw new JailkitError("no-such-jail", 1, message);
  }
  const trusted = onlyRootWrites(stat);
  const top: Directory = { fd, path: "/", stat, trusted, stage: undefined, cached: true };
  const { sync = false, cacheLimit = CACHE_LIMIT } = options;
  return { path: at, fd, top, ancestors, sync, cache: new Map(), cacheLimit };
}

/**
 * Opens a jail; see openTree. "/" is refused ("jail-is-root"). Close it with closeJailRoot.
 */
export function openJailRoot(path: ByteString, options: TreeOptions = {}): JailRoot {
  const root = openTree(path, options);
  if (root.path !== "/") return root;
  closeJailRoot(root);
  throw new JailkitError("jail-is-root", 1, "/: is the root directory of this machine, not a jail");
}

/** Closes a jail and all descriptors that were kept for it. */
export function closeJailRoot(root: JailRoot): void {
  forgetDirectories(root);
  closeFd(root.top);
}

function closeFd(directory: Directory): void {
  if (directory.fd >= 0) close(directory.fd);
  directory.fd = -1;
}

/**
 * Drops what is remembered of directories, except one that is in use: to be called when a directory, or a link to
 * one, was changed or removed.
 */
export function forgetDirectories(root: JailRoot, except?: Directory): void {
  for (const directory of root.cache.values()) {
    if (directory !== root.top && directory !== except) closeFd(directory);
  }
  root.cache.clear();
  if (except?.cached && except !== root.top) root.cache.set(except.path, except);
}

/** Closes a directory that walk or openDirectory handed out, unless the root keeps it. */
export function release(directory: Directory): void {
  if (!directory.cached) closeFd(directory);
}

function evict(root: JailRoot): void {
  if (root.cache.size <= root.cacheLimit) return;
  for (const [key, directory] of root.cache) {
    if (directory !== root.top) closeFd(directory);
    root.cache.delete(key);
    if (root.cache.size <= (root.cacheLimit * 3) / 4) return;
  }
}

function remembered(root: JailRoot, key: ByteString): Directory | undefined {
  const directory = root.cache.get(key);
  if (directory === undefined) return undefined;
  root.cache.delete(key);
  if (directory.fd < 0) return undefined;
  root.cache.set(key, directory);
  return directory;
}

/** Describes a descriptor that was just opened in `parent`; the root is to `keep` it where it is trusted. */
function childDirectory(
  parent: Directory,
  path: ByteString,
  fd: number,
  stat: Stat,
  keep: boolean,
): Directory {
  const trusted = parent.trusted && onlyRootWrites(stat);
  const above = parent.trusted ? parent : parent.stage;
  // Renames work neither between mounts nor between the subvolumes of one.
  const renames =
    above !== undefined &&
    above.stat.mountId === stat.mountId &&
    above.stat.devMajor === stat.devMajor &&
    above.stat.devMinor === stat.devMinor;
  return { fd, path, stat, trusted, stage: !trusted && renames ? above : undefined, cached: trusted && keep };
}

/** The error for a link that an ordinary user may have planted. */
export function linkRefused(root: JailRoot, path: ByteString): JailkitError {
  const shown = display(hostPath(root, path));
  const message = `${shown}: is a symbolic link in a directory that users can write; name what it leads to instead`;
  return new JailkitError("link-in-untrusted-directory", 1, message);
}

/** Called for a component that is missing; makes it, whereupon it is looked up again. */
export type OnMissing = (parent: Directory, name: ByteString) => void;

/**
 * Walks to a directory of the jail as a process in the jail would see it: absolute links start at the jail's
 * root, ".." stops there, at most 40 links. A link is followed only where it stands in a trusted directory
 * ("link-in-untrusted-directory" otherwise): elsewhere a jailed user may have made it. Hand the result to
 * release. Throws SystemError ENOENT, ENOTDIR, ELOOP naming the host's path.
 */
export function walk(root: JailRoot, path: ByteString, onMissing?: OnMissing): Directory {
  const parts = pathComponents(path);
  const key = `/${parts.join("/")}`;
  const known = parts.length === 0 ? root.top : remembered(root, key);
  if (known !== undefined) return known;
  evict(root);
  const stack: Directory[] = [root.top];
  const upward = parts.includes("..");
  const todo = parts.reverse();
  let links = 0;
  let made = 0;
  let at = key;
  try {
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      const here = stack[stack.length - 1] ?? root.top;
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        if (here !== root.top) release(here);
        continue;
      }
      at = joinPath(here.path, name);
      const cached = here.trusted ? remembered(root, at) : undefined;
      // A path that leads here through a link is remembered too, but ".." after it means something else.
      if (cached?.path === at) {
        stack.push(cached);
        continue;
      }
      let fd: number;
      try {
        fd = openAt(here.fd, name, C.O_PATH | C.O_NOFOLLOW);
      } catch (error) {
        if (onMissing === undefined || !isErrno(error, "ENOENT") || made++ > 4096) throw error;
        onMissing(here, name);
        todo.push(name);
        continue;
      }
      const stat = fstat(fd);
      if (isDirectory(stat)) {
        const child = childDirectory(here, at, fd, stat, true);
        if (child.cached) root.cache.set(at, child);
        stack.push(child);
        continue;
      }
      let target: ByteString;
      try {
        if (!isLink(stat)) throw new SystemError(C.ENOTDIR, "open", undefined);
        if (!here.trusted) throw linkRefused(root, at);
        if (++links > LINK_LIMIT) throw new SystemError(C.ELOOP, "open", undefined);
        target = readLink(fd, "");
      } finally {
        close(fd);
      }
      if (target.startsWith("/")) for (const above of stack.splice(1)) release(above);
      todo.push(...pathComponents(target).reverse());
    }
  } catch (error) {
    for (const above of stack) release(above);
    throw namedError(error, hostPath(root, at));
  }
  const found = stack.pop() ?? root.top;
  for (const above of stack) release(above);
  if (found.cached && found !== root.top && !upward) root.cache.set(key, found);
  return found;
}

/** As walk, but the result stays open until the caller calls release, whatever else is done with the root. */
export function openDirectory(root: JailRoot, path: ByteString): Directory {
  const directory = walk(root, path);
  if (!directory.cached) return directory;
  return { ...directory, fd: openAt(directory.fd, ".", C.O_PATH | C.O_DIRECTORY), cached: false };
}

/** Opens the directory `name` in an open one, never through a link. Hand it to release. */
export function openChild(root: JailRoot, parent: Directory, name: ByteString): Directory {
  const path = joinPath(parent.path, name);
  try {
    const fd = openAt(parent.fd, name, C.O_PATH | C.O_NOFOLLOW | C.O_DIRECTORY);
    return childDirectory(parent, path, fd, fstat(fd), false);
  } catch (error) {
    throw namedError(error, hostPath(root, path));
  }
}
