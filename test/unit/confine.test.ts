import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ARCHITECTURE, type Instruction } from "../../ffi/seccomp.ts";
import { SYSTEM_GROUPS } from "../../src/confine/directories.ts";
import { TERMINAL_FILTER } from "../../src/confine/terminal.ts";

test("jk_lsh.ini(5) names the directories of the system", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/man/jk_lsh.ini.5.in"), "utf8");
  const listed = /\.Bd -literal -offset indent\n(\/bin [\s\S]*?)\.Ed/.exec(page)?.[1] ?? "";
  const known = SYSTEM_GROUPS.flatMap(([above, names]) =>
    names.map((name) => `/${[...above, name].join("/")}`),
  );
  expect(listed.trim().split(/\s+/)).toEqual(known);
});

/** Runs a filter over a system call, as bpf(4) does: what it returns. */
function judge(filter: readonly Instruction[], arch: number, number: number, request: bigint): number {
  const words = new Map([
    [0, number],
    [4, arch],
    // The two halves of the second argument.
    [24, Number(request & 0xffffffffn)],
    [28, Number(request >> 32n)],
  ]);
  let value = 0;
  for (let at = 0; ; at++) {
    const [code, yes, no, operand] = filter[at] ?? [0, 0, 0, 0];
    if (code === 0x20) value = words.get(operand) ?? 0;
    else if (code === 0x54) value = (value & operand) >>> 0;
    else if (code === 0x15) at += value === operand ? yes : no;
    else if (code === 0x06) return operand;
    else throw new Error(`instruction ${at}: ${code}`);
  }
}

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const KILL_PROCESS = 0x80000000;
const arm = process.arch === "arm64";
const COMPAT = arm ? 0x40000028 : 0x40000003;

describe("the filter on the terminal", () => {
  const ioctls: [string, number, number][] = [
    ["native", ARCHITECTURE, arm ? 29 : 16],
    ["32-bit", COMPAT, 54],
    ...(arm
      ? []
      : ([
          ["x32", ARCHITECTURE, 0x40000000 | 514],
          ["x32 without its mark", ARCHITECTURE, 514],
          ["x86-64 with x32's mark", ARCHITECTURE, 0x40000000 | 16],
        ] as [string, number, number][])),
  ];
  test.each(ioctls)(
    "%s: TIOCSTI and TIOCLINUX, whatever stands above the 32 bits that count",
    (_, arch, number) => {
      for (const request of [0x5412n, 0x541cn]) {
        for (const high of [0n, 1n, 0x80000000n, 0xffffffffn]) {
          expect(judge(TERMINAL_FILTER, arch, number, (high << 32n) | request)).toBe(EPERM);
        }
      }
      for (const request of [0n, 0x5401n, 0x5411n, 0x5413n, 0x541bn, 0x541dn, 0x15412n, 0xffffffffn]) {
        expect(judge(TERMINAL_FILTER, arch, number, request)).toBe(ALLOW);
      }
    },
  );

  test("other calls are made, whatever their arguments are", () => {
    for (const [arch, ioctl] of [
      [ARCHITECTURE, arm ? 29 : 16],
      [COMPAT, 54],
    ] as const) {
      for (let number = 0; number < 600; number++) {
        if (number === ioctl || (arch === ARCHITECTURE && number === 514)) continue;
        expect(judge(TERMINAL_FILTER, arch, number, 0x5412n)).toBe(ALLOW);
      }
    }
  });

  test("what comes from another architecture ends the process", () => {
    expect(judge(TERMINAL_FILTER, 0xc0000016, 16, 0n)).toBe(KILL_PROCESS);
  });
});
