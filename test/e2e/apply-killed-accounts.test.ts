/** `jailkit apply` that is killed while it creates or removes an account: the next runs end as if it had not been. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { did, KEYS, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/customer";
const HOME = `${J}/home/bob`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const USERADD = "/usr/sbin/useradd";
const LOCK = "/var/lib/jailkit/locks/accounts";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const BOB = `[user bob]\njail = ${J}\nshell = /bin/bash\n`;
const BY_HAND = ["jk_addjailuser", "-s", "/bin/bash", "-j", J, "bob"];
/**
 * The calls by which the tool changes something, starts a program, or waits for one; write(2) and fchmod(2) change files only
 * that nobody knows yet.
 */
const CALLS = ["renameat", "unlinkat", "flock", "clone3", "poll", "wait4"];

let m: Machine;

const declare = (text: string) => m.write(FILE, text);
const lineIn = (file: string, name: string): string =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read(file))?.[0] ?? "";
const uidOf = (name: string) => Number(lineIn("/etc/passwd", name).split(":")[2] || Number.NaN);
const memory = () => JSON.parse(m.read(MEMORY));
/** All that there is of bob. */
const state = () => ({
  account: lineIn("/etc/passwd", "bob"),
  password: lineIn("/etc/shadow", "bob").split(":")[1],
  member: m.read("/etc/group").match(/^team:.*$/m)?.[0],
  inside: lineIn(`${J}/etc/passwd`, "bob"),
  home: m.stat(HOME)?.uid,
  keys: m.exists(`${HOME}/.ssh/authorized_keys`),
  memory: memory(),
});

/** Runs apply, which is killed at its nth such call; false if it has fewer. */
const killAt = (call: string, nth: number, ...options: string[]): boolean =>
  m.run([
    ...["strace", "-qq", "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${nth}`],
    ...["jailkit", "apply", ...options],
  ]).signal === "SIGKILL";

/** Ends with nothing but the jail. */
function prune(): void {
  declare(JAIL);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => prune());
afterEach(() => {
  if (m.exists(`${USERADD}.real`)) m.rename(`${USERADD}.real`, USERADD);
  m.run(["userdel", "bob"]);
  for (const path of ["/srv/customer", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

const DECLARED = {
  "without a key": BOB,
  "with a key, in a group": `${BOB}groups = team\nauthorized_keys = ${KEYS[0]}\n`,
  "with a uid": `${BOB}uid = 31000\n`,
};

test.each([
  ...CALLS.map((call) => ({ call, what: "with a key, in a group" as const })),
  ...["renameat", "wait4"].flatMap((call) =>
    (["without a key", "with a uid"] as const).map((what) => ({ call, what })),
  ),
])("a new account $what: killed at each $call", ({ call, what }) => {
  const declared = JAIL + DECLARED[what];
  const make = () => {
    declare(declared);
    m.must(["jailkit", "apply"]);
    expect(did(m)).toEqual([]);
    return state();
  };
  const wanted = make();
  expect([wanted.memory.version, wanted.memory.creating]).toEqual([4, undefined]);
  prune();
  const gone = state();
  for (let nth = 1; ; nth++) {
    declare(declared);
    if (!killAt(call, nth)) break;
    expect([nth, make()]).toEqual([nth, wanted]);
    prune();
    expect([nth, state()]).toEqual([nth, gone]);
    // And if it is not declared any more when the next run comes.
    declare(declared);
    killAt(call, nth);
    prune();
    expect([nth, state()]).toEqual([nth, gone]);
  }
});

const KILL = "kill -KILL $PPID";
const CREATE = `${USERADD}.real "$@"`;

/** Runs apply with lines of sh(1) in the place of useradd(8), which kill it. */
function killBy(...lines: readonly string[]): void {
  m.rename(USERADD, `${USERADD}.real`);
  m.write(USERADD, ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 });
  declare(JAIL + BOB);
  expect(m.run(["jailkit", "apply"]).signal).toBe("SIGKILL");
  m.rename(`${USERADD}.real`, USERADD);
}

test("useradd(8) that is still at work when the next run begins: that waits for it", async () => {
  m.must(["mkfifo", "/run/go"]);
  m.must(["cp", "-p", USERADD, "/run/useradd"]);
  killBy(KILL, "read go < /run/go", 'exec /run/useradd "$@"');
  let waited = false;
  const { status } = await runWithStops(m, ["jailkit", "apply"], { calls: ["flock"], paths: [LOCK] }, () => {
    if (!waited) m.must(["sh", "-c", "echo go > /run/go"]);
    waited = true;
  });
  expect([status, memory().users[0].created]).toEqual([0, uidOf("bob")]);
  m.remove("/run/go");
  prune();
  expect(uidOf("bob")).toBeNaN();
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
    declare(JAIL + BOB);
    m.must(["jailkit", "apply"]);
    const account = lineIn("/etc/passwd", "bob");
    prune();
    killBy(KILL);
    expect(uidOf("bob")).toBeNaN();
    m.must(byHand);
    expect(lineIn("/etc/passwd", "bob")).toBe(account);
    m.must(["jailkit", "apply"]);
    expect([memory().version, memory().users[0].created]).toEqual([4, null]);
    prune();
    expect([lineIn("/etc/passwd", "bob"), m.exists(HOME)]).toEqual([account, true]);
  },
);

test("the same for one that had the password of that run, and got another one", () => {
  killBy(CREATE, KILL);
  const account = lineIn("/etc/passwd", "bob");
  m.must(["usermod", "-p", "*", "bob"]);
  prune();
  expect(lineIn("/etc/passwd", "bob")).toBe(account);
});

test("what was begun and never ran is forgotten, without any other change, and --check sees it as it is", () => {
  killBy(KILL);
  expect([memory().version, memory().creating.length]).toEqual([5, 1]);
  declare(JAIL);
  m.must(["jailkit", "apply"]);
  expect([memory().version, memory().creating]).toEqual([4, undefined]);
  killBy(CREATE, KILL);
  declare(JAIL);
  expect(did(m, "--check", "--prune", "--delete-homes")).toEqual(["planned - user bob (no longer declared)"]);
  m.must(["jailkit", "apply"]);
  expect([memory().version, memory().users[0].created]).toEqual([4, uidOf("bob")]);
  expect(lineIn("/etc/shadow", "bob")).toStartWith("bob:!:");
});

test("the jail or the home moves before the next run: the account is still its own", () => {
  killBy(CREATE, KILL);
  const moved = "/srv/moved";
  m.rename(J, moved);
  m.must(["jailkit", "adopt", "--moved", J, moved]);
  declare(JAIL.replace(J, moved));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([uidOf("bob"), m.exists(`${moved}/home/bob`)]).toEqual([Number.NaN, false]);
  m.must(["jailkit", "apply"]);
  m.rename(moved, J);
  m.must(["jailkit", "adopt", "--moved", moved, J]);
  killBy(CREATE, KILL);
  m.must(["jk_init", "-j", moved, "uidbasics", "basicshell"]);
  m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/bash", "bob"]);
  m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", moved, "bob"]);
  declare(`${JAIL}${JAIL.replace(J, moved)}${BOB.replace(J, moved)}`);
  m.must(["jailkit", "apply"]);
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect([uidOf("bob"), m.exists(moved)]).toEqual([Number.NaN, false]);
});

test("a home that stays when the account that was begun is removed again: nobody gets its uid", () => {
  killBy(CREATE, KILL);
  const uid = uidOf("bob");
  m.must(["userdel", "bob"]);
  declare(JAIL + BOB.replace("bob", "carl"));
  m.must(["jailkit", "apply"]);
  expect([uidOf("carl"), memory().kept]).toEqual([uid + 1, [{ name: "bob", uid, home: `${J}/./home/bob` }]]);
});

test.each(CALLS)(
  "an account that is removed, and a home that was there before: killed at each %s",
  (call) => {
    const begin = () => {
      m.mkdir(HOME, { mode: 0o700 });
      m.chown(HOME, 31000, 100);
      declare(`${JAIL}${BOB}uid = 31000\n`);
      m.must(["jailkit", "apply"]);
      declare(JAIL);
    };
    const end = () => {
      m.must(["jailkit", "apply", "--prune"]);
      expect(did(m, "--prune")).toEqual([]);
      const ended = state();
      m.remove(HOME);
      // The home is forgotten when somebody asks.
      declare(`${JAIL}${BOB}`);
      m.must(["jailkit", "apply"]);
      expect(memory().kept).toEqual([]);
      prune();
      return ended;
    };
    begin();
    const wanted = end();
    expect(wanted).toMatchObject({
      account: "",
      memory: { users: [], kept: [{ name: "bob", uid: 31000, home: `${J}/./home/bob` }] },
    });
    for (let nth = 1; ; nth++) {
      begin();
      const killed = killAt(call, nth, "--prune");
      expect([nth, end()]).toEqual([nth, wanted]);
      if (!killed) break;
    }
  },
);

test("a home that appears between the plan and the run: nothing is created, and no right is given", async () => {
  declare(`${JAIL}${BOB.replace("/bin/bash", "/usr/sbin/jk_lsh")}allow = sftp\n`);
  const lock = `/var/lib/jailkit/locks/path-${new Bun.CryptoHasher("sha256").update(J).digest("hex").slice(0, 32)}`;
  const { status, stderr } = await runWithStops(
    m,
    ["jailkit", "apply"],
    { calls: ["flock"], paths: [lock] },
    () => {
      if (m.exists(HOME)) return;
      m.mkdir(HOME);
      m.chown(HOME, 31000, 100);
    },
  );
  expect(status).toBe(1);
  expect(stderr).toContain(
    `the account is not created, because its home '${HOME}' is there already, and belongs to uid 31000`,
  );
  const policies = m.run(["grep", "-r", "bob", `${J}/etc`]).stdout;
  expect([uidOf("bob"), policies]).toEqual([Number.NaN, ""]);
});

test("homes that stay are looked at only by a run that creates or removes an account", () => {
  declare(JAIL + BOB);
  m.must(["jailkit", "apply"]);
  declare(JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  expect(memory().kept).toHaveLength(1);
  m.must(["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=%file", "jailkit", "apply"]);
  expect(m.read("/root/trace")).not.toContain('"bob"');
});
