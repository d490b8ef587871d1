/**
 * jk_socketd with the log daemons that distributions have, each as its package sets it up: rsyslog, syslog-ng, and
 * syslog-ng with a /dev/log of streams. With journald it is in packages-units.test.ts.
 */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { makeAccount } from "../machine/log-relay.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const jail = "/srv/j";
const socket = `${jail}/dev/log`;
const log = "/var/log/user.log";
const archives = "/var/cache/apt/jailkit-tests";
const sender = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
for text in sys.argv[2:]: s.send(text.encode())
`;
const connect = `
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "stream" else socket.SOCK_DGRAM
while True:
    try:
        socket.socket(socket.AF_UNIX, kind).connect("/dev/log")
        break
    except OSError: pass
`;

let m: Machine;
let daemon: MachineProcess;

beforeEach(async () => {
  m = await openMachine({ under: "ours", only: ["jk_socketd", "jailkit"] });
  m.addUser("u", { uid: 4001 });
  makeAccount(m);
  m.mkdir(`${jail}/dev`);
  m.write(log, "", { mode: 0o640 });
  m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 1000000\npeak = 10000000\ninterval = 0.1\n`);
});
afterEach(() => m?.close());

/** syslog-ng in the place of rsyslog, from the packages that build/setup.mjs has fetched. */
function installSyslogNg(): void {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
  m.must(["dpkg", "--force-depends", "--purge", "rsyslog"], { env });
  const needed = ["libivykis0t64_", "libnet1_", "syslog-ng-core_"];
  const debs = m
    .list(archives)
    .filter((name) => needed.some((one) => name.startsWith(one)) && name.endsWith(".deb"));
  expect(debs.join(" ")).toContain("syslog-ng-core_");
  m.must(["dpkg", "-i", ...debs.map((name) => `${archives}/${name}`)], { env });
}

/** Replaces the source of the machine's own messages in syslog-ng's configuration. */
function readStreams(): void {
  const file = "/etc/syslog-ng/syslog-ng.conf";
  const text = m.read(file);
  expect(text).toMatch(/^\s*system\(\);$/m);
  m.write(file, text.replace(/^\s*system\(\);$/m, 'unix-stream("/dev/log");'));
}

const rsyslog = ["/usr/sbin/rsyslogd", "-n", "-i", "/run/rsyslogd.pid"];
const syslogNg = ["/usr/sbin/syslog-ng", "-F", "--no-caps"];

/** Starts a daemon, and returns when it listens. */
function start(words: string[], type: "dgram" | "stream"): void {
  daemon = m.start(words);
  m.must(["python3", "-c", connect, type]);
}
async function stop(): Promise<void> {
  daemon.kill("SIGTERM");
  await daemon.ended;
}

const send = (...texts: string[]) => m.must(["python3", "-c", sender, socket, ...texts], { user: "u" });

const CASES: [string, () => void, string[], "dgram" | "stream"][] = [
  ["rsyslog", () => {}, rsyslog, "dgram"],
  ["syslog-ng", installSyslogNg, syslogNg, "dgram"],
  [
    "syslog-ng with a /dev/log of streams",
    () => {
      installSyslogNg();
      readStreams();
    },
    syslogNg,
    "stream",
  ],
];

describe.each(CASES)("%s", (_, prepare, words, type) => {
  test("gets complete messages with their sender, also those sent while it restarts", async () => {
    prepare();
    start(words, type);
    m.must(["jk_socketd", "-p", "/run/jk_socketd.pid"]);
    const tail = m.start(["tail", "-c", "+1", "-F", log]);
    const line = (text: string) =>
      tail.until(
        ({ stdout }) => stdout.split("\n").find((one) => one.includes(text) && one.endsWith(" uid=4001)")),
        60_000,
      );
    const long = `long ${"x".repeat(4000)} end`;
    send("<13>program[1]: the first", `<13>program[1]: ${long}`, "<11>program: two\nlines");
    expect(await line("the first")).toMatch(/ program\[(?!1\])\d+\]: the first \(jail=\/srv\/j uid=4001\)$/);
    expect(await line(long)).toEndWith(` (jail=${jail} uid=4001)`);
    expect(await line("two#012lines")).toEndWith(`: two#012lines (jail=${jail} uid=4001)`);
    await stop();
    send("<13>program: while it was away");
    start(words, type);
    // Where a message has no pid, syslog-ng writes that of who sent it to /dev/log.
    expect(await line("while it was away")).toMatch(
      / program(?:\[\d+\])?: while it was away \(jail=\/srv\/j /,
    );
    send("<13>program: after it");
    expect(await line("after it")).toMatch(/ program(?:\[\d+\])?: after it \(jail=\/srv\/j /);
    m.must(["sh", "-c", "kill $(cat /run/jk_socketd.pid)"]);
    tail.kill();
    await stop();
  });
});
