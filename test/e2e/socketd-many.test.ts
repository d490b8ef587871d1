/** Thousands of log sockets, each with a drop-in of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { makeAccount } from "../machine/log-relay.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";

setDefaultTimeout(600_000);

let m: Machine;
let log: MachineProcess;
const MANY = 5000;
const DROP_INS = "/etc/jailkit/jk_socketd.d";
const SINK = `use IO::Socket::UNIX; $| = 1; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "/dev/log") or die $!;
chmod 0666, "/dev/log"; print "ready\\n"; while (defined $s->recv(my $b, 65536)) { print "$b\\n" if $b =~ /hello|is closed/ }`;
const MAKE = `for my $i ($ARGV[0] .. $ARGV[1]) { mkdir "/srv/many/j$i"; mkdir "/srv/many/j$i/dev";
open my $f, ">", "${DROP_INS}/j$i.ini" or die $!; print $f "[/srv/many/j$i/dev/log]\\nbase = 512\\npeak = 2048\\ninterval = 10\\n" }`;
const SEND = `use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ARGV[0]) or die "$!\\n"; $s->send("<14>hello $ARGV[1]")`;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_socketd", "jk_check", "jk_init", "jailkit"] });
  makeAccount(m);
  log = m.start(["perl", "-e", SINK]);
  await log.until(({ stdout }) => stdout.includes("ready") || undefined);
  m.mkdir("/srv/many");
  m.mkdir(DROP_INS);
});
afterAll(async () => m?.close());

const make = (first: number, last: number) => m.must(["perl", "-e", MAKE, String(first), String(last)]);
const socket = (i: number) => `/srv/many/j${i}/dev/log`;
const start = () => {
  // As a shell starts it.
  const command = "ulimit -Sn 1024; exec jk_socketd -n -p /run/p > /dev/null";
  const daemon = m.start(["sh", "-c", command]);
  m.must(["sh", "-c", "until test -s /run/p; do :; done"], { timeout: 300_000 });
  return daemon;
};
const stop = async (daemon: MachineProcess) => {
  m.must(["sh", "-c", "kill $(cat /run/p)"]);
  expect((await daemon.ended).status).toBe(0);
};
const listed = () => JSON.parse(m.must(["jailkit", "log-sockets", "--json"]).stdout).sockets;

async function arrives(i: number, word: string): Promise<void> {
  m.must(["perl", "-e", SEND, socket(i), word]);
  const line = `hello ${word} (jail=/srv/many/j${i} uid=0)`;
  await log.until(({ stdout }) => (stdout.includes(line) ? true : undefined));
}

test("5,000 sockets are served, and a reload with one less and one more keeps the rest", async () => {
  make(1, MANY);
  const daemon = start();
  for (const i of [1, MANY / 2, MANY]) await arrives(i, `to ${i}`);
  expect(listed()).toHaveLength(MANY);
  expect(listed().filter((one: { listening: boolean }) => !one.listening)).toEqual([]);
  const [pid, relay] = m.must(["pgrep", "-x", "jk_socketd"]).stdout.trim().split("\n");
  for (const one of [pid, relay]) expect(m.list(`/proc/${one}/fd`).length).toBeGreaterThan(MANY);
  m.remove(`${DROP_INS}/j7.ini`);
  make(MANY + 1, MANY + 1);
  m.must(["sh", "-c", "kill -HUP $(cat /run/p)"]);
  await log.until(({ stdout }) =>
    stdout.includes("socket /srv/many/j7/dev/log is closed") ? true : undefined,
  );
  // Before that, the socket is put back where it is missing.
  m.must(["rm", "-rf", "/srv/many/j7"]);
  m.must(["sh", "-c", `until test -S ${socket(MANY + 1)}; do :; done`]);
  for (const i of [1, MANY / 2, MANY, MANY + 1]) await arrives(i, `again ${i}`);
  expect(listed()).toHaveLength(MANY);
  expect(m.must(["pgrep", "-x", "jk_socketd"]).stdout.trim().split("\n")).toEqual([pid ?? "", relay ?? ""]);
  expect(m.run(["jailkit", "config", "check", "/etc/jailkit/jk_socketd.ini"]).status).toBe(0);
  await stop(daemon);
  expect(m.run(["sh", "-c", "ls -d /srv/many/*/dev/log"]).stdout).toBe("");
});

test("a file with 5,000 sections, as jk_init of jailkit 2 wrote it", async () => {
  m.must([
    "sh",
    "-c",
    `cat ${DROP_INS}/*.ini > /root/all.ini; rm ${DROP_INS}/*.ini; mv /root/all.ini /etc/jailkit/jk_socketd.ini`,
  ]);
  const daemon = start();
  await arrives(MANY, "one file");
  expect(listed()).toHaveLength(MANY);
  await stop(daemon);
  m.remove("/etc/jailkit/jk_socketd.ini");
});

const COUNT = "strace -f -qq -c -U calls,name -e trace=!futex -o /root/count";
const counted = () => Number(/^\s*(\d+)\s+total$/m.exec(m.read("/root/count"))?.[1]);

/** The number of system calls of jk_socketd, from its start to its end. */
async function callsOfDaemon(): Promise<number> {
  m.remove("/run/p");
  const daemon = m.start(["sh", "-c", `exec ${COUNT} jk_socketd -n -p /run/p > /dev/null`]);
  m.must(["sh", "-c", "until test -s /run/p; do :; done"], { timeout: 300_000 });
  m.must(["jailkit", "log-sockets"]);
  await stop(daemon);
  return counted();
}

function callsOf(command: string): number {
  m.run(["sh", "-c", `${COUNT} ${command}`], { timeout: 300_000 });
  return counted();
}

test("the work grows with the number of drop-ins, not faster", async () => {
  m.must(["rm", "-rf", "/srv/many"]);
  m.mkdir("/srv/many");
  m.must(["jk_init", "-j", "/srv/one", "basicshell"]);
  const counts: number[][] = [];
  for (const many of [500, 1000]) {
    make(1, many);
    const commands = ["jailkit config check", "jk_check /srv/one"].map(callsOf);
    counts.push([...commands, await callsOfDaemon()]);
  }
  const [small = [], large = []] = counts;
  small.forEach((count, index) => {
    expect(count).toBeGreaterThan(500);
    expect(large[index]).toBeLessThan(2.1 * count);
  });
});
