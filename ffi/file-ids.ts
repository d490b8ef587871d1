import { EPERM } from "./constants.ts";
import { SystemError } from "./error.ts";
import { syscall } from "./libc.ts";

const arm = process.arch === "arm64";
// Of this thread alone.
const SYS_setfsuid = arm ? 151 : 122;
const SYS_setfsgid = arm ? 152 : 123;
// No id: nothing is changed, and the present one is returned.
const NONE = 0xffffffff;

/** setfsuid(2) and setfsgid(2), which return the old id whether they succeed or not; false if they are not permitted. */
export function setFileIds(uid: number, gid: number): boolean {
  syscall(SYS_setfsgid, gid);
  syscall(SYS_setfsuid, uid);
  return syscall(SYS_setfsgid, NONE) >>> 0 === gid && syscall(SYS_setfsuid, NONE) >>> 0 === uid;
}

/** The ids that root has, as a thread may always take back its own. */
function restore(): void {
  if (!setFileIds(0, 0)) throw new SystemError(EPERM, "setfsuid", undefined);
}

/**
 * Calls `look` while this thread has the ids of a user for files (setfsuid(2)): so root without CAP_SYS_PTRACE sees what proc(5)
 * shows that user of the own processes. The other ids stay root's, so that the user can neither signal nor trace this process.
 * Returns undefined if root may not take them. Needs root. Throws `SystemError`, and what `look` throws.
 */
export function withFileIds<T>(uid: number, gid: number, look: () => T): T | undefined {
  try {
    return setFileIds(uid, gid) ? look() : undefined;
  } finally {
    restore();
  }
}
