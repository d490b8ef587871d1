/** Processes of users in jails that have the root directory of the host: jailkit status names them, and so does jailkit apply. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { boot } from "../machine/booted.ts";
import type { Machine, MachineProcess } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import type { Sshd } from "../machine/sshd.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const NAMES = ["anna", "bert", "carl"];
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`;
/** As root has it in a container of Docker by default. */
const CONTAINER = [
  "setpriv",
  "--bounding-set",
  "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap",
];

let m: Machine;
let sshd: Sshd;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL + NAMES.map(user).join(""));
  m.must(["jailkit", "apply"]);
  for (const name of NAMES) m.must(["usermod", "-p", "*", name]);
  m.write("/etc/jailkit/jk_chrootsh.ini", "[bert]\nconfine = 1\n");
  sshd = await m.startSshd();
});
afterAll(() => m?.close());

type Run = (argv: readonly string[]) => { stdout: string; stderr: string };
const report = (run: Run = m.run, before: readonly string[] = []) =>
  reportOf(statusReportSchema, run([...before, "jailkit", "status", "--json"]).stdout);
const found = (run?: Run) =>
  report(run).findings.map(({ kind, subject, command }) => [kind, subject, command]);
const outside = (name: string) => ["outside", name, `jailkit terminate-user ${name}`];

/** Starts a program that lasts, and waits until it has said so. */
async function start(argv: readonly string[], word: string, input = ""): Promise<MachineProcess> {
  const process = m.start(argv);
  if (input !== "") process.write(input);
  await process.until(({ stdout }) => stdout.includes(word) || undefined);
  return process;
}

const shell = (name: string) =>
  start(["ssh", ...sshd.clientOptions, `${name}@127.0.0.1`, "echo inside; exec cat"], "inside");
const sftp = (name: string) =>
  start(["sftp", ...sshd.clientOptions, "-b", "-", `${name}@127.0.0.1`], "Remote", "pwd\n");

async function endAll(processes: readonly MachineProcess[]): Promise<void> {
  m.must(["jailkit", "terminate-user", ...NAMES]);
  for (const one of processes) {
    one.end();
    await one.ended;
  }
}

test("sessions in jails are none, confined or not, of ssh, sftp and su", async () => {
  const sessions = [
    ...[await shell("anna"), await shell("bert"), await sftp("anna")],
    await start(["su", "-", "carl", "-c", "echo inside; exec cat"], "inside"),
  ];
  expect(report()).toMatchObject({ findings: [], processes: { outside: 0, more: null }, exitStatus: 0 });
  await endAll(sessions);
});

test("a process is named with its program and its start, and the command ends it", async () => {
  const name = "a\x1b[2J' b";
  m.must(["cp", "/usr/bin/sleep", `/opt/${name}`]);
  const session = await shell("anna");
  const other = await sleeperOf(m, "bert");
  const named = m.start([`/opt/${name}`, "infinity"], { user: "anna" });
  m.must(["sh", "-c", "until pgrep -u anna a.*b; do :; done"]);
  const [first, ...more] = report().findings;
  expect([first?.subject, ...more.map(({ subject }) => subject)]).toEqual(["anna", "bert"]);
  expect(first?.message).toMatch(
    /^processes of 'anna' are outside of the jail '\/srv\/customer', in the root directory of the host: \d+ \('a\\x1b\[2J' b', since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$/,
  );
  expect(m.run(["jailkit", "status"]).stdout).toMatch(/^outside +anna +jailkit terminate-user anna$/m);
  for (const name of ["anna", "bert"]) {
    expect(found()[0]).toEqual(outside(name));
    m.must(["sh", "-ec", report().findings[0]?.command ?? "false"]);
  }
  expect(found()).toEqual([]);
  for (const one of [session, other, named]) await one.ended;
});

test("so is one that has the name of a program of root's, and the server in sshd", async () => {
  m.must(["cp", "/usr/bin/sleep", "/opt/sshd-session"]);
  m.must(["chown", "anna:", "/opt/sshd-session"]);
  m.must(["usermod", "-s", "/bin/sh", "anna"]);
  const command = "echo there; exec /opt/sshd-session infinity";
  const named = await start(["ssh", ...sshd.clientOptions, "anna@127.0.0.1", command], "there");
  m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", "anna"]);
  m.must(["sh", "-c", "until pgrep -u anna -f '/opt/sshd-session infinity'; do :; done"]);
  expect(found()).toEqual([outside("anna")]);
  await endAll([named]);
  const own = "Match User carl\nForceCommand internal-sftp\n";
  const config = m.read("/etc/ssh/sshd_config");
  m.write("/etc/ssh/sshd_config", `${config}${own}`);
  const second = m.start(["/usr/sbin/sshd", "-D", "-e", "-p", "2022", "-f", "/etc/ssh/sshd_config"]);
  await second.until(({ stderr }) => stderr.includes("Server listening") || undefined);
  const client = ["sftp", "-P", "2022", ...sshd.clientOptions, "-b", "-", "carl@127.0.0.1"];
  const session = await start(client, "Remote", "pwd\n");
  m.write("/etc/ssh/sshd_config", config);
  expect(found()).toEqual([outside("carl")]);
  await endAll([session]);
  second.kill();
  await second.ended;
});

test("root without CAP_SYS_PTRACE finds it, and says once that others may be missing", async () => {
  const sessions = [await shell("anna"), await sleeperOf(m, "bert")];
  expect(report(m.run, CONTAINER)).toMatchObject({
    findings: [{ kind: "outside", subject: "bert" }],
    processes: { outside: 1, more: null },
  });
  // It hides from its own user, too.
  sessions.push(await sftp("carl"));
  const { stderr, stdout } = m.run([...CONTAINER, "jailkit", "status"]);
  expect(stdout).toMatch(/^outside +bert /m);
  expect(stderr).toBe(
    "jailkit status: warning: processes outside of jails may be missing: root lacks CAP_SYS_PTRACE here, and cannot see the root directories of all processes of users in jails (1)\n",
  );
  await endAll(sessions);
});

test("one whose uid an account outside has, too, is not certain to be the user's", async () => {
  const twin = ["useradd", "-o", "-u", String(m.ids("carl").uid), "-M", "twin"];
  const sleeper = await sleeperOf(m, "carl");
  m.must([...twin, "-d", "/home/twin"]);
  expect(found()).toEqual([]);
  m.must(["userdel", "-f", "twin"]);
  m.must([...twin, "-d", `${J}/./home/carl`, "-s", "/usr/sbin/jk_chrootsh"]);
  expect(found()).toContainEqual(outside("carl"));
  m.must(["userdel", "-f", "twin"]);
  await endAll([sleeper]);
});

test("jailkit apply warns of it at the end of a run that changed a login, and looks at nothing in others", async () => {
  const [sleeper, other] = [await sleeperOf(m, "carl"), await sleeperOf(m, "anna")];
  const pid = m.must(["pgrep", "-x", "-u", "carl", "sleep"]).stdout.trim();
  m.must(["usermod", "-s", "/bin/bash", "carl"]);
  const line = new RegExp(
    `^processes of 'carl' are outside of the jail '${J}', .*: ${pid} \\('sleep', since \\S+\\); end them with: (jailkit terminate-user carl)$`,
  );
  m.write(FILE, `${m.read(FILE)}groups = nosuch\n`);
  const { warnings } = linesOf(m).summary;
  expect(warnings).toEqual([expect.stringMatching(line)]);
  const [, command = "false"] = line.exec(warnings[0] ?? "") ?? [];
  m.must(["sh", "-ec", command]);
  await sleeper.ended;
  await endAll([other]);
  m.write(FILE, JAIL + NAMES.map(user).join(""));
  m.must(["jailkit", "apply"]);
  // Of others than the own process.
  const others = () =>
    m.must(["strace", "-f", "-qq", "-o", "/root/trace", "jailkit", "apply"]) &&
    m.read("/root/trace").match(/"\d+\/(?:status|task|root)|"\/proc\/\d/g);
  expect(others()).toBeNull();
});

test("jailkit status reads no process while nobody is in a jail", () => {
  const before = m.read("/etc/passwd");
  const trace = () => {
    m.run(["strace", "-f", "-qq", "-o", "/root/trace", "jailkit", "status"]);
    return /"\d+\/status"/.test(m.read("/root/trace"));
  };
  expect(trace()).toBe(true);
  m.write("/etc/passwd", before.replace(/^.*\/\.\/.*\n/gm, ""));
  expect(trace()).toBe(false);
  m.write("/etc/passwd", before);
});

test("a manager that systemd starts for the user is none, and a service that it starts as the user is one", () => {
  const { uid } = m.ids("anna");
  const booted = boot(m, ["dbus.service", "systemd-logind.service"]);
  booted.must(["systemctl", "start", `user@${uid}.service`]);
  expect(booted.must(["pgrep", "-u", "anna", "-l"]).stdout).toContain("(sd-pam)");
  expect(found(booted.run)).toEqual([]);
  booted.must(["systemd-run", "--uid=anna", "sleep", "infinity"]);
  expect(found(booted.run)).toEqual([outside("anna")]);
  booted.must(["sh", "-ec", report(booted.run).findings[0]?.command ?? "false"]);
  expect(found(booted.run)).toEqual([]);
});
