import { EACCES } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { errno, libc } from "../../ffi/libc.ts";
import {
  ALLOW,
  AND,
  ARCH,
  ARCHITECTURE,
  argumentAt,
  EQUAL,
  failWith,
  type Instruction,
  installFilter,
  LOAD,
  NUMBER,
  X32,
} from "../../ffi/seccomp.ts";

const arm = process.arch === "arm64";
const SYS_execve = arm ? 221 : 59;
const SYS_execveat = arm ? 281 : 322;
// The same calls of 32-bit programs (of i386 or arm), and of x32.
const COMPAT_EXECVE = 11;
const COMPAT_EXECVEAT = arm ? 387 : 358;
const X32_EXECVE = arm ? SYS_execve : 520;
const X32_EXECVEAT = arm ? SYS_execveat : 545;

/** Allows only the execve(2) whose path is at this 64-bit address. Any other execve or execveat fails with EACCES. */
export function oneExecution(path: number): readonly Instruction[] {
  const [low, high] = [path % 2 ** 32, Math.floor(path / 2 ** 32)];
  return [
    [LOAD, 0, 0, ARCH],
    [EQUAL, 0, 10, ARCHITECTURE],
    [LOAD, 0, 0, NUMBER],
    // Old kernels accept x32's numbers also without the X32 bit.
    [AND, 0, 0, ~X32 >>> 0],
    [EQUAL, 11, 0, SYS_execveat],
    [EQUAL, 10, 0, X32_EXECVEAT],
    [EQUAL, 1, 0, SYS_execve],
    [EQUAL, 8, 7, X32_EXECVE],
    [LOAD, 0, 0, argumentAt(0)],
    [EQUAL, 0, 6, low],
    [LOAD, 0, 0, argumentAt(0) + 4],
    [EQUAL, 3, 4, high],
    [LOAD, 0, 0, NUMBER],
    [EQUAL, 2, 0, COMPAT_EXECVE],
    [EQUAL, 1, 0, COMPAT_EXECVEAT],
    ALLOW,
    failWith(EACCES),
  ];
}

// There is no path at address 0: EFAULT, unless a filter answers first.
const isRefused = () => libc.syscall(SYS_execve, 0, 0, 0, 0, 0, 0) < 0 && errno() === EACCES;

/**
 * Limits this process and everything that it starts to one execve(2): that with the bytes at the address `path`. The
 * program's interpreter and dynamic linker are executed too. Checked. False if the kernel has no filters of system calls.
 * no_new_privs must be set. Throws SystemError.
 */
export function forbidExecution(path: number): boolean {
  if (!installFilter(oneExecution(path))) return false;
  if (isRefused()) return true;
  throw new SystemError(EACCES, "prctl(PR_SET_SECCOMP)", undefined);
}
