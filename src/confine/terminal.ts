import { AT_FDCWD, EPERM, O_NOCTTY, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt } from "../../ffi/files.ts";
import { standardError } from "../../ffi/guard.ts";
import { addressOf, errno, libc } from "../../ffi/libc.ts";
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
  KILL,
  LOAD,
  NUMBER,
  X32,
} from "../../ffi/seccomp.ts";

const arm = process.arch === "arm64";
const SYS_ioctl = arm ? 29 : 16;

// ioctl(2) for 32-bit programs: of i386 or arm on a kernel that runs them, and x32's, which has x86-64's architecture.
const COMPAT_ARCHITECTURE = arm ? 0x40000028 : 0x40000003;
const COMPAT_IOCTL = 54;
const X32_IOCTL = arm ? SYS_ioctl : 514;

// Type characters, as if they had been typed; on a console also by way of the selection: ioctl_tty(2), ioctl_console(2).
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** What to say where refuseTerminalInput says no. */
export const NO_FILTERS =
  "the kernel has no filters of system calls: programs can push input into their terminal";

/**
 * Refuses TIOCSTI and TIOCLINUX, whatever the file is. The kernel takes the lower 32 bits of the request, and so does
 * this. 32-bit programs go on to run. Only ioctl(2) is looked at closely, so that the kernel can pass over the rest.
 */
export const TERMINAL_FILTER: readonly Instruction[] = [
  [LOAD, 0, 0, ARCH],
  [EQUAL, 0, 4, ARCHITECTURE],
  [LOAD, 0, 0, NUMBER],
  // Old kernels take x32's number also without its mark.
  [AND, 0, 0, ~X32 >>> 0],
  [EQUAL, 6, 0, SYS_ioctl],
  [EQUAL, 5, 4, X32_IOCTL],
  [EQUAL, 1, 0, COMPAT_ARCHITECTURE],
  KILL,
  [LOAD, 0, 0, NUMBER],
  [EQUAL, 1, 0, COMPAT_IOCTL],
  ALLOW,
  [LOAD, 0, 0, argumentAt(1)],
  [EQUAL, 2, 0, TIOCSTI],
  [EQUAL, 1, 0, TIOCLINUX],
  ALLOW,
  failWith(EPERM),
];

// No descriptor has this number, which the kernel tells only where no filter answers first.
const isRefused = () => libc.syscall(SYS_ioctl, 0xffffffff, TIOCSTI, 0, 0, 0, 0) < 0 && errno() === EPERM;

/**
 * Whoever has a terminal can push characters into it, which its shell then reads: from here on this process, and all
 * that it starts, cannot. Checked. False where the kernel has no filters of system calls. no_new_privs must be set,
 * or CAP_SYS_ADMIN be held (EACCES). Throws SystemError.
 */
export function refuseTerminalInput(): boolean {
  if (isRefused()) return true;
  if (!installFilter(TERMINAL_FILTER)) return false;
  if (isRefused()) return true;
  throw new SystemError(EPERM, "prctl(PR_SET_SECCOMP)", undefined);
}

// ioctl_tty(2): the device of the terminal behind /dev/tty
const TIOCGDEV = 0x80045432;

/** The device of the controlling terminal; "none", or "unknown" where it cannot be told. */
function controllingTerminal(): { major: number; minor: number } | "none" | "unknown" {
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, "/dev/tty", O_RDONLY | O_NOCTTY);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return isErrno(error, "ENXIO") ? "none" : "unknown";
  }
  const device = new Uint32Array(1);
  const result = libc.syscall(SYS_ioctl, fd, TIOCGDEV, addressOf(device), 0, 0, 0);
  close(fd);
  const [number] = device;
  if (result < 0 || number === undefined) return "unknown";
  return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
}

/**
 * Whether this session has a terminal that is not known to belong to `uid`: sshd(8) and login(1) give a user a
 * terminal of their own, and su(1) hands on the one of whoever started it. To be asked before a chroot.
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
