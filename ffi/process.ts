import type { ByteString } from "./bytes.ts";
import { AT_EMPTY_PATH, EINVAL, EPERM } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, cArgument, check, errno, fail, libc } from "./libc.ts";

// capabilities(7)
export const CAP_SYS_CHROOT = 18;

const arm = process.arch === "arm64";
const SYS_capget = arm ? 90 : 125;
const SYS_capset = arm ? 91 : 126;
const CAPABILITY_VERSION_3 = 0x20080522;

// prctl(2)
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_IS_SET = 1;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

const CLONE_THREAD = 0x10000;
const SAME = 0xffffffff;

/** Sets of capabilities: bit N stands for capability N. They are the calling thread's. */
export interface Capabilities {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

const wide = (low = 0, high = 0): bigint => BigInt(low) | (BigInt(high) << 32n);

/** capget(2) of this thread. */
export function capabilities(): Capabilities {
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  const data = new Uint32Array(6);
  check(libc.syscall(SYS_capget, addressOf(header), addressOf(data), 0, 0, 0, 0), "capget");
  return {
    effective: wide(data[0], data[3]),
    permitted: wide(data[1], data[4]),
    inheritable: wide(data[2], data[5]),
  };
}

/** The ambient set of this thread; empty where the kernel has none. */
export function ambientCapabilities(): bigint {
  let found = 0n;
  for (let capability = 0; capability < 64; capability++) {
    const result = libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0);
    // EINVAL: the first number that the kernel has no capability for.
    if (result < 0) break;
    if (result === 1) found |= 1n << BigInt(capability);
  }
  return found;
}

/**
 * Empties the effective, permitted, inheritable and ambient sets of this thread, and checks that they are. Other
 * threads keep theirs: see `singleThreaded`. Throws `SystemError`.
 */
export function dropAllCapabilities(): void {
  libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  const none = new Uint32Array(6);
  check(libc.syscall(SYS_capset, addressOf(header), addressOf(none), 0, 0, 0, 0), "capset");
  const left = capabilities();
  if ((left.effective | left.permitted | left.inheritable | ambientCapabilities()) !== 0n)
    throw new SystemError(EPERM, "dropping the capabilities", undefined);
}

/**
 * Whether this thread is the only one of the process: unshare(2) with CLONE_THREAD does nothing then, and fails
 * with EINVAL otherwise. Where a seccomp filter refuses unshare (as in many containers), the number of threads is
 * read from `taskDirectory`, a descriptor on /proc/self/task that was opened while there was a /proc; without one
 * the answer is false.
 */
export function singleThreaded(taskDirectory?: number): boolean {
  if (libc.unshare(CLONE_THREAD) === 0) return true;
  if (errno() === EINVAL || taskDirectory === undefined) return false;
  const STATX_NLINK = 4;
  const statx = new Uint32Array(64);
  if (libc.statx(taskDirectory, cArgument(""), AT_EMPTY_PATH, STATX_NLINK, addressBytes(statx)) !== 0)
    return false;
  // struct statx: stx_nlink at offset 16; a directory has one link for itself, one in its parent, one per child.
  return statx[4] === 3;
}

function addressBytes(array: Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer);
}

function threeIds(call: "getresuid" | "getresgid"): [real: number, effective: number, saved: number] {
  const real = new Uint32Array(1);
  const effective = new Uint32Array(1);
  const saved = new Uint32Array(1);
  check(libc[call](addressBytes(real), addressBytes(effective), addressBytes(saved)), call);
  return [real[0] ?? SAME, effective[0] ?? SAME, saved[0] ?? SAME];
}

/** getresuid(2): real, effective and saved user id. */
export function userIds(): [real: number, effective: number, saved: number] {
  return threeIds("getresuid");
}

/** getresgid(2): real, effective and saved group id. */
export function groupIds(): [real: number, effective: number, saved: number] {
  return threeIds("getresgid");
}

/** setresuid(2) with one id for all three, checked. Throws `SystemError`. */
export function becomeUser(uid: number): void {
  check(libc.setresuid(uid, uid, uid), "setresuid");
  if (userIds().some((id) => id !== uid)) throw new SystemError(EPERM, "setresuid", undefined);
}

/** setresgid(2) with one id for all three, checked. Throws `SystemError`. */
export function becomeGroup(gid: number): void {
  check(libc.setresgid(gid, gid, gid), "setresgid");
  if (groupIds().some((id) => id !== gid)) throw new SystemError(EPERM, "setresgid", undefined);
}

/** Whether real, effective and saved user id are `uid`, and the process cannot become root (unless it is). */
export function isOnlyUser(uid: number): boolean {
  if (userIds().some((id) => id !== uid)) return false;
  return uid === 0 || libc.setresuid(SAME, 0, SAME) !== 0;
}

/** Whether real, effective and saved group id are `gid`, and the process cannot get root's (unless it has). */
export function isOnlyGroup(gid: number): boolean {
  if (groupIds().some((id) => id !== gid)) return false;
  return gid === 0 || libc.setresgid(SAME, 0, SAME) !== 0;
}

/** The supplementary group ids of this process, as getgroups(2) orders them. */
export function supplementaryGroups(): number[] {
  for (;;) {
    // bun:ffi takes no pointer to an empty array.
    const count = check(libc.getgroups(0, new Uint8Array(4)), "getgroups");
    const ids = new Uint32Array(Math.max(1, count));
    const got = libc.getgroups(ids.length, addressBytes(ids));
    if (got >= 0) return [...ids.subarray(0, got)];
    // More than a moment ago: another thread's doing, in theory.
    if (errno() !== EINVAL) fail("getgroups");
  }
}

/** setgroups(2), checked. Throws `SystemError`. */
export function setSupplementaryGroups(gids: readonly number[]): void {
  const ids = Uint32Array.from(gids.length > 0 ? gids : [0]);
  check(libc.setgroups(gids.length, addressBytes(ids)), "setgroups");
  const now = new Set(supplementaryGroups());
  if (now.size !== new Set(gids).size || gids.some((gid) => !now.has(gid)))
    throw new SystemError(EPERM, "setgroups", undefined);
}

let moved = false;

/** Whether the working directory was changed through this module; an exec then keeps it. */
export function workingDirectoryWasChanged(): boolean {
  return moved;
}

/** chdir(2). */
export function chdir(path: ByteString): void {
  check(libc.chdir(cArgument(path)), "chdir", path);
  moved = true;
}

/** fchdir(2). `path` is for the message only. */
export function fchdir(fd: number, path?: ByteString): void {
  check(libc.fchdir(fd), "fchdir", path);
  moved = true;
}

/** chroot(2). The working directory does not move with it: see `chrootToFd`. */
export function chroot(path: ByteString): void {
  check(libc.chroot(cArgument(path)), "chroot", path);
}

/** Makes an open directory the root and the working directory. `path` is for the message only. */
export function chrootToFd(fd: number, path?: ByteString): void {
  fchdir(fd, path);
  check(libc.chroot(cArgument(".")), "chroot", path);
}

/** getcwd(2); undefined where the working directory has no name (removed, or outside the root). */
export function workingDirectory(): ByteString | undefined {
  const buffer = Buffer.alloc(4096);
  if (libc.getcwd(buffer, buffer.length) === null) return undefined;
  const name = buffer.toString("latin1", 0, buffer.indexOf(0));
  return name.startsWith("/") ? name : undefined;
}

/** PR_SET_NO_NEW_PRIVS: from here on no exec gives a privilege. Checked, and for good. */
export function setNoNewPrivileges(): void {
  check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
  if (!hasNoNewPrivileges()) throw new SystemError(EPERM, "prctl(PR_SET_NO_NEW_PRIVS)", undefined);
}

/** Whether no_new_privs is set, which takes the effect of setuid bits and file capabilities away. */
export function hasNoNewPrivileges(): boolean {
  return libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) === 1;
}

/** PR_GET_DUMPABLE: whether the same user may trace this process. */
export function isDumpable(): boolean {
  return libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) === 1;
}

/** PR_SET_DUMPABLE. An exec sets it anew. */
export function setDumpable(dumpable: boolean): void {
  check(libc.prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)");
}
