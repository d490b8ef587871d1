/**
 * config/filters/: what each compiled filter says of calls, for both architectures. test/slow/filters.test.ts compares all
 * programs of several filters with libseccomp's.
 */
import { describe, expect, test } from "bun:test";
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { callNumber, callsOf, compileFilter } from "../../build/filters/libseccomp.ts";
import { areWordsCurrent, compileTogether, digest, SETS } from "../../build/filters/source.ts";
import type { Comparison, FilterText } from "../../build/filters/text.ts";
import type { Architecture } from "../../build/guard.ts";
import { ARCHITECTURES } from "../../ffi/seccomp.ts";
import { filterOf } from "../../src/confine/filters.ts";
import { anyArguments, type FilterName, HERE, interesting, NAMES, textOf, wordsFor } from "./filter-words.ts";
import { endOf, judge, stricter } from "./seccomp-filter.ts";

const MACHINES = ["x64", "arm64"] as const;
const words = Object.fromEntries(
  NAMES.map((name) => [name, { x64: wordsFor(name, "x64"), arm64: wordsFor(name, "arm64") }]),
) as Record<FilterName, Record<Architecture, Uint32Array>>;

const ask = (name: FilterName, machine: Architecture, number: number, given: readonly bigint[] = []) =>
  judge(words[name][machine], { number, arch: ARCHITECTURES[machine], arguments: given });

test("the words in the programs were written from the texts and the compiler that are there now", () => {
  expect(areWordsCurrent()).toBe(true);
  for (const name of ["terminal", "relay"] as const) expect(filterOf(name)).toEqual(words[name][HERE]);
});

test("the words are to be written anew when a text or the code that compiles them has changed", () => {
  const root = join(import.meta.dir, "../..");
  const copy = mkdtempSync(join(tmpdir(), "jailkit-words-"));
  try {
    const inputs = ["config/filters", "build/filters", "ffi/seccomp.ts"];
    for (const one of inputs) cpSync(join(root, one), join(copy, one), { recursive: true });
    expect(digest(copy)).toBe(digest());
    for (const file of ["config/filters/login.filter", "build/filters/libseccomp.ts", "ffi/seccomp.ts"]) {
      const before = digest(copy);
      appendFileSync(join(copy, file), "\n");
      expect(digest(copy)).not.toBe(before);
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
});

const HEADERS: Record<Architecture, string> = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
};

test.each(MACHINES.filter((machine) => existsSync(HEADERS[machine])))(
  "libseccomp's numbers are those of the kernel, on %s",
  (machine) => {
    const found = readFileSync(HEADERS[machine], "utf8").matchAll(/#define __NR(?:3264)?_(\w+)\s+(\d+)/g);
    const known = new Map([...found].map(([, name = "", value]) => [name, Number(value)]));
    expect(known.size).toBeGreaterThan(250);
    const calls = callsOf(machine).filter((name) => known.has(name));
    expect(calls.length).toBeGreaterThan(250);
    for (const name of calls) expect([name, callNumber(name, machine)]).toEqual([name, known.get(name)]);
  },
);

describe.each(NAMES)("%s", (name) => {
  const { otherwise, rules, narrow } = textOf(name);

  describe.each(MACHINES)("on %s", (machine) => {
    const calls = callsOf(machine);

    test("is no longer than the kernel takes", () => {
      expect(words[name][machine].length / 2).toBeLessThanOrEqual(4096);
    });

    test("each call, with arguments at the limits of its conditions, ends as the text says", () => {
      expect(calls.length).toBeGreaterThan(300);
      const wrong: unknown[] = [];
      for (const call of calls) {
        const number = callNumber(call, machine) ?? -1;
        const own = rules.filter((rule) => rule.call === call);
        for (const given of interesting(own)) {
          const says = ask(name, machine, number, given);
          if (says !== expectedOf({ otherwise, rules: own, narrow }, given))
            wrong.push({ call, given, says });
        }
      }
      expect(wrong).toEqual([]);
    });

    test("each call with conditions, with any arguments, ends as the text says", () => {
      const conditional = calls.filter((call) => rules.some((one) => one.call === call && one.conditions[0]));
      if (conditional.length === 0) return;
      const known = conditional.map((call) => ({
        number: callNumber(call, machine) ?? -1,
        text: { otherwise, rules: rules.filter((rule) => rule.call === call), narrow },
      }));
      fc.assert(
        fc.property(
          fc.constantFrom(...known),
          anyArguments,
          ({ number, text }, given) => ask(name, machine, number, given) === expectedOf(text, given),
        ),
        { numRuns: 3000 },
      );
    });

    test("calls that are newer than its rules fail with ENOSYS, and so do x32's without their mark", () => {
      const newest = callNumber("removexattrat", machine) ?? 0;
      expect(ask(name, machine, newest)).not.toBe("ENOSYS");
      for (const number of [newest + 1, 511, 512, 514, 520, 547, 548, 0x3fffffff])
        expect(ask(name, machine, number, [0n, 0x5412n])).toBe("ENOSYS");
    });

    test("x32's calls kill the process", () => {
      const expected = machine === "x64" ? "kill" : endOf(otherwise);
      for (const number of [0, 16, 514, 600, 0x3fffffff])
        expect(ask(name, machine, 0x40000000 + number)).toBe(expected);
      // No call: what a tracer puts in place of one that it prevents.
      expect(ask(name, machine, 0xffffffff)).toBe(endOf(otherwise));
    });

    test("calls of another architecture kill the process", () => {
      const arch32 = machine === "x64" ? 0x40000003 : 0x40000028;
      const all = [0, 0x40000003, 0x40000028, 0xc000003e, 0xc00000b7, 0xc0000016, 0x4000003e];
      for (const arch of all.filter((one) => one !== ARCHITECTURES[machine] && !(narrow && one === arch32)))
        for (const number of [0, 20, 54, 600])
          expect(judge(words[name][machine], { number, arch })).toBe("kill");
      expect(judge(words[name][machine], { number: 20, arch: arch32 })).toBe(narrow ? "allow" : "kill");
    });
  });
});

test.each(MACHINES)("a program of all kinds of filters decides as libseccomp's apart, on %s", (machine) => {
  // One of each kind that a session has: the longest of the programs that are kept.
  const names = (SETS.at(-1) ?? []) as readonly FilterName[];
  const program = compileTogether(names, machine);
  const apart = names.map((name) => compileFilter(textOf(name), machine, name));
  const numbers = callsOf(machine).map((call) => callNumber(call, machine) ?? -1);
  const ruled = names.flatMap((name) =>
    textOf(name).rules.map(({ call }) => callNumber(call, machine) ?? -1),
  );
  const number = fc.oneof(fc.constantFrom(...numbers), fc.constantFrom(...ruled), fc.nat(2 ** 32 - 1));
  const arch = fc.oneof(
    { weight: 9, arbitrary: fc.constant(ARCHITECTURES[machine]) },
    fc.constantFrom(0x40000003, 0x40000028, 0),
  );
  fc.assert(
    fc.property(number, arch, anyArguments, (number, arch, given) => {
      const call = { number, arch, arguments: given };
      return judge(program, call) === apart.map((words) => judge(words, call)).reduce(stricter);
    }),
    { numRuns: 1000 },
  );
});

/** What the text says of a call whose rules these are. */
function expectedOf({ otherwise, rules }: FilterText, given: readonly bigint[]): string {
  const rule = rules.find(({ conditions }) =>
    conditions.every(({ argument, anyOf }) => anyOf.some((one) => holds(one, given[argument] ?? 0n))),
  );
  return endOf(rule?.action ?? otherwise);
}

const holds = (one: Comparison, value: bigint) =>
  one.is === "equal" ? (value & one.mask) === one.value : value !== one.value;

type Case = [filter: FilterName, call: string, given: readonly (bigint | number)[], expected: string];

/** What is wanted, apart from the texts. */
const cases: Case[] = [
  ...["mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount"],
  ...["fspick", "mount_setattr", "setns", "bpf", "perf_event_open", "userfaultfd", "fanotify_init"],
  ...["process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "move_pages"],
  ...["name_to_handle_at", "open_by_handle_at", "init_module", "finit_module", "delete_module", "kexec_load"],
  ...["kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "syslog", "vhangup", "iopl"],
  ...["ioperm", "modify_ldt", "sethostname", "setdomainname", "settimeofday", "clock_settime", "adjtimex"],
].map((call): Case => ["login", call, [], "EPERM"]);
cases.push(
  ...["add_key", "request_key", "keyctl", "io_uring_setup", "io_uring_enter", "clone3", "nfsservctl"].map(
    (call): Case => ["login", call, [], "ENOSYS"],
  ),
  ...[
    ..."read write openat close mmap mprotect execve fork vfork wait4 exit_group pipe2 socket connect bind".split(
      " ",
    ),
    ..."listen accept4 sendmsg recvmsg kill tgkill rt_sigaction futex prctl seccomp landlock_create_ruleset".split(
      " ",
    ),
    ..."landlock_restrict_self memfd_create inotify_add_watch epoll_ctl setpriority prlimit64 getrandom".split(
      " ",
    ),
    ..."pidfd_open statx rseq clone unshare ptrace ioctl mknodat setuid setresuid sched_setaffinity mbind".split(
      " ",
    ),
    ..."set_mempolicy msgget semop shmat mlock copy_file_range splice fallocate timer_create io_submit".split(
      " ",
    ),
  ].map((call): Case => ["login", call, [1, 0, 0], "allow"]),
);
const low = (value: number) => BigInt(value) | (0xabcdn << 32n);
for (const flag of [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]) {
  cases.push(["login", "clone", [flag | 17], "EPERM"], ["login", "unshare", [flag], "EPERM"]);
  cases.push(["login", "clone", [low(flag)], "EPERM"], ["login", "unshare", [flag | 0x200], "EPERM"]);
}
cases.push(
  ["login", "unshare", [0x80], "EPERM"],
  ["login", "unshare", [0x200 | 0x400], "allow"],
  // SIGCHLD; what pthread_create(3) and vfork(2) ask for
  ["login", "clone", [17], "allow"],
  ["login", "clone", [0x3d0f00], "allow"],
  ["login", "clone", [0x1200011], "allow"],
  ["login", "clone", [0x4111], "allow"],
  ["login", "ptrace", [16], "EPERM"],
  ["login", "ptrace", [0x4206], "EPERM"],
  ["login", "ptrace", [0], "allow"],
  ["login", "ptrace", [24], "allow"],
  ["login", "personality", [0xffffffff], "allow"],
  ["login", "personality", [0x40000], "EPERM"],
  ["login", "personality", [0x400000], "EPERM"],
  ["login", "personality", [8], "EPERM"],
  ["login", "ioctl", [0, 0x5412], "EPERM"],
  ["login", "ioctl", [0, low(0x541c)], "EPERM"],
  ["login", "ioctl", [0, low(0x5423)], "EPERM"],
  ["login", "ioctl", [0, 0x5401], "allow"],
  // of itself; a limit of another that is read, or set
  ["login", "prlimit64", [0, 7, 0x1000, 0], "allow"],
  ["login", "prlimit64", [low(0), 7, 0x1000, 0], "allow"],
  ["login", "prlimit64", [0x10000, 7, 0, 0x1000], "allow"],
  ["login", "prlimit64", [0x10000, 0, 0x1000, 0], "EPERM"],
  ["login", "prlimit64", [1, 0, 0x100000000, 0x1000], "EPERM"],
);
for (const family of [1, 2, 10]) cases.push(["login", "socket", [family, 1, 6], "allow"]);
// SOCK_PACKET, with which AF_INET means AF_PACKET
cases.push(["login", "socket", [2, 10 | 0x80800, 0x300], "EAFNOSUPPORT"]);
cases.push(["login", "socket", [low(2), low(10), 0x300], "EAFNOSUPPORT"]);
for (const type of [1, 2, 3, 5, 6]) cases.push(["login", "socket", [2, type | 0x80800, 0], "allow"]);
for (let family = 0; family < 64; family++) {
  if (![1, 2, 10, 16].includes(family)) {
    cases.push(["login", "socket", [family, 3, 0], "EAFNOSUPPORT"]);
    cases.push(["login", "socket", [low(family), 3, 0], "EAFNOSUPPORT"]);
    cases.push(["login", "socketpair", [family, 1, 0], "EAFNOSUPPORT"]);
    cases.push(["tcp", "socket", [family, 1, 0], "EPROTONOSUPPORT"]);
  }
  cases.push(["network-local", "socket", [family, 1, 0], family === 1 ? "allow" : "EAFNOSUPPORT"]);
  cases.push(["network-local", "socketpair", [low(family), 1, 0], family === 1 ? "allow" : "EAFNOSUPPORT"]);
  cases.push(["network-none", "socket", [family, 1, 0], "EAFNOSUPPORT"]);
  cases.push(["network-none", "socketpair", [family, 1, 0], family === 1 ? "allow" : "EAFNOSUPPORT"]);
}
for (let protocol = 0; protocol < 32; protocol++)
  cases.push(["login", "socket", [16, 3, protocol], protocol === 0 ? "allow" : "EAFNOSUPPORT"]);
const FLAGS = 0x80800;
for (let type = 0; type < 16; type++) {
  const pair = type === 1 || type === 5;
  for (const flags of [0, FLAGS])
    cases.push(["network-none", "socketpair", [1, type | flags, 0], pair ? "allow" : "EAFNOSUPPORT"]);
  const evades = type > 3;
  for (const family of [2, 10])
    cases.push(["tcp", "socket", [family, type | FLAGS, 0], evades ? "EPROTONOSUPPORT" : "allow"]);
}
for (const family of [2, 10]) {
  // SCTP, SMC, MPTCP, and what may come
  for (const protocol of [132, 256, 262, 263, 0x1234])
    cases.push(["tcp", "socket", [family, 1 | FLAGS, protocol], "EPROTONOSUPPORT"]);
  for (const protocol of [0, 6]) cases.push(["tcp", "socket", [family, 1 | FLAGS, protocol], "allow"]);
  cases.push(["tcp", "socket", [family, 2, 17], "allow"], ["tcp", "socket", [family, 2, 1], "allow"]);
}
for (const name of ["network-local", "network-none", "tcp"] as const)
  cases.push([name, "io_uring_setup", [8, 1], "ENOSYS"]);
cases.push(
  ["network-none", "connect", [3, 1, 16], "EAFNOSUPPORT"],
  ["network-none", "bind", [3, 1, 16], "EAFNOSUPPORT"],
  ["network-none", "accept4", [3, 0, 0, 0], "allow"],
  ["network-local", "connect", [3, 1, 16], "allow"],
  ["tcp-listen", "listen", [3, 1], "EACCES"],
  ["tcp-listen", "accept4", [3, 0, 0, 0], "allow"],
  ["tcp", "listen", [3, 1], "allow"],
  ["tcp", "socket", [1, 5, 0], "allow"],
  ["tcp", "socket", [16, 3, 0], "allow"],
  ["tcp", "connect", [3, 1, 16], "allow"],
  ["tcp", "sendto", [3, 1, 1, 0x20000000, 1, 16], "EOPNOTSUPP"],
  ["tcp", "sendto", [3, 1, 1, low(0x20004040), 1, 16], "EOPNOTSUPP"],
  ["tcp", "sendto", [3, 1, 1, 0x4040, 1, 16], "allow"],
  ["tcp", "sendmsg", [3, 1, 0x20000000], "EOPNOTSUPP"],
  ["tcp", "sendmsg", [3, 1, 0x4040], "allow"],
  ["tcp", "sendmmsg", [3, 1, 1, 0x20000000], "EOPNOTSUPP"],
  ["tcp", "sendmmsg", [3, 1, 1, 0], "allow"],
  ["tcp", "setsockopt", [3, 6, 30], "ENOPROTOOPT"],
  ["tcp", "setsockopt", [3, 6, 31], "ENOPROTOOPT"],
  ["tcp", "setsockopt", [3, 6, 1], "allow"],
  ["tcp", "setsockopt", [3, 1, 30], "allow"],
  ["execute", "memfd_create", [1, 0], "EACCES"],
  ["execute", "memfd_create", [1, 0x13], "EACCES"],
  ["execute", "memfd_create", [1, low(0x10)], "EACCES"],
  ["execute", "memfd_create", [1, 8], "allow"],
  ["execute", "memfd_create", [1, 0xb], "allow"],
);

describe.each(MACHINES)("what is wanted, on %s", (machine) => {
  test("of execute, for 32-bit programs", () => {
    const [arch, number] = machine === "x64" ? [0x40000003, 356] : [0x40000028, 385];
    const says = (flags: bigint) => judge(words.execute[machine], { arch, number, arguments: [1n, flags] });
    expect([0n, 0x13n, 8n, 0xbn].map(says)).toEqual(["EACCES", "EACCES", "allow", "allow"]);
  });

  test.each(NAMES.filter((name) => cases.some(([filter]) => filter === name)))("of %s", (name) => {
    const mine = cases.filter(([filter, call]) => filter === name && callNumber(call, machine) !== undefined);
    const says = mine.map(([filter, call, given]): Case => {
      const number = callNumber(call, machine) ?? -1;
      return [filter, call, given, ask(name, machine, number, given.map(BigInt))];
    });
    expect(says).toEqual(mine);
  });
});
