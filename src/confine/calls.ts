import { AT_FDCWD, EACCES, ENXIO, EPERM, O_CLOEXEC, O_NOCTTY, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat } from "../../ffi/files.ts";
import { standardError } from "../../ffi/guard.ts";
import { addressOf, cArgument, errno, libc, syscall } from "../../ffi/libc.ts";
import {
  ALLOW,
  AND,
  ARCH,
  ARCHITECTURE,
  argumentAt,
  EQUAL,
  encode,
  failWith,
  type Instruction,
  installFilter,
  LOAD,
  NUMBER,
  X32,
} from "../../ffi/seccomp.ts";
import { filterOf } from "./filters.ts";

const arm = process.arch === "arm64";

/** Installs a filter, and checks that it works. False if the kernel has no filters of system calls. */
function install(filter: Uint32Array, isRefused: () => boolean, number: number): boolean {
  if (!installFilter(filter)) return false;
  if (isRefused()) return true;
  throw new SystemError(number, "prctl(PR_SET_SECCOMP)", undefined);
}

const SYS_ioctl = arm ? 29 : 16;

// Inserts a character as if it was typed: ioctl_tty(2).
const TIOCSTI = 0x5412;

/** The reason if refuseTerminalInput returns false. */
export const NO_FILTERS =
  "the kernel has no filters of system calls: programs can push input into their terminal";

// No descriptor has this number: EBADF, unless a filter answers first.
const inputIsRefused = () => syscall(SYS_ioctl, 0xffffffff, TIOCSTI) < 0 && errno() === EPERM;

/**
 * Stops this process and everything that it starts from inserting characters into a terminal, whose shell would read
 * them. Checked. False if the kernel has no filters of system calls. Needs no_new_privs, or CAP_SYS_ADMIN (EACCES).
 * Throws SystemError.
 */
export function refuseTerminalInput(): boolean {
  return inputIsRefused() || install(filterOf("terminal"), inputIsRefused, EPERM);
}

// ioctl_tty(2): the device of the terminal behind /dev/tty
const TIOCGDEV = 0x80045432;

/** The device of the controlling terminal; "none", or "unknown". */
function controllingTerminal(): { major: number; minor: number } | "none" | "unknown" {
  // Without an exception, which a login has no time for.
  const fd = libc.openat(AT_FDCWD, cArgument("/dev/tty"), O_RDONLY | O_NOCTTY | O_CLOEXEC, 0);
  if (fd < 0) return errno() === ENXIO ? "none" : "unknown";
  const device = new Uint32Array(1);
  const result = syscall(SYS_ioctl, fd, TIOCGDEV, addressOf(device));
  close(fd);
  const [number] = device;
  if (result < 0 || number === undefined) return "unknown";
  return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
}

/**
 * True unless the terminal of this session is known to belong to `uid`: sshd(8) and login(1) give users their own
 * terminal, but su(1) passes on that of its caller. Call it before a chroot.
 */
export function hasTerminalOfOthers(uid: number): boolean {
  const terminal = controllingTerminal();
  if (terminal === "none") return false;
  if (terminal === "unknown") return true;
  for (const fd of [0, 1, standardError]) {
    const stat = fstat(fd);
    const same = stat.rdevMajor === terminal.major && stat.rdevMinor === terminal.minor;
    if (same && stat.uid === uid) return false;
  }
  return true;
}

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
const executionIsRefused = () => syscall(SYS_execve) < 0 && errno() === EACCES;

/**
 * Limits this process and everything that it starts to one execve(2): that with the bytes at the address `path`. The
 * program's interpreter and dynamic linker are executed too. Checked. False if the kernel has no filters of system calls.
 * no_new_privs must be set. Throws SystemError.
 */
export function forbidExecution(path: number): boolean {
  return install(encode(oneExecution(path)), executionIsRefused, EACCES);
}
