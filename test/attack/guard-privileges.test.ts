/**
 * Programs that any user may start: the runtime runs with the caller's ids and CAP_SYS_CHROOT at most, whether the
 * file has the capability or is setuid root. All the other programs refuse to hold a privilege.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "../../build/elf-file.ts";
import { guardPrograms, type Programs, run, USER } from "../fixtures/guard/build.ts";
import { compiledC } from "../machine/helper.ts";
import { CHROOT, launcherOf, PRIVILEGED_REPORT, setCapability } from "./guard-run.ts";

const MESSAGE = "jailkit: this program must not";

let programs: Programs;
let withCapability: string;
let setuid: string;

function copy(from: string, name: string, mode = 0o755): string {
  const path = join(programs.folder, name);
  copyFileSync(from, path);
  chmodSync(path, mode);
  return path;
}

beforeAll(() => {
  programs = guardPrograms();
  withCapability = copy(programs.privileged, "with-capability");
  setCapability(withCapability);
  setuid = copy(programs.privileged, "setuid", 0o4755);
  mkdirSync(join(programs.folder, "passed"));
  chmodSync(join(programs.folder, "passed"), 0o777);
}, 60_000);
afterAll(() => programs.remove());

const asUser = launcherOf(() => programs);

const both: [string, () => string][] = [
  ["with the file capability", () => withCapability],
  ["setuid root", () => setuid],
];

describe.each(both)("%s", (name, program) => {
  test("the runtime has the user's ids, CAP_SYS_CHROOT and nothing else", () => {
    const { status, stdout } = asUser([], program());
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ...PRIVILEGED_REPORT,
      caller: { uid: USER, euid: name === "setuid root" ? 0 : USER, gid: USER, egid: USER },
    });
  });

  test("not one instruction of the runtime has more (stopped at its entry)", () => {
    const entry = `0x${readElf(readFileSync(programs.unguarded)).entry.toString(16)}`;
    const { status, stdout, stderr } = run([programs.tracer, String(USER), entry, program()]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [, atExec = "", atEntry = ""] = stdout.split(/^stop: /m);
    // That the first stop shows the privilege and the descriptor is what makes the second one a proof.
    expect(atExec).toMatch(
      name === "setuid root" ? /^Uid:\t61234\t0\t0\t0$/m : /^CapEff:\t0000000000040000$/m,
    );
    expect(Number(/^highest descriptor: (\d+)$/m.exec(atExec)?.[1])).toBeGreaterThanOrEqual(200);
    expect(atEntry).toStartWith("runtime entry\n");
    expect(atEntry).toMatch(/^Uid:\t61234\t61234\t61234\t61234$/m);
    expect(atEntry).toMatch(/^Gid:\t61234\t61234\t61234\t61234$/m);
    expect(atEntry).toMatch(/^CapPrm:\t0000000000040000$/m);
    expect(atEntry).toMatch(/^CapEff:\t0000000000040000$/m);
    expect(atEntry).toMatch(/^CapInh:\t0{16}$/m);
    expect(atEntry).toMatch(/^CapAmb:\t0{16}$/m);
    // The kept copy of standard error; descriptor 2 itself leads nowhere.
    expect(atEntry).toMatch(/^highest descriptor: 3$/m);
    // What a program inside the jail may still become is not for this program to decide.
    const bounding = /^CapBnd:.*$/m;
    expect(atEntry.match(bounding)?.[0]).toBe(atExec.match(bounding)?.[0]);
  });

  test("chroot works, and is impossible once the capabilities are dropped", () => {
    const jail = join(programs.folder, `jail-${name.length}`);
    mkdirSync(jail);
    copyFileSync(programs.inherited, join(jail, "inherited"));
    chmodSync(join(jail, "inherited"), 0o755);
    chownSync(jail, USER, USER);
    const result = asUser(["ignore", "13"], program(), ["chroot-and-exec", jail, "/inherited", "/found"]);
    expect(result).toEqual({ status: 42, stdout: "", stderr: "" });
    const found = readFileSync(join(jail, "found"), "latin1");
    expect(found).toContain("\ndirectory: / links");
    expect(found).toStartWith("ignored: 13\n");
    expect(found.match(/^fd \d+/gm)).toEqual(["fd 0", "fd 1", "fd 2"]);
  });

  test("no descriptor gets through, not even above the soft limit", () => {
    const limits = ["open", "3", "/", "open", "200", "/", "limit", "7", "100", "100"];
    const file = join(programs.folder, "passed", String(name.length));
    expect(asUser(limits, program(), ["exec", programs.inherited, file]).status).toBe(42);
    expect(readFileSync(file, "latin1").match(/^fd \d+/gm)).toEqual(["fd 0", "fd 1", "fd 2"]);
  });

  test("0, 1 and 2 are never free, and never a directory", () => {
    const file = join(programs.folder, "passed", `closed-${name.length}`);
    const closed = ["close", "0", "close", "1", "close", "2"];
    expect(asUser(closed, program(), ["exec", programs.inherited, file]).status).toBe(42);
    const text = readFileSync(file, "latin1");
    expect(text.match(/^fd \d+: flags 0 status \w+ mode 20666$/gm)).toHaveLength(3);
  });

  test("a directory is not accepted as standard input, output or error", () => {
    const file = join(programs.folder, "passed", `directory-${name.length}`);
    const settings = ["open", "0", "/", "open", "1", "/", "open", "2", "/"];
    expect(asUser(settings, program(), ["exec", programs.inherited, file]).status).toBe(42);
    expect(readFileSync(file, "latin1").match(/^fd \d+: flags 0 status \w+ mode 20666$/gm)).toHaveLength(3);
  });

  test("a removed working directory is left for good", () => {
    const file = join(programs.folder, "passed", `left-${name.length}`);
    expect(asUser(["deleted-directory"], program(), ["exec", programs.inherited, file]).status).toBe(42);
    expect(readFileSync(file, "latin1")).toContain("\ndirectory: / links");
  });

  test("no_new_privs of the caller: it starts, without the capability", () => {
    const { status, stdout } = asUser(["no-new-privs"], program());
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      keptChroot: false,
      permitted: "0",
      userIds: [USER, USER, USER],
    });
  });

  test("on a file system without suid: the same", () => {
    const script =
      'mount --bind "$1" "$1" && mount -o remount,bind,nosuid "$1" && exec "$2" user 61234 -- "$3"';
    const words = [
      "unshare",
      "--mount",
      "sh",
      "-c",
      script,
      "sh",
      programs.folder,
      programs.launcher,
      program(),
    ];
    const { status, stdout } = run(words, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      keptChroot: false,
      permitted: "0",
      userIds: [USER, USER, USER],
    });
  });

  test("root gets nothing at all, and the program knows that it is root", () => {
    const { status, stdout } = run([program()]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      keptChroot: false,
      caller: { uid: 0, gid: 0 },
      userIds: [65534, 65534, 65534],
      groupIds: [65534, 65534, 65534],
      groups: [],
      permitted: "0",
      effective: "0",
      onlyUser: true,
    });
  });

  test("root with another effective id is root", () => {
    const { stdout } = run([programs.launcher, "effective-user", String(USER), "--", program()]);
    expect(JSON.parse(stdout)).toMatchObject({
      caller: { uid: 0 },
      userIds: [65534, 65534, 65534],
      permitted: "0",
    });
  });

  test("root where the ids cannot be given up: exit 12", () => {
    const words = ["unshare", "--user", "--map-root-user", program()];
    const { status, stdout, stderr } = run(words);
    expect({ status, stdout }).toEqual({ status: 12, stdout: "" });
    expect(stderr).toBe("jailkit: this program cannot be run by root\n");
  });

  test("LD_PRELOAD and GLIBC_TUNABLES of the caller", () => {
    const env = {
      LD_PRELOAD: programs.preload,
      LD_LIBRARY_PATH: programs.folder,
      LD_AUDIT: programs.preload,
    };
    // An ordinary program loads it, so that the attack is a real one.
    expect(asUser([], programs.report, [], { LD_PRELOAD: programs.preload }).stdout).toStartWith(
      "PRELOADED\n",
    );
    const { status, stdout } = asUser([], program(), [], {
      ...env,
      GLIBC_TUNABLES: "glibc.malloc.check=3",
      KEPT: "1",
    });
    expect(status).toBe(0);
    expect(stdout).not.toContain("PRELOADED");
    const report = JSON.parse(stdout);
    expect(report.environment).toContain("KEPT=1");
    expect(report.environment.join()).not.toContain("LD_PRELOAD");
  });

  test("BUN_BE_BUN and BUN_OPTIONS", () => {
    const env = { BUN_BE_BUN: "1", BUN_OPTIONS: "--preload=/nonexistent/attack.js" };
    const { status, stdout } = asUser([], program(), ["-e", "console.log('ATTACKED')"], env);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      guarded: true,
      runtimeEnvironment: {},
      userIds: [USER, USER, USER],
    });
  });

  test("the user cannot look into the process while it holds the capability", async () => {
    const words = [programs.launcher, "user", String(USER), "--", program(), "wait"];
    const child = Bun.spawn(words, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    await child.stdout.getReader().read();
    try {
      for (const file of ["mem", "environ", "maps"]) {
        const path = `/proc/${child.pid}/${file}`;
        expect(existsSync(path)).toBe(true);
        expect(asUser([], "/bin/cat", [path]).stderr).toContain("Permission denied");
      }
    } finally {
      child.kill();
      await child.exited;
    }
  });
});

describe("a privileged program without its privilege", () => {
  test("starts, so that it can report what is missing", () => {
    const { status, stdout } = asUser([], copy(programs.privileged, "plain"));
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ privileged: true, keptChroot: false, permitted: "0" });
  });

  test("other capabilities are not kept", () => {
    const program = copy(programs.privileged, "too-much");
    setCapability(program, "cap_sys_chroot,cap_setuid,cap_dac_override,cap_sys_admin+ep");
    expect(JSON.parse(asUser([], program).stdout)).toMatchObject({ effective: CHROOT, permitted: CHROOT });
  });

  test("setuid to somebody else than root gives nothing", () => {
    const program = copy(programs.privileged, "setuid-other");
    chownSync(program, 61236, 61236);
    chmodSync(program, 0o6755);
    expect(JSON.parse(asUser([], program).stdout)).toMatchObject({
      keptChroot: false,
      caller: { uid: USER, euid: 61236, gid: USER, egid: 61236 },
      userIds: [USER, USER, USER],
      groupIds: [USER, USER, USER],
    });
  });
});

describe("all the other programs", () => {
  test("refuse to be setuid or setgid, and run nothing before", () => {
    for (const mode of [0o4755, 0o2755]) {
      const program = copy(programs.report, `ordinary-${mode}`, mode);
      const result = asUser([], program);
      expect(result).toEqual({ status: 126, stdout: "", stderr: `${MESSAGE} be setuid or setgid\n` });
    }
  });

  test("refuse file capabilities", () => {
    const program = copy(programs.report, "ordinary-capability");
    setCapability(program);
    expect(asUser([], program)).toEqual({
      status: 126,
      stdout: "",
      stderr: `${MESSAGE} have file capabilities\n`,
    });
  });

  test("run for root and for a user", () => {
    expect(JSON.parse(run([programs.report]).stdout).userIds).toEqual([0, 0, 0]);
    expect(JSON.parse(asUser([], programs.report).stdout).userIds).toEqual([USER, USER, USER]);
    // CAP_NET_RAW of the caller's own, which no file gave.
    const { status, stdout, stderr } = run(
      [programs.launcher, "capable-user", String(USER), "2000", "--", programs.report],
      {},
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ userIds: [USER, USER, USER], permitted: "2000" });
  });
});

test("the guard's state cannot be written, whatever the runtime is made to do", () => {
  expect(JSON.parse(run([programs.report, "state"]).stdout)).toBe("r--p");
});

describe("singleThreaded", () => {
  const refusing = (...words: string[]) => {
    const refuse = compiledC(join(import.meta.dir, "refuse-call.c"), ["-static"]);
    // EPERM, as in many containers, for unshare.
    return run([refuse, "1", process.arch === "arm64" ? "97" : "272", "--", programs.report, ...words])
      .stdout;
  };

  test("detects a second thread", () => {
    const { stdout } = run([programs.report, "threads"]);
    expect(JSON.parse(stdout)).toEqual({ before: true, during: false });
  });

  test("detects it by /proc if unshare is refused, and is false without /proc", () => {
    expect(JSON.parse(refusing("threads", "/proc/self/task"))).toEqual({ before: true, during: false });
    expect(JSON.parse(refusing("threads"))).toEqual({ before: false, during: false });
  });
});
