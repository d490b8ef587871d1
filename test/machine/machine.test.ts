import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import * as C from "../../ffi/constants.ts";
import { type Machine, openMachine, underTest } from "./machine.ts";

let m: Machine;
beforeAll(async () => {
  m = await openMachine();
  m.addUser("alice", { uid: 4001, home: "/home/alice", createHome: true, groups: ["games"] });
});
afterAll(async () => m.close());

test("runs a program and hands over status, output and bytes", () => {
  expect(m.run(["/bin/sh", "-c", "printf '\\377x'; echo oops >&2; exit 3"])).toMatchObject({
    status: 3,
    signal: undefined,
    stdout: "\xffx",
    stderr: "oops\n",
  });
  expect(m.run(["cat"], { stdin: "\x00\xfe" }).stdoutBytes).toEqual(Buffer.from([0, 0xfe]));
  expect(m.run(["/bin/sh", "-c", "kill -SEGV $$"])).toMatchObject({ status: 139, signal: "SIGSEGV" });
  expect(() => m.run(["/no/such"])).toThrow("/no/such: No such file or directory");
  expect(() => m.run(["cat", "/dev/zero"], { timeout: 50 })).toThrow("still running");
});

test("argv, environment, umask, cwd and limits are what was asked for", () => {
  const show = 'printf "%s|" "$0" "$@"; umask; pwd; ulimit -Sn; ulimit -Hn';
  const options = { argv0: "-x", umask: 0o77, cwd: "/tmp", limits: { NOFILE: [12, 34] as const } };
  expect(m.run(["/bin/sh", "-c", show, "\xe9", ""], options).stdout).toBe("\xe9||0077\n/tmp\n12\n34\n");
  expect(m.run(["/bin/cat", "/proc/self/cmdline"], { argv0: "-x" }).stdout).toBe("-x\0/proc/self/cmdline\0");
  const env = ["A=\xff", "A=2", "nothing"];
  expect(m.run(["/bin/cat", "/proc/self/environ"], { env }).stdout).toBe("A=\xff\0A=2\0nothing\0");
  expect(m.run(["/bin/cat", "/proc/self/environ"], { env: {} }).stdout).toBe("");
});

test("ids, groups, signals and privileges are a login's", () => {
  const status = m.run(["cat", "/proc/self/status"], { user: "alice", noNewPrivs: true }).stdout;
  expect(status).toContain("Uid:\t4001\t4001\t4001\t4001\n");
  expect(status).toContain(`Groups:\t60 ${m.ids("alice").gid} \n`);
  expect(status).toContain("CapEff:\t0000000000000000\n");
  expect(status).toContain("NoNewPrivs:\t1\n");
  expect(status).toMatch(/SigBlk:\t0+\nSigIgn:\t0+\n/);
  expect(m.run(["id", "-u"], { user: { uid: 77, gid: 88 } }).stdout).toBe("77\n");
});

test("descriptors are those that were asked for", () => {
  // ls itself, and no shell around it: one would have descriptors of its own in passing
  const list = (options: object) =>
    m
      .run(["/bin/ls", "-l", "/proc/self/fd"], options)
      .stdout.split("\n")
      .flatMap((line) => / (\d+ -> .*)$/.exec(line)?.[1] ?? [])
      // the directory that it reads
      .filter((line) => !/ -> \/proc\/\d+\/fd$/.test(line));
  expect(list({})).toHaveLength(3);
  const open = [{ fd: 200, path: "/etc", flags: C.O_PATH }];
  expect(list({ open, close: [0] }).map((line) => line.replace(/ -> [^/].*/, ""))).toEqual([
    "1",
    "2",
    "200 -> /etc",
  ]);
});

test("files are written, read and removed inside, following links as the machine sees them", () => {
  m.write("/srv/mine/a/b", "x\xff", { mode: 0o4755, owner: [4001, 4001] });
  expect(m.stat("/srv/mine/a/b")).toMatchObject({ mode: C.S_IFREG | 0o4755, uid: 4001, gid: 4001, size: 2 });
  m.symlink("/srv/mine/a", "/srv/mine/link");
  expect(m.read("/srv/mine/link/b")).toBe("x\xff");
  expect(m.readlink("/srv/mine/link")).toBe("/srv/mine/a");
  expect(m.list("/srv/mine")).toEqual(["a", "link"]);
  const before = m.snapshot("/srv/mine");
  expect(Object.keys(before)).toEqual(["a", "a/b", "link"]);
  m.write("/srv/mine/a/b", "y\xff", { mode: 0o4755, owner: [4001, 4001] });
  expect(m.snapshot("/srv/mine")).not.toEqual(before);
  m.remove("/srv/mine/link");
  expect(m.exists("/srv/mine/a/b")).toBe(true);
  m.remove("/srv/mine/a");
  expect(m.stat("/srv/mine/a")).toBeUndefined();
  expect(existsSync("/srv/mine")).toBe(false);
});

test("the machine has its own devices, processes, network, and an account that is not outside", () => {
  expect(m.run(["sh", "-c", "echo x >/dev/null; head -c 4 /dev/zero | wc -c"]).stdout).toBe("4\n");
  expect(m.run(["ps", "-o", "pid=", "-p", "1"]).stdout.trim()).toBe("1");
  expect(m.run(["sh", "-c", "cat /sys/class/net/*/operstate"]).stdout).toBe("unknown\n");
  expect(m.exists("/dev/log")).toBe(false);
  expect(readFileSync("/etc/passwd", "latin1")).not.toContain("alice");
});

test("the clock, which is the host's, cannot be set", () => {
  const now = Math.floor(Date.now() / 1000);
  expect(m.run(["date", "--set", `@${now}`]).stderr).toBe("date: cannot set date: Operation not permitted\n");
});

test("a large program gets another name and a capability without being copied", () => {
  // whatever it is: where the checkout is on another file system, Bun's executable is not in the machine
  m.must(["ln", "/usr/bin/perl", "/usr/sbin/large"]);
  m.must(["setcap", "cap_sys_chroot+ep", "/usr/sbin/large"]);
  expect(m.run(["getcap", "/usr/sbin/large"]).stdout).toContain("cap_sys_chroot=ep");
  expect(m.run(["/usr/sbin/large", "--version"], { user: "alice" }).status).toBe(0);
});

test("a run is timed around the program alone", () => {
  const { start, end, stdout } = m.time(["echo", "x"]);
  expect(stdout).toBe("x\n");
  expect(end).toBeGreaterThan(start);
});

test("a process can be talked to, and is killed", async () => {
  const cat = m.start(["cat"]);
  cat.write("hello\n");
  await cat.until(({ stdout }) => stdout === "hello\n" || undefined);
  await expect(cat.until(() => undefined, 10)).rejects.toThrow("not seen");
  cat.kill();
  expect(await cat.ended).toMatchObject({ status: 137, stdout: "hello\n" });
});

test.each(["rsyslogd", "recorder"] as const)("%s takes what programs log", async (daemon) => {
  const own = await openMachine();
  try {
    if (daemon === "rsyslogd" && !own.exists("/usr/sbin/rsyslogd")) return;
    const log = await own.startSyslog({ daemon });
    own.must(["logger", "-p", "auth.err", "-t", "someone", "--id=42", "a\tb"]);
    const seen = await log.waitForLog((line) => line.ident === "someone");
    expect(seen).toMatchObject({ facility: 4, severity: 3, pid: 42, message: "a#011b" });
    expect((await log.lines()).map((line) => line.message)).toEqual(["a#011b"]);
    await log.clear();
    expect(await log.lines()).toEqual([]);
  } finally {
    await own.close();
  }
});

test("sshd lets an account in and runs its shell", async () => {
  const sshd = await m.startSshd({ config: ["Match User bob", "ForceCommand /bin/false"] });
  expect(sshd.ssh("alice", ["id", "-un"])).toMatchObject({ status: 0, stdout: "alice\n", stderr: "" });
  m.addUser("bob");
  expect(sshd.ssh("bob", ["id", "-un"])).toMatchObject({ status: 1, stdout: "" });
});

test("nothing is left of a closed machine, nor of one whose test died", async () => {
  const own = await openMachine();
  const sleeper = own.start(["sh", "-c", "echo ready; exec sleep 1000"]);
  await sleeper.until(({ stdout }) => stdout === "ready\n" || undefined);
  own.write("/opt/left-over", "x");
  await own.close();
  await sleeper.ended;
  expect(existsSync(`/proc/${own.pid}`)).toBe(false);
  expect(existsSync("/opt/left-over")).toBe(false);
  expect(() => own.run(["true"])).toThrow("closed");

  const script = `
    const { openMachine } = await import(${JSON.stringify(`${import.meta.dir}/machine.ts`)});
    const m = await openMachine();
    m.start(["sleep", "1000"]);
    console.log(m.pid);
    process.kill(process.pid, "SIGKILL");`;
  const dead = Bun.spawnSync([process.execPath, "-e", script]);
  const pid = Number(dead.stdout.toString());
  expect(pid).toBeGreaterThan(1);
  // a pidfd becomes readable at the end of the process; `tail --pid` waits for just that
  Bun.spawnSync(["tail", `--pid=${pid}`, "-f", "/dev/null"], { timeout: 10_000 });
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(readFileSync("/proc/self/mounts", "latin1")).not.toContain("/tmp/upper");
});

test("JK_UNDER_TEST is one of the two", () => {
  expect(["ours", "debian"]).toContain(underTest);
});
