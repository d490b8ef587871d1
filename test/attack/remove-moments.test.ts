/**
 * A user exchanges a directory in a home that was copied, at each moment of its removal: a system call of root's has
 * returned, and root is stopped. What the user put there stays, the copy is complete, and root is told.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
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
  /** Which of these calls; the first one if it is not given. */
  readonly nth?: number;
  readonly says: string;
  /** Root has the directory open, and empties it: its copy is all that is left. */
  readonly open?: true;
}

const MOMENTS: readonly (readonly [string, Moment])[] = [
  [
    "when it was opened for the last look",
    { call: "openat2", line: (home) => `${home}>, "d"`, says: "was changed after it was copied" },
  ],
  [
    "after the last look",
    {
      call: "close",
      line: (home) => `${home}/d>`,
      says: "/d: appeared after the rest was looked at, and stays",
    },
  ],
  [
    "when it was examined",
    { call: "statx", line: (home) => `${home}>, "d"`, says: "/d: was exchanged after it was examined" },
  ],
  [
    "when it was opened",
    {
      call: "openat2",
      line: (home) => `${home}>, "d"`,
      // The first one was the last look.
      nth: 2,
      says: "/d: unlink: Directory not empty",
      open: true,
    },
  ],
  [
    "when it was emptied",
    {
      call: "unlinkat",
      line: (home) => `${home}/d>, "f"`,
      says: "/d: unlink: Directory not empty",
      open: true,
    },
  ],
];

/** Runs a command, and calls `act` once, while it is stopped after that call since the account has changed. */
async function actAfter(
  argv: readonly string[],
  home: string,
  { call, line, nth = 1 }: Moment,
  act: () => void,
): Promise<RunResult> {
  const accounts = m.read("/etc/passwd");
  let acted = false;
  let count = 0;
  const result = await runWithStops(m, argv, { calls: [call], paths: [home, `${home}/d`] }, (text) => {
    if (acted || !text.includes(line(home)) || m.read("/etc/passwd") === accounts) return;
    if (++count < nth) return;
    act();
    acted = true;
  });
  expect(acted).toBe(true);
  return result;
}

/** Makes what the host's user has, and what the guest has. */
function plant(home: string, name: string): { guest: string; late: string } {
  const guest = `guest${guests}`;
  const late = `/tmp/hosts/${guest}/late`;
  m.addUser(guest, { home: `/tmp/hosts/${guest}` });
  for (const [owner, directory, text] of [
    [name, `${home}/d`, "host"],
    [guest, late, "guest"],
  ] as const) {
    const { uid, gid } = m.ids(owner);
    m.write(`${directory}/f`, text, { owner: [uid, gid] });
    for (const each of [directory.slice(0, directory.lastIndexOf("/")), directory]) {
      m.chown(each, uid, gid);
      m.chmod(each, 0o777);
    }
  }
  return { guest, late };
}

const textAt = (path: string) => (m.exists(path) ? m.read(path) : undefined);

describe.each(MOMENTS)("exchanged %s", (_, moment) => {
  async function expectStays(
    command: readonly string[],
    name: string,
    home: string,
    copy: string,
    status: number,
  ) {
    const { guest, late } = plant(home, name);
    const exchange = () => m.must(["mv", "--exchange", "-T", `${home}/d`, late], { user: guest });
    const result = await actAfter(command, home, moment, exchange);
    expect({ status: result.status, stderr: result.stderr }).toEqual({
      status,
      stderr: expect.stringContaining(moment.says),
    });
    const seen = [textAt(`${home}/d/f`), textAt(`${late}/f`), textAt(`${copy}/d/f`)];
    expect(seen).toEqual(["guest", moment.open ? undefined : "host", "host"]);
  }

  test("in a home that moves into a jail", () => {
    const name = `host${++guests}`;
    const home = `/tmp/hosts/${name}`;
    m.addUser(name, { home });
    const command = ["jk_jailuser", "-m", "-j", JAIL, name];
    return expectStays(command, name, home, `${JAIL}${home}`, 0);
  });

  test("in a home of a jail that is deleted", () => {
    const name = `host${++guests}`;
    const jail = `/tmp/hosts/jail-${name}`;
    m.must(["jk_init", "-j", jail, "one"]);
    m.addUser(name, { home: `/home/${name}`, createHome: true });
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
    const command = ["jailkit", "delete", "--yes", "--unjail", "--user-files", jail];
    return expectStays(command, name, `${jail}/home/${name}`, `/home/${name}`, 1);
  });
});
