/** --jobs: several processes do what one does, in the same order, and one broken jail or process stops no other. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as z from "zod";
import {
  checkLineSchema,
  checkReportSchema,
  checkSummarySchema,
} from "../../src/check/report/report-schema.ts";
import { updateLineSchema, updateReportSchema, updateSummarySchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const NAMES = ["a", "b", "c", "d", "e", "f"];
const JAILS = NAMES.map((name) => `/srv/${name}`);
const [FIRST = "", , BROKEN = "", KILLED = "", , LAST = ""] = JAILS;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_cp", "jk_update", "jk_check", "jailkit"] });
});
afterAll(async () => m.close());

/** Six jails with a directory that has changed on the host. */
function makeJails(): void {
  for (const path of ["/opt/app", "/var/lib/jailkit", ...JAILS]) m.remove(path);
  for (let each = 0; each < 5; each++) m.write(`/opt/app/${each}`, "1");
  for (const jail of JAILS) {
    m.mkdir(jail, { mode: 0o755 });
    m.must(["jk_cp", "-j", jail, "/opt/app"]);
  }
  for (let each = 0; each < 5; each++) m.write(`/opt/app/${each}`, "2, and longer");
}
beforeEach(makeJails);

const update = (...options: string[]) => m.run(["jk_update", "--all", ...options]);
const content = (jail: string) => m.read(`${jail}/opt/app/4`);
const updated = () => JAILS.filter((jail) => content(jail) === "2, and longer");
const linesOf = (text: string) => text.split("\n").slice(0, -1);

/** As one process does it, and as three. */
function bothWays(...argv: string[]) {
  const [one, three] = ["1", "3"].map((jobs) => m.run([...argv, "--jobs", jobs]));
  expect(three).toEqual(one as NonNullable<typeof one>);
  return three as NonNullable<typeof three>;
}

describe("what is printed is that of one process", () => {
  beforeEach(() => {
    m.must(["chmod", "0777", BROKEN]);
    m.must(["chmod", "0666", `${LAST}/opt/app/1`]);
  });

  test.each(["--check", "--dry-run", "--dry-run --verbose", "--check --json"])("jk_update %s", (words) => {
    const options = words.split(" ");
    const { status, stdout, stderr } = bothWays("jk_update", "--all", ...options);
    expect(status).toBe(options[0] === "--check" ? 10 : 1);
    if (options.includes("--json")) {
      const paths = reportOf(updateReportSchema, stdout).jails.map(({ jail }) => jail);
      expect(paths).toEqual(JAILS);
      return;
    }
    const paths = [...stdout.matchAll(/\/srv\/[a-f]/g)].map(String);
    expect([paths.toSorted(), stderr]).toEqual([paths, expect.stringContaining(BROKEN)]);
  });

  test.each([["--color=never"], ["--color=always"], ["--verbose"], ["--json"], ["--sarif"]])(
    "jk_check %s",
    (option) => {
      const { status, stdout } = bothWays("jk_check", option);
      expect([status, stdout]).toEqual([1, expect.stringContaining(`${LAST}/opt/app/1`)]);
      if (option === "--json") expect(reportOf(checkReportSchema, stdout).jails.length).toBe(JAILS.length);
    },
  );

  test("jk_check gives two files two places outside the jails", () => {
    for (const jail of [FIRST, LAST]) m.must(["mkfifo", `${jail}/opt/app/fifo`]);
    const { stdout } = m.run(["jk_check", "--jobs", "3"]);
    const places = [...stdout.matchAll(/ (\/root\/out-of-jail-fifo\S*)/g)].map(([, place]) => place);
    expect(places.length).toBe(2);
    expect(new Set(places).size).toBe(2);
  });
});

test("jk_update changes every jail but the broken one", () => {
  m.must(["chmod", "0777", BROKEN]);
  const { status, stderr } = update("--jobs", "3");
  expect([status, linesOf(stderr).length]).toEqual([1, 1]);
  expect(stderr).toContain(`${BROKEN}: not a safe jail`);
  expect(updated()).toEqual(JAILS.filter((jail) => jail !== BROKEN));
  m.must(["chmod", "0755", BROKEN]);
  expect(update("--jobs", "3")).toMatchObject({ status: 0, stderr: "" });
  expect(update("--check")).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

/** Sends a signal to the process that renames a file in a directory of a jail. */
const during = (signal: string, jail: string, ...argv: string[]) =>
  m.run([
    ...["strace", "-f", "-qq", "-o", "/dev/null", "-P", `${jail}/opt/app`, "-e"],
    ...[`inject=renameat,renameat2:signal=${signal}:when=2`, ...argv],
  ]);

test("a process that is killed costs its jail alone, and the next run completes it", () => {
  const { status, stderr } = during("KILL", KILLED, "jk_update", "--all", "--jobs", "2");
  expect([status, linesOf(stderr)]).toEqual([
    1,
    [`jk_update: ${KILLED}: the update is not complete: its process was ended by SIGKILL; run this again`],
  ]);
  expect(updated()).toEqual(expect.arrayContaining(JAILS.filter((jail) => jail !== KILLED)));
  expect(update("--jobs", "2")).toMatchObject({ status: 0, stderr: "" });
  expect(updated()).toEqual(JAILS);
});

test("a signal that reaches one of the processes ends the run, after the jails that are begun", () => {
  const interrupted = () => during("INT", FIRST, "jk_update", "--all", "--jobs", "2");
  let { signal, stderr } = interrupted();
  // On a busy machine the other process may have done the rest.
  for (let round = 0; round < 20 && stderr.includes("when the work was done"); round++) {
    makeJails();
    ({ signal, stderr } = interrupted());
  }
  expect([signal, stderr]).toEqual([
    "SIGINT",
    expect.stringMatching(/interrupted by SIGINT \(\d of 6 jails/),
  ]);
  expect(updated().length).toBeLessThan(JAILS.length);
  for (const jail of JAILS) expect(["1", "2, and longer"]).toContain(content(jail));
  expect(update("--jobs", "2")).toMatchObject({ status: 0, stderr: "" });
  expect(updated()).toEqual(JAILS);
});

test("Ctrl-C ends the run while a jail waits for its lock", async () => {
  const name = new Bun.CryptoHasher("sha256").update(LAST).digest("hex").slice(0, 32);
  const lock = `/var/lib/jailkit/locks/path-${name}`;
  m.write(lock, "", { mode: 0o600 });
  const holder = m.start([
    "perl",
    "-e",
    `open F, '<', '${lock}'; flock F, 2; $| = 1; print 'held'; sleep 600`,
  ]);
  await holder.until(({ stdout }) => (stdout === "held" ? true : undefined));
  const run = m.start(["jk_update", "--all", "--json=lines", "--jobs", "2"]);
  await run.until(({ stdout }) => (linesOf(stdout).length === 5 ? true : undefined));
  run.kill("SIGINT");
  await run.until(({ stdout }) => (linesOf(stdout).length === 6 ? true : undefined));
  const { signal, stdout } = await run.ended;
  expect(signal).toBe("SIGINT");
  const summary = reportOf(updateSummarySchema, linesOf(stdout).at(-1) ?? "");
  expect(summary).toMatchObject({ jails: 5, exitStatus: 130, problems: [{ code: "interrupted" }] });
  holder.kill();
  expect(update()).toMatchObject({ status: 0, stderr: "" });
  expect(updated()).toEqual(JAILS);
});

describe("--json=lines: an object for each jail, and one for the whole", () => {
  const parsed = <S extends z.ZodType>(schema: S, stdout: string) =>
    linesOf(stdout).map((line) => reportOf(schema, line));

  test.each(["1", "3"])("with --jobs %s", (jobs) => {
    const { status, stdout } = update("--check", "--json=lines", "--jobs", jobs);
    const lines = parsed(z.union([updateLineSchema, updateSummarySchema]), stdout);
    const jails = lines.flatMap((line) => ("jail" in line ? line.jail : []));
    expect(jails.map(({ jail }) => jail).sort()).toEqual(JAILS);
    expect(jails.map(({ state }) => state)).toEqual(JAILS.map(() => "pending"));
    expect([status, lines.at(-1)]).toMatchObject([10, { dryRun: true, jails: 6, exitStatus: 10 }]);

    const checked = m.run(["jk_check", "--json=lines", "--jobs", jobs]);
    const found = parsed(z.union([checkLineSchema, checkSummarySchema]), checked.stdout);
    const paths = found.flatMap((line) => ("jail" in line ? line.jail.path : []));
    expect(paths.sort()).toEqual(JAILS);
    expect(found.at(-1)).toMatchObject({ jails: 6, exitStatus: checked.status });
  });

  test("any other word is an error", () => {
    const { status, stderr } = update("--json=line");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("does not take an argument, except 'lines'"),
    ]);
    for (const jobs of ["0", "257", "-1", "two", "1.5"]) {
      const refused = [update(`--jobs=${jobs}`).status, m.run(["jk_check", `--jobs=${jobs}`]).status];
      expect([jobs, ...refused]).toEqual([jobs, 1, 2]);
    }
  });
});
