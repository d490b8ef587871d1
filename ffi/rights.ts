import type { ByteString } from "./bytes.ts";
import { AT_EACCESS } from "./constants.ts";
import { setFileIds } from "./file-ids.ts";
import { addressOf, cArgument, check, libc, syscall } from "./libc.ts";
import { supplementaryGroups } from "./process.ts";

const arm = process.arch === "arm64";
// Of this thread alone: glibc's setgroups(3) would change every thread's.
const SYS_setgroups = arm ? 159 : 116;
const SYS_faccessat2 = 439;

/** The ids that decide on access to a file. */
export interface Credentials {
  uid: number;
  gid: number;
  /** The supplementary groups. */
  groups: readonly number[];
}

export const MAY_READ = 4;
export const MAY_EXECUTE = 1;

const ROOT: Credentials = { uid: 0, gid: 0, groups: [] };
let ownGroups: number[] | undefined;
let present: Credentials | undefined;

/** Sets this thread's ids for file access; throws if the kernel does not. */
function setCredentials({ uid, gid, groups }: Credentials): void {
  const ids = Uint32Array.from(groups.length > 0 ? groups : [0]);
  check(syscall(SYS_setgroups, groups.length, addressOf(ids)), "setgroups");
  if (!setFileIds(uid, gid)) throw new Error(`setfsuid(${uid}) or setfsgid(${gid}) was refused`);
}

/**
 * Runs `work` with a user's access to files (setfsuid(2)), so that the kernel decides what may be read and executed.
 * Only root can; other users keep their own access. `undefined` restores the process's own access within another call.
 */
export function withRightsOf<T>(who: Credentials | undefined, work: () => T): T {
  if (libc.geteuid() !== 0) return work();
  const before = present;
  ownGroups ??= supplementaryGroups();
  const own: Credentials = { ...ROOT, groups: ownGroups };
  setCredentials(who ?? own);
  present = who;
  try {
    return work();
  } finally {
    setCredentials(before ?? own);
    present = before;
  }
}

/**
 * Whether this thread has all of the access `wanted` (MAY_*) to `path`, by faccessat2(2); follows symbolic links. False
 * if there is no file. A file on a noexec mount cannot be executed.
 */
export function mayAccess(dirfd: number, path: ByteString, wanted: number): boolean {
  return syscall(SYS_faccessat2, dirfd, addressOf(cArgument(path)), wanted, AT_EACCESS) === 0;
}
