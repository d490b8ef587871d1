import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Holder, holdersOf } from "../../src/system/holders.ts";
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

/**
 * Who holds a uid that nobody has, after a process was started, as others may for a moment; `wanted` if one on this machine does
 * all the time.
 */
function holderBeside(pid: number, uid: number, wanted: Holder | undefined): Holder | undefined {
  for (let look = 0; look < 100; look++) {
    const found = holdersOf(new Set([uid])).get(uid);
    if (found === undefined || found.pid === pid) return found;
  }
  return wanted;
}

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
  const one = start(RING, `${uid}`, how);
  const { value } = await one.stdout.getReader().read();
  // A kernel without them says nothing.
  const may = { by: "an io_uring", uids: new Set([`${uid}`]) };
  const holder = uid === 0 || value === undefined ? undefined : { pid: one.pid, may };
  const now = [UID + 3, UID + 4].map((other) => holderBeside(one.pid, other, holder));
  one.kill("SIGKILL");
  await one.exited;
  expect(now).toEqual([holder, holder]);
});

/** Sends a file to itself as the number of a user, through another socket or a connection that nobody has accepted. */
const QUEUE = `
import os, socket, sys, time
uid, how = int(sys.argv[1]), sys.argv[2]
file = os.open("/bin/true", os.O_RDONLY)
os.setresuid(uid, uid, uid)
pair = socket.socketpair()
server = socket.socket(socket.AF_UNIX)
if how == "nested":
    socket.send_fds(pair[0], [b"x"], [file])
    outer = socket.socketpair()
    socket.send_fds(outer[0], [b"x"], [pair[1].fileno()])
    for one in pair: one.close()
elif how == "accept":
    server.bind("\\0jailkit-processes-test-" + str(os.getpid()))
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(server.getsockname())
    socket.send_fds(client, [b"x"], [file])
elif how == "sent":
    socket.send_fds(pair[0], [b"x"], [file])
os.close(file)
print("there", flush=True)
time.sleep(1000000)
`;

test.each([
  ["sent", UID + 2, true],
  ["nested", UID + 2, true],
  ["accept", UID + 2, true],
  ["none", UID + 2, false],
  ["sent", 0, false],
])("a file on its way to a process may have any uid (%s, of the uid %d)", async (how, uid, isSeen) => {
  const one = start(QUEUE, `${uid}`, how);
  await one.stdout.getReader().read();
  const may = { by: "a socket with open files in its queue", uids: new Set([`${uid}`]) };
  const holder = isSeen ? { pid: one.pid, may } : undefined;
  const now = holderBeside(one.pid, UID + 3, holder);
  one.kill("SIGKILL");
  await one.exited;
  expect(now).toEqual(holder);
});

/** Closes a file that a thread, as the number of a user, sends to a socket without room, or executes while another thread ends. */
const HANDED = `
import ctypes, os, socket, sys, threading
uid, how = int(sys.argv[1]), sys.argv[2]
file = os.open("/bin/true", os.O_RDONLY)
os.setresuid(uid, uid, uid)
libc = ctypes.CDLL(None)
# Without it, the process could not be traced.
libc.prctl(4, 1, 0, 0, 0)
def wait_for(task, *calls):
    while open(f"/proc/{task}/syscall").read().split()[0] not in calls: pass
if how == "send":
    pair = socket.socketpair()
    pair[0].setblocking(False)
    try:
        while True: pair[0].send(b"x" * 4096)
    except BlockingIOError: pass
    pair[0].setblocking(True)
    thread = threading.Thread(target=socket.send_fds, args=(pair[0], [b"x"], [file]))
    thread.start()
    wait_for(f"self/task/{thread.native_id}", "46", "211")
    os.close(file)
    print(os.getpid(), flush=True)
else:
    tids, told = os.pipe()
    go, going = os.pipe()
    child = os.fork()
    if child == 0:
        def run():
            os.write(told, str(threading.get_native_id()).encode())
            threading.Event().wait()
        threading.Thread(target=run).start()
        os.read(go, 1)
        os.execve(file, ["true"], {})
    os.close(file)
    tid = int(os.read(tids, 16))
    # PTRACE_SEIZE with PTRACE_O_TRACEEXIT: the thread stays at its end, and execve(2) waits for that.
    if libc.ptrace(0x4206, tid, None, ctypes.c_void_p(0x40)) != 0: sys.exit(1)
    os.write(going, b"x")
    os.waitpid(tid, 0x40000000)
    wait_for(child, "59", "322", "221", "281")
    print(child, flush=True)
threading.Event().wait()
`;

test.each(["send", "execute"])("a thread in a call with a file may have any uid (%s)", async (how) => {
  const one = start(HANDED, `${UID + 2}`, how);
  const { value } = await one.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(value));
  const may = { by: "a thread in execve(2) or sendmsg(2)", uids: new Set([`${UID + 2}`]) };
  const now = holderBeside(pid, UID + 3, { pid, may });
  one.kill("SIGKILL");
  await one.exited;
  expect(now).toEqual({ pid, may });
});
