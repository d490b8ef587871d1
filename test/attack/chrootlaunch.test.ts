/**
 * jk_chrootlaunch runs as root among files of the users whom it confines: what they can plant, what the program
 * inherits, and what a failed step leaves behind.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as C from "../../ffi/constants.ts";
import {
  type Machine,
  openMachine,
  type RunOptions,
  type RunResult,
  type Syslog,
} from "../machine/machine.ts";
import { expectConfined, groupsOf, J, PROBE, readProbe, says, writeOutside } from "./probe.ts";

setDefaultTimeout(120_000);

const pidfile = "/run/daemon.pid";
// Nobody else's on this machine: the kernel counts processes by uid, in all machines together.
const uid = 4712;

let m: Machine;
let log: Syslog;
const probe = readProbe();

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_chrootlaunch"] });
  log = await m.startSyslog();
  m.addUser("u", { uid, groups: ["games"] });
  writeOutside(m);
});
afterAll(() => m?.close());

beforeEach(async () => {
  m.remove(J);
  for (const name of ["dev", "etc", "lib", "usr", "bin", "sbin", "home"]) m.mkdir(`${J}/${name}`);
  m.mkdir(`${J}/home/u`, { owner: [uid, uid] });
  m.write(`${J}${PROBE}`, probe, { mode: 0o755 });
  m.remove(pidfile);
  await log.clear();
});

const launch = (words: readonly string[], options: RunOptions = {}): RunResult =>
  m.run(["jk_chrootlaunch", "-j", J, ...words], options);

/** The probe ran as u, in the jail, with nothing that it should not have. */
function clean(result: RunResult): void {
  expectConfined(result, uid);
  expect(groupsOf(result)).toEqual([...m.ids("u").groups].sort());
  expect(says(result, "cwd")).toEqual(["/"]);
}

const asUser = ["-u", "u", "-x", PROBE];

describe("what goes in with the program", () => {
  test("ids, groups and nothing else", () => clean(launch(asUser)));

  test("no descriptor above 2, not even above the limit of open files", () => {
    const open = [3, 4, 7, 50, 200, 1000].map((fd) => ({ fd, path: "/", flags: C.O_RDONLY | C.O_DIRECTORY }));
    clean(launch(["-p", pidfile, ...asUser], { open, limits: { NOFILE: [100, 100] } }));
    clean(launch(["-p", pidfile, ...asUser], { open, limits: { NOFILE: [16, 4096] } }));
  });

  test("closed descriptors 0 to 2 are /dev/null, and never the first file that is opened", () => {
    const result = launch(["-p", pidfile, ...asUser], { close: [0, 2] });
    expect(says(result, "fd")).toEqual(["0 other", "1 other", "2 other"]);
  });

  test("signals, as the caller has them", () => {
    const ignore = '$SIG{CHLD} = $SIG{PIPE} = "IGNORE"; exec @ARGV';
    const result = m.run(["perl", "-e", ignore, "jk_chrootlaunch", "-j", J, "-p", pidfile, ...asUser]);
    expect(says(result, "ignored")).toEqual(["13", "17"]);
    expect(m.exists(pidfile)).toBe(true);
  });

  test("with odd environments, many arguments, and few resources", () => {
    for (const env of [[], ["", "=", "x"], Array.from({ length: 10_000 }, (_, i) => `V${i}=${i}`)]) {
      const result = launch(asUser, { env });
      clean(result);
      expect(says(result, "env")).toEqual([...env]);
    }
    const many = launch([...asUser, "--", ...Array.from({ length: 50_000 }, (_, i) => String(i))]);
    expect(says(many, "argc")).toEqual(["50001"]);
    for (const limits of [{ NOFILE: 32 }, { CORE: 0 }, { NPROC: 1 }] as const)
      clean(launch(asUser, { limits }));
  });

  test("no library of the jail is loaded before the program is", () => {
    m.write(
      "/root/trap.c",
      "#include <unistd.h>\n__attribute__((constructor)) static void trap(void) { _exit(77); }\n",
    );
    m.must(["gcc", "-shared", "-fPIC", "-o", "/root/trap.so", "/root/trap.c"]);
    for (const directory of ["lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"]) {
      for (const name of ["libnss_trap.so.2", "libnss_files.so.2", "libc.so.6"])
        m.write(`${J}/${directory}/${name}`, m.readBytes("/root/trap.so"), { mode: 0o755 });
    }
    m.write(`${J}/etc/nsswitch.conf`, "passwd: trap\ngroup: trap\n");
    clean(launch(asUser));
  });
});

describe("the path of the program", () => {
  const refused = (path: string) => {
    const result = launch(["-x", path]);
    expect([path, result.status, result.stdout]).toEqual([path, 29, ""]);
    expect(result.stderr).toMatch(/^jk_chrootlaunch: .*\n$/);
  };

  test("leads through nothing that a user can change", () => {
    m.write(`${J}/home/u/mine`, probe, { mode: 0o755, owner: [uid, uid] });
    m.write(`${J}/home/u/roots`, probe, { mode: 0o755 });
    m.mkdir(`${J}/home/u/sub`);
    m.write(`${J}/home/u/sub/roots`, probe, { mode: 0o755 });
    m.symlink(PROBE, `${J}/home/u/link`);
    m.symlink("/bin", `${J}/home/u/bin`);
    m.symlink("/home/u/mine", `${J}/bin/to-mine`);
    m.symlink("/home/u/sub/roots", `${J}/bin/to-roots`);
    for (const path of [
      "/home/u/mine",
      "/home/u/roots",
      "/home/u/sub/roots",
      "/home/u/link",
      "/home/u/bin/probe",
    ])
      refused(path);
    for (const path of ["/bin/to-mine", "/bin/to-roots", "/home/u/../u/roots"]) refused(path);
    m.mkdir(`${J}/tmp`, { mode: 0o1777 });
    m.write(`${J}/tmp/roots`, probe, { mode: 0o755 });
    refused("/tmp/roots");
  });

  test("is the jail's, whatever the host has there", () => {
    m.symlink("/root/probe", `${J}/bin/outside`);
    m.symlink("../../../root/probe", `${J}/bin/climbing`);
    m.symlink("loop", `${J}/bin/loop`);
    for (const path of ["/bin/outside", "/bin/climbing", "/../../root/probe", "/bin/loop", "/root/probe"])
      refused(path);
    m.symlink("../../../bin/probe", `${J}/bin/inside`);
    expect(launch(["-u", "u", "-x", "/bin/inside"]).status).toBe(0);
  });

  test("is a regular file", () => {
    m.must(["mkfifo", `${J}/bin/fifo`]);
    m.must(["mknod", `${J}/bin/null`, "c", "1", "3"]);
    for (const path of ["/bin/fifo", "/bin/null"]) refused(path);
    for (const path of ["", "/", "/bin", "."])
      expect([path, launch(["-x", path]).status]).toEqual([path, 31]);
  });
});

describe("the pidfile", () => {
  const leftovers = (directory: string) =>
    m.list(directory).filter((name) => /^\..*\.[0-9a-f]{16}$/.test(name));

  test("does not follow a link, write to what has other names, or wait at a FIFO", () => {
    m.write("/run/target", "untouched");
    for (const plant of [
      () => m.symlink("/run/target", pidfile),
      () => m.must(["ln", "/run/target", pidfile]),
      () => m.must(["mkfifo", pidfile]),
      () => m.symlink("/nowhere", pidfile),
    ]) {
      m.remove(pidfile);
      plant();
      clean(launch(["-p", pidfile, ...asUser]));
      expect(m.stat(pidfile)).toMatchObject({ mode: C.S_IFREG | 0o644, uid: 0, gid: 0 });
      expect(m.read(pidfile)).toMatch(/^\d+$/);
      expect(m.read("/run/target")).toBe("untouched");
    }
  });

  test("never takes the place of a device or a socket", () => {
    m.must(["python3", "-c", "import socket; socket.socket(socket.AF_UNIX).bind('/run/a-socket')"]);
    m.must(["mknod", "/run/a-device", "b", "7", "77"]);
    for (const [path, what] of [
      ["/dev/null", "a device"],
      ["/run/a-device", "a device"],
      ["/run/a-socket", "a socket"],
    ] as const) {
      const before = m.stat(path);
      const result = launch(["-p", path, ...asUser]);
      expect(result.stderr).toBe(
        `jk_chrootlaunch: no pidfile ${path}: ${path}: is ${what}, which stays; name another file\n`,
      );
      expect([m.stat(path)?.ino, m.stat(path)?.mode]).toEqual([before?.ino, before?.mode]);
    }
  });

  test("cannot be written by others, whatever the umask", () => {
    clean(launch(["-p", pidfile, ...asUser], { umask: 0 }));
    expect(m.stat(pidfile)).toMatchObject({ mode: C.S_IFREG | 0o644 });
    clean(launch(["-p", pidfile, ...asUser], { umask: 0o77 }));
    expect(m.stat(pidfile)).toMatchObject({ mode: C.S_IFREG | 0o600 });
  });

  test("is not written through a user's symbolic link on the way", async () => {
    m.mkdir("/run/theirs", { owner: [uid, uid] });
    m.symlink("/etc", "/run/theirs/sub");
    const before = m.list("/etc");
    const result = launch(["-p", "/run/theirs/sub/x.pid", ...asUser]);
    clean(result);
    expect(result.stderr).toContain("symbolic link in a directory that users can write");
    expect(m.list("/etc")).toEqual(before);
    // In the user's directory it is written, and nothing else; a warning says that it proves nothing there.
    clean(launch(["-p", "/run/theirs/x.pid", ...asUser]));
    expect(m.read("/run/theirs/x.pid")).toMatch(/^\d+$/);
    expect(
      (await log.lines()).some(({ message }) => message.includes("other than root can replace it")),
    ).toBe(true);
    // A link of root's is followed.
    m.symlink("/run", "/var/tmp-run");
    clean(launch(["-p", "/var/tmp-run/y.pid", ...asUser]));
    expect(m.exists("/run/y.pid")).toBe(true);
  });

  test.each(["/", "/run", "/run/", "/run/.", "/nope/x", "/dev/null/x", `/run/${"x".repeat(300)}`, ""])(
    "%j cannot be one, which is reported, and the program runs",
    async (path) => {
      const result = launch(["-p", path, ...asUser]);
      clean(result);
      expect(result.stderr).toContain("no pidfile");
      expect(
        (await log.lines()).some(({ severity, message }) => severity === 5 && message.includes("no pidfile")),
      ).toBe(true);
    },
  );

  test("that cannot be written is reported, and leaves nothing behind", () => {
    const result = launch(["-p", pidfile, ...asUser], { limits: { FSIZE: 0 } });
    // Standard output is a pipe, so that limit is none for the probe.
    clean(result);
    expect(result.stderr).toBe("jk_chrootlaunch: cannot write the pidfile\n");
    expect(m.exists(pidfile)).toBe(false);
    expect(leftovers("/run")).toEqual([]);
  });

  test("is missing if jk_chrootlaunch is killed before the end, and the old one stays", () => {
    m.write(pidfile, "old");
    const words = [
      "strace",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      "trace=chroot",
      "-e",
      "inject=chroot:signal=KILL",
    ];
    const result = m.run([...words, "jk_chrootlaunch", "-j", J, "-p", pidfile, ...asUser]);
    expect(result.status).toBe(137);
    expect(result.stdout).toBe("");
    expect(m.read(pidfile)).toBe("old");
    expect(leftovers("/run")).toEqual([]);
  });
});

describe("a step that fails ends the start", () => {
  const faults: [call: string, when: number, status: number][] = [
    ["fchdir", 1, 33],
    ["chroot", 1, 35],
    ["setgroups", 1, 37],
    ["setresgid", 1, 37],
    ["setresuid", 1, 39],
    ["capset", 1, 39],
  ];
  test.each(faults)("%s, call %i", async (call, when, status) => {
    const inject = `inject=${call}:error=EPERM:when=${when}`;
    const words = ["strace", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
    const result = m.run([...words, "jk_chrootlaunch", "-j", J, "-p", pidfile, ...asUser]);
    expect(result).toMatchObject({ status, stdout: "" });
    expect(result.stderr).toMatch(/^jk_chrootlaunch: .*Operation not permitted/);
    expect(m.exists(pidfile)).toBe(false);
    expect((await log.lines()).filter(({ severity }) => severity === 3)).toHaveLength(1);
  });

  test.each([
    ["setgroups", 37],
    ["setresgid", 37],
    ["setresuid", 39],
  ] as const)("%s that only pretends to work", (call, status) => {
    const words = [
      "strace",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      `inject=${call}:retval=0:when=1`,
    ];
    const root = { user: { uid: 0, gid: 0, groups: [0, 33] } };
    const result = m.run([...words, "jk_chrootlaunch", "-j", J, ...asUser], root);
    expect(result).toMatchObject({ status, stdout: "" });
  });

  test.each([
    ["capset", 1],
    ["prctl", 1],
  ] as const)("%s on the way to one capability", (call, when) => {
    const inject = `inject=${call}:error=EPERM:when=${when}+`;
    const words = ["strace", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
    const result = m.run([...words, "jk_chrootlaunch", "-j", J, "--keep-caps", "kill", ...asUser]);
    expect(result.status).not.toBe(0);
    expect(result.stdout).toBe("");
  });

  test("a program that cannot be executed, and a process that cannot be made, leave no pidfile", () => {
    m.write(`${J}/bin/garbage`, "garbage", { mode: 0o755 });
    m.write(`${J}/bin/script`, "#!/no/such/interpreter\n", { mode: 0o755 });
    m.write(`${J}/bin/closed`, probe, { mode: 0o700 });
    for (const path of ["/bin/garbage", "/bin/script", "/bin/closed"]) {
      for (const daemon of [[], ["--daemon"]]) {
        const result = launch([...daemon, "-p", pidfile, "-u", "u", "-x", path]);
        expect([path, result.status, result.stdout]).toEqual([path, 31, ""]);
        expect(m.exists(pidfile)).toBe(false);
      }
    }
    const busy = launch(["--daemon", "-p", pidfile, ...asUser], { limits: { NPROC: 0 } });
    expect(busy).toMatchObject({ status: 31, stdout: "" });
    expect(m.exists(pidfile)).toBe(false);
  });

  test("without root's rights", () => {
    const result = launch(["-p", "/tmp/mine.pid", "-x", PROBE], { user: "u" });
    expect(result).toMatchObject({ status: 35, stdout: "" });
    expect(result.stderr).toContain("must be run by root");
    expect(m.exists("/tmp/mine.pid")).toBe(false);
  });
});

describe("--notify", () => {
  const notify = (socket: string, ...words: string[]) =>
    launch(["--notify", ...words, ...asUser], { env: { NOTIFY_SOCKET: socket } });

  const bindAt = (path: string) => {
    const directory = path.slice(0, path.lastIndexOf("/"));
    m.remove(directory);
    m.mkdir(directory);
    const program = "socket(my $s, AF_UNIX, SOCK_DGRAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die";
    m.must(["perl", "-MSocket", "-e", program, path]);
  };
  beforeEach(() => bindAt("/run/manager/notify"));

  test("mounts nothing that anybody else sees, and continues", () => {
    const before = m.read("/proc/1/mountinfo");
    clean(notify("/run/manager/notify"));
    expect(m.read("/proc/1/mountinfo")).toBe(before);
    expect(m.stat(`${J}/run/manager/notify`)).toMatchObject({ mode: C.S_IFREG | 0o600, uid: 0, size: 0 });
  });

  test.each([
    "run/manager/notify",
    "/run/manager/../manager/notify",
    "/run//manager/notify",
    "/",
    "/run/manager",
    "/run/manager/nothing",
    "/etc/only-outside",
  ])("NOTIFY_SOCKET=%s ends the start, and nothing is created in the jail", (socket) => {
    const before = m.snapshot(J);
    const result = notify(socket);
    expect([result.status, result.stdout]).toEqual([1, ""]);
    expect(m.snapshot(J)).toEqual(before);
  });

  test("leads through nothing that a user can change, and creates nothing outside the jail", () => {
    const planted: readonly (readonly [status: number, plant: () => void])[] = [
      // Programs use what is in /run: one that is not root's makes the jail unsafe.
      [25, () => m.mkdir(`${J}/run`, { owner: [uid, uid] })],
      [
        25,
        () => {
          m.mkdir(`${J}/run`, { owner: [uid, uid] });
          m.symlink("/etc", `${J}/run/manager`);
        },
      ],
      [1, () => m.mkdir(`${J}/run/manager`, { owner: [uid, uid] })],
      [
        1,
        () => {
          m.mkdir(`${J}/run/manager`);
          m.symlink("/etc/passwd", `${J}/run/manager/notify`);
        },
      ],
      [1, () => m.mkdir(`${J}/run/manager/notify`)],
    ];
    for (const [status, plant] of planted) {
      m.remove(`${J}/run`);
      plant();
      const before = m.snapshot(J);
      const result = notify("/run/manager/notify");
      expect([result.status, result.stdout]).toEqual([status, ""]);
      expect(m.snapshot(J)).toEqual(before);
    }
    // The jail is safe if its /srv is a user's, but nothing is created there.
    bindAt("/srv/manager/notify");
    const elsewhere = [
      () => {},
      () => m.mkdir(`${J}/srv/manager`, { owner: [uid, uid] }),
      () => m.mkdir(`${J}/srv/manager`),
      () => {
        m.symlink("/etc", `${J}/srv/manager`);
        m.must(["chown", "-h", "u:", `${J}/srv/manager`]);
      },
    ];
    for (const plant of elsewhere) {
      m.remove(`${J}/srv`);
      m.mkdir(`${J}/srv`, { owner: [uid, uid] });
      plant();
      const before = m.snapshot(J);
      const result = notify("/srv/manager/notify");
      expect([result.status, result.stdout]).toEqual([1, ""]);
      expect(m.snapshot(J)).toEqual(before);
    }
    // A link that only root can make means what it means in the jail.
    m.remove(`${J}/run`);
    m.mkdir(`${J}/var/run`);
    m.symlink("/var/run", `${J}/run`);
    clean(notify("/run/manager/notify"));
    expect(m.exists(`${J}/var/run/manager/notify`)).toBe(true);
  });
});

test("each capability with which a program can leave the jail is warned about", async () => {
  const result = launch(["--keep-caps", "sys_chroot,kill,dac_read_search", ...asUser]);
  expect(result.stderr).toContain("with cap_dac_read_search, cap_sys_chroot a program can leave its jail");
  expect((await log.lines()).some(({ severity }) => severity === 4)).toBe(true);
  // The warning is right: the probe's chroot works with it.
  expect(says(result, "chroot")).toEqual(["works"]);
});
