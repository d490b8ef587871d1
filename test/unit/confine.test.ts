import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SETS } from "../../build/filters/source.ts";
import { allowedOf } from "../../ffi/landlock-names.ts";
import { errno, libc, syscall } from "../../ffi/libc.ts";
import { ARCHITECTURE, encode, hasFilters, installFilter, type SessionFilter } from "../../ffi/seccomp.ts";
import type { ConfineValues } from "../../src/config/schemas/confine.ts";
import { namesOf, READ, SYSTEM } from "../../src/confine/asked-rules.ts";
import { forbidExecution, oneExecution } from "../../src/confine/calls.ts";
import { SYSTEM_GROUPS } from "../../src/confine/directories.ts";
import { SYSTEM_NAMES } from "../../src/confine/execute.ts";
import { confinementOf } from "../../src/confine/policy.ts";
import { HERE, PROOFS, wordsFor, wordsInGuard } from "./filter-words.ts";
import { endOf, judge } from "./seccomp-filter.ts";

test("jk_lsh.ini(5) names the directories of the system", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/man/jk_lsh.ini.5.in"), "utf8");
  const listed = /\.Bd -literal -offset indent\n(\/bin [\s\S]*?)\.Ed/.exec(page)?.[1] ?? "";
  const known = SYSTEM_GROUPS.flatMap(([above, names]) =>
    names.map((name) => `/${[...above, name].join("/")}`),
  );
  expect(listed.trim().split(/\s+/)).toEqual(known);
});

test("the names that the guard gets are the directories of the system, each group in the one before", () => {
  let here = "";
  const known: string[] = [];
  const names = SYSTEM_NAMES.text.split("\0").slice(0, -1);
  expect(names).toHaveLength(SYSTEM_NAMES.count);
  for (const name of names) {
    expect(name.charAt(1)).toBe("A");
    const path = `${here}/${name.slice(2)}`;
    if (name.startsWith(">")) here = path;
    else known.push(path);
  }
  expect(known).toEqual(
    SYSTEM_GROUPS.flatMap(([above, all]) => all.map((name) => `/${[...above, name].join("/")}`)),
  );
});

test("each name of the system says what is allowed there", () => {
  const names = SYSTEM.text.split("\0").slice(0, -1);
  expect(names).toHaveLength(SYSTEM.count);
  for (const name of names) expect(name).toMatch(/^[/=>][C-G]\w+$/);
});

test("the guard takes only programs in directories of the system for ones that every session reads", () => {
  const source = readFileSync(join(import.meta.dir, "../../ffi/guard/rules.c"), "utf8");
  const listed = /directories\[\]\[9\] = \{([^}]*)\}/.exec(source)?.[1] ?? "";
  const directories = [...listed.matchAll(/"(\/\w+)\/"/g)].map(([, path]) => path ?? "");
  const names = SYSTEM.text.split("\0");
  expect(directories.length).toBeGreaterThan(5);
  // Before /dev, in which other names are.
  const first = names.slice(0, names.indexOf(">Cdev"));
  const { allowed } = namesOf(confinementOf({} as ConfineValues, false, "any", "/"), undefined);
  expect(allowedOf("/D", allowed)).toBe(READ);
  for (const path of directories) expect(first).toContain(path.replace("/", "/D"));
});

const arm = process.arch === "arm64";
const COMPAT = arm ? 0x40000028 : 0x40000003;

describe("the filter on the terminal", () => {
  const words = wordsFor("terminal", HERE);
  const says = (arch: number, number: number, request: bigint) =>
    judge(words, { arch, number, arguments: [0n, request] });
  const ioctls: [string, number, number][] = [
    ["native", ARCHITECTURE, arm ? 29 : 16],
    ["32-bit", COMPAT, 54],
  ];
  test.each(ioctls)("%s: TIOCSTI and TIOCLINUX, whatever is above the low 32 bits", (_, arch, number) => {
    for (const request of [0x5412n, 0x541cn])
      for (const high of [0n, 1n, 0x80000000n, 0xffffffffn])
        expect(says(arch, number, (high << 32n) | request)).toBe("EPERM");
    for (const request of [0n, 0x5401n, 0x5411n, 0x5413n, 0x541bn, 0x541dn, 0x15412n, 0xffffffffn])
      expect(says(arch, number, request)).toBe("allow");
  });

  test("other calls are allowed, whatever their arguments", () => {
    for (const [, arch, ioctl] of ioctls)
      for (let number = 0; number < 460; number++)
        if (number !== ioctl) expect(says(arch, number, 0x5412n)).toBe("allow");
  });

  test("x32's calls kill the process; with no mark, as old kernels take them, they fail", () => {
    if (arm) return;
    for (const request of [0n, 0x5412n]) {
      expect(says(ARCHITECTURE, 0x40000000 | 514, request)).toBe("kill");
      expect(says(ARCHITECTURE, 0x40000000 | 16, request)).toBe("kill");
      expect(says(ARCHITECTURE, 514, request)).toBe("ENOSYS");
    }
  });

  test("a call of another architecture kills the process", () => {
    expect(says(0xc0000016, 16, 0n)).toBe("kill");
  });
});

test("a filter that the kernel does not take is an error, not a kernel without filters", () => {
  expect(hasFilters()).toBe(true);
  // Too short and too long: EINVAL, before anything else is looked at.
  for (const length of [0, 4097])
    expect(() => installFilter(new Uint32Array(2 * length))).toThrow(
      "prctl(PR_SET_SECCOMP): Invalid argument",
    );
});

describe("the filter that lets one program be executed", () => {
  const path = 0x7f12_89ab_cdefn;
  const filter = encode(oneExecution(Number(path)));
  const [execve, execveat] = arm ? [221, 281] : [59, 322];
  const says = (number: number, address: bigint, arch: number = ARCHITECTURE) =>
    judge(filter, { arch, number, arguments: [address] });

  test("execve with the path at this address, and at no other", () => {
    expect(says(execve, path)).toBe("allow");
    for (const other of [
      0n,
      path + 1n,
      path - 1n,
      path & 0xffffffffn,
      path + (1n << 32n),
      path | (1n << 63n),
    ]) {
      expect(says(execve, other)).toBe("EACCES");
    }
  });

  test("the same with the x32 bit", () => {
    if (arm) return;
    expect(says(0x40000000 | execve, path)).toBe("allow");
    expect(says(0x40000000 | execve, path + 1n)).toBe("EACCES");
  });

  test("no other call that executes, for any kind of program", () => {
    const compat = arm ? [11, 387] : [11, 358];
    for (const number of compat) expect(says(number, path, COMPAT)).toBe("EACCES");
    const x32 = arm ? [] : [520, 545, 0x40000000 | 520, 0x40000000 | 545, 0x40000000 | 322];
    for (const number of [execveat, ...x32]) expect(says(number, path)).toBe("EACCES");
  });

  test("all other calls", () => {
    const executing = [execve, execveat, ...(arm ? [] : [520, 545])];
    for (let number = 0; number < 600; number++) {
      if (!executing.includes(number)) expect(says(number, 0n)).toBe("allow");
      if (![11, arm ? 387 : 358].includes(number)) expect(says(number, 0n, COMPAT)).toBe("allow");
    }
  });
});

describe("the filters of a session prove that they are in force", () => {
  const expected = (name: SessionFilter) => endOf({ errno: PROOFS[name].errno });
  const attempt = ({ call, arguments: given }: (typeof PROOFS)[SessionFilter]) => ({
    arch: ARCHITECTURE,
    number: call,
    arguments: given.map(BigInt),
  });

  test.each(SETS.map((names) => [names.join("+"), names as readonly SessionFilter[]] as const))(
    "%s: each by a call that it alone refuses so",
    (_, names) => {
      const program = wordsInGuard(names);
      for (const name of names) {
        const others = names.filter((other) => other !== name);
        expect([name, judge(program, attempt(PROOFS[name]))]).toEqual([name, expected(name)]);
        for (const other of others)
          expect([name, other, judge(wordsFor(other, HERE), attempt(PROOFS[name]))]).toEqual([
            ...[name, other, "allow"],
          ]);
      }
    },
  );

  test.each(Object.keys(PROOFS) as SessionFilter[])(
    "%s: by an error that the kernel has no reason for",
    (name) => {
      const { call, arguments: given, errno: refused } = PROOFS[name];
      expect(syscall(call, ...given)).toBe(-1);
      expect(errno()).not.toBe(refused);
    },
  );
});

describe("the filter is proved to be active", () => {
  const real = libc.prctl;
  const withPrctl = (instead: () => number, apply = () => forbidExecution(0x7f12_0000_0000)) => {
    libc.prctl = instead as typeof real;
    try {
      return apply();
    } finally {
      libc.prctl = real;
    }
  };

  test("a kernel that reports success and does nothing is not believed", () => {
    expect(() => withPrctl(() => 0)).toThrow("prctl(PR_SET_SECCOMP)");
  });

  test("a kernel without filters is distinguished from one that refuses", () => {
    // EINVAL, for there is no such option; EFAULT, for there is no such filter.
    expect(withPrctl(() => real(0x7fff, 0, 0, 0, 0))).toBe(false);
    expect(() => withPrctl(() => real(22, 2, 0, 0, 0))).toThrow("prctl(PR_SET_SECCOMP)");
  });
});
