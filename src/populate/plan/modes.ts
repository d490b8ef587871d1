import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_ISGID, S_ISUID, S_ISVTX } from "../../../ffi/constants.ts";
import { modeWithoutAcl } from "../../system/acl.ts";
import { type Entry, KEEP_OWNER, KEEP_SETUID, type Keeps } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";

/** The mode and the ids of a file in the jail. */
export interface Given {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The file of the host has setuid or setgid bits that this one does not get. */
  readonly stripped: boolean;
}

const SPECIAL = S_ISUID | S_ISGID;
const OTHERS_WRITE = 0o022;
const SYSTEM_DIRECTORY = /^\/(?:dev|etc|lib[^/]*|usr|bin|sbin|opt)$/;
const TOP_LEVEL = /^\/[^/]+$/;

/** Of a symbolic link, whose mode is ignored. */
export const LINK_ATTRIBUTES: Given = { mode: 0o777, uid: 0, gid: 0, stripped: false };

/** The present attributes of a file that stays. */
export function keptAttributes({ mode, uid, gid }: BasicStat): Given {
  return { mode: mode & 0o7777, uid, gid, stripped: false };
}

/**
 * `stat` of the file at `path`, with the permission bits of a copy that has no ACL: in a file with an ACL, the bits of
 * the group are the mask. The ACL is read only if it matters: if the group is kept, or may do more than others.
 */
export function withoutAcl(host: FileSystem, path: ByteString, stat: BasicStat, keeps: Keeps): BasicStat {
  const { mode } = stat;
  const more = (mode >> 3) & ~mode & 7;
  if ((mode & 0o070) === 0 || (more === 0 && (keeps & KEEP_OWNER) === 0)) return stat;
  return { ...stat, mode: modeWithoutAcl(mode, host.acl(path)) };
}

/**
 * Mode and ids for a file or a device: the permissions of the host; special bits and owner only if they are kept.
 * A special bit is kept only if its id is kept too: setuid to a user must not become setuid to root.
 */
export function givenToFile(stat: BasicStat, keeps: Keeps): Given {
  const mode = stat.mode & 0o7777;
  const keepOwner = (keeps & KEEP_OWNER) !== 0;
  const uid = keepOwner ? stat.uid : 0;
  const gid = keepOwner ? stat.gid : 0;
  let drop = SPECIAL;
  if ((keeps & KEEP_SETUID) !== 0) {
    drop = (uid === stat.uid ? 0 : S_ISUID) | (gid === stat.gid ? 0 : S_ISGID);
  }
  return { mode: mode & ~drop, uid, gid, stripped: (mode & drop) !== 0 };
}

/**
 * Mode and ids for a directory, so that the jail is safe. System directories belong to root, and only root can write
 * them. A directory on the way to a requested file (`parent`), or at the top of the jail, is not writable by group or
 * others, unless it is sticky as /tmp is.
 */
export function givenToDirectory(
  path: ByteString,
  stat: BasicStat | undefined,
  parent: boolean,
  keeps: Keeps,
): Given {
  if (stat === undefined) return { mode: 0o755, uid: 0, gid: 0, stripped: false };
  const given = givenToFile(stat, keeps);
  // Nobody requested a parent, so its setgid bit is not reported.
  const stripped = given.stripped && !parent;
  if (SYSTEM_DIRECTORY.test(path)) {
    return { mode: given.mode & ~(OTHERS_WRITE | S_ISVTX), uid: 0, gid: 0, stripped };
  }
  const closed = (parent || TOP_LEVEL.test(path)) && (given.mode & S_ISVTX) === 0;
  return { ...given, mode: closed ? given.mode & ~OTHERS_WRITE : given.mode, stripped };
}

/** Gives an entry the owner and special bits that a second want keeps. `stat`: of its source. */
export function strengthen(entry: Entry, stat: BasicStat): void {
  if (entry.type === "symlink") return;
  const directory = entry.type === "directory";
  const parent = directory && entry.because.every((b) => b.reason.kind === "parent");
  const given = directory
    ? givenToDirectory(entry.path, stat, parent, entry.keeps)
    : givenToFile(stat, entry.keeps);
  Object.assign(entry, given);
}
