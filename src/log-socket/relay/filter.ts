import { EAGAIN, ENOSYS, EPERM, PR_SET_NAME } from "../../../ffi/constants.ts";
import {
  ALLOW,
  ARCH,
  ARCHITECTURES,
  AT_LEAST,
  argumentAt,
  EQUAL,
  failWith,
  HAS,
  type Instruction,
  installFilter,
  KILL,
  LOAD,
  NUMBER,
  X32,
} from "../../../ffi/seccomp.ts";

/** The architectures of our executables. */
export type Machine = "x64" | "arm64";

/** A system call's numbers; undefined if an architecture has no such call. */
type Numbers = readonly [x64: number | undefined, arm64: number | undefined];

/** Calls that the relay and its runtime need, with any arguments. */
export const ALLOWED: Readonly<Record<string, Numbers>> = {
  recvmmsg: [299, 243],
  sendmmsg: [307, 269],
  epoll_wait: [232, undefined],
  epoll_pwait: [281, 22],
  poll: [7, undefined],
  ppoll: [271, 73],
  recvmsg: [47, 212],
  sendmsg: [46, 211],
  accept4: [288, 242],
  close: [3, 57],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  // memory
  brk: [12, 214],
  mmap: [9, 222],
  munmap: [11, 215],
  mprotect: [10, 226],
  mremap: [25, 216],
  madvise: [28, 233],
  msync: [26, 227],
  // threads, and locks
  futex: [202, 98],
  sched_yield: [24, 124],
  sched_getaffinity: [204, 123],
  set_robust_list: [273, 99],
  rseq: [334, 293],
  membarrier: [324, 283],
  gettid: [186, 178],
  exit: [60, 93],
  exit_group: [231, 94],
  // signals
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  sigaltstack: [131, 132],
  restart_syscall: [219, 128],
  // time
  clock_gettime: [228, 113],
  clock_nanosleep: [230, 115],
  nanosleep: [35, 101],
  gettimeofday: [96, 169],
  // information on the process and the host
  getpid: [39, 172],
  getrandom: [318, 278],
  getrusage: [98, 165],
  uname: [63, 160],
  // descriptors that are already open: the runtime's last words, to /dev/null
  read: [0, 63],
  write: [1, 64],
};

/** Calls that only an intruder makes: they kill the process, and the monitor logs that. */
export const DEADLY: Readonly<Record<string, Numbers>> = {
  execve: [59, 221],
  execveat: [322, 281],
  ptrace: [101, 117],
  process_vm_writev: [311, 271],
  pidfd_getfd: [438, 438],
  setns: [308, 268],
  unshare: [272, 97],
  bpf: [321, 280],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
};

/** Calls that are allowed with some arguments only; that of every message comes first. */
export const LIMITED = {
  ioctl: [16, 29],
  clone: [56, 220],
  clone3: [435, 435],
  prctl: [157, 167],
  prlimit64: [302, 261],
  sendto: [44, 206],
  setsockopt: [54, 208],
  tgkill: [234, 131],
  openat: [257, 56],
} as const satisfies Readonly<Record<string, Numbers>>;

const CLONE_THREAD = 0x10000;
const SIOCOUTQ = 0x5411;
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;

const DENY = failWith(EPERM);
const low = argumentAt;
const high = (index: number) => argumentAt(index) + 4;

/** Allows a call if these halves of arguments have these values. */
function where(...values: readonly [at: number, value: number][]): Instruction[] {
  return [
    ...values.flatMap(([at, value]): Instruction[] => [[LOAD, 0, 0, at], [EQUAL, 1, 0, value], DENY]),
    ALLOW,
  ];
}

function limits(pid: number): Readonly<Record<keyof typeof LIMITED, Instruction[]>> {
  return {
    // Threads, but no processes. A filter cannot see the flags of clone3(2); the C library falls back to clone(2).
    clone: [[LOAD, 0, 0, low(0)], [HAS, 1, 0, CLONE_THREAD], DENY, ALLOW],
    clone3: [failWith(ENOSYS)],
    ioctl: where([low(1), SIOCOUTQ]),
    prctl: where([low(0), PR_SET_NAME]),
    // Only to read limits.
    prlimit64: where([low(2), 0], [high(2), 0]),
    // Only to the socket's peer.
    sendto: where([low(4), 0], [high(4), 0]),
    setsockopt: where([low(1), SOL_SOCKET], [low(2), SO_PASSCRED]),
    // The garbage collector stops threads of its own process.
    tgkill: where([low(0), pid]),
    // The runtime tries to open files of /proc, sometimes between a call of ours that fails and the look at errno. Then
    // the call seems to have failed with this: try again, which is never wrong here.
    openat: [failWith(EAGAIN)],
  };
}

/** The filter for a process. */
export function makeFilter(machine: Machine, pid: number): Instruction[] {
  const number = ([x64, arm64]: Numbers) => (machine === "arm64" ? arm64 : x64);
  const rule = (numbers: Numbers, then: readonly Instruction[]): Instruction[] => {
    const call = number(numbers);
    return call === undefined ? [] : [[EQUAL, 0, then.length, call], ...then];
  };
  const limited = limits(pid);
  const names = Object.keys(LIMITED) as (keyof typeof LIMITED)[];
  return [
    [LOAD, 0, 0, ARCH],
    [EQUAL, 1, 0, ARCHITECTURES[machine]],
    KILL,
    [LOAD, 0, 0, NUMBER],
    // x32 has other numbers for the same calls.
    ...(machine === "arm64" ? [] : ([[AT_LEAST, 0, 1, X32], KILL] as const)),
    // The kernel caches calls that are allowed with any arguments, so the others come first.
    ...names.flatMap((name) => rule(LIMITED[name], limited[name])),
    ...Object.values(ALLOWED).flatMap((numbers) => rule(numbers, [ALLOW])),
    ...Object.values(DEADLY).flatMap((numbers) => rule(numbers, [KILL])),
    DENY,
  ];
}

/**
 * seccomp(2): allows this process these calls only. Calls that it does not need fail with EPERM, since a new C library
 * or runtime may try harmless ones; calls of an intruder kill it. False if the kernel has no such filters. no_new_privs
 * must be set. Throws SystemError.
 */
export function allowCalls(pid: number): boolean {
  return installFilter(makeFilter(process.arch === "arm64" ? "arm64" : "x64", pid));
}
