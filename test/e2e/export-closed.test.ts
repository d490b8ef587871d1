/** `jailkit export --declaration` declares nobody who cannot log in, and nothing that `jailkit apply` would change. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const D = "/etc/jailkit/jails.d";

/** Accounts of useradd(8), each with what somebody has done to it, and why it is left out. */
const FAULTS: readonly (readonly [name: string, script: string, why: string])[] = [
  ["nohome", `rm -r ${J}/home/nohome`, `path ${J}/./home/nohome is not a directory`],
  ["roots", `chown 0:0 ${J}/home/roots`, `path ${J}/./home/roots is not owned by`],
  ["grouped", `chgrp team ${J}/home/grouped`, `path ${J}/./home/grouped does not have group owner 100`],
  ["writable", `chmod g+w ${J}/home/writable`, `path ${J}/./home/writable is group writable`],
  ["closed", `chmod 0 ${J}/home/closed`, "chdir(/home/closed) failed inside the jail"],
  ["uid", `sed -i 's/^uid:x:[0-9]*/uid:x:4999/' ${J}/etc/passwd`, "got user information in the jail for"],
  ["else", `sed -i 's#:/home/else:#:/home/other:#' ${J}/etc/passwd`, "home directory /home/else differs"],
  ["doubled", `usermod -d ${J}/./home//doubled doubled`, "home directory /home//doubled differs"],
  ["unplain", "usermod -d /srv//j/./home/unplain unplain", "the jail /srv//j is not the path of a directory"],
  ["shell", `sed -i '/^shell:/s#/bin/bash#/bin/zsh#' ${J}/etc/passwd`, "failed to execute shell /bin/zsh"],
  ["lost", "usermod -s /usr/bin/jk_chrootsh lost", "the login shell /usr/bin/jk_chrootsh does not exist"],
  [
    "data",
    "install -m 0644 /usr/sbin/jk_chrootsh /opt/jk_chrootsh; usermod -s /opt/jk_chrootsh data",
    "the user cannot execute /opt/jk_chrootsh",
  ],
  [
    "gid",
    `sed -i 's/^\\(gid:x:[0-9]*\\):100:/\\1:101:/' ${J}/etc/passwd`,
    "'jailkit apply' would change it: ~",
  ],
];

let m: Machine;
const makeAccount = (name: string): void => {
  const home = `${J}/home/${name}`;
  m.must(["useradd", "-M", "-g", "users", "-d", `${J}/./home/${name}`, "-s", "/usr/sbin/jk_chrootsh", name]);
  const uid = m.must(["id", "-u", name]).stdout.trim();
  m.must(["sh", "-ec", `echo '${name}:x:${uid}:100::/home/${name}:/bin/bash' >> ${J}/etc/passwd`]);
  m.must(["install", "-d", "-o", name, "-g", "users", "-m", "0700", home]);
};
const login = (name: string) => m.run(["su", "-", name, "-c", "true"]).status;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["sh", "-c", "rm -r /var/lib/jailkit/jails/*"]);
  m.must(["jailkit", "adopt", J]);
  m.must(["sh", "-ec", `echo users:x:100: >> ${J}/etc/group`]);
  for (const [name] of FAULTS) makeAccount(name);
  for (const name of ["good", "member"]) makeAccount(name);
});
afterAll(() => m?.close());

test("accounts whose login is refused are left out, with the reason, and apply finds nothing to do", () => {
  for (const [name, script] of FAULTS) {
    expect([name, login(name)]).toEqual([name, 0]);
    m.must(["sh", "-ec", script]);
    if (name !== "gid") expect([name, login(name)]).not.toEqual([name, 0]);
  }
  m.must(["gpasswd", "-a", "member", "team"]);
  const { status, stderr } = m.run(["jailkit", "export", "--declaration", "-o", D]);
  const text = m.read(`${D}/srv-j.ini`);
  expect([status, text.match(/^\[user .*/gm)]).toEqual([0, ["[user good]", "[user member]"]]);
  for (const [name, , why] of FAULTS) {
    const line = `left out: user '${name}': ${name === "gid" ? "" : "it cannot log in now: "}${why}`;
    expect(text).toContain(`\n# ${line}`);
    expect(stderr).toContain(`jailkit export: warning: jail '${J}': ${line}`);
  }
  // The jail has no such group: it is not told as if somebody had it there.
  expect(text).toContain(
    "# left out: the group 'team', of which it is no member in the jail\n[user member]\n",
  );
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
  expect(m.must(["jailkit", "apply"]).stdout).toMatch(/^0 changed, 0 failed/m);
  for (const [name] of FAULTS) if (name !== "gid") expect([name, login(name)]).not.toEqual([name, 0]);
});

/** What is written about a user. */
function exported(name: string) {
  const { stdout, stderr } = m.run(["jailkit", "export", "--declaration"]);
  const blocks = stdout.split("\n\n").map((block) => `${block}\n`);
  return { all: stdout, stderr, user: blocks.find((block) => block.includes(`[user ${name}]\n`)) };
}

test.each([
  [
    "has expired and can no longer be changed",
    "-d 2020-01-01 -M 30 -I 5",
    "its password has expired, and so has the time to change it",
  ],
  [
    "is too old",
    "-d 2020-01-01 -M 30",
    "its password must be changed at the next login, which is impossible in a jail",
  ],
  [
    "was never chosen",
    "-d 0",
    "its password must be changed at the next login, which is impossible in a jail",
  ],
])("an account whose password %s lets in nobody, and is left out", (_, options, why) => {
  makeAccount("aged");
  expect(exported("aged").user).toBeDefined();
  m.must(["chage", ...options.split(" "), "aged"]);
  expect(m.run(["jailkit", "explain", "--su", "aged"]).stdout).toContain("the password of aged");
  const { all, user, stderr } = exported("aged");
  const line = `left out: user 'aged': ${why}, and one that 'jailkit apply' creates would be open\n`;
  expect([user, all.includes(`# ${line}`)]).toEqual([undefined, true]);
  expect(stderr).toContain(`jailkit export: warning: jail '${J}': ${line}`);
  const plain = m.run(["jailkit", "export", J]).stderr;
  expect(plain).toContain(
    `warning: user 'aged': ${why}, and an account that 'jailkit import' creates would be open; close it there: usermod --expiredate 1 aged\n`,
  );
  m.must(["userdel", "-r", "-f", "aged"]);
  m.must(["sed", "-i", "/^aged:/d", `${J}/etc/passwd`]);
});

describe("keys", () => {
  const home = `${J}/home/keyed`;
  const file = `${home}/.ssh/authorized_keys`;
  beforeAll(() => {
    makeAccount("keyed");
    m.must(["install", "-d", "-o", "keyed", "-g", "users", "-m", "0700", `${home}/.ssh`]);
  });
  const write = (...lines: readonly string[]) => {
    m.write(file, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    m.must(["chown", "keyed:users", file]);
  };
  const declared = () => exported("keyed").user?.match(/^(?:authorized_keys =| {3}) .*$/gm) ?? [];

  test.each([
    ["the file", file, "0666"],
    ["its directory", `${home}/.ssh`, "0777"],
  ])("are left out if others could have written them: %s", (_, path, mode) => {
    write(KEYS[0]);
    expect(declared()).toEqual([`authorized_keys = ${KEYS[0]}`]);
    const before = m.must(["stat", "-c", "%a", path]).stdout.trim();
    m.must(["chmod", mode, path]);
    m.must(["chmod", "0711", home]);
    m.must(["sh", "-ec", `echo '${KEYS[1]}' >> ${file}`]);
    const { user, stderr } = exported("keyed");
    const why = `left out: its keys: others could have written them: ${path} can be written by others`;
    expect([declared(), user]).toEqual([[], expect.stringContaining(`# ${why}\n`)]);
    expect(stderr).toContain(`jailkit export: warning: user 'keyed': ${why}\n`);
    m.must(["chmod", before, path]);
    expect(declared()).toEqual([`authorized_keys = ${KEYS[0]}`, `    ${KEYS[1]}`]);
  });

  test("that are there twice with other options are left out, and told", () => {
    write(`restrict ${KEYS[0]}`, KEYS[1], KEYS[0], KEYS[1]);
    const { user, stderr } = exported("keyed");
    const why = "left out: 1 of its keys, with doubtful options\n";
    expect([declared(), user]).toEqual([
      [`authorized_keys = ${KEYS[1]}`],
      expect.stringContaining(`# ${why}`),
    ]);
    expect(stderr).toContain(`jailkit export: warning: user 'keyed': ${why}`);
  });
});

test("sections of jk_chrootsh.ini for many users are told once, and that of a limited user by name", () => {
  const file = "/etc/jailkit/jk_chrootsh.d/limits.ini";
  m.write(file, "[DEFAULT]\nlimits = nproc 9\n[member]\nnetwork = none\n");
  m.must(["sed", "-i", "/^member:/s#/bin/bash#/usr/sbin/jk_lsh#", `${J}/etc/passwd`]);
  const { all, stderr } = exported("good");
  const common = `[DEFAULT] of ${file}, which limits sessions; it stays as it is, and another machine does not get it`;
  expect(stderr.split("\n").filter((line) => line.includes(file))).toEqual([
    `jailkit export: warning: user 'member': left out: [member] of ${file}, which limits its sessions; it stays as it is`,
    `jailkit export: warning: user 'good' and 1 more user: left out: ${common}`,
  ]);
  expect(all).toContain(`# [DEFAULT] of ${file} limits its sessions; it stays as it is\n[user good]\n`);
  m.remove(file);
  m.must(["sed", "-i", "/^member:/s#/usr/sbin/jk_lsh#/bin/bash#", `${J}/etc/passwd`]);
});

test("a home that another account has, too, is as declared for apply, config check and status", () => {
  makeAccount("h2");
  m.must(["useradd", "-M", "-g", "users", "-d", `${J}/./home/h2`, "-s", "/usr/sbin/jk_chrootsh", "h3"]);
  const uid = m.must(["id", "-u", "h3"]).stdout.trim();
  m.must(["sh", "-ec", `echo 'h3:x:${uid}:100::/home/h2:/bin/bash' >> ${J}/etc/passwd`]);
  const { stderr } = m.must(["jailkit", "export", "--declaration", "-o", `${D}/more.ini`]);
  expect(m.read(`${D}/more.ini`)).toContain("[user h2]\n");
  expect(stderr).toContain("left out: user 'h3': it cannot log in now: ");
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
  expect(m.run(["jailkit", "config", "check"])).toMatchObject({ status: 0, stdout: "" });
  const { findings } = reportOf(
    REPORT_SCHEMAS["jailkit status"],
    m.run(["jailkit", "status", "--json"]).stdout,
  );
  expect(findings.filter(({ kind }) => kind === "config")).toEqual([]);
  // A new account does not get it.
  m.write(`${D}/new.ini`, `[user h4]\njail = ${J}\nshell = /bin/bash\nhome = /home/h2\n`);
  m.must(["sed", "-i", "/^\\[user h2\\]/,$d", `${D}/more.ini`]);
  expect(m.run(["jailkit", "config", "check"]).stdout).toContain("'/home/h2' is the home of 'h");
  for (const file of ["more.ini", "new.ini"]) m.remove(`${D}/${file}`);
});

test("a jk_chrootsh at another path is named", () => {
  m.must(["cp", "-a", "/usr/sbin/jk_chrootsh", "/usr/local/sbin/jk_chrootsh"]);
  m.must(["usermod", "-s", "/usr/local/sbin/jk_chrootsh", "good"]);
  expect(m.must(["jailkit", "export", "--declaration"]).stdout).toContain(
    "# left out: its login shell on this machine, '/usr/local/sbin/jk_chrootsh'\n[user good]\n",
  );
});
