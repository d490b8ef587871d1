/**
 * `jailkit apply` that a signal interrupts: what is done is shown as done, the rest as not done, nothing is half done, and the
 * next run goes on.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { applySummarySchema } from "../../src/declaration/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { defaultPath } from "../machine/request.ts";
import { screenOf } from "../machine/screen.ts";
import { openTerminal } from "../machine/terminal.ts";
import { reportOf } from "../report.ts";
import { holdLock, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(180_000);

const SIGNALS = { INT: 130, TERM: 143, HUP: 129 } as const;
type Signal = keyof typeof SIGNALS;
const signals = Object.keys(SIGNALS) as Signal[];
const JAILS = { "/srv/a": ["ada", "ann"], "/srv/b": ["bea", "ben"], "/srv/c": ["cho"] } as const;
const USERS = Object.values(JAILS).flat();
const MEMORY = "/var/lib/jailkit/declared.json";
const USERADD = "/usr/sbin/useradd";
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  const text = Object.entries(JAILS).map(([jail, users]) =>
    [
      `[jail ${jail}]\nsections = uidbasics\nlog_socket = yes\n`,
      ...users.map((user) => `[user ${user}]\njail = ${jail}\nallow = sftp\n`),
    ].join("\n"),
  );
  m.write("/etc/jailkit/jails.ini", text.join("\n"));
  m.rename(USERADD, `${USERADD}.real`);
});
afterAll(() => m?.close());

beforeEach(() => {
  for (const user of USERS) m.run(["userdel", user]);
  for (const path of [...Object.keys(JAILS), "/var/lib/jailkit", "/etc/jailkit/jk_socketd.d"]) m.remove(path);
});

/** useradd(8), which sends a signal to apply while it creates one user. */
const signalAt = (user: string, signal: Signal | "KILL") =>
  m.write(
    USERADD,
    `#!/bin/sh\ncase "$*" in *" ${user}") kill -${signal} $PPID;; esac\nexec ${USERADD}.real "$@"\n`,
    { mode: 0o755 },
  );

const isThere = (user: string) => new RegExp(`^${user}:`, "m").test(m.read("/etc/passwd"));
const there = () => USERS.filter(isThere);
const leftovers = () => m.must(["find", "/srv", "/var/lib/jailkit", "/etc", "-name", ".jk-*"]).stdout;

/** Nothing is half done, and the next run does the rest. */
function goesOn(): void {
  expect(leftovers()).toBe("");
  for (const [jail, users] of Object.entries(JAILS))
    for (const user of users) {
      const inside = m.exists(`${jail}/etc/passwd`) ? m.read(`${jail}/etc/passwd`) : "";
      const isIn = `\n${inside}`.includes(`\n${user}:`);
      expect([user, isIn, m.exists(`${jail}/home/${user}`)]).toEqual([user, isThere(user), isThere(user)]);
    }
  expect(m.run(["jailkit", "apply"]).status).toBe(0);
  expect(there()).toEqual(USERS);
  for (const jail of Object.keys(JAILS)) expect(m.run(["jk_check", jail]).stdout).toBe("");
  expect(m.run(["jailkit", "apply"]).stdout).toBe("0 changed, 0 failed, 8 as declared\n");
}

/** The lines without warnings and their places. */
const withoutWarnings = (text: string) =>
  text.replaceAll(/^.*: warning: .*\n(?: {2}declared in .*\n)?/gm, "").split("\n");

test.each(signals)("SIG%s: what is done is told, and what is not", (signal) => {
  signalAt("bea", signal);
  const { stdout, stderr, status, signal: endedBy } = m.run(["jailkit", "apply"]);
  expect([status, endedBy]).toEqual([SIGNALS[signal], `SIG${signal}`]);
  // useradd is left to finish, and so is what belongs to the same account.
  expect(there()).toEqual(["ada", "ann", "bea"]);
  expect(stdout).toContain("\nuser bea: account in /srv/b, home /home/bea, shell /usr/sbin/jk_lsh: done\n");
  expect(withoutWarnings(stderr)).toEqual([
    "jailkit apply: user ben: not done: policy",
    "jailkit apply: user ben: not done: account",
    "jailkit apply: jail /srv/c: not done: sections",
    "jailkit apply: jail /srv/c: not done: log-socket",
    "jailkit apply: user cho: not done: policy",
    "jailkit apply: user cho: not done: account",
    `jailkit apply: interrupted by SIG${signal} (10 of 16 changes are made; run this again)`,
    "",
  ]);
  goesOn();
});

test("--json: the interruption is a problem of the summary, and the exit status stands in it", () => {
  signalAt("ada", "TERM");
  const { changes, summary, stderr } = linesOf(m);
  expect(changes.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 4 }, () => "done" as const),
    ...Array.from({ length: 12 }, () => "not-done" as const),
  ]);
  expect(summary).toMatchObject({ changed: 2, failed: 6, exitStatus: 143 });
  expect(summary.problems).toEqual([
    {
      code: "interrupted",
      path: "ann",
      message: "user ann: interrupted by SIGTERM (4 of 16 changes are made; run this again)",
      ...{ file: "/etc/jailkit/jails.ini", line: 9, column: 7, finding: null, remedy: null, waitsFor: null },
    },
  ]);
  expect(stderr).toBe("");
  goesOn();
});

/** Sends a signal to apply when it reads which sections there are, which is before it acts. */
const planning = (signal: Signal) => [
  ...["strace", "-qq", "-o", "/root/trace", "-P", "/etc/jailkit/jk_init.ini"],
  ...["-e", "trace=read", "-e", `inject=read:signal=${signal}:when=1`],
];

const UNCHANGED = "(nothing was changed; run this again)";

test.each(signals.flatMap((signal) => [[], ["--check"]].map((options) => ({ signal, options }))))(
  "SIG$signal while it still plans: $options",
  ({ signal, options }) => {
    signalAt("nobody", signal);
    const { stdout, stderr, status } = m.run([...planning(signal), "jailkit", "apply", ...options]);
    const line = `jailkit apply: interrupted by SIG${signal} ${UNCHANGED}\n`;
    expect([stdout, stderr, status]).toEqual(["", line, SIGNALS[signal]]);
    expect(there()).toEqual([]);
    expect(Object.keys(JAILS).filter((jail) => m.exists(jail))).toEqual([]);
    if (options.length === 0) goesOn();
  },
);

test("--json, while it still plans: the interruption is the problem of the summary", () => {
  signalAt("nobody", "INT");
  const { stdout, stderr, status } = m.run([...planning("TERM"), "jailkit", "apply", "--json"]);
  const { problems, exitStatus } = reportOf(applySummarySchema, stdout);
  const message = `interrupted by SIGTERM ${UNCHANGED}`;
  expect(problems).toMatchObject([{ code: "interrupted", message }]);
  expect([stderr, exitStatus, status]).toEqual(["", 143, 143]);
  const other = [...planning("TERM"), "jailkit", "apply", "--json", "jails.ini"];
  const named = reportOf(applySummarySchema, m.run(other, { cwd: "/etc/jailkit" }).stdout);
  const file = "/etc/jailkit/jails.ini";
  expect(named.problems).toMatchObject([{ code: "interrupted", path: file, file }]);
});

test("while a jail is filled: its files are in place or not there, and its users come with the next run", () => {
  signalAt("nobody", "INT");
  const inject = ["-o", "/root/trace", "-e", "inject=linkat:signal=INT:when=2"];
  const { stderr, signal } = m.run(["strace", ...inject, "jailkit", "apply"]);
  const [first = "", ...more] = withoutWarnings(stderr.trimEnd());
  expect([signal, more.at(-1)]).toEqual([
    "SIGINT",
    "jailkit apply: interrupted by SIGINT (0 of 16 changes are made; run this again)",
  ]);
  expect(first).toMatch(
    /^jailkit apply: jail \/srv\/a: .*interrupted by SIGINT \(\d+ of \d+ objects are in place\)/,
  );
  const [place, ...rest] = more;
  expect(place).toStartWith("  declared in /etc/jailkit/jails.ini:");
  expect(rest.slice(0, -1).every((line) => line.includes(": not done: "))).toBe(true);
  goesOn();
});

test("--json, while a jail is filled: all that the signal has stopped has the same code", () => {
  signalAt("nobody", "INT");
  const inject = ["-o", "/root/trace", "-e", "inject=linkat:signal=INT:when=2"];
  const { stdout } = m.run(["strace", ...inject, "jailkit", "apply", "--json"]);
  const { problems } = reportOf(applySummarySchema, stdout.trimEnd().split("\n").at(-1) ?? "");
  expect(problems.map(({ code, path }) => [code, path])).toEqual([
    ["interrupted", "/srv/a"],
    ["interrupted", "/srv/a"],
  ]);
  goesOn();
});

test("a run that is killed: the accounts that it created are removed by --prune, with their homes", () => {
  signalAt("ben", "KILL");
  expect(m.run(["jailkit", "apply"]).signal).toBe("SIGKILL");
  expect(there()).toContain("bea");
  m.write("/etc/jailkit/jails.d/none.ini", "");
  m.rename("/etc/jailkit/jails.ini", "/etc/jailkit/kept");
  try {
    m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
    // useradd was at work for the last one.
    expect(there()).toEqual([]);
    expect(USERS.filter((user) => m.run(["find", "/srv", "-name", user]).stdout !== "")).toEqual([]);
  } finally {
    m.rename("/etc/jailkit/kept", "/etc/jailkit/jails.ini");
    m.remove("/etc/jailkit/jails.d/none.ini");
  }
});

test("on a terminal it counts the changes, and Ctrl-C ends it while it waits for another tool", async () => {
  signalAt("nobody", "INT");
  const holder = await holdLock(m, "/srv/b");
  try {
    // The first file takes longer than what is too short for a counter.
    const slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=linkat:delay_enter=700000:when=1"];
    const options = { env: { TERM: "xterm", PATH: defaultPath } };
    const terminal = openTerminal(m, [...slow, "jailkit", "apply"], options);
    await terminal.see("jailkit apply: 6 of 16 changes (37 %)");
    await terminal.see("jailkit apply: waiting for another tool to finish with /srv/b");
    terminal.process.write("\x03");
    // Nobody releases the lock.
    const { status, stdout } = await terminal.process.ended;
    const screen = screenOf(stdout, 80).join("\n");
    expect(status).toBe(130);
    expect(screen).toContain("(6 of 16 changes are made; run this");
    expect(screen).not.toContain("37 %");
    expect(there()).toEqual(["ada", "ann"]);
  } finally {
    holder.kill();
    await holder.ended;
  }
  goesOn();
});

test("--no-wait: a removal that another tool keeps waiting is to be tried again, by its code and the exit status", async () => {
  signalAt("nobody", "INT");
  m.must(["jailkit", "apply"]);
  const text = m.read("/etc/jailkit/jails.ini");
  m.write("/etc/jailkit/jails.ini", text.replace(/\[user cho\][^[]*/, ""));
  m.write("/etc/jailkit/jails.d/x.ini", "");
  const holder = await holdLock(m, "/srv/c");
  try {
    const { changes, summary } = linesOf(m, "--prune", "--no-wait");
    expect(changes.map(({ name, status }) => [name, status])).toEqual([["cho", "failed"]]);
    expect(summary).toMatchObject({ failed: 1, exitStatus: 75, problems: [{ code: "busy", path: "cho" }] });
  } finally {
    holder.kill();
    await holder.ended;
    m.remove("/etc/jailkit/jails.d/x.ini");
    m.write("/etc/jailkit/jails.ini", text);
  }
});

test("a run that cannot read what was declared ends with that in its last line", () => {
  m.remove(MEMORY);
  m.mkdir(MEMORY);
  const { status, summary } = linesOf(m, "--check");
  expect([status, summary.problems]).toMatchObject([
    1,
    [
      {
        ...{ code: "bad-state", path: MEMORY, file: MEMORY, remedy: `mv -nT ${MEMORY} ${MEMORY}.old` },
        message: expect.stringContaining("declared.json: is not a regular file; move it away"),
      },
    ],
  ]);
});
