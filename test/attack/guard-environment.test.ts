/**
 * The runtime obeys its environment, its program name and files in the working directory: `BUN_BE_BUN=1 PROGRAM -e
 * CODE` runs CODE. An executable with the guard does not, and does not start without the guard's checks. The unguarded
 * twin shows each time that the attack is a real one.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readElf, sectionNamed } from "../../build/elf-file.ts";
import { guardPrograms, type Programs, run } from "../fixtures/guard/build.ts";

let programs: Programs;
let hostile: string;

beforeAll(() => {
  programs = guardPrograms();
  hostile = join(programs.folder, "hostile");
  mkdirSync(hostile);
  writeFileSync(join(hostile, "attack.js"), 'console.log("ATTACKED");');
  writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./attack.js"]\n');
  writeFileSync(join(hostile, ".env"), "BUN_OPTIONS=--preload=./attack.js\nBUN_BE_BUN=1\n");
  writeFileSync(join(hostile, "package.json"), '{"name":"attack","main":"attack.js","type":"commonjs"}');
  writeFileSync(join(hostile, "tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./attack.js"]}}}');
}, 60_000);
afterAll(() => programs.remove());

const CODE = ["-e", 'console.log("ATTACKED")'];

function attack(program: string, env: Record<string, string>, words: string[] = []) {
  return run([program, ...words], { env, cwd: hostile });
}

describe("variables that are code", () => {
  const attacks: Record<string, { env: Record<string, string>; words?: string[]; worksUnguarded: boolean }> =
    {
      BUN_BE_BUN: { env: { BUN_BE_BUN: "1" }, words: CODE, worksUnguarded: true },
      BUN_OPTIONS: { env: { BUN_OPTIONS: "--preload=./attack.js" }, worksUnguarded: true },
      "both, twice": {
        env: { BUN_BE_BUN: "1", BUN_OPTIONS: "--preload=./attack.js" },
        words: CODE,
        worksUnguarded: true,
      },
      NODE_OPTIONS: { env: { NODE_OPTIONS: "--require ./attack.js" }, worksUnguarded: false },
      "files of the working directory": { env: {}, worksUnguarded: false },
    };
  for (const [name, { env, words, worksUnguarded }] of Object.entries(attacks)) {
    test(name, () => {
      if (worksUnguarded) expect(attack(programs.unguarded, env, words).stdout).toContain("ATTACKED\n");
      const { status, stdout, stderr } = attack(programs.report, env, words);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const report = JSON.parse(stdout);
      expect(report.runtimeEnvironment).toEqual({
        BUN_JSC_useWarmUpMarkedBlocks: "0",
        MIMALLOC_PURGE_DELAY: "-1",
        MIMALLOC_USE_NUMA_NODES: "1",
      });
      expect(report.runtimeArguments).toEqual([]);
      expect(report.args).toEqual([programs.report, ...(words ?? [])]);
      expect(report.environment).toEqual(Object.entries(env).map(([key, value]) => `${key}=${value}`));
    });
  }

  test("jk_socketd and jk_jailuser save memory, and jk_init and jk_cp the time of the compiler", () => {
    const usual = {
      BUN_JSC_useWarmUpMarkedBlocks: "0",
      MIMALLOC_PURGE_DELAY: "-1",
      MIMALLOC_USE_NUMA_NODES: "1",
    };
    const frugal = { ...usual, MIMALLOC_PURGE_DELAY: "0", BUN_JSC_gcMaxHeapSize: "2097152" };
    const copies = { ...usual, BUN_JSC_useDFGJIT: "0" };
    const moves = {
      ...usual,
      MIMALLOC_PURGE_DELAY: "0",
      BUN_JSC_useFTLJIT: "0",
      BUN_JSC_gcMaxHeapSize: "1572864",
      BUN_JSC_useGenerationalGC: "0",
      BUN_JSC_useConcurrentGC: "0",
    };
    for (const [name, variables] of [
      ["jk_socketd", frugal],
      ["jk_jailuser", moves],
      ["jk_init", copies],
      ["jk_cp", copies],
      ["jk_jailusers", usual],
      ["jk_socketd2", usual],
      ["jk_socket", usual],
    ] as const) {
      symlinkSync(programs.report, join(hostile, name));
      expect(JSON.parse(attack(join(hostile, name), {}).stdout).runtimeEnvironment).toEqual(variables);
    }
  });

  test("BUN_INSPECT opens no debugger", () => {
    const socket = join(hostile, "inspector");
    expect(attack(programs.report, { BUN_INSPECT: `ws+unix://${socket}` }).status).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  test("BUN_JSC_useJIT=0, which takes bun:ffi away, is not obeyed", () => {
    const env = {
      BUN_JSC_useJIT: "0",
      BUN_JSC_dumpOptions: "2",
      MIMALLOC_VERBOSE: "1",
      MIMALLOC_SHOW_STATS: "1",
    };
    const { status, stderr } = attack(programs.report, env);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});

describe("program names and arguments", () => {
  for (const name of ["bun", "bunx", "node", "npm", "-bun"]) {
    test(`argv[0] is ${name}`, () => {
      const words = ["bash", "-c", `exec -a ${name} "$0" "$@"`, programs.report, "run", "./attack.js"];
      const { status, stdout } = run(words, { cwd: hostile });
      expect(status).toBe(0);
      expect(JSON.parse(stdout).args).toEqual([name, "run", "./attack.js"]);
      expect(JSON.parse(stdout).execfn).toBe(programs.report);
    });
  }

  test("none at all", () => {
    const { status, stdout } = run([programs.launcher, "no-arguments", "--", programs.report]);
    expect(status).toBe(0);
    // Since Linux 5.18 the kernel gives an empty argv[0].
    expect(JSON.parse(stdout).args.length).toBeLessThanOrEqual(1);
  });

  test("100,000", () => {
    const { status, stdout } = run([
      programs.launcher,
      "many-arguments",
      "100000",
      "--",
      programs.report,
      "first",
    ]);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.argumentCount).toBe(100_002);
    expect(report.args.slice(0, 3)).toEqual([programs.report, "first", "x"]);
  });

  test("bytes that are not UTF-8, options of the runtime and empty ones come as they are", () => {
    const words = ["", "a\x80", "--inspect", "-e", "--", "--bun", "--smol", " \n"];
    const { stdout } = run([
      "sh",
      "-c",
      `exec "$0" '' "a$(printf '\\200')" --inspect -e -- --bun --smol ' \n'`,
      programs.report,
    ]);
    const utf8 = Buffer.from(stdout, "latin1").toString();
    expect(JSON.parse(utf8).args.slice(1)).toEqual(words);
  });
});

describe("environments", () => {
  test("empty", () => {
    const { status, stdout } = run([programs.launcher, "no-environment", "--", programs.report]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).environment).toEqual([]);
  });

  test("of 50,000 variables", () => {
    const { status, stdout } = run([programs.launcher, "large-environment", "50000", "--", programs.report]);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.environmentCount).toBe(50_000);
    expect(report.lastVariable).toBe("VARIABLE_49999=49999");
  });

  test("with a variable as long as the kernel accepts", () => {
    const value = "x".repeat(131072 - 6);
    const { status, stdout } = attack(programs.report, { LONG: value, LAST: "1" });
    expect(status).toBe(0);
    expect(JSON.parse(stdout).environment).toEqual([`LONG=${value}`, "LAST=1"]);
  });

  test("with entries that are not assignments, and duplicate names", () => {
    const words = ["environment", "A=1", "environment", "=", "environment", "A=2"];
    const { stdout } = run([programs.launcher, "no-environment", ...words, "--", programs.report]);
    expect(JSON.parse(stdout).environment).toContain("A=2");
  });
});

describe("an executable without its guard", () => {
  test("does not run", () => {
    const { status, stdout, stderr } = run([programs.unguarded]);
    expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
    expect(stderr).toBe("report: this executable has lost its guard and does not run: install it again\n");
  });

  test("is not persuaded by variables", () => {
    const env = { JK_GUARD: "1342177280", GUARD: "1", JAILKIT_GUARD: String(0x50000000) };
    expect(run([programs.unguarded], { env }).status).toBe(127);
  });

  const tools: [string, string[]][] = [
    ["strip", []],
    ["strip", ["-s"]],
    ["strip", ["--strip-debug"]],
    ["strip", ["-R", ".guard"]],
    ["objcopy", []],
    ["objcopy", ["-R", ".bun"]],
    ["objcopy", ["-R", ".comment"]],
  ];
  for (const [tool, words] of tools) {
    test(`${[tool, ...words].join(" ")}: it does not start, and is not the bun command`, () => {
      const changed = join(programs.folder, "changed");
      copyFileSync(programs.report, changed);
      expect(run([tool, ...words, changed]).status).toBe(0);
      chmodSync(changed, 0o755);
      const { status, stdout, stderr } = run([changed, ...CODE]);
      expect(stdout).toBe("");
      expect(status).not.toBe(0);
      if (!words.includes(".guard")) {
        expect(status).toBe(127);
        expect(stderr).toBe("jailkit: this executable was stripped or changed: install it again\n");
      }
    });
  }
});

describe("a program that was damaged in the executable", () => {
  const damaged = join(tmpdir(), `damaged-${process.pid}`);
  test.each([
    ["its size", 0, 8],
    ["its last line", -16, 8],
  ])("%s: it does not start", (_what, at, count) => {
    const bytes = readFileSync(programs.report);
    const { offset } = sectionNamed(readElf(bytes), ".bun");
    const size = Number(bytes.readBigUInt64LE(offset));
    const start = at < 0 ? offset + 8 + size + at : offset;
    bytes.fill(0, start, start + count);
    writeFileSync(damaged, bytes, { mode: 0o755 });
    try {
      const { status, stdout, stderr } = run([damaged, ...CODE]);
      expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
      expect(stderr).toBe("jailkit: this executable was stripped or changed: install it again\n");
    } finally {
      rmSync(damaged, { force: true });
    }
  });
});

describe("import.meta.main", () => {
  test("distinguishes the program from what it loads, and each is one by itself", () => {
    expect(run([programs.dispatch]).stdout).toBe("dispatched to loaded\n");
    expect(run([programs.loaded]).stdout).toBe("loaded is the main program\n");
  });
});
