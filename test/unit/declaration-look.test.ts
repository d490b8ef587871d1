/** What jailkit apply sees of a jail, and that nothing is done in one which it cannot see. */
import { expect, spyOn, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { libc } from "../../ffi/libc.ts";
import { openJailState } from "../../src/declaration/compare/look.ts";
import type { Machine } from "../../src/declaration/compare/machine.ts";
import { Displaced } from "../../src/jail/record/displaced.ts";
import { makeJail } from "./jail-helper.ts";

test.skipIf(process.getuid?.() !== 0)(
  "a jail of which nobody can tell whether it has proc is left alone",
  () => {
    const jail = makeJail();
    const machine = {
      mountsProc: () => false,
      logSocketOf: () => undefined,
      liveDirectoriesOf: () => [],
      byJail: new Map(),
      displaced: () => new Displaced([], () => []),
    } as unknown as Machine;
    const look = () => {
      const { state, root } = openJailState(jail.path, machine);
      root?.[Symbol.dispose]();
      return [state.someProc, state.fault?.message];
    };
    try {
      expect(look()).toEqual([false, undefined]);
      mkdirSync(`${jail.path}/proc`);
      expect(look()).toEqual([false, undefined]);
      const { fstatfs } = libc;
      // EBADF: nobody knows.
      const down = spyOn(libc, "fstatfs").mockImplementation((_, buffer) => fstatfs(-1, buffer));
      try {
        expect(look()).toEqual([false, expect.stringContaining("fstatfs")]);
        rmSync(`${jail.path}/proc`, { recursive: true });
        expect(look()).toEqual([false, undefined]);
      } finally {
        down.mockRestore();
      }
    } finally {
      jail.close();
    }
  },
);
