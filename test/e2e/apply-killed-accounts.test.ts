/** `jailkit apply` that is killed while it creates or removes an account: the next runs end as if it had not been. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { BOB, HOME, J, JAIL, openKilledMachine } from "./apply-killed-scene.ts";
import { did, KEYS } from "./apply-scene.ts";

setDefaultTimeout(240_000);

/**
 * The calls by which the tool changes something, starts a program, or waits for one; write(2) and fchmod(2) change files only
 * that nobody knows yet.
 */
const CALLS = ["renameat", "unlinkat", "flock", "clone3", "poll", "wait4"];

let at: Awaited<ReturnType<typeof openKilledMachine>>;
let m: Machine;

beforeAll(async () => {
  at = await openKilledMachine();
  ({ m } = at);
});
beforeEach(() => at.prune());
afterEach(() => at.clear());
afterAll(() => m?.close());

/** All that there is of bob. */
const state = () => ({
  account: at.lineIn("/etc/passwd", "bob"),
  password: at.lineIn("/etc/shadow", "bob").split(":")[1],
  member: m.read("/etc/group").match(/^team:.*$/m)?.[0],
  inside: at.lineIn(`${J}/etc/passwd`, "bob"),
  home: m.stat(HOME)?.uid,
  keys: m.exists(`${HOME}/.ssh/authorized_keys`),
  memory: memoryOf(at.memory()),
});

interface Memory {
  version: number;
  creating?: unknown[];
  users: { homeId: string | null }[];
}

/** What apply remembers, which is the same for each home of bob but for which directory that is. */
const memoryOf = (memory: Memory) => ({
  ...memory,
  users: memory.users.map((user) => ({
    ...user,
    homeId: user.homeId?.startsWith(`${m.stat(HOME)?.ino} `) ?? null,
  })),
});

/** Runs apply, which is killed at its nth such call; false if it has fewer. */
const killAt = (call: string, nth: number, ...options: string[]): boolean =>
  m.run([
    ...["strace", "-qq", "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${nth}`],
    ...["jailkit", "apply", ...options],
  ]).signal === "SIGKILL";

const DECLARED = {
  "without a key": BOB,
  "with a key, in a group": `${BOB}groups = team\nauthorized_keys = ${KEYS[0]}\n`,
  "with a uid": `${BOB}uid = 31000\n`,
};

test.each([
  ...CALLS.map((call) => ({ call, what: "with a key, in a group" as const })),
  { call: "wait4", what: "without a key" as const },
  { call: "wait4", what: "with a uid" as const },
])("a new account $what: killed at each $call", ({ call, what }) => {
  const declared = JAIL + DECLARED[what];
  const make = () => {
    at.declare(declared);
    m.must(["jailkit", "apply"]);
    expect(did(m)).toEqual([]);
    return state();
  };
  const wanted = make();
  expect([wanted.memory.version, wanted.memory.creating]).toEqual([4, undefined]);
  at.prune();
  const gone = state();
  for (let nth = 1; ; nth++) {
    at.declare(declared);
    if (!killAt(call, nth)) break;
    expect([nth, make()]).toEqual([nth, wanted]);
    at.prune();
    expect([nth, state()]).toEqual([nth, gone]);
    if (call !== "wait4" && call !== "renameat") continue;
    // And if it is not declared any more when the next run comes.
    at.declare(declared);
    killAt(call, nth);
    at.prune();
    expect([nth, state()]).toEqual([nth, gone]);
  }
});

test.each(["renameat", "unlinkat", "clone3", "wait4"])(
  "an account that is removed, and a home that was there before: killed at each %s",
  (call) => {
    const begin = () => {
      m.mkdir(HOME, { mode: 0o700 });
      m.chown(HOME, 31000, 100);
      at.declare(`${JAIL}${BOB}uid = 31000\n`);
      m.must(["jailkit", "apply"]);
      at.declare(JAIL);
    };
    const end = () => {
      m.must(["jailkit", "apply", "--prune"]);
      expect(did(m, "--prune")).toEqual([]);
      const ended = state();
      m.remove(HOME);
      // The home is forgotten when somebody asks; the jail may have more of that uid.
      at.declare(`${JAIL}${BOB}`);
      m.must(["jailkit", "apply"]);
      expect(at.memory().kept.map(({ home }: { home: string }) => home)).toEqual(["/srv/customer/./"]);
      at.prune();
      return ended;
    };
    begin();
    const wanted = end();
    expect(wanted).toMatchObject({
      account: "",
      memory: {
        users: [],
        kept: ["/home/bob", "/"].map((place) => ({ name: "bob", uid: 31000, home: `${J}/.${place}` })),
      },
    });
    for (let nth = 1; ; nth++) {
      begin();
      const killed = killAt(call, nth, "--prune");
      expect([nth, end()]).toEqual([nth, wanted]);
      if (!killed) break;
    }
  },
);
