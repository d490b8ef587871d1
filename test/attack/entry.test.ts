/**
 * Native entries: a file of a few KB has the privilege, and the shared executable has none. Whatever the caller does,
 * the entry executes that one file, with only CAP_SYS_CHROOT, and passes on its input as data.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readElf } from "../../build/elf-file.ts";
import { buildEntry } from "../../build/guard.ts";
import { guardPrograms, type Programs, run, USER } from "../fixtures/guard/build.ts";
import { guardReport, launcherOf, PRIVILEGED_REPORT, setCapability } from "./guard-run.ts";

setDefaultTimeout(120_000);

const architecture = process.arch === "arm64" ? "arm64" : "x64";

let programs: Programs;
let withCapability: string;
let setuid: string;
let withBoth: string;
let without: string;

beforeAll(() => {
  programs = guardPrograms();
  without = join(programs.folder, "entry");
  buildEntry({ name: "jk_chrootsh", output: without, architecture, target: programs.shared });
  withCapability = join(programs.folder, "entry-capability");
  copyFileSync(without, withCapability);
  setCapability(withCapability);
  setuid = join(programs.folder, "entry-setuid");
  copyFileSync(without, setuid);
  chmodSync(setuid, 0o4755);
  withBoth = join(programs.folder, "entry-both");
  copyFileSync(without, withBoth);
  chmodSync(withBoth, 0o4755);
  setCapability(withBoth);
});
afterAll(() => programs.remove());

const asUser = launcherOf(() => programs);

const privilegedReport = {
  ...PRIVILEGED_REPORT,
  entry: "jk_chrootsh",
  runtimeArguments: [],
};
const unprivilegedReport = {
  ...privilegedReport,
  keptChroot: false,
  effective: "0",
  permitted: "0",
};

const entries: [string, () => string][] = [
  ["with the file capability", () => withCapability],
  ["setuid root", () => setuid],
  // For a moment in an installation that replaces the one by the other.
  ["with both", () => withBoth],
];

describe.each(entries)("%s", (_name, entry) => {
  test("the program has the user's ids, CAP_SYS_CHROOT and nothing else", () => {
    expect(guardReport(asUser([], entry()))).toMatchObject(privilegedReport);
  });

  test("not one instruction of ld.so or the runtime has more (stopped before their first)", () => {
    const address = `0x${readElf(readFileSync(programs.unguarded)).entry.toString(16)}`;
    const { status, stdout, stderr } = run([programs.tracer, String(USER), address, entry()]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [, , atExec = "", atEntry = ""] = stdout.split(/^stop: /m);
    expect(atExec).toStartWith("exec\n");
    expect(atEntry).toStartWith("runtime entry\n");
    for (const stop of [atExec, atEntry]) {
      expect(stop).toMatch(/^Uid:\t61234\t61234\t61234\t61234$/m);
      expect(stop).toMatch(/^Gid:\t61234\t61234\t61234\t61234$/m);
      expect(stop).toMatch(/^CapPrm:\t0000000000040000$/m);
      expect(stop).toMatch(/^CapEff:\t0000000000040000$/m);
      // At the second, beside them, the kept copy of standard error.
      expect(stop).toMatch(stop === atExec ? /^highest descriptor: 2$/m : /^highest descriptor: 3$/m);
    }
    expect(atEntry).toMatch(/^Name:\tjk_chrootsh$/m);
    expect(atEntry).toMatch(/^CapInh:\t0{16}$/m);
    expect(atEntry).toMatch(/^CapAmb:\t0{16}$/m);
  });

  test("arguments and environment come as they were", () => {
    const words = ["", "-e", "--", "jk_lsh", "JAILKIT_ENTRY=jk_uchroot"];
    const env = {
      LD_PRELOAD: programs.preload,
      BUN_BE_BUN: "1",
      JAILKIT_ENTRY: "jk_uchroot",
      "": "",
      a: "b=c",
    };
    const report = guardReport(asUser([], entry(), words, env));
    expect(report.args).toEqual([entry(), ...words]);
    const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    expect(report.environment.toSorted()).toEqual(entries.toSorted());
    const settings = ["no-environment", "environment", "no assignment", "environment", "A=1"];
    expect(guardReport(asUser(settings, entry())).environment).toContain("A=1");
    expect(guardReport(asUser(["no-environment"], entry()))).toMatchObject({ environment: [] });
    const many = guardReport(asUser(["large-environment", "20000"], entry()));
    expect(many).toMatchObject({ environmentCount: 20_000, lastVariable: "VARIABLE_19999=19999" });
  });

  test("100,000 arguments, and none", () => {
    const many = guardReport(asUser(["many-arguments", "100000"], entry(), ["first"]));
    expect(many.argumentCount).toBe(100_002);
    const none = run([programs.launcher, "user", String(USER), "no-arguments", "--", entry()]);
    expect(guardReport(none).args.length).toBeLessThanOrEqual(1);
  });

  test("a variable of 128 KiB is refused in plain words; a byte less is not", () => {
    const room = 131_072 - "LONG=".length - 1;
    const { status, stdout, stderr } = asUser([], entry(), [], { LONG: "x".repeat(room) });
    expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
    expect(stderr).toBe("jk_chrootsh: the environment, or one of its variables, is too large\n");
    const value = "x".repeat(room - 1);
    expect(guardReport(asUser([], entry(), [], { LONG: value })).environment).toEqual([`LONG=${value}`]);
  });

  test("names of the program and of the file select nothing", () => {
    for (const name of ["jk_uchroot", "-jk_cp", "jailkit", "su", "../jk_procmailwrapper", ""]) {
      const report = guardReport(asUser(["name", name], entry()));
      expect(report).toMatchObject(privilegedReport);
      expect(report.args).toEqual([name]);
    }
    const linked = join(programs.folder, "jk_uchroot");
    for (const link of [symlinkSync, linkSync]) {
      link(entry(), linked);
      expect(guardReport(asUser([], linked))).toMatchObject(privilegedReport);
      rmSync(linked);
    }
  });

  test("descriptors: none above 2 gets through, 0 to 2 are never free and never a directory", () => {
    const settings = ["open", "3", "/", "open", "200", "/", "limit", "7", "100", "100"];
    expect(asUser([...settings, "close", "0"], entry(), ["exec", "/bin/true"]).status).toBe(0);
    const report = guardReport(asUser([...settings, "close", "0", "close", "2"], entry()));
    expect(report.standardDescriptors).toEqual([0, 0, 0]);
    const directory = ["open", "0", "/", "open", "2", "/"];
    const list = asUser([...settings, ...directory], entry(), ["exec", "/bin/ls", "-l", "/proc/self/fd"]);
    expect(list.stdout).toContain(" 0 -> /dev/null\n");
    expect(list.stdout).not.toMatch(/ -> \/\n| 200 /);
  });

  test("limits: it starts, or says that it cannot, and nobody gets a privilege", () => {
    for (const limit of [
      ["7", "16", "16"],
      ["1", "0", "0"],
      ["6", "1", "1"],
      ["4", "0", "0"],
      ["3", "0x100000", "0x100000"],
    ]) {
      expect(guardReport(asUser(["limit", ...limit], entry()))).toMatchObject(privilegedReport);
    }
    for (const limit of [
      ["7", "0", "0"],
      ["9", "0x4000000", "0x4000000"],
      ["9", "0x1000", "0x1000"],
      ["3", "0x1000", "0x1000"],
    ]) {
      const starved = asUser(["limit", ...limit], entry());
      expect(starved.status).not.toBe(0);
      expect(starved.stdout).toBe("");
    }
  });

  test("a caller who traces it, shares a directory with it, or has no_new_privs gets no privilege", () => {
    for (const setting of ["traced", "shared-directory", "no-new-privs"])
      expect(guardReport(asUser([setting], entry()))).toMatchObject(unprivilegedReport);
  });

  test("capabilities of the caller's own do not get through", () => {
    // CAP_DAC_OVERRIDE, CAP_SYS_CHROOT, CAP_SYS_ADMIN
    const settings = [programs.launcher, "capable-user", String(USER), "240002", "--", entry()];
    expect(guardReport(run(settings))).toMatchObject(privilegedReport);
  });

  test("root becomes nobody, and the program knows that root has called", () => {
    const nobody = [65534, 65534, 65534];
    expect(guardReport(run([entry()]))).toMatchObject({
      ...unprivilegedReport,
      caller: { uid: 0, euid: 0, gid: 0, egid: 0 },
      userIds: nobody,
      groupIds: nobody,
      groups: [],
    });
  });
});

describe("an entry without its privilege", () => {
  test("starts the program, so that it can report what is missing", () => {
    expect(guardReport(asUser([], without))).toMatchObject(unprivilegedReport);
  });

  test("setuid to a user other than root gives nothing", () => {
    const path = join(programs.folder, "entry-other");
    copyFileSync(without, path);
    chownSync(path, 61236, 61236);
    chmodSync(path, 0o6755);
    expect(guardReport(asUser([], path))).toMatchObject(unprivilegedReport);
  });
});

describe("the target", () => {
  const saved = () => `${programs.shared}.saved`;
  const MISSING = /^jk_chrootsh: \/\S+ cannot be opened: install jailkit again\n$/;
  const WRONG =
    /^jk_chrootsh: \/\S+ is not a regular file that only root can write: install jailkit again\n$/;
  const refusal = () => {
    const { status, stdout, stderr } = asUser([], withCapability);
    expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
    return stderr;
  };

  beforeAll(() => linkSync(programs.shared, saved()));
  afterEach(() => {
    rmSync(programs.shared, { recursive: true, force: true });
    linkSync(saved(), programs.shared);
  });

  test("is missing, a link, a directory, a FIFO, or no program", () => {
    const { shared } = programs;
    rmSync(shared);
    expect(refusal()).toMatch(MISSING);
    symlinkSync(saved(), shared);
    expect(refusal()).toMatch(WRONG);
    rmSync(shared);
    mkdirSync(shared);
    expect(refusal()).toMatch(WRONG);
    rmSync(shared, { recursive: true });
    expect(run(["mkfifo", shared]).status).toBe(0);
    expect(refusal()).toMatch(WRONG);
    rmSync(shared);
    writeFileSync(shared, "#!/bin/sh\nid\n", { mode: 0o755 });
    chmodSync(shared, 0o644);
    expect(refusal()).toMatch(/ cannot be executed: install jailkit again\n$/);
  });

  test("belongs to another user, or others can write it", () => {
    const { shared } = programs;
    rmSync(shared);
    copyFileSync(saved(), shared);
    const wrong: [number, number, number][] = [
      [USER, 0, 0o755],
      [0, USER, 0o775],
      [0, 0, 0o757],
      [0, 0, 0o4755],
      [0, 0, 0o2755],
    ];
    for (const [uid, gid, mode] of wrong) {
      chownSync(shared, uid, gid);
      chmodSync(shared, mode);
      expect(refusal()).toMatch(WRONG);
    }
  });

  test("is setcap itself: it refuses", () => {
    rmSync(programs.shared);
    copyFileSync(saved(), programs.shared);
    setCapability(programs.shared);
    const { status, stderr } = asUser([], without);
    expect({ status, stderr }).toEqual({
      status: 126,
      stderr: "jailkit: this program must not have file capabilities\n",
    });
  });
});
