import { dlopen, FFIType } from "bun:ffi";
import { type ByteString, cString } from "./bytes.ts";
import { ECHILD, EINTR } from "./constants.ts";
import { SystemError } from "./error.ts";
import { standardError } from "./guard.ts";
import { addressOf, check, errno } from "./libc.ts";

const { i32, u32, ptr: pointer } = FFIType;

// Apart from ffi/libc.ts: a login, which counts its system calls, needs none of these.
const libc = dlopen("libc.so.6", {
  posix_spawn: { args: [pointer, pointer, pointer, pointer, pointer, pointer], returns: i32 },
  posix_spawn_file_actions_init: { args: [pointer], returns: i32 },
  posix_spawn_file_actions_adddup2: { args: [pointer, i32, i32], returns: i32 },
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

// posix_spawn_file_actions_t has 80 bytes in glibc, posix_spawnattr_t 336, sigset_t 128.
const STRUCTURE = 512;
const SIGNAL_SET = 128;

/** How a program is started. */
export interface SpawnOptions {
  /** Entries of the environment, NAME=value; nothing else is in it. */
  readonly env: readonly ByteString[];
  /**
   * Descriptors of this process and the numbers under which the new one has them. Others are closed on exec, but for
   * standard input, output and error.
   */
  readonly descriptors: readonly (readonly [from: number, to: number])[];
  /** Signals that the new process has blocked from its start on; bit N - 1 for signal N. */
  readonly blocked: bigint;
  /** The process leads a session of its own: setsid(2). */
  readonly newSession: boolean;
}

function must(result: number, call: string): void {
  if (result !== 0) throw new SystemError(result, call, undefined);
}

function pointers(texts: readonly ByteString[], held: Uint8Array[]): Uint8Array {
  const array = new BigUint64Array(texts.length + 1);
  texts.forEach((text, i) => {
    const bytes = cString(text);
    held.push(bytes);
    array[i] = BigInt(addressOf(bytes));
  });
  return new Uint8Array(array.buffer);
}

/**
 * posix_spawn(3): starts a program as a child of this process, without a fork of the runtime. All its signals have
 * their default dispositions. Returns its pid. Throws SystemError where it was not started.
 */
export function spawn(path: ByteString, argv: readonly ByteString[], options: SpawnOptions): number {
  const held: Uint8Array[] = [];
  const actions = Buffer.alloc(STRUCTURE);
  const attributes = Buffer.alloc(STRUCTURE);
  must(libc.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
  must(libc.posix_spawnattr_init(attributes), "posix_spawnattr_init");
  try {
    const all = [[standardError, 2] as const, ...options.descriptors];
    for (const [from, to] of all) {
      must(libc.posix_spawn_file_actions_adddup2(actions, from, to), "posix_spawn_file_actions_adddup2");
    }
    const session = options.newSession ? POSIX_SPAWN_SETSID : 0;
    const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session;
    must(libc.posix_spawnattr_setflags(attributes, flags), "posix_spawnattr_setflags");
    // glibc leaves its own two signals out, and those that cannot be caught do no harm.
    const everySignal = Buffer.alloc(SIGNAL_SET, 0xff);
    must(libc.posix_spawnattr_setsigdefault(attributes, everySignal), "posix_spawnattr_setsigdefault");
    const blocked = Buffer.alloc(SIGNAL_SET);
    blocked.writeBigUInt64LE(options.blocked, 0);
    must(libc.posix_spawnattr_setsigmask(attributes, blocked), "posix_spawnattr_setsigmask");
    const pid = Buffer.alloc(4);
    const program = cString(path);
    const result = libc.posix_spawn(
      pid,
      program,
      actions,
      attributes,
      pointers(argv, held),
      pointers(options.env, held),
    );
    // Read after the call, so that none of what the kernel reads was collected before.
    if (result !== 0 || held.length < argv.length) throw new SystemError(result, "posix_spawn", path);
    return pid.readInt32LE(0);
  } finally {
    libc.posix_spawn_file_actions_destroy(actions);
    libc.posix_spawnattr_destroy(attributes);
  }
}

/**
 * waitpid(2): the exit status of a child (128 and the number of the signal that ended it), waited for; with `poll`
 * undefined where it still runs.
 */
export function waitFor(pid: number, poll = false): number | undefined {
  const status = Buffer.alloc(4);
  for (;;) {
    const result = libc.waitpid(pid, status, poll ? WNOHANG : 0);
    if (result === 0) return undefined;
    if (result > 0) break;
    if (errno() !== EINTR) check(result, "waitpid");
  }
  const word = status.readInt32LE(0);
  const signal = word & 0x7f;
  return signal === 0 ? (word >> 8) & 0xff : 128 + signal;
}

/** waitid(2): whether a child is stopped by a signal; one that has ended is not. Nothing of it is consumed. */
export function isStopped(pid: number): boolean {
  // siginfo_t; its first word stays 0 where there is nothing to tell.
  const information = Buffer.alloc(128);
  const result = libc.waitid(P_PID, pid, information, WSTOPPED | WNOHANG | WNOWAIT);
  // One that has ended cannot stop any more, which the kernel says by not knowing it.
  if (result < 0 && errno() === ECHILD) return false;
  check(result, "waitid");
  return information.readInt32LE(0) !== 0;
}
