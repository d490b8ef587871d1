import { type BasicStat, basicFstat } from "../../../ffi/basic-stat.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close } from "../../../ffi/files.ts";
import { openSource } from "../../jail/fs/source.ts";
import { grantsOf, namesAnyone } from "../../system/grants.ts";
import type { Entry } from "../entry.ts";
import { sameFile } from "../file-system.ts";

/**
 * Why a file of the host, open and not O_PATH, must not have another name in the jail: it would be something else
 * than the entry says, or grant what nobody asked for. undefined where it may.
 */
export function whyNotLinked(fd: number, entry: Entry): string | undefined {
  const stat = basicFstat(fd);
  const { mode, uid, gid } = stat;
  if (entry.untrusted !== undefined && !sameFile(stat, entry.untrusted)) return "it is another one by now";
  if (mode !== (C.S_IFREG | entry.mode) || uid !== entry.uid || gid !== entry.gid) {
    return "in the jail it gets another owner or mode";
  }
  // Setuid and setgid were asked for, or the mode would be another one. The rest cannot be asked for.
  const { capability, acl } = grantsOf(fd, mode);
  if (capability) return "it has file capabilities, which it would have in the jail too";
  return namesAnyone(acl) ? "its ACL names users or groups, and would do so in the jail too" : undefined;
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

/**
 * False where an open source is not any more what was planned, as where another file of the directory was given its
 * name: the copy would let somebody read what the source does not, or have special bits that the source has not.
 */
export function stillGrants(entry: Entry, stat: BasicStat): boolean {
  const { mode, uid, gid, untrusted } = entry;
  // Others may have given its name to any file, that they may not read themselves.
  if (untrusted !== undefined && !sameFile(stat, untrusted)) return false;
  if ((mode & 0o777 & ~stat.mode) !== 0) return false;
  if ((uid !== 0 && uid !== stat.uid) || (gid !== 0 && gid !== stat.gid)) return false;
  if ((mode & 0o6000) === 0) return true;
  return ((stat.mode ^ mode) & BUT_GROUP) === 0 && stat.uid === uid && stat.gid === gid;
}
