import { afterAll, beforeAll, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readLink } from "../../ffi/files.ts";
import { capabilities, setCapabilities } from "../../ffi/process.ts";
import { beginLookUp, doAroundLookUps, endLookUp } from "../../ffi/waiting.ts";
import { type Holder, holdersOf, lookAtHolders } from "../../src/system/holders.ts";
import { mayHoldFile } from "../../src/system/in-call.ts";
import { counted, isEnough, whileEnding } from "../../src/system/long-status.ts";
import { SeenProcesses } from "../../src/system/pids.ts";
import { processesByUid, processesOf } from "../../src/system/processes.ts";
import { endingOf } from "../../src/users/sessions.ts";

// Where other programs have the processors.
setDefaultTimeout(60_000);

/** That of one thread of a process of root. */
const UID = 47_110;
// capabilities(7)
const CAP_SYS_ADMIN = 21n;
/** That of files: another run of these tests has another one. */
const OWNER = 1_000_000 + process.pid;
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
    const [found, ...others] = holdersOf(new Set([uid]), "").get(uid) ?? [];
    if (found === undefined || (found.pid === pid && others.length === 0)) return found;
  }
  return wanted;
}

let other: ReturnType<typeof start>;
const started: Bun.Subprocess[] = [];
/** It keeps nothing open that whoever waits for the tests reads. */
function start(program = THREAD, ...words: string[]) {
  const one = Bun.spawn(["python3", "-c", program, ...words], { stdout: "pipe", stderr: "ignore" });
  started.push(one);
  return one;
}

beforeAll(async () => {
  other = start();
  await other.stdout.getReader().read();
});
// Also those of a test that has failed.
afterAll(() => {
  for (const one of started) one.kill("SIGKILL");
});

test("a process has the uid of each of its threads", () => {
  expect(processesOf(UID)).toEqual([other.pid]);
  expect(processesByUid()(UID)).toEqual([other.pid]);
  const holder = { pid: other.pid, uids: new Set(["0", `${UID}`]) };
  expect(holdersOf(new Set([UID, UID + 1]), "").get(UID)).toEqual([holder]);
});

test.each([
  ["open", UID + 2],
  ["mapped", UID + 2],
  ["open", 0],
])("a process with an io_uring may have any uid (%s, of the uid %d)", async (how, uid) => {
  const one = start(RING, `${uid}`, how);
  const { value } = await one.stdout.getReader().read();
  // A kernel without them says nothing.
  const found = { pid: one.pid, uids: new Set([`${uid}`]), may: "an io_uring" };
  const holder = uid === 0 || value === undefined ? undefined : found;
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
  const may = "a socket with open files in its queue";
  const holder = isSeen ? { pid: one.pid, uids: new Set([`${uid}`]), may } : undefined;
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
  const may = "a thread in a call that does not end, such as sendmsg(2)";
  const holder = { pid, uids: new Set([`${UID + 2}`]), may };
  const now = holderBeside(pid, UID + 3, holder);
  one.kill("SIGKILL");
  await one.exited;
  expect(now).toEqual(holder);
});

/** A thread sends a file that is closed; at each byte in the other file, the main one takes it out again, or it sends it again. */
const TAKEN = `
import ctypes, os, socket, sys, threading
uid = int(sys.argv[1])
file, state = os.open(sys.argv[2], os.O_RDONLY), os.open(sys.argv[3], os.O_RDWR | os.O_APPEND)
os.setresuid(uid, uid, uid)
# Without it, it could not read its own files in /proc.
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
pair = socket.socketpair()
def wait(size):
    while os.fstat(state).st_size < size: pass
for turn in range(0, 1000, 4):
    pair[0].setblocking(False)
    try:
        while True: pair[0].send(b"x")
    except BlockingIOError: pass
    pair[0].setblocking(True)
    thread = threading.Thread(target=socket.send_fds, args=(pair[0], [b"y"], [file]))
    thread.start()
    while open(f"/proc/self/task/{thread.native_id}/syscall").read().split()[0] not in ("46", "211"): pass
    os.close(file)
    if turn == 0: print("there", flush=True)
    else: os.write(state, b"s")
    wait(turn + 1)
    taken = []
    while not taken: taken = socket.recv_fds(pair[1], 1 << 16, 1)[1]
    [file] = taken
    thread.join()
    os.write(state, b"t")
    wait(turn + 3)
`;

/** Starts a program with a file of another user without a name, and one by which they tell each other how far they are. */
async function withFiles(program: string, ...words: string[]) {
  const directory = mkdtempSync(`${tmpdir()}/jailkit-holders-`);
  const [file, state] = [`${directory}/file`, `${directory}/state`];
  for (const path of [file, state]) writeFileSync(path, "");
  chownSync(file, OWNER, 0);
  const one = start(program, `${UID + 2}`, file, state, ...words);
  await one.stdout.getReader().read();
  rmSync(file);
  const end = async () => {
    one.kill("SIGKILL");
    await one.exited;
    rmSync(directory, { recursive: true });
  };
  return { one, state, end };
}

/** Lets the program go on, which says so; one that has failed never does. */
function answered(state: string): void {
  appendFileSync(state, "x");
  for (let look = 0; statSync(state).size % 2 === 1 && look < 1_000_000; look++);
}

test("what a thread had in a call is seen when its process has it open then", async () => {
  const { one, state, end } = await withFiles(TAKEN);
  const pause = spyOn(Bun, "sleepSync").mockImplementation(() => {
    if (statSync(state).size === 0) answered(state);
  });
  const found = holdersOf(new Set([OWNER]), "").get(OWNER);
  pause.mockRestore();
  await end();
  expect(found).toEqual([{ pid: one.pid, uids: new Set([`${UID + 2}`]) }]);
});

/** Starts a process that keeps a file, which this one closes, once something is in the other file; with "wait", only that waits for it. */
const PASSED = `
import ctypes, os, sys, threading
uid, how = int(sys.argv[1]), sys.argv[4]
file, state = os.open(sys.argv[2], os.O_RDONLY), os.open(sys.argv[3], os.O_RDWR | os.O_APPEND)
os.setresuid(uid, uid, uid)
print("there", flush=True)
while how == "later" and not os.pread(state, 1, 0): pass
# CLONE_VFORK and SIGCHLD: this one waits until the other one ends.
call = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
child = ctypes.CDLL(None).syscall(call, 17 + (0x4000 if how == "wait" else 0), 0, 0, 0, 0)
if child != 0: os.close(file)
if child != 0 or how == "wait": os.write(state, b"p")
threading.Event().wait()
`;

test("who takes it back each time may have it", async () => {
  const { one, state, end } = await withFiles(TAKEN);
  const pause = spyOn(Bun, "sleepSync").mockImplementation(() => {
    if (statSync(state).size % 4 === 0) answered(state);
  });
  const doubtful = lookAtHolders((_, { pid }, file) => {
    const isOut = statSync(state).size % 4 === 2;
    if (pid === one.pid && file === undefined && isOut) answered(state);
  }, "");
  pause.mockRestore();
  await end();
  expect(doubtful.map(({ pid }) => pid)).toContain(one.pid);
});

test("what is started while processes are looked at is looked at, too", async () => {
  const { one, state, end } = await withFiles(PASSED, "later");
  const found: number[] = [];
  lookAtHolders((uid, { pid }, file) => {
    if (pid === one.pid && file === undefined && statSync(state).size === 0) answered(state);
    if (uid === OWNER) found.push(pid);
  }, "");
  const children = (await Bun.file(`/proc/${one.pid}/task/${one.pid}/children`).text()).trim();
  for (const child of children.split(" ")) process.kill(Number(child), "SIGKILL");
  await end();
  expect([...new Set(found)]).toEqual([Number(children)]);
});

/** Has a file and a child without it. At a byte in the other file the child ends, and one with the file gets its pid, as a user. */
const REUSED = `
import ctypes, os, signal, sys
uid, libc = int(sys.argv[1]), ctypes.CDLL(None)
file, state = os.open(sys.argv[2], os.O_RDONLY), os.open(sys.argv[3], os.O_RDWR | os.O_APPEND)
def child(has_file, pid=0):
    # clone3(2) with the signal at the end, and a pid if there is one.
    pids = ctypes.c_int(pid)
    chosen = (ctypes.addressof(pids), 1) if pid else (0, 0)
    new = libc.syscall(435, (ctypes.c_uint64 * 10)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, *chosen), 80)
    if new != 0: return new
    if not has_file: os.close(file)
    os.setresuid(uid, uid, uid)
    # It ends with its parent: PR_SET_PDEATHSIG.
    libc.prctl(1, 9, 0, 0, 0)
    if has_file: os.write(state, b"p")
    else: print("there", flush=True)
    while True: signal.pause()
first = child(False)
while not os.pread(state, 1, 0): pass
os.kill(first, signal.SIGKILL)
os.waitpid(first, 0)
child(True, first)
os.close(file)
while True: signal.pause()
`;

/** Starts one that ends, at each byte in the other file, and waits for none. */
const ENDED = `
import os, sys
uid, state = int(sys.argv[1]), os.open(sys.argv[3], os.O_RDWR | os.O_APPEND)
os.setresuid(uid, uid, uid)
print("there", flush=True)
while True:
    while os.fstat(state).st_size % 2 == 0: pass
    child = os.fork()
    if child == 0: os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    os.write(state, b"e")
`;

/** Looks, and before each pass over the processes does something. */
function lookWith(act: (pass: number) => void, note: Parameters<typeof lookAtHolders>[0] = () => undefined) {
  const original = SeenProcesses.prototype.newIn;
  let pass = 0;
  const passes = spyOn(SeenProcesses.prototype, "newIn").mockImplementation(function* (
    this: SeenProcesses,
    proc: number,
  ) {
    act(pass++);
    yield* original.call(this, proc);
  });
  try {
    return lookAtHolders(note, "");
  } finally {
    passes.mockRestore();
  }
}

test("a process in 65,536 groups is seen, and its status, which is long, hides no other one", async () => {
  const one = start(
    "import os, sys, time; os.setgroups([10**9] * 65536); os.setresuid(*[int(sys.argv[1])] * 3); print('there', flush=True); time.sleep(1000)",
    `${UID + 13}`,
  );
  await one.stdout.getReader().read();
  const found = [processesOf(UID + 13), holdersOf(new Set([UID + 13]), "").get(UID + 13)];
  one.kill("SIGKILL");
  await one.exited;
  expect(found).toEqual([[one.pid], [{ pid: one.pid, uids: new Set([`${UID + 13}`]) }]]);
});

test("a process that has got the pid of another one while these are looked at is looked at, too", async () => {
  const { one, state, end } = await withFiles(REUSED);
  const [child = ""] = (await Bun.file(`/proc/${one.pid}/task/${one.pid}/children`).text()).trim().split(" ");
  const found: number[] = [];
  lookWith(
    (pass) => pass === 1 && answered(state),
    (uid, { pid }) => uid === OWNER && found.push(pid),
  );
  await end();
  expect([...new Set(found)]).toEqual([Number(child)]);
});

test("who starts processes that end, and waits for none, may have any uid", async () => {
  const { state, end } = await withFiles(ENDED);
  const doubtful = lookWith(() => answered(state));
  await end();
  expect(doubtful.flatMap(({ uids }) => [...uids])).toContain(`${UID + 2}`);
});

/** Has a file at one of two descriptors, and then at the other one. */
const EXCHANGED = `
import os, sys, time
uid = int(sys.argv[1])
file, state = os.open(sys.argv[2], os.O_RDONLY), os.open(sys.argv[3], os.O_RDWR | os.O_APPEND)
os.dup2(os.open("/dev/null", os.O_RDONLY), 100)
os.dup2(file, 101)
os.close(file)
os.setresuid(uid, uid, uid)
print("there", flush=True)
while not os.pread(state, 1, 0): pass
os.dup2(101, 100)
os.close(101)
os.write(state, b"p")
time.sleep(1000000)
`;

test("a file without a name that is exchanged with another one while these are looked at is seen", async () => {
  const { one, state, end } = await withFiles(EXCHANGED);
  const found: string[] = [];
  lookAtHolders((uid, { pid }, file) => {
    if (pid !== one.pid || file === undefined) return;
    if (file.path.endsWith("/fd/100") && statSync(state).size === 0) answered(state);
    if (uid === OWNER) found.push(file.path.replace(/^.*\//, ""));
  }, "");
  await end();
  expect([...new Set(found)]).toEqual(["100"]);
});

test("so may a process have any uid while it waits for the end of fork(2)", async () => {
  const { one, state, end } = await withFiles(PASSED, "wait");
  while (statSync(state).size === 0);
  const may = "a thread in a call that does not end, such as sendmsg(2)";
  const holder = { pid: one.pid, uids: new Set([`${UID + 2}`]), may };
  const now = holderBeside(one.pid, UID + 4, holder);
  const children = (await Bun.file(`/proc/${one.pid}/task/${one.pid}/children`).text()).trim();
  await end();
  process.kill(Number(children), "SIGKILL");
  expect(now).toEqual(holder);
});

/** Without end, and eight times at once, a process waits for a moment in sendmsg(2), starts its successor, and ends. */
const CHAIN = `
import os, socket, struct, sys, time
uid, end = int(sys.argv[1]), time.monotonic() + 60
os.setresuid(uid, uid, uid)
a, b = socket.socketpair()
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 15000))
a.setblocking(False)
try:
    while True: a.send(bytes(65536))
except BlockingIOError: pass
a.setblocking(True)
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 15000))
for _ in range(3): os.fork()
print("there", flush=True)
while time.monotonic() < end:
    try: a.sendmsg([b"x"])
    except OSError: pass
    if os.fork(): os._exit(0)
`;

test("processes that come and go in such calls may have any uid, and nobody waits for them without end", async () => {
  const one = start(CHAIN, `${UID + 9}`);
  await one.stdout.getReader().read();
  let doubtful: ReturnType<typeof lookAtHolders> = [];
  const isDoubtful = () => doubtful.some(({ uids }) => uids.has(`${UID + 9}`));
  try {
    // One look may find all of them between two such calls, where each can be seen as a whole.
    for (let look = 0; look < 20 && !isDoubtful(); look++) doubtful = lookAtHolders(() => undefined, "");
  } finally {
    // All at once: each has a successor.
    const end = `import os; os.setresuid(*[${UID + 9}] * 3); os.kill(-1, 9)`;
    Bun.spawnSync(["python3", "-c", end]);
  }
  expect(isDoubtful()).toBe(true);
});

test("the program that a process executes counts, with a name and without", async () => {
  const directory = mkdtempSync(`${tmpdir()}/jailkit-holders-`);
  const file = `${directory}/sleep`;
  Bun.spawnSync(["cp", "/bin/sleep", file]);
  chownSync(file, OWNER, 0);
  chmodSync(directory, 0o755);
  const one = start(
    "import os, sys; os.setresuid(*[int(sys.argv[1])] * 3); os.execv(sys.argv[2], ['s', '1000'])",
    `${UID + 12}`,
    file,
  );
  while (readLink(AT_FDCWD, `/proc/${one.pid}/exe`) !== file);
  const isHeld = () =>
    holdersOf(new Set([OWNER]), "")
      .get(OWNER)
      ?.map(({ pid }) => pid);
  const named = isHeld();
  rmSync(directory, { recursive: true });
  const nameless = isHeld();
  one.kill("SIGKILL");
  await one.exited;
  expect([named, nameless]).toEqual([[one.pid], [one.pid]]);
});

test("a path that is too long keeps nobody from looking", async () => {
  const program = `
import os, sys, time
for _ in range(20):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
file = os.open("f", os.O_CREAT)
os.unlink("f")
os.fchown(file, int(sys.argv[2]), 0)
os.setresuid(*[int(sys.argv[1])] * 3)
print("there", flush=True)
time.sleep(1000000)
`;
  const directory = mkdtempSync(`${tmpdir()}/jailkit-holders-`);
  const one = Bun.spawn(["python3", "-c", program, `${UID + 2}`, `${OWNER}`], {
    cwd: directory,
    stdout: "pipe",
  });
  started.push(one);
  await one.stdout.getReader().read();
  const found = holdersOf(new Set([OWNER]), "").get(OWNER);
  one.kill("SIGKILL");
  await one.exited;
  Bun.spawnSync(["rm", "-r", directory]);
  expect(found).toEqual([{ pid: one.pid, uids: new Set([`${UID + 2}`]) }]);
});

test("where many wait for others, only who waits for memory may have one", () => {
  const receive = process.arch === "arm64" ? 212 : 47;
  const at = (call: number | string, state: string) =>
    mayHoldFile(
      `${call} 0x3 0x7ffd`,
      () => `Name:\tx\nState:\t${state}\n`,
      () => "",
    );
  expect(["D (disk sleep)", "S (sleeping)"].map((state) => at(receive, state))).toEqual([true, false]);
  const none = () => "";
  expect(mayHoldFile("", none, none)).toBe(false);
});

test("what runs is in a call if its stack says so, and may be while it is on a processor", () => {
  const at = (...functions: string[]) => {
    const stack = functions.map((one) => `[<0>] ${one}+0x110/0x1a0\n`).join("");
    return mayHoldFile(
      "running\n",
      () => "State:\tR (running)\n",
      () => stack,
    );
  };
  const entry = ["do_syscall_64", "entry_SYSCALL_64_after_hwframe"];
  expect([
    at(),
    at("irqentry_exit_to_user_mode", "asm_sysvec_apic_timer_interrupt"),
    at("vfs_read", "ksys_read", ...entry),
    at("__cond_resched", "copy_strings", "do_execveat_common.isra.0", "__x64_sys_execve", ...entry),
    at("kernel_clone", "__do_sys_clone3", ...entry),
    at("unix_stream_sendmsg", "____sys_sendmsg", ...entry),
    at("unix_stream_sendmsg", "sock_write_iter", "vfs_write", "ksys_write", ...entry),
    at("unix_stream_recvmsg", "sock_recvmsg", "__sys_recvfrom", "__x64_sys_recvfrom", ...entry),
  ]).toEqual([undefined, false, false, true, true, true, false, false]);
});

/** Executes a program with so many arguments, and so little of a processor, that it takes seconds. */
const STARVED = `
import ctypes, os, signal, sys
uid, libc = int(sys.argv[1]), ctypes.CDLL(None)
words = (ctypes.c_char_p * 200003)(b"sleep", b"1000", *[b""] * 200000)
os.setresuid(uid, uid, uid)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.nice(19)
for _ in range(20):
    if os.fork() == 0:
        # Whatever becomes of the test.
        signal.alarm(60)
        while True: pass
child = os.fork()
if child == 0:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    libc.execv(b"/bin/sleep", words)
print("there", flush=True)
os.wait()
`;

test("a thread in execve(2) that gets no processor may have any uid", async () => {
  const one = start(STARVED, `${UID + 7}`);
  await one.stdout.getReader().read();
  const children = (await Bun.file(`/proc/${one.pid}/task/${one.pid}/children`).text()).trim().split(" ");
  const last = Number(children.at(-1));
  const stack = () => readFileSync(`/proc/${last}/stack`, "latin1");
  while (!stack().includes("exec"));
  const doubtful = lookAtHolders(() => undefined, "");
  const isIn = stack().includes("exec");
  for (const pid of [one.pid, ...children.map(Number)]) process.kill(pid, "SIGKILL");
  await one.exited;
  expect([isIn, doubtful.map(({ pid }) => pid)]).toEqual([true, expect.arrayContaining([last])]);
});

/** Executes a program with a page for each argument, which the kernel has to make: that takes about a second of a processor. */
const LONG = `
import ctypes, os, resource, sys
uid, libc = int(sys.argv[1]), ctypes.CDLL(None)
count = 600000
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
pages = libc.mmap(None, count * 4096, 3, 0x4022, -1, 0)
libc.madvise(ctypes.c_void_p(pages), ctypes.c_size_t(count * 4096), 15)
words = (ctypes.c_void_p * (count + 3))()
words[0:2] = [ctypes.cast(ctypes.c_char_p(one), ctypes.c_void_p).value for one in (b"sleep", b"1000")]
for at in range(count): words[2 + at] = pages + at * 4096 + 4095
os.setresuid(uid, uid, uid)
print("there", flush=True)
libc.execv(b"/bin/sleep", words)
`;

test("a thread in execve(2) that has a processor all the time may have any uid", async () => {
  const one = start(LONG, `${UID + 11}`);
  await one.stdout.getReader().read();
  const timesOf = () =>
    readFileSync(`/proc/${one.pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
  // Until it has had a processor for some time, all of it in the kernel.
  for (let first = timesOf(), now = first; Number(now[12]) < Number(first[12]) + 5; now = timesOf())
    if (now[11] !== first[11]) first = now;
  const program = () => readLink(AT_FDCWD, `/proc/${one.pid}/exe`);
  const before = program();
  const isDoubtful = lookAtHolders(() => undefined, "").some(({ pid }) => pid === one.pid);
  // If the call has ended, that is seen.
  const isOver = program() !== before;
  one.kill("SIGKILL");
  await one.exited;
  expect(isDoubtful || isOver).toBe(true);
});

test.each([
  ["outside", "pass", false],
  ["in the kernel", "file.read(1 << 24)", true],
])("what works all the time is in no call (%s), if root sees its stack", async (_, work, may) => {
  const program = `
import os, signal, sys
# Whatever becomes of the test.
signal.alarm(60)
file = open("/dev/urandom", "rb", 0)
os.setresuid(*[int(sys.argv[1])] * 3)
print("there", flush=True)
while True: ${work}
`;
  const one = start(program, `${UID + 8}`);
  await one.stdout.getReader().read();
  const look = () => Array.from({ length: 2 }, () => lookAtHolders(() => undefined, "")).flat();
  const all = capabilities();
  const found = look();
  setCapabilities({ ...all, effective: all.effective & ~(1n << CAP_SYS_ADMIN) });
  const foundWithout = look();
  setCapabilities(all);
  one.kill("SIGKILL");
  await one.exited;
  expect([found, foundWithout].map((ones) => ones.some(({ pid }) => pid === one.pid))).toEqual([false, may]);
});

test("all of a user is ended, but of a service, or with an id of root, only what is meant", () => {
  const some = [
    { pid: 1, uids: new Set([`${UID}`]) },
    { pid: 2, uids: new Set(["0", `${UID}`]) },
    { pid: 3, uids: new Set(["7"]) },
  ];
  expect([endingOf(some), endingOf(some, 2)].map(({ remedy }) => remedy)).toEqual([
    `jailkit terminate-user --uid=${UID} && kill -KILL 2 3`,
    "kill -KILL 1 2 3",
  ]);
  expect(endingOf(some.slice(1)).remedy).toBe("kill -KILL 2 3");
});

/** Has many threads, and many descriptors, which all of these share but the last one. */
const TABLES = `
import ctypes, os, sys, threading, time
uid, libc = int(sys.argv[1]), ctypes.CDLL(None)
for _ in range(200): os.dup(0)
os.setresuid(uid, uid, uid)
there = threading.Barrier(51)
def run(own):
    if own:
        libc.unshare(0x400)
        os.open("/bin/true", os.O_RDONLY)
    there.wait()
    time.sleep(1000000)
for number in range(50): threading.Thread(target=run, args=(number == 49,), daemon=True).start()
there.wait()
print("there", flush=True)
time.sleep(1000000)
`;

test("descriptors that threads share are looked at once, and those that one has for itself, too", async () => {
  const one = start(TABLES, `${UID + 5}`);
  await one.stdout.getReader().read();
  const paths: string[] = [];
  lookAtHolders((_, { pid }, file) => {
    if (pid === one.pid && file !== undefined) paths.push(readLink(file.proc, file.path));
  }, "");
  one.kill("SIGKILL");
  await one.exited;
  expect(paths.filter((path) => path.endsWith("bin/true")).length).toBe(1);
  // Without kcmp(2) it would be 51 times 200.
  expect([paths.length > 400, paths.length < 1000]).toEqual([true, true]);
});

/** Has processes that share all, and more, that have as many descriptors of their own. */
const MANY = `
import os, sys, time
uid = int(sys.argv[1])
for _ in range(300): os.dup(0)
os.setresuid(uid, uid, uid)
for _ in range(3):
    if os.fork() == 0: time.sleep(1000000)
print("there", flush=True)
time.sleep(1000000)
`;

test("whoever has too many open files may have any: no more of them are looked at, of all processes in sum", async () => {
  const one = start(MANY, `${UID + 6}`);
  await one.stdout.getReader().read();
  const children = (await Bun.file(`/proc/${one.pid}/task/${one.pid}/children`).text()).trim().split(" ");
  const seen = new Set<string>();
  const isOurs = (pid: number) => pid === one.pid || children.includes(`${pid}`);
  const look = (most?: number) => {
    seen.clear();
    // Each once, though one that has just begun is looked at again.
    const doubtful = lookAtHolders(
      (_, { pid }, file) => void (isOurs(pid) && file && seen.add(file.path)),
      "",
      most,
    );
    return doubtful.filter(({ pid }) => isOurs(pid)).map(({ may }) => may);
  };
  const few = [look(700), seen.size];
  const all = [look(), seen.size];
  for (const pid of [one.pid, ...children.map(Number)]) process.kill(pid, "SIGKILL");
  await one.exited;
  expect(few[0]).toEqual(Array(2).fill("more than can be looked at"));
  expect([few[1], all[0], all[1]]).toEqual([expect.any(Number), [], expect.any(Number)]);
  expect([Number(few[1]) < 700, Number(all[1]) > 1200]).toEqual([true, true]);
});

test("texts with thousands of groups count for their user, whose processes are not looked at after ten seconds of that", () => {
  const [ours, others, more] = [UID + 20, UID + 21, UID + 22].map(String);
  const long = "x".repeat(1 << 14);
  const read = (uid = "", milliseconds = 6000, text = long) => counted(text, milliseconds, () => [uid, "0"]);
  read(ours);
  read(others);
  // Of as many groups as one that a directory gives.
  read(ours, 60_000, "x".repeat(12_000));
  const message = `processes of 'uid ${ours}' have so many groups that it lasts too long to look at all of them: end them, and run this again: jailkit terminate-user --uid=${ours}`;
  expect(() => read(ours)).toThrow(message);
  // As often as it is tried.
  expect(() => read(ours, 0)).toThrow(message);
  read(more);
  read("0", 60_000);

  const uids = new Set([ours ?? ""]);
  expect(isEnough(long, uids)).toBe(false);
  whileEnding(Number(ours), () => {
    read(ours);
    expect(isEnough(long, uids)).toBe(true);
    // Other threads may have other ids.
    expect(isEnough("short", uids)).toBe(false);
    expect(isEnough(long, new Set([more ?? ""]))).toBe(false);
    expect(() => read(others)).toThrow(`uid ${others}`);
  });
  expect(() => read(ours)).toThrow(message);
});

test("a look-up within another one, as of a name for an error, is a part of that: what is done after one waits for what was done before it", () => {
  const done: string[] = [];
  doAroundLookUps({ begin: () => done.push("begin"), end: () => done.push("end") });
  try {
    beginLookUp("process", "1", true);
    beginLookUp("getpwuid_r", "2");
    endLookUp();
    expect(done).toEqual(["begin"]);
    endLookUp(true);
  } finally {
    doAroundLookUps(undefined);
  }
  expect(done).toEqual(["begin", "end"]);
});
