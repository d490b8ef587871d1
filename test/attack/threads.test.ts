/**
 * No thread hides a process: each can have a root, a working directory and descriptors of its own, and goes on when the first
 * thread of its process has ended.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { processesReportSchema } from "../../src/processes/report-schema.ts";
import { endSessions } from "../../src/system/end-sessions.ts";
import { linesOf, openApplyMachine } from "../e2e/apply-scene.ts";
import { typeRemedy } from "../e2e/remedies-scene.ts";
import { checkout, compiledC } from "../machine/helper.ts";
import type { Machine, MachineProcess, RunOptions } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const A = "/srv/a";
const B = "/srv/b";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAILS = [A, B].map((jail) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`);
const FRED = `[user fred]\njail = ${A}\nshell = /bin/bash\n`;
const THREADS = "/usr/local/bin/threads";

let m: Machine;
let running: MachineProcess[] = [];

beforeAll(async () => {
  m = await openApplyMachine();
  const program = readFileSync(compiledC(join(import.meta.dir, "threads.c"), ["-static", "-pthread"]));
  m.write(THREADS, program, { mode: 0o755 });
});
afterEach(async () => {
  for (const one of running) one.end();
  await Promise.all(running.map(({ ended }) => ended));
  running = [];
  m.write(FILE, JAILS.join(""));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});
afterAll(() => m?.close());

function declare(...texts: readonly string[]): void {
  m.write(FILE, texts.join(""));
  m.must(["jailkit", "apply"]);
}

/** A process of test/attack/threads.c, and its pid. */
async function threads(words: readonly string[], options: RunOptions = {}, program = THREADS) {
  const started = m.start([program, ...words], options);
  running.push(started);
  await started.until(({ stdout }) => stdout.includes("there\n") || undefined);
  return { process: started, pid: Number(m.must(["pgrep", "-n", "-x", "threads|left"]).stdout) };
}

const listed = (...words: readonly string[]) =>
  reportOf(processesReportSchema, m.must(["jk_list", "--json", ...words]).stdout).processes;

/** What the other thread lists when it has gone up as far as it gets. */
async function climb(one: MachineProcess): Promise<string> {
  one.write("\n");
  return one.until(({ stdout }) => /^there\n(.*)\n/.exec(stdout)?.[1]);
}

test("a process whose first thread has ended is in its jail: it is listed, and nothing deletes the jail", async () => {
  declare(...JAILS, FRED);
  const { uid } = m.ids("fred");
  const words = [`root=${A}`, `uid=${uid}`, "end"];
  const { pid } = await threads(words);
  const process = { pid, uid, jail: A, exe: THREADS, arguments: [THREADS, ...words] };
  expect(listed(A)).toMatchObject([process]);
  expect(m.run(["jailkit", "delete", "--unjail", A])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`processes run in it (${pid})`),
  });
  m.write(FILE, JAILS[1] ?? "");
  const { status, summary } = linesOf(m, "--prune", "--delete-homes");
  expect([status, m.exists(A)]).toEqual([1, true]);
  expect(JSON.stringify(summary.problems)).toContain(`(${pid})`);
});

test("so is one of which another thread alone has its root there", async () => {
  declare(...JAILS);
  const { pid } = await threads(["--", `root=${A}`]);
  expect(listed()).toMatchObject([{ pid, jail: A }]);
  expect(m.run(["jailkit", "delete", A]).stderr).toContain(`processes run in it (${pid})`);
});

test("one whose threads have roots in two jails is in both, and once in a jail that both have", async () => {
  declare(...JAILS);
  const { pid } = await threads(["root=/srv", "--", "root=/a"]);
  const other = await threads([`root=${B}`, "--"]);
  expect(listed()).toMatchObject([
    { pid, jail: "/srv" },
    { pid, jail: A },
    { pid: other.pid, jail: B },
  ]);
  expect(listed()).toHaveLength(3);
});

test("a process whose first thread ends while it is looked at is listed", async () => {
  declare(...JAILS);
  const { pid } = await threads([`root=${A}`, "--"]);
  const stops = { calls: ["statx"], paths: [`${pid}/root`] };
  const { stdout } = await runWithStops(m, ["jk_list"], stops, () =>
    m.must(["sh", "-c", `kill -USR1 ${pid}; until grep -q ^State:.Z /proc/${pid}/status; do :; done`]),
  );
  expect(stdout).toMatch(new RegExp(`^${pid} +root +${A} `, "m"));
});

test("who leaves a root while it is looked at hides no other process that has it", async () => {
  declare(...JAILS);
  const script = `import os
out = os.open("/", os.O_RDONLY)
os.chroot("${A}")
print("there", flush=True)
input()
os.fchdir(out); os.chroot(".")
print("left", flush=True)
input()`;
  const leaving = m.start(["python3", "-c", script]);
  running.push(leaving);
  await leaving.until(({ stdout }) => stdout.includes("there") || undefined);
  const first = m.must(["pgrep", "-n", "-x", "python3"]).stdout.trim();
  const { pid } = await threads([`root=${A}`, "--"]);
  const stops = { calls: ["statx"], paths: [`${first}/root`] };
  const { stdout } = await runWithStops(m, ["jk_list", A], stops, () => {
    leaving.write("\n");
    m.must(["sh", "-c", `until [ "$(readlink /proc/${first}/root)" = / ]; do :; done`]);
  });
  expect(stdout).toMatch(new RegExp(`^${pid} +root +${A} `, "m"));
  expect(stdout.split("\n")).toHaveLength(3);
});

test.each([
  ["hugo", "whose first thread has ended", [`root=${A}`, "cwd=/home/hugo", "end"]],
  ["lea", "of which another thread alone is in its jail", ["--", `root=${A}`, "cwd=/home/lea"]],
])("a home that moves (%s) takes no process along %s", async (name, _, words) => {
  declare(...JAILS);
  m.write("/host-only", "");
  m.addUser(name, { home: `${A}/home/${name}`, createHome: true });
  const { process } = await threads(words);
  expect(m.run(["jk_jailuser", "-m", "-j", B, "-s", "/bin/bash", name]).status).toBe(0);
  expect(m.exists(`${B}${A}/home/${name}`)).toBe(true);
  expect(await climb(process)).not.toContain("host-only");
  m.must(["userdel", name]);
  m.must(["rm", "-rf", `${B}/srv`]);
});

describe("the uid of an account that was removed", () => {
  const BOB = FRED.replace("fred", "bob");
  const left = `${A}/tmp/left`;
  let uid: number;

  /** Bob leaves a file, with his uid, and goes; `start` is called before the file goes, too. Returns what then wants his uid. */
  async function wants(start: () => Promise<unknown>) {
    declare(...JAILS, BOB);
    ({ uid } = m.ids("bob"));
    declare(...JAILS);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    m.mkdir(`${A}/tmp`, { mode: 0o755 });
    m.must(["cp", THREADS, left]);
    m.must(["chown", `${uid}`, left]);
    await start();
    m.remove(left);
    m.write(FILE, [...JAILS, `${FRED.replace("fred", "nina")}uid = ${uid}\n`].join(""));
    return linesOf(m);
  }
  const nobody = { user: { uid: 65534, gid: 65534 } };

  test.each([
    ["of which one thread has a file of it open", [THREADS, "--", `open=${left}`]],
    ["of which one has, and the first one has ended", [THREADS, "end", "--", `open=${left}`]],
    ["that executes a file of it, and whose first thread has ended", [left, "end"]],
  ])("stays reserved beside a process %s", async (_, [program = "", ...words]) => {
    let pid = 0;
    const { status, summary } = await wants(async () => ({ pid } = await threads(words, nobody, program)));
    expect(JSON.stringify(summary.problems)).toContain(`processes of 'nobody' (${pid}) have the uid ${uid}`);
    expect([status, m.run(["id", "nina"]).status]).toEqual([1, 1]);
  });

  test("stays reserved beside processes that end as soon as they have started another one", async () => {
    m.must(["install", compiledC(join(checkout, "test/e2e/hidden-process.c")), "/usr/local/bin/hidden"]);
    const script = `exec 5<${left}; /usr/local/bin/hidden </dev/null >/dev/null 2>&1 &`;
    try {
      const { status } = await wants(async () => m.must(["sh", "-c", script], nobody));
      expect([status, m.run(["id", "nina"]).status]).toEqual([1, 1]);
    } finally {
      typeRemedy(m, endSessions(nobody.user.uid));
    }
  });
});
