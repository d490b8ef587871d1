/**
 * jk_socketd with real senders, real users and a real rsyslogd: who a message is from, what comes through, and what
 * neither a jailed user nor the end of a daemon can do to it.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type LogLine, type Machine, openMachine, type Syslog } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const jail = "/srv/j";
const socket = `${jail}/dev/log`;
// No limit that a test would meet.
const wide = "base = 1000000\npeak = 10000000\ninterval = 0.1\n";

/** Sends what its arguments say to a socket: a type, a path, and messages as Python writes bytes. */
const sender = `
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "stream" else socket.SOCK_DGRAM
s = socket.socket(socket.AF_UNIX, kind)
s.connect(sys.argv[2])
for text in sys.argv[3:]: s.sendall(eval(text))
`;

/** Sends numbered messages until its standard input ends, then tells how many. */
const load = `
import select, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
n = 0
while not select.select([0], [], [], 0)[0]:
    s.send(b"<13>load: number %d end" % n)
    n += 1
    if n == 100: print("running", flush=True)
print("sent", n, flush=True)
`;

/** Listens where jk_socketd connects to, as service managers do, and tells what comes in its environment's name. */
const manager = `
import os, socket, sys
n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
n.bind("\\0manager")
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
if os.fork() == 0:
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    env = dict(os.environ, NOTIFY_SOCKET="@manager", LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execve("/usr/sbin/jk_socketd", ["jk_socketd", "-n"], env)
while True: print(n.recv(4096).decode(), flush=True)
`;

let m: Machine;
let log: Syslog;

beforeAll(async () => {
  const only = ["jk_socketd", "jailkit", "jk_init", "jk_lsh", "jk_chrootsh", "jk_addjailuser"];
  m = await openMachine({ under: "ours", only });
  log = await m.startSyslog();
  m.addUser("u", { uid: 4001 });
  m.addUser("v", { uid: 4002 });
  m.write("/usr/local/bin/sender.py", sender);
  m.write("/usr/local/bin/load.py", load);
  m.write("/usr/local/bin/manager.py", manager);
});
afterAll(() => m?.close());

beforeEach(async () => {
  m.remove(jail);
  m.mkdir(`${jail}/dev`);
  m.remove("/etc/jailkit/jk_socketd.d");
  await log.clear();
});
afterEach(() => stop());

const pidfile = "/run/jk_socketd.pid";
const monitor = () => m.read(pidfile);
const relay = () => m.must(["pgrep", "-P", monitor()]).stdout.trim();

/** Starts it in the background: it serves when this returns. */
function start(ini: string, ...options: string[]): void {
  m.write("/etc/jailkit/jk_socketd.ini", ini);
  m.must(["jk_socketd", "-p", pidfile, ...options]);
}

/** Ends it, and returns when it has ended. */
function stop(signal = "TERM"): void {
  if (!m.exists(pidfile)) return;
  const pid = monitor();
  m.must(["sh", "-c", `kill -s ${signal} ${pid}; while kill -0 ${pid} 2>/dev/null; do :; done`]);
}

function send(messages: string[], { user = "u", path = socket, type = "dgram" } = {}) {
  return m.must(["python3", "/usr/local/bin/sender.py", type, path, ...messages], { user });
}

const own = (line: LogLine) => line.ident === "jk_socketd";
const fromJail = async (): Promise<LogLine[]> => (await log.lines()).filter((line) => !own(line));
/** Waits for a line of jk_socketd's own. */
const told = (text: string) => log.waitForLog((line) => own(line) && line.message.includes(text));
/** Waits for the message that was sent last, and returns all of those before it. */
async function arrived(last: string): Promise<LogLine[]> {
  await log.waitForLog((line) => line.message.includes(last));
  return fromJail();
}

describe("the relay", () => {
  test("is nobody, in an empty root, for good", () => {
    start(`[${socket}]\n${wide}`);
    const at = `/proc/${relay()}`;
    const { uid, gid } = m.ids("nobody");
    // Threads that compile or collect garbage are started after that, and have no more than the first.
    const statuses = m.list(`${at}/task`).map((thread) => m.read(`${at}/task/${thread}/status`));
    for (const [key, value] of [
      ["Uid", `${uid}\t${uid}\t${uid}\t${uid}`],
      ["Gid", `${gid}\t${gid}\t${gid}\t${gid}`],
      ["Groups", " "],
      ["NoNewPrivs", "1"],
      // A filter of system calls: seccomp(2).
      ["Seccomp", "2"],
      ...["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((set) => [set, "0000000000000000"]),
    ]) {
      for (const status of statuses) expect(status).toContain(`${key}:\t${value}\n`);
    }
    expect(m.readlink(`${at}/root`)).toBe("/var/lib/jailkit/empty");
    expect(m.readlink(`${at}/cwd`)).toBe("/var/lib/jailkit/empty");
    expect(m.stat("/var/lib/jailkit/empty")).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
    expect(m.list("/var/lib/jailkit/empty")).toEqual([]);
    // Not dumpable: what is in /proc belongs to root, and another process of nobody's may not look.
    expect(m.stat(`${at}/environ`)?.uid).toBe(0);
    expect(m.run(["cat", `${at}/maps`], { user: "nobody" }).status).not.toBe(0);
    const open = m.list(`${at}/fd`).map((fd) => m.readlink(`${at}/fd/${fd}`));
    expect(open.filter((target) => target.startsWith("/"))).toEqual(["/dev/null", "/dev/null", "/dev/null"]);
  });

  test("runs as the user that --user names", () => {
    start(`[${socket}]\n${wide}`, "--user=v");
    expect(m.read(`/proc/${relay()}/status`)).toContain("Uid:\t4002\t4002\t4002\t4002\n");
    stop();
    expect(m.run(["jk_socketd", "-n", "--user=root"])).toMatchObject({ status: 1 });
  });

  test("is started again when it ends, and what was sent meanwhile is not lost", async () => {
    start(`[${socket}]\n${wide}`);
    send(["b'<13>t: before'"]);
    await arrived("before");
    m.must(["kill", "-KILL", relay()]);
    send(["b'<13>t: after'"]);
    await told("the relay ended");
    expect((await arrived("after")).map(({ message }) => message.split(" ")[0])).toEqual(["before", "after"]);
  });

  test("keeps no descriptor that somebody sends along", async () => {
    start(`[${socket}]\n${wide}`);
    send(["b'<13>t: first'"]);
    await arrived("first");
    const before = m.list(`/proc/${relay()}/fd`);
    const script = `import socket, array
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("${socket}")
for i in range(100): s.sendmsg([b"<13>t: with %d" % i], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])`;
    m.must(["python3", "-c", script], { user: "u" });
    expect(await arrived("with 99")).toHaveLength(101);
    expect(m.list(`/proc/${relay()}/fd`)).toEqual(before);
  });
});

describe("who a message is from", () => {
  test("is what the kernel says", async () => {
    start(`[${socket}]\n${wide}`);
    send(["b'<86>Nov  1 10:00:00 sshd[1]: Accepted password for root'", "b'<0>kernel: Oops'"]);
    send(["b'<13>t[4]: x (jail=/other uid=0)'"], { user: "v" });
    send(["b'<13>t[4]: from root'"], { user: "root" });
    const lines = await arrived("from root");
    expect(lines.map(({ message }) => message)).toEqual([
      `Accepted password for root (jail=${jail} uid=4001)`,
      `Oops (jail=${jail} uid=4001)`,
      `x (jail=/other uid=0) (jail=${jail} uid=4002)`,
      `from root (jail=${jail} uid=0)`,
    ]);
    expect(lines.map(({ facility, severity }) => [facility, severity])).toEqual([
      [10, 6],
      [1, 0],
      [1, 5],
      [1, 5],
    ]);
    // A pid of this machine, and not the one that the sender wrote.
    expect(lines[0]?.pid).toBeGreaterThan(4);
    expect(lines[1]?.pid).toBeUndefined();
    expect(new Set([lines[0]?.pid, lines[2]?.pid, lines[3]?.pid]).size).toBe(3);
  });

  test("cannot be given as somebody else's", async () => {
    start(`[${socket}]\n${wide}`);
    const script = `import socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("${socket}")
try: s.sendmsg([b"<13>t: forged"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("iII", 1, 0, 0))])
except PermissionError: print("refused")`;
    expect(m.must(["python3", "-c", script], { user: "u" }).stdout).toBe("refused\n");
    send(["b'<13>t: last'"]);
    expect(await arrived("last")).toHaveLength(1);
  });

  test("is what the sender says, where it is trusted", async () => {
    start(`[${socket}]\n${wide}trust = sender\n`);
    send(["b'<29>Nov  1 10:00:00 sshd[1]: x'"]);
    expect(await arrived("x")).toMatchObject([
      { raw: "<29>Nov  1 10:00:00 sshd[1]: x", facility: 3, pid: 1, message: "x" },
    ]);
  });
});

describe("messages", () => {
  test("of up to 64 KiB pass whole", async () => {
    start(`[${socket}]\n${wide}`);
    // rsyslogd cuts at 8 KiB; a plain socket in its place does not.
    const script = `import os, socket
os.rename("/dev/log", "/dev/log.away")
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/dev/log"); os.chmod("/dev/log", 0o666)
print("ready", flush=True)
for i in range(4):
    d = s.recv(1 << 20)
    print(len(d), d[:8].decode(), d[-30:].decode(), flush=True)
os.rename("/dev/log.away", "/dev/log")
s.close()`;
    const sink = m.start(["python3", "-c", script]);
    await sink.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    m.must(["kill", "-HUP", monitor()]);
    const mark = ` (jail=${jail} uid=4001)`;
    const text = (n: number) => `b'<13>tag: ' + b'x' * ${n - 9}`;
    // The third is longer than 64 KiB; the host's name in a message tells that it is the one that was cut.
    send([text(512), text(65536), text(65537)]);
    send(["b'<13>tag: end'"]);
    const { stdout } = await sink.ended;
    const tail = `x${mark}`.slice(-30);
    const lengths = stdout
      .split("\n")
      .slice(1, 5)
      .map((line) => Number(line.split(" ")[0]));
    expect(lengths).toEqual([
      512 + mark.length,
      65536 + 2 * mark.length,
      65536 + 2 * mark.length,
      12 + mark.length,
    ]);
    expect(stdout.split("\n")[2]).toEndWith(tail);
    expect(counters().cut).toBe(1);
  });

  test("of a stream socket end at a NUL, a newline, or the end", async () => {
    start(`[${socket}]\n${wide}type = stream\n`);
    send(["b'<13>t: one\\0<14>t[1]: two\\n<13>t: th'", "b'ree\\0\\0\\n'", "b'<13>t: four'"], {
      type: "stream",
    });
    const lines = await arrived("four");
    expect(lines.map(({ message }) => message)).toEqual(
      ["one", "two", "three", "four"].map((text) => `${text} (jail=${jail} uid=4001)`),
    );
    expect(m.run(["python3", "/usr/local/bin/sender.py", "dgram", socket, "b'x'"]).stderr).toContain(
      "Errno 91",
    );
  });

  test("go through a path that is too long for an address", async () => {
    const deep = `${jail}/${"d".repeat(100)}/${"e".repeat(100)}`;
    m.mkdir(deep);
    start(`[${deep}/log]\n${wide}`);
    expect(m.stat(`${deep}/log`)?.mode).toBe(0o140666);
    m.must(["python3", "/usr/local/bin/sender.py", "dgram", "log", "b'<13>t: deep'"], {
      user: "u",
      cwd: deep,
    });
    expect(await arrived("deep")).toMatchObject([{ message: `deep (jail=${deep} uid=4001)` }]);
  });
});

const sockets = () => JSON.parse(m.must(["jailkit", "log-sockets", "--json"]).stdout).sockets;
const counters = () => sockets()[0].counters;

/** Restarts the real log daemon: it ends, and only then another begins. */
const rsyslog = {
  stop: () => {
    const pid = m.read("/run/rsyslogd.pid").trim();
    m.must(["sh", "-c", `kill ${pid}; while kill -0 ${pid} 2>/dev/null; do :; done`]);
  },
  start: () => {
    m.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
  },
};

const numbers = (lines: LogLine[]) =>
  lines.flatMap(({ message }) => /number (\d+) end/.exec(message)?.[1] ?? []).map(Number);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("the log daemon", () => {
  test("may be restarted under load, and nothing is lost", async () => {
    start(`[${socket}]\n${wide}`);
    const sending = m.start(["python3", "/usr/local/bin/load.py", socket], { user: "u" });
    await sending.until(({ stdout }) => stdout.includes("running") || undefined);
    for (let i = 0; i < 3; i++) {
      rsyslog.stop();
      rsyslog.start();
      // A message of another's, from the new daemon, in between.
      m.must(["sh", "-c", `until test -S /dev/log && logger -t between ${i}; do :; done`]);
      await log.waitForLog((line) => line.ident === "between" && line.message === String(i));
    }
    sending.end();
    const { stdout } = await sending.ended;
    const count = Number(/sent (\d+)/.exec(stdout)?.[1]);
    const lines = await arrived(`number ${count - 1} end`);
    // One that the old daemon had read a moment before its end may come twice.
    expect([...new Set(numbers(lines))]).toEqual(upTo(count));
  });

  test("may be away for a while: what came meanwhile is kept", async () => {
    start(`[${socket}]\n${wide}`);
    rsyslog.stop();
    send(upTo(300).map((i) => `b'<13>t: number ${i} end'`));
    rsyslog.start();
    const lines = await arrived("number 299 end");
    expect(numbers(lines)).toEqual(upTo(300));
  });

  test("may be away for long: what is more than a bound is dropped, counted and told", async () => {
    start(`[${socket}]\n${wide}[${jail}/other]\n${wide}`);
    rsyslog.stop();
    // 60 messages of 60 KB: a jail has no more than one megabyte, and others have their own. Senders wait for as long
    // as a restart may take, and no longer.
    send(upTo(60).map((i) => `b'<13>t: number ${i} end' + b'x' * 60000`));
    send(["b'<13>o: other'"], { path: `${jail}/other` });
    while (counters().messages < 60);
    const { dropped, droppedBytes } = counters();
    expect(dropped).toBeGreaterThan(30);
    expect(sockets()[0]?.connected).toBe(false);
    rsyslog.start();
    await told(`device ${socket}: ${dropped} messages (${droppedBytes} bytes) were dropped`);
    const lines = await arrived("other");
    expect(numbers(lines)).toEqual(upTo(60 - dropped));
  });

  test("may end with messages unread: the next one gets them", async () => {
    start(`[${socket}]\n${wide}`);
    // 20 daemons, one after the other; only what they read counts.
    const script = `import os, re, socket
got = set()
for round in range(20):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("/dev/log"); os.chmod("/dev/log", 0o666)
    if round == 0: print("ready", flush=True)
    for i in range(round * 7 % 50 + 1 if round < 19 else 10**6):
        n = re.search(rb"number ([0-9]+) end", s.recv(1 << 16))
        if n: got.add(int(n[1]))
        if 1999 in got: break
    s.close()
    os.unlink("/dev/log")
    if 1999 in got: break
print(round, sorted(set(range(2000)) - got), flush=True)`;
    rsyslog.stop();
    const daemons = m.start(["python3", "-c", script]);
    await daemons.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    send(upTo(2000).map((i) => `b'<13>t: number ${i} end'`));
    expect((await daemons.ended).stdout).toBe("ready\n19 []\n");
    rsyslog.start();
    send(["b'<13>t: last'"]);
    await arrived("last");
  });

  test("may stop reading: senders wait, and nothing is lost", async () => {
    start(`[${socket}]\n${wide}`);
    const pid = m.read("/run/rsyslogd.pid").trim();
    m.must(["kill", "-STOP", pid]);
    // More than there is room for on the way.
    const messages = upTo(2000).map((i) => `b'<13>t: number ${i} end'`);
    const sending = m.start(["python3", "/usr/local/bin/sender.py", "dgram", socket, ...messages], {
      user: "u",
    });
    while (counters().messages <= 11);
    const { messages: read } = counters();
    expect(read).toBeLessThan(2000);
    m.must(["kill", "-CONT", pid]);
    await sending.ended;
    const lines = await arrived("number 1999 end");
    expect(numbers(lines)).toEqual(upTo(2000));
    expect(counters().dropped).toBe(0);
  });
});

describe("limits", () => {
  test("hold a jail back, and no other; the log tells it", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 60\n[${jail}/other]\n${wide}`);
    send(["b'<13>t: ' + b'x' * 294", "b'<13>t: held'"]);
    send(["b'<13>o: other'"], { path: `${jail}/other` });
    await told(`device ${socket} is over the peak limit (5 bytes/s)`);
    const lines = await arrived("other");
    expect(lines.map(({ ident }) => ident)).toEqual(["t", "o"]);
    expect(counters()).toMatchObject({ messages: 1, bytes: 301, pauses: 1, paused: true, dropped: 0 });
    // What waits is not lost at the end.
    stop();
    expect((await arrived("held")).map(({ ident }) => ident)).toEqual(["t", "o", "t"]);
  });

  test("go on after the interval", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 0.1\n`);
    send(upTo(5).map((i) => `b'<13>t: number ${i} end' + b'x' * 300`));
    expect(numbers(await arrived("number 4 end"))).toEqual(upTo(5));
    expect(counters()).toMatchObject({ messages: 5, pauses: 5 });
  });

  test("hold a stream socket back, too", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 0.1\ntype = stream\n`);
    send(
      upTo(5).map((i) => `b'<13>t: number ${i} end' + b'x' * 300 + bytes(1)`),
      { type: "stream" },
    );
    expect(numbers(await arrived("number 4 end"))).toEqual(upTo(5));
    expect(counters()).toMatchObject({ messages: 5, pauses: 5 });
  });
});

describe("the configuration", () => {
  const listening = (path: string, rates: string) => told(`listening on socket ${path} with rates ${rates}`);

  test("is read again when the file changes, or a drop-in comes or goes", async () => {
    start(`[${socket}]\n${wide}`);
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 100\npeak = 200\ninterval = 1\n`);
    await listening(socket, "[100:200]/1.000000");
    m.write("/etc/jailkit/jk_socketd.d/more.ini", `[${jail}/more]\n`);
    await listening(`${jail}/more`, "[511:2048]/5.000000");
    expect(m.stat(`${jail}/more`)?.mode).toBe(0o140666);
    m.write("/etc/jailkit/jk_socketd.d/third.ini", `[${jail}/third]\n`);
    await listening(`${jail}/third`, "[511:2048]/5.000000");
    m.remove("/etc/jailkit/jk_socketd.d/more.ini");
    await told(`socket ${jail}/more is closed`);
    expect([m.exists(`${jail}/more`), m.exists(`${jail}/third`)]).toEqual([false, true]);
    expect(sockets().map(({ path }: { path: string }) => path)).toEqual([socket, `${jail}/third`]);
  });

  test("keeps what a socket has counted when its limits change, and makes it anew when its type does", async () => {
    start(`[${socket}]\n${wide}`);
    send(["b'<13>t: one'"]);
    await arrived("one");
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 100\npeak = 200\n`);
    await listening(socket, "[100:200]/5.000000");
    expect(counters().messages).toBe(1);
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 100\npeak = 200\ntype = stream\n`);
    await log.waitForLog(
      (line) => line.message.includes("is closed") || line.message.includes("[100:200]/5"),
    );
    while (sockets()[0]?.type !== "stream");
    send(["b'<13>t: two'"], { type: "stream" });
    await arrived("two");
    expect(counters().messages).toBe(1);
  });

  test("stays as it was where the new one cannot be used", async () => {
    start(`[${socket}]\n${wide}`);
    m.write("/etc/jailkit/jk_socketd.ini", "[\0");
    await told("the configuration is not read again");
    await log.clear();
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}[${jail}/b]\n`, { mode: 0o666 });
    await told("can be written by everybody");
    await log.clear();
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    m.chown("/etc/jailkit", 4001, 0);
    m.must(["kill", "-HUP", monitor()]);
    await told("belongs to uid 4001");
    m.chown("/etc/jailkit", 0, 0);
    send(["b'<13>t: still here'"]);
    await arrived("still here");
  });

  test("of jk_init's need_logsocket is served", async () => {
    m.write("/srv/own.ini", "[logs]\npaths = /bin/true\nneed_logsocket = 1\n");
    start(`[${jail}/first]\n`);
    m.mkdir("/home/made");
    m.must(["jk_init", "-c", "/srv/own.ini", "-j", "/home/made", "logs"]);
    await listening("/home/made/dev/log", "[512:2048]/10.000000");
    send(["b'<13>t: from a new jail'"], { path: "/home/made/dev/log" });
    expect(await arrived("from a new jail")).toMatchObject([
      { message: "from a new jail (jail=/home/made uid=4001)" },
    ]);
    stop();
    m.remove("/home/made");
  });

  test("SIGHUP is enough, too", async () => {
    start(`[${socket}]\n${wide}`);
    m.must(["kill", "-HUP", monitor()]);
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 77\n`);
    m.must(["kill", "-HUP", monitor()]);
    await listening(socket, "[77:2048]/5.000000");
  });
});

describe("a socket", () => {
  const again = () => told("listening on socket");

  test("that is taken away is made again", async () => {
    start(`[${socket}]\n${wide}`);
    await again();
    await log.clear();
    m.remove(socket);
    await again();
    expect(m.stat(socket)?.mode).toBe(0o140666);
    send(["b'<13>t: again'"]);
    await arrived("again");
  });

  test("comes back with its jail", async () => {
    start(`[${socket}]\n${wide}`);
    await again();
    m.rename(jail, "/srv/away");
    await log.clear();
    m.mkdir(`${jail}/dev`);
    await again();
    send(["b'<13>t: back'"]);
    await arrived("back");
    stop();
    m.remove("/srv/away");
  });

  test("waits for a jail that is still to be made", async () => {
    start(`[${socket}]\n${wide}[/srv/later/dev/log]\n${wide}`);
    await told("while opening /srv/later/dev/log");
    m.mkdir("/srv/later/dev");
    await told("listening on socket /srv/later/dev/log");
    send(["b'<13>t: later'"], { path: "/srv/later/dev/log" });
    await arrived("later");
    stop();
    m.remove("/srv/later");
  });

  const refused: [where: string, arrange: () => void, reason: string][] = [
    ["its directory belongs to a user", () => m.chown(`${jail}/dev`, 4001, 4001), "belongs to uid 4001"],
    [
      "its directory can be written by a group",
      () => m.chmod(`${jail}/dev`, 0o775),
      "is writable by its group",
    ],
    ["the jail belongs to a user", () => m.chown(jail, 4001, 4001), "belongs to uid 4001"],
    [
      "its directory is a link that a user may have made",
      () => {
        m.remove(`${jail}/dev`);
        m.symlink("/etc", `${jail}/dev`);
        m.chown(jail, 4001, 4001);
      },
      "is a symbolic link in a directory that users can write",
    ],
    ["a directory is in the way", () => m.mkdir(socket), "a directory is in the way"],
  ];
  test.each(refused)("is not made where %s", async (_, arrange, reason) => {
    arrange();
    const before = m.snapshot(jail);
    start(`[${socket}]\n${wide}[/srv/fine]\n${wide}`);
    await log.waitForLog(
      (line) => own(line) && line.message.includes(socket) && line.message.includes(reason),
    );
    stop();
    expect(m.snapshot(jail)).toEqual(before);
    expect(m.exists("/etc/log")).toBe(false);
    m.chown(jail, 0, 0);
  });

  test("takes the place of what is there, never that of what a link leads to", async () => {
    m.write("/srv/precious", "data");
    m.symlink("/srv/precious", socket);
    m.write(`${jail}/other`, "a file");
    start(`[${socket}]\n${wide}[${jail}/other]\n`);
    await again();
    expect([m.stat(socket)?.mode, m.stat(`${jail}/other`)?.mode]).toEqual([0o140666, 0o140666]);
    expect(m.read("/srv/precious")).toBe("data");
    expect(m.list(`${jail}/dev`)).toEqual(["log"]);
  });

  test("of this machine's own log daemon is never taken", async () => {
    start(`[/dev/log]\n[/dev/./log]\n[${socket}]\n`);
    await told("is the socket of this machine's own log daemon");
    m.must(["logger", "-t", "host", "still mine"]);
    await log.waitForLog((line) => line.ident === "host");
  });
});

describe("from start to end", () => {
  test("the end takes away what it made, and nothing of others", () => {
    start(`[${socket}]\n${wide}[${jail}/other]\n`);
    m.must(["kill", "-STOP", monitor()]);
    m.write("/srv/new", "somebody else's");
    m.rename("/srv/new", `${jail}/other`);
    m.must(["kill", "-INT", monitor()]);
    stop("CONT");
    expect(m.read(`${jail}/other`)).toBe("somebody else's");
    expect([m.exists(socket), m.exists(pidfile)]).toEqual([false, false]);
    expect(m.run(["pgrep", "jk_socketd"]).stdout).toBe("");
    expect(m.list("/run/jailkit/log-sockets")).toEqual([]);
  });

  test("in the background it keeps nobody waiting, and what it could not do is its exit status", () => {
    m.remove("/etc/jailkit/jk_socketd.ini");
    expect(m.run(["jk_socketd"])).toMatchObject({ status: 11 });
    start(`[${socket}]\n${wide}`);
    const at = `/proc/${monitor()}`;
    expect([0, 1, 2].map((fd) => m.readlink(`${at}/fd/${fd}`))).toEqual([
      "/dev/null",
      "/dev/null",
      "/dev/null",
    ]);
    expect(m.readlink(`${at}/cwd`)).toBe("/");
    // A session of its own: proc(5), the fifth and sixth word behind the name.
    expect(m.read(`${at}/stat`).split(") ")[1]?.split(" ").slice(2, 4)).toEqual([monitor(), monitor()]);
  });

  test("a pidfile does not follow a user's link", () => {
    m.mkdir("/srv/users", { mode: 0o777, owner: [4001, 4001] });
    m.write("/srv/precious", "data");
    m.symlink("/srv/precious", "/srv/users/pid");
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    m.must(["jk_socketd", "-p", "/srv/users/pid"]);
    expect(m.read("/srv/precious")).toBe("data");
    m.must(["sh", "-c", "pkill -o jk_socketd; while pgrep jk_socketd; do :; done"]);
  });

  test("a service manager gets its messages and hands over sockets", async () => {
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    const service = m.start(["python3", "/usr/local/bin/manager.py", socket]);
    await service.until(({ stdout }) => stdout.includes("READY=1\n") || undefined);
    const inode = m.stat(socket)?.ino;
    send(["b'<13>t: activated'"]);
    expect(await arrived("activated")).toMatchObject([{ message: `activated (jail=${jail} uid=4001)` }]);
    expect(sockets()[0]).toMatchObject({ path: socket, activated: true });
    const pid = m.must(["pgrep", "-o", "-x", "jk_socketd"]).stdout.trim();
    m.must(["kill", "-HUP", pid]);
    await service.until(
      ({ stdout }) => /RELOADING=1\nMONOTONIC_USEC=\d+\nREADY=1\n/.test(stdout) || undefined,
    );
    m.must(["kill", pid]);
    await service.until(({ stdout }) => stdout.includes("STOPPING=1\n") || undefined);
    // The socket is the service manager's.
    expect(m.stat(socket)?.ino).toBe(inode);
    service.kill();
  });

  test("jailkit log-sockets shows it", async () => {
    expect(m.run(["jailkit", "log-sockets"])).toMatchObject({ status: 1, stdout: "" });
    start(`[${socket}]\nbase = 600\n`);
    send(["b'<13>t: shown'"]);
    await arrived("shown");
    expect(m.must(["jailkit", "log-sockets"]).stdout).toBe(
      `${"SOCKET".padEnd(socket.length)}  LIMITS      STATE      MESSAGES  BYTES  PAUSES  DROPPED
${socket}  600:2048/5  listening         1     12       0        0
`,
    );
    expect(sockets()).toMatchObject([
      {
        path: socket,
        jail,
        pid: Number(monitor()),
        type: "datagram",
        trust: "kernel",
        base: 600,
        interval: 5,
      },
    ]);
    expect(m.run(["jailkit", "log-sockets"], { user: "u" })).toMatchObject({ status: 1, stdout: "" });
    expect(
      m.run(
        [
          "python3",
          "-c",
          `import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect("/run/jailkit/log-sockets/${monitor()}")`,
        ],
        { user: "u" },
      ).stderr,
    ).toContain("PermissionError");
  });
});

describe("a login", () => {
  const home = "/home/logged";

  beforeAll(() => {
    m.mkdir(home);
    m.must(["jk_init", "--copy-shell", "-j", home, "jk_lsh"]);
    m.must(["jk_addjailuser", "-j", home, "w"]);
    m.write(`${home}/etc/jailkit/jk_lsh.ini`, "[w]\npaths = /usr/bin\nexecutables = /usr/bin/none\n");
  });
  afterAll(() => m.remove(home));

  const login = (text: string) =>
    m.run(["jk_chrootsh", "-c", text], { user: "w", env: { PATH: "/usr/bin:/bin", USER: "w" } });

  test("leaves the lines of jk_chrootsh and of jk_lsh in the host's log, whatever the limits", async () => {
    // jk_lsh logs through the socket of the jail, jk_chrootsh was outside when it opened its own.
    start(`[${home}/dev/log]\n${wide}`);
    const { uid } = m.ids("w");
    expect(login("forbidden").status).not.toBe(0);
    const marked = (line: LogLine, text: string) =>
      line.ident === "jk_lsh" &&
      line.message.includes(text) &&
      line.message.endsWith(` (jail=${home} uid=${uid})`);
    const entered = (line: LogLine) => line.ident === "jk_chrootsh" && line.message.includes(home);
    const line = await log.waitForLog((one) => marked(one, "forbidden"));
    await log.waitForLog(entered);
    expect(line).toMatchObject({ facility: 4, severity: 3, pid: expect.any(Number) });
    stop();

    await log.clear();
    start(`[${home}/dev/log]\nbase = 10\npeak = 100\ninterval = 0.2\n`);
    for (const text of ["first", "second", "third"]) expect(login(text).status).not.toBe(0);
    for (const text of ["first", "second", "third"]) await log.waitForLog((one) => marked(one, text));
    await told(`device ${home}/dev/log is over the peak limit (500 bytes/s)`);
    expect((await log.lines()).filter(entered).length).toBeGreaterThanOrEqual(3);
    expect(counters()).toMatchObject({ dropped: 0 });
  });
});

test("it works with the capabilities that the example unit leaves it", async () => {
  const unit = readFileSync(join(import.meta.dir, "../../docs/units/jk_socketd.service"), "utf8");
  const kept = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  const set = `-all${kept.map((name) => `,+${name.slice("CAP_".length).toLowerCase()}`).join("")}`;
  m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
  const bounded = ["setpriv", "--no-new-privs", `--bounding-set=${set}`, `--inh-caps=${set}`];
  m.must([...bounded, "jk_socketd", "-p", pidfile]);
  expect(m.read(`/proc/${monitor()}/status`)).toMatch(/^CapEff:\t00000000000401e0$/m);
  send(["b'<13>t: with few capabilities'"]);
  await arrived("with few capabilities");
  m.write("/etc/jailkit/jk_socketd.d/more.ini", `[${jail}/more]\n`);
  await told(`listening on socket ${jail}/more`);
  m.must(["kill", "-KILL", relay()]);
  await told("the relay ended");
  send(["b'<13>t: the second relay'"]);
  await arrived("the second relay");
  stop();
  expect(m.exists(socket)).toBe(false);
});
