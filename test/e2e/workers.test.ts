/** Processes of --jobs that die: each costs the jail that it was working on, which is reported, and no other. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import * as z from "zod";
import {
  checkLineSchema,
  checkReportSchema,
  checkSummarySchema,
} from "../../src/check/report/report-schema.ts";
import { updateLineSchema, updateReportSchema, updateSummarySchema } from "../../src/update/report-schema.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAILS = ["a", "b", "c", "d"].map((name) => `/srv/${name}`);
const [FIRST = "", SECOND = "", , LAST = ""] = JAILS;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_cp", "jk_update", "jk_check", "jailkit"] });
  for (const jail of JAILS) m.mkdir(jail, { mode: 0o755 });
});
afterAll(() => m?.close());

let round = 0;
/** Every jail is whole, and then its directory changes on the host. */
beforeEach(() => {
  m.mkdir("/opt/app");
  m.write("/opt/app/file", "1");
  for (const jail of JAILS) m.must(["jk_cp", "-f", "-j", jail, "/opt/app"]);
  m.write("/opt/app/file", `a new one, ${"x".repeat(++round)}`);
});

const updated = (jail: string) => m.read(`${jail}/opt/app/file`) === m.read("/opt/app/file");
const linesOf = (text: string) => text.split("\n").slice(0, -1);
const others = (...jails: string[]) => JAILS.filter((jail) => !jails.includes(jail));

/** Runs a tool; a process gets a signal as soon as it looks into one of these jails. */
const during = (signal: string, jails: readonly string[], ...argv: string[]) =>
  m.run([
    ...["strace", "-f", "-qq", "-o", "/dev/null", ...jails.flatMap((jail) => ["-P", `${jail}/opt/app`])],
    ...["-e", `inject=getdents64,renameat,renameat2:signal=${signal}:when=1`, ...argv],
  ]);

const lostUpdate = (jail: string, how = "SIGKILL") =>
  `jk_update: ${jail}: the update is not complete: its process was ended by ${how}; run this again`;
const lostCheck = (jail: string, how = "SIGKILL") =>
  `jk_check: ${jail}: cannot be checked: its process was ended by ${how}`;

describe.each(["1", "2", "4"])("with --jobs %s", (jobs) => {
  const check = (signal: string, jails: readonly string[], ...options: string[]) =>
    during(signal, jails, "jk_check", "--jobs", jobs, ...options);
  const update = (signal: string, jails: readonly string[], ...options: string[]) =>
    during(signal, jails, "jk_update", "--all", "--jobs", jobs, ...options);

  test.each(["KILL", "SEGV", "ABRT"])("jk_check: SIG%s costs one jail", (signal) => {
    const { status, stdout, stderr } = check(signal, [SECOND]);
    expect([status, linesOf(stderr)]).toEqual([2, [lostCheck(SECOND, `SIG${signal}`)]]);
    for (const jail of others(SECOND)) expect(stdout).toContain(`${jail}/opt/app/file`);
    expect(stdout).not.toContain(`${SECOND}/opt`);
  });

  test("jk_check --json: the report has every jail, in order", () => {
    const { status, stdout } = check("KILL", [SECOND, LAST], "--json");
    const { jails, exitStatus } = reportOf(checkReportSchema, stdout);
    expect([status, exitStatus, jails.map(({ path }) => path)]).toEqual([2, 2, JAILS]);
    const problems = jails.map((jail) => jail.problems.map(({ code }) => code));
    expect(problems).toEqual([[], ["lost"], [], ["lost"]]);
    expect(jails.map(({ findings }) => findings.length > 0)).toEqual([true, false, true, false]);
  });

  test("jk_check --json=lines: a line for every jail", () => {
    const { status, stdout } = check("KILL", [FIRST], "--json=lines");
    const lines = linesOf(stdout).map((line) =>
      reportOf(z.union([checkLineSchema, checkSummarySchema]), line),
    );
    const jails = lines.flatMap((line) => ("jail" in line ? line.jail : []));
    const lost = jails.filter(({ problems }) => problems.some(({ code }) => code === "lost"));
    expect([status, lost.map(({ path }) => path)]).toEqual([2, [FIRST]]);
    expect(jails.map(({ path }) => path).sort()).toEqual(JAILS);
    expect(lines.at(-1)).toMatchObject({ jails: JAILS.length, exitStatus: 2 });
  });

  test("jk_update --all: SIGKILL costs one jail, and the next run completes it", () => {
    const { status, stderr } = update("KILL", [SECOND]);
    expect([status, linesOf(stderr)]).toEqual([1, [lostUpdate(SECOND)]]);
    expect(JAILS.filter(updated)).toEqual(expect.arrayContaining(others(SECOND)));
    expect(m.run(["jk_update", "--all", "--jobs", jobs])).toMatchObject({ status: 0, stderr: "" });
    expect(JAILS.filter(updated)).toEqual(JAILS);
  });

  test("jk_update --all --json: failed, and not up to date", () => {
    const { status, stdout } = update("KILL", [FIRST, LAST], "--json");
    const { jails, problems, exitStatus } = reportOf(updateReportSchema, stdout);
    expect([status, exitStatus]).toEqual([1, 1]);
    expect(jails.map(({ jail, state }) => [jail, state])).toEqual(
      JAILS.map((jail) => [jail, [FIRST, LAST].includes(jail) ? "failed" : "updated"]),
    );
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ["lost", FIRST],
      ["lost", LAST],
    ]);
  });

  test("jk_update --all --json=lines: the same, one by one", () => {
    const { status, stdout } = update("KILL", [LAST], "--json=lines");
    const lines = linesOf(stdout).map((line) =>
      reportOf(z.union([updateLineSchema, updateSummarySchema]), line),
    );
    const jails = lines.flatMap((line) => ("jail" in line ? line.jail : []));
    expect(jails.map(({ jail }) => jail).sort()).toEqual(JAILS);
    expect(jails.filter(({ state }) => state === "failed").map(({ jail }) => jail)).toEqual([LAST]);
    expect([status, lines.at(-1)]).toMatchObject([
      1,
      { jails: 4, exitStatus: 1, problems: [{ code: "lost" }] },
    ]);
  });

  test("processes that die in every jail leave none that counts as done", () => {
    const checked = check("KILL", JAILS);
    expect([checked.status, linesOf(checked.stderr)]).toEqual([2, JAILS.map((jail) => lostCheck(jail))]);
    const all = update("KILL", JAILS);
    expect([all.status, linesOf(all.stderr)]).toEqual([1, JAILS.map((jail) => lostUpdate(jail))]);
  });
});

describe("one waits for the lock of its jail", () => {
  const nameOf = (jail: string) => new Bun.CryptoHasher("sha256").update(jail).digest("hex").slice(0, 32);
  let holder: MachineProcess;
  let run: MachineProcess;
  afterEach(() => holder.kill());
  const workers = () => linesOf(m.run(["pgrep", "-f", "^jk_update --worker$"]).stdout);
  /** The processes that have the lock open. */
  const waiting = (jail: string) =>
    workers().filter((pid) => m.must(["ls", "-l", `/proc/${pid}/fd`]).stdout.includes(nameOf(jail)));

  /** Starts an update, one process for each jail, and waits until all but this one are up to date, and this one waits. */
  async function updateAllBut(jail: string, ...options: string[]): Promise<void> {
    const lock = `/var/lib/jailkit/locks/path-${nameOf(jail)}`;
    m.write(lock, "", { mode: 0o600 });
    const lines = `open F, '<', '${lock}'; flock F, 2; $| = 1; print 'held'; sleep 600`;
    holder = m.start(["perl", "-e", lines]);
    await holder.until(({ stdout }) => (stdout === "held" ? true : undefined));
    run = m.start(["jk_update", "--all", "--jobs", "9", ...options]);
    const files = others(jail).map((one) => `${one}/opt/app/file`);
    const same = files.map((file) => `until cmp -s /opt/app/file ${file}; do :; done`);
    m.must(["sh", "-c", same.join("\n")]);
    // On a busy machine its process may come last.
    while (waiting(jail).length === 0) m.must(["true"]);
  }
  const lines = (count: number) => run.until(({ stdout }) => linesOf(stdout).length === count || undefined);
  const summary = async () => {
    const { status, stdout } = await run.ended;
    return [status, reportOf(updateSummarySchema, linesOf(stdout).at(-1) ?? "")] as const;
  };

  test("there is one process for each jail, and an idle one that is killed costs nothing", async () => {
    await updateAllBut(LAST, "--json=lines");
    await lines(3);
    const all = workers();
    expect(all.length).toBe(JAILS.length);
    const [busy = "none", ...more] = waiting(LAST);
    expect(more).toEqual([]);
    for (const pid of all) if (pid !== busy) m.must(["kill", "-KILL", pid]);
    holder.kill();
    expect(await summary()).toMatchObject([0, { jails: 4, problems: [] }]);
    expect(JAILS.filter(updated)).toEqual(JAILS);
    expect(workers()).toEqual([]);
  });

  test("the waiting one that is killed costs its jail", async () => {
    await updateAllBut(LAST, "--json=lines");
    await lines(3);
    for (const pid of waiting(LAST)) m.must(["kill", "-KILL", pid]);
    expect(await summary()).toMatchObject([1, { jails: 4, problems: [{ code: "lost", path: LAST }] }]);
    expect(JAILS.filter(updated)).toEqual(others(LAST));
  });

  test("what is printed is in the order of the jails, though the first comes last", async () => {
    await updateAllBut(FIRST);
    expect(run.stdout).toBe("");
    holder.kill();
    const { status, stdout } = await run.ended;
    const printed = [...stdout.matchAll(/Copying \S+ to (\/srv\/.)/g)].map(([, jail]) => jail);
    expect([status, printed]).toEqual([0, JAILS]);
  });

  test("a signal does not lose what waits to be printed", async () => {
    await updateAllBut(FIRST);
    run.kill("SIGINT");
    const { status, stderr } = await run.ended;
    expect([status, linesOf(stderr).at(-1)]).toEqual([
      130,
      "jk_update: interrupted by SIGINT (3 of 4 jails are done); run this again",
    ]);
  });

  test("the report of an interrupted run names a jail that is not done", async () => {
    await updateAllBut(FIRST, "--json=lines");
    await lines(3);
    run.kill("SIGINT");
    const problems = [{ code: "interrupted", path: FIRST }];
    expect(await summary()).toMatchObject([130, { jails: 3, exitStatus: 130, problems }]);
  });

  test("the first process that is killed leaves no other behind", async () => {
    await updateAllBut(LAST);
    expect(workers().length).toBe(JAILS.length);
    run.kill();
    await run.ended;
    holder.kill();
    m.must(["sh", "-c", `while pgrep -f '^jk_update --worker$' > /dev/null; do :; done`]);
  });
});

test("without proc(5), one process does it all", () => {
  const apart = (...argv: string[]) =>
    m.run(["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh", ...argv]);
  const checked = apart("jk_check", "--json", "--jobs", "2");
  expect([checked.status, checked.stderr]).toEqual([1, ""]);
  expect(reportOf(checkReportSchema, checked.stdout).jails.map(({ path }) => path)).toEqual(JAILS);
  const { status, stdout, stderr } = apart("jk_update", "--all", "--json", "--jobs", "2");
  expect([status, stderr]).toEqual([0, ""]);
  expect(reportOf(updateReportSchema, stdout).jails.map(({ state }) => state)).toEqual(
    JAILS.map(() => "updated"),
  );
});
