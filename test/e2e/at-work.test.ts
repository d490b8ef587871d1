/** What only looks, while a command works: what is half of a change is no fault, and nothing waits. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine, RunResult } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { did, linesIn, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(600_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/j.ini";
const DECLARED = `[jail ${J}]\nsections = uidbasics, basicshell\n[user ann]\njail = ${J}\nshell = /bin/bash\n[user ben]\njail = ${J}\nshell = /bin/bash\n`;
/** Calls with which a change becomes one that others see. */
const CALLS = ["renameat2", "renameat", "rename", "unlinkat", "mkdirat"];

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

beforeEach(() => {
  m.write(FILE, "");
  m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
  for (const path of [J, "/srv/k", "/var/lib/jailkit"]) m.remove(path);
});

const list = (...args: readonly string[]) => {
  const { status, stdout } = m.run(["jailkit", "list", "--json", ...args]);
  return { status, ...reportOf(listReportSchema, stdout) };
};
const status = () => reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);

/** What the pages that look say wrongly at the stops of a run; `most`: of so many stops. */
async function wrongDuring(argv: readonly string[], most = 60) {
  const wrong = new Set<string>();
  let stops = 0;
  const seen = new Set<string>();
  const result = await runWithStops(m, argv, { calls: CALLS }, (call) => {
    // Of many alike the first ones tell.
    const kind = call.replace(/\.jk-[\w-]+|\d+/g, "").slice(0, 60);
    if (seen.has(kind) || ++stops > most) return;
    seen.add(kind);
    for (const one of status().findings) wrong.add(`status: ${one.kind} ${one.subject}: ${one.message}`);
    const listed = list();
    for (const one of listed.jails)
      if (!["ready", "busy", "unrecorded"].includes(one.state)) wrong.add(`list: ${one.state} ${one.reason}`);
    if (listed.status !== 0) wrong.add(`list: ${listed.status}`);
    for (const options of [["--check"], ["--check", "--prune"]])
      for (const one of linesOf(m, ...options).summary.problems)
        if (one.code !== "busy") wrong.add(`apply ${options.join(" ")}: ${one.code} ${one.message}`);
  });
  expect(stops).toBeGreaterThan(10);
  return { status: result.status, wrong: [...wrong] };
}

const HOLD = `use Fcntl qw(:DEFAULT :flock); $| = 1; sysopen(my $f, $ARGV[0], O_RDWR | O_CREAT, 0600) or die;
flock($f, LOCK_EX) or die; syswrite($f, sprintf("%-64s", "$$ jk_init")); print "$$ ready\\n"; sleep 600;`;
/** A process that holds the lock of the jail until it is killed, and its pid. */
async function holdJail() {
  m.mkdir("/var/lib/jailkit/locks", { mode: 0o700 });
  const hash = new Bun.CryptoHasher("sha256").update(J).digest("hex").slice(0, 32);
  const holder = m.start(["perl", "-e", HOLD, `/var/lib/jailkit/locks/path-${hash}`]);
  return { holder, pid: await holder.until(({ stdout }) => /^(\d+) ready/.exec(stdout)?.[1]) };
}

test("jk_check says nothing of accounts while a process works on their jail", async () => {
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  m.must(["sed", "-i", "/^ann:/d", `${J}/etc/passwd`]);
  m.must(["mv", `${J}/home/ben`, `${J}/home/away`]);
  const rules = () =>
    [...m.run(["jk_check", J]).stdout.matchAll(/(ann|ben)/g)].map(([name]) => name).length > 0;
  expect(rules()).toBe(true);
  const { holder } = await holdJail();
  expect(rules()).toBe(false);
  holder.kill();
  await holder.ended;
  expect(rules()).toBe(true);
  m.must(["mv", `${J}/home/away`, `${J}/home/ben`]);
});

test("a jail is busy while a process works on it, and incomplete when that was killed", async () => {
  const inject = "inject=linkat:signal=KILL:when=9";
  m.run([
    "strace",
    "-qq",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    inject,
    "jk_init",
    "-j",
    J,
    "uidbasics",
    "basicshell",
  ]);
  const incomplete = () => {
    expect(list()).toMatchObject({
      status: 1,
      jails: [{ state: "incomplete", remedy: `jk_update -j ${J}` }],
    });
    expect(status().findings.map(({ kind }) => kind)).toContain("incomplete");
    expect(m.run(["jk_check", J]).stdout).toContain("the run was stopped");
  };
  incomplete();
  const { holder, pid } = await holdJail();
  const reason = `${J} is being worked on by jk_init (pid ${pid})`;
  expect(list()).toMatchObject({ status: 0, jails: [{ state: "busy", reason, remedy: null }] });
  expect(m.run(["jailkit", "list"])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`${J}  busy `),
    stderr: `jailkit list: ${reason}\n`,
  });
  expect(status()).toMatchObject({
    jails: { byState: { busy: 1, incomplete: 0 } },
    findings: [],
    exitStatus: 0,
  });
  expect(m.run(["jailkit", "status"]).stdout).toMatch(/^Jails +1 in all, 1 busy$/m);
  expect(m.run(["jk_check", J]).stdout).not.toContain("the run was stopped");
  // Its file stays, and names a process that is no more.
  m.must(["kill", "-KILL", pid]);
  await holder.ended;
  incomplete();
  // Nor is the process that has its number by now at work.
  for (const name of m.list("/var/lib/jailkit/locks"))
    m.write(`/var/lib/jailkit/locks/${name}`, "1 jk_init".padEnd(64), { mode: 0o600 });
  incomplete();
});

test("apply --check says what of a jail is not known, with the status of a jail on which another tool works; a run waits", async () => {
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics\n[user ann]\njail = ${J}\nshell = /bin/nosuch\n[jail /srv/k]\nsections = uidbasics\n`,
  );
  m.must(["jk_init", "-j", J, "uidbasics"]);
  const { holder, pid } = await holdJail();
  const message = `user ann: ${J} is being worked on by jk_init (pid ${pid}): run this again`;
  const { status: code, summary } = linesOf(m, "--check");
  expect([code, summary.problems]).toMatchObject([
    75,
    [{ code: "busy", message, finding: null, remedy: null }],
  ]);
  expect(m.run(["jailkit", "apply", "--no-wait"]).status).toBe(75);
  const waiting = m.start(["jailkit", "apply"]);
  await waiting.until(({ stderr }) => stderr.includes("waiting for jk_init") || undefined);
  m.must(["kill", "-KILL", pid]);
  await holder.ended;
  const { status: ended, stderr } = await waiting.ended;
  expect([ended, stderr]).toEqual([1, expect.stringContaining("'/srv/j/bin/nosuch' does not exist")]);
});

const declaring = [
  ["apply --check", ["jailkit", "apply", "--check", "--json"], (run) => linesIn(run).summary.problems],
  [
    "config check",
    ["jailkit", "config", "check", "--json"],
    (run) => reportOf(configReportSchema, run.stdout).findings,
  ],
] as const satisfies readonly (readonly [
  string,
  readonly string[],
  (run: RunResult) => readonly unknown[],
])[];

test.each(declaring)(
  "an account that another command creates while /etc/passwd is read is in no directory: %s",
  async (_, argv, wrongIn) => {
    m.write(FILE, DECLARED);
    m.must(["jailkit", "apply"]);
    m.write(FILE, `${DECLARED}[user cleo]\njail = ${J}\nshell = /bin/bash\n`);
    const stop = { calls: ["openat", "openat2"], paths: ["/etc/passwd"] };
    const wrong: unknown[] = [];
    let stops = 0;
    for (let at = 1; stops === at - 1; at++) {
      stops = 0;
      const run = await runWithStops(m, argv, stop, () => {
        if (stops < at && ++stops === at) m.must(["useradd", "-m", "cleo"]);
      });
      m.run(["userdel", "-r", "cleo"]);
      wrong.push(...wrongIn(run));
    }
    expect(stops).toBeGreaterThan(1);
    expect(wrong).toEqual([]);
  },
);

describe("nothing that is half done is told as a fault", () => {
  test("while jk_init fills a jail", async () => {
    const run = await wrongDuring(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    expect(run).toEqual({ status: 0, wrong: [] });
    expect(list().jails).toMatchObject([{ path: J, state: "ready" }]);
  });

  test("while apply creates a jail and its users", async () => {
    m.write(FILE, DECLARED);
    expect(await wrongDuring(["jailkit", "apply"])).toEqual({ status: 0, wrong: [] });
    expect(did(m)).toEqual([]);
  });

  test("while apply takes users and the jail away", async () => {
    m.write(FILE, DECLARED);
    m.must(["jailkit", "apply"]);
    m.write(FILE, "");
    const run = await wrongDuring(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect(run).toEqual({ status: 0, wrong: [] });
    expect(m.exists(J)).toBe(false);
  });
});
