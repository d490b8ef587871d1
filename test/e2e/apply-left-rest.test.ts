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
    '#!/bin/sh\n[ -e /root/kill ] && kill -9 $PPID && exit 1\nexec /usr/sbin/usermod.real "$@"\n';
  m.write("/usr/sbin/usermod", wrapper, { mode: 0o755 });
  sh("useradd -m -s /bin/bash eve; su eve -c 'echo 1 >~/one'");
  m.write(FILE, JAIL + EVE);
});
afterEach(() => m.close());

/** Kills a run when the home is copied, and the account is still the old one. */
function killed(...options: readonly string[]) {
  m.write("/root/kill", "");
  expect(m.run(["jailkit", "apply", ...options]).signal).toBe("SIGKILL");
  m.remove("/root/kill");
}

/** The plan has the problem of the run, and its remedy heals. */
function foretold(rest: string, kept: string, ...options: readonly string[]) {
  const run = linesOf(m, ...options);
  const message = `${rest}', which a run that was killed has left, and '${kept}' differ: compare them, and move the first one away`;
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

test("of a home that moves into a jail", () => {
  killed();
  // One that the next run removes is no problem.
  expect(linesOf(m, "--check")).toMatchObject({ status: 10, summary: { problems: [] } });
  sh(`echo 2 >${J}/home/eve/two; chown eve: ${J}/home/eve/two`);
  foretold(`${J}/home/eve`, "/home/eve");
  expect(sh(`cat ${J}/home/eve/one ${J}/home/eve.old/two`)).toBe("1\n2\n");
});

test("of one that leaves", () => {
  expect(linesOf(m).status).toBe(0);
  m.write(FILE, JAIL);
  killed("--prune");
  expect(linesOf(m, "--check", "--prune").summary.problems).toEqual([]);
  sh("echo 2 >/home/eve/two; chown eve: /home/eve/two");
  foretold("/home/eve", `${J}/home/eve`, "--prune");
  expect(sh("cat /home/eve/one /home/eve.old/two")).toBe("1\n2\n");
});
