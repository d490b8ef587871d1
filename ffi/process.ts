import type { ByteString } from "./bytes.ts";
import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, cArgument, check, errno, fail, libc, syscall } from "./libc.ts";
import { STATX_NLINK, statx, statxBuffer } from "./statx.ts";

// capabilities(7)
export const CAP_SYS_CHROOT = 18;

const arm = process.arch === "arm64";
const SYS_capget = arm ? 90 : 125;
const SYS_capset = arm ? 91 : 126;
const CAPABILITY_VERSION_3 = 0x20080522;
const HIGHEST = 63;

const SYS_getpriority = arm ? 141 : 140;
const PRIO_USER = 2;
const SYS_pidfd_send_signal = 424;

const CLONE_THREAD = 0x10000;
const SAME = 0xffffffff;

/** The calling thread's sets of capabilities: bit N is capability N. */
export interface Capabilities {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

const wide = (low = 0, high = 0): bigint => BigInt(low) | (BigInt(high) << 32n);

/** capget(2) of this thread. */
export function capabilities(): Capabilities {
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  // The low halves of the three sets, then the high ones.
  const data = new Uint32Array(6);
  check(syscall(SYS_capget, addressOf(header), addressOf(data)), "capget");
  return {
    effective: wide(data[0], data[3]),
    permitted: wide(data[1], data[4]),
    inheritable: wide(data[2], data[5]),
  };
}

/** capset(2) of this thread; `data` has the six words of capget(2). Throws `SystemError`. */
function capset(data: Uint32Array): void {
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  check(syscall(SYS_capset, addressOf(header), addressOf(data)), "capset");
}

/** The capabilities for which a call of prctl(2) returns 1. */
function setOf(query: (capability: number) => number): bigint {
  let found = 0n;
  for (let capability = 0; capability <= HIGHEST; capability++) {
    const result = query(capability);
    // EINVAL: the first number without a capability.
    if (result < 0) break;
    if (result === 1) found |= 1n << BigInt(capability);
  }
  return found;
}

/** The ambient set of this thread; empty if the kernel has none. */
export function ambientCapabilities(): bigint {
  return setOf((capability) => libc.prctl(C.PR_CAP_AMBIENT, C.PR_CAP_AMBIENT_IS_SET, capability, 0, 0));
}

/**
 * Empties the effective, permitted, inheritable and ambient sets of this thread, and checks that they are. Other
 * threads keep theirs: see `singleThreaded`. Throws `SystemError`.
 */
export function dropAllCapabilities(): void {
  libc.prctl(C.PR_CAP_AMBIENT, C.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  capset(new Uint32Array(6));
  const left = capabilities();
  if ((left.effective | left.permitted | left.inheritable | ambientCapabilities()) !== 0n)
    throw new SystemError(C.EPERM, "dropping the capabilities", undefined);
}

const has = (set: bigint, capability: number) => ((set >> BigInt(capability)) & 1n) === 1n;
const low = (set: bigint) => Number(set & 0xffffffffn);
const high = (set: bigint) => Number(set >> 32n);

/** capset(2) of this thread, checked. Throws `SystemError`. */
export function setCapabilities({ effective, permitted, inheritable }: Capabilities): void {
  capset(
    Uint32Array.of(
      ...[low(effective), low(permitted), low(inheritable)],
      ...[high(effective), high(permitted), high(inheritable)],
    ),
  );
  const now = capabilities();
  if (now.effective !== effective || now.permitted !== permitted || now.inheritable !== inheritable)
    throw new SystemError(C.EPERM, "capset", undefined);
}

/** The bounding set of this thread: the most that an exec may give. */
const boundingCapabilities = () => setOf((capability) => libc.prctl(C.PR_CAPBSET_READ, capability, 0, 0, 0));

/** Drops all but `kept` from the bounding set, for good. Needs CAP_SETPCAP. Throws `SystemError`. */
export function limitBoundingSet(kept: bigint): void {
  const present = boundingCapabilities();
  for (let capability = 0; capability <= HIGHEST; capability++) {
    if (!has(present, capability) || has(kept, capability)) continue;
    check(libc.prctl(C.PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl(PR_CAPBSET_DROP)");
  }
  if ((boundingCapabilities() & ~kept) !== 0n)
    throw new SystemError(C.EPERM, "prctl(PR_CAPBSET_DROP)", undefined);
}

/** PR_SET_KEEPCAPS: whether the permitted set outlives the change of all user ids from 0. */
export function keepOverSetuid(keep: boolean): void {
  check(libc.prctl(C.PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)");
}

/** Adds `set` to the ambient set, which an exec passes on. It must be permitted and inheritable. Checked. */
export function raiseAmbient(set: bigint): void {
  for (let capability = 0; capability <= HIGHEST; capability++) {
    if (!has(set, capability)) continue;
    check(
      libc.prctl(C.PR_CAP_AMBIENT, C.PR_CAP_AMBIENT_RAISE, capability, 0, 0),
      "prctl(PR_CAP_AMBIENT_RAISE)",
    );
  }
  if ((ambientCapabilities() & set) !== set)
    throw new SystemError(C.EPERM, "prctl(PR_CAP_AMBIENT_RAISE)", undefined);
}

/**
 * Whether this thread is the only one of the process: if not, unshare(2) with CLONE_THREAD fails with EINVAL. If a
 * seccomp filter refuses unshare, as in many containers, the number of threads is read from `taskDirectory`, a
 * descriptor of /proc/self/task; without one the answer is false.
 */
export function singleThreaded(taskDirectory?: number): boolean {
  if (libc.unshare(CLONE_THREAD) === 0) return true;
  if (errno() === C.EINVAL || taskDirectory === undefined) return false;
  if (!statx(taskDirectory, "", C.AT_EMPTY_PATH, STATX_NLINK)) return false;
  // stx_nlink: a directory has one link for itself, one in its parent, one per child.
  return statxBuffer.readUInt32LE(16) === 3;
}

function threeIds(call: "getresuid" | "getresgid"): [real: number, effective: number, saved: number] {
  const real = new Uint32Array(1);
  const effective = new Uint32Array(1);
  const saved = new Uint32Array(1);
  // SAFETY: an id of 32 bits goes into each array.
  check(libc[call](real, effective, saved), call);
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

/**
 * Whether there is a process whose real user id is `uid`, zombies included. The kernel looks at all of them at once, where
 * one that reads proc(5) misses processes that end as soon as they have started another. Throws `SystemError`.
 */
export function isProcessOf(uid: number): boolean {
  // 0 would mean the user of this process.
  if (uid === 0 || syscall(SYS_getpriority, PRIO_USER, uid) >= 0) return true;
  if (errno() !== C.ESRCH) fail("getpriority");
  return false;
}

/**
 * Ends all processes with the real or saved id of a user, but for this one, by one kill(2), which the kernel makes at once: who
 * sends signals one by one misses processes that end as soon as they have started another. `spare` is a uid that has no process:
 * one that has it ends as well. Only the effective id of this process is the user's meanwhile: so the user can neither signal it
 * nor trace it or enter its /proc/PID/root, which is outside of the jail. Needs root. Throws `SystemError`, "kill" with ESRCH if there was none.
 */
export function killAllOf(uid: number, spare: number): void {
  if (uid === 0 || spare === 0) throw new SystemError(C.EINVAL, "kill", undefined);
  check(libc.setresuid(spare, uid, 0), "setresuid");
  try {
    if (userIds().join() !== `${spare},${uid},0`) throw new SystemError(C.EPERM, "setresuid", undefined);
    check(libc.kill(-1, C.SIGKILL), "kill");
  } finally {
    becomeUser(0);
  }
}

/** Sends a signal to the process of an open directory of proc(5), and to no other one that gets its pid. False if that fails. */
export function sendSignal(directory: number, signal: number): boolean {
  return syscall(SYS_pidfd_send_signal, directory, signal) === 0;
}

/** setresuid(2) with one id for all three, checked. Throws `SystemError`. */
export function becomeUser(uid: number): void {
  check(libc.setresuid(uid, uid, uid), "setresuid");
  if (userIds().some((id) => id !== uid)) throw new SystemError(C.EPERM, "setresuid", undefined);
}

/** setresgid(2) with one id for all three, checked. Throws `SystemError`. */
export function becomeGroup(gid: number): void {
  check(libc.setresgid(gid, gid, gid), "setresgid");
  if (groupIds().some((id) => id !== gid)) throw new SystemError(C.EPERM, "setresgid", undefined);
}

function areAll(ids: readonly number[], wanted: number): boolean {
  for (const id of ids) if (id !== wanted) return false;
  return true;
}

/** Whether real, effective and saved user id are `uid`, and, unless it is 0, the process cannot become root. */
export function isOnlyUser(uid: number): boolean {
  if (!areAll(userIds(), uid)) return false;
  return uid === 0 || libc.setresuid(SAME, 0, SAME) !== 0;
}

/** Whether real, effective and saved group id are `gid`, and, unless it is 0, the process cannot get group 0. */
export function isOnlyGroup(gid: number): boolean {
  if (!areAll(groupIds(), gid)) return false;
  return gid === 0 || libc.setresgid(SAME, 0, SAME) !== 0;
}

/** The supplementary group ids of this process, as getgroups(2) orders them. */
export function supplementaryGroups(): number[] {
  for (;;) {
    const count = check(libc.getgroups(0, null), "getgroups");
    const ids = new Uint32Array(Math.max(1, count));
    // SAFETY: at most the length of the array is written.
    const got = libc.getgroups(ids.length, ids);
    const groups: number[] = [];
    for (let i = 0; i < got; i++) groups.push(ids[i] ?? SAME);
    if (got >= 0) return groups;
    // There are more groups than a moment ago.
    if (errno() !== C.EINVAL) fail("getgroups");
  }
}

/** setgroups(2), checked. Throws `SystemError`. */
export function setSupplementaryGroups(gids: readonly number[]): void {
  const ids = Uint32Array.from(gids.length > 0 ? gids : [0]);
  // SAFETY: the array has at least as many ids.
  check(libc.setgroups(gids.length, ids), "setgroups");
  const now = new Set(supplementaryGroups());
  if (now.size !== new Set(gids).size || gids.some((gid) => !now.has(gid)))
    throw new SystemError(C.EPERM, "setgroups", undefined);
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

/** Whether chroot(2) is refused for want of the privilege: it is tried with the root directory. */
export function chrootIsRefused(): boolean {
  return libc.chroot(cArgument("/")) !== 0 && errno() === C.EPERM;
}

/** Makes an open directory the root and the working directory. `path` is for the message only. */
export function chrootToFd(fd: number, path?: ByteString): void {
  fchdir(fd, path);
  check(libc.chroot(cArgument(".")), "chroot", path);
}

/** getcwd(2); undefined if the working directory has no name: it is removed, or outside the root. */
export function workingDirectory(): ByteString | undefined {
  const buffer = Buffer.alloc(C.PATH_MAX);
  // SAFETY: at most the length of the buffer is written.
  if (libc.getcwd(buffer, buffer.length) < 0) return undefined;
  const name = buffer.toString("latin1", 0, buffer.indexOf(0));
  return name.startsWith("/") ? name : undefined;
}

/** PR_SET_NO_NEW_PRIVS: from now on no exec gives a privilege, for good. Checked. */
export function setNoNewPrivileges(): void {
  check(libc.prctl(C.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
  if (!hasNoNewPrivileges()) throw new SystemError(C.EPERM, "prctl(PR_SET_NO_NEW_PRIVS)", undefined);
}

/** Whether no_new_privs is set, which disables setuid bits and file capabilities. */
export function hasNoNewPrivileges(): boolean {
  return libc.prctl(C.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) === 1;
}

/** PR_GET_DUMPABLE: whether the same user may trace this process. */
export function isDumpable(): boolean {
  return libc.prctl(C.PR_GET_DUMPABLE, 0, 0, 0, 0) === 1;
}

/** PR_SET_DUMPABLE. An exec sets it again. */
export function setDumpable(dumpable: boolean): void {
  check(libc.prctl(C.PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)");
}
