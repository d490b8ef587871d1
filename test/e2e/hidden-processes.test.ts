/** No process of a user is hidden from what must not be done beside one, and what the messages advise ends it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { startInNamespace } from "./namespace-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const HIDDEN = "each ends as soon as it has started another one";

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

// With each signal another process goes on.
const RELAY = `import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("there", flush=True)
while True:
    signal.sigwait({signal.SIGUSR1})
    if os.fork(): os._exit(0)`;

/** Waits until nothing of a user runs, which has been ended. */
const untilGone = (user: string) => m.must(["sh", "-c", `while pgrep -u ${user} >/dev/null; do :; done`]);

/** Runs a program while a process of the user is another one than in each list of all that has been read. */
async function besideRelay(user: string, argv: readonly string[]) {
  const first = m.start(["python3", "-c", RELAY], { user });
  await first.until(({ stdout }) => (stdout.includes("there") ? true : undefined));
  const pass = `old=$(pgrep -u ${user} python3) && kill -USR1 $old && while [ -e /proc/$old ]; do :; done`;
  return runWithStops(m, argv, { calls: ["getdents64"], paths: ["/proc"] }, () => m.must(["sh", "-c", pass]));
}

function typeAndWait(user: string, text: string): void {
  const [, command = "false"] = /end them(?: first,)? with: (.*)$/m.exec(text) ?? [];
  expect(typeRemedy(m, command)).toMatchObject({ status: 0 });
  untilGone(user);
}

test("an account is not removed while a process runs that the list of processes has missed", async () => {
  m.write(FILE, `${JAIL}[user sly]\njail = ${J}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  m.write(FILE, JAIL);
  const { status, stderr } = await besideRelay("sly", ["jailkit", "apply", "--prune", "--delete-homes"]);
  expect(stderr).toContain(`'sly' has running processes (${HIDDEN}): end them first, with: `);
  expect([status, m.run(["id", "sly"]).status]).toEqual([1, 0]);
  typeAndWait("sly", stderr);
  expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
  expect(m.run(["id", "sly"]).status).toBe(1);
});

test("nor is one jailed, or taken out of its jail", async () => {
  m.addUser("mia", { home: "/home/mia", createHome: true, shell: "/bin/sh" });
  for (const [words, done, what] of [
    [["-m", "-j", J], `${J}/./home/mia`, "'mia' started processes meanwhile"],
    [["-m", "--unjail"], "/home/mia", "'mia' has running processes"],
  ] as const) {
    const before = m.read("/etc/passwd");
    const command = ["jk_jailuser", ...words, "mia"];
    const { status, stderr } = await besideRelay("mia", command);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${what} (${HIDDEN})`)]);
    expect(m.read("/etc/passwd")).toBe(before);
    typeAndWait("mia", stderr);
    m.must(command);
    expect(m.read("/etc/passwd")).toContain(`:${done}:`);
  }
});

test("who logs in while the account is being changed may be outside, and it is told what ends that", async () => {
  m.addUser("lea", { home: "/home/lea", createHome: true, shell: "/bin/sh" });
  const sleep = "sleep infinity </dev/null >/dev/null 2>&1 &";
  // After usermod(8) has looked for processes.
  const stops = { calls: ["openat", "open"], paths: ["/etc/passwd+"] };
  const { status, stderr } = await runWithStops(m, ["jk_jailuser", "-m", "-j", J, "lea"], stops, () => {
    m.must(["sh", "-c", sleep], { user: "lea" });
  });
  expect([status, stderr]).toEqual([
    0,
    expect.stringContaining("processes of 'lea' go on, perhaps where it is not any more ("),
  ]);
  typeAndWait("lea", stderr);
});

test("the command that ends processes also ends those that never stay the same", () => {
  m.addUser("nia", { home: "/home/nia", createHome: true, shell: "/bin/sh" });
  m.must(["install", compiledC(join(import.meta.dir, "hidden-process.c")), "/usr/local/bin/hidden"]);
  m.must(["sh", "-c", "/usr/local/bin/hidden </dev/null >/dev/null 2>&1 &"], { user: "nia" });
  const { status, stderr } = m.run(["jk_jailuser", "-m", "-j", J, "nia"]);
  expect(status).toBe(1);
  typeAndWait("nia", stderr);
  m.must(["jk_jailuser", "-m", "-j", J, "nia"]);
});

test("a process with another uid, in a user namespace where it can take that of the account, is one of its own", async () => {
  m.addUser("pia", { home: "/home/pia", createHome: true, shell: "/bin/sh" });
  const uid = Number(m.must(["id", "-u", "pia"]).stdout);
  const process = await startInNamespace(m, uid);
  const { status, stderr } = m.run(["jk_jailuser", "-m", "-j", J, "pia"]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^jk_jailuser: 'pia' has running processes \(\d+\)/),
  ]);
  typeAndWait("pia", stderr);
  await process.ended;
  m.must(["jk_jailuser", "-m", "-j", J, "pia"]);
});

test("one in the user namespace of the command itself, as in a container, whose map has ids of another one, is not", async () => {
  const process = await startInNamespace(m, 0, "0 0 1000\\n1000 2001 1\\n2001 1000 1");
  const shown = (uid: number) => {
    const inside = ["nsenter", "-U", "-t", `${process.pid}`, "-S", "0", "-G", "0"];
    return m.must([...inside, "jailkit", "terminate-user", "--dry-run", `--uid=${uid}`]).stdout;
  };
  expect([shown(1), shown(2001)]).toEqual([expect.stringContaining(`${process.pid}`), ""]);
  process.kill();
  await process.ended;
});

test("of one in a user namespace that root has made it is said that a command ends the container", async () => {
  const process = await startInNamespace(m, 0, "0 7000 1\\n1 900000 65536");
  const { status, stderr } = m.run(["jailkit", "terminate-user", "--uid=7000"]);
  const what = `the uid 7000 go on (${process.pid}); some can take it in a user namespace that root has made, as for a container: stop that (${process.pid})`;
  expect([status, stderr]).toEqual([1, expect.stringContaining(what)]);
  process.kill();
  await process.ended;
});
