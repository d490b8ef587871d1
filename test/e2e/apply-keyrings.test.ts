/** Users who work against a run that removes the keys of an account which is gone: with links to its keyrings, or with its uid. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesIn, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
// Keys of a uid are those of the kernel, not of the machine.
const UID = 44_500 + Math.floor(Math.random() * 5_000);
// Some other user.
const OTHER = UID + 6_000;
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, path = J) => `[user ${name}]\njail = ${path}\nshell = /bin/bash\n`;
const EVE = jail(J) + user("eve");
// In a jail that goes: no file of the uid is left that would reserve it.
const BOB = `${EVE}${jail("/srv/bob")}${user("bob", "/srv/bob")}uid = ${UID}\n`;
const CARL = EVE + user("carl");

/** The words: what to do, and for "toggle" a keyring and a uid. */
const KEYS = `import ctypes, os, platform, sys, time
c = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = (217, 219) if platform.machine() == "aarch64" else (248, 250)
def ring(name, parent):
    made = c.syscall(add_key, b"keyring", name, None, 0, parent)
    # KEYCTL_SETPERM
    c.syscall(keyctl, 5, made, 0x3f3f3f3f)
    return made
if sys.argv[1] == "key":
    c.syscall(add_key, b"user", b"left", b"secret", 6, -4)
elif sys.argv[1] == "find":
    print(c.syscall(keyctl, 10, -4, b"user", b"left", 0) >= 0)
elif sys.argv[1] == "share":
    # KEYCTL_GET_PERSISTENT
    lasting = c.syscall(keyctl, 22, -1, -2)
    print(lasting if lasting < 0 else ring(b"shared", lasting))
else:
    shared = int(sys.argv[2])
    c.syscall(keyctl, 8, shared, -4)
    top = last = ring(b"deep", -4)
    for i in range(5): last = ring(b"deep%d" % i, last)
    print("ready", flush=True)
    # It is in the persistent one only while an account has the uid, and a little longer.
    while True:
        if b":%s:" % sys.argv[3].encode() in open("/etc/passwd", "rb").read():
            c.syscall(keyctl, 8, top, shared)
            print("deep", flush=True)
            time.sleep(1)
        else: c.syscall(keyctl, 9, top, shared)
        time.sleep(0.0003)
`;
let m: Machine;
const as = (uid: number, ...words: string[]) => [
  ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "python3", "-c", KEYS],
  ...words,
];
const keys = (uid: number, ...words: string[]) => m.must(as(uid, ...words)).stdout.trim();

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, BOB);
  m.must(["jailkit", "apply"]);
});
afterEach(() => {
  const names = ["before", "bob", "carl", "dora", "fred", "eve"];
  for (const name of names) if (uidIn(m, name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

test("keys that cannot be removed only while an account has the uid keep no account away that may have another one", async () => {
  m.write(FILE, EVE);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  // By a setuid program.
  const shared = keys(UID, "share");
  // A kernel may have no persistent ones.
  if (shared === "-1") return;
  // The next one is that which useradd(8) gives.
  m.must(["useradd", "-M", "-u", `${UID - 1}`, "before"]);
  const eve = m.start(as(OTHER, "toggle", shared, `${UID}`));
  await eve.until(({ stdout }) => stdout.includes("ready") || undefined);
  m.write(FILE, CARL + user("dora"));
  const { status, changes, summary } = linesOf(m);
  expect([status, summary.problems]).toEqual([0, []]);
  expect([uidIn(m, "carl"), uidIn(m, "dora")]).toEqual([UID + 1, UID + 2]);
  const told = changes.flatMap(({ steps, warnings }) => [...steps, ...warnings]);
  expect(told.filter((line) => /that an earlier|removed/.test(line))).toEqual([]);
  // The jail has the lines of two others still.
  for (const name of ["carl", "dora"]) m.must(["userdel", "-f", name]);
  await Bun.sleep(1100);
  const added = m.must(["jk_addjailuser", "-v", "-s", "/bin/bash", "-j", J, "fred"]);
  expect([uidIn(m, "fred"), /keys of|removed/.test(added.stdout + added.stderr)]).toEqual([UID + 3, false]);
  await eve.until(({ stdout }) => stdout.match(/deep/g)?.length === 2 || undefined);
  // Who asks for it hears why not.
  await Bun.sleep(1100);
  m.write(`${J}/etc/passwd`, m.read(`${J}/etc/passwd`).replace(/^carl:.*\n/m, ""));
  m.remove(`${J}/home/carl`);
  m.write(FILE, `${CARL}uid = ${UID}\n`);
  expect(linesOf(m).summary.problems).toMatchObject([
    { code: "left-uid", message: expect.stringMatching(/symbolic links.*removed again$/) },
  ]);
  expect([uidIn(m, "carl"), m.exists(`${J}/home/carl`)]).toEqual([undefined, false]);
  // Not deep any more.
  await Bun.sleep(1100);
  eve.kill();
  await eve.ended;
  m.must(["jailkit", "terminate-user", `--uid=${UID}`, `--uid=${OTHER}`]);
});

// As a setuid program of the account can, while a process has its uid.
test.each(["SIGSTOP", "SIGKILL"])(
  "no run is stopped or ended by who may signal a process with the uid: %s",
  (signal) => {
    m.write(FILE, EVE);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    keys(UID, "key");
    m.write(FILE, `${CARL}uid = ${UID}\n`);
    const inject = `inject=setresuid:signal=${signal}`;
    const traced = (...words: string[]) =>
      m.run(["timeout", "-k", "1", "20", "strace", "-f", "-qq", "-o", "/dev/null", "-e", inject, ...words]);
    const why = `the uid ${UID} (?:had )?stay in the kernel: .* find / -uid ${UID} -perm -4000`;
    const fault = linesIn(traced("jailkit", "apply", "--json"));
    expect(fault.summary.problems).toMatchObject([
      { code: "left-uid", message: expect.stringMatching(new RegExp(`^user carl: keys .*${why}`)) },
    ]);
    const end = ["jailkit", "terminate-user", `--uid=${UID}`];
    const { status, stderr } = traced(...end);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`keys of ${why.replace("the ", "")}`)),
    ]);
    m.must(end);
    expect(keys(UID, "find")).toBe("False");
    expect([linesOf(m).status, uidIn(m, "carl")]).toEqual([0, UID]);
  },
);

test("what such a program has stopped keeps no lock of a run that was killed", async () => {
  m.write(FILE, EVE);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  keys(UID, "key");
  m.write(FILE, `${CARL}uid = ${UID}\n`);
  const killed = `strace -f -qq -o /dev/null -e inject=setresuid:signal=SIGSTOP jailkit apply & strace=$!
    until stopped=$(pgrep -U ${UID}); do :; done
    kill -KILL $(ps -o ppid= -p $stopped) $strace
    jailkit apply --no-wait; status=$?
    echo status $status $(ps -o stat= -p $stopped); kill -KILL $stopped
    while grep -qs '^State:.[^ZX]' /proc/$stopped/status; do :; done`;
  expect(m.run(["timeout", "20", "bash", "-c", killed]).stdout).toMatch(/^status 1 T/m);
  expect([linesOf(m).status, uidIn(m, "carl")]).toEqual([0, UID]);
});
