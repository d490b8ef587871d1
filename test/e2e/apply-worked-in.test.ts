/** Accounts leave their jail with homes that others work in at the same time. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const HOME = `${J}/home/eve`;

let m: Machine;
let mates: ReturnType<Machine["start"]> | undefined;

const sh = (line: string, name?: string) =>
  m.must(["sh", "-ec", line], name === undefined ? {} : { user: name });

/** A process of mate, in a directory of eve's home, that has done `work` a thousand times when this returns. */
async function busy(directory: string, work: string): Promise<void> {
  const lines = `chdir '${directory}' or die; $| = 1; for (my $i = 0; ; $i++) { ${work}; print "many\\n" if $i == 1000 }`;
  mates = m.start(["perl", "-e", lines], { user: "mate" });
  await mates.until(({ stdout }) => stdout.includes("many") || undefined);
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.addUser("eve", { home: "/home/eve", createHome: true, shell: "/bin/bash" });
  m.write(FILE, JAIL + user("mate"));
  m.must(["jailkit", "apply"]);
});
afterEach(async () => {
  mates?.kill();
  await mates?.ended;
});
afterAll(() => m?.close());

/** Declares eve, whose home others may write, and no longer. */
function declareOnce(): void {
  m.write(FILE, JAIL + user("mate") + user("eve"));
  m.must(["jailkit", "apply"]);
  sh(`cd ${HOME}; rm -rf s*; chmod 2777 .; setfacl -m u:mate:rwx .; mkdir -p sub/a many`, "eve");
  sh(`cd ${HOME}; echo mine >sub/a/file; chmod 777 sub sub/a`, "eve");
  // The copy takes so long that others run meanwhile.
  sh(`cd ${HOME}/many; seq 4000 | xargs touch`, "eve");
  m.write(FILE, JAIL + user("mate"));
}

const prune = () => linesOf(m, "--prune");
const FILES = ["getfacl", "-Rpn", "."];

test("others who may rename in a home do not keep its user in the jail: they do not reach it while it is copied", async () => {
  declareOnce();
  await busy(HOME, "rename 'sub', 's2'; symlink '/root', 'sub'; unlink 'sub'; rename 's2', 'sub'");
  const { status, summary } = prune();
  expect([status, summary.problems]).toEqual([0, []]);
  const { mode } = m.stat("/home/eve") ?? {};
  expect([m.exists(HOME), ((mode ?? 0) & 0o7777).toString(8)]).toEqual([false, "2777"]);
  expect(m.must(FILES, { cwd: "/home/eve" }).stdout).toContain(
    `user:${m.must(["id", "-u", "mate"]).stdout.trim()}:rwx`,
  );
  // In the midst of its names.
  expect(sh("cat /home/eve/s*/a/file").stdout).toBe("mine\n");
});

test("the error names those who were in a directory of the home before, and what ends them; the home is as before", async () => {
  let before = "";
  let pruned: ReturnType<typeof prune>;
  // Where others have the processors, mate may have none while the home is copied.
  for (let time = 0; ; time++) {
    declareOnce();
    before = m.must(FILES, { cwd: HOME }).stdout;
    await busy(`${HOME}/sub`, "rename 'a', 'b'; rename 'b', 'a'");
    pruned = prune();
    if (pruned.status !== 0 || time === 10) break;
    mates?.kill();
    await mates?.ended;
  }
  const { status, summary } = pruned;
  const { uid } = m.ids("mate");
  const remedy = `jailkit terminate-user --uid=${uid}`;
  const message =
    /'.srv.jail.home.eve' cannot be copied, and nothing was moved, while processes of 'mate' \(\d+\) work in it: end them first, with: jailkit/;
  const problem = { code: "home-changed", remedy, message: expect.stringMatching(message) };
  expect([status, summary.problems]).toMatchObject([1, [problem]]);
  sh(remedy);
  sh(`cd ${HOME}/sub; [ -e a ] || mv b a`);
  expect(m.must(FILES, { cwd: HOME }).stdout).toBe(before);
  expect([prune().status, sh("cat /home/eve/sub/a/file").stdout]).toEqual([0, "mine\n"]);
});

/** A process that has leases on files of eve's, as one of another user can have got them from a process of eve's that has ended. */
async function lease(names: readonly string[], uid: number): Promise<void> {
  const lines = `import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
for name in ${JSON.stringify(names)}: fcntl.fcntl(os.open(name, os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.setresuid(${uid}, ${uid}, ${uid})
print("leased", flush=True)
time.sleep(1000)`;
  mates = m.start(["python3", "-c", lines]);
  await mates.until(({ stdout }) => stdout.includes("leased") || undefined);
}

const LEASED = ["many/1", "many/2", "sub/a/file"].map((name) => `${HOME}/${name}`);

test("the error names those who keep files of the home from being opened, and what ends them", async () => {
  declareOnce();
  const { uid } = m.ids("mate");
  await lease(LEASED, uid);
  const remedy = `jailkit terminate-user --uid=${uid}`;
  expect(prune().summary.problems).toMatchObject([{ code: "home-changed", remedy }]);
  sh(remedy);
  expect([prune().status, sh("cat /home/eve/sub/a/file").stdout]).toEqual([0, "mine\n"]);
});

test("all such files are asked for at once, so that one run more does it, whoever has them", async () => {
  declareOnce();
  await lease(LEASED, 0);
  const message = expect.stringContaining(
    "' is kept from others by a lease (fcntl(2)), which the kernel ends within 45 s: run this again then",
  );
  expect(prune().summary.problems).toMatchObject([{ code: "home-changed", message }]);
  expect(m.read("/proc/locks").match(/LEASE +BREAKING/g)).toHaveLength(LEASED.length);
  mates?.kill();
  await mates?.ended;
  expect([prune().status, sh("cat /home/eve/sub/a/file").stdout]).toEqual([0, "mine\n"]);
});

test("so does that of a user's keys", async () => {
  const keys = `authorized_keys = ${KEYS[0]}\n`;
  m.write(FILE, JAIL + user("mate") + user("eve") + keys);
  m.must(["jailkit", "apply"]);
  const { uid } = m.ids("mate");
  await lease([`${HOME}/.ssh/authorized_keys`], uid);
  m.write(FILE, `${JAIL}${user("mate")}${user("eve")}${keys}  ${KEYS[1]}\n`);
  const remedy = `jailkit terminate-user --uid=${uid}`;
  const why =
    /authorized_keys' is kept from others by processes of 'mate' \(\d+\) .*; end them with: jailkit/;
  const problem = { code: "keys-not-written", remedy, message: expect.stringMatching(why) };
  expect(linesOf(m).summary.problems).toMatchObject([problem]);
  sh(remedy);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
});
