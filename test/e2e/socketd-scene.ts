import { afterAll, afterEach, beforeAll, beforeEach, setDefaultTimeout } from "bun:test";
import { logSocketsReportSchema } from "../../src/log-socket/report-schema.ts";
import { makeAccount } from "../machine/log-relay.ts";
import { type LogLine, type Machine, openMachine, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

export const jail = "/srv/j";
export const socket = `${jail}/dev/log`;
// No limit that a test would meet.
export const wide = "base = 1000000\npeak = 10000000\ninterval = 0.1\n";

/** Sends what its arguments say to a socket: a type, a path, and messages as Python writes bytes. */
const sender = `
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "stream" else socket.SOCK_DGRAM
s = socket.socket(socket.AF_UNIX, kind)
s.connect(sys.argv[2])
for text in sys.argv[3:]: s.sendall(eval(text))
`;

/** Sends numbered messages until its standard input ends, then prints how many. */
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

/** Listens where jk_socketd connects to, as service managers do, and prints what arrives. */
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

export let m: Machine;
export let log: Syslog;

/** The machine with its log daemon and users, for all tests of a file; each test has a new jail. */
export function setScene(): void {
  setDefaultTimeout(120_000);
  beforeAll(async () => {
    const only = ["jk_socketd", "jailkit", "jk_init", "jk_lsh", "jk_chrootsh", "jk_addjailuser"];
    m = await openMachine({ under: "ours", only });
    log = await m.startSyslog();
    m.addUser("u", { uid: 4001 });
    m.addUser("v", { uid: 4002 });
    makeAccount(m);
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
}

export const pidfile = "/run/jk_socketd.pid";
export const monitor = () => m.read(pidfile);
export const relay = () => m.must(["pgrep", "-P", monitor()]).stdout.trim();

/** Starts it in the background: it serves when this returns. */
export function start(ini: string, ...options: string[]): void {
  m.write("/etc/jailkit/jk_socketd.ini", ini);
  m.must(["jk_socketd", "-p", pidfile, ...options]);
}

/** Ends it, and returns when it has ended. */
export function stop(signal = "TERM"): void {
  if (!m.exists(pidfile)) return;
  const pid = monitor();
  m.must(["sh", "-c", `kill -s ${signal} ${pid}; while kill -0 ${pid} 2>/dev/null; do :; done`]);
}

export function send(messages: string[], { user = "u", path = socket, type = "dgram" } = {}) {
  return m.must(["python3", "/usr/local/bin/sender.py", type, path, ...messages], { user });
}

export const own = (line: LogLine) => line.ident === "jk_socketd";
export const fromJail = async (): Promise<LogLine[]> => (await log.lines()).filter((line) => !own(line));
/** Waits for a line of jk_socketd's own. */
export const told = (text: string, deadline?: number) =>
  log.waitForLog((line) => own(line) && line.message.includes(text), deadline);
/** Waits for the message that was sent last, and returns all of those before it. */
export async function arrived(last: string): Promise<LogLine[]> {
  await log.waitForLog((line) => line.message.includes(last));
  return fromJail();
}

export const sockets = () =>
  reportOf(logSocketsReportSchema, m.must(["jailkit", "log-sockets", "--json"]).stdout).sockets;
/** The first of them, and what it has done. Throws where it is missing, and where the relay did not answer. */
export function firstSocket() {
  const [first] = sockets();
  if (first === undefined) throw new Error("there is no socket");
  return first;
}
export function counters() {
  const found = firstSocket().counters;
  if (found === null) throw new Error("the relay did not answer");
  return found;
}

/** Restarts the real log daemon: it ends, and only then another begins. */
export const rsyslog = {
  stop: () => {
    const pid = m.read("/run/rsyslogd.pid").trim();
    m.must(["sh", "-c", `kill ${pid}; while kill -0 ${pid} 2>/dev/null; do :; done`]);
  },
  start: () => {
    m.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
  },
};

export const numbers = (lines: LogLine[]) =>
  lines.flatMap(({ message }) => /number (\d+) end/.exec(message)?.[1] ?? []).map(Number);
export const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
