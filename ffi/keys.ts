import { EBUSY, ENOKEY, ENOSYS, EPERM } from "./constants.ts";
import { isErrno, SystemError } from "./error.ts";
import { withFileIds } from "./file-ids.ts";
import { addressOf, check, errno, libc, syscall } from "./libc.ts";
import { becomeUser, userIds } from "./process.ts";

const SYS_keyctl = process.arch === "arm64" ? 219 : 250;
const SAME = 0xffffffff;

// keyctl(2)
const GET_KEYRING_ID = 0;
const SETPERM = 5;
const READ = 11;
const INVALIDATE = 21;
const GET_PERSISTENT = 22;
const THREAD_KEYRING = -1;
const USER_KEYRING = -4;
const USER_SESSION_KEYRING = -5;
// As the kernel makes both: all for who possesses it but to change this, and all for the user.
const RIGHTS = 0x1f3f0000;
// Milliseconds.
const ATTEMPTS = 1000;

const keyctl = (command: number, a: number, b = 0, c = 0): number =>
  check(syscall(SYS_keyctl, command, a, b, c), "keyctl");

/** The number of a keyring by what the kernel calls it; the error, negative, for none. */
function numberOf(ring: number): number {
  const serial = syscall(SYS_keyctl, GET_KEYRING_ID, ring);
  return serial < 0 ? -errno() : serial;
}

/**
 * Calls `work` while this process has the real id of a user, by which the kernel knows whose keyrings are meant, and the id for files,
 * which has the rights of the user to them. The real one in all of its threads: one that starts meanwhile has it from this one, and
 * would keep it. No longer than a few calls of the kernel: whoever has the uid may stop a process that has it.
 */
function asUser<T extends number | boolean | object>(uid: number, work: () => T): T {
  check(libc.setresuid(uid, SAME, SAME), "setresuid");
  try {
    if (userIds().join() !== `${uid},0,0`) throw new SystemError(EPERM, "setresuid", undefined);
    const done = withFileIds(uid, 0, work);
    if (done === undefined) throw new SystemError(EPERM, "setfsuid", undefined);
    return done;
  } finally {
    becomeUser(0);
  }
}

/** The number of keys in a keyring but for one. */
function countIn(ring: number, except: number): number {
  const serials = new Int32Array(1 << 16);
  // SAFETY: addressOf holds the array, of which at most the length is written.
  const all = keyctl(READ, ring, addressOf(serials), serials.byteLength);
  const bytes = Math.min(all, serials.byteLength);
  return serials.subarray(0, bytes / serials.BYTES_PER_ELEMENT).filter((serial) => serial !== except).length;
}

/** Asks the kernel for the number of a keyring of a user until its answer will do, for a second: until then what was removed is not gone. */
function numberInTime(uid: number, ring: number, isEnough: (answer: number) => boolean): number {
  for (let attempt = 1; ; attempt++) {
    const answer = asUser(uid, () => numberOf(ring));
    if (isEnough(answer) || attempt === ATTEMPTS) return answer;
    Bun.sleepSync(1);
  }
}

/** The number of a keyring of a user; the error, negative, if the kernel shows none. */
const shown = (uid: number, ring: number): number =>
  // Another machine with the same kernel may be removing those of the uid, too.
  numberInTime(uid, ring, (answer) => answer !== -ENOKEY);

/** Removes a keyring; returns whether a key but `except` was in it. */
function remove(ring: number, except = 0): boolean {
  try {
    const count = countIn(ring, except);
    keyctl(INVALIDATE, ring);
    return count > 0;
  } catch (error) {
    if (isErrno(error, "ENOKEY")) return false;
    throw error;
  }
}

/**
 * Removes one of the two keyrings that the kernel makes anew. By what it calls them, which gives the rights of who possesses them:
 * to link one would fail for many keyrings in keyrings. Returns its number, and whether a key but `except` was in it. Throws
 * SystemError, with EBUSY if the kernel makes no other one.
 */
function replace(uid: number, ring: number, except?: number): { serial: number; had: boolean } {
  // Its user may have taken the own rights to it.
  asUser(uid, () => syscall(SYS_keyctl, SETPERM, ring, RIGHTS));
  const serial = shown(uid, ring);
  if (serial < 0) throw new SystemError(-serial, "keyctl", undefined);
  const had = asUser(uid, () => remove(ring, except));
  const other = numberInTime(uid, ring, (answer) => answer >= 0 && answer !== serial);
  if (other < 0 || other === serial) throw new SystemError(other < 0 ? -other : EBUSY, "keyctl", undefined);
  return { serial, had };
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

/** Whether nobody here may use keyctl(2), as in a container, or the kernel has no keys. */
function areNoKeys(): boolean {
  // Root's, which counts as nothing that the user has: the user may have as much as a user may.
  const isRefused = syscall(SYS_keyctl, GET_KEYRING_ID, THREAD_KEYRING, 1) < 0;
  return isRefused && [EPERM, ENOSYS].includes(errno());
}

/**
 * Removes the keyrings that the kernel keeps for a user who has no process any more: user-keyring(7), user-session-keyring(7),
 * persistent-keyring(7). The kernel makes others for whoever gets the uid: these may be linked by somebody else, who could then read
 * and write them, or take no more keys. Returns whether keys were there; false where nobody may use keyctl(2). Call it only for a user
 * without processes, which could signal this one meanwhile. Needs root. Throws SystemError where keysFault has one.
 */
export function clearKeys(uid: number): boolean {
  if (uid === 0) throw new SystemError(EPERM, "keyctl", undefined);
  if (areNoKeys()) return false;
  // In this order: the kernel makes a session keyring with a link to the other one, which has to be the new one.
  const own = replace(uid, USER_KEYRING);
  const session = replace(uid, USER_SESSION_KEYRING, own.serial);
  // Last: its user can make that fail, by keyrings in keyrings.
  const hadPersistent = asUser(uid, () => {
    const persistent = persistentOf(uid);
    return persistent !== undefined && remove(persistent);
  });
  return own.had || session.had || hadPersistent;
}

/**
 * Why root cannot remove all keyrings of a user: one is closed to everybody, was revoked or has expired, the user has no more quota for
 * others, or has keyrings in keyrings; undefined if root can. Whoever has a link to one would have it as soon as the kernel shows it
 * again, some minutes (gc_delay in keyrings(7)) or days later, or when the machine starts anew. Call it only for a user without
 * processes. Needs root. Throws SystemError for what is no answer about keyrings.
 */
export function keysFault(uid: number): SystemError | undefined {
  if (uid === 0 || areNoKeys()) return undefined;
  for (const ring of [USER_KEYRING, USER_SESSION_KEYRING]) {
    const serial = shown(uid, ring);
    if (serial < 0) return new SystemError(-serial, "keyctl", undefined);
  }
  const { fault } = asUser(uid, () => {
    try {
      persistentOf(uid);
      return { fault: undefined };
    } catch (error) {
      if (error instanceof SystemError) return { fault: error };
      throw error;
    }
  });
  return fault;
}
