/** What users in jails, and daemons that run as nobody, do to jk_socketd; and a relay that does not answer. */
import { expect, test } from "bun:test";
import {
  arrived,
  counters,
  jail,
  log,
  m,
  monitor,
  numbers,
  relay,
  rsyslog,
  send,
  setScene,
  socket,
  sockets,
  start,
  told,
  upTo,
  wide,
} from "./socketd-scene.ts";

setScene();

test("the connections that were idle longest, of the user with most, are closed: nothing is lost, and nobody waits", async () => {
  start(`[${socket}]\n${wide}type = stream\n[${jail}/other]\n${wide}`);
  // The last 40 have begun a message, and never end it.
  const script = `import socket, sys
all = []
def more(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect("${socket}")
    s.send(text); all.append(s)
more(b"<13>t: of the first user\\n")
if sys.argv[1:] == ["one"]:
    print("connected", flush=True); sys.stdin.readline()
    all[0].send(b"<13>t: still connected\\n"); sys.exit()
for i in range(180): more(b"<13>t: connection %d end\\n" % i)
for i in range(40): more(b"<13>t: begun")
print("connected", flush=True)
sys.stdin.readline()
gone = 0
for s in all:
    try: s.send(b".")
    except OSError: gone += 1
print(gone, "gone", flush=True)`;
  const first = m.start(["python3", "-c", script, "one"], { user: "v" });
  await first.until(({ stdout }) => stdout.includes("connected") || undefined);
  await arrived("of the first user");
  const many = m.start(["python3", "-c", script], { user: "u" });
  await many.until(({ stdout }) => stdout.includes("connected") || undefined);
  send(["b'<13>o: other jail'"], { path: `${jail}/other` });
  await arrived("other jail");
  send(["b'<13>t: from another user\\n'"], { user: "v", type: "stream" });
  const all = await arrived("from another user");
  expect(
    numbers(all.map((line) => ({ ...line, message: line.message.replace("connection", "number") }))),
  ).toEqual(upTo(180));
  expect(counters().connections).toBeLessThanOrEqual(128);
  many.write("\n");
  await many.until(({ stdout }) => /(\d+) gone/.exec(stdout)?.[1]);
  expect(Number(/(\d+) gone/.exec(many.stdout)?.[1])).toBeGreaterThanOrEqual(221 - 128);
  // Who has few keeps them.
  first.write("\n");
  await arrived("still connected");
  await many.ended;
  while (counters().connections > 0);
});

/** Who may not stop the relay. */
const others = ["nobody", "u", "daemon"];
const isGone = (pid: string) => m.must(["sh", "-c", `while kill -0 ${pid} 2>/dev/null; do :; done`]);

test("no other user can stop the relay, nor end it", async () => {
  start(`[${socket}]\n${wide}`);
  const pid = relay();
  for (const user of others) {
    for (const signal of ["STOP", "KILL", "CONT", "SEGV", "0"]) {
      const { status, stderr } = m.run(["kill", `-${signal}`, pid], { user });
      expect([status, stderr]).toEqual([1, expect.stringContaining("Operation not permitted")]);
    }
  }
  send(["b'<13>t: goes on'"]);
  await arrived("goes on");
  expect(relay()).toBe(pid);
});

test("a relay that runs as nobody can be stopped by other processes of nobody, and is replaced", async () => {
  start(`[${socket}]\n${wide}`, "--user=nobody");
  const pid = relay();
  m.must(["kill", "-STOP", pid], { user: "nobody" });
  await told("the relay was stopped by a signal, and is started again");
  isGone(pid);
  send(["b'<13>t: later'"]);
  await arrived("later");
});

test("a relay that is stopped is replaced, and what waits in the sockets is not lost", async () => {
  start(`[${socket}]\n${wide}[${jail}/stream]\n${wide}type = stream\n`);
  const before = [m.stat(socket)?.ino, m.stat(`${jail}/stream`)?.ino];
  for (const round of upTo(3)) {
    const pid = relay();
    // Stopped, and the first of what it is to read is there: in one step, so that it does not come too late.
    m.must([
      "sh",
      "-c",
      `kill -STOP ${pid}; exec python3 /usr/local/bin/sender.py dgram ${socket} "b'<13>t: number ${round} end'"`,
    ]);
    send([`b'<13>s: stream ${round} end'`], { path: `${jail}/stream`, type: "stream" });
    await log.waitForLog(({ message }) => message.includes(`number ${round} end`));
    await log.waitForLog(({ message }) => message.includes(`stream ${round} end`));
    isGone(pid);
  }
  const lines = (await log.lines()).filter(({ message }) => message.includes("was stopped by a signal"));
  expect(lines).toMatchObject(upTo(3).map(() => ({ ident: "jk_socketd", severity: 3 })));
  // Whoever is connected to them is connected still.
  expect([m.stat(socket)?.ino, m.stat(`${jail}/stream`)?.ino]).toEqual(before);
});

test("a relay that its filter of system calls kills is reported as such", async () => {
  start(`[${socket}]\n${wide}`);
  // As the kernel does where the filter says so.
  m.must(["kill", "-SYS", relay()]);
  await told(
    "the relay made a system call that only an intruder makes, which ended it, and is started again",
  );
  send(["b'<13>t: later'"]);
  await arrived("later");
});

/** Stops a process as a debugger does: its parent gets no signal, and it accepts only SIGKILL. */
const hold = `
import ctypes, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
pid = int(sys.argv[1])
SEIZE, INTERRUPT = 0x4206, 0x4207
if ptrace(SEIZE, pid, 0, 0) != 0 or ptrace(INTERRUPT, pid, 0, 0) != 0: sys.exit("not held")
print("held", flush=True)
sys.stdin.read()
`;

test("a relay that hangs is replaced when there is work for it", async () => {
  start(`[${socket}]\n${wide}`);
  const pid = relay();
  const holding = m.start(["python3", "-c", hold, pid]);
  await holding.until(({ stdout }) => stdout.includes("held") || undefined);
  try {
    send(upTo(5).map((i) => `b'<13>t: number ${i} end'`));
    await told("the relay did not answer for 5 seconds, and is started again");
    expect(numbers(await arrived("number 4 end"))).toEqual(upTo(5));
  } finally {
    // Whoever holds it keeps what is left of it, and no more than that.
    holding.end();
    await holding.ended;
  }
  isGone(pid);
});

test("a relay that is made to hang is also detected by its connections", async () => {
  start(`[${socket}]\n${wide}type = stream\n`);
  const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect("${socket}")
s.send(b"<13>t: before\\n")
sys.stdin.read()`;
  const connected = m.start(["python3", "-c", script], { user: "u" });
  await arrived("before");
  const holding = m.start(["python3", "-c", hold, relay()]);
  await holding.until(({ stdout }) => stdout.includes("held") || undefined);
  try {
    await told("the relay did not answer for 5 seconds, and is started again", 30_000);
  } finally {
    connected.end();
    holding.end();
  }
});

test("the relay ends with the monitor, however that ends", () => {
  start(`[${socket}]\n${wide}`);
  const pids = [monitor(), relay()];
  m.must(["kill", "-KILL", monitor()]);
  m.must(["sh", "-c", pids.map((pid) => `while kill -0 ${pid} 2>/dev/null; do :; done`).join("; ")]);
  // A new one takes its place, and what it left.
  start(`[${socket}]\n${wide}`);
  expect(m.list("/run/jailkit/log-sockets").filter((name) => name === monitor())).toEqual([monitor()]);
  expect(sockets()).toHaveLength(1);
  expect(m.list("/run/jailkit/log-sockets")).toEqual([monitor()]);
});

test("bytes of a connection stay attributed to the user who wrote them while there is no room for more", async () => {
  start(`[${socket}]\n${wide}type = stream\n`);
  rsyslog.stop();
  // A megabyte is all that a jail has while the log daemon is away; after that its senders wait.
  const texts = upTo(40).map((i) => `b'<13>t: number ${i} end' + b'x' * 60000 + bytes(1)`);
  const words = ["python3", "/usr/local/bin/sender.py", "stream", socket, ...texts];
  const filling = m.start(words, { user: "u" });
  while (counters().messages < 18);
  // One connection, two users: what the first begins is not root's.
  const script = `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect("${socket}")
for uid, text in [(4002, b"<13>v: of v"), (0, b"<13>r: of root\\n<13>r: more"), (4002, b"<13>v: and v\\n"), (0, b"<13>r: last\\n")]:
    pid = os.fork()
    if pid == 0:
        os.setresuid(uid, uid, uid); s.sendall(text); os._exit(0)
    os.waitpid(pid, 0)`;
  m.must(["python3", "-c", script]);
  rsyslog.start();
  expect(await filling.ended).toMatchObject({ status: 0 });
  const lines = (await arrived("last")).map(({ message }) => message);
  expect(lines.filter((text) => !text.includes("xxxx"))).toEqual([
    `of v (jail=${jail} uid=4002)`,
    `of root (jail=${jail} uid=0)`,
    `more (jail=${jail} uid=0)`,
    `and v (jail=${jail} uid=4002)`,
    `last (jail=${jail} uid=0)`,
  ]);
});

test("arbitrary bytes make no line of their own, and hide no mark", async () => {
  start(`[${socket}]\n${wide}`);
  const forged = "<38>Nov  1 10:00:00 sshd[1]: Accepted publickey for root";
  send([
    `b'<13>a: x\\n${forged}'`,
    `b'<13>b: x\\0${forged}\\0\\0'`,
    `b'${forged}' + b' ' * 9000`,
    `b'<13>d: \\x1b[2J\\xff\\r\\x08'`,
    `b'<13>1 - host sshd 1 - - Accepted: root'`,
    `b'${forged.replace("Nov", "nov").replace("10:00:00", "2024 10:00:00")}'`,
    "b'<13>t: last'",
  ]);
  const lines = (await arrived("last")).map(({ raw }) => raw);
  const mark = ` (jail=${jail} uid=4001)`;
  expect(lines).toHaveLength(7);
  expect(lines[0]).toBe(`<13>a: x#012${forged}${mark}`);
  expect(lines[1]).toBe(`<13>b: x#000${forged}${mark}`);
  // rsyslogd cuts the third: the mark behind the tag is left.
  expect(lines[2]).toMatch(
    new RegExp(`^<38>Nov  1 10:00:00 sshd\\[[0-9]+\\]:${mark.replace(/[()]/g, "\\$&")} Accepted`),
  );
  expect(lines[3]).toBe(`<13>d: #033[2J\xff#015#010${mark}`);
  for (const line of lines.slice(4)) expect(line).toEndWith(mark);
  for (const line of lines.slice(2)) expect(line).not.toMatch(/sshd\[1\]|sshd 1 /);
});

test.each(["DGRAM", "STREAM"])(
  "a log daemon that escapes nothing, %s, gets one line for each message",
  async (type) => {
    start(`[${socket}]\n${wide}[${jail}/trusted]\n${wide}trust = sender\n`);
    // In the place of rsyslogd; it shows what comes as it is.
    const script = `import os, socket
os.rename("/dev/log", "/dev/log.away")
s = socket.socket(socket.AF_UNIX, socket.SOCK_${type}); s.bind("/dev/log"); os.chmod("/dev/log", 0o666)
if "${type}" == "STREAM": s.listen()
print("ready", flush=True)
while True:
    c = s.accept()[0] if "${type}" == "STREAM" else s
    while d := c.recv(1 << 16): print(repr(d), flush=True)`;
    const sink = m.start(["python3", "-c", script]);
    await sink.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    m.must(["kill", "-HUP", monitor()]);
    send(["b'<13>a: ' + bytes(range(1, 32)) + bytes([127]) + b'\\xc2\\x9b<0>kernel: x\\0y\\n'"]);
    send(["b'<13>b: \\x1b[2J\\n'"], { path: `${jail}/trusted` });
    await sink.until(({ stdout }) => stdout.includes("<13>b: ") || undefined);
    sink.kill("SIGTERM");
    await sink.ended;
    m.must(["mv", "/dev/log.away", "/dev/log"]);
    const { stdout } = await sink.ended;
    const escaped = [...Array.from({ length: 31 }, (_, i) => i + 1), 127]
      .map((byte) => `#${byte.toString(8).padStart(3, "0")}`)
      .join("");
    const end = type === "STREAM" ? "\\x00" : "";
    const trusted = type === "STREAM" ? "\\x1b[2J#012\\x00" : "\\x1b[2J\\n";
    expect(stdout).toContain(`<13>a: ${escaped}#302#233<0>kernel: x#000y (jail=${jail} uid=4001)${end}`);
    expect(stdout).toContain(`<13>b: ${trusted}`);
  },
);

test("it also starts through the shared executable", async () => {
  m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
  m.must(["jailkit", "jk_socketd", "-p", "/run/jk_socketd.pid"]);
  send(["b'<13>t: through the one'"]);
  await arrived("through the one");
  expect(m.readlink(`/proc/${relay()}/exe`)).toEndWith("/jailkit");
});
