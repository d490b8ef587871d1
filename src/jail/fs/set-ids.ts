import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { fstat, openIfPresent, type Stat, statIfPresent, withFd } from "../../../ffi/files.ts";
import { chmodPath } from "./attributes.ts";
import { heldError } from "./held.ts";
import { changing, type OwnedFile, type OwnedSearch, searchOwned } from "./owned.ts";
import { hostPath, isRegular, type JailRoot, namedError } from "./walk.ts";

const SET_IDS = C.S_ISUID | C.S_ISGID;

/** The owner and the group of a file. */
export type Ids = Pick<Stat, "uid" | "gid">;

/** Which of the setuid and setgid bits of a file count; 0 if the file does not, whatever its mode is. */
export type Counting = (ids: Ids) => number;

/** For a file of the user who leaves. */
export const BOTH = SET_IDS;
/** For one of somebody else. */
export const ITS_GROUP = C.S_ISGID;

const bitsOf = (stat: Stat, counting: Counting): number =>
  isRegular(stat) && (stat.mode & SET_IDS) !== 0 ? stat.mode & counting(stat) : 0;

/**
 * Calls `found` for the regular files in a jail, of other users than root, that have one of the bits which count, with the path as
 * the jail sees it. With `take` they have lost it then, by descriptor, whatever has their names by then; and a file that counts and
 * has changed since `since` is an error, too: who had such a program for a moment may have given the bit to a file elsewhere.
 * Throws as searchOwned, and for a file that keeps it.
 */
export function findSetIds(
  root: JailRoot,
  wanted: Pick<OwnedSearch, "since" | "stop"> & { readonly counting: Counting; readonly take: boolean },
  found: (stat: Stat, path: () => ByteString) => void,
): void {
  const { counting, take, since, stop } = wanted;
  // Those with several names.
  const taken = new Set<string>();
  const examine = (file: OwnedFile) => {
    const { fd, name, path } = file;
    // A directory gives nobody its rights.
    const stat = name === "" ? undefined : statIfPresent(fd, name);
    if (stat === undefined || stat.uid === 0 || !isRegular(stat)) return;
    const inode = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
    const isOne =
      taken.has(inode) || (bitsOf(stat, counting) !== 0 && (!take || takeAt(root, file, counting)));
    if (isOne && take && stat.nlink > 1) taken.add(inode);
    if (isOne) found(stat, path);
    else if (take && stat.ctime >= since && counting(stat) !== 0) throw changing(hostPath(root, path()));
  };
  searchOwned(root, { uids: USERS, since, stop, programs: true, found: examine });
}

const USERS = { has: (uid: number) => uid !== 0 };

/** Takes the bits from what has a name now; false if that has none which count. */
function takeAt(root: JailRoot, { fd, name, path }: OwnedFile, counting: Counting): boolean {
  const file = openIfPresent(fd, name, C.O_PATH | C.O_NOFOLLOW);
  if (file === undefined) return false;
  try {
    return withFd(file, (one) => takeBits(one, fstat(one), counting));
  } catch (error) {
    const place = hostPath(root, path());
    throw (isErrno(error, "EPERM") ? heldError(place) : undefined) ?? namedError(error, place);
  }
}

function takeBits(fd: number, stat: Stat, counting: Counting): boolean {
  const bits = stat.uid === 0 ? 0 : bitsOf(stat, counting);
  if (bits === 0) return false;
  chmodPath(fd, stat.mode & 0o7777 & ~bits);
  return true;
}

/** Takes the bits from an open file, by O_PATH, that has no name any more; false if it has a name, or none that count. */
export function takeFromNameless(fd: number, counting: Counting): boolean {
  const stat = fstat(fd);
  return stat.nlink === 0 && takeBits(fd, stat, counting);
}
