/**
 * Ctrl-C, kill(1) and a closed terminal in the middle of what changes something: nothing half done is left, one line
 * tells what happened, the process ends by that signal, and the same command goes on.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check, summary } from "./check-helper.ts";

setDefaultTimeout(300_000);

const JAIL = "/srv/j";
const SIGNALS = { INT: 130, TERM: 143, HUP: 129 } as const;
type Signal = keyof typeof SIGNALS;
const signals = Object.keys(SIGNALS) as Signal[];
let m: Machine;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: [
      "jk_init",
      "jk_cp",
      "jk_update",
      "jk_check",
      "jk_jailuser",
      "jk_addjailuser",
      "jk_chrootsh",
      "jailkit",
    ],
  });
  m.mkdir("/srv/keys");
  for (const name of ["passwd", "shadow", "group", "gshadow"])
    m.must(["cp", "-a", `/etc/${name}`, "/srv/keys"]);
});
afterAll(() => m?.close());

/** A jail with a directory of 20 files that has changed on the host, and an account outside of it. */
beforeEach(() => {
  for (const path of [JAIL, "/opt/app", "/var/lib/jailkit", "/home/bob"]) m.remove(path);
  for (const name of ["passwd", "shadow", "group", "gshadow"])
    m.must(["cp", "-a", `/srv/keys/${name}`, "/etc"]);
  const { uid, gid } = m.addUser("bob", { createHome: true, home: "/home/bob" });
  for (let each = 0; each < 20; each++) {
    m.write(`/opt/app/${each}`, "1");
    m.write(`/home/bob/${each}`, "bob's", { owner: [uid, gid] });
  }
  m.mkdir(JAIL);
  m.must(["jk_init", "-j", JAIL, "basicshell", "uidbasics"]);
  m.must(["jk_cp", "-j", JAIL, "/opt/app"]);
  for (let each = 0; each < 20; each++) m.write(`/opt/app/${each}`, "2, and longer");
});

/** Sends a signal when a program is about to make a system call for the nth time. */
const at = (signal: string, call: string, nth: number, command: string, ...options: string[]): RunResult =>
  m.run([
    "strace",
    ...options,
    "-o",
    "/root/trace",
    "-e",
    `inject=${call}:signal=${signal}:when=${nth}`,
    ...command.split(" "),
  ]);

const leftovers = () => m.must(["find", "/srv", "/home", "/var/lib/jailkit", "-name", ".jk-*"]).stdout;
const accounts = () => ["passwd", "shadow", "group", "gshadow"].map((name) => m.read(`/etc/${name}`));
const homeOf = (path: string) => m.list(path).filter((name) => !name.startsWith(".")).length;

/** It ended by that signal, and said this and nothing else. */
function stopped(result: RunResult, signal: Signal, says: string): void {
  expect(result).toMatchObject({ signal: `SIG${signal}`, status: SIGNALS[signal], stderr: `${says}\n` });
  expect(leftovers()).toBe("");
}

/** But for what is newer on the host. */
const inOrder = () =>
  expect(summary(check(m, JAIL).found).filter((one) => !one.startsWith("outdated "))).toEqual([]);

/** The same command goes on, and the jail is in order. */
function goesOn(command: string): void {
  expect(m.run(command.split(" "))).toMatchObject({ status: 0, stderr: "" });
  expect(leftovers()).toBe("");
  inOrder();
}

test.each(signals)("jk_cp, SIG%s", (signal) => {
  const command = `jk_cp -j ${JAIL} /usr/share/doc/bash`;
  const result = at(signal, "linkat", 2, command);
  stopped(
    result,
    signal,
    `jk_cp: ${JAIL}: interrupted by SIG${signal} (${/\((\d+ of \d+) /.exec(result.stderr)?.[1]} objects are in place); run this again`,
  );
  goesOn(command);
});

test("jk_init --json: the exit status stands in it", () => {
  const { stdout, signal } = at("TERM", "symlinkat", 1, `jk_init --json -j ${JAIL} netutils`);
  expect(signal).toBe("SIGTERM");
  expect(reportOf(populateReportSchema("jk_init"), stdout)).toMatchObject({
    exitStatus: 143,
    problems: [{ code: "interrupted", path: JAIL }],
  });
  goesOn(`jk_init -j ${JAIL} netutils`);
});

test.each(signals)("jk_update, SIG%s: before all is ready nothing is changed", (signal) => {
  const before = m.snapshot(JAIL);
  const result = at(signal, "linkat", 3, `jk_update -j ${JAIL}`);
  stopped(
    result,
    signal,
    `jk_update: ${JAIL}: interrupted by SIG${signal} (0 of 20 changes are made); run this again`,
  );
  expect(m.snapshot(JAIL)).toEqual(before);
  goesOn(`jk_update -j ${JAIL}`);
  expect(m.read(`${JAIL}/opt/app/7`)).toBe("2, and longer");
});

test("jk_update: what is ready appears, and that is told", () => {
  stopped(
    at("INT", "renameat", 3, `jk_update -j ${JAIL}`),
    "INT",
    "jk_update: interrupted by SIGINT, when the work was done",
  );
  expect(m.run(["jk_update", "--check", "-j", JAIL])).toMatchObject({ status: 0 });
});

test("jk_update --all: the jails behind it are left alone", () => {
  const others = ["/srv/k", "/srv/l"];
  for (const jail of others) {
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/opt/app"]);
  }
  m.write("/opt/app/0", "3, and longer still");
  const result = at("INT", "renameat", 3, "jk_update --all --jobs 1", "-f", "-qq");
  stopped(result, "INT", "jk_update: interrupted by SIGINT (1 of 3 jails are done); run this again");
  for (const jail of others)
    expect(m.run(["jk_update", "--check", "--json", "-j", jail])).toMatchObject({ status: 10 });
  goesOn("jk_update --all");
  for (const jail of others) m.remove(jail);
});

test("jk_cp --remove", () => {
  stopped(
    at("TERM", "unlinkat", 5, `jk_cp --remove -j ${JAIL} /opt/app`),
    "TERM",
    `jk_cp: ${JAIL}: interrupted by SIGTERM (5 of 22 are removed); run this again`,
  );
  goesOn(`jk_cp --remove -j ${JAIL} /opt/app`);
  expect(m.exists(`${JAIL}/opt/app`)).toBe(false);
});

/** Between two mounts a home is copied. */
function withHomesApart(work: () => void): void {
  m.must(["mount", "--bind", "/home", "/home"]);
  work();
  m.must(["umount", "/home"]);
}

const MOVE = `jk_jailuser -n -m -j ${JAIL} -s /bin/bash bob`;

function stoppedMove(signal: Signal, call: string, nth: number): void {
  const before = accounts();
  const home = m.snapshot("/home");
  stopped(
    at(signal, call, nth, MOVE),
    signal,
    `jk_jailuser: interrupted by SIG${signal} (nothing was moved; run this again)`,
  );
  expect(accounts()).toEqual(before);
  expect(m.snapshot("/home")).toEqual(home);
  expect(m.exists(`${JAIL}/home/bob`)).toBe(false);
  expect(m.run(MOVE.split(" ")).status).toBe(0);
  expect(homeOf(`${JAIL}/home/bob`)).toBe(20);
}

test.each(signals)("jk_jailuser -m, SIG%s: the home and the account stay as they were", (signal) => {
  // It puts the home aside.
  stoppedMove(signal, "renameat2", 1);
});

test.each(signals)(
  "jk_jailuser -m with a copy, SIG%s: the home and the account stay as they were",
  (signal) => withHomesApart(() => stoppedMove(signal, "utimensat", 4)),
);

test.each([
  ["without a copy", 1],
  ["with a copy", 8],
])("jk_jailuser -m %s and --unjail: what was moved is not left in two places", (how, nth) => {
  const done = "interrupted by SIGINT, when the work was done";
  const move = () => {
    const { signal, stderr } = at("INT", "unlinkat", nth, MOVE);
    expect([signal, stderr.trim().split("\n").at(-1)]).toEqual(["SIGINT", `jk_jailuser: ${done}`]);
    expect([m.exists("/home/bob"), homeOf(`${JAIL}/home/bob`)]).toEqual([false, 20]);
  };
  if (how === "with a copy") withHomesApart(move);
  else move();
  const back = at("INT", "unlinkat", 8, "jk_jailuser -n -m --unjail -s /bin/sh bob");
  expect([back.signal, back.stderr]).toEqual(["SIGINT", `jk_jailuser: ${done}\n`]);
  expect([homeOf("/home/bob"), m.exists(`${JAIL}/home/bob`)]).toEqual([20, false]);
  inOrder();
});

test("jk_addjailuser: no account without its jail, and useradd is left to finish", () => {
  const program = "/usr/sbin/useradd";
  m.rename(program, `${program}.real`);
  try {
    const words = ["jk_addjailuser", "-j", JAIL, "-s", "/bin/bash", "-p", "*", "carla"];
    m.write(
      program,
      `#!/bin/sh\n[ $(ps -o sid= -p $$) = $$ ] && kill -INT $PPID\nexec ${program}.real "$@"\n`,
      {
        mode: 0o755,
      },
    );
    const { signal, stderr } = m.run(words);
    expect([signal, stderr.trim().split("\n").at(-1)]).toEqual([
      "SIGINT",
      "jk_addjailuser: interrupted by SIGINT, when the work was done",
    ]);
  } finally {
    m.rename(`${program}.real`, program);
  }
  expect(m.read(`${JAIL}/etc/passwd`)).toContain("\ncarla:x:");
  expect(m.exists(`${JAIL}/home/carla`)).toBe(true);
});

test("jailkit delete: users are out as a whole, and it goes on", () => {
  m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, "-s", "/bin/bash", "bob"]);
  const command = `jailkit delete --yes --unjail ${JAIL}`;
  stopped(
    at("HUP", "unlinkat", 8, command),
    "HUP",
    "jailkit delete: interrupted by SIGHUP (not everything was deleted; run this again)",
  );
  expect([homeOf("/home/bob"), m.exists(`${JAIL}/home/bob`)]).toEqual([20, false]);
  expect(m.run(command.split(" "))).toMatchObject({ status: 0, stderr: "" });
  expect(m.exists(JAIL)).toBe(false);
});

test("jk_check --fix", () => {
  m.must(["jk_update", "-j", JAIL]);
  for (let each = 0; each < 10; each++) m.chmod(`${JAIL}/opt/app/${each}`, 0o666);
  const result = at("INT", "renameat", 3, `jk_check --fix ${JAIL}`);
  expect(result.signal).toBe("SIGINT");
  expect(result.stdout).toContain(
    `Not fixed: ${JAIL}: interrupted by SIGINT (the rest was not repaired); run this again\n`,
  );
  expect(check(m, "--fix", JAIL).status).toBe(0);
  expect(leftovers()).toBe("");
});

test("who ignores the signal goes on", () => {
  const command = `jk_update -j ${JAIL}`;
  const trace = `strace -o /root/trace -e inject=linkat:signal=HUP:when=3 ${command}`;
  expect(m.run(["sh", "-c", `trap '' HUP; exec ${trace}`])).toMatchObject({ status: 0, stderr: "" });
});

test("a terminal that is gone is no reason to stop", () => {
  const words =
    "strace -o /root/trace -P /dev/zero -e inject=write:error=EIO jk_cp -v -j /srv/j /usr/share/doc/bash";
  expect(m.run(["sh", "-c", `exec ${words} > /dev/zero 2> /dev/zero`]).status).toBe(0);
  expect(m.read("/root/trace")).toContain("EIO");
});
