/**
 * sshd looks an account up when a client sends its name, and begins the session when the proof has come: with the home and the
 * shell of before, if the account has been changed or removed meanwhile. Such connections end.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import type { Sshd } from "../machine/sshd.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const ended = (name: string) => `ended a connection to sshd for '${name}', not authenticated yet`;

let m: Machine;
let sshd: Sshd;
let connections = 0;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  sshd = await m.startSshd();
  // The client asks for its passphrase when sshd has accepted the key, and before it proves that it has it.
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", "/root/slow"]);
  m.write(
    "/run/machine-ssh/authorized",
    `${m.read("/root/slow.pub")}${m.read("/run/machine-ssh/client.pub")}`,
  );
  m.write("/root/ask", '#!/bin/sh\necho asked >&2\nread line < "$ANSWER"\necho secret\n', { mode: 0o755 });
});
afterAll(() => m?.close());

/** Connects as a user, and stops before the proof; what is returned gives it, and returns what the session says. */
async function connect(name: string, command = "readlink /proc/self/root; echo in") {
  const ANSWER = `/root/answer-${connections++}`;
  m.must(["mkfifo", ANSWER]);
  const env = { ANSWER, SSH_ASKPASS: "/root/ask", SSH_ASKPASS_REQUIRE: "force", PATH: "/usr/bin:/bin" };
  const options = sshd.clientOptions.map((one) =>
    one.replace(/^BatchMode=yes$/, "BatchMode=no").replace(/^.*\/client$/, "/root/slow"),
  );
  const client = m.start(["ssh", ...options, `${name}@127.0.0.1`, command], { env });
  await client.until(({ stderr }) => stderr.includes("asked") || undefined);
  return async () => {
    m.must(["sh", "-c", `echo > ${ANSWER}`]);
    return (await client.ended).stdout;
  };
}

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
