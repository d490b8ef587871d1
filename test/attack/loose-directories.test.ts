/**
 * Directories of a jail that nothing is loaded from may be anyone's. A user who may write them exchanges names there all
 * the time, for links out of the jail, FIFOs and files, while each of root's tools works in the jail: nothing outside is
 * changed or read out, nothing in root's directories of the jail changes hands, and no tool hangs.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const MALLORY = 4600;
const ALICE = 4601;
const RACER = "/usr/local/bin/place-racer";
const SECRET = "what only root may read";
const ROUNDS = 4;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.write(RACER, readFileSync(compiledC(join(import.meta.dir, "place-racer.c"))), { mode: 0o755 });
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    "[one]\npaths = cat, true, /var/lib/thing, /srv/data\nemptydirs = /tmp, /var/tmp, /home\n" +
      "includesections = uidbasics\nneed_logsocket = 1\n",
  );
  for (const file of ["/var/lib/thing/a", "/var/lib/thing/sub/c", "/srv/data/f"]) m.write(file, "harmless");
  // The names that a tool would look for behind a link.
  for (const file of [
    "thing/a",
    "thing/sub/c",
    "data/f",
    "f",
    "a",
    "ldconfig/aux-cache",
    ".ssh/authorized_keys",
  ])
    m.write(`/root/outside/${file}`, SECRET, { mode: 0o600 });
  m.addUser("mallory", { uid: MALLORY });
  m.addUser("alice", { uid: ALICE, createHome: true, home: "/home/alice" });
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"]);
});
afterAll(async () => m.close());

const LOOSE = ["tmp", "web", "home", "var", "srv"];
const PLACES = "home/alice home/bob home/eve var/lib var/cache var/tmp srv/data tmp/x web/site".split(" ");

/** A jail in which these directories are as `give` leaves them, and mallory is at work there. */
async function attacked(jail: string, [uid, gid, mode]: readonly [number, number, number]) {
  m.must(["jk_init", "-j", jail, "one"]);
  for (const name of LOOSE) {
    m.mkdir(`${jail}/${name}`);
    m.chown(`${jail}/${name}`, uid, gid);
    m.chmod(`${jail}/${name}`, mode);
  }
  m.must(["mkdir", "-p", `${jail}/var/lib`, `${jail}/var/cache`]);
  const racer = m.start([RACER, "/root/outside", ...PLACES.map((name) => `${jail}/${name}`)], {
    user: "mallory",
  });
  await racer.until(({ stdout }) => (stdout.includes("ready\n") ? true : undefined));
  return racer;
}

async function end(racer: MachineProcess): Promise<void> {
  racer.kill();
  await racer.ended;
}

/** Everything outside that a tool has no reason to change. */
function outside(): Record<string, unknown> {
  const accounts = /^(?:(?:passwd|shadow|group|gshadow|subuid|subgid|fstab)-?|\.pwd\.lock|jailkit\/.*)$/;
  const etc = Object.entries(m.snapshot("/etc")).filter(([path]) => !accounts.test(path));
  return { root: m.snapshot("/root/outside"), etc: Object.fromEntries(etc), data: m.snapshot("/srv/data") };
}

/** What of root's changed hands, or has content from outside. */
function harm(jail: string): string[] {
  const strict = "bin sbin lib lib64 usr etc dev run opt"
    .split(" ")
    .map((name) => `${jail}/${name}`)
    .filter((path) => m.exists(path));
  const found = [
    m.run(["grep", "-rlsI", "-D", "skip", SECRET, jail]),
    m.run([
      "find",
      ...strict,
      "(",
      "-user",
      "mallory",
      "-o",
      "-group",
      "mallory",
      "-o",
      "-perm",
      "/6000",
      ")",
    ]),
    m.run(["find", ...strict, "!", "-type", "l", "-perm", "/022", "!", "-type", "c", "!", "-type", "s"]),
    m.run(["find", jail, "-user", "root", "-perm", "/6000"]),
  ];
  return found.flatMap(({ stdout }) => stdout.split("\n")).filter((line) => line !== "");
}

const TOOLS = (jail: string, round: number): readonly (readonly string[])[] => [
  ["jk_init", "-f", "-j", jail, "one"],
  ["jk_init", "-k", "-f", "-j", jail, "one"],
  ["jk_cp", "-f", "-j", jail, "/var/lib/thing", "/srv/data"],
  ["jk_cp", "-o", "-f", "-j", jail, "/srv/data"],
  ["jk_update", "-j", jail],
  ["jk_jailuser", "-n", "-s", "/usr/bin/cat", "-j", jail, "alice"],
  ["jk_jailuser", "-m", "-s", "/usr/bin/cat", "-j", jail, "alice"],
  ["jk_jailuser", "--authorized-key", "/root/key.pub", "-j", jail, "alice"],
  ["jk_jailuser", "--unjail", "-m", "alice"],
  ["jk_addjailuser", "-j", jail, "-s", "/usr/bin/cat", "-d", "/home/eve", `eve${jail.at(-1)}${round}`],
  ["jk_check", "--full", "--run", jail],
  ["jk_check", "--fix", jail],
  ["jk_cp", "--remove", "-j", jail, "/srv/data"],
  ["jailkit", "adopt", "--force", jail],
  ["jailkit", "disk", jail],
  ["jailkit", "list", jail],
  ["jailkit", "explain", "alice"],
  ["jk_list", jail],
  ["jailkit", "delete", "--dry-run", "--unjail", "--user-files", jail],
];

const eves = (letter: string) => Array.from({ length: ROUNDS }, (_, round) => `eve${letter}${round}`);

describe.each([
  ["the user's", "a", [MALLORY, MALLORY, 0o755]],
  ["root's, for the user's group", "b", [0, MALLORY, 0o770]],
  ["root's, for everybody", "c", [0, 0, 0o777]],
  ["sticky", "d", [0, 0, 0o1777]],
] as const)("directories that are %s", (_, letter, rights) => {
  const jail = `/srv/loose/${letter}`;

  test("while root's tools work in them", async () => {
    const racer = await attacked(jail, rights);
    const before = outside();
    const statuses = new Map<string, Set<number | undefined>>();
    for (let round = 0; round < ROUNDS; round++) {
      m.write("/var/lib/thing/a", `version ${round}`);
      for (const words of TOOLS(jail, round)) {
        // A tool that waits for the user is "still running" here.
        const { status, stderr, stdout } = m.run(words);
        if (process.env.SHOW !== undefined && round === 0)
          console.log(words.join(" "), status, stderr.slice(0, 700));
        const key = words.filter((word) => !word.startsWith("/")).join(" ");
        statuses.set(key, (statuses.get(key) ?? new Set()).add(status));
        expect([
          words,
          status === undefined || status > 127,
          stderr.includes(SECRET) || stdout.includes(SECRET),
        ]).toEqual([words, false, false]);
        expect([words, stderr.includes("BUG") || stderr.includes("at /")]).toEqual([words, false]);
      }
      const login = m.run(["jk_chrootsh", "-c", "x"], {
        user: "alice",
        timeout: 30_000,
        env: { USER: "alice" },
      });
      expect(login.stdout).not.toContain(SECRET);
      expect([round, harm(jail)]).toEqual([round, []]);
      const after = outside();
      expect([round, after]).toEqual([round, before]);
    }
    if (process.env.SHOW !== undefined) console.log(jail, statuses);
    const { status, stderr } = m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
    await end(racer);
    expect([status === 0 || status === 1, stderr.includes(SECRET)]).toEqual([true, false]);
    expect(outside()).toEqual(before);
    // Without the user at work, and with the users' homes elsewhere, it ends, unless it did before.
    for (const name of ["alice", ...eves(letter)])
      m.run(["usermod", "-d", "/nonexistent", "-s", "/bin/sh", name]);
    if (m.exists(jail)) m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
    for (const name of eves(letter)) m.run(["userdel", name]);
    m.must(["usermod", "-d", "/home/alice", "alice"]);
    expect(m.exists(jail)).toBe(false);
    expect(outside()).toEqual(before);
  });
});

test("jk_update and jk_check --fix leave a directory to the user whom somebody gave it to", () => {
  const jail = "/srv/loose/k";
  m.must(["jk_init", "-j", jail, "one"]);
  const given = {
    tmp: [MALLORY, MALLORY, 0o770],
    home: [0, MALLORY, 0o770],
    web: [MALLORY, 0, 0o711],
  } as const;
  for (const [name, [uid, gid, mode]] of Object.entries(given)) {
    m.mkdir(`${jail}/${name}`);
    m.chown(`${jail}/${name}`, uid, gid);
    m.chmod(`${jail}/${name}`, mode);
  }
  // It records them as they are.
  m.must(["jk_init", "-f", "-j", jail, "one"]);
  expect(m.must(["jk_update", "--check", "-j", jail]).stdout).toBe("");
  m.must(["jk_update", "-j", jail]);
  // What is not closed to the group is reported, and stays.
  expect(m.run(["jk_check", "--fix", jail])).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(
      /^(?:WARNING: \S*\/(?:tmp|home)\/ is writable for group!\n {2}remedy: chmod (?:g-w|\+t) \S+\n){2}$/,
    ),
  });
  for (const [name, [uid, gid, mode]] of Object.entries(given))
    expect([name, m.stat(`${jail}/${name}`)]).toEqual([
      name,
      expect.objectContaining({ uid, gid, mode: 0o040000 | mode }),
    ]);
});

describe("ldconfig, which reads and writes by name as root", () => {
  const jail = "/srv/loose/l";
  // If it waits for the FIFO, it does so for ever.
  const update = () => m.run(["jk_cp", "-f", "-j", jail, "/usr/bin/id"], { timeout: 30_000 });
  const refusal = (path: string) =>
    `jk_cp: ${jail}${path}: must be root's, and so must each directory above it, and writable by nobody else; ` +
    "the cache of libraries is not renewed\n";

  test("runs in a jail whose directories are root's", () => {
    m.must(["jk_init", "-j", jail, "one"]);
    m.must(["jk_cp", "-j", jail, "/usr/bin/id"]);
    expect(m.exists(`${jail}/var/cache/ldconfig/aux-cache`) || m.exists(`${jail}/etc/ld.so.cache`)).toBe(
      true,
    );
  });

  test.each(["var", "var/cache", "var/cache/ldconfig"])("not where users can change %s", (name) => {
    m.must(["mkdir", "-p", `${jail}/var/cache/ldconfig`]);
    m.chown(`${jail}/${name}`, MALLORY, MALLORY);
    const cache = m.snapshot(`${jail}/etc`);
    // It would wait for a reader of it.
    m.must(["mkfifo", "-m", "666", `${jail}/var/cache/ldconfig/aux-cache~`]);
    const { status, stderr } = update();
    expect([status, stderr]).toEqual([1, refusal("/var/cache/ldconfig")]);
    expect(m.snapshot(`${jail}/etc`)).toEqual(cache);
    m.remove(`${jail}/var`);
    expect(update().stderr).toBe("");
  });

  test("not where a link leads to what users can change", () => {
    m.mkdir(`${jail}/data`);
    m.chown(`${jail}/data`, MALLORY, MALLORY);
    m.mkdir(`${jail}/var/cache`);
    m.remove(`${jail}/var/cache/ldconfig`);
    m.symlink("/data/none", `${jail}/var/cache/ldconfig`);
    expect(update().stderr).toBe(refusal("/var/cache/ldconfig"));
    m.remove(`${jail}/var`);
    expect(update().status).toBe(0);
  });

  test("not where users can change a directory of ld.so.conf, even one that is missing", () => {
    m.write(`${jail}/etc/ld.so.conf`, "/data/lib\n");
    expect(update().stderr).toBe(refusal("/data/lib"));
    m.chown(`${jail}/data`, 0, 0);
    expect(update().status).toBe(0);
  });
});

describe("/proc and /sys of a jail", () => {
  const jail = "/srv/loose/p";
  const safe = () => m.run(["jk_cp", "-j", jail, "/usr/bin/true"]).status;

  test.each(["proc", "sys"])("/%s must be root's, unless something is mounted there", (name) => {
    m.must(["jk_init", "-j", jail, "one"]);
    m.mkdir(`${jail}/${name}`);
    m.chown(`${jail}/${name}`, MALLORY, MALLORY);
    expect(safe()).toBe(6);
    // As a container shows the kernel's: of an owner that it does not know.
    m.must(["mount", "-t", "tmpfs", "-o", "uid=65534,mode=0555", "none", `${jail}/${name}`]);
    expect(safe()).toBe(0);
    m.must(["umount", `${jail}/${name}`]);
    m.chown(`${jail}/${name}`, 0, 0);
    expect(safe()).toBe(0);
  });
});
