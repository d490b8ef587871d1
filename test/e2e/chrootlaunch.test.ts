/**
 * jk_chrootlaunch with real daemons, in jails that jk_init and jk_cp created: lighttpd as an ordinary user and with one
 * capability, nginx that drops its privileges itself, and a service of systemd.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine, type Syslog } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/web";
const pidfile = "/run/web.pid";
const WWW = 33;

const sections = `[web]
paths = /usr/sbin/lighttpd, /usr/lib/lighttpd/*.so, /usr/sbin/nginx, /etc/nginx/mime.types, /usr/bin/bash, /usr/bin/cat
users = root, www-data
groups = root, www-data
includesections = netbasics, uidbasics
emptydirs = /var/log/nginx, /var/lib/nginx, /run
devices = /dev/null
`;

const lighttpd = (port: number) => `server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "/srv/www"
`;

const nginx = (port: number, user: string) => `user ${user};
daemon off;
worker_processes 2;
pid /run/nginx.pid;
error_log stderr notice;
events { }
http {
  access_log off;
  client_body_temp_path /var/lib/nginx/body;
  server { listen 127.0.0.1:${port}; root /srv/www; }
}
`;

let m: Machine;
let log: Syslog;
const running: MachineProcess[] = [];

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_chrootlaunch", "jk_init", "jk_cp"] });
  log = await m.startSyslog();
  m.write("/root/web.ini", `${m.read("/etc/jailkit/jk_init.ini")}\n${sections}`);
  m.must(["jk_init", "-c", "/root/web.ini", "-j", J, "web"]);
  m.write(`${J}/srv/www/page`, "from the jail\n");
  m.write("/srv/www/page", "from the host\n");
});
afterAll(() => m?.close());

beforeEach(async () => {
  m.remove(pidfile);
  await log.clear();
});

/** Starts jk_chrootlaunch by way of a shell that says its pid first, which is then jk_chrootlaunch's. */
async function launch(...words: string[]): Promise<{ pid: number; process: MachineProcess }> {
  const process = m.start(["sh", "-c", 'echo $$; exec jk_chrootlaunch "$@"', "sh", "-j", J, ...words]);
  running.push(process);
  const pid = await process.until(({ stdout }) => Number(/^(\d+)\n/.exec(stdout)?.[1]) || undefined);
  return { pid, process };
}

/** Ends a daemon, and waits until the pidfile's writer has ended, too: it holds the same standard error. */
async function stop(pid: number, process: MachineProcess): Promise<void> {
  m.must(["kill", String(pid)]);
  await process.ended;
}

const get = (port: number) => m.run(["wget", "-qO-", `http://127.0.0.1:${port}/page`]).stdout;
const ready = (process: MachineProcess, word: RegExp) =>
  process.until(({ stderr }) => word.test(stderr) || undefined);
const status = (pid: number) => m.read(`/proc/${pid}/status`);
/** A line of /proc/PID/status, its words. */
const line = (pid: number, name: string) =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status(pid))?.[1]?.trim().split(/\s+/) ?? [];
const root = (pid: number) => m.must(["readlink", `/proc/${pid}/root`]).stdout.trim();
const children = (pid: number) =>
  m
    .run(["ps", "-o", "pid=", "--ppid", String(pid)])
    .stdout.split("\n")
    .map(Number)
    .filter(Boolean);

test("lighttpd as an ordinary user", async () => {
  m.write(`${J}/etc/lighttpd.conf`, lighttpd(8080));
  const words = [
    "-u",
    "www-data",
    "-p",
    pidfile,
    "-x",
    "/usr/sbin/lighttpd",
    "--",
    "-D",
    "-f",
    "/etc/lighttpd.conf",
  ];
  const { pid, process } = await launch(...words);
  await ready(process, /server started/);
  expect(get(8080)).toBe("from the jail\n");
  expect(root(pid)).toBe(J);
  expect(line(pid, "Uid")).toEqual(["33", "33", "33", "33"]);
  expect(line(pid, "Gid")).toEqual(["33", "33", "33", "33"]);
  expect(line(pid, "Groups")).toEqual(["33"]);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
    expect(line(pid, set)).toEqual(["0".repeat(16)]);
  expect(line(pid, "SigIgn")).toEqual(["0000000000001000"]);
  await stop(pid, process);
  expect(m.read(pidfile)).toBe(String(pid));
  expect((await log.lines()).map(({ ident, pid: logged, message }) => [ident, logged, message])).toEqual([
    ["jk_chrootlaunch", pid, `executing /usr/sbin/lighttpd in jail ${J}`],
  ]);
});

test("lighttpd on port 80 with one capability, and no other in any set", async () => {
  m.write(`${J}/etc/lighttpd.conf`, lighttpd(80));
  const words = ["-u", "www-data", "-x", "/usr/sbin/lighttpd", "--", "-D", "-f", "/etc/lighttpd.conf"];
  const without = m.run(["jk_chrootlaunch", "-j", J, ...words]);
  expect(without.stderr).toContain("Permission denied");
  const { pid, process } = await launch("--keep-caps", "CAP_NET_BIND_SERVICE", ...words);
  await ready(process, /server started/);
  expect(get(80)).toBe("from the jail\n");
  expect(line(pid, "Uid")).toEqual(["33", "33", "33", "33"]);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd"])
    expect([set, ...line(pid, set)]).toEqual([set, "0000000000000400"]);
  await stop(pid, process);
});

test.each([
  ["www-data", "net_bind_service, CAP_KILL", "0000000000000420"],
  ["www-data", "none", "0000000000000000"],
  ["root", "kill", "0000000000000020"],
])("a program of %s that keeps %s", async (user, kept, sets) => {
  const { pid, process } = await launch("-u", user, "--keep-caps", kept, "-x", "/usr/bin/cat");
  process.write("here\n");
  await process.until(({ stdout }) => stdout.endsWith("here\n") || undefined);
  for (const set of ["CapPrm", "CapEff", "CapBnd"]) expect([set, ...line(pid, set)]).toEqual([set, sets]);
  // Root has them by being root; to anybody else an exec hands on what is ambient.
  const ambient = user === "root" ? "0".repeat(16) : sets;
  for (const set of ["CapInh", "CapAmb"]) expect([set, ...line(pid, set)]).toEqual([set, ambient]);
  process.end();
  await process.ended;
});

test.each([
  ["cap_net_bind", "did you mean 'cap_net_bind_service'?"],
  ["nonsense", "capabilities(7)"],
])("--keep-caps %s is not a list of capabilities", (list, hint) => {
  const result = m.run(["jk_chrootlaunch", "-j", J, "--keep-caps", list, "-x", "/usr/bin/cat"]);
  expect(result).toMatchObject({ status: 1, stdout: "" });
  expect(result.stderr).toContain(hint);
});

test("nginx drops its privileges itself", async () => {
  m.write(`${J}/etc/nginx/nginx.conf`, nginx(8081, "www-data"));
  const { pid, process } = await launch("-p", pidfile, "-x", "/usr/sbin/nginx");
  await ready(process, /start worker process(?!es)[\s\S]*start worker process(?!es)/);
  expect(process.stderr).toMatch(/^jk_chrootlaunch: warning: .* runs as root in jail /);
  expect(get(8081)).toBe("from the jail\n");
  const workers = children(pid);
  expect(workers).toHaveLength(2);
  for (const worker of workers) {
    expect(line(worker, "Uid")[1]).toBe(String(WWW));
    expect(line(worker, "Groups")).toEqual(["33"]);
    expect(root(worker)).toBe(J);
  }
  expect(line(pid, "Uid")[1]).toBe("0");
  expect(line(pid, "Groups")).toEqual([""]);
  await stop(pid, process);
  expect(m.read(pidfile)).toBe(String(pid));
  const warning = (await log.lines()).find(({ severity }) => severity === 4);
  expect(warning?.message).toContain("runs as root");
});

test("nginx as root with the capabilities that it needs, and no more", async () => {
  m.write(`${J}/etc/nginx/nginx.conf`, nginx(81, "www-data"));
  const kept = "setuid,setgid,chown,dac_override,net_bind_service,kill";
  const { pid, process } = await launch("--keep-caps", kept, "-x", "/usr/sbin/nginx");
  await ready(process, /start worker process(?!es)[\s\S]*start worker process(?!es)/);
  expect(get(81)).toBe("from the jail\n");
  for (const set of ["CapPrm", "CapEff", "CapBnd"])
    expect([set, ...line(pid, set)]).toEqual([set, "00000000000004e3"]);
  await stop(pid, process);
});

describe("--daemon", () => {
  test("returns when the program runs, in the background, with its pid in the file", async () => {
    m.write(`${J}/etc/lighttpd.conf`, lighttpd(8082));
    const errors = `${J}/var/log/lighttpd`;
    m.mkdir(`${J}/var/log`);
    m.write(errors, "", { owner: [WWW, WWW] });
    const config = `${lighttpd(8082)}server.errorlog = "/var/log/lighttpd"\n`;
    m.write(`${J}/etc/lighttpd.conf`, config);
    const tail = m.start(["tail", "-c", "+1", "-s", "0.02", "-f", errors]);
    const words = ["--daemon", "-p", pidfile, "-u", "www-data", "-x", "/usr/sbin/lighttpd"];
    const result = m.run(["jk_chrootlaunch", "-j", J, ...words, "--", "-D", "-f", "/etc/lighttpd.conf"]);
    expect(result).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const pid = Number(m.read(pidfile));
    expect(pid).toBeGreaterThan(1);
    expect(root(pid)).toBe(J);
    expect(line(pid, "Uid")).toEqual(["33", "33", "33", "33"]);
    expect(m.read(`/proc/${pid}/stat`).split(" ")[3]).toBe("1");
    await tail.until(({ stdout }) => stdout.includes("server started") || undefined);
    expect(get(8082)).toBe("from the jail\n");
    m.must(["kill", String(pid)]);
    tail.kill();
    await tail.ended;
  });

  test("is in a session of its own without a terminal, and is not its leader", () => {
    const words = `jk_chrootlaunch -j ${J} --daemon -p ${pidfile} -x /usr/bin/bash -- -c 'kill -STOP \\$\\$'`;
    // Of the shell, which has a terminal, and of the daemon: process, group, session, terminal.
    const show = `"cut -d ' ' -f 1,5,6,7 /proc/\\$\\$/stat; ${words}; cut -d ' ' -f 1,5,6,7 /proc/\\$(cat ${pidfile})/stat"`;
    const { stdout } = m.must(["sh", "-c", `script -qec ${show} /dev/null`]);
    const [shell = [], daemon = []] = stdout
      .split("\r\n")
      .filter((line) => /^[-\d ]+$/.test(line))
      .map((line) => line.split(" "));
    const [pid, group, session, terminal] = daemon;
    expect(Number(shell[3])).toBeGreaterThan(0);
    expect(terminal).toBe("0");
    expect(session).not.toBe(shell[2] ?? "");
    expect(group).toBe(session ?? "");
    expect(session).not.toBe(pid ?? "");
    m.must(["kill", "-KILL", pid ?? ""]);
  });

  test("its standard input, output and error are the host's /dev/null, and nothing else is open", () => {
    // Its shell has started, and opens nothing more, when the fifo is opened below.
    m.must(["mkfifo", `${J}/started`]);
    const wait = ": < /started & wait; kill -STOP $$";
    const words = ["--daemon", "-p", pidfile, "-x", "/usr/bin/bash", "--", "-c", wait];
    expect(m.run(["jk_chrootlaunch", "-j", J, ...words]).status).toBe(0);
    const pid = Number(m.read(pidfile));
    const open = m.must([
      "sh",
      "-c",
      `exec 9> ${J}/started; cd /proc/${pid}/fd && for fd in *; do echo $fd $(readlink $fd); done`,
    ]).stdout;
    expect(open).toBe("0 /dev/null\n1 /dev/null\n2 /dev/null\n");
    m.must(["kill", "-KILL", String(pid)]);
    m.remove(`${J}/started`);
  });

  test("a relative pidfile is not written in a directory that was removed", () => {
    const words = `jk_chrootlaunch -j ${J} --daemon -p lost.pid -x /usr/bin/bash -- -c :`;
    const result = m.run(["sh", "-c", `mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone; ${words}`]);
    expect(result.status).toBe(0);
    expect(m.exists("/lost.pid")).toBe(false);
  });

  test("a program that cannot be executed sets the exit status, and leaves no pidfile", async () => {
    m.write(`${J}/usr/bin/garbage`, "garbage", { mode: 0o755 });
    const before = m.list("/run");
    const result = m.run(["jk_chrootlaunch", "-j", J, "--daemon", "-p", pidfile, "-x", "/usr/bin/garbage"]);
    expect(result).toMatchObject({ status: 31, stdout: "" });
    expect(result.stderr).toContain("Exec format error");
    expect(m.list("/run")).toEqual(before);
    expect((await log.lines()).some(({ severity }) => severity === 3)).toBe(true);
  });

  test("does not work with --notify", () => {
    const result = m.run(["jk_chrootlaunch", "-j", J, "--daemon", "--notify", "-x", "/usr/bin/bash"]);
    expect(result).toMatchObject({ status: 1, stdout: "" });
  });
});

describe("the daemon has no process beside it", () => {
  test("neither a child nor a zombie comes from the pidfile", async () => {
    const { pid, process } = await launch("-p", pidfile, "-x", "/usr/bin/cat");
    process.write("here\n");
    await process.until(({ stdout }) => stdout.endsWith("here\n") || undefined);
    expect(children(pid)).toEqual([]);
    expect(m.must(["ls", `/proc/${pid}/task`]).stdout).toBe(`${pid}\n`);
    process.end();
    await process.ended;
    expect(m.read(pidfile)).toBe(String(pid));
  });
});

/** Perl in place of a service manager: prints what arrives at a datagram socket. */
const LISTENER = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
my $name = $ARGV[0]; $name =~ s/^@/\\0/;
bind($s, pack_sockaddr_un($name)) or die $!;
chmod 0777, $ARGV[0];
print "ready\\n";
while (defined recv($s, my $text, 4096, 0)) { print "got $text\\n"; }`;

describe("--notify", () => {
  beforeAll(() => {
    m.must(["jk_cp", "-j", J, "/usr/bin/systemd-notify", "/usr/bin/test"]);
  });
  const launchNotify = (socket: string, ...words: string[]) =>
    m.run(["jk_chrootlaunch", "-j", J, "--notify", "-u", "www-data", ...words], {
      env: { NOTIFY_SOCKET: socket, PATH: "/usr/bin" },
    });

  test.each(["/run/manager/notify", "@manager"])("a message to %s arrives", async (socket) => {
    m.mkdir("/run/manager");
    m.remove("/run/manager/notify");
    const listener = m.start(["perl", "-e", LISTENER, socket]);
    await listener.until(({ stdout }) => stdout.startsWith("ready") || undefined);
    const result = launchNotify(socket, "-x", "/usr/bin/systemd-notify", "--", "--ready");
    expect(result).toMatchObject({ status: 0, stderr: "" });
    await listener.until(({ stdout }) => stdout.includes("got READY=1") || undefined);
    // Only the process saw the socket in the jail: here an empty file of root's is left, on the way to the socket.
    if (socket.startsWith("/"))
      expect(m.stat(`${J}${socket}`)).toMatchObject({ mode: 0o100600, uid: 0, size: 0 });
    // Once more, with the mount point there.
    expect(launchNotify(socket, "-x", "/usr/bin/systemd-notify", "--", "--status=again").status).toBe(0);
    await listener.until(({ stdout }) => stdout.includes("got STATUS=again") || undefined);
    listener.kill();
    await listener.ended;
  });

  test.each([
    ["/run/manager/notify", "--network=none", "network=none"],
    ["@manager", "--confine=1", "scope=1"],
  ])("a message to %s does not arrive with %s, and a warning says so", async (socket, option, setting) => {
    m.mkdir("/run/manager");
    m.remove("/run/manager/notify");
    const listener = m.start(["perl", "-e", LISTENER, socket]);
    await listener.until(({ stdout }) => stdout.startsWith("ready") || undefined);
    const tell = (...words: string[]) =>
      launchNotify(socket, ...words, "-x", "/usr/bin/systemd-notify", "--", "--ready");
    const kept = tell(option);
    expect(kept.status).not.toBe(0);
    expect(kept.stderr).toContain(
      `jk_chrootlaunch: warning: the program cannot tell the service manager that it is ready: ${setting} keeps it`,
    );
    // All that keeps it is this.
    const others = ["--confine=1", "--scope=0", "--network=local", "--read=none", "--write=none"];
    expect(tell(...others)).toMatchObject({ status: 0, stderr: "" });
    await listener.until(({ stdout }) => stdout.includes("got READY=1") || undefined);
    listener.kill();
    await listener.ended;
  });

  test("without a manager, nothing is done", () => {
    const result = m.run([
      "jk_chrootlaunch",
      "-j",
      J,
      "--notify",
      "-u",
      "www-data",
      "-x",
      "/usr/bin/bash",
      "--",
      "-c",
      "echo in",
    ]);
    expect(result).toMatchObject({ status: 0, stdout: "in\n" });
  });
});

const canBootSystemd =
  existsSync("/usr/lib/systemd/systemd") &&
  /\scgroup2\s/.test(readFileSync("/proc/filesystems", "latin1").replaceAll("\n", " \n"));

/**
 * A service manager of its own in the machine, in a control group of its own. The last step removes that group, which
 * the host sees too.
 */
const MANAGER = `set -e
group=/sys/fs/cgroup/jailkit-test-$1
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir $group
trap 'find $group -depth -type d -exec rmdir {} +' EXIT
sh -c 'echo $$ > '$group'/cgroup.procs
  exec unshare --cgroup --mount sh -c "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /usr/lib/systemd/systemd --user --unit=basic.target"'
`;

describe.skipIf(!canBootSystemd)("systemd", () => {
  const env = { XDG_RUNTIME_DIR: "/run/user/0", PATH: "/usr/sbin:/usr/bin", HOME: "/root" };
  const systemctl = (...words: string[]) => m.run(["systemctl", "--user", ...words], { env });
  let manager: MachineProcess;

  beforeAll(async () => {
    m.must(["jk_cp", "-j", J, "/usr/bin/sleep", "/usr/bin/systemd-notify"]);
    m.mkdir("/run/user/0", { mode: 0o700 });
    m.mkdir("/run/systemd/system");
    m.write("/etc/systemd/user/basic.target", "[Unit]\nDescription=basic\n");
    const unit = (option: string) => `[Service]
Type=notify
ExecStart=/usr/sbin/jk_chrootlaunch -j ${J} ${option} -x /usr/bin/systemd-notify -- --ready --exec \\; /usr/bin/sleep 1000
`;
    m.write("/etc/systemd/user/jailed.service", unit("--notify"));
    m.write("/etc/systemd/user/deaf.service", unit(""));
    // It is a service of that type itself.
    const listener = m.start(["perl", "-e", LISTENER, "/run/manager-is-up"]);
    await listener.until(({ stdout }) => stdout.startsWith("ready") || undefined);
    manager = m.start(["unshare", "--mount", "sh", "-c", MANAGER, "sh", String(process.pid)], {
      env: { ...env, NOTIFY_SOCKET: "/run/manager-is-up" },
    });
    await listener.until(({ stdout }) => stdout.includes("READY=1") || undefined);
    listener.kill();
  });
  afterAll(async () => {
    systemctl("exit");
    await manager?.ended;
  });

  test("Type=notify: the service is up when the program in the jail says so, and has the same pid", () => {
    expect(systemctl("start", "jailed.service")).toMatchObject({ status: 0, stderr: "" });
    expect(systemctl("is-active", "jailed.service").stdout).toBe("active\n");
    const pid = Number(systemctl("show", "-P", "MainPID", "jailed.service").stdout);
    const command = () => m.read(`/proc/${pid}/cmdline`);
    // It becomes the next program after its message.
    let looks = 0;
    while (command().startsWith("/usr/bin/systemd-notify") && looks < 10_000) looks++;
    expect(command()).toBe("/usr/bin/sleep\x001000\0");
    expect(root(pid)).toBe(J);
    expect(systemctl("stop", "jailed.service").status).toBe(0);
  });

  test("without --notify the message does not arrive", () => {
    expect(systemctl("start", "deaf.service").status).not.toBe(0);
  });

  test("the example unit is one that systemd understands", () => {
    const example = readFileSync(join(checkout, "docs/units/jailed-web.service"), "latin1");
    expect(example).toMatch(/^Type=notify$/m);
    expect(example).toContain("--notify");
    m.write("/etc/systemd/user/jailed-web.service", example);
    const { status: verified, stderr } = m.run(
      ["systemd-analyze", "--user", "verify", "/etc/systemd/user/jailed-web.service"],
      { env },
    );
    expect({ verified, stderr }).toEqual({ verified: 0, stderr: "" });
  });
});
