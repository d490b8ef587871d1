/** What the filter of the relay says of each call: as numbers, read by a reader of BPF, and by the kernel. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { callNumber, callsOf } from "../../build/filters/libseccomp.ts";
import { ARCHITECTURES, PID_PLACE } from "../../ffi/seccomp.ts";
import { relayFilter } from "../../src/log-socket/relay/filter.ts";
import { HERE, textOf, wordsFor } from "./filter-words.ts";
import { judge } from "./seccomp-filter.ts";

const root = join(import.meta.dir, "../..");
const PID = 4711;

const { rules } = textOf("relay");
const named = (what: string) =>
  rules.flatMap(({ call, action, conditions }) =>
    (conditions.length > 0 ? "limited" : action) === what ? [call] : [],
  );
const DEADLY = named("kill");

test("its own process is in one place of it", () => {
  const words = relayFilter(PID);
  expect(words.includes(PID_PLACE)).toBe(false);
  expect(words.filter((word) => word === PID)).toHaveLength(1);
});

describe.each(["x64", "arm64"] as const)("on %s", (machine) => {
  const filter = wordsFor("relay", machine).map((word) => (word === PID_PLACE ? PID : word));
  const arch = ARCHITECTURES[machine];
  const say = (name: string, ...given: (bigint | number)[]) =>
    judge(filter, { number: callNumber(name, machine) ?? -1, arch, arguments: given.map(BigInt) });

  test("every other call is refused, or kills", () => {
    const calls = callsOf(machine);
    expect(calls.length).toBeGreaterThan(300);
    const allowed = named("allow");
    for (const name of calls) {
      if (named("limited").includes(name) || name === "clone3" || name === "openat") continue;
      const expected = allowed.includes(name) ? "allow" : DEADLY.includes(name) ? "kill" : "EPERM";
      expect([name, say(name)]).toEqual([name, expected]);
    }
  });

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
    const listed = rules.map(({ call }) => call);
    for (const name of [...open, ...more, ...ids]) expect(listed).not.toContain(name);
  });

  const far = 1n << 32n;
  test.each<[string, readonly (bigint | number)[], string]>([
    ["clone", [0x3d0f00], "allow"],
    ["clone", [0x1200011], "EPERM"],
    // flags are read as 64 bits, and those above the 32nd are none of clone(2)
    ["clone", [0x10000n << 32n], "EPERM"],
    ["clone3", [0x10000], "ENOSYS"],
    ["ioctl", [7, 0x5411], "allow"],
    ["ioctl", [7, 0x5412], "EPERM"],
    ["ioctl", [0x5411, 0], "EPERM"],
    ["prctl", [15], "allow"],
    ["prctl", [4, 1], "EPERM"],
    ["prctl", [22, 2], "EPERM"],
    ["prlimit64", [0, 7, 0, 1], "allow"],
    // The runtime's: errno may be read after one.
    ["openat", [-100n, 1, 0], "EAGAIN"],
    ["prlimit64", [0, 7, 1, 0], "EPERM"],
    ["prlimit64", [0, 7, far, 0], "EPERM"],
    ["sendto", [5, 1, 1, 0x4040, 0, 0], "allow"],
    ["sendto", [5, 1, 1, 0x4040, 1, 110], "EPERM"],
    ["sendto", [5, 1, 1, 0x4040, far, 110], "EPERM"],
    ["setsockopt", [5, 1, 16], "allow"],
    ["setsockopt", [5, 1, 26], "EPERM"],
    ["setsockopt", [5, 0, 16], "EPERM"],
    ["tgkill", [PID, PID + 1, 10], "allow"],
    ["tgkill", [PID + 1, PID + 1, 9], "EPERM"],
    ["tgkill", [-1n, -1n, 9], "EPERM"],
  ])("%s %p: %s", (name, given, expected) => {
    expect(say(name, ...given)).toBe(expected);
  });

  test("calls of another architecture, and those of x32, end the process", () => {
    const other = machine === "x64" ? ARCHITECTURES.arm64 : ARCHITECTURES.x64;
    for (const wrong of [other, 0x40000003, 0])
      expect(judge(filter, { number: 0, arch: wrong })).toBe("kill");
    expect(judge(filter, { number: 0x40000000, arch })).toBe(machine === "x64" ? "kill" : "EPERM");
    // No call: what a tracer puts in place of one that it prevents.
    expect(judge(filter, { number: 0xffffffff, arch })).toBe("EPERM");
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

const numberOf = (name: string) => callNumber(name, HERE) ?? -1;

test("the kernel accepts it: only calls on the list succeed", () => {
  const code = `
    out.push(call(${numberOf("socket")}, 1, 2, 0), call(${numberOf("kill")}, 1, 0), call(${numberOf("tgkill")}, process.pid, process.pid, 0));
    out.push(call(${numberOf("tgkill")}, 1, 1, 0), call(${numberOf("getpid")}), call(${numberOf("prctl")}, 4, 1));
    const line = Buffer.from(JSON.stringify(out));
    libc.write(1, line, line.length);`;
  expect(confined(code)).toEqual({ stdout: "[-1,-1,0,-1,0,-1]", signal: undefined, status: 0 } as never);
});

test.each(DEADLY)("the kernel accepts it: %s kills the process", (name) => {
  expect(confined(`call(${numberOf(name)}, 0, 0, 0, 0, 0, 0);`).signal).toBe("SIGSYS");
});
