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
import { account, makeAccount } from "../machine/log-relay.ts";
import {
  type LogLine,
  type Machine,
  type MachineProcess,
  openMachine,
  type Syslog,
  underTest,
} from "../machine/machine.ts";
import { type Expected, expectedOf, type Result } from "./cases.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const socket = `${J}/dev/log`;
const ini = "/etc/jailkit/jk_socketd.ini";
const pidfile = "/run/jk_socketd.pid";
const wide = "base = 1000000\npeak = 10000000\ninterval = 1\n";

/** Sends messages, as Python writes bytes, to a socket. */
const send = (path: string, ...messages: string[]) => {
  const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1])
for text in sys.argv[2:]: s.send(eval(text))`;
  return m.run(["python3", "-c", script, path, ...messages], { user: "u" });
};

let m: Machine;
let log: Syslog;
let daemon: MachineProcess | undefined;

beforeAll(async () => {
  m = await openMachine(
    underTest === "ours" ? { under: "ours", only: ["jk_socketd"] } : { under: underTest },
  );
  m.addUser("u", { uid: 4001 });
  if (underTest === "ours") makeAccount(m);
});
afterAll(() => m?.close());

beforeEach(async () => {
  log ??= await m.startSyslog();
  for (const path of [J, "/srv/other"]) m.remove(path);
  m.mkdir(`${J}/dev`);
  m.mkdir("/etc/jailkit");
  m.write(ini, "");
  await log.clear();
});
afterEach(() => stop());

const pidOf = () => m.read(pidfile);

/** Starts the daemon in the foreground, and waits until it has written its pid. */
function start(configuration: string | undefined, ...options: string[]): void {
  if (configuration !== undefined) m.write(ini, configuration);
  m.remove(pidfile);
  daemon = m.start(["jk_socketd", "-n", "-p", pidfile, ...options]);
  m.must(["sh", "-c", `until test -s ${pidfile}; do :; done`]);
}

function stop(): void {
  if (daemon === undefined) return;
  const pid = pidOf();
  m.must(["sh", "-c", `kill ${pid} 2>/dev/null; while kill -0 ${pid} 2>/dev/null; do :; done`]);
  daemon = undefined;
}

const own = (line: LogLine) => line.ident === "jk_socketd";
const rates = async () =>
  (await log.lines()).flatMap(
    ({ message }) => /listening on socket (.*) with rates (.*)$/.exec(message)?.[2] ?? [],
  );
const fromJail = async () => (await log.lines()).filter((line) => !own(line)).map(({ raw }) => raw);
const arrived = (text: string) => log.waitForLog((line) => line.raw.includes(text));

describe("options and exit statuses", () => {
  const line = (text: string) => new RegExp(`^opened /dev/log\nversion [0-9.]+, ${text}`);
  interface Case {
    name: string;
    words: string[];
    before?: () => void;
    is: Expected<Pick<Result, "status">>;
    stdout?: RegExp;
  }
  const cases: Case[] = [
    {
      name: "help",
      words: ["-h"],
      is: { status: 0 },
      stdout: /nodetach[\s\S]*pidfile[\s\S]*socket=[\s\S]*base=[\s\S]*peak=[\s\S]*interval=/,
    },
    {
      name: "no section",
      words: ["-n"],
      is: { status: 1 },
      stdout: line("no valid sockets specified in configfile"),
    },
    {
      name: "no configuration",
      words: ["-n"],
      before: () => m.remove(ini),
      is: { status: 11 },
      stdout: line("abort, could not parse configfile /etc/jailkit/jk_socketd.ini\n$"),
    },
    {
      name: "no such directory",
      words: ["-n", "--socket=/srv/none/log"],
      is: { status: 1 },
      stdout: /^opened \/dev\/log\nwhile opening \/srv\/none\/log: No such file or directory\n/,
    },
    {
      name: "a configuration that a group can change",
      words: ["-n", `--socket=${socket}`],
      before: () => m.chmod("/etc/jailkit", 0o775),
      is: { status: 53 },
      stdout: line(`listening on socket ${socket} with rates \\[511:2048\\]/10.000000\n$`),
    },
    {
      name: "an option that there is not",
      words: ["--nonsense", "-h"],
      is: { debian: { status: 0 }, ours: { status: 1 }, difference: "socketd-unknown-option" },
    },
    {
      name: "the path of a socket without a slash at its start",
      words: ["-n"],
      before: () => m.write(ini, "[srv/none/log]\n"),
      is: { status: 1 },
    },
  ];
  test.each(cases.map((one) => [one.name, one] as const))("%s", (_, { words, before, is, stdout }) => {
    before?.();
    const result = m.run(["jk_socketd", ...words]);
    expect(result).toMatchObject(expectedOf(is));
    if (stdout !== undefined) expect(result.stdout).toMatch(stdout);
  });

  test("no log daemon", () => {
    m.rename("/dev/log", "/dev/log.away");
    const result = m.run(["jk_socketd", "-n", `--socket=${socket}`]);
    m.rename("/dev/log.away", "/dev/log");
    expect(result.status).toBe(1);
    expect(result.stdout).toMatch(
      /^version [0-9.]+, while connecting to \/dev\/log: No such file or directory\n$/,
    );
  });
});

describe("limits", () => {
  const options: [string[], string][] = [
    [[], "[511:2048]/10.000000"],
    [["--base=1", "--interval=100"], "[511:2048]/5.000000"],
    [["--base=100", "--peak=1000", "--interval=2.5"], "[100:1000]/2.500000"],
    [["--base", "100", "--peek", "1000"], "[100:1000]/10.000000"],
    [["--base=10", "--peak=100", "--interval=60"], "[10:100]/60.000000"],
  ];
  test.each(options)("from options: %j", async (words, expected) => {
    start(undefined, `--socket=${socket}`, ...words);
    expect(await rates()).toEqual([expected]);
  });

  test("an option that is not a number", async () => {
    const words = [`--socket=${socket}`, "--base=abc"];
    const takes = expectedOf({
      debian: { refused: false },
      ours: { refused: true },
      difference: "socketd-number",
    });
    if (takes.refused) {
      const { status, stderr } = m.run(["jk_socketd", ...words]);
      const message = "jk_socketd: --base is a number of bytes, not 'abc'; see 'jk_socketd --help'\n";
      expect([status, stderr]).toEqual([1, message]);
    } else {
      start(undefined, ...words);
      expect(await rates()).toEqual(["[511:2048]/10.000000"]);
    }
  });

  const sections: [string, Expected<{ rates: string[] }>][] = [
    ["", { rates: ["[511:2048]/5.000000"] }],
    ["base = 1024\npeak=10240\ninterval = 2.0\n", { rates: ["[1024:10240]/2.000000"] }],
    ["base = 9\npeak = 99\ninterval = 61\n", { rates: ["[511:2048]/5.000000"] }],
    [
      "base = 5000\n",
      {
        debian: { rates: ["[5000:2048]/5.000000"] },
        ours: { rates: ["[5000:5000]/5.000000"] },
        difference: "socketd-peak-under-base",
      },
    ],
  ];
  test.each(sections)("from a section: %j", async (body, expected) => {
    start(`[${socket}]\n${body}`);
    expect({ rates: await rates() }).toEqual(expectedOf(expected));
  });

  test("of the first of two sections", async () => {
    start(`[${socket}]\nbase = 100\n[${socket}]\nbase = 200\n`);
    expect(await rates()).toEqual(["[100:2048]/5.000000"]);
    await log.waitForLog(({ message }) => message.includes(`socket ${socket} is mentioned multiple times`));
  });

  test("pass the same messages, in the same order, between the same warnings", async () => {
    start(`[${socket}]\nbase = 200\npeak = 500\ninterval = 0.5\ntrust = sender\n`);
    // Milliseconds, and bytes of a message. The first is sent when the first interval is over.
    const trace =
      "0 20, 50 150, 100 100, 150 260, 160 50, 700 160, 710 30, 1600 20, 1650 400, 2200 50, 2250 210, 2260 505, " +
      "3300 20, 3310 480, 3900 20, 3910 201, 3920 299, 3930 20";
    const script = `import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1])
t0 = time.monotonic() + 0.8
for i, one in enumerate(sys.argv[2].split(", ")):
    at, size = map(int, one.split())
    time.sleep(max(0, t0 + at / 1000 - time.monotonic()))
    head = b"<13>t: number %d " % i
    s.send(head + b"x" * (size - len(head)))`;
    m.must(["python3", "-c", script, socket, trace], { user: "u" });
    await arrived("number 17");
    const seen = (await log.lines()).flatMap(({ message }) => {
      const match =
        /^number (\d+)|over the (peak|normal) limit \((\d+) bytes\/s\)(, directly after a peak)?$/.exec(
          message,
        );
      return match === null ? [] : [match[1] ?? `${match[2]} ${match[3]}${match[4] ?? ""}`];
    });
    const normal = "normal 400, directly after a peak";
    expect(seen.join(" | ")).toBe(
      `0 | 1 | 2 | 3 | peak 1000 | 4 | 5 | ${normal} | 6 | 7 | 8 | 9 | 10 | ${normal} | 11 | peak 1000 | 12 | 13 | ` +
        `${normal} | 14 | 15 | ${normal} | 16 | ${normal} | 17`,
    );
  });
});

describe("sockets", () => {
  test("have mode 0666", () => {
    start(`[${socket}]\n[${J}/second]\n`);
    expect([m.stat(socket)?.mode, m.stat(`${J}/second`)?.mode]).toEqual([0o140666, 0o140666]);
  });

  test("replace a file", () => {
    m.write(socket, "");
    start(`[${socket}]\n`);
    expect(m.stat(socket)?.mode).toBe(0o140666);
  });

  const answers = (expected: Expected<{ listening: boolean }>) => expectedOf(expected).listening;

  test("in a directory of a user's", async () => {
    m.chown(`${J}/dev`, 4001, 4001);
    start(`[${socket}]\n[${J}/second]\n`);
    expect(m.exists(socket)).toBe(
      answers({ debian: { listening: true }, ours: { listening: false }, difference: "socketd-directory" }),
    );
  });

  test("of a relative path", () => {
    start(`[srv/j/relative]\n[${socket}]\n`);
    expect(m.exists(`${J}/relative`)).toBe(
      answers({
        debian: { listening: true },
        ours: { listening: false },
        difference: "socketd-relative-path",
      }),
    );
  });

  test("of a path of more than 107 bytes", () => {
    const long = `${J}/${"d".repeat(120)}`;
    start(`[${long}]\n[${socket}]\n`);
    expect(m.exists(long)).toBe(
      answers({ debian: { listening: false }, ours: { listening: true }, difference: "socketd-long-path" }),
    );
  });

  test("more than 128", () => {
    start(Array.from({ length: 130 }, (_, i) => `[${J}/log${i}]\n`).join(""));
    expect(m.exists(`${J}/log129`)).toBe(
      answers({
        debian: { listening: false },
        ours: { listening: true },
        difference: "socketd-many-sockets",
      }),
    );
  });
});

describe("messages", () => {
  test("of a trusted sender are unchanged", async () => {
    start(`[${socket}]\n${wide}trust = sender\n`);
    send(socket, "b'<29>Nov  1 10:00:00 sshd[1]: first'", "b''", "b'<0>t: last \\xff'");
    await arrived("last");
    expect(await fromJail()).toEqual([
      "<29>Nov  1 10:00:00 sshd[1]: first",
      "<0>t: last \\xff".replace("\\xff", "\xff"),
    ]);
  });

  test("name their sender", async () => {
    start(`[${socket}]\n${wide}`);
    send(socket, "b'<0>sshd: last'");
    await arrived("last");
    const expected: Expected<{ lines: string[] }> = {
      debian: { lines: ["<0>sshd: last"] },
      ours: { lines: [`<8>sshd: last (jail=${J} uid=4001)`] },
      difference: "socketd-sender",
    };
    expect({ lines: await fromJail() }).toEqual(expectedOf(expected));
  });

  test("of more than 512 bytes", async () => {
    start(`[${socket}]\n${wide}trust = sender\n`);
    send(socket, "b'<13>t: ' + b'x' * 2000", "b'<13>t: last'");
    await arrived("last");
    const expected: Expected<{ length: number }> = {
      debian: { length: 512 },
      ours: { length: 2007 },
      difference: "socketd-long-messages",
    };
    expect({ length: (await fromJail())[0]?.length }).toEqual(expectedOf(expected));
  });

  test("after a restart of the log daemon", async () => {
    start(`[${socket}]\n${wide}trust = sender\n`);
    const pid = m.read("/run/rsyslogd.pid").trim();
    m.must(["sh", "-c", `kill ${pid}; while kill -0 ${pid} 2>/dev/null; do :; done`]);
    m.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
    m.must(["sh", "-c", "until test -S /dev/log && logger -t other started; do :; done"]);
    send(socket, "b'<13>t: after'");
    const expected: Expected<{ comes: boolean }> = {
      debian: { comes: false },
      ours: { comes: true },
      difference: "socketd-reconnects",
    };
    const { comes } = expectedOf(expected);
    if (comes) await arrived("after");
    // What 2.23 has read it has lost.
    else
      m.must([
        "sh",
        "-c",
        "until grep -q 'S (sleeping)' /proc/$(cat /run/jk_socketd.pid)/status; do :; done",
      ]);
    expect((await fromJail()).some((raw) => raw.includes("after"))).toBe(comes);
  });
});

describe("the process", () => {
  test("that handles messages of jails has an account without rights, in a root directory of its own", () => {
    start(`[${socket}]\n`);
    const child = m.run(["pgrep", "-P", pidOf()]).stdout.trim();
    const pid = child === "" ? pidOf() : child;
    const who = expectedOf<{ is: string }>({
      debian: { is: "nobody" },
      ours: { is: account },
      difference: "socketd-account",
    });
    const { uid } = m.ids(who.is);
    expect(m.read(`/proc/${pid}/status`)).toContain(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    const expected: Expected<{ root: string; groups: string }> = {
      debian: { root: "/etc/jailkit", groups: "0 " },
      ours: { root: "/var/lib/jailkit/empty", groups: " " },
      difference: "socketd-two-processes",
    };
    const groups = /^Groups:\t(.*)$/m.exec(m.read(`/proc/${pid}/status`))?.[1];
    expect({ root: m.readlink(`/proc/${pid}/root`), groups }).toEqual(expectedOf(expected));
  });

  test("writes its pid, without a newline", () => {
    start(`[${socket}]\n`);
    expect(pidOf()).toMatch(/^[0-9]+$/);
    expect(m.readlink(`/proc/${pidOf()}/exe`)).toEndWith("/jk_socketd");
  });

  test("removes what it created when it ends", () => {
    start(`[${socket}]\n`);
    stop();
    const expected: Expected<{ left: boolean[] }> = {
      debian: { left: [true, true] },
      ours: { left: [false, false] },
      difference: "socketd-cleans-up",
    };
    expect({ left: [m.exists(socket), m.exists(pidfile)] }).toEqual(expectedOf(expected));
  });

  test("in the background", async () => {
    m.write(ini, `[${socket}]\n`);
    m.remove(pidfile);
    const started = m.start(["sh", "-c", `jk_socketd -p ${pidfile}; echo status $?`]);
    await started.until(({ stdout }) => stdout.includes("status 0\n") || undefined);
    m.must(["sh", "-c", `until test -s ${pidfile}; do :; done`]);
    const keeps = [0, 1, 2].map((fd) => m.readlink(`/proc/${pidOf()}/fd/${fd}`) !== "/dev/null");
    const expected: Expected<{ keeps: boolean[] }> = {
      debian: { keeps: [true, true, true] },
      ours: { keeps: [false, false, false] },
      difference: "socketd-background",
    };
    expect({ keeps }).toEqual(expectedOf(expected));
    daemon = started;
  });

  test("a second one for the same socket", async () => {
    start(`[${socket}]\n`);
    const other = "/run/second.pid";
    const second = m.start(["sh", "-c", `jk_socketd -p ${other}; echo status $?`]);
    const status = await second.until(({ stdout }) => /status (\d+)\n/.exec(stdout)?.[1]);
    const expected: Expected<{ status: string }> = {
      debian: { status: "0" },
      ours: { status: "1" },
      difference: "socketd-once",
    };
    expect({ status }).toEqual(expectedOf(expected));
    if (status !== "0") return;
    m.must(["sh", "-c", `until test -s ${other}; do :; done; kill $(cat ${other})`]);
  });
});
