/** What `jailkit apply` knows of an account that a run which was killed has begun to create. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { BOB, HOME, J, JAIL, openKilledMachine } from "./apply-killed-scene.ts";
import { did } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const USERADD = "/usr/sbin/useradd";
const LOCK = "/var/lib/jailkit/locks/accounts";
const BY_HAND = ["jk_addjailuser", "-s", "/bin/bash", "-j", J, "bob"];

let at: Awaited<ReturnType<typeof openKilledMachine>>;
let m: Machine;

beforeAll(async () => {
  at = await openKilledMachine();
  ({ m } = at);
});
beforeEach(() => at.prune());
afterEach(() => at.clear());
afterAll(() => m?.close());

const KILL = "kill -KILL $PPID";
/** What the program would do. */
const WORK = 'real "$@"';

/** Runs apply with lines of sh(1) in the place of a program, which kill it. */
function killBy(
  program: "useradd" | "userdel",
  lines: readonly string[],
  declared = JAIL + BOB,
  ...options: readonly string[]
): void {
  const path = `/usr/sbin/${program}`;
  m.rename(path, `${path}.real`);
  m.write(path, ["#!/bin/sh", ...lines, ""].join("\n").replace("real", `${path}.real`), { mode: 0o755 });
  at.declare(declared);
  const { signal } = m.run(["jailkit", "apply", ...options]);
  m.rename(`${path}.real`, path);
  expect(signal).toBe("SIGKILL");
}

test("useradd(8) that is still at work when the next run begins: that waits for it", async () => {
  m.must(["mkfifo", "/run/go"]);
  m.must(["cp", "-p", USERADD, "/run/useradd"]);
  killBy("useradd", [KILL, "read go < /run/go", 'exec /run/useradd "$@"']);
  const calls: string[] = [];
  const { status } = await runWithStops(
    m,
    ["jailkit", "apply"],
    { calls: ["flock"], paths: [LOCK] },
    (call) => {
      if (calls.push(call) === 1) m.must(["sh", "-c", "echo go > /run/go"]);
    },
  );
  expect(calls[0]).toContain("EAGAIN");
  expect([status, at.memory().users[0].created]).toEqual([0, at.uidOf("bob")]);
  m.remove("/run/go");
  at.prune();
  expect(at.uidOf("bob")).toBeNaN();
});

test("what useradd(8) has started keeps the lock of a run that was killed: who waits says how to find it", async () => {
  m.must(["mkfifo", "/run/go"]);
  killBy("useradd", ["setsid sh -c 'read go < /run/go' < /dev/null > /dev/null 2>&1 &", WORK, KILL]);
  const busy = m.run(["jailkit", "apply", "--no-wait"]);
  const named = m.run(["jailkit", "apply", "--no-wait", "--json", "x.ini"], { cwd: "/root" });
  const problems = [{ code: "busy", path: "/root/x.ini", file: "/root/x.ini" }];
  expect(JSON.parse(named.stdout)).toMatchObject({ exitStatus: 75, problems });
  expect([busy.status, busy.stderr]).toEqual([75, expect.stringContaining("try again later")]);
  const waiting = m.start(["jailkit", "apply"]);
  await waiting.until(({ stderr }) => stderr.includes("waiting for") || undefined);
  waiting.kill("SIGINT");
  const { signal, stderr } = await waiting.ended;
  expect([signal, stderr]).toEqual([
    "SIGINT",
    expect.stringContaining("nothing was changed; run this again"),
  ]);
  const [, see = "no command"] = /what has the lock: (.*)\n/.exec(busy.stderr) ?? [];
  const [, pid] = /^\/proc\/(\d+)\/fd\//m.exec(m.run(["sh", "-c", see]).stdout) ?? [];
  expect(m.must(["cat", `/proc/${pid}/comm`]).stdout).toBe("sh\n");
  m.must(["sh", "-c", "echo go > /run/go"]);
  m.must(["jailkit", "apply"]);
  expect(at.memory().users[0].created).toBe(at.uidOf("bob"));
  m.remove("/run/go");
});

test("one that is taken out of the jail by hand, and is not declared any more, gets its password field first", () => {
  killBy("useradd", [WORK, KILL]);
  m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", "bob"]);
  at.declare(JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  expect(at.lineIn("/etc/shadow", "bob").split(":")[1]).toBe("!");
  expect(at.memory()).toMatchObject({ version: 4, users: [] });
  m.remove("/home/bob");
});

test.each([
  ["jk_addjailuser", BY_HAND],
  [
    "useradd(8)",
    ["useradd", "-g", "users", "-m", "-d", `${J}/./home/bob`, "-s", "/usr/sbin/jk_chrootsh", "bob"],
  ],
])(
  "the account that somebody has made with %s meanwhile, with all that it would have, stays",
  (_, byHand) => {
    at.declare(JAIL + BOB);
    m.must(["jailkit", "apply"]);
    const account = at.lineIn("/etc/passwd", "bob");
    at.prune();
    killBy("useradd", [KILL]);
    expect(at.uidOf("bob")).toBeNaN();
    m.must(byHand);
    expect(at.lineIn("/etc/passwd", "bob")).toBe(account);
    m.must(["jailkit", "apply"]);
    expect([at.memory().version, at.memory().users[0].created]).toEqual([4, null]);
    at.prune();
    expect([at.lineIn("/etc/passwd", "bob"), m.exists(HOME)]).toEqual([account, true]);
  },
);

test("the same for one that had the password of that run, and got another one", () => {
  killBy("useradd", [WORK, KILL]);
  const account = at.lineIn("/etc/passwd", "bob");
  m.must(["usermod", "-p", "*", "bob"]);
  at.prune();
  expect(at.lineIn("/etc/passwd", "bob")).toBe(account);
});

test("the account was renamed meanwhile: it is still its own, gets its password field, and goes when it is not declared", () => {
  for (const isDeclared of [true, false]) {
    killBy("useradd", [WORK, KILL]);
    m.must(["usermod", "-l", "carl", "bob"]);
    expect(at.lineIn("/etc/shadow", "carl")).toStartWith("carl:!$6$");
    at.declare(isDeclared ? `${JAIL}${BOB.replace("bob", "carl")}home = /home/bob\n` : JAIL);
    m.must(["jailkit", "apply"]);
    expect(at.lineIn("/etc/shadow", "carl")).toStartWith("carl:!:");
    expect(at.memory()).toMatchObject({ version: 4 });
    at.prune();
    expect([at.lineIn("/etc/passwd", "carl"), m.exists(HOME)]).toEqual(["", false]);
  }
});

test.each([
  ["whose home was there before", "true", "/home/bob", true],
  ["whose home was renamed, too", `usermod -d ${J}/./home/carl -m carl`, "/home/carl", false],
])("a renamed one %s is its own; the home stays", (_, command, home, isThere) => {
  if (isThere) {
    m.mkdir(HOME, { mode: 0o700 });
    m.chown(HOME, 31000, 100);
  }
  killBy("useradd", [WORK, KILL], `${JAIL}${BOB}uid = 31000\n`);
  m.must(["usermod", "-l", "carl", "bob"]);
  m.must(["sh", "-ec", command]);
  at.declare(`${JAIL}${BOB.replace("bob", "carl")}home = ${home}\n`);
  m.must(["jailkit", "apply"]);
  expect(at.lineIn("/etc/shadow", "carl")).toStartWith("carl:!:");
  at.prune();
  expect([at.uidOf("carl"), m.exists(J + home)]).toEqual([Number.NaN, true]);
});

test("the same with its home, and while somebody has made another one of its name", () => {
  killBy("useradd", [WORK, KILL]);
  m.must(["usermod", "-l", "carl", "-d", `${J}/./home/carl`, "-m", "bob"]);
  m.must(BY_HAND);
  const account = at.lineIn("/etc/passwd", "bob");
  const { status, stderr } = m.run(["jailkit", "apply"]);
  const uid = /if it means another one, declare '(uid = \d+)'/.exec(stderr)?.[1];
  expect([status, uid]).toEqual([1, `uid = ${at.uidOf("bob")}`]);
  expect(at.lineIn("/etc/shadow", "carl")).toStartWith("carl:!:");
  at.declare(`${JAIL}${BOB}${uid}\n`);
  m.must(["jailkit", "apply"]);
  at.prune();
  expect([at.lineIn("/etc/passwd", "bob"), m.exists(HOME)]).toEqual([account, true]);
});

test.each([
  ["the shell of the machine", "usermod -s /bin/sh -d /home/carl carl"],
  ["another shell", "usermod -s /bin/sh carl"],
  ["no home in the jail", `usermod -d /srv/other/./home/bob carl`],
  ["a copy of its password field", `useradd -M -d ${HOME} -p "$(getent shadow carl | cut -d: -f2)" dan`],
])("a renamed one with %s is not changed", (_, command) => {
  killBy("useradd", [WORK, KILL]);
  m.must(["usermod", "-l", "carl", "bob"]);
  m.must(["sh", "-ec", command]);
  const before = m.read("/etc/shadow");
  at.declare(JAIL);
  m.must(["jailkit", "apply"]);
  expect([m.read("/etc/shadow"), at.memory().creating]).toEqual([before, undefined]);
  m.run(["userdel", "dan"]);
});

test("what was begun and never ran is forgotten, without any other change, and --check sees it as it is", () => {
  killBy("useradd", [KILL]);
  expect([at.memory().version, at.memory().creating.length]).toEqual([5, 1]);
  at.declare(JAIL);
  m.must(["jailkit", "apply"]);
  expect([at.memory().version, at.memory().creating]).toEqual([4, undefined]);
  killBy("useradd", [WORK, KILL]);
  at.declare(JAIL);
  expect(did(m, "--check", "--prune", "--delete-homes")).toEqual([
    `planned - user bob: account and its home ${HOME} (no longer declared)`,
  ]);
  m.must(["jailkit", "apply"]);
  expect([at.memory().version, at.memory().users[0].created]).toEqual([4, at.uidOf("bob")]);
  expect(at.lineIn("/etc/shadow", "bob")).toStartWith("bob:!:");
});

test("what is begun is on the disk before useradd(8) begins", () => {
  at.declare(JAIL + BOB);
  m.must(["strace", "-y", "-qq", "-o", "/root/trace", "-e", "trace=fsync,clone3", "jailkit", "apply"]);
  const calls = m.read("/root/trace").split("\n");
  const synced = calls.findIndex((line) => line.startsWith("fsync(") && line.includes("</var/lib/jailkit/"));
  const started = calls.findIndex((line) => line.includes("CLONE_VFORK"));
  expect([synced >= 0, synced < started]).toEqual([true, true]);
});

test("the jail or the home moves before the next run: the account is still its own", () => {
  killBy("useradd", [WORK, KILL]);
  const moved = "/srv/moved";
  m.rename(J, moved);
  m.must(["jailkit", "adopt", "--moved", J, moved]);
  at.declare(JAIL.replace(J, moved));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([at.uidOf("bob"), m.exists(`${moved}/home/bob`)]).toEqual([Number.NaN, false]);
  m.must(["jailkit", "apply"]);
  m.rename(moved, J);
  m.must(["jailkit", "adopt", "--moved", moved, J]);
  killBy("useradd", [WORK, KILL]);
  m.must(["jk_init", "-j", moved, "uidbasics", "basicshell"]);
  m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/bash", "bob"]);
  m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", moved, "bob"]);
  at.declare(`${JAIL}${JAIL.replace(J, moved)}${BOB.replace(J, moved)}`);
  m.must(["jailkit", "apply"]);
  at.declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([at.uidOf("bob"), m.exists(moved)]).toEqual([Number.NaN, false]);
});

test("a home that stays when the account that was begun is removed again: nobody gets its uid", () => {
  killBy("useradd", [WORK, KILL]);
  const uid = at.uidOf("bob");
  m.must(["userdel", "bob"]);
  at.declare(JAIL + BOB.replace("bob", "carl"));
  m.must(["jailkit", "apply"]);
  expect([at.uidOf("carl"), at.memory().kept]).toMatchObject([
    uid + 1,
    [{ name: "bob", uid, home: `${J}/./home/bob` }],
  ]);
});

test("one that had another uid before: nobody gets that as long as the jail has a file of it", () => {
  at.declare(JAIL + BOB);
  m.must(["jailkit", "apply"]);
  const uid = at.uidOf("bob");
  m.mkdir(`${J}/tmp`);
  m.write(`${J}/tmp/sh`, "");
  m.chown(`${J}/tmp/sh`, uid, 100);
  m.must(["userdel", "bob"]);
  m.remove(HOME);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "bob"]);
  m.must(["useradd", "-M", "-u", `${uid}`, "carl"]);
  killBy("useradd", [WORK, KILL]);
  expect(at.uidOf("bob")).toBe(uid + 1);
  m.must(["userdel", "carl"]);
  m.must(["jailkit", "apply"]);
  expect(at.memory().kept).toMatchObject([{ name: "bob", uid, home: `${J}/./` }]);
});

test("a home that was there before is remembered before its account goes", () => {
  m.mkdir(HOME, { mode: 0o700 });
  m.chown(HOME, 31000, 100);
  at.declare(`${JAIL}${BOB}uid = 31000\n`);
  m.must(["jailkit", "apply"]);
  expect(at.lineIn("/etc/shadow", "bob")).toStartWith("bob:!:");
  killBy("userdel", [WORK, KILL], JAIL, "--prune");
  expect(at.uidOf("bob")).toBeNaN();
  m.must(["jailkit", "apply"]);
  expect(at.memory()).toMatchObject({
    users: [],
    kept: [
      { name: "bob", uid: 31000, home: `${J}/./home/bob` },
      { name: "bob", uid: 31000, home: `${J}/./` },
    ],
  });
});

describe("between the plan and the run", () => {
  const LOCK_OF_JAIL = `/var/lib/jailkit/locks/path-${new Bun.CryptoHasher("sha256").update(J).digest("hex").slice(0, 32)}`;

  test.each([
    [
      "a home that appears",
      "",
      () => {
        if (m.exists(HOME)) return;
        m.mkdir(HOME);
        m.chown(HOME, 31000, 100);
      },
      `the account is not created, because its home '${HOME}' is there already, and belongs to uid 31000`,
    ],
    [
      "a uid that another account gets",
      "uid = 31001\n",
      () => m.run(["useradd", "-M", "-u", "31001", "carl"]),
      "the uid 31001 belongs to 'carl'",
    ],
  ])("%s: nothing is created, and no right is given", async (_, uid, change, why) => {
    at.declare(`${JAIL}${BOB.replace("/bin/bash", "/usr/sbin/jk_lsh")}${uid}allow = sftp\n`);
    const { status, stderr } = await runWithStops(
      m,
      ["jailkit", "apply"],
      { calls: ["flock"], paths: [LOCK_OF_JAIL] },
      change,
    );
    expect([status, stderr]).toEqual([1, expect.stringContaining(why)]);
    const policies = m.run(["grep", "-r", "bob", `${J}/etc`]).stdout;
    expect([at.uidOf("bob"), policies]).toEqual([Number.NaN, ""]);
  });
});

test("homes that stay are looked at only by a run that creates or removes an account", () => {
  at.declare(JAIL + BOB);
  m.must(["jailkit", "apply"]);
  at.declare(JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  expect(at.memory().kept).toContainEqual(expect.objectContaining({ home: `${J}/./home/bob` }));
  m.must(["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=%file", "jailkit", "apply"]);
  expect(m.read("/root/trace")).not.toContain('"bob"');
});
