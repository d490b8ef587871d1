import { basicFstat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, openAt, openAt2 } from "../../ffi/files.ts";
import { splitPath } from "../jail/look.ts";
import { closeJailRoot, namedError, openTree, release, walk } from "../jail/walk.ts";
import { grantsOf, namesAnyone } from "../system/grants.ts";
import type { Entry } from "./entry.ts";

/**
 * Why a file of the host, open and not O_PATH, must not have another name in the jail: it would be something else
 * than the entry says, or grant what nobody asked for. undefined where it may.
 */
export function whyNotLinked(fd: number, entry: Entry): string | undefined {
  const { mode, uid, gid } = basicFstat(fd);
  if (mode !== (C.S_IFREG | entry.mode) || uid !== entry.uid || gid !== entry.gid) {
    return "in the jail it gets another owner or mode";
  }
  // Setuid and setgid were asked for, or the mode would be another one. The rest cannot be asked for.
  const { capability, acl } = grantsOf(fd, mode);
  if (capability) return "it has file capabilities, which it would have in the jail too";
  return namesAnyone(acl) ? "its ACL names users or groups, and would do so in the jail too" : undefined;
}

const FLAGS = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW;

/**
 * Opens a file that is to be read or linked, and nothing that only has its name: no link, no device that waits. A link
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

/** True where the source of an entry, which is in the jail under another name, may be there: see whyNotLinked. */
export function mayStayLinked(entry: Entry): boolean {
  let fd: number;
  try {
    fd = openSource(entry.source ?? "");
  } catch (error) {
    // It has gone meanwhile, so nothing is known of it; the jail's name of it is put there anew, or stays, next time.
    if (isErrno(error, "ENOENT")) return true;
    throw error;
  }
  try {
    return whyNotLinked(fd, entry) === undefined;
  } finally {
    close(fd);
  }
}

// chmod(2) of a file with an ACL changes its mask: the group's bits of stat(2) are no copy's.
const BUT_GROUP = 0o7707;

/** False where a file whose special bits are to be kept is not any more what was planned: another may be in its place. */
export function stillGrants(
  entry: Entry,
  stat: { readonly mode: number; readonly uid: number; readonly gid: number },
): boolean {
  if ((entry.mode & 0o6000) === 0) return true;
  return ((stat.mode ^ entry.mode) & BUT_GROUP) === 0 && stat.uid === entry.uid && stat.gid === entry.gid;
}
