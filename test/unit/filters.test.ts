/** config/filters/: what each compiled filter says of calls, for both architectures. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { ALL, Decisions } from "../../build/filters/decisions.ts";
import { callNumber, callsOf, compileFilter } from "../../build/filters/libseccomp.ts";
import { programOf } from "../../build/filters/program.ts";
import {
  areWordsCurrent,
  compileTogether,
  digest,
  filterWords,
  readFilters,
  SETS,
} from "../../build/filters/source.ts";
import type { Comparison, FilterText, Rule } from "../../build/filters/text.ts";
import type { Architecture } from "../../build/guard.ts";
import { ARCHITECTURES } from "../../ffi/seccomp.ts";
import { filtersOf } from "../../src/confine/confine.ts";
import { filterOf } from "../../src/confine/filters.ts";
import { type FilterName, filtersIn, HERE, PROOFS, textOf, wordsFor } from "./filter-words.ts";
import { endOf, judge } from "./seccomp-filter.ts";

const NAMES = [...readFilters().keys()] as FilterName[];
const MACHINES = ["x64", "arm64"] as const;
const LONG = 2n ** 64n - 1n;
const words = Object.fromEntries(
  NAMES.map((name) => [name, { x64: wordsFor(name, "x64"), arm64: wordsFor(name, "arm64") }]),
) as Record<FilterName, Record<Architecture, Uint32Array>>;

const ask = (name: FilterName, machine: Architecture, number: number, given: readonly bigint[] = []) =>
  judge(words[name][machine], { number, arch: ARCHITECTURES[machine], arguments: given });

test("the words in the programs are those of the texts", () => {
  for (const [file, text] of filterWords())
    expect(readFileSync(join(import.meta.dir, "../..", file), "utf8")).toBe(text);
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
      const word = fc.oneof(
        fc.bigInt(0n, 64n),
        fc.bigInt(0n, LONG),
        fc.nat(63).map((bit) => 1n << BigInt(bit)),
      );
      const six = fc.array(word, { minLength: 6, maxLength: 6 });
      fc.assert(
        fc.property(fc.constantFrom(...conditional), six, (call, given) => {
          const own = rules.filter((rule) => rule.call === call);
          const expected = expectedOf({ otherwise, rules: own, narrow }, given);
          expect(ask(name, machine, callNumber(call, machine) ?? -1, given)).toBe(expected);
        }),
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

/** What the kernel does if the filter that says `end` was installed later: that one is asked first. */
function stricter(before: string, end: string): string {
  const rank = (one: string) => (one === "kill" ? 0 : one === "allow" ? 2 : 1);
  return rank(end) <= rank(before) ? end : before;
}

describe.each(MACHINES)("a program of several filters decides as libseccomp's apart, on %s", (machine) => {
  const calls = callsOf(machine).map((call) => ({ call, number: callNumber(call, machine) ?? -1 }));
  const apart = new Map(NAMES.map((name) => [name, compileFilter(textOf(name), machine, name)]));

  const strictest = (names: readonly string[], call: Parameters<typeof judge>[1]) =>
    names.map((name) => judge(apart.get(name as FilterName) ?? new Uint32Array(), call)).reduce(stricter);

  test.each([...NAMES.map((name) => [name]), ...SETS].map((names) => [names.join("+"), names] as const))(
    "%s",
    (_, names) => {
      const program = compileTogether(names, machine);
      const rules = names.flatMap((name) => textOf(name as FilterName).rules);
      const wrong: unknown[] = [];
      const compare = (arch: number, number: number, given: readonly bigint[]) => {
        const call = { arch, number, arguments: given };
        const [says, expected] = [judge(program, call), strictest(names, call)];
        if (says !== expected) wrong.push({ arch, number, given, says, expected });
      };
      for (const { call, number } of calls)
        for (const given of interesting(rules.filter((rule) => rule.call === call)))
          compare(ARCHITECTURES[machine], number, given);
      const archs = [0, 0x40000003, 0x40000028, 0xc000003e, 0xc00000b7, 0xc0000016, 0xffffffff];
      const some = [
        [],
        [0n, 0x5412n],
        [2n, 3n, 0x5412n],
        [16n, 1n, 1n],
        [LONG, LONG, LONG, LONG, LONG, LONG],
      ];
      for (const arch of archs)
        for (const number of [
          ...Array(700).keys(),
          ...[0, 41, 600].map((n) => 0x40000000 + n),
          0x3fffffff,
          2 ** 32 - 1,
        ])
          for (const given of some) compare(arch, number, given);
      expect(wrong).toEqual([]);
    },
    60_000,
  );

  test("any call, with any arguments", () => {
    const word = fc.oneof(
      fc.bigInt(0n, 64n),
      fc.bigInt(0n, LONG),
      fc.nat(63).map((bit) => 1n << BigInt(bit)),
    );
    const programs = SETS.map((names) => ({ names, program: compileTogether(names, machine) }));
    const ruled = new Set(NAMES.flatMap((name) => textOf(name).rules.map(({ call }) => call)));
    const numbers = calls.filter(({ call }) => ruled.has(call)).map(({ number }) => number);
    fc.assert(
      fc.property(
        fc.constantFrom(...programs),
        fc.constantFrom(...numbers),
        fc.array(word, { minLength: 6, maxLength: 6 }),
        ({ names, program }, number, given) => {
          const call = { arch: ARCHITECTURES[machine], number, arguments: given };
          expect(judge(program, call)).toBe(strictest(names, call));
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe("the filters of a session with any settings, whether in one program or one after the other", () => {
  type Settings = Parameters<typeof filtersOf>[0];
  const ports = fc.constantFrom<Settings["tcpBind"]>("all", [], [443]);
  const settings: fc.Arbitrary<Settings> = fc.record({
    noNewPrivs: fc.constant(true),
    require: fc.boolean(),
    scope: fc.boolean(),
    read: fc.constantFrom<Settings["read"]>("all", []),
    write: fc.constantFrom<Settings["write"]>("all", []),
    syscalls: fc.constantFrom<Settings["syscalls"]>("any", "login"),
    network: fc.constantFrom<Settings["network"]>("all", "local", "none"),
    tcpConnect: ports,
    tcpBind: ports,
    execute: fc.constantFrom<Settings["execute"]>("any", { named: [], executables: [], home: "/home/u" }),
  });
  const word = fc.oneof(
    fc.bigInt(0n, 64n),
    fc.bigInt(0n, LONG),
    fc.nat(63).map((bit) => 1n << BigInt(bit)),
  );
  const given = fc.array(word, { minLength: 6, maxLength: 6 });
  const compiled = (name: string) => compileFilter(textOf(name as FilterName), HERE, name);
  const apart = new Map(NAMES.map((name) => [name as string, compiled(name)]));
  const numbers = callsOf(HERE).map((call) => callNumber(call, HERE) ?? -1);
  const number = fc.oneof(
    fc.constantFrom(...numbers),
    fc.constantFrom(...Object.values(PROOFS).map(({ call }) => call)),
  );
  const arch = fc.oneof(
    { weight: 9, arbitrary: fc.constant(ARCHITECTURES[HERE]) },
    fc.constantFrom(0x40000003, 0x40000028, 0),
  );
  const all = (programs: readonly Uint32Array[], call: Parameters<typeof judge>[1]) =>
    programs.map((program) => judge(program, call)).reduce(stricter, "allow");

  const together = new Map(SETS.map((names) => [names.join("+"), compileTogether(names, HERE)]));

  /** The names, and the programs that a session installs: see install_filters of the guard. */
  function installed(values: Settings): { names: string[]; programs: Uint32Array[] } {
    const names = filtersIn(filtersOf(values));
    const key = names.join("+");
    const program = together.get(key);
    const programs = program === undefined ? names.map((name) => words[name][HERE]) : [program];
    return { names: [...names, "terminal"], programs: [...programs, words.terminal[HERE]] };
  }

  test("decide as libseccomp's, and as one program of all would", () => {
    const sets = new Map<string, Uint32Array>();
    const apartOnes = new Set<string>();
    fc.assert(
      fc.property(settings, number, arch, given, (values, call, machine, words) => {
        const { names, programs } = installed(values);
        const key = names.join("+");
        if (programs.length > 2) apartOnes.add(key);
        const together = sets.get(key) ?? compileTogether(names, HERE);
        sets.set(key, together);
        const asked = { number: call, arch: machine, arguments: words };
        const says = all(programs, asked);
        expect([key, says]).toEqual([key, judge(together, asked)]);
        expect([key, says]).toEqual([
          key,
          all(
            names.map((name) => apart.get(name) ?? new Uint32Array()),
            asked,
          ),
        ]);
      }),
      { numRuns: 10_000 },
    );
    // All that settings can ask for, and those for which there is no program of all.
    expect([sets.size, apartOnes.size]).toEqual([36, 21]);
  });

  test("each proves that it is in force", () => {
    fc.assert(
      fc.property(settings, (values) => {
        const { names, programs } = installed(values);
        for (const name of names) {
          if (!(name in PROOFS)) continue;
          const { call, arguments: given, errno } = PROOFS[name as keyof typeof PROOFS];
          const asked = { number: call, arch: ARCHITECTURES[HERE], arguments: given.map(BigInt) };
          const others = names
            .filter((other) => other !== name)
            .map((other) => words[other as FilterName][HERE]);
          expect([names, name, all(programs, asked)]).toEqual([names, name, endOf({ errno })]);
          expect([names, name, all(others, asked)]).toEqual([names, name, "allow"]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("a short program decides as the filter that it is made from, whatever that says", () => {
  const ENDS = [0x7fff0000, 0x80000000, 0x50001, 0x5000d];
  const value = fc.constantFrom(0, 1, 2, 3, 8, 9, 15, 16, 0x80000000, 0xfffffff0, 0xffffffff);
  const mask = fc.constantFrom(1, 2, 3, 8, 15, 0x80000000, 0xfffffff0, 0xffffffff);
  const step = fc.record({
    offset: fc.constantFrom(0, 4, 16),
    mask,
    // Some bits of a word are not compared by size.
    code: fc.constantFrom(0x15, 0x45, 0x25, 0x35),
    value,
    yes: fc.nat(5),
    no: fc.nat(5),
  });
  const filter = fc.array(step, { minLength: 1, maxLength: 6 }).map((steps) => {
    const size = (at: number) => (steps[at]?.mask === ALL ? 2 : 3);
    const places = steps.map((_, at) => steps.slice(0, at).reduce((sum, _step, i) => sum + size(i), 0));
    const end = steps.reduce((sum, _step, i) => sum + size(i), 0);
    // To a later step, or to an end.
    const target = (at: number, ahead: number) => places[at + 1 + ahead] ?? end + (ahead % ENDS.length);
    const words = steps.flatMap((one, at) => {
      const jump = (places[at] ?? 0) + size(at) - 1;
      const [yes, no] = [target(at, one.yes) - jump - 1, target(at, one.no) - jump - 1];
      const code = one.mask === ALL || one.code < 0x20 ? one.code : 0x45;
      return [
        ...[0x20, one.offset],
        ...(one.mask === ALL ? [] : [0x54, one.mask]),
        ...[code | (yes << 16) | (no << 24), one.value],
      ];
    });
    return Uint32Array.from([...words, ...ENDS.flatMap((action) => [0x06, action])]);
  });
  const words = fc.record({ number: value, arch: value, given: value });
  fc.assert(
    fc.property(filter, filter, fc.array(words, { minLength: 20, maxLength: 20 }), (one, other, calls) => {
      const decisions = new Decisions();
      const alone = programOf(decisions.together([decisions.read(one)]));
      const both = programOf(decisions.together([decisions.read(one), decisions.read(other)]));
      for (const { number, arch, given } of calls) {
        const call = { number, arch, arguments: [BigInt(given)] };
        expect(judge(alone, call)).toBe(judge(one, call));
        expect(judge(both, call)).toBe(stricter(judge(one, call), judge(other, call)));
      }
    }),
    { numRuns: 3000 },
  );
});

test("a program of several filters is shorter than theirs", () => {
  const length = (names: readonly string[]) => compileTogether(names, HERE).length / 2;
  for (const names of SETS) {
    expect(length(names)).toBeLessThan(160);
    expect(length(names)).toBeLessThan(names.reduce((sum, name) => sum + length([name]), 0));
  }
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

/** Arguments that the conditions of a call distinguish, and some that they do not. */
function interesting(rules: readonly Rule[]): bigint[][] {
  const values = new Map<number, Set<bigint>>();
  for (const { argument, anyOf } of rules.flatMap(({ conditions }) => conditions)) {
    const found = values.get(argument) ?? new Set([0n, 1n, 0xffffffffn, LONG]);
    values.set(argument, found);
    for (const { value } of anyOf)
      for (const near of [
        value - 1n,
        value,
        value + 1n,
        value | (1n << 32n),
        value | (1n << 63n),
        value | 0x80000n,
      ])
        found.add(BigInt.asUintN(64, near));
  }
  let all: bigint[][] = [[0n, 0n, 0n, 0n, 0n, 0n]];
  for (const [argument, found] of values)
    all = all.flatMap((given) => [...found].map((value) => given.with(argument, value)));
  // Some 10,000 are enough of them.
  const step = 2 * Math.floor(all.length / 20_000) + 1;
  return [...all.filter((_, i) => i % step === 0), [LONG, LONG, LONG, LONG, LONG, LONG]];
}

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
