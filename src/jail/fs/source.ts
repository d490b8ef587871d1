import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openAt, openAt2 } from "../../../ffi/files.ts";
import { withTree } from "./look.ts";
import { joinPath, namedError, withDirectory } from "./walk.ts";

const FLAGS = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW;

// The last directory reached through symbolic links, and its path without them: many files share it.
let last: { readonly above: ByteString; readonly path: ByteString } | undefined;

/**
 * Opens a file of the host to read or link, without waiting for a FIFO or device. A symbolic link on the way is followed
 * only in a directory that only root can write: elsewhere a user could lead it to a file of root's after the plan was
 * made. Throws JailkitError "link-in-untrusted-directory", SystemError.
 */
export function openSource(source: ByteString): number {
  const above = source.slice(0, source.lastIndexOf("/"));
  const direct = last?.above === above ? joinPath(last.path, source.slice(above.length + 1)) : source;
  try {
    return openAt2(C.AT_FDCWD, direct, FLAGS, C.RESOLVE_NO_SYMLINKS);
  } catch (error) {
    if (!isErrno(error, "ELOOP") && direct === source) throw error;
  }
  return withTree((host) => {
    try {
      return withDirectory(host, above, (parent) => {
        last = { above, path: parent.path };
        return openAt(parent.fd, source.slice(above.length + 1), FLAGS);
      });
    } catch (error) {
      throw namedError(error, source);
    }
  });
}
