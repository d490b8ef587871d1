/** The numbers in ffi/kernel.ts are those of the kernel's headers, and the calls do what the C library's do. */
import { dlopen, FFIType } from "bun:ffi";
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errno, libc } from "../../ffi/libc.ts";

const source = readFileSync(join(import.meta.dir, "../../ffi/kernel.ts"), "utf8");
const NAMES: Readonly<Record<string, string>> = { send: "sendto", _exit: "exit_group" };
const calls = [...source.matchAll(/^ +(\w+): \([^)]*\) =>\s+call\(ARM \? (\d+) : (\d+),/gm)].map(
  ([, name = "", arm64, x64]) => ({ name: NAMES[name] ?? name, arm64: Number(arm64), x64: Number(x64) }),
);

const HEADERS = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  // Of all newer architectures. Two names differ.
  arm64: "/usr/include/asm-generic/unistd.h",
} as const;

test.each(["x64", "arm64"] as const)("the numbers of %s", (architecture) => {
  const header = HEADERS[architecture];
  if (!existsSync(header)) return;
  const numbers = new Map(
    [...readFileSync(header, "utf8").matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)].map(
      ([, name = "", number]) => [name, Number(number)],
    ),
  );
  expect(calls.length).toBeGreaterThan(20);
  for (const one of calls)
    expect([one.name, one[architecture]]).toEqual([one.name, numbers.get(one.name) ?? -1]);
});

test("results are those of the C library", () => {
  const { i32, u64, ptr } = FFIType;
  const { symbols } = dlopen("libc.so.6", {
    getuid: { args: [], returns: i32 },
    getcwd: { args: [ptr, u64], returns: ptr },
  });
  expect(libc.getpid()).toBe(process.pid);
  expect(libc.getuid()).toBe(symbols.getuid());
  const [ours, theirs] = [new Uint8Array(4096), new Uint8Array(4096)];
  symbols.getcwd(theirs, theirs.length);
  expect(libc.getcwd(ours, ours.length)).toBe(theirs.indexOf(0) + 1);
  expect(ours).toEqual(theirs);
});

test("a failure is -1 and errno, and an offset may be larger than 32 bits", () => {
  expect([libc.close(-1), errno()]).toEqual([-1, 9]);
  expect([libc.getcwd(new Uint8Array(1), 1), errno()]).toEqual([-1, 34]);
  const fd = libc.openat(-100, Buffer.from("/etc/passwd\0"), 0, 0);
  expect(libc.lseek(fd, 5_000_000_000, 0)).toBe(5_000_000_000);
  expect(libc.close(fd)).toBe(0);
});
