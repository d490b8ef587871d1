/** `jailkit apply` where /home of a jail is a symbolic link: one directory for the host, where sshd looks for keys, another one in the jail. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf } from "./apply-scene.ts";

setDefaultTimeout(180_000);

const J = "/srv/j2";
const FILE = "/etc/jailkit/jails.d/a.ini";
const FSTAB = "/etc/fstab";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
let sshd: Sshd;
let fstab = "";

const key = (name: string) => m.read(`/root/${name}.pub`).trim();
const section = (name: string, keys: string) =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${keys === "" ? "" : `authorized_keys = ${key(keys)}\n`}`;
const declare = (...sections: readonly string[]) => m.write(FILE, JAIL + sections.join(""));
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const ssh = (one: string, command: string, user = "ann") =>
  m.run([
    "ssh",
    ...sshd.clientOptions.map((word) => (word.endsWith("/client") ? `/root/${one}` : word)),
    `${user}@127.0.0.1`,
    command,
  ]);
const problems = (...options: string[]) => linesOf(m, ...options).summary.problems;

const findings = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings.filter(
    ({ severity }) => severity === "error",
  );

/** What `apply` says, after --check said the same; nothing was made or taken. */
function refused(host: string, jail: string, ...options: string[]) {
  const seen = problems("--check", ...options);
  const mistakes = findings();
  const ran = linesOf(m, ...options);
  // The file is the same, and config check has the words of apply, and the command.
  const told = seen.find(({ code }) => code === "two-homes");
  expect(mistakes).toMatchObject([
    { code: "two-homes", message: told?.message.replace(/^user (\w+): /, "'$1': "), remedy: told?.remedy },
  ]);
  expect([told?.finding, told?.line]).toEqual(["two-homes", mistakes[0]?.line]);
  for (const some of [seen, ran.summary.problems]) {
    const found = some.find(({ code }) => code === "two-homes");
    expect(found?.message).toContain(`'${host}'`);
    expect(found?.message).toContain(`'${jail}'`);
  }
  expect(ran.status).toBe(1);
  const text = JSON.stringify(ran.changes);
  for (const false_ of ["created the home", "added 1 key", "removed 1 key"])
    expect(text).not.toContain(false_);
  return seen.find(({ code }) => code === "two-homes");
}
/** Types the remedies until nothing is wrong. */
function heal(...options: string[]) {
  for (let count = 0; count < 3; count++) {
    const [first] = problems(...options);
    if (first === undefined) break;
    expect(first.remedy ?? first.message).toBe(first.remedy ?? "");
    sh(first.remedy ?? "");
  }
  expect([problems("--check", ...options), findings()]).toEqual([[], []]);
}

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["groupadd", "-f", "-r", "jailed"]);
  m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
  sshd = await m.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"] });
  for (const name of ["oldk", "newk"])
    m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `/root/${name}`]);
  fstab = m.exists(FSTAB) ? m.read(FSTAB) : "";
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.mkdir("/data", { mode: 0o755 });
  declare(section("ann", "oldk"));
  m.must(["jailkit", "apply"]);
  expect(ssh("oldk", "pwd; echo precious > letter").stdout).toBe("/home/ann\n");
});
afterEach(() => {
  m.run(["umount", `${J}/home`]);
  m.write(FSTAB, fstab);
  for (const name of ["ann", "bob", "carl", "dan", "eve"]) m.run(["userdel", "-f", name]);
  for (const path of ["/srv", "/data", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

const WAYS = [
  [
    "another disk",
    "mv /srv/j2/home /data/home; ln -s /data/home /srv/j2/home",
    "/data/home/ann",
    `${J}/data/home/ann`,
  ],
  [
    "its path on the host",
    "mv /srv/j2/home /srv/j2/big; ln -s /srv/j2/big /srv/j2/home",
    `${J}/big/ann`,
    `${J}${J}/big/ann`,
  ],
  [
    "its path in the jail",
    "mv /srv/j2/home /srv/j2/big; ln -s /big /srv/j2/home",
    "/big/ann",
    `${J}/big/ann`,
  ],
  ["above the jail", "mv /srv/j2/home /srv/big; ln -s ../big /srv/j2/home", "/srv/big/ann", `${J}/big/ann`],
] as const;

test.each(WAYS)("a link to %s: no home is made, and the remedy heals", (_, move, host, jail) => {
  sh(move);
  refused(host, jail);
  expect(m.exists(jail) && jail !== `${J}/big/ann`).toBe(false);
  // useradd(8) makes no home behind a link, wherever it leads.
  declare(section("ann", "oldk"), section("bob", "newk"));
  const more = problems("--check");
  expect(more.map(({ code, path }) => [code, path])).toEqual([
    ["two-homes", "ann"],
    ["bad-home", "bob"],
  ]);
  const isOutside = !host.startsWith(`${J}/`) && !jail.startsWith(`${J}/big`);
  if (!isOutside) declare(section("ann", "oldk"));
  heal();
  expect(ssh("oldk", "cat letter").stdout).toBe("precious\n");
  if (isOutside) expect(ssh("newk", "pwd", "bob").stdout).toBe("/home/bob\n");
  expect(linesOf(m).changes).toEqual([]);
});

test("a key that is to go is not said to be removed while it logs in", () => {
  sh(WAYS[0][1]);
  declare(section("ann", "newk"));
  refused("/data/home/ann", `${J}/data/home/ann`, "--prune");
  refused("/data/home/ann", `${J}/data/home/ann`, "--prune");
  heal("--prune");
  m.must(["jailkit", "apply", "--prune"]);
  expect([ssh("oldk", "pwd").status, ssh("newk", "cat letter").stdout]).toEqual([255, "precious\n"]);
});

test("the same with a home on both sides, as earlier versions made one", () => {
  sh(
    `${WAYS[0][1]}; mkdir -p ${J}/data/home; cp -a /data/home/ann ${J}/data/home/ann; rm ${J}/data/home/ann/letter`,
  );
  declare(section("ann", "newk"));
  refused("/data/home/ann", `${J}/data/home/ann`, "--prune");
  declare(section("ann", "oldk"));
  heal();
  expect(ssh("oldk", "cat letter").stdout).toBe("precious\n");
});

test("the same with a home in the jail alone: the one that is there counts", () => {
  sh(`${WAYS[0][1]}; mkdir ${J}/data; mv /data/home ${J}/data; mkdir /data/home`);
  expect(problems("--check")).toMatchObject([
    { code: "two-homes", message: expect.stringContaining("let a relative link lead both") },
  ]);
  // No other command says that the other one counts.
  expect(m.run(["jk_check", J]).stdout).toContain(problems("--check")[0]?.remedy ?? "none");
  heal();
  expect(ssh("oldk", "cat letter").stdout).toBe("precious\n");
});

test.each(["", "authorized_keys"])(
  "one home that is a link (%s): no command makes a new one in its place",
  (keys) => {
    if (keys === "") declare(section("ann", "oldk").replace(/^authorized_keys.*\n/m, ""));
    sh(`mv ${J}/home/ann /data/ann; ln -s /data/ann ${J}/home/ann`);
    const [problem, ...more] = problems("--check");
    expect([problem?.code, more]).toEqual(["two-homes", []]);
    const status = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings;
    expect(status.map(({ kind, command }) => [kind, command])).toEqual([
      ["two-homes", problem?.remedy ?? ""],
    ]);
    const pages = ["jk_check", "jailkit explain ann", "jailkit apply", "jailkit status"].map(
      (words) => m.run(words.split(" ")).stdout,
    );
    for (const page of pages) expect(page).not.toContain("ann.old");
    heal();
    expect(m.read(`${J}/home/ann/letter`)).toBe("precious\n");
    if (keys !== "") expect(ssh("oldk", "cat letter").stdout).toBe("precious\n");
    m.must(["umount", `${J}/home/ann`]);
  },
);

test("a home that is a link to one beside it: no command makes a new one in its place", () => {
  sh(`cd ${J}/home; mv ann x; ln -s x ann`);
  const [problem, ...more] = problems("--check");
  expect([problem?.code, problem?.remedy, more]).toEqual(["foreign-home", null, []]);
  expect(problem?.message).toContain("put the directory to which it leads in its place");
  for (const words of ["jk_check", "jailkit explain ann", "jailkit status", "jailkit apply"])
    expect(m.run(words.split(" ")).stdout).not.toContain("ann.old");
  sh(`cd ${J}/home; rm ann; mv x ann`);
  expect([problems("--check"), ssh("oldk", "cat letter").stdout]).toEqual([[], "precious\n"]);
});

test("the same when the disk of the link is not there: nothing is made in its place", () => {
  sh(`${WAYS[0][1]}; mv /data /gone`);
  refused("/data/home/ann", `${J}/data/home/ann`);
  expect([m.exists("/data"), m.exists(`${J}/data`)]).toEqual([false, false]);
  sh("mv /gone /data");
  heal();
  expect(ssh("oldk", "cat letter").stdout).toBe("precious\n");
});

test("a link to /home of the host has no remedy that shows the homes of the host in the jail", () => {
  sh("mv /srv/j2/home/ann /home/ann; rmdir /srv/j2/home; ln -s /home /srv/j2/home");
  const found = problems("--check").find(({ code }) => code === "two-homes");
  expect([found?.path, found?.remedy ?? null]).toEqual(["ann", null]);
  sh("rm /srv/j2/home; rm -r /home/ann");
});

test.each([
  ["relative link", "mv /srv/j2/home /srv/j2/big; ln -s big /srv/j2/home"],
  ["bind mount", "mv /srv/j2/home /data/home; mkdir /srv/j2/home; mount --bind /data/home /srv/j2/home"],
  [
    "link that a mount makes the same",
    "mv /srv/j2/home /data/home; mkdir -p /srv/j2/data; mount --bind /data /srv/j2/data; ln -s /data/home /srv/j2/home",
  ],
])("a %s leads both to one directory: all works", (_, move) => {
  sh(move);
  expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  declare(section("ann", "newk"));
  m.must(["jailkit", "apply", "--prune"]);
  expect([ssh("oldk", "pwd").status, ssh("newk", "cat letter").stdout]).toEqual([255, "precious\n"]);
  m.run(["umount", `${J}/data`]);
});

const RELATIVE = [
  ["beside it", "mv home big; ln -s big home"],
  ["by two links", "mkdir disk; mv home disk/big; ln -s disk/big far; ln -s ./far home"],
  ["from a directory below", "mkdir -p var/a; mv home var/b; ln -s ../b var/a/up; ln -s var/a/up home"],
] as const;

describe.each(RELATIVE)("a relative link of root's that stays inside, %s", (_, move) => {
  beforeEach(() => sh(`cd ${J}; ${move}`));

  test("is no reason to refuse a new account, which goes with its home", () => {
    declare(section("ann", "oldk"), section("bob", "newk"));
    expect(problems("--check")).toEqual([]);
    expect(linesOf(m).summary.problems).toEqual([]);
    expect(ssh("newk", "cd /; cd; pwd; echo hello > letter", "bob").stdout).toBe("/home/bob\n");
    expect(ssh("oldk", "cat letter").stdout).toBe("precious\n");
    expect(linesOf(m).changes).toEqual([]);
    expect(m.run(["jailkit", "status"]).stdout).toContain("Nothing needs attention.");
    declare(section("ann", "oldk"), section("bob", "oldk"));
    m.must(["jailkit", "apply", "--prune"]);
    expect([ssh("newk", "pwd", "bob").status, ssh("oldk", "cat letter", "bob").stdout]).toEqual([
      255,
      "hello\n",
    ]);
    declare(section("ann", "oldk"));
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([m.exists(`${J}/home/bob`), m.exists(`${J}/home/ann/letter`)]).toEqual([false, true]);
    expect(linesOf(m, "--prune").changes).toEqual([]);
  });

  test("nor one of jk_addjailuser", () => {
    m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "--authorized-key", "/root/newk.pub", "bob"]);
    expect(ssh("newk", "cd /; cd; pwd", "bob").stdout).toBe("/home/bob\n");
  });
});

test("behind such a link nobody gets the home of another account, nor the uid of one that stays", () => {
  sh(`cd ${J}; mv home big; ln -s big home`);
  declare(section("ann", "oldk"), section("bob", "newk"), `${section("eve", "newk")}home = /big/eve\n`);
  m.must(["jailkit", "apply"]);
  const before = m.ids("bob").uid;
  declare(section("ann", "oldk"), `${section("eve", "newk")}home = /big/eve\n`);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.stat(`${J}/big/bob`)?.uid).toBe(before);
  declare(
    ...[section("ann", "oldk"), `${section("eve", "newk")}home = /big/eve\n`, section("carl", "newk")],
    `${section("dan", "newk")}home = /home/eve\n`,
  );
  const found = problems();
  expect(found.map(({ code, path }) => [code, path])).toEqual([["bad-home", "dan"]]);
  expect(found[0]?.message).toContain(`'${J}/big/eve' is the home of 'eve'`);
  expect(m.ids("carl").uid).not.toBe(before);
});

test.each([
  ["is absolute", `mv home big; ln -s ${J}/big home`],
  [
    "is absolute, and a mount makes both the same",
    "mv home /data/home; mkdir data; mount --bind /data data; ln -s /data/home home",
  ],
  ["leads to an absolute one", `mv home big; ln -s ${J}/big far; ln -s far home`],
  ["leaves the jail and comes back", "mv home big; mkdir j2; mount --bind . j2; ln -s ../j2/big home"],
  ["goes up after a name", "mkdir a; mv home big; ln -s a/../big home"],
  ["leads to nothing", "mv home big; ln -s none home"],
  ["leads to a file", "mv home big; touch file; ln -s file home"],
  [
    "leads to a directory that a user can write",
    "mv home big; chgrp users big; chmod g+w big; ln -s big home",
  ],
  [
    "is in a directory that a user can write",
    "mv home big; mkdir -m 0777 open; ln -s ../big open/to; ln -s open/to home",
  ],
  [
    "leads to a directory that a user can exchange",
    "mkdir -m 0777 open; mv home open/big; ln -s open/big home",
  ],
  ["leads to a directory of the jail's own", "mv home big; ln -s usr/bin home"],
  ["leads to the home of another account", "mv home big; ln -s big/ann home"],
])("a new account is refused behind a link that %s", (_, move) => {
  sh(`cd ${J}; ${move}`);
  declare(section("bob", "newk"));
  const [first, ...others] = problems("--check").filter(({ path }) => path === "bob");
  expect([others, linesOf(m).status]).toEqual([[], 1]);
  expect(["bad-home", "unsafe-parent"]).toContain(first?.code ?? "");
  expect(m.run(["id", "bob"]).status).toBe(1);
  const byHand = m.run(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "bob"]);
  expect([byHand.status, m.run(["id", "bob"]).status]).toEqual([1, 1]);
  m.run(["umount", `${J}/data`]);
  m.run(["umount", `${J}/j2`]);
});

test("what stays on the side of the host is told when the account goes with its home", () => {
  sh(WAYS[0][1]);
  declare();
  const { changes, status } = linesOf(m, "--prune", "--delete-homes");
  const warnings = changes.flatMap((one) => one.warnings);
  expect([status, m.read("/etc/passwd").includes("\nann:")]).toEqual([0, false]);
  expect(warnings).toContainEqual(expect.stringContaining("'/data/home/ann'"));
  expect(m.read("/data/home/ann/letter")).toBe("precious\n");
});

test("two jails in one report: both remedies heal, and a machine starts without the disk", () => {
  const other = "[jail /srv/j3]\nsections = uidbasics, basicshell\n";
  declare(section("ann", "oldk"), other, section("eve", "newk").replace(J, "/srv/j3"));
  m.must(["jailkit", "apply"]);
  sh("mv /srv/j2/home /data/home; ln -s /data/home /srv/j2/home");
  sh("mv /srv/j3/home /data/home3; ln -s /data/home3 /srv/j3/home");
  const found = problems("--check");
  expect(found.map(({ code }) => code)).toEqual(["two-homes", "two-homes"]);
  for (const { remedy } of found) sh(remedy ?? "false");
  expect([problems("--check"), ssh("newk", "pwd", "eve").stdout]).toEqual([[], "/home/eve\n"]);
  expect(m.read(FSTAB).match(/^\/data\/home.*$/gm)).toEqual([
    "/data/home /srv/j2/home none bind,nofail 0 0",
    "/data/home3 /srv/j3/home none bind,nofail 0 0",
  ]);
  m.must(["umount", "/srv/j3/home"]);
});
