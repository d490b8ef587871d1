/**
 * What sshd itself does for a login, outside a jail: forwarding of every kind, requested by OpenSSH's own client. With
 * Debian's sshd_config it is open; the example that jailkit installs closes it only to members of the group `jailed`.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SSHD_EXAMPLE } from "../../build/layout.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { configureSystemSshd, startSystemSshd } from "../machine/system-sshd.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/jail";
const KEY = "/root/key";
const SOCKET = "/var/tmp/outside.sock";
const REMOTE_SOCKET = "/var/tmp/remote.sock";
const DROP_IN = "/etc/ssh/sshd_config.d/jailkit.conf";
const settings = [
  "BatchMode=yes",
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
  "ExitOnForwardFailure=yes",
];
const ssh = ["ssh", "-F", "none", "-i", KEY, ...settings.flatMap((one) => ["-o", one])];
const display = ["DISPLAY=:7", "XAUTHORITY=/root/xauthority"];
const environment = [
  "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/root",
  "SSH_AUTH_SOCK=/run/agent",
  ...display,
];

let m: Machine;
let sshd: MachineProcess;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", JAIL, "basicshell"]);
  m.must(["groupadd", "-f", "jailed"]);
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY]);
  for (const user of ["member", "other"]) {
    m.must(["jk_addjailuser", "-j", JAIL, "-s", "/bin/bash", user]);
    m.must(["usermod", "-p", "*", user]);
    const { uid, gid } = m.ids(user);
    m.mkdir(`${JAIL}/home/${user}/.ssh`, { mode: 0o700, owner: [uid, gid] });
    m.write(`${JAIL}/home/${user}/.ssh/authorized_keys`, m.read(`${KEY}.pub`), { owner: [uid, gid] });
  }
  m.must(["usermod", "-aG", "jailed", "member"]);
  configureSystemSshd(m);
  // Debian lets nobody make tunnels; somebody who allowed it must be safe too.
  m.write("/etc/ssh/sshd_config", `${m.read("/etc/ssh/sshd_config")}PermitTunnel yes\n`);
  m.must(["xauth", "-f", "/root/xauthority", "add", ":7", ".", "0".repeat(32)]);
  m.must(["mkdir", "-p", "/dev/net"]);
  m.must(["mknod", "/dev/net/tun", "c", "10", "200"]);
  m.start(["ssh-agent", "-D", "-a", "/run/agent"]);
  const listener = `use IO::Socket::UNIX; $| = 1; umask 0;
    my $l = IO::Socket::UNIX->new(Local => "${SOCKET}", Listen => 5) or die; print "ready\\n";
    while (my $c = $l->accept) { print $c "SSH-2.0 by a socket\\n"; close $c }`;
  await m.start(["perl", "-e", listener]).until(({ stdout }) => stdout.includes("ready") || undefined);
  sshd = await startSystemSshd(m);
});
afterAll(() => m?.close());

/** What a connection to a port of the machine gives, after something was sent. */
function answer(port: number, sent = ""): string {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf '${sent}' >&3 && head -c 15 <&3`;
  return m.run(["bash", "-c", script]).stdout;
}

/** Runs ssh with options for a user until it is in, or has ended; then `use`, and its end. */
async function within<T>(user: string, options: string[], use: () => T | Promise<T>): Promise<T | string> {
  const words = [...ssh, "-v", "-N", ...options, `${user}@127.0.0.1`];
  const client = m.start(words, { env: environment });
  const authenticated = () =>
    client.until(({ stderr }) => /Entering interactive session|forwarding failed/.test(stderr) || undefined);
  try {
    await authenticated();
    if (options[0] === "-R")
      await client.until(
        ({ stderr }) => /remote forward success|forwarding failed/.test(stderr) || undefined,
      );
    return client.stderr.includes("forwarding failed") ? "refused" : await use();
  } finally {
    client.kill();
    await client.ended;
  }
}

/** A session that does nothing but show two variables. */
function session(user: string, option: string): string {
  const words = [...ssh, option, `${user}@127.0.0.1`, 'echo "agent=$SSH_AUTH_SOCK display=$DISPLAY"'];
  return m.run(words, { env: environment }).stdout.trim();
}

/** Makes a tunnel of both sides' own devices; what sshd said to it. */
async function tunnel(user: string): Promise<boolean> {
  const before = sshd.stderr.length;
  const client = m.start([...ssh, "-v", "-N", "-w", "5:6", `${user}@127.0.0.1`], { env: environment });
  try {
    await client.until(
      ({ stderr }) =>
        /Tunnel forwarding failed|open confirm|open failed|Server has rejected/.test(stderr) || undefined,
    );
    const asked = `${client.stderr}${sshd.stderr.slice(before)}`;
    return !/administratively prohibited|rejected tunnel/.test(asked);
  } finally {
    client.kill();
    await client.ended;
  }
}

const KINDS: readonly (readonly [string, (user: string) => Promise<boolean>])[] = [
  [
    "-L, to a port of the host",
    async (user) =>
      (await within(user, ["-L", "8001:127.0.0.1:22"], () => answer(8001))).startsWith("SSH-2.0"),
  ],
  [
    "-L, to a socket of the host",
    async (user) => (await within(user, ["-L", `8002:${SOCKET}`], () => answer(8002))).startsWith("SSH-2.0"),
  ],
  [
    "-R, a port of the host",
    async (user) =>
      (await within(user, ["-R", "8003:127.0.0.1:22"], () => answer(8003))).startsWith("SSH-2.0"),
  ],
  [
    "-R, a socket in the host's files",
    async (user) => {
      m.remove(REMOTE_SOCKET);
      const forward = ["-R", `${REMOTE_SOCKET}:127.0.0.1:22`];
      return (await within(user, forward, () => String(m.exists(REMOTE_SOCKET)))) === "true";
    },
  ],
  [
    "-D, to wherever the client asks for",
    async (user) => {
      const socks4 = "\\x04\\x01\\x00\\x16\\x7f\\x00\\x00\\x01\\x00";
      return (await within(user, ["-D", "8004"], () => answer(8004, socks4))).includes("SSH-2.0");
    },
  ],
  [
    "-W",
    async (user) =>
      m
        .run([...ssh, "-W", "127.0.0.1:22", `${user}@127.0.0.1`], { env: environment })
        .stdout.startsWith("SSH-2.0"),
  ],
  ["-A, the agent", async (user) => /agent=\/\S+/.test(session(user, "-A"))],
  ["-X, the display", async (user) => /display=localhost:\d+/.test(session(user, "-X"))],
  ["-w, a tunnel", tunnel],
];

/** What is open to a user, of all kinds. */
async function open(user: string): Promise<string[]> {
  const found: string[] = [];
  for (const [name, isOpen] of KINDS) if (await isOpen(user)) found.push(name);
  return found;
}

test("the socket of the agent is on the host, where a session in the jail does not reach it", () => {
  const words = [...ssh, "-A", "member@127.0.0.1", 'test -e "$SSH_AUTH_SOCK" || echo "$SSH_AUTH_SOCK"'];
  expect(m.run(words, { env: environment }).stdout).toMatch(/^\/tmp\/ssh-/);
});

describe("forwarding by sshd", () => {
  const all = KINDS.map(([name]) => name);

  test("is open with Debian's settings, and jailkit warns of it", async () => {
    expect(await open("member")).toEqual(all);
    const { stdout } = m.run(["jailkit", "explain", "member"]);
    for (const code of ["tcp-forwarding", "x11-forwarding"]) expect(stdout).toContain(`warning  ${code}`);
  });

  test("is closed by the example only to members of its group", async () => {
    m.write(DROP_IN, readFileSync(join(checkout, SSHD_EXAMPLE)));
    // A setting further down is too late: the first of two counts.
    const later =
      "PermitUserEnvironment yes\nMatch User member\n  AllowTcpForwarding yes\n  PermitUserRC yes\n";
    m.write("/etc/ssh/sshd_config", m.read("/etc/ssh/sshd_config") + later);
    expect(m.must(["/usr/sbin/sshd", "-t"])).toMatchObject({ stdout: "", stderr: "" });
    const started = sshd.stderr.length;
    m.must(["pkill", "-HUP", "-o", "-x", "sshd"]);
    await sshd.until(
      ({ stderr }) => stderr.slice(started).includes("Server listening on :: port 22") || undefined,
    );
    expect(await open("member")).toEqual([]);
    expect(session("member", "-T")).toBe("agent= display=");
    expect(await open("other")).toEqual(all);
    const { stdout } = m.must(["/usr/sbin/sshd", "-T", "-C", "user=member,host=localhost,addr=127.0.0.1"]);
    for (const setting of ["permituserenvironment no", "permituserrc no"])
      expect(stdout).toContain(`${setting}\n`);
    const told = (user: string) => m.run(["jailkit", "explain", user]).stdout;
    expect(told("member")).not.toMatch(/warning {2}(?:tcp|stream|x11)-forwarding|warning {2}tunnel/);
    expect(told("other")).toMatch(/warning {2}tcp-forwarding/);
  });
});
