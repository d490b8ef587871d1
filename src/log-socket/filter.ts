import {
  ALLOW,
  ARCH,
  ARCHITECTURE,
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
} from "../../ffi/seccomp.ts";

/**
 * System calls for which the relay has no use, and a flaw in it might have: by their numbers on x86-64 and aarch64;
 * undefined where there is no such call. What needs a capability, or a file, it cannot do anyway.
 */
const FORBIDDEN: Readonly<Record<string, readonly [x64: number, arm64: number | undefined]>> = {
  socket: [41, 198],
  socketpair: [53, 199],
  connect: [42, 203],
  bind: [49, 200],
  listen: [50, 201],
  execve: [59, 221],
  execveat: [322, 281],
  fork: [57, undefined],
  vfork: [58, undefined],
  kill: [62, 129],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  pidfd_getfd: [438, 438],
  unshare: [272, 97],
  setns: [308, 268],
  personality: [135, 92],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  shmget: [29, 194],
  semget: [64, 190],
  msgget: [68, 186],
  mq_open: [240, 180],
};

const arm = process.arch === "arm64";
// Threads are made with clone(2), whose flags can be looked at; those of clone3(2) cannot, and the C library does
// without it where it is missing.
const CLONE = arm ? 220 : 56;
const CLONE3 = 435;
const CLONE_THREAD = 0x10000;

const EPERM = 1;
const ENOSYS = 38;

/** The program: jumps go over so many instructions. */
function makeFilter(): Instruction[] {
  const forbidden = Object.values(FORBIDDEN).flatMap(([x64, arm64]) => (arm ? (arm64 ?? []) : x64));
  return [
    [LOAD, 0, 0, ARCH],
    [EQUAL, 1, 0, ARCHITECTURE],
    KILL,
    [LOAD, 0, 0, NUMBER],
    // Other numbers for the same calls.
    ...(arm ? [] : ([[AT_LEAST, 0, 1, X32], KILL] as const)),
    ...forbidden.flatMap((number): Instruction[] => [[EQUAL, 0, 1, number], failWith(EPERM)]),
    [EQUAL, 0, 1, CLONE3],
    failWith(ENOSYS),
    [EQUAL, 0, 3, CLONE],
    [LOAD, 0, 0, argumentAt(0)],
    [HAS, 1, 0, CLONE_THREAD],
    failWith(EPERM),
    ALLOW,
  ];
}

/**
 * seccomp(2): from here on this thread, and those that it starts, cannot make these calls. False where the kernel has
 * no such filters. no_new_privs must be set. Throws SystemError.
 */
export function forbidCalls(): boolean {
  return installFilter(makeFilter());
}
