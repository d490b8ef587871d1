/**
 * Recipes of docs/recipes.md that affect a whole kernel (quotas, control groups, audit): typed as shown, in a kernel of
 * the machine's own, and then observed in logins of the jailed account.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { kernelWords } from "../machine/own-kernel.ts";
import { configureSystemSshd } from "../machine/system-sshd.ts";
import { openLoginShell, type Typed } from "../words/login-shell.ts";
import type { Stage } from "../words/scene.ts";
import { useSystemdSessions } from "../words/scenes/recipes.ts";
import { allowKey, client, follow, makeKey, stageOf } from "./recipes-scene.ts";

setDefaultTimeout(300_000);

let m: Machine;
let stage: Stage;
const home = "/srv/jail/home/anna";

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
/** Logs anna in, from root's shell. */
const login = (command: string, options: string[] = []): Promise<Typed> =>
  stage.shell.type(client(options, "anna", command).map(quoted).join(" "));
const must = (line: string) => stage.must(line);

beforeAll(async () => {
  m = await openMachine({ under: "ours", privilege: "setuid" });
  configureSystemSshd(m);
  makeKey(m);
  useSystemdSessions(m);
  m.must(["truncate", "-s", "4G", "/root/disk"]);
  m.must(["mkfs.ext4", "-q", "/root/disk"]);
  m.write("/etc/fstab", "/dev/sdb1 /srv ext4 nofail 0 2\n");
  stage = stageOf(m, await openLoginShell(m, "root", () => kernelWords(m, "/root/disk", "ssh.service")));
  // The disk by the name that it has on the page.
  await must("ln -s ubdb /dev/sdb1 && mount /srv");
  await follow(stage, "");
  // For what the tests do in the jail.
  await must("jk_cp -j /srv/jail fallocate tail /dev/zero");
  await must(allowKey("anna", home));
});
afterAll(() => m?.close());

describe("quotas", () => {
  const blocks = "How much they store";

  test("are not there before", async () => {
    expect(await login("fallocate -l 600M big && rm big")).toMatchObject({ status: 0 });
  });

  test("of an account", async () => {
    await follow(stage, blocks, 0);
    await follow(stage, blocks, 1);
    expect(await login("fallocate -l 400M big")).toMatchObject({ status: 0 });
    const more = await login("fallocate -l 200M more");
    expect(more).toMatchObject({ status: 1, output: expect.stringContaining("Disk quota exceeded") });
    expect(await must("repquota -s /srv")).toMatch(/^anna +\S+ +500M +450M +500M /m);
    // Not in the jail alone: it is the account that has it.
    await must("install -d -o anna /srv/elsewhere");
    const outside = await stage.shell.type(
      "setpriv --reuid anna --clear-groups fallocate -l 200M /srv/elsewhere/x",
    );
    expect(outside).toMatchObject({ status: 1, output: expect.stringContaining("Disk quota exceeded") });
  });

  test("of a jail", async () => {
    await follow(stage, blocks, 2);
    const fill = await stage.shell.type(
      "setpriv --reuid 4321 --clear-groups fallocate -l 3G /srv/jail/tmp/big",
    );
    expect(fill).toMatchObject({ status: 1, output: expect.stringContaining("Disk quota exceeded") });
    expect(await must("repquota -s -P /srv")).toMatch(/^#7001 +\S+ +2048M +0K +2048M /m);
    await must("install -d -o 4321 /srv/elsewhere/other");
    await must("setpriv --reuid 4321 --clear-groups fallocate -l 600M /srv/elsewhere/other/x");
    // What jailkit writes there is no exception, and does not need one.
    await must("jk_update -j /srv/jail");
  });

  afterAll(() => must(`rm -rf /srv/jail/tmp/* /srv/elsewhere ${home}/big ${home}/more`));
});

describe("CPU, memory and processes", () => {
  const slice = "/sys/fs/cgroup/user.slice/user-$(id -u anna).slice";
  const count = async (file: string, name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await must(`cat ${slice}/${file}`))?.[1]);

  beforeAll(async () => {
    await follow(stage, "CPU, memory and processes", 0);
    // A session that stays, or the slice and its counts would go with the last one.
    await must(`${client(["-fN"], "anna", "").join(" ")} > /dev/null 2>&1`);
  });

  test("each session of the account is in the slice", async () => {
    const uid = await must("id -u anna");
    expect((await login("cat /proc/self/cgroup")).output).toStartWith(
      `0::/user.slice/user-${uid}.slice/session-`,
    );
  });

  test("a process that wants more CPU waits", async () => {
    expect(await must(`cat ${slice}/cpu.max`)).toBe("50000 100000");
    expect(await login("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")).toMatchObject({ status: 0 });
    expect(await count("cpu.stat", "nr_throttled")).toBeGreaterThan(0);
  });

  test("a process that wants more memory is killed", async () => {
    expect(await count("memory.events", "oom_kill")).toBe(0);
    expect((await login("tail /dev/zero")).status).not.toBe(0);
    expect(await count("memory.events", "oom_kill")).toBeGreaterThan(0);
  });

  test("one process too many is refused", async () => {
    const many = "exec sh -c 'i=0; while [ $i -lt 60 ]; do sleep 1000 > /dev/null 2>&1 & i=$((i+1)); done'";
    const forked = await login(many);
    expect(forked).toMatchObject({ status: 2, output: expect.stringContaining("Cannot fork") });
    expect(await count("pids.events", "max")).toBeGreaterThan(0);
    await must("pkill -u anna sleep");
  });

  test("limits of all users", async () => {
    await follow(stage, "CPU, memory and processes", 1);
    const shown = await must("systemctl show -p MemoryMax,TasksMax user-4321.slice");
    expect(shown.split("\n").sort()).toEqual(["MemoryMax=1073741824", "TasksMax=200"]);
    expect(await must(`cat ${slice}/memory.max ${slice}/pids.max`)).toBe("268435456\n40");
  });
});

describe("audit", () => {
  const heading = "What they ran";
  beforeAll(async () => {
    // As its package does.
    await must("systemctl start auditd");
    await follow(stage, heading);
  });

  test("records each program that is executed in the jail", async () => {
    expect(await login("ls -d / /nowhere")).toMatchObject({ status: 2 });
    const found = await must("ausearch -k jailed -i -sc execve | cat");
    expect(found).toContain("a0=ls a1=-d a2=/ a3=/nowhere ");
    expect(found).toMatch(/ auid=anna /);
  });

  test("records what is typed", async () => {
    await must(`printf 'echo typed-here\\nexit\\n' | ${client(["-tt"], "anna", "").join(" ")}`);
    expect(await must("aureport --tty | cat")).toContain("echo typed-here");
  });
});
