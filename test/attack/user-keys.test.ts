/**
 * jk_jailuser --authorized-key writes as root into a home that its user may change: whatever is there, and whatever
 * changes meanwhile, nobody else's file is read or written, and the user gets no key into another's home.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(240_000);

const RACER = "/usr/local/bin/exchange-racer";
const jail = "/srv/jail";
const home = `${jail}/home/mal`;
const secret = "root's alone\n";
let m: Machine;
let mine: [number, number];
let key = "";

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_jailuser", "jk_addjailuser", "jk_cp", "jk_chrootlaunch"],
  });
  m.write(RACER, readFileSync(compiledC(join(import.meta.dir, "exchange-racer.c"))), { mode: 0o755 });
  m.mkdir(`${jail}/etc`);
  m.write(`${jail}/etc/passwd`, "");
  m.write(`${jail}/etc/group`, "");
  for (const name of ["mal", "victim"]) {
    m.must(["jk_addjailuser", "-j", jail, name]);
    m.must(["usermod", "-p", "*", name]);
  }
  mine = [m.ids("mal").uid, m.ids("mal").gid];
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"]);
  key = m.read("/root/key.pub");
  m.mkdir("/root/.ssh", { mode: 0o700 });
  m.write("/root/.ssh/authorized_keys", secret, { mode: 0o600 });
  const theirs = m.ids("victim");
  m.mkdir(`${jail}/home/victim/.ssh`, { mode: 0o700, owner: [theirs.uid, theirs.gid] });
  m.write(`${jail}/home/victim/.ssh/authorized_keys`, "victim's\n", {
    mode: 0o600,
    owner: [theirs.uid, theirs.gid],
  });
});

afterAll(() => m?.close());

beforeEach(() => {
  m.remove(home);
  m.mkdir(home, { owner: mine });
});

const give = () => m.run(["jk_jailuser", "-n", "-j", jail, "--authorized-key", "/root/key.pub", "mal"]);
const own = (path: string, text: string) => m.write(`${home}/${path}`, text, { mode: 0o600, owner: mine });
const ownDirectory = (path: string) => m.mkdir(`${home}/${path}`, { mode: 0o700, owner: mine });
const link = (target: string, path: string) =>
  m.must(["ln", "-s", "--", target, `${home}/${path}`], { user: "mal" });
/** All that is nobody of mal's business. */
const others = () => [
  m.snapshot("/root/.ssh"),
  m.snapshot("/etc"),
  m.snapshot(`${jail}/home/victim`),
  m.list(`${jail}/home`),
];

const plants: [what: string, plant: () => void, reason: string][] = [
  ["a .ssh that is a link to root's", () => link("/root/.ssh", ".ssh"), "is a symbolic link"],
  ["a .ssh that is a link to another user's", () => link("../victim/.ssh", ".ssh"), "is a symbolic link"],
  ["a .ssh that is a link to nothing", () => link("/root/new", ".ssh"), "is a symbolic link"],
  ["a .ssh that is a file", () => own(".ssh", ""), "is not a directory"],
  [
    "a .ssh that is another user's",
    () => {
      m.mkdir(`${home}/.ssh`, { mode: 0o777, owner: [m.ids("victim").uid, 0] });
    },
    "belongs to uid",
  ],
  [
    "a link to root's keys",
    () => {
      ownDirectory(".ssh");
      link("/root/.ssh/authorized_keys", ".ssh/authorized_keys");
    },
    "is a symbolic link",
  ],
  [
    "a link to nothing in a directory of root's",
    () => {
      ownDirectory(".ssh");
      link("/root/.ssh/authorized_keys2", ".ssh/authorized_keys");
    },
    "is a symbolic link",
  ],
  [
    "another name of a file that root alone can read",
    () => {
      ownDirectory(".ssh");
      m.write(`${jail}/secret`, secret, { mode: 0o600 });
      m.must(["ln", "--", `${jail}/secret`, `${home}/.ssh/authorized_keys`]);
    },
    "has another name elsewhere",
  ],
  [
    "a file that root alone can read",
    () => {
      ownDirectory(".ssh");
      m.write(`${home}/.ssh/authorized_keys`, secret, { mode: 0o600 });
    },
    "belongs to uid 0",
  ],
  [
    "a pipe",
    () => {
      ownDirectory(".ssh");
      m.must(["mkfifo", `${home}/.ssh/authorized_keys`], { user: "mal" });
    },
    "is not a regular file",
  ],
  [
    "a directory",
    () => {
      ownDirectory(".ssh");
      ownDirectory(".ssh/authorized_keys");
    },
    "is not a regular file",
  ],
  [
    "a file without an end",
    () => {
      ownDirectory(".ssh");
      own(".ssh/authorized_keys", "");
      m.must(["truncate", "-s", "1T", `${home}/.ssh/authorized_keys`], { user: "mal" });
    },
    "is longer than",
  ],
];

test.each(plants)("%s: nothing is written", (_, plant, reason) => {
  plant();
  const before = [others(), m.run(["find", home, "-ls"]).stdout];
  const { status, stderr } = give();
  expect(status).toBe(1);
  expect(stderr).toContain(reason);
  expect(stderr).not.toContain(secret.trim());
  expect([others(), m.run(["find", home, "-ls"]).stdout]).toEqual(before);
  const remedy = /; move it away with: (.*)\n$/.exec(stderr)?.[1];
  if (reason === "has another name elsewhere") {
    expect(remedy).toBeUndefined();
    return;
  }
  // The old file is kept unchanged under another name, whoever owns it; then there is room for the key.
  const contents = () =>
    m.run(["find", home, "-mindepth", "1", "-printf", "%i %U %m %l\n"]).stdout.split("\n").sort();
  const were = contents();
  m.must(["sh", "-c", remedy ?? ""]);
  expect(contents()).toEqual(were);
  expect(give().status).toBe(0);
  expect(m.read(`${home}/.ssh/authorized_keys`)).toBe(key);
  expect(others()).toEqual(before[0] as ReturnType<typeof others>);
});

test("the command that moves something away follows no link of the user's", () => {
  ownDirectory(".ssh");
  m.write(`${home}/.ssh/authorized_keys`, secret, { mode: 0o600 });
  const [, remedy = ""] = give().stderr.trim().split("move it away with: ");
  m.must(["mv", `${home}/.ssh`, `${home}/.away`], { user: "mal" });
  link("/root/.ssh", ".ssh");
  const before = others();
  expect(m.run(["sh", "-c", remedy])).toMatchObject({ status: 1, stdout: expect.stringMatching(/^mv: /) });
  expect(others()).toEqual(before);
});

test("the command that replaces a hard link with a copy has only the user's rights", () => {
  const remedy = () => /put a copy in its place with: (.*)\n$/.exec(give().stderr)?.[1] ?? "";
  ownDirectory(".ssh");
  m.write(`${jail}/secret`, secret, { mode: 0o600 });
  m.must(["ln", "--", `${jail}/secret`, `${home}/.ssh/authorized_keys`]);
  expect(m.run(["bash", "-c", remedy()])).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("Permission denied"),
  });
  expect(m.stat(`${home}/.ssh/authorized_keys`)).toMatchObject({ uid: 0, mode: 0o100600, nlink: 2 });
  m.remove(`${home}/.ssh/authorized_keys`);
  own(".ssh/authorized_keys", "# mine\n");
  m.must(["ln", `${home}/.ssh/authorized_keys`, `${home}/other`], { user: "mal" });
  m.must(["bash", "-c", remedy()]);
  expect(m.read(`${home}/.ssh/authorized_keys`)).toBe("# mine\n");
  expect(give().status).toBe(0);
  expect(m.read(`${home}/.ssh/authorized_keys`)).toBe(`# mine\n${key}`);
  expect(m.read(`${home}/other`)).toBe("# mine\n");
});

test("in a home that is root's, root moves it away", () => {
  m.chown(home, 0, 0);
  m.mkdir(`${home}/.ssh`, { owner: [m.ids("victim").uid, 0] });
  const [, remedy = ""] = give().stderr.trim().split("move it away with: ");
  expect(remedy).toStartWith("mv ");
  m.must(["sh", "-c", remedy]);
  expect(give().status).toBe(0);
  expect(m.read(`${home}/.ssh/authorized_keys`)).toBe(key);
});

test("a file that cannot be read is named with its path", () => {
  ownDirectory(".ssh");
  own(".ssh/authorized_keys", "# mine\n");
  const fail = [
    "-P",
    "authorized_keys",
    "-e",
    "trace=openat,openat2",
    "-e",
    "inject=openat,openat2:error=EIO",
  ];
  const words = ["jk_jailuser", "-n", "-j", jail, "--authorized-key", "/root/key.pub", "mal"];
  const { status, stderr } = m.run(["strace", "-f", "-qq", "-o", "/dev/null", ...fail, ...words]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`jk_jailuser: ${home}/.ssh/authorized_keys: open`),
  ]);
});

test("a home that should move is checked before anything changes", () => {
  m.addUser("guest", { home: "/home/guest", createHome: true });
  m.must(["ln", "-s", "/root/.ssh", "/home/guest/.ssh"], { user: "guest" });
  const before = [m.read("/etc/passwd"), m.read(`${jail}/etc/passwd`), others()];
  const result = m.run(["jk_jailuser", "-n", "-m", "-j", jail, "--authorized-key", "/root/key.pub", "guest"]);
  expect(result).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("'/home/guest/.ssh' is a symbolic link"),
  });
  expect([m.read("/etc/passwd"), m.read(`${jail}/etc/passwd`), others()]).toEqual(before);
});

/** Exchanges `a` and `b` of the home when all of these have happened; "exchanged" once it is done. */
async function racer(a: string, b: string, ...steps: string[]) {
  const running = m.start([RACER, `${home}/${a}`, `${home}/${b}`, ...steps], { user: "mal" });
  await running.until(({ stdout }) => stdout.includes("ready") || undefined);
  return running;
}

test("a directory that is exchanged for a symbolic link while the new file is prepared leads into nobody else's directory", async () => {
  ownDirectory(".ssh");
  link("../victim/.ssh", "trap");
  const before = others();
  const running = await racer(".ssh", "trap", "made", `${jail}/home`, ".jk-");
  const { status } = give();
  await running.until(({ stdout }) => stdout.includes("exchanged") || undefined);
  running.kill();
  expect(others()).toEqual(before);
  // Its descriptor still leads to the directory that was checked, under its new name.
  if (status === 0) expect(m.read(`${home}/trap/authorized_keys`)).toBe(key);
});

test("a file that is exchanged for a link after it was read is not followed", async () => {
  ownDirectory(".ssh");
  own(".ssh/authorized_keys", "# mine\n");
  link("/root/.ssh/authorized_keys", ".ssh/trap");
  const before = others();
  const running = await racer(
    ".ssh/authorized_keys",
    ".ssh/trap",
    "closed",
    `${home}/.ssh`,
    "authorized_keys",
  );
  give();
  await running.until(({ stdout }) => stdout.includes("exchanged") || undefined);
  running.kill();
  expect(others()).toEqual(before);
  expect(m.read("/root/.ssh/authorized_keys")).toBe(secret);
});

test("however often directory and link change places", async () => {
  ownDirectory(".ssh");
  link("../victim/.ssh", "trap");
  const script = `import ctypes, sys
libc = ctypes.CDLL(None)
print("ready", flush=True)
while True: libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)`;
  const before = others();
  const running = m.start(["python3", "-c", script, `${home}/.ssh`, `${home}/trap`], { user: "mal" });
  await running.until(({ stdout }) => stdout.includes("ready") || undefined);
  const statuses = new Set<number>();
  for (let round = 0; round < 40; round++) {
    statuses.add(give().status);
    m.run(["find", home, "-name", "authorized_keys", "-delete"]);
  }
  running.kill();
  expect([...statuses].every((status) => status === 0 || status === 1)).toBe(true);
  expect(others()).toEqual(before);
});

test("the same on a mount of the user's own, where no directory is root's alone", async () => {
  m.must(["mount", "-t", "tmpfs", "-o", `mode=0755,uid=${mine[0]},gid=${mine[1]}`, "tmpfs", home]);
  try {
    expect(give().status).toBe(0);
    expect(m.read(`${home}/.ssh/authorized_keys`)).toBe(key);
    expect(m.stat(`${home}/.ssh/authorized_keys`)).toMatchObject({ uid: mine[0], mode: 0o100600 });
    m.remove(`${home}/.ssh`);
    link("/root/.ssh", ".ssh");
    const before = others();
    expect(give().status).toBe(1);
    expect(others()).toEqual(before);
  } finally {
    m.must(["umount", home]);
  }
});
