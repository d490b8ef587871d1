/** What the kernel keeps of an account that is gone: System V IPC, message queues and keys. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
// Keys of a uid are those of the kernel, not of the machine: those that are locked stay there for some minutes.
const UID = 27_000 + Math.floor(Math.random() * 10_000);
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const BOB = `${JAIL}${user("eve")}${user("bob")}uid = ${UID}\n`;
const CARL = `${JAIL}${user("eve")}${user("carl")}uid = ${UID}\n`;
const EVE = JAIL + user("eve");
const END = `jailkit terminate-user --uid=${UID}`;

/** Words: what to make, with which rights, or what to do with it. */
const IPC = `import ctypes, os, platform, struct, sys, tempfile, time
c = ctypes.CDLL(None, use_errno=True)
c.shmat.restype = ctypes.c_void_p
arm = platform.machine() == "aarch64"
add_key, keyctl = (217, 219) if arm else (248, 250)
def must(n):
    if n == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return n
# Without persistent-keyring(7) the one of the user once more.
lasting = c.syscall(keyctl, 22, -1, -1)
if lasting < 0: lasting = -4
mode = int(sys.argv[2], 8) if sys.argv[1] in ("make", "huge") and len(sys.argv) > 2 else 0o600
if sys.argv[1] == "make":
    c.shmat(must(c.shmget(0x4711, 4096, 0o1000 | mode)), None, 0)
    must(c.semget(0x4711, 1, 0o1000 | mode))
    must(c.msgget(0x4711, 0o1000 | mode))
    must(c.mq_open(b"/left", os.O_CREAT | os.O_RDWR, mode, None))
elif sys.argv[1] == "huge":
    # SHM_HUGETLB and SHM_NORESERVE: the machine need have no such pages free.
    c.shmget(0x4711, 1 << 21, 0o15000 | mode)
elif sys.argv[1] == "key":
    for ring in (-4, -5, lasting): must(c.syscall(add_key, b"user", b"left", b"secret", 6, ring))
elif sys.argv[1] == "share":
    rings = [c.syscall(keyctl, 0, ring, 1) for ring in (-4, -5)]
    # KEYCTL_SETPERM; and KEYCTL_RESTRICT_KEYRING, after which it takes no key.
    for ring in rings: must(c.syscall(keyctl, 5, ring, 0x3f3f3f3f)); must(c.syscall(keyctl, 29, ring, 0, 0))
    print(*rings)
elif sys.argv[1] == "closed":
    must(c.syscall(keyctl, 15, -4, 60)); must(c.syscall(keyctl, 5, -4, 0))
elif sys.argv[1] == "revoked":
    must(c.syscall(keyctl, 3, -5))
elif sys.argv[1] == "link":
    for ring in sys.argv[3:]: must(c.syscall(keyctl, 8, int(ring), -4))
elif sys.argv[1] == "add":
    for ring in (-4, -5): must(c.syscall(add_key, b"user", b"mine", b"secret", 6, ring))
elif sys.argv[1] == "nested":
    # As deep as the rights of who possesses them go.
    for ring in (-4, -5, lasting) if sys.argv[2] == "all" else (-4, -5):
        while ring != -1: ring = c.syscall(add_key, b"keyring", b"nested", None, 0, ring)
elif sys.argv[1] == "zombie":
    if os.fork() == 0: os.setuid(int(sys.argv[2])); os._exit(0)
    time.sleep(0.2); print("held", flush=True); time.sleep(1000)
elif sys.argv[1] == "find":
    print(c.syscall(keyctl, 10, -4, b"user", b"mine", 0) >= 0)
elif sys.argv[1] == "fill":
    n = 0
    while c.syscall(add_key, b"user", b"fill%d" % n, b"x" * 1000, 1000, -4) >= 0: n += 1
    while c.syscall(add_key, b"user", b"fill%d" % n, b"x", 1, -4) >= 0: n += 1
elif sys.argv[1].startswith("give"):
    def give():
        queue = must(c.msgget(0, 0o1600)); stat = ctypes.create_string_buffer(256); must(c.msgctl(queue, 2, stat))
        # ipc_perm.uid, by IPC_SET.
        struct.pack_into("I", stat, 4, int(sys.argv[3])); must(c.msgctl(queue, 1, stat))
    give()
    print("given", flush=True)
    while sys.argv[1] == "give-on":
        try: give()
        except OSError: time.sleep(0.001)
elif sys.argv[1] == "hold":
    must(c.shmat(c.shmget(0x4711, 0, 0), None, 0)); print("held", flush=True); time.sleep(1000)
elif sys.argv[1] == "hide":
    c.shmat(c.shmget(0x4711, 0, 0), None, 0)
    # proc(5) shows a path of 2,000 bytes for each of 65,000 parts of the memory.
    os.chdir(tempfile.mkdtemp())
    for _ in range(10): os.mkdir("d" * 200); os.chdir("d" * 200)
    fd = os.open("f", os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 4096)
    c.mmap.restype = ctypes.c_void_p
    c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
    for _ in range(65000): c.mmap(None, 4096, 1, 1, fd, 0)
    print("held", flush=True); time.sleep(1000)
else:
    found = ["shm"] * (c.shmget(0x4711, 0, 0) >= 0) + ["sem"] * (c.semget(0x4711, 0, 0) >= 0)
    found += ["msg"] * (c.msgget(0x4711, 0) >= 0) + ["mq"] * (c.mq_open(b"/left", os.O_RDWR) >= 0)
    for ring in (-4, -5, lasting): found += ["key"] * (c.syscall(keyctl, 10, ring, b"user", b"left", 0) >= 0)
    # A new key of @u is found in the default session, as before.
    c.syscall(add_key, b"user", b"new", b"x", 1, -4)
    found += ["no link"] * (c.syscall(keyctl, 10, -5, b"user", b"new", 0) < 0)
    c.syscall(keyctl, 7, -4)
    print(" ".join(found))
`;
let m: Machine;
const as = (who: number | string, ...words: string[]) => {
  const uid = typeof who === "number" ? who : uidIn(m, who);
  // As vm.hugetlb_shm_group wants it.
  const gid = words[0] === "huge" ? 0 : uid;
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "python3", "-c", IPC, ...words];
};
const ipc = (who: number | string, ...words: string[]) => m.must(as(who, ...words)).stdout.trim();
/** The objects of System V IPC, and their owners. */
const objects = () =>
  m
    .must(["ipcs"])
    .stdout.split("\n")
    .filter((line) => line.startsWith("0x"))
    .map((line) => line.split(/\s+/)[2]);
const removal = (...options: string[]) => {
  m.write(FILE, EVE);
  const { status, changes, summary } = linesOf(m, "--prune", "--delete-homes", ...options);
  const of = <T>(one: (change: (typeof changes)[number]) => readonly T[]) => changes.flatMap(one);
  return {
    status,
    steps: of(({ steps }) => steps),
    warnings: of(({ warnings }) => warnings),
    problems: summary.problems,
  };
};

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, BOB);
  m.must(["jailkit", "apply"]);
});
afterEach(() => {
  for (const name of ["bob", "carl", "eve"]) if (uidIn(m, name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
  m.run(["ipcrm", "--all"]);
  m.run(["python3", "-c", "import ctypes; ctypes.CDLL(None).mq_unlink(b'/left')"]);
});
afterAll(() => m?.close());

test("it goes with the account, and nothing of others does", () => {
  ipc(UID, "make");
  ipc(UID, "key");
  m.must(["ipcmk", "-M", "100"]);
  m.must(["setpriv", "--reuid", "eve", "--clear-groups", "ipcmk", "-M", "100", "-Q", "-S", "2"]);
  expect(ipc(UID, "look")).toBe("shm sem msg mq key key key");
  // As many keys as a user may have.
  ipc(UID, "fill");
  const { status, steps, warnings, problems } = removal();
  expect([status, warnings, problems]).toEqual([0, [], []]);
  expect(steps).toContain(
    "removed what the kernel had of 'bob': 1 shared memory segment, 1 semaphore set, 2 message queues, keys",
  );
  expect(objects().sort()).toEqual(["eve", "eve", "eve", "root"]);
  m.write(FILE, CARL);
  expect(linesOf(m).status).toBe(0);
  expect([uidIn(m, "carl"), ipc("carl", "look")]).toEqual([UID, ""]);
});

test("a keyring that another user has linked, or that takes no keys, is not that of the next user", () => {
  ipc("eve", "link", "0", ...ipc(UID, "share").split(" "));
  expect([removal().warnings, ipc("eve", "find")]).toEqual([[], "False"]);
  m.write(FILE, CARL);
  expect(linesOf(m).status).toBe(0);
  ipc("carl", "add");
  expect([ipc("carl", "find"), ipc("eve", "find")]).toEqual(["True", "False"]);
});

test("keyrings in keyrings go, too", () => {
  ipc(UID, "key");
  ipc(UID, "nested", "both");
  expect(removal()).toMatchObject({ status: 0, warnings: [], problems: [] });
  m.write(FILE, CARL);
  m.must(["jailkit", "apply"]);
  expect(ipc("carl", "look")).toBe("");
});

test("keys of an account that somebody has removed are not those of the next one, also while a process that has ended has the uid", async () => {
  const zombie = m.start(["python3", "-c", IPC, "zombie", `${UID}`]);
  await zombie.until(({ stdout }) => stdout.includes("held") || undefined);
  ipc(UID, "key");
  m.must(["userdel", "bob"]);
  m.write(FILE, EVE);
  linesOf(m, "--prune", "--delete-homes");
  m.must(["rm", "-r", `${J}/home/bob`]);
  m.write(FILE, CARL);
  const { status, changes, summary } = linesOf(m);
  expect(summary.problems).toEqual([]);
  const steps = changes.flatMap((change) => change.steps);
  const removed = `removed keys that an earlier account with the uid ${UID} had`;
  expect([status, steps.filter((step) => step.includes("keys"))]).toEqual([0, [removed]]);
  expect(ipc("carl", "look")).toBe("");
  zombie.kill();
  await zombie.ended;
});

test("no thread of the run keeps the uid, and the run does not take itself for a process of the account", () => {
  removal();
  m.write(FILE, EVE + (JAIL + user("bob")).replaceAll(J, "/srv/other"));
  expect(linesOf(m).summary.problems).toEqual([]);
  ipc("bob", "key");
  m.write(FILE, EVE);
  const { status, changes } = linesOf(m, "--prune", "--delete-homes");
  expect([status, changes.flatMap(({ warnings }) => warnings)]).toEqual([0, []]);
});

test("where nobody may use keyctl(2), as in a container, keys are in nobody's way", () => {
  ipc(UID, "key");
  const apply = ["-e", "inject=keyctl:error=EPERM", "jailkit", "apply", "--prune", "--delete-homes"];
  m.write(FILE, CARL);
  const { stderr } = m.must(["strace", "-f", "-qq", "-o", "/dev/null", ...apply]);
  expect([uidIn(m, "carl"), stderr.includes("in the kernel")]).toEqual([UID, false]);
});

test("what another account with the uid has stays", () => {
  m.must(["useradd", "-M", "-o", "-u", `${UID}`, "twin"]);
  ipc(UID, "make");
  ipc(UID, "key");
  const { status, steps } = removal();
  m.must(["userdel", "twin"]);
  expect([status, steps.filter((step) => step.includes("kernel"))]).toEqual([0, []]);
  expect(ipc(UID, "look")).toBe("shm sem msg mq key key key");
  m.must(END.split(" "));
});

test("of an account that leaves nothing there nothing is said", () => {
  expect(removal().steps.filter((step) => step.includes("kernel"))).toEqual([]);
});

test("what comes later reserves the uid until the command that is shown has removed it", () => {
  removal();
  ipc(UID, "make");
  m.write(FILE, CARL);
  for (const options of [["--check"], []]) {
    const [problem] = linesOf(m, ...options).summary.problems;
    expect(problem).toMatchObject({ code: "left-uid", remedy: END });
    expect(problem?.message).toContain(
      `1 shared memory segment, 1 semaphore set, 2 message queues in the kernel have the uid ${UID}`,
    );
  }
  const shown = m.must([...END.split(" "), "--dry-run"]).stdout;
  expect(shown).toContain("would remove what the kernel has of it: 1 shared memory segment");
  expect(objects()).toHaveLength(3);
  m.must(END.split(" "));
  expect([objects(), linesOf(m).status, ipc("carl", "look")]).toEqual([[], 0, ""]);
});

test("what another user has made, and gives to the uid again and again, goes, and reserves it for nobody", async () => {
  ipc("eve", "give", "0", `${UID}`);
  const { warnings, steps } = removal();
  expect([warnings, steps.filter((step) => step.includes("kernel")), objects()]).toEqual([
    [],
    ["removed what the kernel had of 'bob': 1 message queue"],
    [],
  ]);
  const eve = m.start(as("eve", "give-on", "0", `${UID}`));
  await eve.until(({ stdout }) => stdout.includes("given") || undefined);
  m.must(END.split(" "));
  m.write(FILE, CARL);
  for (const options of [["--check"], []]) expect(linesOf(m, ...options).summary.problems).toEqual([]);
  expect([uidIn(m, "carl"), objects().includes("carl")]).toEqual([UID, true]);
  eve.kill();
  await eve.ended;
});

test("what root has made for it does", () => {
  removal();
  ipc(0, "give", "0", `${UID}`);
  m.write(FILE, CARL);
  expect(linesOf(m).summary.problems).toMatchObject([{ code: "left-uid", remedy: END }]);
  m.must(END.split(" "));
  expect([objects(), linesOf(m).status]).toEqual([[], 0]);
});

test("message queues go, too, where the kernel shows them only at their place, as before Linux 5.2", () => {
  removal();
  ipc(UID, "make");
  m.must(["sh", "-ec", "mkdir -p /dev/mqueue; mount -t mqueue none /dev/mqueue"]);
  m.must(["strace", "-qq", "-o", "/dev/null", "-e", "inject=fsopen:error=ENOSYS", ...END.split(" ")]);
  expect([m.list("/dev/mqueue"), objects()]).toEqual([[], []]);
  m.must(["umount", "/dev/mqueue"]);
});

test.each([
  ["hold", "make", "eve", "'eve' \\(\\d+\\)"],
  ["hold, with huge pages", "huge", "eve", "'eve' \\(\\d+\\)"],
  [
    "hide",
    "make",
    "mail",
    "'mail' \\(\\d+, perhaps: they have more in their memory than can be looked at\\)",
  ],
])(
  "a segment that another user has attached stays, and reserves the uid until that has ended: %s",
  async (how, make, name, who) => {
    ipc(UID, make, "666");
    // A kernel may have none.
    if (objects().length === 0) return;
    const other = m.start(as(name, how.slice(0, 4)));
    await other.until(({ stdout }) => stdout.includes("held") || undefined);
    const { status, warnings } = removal();
    expect([status, warnings]).toEqual([
      0,
      [expect.stringMatching(new RegExp(`1 shared memory segment of 'bob' stays? in the kernel.*${who}`))],
    ]);
    m.write(FILE, CARL);
    const [problem] = linesOf(m).summary.problems;
    expect(problem?.code).toBe("left-uid");
    expect(m.run(END.split(" "))).toMatchObject({ status: 1, stderr: expect.stringContaining(`'${name}'`) });
    other.kill();
    await other.ended;
    expect(linesOf(m).status).toBe(0);
  },
);

test("of a process with too much in its memory to look at that is said, and the account stays", async () => {
  const eve = m.start(as("eve", "hide"));
  await eve.until(({ stdout }) => stdout.includes("held") || undefined);
  const { status, problems } = removal();
  const message = expect.stringMatching(
    /^user bob: processes of 'eve' \(\d+\) have more than can be looked at, in which they may keep a setuid program of 'bob'/,
  );
  expect([status, problems]).toMatchObject([1, [{ code: "has-processes", message }]]);
  expect(m.exists(`${J}/home/bob`)).toBe(true);
  eve.kill();
  await eve.ended;
  m.must((problems[0]?.remedy ?? "").split(" "));
  expect(removal().status).toBe(0);
});

test("an account that stays keeps it", () => {
  ipc(UID, "make");
  m.must(END.split(" "));
  expect(ipc(UID, "look")).toBe("shm sem msg mq");
});

test.each([
  ["closed", UID + 10_000],
  ["revoked", UID + 20_000],
  ["nested", UID - 10_000],
])("while root cannot remove a keyring, no account gets the uid: %s", (how, uid) => {
  removal();
  const declared = (name: string, more: string) => `${EVE}${user(name)}${more}`;
  m.write(FILE, declared("bob", `uid = ${uid}\n`));
  m.must(["jailkit", "apply"]);
  ipc(uid, "key");
  ipc(uid, how, "all");
  const { status, warnings } = removal();
  expect([status, warnings]).toEqual([0, [expect.stringContaining("keys of 'bob' stay in the kernel")]]);
  m.write(FILE, declared("carl", `uid = ${uid}\n`));
  const faults = [["--check"], []].map((options) => linesOf(m, ...options).summary.problems[0]);
  expect(faults.map((fault) => fault?.code)).toEqual(["left-uid", "left-uid"]);
  expect(faults[0]?.message).toMatch(
    /(?:Required key not available|Too many levels of symbolic links); .*, or choose another uid$/,
  );
  expect(faults[0]?.message).toBe(faults[1]?.message ?? "");
  expect(uidIn(m, "carl")).toBeUndefined();
  // The one that useradd(8) would give.
  m.must(["useradd", "-M", "-u", `${uid - 1}`, "before"]);
  m.write(FILE, declared("carl", ""));
  m.must(["jailkit", "apply"]);
  m.must(["userdel", "before"]);
  expect(uidIn(m, "carl")).toBe(uid + 1);
});

test("jailkit import and jk_addjailuser know such a keyring before they begin, also with --dry-run", () => {
  const uid = UID + 5000;
  const other = "/srv/other";
  removal();
  m.write(FILE, `${JAIL}${user("bob")}uid = ${uid}\n`);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.write("/root/export.json", m.must(["jailkit", "export", "-j", J]).stdout);
  ipc(uid, "closed");
  removal();
  const why = new RegExp(
    `keys that an earlier account with the uid ${uid} had stay in the kernel: .*Required key not`,
  );
  for (const dryRun of [["-n"], []]) {
    const imported = m.run([
      "jailkit",
      "import",
      ...dryRun,
      "--create-users",
      "-j",
      other,
      "/root/export.json",
    ]);
    expect([imported.status, imported.stderr, m.exists(other)]).toEqual([
      1,
      expect.stringMatching(why),
      false,
    ]);
    const added = m.run(["jk_addjailuser", ...dryRun, "-u", `${uid}`, "-s", "/bin/bash", "-j", J, "carl"]);
    expect([added.status, added.stderr]).toEqual([1, expect.stringMatching(why)]);
    expect([added.stderr.includes("removed again"), uidIn(m, "carl")]).toEqual([false, undefined]);
  }
});
