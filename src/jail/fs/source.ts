import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openAt, openAt2 } from "../../../ffi/files.ts";
import { closeJailRoot, joinPath, namedError, openTree, release, walk } from "./walk.ts";

const FLAGS = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW;

// The last directory that links led to, and its path without them: thousands of files may follow from the same one.
let last: { readonly above: ByteString; readonly path: ByteString } | undefined;

/**
 * Opens a file of the host that is to be read or linked, and nothing that only has its name: no link, no device that
 * waits. A link on the way to it is followed only where root alone could have made it: a user who owns a directory
 * there could lead to a file of root's instead, after the plan was made. Throws JailkitError
 * "link-in-untrusted-directory", SystemError.
 */
export function openSource(source: ByteString): number {
  const above = source.slice(0, source.lastIndexOf("/"));
  const direct = last?.above === above ? joinPath(last.path, source.slice(above.length + 1)) : source;
  try {
    return openAt2(C.AT_FDCWD, direct, FLAGS, C.RESOLVE_NO_SYMLINKS);
  } catch (error) {
    if (!isErrno(error, "ELOOP") && direct === source) throw error;
  }
  const host = openTree("/");
  try {
    const parent = walk(host, above);
    try {
      last = { above, path: parent.path };
      return openAt(parent.fd, source.slice(above.length + 1), FLAGS);
    } finally {
      release(parent);
    }
  } catch (error) {
    throw namedError(error, source);
  } finally {
    closeJailRoot(host);
  }
}
