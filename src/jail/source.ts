import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { openAt, openAt2 } from "../../ffi/files.ts";
import { splitPath } from "./look.ts";
import { closeJailRoot, namedError, openTree, release, walk } from "./walk.ts";

const FLAGS = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW;

/**
 * Opens a file of the host that is to be read or linked, and nothing that only has its name: no link, no device that waits. A link
 * on the way to it is followed only where root alone could have made it: a user who owns a directory there could lead
 * to a file of root's instead, after the plan was made. Throws JailkitError "link-in-untrusted-directory", SystemError.
 */
export function openSource(source: ByteString): number {
  try {
    return openAt2(C.AT_FDCWD, source, FLAGS, C.RESOLVE_NO_SYMLINKS);
  } catch (error) {
    if (!isErrno(error, "ELOOP")) throw error;
  }
  const host = openTree("/");
  try {
    const { above, name } = splitPath(host, source);
    const parent = walk(host, above);
    try {
      return openAt(parent.fd, name, FLAGS);
    } catch (error) {
      throw namedError(error, source);
    } finally {
      release(parent);
    }
  } finally {
    closeJailRoot(host);
  }
}
