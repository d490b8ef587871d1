/**
 * A native entry starts the program by an ordinary exec: ld.so and the runtime must not obey the environment on the
 * way, and nobody else may pretend to be an entry.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, linkSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "../../build/elf-file.ts";
import { buildEntry } from "../../build/guard.ts";
import { guardPrograms, type Programs, run, USER } from "../fixtures/guard/build.ts";
import { guardReport, launcherOf, setCapability } from "./guard-run.ts";

setDefaultTimeout(120_000);

let programs: Programs;
let entry: string;

beforeAll(() => {
  programs = guardPrograms();
  entry = join(programs.folder, "entry");
  const architecture = process.arch === "arm64" ? "arm64" : "x64";
  buildEntry({ name: "jk_uchroot", output: entry, architecture, target: programs.shared });
  setCapability(entry);
});
afterAll(() => programs.remove());

const CODE = ["-e", 'console.log("ATTACKED")'];

const asUser = launcherOf(() => programs, {});

/** Settings of the launcher: an environment that is the mark of an entry, and no more. */
const mark = (text: string) => ["no-environment", "raw-environment", `JAILKIT_ENTRY=${text}`];

describe("variables that ld.so, libc or the runtime would obey", () => {
  const preload = () => ({ LD_PRELOAD: programs.preload });
  const attacks: [string, () => Record<string, string>, string[], RegExp | undefined][] = [
    ["LD_PRELOAD", preload, [], /^PRELOADED\n/],
    ["LD_AUDIT", () => ({ LD_AUDIT: programs.preload }), [], /^PRELOADED\n/],
    ["LD_SHOW_AUXV", () => ({ LD_SHOW_AUXV: "1" }), [], /^AT_/],
    ["LD_TRACE_LOADED_OBJECTS", () => ({ LD_TRACE_LOADED_OBJECTS: "1" }), [], /libc\.so\.6 => /],
    ["LD_LIBRARY_PATH and LD_DEBUG", () => ({ LD_LIBRARY_PATH: "/tmp", LD_DEBUG: "libs" }), [], undefined],
    ["GLIBC_TUNABLES", () => ({ GLIBC_TUNABLES: "glibc.rtld.optional_static_tls=9999999" }), [], undefined],
    ["BUN_BE_BUN", () => ({ BUN_BE_BUN: "1" }), CODE, undefined],
    ["BUN_OPTIONS", () => ({ BUN_OPTIONS: "--preload=/tmp/attack.js" }), [], undefined],
    ["JAILKIT_PROGRAM", () => ({ JAILKIT_PROGRAM: "jk_chrootsh" }), [], undefined],
    [
      "MALLOC_ and TZ",
      () => ({ MALLOC_PERTURB_: "170", MALLOC_ARENA_MAX: "1", TZ: ":/etc/passwd" }),
      [],
      undefined,
    ],
  ];
  for (const [name, env, words, worksWithout] of attacks) {
    test(name, () => {
      // Without the entry ld.so obeys: the attack is a real one.
      if (worksWithout !== undefined)
        expect(asUser([], programs.shared, words, env()).stdout).toMatch(worksWithout);
      const report = guardReport(asUser([], entry, words, env()));
      expect(report).toMatchObject({ entry: "jk_uchroot", keptChroot: true });
      expect(report.runtimeEnvironment).toEqual({
        BUN_JSC_numberOfGCMarkers: "1",
        BUN_JSC_useConcurrentGC: "0",
        BUN_JSC_useConcurrentJIT: "0",
        BUN_JSC_useWarmUpMarkedBlocks: "0",
        MIMALLOC_PURGE_DELAY: "-1",
        MIMALLOC_USE_NUMA_NODES: "1",
        JAILKIT_PROGRAM: "jk_uchroot",
      });
      expect(report.environment).toEqual(Object.entries(env()).map(([key, value]) => `${key}=${value}`));
    });
  }

  test("not one of the names is left when ld.so starts", () => {
    const env = { ...preload(), BUN_BE_BUN: "1", GLIBC_TUNABLES: "x", "": "", ":": "", PATH: "/tmp" };
    const address = `0x${readElf(readFileSync(programs.unguarded)).entry.toString(16)}`;
    const { status, stdout } = run([programs.tracer, String(USER), address, entry], { env });
    expect(status).toBe(0);
    // The second stop is the one right after the exec of the shared executable.
    const stop = stdout.split(/^stop: /m)[2] ?? "";
    expect(stop).toStartWith("exec\n");
    expect(stop).toMatch(/^CapAmb:\t0000000000040000$/m);
    const [first, ...rest] = [...stop.matchAll(/^variable: (.*)$/gm)].map(([, text]) => text ?? "");
    expect(first).toMatch(/^JAILKIT_ENTRY=jk_uchroot limits=[0-9a-f]{64}$/);
    const given = Object.entries(env).map(([key, value]) => `:${key}=${value}`);
    expect(rest.toSorted()).toEqual(given.toSorted());
  });
});

describe("without an entry", () => {
  const SHARED = { privileged: false, entry: null, effective: "0", permitted: "0", ambient: "0" };

  test("the name of a privileged program makes none", () => {
    for (const name of ["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"]) {
      const linked = join(programs.folder, name);
      linkSync(programs.shared, linked);
      expect(guardReport(asUser([], linked))).toMatchObject(SHARED);
      expect(guardReport(asUser(["name", `-${name}`], programs.shared))).toMatchObject(SHARED);
    }
  });

  test("its mark gives no privilege", () => {
    expect(guardReport(asUser(mark("jk_chrootsh"), programs.shared))).toMatchObject({
      entry: "jk_chrootsh",
      privileged: true,
      keptChroot: false,
      environment: [],
      effective: "0",
      permitted: "0",
      dumpable: false,
    });
  });

  test("its mark says nothing to a program that has no entry", () => {
    const own = { entry: null, environment: ["JAILKIT_ENTRY=jk_chrootsh"] };
    expect(guardReport(asUser(mark("jk_chrootsh"), programs.report))).toMatchObject({
      ...own,
      privileged: false,
    });
    expect(guardReport(asUser(mark("jk_chrootsh"), programs.privileged))).toMatchObject({
      ...own,
      privileged: true,
    });
  });

  test("something similar to its mark has no effect", () => {
    const marks = [
      "JAILKIT_ENTRY=",
      "JAILKIT_ENTRY",
      "JAILKIT_ENTRY=jk_cp",
      "JAILKIT_ENTRY=jk_chrootshx",
      "JAILKIT_ENTRY=jk_chrootsh  root",
      `JAILKIT_ENTRY=jk_chrootsh limits=${"0".repeat(65)}`,
      `JAILKIT_ENTRY=jk_chrootsh limits=${"0".repeat(63)}`,
      `JAILKIT_ENTRY=jk_chrootsh limits=${"G".repeat(64)}`,
      `JAILKIT_ENTRY=jk_chrootsh limits=${"0".repeat(64)} root`,
      ":JAILKIT_ENTRY=jk_chrootsh",
      "jk_chrootsh",
      "",
    ];
    for (const text of marks) {
      const report = guardReport(asUser(["no-environment", "raw-environment", text], programs.shared));
      expect(report).toMatchObject({ ...SHARED, environment: [text] });
    }
    const mixed = [...mark("jk_chrootsh"), "raw-environment", ":A=1", "raw-environment"];
    for (const other of ["A=1", "", "JAILKIT_ENTRY=jk_chrootsh"])
      expect(guardReport(asUser([...mixed, other], programs.shared))).toMatchObject(SHARED);
    const report = guardReport(asUser([...mixed, ":=", "raw-environment", ":"], programs.shared));
    expect(report).toMatchObject({ entry: "jk_chrootsh", environment: ["A=1", "=", ""] });
  });

  test("limits that it claims do not hide the real ones", () => {
    const claim = mark(`jk_chrootsh limits=${"f".repeat(64)}`);
    expect(guardReport(asUser(claim, programs.shared))).toMatchObject({ entry: "jk_chrootsh" });
    const { status, stderr } = asUser(["limit", "9", "1000000000", "1000000000", ...claim], programs.shared);
    expect(status).toBe(127);
    expect(stderr).toStartWith(
      "jk_chrootsh: the limit on address space (ulimit -v) is below 2400 MiB: raise it",
    );
  });

  test("a caller who claims to be root's entry is refused, and is not root", () => {
    const report = guardReport(asUser(mark("jk_chrootsh root"), programs.shared));
    expect(report).toMatchObject({ caller: { uid: 0 }, userIds: [USER, USER, USER], keptChroot: false });
  });

  test("root, and a user with more or other capabilities, are refused under its mark", () => {
    const refused = {
      status: 11,
      stdout: "",
      stderr: "jailkit: only its own entry may start this program\n",
    };
    const marked = [...mark("jk_chrootsh"), "--", programs.shared];
    expect(run([programs.launcher, ...marked])).toEqual(refused);
    // CAP_DAC_OVERRIDE, with and without CAP_SYS_CHROOT
    for (const mask of ["2", "40002"])
      expect(run([programs.launcher, "capable-user", String(USER), mask, ...marked])).toEqual(refused);
  });

  test("a setuid copy of the shared executable is refused under its mark", () => {
    const copy = join(programs.folder, "shared-setuid");
    copyFileSync(programs.shared, copy);
    chmodSync(copy, 0o4755);
    expect(asUser(mark("jk_chrootsh"), copy)).toEqual({
      status: 126,
      stdout: "",
      stderr: "jailkit: this program must not be setuid or setgid\n",
    });
  });
});

describe("CAP_SYS_CHROOT in a caller's ambient set", () => {
  const capable = ["capable-user", String(USER), "40000"];

  test("does not get through a tool to the programs that it starts", () => {
    for (const program of [programs.shared, programs.report]) {
      expect(guardReport(run([programs.launcher, ...capable, "--", program]))).toMatchObject({
        privileged: false,
        permitted: "40000",
        ambient: "0",
      });
      const status = run([
        programs.launcher,
        ...capable,
        "--",
        program,
        "exec",
        "/bin/cat",
        "/proc/self/status",
      ]);
      expect(status.stdout).toMatch(/^CapPrm:\t0{16}\nCapEff:\t0{16}$/m);
    }
    // The same without a tool in between: this is what the tool removes.
    const status = run([programs.launcher, ...capable, "--", "/bin/cat", "/proc/self/status"]);
    expect(status.stdout).toMatch(/^CapEff:\t0000000000040000$/m);
  });
});
