import { afterAll, beforeAll, expect, test } from "bun:test";
import { holdersOf } from "../../src/system/holders.ts";
import { processesByUid, processesOf } from "../../src/system/processes.ts";

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

/** Sets up an io_uring(7), as the number of a user; ends with 1 where the kernel does not allow it. */
const RING = `
import ctypes, mmap, os, sys, time
uid, isMapped = int(sys.argv[1]), sys.argv[2] == "mapped"
os.setresuid(uid, uid, uid)
fd = ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120))
if fd < 0: sys.exit(1)
if isMapped:
    ring = mmap.mmap(fd, 4096, offset=0)
    os.close(fd)
print("there", flush=True)
time.sleep(1000000)
`;

let other: ReturnType<typeof start>;
const start = (program = THREAD, ...words: string[]) =>
  Bun.spawn(["python3", "-c", program, ...words], { stdout: "pipe" });

beforeAll(async () => {
  other = start();
  await other.stdout.getReader().read();
});
afterAll(() => other.kill("SIGKILL"));

test("a process has the uid of each of its threads", () => {
  expect(processesOf(UID)).toEqual([other.pid]);
  expect(processesByUid()(UID)).toEqual([other.pid]);
  expect(holdersOf(new Set([UID, UID + 1])).get(UID)).toEqual({ pid: other.pid });
});

test.each([
  ["open", UID + 2],
  ["mapped", UID + 2],
  ["open", 0],
])("a process with an io_uring may have any uid (%s, of the uid %d)", async (how, uid) => {
  const others = new Set([UID + 3, UID + 4]);
  const before = holdersOf(others);
  const one = start(RING, `${uid}`, how);
  const { value } = await one.stdout.getReader().read();
  // A kernel without them says nothing.
  const holder = uid === 0 || value === undefined ? undefined : { pid: one.pid, ringOf: new Set([`${uid}`]) };
  const now = [...others].map((other) => holdersOf(others).get(other));
  one.kill("SIGKILL");
  await one.exited;
  expect(now).toEqual([...others].map((other) => before.get(other) ?? holder));
});
