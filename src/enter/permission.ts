import type { Stat } from "../../ffi/files.ts";

/** The ids with which somebody asks for access to a file. */
export interface Credentials {
  uid: number;
  gid: number;
  /** The supplementary groups. */
  groups: readonly number[];
}

export const MAY_READ = 4;
export const MAY_WRITE = 2;
export const MAY_EXECUTE = 1;

/**
 * Whether the permission bits let somebody have all of `wanted` (MAY_*), as path_resolution(7) describes it:
 * the owner's bits for the owner, else the group's for a member, else the others'. uid 0 is given no more.
 */
export function mayAccess(stat: Stat, who: Credentials, wanted: number): boolean {
  const inGroup = stat.gid === who.gid || who.groups.includes(stat.gid);
  const shift = stat.uid === who.uid ? 6 : inGroup ? 3 : 0;
  return ((stat.mode >> shift) & wanted) === wanted;
}
