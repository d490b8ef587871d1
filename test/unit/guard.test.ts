import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { args, callerIds, environment, execve, isGuarded, requireGuard } from "../../ffi/guard.ts";
import {
  ambientCapabilities,
  capabilities,
  groupIds,
  isOnlyUser,
  singleThreaded,
  supplementaryGroups,
  userIds,
} from "../../ffi/process.ts";

describe("from source, without a guard", () => {
  test("arguments, environment and ids are those of the process", () => {
    expect(isGuarded()).toBe(false);
    requireGuard("jk_test");
    expect(args().length).toBeGreaterThan(0);
    expect(environment()).toContain(`PATH=${process.env.PATH}`);
    expect(callerIds()).toEqual({
      uid: process.getuid?.() ?? -1,
      euid: process.geteuid?.() ?? -1,
      gid: process.getgid?.() ?? -1,
      egid: process.getegid?.() ?? -1,
    });
  });

  test("execve tells what failed, on which file", () => {
    expect(() => execve("/nonexistent/program", ["program"], [])).toThrow(
      "/nonexistent/program: execve: No such file or directory",
    );
    expect(() => execve("/bin/true", ["a\0b"], [])).toThrow("NUL byte");
  });

  test("execve hands on arguments and environment byte by byte", () => {
    const script = `
      import { execve } from "${import.meta.dir}/../../ffi/guard.ts";
      execve("/usr/bin/env", ["env", "A=\\xff", "printf", "%s|", "", "\\x80 b"], ["B=1"]);`;
    const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", script]);
    expect(exitCode).toBe(0);
    expect(stdout.toString("latin1")).toBe("|\x80 b|");
  });
});

describe("process", () => {
  const status = readFileSync("/proc/self/status", "latin1");
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";

  test("ids and groups are what the kernel says", () => {
    const numbers = (text: string) => text.split(/\s+/).filter(Boolean).map(Number);
    expect<number[]>(userIds()).toEqual(numbers(field("Uid")).slice(0, 3));
    expect<number[]>(groupIds()).toEqual(numbers(field("Gid")).slice(0, 3));
    expect(supplementaryGroups()).toEqual(numbers(field("Groups")));
    expect(isOnlyUser(userIds()[0])).toBe(true);
    expect(isOnlyUser(userIds()[0] + 1)).toBe(false);
  });

  test("capabilities are what the kernel says", () => {
    const set = (name: string) => BigInt(`0x${field(name)}`);
    expect(capabilities()).toEqual({
      effective: set("CapEff"),
      permitted: set("CapPrm"),
      inheritable: set("CapInh"),
    });
    expect(ambientCapabilities()).toBe(set("CapAmb"));
  });

  test("threads", () => {
    // bun test has more than one.
    expect(singleThreaded()).toBe(Number(field("Threads")) === 1);
  });

  test.skipIf(process.getuid?.() !== 0)("dropAllCapabilities leaves none, and root is powerless", () => {
    const script = `
      import * as p from "${import.meta.dir}/../../ffi/process.ts";
      console.log(p.chrootIsRefused());
      p.dropAllCapabilities();
      console.log(p.chrootIsRefused());
      try { p.chroot("/"); console.log("chroot"); } catch (e) { console.log(e.code); }
      console.log(p.capabilities(), p.ambientCapabilities());`;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script]);
    const lines = "false\ntrue\nEPERM\n{\n  effective: 0n,\n  permitted: 0n,\n  inheritable: 0n,\n} 0n\n";
    expect(stdout.toString().replace(/\x1b\[\d*m/g, "")).toBe(lines);
  });
});

test("nothing of ours goes to descriptor 2 by its number, which leads nowhere in an executable", () => {
  const root = join(import.meta.dir, "../..");
  const found = ["src", "ffi"].flatMap((folder) =>
    [...new Bun.Glob(`${folder}/**/*.ts`).scanSync({ cwd: root })].flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(/(?:write\w*|isatty)\(2\b(?!\))/g)].map(
        ([text]) => `${file}: ${text}`,
      ),
    ),
  );
  // Where there is no guard, there is no other number.
  expect(found.sort()).toEqual(["ffi/guard.ts: write(2"]);
});
