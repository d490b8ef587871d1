/** `jailkit apply` for an account that is in no local file: it makes the jail's side, and says what the directory should have. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const ACCOUNTS = "/var/lib/extrausers/passwd";
const declared = (more = "") => `[jail ${J}]
sections = uidbasics, basicshell
[user luser]
jail = ${J}
directory = yes
shell = /bin/bash
authorized_keys = ${KEYS[0]}
${more}`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/etc/jailkit/jails.d/one.ini", declared());
});
afterAll(() => m?.close());

test("an account is a failure while no service answers, and if none knows it; the jail is made", () => {
  expect(linesOf(m).summary.problems.map(({ code, path }) => [code, path])).toEqual([
    ["name-service", "luser"],
  ]);
  m.write(ACCOUNTS, "other:x:6002:6002::/home/other:/bin/sh\n");
  const { status, summary } = linesOf(m);
  expect([status, summary.problems.map(({ code }) => code)]).toEqual([1, ["no-such-user"]]);
});

test("the jail's side is made, and the directory is told what it should say until it does", () => {
  m.write(ACCOUNTS, "luser:x:6001:6001::/home/luser:/bin/sh\n");
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
  const before = m.read("/etc/passwd");
  const { status, changes, summary } = linesOf(m);
  expect([status, changes.map(({ text }) => text)]).toEqual([
    0,
    [
      "+ user luser: entry /bin/bash (it is not in the jail's etc/passwd)",
      "+ user luser: home /home/luser (it is missing)",
      "+ user luser: keys 1 of 1 (not in its authorized_keys)",
    ],
  ]);
  expect(m.read("/etc/passwd")).toBe(before);
  expect(m.read(`${J}/etc/passwd`)).toMatch(/^luser:x:6001:6001::\/home\/luser:\/bin\/bash$/m);
  expect(m.read(`${J}/home/luser/.ssh/authorized_keys`)).toBe(`${KEYS[0]}\n`);
  expect(summary.directories).toMatchObject([
    {
      user: "luser",
      attributes: { homeDirectory: `${J}/./home/luser`, loginShell: "/usr/sbin/jk_chrootsh" },
    },
  ]);
  for (const shell of ["/bin/sh", "/usr/sbin/jk_chrootsh"]) {
    m.write(ACCOUNTS, `luser:x:6001:6001::/home/luser:${shell}\n`);
    const { stdout } = m.run(["jailkit", "explain", "--su", "luser"]);
    const advice = /set its home and shell where the account is kept, which '(.*)' shows/.exec(stdout)?.[1];
    expect(advice).toBe("jailkit apply --check");
    expect(stdout).not.toContain("jk_jailuser -m");
    expect(m.run((advice ?? "false").split(" ")).stdout).toContain(
      `${J}/./home/luser:/usr/sbin/jk_chrootsh\n`,
    );
  }
  m.write(ACCOUNTS, "luser:x:6001:6001::/home/luser:/bin/sh\n");
  const again = m.run(["jailkit", "apply"]);
  expect(again.status).toBe(0);
  expect(again.stdout).toContain("# The directory of user luser:\n");
  expect(again.stdout).toEndWith(
    "0 changed, 0 failed, 2 as declared; the directory of 1 user says something else\n",
  );
  expect(again.stdout).toContain(`${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  expect(m.run(["jailkit", "apply"]).stdout).toBe("0 changed, 0 failed, 2 as declared\n");
});

test("groups of the directory that have the names of others of the machine do not take turns in the jail", () => {
  const group = "/var/lib/extrausers/group";
  m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  m.write(group, "luser:x:6001:\njailed:x:7300:luser\nteam:x:7301:luser\n");
  m.must(["gpasswd", "-a", "luser", "jailed"]);
  m.write("/etc/jailkit/jails.d/one.ini", declared("groups = jailed\n"));
  m.must(["jailkit", "apply"]);
  const own = /^jailed:.:(\d+):/m.exec(m.read("/etc/group"))?.[1];
  expect(m.read(`${J}/etc/group`)).toMatch(new RegExp(`^jailed:x:${own}:luser$`, "m"));
  expect([did(m), linesOf(m, "--check").status]).toEqual([[], 0]);
  expect(m.run(["jk_check", "-j", J]).stdout).not.toContain("group jailed");
  // The primary one has to be there.
  m.write(group, "jailed:x:6001:\nteam:x:7301:luser\n");
  m.must(["jailkit", "apply"]);
  expect(m.read(`${J}/etc/group`)).toMatch(/^jailed:x:6001:/m);
  m.must(["gpasswd", "-d", "luser", "jailed"]);
  m.write(group, "luser:x:6001:\n");
  m.write("/etc/jailkit/jails.d/one.ini", declared());
  m.must(["jailkit", "apply", "--prune"]);
});

test("a group of the machine with the name of a primary group in the jail has none there: nothing is planned twice, and config check says so", () => {
  const group = "/var/lib/extrausers/group";
  const there = (name: string) => new RegExp(`^${name}:x:.*$`, "m").exec(m.read(`${J}/etc/group`))?.[0];
  const told = () => m.run(["jailkit", "config", "check"]).stdout;
  const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
  const settled = () => expect([did(m), linesOf(m, "--check").status]).toEqual([[], 0]);
  m.write(
    ACCOUNTS,
    ["luser:x:6001:6001", "mary:x:6002:6002"]
      .map((fields) => `${fields}::${J}/./home/${fields.split(":")[0]}:/usr/sbin/jk_chrootsh\n`)
      .join(""),
  );
  m.write(group, "");
  m.must(["groupadd", "-g", "5001", "luser"]);
  m.must(["groupadd", "-g", "5002", "mary"]);
  m.write(group, "luser:x:6001:\nmary:x:6002:\n");
  // Its own primary group has the name of the declared one.
  m.must(["gpasswd", "-a", "luser", "luser"]);
  m.write("/etc/jailkit/jails.d/one.ini", declared("groups = luser\n"));
  expect(told()).toContain(
    "one.ini:8:10: warning: the group 'luser' (gid 5001) has the name of another one, the primary group of 'luser' (gid 6001), and a jail has one group of a name: give one of both another name; until then, it has no name in the jail [taken]",
  );
  m.must(["jailkit", "apply"]);
  settled();
  expect(there("luser")).toBe("luser:x:6001:");
  // That of another account; its members are none of the one that takes its name.
  m.must(["gpasswd", "-a", "luser", "mary"]);
  m.write("/etc/jailkit/jails.d/one.ini", declared("groups = mary\n"));
  m.must(["jailkit", "apply"]);
  expect(there("mary")).toBe("mary:x:5002:luser");
  const both = `${declared("groups = mary\n")}${user("mary", "directory = yes\n")}${user("newcomer", "groups = mary\n")}`;
  m.write("/etc/jailkit/jails.d/one.ini", both);
  expect(told().match(/the group 'mary' \(gid 5002\) has the name of another one/g)).toHaveLength(2);
  m.must(["jailkit", "apply"]);
  settled();
  expect(there("mary")).toBe("mary:x:6002:");
  expect(m.run(["jk_check", "-j", J]).stdout).not.toMatch(/group (?:luser|mary)/);
  // The primary group of somebody of the machine: the jail has one of both.
  m.must(["useradd", "-m", "-g", "5002", "--", "local"]);
  m.write("/etc/jailkit/jails.d/one.ini", `${both}${user("local")}`);
  const why =
    "the primary group of 'local', 'mary' (gid 5002), has the name of another one, the primary group of 'mary' (gid 6002), and a jail has one group of a name: give one of both another name";
  expect(told()).toContain(`error: ${why} [taken]`);
  for (const words of [["--check"], []]) {
    const { status, changes, summary } = linesOf(m, ...words);
    expect([status, changes]).toEqual([1, []]);
    expect(summary.problems).toMatchObject([
      { code: "jail-group-differs", path: "local", message: `user local: ${why}` },
    ]);
  }
  expect([there("mary"), /^local:/m.test(m.read(`${J}/etc/passwd`))]).toEqual(["mary:x:6002:", false]);
  expect(m.run(["jk_jailuser", "-m", "-j", J, "local"])).toMatchObject({
    status: 1,
    stderr: `jk_jailuser: ${why}\n`,
  });
  // The advised way.
  m.must(["groupmod", "-n", "machine-mary", "mary"]);
  m.write(
    "/etc/jailkit/jails.d/one.ini",
    `${both.replaceAll("groups = mary", "groups = machine-mary")}${user("local")}`,
  );
  expect(told()).toBe("");
  m.must(["jailkit", "apply"]);
  settled();
  expect(there("machine-mary")).toMatch(/^machine-mary:x:5002:luser,newcomer$/);
  m.write("/etc/jailkit/jails.d/one.ini", declared());
  m.must(["jailkit", "apply", "--prune"]);
  for (const words of [
    ["userdel", "-r", "local"],
    ["groupdel", "machine-mary"],
    ["groupdel", "luser"],
  ])
    m.run(words);
  m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  m.write(group, "luser:x:6001:\n");
});

test("it cannot join a group of this machine, but is told how", () => {
  m.write("/etc/jailkit/jails.d/one.ini", declared("groups = team\n"));
  const { stderr } = m.run(["jailkit", "apply"]);
  const command = /add it with: (.*)\n/.exec(stderr)?.[1] ?? "false";
  expect(command).toBe("gpasswd -a luser team");
  m.must(["sh", "-c", command]);
  expect(did(m)).toEqual(["done ~ user luser: entry (its group is not in the jail's etc/group)"]);
  expect(m.read(`${J}/etc/group`)).toMatch(/^team:x:\d+:luser$/m);
  expect(did(m)).toEqual([]);
});

test("a key that is not declared any more goes from the jail that the directory still says", () => {
  const other = "/srv/other";
  const keys = `${J}/home/luser/.ssh/authorized_keys`;
  const moved = declared("groups = team\n")
    .replaceAll(J, other)
    .replace(/^authorized_keys.*\n/m, "");
  const file = "/etc/jailkit/jails.d/one.ini";
  m.write(file, declared(`groups = team\n[jail ${other}]\nsections = uidbasics, basicshell\n`));
  m.must(["jailkit", "apply"]);
  m.write(file, `[jail ${J}]\nsections = uidbasics, basicshell\n${moved}`);
  const gone = `- user luser: keys ${FINGERPRINTS[0]} (no longer declared)`;
  expect(linesOf(m, "--check", "--prune").changes.map(({ text }) => text)).toContain(gone);
  expect(did(m, "--prune")).toContain(`done ${gone}`);
  expect(m.read(keys)).toBe("");
  expect(linesOf(m, "--prune").changes.map(({ what }) => what)).not.toContain("keys");
  // The jail would stay with it.
  m.remove(`${other}/home/luser`);
  m.write(file, declared("groups = team\n"));
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(keys)).toBe(`${KEYS[0]}\n`);
});

test("--prune is not done while jk_chrootsh.ini lets it in without a line in the jail", () => {
  const [file, settings] = ["/etc/jailkit/jails.d/one.ini", "/etc/jailkit/jk_chrootsh.ini"];
  const before = m.read(settings);
  const open = "[DEFAULT]\nskip_injail_passwd_check = 1\ninjail_shell = /bin/bash\n";
  const canLogIn = () =>
    m.run(["runuser", "-u", "luser", "--", "/usr/sbin/jk_chrootsh", "-c", "echo in"]).stdout === "in\n";
  m.write(settings, open, { mode: 0o644 });
  m.write(file, `[jail ${J}]\nsections = uidbasics, basicshell\n`);
  for (let run = 0; run < 2; run++) {
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems.map(({ code, message }) => [code, message])]).toEqual([
      1,
      [
        [
          "not-local",
          expect.stringMatching(/\[DEFAULT\] of '.*jk_chrootsh\.ini' .*; 'luser' can still log in$/),
        ],
      ],
    ]);
    expect(canLogIn()).toBe(true);
  }
  m.write(settings, `${open}[luser]\nenv = LANG\n`, { mode: 0o644 });
  expect([linesOf(m, "--prune").status, canLogIn()]).toEqual([0, false]);
  m.write(settings, before, { mode: 0o644 });
  m.write(file, declared());
  m.must(["jailkit", "apply"]);
});

test("--prune takes it out of the jail, and out of nothing else", () => {
  m.write("/etc/jailkit/jails.d/one.ini", `[jail ${J}]\nsections = uidbasics, basicshell\n`);
  const [planned] = linesOf(m, "--check", "--prune", "--delete-homes").changes;
  const { status, changes } = linesOf(m, "--prune", "--delete-homes");
  expect(planned?.warnings).toEqual(changes[0]?.warnings ?? []);
  expect([status, changes.map(({ text }) => text)]).toEqual([
    0,
    [
      `- user luser: entry in ${J} -> out of it, but not its home ${J}/home/luser, which stays with the uid 6001 (no longer declared)`,
    ],
  ]);
  expect(changes[0]?.warnings[0]).toContain("the directory still says");
  expect(m.read(`${J}/etc/passwd`)).not.toContain("luser");
  expect(m.exists(`${J}/home/luser`)).toBe(true);
  expect(m.read(ACCOUNTS)).toContain("luser");
});

test("a jail that stays, since the directory still names it, has the command that shows what the directory should say", () => {
  const file = "/etc/jailkit/jails.d/one.ini";
  const account = (fields: string) =>
    m.write(ACCOUNTS, `luser:x:6001:6001::/home/luser:/bin/sh\nfresh:x:6003:6001::${fields}\n`);
  account("/srv/fresh/./home/fresh:/usr/sbin/jk_chrootsh");
  m.write(
    file,
    "[jail /srv/fresh]\nsections = uidbasics, basicshell\n[user fresh]\njail = /srv/fresh\ndirectory = yes\n",
  );
  m.must(["jailkit", "apply"]);
  m.write(file, `[jail ${J}]\nsections = uidbasics, basicshell\n`);
  const { status, stderr } = m.run(["jailkit", "apply", "--prune"]);
  const shows = /are kept \((jk_jailuser .*) shows how\)/.exec(stderr)?.[1] ?? "";
  expect([status, shows]).toEqual([1, "jk_jailuser --unjail --dry-run -s /usr/sbin/nologin fresh"]);
  const { stdout } = m.run(["sh", "-c", shows]);
  const [, fields = "", then = "false"] = /:\n(.*)\n\n# Then on this machine:\n(.*)\n/.exec(stdout) ?? [];
  account(fields);
  m.must(["sh", "-c", then]);
  m.remove("/srv/fresh/home/fresh");
  expect(did(m, "--prune")).toEqual(["done - jail /srv/fresh (no longer declared)"]);
});

test("one that moves into the files of this machine, and back, is the same in the jail, in one run each", () => {
  const local = declared().replace("directory = yes\n", "").replace("shell = /bin/bash", "allow = sftp");
  const text = (more: string) =>
    m.write("/etc/jailkit/jails.d/one.ini", more.replace("basicshell", "basicshell, sftp"));
  const settled = (...lines: string[]) => {
    const { status, changes } = linesOf(m);
    expect([status, changes.map((change) => change.text)]).toEqual([0, lines]);
    expect(did(m)).toEqual([]);
  };
  m.write(ACCOUNTS, "luser:x:6001:6001::/home/luser:/bin/sh\n");
  text(declared());
  m.must(["jailkit", "apply"]);
  m.write(ACCOUNTS, "");
  m.must([
    "sh",
    "-c",
    "groupadd -g 6001 luser; useradd -u 6001 -g 6001 -m -s /bin/sh luser; rm -r /srv/customer/home/luser",
  ]);
  text(local);
  settled(
    "+ user luser: policy allow (it has no section)",
    "~ user luser: shell /bin/bash -> /usr/sbin/jk_lsh",
    `~ user luser: account /home/luser -> in ${J}/./home/luser, shell /usr/sbin/jk_lsh, with its home (it is in no jail)`,
    "+ user luser: keys 1 of 1 (not in its authorized_keys)",
  );
  m.must(["sed", "-i", "/^luser:/d", "/etc/passwd"]);
  m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  text(declared());
  settled("~ user luser: shell /usr/sbin/jk_lsh -> /bin/bash");
});

test.each([
  ["is there", "/srv/next", KEYS[0]],
  ["is made in the same run", "/srv/new", KEYS[0]],
  ["is made in the same run, with other options of the key", "/srv/newer", `restrict ${KEYS[0]}`],
])(
  "one that is declared in another jail, which %s, has all there after one run, and its old home stays",
  (_, next, key) => {
    const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell, sftp\n`;
    const luser = (path: string, line: string = KEYS[0]) =>
      `[user luser]\njail = ${path}\ndirectory = yes\nshell = /bin/bash\nauthorized_keys = ${line}\n`;
    const write = (...parts: string[]) => m.write("/etc/jailkit/jails.d/one.ini", parts.join(""));
    const isThere = next === "/srv/next";
    m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
    write(jail(J), luser(J), isThere ? jail(next) : "");
    m.must(["jailkit", "apply"]);
    const filesIn = (home: string) => m.must(["find", home, "-printf", "%p %U %m %C@\n"]).stdout;
    const before = filesIn(`${J}/home`);
    write(jail(J), jail(next), luser(next, key));
    const wanted = [
      ...(isThere ? [] : [`+ jail ${next}: sections uidbasics, basicshell, sftp (it does not exist)`]),
      "+ user luser: entry /bin/bash (it is not in the jail's etc/passwd)",
      "+ user luser: home /home/luser (it is missing)",
      "+ user luser: keys 1 of 1 (not in its authorized_keys)",
    ];
    const attributes = { homeDirectory: `${next}/./home/luser`, loginShell: "/usr/sbin/jk_chrootsh" };
    const runs = [["--check"], [], []].map((options) => linesOf(m, ...options));
    expect(runs.map(({ changes }) => changes.map(({ text }) => text))).toEqual([wanted, wanted, []]);
    expect(runs.map(({ status, summary }) => [status, summary.problems])).toEqual([
      [10, []],
      [0, []],
      [0, []],
    ]);
    for (const { summary } of runs)
      expect(summary.directories).toMatchObject([{ user: "luser", attributes }]);
    expect(m.read(`${next}/etc/passwd`)).toMatch(/^luser:x:6001:6001::\/home\/luser:\/bin\/bash$/m);
    expect(m.read(`${next}/home/luser/.ssh/authorized_keys`)).toBe(`${key}\n`);
    expect(m.stat(`${next}/home/luser`)).toMatchObject({ uid: 6001, gid: 6001 });
    expect(filesIn(`${J}/home`)).toBe(before);
    m.write(ACCOUNTS, `luser:x:6001:6001::${next}/./home/luser:/usr/sbin/jk_chrootsh\n`);
    expect(linesOf(m).summary).toMatchObject({ exitStatus: 0, directories: [], problems: [] });
    write(jail(J), luser(J));
  },
);

test("one with the uid of an account of this machine, or of a declared user, is not brought into the jail", () => {
  // Of the jails of other tests nothing is to go.
  m.remove("/var/lib/jailkit/declared.json");
  const jail = "/srv/shared";
  const write = (...users: string[]) =>
    m.write(
      "/etc/jailkit/jails.d/one.ini",
      [`[jail ${jail}]\nsections = uidbasics, basicshell\n`, ...users].join(""),
    );
  const user = (name: string, more: string) => `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}\n`;
  const luser = user("luser", `directory = yes\nauthorized_keys = ${KEYS[0]}`);
  const found = () => linesOf(m).summary.problems.map(({ code, path, message }) => [code, path, message]);
  const shared = (uid: number, other: string) => [
    [
      "uid-taken",
      "luser",
      `user luser: the uid ${uid} belongs to '${other}': give the account another uid in its directory`,
    ],
  ];
  const account = (uid: number) =>
    m.write(ACCOUNTS, `luser:x:${uid}:6001::${jail}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
  m.addUser("carl", { uid: 1700, home: "/home/carl" });
  write(luser);
  account(1700);
  expect(found()).toEqual(shared(1700, "carl"));
  expect(m.read(`${jail}/etc/passwd`)).not.toContain("luser");
  expect(m.exists(`${jail}/home/luser`)).toBe(false);
  expect(m.run(["jailkit", "config", "check"]).stdout).toContain("'luser': the uid 1700 belongs to 'carl'");
  write(user("eve", "uid = 1800"), luser);
  account(6001);
  expect(found()).toEqual([]);
  account(1800);
  expect(found()).toEqual(shared(1800, "eve"));
  expect(m.read(`${jail}/etc/passwd`)).toMatch(/^luser:x:6001:/m);
  // The uid is free as soon as its account goes, in the same run.
  m.must(["chown", "-R", "1800", `${jail}/home/luser`]);
  m.remove(`${jail}/home/eve`);
  write(luser);
  expect(linesOf(m, "--check", "--prune").summary.problems).toEqual([]);
  expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  expect(m.read(`${jail}/etc/passwd`)).toMatch(/^luser:x:1800:/m);
});

test("jk_jailuser --jail-side-only makes the home of one that its directory says in another jail, too", () => {
  m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  m.must(["jk_init", "-j", "/srv/by-hand", "uidbasics", "basicshell"]);
  m.must(["jk_jailuser", "--jail-side-only", "-j", "/srv/by-hand", "luser"]);
  expect(m.stat("/srv/by-hand/home/luser")).toMatchObject({ uid: 6001, gid: 6001 });
});

test("jailkit export --declaration keeps one with any home, and what it writes changes nothing", () => {
  const [jail, file] = ["/srv/export", "/etc/jailkit/jails.d/one.ini"];
  m.remove("/var/lib/jailkit/declared.json");
  const homes = { ann: "/home/staff/ann", ben: "/home/ben", cas: "/srv/another/home/cas", dan: "/home/eve" };
  const lines = Object.entries(homes).map(
    ([name, home], index) =>
      `${name}:x:${6011 + index}:6001::${jail}/./${home.slice(1)}:/usr/sbin/jk_chrootsh\n`,
  );
  m.write(ACCOUNTS, lines.join(""));
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
  const users = Object.keys(homes).map(
    (name) => `[user ${name}]\njail = ${jail}\ndirectory = 1\nshell = /bin/bash\n`,
  );
  m.write(file, `[jail ${jail}]\nsections = uidbasics, basicshell\n${users.join("")}`);
  m.must(["jailkit", "apply"]);
  const { stdout, stderr } = m.must(["jailkit", "export", "--declaration", jail]);
  expect(stderr).toBe("");
  expect([...stdout.matchAll(/^\[user (.*)\]$/gm)].map(([, name]) => name)).toEqual(Object.keys(homes));
  m.write(file, stdout);
  for (const words of [["--check", "--prune"], ["--prune"]])
    expect(linesOf(m, ...words)).toMatchObject({
      status: 0,
      changes: [],
      summary: { problems: [], directories: [] },
    });
});

test("a home that is not ASCII, which slapd refuses, is warned of before the LDIF", () => {
  m.remove("/etc/jailkit/jails.d/one.ini");
  const nss = m.read("/etc/nsswitch.conf");
  m.write("/etc/nsswitch.conf", nss.replace(/^(passwd|group):.*$/gm, "$1: files systemd"));
  m.mkdir("/run/userdb");
  const record = {
    ...{ userName: "suser", uid: 62_001, gid: 100, disposition: "regular" },
    ...{ homeDirectory: "/home/suser", shell: "/bin/sh" },
  };
  m.write("/run/userdb/suser.user", JSON.stringify(record));
  const jail = "/srv/caf\xc3\xa9";
  m.write(
    "/etc/jailkit/jails.d/ascii.ini",
    `[jail ${jail}]\nsections = uidbasics, basicshell\n[user suser]\njail = ${jail}\ndirectory = 1\nshell = /bin/bash\n`,
  );
  const { stdout: found } = m.run(["jailkit", "config", "check", "/etc/jailkit/jails.d/ascii.ini"]);
  expect(found).toContain("4:8: warning: ");
  const said = "is not ASCII, and a directory server such as slapd refuses it as homeDirectory";
  expect(found).toContain(said);
  const { stdout, stderr } = m.run(["jailkit", "apply", "--check"]);
  expect(stderr).toContain("jailkit apply: warning: user suser: ");
  expect(stderr).toContain(said);
  const encoded = Buffer.from(`${jail}/./home/suser`, "latin1").toString("base64");
  expect(stdout).toContain(`homeDirectory:: ${encoded}\n`);
  const { summary } = linesOf(m, "--check");
  expect(summary.directories[0]?.attributes.warnings).toEqual([expect.stringContaining(said)]);
  m.must(["jailkit", "apply"]);
  expect(m.run(["jk_jailuser", "-n", "-j", jail, "suser"]).stderr).toContain(said);
});
