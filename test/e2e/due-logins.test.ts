/**
 * A run that is killed after it has changed an account, and before it has ended the connections to sshd that began before: the next
 * run of any tool that changes accounts does that, and lets those go on that it has stopped for nothing.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import type { Sshd } from "../machine/sshd.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { waitingClients } from "./waiting-clients.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const NOTES = "/run/jailkit/logins";
const declared = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const jailing = (name: string) => ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name];
const ended = (name: string) =>
  `ended a connection to sshd for '${name}', not authenticated yet, which a run that was killed had left`;
const due = (name: string) =>
  `connections to sshd(8) for '${name}' may go on, which a run that was killed was to end`;

let m: Machine;
let sshd: Sshd;
let connect: ReturnType<typeof waitingClients>;

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

/** Runs a command that is killed when it sends its nth signal. */
const killed = (command: readonly string[], nth = 1) =>
  expect(
    m.run([
      ...["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=pidfd_send_signal"],
      ...["-e", `inject=pidfd_send_signal:signal=KILL:when=${nth}`, ...command],
    ]).signal,
  ).toBe("SIGKILL");

const notes = () => m.run(["ls", "-A", NOTES]).stdout.trim().split("\n").filter(Boolean);
const homeOf = (name: string) => m.must(["getent", "passwd", name]).stdout.split(":")[5];
const findings = () =>
  reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout).findings.filter(
    ({ kind }) => kind === "connections",
  );
/** The states of sshd's processes of root for connections. */
const states = () =>
  m
    .must(["ps", "-eo", "stat=,ruser=,args="])
    .stdout.split("\n")
    .filter((line) => /root .*sshd.*: .*(?:priv|accepted)\]/.test(line))
    .map((line) => line[0]);

test("the run of jk_jailuser that is repeated ends what was left", async () => {
  addUser("anna");
  const prove = await connect("anna");
  killed(jailing("anna"));
  expect([homeOf("anna"), notes().length]).toEqual([`${J}/./home/anna`, 1]);
  const { status, stderr } = m.run(jailing("anna"));
  expect([status, stderr]).toEqual([0, expect.stringContaining(`jk_jailuser: warning: ${ended("anna")}\n`)]);
  expect([await prove(), notes()]).toEqual(["", []]);
  expect(m.must(jailing("anna")).stderr).not.toContain("ended");
});

test("so does jailkit apply that is repeated", async () => {
  addUser("bert");
  const prove = await connect("bert");
  m.write(FILE, JAIL + declared("bert"));
  killed(["jailkit", "apply"]);
  const { summary, status } = linesOf(m);
  expect([status, summary.warnings]).toEqual([0, expect.arrayContaining([ended("bert")])]);
  expect(await prove()).toBe("");
});

test("so does jailkit apply whose declaration has errors", async () => {
  addUser("bill");
  const prove = await connect("bill");
  killed(jailing("bill"));
  m.write(FILE, `${JAIL}colour = red\n`);
  expect(linesOf(m, "--check").summary.warnings).toEqual([`${due("bill")}; a run ends them`]);
  const { summary, status } = linesOf(m);
  expect([status, summary.problems.length, summary.warnings]).toEqual([1, 1, [ended("bill")]]);
  expect([await prove(), notes()]).toEqual(["", []]);
  m.write(FILE, JAIL);
  m.must(jailing("bill"));
});

test.each(["jailkit apply", `jk_jailuser -n -j ${J} bert`, "jailkit terminate-user bert"])(
  "so does %s, which has something else to do, or nothing",
  async (command) => {
    const name = `carl${command.length}`;
    addUser(name);
    const prove = await connect(name);
    killed(jailing(name));
    const { status, stderr } = m.run(command.split(" "));
    expect([status, stderr]).toEqual([0, expect.stringContaining(`: warning: ${ended(name)}\n`)]);
    expect([await prove(), notes()]).toEqual(["", []]);
    m.must(jailing(name));
  },
);

test("so do jk_addjailuser and jailkit delete, also if that refuses", async () => {
  for (const [name, command] of [
    ["dora", `jk_addjailuser -j ${J} -s /bin/bash dieter`],
    ["dirk", `jailkit delete --yes ${J}`],
    ["dina", `jailkit delete --yes --json ${J}`],
  ] as const) {
    addUser(name);
    const prove = await connect(name);
    killed(jailing(name));
    const { stdout, stderr } = m.run(command.split(" "));
    expect(stdout + stderr).toContain(ended(name));
    expect([await prove(), notes()]).toEqual(["", []]);
    m.must(jailing(name));
  }
});

test("jailkit status and apply --check tell what is left, and what status says heals it", async () => {
  addUser("emma");
  const prove = await connect("emma");
  killed(jailing("emma"));
  const [finding] = findings();
  expect(finding).toMatchObject({ subject: "emma", message: expect.stringContaining(due("emma")) });
  expect(linesOf(m, "--check").summary.warnings).toContain(`${due("emma")}; a run ends them`);
  expect(notes()).toHaveLength(1);
  m.must((finding?.command ?? "false").split(" "));
  expect([await prove(), notes(), findings()]).toEqual(["", [], []]);
  m.must(jailing("emma"));
});

test("a group that is given or taken, and an account that is removed", async () => {
  m.must(["groupadd", "crew"]);
  m.write(FILE, JAIL + declared("fred"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-p", "*", "fred"]);
  for (const text of [`${declared("fred")}groups = crew\n`, declared("fred"), ""]) {
    const prove = await connect("fred", "echo in");
    m.write(FILE, JAIL + text);
    killed(["jailkit", "apply", "--prune"]);
    expect(linesOf(m, "--prune").summary.warnings).toContain(ended("fred"));
    expect([await prove(), notes()]).toEqual(["", []]);
  }
});

test("what was stopped ends, and goes on if it is for somebody else", async () => {
  addUser("gina");
  addUser("gerd");
  const gina = await connect("gina");
  const nobody = m.start([
    "python3",
    "-c",
    "import socket, sys; s = socket.create_connection(('127.0.0.1', 22)); print(s.recv(99), flush=True); sys.stdin.readline(); s.close()",
  ]);
  await nobody.until(({ stdout }) => stdout.includes("SSH") || undefined);
  const gerd = await connect("gerd");
  // The connection that has named nobody, and both processes of the other one, are stopped.
  killed(jailing("gina"), 3);
  expect(states().filter((state) => state === "T").length).toBeGreaterThan(0);
  // It has named somebody else meanwhile, as far as anybody can tell.
  const [note = ""] = notes();
  const pid = m
    .must(["ps", "-eo", "pid=,ruser=,args="])
    .stdout.split("\n")
    .find((line) => /root .*gerd \[priv\]/.test(line))
    ?.trim()
    .split(" ")[0];
  m.must(["kill", "-STOP", pid ?? "none"]);
  m.must(["sh", "-c", `printf ' ${pid}' >> ${NOTES}/${note}`]);
  m.must(["jailkit", "apply"]);
  expect(states().filter((state) => state === "T")).toEqual([]);
  expect([await gina(), await gerd(), notes()]).toEqual(["", "/\nin\n", []]);
  nobody.end();
  await nobody.ended;
  m.must(jailing("gina"));
});

test("so it is if jailkit terminate-user is killed", async () => {
  addUser("hans");
  const prove = await connect("hans");
  killed(["jailkit", "terminate-user", "hans"], 2);
  expect([states(), notes().length, findings()]).toEqual([
    ["T"],
    1,
    [
      expect.objectContaining({
        subject: "hans",
        command: `jailkit terminate-user --uid=${m.ids("hans").uid}`,
      }),
    ],
  ]);
  m.must(["jailkit", "apply"]);
  expect([await prove(), notes(), states()]).toEqual(["", [], []]);
});

test("of a run that is at work nothing is told, and nothing is ended", async () => {
  addUser("ines");
  const prove = await connect("ines");
  const seen: unknown[] = [];
  const { status, stdout } = await runWithStops(
    m,
    ["jk_jailuser", "-v", ...jailing("ines").slice(1)],
    { calls: ["rename"] },
    (call) => {
      if (!call.includes("/etc/passwd+")) return;
      seen.push([findings(), m.run(["jailkit", "terminate-user", "--uid", "54321"]).stderr, notes().length]);
    },
  );
  expect([status, seen]).toEqual([0, [[[], "", 1]]]);
  expect(stdout).toContain("ended a connection to sshd for 'ines', not authenticated yet\n");
  expect([await prove(), notes()]).toEqual(["", []]);
});

test("what usermod(8) does for a run that was killed is done before the connections end", async () => {
  addUser("jens");
  let repeated: ReturnType<Machine["start"]> | undefined;
  const proofs: Awaited<ReturnType<typeof connect>>[] = [];
  await runWithStops(m, jailing("jens"), { calls: ["link"] }, async (call) => {
    if (repeated !== undefined || !call.includes("/etc/passwd.lock")) return;
    const [holder = ""] = m.read("/var/lib/jailkit/locks/accounts").split(" ");
    m.must(["kill", "-KILL", holder]);
    repeated = m.start(["jk_jailuser", "-n", "-j", J, "anna"]);
    await repeated.until(({ stderr }) => stderr.includes("waiting for") || undefined);
    proofs.push(await connect("jens"));
  });
  const result = await repeated?.ended;
  expect([result?.status, result?.stderr]).toEqual([0, expect.stringContaining(ended("jens"))]);
  expect([homeOf("jens"), await proofs[0]?.(), notes()]).toEqual([`${J}/./home/jens`, "", []]);
  m.must(jailing("jens"));
});

test("notes in a directory that is not root's alone do not count; then connections end also before the account changes", async () => {
  addUser("kurt");
  m.must(["sh", "-c", `chmod 777 ${NOTES}; printf '%s\\0root\\0' ${m.ids("kurt").uid} > ${NOTES}/planted`]);
  const prove = await connect("kurt");
  expect([findings(), m.must(["jailkit", "apply"]).stderr]).toEqual([[], ""]);
  const steps: number[] = [];
  const { status } = await runWithStops(m, jailing("kurt"), { calls: ["rename"] }, (call) => {
    if (call.includes("/etc/passwd+")) steps.push(states().length);
  });
  expect([status, steps, await prove()]).toEqual([0, [0], ""]);
  m.remove(`${NOTES}/planted`);
  m.must(["chmod", "700", NOTES]);
});

test("a note that a run was killed before it could write is removed", () => {
  m.write(`${NOTES}/empty`, "");
  expect([findings(), m.must(["jailkit", "apply"]).stderr, notes()]).toEqual([[], "", []]);
});
