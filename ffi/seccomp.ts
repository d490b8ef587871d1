import { EINVAL, PR_SET_SECCOMP } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, errno, libc } from "./libc.ts";

// Filters of system calls, seccomp(2), in classic BPF.

const SECCOMP_MODE_FILTER = 2;

/** An instruction; a jump skips `yes` or `no` of those that follow. */
export type Instruction = readonly [code: number, yes: number, no: number, value: number];

/** bpf(4): load a word, mask it, jump if it is equal, return. */
export const LOAD = 0x20;
export const AND = 0x54;
export const EQUAL = 0x15;
const RETURN = 0x06;

/** Offsets of the call's number and architecture in struct seccomp_data. */
export const NUMBER = 0;
export const ARCH = 4;

/** The offset of the low 32 bits of an argument, from 0, in struct seccomp_data. */
export const argumentAt = (index: number): number => 16 + 8 * index;

/** AUDIT_ARCH_* of the architectures of our executables. */
export const ARCHITECTURES = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

/** The architecture of this program. */
export const ARCHITECTURE = process.arch === "arm64" ? ARCHITECTURES.arm64 : ARCHITECTURES.x64;

/** A bit in the numbers of x32 calls, which have x86-64's architecture. */
export const X32 = 0x40000000;

const FAIL = 0x00050000;

/** The ends of a filter: the call is made, the process is killed, the call fails with this errno. */
export const ALLOW: Instruction = [RETURN, 0, 0, 0x7fff0000];
export const KILL: Instruction = [RETURN, 0, 0, 0x80000000];
export const failWith = (errno: number): Instruction => [RETURN, 0, 0, FAIL | errno];

/** Where a compiled filter compares with the process's own id: whoever installs it puts that in place of this word. */
export const PID_PLACE = 0x6a6b7069;

/** The filters of config/filters/ that sessions get, as bits: the guard has them, and installs them in this order. */
export const SESSION_FILTERS = {
  login: 1,
  "network-local": 2,
  "network-none": 4,
  tcp: 8,
  "tcp-listen": 16,
  execute: 32,
} as const;
export type SessionFilter = keyof typeof SESSION_FILTERS;

/** The filter as an array of struct sock_filter: two little-endian words each. */
export function encode(filter: readonly Instruction[]): Uint32Array {
  const words = new Uint32Array(2 * filter.length);
  let at = 0;
  for (const one of filter) {
    words[at++] = one[0] | (one[1] << 16) | (one[2] << 24);
    words[at++] = one[3];
  }
  return words;
}

/** Whether the kernel has such filters. Installs none: there is none at address 0 (EFAULT), see seccomp(2). */
export function hasFilters(): boolean {
  return libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0) >= 0 || errno() !== EINVAL;
}

/**
 * seccomp(2): applies a filter, an array of struct sock_filter, to every later system call of this thread and everything
 * that it starts. False if the kernel has no such filters. Needs no_new_privs, or CAP_SYS_ADMIN. Throws SystemError.
 */
export function installFilter(words: Uint32Array): boolean {
  // struct sock_fprog: the number of instructions, and their address.
  // SAFETY: addressOf holds both arrays during the call.
  const address = addressOf(words);
  const program = new Uint32Array(4);
  program[0] = words.length / 2;
  program[2] = address % 2 ** 32;
  program[3] = address / 2 ** 32;
  if (libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOf(program), 0, 0) >= 0) return true;
  const error = new SystemError(errno(), "prctl(PR_SET_SECCOMP)", undefined);
  // The kernel also says EINVAL to a filter that is wrong, or too long.
  if (error.errno === EINVAL && !hasFilters()) return false;
  throw error;
}
