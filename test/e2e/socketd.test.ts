/**
 * jk_socketd with real senders, real users and a real rsyslogd: the sender of a message, what is relayed, and what
 * neither a jailed user nor the end of a daemon can do to it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { account } from "../machine/log-relay.ts";
import type { LogLine } from "../machine/machine.ts";
import {
  arrived,
  counters,
  firstSocket,
  fromJail,
  jail,
  log,
  m,
  monitor,
  numbers,
  pidfile,
  relay,
  rsyslog,
  send,
  setScene,
  socket,
  sockets,
  start,
  stop,
  told,
  upTo,
  wide,
} from "./socketd-scene.ts";

setScene();

describe("the relay", () => {
  test("has an account of its own, in an empty root directory, for good", () => {
    start(`[${socket}]\n${wide}`);
    const at = `/proc/${relay()}`;
    const { uid, gid } = m.ids(account);
    expect(uid).toBeLessThan(1000);
    expect(m.read("/etc/passwd")).toMatch(new RegExp(`^${account}:.*:/nonexistent:/usr/sbin/nologin$`, "m"));
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
    // Not dumpable: what is in /proc belongs to root, and another process of the same user may not look.
    expect(m.stat(`${at}/environ`)?.uid).toBe(0);
    for (const user of ["nobody", account]) {
      expect(m.run(["cat", `${at}/maps`], { user }).status).not.toBe(0);
    }
    const open = m.list(`${at}/fd`).map((fd) => m.readlink(`${at}/fd/${fd}`));
    // Standard input, output and error, and the copy of the last.
    expect(open.filter((target) => target.startsWith("/"))).toEqual(Array(4).fill("/dev/null"));
  });

  test("runs as the user that --user names", () => {
    start(`[${socket}]\n${wide}`, "--user=v");
    expect(m.read(`/proc/${relay()}/status`)).toContain("Uid:\t4002\t4002\t4002\t4002\n");
    stop();
    expect(m.run(["jk_socketd", "-n", "--user=root"])).toMatchObject({ status: 1 });
  });

  test("serves in the foreground even if standard output is full", async () => {
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    m.start(["sh", "-c", `exec jk_socketd -n -p ${pidfile} > /dev/full`]);
    await told("listening on socket");
    send(["b'<13>t: one'"]);
    expect((await arrived("one")).map(({ message }) => message)).toEqual([expect.stringContaining("one")]);
    // By it the process is ended after the test.
    while (!m.exists(pidfile));
  });

  test("runs as nobody only without its account, and reports it", async () => {
    const record = m.read("/etc/passwd");
    const warning = `there is no account ${account}: the relay runs as nobody`;
    try {
      m.must(["userdel", account]);
      m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
      const started = m.must(["jk_socketd", "-p", "/run/jk_socketd.pid"]);
      expect(started.stderr).toStartWith(`jk_socketd: warning: ${warning}`);
      await told(warning);
      const { uid } = m.ids("nobody");
      expect(m.read(`/proc/${relay()}/status`)).toContain(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
      const shown = m.must(["jailkit", "log-sockets"]);
      expect(shown.stderr).toStartWith(`jailkit log-sockets: warning: ${warning}`);
      expect(sockets()[0]).toMatchObject({ user: "nobody", warning: expect.stringContaining(warning) });
      stop();
      // What it says is the remedy.
      const [, command = ""] = /'(useradd [^']+)'/.exec(started.stderr) ?? [];
      m.must(command.split(" "));
      const again = m.must(["jk_socketd", "-p", "/run/jk_socketd.pid"]);
      expect(again.stderr).toBe("");
      expect(sockets()[0]).toMatchObject({ user: account, warning: null });
      expect(m.must(["jailkit", "log-sockets"]).stderr).toBe("");
    } finally {
      stop();
      m.write("/etc/passwd", record);
    }
  });

  test("may run as nobody on request, which is reported, too", () => {
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    const { stderr } = m.must(["jk_socketd", "-p", "/run/jk_socketd.pid", "--user=nobody"]);
    expect(stderr).toStartWith("jk_socketd: warning: the relay runs as nobody, as other programs do");
  });

  test("is started again when it ends, and messages sent meanwhile are not lost", async () => {
    start(`[${socket}]\n${wide}`);
    send(["b'<13>t: before'"]);
    await arrived("before");
    m.must(["kill", "-KILL", relay()]);
    send(["b'<13>t: after'"]);
    await told("the relay ended");
    expect((await arrived("after")).map(({ message }) => message.split(" ")[0])).toEqual(["before", "after"]);
  });

  test("keeps no descriptor that a sender attaches", async () => {
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

describe("the sender of a message", () => {
  test("is what the kernel reports", async () => {
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

  test("is added to each of several messages that are read at once", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 0.5\n`);
    // Over its limit the socket is not read; what comes then waits in it.
    send(["b'<13>t: first' + b'x' * 300"]);
    const users = ["u", "v", "root", "u", "root", "v"];
    const script = `import os, socket
for i, uid in enumerate([${users.map((user) => m.ids(user).uid)}]):
    pid = os.fork()
    if pid == 0:
        os.setresuid(uid, uid, uid)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("${socket}")
        s.send(b"<13>t[1]: m%d" % i); os._exit(0)
    os.waitpid(pid, 0); print(pid)`;
    const pids = m.must(["python3", "-c", script]).stdout.trim().split("\n").map(Number);
    const lines = (await arrived("m5")).slice(1);
    expect(lines.map(({ message }) => message)).toEqual(
      users.map((user, i) => `m${i} (jail=${jail} uid=${m.ids(user).uid})`),
    );
    expect(lines.map(({ pid }) => pid)).toEqual(pids);
  });

  test("cannot be forged", async () => {
    start(`[${socket}]\n${wide}`);
    const script = `import socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("${socket}")
try: s.sendmsg([b"<13>t: forged"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("iII", 1, 0, 0))])
except PermissionError: print("refused")`;
    expect(m.must(["python3", "-c", script], { user: "u" }).stdout).toBe("refused\n");
    send(["b'<13>t: last'"]);
    expect(await arrived("last")).toHaveLength(1);
  });

  test("is what the sender says, if trusted", async () => {
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
    // The third is longer than 64 KiB; the host's name in a message shows that this one was cut.
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

  test("work with a path that is too long for an address", async () => {
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

  test("may stop for a while: messages that arrive meanwhile are kept", async () => {
    start(`[${socket}]\n${wide}`);
    rsyslog.stop();
    send(upTo(300).map((i) => `b'<13>t: number ${i} end'`));
    rsyslog.start();
    const lines = await arrived("number 299 end");
    expect(numbers(lines)).toEqual(upTo(300));
  });

  test("may stop for a while: senders wait when there is no more room", async () => {
    start(`[${socket}]\n${wide}`);
    rsyslog.stop();
    const messages = upTo(60).map((i) => `b'<13>t: number ${i} end' + b'x' * 60000`);
    const sending = m.start(["python3", "/usr/local/bin/sender.py", "dgram", socket, ...messages], {
      user: "u",
    });
    // A megabyte is full.
    while (counters().messages < 17);
    rsyslog.start();
    expect(await sending.ended).toMatchObject({ status: 0 });
    expect(numbers(await arrived("number 59 end"))).toEqual(upTo(60));
    expect(counters().dropped).toBe(0);
  });

  test("may stop for long: messages above a limit are dropped, counted and reported", async () => {
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

  test("may have a stream that ends: the relay waits only for the next one", async () => {
    start(`[${socket}]\n${wide}`);
    rsyslog.stop();
    const script = `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.bind("/dev/log"); os.chmod("/dev/log", 0o666); s.listen()
print("ready", flush=True)
while True:
    c = s.accept()[0]
    d = c.recv(1 << 16)
    if b"stream" in d: break
os.unlink("/dev/log")`;
    const daemon = m.start(["python3", "-c", script]);
    await daemon.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    send(["b'<13>t: into the stream'"]);
    expect(await daemon.ended).toMatchObject({ status: 0 });
    while (firstSocket().connected);
    // An end of file that stays in the set of what it waits for would wake it up for ever.
    const at = `/proc/${relay()}`;
    const open = m.list(`${at}/fd`);
    const sets = open.filter((fd) => m.readlink(`${at}/fd/${fd}`) === "anon_inode:[eventpoll]");
    const watched = sets.flatMap((set) => [...m.read(`${at}/fdinfo/${set}`).matchAll(/^tfd:\s*(\d+)/gm)]);
    expect(watched.length).toBeGreaterThan(1);
    for (const [, fd = ""] of watched) expect(open).toContain(fd);
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
  test("slow down one jail, and no other; the log reports it", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 60\n[${jail}/other]\n${wide}`);
    send(["b'<13>t: ' + b'x' * 294", "b'<13>t: held'"]);
    send(["b'<13>o: elsewhere'"], { path: `${jail}/other` });
    await told(`device ${socket} is over the peak limit (5 bytes/s)`);
    // The path of the socket is in lines of jk_socketd.
    const lines = await arrived("elsewhere");
    expect(lines.map(({ ident }) => ident)).toEqual(["t", "o"]);
    expect(counters()).toMatchObject({ messages: 1, bytes: 301, pauses: 1, paused: true, dropped: 0 });
    // What waits is not lost at the end.
    stop();
    expect((await arrived("held")).map(({ ident }) => ident)).toEqual(["t", "o", "t"]);
  });

  test("lose nothing of a stream socket at the end", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 60\ntype = stream\n`);
    // More than what is read at once, and one that has no end.
    const messages = upTo(300).map((i) => `b'<13>t: number ${i} end' + b'x' * 400 + bytes(1)`);
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect("${socket}")
s.sendall(b"".join(eval(text) for text in sys.argv[1:]))
print("sent", flush=True)
sys.stdin.read()`;
    const sending = m.start(["python3", "-c", script, ...messages], { user: "u" });
    await sending.until(({ stdout }) => stdout.includes("sent") || undefined);
    await told(`device ${socket} is over the peak limit (5 bytes/s)`);
    stop();
    expect(numbers(await arrived("number 299 end"))).toEqual(upTo(300));
    sending.end();
  });

  test("end after the interval", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 0.1\n`);
    send(upTo(5).map((i) => `b'<13>t: number ${i} end' + b'x' * 300`));
    expect(numbers(await arrived("number 4 end"))).toEqual(upTo(5));
    expect(counters()).toMatchObject({ messages: 5, pauses: 5 });
  });

  test.each([
    ["stream", "b'\\n' * 400"],
    ["stream", "bytes(400)"],
    ["dgram", "b''"],
    ["dgram", "b'\\n'"],
  ] as const)("count messages without content, too: %s, %s", async (type, text) => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 60\ntype = ${type}\n`);
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, ${type === "stream" ? "socket.SOCK_STREAM" : "socket.SOCK_DGRAM"})
s.connect("${socket}")
for i in range(${type === "stream" ? 1 : 310}): s.send(${text})
s.send(b"<13>t: last\\n")
print("sent", flush=True)
sys.stdin.read()`;
    const sending = m.start(["python3", "-c", script], { user: "u" });
    await sending.until(({ stdout }) => stdout.includes("sent") || undefined);
    await told(`device ${socket} is over the peak limit (5 bytes/s)`);
    expect(counters()).toMatchObject({ pauses: 1, paused: true, dropped: 0 });
    expect(await fromJail()).toEqual([]);
    stop();
    expect((await arrived("last")).map(({ ident }) => ident)).toEqual(["t"]);
    // One line reports the limit, however much exceeded it.
    expect((await log.lines()).filter(({ message }) => message.includes("over the"))).toHaveLength(1);
    sending.end();
  });

  test("slow down a stream socket, too", async () => {
    start(`[${socket}]\nbase = 100\npeak = 300\ninterval = 0.1\ntype = stream\n`);
    send(
      upTo(5).map((i) => `b'<13>t: number ${i} end' + b'x' * 300 + bytes(1)`),
      { type: "stream" },
    );
    expect(numbers(await arrived("number 4 end"))).toEqual(upTo(5));
    expect(counters()).toMatchObject({ messages: 5, pauses: 5 });
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
