import { EPERM } from "./constants.ts";
import { isErrno, SystemError } from "./error.ts";
import { withFileIds } from "./file-ids.ts";
import { addressOf, check, syscall } from "./libc.ts";
import { userIds } from "./process.ts";

const arm = process.arch === "arm64";
const SYS_keyctl = arm ? 219 : 250;
// Of this thread alone: setresuid(3) would change every thread's.
const SYS_setresuid = arm ? 147 : 117;
const SAME = 0xffffffff;

// keyctl(2)
const GET_KEYRING_ID = 0;
const SETPERM = 5;
const CLEAR = 7;
const LINK = 8;
const UNLINK = 9;
const READ = 11;
const GET_PERSISTENT = 22;
const THREAD_KEYRING = -1;
const USER_KEYRING = -4;
const USER_SESSION_KEYRING = -5;
// As the kernel makes both: all for who possesses it but to change this, and all for the user.
const RIGHTS = 0x1f3f0000;

const keyctl = (command: number, a: number, b = 0, c = 0): number =>
  check(syscall(SYS_keyctl, command, a, b, c), "keyctl");

/** Calls `work` while this thread has the real id of a user, by which the kernel knows whose keyrings are meant. */
function withRealId<T>(uid: number, work: () => T): T {
  check(syscall(SYS_setresuid, uid, SAME, SAME), "setresuid");
  try {
    return work();
  } finally {
    becomeRootAgain();
  }
}

function becomeRootAgain(): void {
  check(syscall(SYS_setresuid, 0, SAME, SAME), "setresuid");
  if (userIds().some((id) => id !== 0)) throw new SystemError(EPERM, "setresuid", undefined);
}

/** The number of keys in a keyring but for one. */
function countIn(ring: number, except: number): number {
  const serials = new Int32Array(1 << 16);
  // SAFETY: addressOf holds the array, of which at most the length is written.
  const all = keyctl(READ, ring, addressOf(serials), serials.byteLength);
  const bytes = Math.min(all, serials.byteLength);
  return serials.subarray(0, bytes / serials.BYTES_PER_ELEMENT).filter((serial) => serial !== except).length;
}

/** Empties a keyring; returns whether a key was in it. */
function empty(ring: number, except = 0): boolean {
  try {
    // Its user may have given others rights to it, or taken the user's own.
    if (ring < 0) syscall(SYS_keyctl, SETPERM, ring, RIGHTS);
    const count = countIn(ring, except);
    keyctl(CLEAR, ring);
    return count > 0;
  } catch (error) {
    // Nobody gets at it until the kernel has removed it, which it does within minutes.
    if (isErrno(error, "EKEYREVOKED", "EKEYEXPIRED")) return false;
    throw error;
  }
}

/** The keyring of a user that outlives sessions for some days, as Kerberos uses it; undefined if the kernel has none. */
function persistentOf(uid: number): number | undefined {
  try {
    return keyctl(GET_PERSISTENT, uid, THREAD_KEYRING);
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP", "ENOSYS")) return undefined;
    throw error;
  }
}

/**
 * Empties the keyrings that the kernel keeps for a user who has no process any more: user-keyring(7), user-session-keyring(7),
 * persistent-keyring(7). Returns whether keys were there. Call it only for a user without processes, which could signal this one
 * meanwhile. Needs root. Throws SystemError, with EACCES for a keyring that its user has closed to everybody, for good.
 */
export function clearKeys(uid: number): boolean {
  if (uid === 0) throw new SystemError(EPERM, "keyctl", undefined);
  // Root's, which counts as nothing that the user has: the user may have as much as a user may.
  keyctl(GET_KEYRING_ID, THREAD_KEYRING, 1);
  const had = withRealId(uid, () =>
    withFileIds(uid, 0, () => {
      const persistent = persistentOf(uid);
      const hadPersistent = persistent !== undefined && empty(persistent);
      if (persistent !== undefined) keyctl(UNLINK, persistent, THREAD_KEYRING);
      const hadOwn = empty(USER_KEYRING);
      const own = keyctl(GET_KEYRING_ID, USER_KEYRING);
      const hadSession = empty(USER_SESSION_KEYRING, own);
      // As the kernel has made it; its user may have closed it to that.
      syscall(SYS_keyctl, LINK, USER_KEYRING, USER_SESSION_KEYRING);
      return hadPersistent || hadOwn || hadSession;
    }),
  );
  if (had === undefined) throw new SystemError(EPERM, "setfsuid", undefined);
  return had;
}
