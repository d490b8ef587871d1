/**
 * A user exchanges two directories while root removes or moves one of them. The directories of others, which the user
 * may rename but not enter, must be complete afterwards, wherever they are.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine, type RunResult } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const TEAM = 4500;
const VICTIM = 4501;
const MALLORY = 4600;
const jail = "/srv/race";
const RACER = "/usr/local/bin/exchange-racer";
const ROUNDS = 8;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_init", "jk_cp", "jk_addjailuser", "jk_jailuser", "jailkit", "jk_chrootsh"],
  });
  m.write(RACER, readFileSync(compiledC(join(import.meta.dir, "exchange-racer.c"))), { mode: 0o755 });
  m.write("/etc/jailkit/jk_init.d/test.ini", "[one]\npaths = cat\nincludesections = uidbasics\n");
  m.must(["groupadd", "-g", String(TEAM), "team"]);
  m.addUser("victim", { uid: VICTIM });
  m.must(["jk_init", "-j", jail, "one"]);
});
afterAll(async () => m.close());

/** Starts the racer as a user, and waits until it watches. */
const race = (user: string, ...words: string[]) => raceIn("/", user, ...words);

async function raceIn(cwd: string, user: string, ...words: string[]): Promise<MachineProcess> {
  const racer = m.start([RACER, ...words], { user, cwd });
  await racer.until(({ stdout }) => (stdout.includes("ready\n") ? true : undefined));
  return racer;
}

/** The victim's directory: nobody else may look into it. */
function makeVictim(path: string): void {
  m.mkdir(path, { mode: 0o700, owner: [VICTIM, VICTIM] });
  for (const name of ["one", "two"]) m.write(`${path}/${name}`, "the victim's", { owner: [VICTIM, VICTIM] });
}

/** How many of the victim's files there are below a directory. */
const victims = (below: string) =>
  m.must(["find", below, "-user", "victim", "-type", "f"]).stdout.split("\n").length - 1;

describe("jk_jailuser -m", () => {
  /** A home in a directory that a group may write, and beside it that of the victim. */
  function makeTeam(round: string, mode: number) {
    const base = `/tmp/team${round}`;
    const name = `member${round}`;
    m.mkdir(base);
    m.chown(base, 0, TEAM);
    m.chmod(base, mode);
    const ids = m.addUser(name, { groups: ["team"], home: `${base}/${name}` });
    m.write(`${base}/${name}/mine`, "mine", { owner: [ids.uid, ids.gid] });
    m.chown(`${base}/${name}`, ids.uid, ids.gid);
    makeVictim(`${base}/victim`);
    // Another member of the group is the one who does it; the one who moves has no processes.
    m.addUser(`other${round}`, { groups: ["team"] });
    return { base, name, home: `${base}/${name}`, attacker: `other${round}` };
  }

  /** The moment: the account has changed, and the old home is looked through for the last time. */
  const lastLook = (base: string, name: string) => ["made", "/etc", "passwd", "closed", base, name];

  test("out of a directory that a group may write", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { base, name, home, attacker } = makeTeam(String(round), 0o775);
      const before = m.snapshot(base);
      const racer = await race(attacker, home, `${base}/victim`, ...lastLook(base, name));
      const { status, stderr } = m.run(["jk_jailuser", "-m", "-j", jail, name]);
      expect([status, stderr]).toEqual([1, expect.stringContaining(`${base} is writable by its group`)]);
      expect([m.snapshot(base), m.exists(`${jail}${home}`)]).toEqual([before, false]);
      // The same events by another user: the attack works as intended.
      m.must(["usermod", "-c", "changed", name]);
      m.must(["ls", home]);
      await racer.until(({ stdout }) => (stdout.includes("exchanged\n") ? true : undefined));
      racer.kill();
      await racer.ended;
      expect([victims(base), victims(home)]).toEqual([2, 2]);
    }
  });

  test.each([
    ["as the message says", 0o775, true],
    ["where it is sticky", 0o1755, false],
  ])("out of a directory in which nobody else can exchange it: %s", async (title, mode, mend) => {
    const { base, name, home, attacker } = makeTeam(title.length.toString(), mode);
    if (mend) {
      const [, remedy = ""] = m
        .run(["jk_jailuser", "-m", "-j", jail, name])
        .stderr.trim()
        .split(/fix it with: /);
      m.must(remedy.split(" "));
    }
    const racer = await race(attacker, home, `${base}/victim`, ...lastLook(base, name));
    const { status, stderr } = m.run(["jk_jailuser", "-m", "-j", jail, name]);
    // The only report is that the account can run nothing.
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/^[^\n]*: '[^']*' can run nothing: [^\n]*\n$/),
    ]);
    await racer.until(({ stdout }) => (/E(?:ACCES|PERM|NOENT)\n/.test(stdout) ? true : undefined));
    racer.kill();
    await racer.ended;
    expect([m.read(`${jail}${home}/mine`), m.list(base)]).toEqual(["mine", ["victim"]]);
    expect(victims(base)).toBe(2);
  });

  test("into a directory of somebody else's, where something is in the way", async () => {
    m.addUser("mallory", { uid: MALLORY });
    for (let round = 0; round < ROUNDS; round++) {
      const other = `/tmp/hers${round}`;
      m.must(["jk_init", "-j", other, "one"]);
      m.mkdir(`${other}/home`);
      m.chown(`${other}/home`, MALLORY, MALLORY);
      makeVictim(`${other}/home/victim`);
      const name = `alice${round}`;
      m.addUser(name, { home: `/home/${name}`, createHome: true });
      m.mkdir(`${other}/home/${name}`);
      const before = m.snapshot(other);
      const racer = await race("mallory", "", `${other}/home/victim`, "made", `${other}/home`, ".jk-");
      const { status, stderr } = m.run(["jk_jailuser", "-m", "-j", other, name]);
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`${other}/home belongs to uid ${MALLORY}`),
      ]);
      expect([m.snapshot(other), m.exists(`/home/${name}`)]).toEqual([before, true]);
      m.mkdir(`${other}/home/.jk-control`);
      await racer.until(({ stdout }) => (stdout.includes("exchanged\n") ? true : undefined));
      racer.kill();
      await racer.ended;
      expect([victims(other), victims(`${other}/home/.jk-control`)]).toEqual([2, 2]);
    }
  });

  test("--unjail out of, and back to, and jk_addjailuser in, a directory of somebody else's", () => {
    const jailed = "/srv/race3";
    m.must(["jk_init", "-j", jailed, "one"]);
    m.addUser("bob", { home: "/home/bob", createHome: true });
    m.must(["jk_jailuser", "-m", "-j", jailed, "bob"]);
    m.chown(`${jailed}/home`, MALLORY, MALLORY);
    const out = () => m.run(["jk_jailuser", "--unjail", "-m", "bob"]);
    expect(out().stderr).toContain(`${jailed}/home belongs to uid ${MALLORY}`);
    expect(m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", jailed]).stderr).toContain(
      "belongs to uid",
    );
    const added = m.run(["jk_addjailuser", "-j", jailed, "carol"]);
    expect([added.status, added.stderr]).toEqual([1, expect.stringContaining("belongs to uid")]);
    expect([m.read("/etc/passwd").includes("carol"), m.list(`${jailed}/home`)]).toEqual([false, ["bob"]]);
    m.chown(`${jailed}/home`, 0, 0);
    m.chmod("/home", 0o777);
    expect(out().stderr).toContain("/home is writable by everyone");
    expect(m.exists(`${jailed}/home/bob`)).toBe(true);
    m.chmod("/home", 0o755);
    expect(out()).toMatchObject({ status: 0, stderr: "" });
    expect([m.exists("/home/bob"), m.exists(`${jailed}/home/bob`)]).toEqual([true, false]);
  });
});

describe("what appears in a home after the last check stays", () => {
  /** Root's command and the guest's exchange, until that was in time thrice. */
  async function until(
    hostHome: (name: string) => string,
    command: (name: string) => readonly string[],
    check: (name: string, home: string, result: RunResult, inTime: boolean) => void,
  ): Promise<void> {
    let inTime = 0;
    for (let round = 0; inTime < 3 && round < 60; round++) {
      const name = `host${++guests}`;
      const [home, guest] = [hostHome(name), `/tmp/hosts/guest${guests}`];
      m.addUser(`guest${guests}`, { home: guest });
      for (const [owner, text, ...directories] of [
        [name, "host", home, `${home}/open`, `${home}/open/d`],
        [`guest${guests}`, "guest", guest, `${guest}/late`],
      ] as const) {
        const { uid, gid } = m.ids(owner);
        m.write(`${directories.at(-1)}/f`, text, { owner: [uid, gid] });
        for (const each of directories) {
          m.chown(each, uid, gid);
          m.chmod(each, 0o777);
        }
      }
      // After the last look at the directory, root is longer under way: the guest is in time also on a busy machine.
      for (let number = 0; round % 2 === 1 && number < 300; number++) m.mkdir(`${home}/open/newer${number}`);
      // By path, nobody else reaches it while it is copied: the guest is below its top before.
      const words = ["d", `${guest}/late`, "made", "/etc", "passwd", "closed", ".", "d"];
      const racer = await raceIn(`${home}/open`, `guest${guests}`, ...words);
      const result = m.run(command(name));
      await racer.until(({ stdout }) => (/ready\n.+\n/.test(stdout) ? true : undefined));
      racer.kill();
      await racer.ended;
      const exchanged = racer.stdout.includes("exchanged");
      if (exchanged && !m.exists(`${guest}/late/f`)) {
        // Too late: what was copied was being removed from the directory that it stood in.
        expect(m.read(`${home}/open/d/f`)).toBe("guest");
        continue;
      }
      if (exchanged) inTime++;
      expect(m.read(`${guest}/late/f`)).toBe(exchanged ? "host" : "guest");
      check(name, home, result, exchanged);
    }
    expect(inTime).toBeGreaterThan(0);
  }
  let guests = 0;
  // remove-moments.test.ts shows when root says which of these.
  const STAYS =
    /appeared after the rest was looked at, and stays|was changed after it was copied|was exchanged after it was examined/;
  /** If the guest was in time, what the guest put there stays, and root is told. */
  function expectStays(home: string, stderr: string, exchanged: boolean): void {
    const there = m.exists(`${home}/open/d/f`) ? m.read(`${home}/open/d/f`) : undefined;
    const said = exchanged ? expect.stringMatching(STAYS) : stderr;
    expect({ home: m.exists(home), there, stderr }).toEqual({
      home: exchanged,
      there: exchanged ? "guest" : undefined,
      stderr: said,
    });
  }

  test("where it moves into a jail", () =>
    until(
      (name) => {
        m.addUser(name, { home: `/tmp/hosts/${name}` });
        return `/tmp/hosts/${name}`;
      },
      (name) => ["jk_jailuser", "-m", "-j", jail, name],
      (_, home, { status, stderr }, exchanged) => {
        expectStays(home, stderr, exchanged);
        expect([status, m.read(`${jail}${home}/open/d/f`)]).toEqual([0, "host"]);
      },
    ));

  test("where the jail is deleted", () =>
    until(
      (name) => {
        const own = `/tmp/hosts/jail-${name}`;
        m.must(["jk_init", "-j", own, "one"]);
        m.addUser(name, { home: `/home/${name}` });
        m.mkdir(`/home/${name}`);
        m.chown(`/home/${name}`, m.ids(name).uid, m.ids(name).gid);
        m.must(["jk_jailuser", "-n", "-m", "-j", own, name]);
        return `${own}/home/${name}`;
      },
      (name) => ["jailkit", "delete", "--yes", "--unjail", "--user-files", `/tmp/hosts/jail-${name}`],
      (name, home, { status, stderr }, exchanged) => {
        expectStays(home, stderr, exchanged);
        expect([status, m.read(`/home/${name}/open/d/f`)]).toEqual([exchanged ? 1 : 0, "host"]);
      },
    ));
});

test("what is created where users can write never has a name that they could wait for", async () => {
  m.addUser("waits", { home: `${jail}/./home/waits` });
  const { uid, gid } = m.ids("waits");
  const home = `${jail}/home/waits`;
  m.mkdir(home);
  m.write(`${home}/bait/b`, "bait", { owner: [uid, gid] });
  for (const path of [home, `${home}/bait`]) m.chown(path, uid, gid);
  for (let number = 0; number < 20; number++) m.write(`/home/waits/f${number}`, "x");
  m.symlink("f0", "/home/waits/link");
  m.mkdir("/home/waits/directory");
  const racer = await race("waits", "", `${home}/bait`, "made", home, ".jk-");
  const names = m.list("/home/waits").map((name) => `/home/waits/${name}`);
  for (const options of [[], ["-f"], ["-f"]]) m.must(["jk_cp", ...options, "-j", jail, ...names]);
  m.must(["jk_cp", "--remove", "-j", jail, "/home/waits/f1"]);
  m.mkdir(`${home}/.jk-control`);
  await racer.until(({ stdout }) => (stdout.includes("exchanged\n") ? true : undefined));
  racer.kill();
  await racer.ended;
  // It was the first such name: the bait is there.
  expect(m.read(`${home}/.jk-control/b`)).toBe("bait");
  expect(m.exists(`${home}/f19`) && !m.exists(`${home}/f1`)).toBe(true);
  expect(m.list(jail).filter((name) => name.startsWith(".jk-"))).toEqual([]);
});

test("jailkit delete leaves what a user puts into the jail after the last check", async () => {
  const own = "/srv/lasts";
  m.must(["jk_init", "-j", own, "one"]);
  for (const name of ["a", "b"]) {
    m.mkdir(`${own}/${name}`, { mode: 0o1777 });
    m.write(`${own}/${name}/roots`, "x");
  }
  m.addUser("late");
  // Its first removal: it has checked everything then, and one of the two directories is still there.
  const stop = ["-e", "trace=unlinkat", "-P", `${own}/a`, "-P", `${own}/b`, "-P", own];
  const inject = ["-e", "inject=unlinkat:signal=STOP:when=1"];
  const command = ["jailkit", "delete", "--yes", own];
  const deletion = m.start(["strace", "-f", "-o", "/root/stopped", ...stop, ...inject, ...command]);
  let pid: string | undefined;
  let over = false;
  deletion.ended.then(() => {
    over = true;
  });
  while (pid === undefined && !over) {
    const told = m.exists("/root/stopped") ? m.read("/root/stopped") : "";
    pid = /^(\d+) +--- stopped by SIGSTOP/m.exec(told)?.[1];
    if (pid === undefined) await new Promise((done) => setImmediate(done));
  }
  const [still = ""] = ["a", "b"].filter((name) => m.exists(`${own}/${name}/roots`));
  m.must(["sh", "-c", `echo theirs > ${own}/${still}/mine`], { user: "late" });
  m.must(["kill", "-CONT", pid ?? ""]);
  const { status, stderr } = await deletion.ended;
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`${own}/${still}/mine: appeared after the rest was looked at, and stays`),
  ]);
  expect(m.read(`${own}/${still}/mine`)).toBe("theirs\n");
  m.must(["jailkit", "delete", "--yes", "--user-files", own]);
  expect(m.exists(own)).toBe(false);
});

test("jailkit delete below a directory that others can write is refused", () => {
  m.mkdir("/srv/open");
  m.must(["jk_init", "-j", "/srv/open/jail", "one"]);
  m.chmod("/srv/open", 0o777);
  const { status, stderr } = m.run(["jailkit", "delete", "--yes", "/srv/open/jail"]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("/srv/open is writable by everyone")]);
  const [, remedy = ""] = stderr.trim().split(/fix it with: /);
  m.must(remedy.split(" "));
  expect(m.run(["jailkit", "delete", "--yes", "/srv/open/jail"]).status).toBe(0);
  expect(m.list("/srv/open")).toEqual([]);
});
