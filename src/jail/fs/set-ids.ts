import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { fstat, openIfPresent, type Stat, statIfPresent, withFd } from "../../../ffi/files.ts";
import { chmodPath } from "./attributes.ts";
import { heldError } from "./held.ts";
import { changing, type OwnedFile, type OwnedSearch, searchOwned } from "./owned.ts";
import { hostPath, isRegular, type JailRoot, namedError } from "./walk.ts";

const SET_IDS = C.S_ISUID | C.S_ISGID;

const hasSetIds = (stat: Stat, uid: number): boolean =>
  stat.uid === uid && isRegular(stat) && (stat.mode & SET_IDS) !== 0;

const withoutSetIds = ({ mode }: Stat): number => mode & 0o7777 & ~SET_IDS;

/**
 * Calls `found` for the regular files in a jail that belong to one of some uids and have the setuid or setgid bit, with the path as
 * the jail sees it. With `take` they have lost it then, by descriptor, whatever has their names by then; and one of these uids that
 * has changed since `since` is an error, too: who had such a program for a moment may have given the bit to a file elsewhere.
 * Throws as searchOwned, and for a file that keeps it.
 */
export function findSetIds(
  root: JailRoot,
  wanted: Omit<OwnedSearch, "found" | "programs"> & { readonly take: boolean },
  found: (uid: number, path: () => ByteString) => void,
): void {
  // Those with several names.
  const taken = new Set<string>();
  const examine = (file: OwnedFile) => {
    const { uid, fd, name, path } = file;
    // A directory gives nobody its rights.
    const stat = name === "" ? undefined : statIfPresent(fd, name);
    if (stat === undefined || stat.uid !== uid || !isRegular(stat)) return;
    const inode = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
    const isOne = taken.has(inode) || (hasSetIds(stat, uid) && (!wanted.take || takeAt(root, file)));
    if (isOne && wanted.take && stat.nlink > 1) taken.add(inode);
    if (isOne) found(uid, path);
    else if (wanted.take && stat.ctime >= wanted.since) throw changing(hostPath(root, path()));
  };
  searchOwned(root, { ...wanted, programs: true, found: examine });
}

/** Takes the bits from what has a name now; false if that has none, or is not the user's. */
function takeAt(root: JailRoot, { uid, fd, name, path }: OwnedFile): boolean {
  const file = openIfPresent(fd, name, C.O_PATH | C.O_NOFOLLOW);
  if (file === undefined) return false;
  try {
    return withFd(file, (one) => {
      const stat = fstat(one);
      if (!hasSetIds(stat, uid)) return false;
      chmodPath(one, withoutSetIds(stat));
      return true;
    });
  } catch (error) {
    const place = hostPath(root, path());
    throw (isErrno(error, "EPERM") ? heldError(place) : undefined) ?? namedError(error, place);
  }
}

/** Takes the bits from an open file of a user, by O_PATH, that has no name any more; false if it is another one, or has none. */
export function takeFromNameless(fd: number, uid: number): boolean {
  const stat = fstat(fd);
  if (stat.nlink > 0 || !hasSetIds(stat, uid)) return false;
  chmodPath(fd, withoutSetIds(stat));
  return true;
}
