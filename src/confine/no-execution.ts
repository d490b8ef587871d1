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

/**
 * Lets one execve(2) through: the one whose path lies at this address, all 64 bits of it. Every other execve and
 * execveat fails with EACCES.
 */
export function oneExecution(path: number): readonly Instruction[] {
  const [low, high] = [path % 2 ** 32, Math.floor(path / 2 ** 32)];
  return [
    [LOAD, 0, 0, ARCH],
    [EQUAL, 0, 10, ARCHITECTURE],
    [LOAD, 0, 0, NUMBER],
    // Old kernels take x32's numbers also without their mark.
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

// There is no file at address 0: EFAULT, which the kernel tells only where no filter answers first.
const isRefused = () => libc.syscall(SYS_execve, 0, 0, 0, 0, 0, 0) < 0 && errno() === EACCES;

/**
 * From here on this process, and all that it starts, executes one thing: what execve(2) is told by the bytes at `path`
 * (an address). The interpreter and the dynamic linker of that program come with it. Checked. False where the kernel
 * has no filters of system calls. no_new_privs must be set. Throws SystemError.
 */
export function forbidExecution(path: number): boolean {
  if (!installFilter(oneExecution(path))) return false;
  if (isRefused()) return true;
  throw new SystemError(EACCES, "prctl(PR_SET_SECCOMP)", undefined);
}
