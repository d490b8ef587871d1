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

/** The number of a keyring by what the kernel calls it; negative, with an error, for none. */
const numberOf = (ring: number): number => syscall(SYS_keyctl, GET_KEYRING_ID, ring);

/**
 * Calls `work` while this process has the real id of a user, by which the kernel knows whose keyrings are meant, and the id for files,
 * which has the rights of the user to them. The real one in all of its threads: one that starts meanwhile has it from this one, and
 * would keep it.
 */
function asUser<T extends number | boolean>(uid: number, work: () => T): T {
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

/** Calls `ask` until its answer will do, for a second: until then what was removed is not gone. */
function inTime(ask: () => number, isEnough: (answer: number) => boolean): number {
  for (let attempt = 1; ; attempt++) {
    const answer = ask();
    if (isEnough(answer) || attempt === ATTEMPTS) return answer;
    Bun.sleepSync(1);
  }
}

/** The number of a keyring; negative, with an error, if the kernel shows none. */
const shown = (ring: number): number =>
  inTime(
    () => numberOf(ring),
    // Another machine with the same kernel may be removing those of the uid, too.
    (answer) => answer >= 0 || errno() !== ENOKEY,
  );

/** Waits until the kernel has made another keyring, which it does at once. Throws SystemError, with EBUSY if it did not. */
function awaitOther(ring: number, than: number): void {
  const serial = check(
    inTime(
      () => numberOf(ring),
      (answer) => answer >= 0 && answer !== than,
    ),
    "keyctl",
  );
  if (serial === than) throw new SystemError(EBUSY, "keyctl", undefined);
}

/** Removes a keyring, which need have no link that root has; returns whether a key was in it. */
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
 * to link one would fail for many keyrings in keyrings. Returns its number, and whether a key but `except` was in it.
 */
function replace(ring: number, except?: number): { serial: number; had: boolean } {
  // Its user may have taken the own rights to it.
  syscall(SYS_keyctl, SETPERM, ring, RIGHTS);
  const serial = check(shown(ring), "keyctl");
  const had = remove(ring, except);
  awaitOther(ring, serial);
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
 * without processes, which could signal this one meanwhile. Needs root. Throws SystemError where areKeysShut is true.
 */
export function clearKeys(uid: number): boolean {
  if (uid === 0) throw new SystemError(EPERM, "keyctl", undefined);
  if (areNoKeys()) return false;
  return asUser(uid, () => {
    // In this order: the kernel makes a session keyring with a link to the other one, which has to be the new one.
    const own = replace(USER_KEYRING);
    const session = replace(USER_SESSION_KEYRING, own.serial);
    // Last: its user can make that fail, by keyrings in keyrings.
    const persistent = persistentOf(uid);
    const hadPersistent = persistent !== undefined && remove(persistent);
    return own.had || session.had || hadPersistent;
  });
}

/**
 * Whether root cannot remove all keyrings of a user: one is closed to everybody, was revoked or has expired, the user has no more
 * quota for others, or has keyrings in keyrings. Whoever has a link to one would have it as soon as the kernel shows it again, some
 * minutes (gc_delay in keyrings(7)) or days later, or when the machine starts anew. Call it only for a user without processes. Needs
 * root. Throws SystemError.
 */
export function areKeysShut(uid: number): boolean {
  if (uid === 0 || areNoKeys()) return false;
  return asUser(uid, () => {
    if (shown(USER_KEYRING) < 0 || shown(USER_SESSION_KEYRING) < 0) return true;
    try {
      persistentOf(uid);
      return false;
    } catch (error) {
      if (error instanceof SystemError) return true;
      throw error;
    }
  });
}
