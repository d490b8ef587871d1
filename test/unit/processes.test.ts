import { afterAll, beforeAll, expect, test } from "bun:test";
import { holdersOf, processesByUid, processesOf } from "../../src/system/processes.ts";

/** That of one thread of a process of root. */
const UID = 47_110;
const THREAD = `
import ctypes, os, threading, time
call = {"x86_64": 117, "aarch64": 147}[os.uname().machine]
def run():
    # setresuid(2): without the wrapper of libc, which changes all threads.
    ctypes.CDLL(None).syscall(call, ${UID}, ${UID}, ${UID})
    print("there", flush=True)
    time.sleep(1000000)
threading.Thread(target=run).start()
`;

let other: ReturnType<typeof start>;
const start = () => Bun.spawn(["python3", "-c", THREAD], { stdout: "pipe" });

beforeAll(async () => {
  other = start();
  await other.stdout.getReader().read();
});
afterAll(() => other.kill("SIGKILL"));

test("a process has the uid of each of its threads", () => {
  expect(processesOf(UID)).toEqual([other.pid]);
  expect(processesByUid()(UID)).toEqual([other.pid]);
  expect([...holdersOf(new Set([UID, UID + 1]))]).toEqual([[UID, other.pid]]);
});
