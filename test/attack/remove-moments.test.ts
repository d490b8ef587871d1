/**
 * A user exchanges a directory in a home that was copied, at each moment of its removal: a system call of root's has
 * returned, and root is stopped. What the user put there stays, the copy is complete, and root is told. A process of that
 * user was below the top of the home before: by path, nobody else reaches it then.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, type MachineProcess, openMachine, type RunResult } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/race";
let m: Machine;
let guests = 0;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_jailuser", "jailkit", "jk_chrootsh"] });
  m.write("/etc/jailkit/jk_init.d/test.ini", "[one]\npaths = cat\nincludesections = uidbasics\n");
  m.must(["jk_init", "-j", JAIL, "one"]);
});
afterAll(() => m?.close());

interface Moment {
  readonly call: string;
  /** strace's line of the call, after which the user acts. */
  readonly line: (home: string) => string;
  readonly says: string;
  /** Root has the directory open, and empties it: its copy is all that is left. */
  readonly open?: true;
}

const MOMENTS: readonly (readonly [string, Moment])[] = [
  [
    "when it was opened for the last look",
    { call: "openat2", line: (home) => `${home}>, "open/d"`, says: "was changed after it was copied" },
  ],
  [
    "after the last look",
    {
      call: "close",
      line: (home) => `${home}/open/d>`,
      says: "/d: appeared after the rest was looked at, and stays",
    },
  ],
  [
    "when it was examined",
    { call: "statx", line: (home) => `${home}/open>, "d"`, says: "/d: was exchanged after it was examined" },
  ],
  [
    "when it was opened",
    {
      call: "openat2",
      line: (home) => `${home}/open>, "d"`,
      says: "/d: unlink: Directory not empty",
      open: true,
    },
  ],
  [
    "when it was emptied",
    {
      call: "unlinkat",
      line: (home) => `${home}/open/d>, "f"`,
      says: "/d: unlink: Directory not empty",
      open: true,
    },
  ],
];

/** Runs a command, and calls `act` once, while it is stopped after that call since the account has changed. */
async function actAfter(
  argv: readonly string[],
  home: string,
  { call, line }: Moment,
  act: () => Promise<void>,
): Promise<RunResult> {
  const accounts = m.read("/etc/passwd");
  let acted = false;
  const paths = [home, `${home}/open`, `${home}/open/d`];
  const result = await runWithStops(m, argv, { calls: [call], paths }, async (text) => {
    if (acted || !text.includes(line(home)) || m.read("/etc/passwd") === accounts) return;
    await act();
    acted = true;
  });
  expect(acted).toBe(true);
  return result;
}

interface Scene {
  readonly name: string;
  readonly home: string;
  /** Where the home will be. */
  readonly copy: string;
  readonly command: readonly string[];
}

const SCENES: readonly (readonly [string, number, (name: string) => Scene])[] = [
  [
    "in a home that moves into a jail",
    0,
    (name) => {
      const home = `/tmp/hosts/${name}`;
      m.addUser(name, { home });
      return { name, home, copy: `${JAIL}${home}`, command: ["jk_jailuser", "-m", "-j", JAIL, name] };
    },
  ],
  [
    "in a home of a jail that is deleted",
    1,
    (name) => {
      const jail = `/tmp/hosts/jail-${name}`;
      m.must(["jk_init", "-j", jail, "one"]);
      m.addUser(name, { home: `/home/${name}`, createHome: true });
      m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
      const command = ["jailkit", "delete", "--yes", "--unjail", "--user-files", jail];
      return { name, home: `${jail}/home/${name}`, copy: `/home/${name}`, command };
    },
  ],
];

/** Makes what the host's user has, and what the guest has: everyone may write all of it. */
function plant({ home, name }: Scene): { guest: string; late: string } {
  const guest = `guest${guests}`;
  const late = `/tmp/hosts/${guest}/late`;
  m.addUser(guest, { home: `/tmp/hosts/${guest}` });
  for (const [owner, directories, text] of [
    [name, [home, `${home}/open`, `${home}/open/d`], "host"],
    [guest, [`/tmp/hosts/${guest}`, late], "guest"],
  ] as const) {
    const { uid, gid } = m.ids(owner);
    m.write(`${directories.at(-1)}/f`, text, { owner: [uid, gid] });
    for (const each of directories) {
      m.chown(each, uid, gid);
      m.chmod(each, 0o777);
    }
  }
  return { guest, late };
}

/** Starts a process of a user in a directory. It exchanges two directories for each line that it gets, and says how that went. */
async function actor(user: string, cwd: string, one: string, other: string): Promise<MachineProcess> {
  const lines = `echo ready; while read -r go; do mv --exchange -T '${one}' '${other}' 2>&1 && echo exchanged; done`;
  const process = m.start(["sh", "-c", lines], { user, cwd });
  await process.until(({ stdout }) => stdout.includes("ready\n") || undefined);
  return process;
}

/** What the actor says of one exchange. */
async function exchange(process: MachineProcess): Promise<string> {
  const before = process.stdout.length;
  process.write("go\n");
  return process.until(({ stdout }) => (stdout.endsWith("\n") && stdout.slice(before)) || undefined);
}

async function stop(process: MachineProcess): Promise<void> {
  process.kill();
  await process.ended;
}

const textAt = (path: string) => (m.exists(path) ? m.read(path) : undefined);

describe.each(SCENES)("%s", (_, status, make) => {
  test.each(MOMENTS)("exchanged %s", async (_, moment) => {
    const scene = make(`host${++guests}`);
    const { home, copy, command } = scene;
    const { guest, late } = plant(scene);
    const process = await actor(guest, `${home}/open`, "d", late);
    const result = await actAfter(command, home, moment, async () => {
      expect(await exchange(process)).toBe("exchanged\n");
    });
    await stop(process);
    expect({ status: result.status, stderr: result.stderr }).toEqual({
      status,
      stderr: expect.stringContaining(moment.says),
    });
    const seen = [textAt(`${home}/open/d/f`), textAt(`${late}/f`), textAt(`${copy}/open/d/f`)];
    expect(seen).toEqual(["guest", moment.open ? undefined : "host", "host"]);
  });

  test("by path, or from its top, nobody else exchanges anything", async () => {
    const scene = make(`host${++guests}`);
    const { home, copy, command } = scene;
    const { guest, late } = plant(scene);
    const actors = [
      await actor(guest, "/", `${home}/open/d`, late),
      await actor(guest, home, "open/d", late),
    ];
    const answers: string[] = [];
    const calls = ["openat2", "close", "statx", "unlinkat"];
    const stops = { calls, paths: [home, `${home}/open`, `${home}/open/d`] };
    const accounts = m.read("/etc/passwd");
    const result = await runWithStops(m, command, stops, async () => {
      if (!m.exists(home) || m.read("/etc/passwd") === accounts) return;
      for (const process of actors) answers.push(await exchange(process));
    });
    for (const process of actors) await stop(process);
    expect(answers.length).toBeGreaterThan(2 * MOMENTS.length);
    for (const answer of answers) expect(answer).toEndWith(": Permission denied\n");
    expect({ status: result.status, stderr: result.stderr }).toEqual({
      status: 0,
      stderr: expect.not.stringMatching(/changed|removed|stays/),
    });
    const seen = [m.exists(home), textAt(`${late}/f`), textAt(`${copy}/open/d/f`)];
    expect(seen).toEqual([false, "guest", "host"]);
  });
});
