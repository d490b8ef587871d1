/**
 * Crash reports of the runtime (its authors, where to report, libraries, arguments) never reach a user. Each crash is
 * also provoked without the guard, where the report appears, to show that it is a real one.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { guardPrograms, type Programs, run } from "../fixtures/guard/build.ts";

setDefaultTimeout(120_000);

const AS = "9";

let programs: Programs;
beforeAll(() => {
  programs = guardPrograms();
});
afterAll(() => programs.remove());

const launched = (program: string, words: string[], settings: string[] = []) =>
  run([programs.launcher, ...settings, "--", program, "crash", ...words]);
// Enough for the runtime, and soon used up.
const little = ["limit", AS, "3000000000", "3000000000"];

describe("a crash of the runtime", () => {
  for (const how of ["address", "stack", "memory"]) {
    test(`${how}: told without the guard, and silent with it`, () => {
      const settings = how === "memory" ? little : [];
      const without = launched(programs.unguarded, [how], settings);
      expect(without.stderr).toContain("Bun v");
      const all = [programs.report, programs.privileged, programs.shared];
      for (const program of how === "memory" ? [programs.report] : all) {
        const { status, stdout, stderr } = launched(program, [how], settings);
        expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
        expect(status).not.toBe(0);
      }
    });
  }

  for (const signal of ["SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"] as const) {
    test(`${signal} from outside: it ends, in silence`, async () => {
      const child = Bun.spawn([programs.report, "wait"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
      await child.stdout.getReader().read();
      child.kill(signal);
      await child.exited;
      expect(await child.stderr.text()).toBe("");
      expect(child.exitCode).not.toBe(0);
    });
  }
});

describe("standard error of what a tool executes", () => {
  test("is the caller's", () => {
    const words = ["exec", "/bin/ls", "/nonexistent"];
    for (const program of [programs.report, programs.privileged])
      expect(run([program, ...words]).stderr).toContain("/nonexistent");
  });

  test("is the caller's also after an execve that failed", () => {
    expect(run([programs.report, "fail-and-exec", "/bin/ls", "/nonexistent"]).stderr).toContain(
      "/nonexistent",
    );
    // Between the two the runtime is as silent as before.
    expect(run([programs.report, "fail-and-crash"])).toMatchObject({ stdout: "", stderr: "" });
  });
});
