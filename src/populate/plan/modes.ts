import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_ISGID, S_ISUID, S_ISVTX } from "../../../ffi/constants.ts";
import { modeWithoutAcl } from "../../system/acl.ts";
import { type Entry, KEEP_OWNER, KEEP_SETUID, type Keeps } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";

/** What an object in the jail gets of the host's mode and ids. */
export interface Given {
  mode: number;
  uid: number;
  gid: number;
  /** The host's has setuid or setgid bits that this one does not. */
  stripped: boolean;
}

const SPECIAL = S_ISUID | S_ISGID;
const SYSTEM_DIRECTORY = /^\/(?:dev|etc|lib[^/]*|usr|bin|sbin|opt)$/;
const TOP_LEVEL = /^\/[^/]+$/;

/**
 * `stat` of what stands at `path`, with the permission bits of a copy that has no ACL: where the host's has one, its
 * group's bits are the mask. That is looked for only where it makes a difference to somebody: for a group that is kept,
 * or where the group may do more than others.
 */
export function withoutAcl(host: FileSystem, path: ByteString, stat: BasicStat, keeps: Keeps): BasicStat {
  const { mode } = stat;
  const more = (mode >> 3) & ~mode & 7;
  if ((mode & 0o070) === 0 || (more === 0 && (keeps & KEEP_OWNER) === 0)) return stat;
  return { ...stat, mode: modeWithoutAcl(mode, host.acl(path)) };
}

/**
 * Mode and ids for a file or a device: the host's permissions; special bits and owner only if they are to be kept.
 * A bit that gives the rights of an id is kept only where that id stays: setuid for one user must not become
 * setuid for root because the owner changes.
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
 * Mode and ids for a directory. One that only leads to what was asked for (`parent`) is not writable by group or
 * others unless sticky, as /tmp is; neither is any directory at the top of the jail, and the system's belong to root,
 * since a jail is unsafe otherwise.
 */
export function givenToDirectory(
  path: ByteString,
  stat: BasicStat | undefined,
  parent: boolean,
  keeps: Keeps,
): Given {
  if (stat === undefined) return { mode: 0o755, uid: 0, gid: 0, stripped: false };
  const given = givenToFile(stat, keeps);
  if (SYSTEM_DIRECTORY.test(path)) {
    given.mode &= ~(0o022 | S_ISVTX);
    given.uid = 0;
    given.gid = 0;
  } else if ((parent || TOP_LEVEL.test(path)) && (given.mode & S_ISVTX) === 0) given.mode &= ~0o022;
  // A parent is nothing that was asked for: no line tells that its setgid bit stayed behind.
  if (parent) given.stripped = false;
  return given;
}

/** Gives an entry what a second want keeps of the host's owner and special bits. `stat`: of its source. */
export function strengthen(entry: Entry, stat: BasicStat): void {
  if (entry.type === "symlink") return;
  const directory = entry.type === "directory";
  const parent = directory && entry.because.every((b) => b.reason.kind === "parent");
  const given = directory
    ? givenToDirectory(entry.path, stat, parent, entry.keeps)
    : givenToFile(stat, entry.keeps);
  Object.assign(entry, given);
}
