/** One tool at a time changes a jail: others wait for it, or end with 75. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const JAIL = "/srv/j";
const LOCKS = "/var/lib/jailkit/locks";
const FILES = ["cat", "ls", "true", "sleep", "id", "env", "date", "head", "tail", "wc", "tee", "sort"];
let m: Machine;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: [
      ...["jk_init", "jk_cp", "jk_update", "jk_check", "jk_jailuser", "jk_addjailuser", "jk_chrootsh"],
      ...["jk_lsh", "jailkit"],
    ],
  });
  const sections = FILES.map((name) => `[one-${name}]\npaths = ${name}\n`);
  const base = "[base]\npaths = cat, sh\nusers = root\ngroups = root\nneed_logsocket = 1\n";
  m.write("/etc/jailkit/jk_init.d/test.ini", base + sections.join(""));
  m.mkdir("/srv/keys");
  for (const name of ["passwd", "shadow", "group", "gshadow"])
    m.must(["cp", "-a", `/etc/${name}`, "/srv/keys"]);
});
afterAll(async () => m?.close());

beforeEach(() => {
  m.must(["rm", "-rf", JAIL, "/srv/k", "/var/lib/jailkit"]);
  for (const name of ["passwd", "shadow", "group", "gshadow"])
    m.must(["cp", "-a", `/srv/keys/${name}`, "/etc"]);
});

const words = (command: string) => command.split(" ");
const create = (jail = JAIL) => m.must(["jk_init", "-j", jail, "base"]);
const pathLock = (jail: string) =>
  `path-${new Bun.CryptoHasher("sha256").update(jail).digest("hex").slice(0, 32)}`;

const HOLD = `use Fcntl qw(:DEFAULT :flock); $| = 1; sysopen(my $f, $ARGV[0], O_RDWR | O_CREAT, 0600) or die;
flock($f, LOCK_EX) or die; syswrite($f, sprintf("%-64s", "$$ jk_init")); print "$$ ready\\n"; <STDIN>;`;

/** A process that holds the lock of a jail until end(); `pid` is in the messages of others. */
async function holdLock(jail = JAIL): Promise<{ holder: MachineProcess; pid: string }> {
  m.mkdir(LOCKS, { mode: 0o700 });
  const holder = m.start(["perl", "-e", HOLD, `${LOCKS}/${pathLock(jail)}`]);
  const pid = await holder.until(({ stdout }) => /^(\d+) ready/.exec(stdout)?.[1]);
  return { holder, pid };
}

const COMMANDS: Readonly<Record<string, string>> = {
  jk_init: `jk_init -j ${JAIL} one-ls`,
  "jk_init --remove": `jk_init --remove -j ${JAIL} base`,
  jk_cp: `jk_cp -j ${JAIL} /bin/ls`,
  jk_update: `jk_update -j ${JAIL}`,
  jk_jailuser: `jk_jailuser -n -s /usr/bin/sh -j ${JAIL} bob`,
  "jk_jailuser --unjail": "jk_jailuser --unjail jill",
  "jk_jailuser --jail-side-only": `jk_jailuser --jail-side-only -s /usr/bin/sh -j ${JAIL} bob`,
  jk_addjailuser: `jk_addjailuser -s /usr/bin/sh -j ${JAIL} carla`,
  "jk_check --fix": `jk_check --fix ${JAIL}`,
  "jailkit adopt": `jailkit adopt --force ${JAIL}`,
  "jailkit import": `jailkit import -j ${JAIL} /root/export.json`,
  "jailkit forget": `jailkit forget --with-users ${JAIL}`,
  "jailkit delete": `jailkit delete --yes --unjail ${JAIL}`,
};

function prepare(): void {
  // A jail that the same import may complete.
  create("/srv/k");
  m.must(words("jailkit export -o /root/export.json /srv/k"));
  m.must(words("jailkit delete --yes /srv/k"));
  m.must(words(`jailkit import -j ${JAIL} /root/export.json`));
  m.addUser("bob");
  m.addUser("jill");
  m.must(words(`jk_jailuser -n -s /usr/bin/sh -j ${JAIL} jill`));
  m.remove(`${JAIL}/etc/.jailkit.lock`);
}

describe.each(Object.entries(COMMANDS))("%s", (_, command) => {
  const [program = "", ...rest] = words(command);
  const name = program === "jailkit" ? `jailkit ${rest[0]}` : program;

  test("waits, says so after a second, and goes on", async () => {
    prepare();
    const { holder, pid } = await holdLock();
    const waiting = m.start([program, ...rest]);
    const message = `${name}: waiting for jk_init (pid ${pid}) to finish with ${JAIL}\n`;
    await waiting.until(({ stderr }) => stderr.includes(message) || undefined);
    const before = m.snapshot(JAIL);
    holder.end();
    const { status, stderr } = await waiting.ended;
    // It has findings that --fix leaves.
    const expected = name === "jk_check" ? 1 : 0;
    expect([status, stderr.startsWith(message)]).toEqual([expected, true]);
    expect(before).not.toEqual([]);
    expect(m.list(LOCKS)).toEqual([]);
  });

  test("with --no-wait it ends with 75, and changes nothing", async () => {
    prepare();
    const { holder, pid } = await holdLock();
    const all = () => [m.snapshot(JAIL), m.snapshot("/var/lib/jailkit"), m.read("/etc/passwd")];
    const before = all();
    const command = program === "jailkit" ? [program, ...rest, "--no-wait"] : [program, "--no-wait", ...rest];
    const result = m.run(command);
    expect(result).toMatchObject({
      status: 75,
      stderr: `${name}: jk_init (pid ${pid}) is working on ${JAIL}; try again later\n`,
    });
    expect(all()).toEqual(before);
    holder.end();
    await holder.ended;
  });
});

test("what changes nothing waits for nobody", async () => {
  prepare();
  const { holder } = await holdLock();
  const commands = [
    ...[`jk_init -n -j ${JAIL} one-ls`, `jk_init --why /bin/ls -j ${JAIL} one-ls`, `jk_cp -n -j ${JAIL} ls`],
    ...[`jk_update -n -j ${JAIL}`, `jk_update --check -j ${JAIL}`, `jk_cp --remove -n -j ${JAIL} /bin/ls`],
    ...[`jk_jailuser --dry-run -n -s /usr/bin/sh -j ${JAIL} bob`, "jk_jailuser --unjail --dry-run jill"],
    ...[`jk_addjailuser --dry-run -s /usr/bin/sh -j ${JAIL} carla`, `jk_check ${JAIL}`, "jailkit list"],
    ...[`jailkit adopt --force -n ${JAIL}`, `jailkit delete -n --unjail ${JAIL}`],
  ];
  for (const command of commands) expect([command, m.run(words(command)).status]).not.toEqual([command, 75]);
  holder.end();
  await holder.ended;
});

test("reports: --json of a busy jail, and jails behind it", async () => {
  create();
  create("/srv/k");
  const { holder } = await holdLock();
  const busy = { code: "busy", path: JAIL };
  const update = m.run(words("jk_update --all --no-wait --json"));
  expect([update.status, JSON.parse(update.stdout)]).toMatchObject([
    75,
    { jails: [{ state: "failed", problems: [busy] }, { state: "up-to-date" }], exitStatus: 75 },
  ]);
  const check = m.run(words("jk_check --fix --no-wait --json"));
  expect([check.status, JSON.parse(check.stdout)]).toMatchObject([
    75,
    {
      jails: [
        { path: JAIL, problems: [busy] },
        { path: "/srv/k", problems: [] },
      ],
      exitStatus: 75,
    },
  ]);
  const removal = m.run(words(`jailkit delete --yes --no-wait --json ${JAIL}`));
  expect([removal.status, JSON.parse(removal.stdout)]).toMatchObject([
    75,
    { problems: [busy], exitStatus: 75 },
  ]);
  holder.end();
  await holder.ended;
});

test("a directory of locks in which users could remove one is refused", () => {
  create();
  m.chmod(LOCKS, 0o777);
  const { status, stderr } = m.run(["jk_cp", "-j", JAIL, "ls"]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`chown root:root ${LOCKS} && chmod 0700 ${LOCKS}`),
  ]);
  expect(m.exists(`${JAIL}/usr/bin/ls`)).toBe(false);
});

test("a signal ends a tool that waits", async () => {
  create();
  const { holder } = await holdLock();
  const waiting = m.start(words(`jk_cp -j ${JAIL} ls`));
  await waiting.until(({ stderr }) => stderr.includes("waiting for") || undefined);
  waiting.kill("SIGINT");
  expect(await waiting.ended).toMatchObject({ signal: "SIGINT" });
  holder.end();
  await holder.ended;
});

test("the lock of a killed holder is free, and its file is removed by the next", async () => {
  create();
  const { holder } = await holdLock();
  holder.kill();
  await holder.ended;
  expect(m.list(LOCKS)).toEqual([pathLock(JAIL)]);
  expect(m.run(words(`jk_cp -j ${JAIL} ls`))).toMatchObject({ status: 0, stderr: "" });
  expect(m.list(LOCKS)).toEqual([]);
});

/** Starts a command that waits for the lock of the jail, and calls `meanwhile` before it gets that. */
async function whileWaiting(command: string, meanwhile: () => void) {
  const { holder } = await holdLock();
  const waiting = m.start(words(command));
  await waiting.until(({ stderr }) => stderr.includes("waiting for") || undefined);
  meanwhile();
  holder.end();
  const { status, stdout, stderr } = await waiting.ended;
  return { status, stdout, stderr: stderr.slice(stderr.indexOf("\n") + 1) };
}

test("a jail that is deleted meanwhile is missing; jk_init creates it anew", async () => {
  create();
  const gone = await whileWaiting(`jk_cp -j ${JAIL} ls`, () => m.must(["rm", "-rf", JAIL]));
  expect(gone.status).toBe(3);
  expect(gone.stderr).toContain(`${JAIL} is not a directory`);
  create();
  const again = await whileWaiting(`jk_init -j ${JAIL} one-ls`, () => m.must(["rm", "-rf", JAIL]));
  expect(again).toMatchObject({ status: 0, stderr: "" });
  expect([m.exists(`${JAIL}/usr/bin/ls`), m.exists(`${JAIL}/usr/bin/cat`)]).toEqual([true, false]);
});

test("jk_update --all goes on without a jail that is deleted meanwhile", async () => {
  const all = "jk_update --all --jobs 1";
  const remove = () => m.must(["rm", "-rf", JAIL]);
  const removeAll = () => {
    const { record } = JSON.parse(m.must(["jailkit", "list", "--json", JAIL]).stdout).jails[0];
    m.must(["rm", "-rf", JAIL, `/var/lib/jailkit/jails/${record}`]);
  };
  for (const [deletion, message] of [
    [removeAll, `${JAIL} was deleted meanwhile\n`],
    [remove, `${JAIL} is missing: 'jailkit forget' drops its record; if it was moved: jailkit adopt --moved`],
  ] as const) {
    create();
    create("/srv/k");
    m.remove("/srv/k/usr/bin/cat");
    const { status, stderr } = await whileWaiting(all, deletion);
    expect([status, stderr]).toEqual([0, expect.stringContaining(`jk_update: warning: ${message}`)]);
    expect([m.exists(JAIL), m.exists("/srv/k/usr/bin/cat")]).toEqual([false, true]);
    m.must(["rm", "-rf", "/srv/k", "/var/lib/jailkit"]);
  }
});

test("a jail that is moved meanwhile is not filled at its old place", async () => {
  // A jail that is missing is a warning, as in 2.23.
  for (const [options, status] of [["", 0] as const, [" --strict", 1] as const]) {
    create();
    m.remove(`${JAIL}/usr/bin/cat`);
    const moved = await whileWaiting(`jk_update${options} -j ${JAIL}`, () => m.rename(JAIL, "/srv/k"));
    expect([options, moved.status]).toEqual([options, status]);
    expect(moved.stderr).toContain("it is at /srv/k now");
    expect(m.exists(JAIL)).toBe(false);
    expect(m.exists("/srv/k/usr/bin/cat")).toBe(false);
    m.must(["rm", "-rf", "/srv/k", "/var/lib/jailkit"]);
  }
});

test("jk_check --fix that has waited sees the accounts that the other tool changed", async () => {
  create();
  m.must(words(`jk_addjailuser -s /usr/bin/sh -j ${JAIL} before`));
  const checked = await whileWaiting(`jk_check --fix ${JAIL}`, () => {
    const replaceLine = (file: string, line: string) =>
      m.write(file, m.read(file).replace(/^before:.*\n/m, line));
    replaceLine("/etc/passwd", `meanwhile:x:31000:60::${JAIL}/./home/meanwhile:/usr/sbin/jk_chrootsh\n`);
    replaceLine(`${JAIL}/etc/passwd`, "meanwhile:x:31000:60::/home/meanwhile:/usr/bin/sh\n");
    m.write(`${JAIL}/etc/group`, `${m.read(`${JAIL}/etc/group`)}games:x:60:\n`);
    m.mkdir(`${JAIL}/home/meanwhile`);
    m.must(["chown", "31000:60", `${JAIL}/home/meanwhile`]);
  });
  expect(checked.stderr).toBe("");
  expect(checked.stdout).not.toContain("meanwhile");
  expect(checked.stdout).not.toContain("user before");
});

test("two that create the same jail", async () => {
  const both = FILES.map((name) => m.start(["jk_init", "-j", JAIL, "base", `one-${name}`]));
  for (const one of both) {
    const { status, stderr } = await one.ended;
    // After a second, on a busy machine, it says that it waits.
    expect([status, stderr.replaceAll(/^.*: waiting for .*\n/gm, "")]).toEqual([0, ""]);
  }
  for (const name of FILES) expect([name, m.exists(`${JAIL}/usr/bin/${name}`)]).toEqual([name, true]);
});

test("a jail has one lock at each place where it is mounted", async () => {
  create();
  m.mkdir("/srv/k");
  m.must(["mount", "--bind", JAIL, "/srv/k"]);
  const stat = m.stat(JAIL);
  const device = m.must(["stat", "-c", "%Hd-%Ld", JAIL]).stdout.trim();
  m.mkdir(LOCKS, { mode: 0o700 });
  const holder = m.start(["perl", "-e", HOLD, `${LOCKS}/inode-${device}-${stat?.ino}`]);
  await holder.until(({ stdout }) => stdout.includes("ready") || undefined);
  for (const jail of [JAIL, "/srv/k"])
    expect(m.run(["jk_cp", "--no-wait", "-j", jail, "ls"]).status).toBe(75);
  holder.end();
  await holder.ended;
  m.must(["umount", "/srv/k"]);
});

/** What 20 commands do to a jail, in no order. */
function crowd(jail: string, tag: string, uid: number): string[] {
  const users = [0, 1, 2, 3, 4];
  return [
    ...FILES.slice(0, 4).map((name) => `jk_init -j ${jail} base one-${name}`),
    ...FILES.slice(4, 8).map((name) => `jk_cp -j ${jail} /usr/bin/${name}`),
    ...users.map((each) => `jk_addjailuser -u ${uid + each} -s /usr/bin/sh -j ${jail} new${tag}${each}`),
    ...users
      .slice(0, 3)
      .map((each) => `jk_jailuser -n -m -s /usr/bin/sh -G games -j ${jail} old${tag}${each}`),
    ...[`jk_update -j ${jail}`, `jk_check --fix ${jail}`, `jk_cp -f -j ${jail} /usr/bin/tee`],
    `jailkit adopt --force -n ${jail}`,
  ];
}

/** Everything that the tools know and did, without times and order. */
function outcome(jails: readonly string[]) {
  const lines = (path: string) => m.read(path).split("\n").sort();
  const passwords = (path: string) => lines(path).map((line) => line.split(":")[0]);
  return {
    host: [lines("/etc/passwd"), passwords("/etc/shadow"), passwords("/etc/group")],
    locks: m.list(LOCKS),
    jails: jails.map((jail) => {
      const { stdout } = m.run(["jailkit", "list", "--json", jail]);
      const [{ record }] = JSON.parse(stdout).jails;
      const manifest = JSON.parse(m.read(`/var/lib/jailkit/jails/${record}/manifest.json`));
      const files = m.must(["find", jail, "-printf", "%P %y %m %U:%G %l\\n"]).stdout.split("\n").sort();
      return {
        ...{ files, passwd: lines(`${jail}/etc/passwd`) },
        group: lines(`${jail}/etc/group`).map((line) => line.split(/[:,]/).sort()),
        entries: manifest.entries.map((one: { path: string }) => one.path).sort(),
        requests: manifest.requests.map(({ time, ...one }: { time: number }) => JSON.stringify(one)).sort(),
        findings: JSON.parse(m.run(["jk_check", "--json", jail]).stdout).jails[0].findings,
        leftovers: files.filter((line) => /(^|\/)\.jk-/.test(line)),
      };
    }),
  };
}

function reset(jails: readonly string[], tags: readonly string[]): void {
  m.must(["rm", "-rf", "/var/lib/jailkit", "/home", ...jails]);
  m.mkdir("/home");
  for (const name of ["passwd", "shadow", "group", "gshadow"])
    m.must(["cp", "-a", `/srv/keys/${name}`, "/etc"]);
  m.must(["groupadd", "-g", "9999", "jailed"]);
  tags.forEach((tag, index) => {
    for (const each of [0, 1, 2]) {
      const number = String(20_000 + index * 10 + each);
      m.must(["useradd", "-u", number, "-g", "games", "-m", `old${tag}${each}`]);
    }
  });
  for (const jail of jails) create(jail);
}

describe("20 at once", () => {
  test.each([1, 2, 3])("on one jail, round %i", async (round) => {
    const commands = crowd(JAIL, "", 30_000);
    expect(commands).toHaveLength(20);
    reset([JAIL], [""]);
    for (const command of commands) expect([command, m.run(words(command)).status]).toEqual([command, 0]);
    const oneByOne = outcome([JAIL]);
    reset([JAIL], [""]);
    // Another order each time.
    const order = commands.map((command, index) => ({ command, at: (index * 7 + round * 5) % 20 }));
    order.sort((a, b) => a.at - b.at);
    const running = order.map(({ command }) => ({ command, run: m.start(words(command)) }));
    for (const { command, run } of running) {
      const { status, stderr } = await run.ended;
      expect([command, status, stderr.replaceAll(/^.*: waiting for .*\n/gm, "")]).toEqual([
        command,
        0,
        expect.anything(),
      ]);
    }
    expect(outcome([JAIL])).toEqual(oneByOne);
  });

  test("on 20 jails", async () => {
    const tags = Array.from({ length: 20 }, (_, index) => `t${index}x`);
    const jails = tags.map((tag) => `/srv/many/${tag}`);
    m.mkdir("/srv/many");
    const commands = tags.flatMap((tag, index) => {
      const all = crowd(jails[index] ?? "", tag, 30_000 + index * 10);
      return [all[index % 8] ?? "", all[8 + (index % 8)] ?? ""];
    });
    const steps = [0, 1].map((part) => commands.filter((_, index) => index % 2 === part));
    reset(jails, tags);
    for (const command of steps.flat()) expect([command, m.run(words(command)).status]).toEqual([command, 0]);
    const oneByOne = outcome(jails);
    reset(jails, tags);
    for (const step of steps) {
      const running = step.map((command) => ({ command, run: m.start(words(command)) }));
      for (const { command, run } of running) {
        const { status, stderr } = await run.ended;
        expect([command, status, stderr]).toEqual([command, 0, expect.anything()]);
      }
    }
    expect(outcome(jails)).toEqual(oneByOne);
    m.remove("/srv/many");
  });
});
