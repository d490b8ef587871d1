/**
 * A name service that takes an interrupted system call for a failure: the line about a look-up that waits interrupts none. And
 * one that never answers: a signal ends a plan of `jailkit apply` nevertheless, and no change.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { applySummarySchema } from "../../src/declaration/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const ANSWER = "/run/answer";
const WAITING = ": still waiting for the name services (/etc/nsswitch.conf), now for the user 'ghost'\n";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  const library = compiledC(join(import.meta.dir, "nss-waits.c"), ["-shared", "-fPIC"]);
  const [libc = ""] = /\/\S*\/libc\.so\.6/.exec(m.must(["ldd", "/bin/sh"]).stdout) ?? [];
  m.write(`${dirname(libc)}/libnss_waits.so.2`, readFileSync(library), { mode: 0o755 });
  m.write("/etc/nsswitch.conf", m.read("/etc/nsswitch.conf").replace(/^passwd:.*$/m, "passwd: files waits"));
  for (const jail of ["/srv/a", "/srv/b"]) {
    m.must(["jk_init", "-j", jail, "basicshell"]);
    m.write(`${jail}/etc/passwd`, `${m.read(`${jail}/etc/passwd`)}ghost:x:7001:7001::/home/ghost:/bin/sh\n`);
  }
});
afterAll(() => m?.close());
beforeEach(() => {
  m.remove(ANSWER);
  m.must(["mkfifo", ANSWER]);
});

const SHELL = "user ghost has a /./ but does not have the /usr/sbin/jk_chrootsh shell";

test.each([
  ["jailkit list", ["jailkit", "list"], "ready  ghost "],
  ["jk_check", ["jk_check", "/srv/a"], SHELL],
  ["jk_check", ["jk_check", "--jobs", "2"], SHELL],
  ["jailkit explain", ["jailkit", "explain", "--su", "ghost"], "/bin/sh"],
])("%s: %j", async (tool, words, known) => {
  const run = m.start(words);
  await run.until(({ stderr }) => stderr.includes(`${tool}${WAITING}`) || undefined);
  // It stays there, so every look-up is answered. Something must keep the FIFO open.
  const answer = m.start(["sh", "-c", `exec 3<>${ANSWER}; echo yes >&3; echo up; exec sleep 1000`]);
  await answer.until(({ stdout }) => stdout.includes("up") || undefined);
  const { stdout, stderr } = await run.ended;
  answer.kill();
  expect(stderr).toBe(`${tool}${WAITING}`);
  expect(stdout).toContain(known);
});

/** Answers every look-up, until it is killed. */
async function answering() {
  const answer = m.start([
    "sh",
    "-c",
    `exec 3<>${ANSWER}; echo yes >&3; echo $$ >/run/answering; echo up; exec sleep 1000`,
  ]);
  await answer.until(({ stdout }) => stdout.includes("up") || undefined);
  return answer;
}

describe("jailkit apply, while nobody answers", () => {
  // One that is not ended waits for ever: a test fails soon.
  const LIMIT = 30_000;
  const UNCHANGED = "(nothing was changed; run this again)";
  const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
  const GHOST = "[user ghost]\njail = /srv/a\nshell = /bin/bash\ndirectory = yes\n";

  beforeAll(() => {
    m.write("/run/patient", "");
    m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
    m.write("/etc/jailkit/jails.d/one.ini", `[jail /srv/a]\nsections = basicshell\n${GHOST}`);
  });

  test.each([
    ["SIGHUP", []],
    ["SIGINT", []],
    ["SIGINT", ["--check"]],
    ["SIGTERM", ["--prune"]],
  ] as const)(
    "%s ends its plan at once: %j",
    async (signal, options) => {
      const run = m.start(["jailkit", "apply", ...options]);
      await run.until(({ stderr }) => stderr.includes(WAITING) || undefined);
      m.must(["pkill", `-${signal.slice(3)}`, "-x", "jailkit"]);
      const { stdout, stderr, signal: endedBy } = await run.ended;
      const line = `jailkit apply: interrupted by ${signal} ${UNCHANGED}\n`;
      expect([stdout, stderr, endedBy]).toEqual(["", `jailkit apply${WAITING}${line}`, signal]);
    },
    LIMIT,
  );

  test("--json: the interruption is the problem of the summary", async () => {
    const run = m.start(["jailkit", "apply", "--json"]);
    // It writes no line.
    while (m.run(["sh", "-c", `readlink /proc/[0-9]*/fd/* | grep -q ${ANSWER}`]).status !== 0);
    m.must(["pkill", "-TERM", "-x", "jailkit"]);
    const { stdout, stderr, signal } = await run.ended;
    const { problems, exitStatus } = reportOf(applySummarySchema, stdout);
    expect(problems).toMatchObject([{ code: "interrupted", message: `interrupted by SIGTERM ${UNCHANGED}` }]);
    expect([stderr, signal, exitStatus]).toEqual(["", "SIGTERM", SIGNALS.SIGTERM]);
  });

  test("a signal that comes before the look-up does not wait for it, either", () => {
    const inject = [
      "-P",
      "/etc/nsswitch.conf",
      "-e",
      "trace=openat",
      "-e",
      "inject=openat:signal=INT:when=1",
    ];
    const { stdout, stderr, status } = m.run([
      "strace",
      "-qq",
      "-o",
      "/root/trace",
      ...inject,
      "jailkit",
      "apply",
    ]);
    const line = `jailkit apply: interrupted by SIGINT ${UNCHANGED}\n`;
    expect([stdout, stderr, status]).toEqual(["", line, SIGNALS.SIGINT]);
  });

  test("once something is changed, it waits for the answer, and tells what is done and what is not", async () => {
    m.must(["groupadd", "-g", "7001", "ghosts"]);
    m.write(
      "/etc/jailkit/jails.d/one.ini",
      `[jail /srv/a]\nsections = basicshell\n[user ada]\njail = /srv/a\nshell = /bin/bash\n${GHOST}${GHOST.replace("ghost", "cho").replace("directory = yes\n", "")}`,
    );
    const useradd = "/usr/sbin/useradd";
    m.rename(useradd, `${useradd}.real`);
    // With the account before it is created, the service falls silent.
    m.write(useradd, `#!/bin/sh\nkill $(cat /run/answering)\nexec ${useradd}.real "$@"\n`, { mode: 0o755 });
    await answering();
    const run = m.start(["jailkit", "apply"]);
    await run.until(({ stderr }) => stderr.includes(WAITING) || undefined);
    m.must(["pkill", "-INT", "-x", "jailkit"]);
    const answer = await answering();
    const { stdout, stderr, signal } = await run.ended;
    answer.kill();
    m.rename(`${useradd}.real`, useradd);
    expect(stdout).toContain("\n1 changed, 2 failed, 1 as declared\n");
    const told = "jailkit apply: interrupted by SIGINT (1 of 5 changes are made; run this again)\n";
    expect([signal, stderr]).toEqual(["SIGINT", expect.stringContaining(told)]);
    expect(m.read("/etc/passwd")).not.toContain("\ncho:");
  });
});
