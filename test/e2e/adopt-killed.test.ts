/** `jailkit adopt --moved` that is killed half way: the jail is known to have been moved, and the same command continues. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const [OLD, NEW] = ["/srv/old", "/srv/new"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const MOVED = ["jailkit", "adopt", "--moved", OLD, NEW];
const REMEDY = MOVED.join(" ");
const DECLARED = [
  `[jail ${OLD}]\nsections = uidbasics, basicshell, sftp\nlog_socket = yes\n`,
  `[user ann]\njail = ${OLD}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`,
  `[user lim]\njail = ${OLD}\nallow = sftp\nauthorized_keys = ${KEYS[1]}\n`,
].join("");

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const planned = () => linesOf(m, "--check").changes.map(({ text }) => text);

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  m.write(`${OLD}/home/lim/letter`, "precious");
});
afterAll(() => m?.close());

/** Brings the jail to the path that is declared first. */
function back(): void {
  if (!m.exists(NEW)) return;
  m.run(MOVED);
  m.must(["mv", NEW, OLD]);
  m.must(["jailkit", "adopt", "--moved", NEW, OLD]);
  expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({ status: 0 });
}

/** Moves the jail, and lets the command follow, which is killed at its nth such call; false if it has fewer. */
function killed(call: string, nth: number, move = `mv ${OLD} ${NEW}`): boolean {
  back();
  sh(move);
  const trace = ["strace", "-qq", "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${nth}`];
  return m.run([...trace, ...MOVED]).signal === "SIGKILL";
}

/** What is said of the move; it changes nothing. */
function told() {
  const { status, changes, summary } = linesOf(m);
  return {
    apply: [status, changes.length, summary.problems.find(({ remedy }) => remedy === REMEDY)?.code],
    isMade: m.exists(OLD),
    others: ["status", "list --json", "config check"].map((tool) =>
      m.run(["jailkit", ...tool.split(" ")]).stdout.includes(REMEDY),
    ),
  };
}
const ALL = { apply: [1, 0, "moved"], isMade: false, others: [true, true, true] };

/** What is remembered has the path of before as that alone. */
const isWhole = () =>
  [m.read(FILE), sh("getent passwd ann lim"), m.read("/var/lib/jailkit/declared.json")].every(
    (text) => !text.replace(`"formerly":["${OLD}"]`, "").includes(OLD),
  );

test.each(["renameat", "renameat2", "wait4", "unlinkat"])("at each %s", (call) => {
  let kills = 0;
  for (let nth = 1; killed(call, nth); nth++) {
    kills++;
    if (m.run([...MOVED, "--dry-run"]).status !== 0) {
      expect([call, nth, isWhole(), planned()]).toEqual([call, nth, true, []]);
      continue;
    }
    expect({ call, nth, ...told() }).toMatchObject({ call, nth, ...ALL });
    m.must(MOVED);
    expect([call, nth, isWhole(), planned()]).toEqual([call, nth, true, []]);
    expect(m.read(`${NEW}/home/lim/letter`)).toBe("precious");
  }
  expect(kills).toBeGreaterThan(0);
  back();
});

test("of a jail that was copied to another disk", () => {
  const copy = `cp -a ${OLD} ${NEW}; rm -r ${OLD}`;
  for (const [call, first] of [
    ["wait4", 2],
    ["renameat", 1],
  ] as const)
    for (let nth = first; killed(call, nth, copy); nth++) {
      if (m.run([...MOVED, "--dry-run"]).status !== 0) continue;
      const { apply, isMade } = told();
      expect({ call, nth, apply, isMade }).toMatchObject({ call, nth, apply: ALL.apply, isMade: false });
      m.must(MOVED);
      expect([call, nth, isWhole(), planned()]).toEqual([call, nth, true, []]);
    }
  back();
});
