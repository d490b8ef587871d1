/** A compiled tool in a jail: no /proc, no /sys, no /dev, or what a jailed user put in their place. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { guardPrograms, type Programs, run, USER } from "../fixtures/guard/build.ts";

let programs: Programs;
let jail: string;

/** The libraries that the runtime is linked to, where ld.so finds them. */
function copyLibraries(): void {
  for (const [, path = ""] of run(["ldd", programs.report]).stdout.matchAll(/(\/\S+)/g)) {
    mkdirSync(join(jail, dirname(path)), { recursive: true });
    copyFileSync(realpathSync(path), join(jail, path));
  }
}

beforeAll(() => {
  programs = guardPrograms();
  jail = join(programs.folder, "jail");
  mkdirSync(jail);
  copyLibraries();
  for (const name of ["report", "inherited"]) {
    copyFileSync(join(programs.folder, name), join(jail, name));
    chmodSync(join(jail, name), 0o755);
  }
  mkdirSync(join(jail, "tmp"));
  chmodSync(join(jail, "tmp"), 0o1777);
}, 60_000);
afterAll(() => programs.remove());

function inJail(settings: string[], words: string[] = []) {
  return run([programs.launcher, "root", jail, "user", String(USER), ...settings, "--", "/report", ...words]);
}

describe("in a jail with nothing but libraries", () => {
  test("a tool starts, with a main thread of the usual size", () => {
    const { status, stdout, stderr } = inJail([]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ guarded: true, userIds: [USER, USER, USER] });
  });

  test("with a small stack", () => {
    expect(inJail(["limit", "3", "262144", "262144"]).status).toBe(0);
  });

  test("executes a program, which inherits what it should", () => {
    const settings = ["ignore", "13", "close", "0", "open", "5", "/report"];
    expect(inJail(settings, ["exec", "/inherited", "/tmp/found"]).status).toBe(42);
    const through = readFileSync(join(jail, "tmp/found"), "latin1");
    const words = [
      programs.launcher,
      "root",
      jail,
      "user",
      String(USER),
      ...settings,
      "--",
      "/inherited",
      "/tmp/direct",
    ];
    expect(run(words).status).toBe(42);
    const direct = readFileSync(join(jail, "tmp/direct"), "latin1");
    expect(through.replaceAll("/tmp/found", "")).toBe(direct.replaceAll("/tmp/direct", ""));
  });

  test("standard descriptors that were closed are open, though there is no /dev/null", () => {
    const { status } = inJail(["close", "0", "close", "1", "close", "2"]);
    expect(status).toBe(0);
    const { stdout } = inJail(["close", "0"]);
    expect(JSON.parse(stdout).standardDescriptors).toEqual([0, 0, 0]);
  });

  test("a file named /dev/null is not written to", () => {
    mkdirSync(join(jail, "dev"));
    writeFileSync(join(jail, "dev/null"), "");
    chmodSync(join(jail, "dev/null"), 0o666);
    expect(inJail(["close", "1"]).status).toBe(0);
    expect(readFileSync(join(jail, "dev/null"), "latin1")).toBe("");
    rmSync(join(jail, "dev"), { recursive: true });
  });

  test("another device named /dev/null is not taken for it", () => {
    mkdirSync(join(jail, "dev"));
    // What is written into /dev/full fails, and /dev/zero has no end.
    for (const minor of ["7", "5"]) {
      run(["mknod", "-m", "666", join(jail, "dev/null"), "c", "1", minor]);
      run(["chmod", "666", join(jail, "dev/null")]);
      expect(inJail(["close", "0"], ["device"]).stdout).toBe("false\n");
      rmSync(join(jail, "dev/null"));
    }
    rmSync(join(jail, "dev"), { recursive: true });
  });

  test("in a directory that was removed", () => {
    expect(inJail(["deleted-directory"]).status).toBe(0);
  });
});
