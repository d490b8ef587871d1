import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import {
  close,
  fstat,
  openAt,
  readAllFd,
  readLink,
  type Stat,
  sameFile,
  statIfPresent,
} from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { aclOf, modeWithoutAcl } from "../../system/acl.ts";
import {
  closeJailRoot,
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
} from "./walk.ts";

/** How often a file is opened that is another one each time, before that is an error. */
const MOST_ATTEMPTS = 64;

/** Splits a path of the jail into its directory and its last component, which must not be ".." or missing. */
export function splitPath(root: JailRoot, path: ByteString): { above: ByteString; name: ByteString } {
  const parts = pathComponents(path);
  const name = parts.pop();
  if (name === undefined || name === "..") throw new SystemError(C.EINVAL, "path", hostPath(root, path));
  return { above: `/${parts.join("/")}`, name };
}

/** What stands at a path of a jail. */
export interface Found {
  stat: Stat;
  /** The path without links, as the jail sees it. */
  canonicalPath: ByteString;
}

interface Place extends Found {
  directory: Directory;
  name: ByteString;
}

/** Finds `path` and calls `use` while its directory is open; undefined where nothing stands there. */
function withPlace<T>(
  root: JailRoot,
  path: ByteString,
  follow: boolean,
  use: (place: Place) => T,
): T | undefined {
  let rest = path;
  for (let links = 0; links <= 40; links++) {
    const parts = pathComponents(rest);
    const name = parts.pop();
    // The root itself, or what ".." leads to: a directory, found by walking there.
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
      if (!directory.trusted) throw linkRefused(root, canonicalPath);
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

/**
 * What stands at `path` in the jail, as seen from inside (see walk); undefined where there is nothing. The last
 * component is followed only with `follow`.
 */
export function lookUp(
  root: JailRoot,
  path: ByteString,
  options: { follow?: boolean } = {},
): Found | undefined {
  return withPlace(root, path, options.follow ?? false, ({ stat, canonicalPath }) => ({
    stat,
    canonicalPath,
  }));
}

/** The text of the symbolic link at `path` in the jail; undefined where there is nothing, EINVAL for no link. */
export function readJailLink(root: JailRoot, path: ByteString): ByteString | undefined {
  return withPlace(root, path, false, ({ directory, name }) => readLink(directory.fd, name));
}

/**
 * Opens a regular file of the jail for reading, links followed as walk does, and hands descriptor and Stat to
 * `use`; undefined where there is nothing. What is no regular file is never opened: EINVAL. A file that is another one at
 * each of many attempts is EAGAIN.
 */
export function withJailFile<T>(
  root: JailRoot,
  path: ByteString,
  use: (fd: number, found: Found) => T,
  options: { follow?: boolean } = {},
): T | undefined {
  const look = (last: boolean) =>
    withPlace(root, path, options.follow ?? true, ({ directory, name, stat, canonicalPath }) => {
      if (!isRegular(stat)) throw new SystemError(C.EINVAL, "not a regular file", undefined);
      // Non-blocking, and compared: a user may put a FIFO in its place meanwhile.
      const flags = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
      const fd = openAt(directory.fd, name, flags);
      try {
        const opened = fstat(fd);
        if (sameFile(opened, stat)) return { result: use(fd, { stat: opened, canonicalPath }) };
        if (last) throw new SystemError(C.EAGAIN, "open", undefined);
        return "exchanged";
      } finally {
        close(fd);
      }
    });
  // Another of our programs may just have renamed a new file to this path.
  for (let attempt = 1; ; attempt++) {
    const found = look(attempt === MOST_ATTEMPTS);
    if (found !== "exchanged") return found?.result;
  }
}

/**
 * Owner and mode of a regular file of the jail for one that takes its place, which has no ACL: the group gets what its
 * own entry allows. undefined where there is none. Links are followed as walk does.
 */
export function attributesAt(
  root: JailRoot,
  path: ByteString,
): { mode: number; uid: number; gid: number } | undefined {
  return withJailFile(root, path, (fd, { stat: { mode, uid, gid } }) => ({
    mode: modeWithoutAcl(mode, aclOf(fd)) & 0o7777,
    uid,
    gid,
  }));
}

/** All of a regular file of the jail, at most `limit` bytes (EFBIG); undefined where there is nothing. */
export function readJailFile(root: JailRoot, path: ByteString, limit: number): Uint8Array | undefined {
  return withJailFile(root, path, (fd) => readAllFd(fd, limit));
}

/** Calls `use` with the host's root directory, opened as the jails are, so that the same rules of links hold. */
export function withTree<T>(use: (tree: JailRoot) => T): T {
  const tree = openTree("/");
  try {
    return use(tree);
  } finally {
    closeJailRoot(tree);
  }
}
