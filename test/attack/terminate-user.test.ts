/** `jailkit terminate-user` ends all processes of a user and no other one, and opens no way out of a jail meanwhile. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { endSessions } from "../../src/system/end-sessions.ts";
import { terminateReportSchema } from "../../src/users/report-schema.ts";
import { checkout, compiledC } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const KEEPER = "/usr/local/bin/keeper";
/** Starts it, waits for its first line or its end, and never for its process. */
const PARENT = `import subprocess, sys
child = subprocess.Popen(["${KEEPER}", sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()`;

/** Acts for a user, as file servers do. */
const ACTING = `import os, sys
os.seteuid(int(sys.argv[1]))
print(os.getpid(), flush=True)
sys.stdin.readline()`;

let m: Machine;
let running: MachineProcess[] = [];

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  for (const name of ["eve", "ines"]) m.addUser(name);
  m.must([
    "install",
    "-o",
    "eve",
    "-m",
    "4755",
    compiledC(join(checkout, "test/attack/uid-keeper.c")),
    KEEPER,
  ]);
});
afterEach(async () => {
  for (const one of running) one.end();
  await Promise.all(running.map(({ ended }) => ended));
  running = [];
});
afterAll(() => m?.close());

const terminate = (...words: readonly string[]) => m.run(["jailkit", "terminate-user", ...words]);

async function sleeper(user?: string): Promise<MachineProcess> {
  const started = m.start(
    ["sh", "-c", "echo there; read x; echo still; read x"],
    user === undefined ? {} : { user },
  );
  running.push(started);
  await started.until(({ stdout }) => (stdout === "" ? undefined : true));
  return started;
}

const pidsOf = (user: string) =>
  m.run(["pgrep", "-u", user]).stdout.trim().split("\n").filter(Boolean).map(Number);

test("all processes of the user end, and no other one", async () => {
  const [first, second] = [await sleeper("eve"), await sleeper("eve")];
  await sleeper("ines");
  const other = await sleeper();
  const pids = pidsOf("eve");
  expect(pids).toHaveLength(2);
  const { uid } = m.ids("eve");
  const planned = terminate("--dry-run", "--json", "eve");
  expect(reportOf(terminateReportSchema, planned.stdout).users).toEqual([
    { user: "eve", uid, pids, removed: [] },
  ]);
  expect(terminate("--dry-run", "eve").stdout).toBe(`eve: would end ${pids.join(" ")}\n`);
  expect(pidsOf("eve")).toEqual(pids);
  const done = terminate("-v", "eve");
  expect(done).toMatchObject({ status: 0, stdout: `eve: ended ${pids.join(" ")}\n`, stderr: "" });
  expect(pidsOf("eve")).toEqual([]);
  await Promise.all([first.ended, second.ended]);
  expect(pidsOf("ines")).toHaveLength(1);
  other.write("\n");
  expect(await other.until(({ stdout }) => (stdout.includes("still") ? true : undefined))).toBe(true);
  expect(terminate("-v", "eve")).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

test("so do those of a uid without an account, and those that end as soon as they have started another one", async () => {
  m.must(["install", compiledC(join(checkout, "test/e2e/hidden-process.c")), "/usr/local/bin/hidden"]);
  m.must(["sh", "-c", "/usr/local/bin/hidden </dev/null >/dev/null 2>&1 &"], {
    user: { uid: 4321, gid: 4321 },
  });
  m.must(endSessions(4321).split(" "));
  expect(m.run(["pgrep", "-U", "4321"])).toMatchObject({ status: 1, stdout: "" });
});

/** A process of ines with a uid of eve; its pid. */
async function keeper(how: string): Promise<{ parent: MachineProcess; pid: string }> {
  const parent = m.start(["python3", "-c", PARENT, how], { user: "ines" });
  running.push(parent);
  return {
    parent,
    pid: await parent.until(({ stdout }) => (stdout.endsWith("\n") ? stdout.trim() : undefined)),
  };
}

/** Whether there is a process with this real uid, seen or not. */
const isThere = (uid: number) =>
  m.run(["python3", "-c", `import os; os.getpriority(os.PRIO_USER, ${uid})`]).status === 0;

test.each(["effective", "other thread", "only thread left", "hidden", "many"])(
  "so do those of others with the uid that no process of the user can signal, and no other one of theirs (%s)",
  async (how) => {
    const { parent } = await keeper(how);
    const before = terminate("--dry-run", "eve").stdout;
    if (how !== "hidden") expect(before).toContain("eve: would end ");
    expect(terminate("eve")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    parent.write("\n");
    expect((await parent.ended).status).toBe(0);
    expect(isThere(m.ids("ines").uid)).toBe(false);
  },
);

test("what has ended does not count, though nobody has waited for it", async () => {
  const { pid } = await keeper("ended");
  m.must(["sh", "-c", `until grep -q '^State:.Z' /proc/${pid}/status; do :; done`]);
  expect(isThere(m.ids("eve").uid)).toBe(true);
  expect(terminate("-v", "eve")).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const { pid: other } = await keeper("effective");
  expect(terminate("-v", "eve")).toMatchObject({ status: 0, stdout: `eve: ended ${other}\n`, stderr: "" });
  expect(m.read(`/proc/${other}/status`)).toContain("State:\tZ");
});

test("processes of root that act for the user do not end, and the message says so", async () => {
  const server = m.start(["python3", "-c", ACTING, String(m.ids("eve").uid)]);
  running.push(server);
  const pid = await server.until(({ stdout }) => (stdout.endsWith("\n") ? stdout.trim() : undefined));
  const { status, stderr } = terminate("eve");
  expect([status, stderr]).toEqual([1, expect.stringContaining(`go on (${pid}); root's are not ended`)]);
  server.write("\n");
  expect((await server.ended).status).toBe(0);
});

test("nor do those with the real uid that is not the user's meanwhile, if they start between two attempts", async () => {
  const { uid } = m.ids("eve");
  const server = m.start(["python3", "-c", ACTING, String(uid)]);
  running.push(server);
  await server.until(({ stdout }) => (stdout === "" ? undefined : true));
  const spares = new Set<number>();
  const others: MachineProcess[] = [];
  const startAs = (other: number) => {
    const one = m.start(["sh", "-c", "read x"], { user: { uid: other, gid: other } });
    others.push(one);
    running.push(one);
    m.must(["sh", "-c", `until grep -q '^Uid:.${other}\\>' /proc/[0-9]*/status; do :; done`]);
  };
  const { status } = await runWithStops(
    m,
    ["jailkit", "terminate-user", "eve"],
    { calls: ["setresuid"] },
    (call) => {
      // Each thread makes the call.
      const [, spare, user] = /\((\d+), (\d+), 0\)/.exec(call) ?? [];
      if (user === String(uid)) {
        spares.add(Number(spare));
        // The highest one that is in each user namespace, and that no account has.
        if (others.length === 0) startAs(65533);
      } else if (spares.size === others.length) {
        const [first = 0, second] = spares;
        if (second === undefined) startAs(first);
        else server.end();
      }
    },
  );
  expect(status).toBe(0);
  for (const one of others) one.write("\n");
  expect(await Promise.all(others.map(async ({ ended }) => (await ended).status))).toEqual([0, 0]);
  expect(spares.size).toBe(2);
  for (const spare of spares) expect(spare).toBeGreaterThan(2 ** 31 - 2);
});

test("the user can neither signal the process that ends the others, nor enter its root directory", async () => {
  const seen: unknown[] = [];
  const { uid } = m.ids("eve");
  await sleeper("eve");
  const asEve = (words: readonly string[]) => m.run(words, { user: "eve" });
  const control = String(pidsOf("eve")[0]);
  expect(asEve(["readlink", `/proc/${control}/root`]).status).toBe(0);
  const { status } = await runWithStops(
    m,
    ["jailkit", "terminate-user", "eve"],
    { calls: ["setresuid"] },
    (call) => {
      const pid = m.must(["pgrep", "-o", "-x", "jailkit"]).stdout.trim();
      const ids = /^Uid:\t(.*)/m.exec(m.read(`/proc/${pid}/status`))?.[1] ?? "";
      if (!call.includes(`, ${uid}, 0`)) return;
      seen.push({
        ids: ids.split("\t").slice(1, 3),
        root: asEve(["readlink", `/proc/${pid}/root`]).status,
        memory: asEve(["cat", `/proc/${pid}/mem`]).stderr.includes("Permission denied"),
        signal: asEve(["kill", "-STOP", pid]).status,
      });
    },
  );
  expect(status).toBe(0);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toContainEqual({ ids: [String(uid), "0"], root: 1, memory: true, signal: 1 });
  for (const one of seen) expect(one).toMatchObject({ root: 1, memory: true, signal: 1 });
  expect(pidsOf("eve")).toEqual([]);
});

test.each([
  [["root"], "processes of root are not ended"],
  [["--uid", "0"], "processes of root are not ended"],
  [["eve", "--uid=0"], "processes of root are not ended"],
  [["eve", "nobody-here"], "there is no user 'nobody-here'"],
  [["--uid", "1e3"], "'1e3' is not a uid"],
  [["--uid", "4294967295"], "'4294967295' is not a uid"],
  [[], "no user is given"],
])("%j is refused, and nothing ends", async (words, message) => {
  await sleeper("eve");
  const { status, stderr } = terminate(...words);
  expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(pidsOf("eve")).toHaveLength(1);
});

test("in a user namespace of root alone nobody else has processes, and no second uid is needed", () => {
  const inside = (...words: string[]) =>
    m.run(["unshare", "--user", "--map-root-user", "--fork", "jailkit", "terminate-user", ...words]);
  expect(inside("--uid=1005")).toMatchObject({ status: 0 });
});
