/**
 * A program inherits through a compiled tool what it would inherit without it. Each case runs the same program twice
 * with the same settings, once directly and once through the tool, and compares everything that it finds.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { guardPrograms, type Programs, run } from "../fixtures/guard/build.ts";

const INFINITY = "0xffffffffffffffff";
const DATA = "2";
const STACK = "3";
const NPROC = "6";
const NOFILE = "7";
const AS = "9";

let programs: Programs;
let output: string;

beforeAll(() => {
  programs = guardPrograms();
  output = join(programs.folder, "output", "found");
  mkdirSync(dirname(output));
  chmodSync(dirname(output), 0o1777);
}, 60_000);
afterAll(() => programs.remove());

function found(settings: string[], through: string[]): string {
  rmSync(output, { force: true });
  const { status, stderr } = run([
    programs.launcher,
    ...settings,
    "--",
    ...through,
    programs.inherited,
    output,
    "an argument",
  ]);
  expect({ status, stderr }).toEqual({ status: 42, stderr: "" });
  return readFileSync(output, "latin1");
}

function expectSame(settings: string[], command = "exec"): void {
  const direct = found(settings, []);
  expect(direct).toContain("argument: an argument");
  expect(found(settings, [programs.report, command])).toBe(direct);
}

const everySignal = Array.from({ length: 64 }, (_, i) => String(i + 1)).filter(
  // SIGKILL and SIGSTOP cannot be ignored; SIGCONT would change nothing.
  (number) => number !== "9" && number !== "19",
);

const cases: Record<string, string[]> = {
  "nothing special": [],
  "every signal ignored": everySignal.flatMap((number) => ["ignore", number]),
  "SIGPIPE, SIGXFSZ, SIGPWR, SIGSYS ignored": ["13", "25", "30", "31"].flatMap((n) => ["ignore", n]),
  "SIGCHLD ignored": ["ignore", "17"],
  "SIGPWR, SIGTERM, SIGRTMIN blocked": ["30", "15", "34"].flatMap((number) => ["block", number]),
  "a low soft RLIMIT_NOFILE": ["limit", NOFILE, "64", "4096"],
  "a low hard RLIMIT_NOFILE": ["limit", NOFILE, "16", "16"],
  "a low soft RLIMIT_AS": ["limit", AS, "300000000", INFINITY],
  "a low soft RLIMIT_DATA": ["limit", DATA, "30000000", INFINITY],
  "a low soft RLIMIT_STACK": ["limit", STACK, "131072", INFINITY],
  "a high RLIMIT_STACK": ["limit", STACK, INFINITY, INFINITY],
  // A uid that no other test has: the kernel counts its processes, whichever machine of a test they are in.
  "an ordinary user who may have one process": ["limit", NPROC, "1", "1", "user", "61235"],
  "stdin closed": ["close", "0"],
  "stdout closed": ["close", "1"],
  "stderr closed": ["close", "2"],
  "a directory as standard input": ["open", "0", "/usr"],
  "all three closed": ["close", "0", "close", "1", "close", "2"],
  "files, directories, sockets and epoll passed on": [
    ...["open", "3", "/etc/passwd", "open", "4", "/", "socket", "5", "epoll", "6", "open", "90", "/etc"],
  ],
  "descriptors with FD_CLOEXEC": ["open", "4", "/etc/passwd", "open", "5", "/", "cloexec", "4"],
  "a descriptor above the limit": ["open", "200", "/etc", "limit", NOFILE, "100", "100"],
  "the last descriptor that is passed on": ["open", "1023", "/etc"],
  "a working directory that was removed": ["deleted-directory"],
  "another umask": ["umask", "0123"],
  "no environment": ["no-environment"],
  "a large environment": ["large-environment", "5000"],
  no_new_privs: ["no-new-privs"],
};

describe("a program executed by a compiled tool inherits what the tool's caller had set up", () => {
  for (const [name, settings] of Object.entries(cases)) {
    test(name, () => {
      expectSame(["close-from", "3", ...settings]);
    });
  }

  test("a working directory with too long a path", () => {
    const deep = join(programs.folder, "deep");
    mkdirSync(deep);
    expectSame(["close-from", "3", "directory", deep, "deep-directory"]);
  });

  test("after an execve that failed, and the runtime went on", () => {
    const settings = ["ignore", "13", "block", "15", "limit", AS, "300000000", INFINITY, "deleted-directory"];
    expectSame(["close-from", "3", ...settings], "fail-and-exec");
  });

  test("the directory that JavaScript changed to, if it did", () => {
    const moved = found(["close-from", "3", "deleted-directory"], [programs.report, "move-and-exec"]);
    expect(moved).toContain("\ndirectory: /usr links");
  });
});

describe("descriptors of JavaScript", () => {
  test("none reaches an executed program, not even under an inherited number", () => {
    const settings = [
      "close-from",
      "3",
      "open",
      "5",
      "/etc/passwd",
      "open",
      "7",
      "/usr",
      "open",
      "30",
      "/usr",
    ];
    const after = found(settings, [programs.report, "open-and-exec"]);
    expect(after.match(/^fd \d+/gm)).toEqual(["fd 0", "fd 1", "fd 2", "fd 30"]);
  });

  // /proc and /sys both have inode 1.
  test.each([
    ["/etc/passwd", "/etc/group", false],
    ["/proc", "/sys", false],
    ["/etc/passwd", "/etc/passwd", true],
  ])("%s, exchanged for %s under its number", (passedOn, opened, isSame) => {
    expect(statSync("/proc").ino).toBe(statSync("/sys").ino);
    const after = found(
      ["close-from", "3", "open", "5", passedOn],
      [programs.report, "reopen-and-exec", opened],
    );
    expect(after.match(/^fd \d+/gm)).toEqual(["fd 0", "fd 1", "fd 2", ...(isSame ? ["fd 5"] : [])]);
  });

  test("nor a program that is started beside it: the kept standard error is no descriptor of that one's", () => {
    const after = found(["close-from", "3"], [programs.report, "spawn"]);
    expect(after.match(/^fd \d+/gm)).toEqual(["fd 0", "fd 1", "fd 2"]);
  });
});

test("recursion ends in an exception where the stack has no limit", () => {
  const { status, stdout, stderr } = run([
    programs.launcher,
    ...["limit", STACK, INFINITY, INFINITY],
    "--",
    programs.report,
    "crash",
    "stack",
  ]);
  expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: "", stderr: "" });
});

describe("limits for the program that is executed", () => {
  const USER = ["user", "61236"];
  const limitsAfter = (settings: string[], lowered: string[]) => {
    const after = found(["close-from", "3", ...settings], [programs.report, "limit", ...lowered, "--"]);
    return [...after.matchAll(/^limit (\d+): (\w+) (\w+)$/gm)].map(([, , soft = "", hard = ""]) =>
      [soft, hard].map((text) => BigInt(`0x${text}`)),
    );
  };
  const INFINITE = 0xffff_ffff_ffff_ffffn;

  test("are hard and soft ones, of every resource, and no other changes", () => {
    const before = limitsAfter(USER, []);
    for (let resource = 0; resource < 16; resource++) {
      // The least that the static program starts with.
      const value =
        { 2: 1 << 20, 3: 1 << 20, 6: 5, 7: 20, 9: 1 << 26 }[resource] ?? (resource < 2 ? 100_000 : 0);
      const most = BigInt(value);
      const after = limitsAfter(USER, [`${resource}=${value}`]);
      const lower = (limit: bigint) => (limit < most ? limit : most);
      expect(after).toEqual(before.map((pair, index) => (index === resource ? pair.map(lower) : pair)));
    }
  });

  test("of many resources hold together", () => {
    const after = limitsAfter(USER, ["7=64", "1=5000000", "9=67108864", "4=0", "0=600"]);
    expect([7, 1, 9, 4, 0].map((resource) => after[resource]?.[1])).toEqual([
      ...[64n, 5_000_000n, 67_108_864n, 0n, 600n],
    ]);
  });

  test("never raise a limit, neither the soft nor the hard one, also for root", () => {
    const settings = ["limit", NOFILE, "50", "100", "limit", "4", "0", INFINITY];
    for (const user of [USER, []]) {
      expect(limitsAfter([...settings, ...user], ["7=1000", "4=4096"])[7]).toEqual([50n, 100n]);
      expect(limitsAfter([...settings, ...user], ["7=1000", "4=4096"])[4]).toEqual([0n, 4096n]);
      expect(limitsAfter([...settings, ...user], ["7=70"])[7]).toEqual([50n, 70n]);
    }
  });

  test("start from those of the caller, and not from those that the runtime needs", () => {
    const settings = ["limit", AS, "300000000", INFINITY, ...USER];
    expect(limitsAfter(settings, ["9=4000000000"])[9]).toEqual([300_000_000n, 4_000_000_000n]);
    expect(limitsAfter(settings, ["4=7"])[9]).toEqual([300_000_000n, INFINITE]);
  });

  const failing = (lowered: string[], program = "/nonexistent/program") =>
    run([programs.launcher, ...USER, "--", programs.report, "limit-and-fail", ...lowered, "--", program]);

  test("an execve that fails is reported by the runtime where it can continue", () => {
    const left = ["7=16", "1=0", "4=0", "11=0"];
    for (const lowered of [[], left])
      expect(failing(lowered)).toEqual({ status: 0, stdout: '"execve: ENOENT"\n', stderr: "" });
  });

  test.each(["7=15", "9=9000000000", "9=1000", "2=9000000000", "3=200000", "3=0", "6=0"])(
    "and by the guard, with 127 or 126, where it cannot: %s",
    (lowered) => {
      const missing = "jailkit: the program or its interpreter does not exist\n";
      expect(failing([lowered])).toEqual({ status: 127, stdout: "", stderr: missing });
      const denied = "jailkit: the program cannot be executed\n";
      expect(failing([lowered], "/etc/passwd")).toEqual({ status: 126, stdout: "", stderr: denied });
    },
  );

  test("one that cannot be set is an error, and nothing is executed", () => {
    expect(failing(["16=1"], "/bin/true")).toEqual({ status: 0, stdout: '"prlimit: EINVAL"\n', stderr: "" });
    const unset = "jailkit: the limits of the session cannot be set\n";
    expect(failing(["9=1000", "16=1"], "/bin/true")).toEqual({ status: 126, stdout: "", stderr: unset });
  });
});

describe("limits that no soft limit can be raised above", () => {
  const refusals = {
    RLIMIT_AS: [["limit", AS, "1000000000", "1000000000"], "address space (ulimit -v) is below 2400 MiB"],
    RLIMIT_DATA: [["limit", DATA, "1000000000", "1000000000"], "data size (ulimit -d) is below 2400 MiB"],
    RLIMIT_NOFILE: [["limit", NOFILE, "15", "15"], "open files (ulimit -n) is below 16"],
    RLIMIT_STACK: [
      ["limit", STACK, "120000", "120000"],
      "stack size (ulimit -s) is below 192 KiB and the size of the arguments and the environment",
    ],
  } as const;
  for (const [name, [settings, message]] of Object.entries(refusals)) {
    test(`${name}: one line that names it`, () => {
      const { status, stdout, stderr } = run([programs.launcher, ...settings, "--", programs.report]);
      expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
      expect(stderr).toBe(`jailkit: the limit on ${message}: raise it\n`);
    });
  }

  test("what is just enough is enough", () => {
    const settings = [
      "limit",
      AS,
      "2516582400",
      "2516582400",
      "limit",
      STACK,
      "262144",
      "262144",
      "limit",
      "1",
      "0",
      "0",
    ];
    const { status, stdout } = run([programs.launcher, ...settings, "--", programs.report]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).guarded).toBe(true);
  });
});
