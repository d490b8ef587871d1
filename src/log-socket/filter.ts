import { addressOf, check, errno, libc } from "../../ffi/libc.ts";

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
const ARCHITECTURE = arm ? 0xc00000b7 : 0xc000003e;

// struct seccomp_data: nr, arch, and the low half of the first argument
const NUMBER = 0;
const ARCH = 4;
const FIRST_ARGUMENT = 16;

// bpf(4): load a word, jump where it is equal, is at least, has one of these bits; return
const LOAD = 0x20;
const EQUAL = 0x15;
const AT_LEAST = 0x35;
const HAS = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const FAIL = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
const EINVAL = 22;
const X32 = 0x40000000;

const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;

type Instruction = readonly [code: number, yes: number, no: number, value: number];

/** The program: jumps go over so many instructions. */
function makeFilter(): Instruction[] {
  const forbidden = Object.values(FORBIDDEN).flatMap(([x64, arm64]) => (arm ? (arm64 ?? []) : x64));
  const end = (action: number): Instruction => [RETURN, 0, 0, action];
  return [
    [LOAD, 0, 0, ARCH],
    [EQUAL, 1, 0, ARCHITECTURE],
    end(KILL),
    [LOAD, 0, 0, NUMBER],
    // Other numbers for the same calls.
    ...(arm ? [] : ([[AT_LEAST, 0, 1, X32], end(KILL)] as const)),
    ...forbidden.flatMap((number): Instruction[] => [[EQUAL, 0, 1, number], end(FAIL | EPERM)]),
    [EQUAL, 0, 1, CLONE3],
    end(FAIL | ENOSYS),
    [EQUAL, 0, 3, CLONE],
    [LOAD, 0, 0, FIRST_ARGUMENT],
    [HAS, 1, 0, CLONE_THREAD],
    end(FAIL | EPERM),
    end(ALLOW),
  ];
}

/**
 * seccomp(2): from here on this thread, and those that it starts, cannot make these calls. False where the kernel has
 * no such filters. no_new_privs must be set. Throws SystemError.
 */
export function forbidCalls(): boolean {
  const filter = makeFilter();
  const bytes = Buffer.from(new ArrayBuffer(8 * filter.length));
  filter.forEach(([code, yes, no, value], i) => {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(yes, 8 * i + 2);
    bytes.writeUInt8(no, 8 * i + 3);
    bytes.writeUInt32LE(value, 8 * i + 4);
  });
  const program = Buffer.from(new ArrayBuffer(16));
  program.writeUInt16LE(filter.length, 0);
  program.writeBigUInt64LE(BigInt(addressOf(bytes)), 8);
  const result = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOf(program), 0, 0);
  if (result < 0 && errno() === EINVAL) return false;
  check(result, "prctl(PR_SET_SECCOMP)");
  return true;
}
