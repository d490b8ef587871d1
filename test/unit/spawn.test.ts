import { expect, test } from "bun:test";
import { libc } from "../../ffi/libc.ts";
import { isStopped, spawn, waitFor } from "../../ffi/spawn.ts";

const SIGKILL = 9;
const SIGCONT = 18;
const SIGSTOP = 19;

test("a child is reported as stopped until it continues, but not after it has ended", () => {
  const options = { env: [], descriptors: [], blocked: 0n, newSession: false } as const;
  const pid = spawn("/bin/sleep", ["sleep", "60"], options);
  expect(isStopped(pid)).toBe(false);
  libc.kill(pid, SIGSTOP);
  while (!isStopped(pid));
  expect(isStopped(pid)).toBe(true);
  libc.kill(pid, SIGCONT);
  while (isStopped(pid));
  libc.kill(pid, SIGSTOP);
  libc.kill(pid, SIGKILL);
  // While it ends, and when it has ended and nobody has asked how.
  while (isStopped(pid));
  for (let i = 0; i < 100; i++) expect(isStopped(pid)).toBe(false);
  expect(waitFor(pid)).toBe(128 + SIGKILL);
  expect(isStopped(pid)).toBe(false);
});
