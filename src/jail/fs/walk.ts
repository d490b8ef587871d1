import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, type FileIdentity, fstat, openAt, readLink, type Stat } from "../../../ffi/files.ts";
import { normalPath, pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { aclAt } from "../../system/acl.ts";
import { nameTarget, onlyRootWrites, toleratesGroup } from "../../system/exchange.ts";
import { closeDirectory, DirectoryCache } from "./cache.ts";
import {
  type Ancestor,
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  type JailRoot,
  joinPath,
  namedError,
  type TreeOptions,
} from "./root.ts";
import { mayFollow } from "./strict.ts";

export {
  type Ancestor,
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  namedError,
  type TreeOptions,
} from "./root.ts";

/** An open directory as one above a jail. `path` is on the host. */
export function ancestorAt(path: ByteString, { fd, stat }: Pick<Directory, "fd" | "stat">): Ancestor {
  return { path, stat, acl: toleratesGroup(stat) ? aclAt(fd, ".") : "none" };
}

// In one walk.
const MAKE_LIMIT = 4096;

/**
 * Opens the directory at an absolute path of the host, component by component from "/", without following symbolic links;
 * ".." is resolved in the text. Throws JailkitError: "relative-path", "link-in-jail-path", "no-such-jail",
 * "not-a-directory".
 */
export function openTree(
  path: ByteString,
  { sync = false, cacheLimit, isJail = false }: TreeOptions = {},
): JailRoot {
  if (!path.startsWith("/")) {
    throw new JailkitError("relative-path", 1, `${display(path)}: not an absolute path; write it from / on`);
  }
  const ancestors: Ancestor[] = [];
  let at: ByteString = "/";
  let fd = openAt(C.AT_FDCWD, "/", C.O_PATH | C.O_DIRECTORY);
  let stat = fstat(fd);
  try {
    for (const part of pathComponents(normalPath(path))) {
      ancestors.push(ancestorAt(at, { fd, stat }));
      at = joinPath(at, part);
      const next = openAt(fd, part, C.O_PATH | C.O_NOFOLLOW);
      close(fd);
      fd = next;
      stat = fstat(fd);
      if (isLink(stat)) {
        const message = `${display(at)}: is a symbolic link; ${nameTarget(at)}`;
        throw new JailkitError("link-in-jail-path", 1, message);
      }
      if (!isDirectory(stat)) throw new JailkitError("not-a-directory", 1, `${display(at)}: not a directory`);
    }
  } catch (error) {
    close(fd);
    if (!isErrno(error, "ENOENT")) throw namedError(error, at);
    const message = `${display(at)}: no such directory; create it with: mkdir -m 0755 ${shellWord(at)}`;
    throw new JailkitError("no-such-jail", 1, message);
  }
  const mount = { path: "/", stat };
  const top = { fd, path: "/", stat, trusted: onlyRootWrites(stat), stage: undefined, mount, cached: true };
  const cache = new DirectoryCache<Directory>(cacheLimit);
  return {
    path: at,
    fd,
    top,
    ancestors,
    sync,
    isJail,
    cache,
    [Symbol.dispose]: () => closeJailRoot({ cache, top }),
  };
}

/** Opens a jail; see openTree. "/" is refused ("jail-is-root"). Close it by `using`, or with closeJailRoot. */
export function openJailRoot(path: ByteString, options: TreeOptions = {}): JailRoot {
  const root = openTree(path, { ...options, isJail: true });
  if (root.path !== "/") return root;
  closeJailRoot(root);
  throw new JailkitError("jail-is-root", 1, "/: is the root directory of this machine, not a jail");
}

/** Closes a jail and the descriptors that it keeps. */
export function closeJailRoot({ cache, top }: Pick<JailRoot, "cache" | "top">): void {
  cache.clear();
  closeDirectory(top);
}

/** Closes the remembered directories, except one in use. For a changed directory, or symbolic link to one. */
export function forgetDirectories(root: JailRoot, except?: Directory): void {
  root.cache.clear(except);
}

/** Closes a directory that walk or openDirectory returned, unless the root keeps it. */
export function release(directory: Directory): void {
  if (!directory.cached) closeDirectory(directory);
}

/** A directory that was just opened in `parent`. `keep`: the root keeps it, if it is trusted. */
function childDirectory(parent: Directory, path: ByteString, fd: number, keep: boolean, stat = fstat(fd)) {
  const trusted = parent.trusted && onlyRootWrites(stat);
  const above = parent.trusted ? parent : parent.stage;
  // rename(2) fails between mounts, and between subvolumes of one mount.
  const renames = above !== undefined && onSameMount(above.stat, stat);
  const mount = stat.mountId === parent.stat.mountId ? parent.mount : { path, stat };
  return {
    fd,
    path,
    stat,
    trusted,
    stage: !trusted && renames ? above : undefined,
    mount,
    cached: trusted && keep,
  };
}

/** True for files of one mount, and of one subvolume of it. */
export function onSameMount(a: Stat, b: Stat): boolean {
  return onOneMount(a, b) && onOneDevice(a, b);
}

/** True for files of one mount, also of different subvolumes of it. */
export function onOneMount(a: Stat, b: Stat): boolean {
  return a.mountId === b.mountId && (a.mountId !== 0n || onOneDevice(a, b));
}

type Device = Omit<FileIdentity, "ino">;

/** True for files of one file system, and of one subvolume of it. */
export const onOneDevice = (a: Device, b: Device): boolean =>
  a.devMajor === b.devMajor && a.devMinor === b.devMinor;

/** The error for a symbolic link that a user may have created. */
export function linkRefused(root: JailRoot, path: ByteString): JailkitError {
  const shown = display(hostPath(root, path));
  const message = `${shown}: is a symbolic link in a directory that users can write; name its target instead`;
  return new JailkitError("link-in-untrusted-directory", 1, message);
}

/** Called for a missing component; creates it, and then it is looked up again. */
type OnMissing = (parent: Directory, name: ByteString) => void;

/**
 * Walks to a directory of the jail as a process in the jail sees it: absolute symbolic links start at the jail's root, ".."
 * stops there, at most 40 links. A link is only followed in a trusted directory (else "link-in-untrusted-directory"):
 * elsewhere a jailed user may have created it. Pass the result to release. Throws SystemError ENOENT, ENOTDIR, ELOOP with
 * the host's path.
 */
export function walk(root: JailRoot, path: ByteString, onMissing?: OnMissing): Directory {
  const parts = pathComponents(path);
  const key = `/${parts.join("/")}`;
  const open = parts.length === 0 ? root.top : root.cache.get(key);
  if (open !== undefined) return open;
  root.cache.trim();
  const upward = parts.includes("..");
  const found = new Walk(root, parts.reverse(), key, onMissing).toEnd();
  if (found.cached && found !== root.top && !upward) root.cache.set(key, found);
  return found;
}

/** Calls `use` with the directory at `path`; see walk. */
export function withDirectory<T>(root: JailRoot, path: ByteString, use: (directory: Directory) => T): T {
  const directory = walk(root, path);
  try {
    return use(directory);
  } finally {
    release(directory);
  }
}

/** One walk: the directories that are open on the way, and the names that are left. */
class Walk {
  readonly stack: Directory[];
  links = 0;
  made = 0;

  constructor(
    readonly root: JailRoot,
    /** The next one last. */
    readonly todo: ByteString[],
    /** The last path that was looked at. */
    public at: ByteString,
    readonly onMissing: OnMissing | undefined,
  ) {
    this.stack = [root.top];
  }

  toEnd(): Directory {
    try {
      for (let name = this.todo.pop(); name !== undefined; name = this.todo.pop()) this.step(name);
    } catch (error) {
      this.releaseFrom(0);
      throw namedError(error, hostPath(this.root, this.at));
    }
    const found = this.stack.pop() ?? this.root.top;
    this.releaseFrom(0);
    return found;
  }

  releaseFrom(depth: number): void {
    for (const directory of this.stack.splice(depth)) release(directory);
  }

  step(name: ByteString): void {
    const { root, stack } = this;
    if (name === "..") {
      if (stack.length > 1) this.releaseFrom(stack.length - 1);
      return;
    }
    const here = stack[stack.length - 1] ?? root.top;
    const at = joinPath(here.path, name);
    this.at = at;
    const cached = here.trusted ? root.cache.get(at) : undefined;
    // A path that leads here through a symbolic link is remembered too, but ".." after it means something else.
    if (cached?.path === at) {
      stack.push(cached);
      return;
    }
    const fd = this.open(here, name);
    if (fd === undefined) return;
    const stat = fstat(fd);
    if (!isDirectory(stat)) {
      this.follow(here, fd, stat);
      return;
    }
    const child = childDirectory(here, at, fd, true, stat);
    if (child.cached) root.cache.set(at, child);
    stack.push(child);
  }

  /** Undefined after `onMissing` has made the name, which then is the next one again. */
  open(here: Directory, name: ByteString): number | undefined {
    try {
      return openAt(here.fd, name, C.O_PATH | C.O_NOFOLLOW);
    } catch (error) {
      if (this.onMissing === undefined || !isErrno(error, "ENOENT") || this.made++ > MAKE_LIMIT) throw error;
      this.onMissing(here, name);
      this.todo.push(name);
      return undefined;
    }
  }

  /** Goes on where a symbolic link leads; closes `fd`. */
  follow(here: Directory, fd: number, stat: Stat): void {
    let target: ByteString;
    try {
      if (!isLink(stat)) throw new SystemError(C.ENOTDIR, "open", undefined);
      if (!mayFollow(here, stat)) throw linkRefused(this.root, this.at);
      if (++this.links > C.MOST_LINKS) throw new SystemError(C.ELOOP, "open", undefined);
      target = readLink(fd, "");
    } finally {
      close(fd);
    }
    if (target.startsWith("/")) this.releaseFrom(1);
    this.todo.push(...pathComponents(target).reverse());
  }
}

/** As walk, but the result stays open until release, whatever else happens to the root. */
export function openDirectory(root: JailRoot, path: ByteString): Directory {
  const directory = walk(root, path);
  if (!directory.cached) return directory;
  return { ...directory, fd: openAt(directory.fd, ".", C.O_PATH | C.O_DIRECTORY), cached: false };
}

/** Opens the directory `name` in an open one, never through a symbolic link. Pass it to release. */
export function openChild(root: JailRoot, parent: Directory, name: ByteString): Directory {
  const path = joinPath(parent.path, name);
  try {
    const fd = openAt(parent.fd, name, C.O_PATH | C.O_NOFOLLOW | C.O_DIRECTORY);
    return childDirectory(parent, path, fd, false);
  } catch (error) {
    throw namedError(error, hostPath(root, path));
  }
}
