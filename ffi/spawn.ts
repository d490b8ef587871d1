import { type ByteString, cString } from "./bytes.ts";
import { ECHILD, EINTR } from "./constants.ts";
import { SystemError } from "./error.ts";
import { cStrings } from "./exec-arguments.ts";
import { standardError } from "./guard.ts";
import { check, errno } from "./libc.ts";
import { dlopen, i32, pointer, u32 } from "./native.ts";

// Not in ffi/libc.ts, since a login needs none of these.
const libc = dlopen("libc.so.6", {
  posix_spawn: { args: [pointer, pointer, pointer, pointer, pointer, pointer], returns: i32 },
  posix_spawn_file_actions_init: { args: [pointer], returns: i32 },
  posix_spawn_file_actions_adddup2: { args: [pointer, i32, i32], returns: i32 },
  posix_spawn_file_actions_addchdir_np: { args: [pointer, pointer], returns: i32 },
  posix_spawn_file_actions_destroy: { args: [pointer], returns: i32 },
  posix_spawnattr_init: { args: [pointer], returns: i32 },
  posix_spawnattr_setflags: { args: [pointer, u32], returns: i32 },
  posix_spawnattr_setsigdefault: { args: [pointer, pointer], returns: i32 },
  posix_spawnattr_setsigmask: { args: [pointer, pointer], returns: i32 },
  posix_spawnattr_destroy: { args: [pointer], returns: i32 },
  waitpid: { args: [i32, pointer, i32], returns: i32 },
  waitid: { args: [i32, u32, pointer, i32], returns: i32 },
}).symbols;

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const WNOHANG = 1;
const WSTOPPED = 2;
const WNOWAIT = 0x01000000;
const P_PID = 1;

// posix_spawn_file_actions_t has 80 bytes in glibc, posix_spawnattr_t 336, sigset_t and siginfo_t 128.
const STRUCTURE = 512;
const SIGNAL_SET = 128;
const SIGNAL_INFO = 128;

interface SpawnOptions {
  /** The whole environment, as NAME=value. */
  readonly env: readonly ByteString[];
  /** Descriptors of this process, and their numbers in the new one. It gets no others above 2. */
  readonly descriptors: readonly (readonly [from: number, to: number])[];
  /** Signals that are blocked in the new process; bit N - 1 is signal N. */
  readonly blocked: bigint;
  /** The process leads a new session: setsid(2). */
  readonly newSession: boolean;
  /** Its working directory; by default that of this process. */
  readonly directory?: ByteString;
}

function must(result: number, call: string): void {
  if (result !== 0) throw new SystemError(result, call, undefined);
}

/** posix_spawn_file_actions_t; destroy it. */
function createActions({ descriptors, directory }: SpawnOptions): Uint8Array {
  const actions = new Uint8Array(STRUCTURE);
  // SAFETY: larger than the structure.
  must(libc.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
  // SAFETY: initialized above.
  for (const [from, to] of [[standardError, 2] as const, ...descriptors])
    must(libc.posix_spawn_file_actions_adddup2(actions, from, to), "posix_spawn_file_actions_adddup2");
  if (directory !== undefined) {
    // SAFETY: initialized above; glibc copies the string.
    const result = libc.posix_spawn_file_actions_addchdir_np(actions, cString(directory));
    must(result, "posix_spawn_file_actions_addchdir_np");
  }
  return actions;
}

/** posix_spawnattr_t; destroy it. */
function createAttributes({ blocked, newSession }: SpawnOptions): Uint8Array {
  const attributes = new Uint8Array(STRUCTURE);
  // glibc leaves out its own two signals, and those that cannot be caught do no harm.
  const everySignal = new BigUint64Array(SIGNAL_SET / 8).fill(~0n);
  const mask = new BigUint64Array(SIGNAL_SET / 8);
  mask[0] = blocked;
  const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (newSession ? POSIX_SPAWN_SETSID : 0);
  // SAFETY: larger than the structure.
  must(libc.posix_spawnattr_init(attributes), "posix_spawnattr_init");
  // SAFETY: initialized above; whole signal sets.
  must(libc.posix_spawnattr_setflags(attributes, flags), "posix_spawnattr_setflags");
  must(libc.posix_spawnattr_setsigdefault(attributes, everySignal), "posix_spawnattr_setsigdefault");
  must(libc.posix_spawnattr_setsigmask(attributes, mask), "posix_spawnattr_setsigmask");
  return attributes;
}

/**
 * posix_spawn(3): starts a program as a child of this process, without a fork of the runtime. Its signals have their
 * default dispositions. Returns its pid. Throws SystemError.
 */
export function spawn(path: ByteString, argv: readonly ByteString[], options: SpawnOptions): number {
  const held: unknown[] = [];
  const actions = createActions(options);
  const attributes = createAttributes(options);
  const [words, env] = [cStrings(argv, held), cStrings(options.env, held)];
  const pid = new Int32Array(1);
  // SAFETY: `held` has the strings of both arrays, and is read after the call, so alive until then.
  const result = libc.posix_spawn(pid, cString(path), actions, attributes, words, env);
  // SAFETY: initialized above.
  libc.posix_spawn_file_actions_destroy(actions);
  libc.posix_spawnattr_destroy(attributes);
  if (result !== 0 || held.length === 0) throw new SystemError(result, "posix_spawn", path);
  return pid[0] ?? -1;
}

/**
 * waitpid(2): waits for a child. Returns its exit status, or 128 plus the number of the signal that ended it; with
 * `poll` it does not wait, and returns undefined if the child is running.
 */
export function waitFor(pid: number, poll = false): number | undefined {
  const status = new Int32Array(1);
  for (;;) {
    // SAFETY: an int.
    const result = libc.waitpid(pid, status, poll ? WNOHANG : 0);
    if (result === 0) return undefined;
    if (result > 0) break;
    if (errno() !== EINTR) check(result, "waitpid");
  }
  const [word = 0] = status;
  const signal = word & 0x7f;
  return signal === 0 ? (word >> 8) & 0xff : 128 + signal;
}

/** waitid(2): whether a signal has stopped a child. Its status can still be waited for. */
export function isStopped(pid: number): boolean {
  // The first word stays 0 if nothing is reported.
  const information = new Int32Array(SIGNAL_INFO / 4);
  // SAFETY: a whole siginfo_t.
  const result = libc.waitid(P_PID, pid, information, WSTOPPED | WNOHANG | WNOWAIT);
  // A child that has ended cannot stop.
  if (result < 0 && errno() === ECHILD) return false;
  check(result, "waitid");
  return information[0] !== 0;
}
