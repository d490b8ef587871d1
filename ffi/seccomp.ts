import { EINVAL } from "./constants.ts";
import { addressOf, check, errno, libc } from "./libc.ts";

/** Filters of system calls: seccomp(2), and the instructions of classic BPF that they are made of. */

const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;

/** One instruction; jumps go over so many of those that follow. */
export type Instruction = readonly [code: number, yes: number, no: number, value: number];

/** bpf(4): load a word, keep some of its bits, jump where it is equal, is at least, has one of these bits; return. */
export const LOAD = 0x20;
export const AND = 0x54;
export const EQUAL = 0x15;
export const AT_LEAST = 0x35;
export const HAS = 0x45;
const RETURN = 0x06;

/** Where struct seccomp_data has the call's number and its architecture. */
export const NUMBER = 0;
export const ARCH = 4;

/** Where struct seccomp_data has the low 32 bits of an argument (0 is the first). */
export const argumentAt = (index: number): number => 16 + 8 * index;

/** What AUDIT_ARCH_* names the architectures that there are executables for. */
export const ARCHITECTURES = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

/** The architecture of this program. */
export const ARCHITECTURE = process.arch === "arm64" ? ARCHITECTURES.arm64 : ARCHITECTURES.x64;

/** What the numbers of the x32 calls have on top; they come with x86-64's architecture. */
export const X32 = 0x40000000;

const FAIL = 0x00050000;

/** The ends of a filter: the call is made, the process is killed, the call fails with this errno. */
export const ALLOW: Instruction = [RETURN, 0, 0, 0x7fff0000];
export const KILL: Instruction = [RETURN, 0, 0, 0x80000000];
export const failWith = (errno: number): Instruction => [RETURN, 0, 0, FAIL | errno];

/** The filter as struct sock_filter has it: two words each, as little-endian machines lay them out. */
function encode(filter: readonly Instruction[]): Uint32Array {
  const words = new Uint32Array(2 * filter.length);
  let at = 0;
  for (const one of filter) {
    words[at++] = one[0] | (one[1] << 16) | (one[2] << 24);
    words[at++] = one[3];
  }
  return words;
}

// The kernel reads these by their addresses, of which the collector of garbage knows nothing.
const held: Uint32Array[] = [];

/**
 * seccomp(2): from here on this filter judges each system call of this thread, and of all that it starts. False where
 * the kernel has no such filters. no_new_privs must be set, or CAP_SYS_ADMIN be held. Throws SystemError.
 */
export function installFilter(filter: readonly Instruction[]): boolean {
  const words = encode(filter);
  held[0] = words;
  // struct sock_fprog: how many, and where.
  const address = addressOf(words);
  const program = new Uint32Array(4);
  program[0] = filter.length;
  program[2] = address % 2 ** 32;
  program[3] = address / 2 ** 32;
  const result = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOf(program), 0, 0);
  if (result < 0 && errno() === EINVAL) return false;
  check(result, "prctl(PR_SET_SECCOMP)");
  return true;
}
