/** How many jails are done, on the last line of a real terminal: shown while the work lasts, and erased without a trace. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { defaultPath } from "../machine/request.ts";
import { screenOf } from "../machine/screen.ts";
import { openTerminal, type Terminal } from "../machine/terminal.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const bytes = (text: string) => Buffer.from(text).toString("latin1");
const text = (output: string) => Buffer.from(output, "latin1").toString();
const CTRL_C = "\x03";
const HOSTILE = "/srv/b\x1b[2J\rroot";
const WIDE = "/srv/日本語";
/** The last in every order, and wide. */
const SLOW = bytes(WIDE);
const JAILS = ["/srv/a", HOSTILE, "/srv/c", SLOW];
const LOCK = `/var/lib/jailkit/locks/path-${new Bun.CryptoHasher("sha256").update(Buffer.from(SLOW, "latin1")).digest("hex").slice(0, 32)}`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_cp", "jk_update", "jk_check", "jailkit"] });
  m.write("/opt/app/file", "1");
  for (const jail of JAILS) {
    m.mkdir(jail, { mode: 0o755 });
    m.must(["jk_cp", "-j", jail, "/opt/app"]);
  }
  // Its problem is printed, with its name.
  m.must(["chmod", "0777", HOSTILE]);
});
afterAll(() => m?.close());
let holder: MachineProcess | undefined;
afterEach(async () => {
  holder?.kill();
  await holder?.ended;
});

/** Holds the lock of the slow jail until it is killed. */
async function holdLock(): Promise<void> {
  m.write(LOCK, "", { mode: 0o600 });
  const lines = `open F, '<', '${LOCK}'; flock F, 2; $| = 1; print 'held'; sleep 600`;
  holder = m.start(["perl", "-e", lines]);
  await holder.until(({ stdout }) => (stdout === "held" ? true : undefined));
}

const release = () => holder?.kill();

/** jk_check, whose process stops itself in a jail: see `goOn`. */
const stopping = (jail: string, ...words: string[]) => [
  ...["strace", "-f", "-qq", "-o", "/dev/null", "-P", `${jail}/opt/app`],
  ...["-e", "inject=getdents64:signal=STOP:when=1", "jk_check", ...words],
];
const goOn = () => m.must(["pkill", "-CONT", "-f", "^jk_check --worker$"]);

type At = NonNullable<Parameters<typeof openTerminal>[2]>;
const at = (words: readonly string[], { term = "xterm", ...options }: At & { term?: string } = {}) =>
  openTerminal(m, words, { env: { TERM: term, PATH: defaultPath }, ...options });

/** All that the terminal got, and its screen at the end. */
async function ended(terminal: Terminal, columns = 80) {
  const { status, stdout } = await terminal.process.ended;
  const output = text(stdout);
  const rows = screenOf(output, columns);
  // The next prompt is at the beginning of an empty line.
  expect(rows.at(-1)).toBe("");
  return { status, output, screen: rows.slice(0, -1) };
}

const COUNTER = "jk_update: 3 of 4 jails (75 %)";
const PROBLEM = String.raw`jk_update: /srv/b\x1b[2J\x0droot: not a safe jail: /srv/b\x1b[2J\x0droot is writ`;
const WAITING = `jk_update: waiting for another tool to finish with ${WIDE}`;

describe("jk_update --all", () => {
  const update = (...words: string[]) => ["jk_update", "--all", ...words];

  test.each(["1", "2"])("shows how many jails are done, also while one waits (--jobs %s)", async (jobs) => {
    await holdLock();
    const terminal = at(update("--jobs", jobs));
    await terminal.see(COUNTER);
    await terminal.see(WAITING);
    await terminal.see(COUNTER);
    release();
    const { status, screen } = await ended(terminal);
    expect([status, screen.slice(0, 1), screen.slice(-1)]).toEqual([1, [PROBLEM], [WAITING]]);
    expect(screen.join("\n")).not.toContain("75 %");
  });

  test("on a narrow terminal shows what fits on a line", async () => {
    await holdLock();
    const terminal = at(update(), { columns: 20 });
    await terminal.see("3 of 4 (75 %)");
    await terminal.see(WIDE);
    await terminal.see("3 of 4 (75 %)");
    release();
    const { screen } = await ended(terminal, 20);
    const start = screen.indexOf(WAITING.slice(0, 20).trimEnd());
    expect(screen.slice(start).join(" ").replaceAll(" ", "")).toBe(WAITING.replaceAll(" ", ""));
    expect(screen.join("").replaceAll(" ", "")).toStartWith(PROBLEM.replaceAll(" ", ""));
    expect(screen.join("\n")).not.toContain("75 %");
  });

  test("Ctrl-C leaves nothing of the counter, nor of itself", async () => {
    await holdLock();
    const terminal = at(update());
    await terminal.see(COUNTER);
    terminal.process.write(CTRL_C);
    const { status, screen } = await ended(terminal);
    expect([status, screen.at(-1)]).toEqual([
      130,
      "jk_update: interrupted by SIGINT (3 of 4 jails are done); run this again",
    ]);
    expect(screen.join("\n")).not.toMatch(/75 %|\^C/);
  });

  /** Waits until the message is in the file or on the terminal. */
  async function seen(terminal: Terminal): Promise<void> {
    const follow = m.start(["tail", "-F", "-n", "+1", "/tmp/err"]);
    const both = [terminal.process, follow].map((one) =>
      one.until(({ stdout }) => text(stdout).includes(WAITING) || undefined),
    );
    await Promise.any(both);
    follow.kill();
  }

  test.each([
    ["standard error is no terminal", 'exec "$@" 2> /tmp/err', "xterm"],
    ["the terminal cannot erase", 'exec "$@"', "dumb"],
    ["nobody knows what the terminal can do", 'exec "$@"', ""],
  ])("shows no counter if %s", async (_, line, term) => {
    m.write("/tmp/err", "");
    await holdLock();
    const terminal = at(["sh", "-c", line, "sh", ...update()], { term });
    await seen(terminal);
    release();
    const { output } = await ended(terminal);
    const all = text(m.read("/tmp/err")) + output;
    expect(all).toContain(PROBLEM);
    expect(all).not.toMatch(/\x1b|of 4/);
  });

  test("standard output that is a file gets the report alone", async () => {
    await holdLock();
    const terminal = at(["sh", "-c", 'exec "$@" > /tmp/out', "sh", ...update("--json")]);
    await terminal.see(COUNTER);
    release();
    expect((await ended(terminal)).screen).toEqual([]);
    const { jails } = reportOf(updateReportSchema, m.read("/tmp/out"));
    expect([jails.length, jails.at(-1)?.jail]).toEqual([JAILS.length, WIDE]);
  });
});

test("jk_cp counts entries, and the line disappears with the work", async () => {
  for (let each = 0; each < 20; each++) m.write(`/opt/more/${each}`, "x");
  m.mkdir("/srv/new", { mode: 0o755 });
  // The third file takes longer than what is too short for a counter.
  const slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=linkat:delay_enter=700000:when=3"];
  const terminal = at([...slow, "jk_cp", "-j", "/srv/new", "/opt/more"]);
  await terminal.see(/jk_cp: \d+ of 22 entries \(\d+ %\)/);
  const { status, screen } = await ended(terminal);
  expect([status, screen.length]).toEqual([0, 20]);
  expect(screen.filter((line) => !line.startsWith("Copying /opt/more/"))).toEqual([]);
  m.must(["jailkit", "delete", "--yes", "/srv/new"]);
});

describe("jk_check", () => {
  const SHOWN = "jk_check: 3 of 4 jails (75 %)";

  test.each(["1", "2"])("shows how many jails are done (--jobs %s)", async (jobs) => {
    const terminal = at(stopping(SLOW, "--jobs", jobs));
    await terminal.see(SHOWN);
    goOn();
    const { status, screen } = await ended(terminal);
    expect(status).toBe(1);
    expect(screen.join("\n")).toContain(String.raw`/srv/b\x1b[2J\x0droot`);
    expect(screen.join("\n")).not.toContain("75 %");
  });

  test("on a narrow terminal, with a report in a file", async () => {
    const words = ["sh", "-c", 'exec "$@" > /tmp/out', "sh", ...stopping(SLOW, "--json")];
    const terminal = at(words, { columns: 20 });
    await terminal.see("3 of 4 (75 %)");
    goOn();
    expect((await ended(terminal, 20)).screen).toEqual([]);
    const { jails } = reportOf(checkReportSchema, m.read("/tmp/out"));
    expect([jails.length, jails.at(-1)?.path]).toEqual([JAILS.length, WIDE]);
  });

  test("Ctrl-C leaves nothing of the counter, and the message counts what is done", async () => {
    const terminal = at(stopping("/srv/a", "--jobs", "1"));
    await terminal.see("jk_check: 0 of 4 jails (0 %)");
    terminal.process.write(CTRL_C);
    // The signal ends the process as soon as that goes on.
    m.must([
      "sh",
      "-c",
      "until grep -q '^ShdPnd:.*2$' /proc/$(pgrep -f '^jk_check --worker$')/status; do :; done",
    ]);
    goOn();
    const { status, screen } = await ended(terminal);
    expect([status, screen]).toEqual([
      130,
      ["jk_check: interrupted by SIGINT (0 of 4 jails are checked); run this again"],
    ]);
  });
});
