import type { ByteString } from "./bytes.ts";
import { addressOf, cArgument, check, libc } from "./libc.ts";
import { supplementaryGroups } from "./process.ts";

const arm = process.arch === "arm64";
// Of this thread alone: glibc's setgroups(3) would change all of them.
const SYS_setgroups = arm ? 159 : 116;
const SYS_setfsuid = arm ? 151 : 122;
const SYS_setfsgid = arm ? 152 : 123;
const SYS_faccessat2 = 439;
const AT_EACCESS = 0x200;

/** The ids with which somebody asks for access to a file. */
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

/** Takes on the ids for file access; throws where the kernel did not. */
function take({ uid, gid, groups }: Credentials): void {
  const ids = Uint32Array.from(groups.length > 0 ? groups : [0]);
  check(libc.syscall(SYS_setgroups, groups.length, addressOf(ids), 0, 0, 0, 0), "setgroups");
  // They give the old id back, whatever came of it: a second call tells.
  for (const [call, id, name] of [
    [SYS_setfsgid, gid, "setfsgid"],
    [SYS_setfsuid, uid, "setfsuid"],
  ] as const) {
    libc.syscall(call, id, 0, 0, 0, 0, 0);
    if (libc.syscall(call, id, 0, 0, 0, 0, 0) >>> 0 !== id) throw new Error(`${name}(${id}) was refused`);
  }
}

/**
 * Runs `work` with somebody's rights to files, as setfsuid(2) gives them: the kernel decides what may be looked at, read
 * and executed, by modes, ACLs and whatever else it goes by. Only root can; for others it is with their own. `undefined`:
 * with the process's own rights again, inside of another such call.
 */
export function withRightsOf<T>(who: Credentials | undefined, work: () => T): T {
  if (libc.geteuid() !== 0) return work();
  const before = present;
  ownGroups ??= supplementaryGroups();
  const own: Credentials = { ...ROOT, groups: ownGroups };
  take(who ?? own);
  present = who;
  try {
    return work();
  } finally {
    take(before ?? own);
    present = before;
  }
}

/**
 * Whether the rights to files let this thread have all of `wanted` (MAY_*) at `path`, links followed, by faccessat2(2);
 * also "no" where nothing stands there. A file on a file system that is mounted noexec cannot be executed.
 */
export function mayAccess(dirfd: number, path: ByteString, wanted: number): boolean {
  const address = addressOf(cArgument(path));
  return libc.syscall(SYS_faccessat2, dirfd, address, wanted, AT_EACCESS, 0, 0) === 0;
}
