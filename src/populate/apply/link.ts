import { type BasicStat, basicFstat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import { fstat, type Stat, withFd } from "../../../ffi/files.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { withTree } from "../../jail/fs/look.ts";
import { nearestDirectory } from "../../jail/fs/nearest.ts";
import { openSource } from "../../jail/fs/source.ts";
import { release } from "../../jail/fs/walk.ts";
import { grantsOf, namesAnyone } from "../../system/grants.ts";
import type { Entry } from "../entry.ts";
import { sameFile } from "../file-system.ts";

/**
 * True for an error of link(2) after which the file is copied: another file system, too many links, not allowed. Without
 * CAP_DAC_READ_SEARCH a descriptor cannot be linked: ENOENT.
 */
export function isNotLinkable(error: unknown): error is SystemError {
  return isErrno(error, "EXDEV", "EMLINK", "EPERM", "EACCES", "ENOENT", "EOPNOTSUPP");
}

/**
 * The reason why an open file of the host (not O_PATH) must not be hard-linked into the jail: the link would not be as
 * planned, or would grant more than was requested. Undefined if it may be.
 */
export function whyNotLinked(fd: number, entry: Entry): string | undefined {
  const stat = basicFstat(fd);
  const { mode, uid, gid } = stat;
  if (entry.untrusted !== undefined && !sameFile(stat, entry.untrusted)) return "it was replaced meanwhile";
  if (mode !== (C.S_IFREG | entry.mode) || uid !== entry.uid || gid !== entry.gid) {
    return "in the jail it gets another owner or mode";
  }
  // Setuid and setgid were requested, or the mode would differ. Capabilities and ACLs cannot be requested.
  const { capability, acl } = grantsOf(fd, mode);
  if (capability) return "it has file capabilities, which would also be valid in the jail";
  return namesAnyone(acl) ? "its ACL names users or groups, and would also be valid in the jail" : undefined;
}

/** True if the source of an entry may stay hard-linked into the jail: see whyNotLinked. */
export function mayStayLinked(entry: Entry): boolean {
  try {
    return withFd(openSource(entry.source ?? ""), (fd) => whyNotLinked(fd, entry) === undefined);
  } catch (error) {
    // It was removed meanwhile: the next run replaces the file in the jail, or keeps it.
    if (isErrno(error, "ENOENT")) return true;
    throw error;
  }
}

// In a file with an ACL, the group bits of stat(2) are the mask, which a copy does not get.
const BUT_GROUP = 0o7707;

/**
 * False if an open source is no longer the planned file, for example if another file got its name: the copy could be
 * readable by more users than its source, or have more special bits.
 */
export function stillGrants(
  entry: Pick<Entry, "mode" | "uid" | "gid" | "untrusted">,
  stat: BasicStat,
): boolean {
  const { mode, uid, gid, untrusted } = entry;
  // Users may have moved a file there that they may not read themselves.
  if (untrusted !== undefined && !sameFile(stat, untrusted)) return false;
  if ((mode & 0o777 & ~stat.mode) !== 0) return false;
  if ((uid !== 0 && uid !== stat.uid) || (gid !== 0 && gid !== stat.gid)) return false;
  if ((mode & 0o6000) === 0) return true;
  return ((stat.mode ^ mode) & BUT_GROUP) === 0 && stat.uid === uid && stat.gid === gid;
}

/** Printed once if hard links were made. */
export const LINKS_SHARE =
  "hard-linked files share owner, mode and content with the host's: a change in the jail changes the host";

/** The warning before copies are made instead. `to` is the path on the host, `reason` the text of link(2). */
export function notLinkedWarning({ source = "" }: Entry, to: ByteString, reason: string): string {
  return `Linking ${display(source)} to ${display(to)} failed, will revert to copying (${reason})`;
}

/** Foresees how a file gets to `to` on the host: "copy", "link", or EXDEV of link(2), after which no more are linked. */
export function foreseeLink(entry: Entry, to: ByteString): "copy" | "link" | SystemError {
  const { source = "" } = entry;
  const answer = attempt(() =>
    withFd(openSource(source), (fd) => {
      if (whyNotLinked(fd, entry) !== undefined) return "copy";
      // Devices of directories: in overlayfs a file may have another one.
      const [from, there] = [directoryAt(parentOf(source)), directoryAt(parentOf(to))];
      const sameDevice = from.devMajor === there.devMajor && from.devMinor === there.devMinor;
      const links = sameDevice && fstat(fd).mountId === there.mountId;
      return links ? "link" : new SystemError(C.EXDEV, "linkat", to);
    }),
  );
  return answer ?? "copy";
}

function directoryAt(path: ByteString): Stat {
  return withTree((host) => {
    const directory = nearestDirectory(host, path);
    release(directory);
    return directory.stat;
  });
}
