/** Who leaves a jail leaves no setuid program there: it would make whoever starts it that user, outside of the jail, too. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { runWithStops } from "../machine/stops.ts";
import { KEYS, linesIn, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [J, K] = ["/srv/customer", "/srv/other"];
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\nfiles = /usr/bin/id\n`;
const user = (name: string, path = J) => `[user ${name}]\njail = ${path}\nshell = /bin/bash\n`;
const EVE = jail(J) + user("eve");
const UNJAIL = ["jk_jailuser", "--unjail", "-v", "-m", "dora"];

/** Takes what is left of one who has left. */
const LATER = `jk_jailuser --unjail --jail-side-only -j ${J} dora`;

const REMOVED = "removed 1 key from its authorized_keys";

let m: Machine;
/** That of dora. */
let uid = "";

const sh = (text: string, as?: string) => m.must(["sh", "-ec", text], as === undefined ? {} : { user: as });
const lineOf = (name: string, file = "/etc/passwd") =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read(file))?.[0];
const idOf = (name: string) => m.must(["id", "-u", name]).stdout.trim();
const modeOf = (path: string) => ((m.stat(path)?.mode ?? 0) & 0o7777).toString(8);
/** Who eve is, in the jail, by a program. */
const eveBy = (path: string) =>
  m.run(["chroot", `--userspec=${idOf("eve")}`, J, path, "-p", "-c", "id -u"]).stdout.trim();
/** Dora makes a program that makes whoever starts it dora. */
const makeProgram = (path: string, mode = "6755") =>
  sh(
    `mkdir -p ${J}/tmp "$(dirname ${path})"; chmod 1777 ${J}/tmp; cp ${J}/bin/bash ${path}; chown dora: ${path}; chmod ${mode} ${path}`,
  );
const isOut = () => expect(lineOf("dora")).toEndWith(":/home/dora:/bin/bash");
const isInside = () => expect(lineOf("dora")).toContain(`:${J}/./home/dora:`);

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/bash" });
  uid = idOf("dora");
  m.write(FILE, EVE + user("dora"));
  m.must(["jailkit", "apply"]);
  m.write(FILE, EVE);
});
afterEach(() => {
  m.run(["umount", `${J}/data`]);
  for (const name of ["dora", "eve", "bob"]) m.run(["userdel", name]);
  for (const path of ["/srv", "/home/dora", "/var/lib/jailkit"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
});
afterAll(() => m?.close());

test("apply takes the bits of its programs, wherever they are, and no others", () => {
  makeProgram(`${J}/tmp/x`);
  makeProgram(`${J}/home/dora/own`);
  makeProgram(`'${J}/tmp/new\nline'`, "2755");
  sh(`ln ${J}/tmp/x ${J}/tmp/second; mkdir -m 2775 ${J}/tmp/shared; chown dora: ${J}/tmp/shared`);
  sh(`cp ${J}/bin/bash ${J}/tmp/eves; chown eve ${J}/tmp/eves; chmod 4755 ${J}/tmp/eves`);
  sh(`cp ${J}/bin/bash ${J}/tmp/roots; chmod 2755 ${J}/tmp/roots; chmod 2775 ${J}/tmp/shared`);
  expect(eveBy("/tmp/x")).toBe(uid);
  const planned = linesOf(m, "--check", "--prune").changes.map(({ text }) => text);
  expect(planned).toEqual([
    expect.stringMatching(
      /out of it, with its home; takes the setuid and setgid bits from '[ -~]* and 1 more \(no longer declared\)$/,
    ),
  ]);
  expect(modeOf(`${J}/tmp/x`)).toBe("6755");
  const { status, changes } = linesOf(m, "--prune");
  expect([status, changes.map(({ text }) => text)]).toEqual([0, planned]);
  const steps = changes.flatMap((one) => one.steps).filter((one) => one.startsWith("took the setuid"));
  expect(steps).toEqual([expect.stringMatching(/^took the setuid and setgid bits from '[ -~]* more$/)]);
  isOut();
  expect(
    ["x", "second", "new\nline", "shared", "eves", "roots"].map((name) => modeOf(`${J}/tmp/${name}`)),
  ).toEqual(["755", "755", "755", "2775", "4755", "2755"]);
  expect([eveBy("/tmp/x"), eveBy("/tmp/eves")]).toEqual([idOf("eve"), idOf("eve")]);
  expect(modeOf("/home/dora/own")).toBe("755");
});

test("so it does below a mount, where somebody may work since before", () => {
  makeProgram(`${J}/tmp/x`);
  makeProgram(`${J}/tmp/deep/er/y`);
  sh(`mount -t tmpfs none ${J}/tmp`);
  expect(linesOf(m, "--prune").status).toBe(0);
  sh(`umount ${J}/tmp`);
  expect(["x", "deep/er/y"].map((name) => modeOf(`${J}/tmp/${name}`))).toEqual(["755", "755"]);
  isOut();
});

test("jk_jailuser says in a dry run what it takes, and takes it; so does a move to another jail", () => {
  makeProgram(`${J}/tmp/x`);
  const text = `the setuid and setgid bits from '${J}/tmp/x'`;
  expect(m.must([...UNJAIL, "--dry-run"]).stdout.split("\n")).toContain(`would take ${text}`);
  expect(modeOf(`${J}/tmp/x`)).toBe("6755");
  m.write(FILE, EVE + jail(K) + user("dora", K));
  const { summary } = linesOf(m);
  const remedy = summary.problems[0]?.remedy ?? "";
  expect(remedy).toContain("jk_jailuser --unjail");
  sh(remedy);
  expect(modeOf(`${J}/tmp/x`)).toBe("755");
  expect(linesOf(m).status).toBe(0);
  expect(lineOf("dora")).toContain(`:${K}/./home/dora:`);
  expect(eveBy("/tmp/x")).toBe(idOf("eve"));
});

test.each([[[]], [["--delete-homes"]]])(
  "so do those of an account that is removed, whose groups others would have by them: %p",
  (options) => {
    m.write(FILE, `${EVE}${user("dora")}${user("bob")}groups = users\n`);
    m.must(["jailkit", "apply"]);
    m.write(FILE, EVE + user("dora"));
    makeProgram(`${J}/tmp/x`);
    sh(`chown bob:users ${J}/tmp/x; chmod 6755 ${J}/tmp/x`);
    const planned = linesOf(m, "--check", "--prune", ...options).changes;
    const { status, changes } = linesOf(m, "--prune", ...options);
    const [text = "", ...others] = changes.map((one) => one.text);
    expect([status, others, planned.map((one) => one.text)]).toEqual([0, [], [text]]);
    expect(text).toMatch(
      /^- user bob: account (and|but not) its home [^;]*; takes the setuid and setgid bits from '[^']*\/tmp\/x' \(no longer declared\)$/,
    );
    expect(changes[0]?.steps).toContain(`took the setuid and setgid bits from '${J}/tmp/x'`);
    expect([lineOf("bob"), modeOf(`${J}/tmp/x`)]).toEqual([undefined, "755"]);
  },
);

test("a file system that is not mounted does not keep the account, of which no command is shown then", () => {
  m.write(FILE, EVE + user("dora") + user("bob"));
  m.must(["jailkit", "apply"]);
  m.write(FILE, EVE + user("dora"));
  const fstab = m.read("/etc/fstab");
  sh(`mkdir ${J}/data`);
  m.write("/etc/fstab", `${fstab}/root ${J}/data none bind,noauto 0 0\n`);
  const { status, changes } = linesOf(m, "--prune", "--delete-homes");
  m.write("/etc/fstab", fstab);
  expect([status, lineOf("bob")]).toEqual([0, undefined]);
  expect(changes.flatMap((one) => one.warnings)).toContain(
    `'${J}/data' is not mounted: a setuid program of 'bob' may be there; nobody else gets its uid while it is there`,
  );
});

test("jk_jailuser says what it has taken", () => {
  makeProgram(`${J}/tmp/x`);
  expect(m.must(UNJAIL).stdout.split("\n")).toContain(`took the setuid and setgid bits from '${J}/tmp/x'`);
  isOut();
  expect(modeOf(`${J}/tmp/x`)).toBe("755");
});

test("a session that begins while the home is copied leaves none either", async () => {
  let isMade = false;
  const make = (call: string) => {
    if (!call.includes(".jk-home-") || isMade) return;
    makeProgram(`${J}/tmp/x`);
    isMade = true;
  };
  const { stdout } = await runWithStops(m, UNJAIL, { calls: ["mkdirat"] }, make);
  expect([isMade, stdout]).toEqual([true, expect.stringContaining(`bits from '${J}/tmp/x'`)]);
  isOut();
  expect(modeOf(`${J}/tmp/x`)).toBe("755");
});

test("it does not leave beside a process of it that has begun meanwhile", async () => {
  let session: Awaited<ReturnType<typeof sleeperOf>> | undefined;
  const begin = async (call: string) => {
    if (call.includes(".jk-home-")) session ??= await sleeperOf(m, "dora");
  };
  const { stderr } = await runWithStops(m, UNJAIL, { calls: ["mkdirat"] }, begin);
  // Before the jail is looked through: the process could make a program in it then, and end.
  expect(stderr).toContain("'dora' has running processes (");
  isInside();
  session?.kill();
  await session?.ended;
});

/** Runs apply, which takes dora out, and calls `look` after it has looked at one of two directories, when no login begins any more. */
async function pruneWithStops(
  look: (here: string, there: string) => void,
  before: typeof look = () => undefined,
) {
  const [a, b] = [`${J}/data/a`, `${J}/data/b`];
  const stops = { calls: ["getdents64"], paths: [a, b] };
  await runWithStops(m, ["jailkit", "apply", "--prune"], stops, (call) => {
    if (!/= 0$/.test(call)) return;
    const isPlan = lineOf("dora", `${J}/etc/passwd`) !== undefined;
    const [here, there] = call.includes(`<${a}>`) ? ([a, b] as const) : ([b, a] as const);
    (isPlan ? before : look)(here, there);
  });
  isOut();
  for (const path of [a, b].flatMap((one) => [`${one}/x`, `${one}/y`]))
    expect([path, modeOf(path)]).toEqual([path, "755"]);
}

test("a file that somebody gave the bits, by a program that has lost them since, loses them", async () => {
  sh(`mkdir -p ${J}/data/a ${J}/data/b`);
  for (const file of ["a/x", "a/y", "b/x", "b/y"]) makeProgram(`${J}/data/${file}`, "755");
  sh(`chmod 6755 ${J}/data/a/x`);
  let isGiven = false;
  await pruneWithStops((here) => {
    if (here.endsWith("a") && !isGiven) sh(`chmod 6755 ${here}/y`);
    if (here.endsWith("a")) isGiven = true;
  });
  expect(isGiven).toBe(true);
});

test("so it does if that program has given away its own bits, before it was looked at", async () => {
  sh(`mkdir -p ${J}/data/a ${J}/data/b`);
  for (const file of ["a/x", "a/y", "b/x", "b/y"]) makeProgram(`${J}/data/${file}`, "755");
  let [isMade, isGiven] = [false, false];
  const give = (here: string, there: string) => {
    if (!isGiven) sh(`chmod 755 ${there}/x; chmod 6755 ${here}/y`);
    isGiven = true;
  };
  await pruneWithStops(give, (_, there) => {
    // The other one comes first in each pass.
    if (!isMade) sh(`chmod 6755 ${there}/x`);
    isMade = true;
  });
  expect([isMade, isGiven]).toEqual([true, true]);
});

test("also on a file system that does not tell of changes, but for one where nobody gets other rights", () => {
  for (const [name, options] of [
    ["net", "rw"],
    ["nosuid", "nosuid"],
  ]) {
    sh(`mkdir ${J}/${name}; mount -t ramfs -o ${options} none ${J}/${name}`);
    makeProgram(`${J}/${name}/x`);
  }
  expect(linesOf(m, "--prune").status).toBe(0);
  isOut();
  expect([modeOf(`${J}/net/x`), modeOf(`${J}/nosuid/x`)]).toEqual(["755", "6755"]);
  sh(`umount ${J}/net ${J}/nosuid`);
});

test("nor does one that is outside already, and has only its lines in the jail", () => {
  makeProgram(`${J}/tmp/x`);
  m.must(["usermod", "-d", "/home/dora", "-s", "/bin/bash", "dora"]);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "dora"]);
  expect(lineOf("dora", `${J}/etc/passwd`)).toBeUndefined();
  expect(modeOf(`${J}/tmp/x`)).toBe("755");
});

test("the programs of root stay as they are", () => {
  sh(`mkdir -p ${J}/tmp; cp ${J}/bin/bash ${J}/tmp/roots; chmod 4755 ${J}/tmp/roots`);
  m.run(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "root"]);
  expect(modeOf(`${J}/tmp/roots`)).toBe("4755");
});

test("it is told while a process of it works there, which can make another one, and the command takes that then", async () => {
  m.must(["usermod", "-d", "/home/dora", "-s", "/bin/bash", "dora"]);
  const own = m.start(["env", "-C", J, "sh", "-c", "echo there; exec sleep infinity"], { user: "dora" });
  await own.until(({ stdout }) => stdout.includes("there") || undefined);
  const { stderr } = m.must(LATER.split(" "));
  expect(stderr).toMatch(
    /processes of 'dora' \(\d+\) work in '\/srv\/customer', where they can make a setuid program; when they have ended, take it with: /,
  );
  expect(stderr).toContain(`take it with: ${LATER}\n`);
  makeProgram(`${J}/tmp/x`);
  own.kill();
  await own.ended;
  expect(m.must(LATER.split(" ")).stderr).not.toContain("setuid");
  expect(modeOf(`${J}/tmp/x`)).toBe("755");
});

test("a program without a name that another user has open, or executes, stays usable without the bits", async () => {
  makeProgram(`${J}/tmp/x`);
  const eve = m.start(["sh", "-c", `exec 5<${J}/tmp/x; echo there; exec sleep infinity`], { user: "eve" });
  await eve.until(({ stdout }) => stdout.includes("there") || undefined);
  m.remove(`${J}/tmp/x`);
  // What is elsewhere is not of the jail.
  sh("cp /bin/true /opt/host; chown dora /opt/host; chmod 4755 /opt/host");
  const other = m.start(["sh", "-c", "exec 5</opt/host; echo there; exec sleep infinity"], { user: "eve" });
  await other.until(({ stdout }) => stdout.includes("there") || undefined);
  const pid = m.must(["pgrep", "-o", "-u", "eve"]).stdout.trim();
  const mode = () => m.must(["stat", "-Lc", "%a", `/proc/${pid}/fd/5`]).stdout.trim();
  expect(mode()).toBe("6755");
  const { status, changes } = linesOf(m, "--prune");
  expect([status, mode()]).toEqual([0, "755"]);
  expect(changes.flatMap((one) => one.steps)).toContain(
    `took the setuid and setgid bits from a file without a name that the process ${pid} has open`,
  );
  isOut();
  expect(modeOf("/opt/host")).toBe("4755");
  for (const one of [eve, other]) one.kill();
  await Promise.all([eve.ended, other.ended]);
});

// Who starts a setuid program of one who was removed has a uid without a line.
test.each([
  ["eve", "/", true],
  ["nobody", "/", false],
  ["+4711", J, true],
] as const)(
  "the account stays while %s, which works in %s, may keep one unseen, if it is of the jail or in it",
  async (who, directory, isOfJail) => {
    const ring = `import ctypes, time
print("there" if ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120)) >= 0 else "none", flush=True)
time.sleep(1000000)`;
    const as = ["setpriv", "--reuid", who, "--clear-groups", "env", "-C", directory];
    const process = m.start([...as, "python3", "-c", ring]);
    const has = await process.until(({ stdout }) => stdout || undefined);
    const { status, summary } = linesOf(m, "--prune");
    const isKept = isOfJail && has === "there\n";
    expect(status).toBe(isKept ? 1 : 0);
    if (isKept) {
      isInside();
      expect(lineOf("dora", `${J}/etc/passwd`)).toBeUndefined();
      const [{ message = "", remedy = "" } = {}] = summary.problems;
      expect(message).toContain("have an io_uring, in which they may keep a setuid program of 'dora'");
      expect(message).toEndWith(`: ${remedy}`);
      sh(remedy ?? "");
      expect(linesOf(m, "--prune").status).toBe(0);
    }
    isOut();
    process.kill();
    await process.ended;
  },
);

/** Many processes, each in sendmsg(2) to a socket without room. */
const STUCK = `import os, socket, time
pair = socket.socketpair()
pair[0].setblocking(False)
try:
    while True: pair[0].send(b"x")
except BlockingIOError: pass
pair[0].setblocking(True)
pids = []
for _ in range(30):
    pids.append(os.fork())
    if pids[-1] == 0: pair[0].sendmsg([b"x"])
for pid in pids:
    while open(f"/proc/{pid}/syscall").read().split()[0] not in ("46", "211"): pass
print("there", flush=True)
time.sleep(1000000)`;

test("many of its processes are looked at together, one command ends them, and a signal ends the look", async () => {
  const eve = m.start(["setpriv", "--reuid", "eve", "--clear-groups", "python3", "-c", STUCK]);
  await eve.until(({ stdout }) => stdout.includes("there") || undefined);
  const run = ["jailkit", "apply", "--prune"];
  const traced = [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/root/trace",
    "-e",
    "trace=clock_nanosleep,nanosleep",
    ...run,
    "--json",
  ];
  const { summary } = linesIn(m.run(traced));
  const pauses = m.read("/root/trace").match(/tv_nsec=10000000\}/g) ?? [];
  expect([pauses.length > 0, pauses.length < 30]).toEqual([true, true]);
  const [{ message = "", remedy = "" } = {}] = summary.problems;
  expect(message).toMatch(
    /processes of 'eve' \((\d+ ){20}and 10 more\) have a thread in a call that does not end, such as sendmsg\(2\), in which they may keep a setuid program of 'dora': end them,/,
  );
  expect([message.endsWith(`: ${remedy}`), remedy]).toEqual([
    true,
    `jailkit terminate-user --uid=${idOf("eve")}`,
  ]);
  let isAsked = false;
  const calls: string[] = [];
  const interrupt = (call: string) => {
    if (!call.includes("tv_nsec=10000000}")) return;
    calls.push(call);
    if (!isAsked) sh("pkill -INT -x jailkit");
    isAsked = true;
  };
  const { status, stderr } = await runWithStops(
    m,
    run,
    { calls: ["clock_nanosleep", "nanosleep"] },
    interrupt,
  );
  expect([calls.length, status, stderr]).toEqual([1, 130, expect.stringContaining("interrupted by SIGINT")]);
  isInside();
  sh(remedy ?? "");
  await eve.ended;
  expect(linesOf(m, "--prune").status).toBe(0);
  isOut();
});

test.each([
  ["such a program, until that has lost the bits", { calls: ["fchmodat2", "fchmod"], paths: [`${J}/tmp/x`] }],
  ["a descriptor that is open, until the home is copied", { calls: ["mkdirat"] }],
] as const)("who puts a declared key back by %s, gains nothing", async (_, stops) => {
  m.write(FILE, `${EVE}${user("dora")}authorized_keys = ${KEYS[0]}\n`);
  m.must(["jailkit", "apply"]);
  m.write(FILE, EVE);
  makeProgram(`${J}/tmp/x`);
  const file = `${J}/home/dora/.ssh/authorized_keys`;
  let isBack = false;
  const putBack = (call: string) => {
    if (isBack || !(call.startsWith("fchmod") || call.includes(".jk-home-"))) return;
    expect(m.read(file)).toBe("");
    sh(`echo '${KEYS[0]}' > ${file}`, "dora");
    isBack = true;
  };
  await runWithStops(m, ["jailkit", "apply", "--prune"], stops, putBack);
  isOut();
  expect([isBack, m.read("/home/dora/.ssh/authorized_keys")]).toEqual([true, ""]);
});

test("nor does who puts one back between two runs, where a home does not move at first", () => {
  m.write(FILE, `${EVE}${user("dora")}authorized_keys = ${KEYS[0]}\n`);
  m.must(["jailkit", "apply"]);
  m.write(FILE, EVE);
  const file = `${J}/home/dora/.ssh/authorized_keys`;
  m.write("/home/dora/other", "");
  const { status, changes } = linesOf(m, "--prune");
  expect([status, changes[0]?.steps]).toEqual([1, expect.arrayContaining([REMOVED])]);
  isInside();
  sh(`echo '${KEYS[0]}' > ${file}`, "dora");
  m.remove("/home/dora");
  expect(linesOf(m, "--prune").changes[0]?.steps).toContain(REMOVED);
  isOut();
  expect(m.read("/home/dora/.ssh/authorized_keys")).toBe("");
});

test("where users may exchange homes, one that a run has taken already does not keep the account", () => {
  m.write(FILE, `${EVE}${user("dora")}authorized_keys = ${KEYS[0]}\n`);
  m.must(["jailkit", "apply"]);
  m.write(FILE, EVE);
  m.write("/home/dora/other", "");
  expect(linesOf(m, "--prune").changes[0]?.steps).toContain(REMOVED);
  m.remove("/home/dora");
  sh(`chmod 1777 ${J}/home`);
  // Of a home there is another error, which this heals; without it nothing would say of the keys where they are.
  const { status } = linesOf(m, "--prune");
  sh(`chmod 755 ${J}/home`);
  expect(status === 0 || linesOf(m, "--prune").status === 0).toBe(true);
  isOut();
});

test("nor does a jail that is deleted give others the rights of an account that leaves it before", async () => {
  makeProgram(`${J}/tmp/x`);
  let mode = "";
  // A login of eve could begin still.
  const look = () => {
    if (lineOf("dora")?.endsWith(":/home/dora:/bin/bash") && m.exists(`${J}/tmp/x`))
      mode ||= modeOf(`${J}/tmp/x`);
  };
  const { status } = await runWithStops(
    m,
    ["jailkit", "delete", "-y", "--unjail", "--user-files", J],
    { calls: ["rename", "renameat2", "mkdirat"] },
    look,
  );
  expect([status, m.exists(J)]).toEqual([0, false]);
  expect(mode).toBe("755");
});

test("the account stays where a file system is read-only, until the commands that are shown; of one that is not mounted it is told", () => {
  sh(`mkdir ${J}/data; mount -t tmpfs -o mode=755 none ${J}/data`);
  makeProgram(`${J}/data/x`);
  sh(`mount -o remount,ro ${J}/data`);
  const [{ message = "", remedy = "" } = {}] = linesOf(m, "--prune").summary.problems;
  expect(message).toContain(
    `${J}/data: its file system is read-only (a setuid program of 'dora' stays in ${J})`,
  );
  expect(message).toContain(`: ${remedy}, and run this again`);
  isInside();
  expect(lineOf("dora", `${J}/etc/passwd`)).toBeUndefined();
  sh(`${remedy}; mkdir -p /root/data; cp -a ${J}/data/x /root/data; umount ${J}/data`);
  const fstab = m.read("/etc/fstab");
  m.write("/etc/fstab", `${fstab}/root/data ${J}/data none bind,noauto 0 0\n`);
  const { status, changes } = linesOf(m, "--prune");
  const warnings = changes.flatMap((one) => one.warnings).filter((one) => one.includes("not mounted"));
  expect([status, warnings]).toEqual([
    0,
    [
      `'${J}/data' is not mounted: a setuid program of 'dora' may be there; when it is, take it with: ${LATER}`,
    ],
  ]);
  isOut();
  sh(`mount ${J}/data; ${LATER}`);
  expect(modeOf(`${J}/data/x`)).toBe("755");
  m.write("/etc/fstab", fstab);
});

test("each file system that is not mounted is told once, by jk_jailuser, too", () => {
  const fstab = m.read("/etc/fstab");
  sh(`mkdir -p ${J}/one ${J}/two`);
  const away = ["one", "two"].map((name) => `${J}/${name}`);
  m.write("/etc/fstab", `${fstab}${away.map((path) => `/root ${path} none bind,noauto 0 0\n`).join("")}`);
  const { stderr } = m.run(["jk_jailuser", "--unjail", "-m", "-s", "/bin/bash", "dora"]);
  m.write("/etc/fstab", fstab);
  expect([...stderr.matchAll(/'([^']*)' is not mounted: a setuid program/g)].map(([, path]) => path)).toEqual(
    away,
  );
  isOut();
});

test("who moves a program to where it was looked for already is told of, and the command takes it", async () => {
  const [a, b] = [`${J}/data/a`, `${J}/data/b`];
  sh(`mkdir -p ${a} ${b}; chown eve ${J}/data ${a} ${b}`);
  makeProgram(`${a}/x`);
  const stops = { calls: ["getdents64"], paths: [a, b] };
  const hide = (call: string) => {
    const [here, there] = call.includes(`<${a}>`) ? [a, b] : [b, a];
    if (m.exists(`${there}/x`) && /= 0$/.test(call)) m.must(["mv", `${there}/x`, here]);
  };
  const { changes } = linesIn(await runWithStops(m, ["jailkit", "apply", "--prune", "--json"], stops, hide));
  const mode = () => [modeOf(`${a}/x`), modeOf(`${b}/x`)].sort();
  const warnings = changes.flatMap((one) => one.warnings).filter((one) => one.includes("setuid program"));
  if (mode()[1] === "4755")
    expect(warnings).toEqual([expect.stringContaining("a setuid program of 'dora' may be left")]);
  isOut();
  sh(LATER);
  expect(mode()).toEqual(["0", "755"]);
});

test("a user who changes the jail all the time does not keep the account there, and the run says what may be left", async () => {
  sh(`mkdir -p ${J}/data; chown eve ${J}/data`);
  makeProgram(`${J}/data/x`);
  const eve = m.start(["sh", "-c", `cd ${J}/data; echo there; exec sleep infinity`], { user: "eve" });
  await eve.until(({ stdout }) => stdout.includes("there") || undefined);
  let count = 0;
  const run = ["jailkit", "apply", "--prune", "--json"];
  const change = () => m.write(`${J}/data/${count++}`, "");
  const ended = await runWithStops(m, run, { calls: ["getdents64"], paths: [`${J}/data`] }, change);
  const { status, changes } = linesIn(ended);
  const warnings = changes.flatMap((one) => one.warnings).filter((one) => one.includes("setuid program"));
  expect([status, warnings]).toEqual([
    0,
    [
      expect.stringMatching(
        /^a setuid program of 'dora' may be left in '\/srv\/[^']*', which changes while it is looked through, where processes of 'eve' \(\d+\) work; take it later with: jk_jailuser --unjail --jail-side-only -j \/srv\/[^ ]* dora$/,
      ),
    ],
  ]);
  isOut();
  expect(modeOf(`${J}/data/x`)).toBe("755");
  eve.kill();
  await eve.ended;
});
