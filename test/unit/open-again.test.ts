import { expect, test } from "bun:test";
import { join } from "node:path";

const FILES = join(import.meta.dir, "../../ffi/files.ts");
const CONSTANTS = join(import.meta.dir, "../../ffi/constants.ts");

/** How often openat2(2) is called for a directory, with these flags, if renames disturb it `times` times; and whether it is opened. */
function opened(flags: string, times: number) {
  const script = `
    import { openAt2 } from ${JSON.stringify(FILES)};
    import * as C from ${JSON.stringify(CONSTANTS)};
    openAt2(C.AT_FDCWD, "/", ${flags}, C.RESOLVE_IN_ROOT);`;
  const inject = ["-e", "trace=openat2", "-e", `inject=openat2:error=EAGAIN:when=1..${times}`];
  const run = Bun.spawnSync(["strace", "-f", "-qq", ...inject, process.execPath, "-e", script]);
  const calls = run.stderr.toString().match(/openat2\(AT_FDCWD, "\/"/g) ?? [];
  return [run.exitCode, calls.length];
}

test("a walk that renames and mounts of others disturb is tried again, at last with pauses", () => {
  expect(opened("C.O_PATH", 100)).toEqual([0, 101]);
  expect(opened("C.O_PATH", 1000)).toEqual([1, 256]);
});

test("but for a file that is opened, of which somebody's lease says the same", () => {
  expect(opened("C.O_RDONLY | C.O_NONBLOCK", 63)).toEqual([0, 64]);
  expect(opened("C.O_RDONLY | C.O_NONBLOCK", 64)).toEqual([1, 64]);
});
