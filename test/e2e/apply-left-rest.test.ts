/** What a killed move has left, and a run could not remove: the plan says so as the run does, with what heals it. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/mnt/jail";
const FILE = "/etc/jailkit/jails.d/x.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const EVE = `[user eve]\njail = ${J}\nshell = /bin/bash\n`;
let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;

beforeEach(async () => {
  m = await openApplyMachine();
  // A home that moves there is copied.
  sh(`mkdir ${J}; mount -t tmpfs -o mode=755 tmpfs ${J}; mv /usr/sbin/usermod /usr/sbin/usermod.real`);
  const wrapper =
    '#!/bin/sh\n/usr/sbin/usermod.real "$@"\nstatus=$?\n[ -e /root/kill ] && kill -9 $PPID\nexit $status\n';
  m.write("/usr/sbin/usermod", wrapper, { mode: 0o755 });
  sh("useradd -m -s /bin/bash eve; su eve -c 'echo 1 >~/one'");
  m.write(FILE, JAIL + EVE);
});
afterEach(() => m.close());

/** Kills a run when the home is copied, and the account has the new one. */
function killed(...options: readonly string[]) {
  m.write("/root/kill", "");
  expect(m.run(["jailkit", "apply", ...options]).signal).toBe("SIGKILL");
  m.remove("/root/kill");
}

/** The plan has the problem of the run, and its remedy heals. */
function foretold(rest: string, ...options: readonly string[]) {
  const run = linesOf(m, ...options);
  const message = `'${rest}' was left by a run that was killed while it moved '${rest}': see what jk_check says of it`;
  const [problem] = run.summary.problems;
  expect(problem?.message).toContain(message);
  const check = linesOf(m, "--check", ...options);
  expect(check.summary.problems).toEqual(run.summary.problems);
  expect([check.summary.changed, check.summary.failed]).toEqual([run.summary.changed, run.summary.failed]);
  expect(problem).toMatchObject({ code: "home-changed", finding: null });
  sh(problem?.remedy ?? "false");
  expect(linesOf(m, "--check", ...options)).toMatchObject({ status: 10, summary: { problems: [] } });
  expect(linesOf(m, ...options)).toMatchObject({ status: 0 });
}

test("of one that leaves", () => {
  killed();
  expect(linesOf(m, "--check").summary.problems).toEqual([]);
  // The copy has its place, and the home of before is there still.
  const traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", "/home/eve", "-e", "trace=unlinkat"];
  const stopped = m.run([...traced, "-e", "inject=unlinkat:signal=SIGKILL", "jailkit", "apply"]);
  expect([stopped.signal, sh("ls /home/eve"), sh(`ls ${J}/home/eve`)]).toEqual(["SIGKILL", "one\n", "one\n"]);
  // What the next run removes is no problem, even if the account leaves.
  m.write(FILE, JAIL);
  expect(linesOf(m, "--check", "--prune").summary.problems).toEqual([]);
  m.write(FILE, JAIL + EVE);
  sh("echo 2 >/home/eve/two; chown eve: /home/eve/two");
  expect(linesOf(m).summary.warnings.join()).toContain("'/home/eve' stays, at least in part");
  m.write(FILE, JAIL);
  foretold("/home/eve", "--prune");
  expect(sh("cat /home/eve/one /home/eve.old/two")).toBe("1\n2\n");
});
