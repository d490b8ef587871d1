/** What the filter of the relay says of each call: as numbers, read by a reader of BPF, and by the kernel. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ARCHITECTURES, type Instruction } from "../../ffi/seccomp.ts";
import { ALLOWED, DEADLY, LIMITED, type Machine, makeFilter } from "../../src/log-socket/relay/filter.ts";

const root = join(import.meta.dir, "../..");
const PID = 4711;

/** What struct seccomp_data has. */
interface Call {
  number: number;
  arch?: number;
  arguments?: readonly bigint[];
}

/** Runs a filter as the kernel does: bpf(4), seccomp(2). */
function judge(filter: readonly Instruction[], { number, arch = 0, arguments: given = [] }: Call): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(arch, 4);
  given.forEach((value, i) => {
    data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + 8 * i);
  });
  let word = 0;
  for (let at = 0; ; at++) {
    const [code, yes, no, value] = filter[at] ?? [0, 0, 0, 0];
    if (code === 0x20) word = data.readUInt32LE(value);
    else if (code === 0x15) at += word === value ? yes : no;
    else if (code === 0x35) at += word >= value ? yes : no;
    else if (code === 0x45) at += (word & value) !== 0 ? yes : no;
    else if (code !== 0x06) throw new Error(`no instruction at ${at}`);
    else if (value === 0x7fff0000) return "allowed";
    else if (value === 0x80000000) return "killed";
    else
      return value === 0x00050000 + 1
        ? "EPERM"
        : value === 0x00050000 + 38
          ? "ENOSYS"
          : value === 0x00050000 + 11
            ? "EAGAIN"
            : "?";
  }
}

const headers: Record<Machine, string> = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
};
function numbersOf(machine: Machine): Map<string, number> {
  const text = existsSync(headers[machine]) ? readFileSync(headers[machine], "utf8") : "";
  const found = text.matchAll(/#define __NR(?:3264)?_(\w+)\s+(\d+)/g);
  return new Map([...found].map(([, name = "", value]) => [name, Number(value)]));
}

describe.each(["x64", "arm64"] as const)("on %s", (machine) => {
  const index = machine === "x64" ? 0 : 1;
  const filter = makeFilter(machine, PID);
  const arch = ARCHITECTURES[machine];
  const say = (name: string, ...given: (bigint | number)[]) => {
    const number = { ...ALLOWED, ...LIMITED, ...DEADLY }[name]?.[index];
    if (number === undefined) throw new Error(`${name}: no such call`);
    return judge(filter, { number, arch, arguments: given.map(BigInt) });
  };

  test.skipIf(!existsSync(headers[machine]))(
    "the numbers are those of the kernel, and all others are refused",
    () => {
      const known = numbersOf(machine);
      expect(known.size).toBeGreaterThan(250);
      const listed = { ...ALLOWED, ...LIMITED, ...DEADLY };
      for (const [name, numbers] of Object.entries(listed))
        expect([name, numbers[index]]).toEqual([name, known.get(name)] as never);
      for (const [name, number] of known) {
        const verdict = judge(filter, { number, arch });
        if (name in ALLOWED) expect([name, verdict]).toEqual([name, "allowed"]);
        else if (name in DEADLY) expect([name, verdict]).toEqual([name, "killed"]);
        else if (!(name in LIMITED)) expect([name, verdict]).toEqual([name, "EPERM"]);
      }
    },
  );

  test("no call on the list opens, connects, signals others, or changes limits", () => {
    const open = ["open", "openat2", "socket", "socketpair", "connect", "bind", "listen", "kill", "tkill"];
    const more = [
      "fork",
      "vfork",
      "seccomp",
      "chroot",
      "pidfd_open",
      "pidfd_send_signal",
      "process_vm_readv",
    ];
    const ids = [
      "setuid",
      "setresuid",
      "capset",
      "shmget",
      "memfd_create",
      "keyctl",
      "personality",
      "fcntl",
      "dup",
    ];
    for (const name of [...open, ...more, ...ids]) expect(name in ALLOWED || name in LIMITED).toBe(false);
  });

  const far = 1n << 32n;
  test.each<[string, readonly (bigint | number)[], string]>([
    ["clone", [0x3d0f00], "allowed"],
    ["clone", [0x1200011], "EPERM"],
    // flags are read as 64 bits, and those above the 32nd are none of clone(2)
    ["clone", [0x10000n << 32n], "EPERM"],
    ["clone3", [0x10000], "ENOSYS"],
    ["ioctl", [7, 0x5411], "allowed"],
    ["ioctl", [7, 0x5412], "EPERM"],
    ["ioctl", [0x5411, 0], "EPERM"],
    ["prctl", [15], "allowed"],
    ["prctl", [4, 1], "EPERM"],
    ["prctl", [22, 2], "EPERM"],
    ["prlimit64", [0, 7, 0, 1], "allowed"],
    // The runtime's: errno may be read after one.
    ["openat", [-100n, 1, 0], "EAGAIN"],
    ["prlimit64", [0, 7, 1, 0], "EPERM"],
    ["prlimit64", [0, 7, far, 0], "EPERM"],
    ["sendto", [5, 1, 1, 0x4040, 0, 0], "allowed"],
    ["sendto", [5, 1, 1, 0x4040, 1, 110], "EPERM"],
    ["sendto", [5, 1, 1, 0x4040, far, 110], "EPERM"],
    ["setsockopt", [5, 1, 16], "allowed"],
    ["setsockopt", [5, 1, 26], "EPERM"],
    ["setsockopt", [5, 0, 16], "EPERM"],
    ["tgkill", [PID, PID + 1, 10], "allowed"],
    ["tgkill", [PID + 1, PID + 1, 9], "EPERM"],
    ["tgkill", [-1n, -1n, 9], "EPERM"],
  ])("%s %p: %s", (name, given, expected) => {
    expect(say(name, ...given)).toBe(expected);
  });

  test("calls of another architecture, and those of x32, end the process", () => {
    const other = machine === "x64" ? ARCHITECTURES.arm64 : ARCHITECTURES.x64;
    for (const wrong of [other, 0x40000003, 0])
      expect(judge(filter, { number: 0, arch: wrong })).toBe("killed");
    expect(judge(filter, { number: 0x40000000, arch })).toBe(machine === "x64" ? "killed" : "EPERM");
    expect(judge(filter, { number: 0xffffffff, arch })).toBe(machine === "x64" ? "killed" : "EPERM");
  });
});

/** In a process of its own, after the filter: what `code` prints, and how it ends. */
function confined(code: string) {
  const script = `
    import { dlopen } from "bun:ffi";
    import { libc, errno } from "${root}/ffi/libc.ts";
    import { setNoNewPrivileges } from "${root}/ffi/process.ts";
    import { allowCalls } from "${root}/src/log-socket/relay/filter.ts";
    const i32 = "i32", i64 = "i64";
    const { syscall } = dlopen("libc.so.6", { syscall: { args: [i64, i64, i64, i64, i64, i64, i64], returns: i64 } }).symbols;
    const call = (...words) => {
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0] = words;
      return Number(syscall(a, b, c, d, e, f, g)) < 0 ? -errno() : 0;
    };
    const out = [];
    setNoNewPrivileges();
    if (!allowCalls(process.pid)) throw new Error("no filter");
    ${code}
    call(${process.arch === "arm64" ? 94 : 231}, 0);`;
  const done = Bun.spawnSync([process.execPath, "-e", script], { cwd: root, timeout: 20_000 });
  return { stdout: done.stdout.toString(), signal: done.signalCode, status: done.exitCode };
}

const here = process.arch === "arm64" ? 1 : 0;
const numberOf = (name: keyof typeof LIMITED | string) =>
  ({ ...ALLOWED, ...LIMITED, ...DEADLY })[name]?.[here] ?? -1;

test("the kernel accepts it: only calls on the list succeed", () => {
  const socket = here === 1 ? 198 : 41;
  const kill = here === 1 ? 129 : 62;
  const code = `
    out.push(call(${socket}, 1, 2, 0), call(${kill}, 1, 0), call(${numberOf("tgkill")}, process.pid, process.pid, 0));
    out.push(call(${numberOf("tgkill")}, 1, 1, 0), call(${numberOf("getpid")}), call(${numberOf("prctl")}, 4, 1));
    const line = Buffer.from(JSON.stringify(out));
    libc.write(1, line, line.length);`;
  expect(confined(code)).toEqual({ stdout: "[-1,-1,0,-1,0,-1]", signal: undefined, status: 0 } as never);
});

test.each(Object.keys(DEADLY))("the kernel accepts it: %s kills the process", (name) => {
  expect(confined(`call(${numberOf(name)}, 0, 0, 0, 0, 0, 0);`).signal).toBe("SIGSYS");
});
