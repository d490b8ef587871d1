/**
 * sshd looks an account up when a client sends its name, and begins the session when the proof has come: with the home and the
 * shell of before, if the account has been changed or removed meanwhile. Such connections end.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import type { Sshd } from "../machine/sshd.ts";
import { runWithStops } from "../machine/stops.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { waitingClients } from "./waiting-clients.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const ended = (name: string) => `ended a connection to sshd for '${name}', not authenticated yet`;

let m: Machine;
let sshd: Sshd;
let connect: ReturnType<typeof waitingClients>;
let servers = 0;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  sshd = await m.startSshd();
  connect = waitingClients(m, sshd);
});
afterAll(() => m?.close());

function addUser(name: string): void {
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
}

test("a session begins when the proof comes, also of others than the one whose account is changed", async () => {
  addUser("otto");
  addUser("ott");
  const prove = await connect("otto");
  m.must(["jk_jailuser", "-j", J, "-s", "/bin/bash", "-m", "ott"]);
  expect(await prove()).toBe("/\nin\n");
});

test("jk_jailuser ends the connection that would be outside of the jail", async () => {
  addUser("anna");
  const prove = await connect("anna");
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "anna"]);
  expect(stdout).toContain(`${ended("anna")}\n`);
  expect(await prove()).toBe("");
  expect(sshd.ssh("anna", ["echo in the jail"]).stdout).toBe("in the jail\n");
});

test("so does jailkit apply, for each that there is", async () => {
  addUser("bert");
  const proofs = [await connect("bert"), await connect("bert")];
  m.write(FILE, JAIL + user("bert"));
  const { changes, status } = linesOf(m);
  const steps = changes.flatMap((one) => one.steps);
  expect([status, steps]).toEqual([
    0,
    expect.arrayContaining(["ended 2 connections to sshd for 'bert', not authenticated yet"]),
  ]);
  for (const prove of proofs) expect(await prove()).toBe("");
});

test("so does the login shell that jailkit apply gives though the rest of the user waits, and it names processes", async () => {
  const NAMES = ["fred", "greg"];
  m.write(FILE, JAIL + NAMES.map(user).join(""));
  m.must(["jailkit", "apply"]);
  for (const name of NAMES) m.must(["usermod", "-p", "*", "-s", "/bin/bash", name]);
  const sleeper = await sleeperOf(m, "greg");
  const prove = await connect("fred");
  m.write(FILE, JAIL + NAMES.map((name) => `${user(name)}groups = nosuch\n`).join(""));
  const { changes, status } = linesOf(m);
  expect([status, changes.flatMap(({ steps }) => steps)]).toEqual([
    1,
    expect.arrayContaining([ended("fred")]),
  ]);
  expect(changes.flatMap(({ warnings }) => warnings)).toContainEqual(
    expect.stringMatching(
      /^processes of 'greg' go on, perhaps where it is not any more \(\d+\); end them with: /,
    ),
  );
  expect(await prove()).toBe("");
  m.must(["jailkit", "terminate-user", "greg"]);
  await sleeper.ended;
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});

test("so does jk_jailuser --unjail where the jail is gone", async () => {
  const GONE = "/srv/gone";
  m.must(["jk_init", "-j", GONE, "uidbasics", "basicshell"]);
  addUser("hugo");
  m.must(["jk_jailuser", "-j", GONE, "-s", "/bin/bash", "-m", "hugo"]);
  m.must(["usermod", "-p", "*", "hugo"]);
  const prove = await connect("hugo");
  m.must(["rm", "-r", GONE]);
  const { stdout } = m.must(["jk_jailuser", "-v", "--unjail", "-s", "/bin/bash", "hugo"]);
  expect(stdout).toContain(`${ended("hugo")}\n`);
  expect(await prove()).toBe("");
});

test("jailkit apply --prune ends the one of an account that it removes", async () => {
  m.write(FILE, JAIL + user("carl"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-p", "*", "carl"]);
  const prove = await connect("carl");
  m.write(FILE, JAIL);
  const { changes, status } = linesOf(m, "--prune");
  const steps = changes.flatMap((one) => one.steps);
  expect([status, steps]).toEqual([0, expect.arrayContaining(["removed the account 'carl'", ended("carl")])]);
  expect(await prove()).toBe("");
});

test("a session of an account whose login is closed goes on, and only the connection ends", async () => {
  m.write(FILE, JAIL + user("dora"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-p", "*", "dora"]);
  const session = m.start(["ssh", ...sshd.clientOptions, "dora@127.0.0.1", "echo in; cat"]);
  await session.until(({ stdout }) => stdout === "in\n" || undefined);
  const prove = await connect("dora", "echo in");
  m.write(
    "/etc/jailkit/jk_chrootsh.d/open.ini",
    "[DEFAULT]\nskip_injail_passwd_check = 1\ninjail_shell = /bin/bash\n",
  );
  m.write(FILE, JAIL);
  const { changes, summary } = linesOf(m, "--prune");
  expect(summary.problems.map(({ code }) => code)).toEqual(["has-processes"]);
  expect(changes.flatMap((one) => one.steps)).toContain(ended("dora"));
  expect(await prove()).toBe("");
  session.write("still there\n");
  await session.until(({ stdout }) => stdout.includes("still there\n") || undefined);
  session.end();
  await session.ended;
  m.remove("/etc/jailkit/jk_chrootsh.d/open.ini");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});

test("jailkit terminate-user ends it, too", async () => {
  addUser("emma");
  const sleeper = await sleeperOf(m, "emma");
  const prove = await connect("emma");
  m.must(["jailkit", "terminate-user", "emma"]);
  await sleeper.ended;
  expect(await prove()).toBe("");
});

test("jailkit terminate-user names the process of a connection, also before it ends it", async () => {
  addUser("emil");
  const prove = await connect("emil");
  const planned = m.must(["jailkit", "terminate-user", "--dry-run", "emil"]).stdout;
  expect(planned).toMatch(/^emil: would end \d+\n$/);
  const { stdout } = m.must(["jailkit", "terminate-user", "-v", "emil"]);
  expect(stdout).toBe(planned.replace("would end", "ended"));
  expect(await prove()).toBe("");
});

test("a session begins of each other user, and sessions go on, of root, too", async () => {
  addUser("nora");
  addUser("nils");
  const sessions = ["root", "nora", "nils"].map((name) =>
    m.start(["ssh", ...sshd.clientOptions, `${name}@127.0.0.1`, "echo in; cat"]),
  );
  // Its title has no terminal.
  const socket = m.start(["ssh", ...sshd.clientOptions, "-NM", "-S", "/root/master", "nora@127.0.0.1"]);
  for (const one of sessions) await one.until(({ stdout }) => stdout === "in\n" || undefined);
  m.must(["sh", "-c", "until [ -S /root/master ]; do :; done"]);
  const [proveNora, proveNils] = [await connect("nora"), await connect("nils")];
  m.must(["jailkit", "terminate-user", "--uid", "54321"]);
  addUser("nele");
  m.must(["jk_jailuser", "-j", J, "-s", "/bin/bash", "-m", "nele"]);
  for (const one of sessions) {
    one.write("still there\n");
    await one.until(({ stdout }) => stdout.includes("still there\n") || undefined);
    one.end();
    expect((await one.ended).status).toBe(0);
  }
  expect(m.must(["ssh", "-S", "/root/master", "nora@127.0.0.1", "echo in"]).stdout).toBe("in\n");
  m.must(["ssh", "-S", "/root/master", "-O", "exit", "nora@127.0.0.1"]);
  await socket.ended;
  expect([await proveNora(), await proveNils()]).toEqual(["/\nin\n", "/\nin\n"]);
});

test.each(["jailkit terminate-user", `jk_jailuser -j ${J} -s /bin/bash -m`])(
  "%s ends the connections of each name of an account",
  async (command) => {
    const name = command.startsWith("jailkit") ? "otis" : "olaf";
    addUser(name);
    const other = `${name}2`;
    m.must(["useradd", "-o", "-M", "-u", String(m.ids(name).uid), "-d", "/tmp", "-s", "/bin/bash", other]);
    m.must(["usermod", "-p", "*", other]);
    const prove = await connect(other);
    m.must([...command.split(" "), name]);
    expect(await prove()).toBe("");
    m.must(["userdel", "-f", other]);
  },
);

test("one of an account that was renamed meanwhile ends, and one of an account that is gone", async () => {
  addUser("paul");
  const prove = await connect("paul");
  m.must(["usermod", "-l", "pia", "paul"]);
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "pia"]);
  expect(stdout).toContain("ended a connection to sshd, perhaps for 'pia', not authenticated yet\n");
  expect(await prove()).toBe("");
  addUser("rosa");
  const { uid } = m.ids("rosa");
  const proveRosa = await connect("rosa");
  m.must(["userdel", "-r", "rosa"]);
  expect(m.must(["jailkit", "terminate-user", "-v", "--uid", String(uid)]).stdout).toMatch(
    /^\d+: ended \d+\n$/,
  );
  expect(await proveRosa()).toBe("");
});

test("one that began before the user came into a group, or left it, ends", async () => {
  m.must(["groupadd", "crew"]);
  m.write(FILE, JAIL + user("sara"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-p", "*", "sara"]);
  for (const groups of ["groups = crew\n", ""]) {
    const prove = await connect("sara", "echo in");
    m.write(FILE, JAIL + user("sara") + groups);
    const { changes, status } = linesOf(m, "--prune");
    expect([status, changes.flatMap(({ steps }) => steps)]).toEqual([
      0,
      expect.arrayContaining([ended("sara")]),
    ]);
    expect(await prove()).toBe("");
  }
});

/** Starts another sshd, as arguments of `prefix`, and with lines of sshd_config before the others. Returns its port. */
async function otherSshd(lines = "", prefix: (port: string) => readonly string[] = () => []) {
  const port = String(3000 + servers++);
  const config = `/root/config-${port}`;
  m.write(config, lines + m.read("/etc/ssh/sshd_config").replace("Port 22", `Port ${port}`));
  const server = m.start([...prefix(port), "/usr/sbin/sshd", "-D", "-e", "-f", config]);
  await server.until(({ stderr }) => stderr.includes("Server listening on") || undefined);
  return port;
}

/** Starts another sshd in which the calls of openat(2) for a path take long. */
async function slowSshd(path: string, lines = "") {
  const port = await otherSshd(lines, (own) => [
    ...["strace", "-f", "-qq", "-o", `/root/calls-${own}`, "-P", path],
    ...["-e", "trace=openat", "-e", "inject=openat:delay_enter=5000000"],
  ]);
  return {
    connect: (name: string, first: readonly string[] = [], options: Parameters<Machine["start"]>[1] = {}) =>
      m.start(
        ["ssh", ...first, ...sshd.clientOptions, "-p", port, `${name}@127.0.0.1`, "echo in; sleep 600"],
        options,
      ),
    hasCalled: () => m.must(["sh", "-c", `until grep -q ${path} /root/calls-${port}; do :; done`]),
  };
}

/** Waits until a process of root has the effective id of a user. */
const untilActing = (name: string) =>
  m.must(["sh", "-c", `until grep -qP '^Uid:\\t0\\t${m.ids(name).uid}\\t' /proc/[0-9]*/status; do :; done`]);

test("one whose process reads the user's keys, with the id of the user, ends", async () => {
  addUser("tina");
  const { connect: connectSlowly } = await slowSshd("/run/machine-ssh/authorized");
  const client = connectSlowly("tina");
  untilActing("tina");
  expect(m.must(["jailkit", "terminate-user", "-v", "tina"]).stdout).toMatch(/^tina: ended \d+\n$/);
  expect((await client.ended).stdout).toBe("");
  let other: ReturnType<typeof connectSlowly> | undefined;
  // usermod(8) has looked for processes before.
  const { status, stdout } = await runWithStops(
    m,
    ["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "tina"],
    { calls: ["link"] },
    (call) => {
      if (other !== undefined || !call.includes("/etc/passwd.lock")) return;
      other = connectSlowly("tina");
      untilActing("tina");
    },
  );
  expect([status, stdout]).toEqual([0, expect.stringContaining(`${ended("tina")}\n`)]);
  expect((await other?.ended)?.stdout).toBe("");
});

test("one for which sshd looks up the groups of the account, and which has no name yet, ends", async () => {
  addUser("uwe");
  const { connect: connectSlowly, hasCalled } = await slowSshd("/etc/group", "DenyGroups nosuch\n");
  const client = connectSlowly("uwe");
  hasCalled();
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "uwe"]);
  expect(stdout).toContain("ended a connection to sshd, perhaps for 'uwe', not authenticated yet\n");
  expect((await client.ended).stdout).toBe("");
});

test("one that is authenticated, and whose process for the session is root's still, ends with that", async () => {
  addUser("wim");
  m.must(["sh", "-c", 'usermod -p "$(openssl passwd -6 secret)" wim']);
  m.write("/root/say", "#!/bin/sh\necho secret\n", { mode: 0o755 });
  const { connect: connectSlowly, hasCalled } = await slowSshd("/etc/group", "PasswordAuthentication yes\n");
  const env = { SSH_ASKPASS: "/root/say", SSH_ASKPASS_REQUIRE: "force", PATH: "/usr/bin:/bin" };
  const options = ["-o", "BatchMode=no", "-o", "PreferredAuthentications=password"];
  const client = connectSlowly("wim", options, { env });
  hasCalled();
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "wim"]);
  // The process for the session is seen twice, since strace(1) keeps it from ending.
  expect(stdout).toMatch(/^ended (?:a connection|2 connections) to sshd for 'wim', not authenticated yet$/m);
  expect((await client.ended).stdout).toBe("");
});

test("one whose keys another program gives, as somebody else, ends", async () => {
  addUser("vera");
  m.must(["mkfifo", "/srv/asked", "/srv/given"]);
  m.must(["chmod", "666", "/srv/asked", "/srv/given"]);
  m.write("/usr/sbin/given-keys", "#!/bin/sh\necho > /srv/asked\ncat /srv/given\n", { mode: 0o755 });
  const port = await otherSshd(
    "AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/sbin/given-keys\nAuthorizedKeysCommandUser nobody\n",
  );
  const client = m.start(["ssh", ...sshd.clientOptions, "-p", port, "vera@127.0.0.1", "echo in"]);
  m.must(["timeout", "60", "cat", "/srv/asked"]);
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "vera"]);
  expect(stdout).toContain(`${ended("vera")}\n`);
  expect((await client.ended).stdout).toBe("");
});

test("one ends also where root has the rights of a container", async () => {
  addUser("walt");
  m.must(["usermod", "-p", m.must(["openssl", "passwd", "-6", "secret"]).stdout.trim(), "walt"]);
  const kept =
    "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,setfcap";
  const limited = ["setpriv", "--bounding-set", `-all,+${kept.replaceAll(",", ",+")}`];
  const port = await otherSshd("PasswordAuthentication yes\n", () => limited);
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/wrong"]);
  m.must(["mkfifo", "/root/answer"]);
  const options = sshd.clientOptions.map((one) =>
    one.replace(/^BatchMode=yes$/, "BatchMode=no").replace(/^.*\/client$/, "/root/wrong"),
  );
  const env = {
    ANSWER: "/root/answer",
    SSH_ASKPASS: "/root/ask",
    SSH_ASKPASS_REQUIRE: "force",
    PATH: "/usr/bin",
  };
  const client = m.start(["ssh", ...options, "-p", port, "walt@127.0.0.1", "echo in"], { env });
  // The key was refused, and sshd's process cannot be traced since it has looked for it.
  await client.until(({ stderr }) => stderr.includes("asked") || undefined);
  const { stdout } = m.must([...limited, "jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "walt"]);
  expect(stdout).toContain(`${ended("walt")}\n`);
  m.must(["sh", "-c", "echo > /root/answer"]);
  expect((await client.ended).stdout).toBe("");
});

test("what a container has for an account of its own goes on: a session, and a connection", async () => {
  addUser("xenia");
  const C = "/srv/container";
  for (const name of ["bin", "sbin", "lib", "lib64", "usr", "dev", "etc", "run", "root"]) {
    m.mkdir(`${C}/${name}`);
    m.must(["mount", "--rbind", `/${name}`, `${C}/${name}`]);
  }
  for (const name of ["proc", "tmp", "home"]) m.mkdir(`${C}/${name}`);
  m.write(`${C}/accounts`, m.read("/etc/passwd").replace(/^xenia:x:\d+:.*$/m, "xenia:x:5151:100::/:/bin/sh"));
  const start = `mount --bind ${C}/accounts ${C}/etc/passwd; mount -t proc proc ${C}/proc; exec chroot ${C} "$@"`;
  const port = await otherSshd("", () => ["unshare", "-m", "-p", "-f", "sh", "-c", start, "sh"]);
  const words = ["ssh", ...sshd.clientOptions, "-p", port, "xenia@127.0.0.1", "id -u; cat"];
  const session = m.start(words);
  await session.until(({ stdout }) => stdout === "5151\n" || undefined);
  const prove = await connect("xenia", "id -u", port);
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "xenia"]);
  expect(stdout).not.toContain("ended");
  expect(await prove()).toBe("5151\n");
  session.write("still there\n");
  await session.until(({ stdout }) => stdout.includes("still there\n") || undefined);
  session.end();
  await session.ended;
});

test("so does one that is authenticated, and whose session is not there yet", async () => {
  addUser("gina");
  m.must(["usermod", "-p", "*", "gina"]);
  const config = "/etc/ssh/sshd_config";
  m.write(config, m.read(config).replace("UsePAM no", "UsePAM yes").replace("Port 22", "Port 2222"));
  const slow = ["-f", "-qq", "-o", "/dev/null", "-P", "/etc/security/limits.conf"];
  const server = m.start([
    "strace",
    ...slow,
    "-e",
    "inject=openat:delay_enter=3000000",
    "/usr/sbin/sshd",
    "-D",
    "-e",
    "-f",
    config,
  ]);
  await server.until(({ stderr }) => stderr.includes("Server listening on") || undefined);
  const client = m.start([
    "ssh",
    ...sshd.clientOptions,
    "-p",
    "2222",
    "gina@127.0.0.1",
    "echo in; sleep 600",
  ]);
  await server.until(({ stderr }) => stderr.includes("Accepted publickey for gina") || undefined);
  const { stdout } = m.must(["jk_jailuser", "-v", "-j", J, "-s", "/bin/bash", "-m", "gina"]);
  expect([(await client.ended).stdout, stdout]).toEqual(["", expect.stringContaining(ended("gina"))]);
  expect(m.run(["pgrep", "-u", "gina"]).stdout).toBe("");
});
