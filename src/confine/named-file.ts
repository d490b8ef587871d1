import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, openAt2, openDirectoryPath, statAt, withFd } from "../../ffi/files.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import { lookUp } from "../jail/fs/look.ts";
import { closeJailRoot, openTree } from "../jail/fs/walk.ts";
import { onlyRootExchanges, onlyRootWrites } from "../system/exchange.ts";

const PLAIN = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;

/**
 * The path without symbolic links, below the root directory `base`. Throws SystemError, and JailkitError for a link that a
 * user may have made.
 */
function withoutLinks(path: ByteString, base: ByteString): ByteString | undefined {
  const root = openTree(base);
  try {
    return lookUp(root, path, { follow: true })?.canonicalPath;
  } finally {
    closeJailRoot(root);
  }
}

/**
 * Opens the file at an absolute path with O_PATH, by the rights of this process. Symbolic links are followed only in
 * directories in which nobody but root can have made them: a user must not choose what a rule is about. Returns why not,
 * as a clause, if the path leads nowhere. `base`: the path of `root`. Throws SystemError.
 */
export function openNamed(root: number, path: ByteString, base: ByteString = "/"): number | ByteString {
  try {
    return openAt2(root, path, C.O_PATH, PLAIN);
  } catch (error) {
    if (!isErrno(error, "ELOOP")) return reasonOf(error);
  }
  try {
    const real = withoutLinks(path, base);
    return real === undefined ? "No such file or directory" : openAt2(root, real, C.O_PATH, PLAIN);
  } catch (error) {
    return error instanceof JailkitError ? "a user may have made a symbolic link in it" : reasonOf(error);
  }
}

/**
 * As openNamed, but a path in which users other than root can put something else leads nowhere: a session that may write
 * there, and not read, would choose by mv(1) what the next one reads.
 */
export function openFixed(root: number, path: ByteString, base: ByteString = "/"): number | ByteString {
  const opened = openNamed(root, path, base);
  if (typeof opened !== "number") return opened;
  // Nobody but root can have exchanged it since, if nobody can now.
  if (isFixed(path, base)) return opened;
  close(opened);
  return "without the key write, a user may have moved something else there";
}

function isFixed(path: ByteString, base: ByteString): boolean {
  try {
    const inside = withoutLinks(path, base);
    if (inside === undefined) return false;
    const real = base === "/" ? inside : base + inside;
    return onlyRootExchanges(real) && !isInSharedDirectory(real);
  } catch (error) {
    // A user has exchanged something on the way just now.
    if (error instanceof JailkitError || error instanceof SystemError) return false;
    throw error;
  }
}

/**
 * Whether a directory above a path is like /tmp. What is root's stays there, but before, a user may have moved it there: a
 * file of root's from a directory of the user.
 */
function isInSharedDirectory(path: ByteString): boolean {
  let above = "";
  for (const name of pathComponents(path)) {
    const { uid, mode } = statAt(C.AT_FDCWD, above || "/");
    if ((mode & C.S_ISVTX) !== 0 && !onlyRootWrites({ uid, mode })) return true;
    above += `/${name}`;
  }
  return false;
}

/** Why a path leads nowhere; throws any other error. */
function reasonOf(error: unknown): ByteString {
  const ofThePath = isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG");
  if (ofThePath && error instanceof SystemError) return error.reason;
  throw error;
}

/**
 * Why a session with the root directory at the path `base` of the host would get no rule for a path of `read` or `write`, as
 * a clause; undefined if it would. `isFixed`: the path is of `read`, and there is no `write`. Throws SystemError.
 */
export function whyWithoutRule(base: ByteString, path: ByteString, isFixed: boolean): ByteString | undefined {
  return withFd(openDirectoryPath(base), (root) => {
    const opened = (isFixed ? openFixed : openNamed)(root, path, base);
    if (typeof opened !== "number") return opened;
    close(opened);
    return undefined;
  });
}
