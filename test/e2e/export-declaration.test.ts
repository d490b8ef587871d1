/** `jailkit export --declaration`: the first declaration of a machine is written by it, and wants nothing that is not there. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { declarationIn } from "../../src/declaration/read.ts";
import { meant } from "../declared.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const HEADING =
  "# Written by 'jailkit export --declaration'; without passwords and files. See jails.ini(5).\n";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
const OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
const THIRD = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ";
const FOURTH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK";

async function openOther(): Promise<Machine> {
  const machine = await openMachine({ under: "ours" });
  machine.must(["groupadd", "-f", "-r", "jailed"]);
  machine.write(
    "/etc/jailkit/jk_init.d/test.ini",
    "[one]\npaths = cat, sh\nincludesections = uidbasics\n[files]\npaths = rsync\n",
  );
  return machine;
}

let m: Machine;
beforeAll(async () => {
  m = await openOther();
  m.write("/root/key.pub", `${KEY} anna@laptop\n`);
  m.must(["jk_init", "-j", "/srv/a", "one", "files"]);
  m.must(["jk_cp", "-j", "/srv/a", "/usr/bin/env", "ls"]);
});
afterAll(async () => m.close());

/** Exports, and reads the text as `jailkit apply` would. */
function declare(...args: string[]) {
  const { status, stdout, stderr } = m.run(["jailkit", "export", "--declaration", ...args]);
  const { declaration, problems } = declarationIn(scanIni(toBytes(stdout), "f", "plain"));
  expect(problems).toEqual([]);
  expect(stdout).toStartWith(HEADING);
  const text = stdout.slice(HEADING.length).replace(/^\n/, "");
  return { status, text, stderr, ...declaration };
}

const append = (file: string, text: string) => m.write(file, (m.exists(file) ? m.read(file) : "") + text);

test("jails and users of the tools are all in it", () => {
  m.must(
    `jk_addjailuser -j /srv/a -u 5001 -G jailed,adm --authorized-key /root/key.pub -s /usr/bin/sh -c Anna anna`.split(
      " ",
    ),
  );
  m.must("jk_addjailuser -j /srv/a -u 5002 --policy rsync -d /srv/bob bob".split(" "));
  m.must("jk_addjailuser -j /srv/a -u 5003 carl".split(" "));
  m.must("jk_addjailuser -j /srv/a -u 5004 -s /usr/bin/sh dora".split(" "));
  m.must("jk_addjailuser -j /srv/a -u 5005 -G audio frida".split(" "));
  m.must("jk_addjailuser -j /srv/a -u 5006 -G audio -s /usr/bin/sh gina".split(" "));
  append("/srv/a/etc/jailkit/jk_lsh.ini", "[group users]\nallow = rsync download\n");
  append("/srv/a/etc/jailkit/jk_lsh.ini", "[frida]\nallow = rsync\nlog_format = json\n");
  append("/etc/jailkit/jk_chrootsh.d/x.ini", "[anna]\nnetwork = none\nlimits = nofile  64,core 0\n");
  append("/etc/jailkit/jk_chrootsh.d/x.ini", "[dora]\nenv_only = 1\n");
  append("/etc/jailkit/jk_chrootsh.d/x.ini", "[bob]\nlimits = nproc 9\n[member audio]\nscope = 1\n");
  append("/etc/jailkit/jk_socketd.ini", "[/srv/a/dev/log]\n");
  append("/etc/fstab", "proc /srv/a/proc proc ro 0 0\n");
  m.must(["usermod", "--expiredate", "2031-02-03", "carl"]);
  const { text, status, stderr } = declare();
  const lost = [
    "base = 511, interval = 5 of its log socket, in /etc/jailkit/jk_socketd.ini",
    "the options ro of proc, in /etc/fstab",
    "[group users] of /srv/a/etc/jailkit/jk_lsh.ini",
  ];
  expect(text).toBe(`${lost.map((what) => `# left out: ${what}\n`).join("")}[jail /srv/a]
sections = one, files
files = /usr/bin/env, /usr/bin/ls
log_socket = 1
proc = 1

[user anna]
jail = /srv/a
shell = /usr/bin/sh
network = none
limits = nofile  64,core 0
uid = 5001
comment = Anna
groups = adm, jailed
authorized_keys = ${KEY} anna@laptop

# left out: [bob] of /etc/jailkit/jk_chrootsh.d/x.ini, which limits its sessions; it stays as it is
[user bob]
jail = /srv/a
paths = /usr/bin
executables = /usr/bin/rsync
home = /srv/bob
uid = 5002

# [group users] of /srv/a/etc/jailkit/jk_lsh.ini says what this user may do; it stays as it is
# left out: its expiry date, 2031-02-03
[user carl]
jail = /srv/a
shell = /usr/sbin/jk_lsh
uid = 5003

# left out: [dora] of /etc/jailkit/jk_chrootsh.d/x.ini, which has 'env_only' too; it stays as it is
[user dora]
jail = /srv/a
shell = /usr/bin/sh
uid = 5004

# [member audio] of /etc/jailkit/jk_chrootsh.d/x.ini limits its sessions; it stays as it is
# left out: [frida] of /srv/a/etc/jailkit/jk_lsh.ini, which has 'log_format' too; it stays as it is
[user frida]
jail = /srv/a
shell = /usr/sbin/jk_lsh
uid = 5005
groups = audio

# [member audio] of /etc/jailkit/jk_chrootsh.d/x.ini limits its sessions; it stays as it is
[user gina]
jail = /srv/a
shell = /usr/bin/sh
uid = 5006
groups = audio
`);
  expect([status, stderr.split("\n")]).toEqual([
    0,
    [
      ...lost.map((what) => `jailkit export: warning: jail '/srv/a': left out: ${what}`),
      "jailkit export: warning: user 'bob': left out: [bob] of /etc/jailkit/jk_chrootsh.d/x.ini, which limits its sessions; it stays as it is",
      "jailkit export: warning: user 'carl': left out: its expiry date, 2031-02-03",
      "jailkit export: warning: user 'dora': left out: [dora] of /etc/jailkit/jk_chrootsh.d/x.ini, which has 'env_only' too; it stays as it is",
      "jailkit export: warning: user 'frida': left out: [frida] of /srv/a/etc/jailkit/jk_lsh.ini, which has 'log_format' too; it stays as it is",
      "jailkit export: warning: user 'frida' and 1 more user: left out: [member audio] of /etc/jailkit/jk_chrootsh.d/x.ini, which limits sessions; it stays as it is, and another machine does not get it",
      "",
    ],
  ]);
});

/** A jail with one user, whose lines of the account files and of the jail can be changed. */
function jailOf(name: string, uid: number): { jail: string; home: string; user: string } {
  const jail = `/srv/${name}`;
  m.must(["jk_init", "-j", jail, "one"]);
  m.must(["jk_addjailuser", "-j", jail, "-u", `${uid}`, "-s", "/usr/bin/sh", name]);
  return { jail, home: `${jail}/home/${name}`, user: name };
}

/** Another primary group, also in the jail. */
function giveGroup(jail: string, user: string, group: string): void {
  m.must(["usermod", "-g", group, user]);
  m.must(["chgrp", group, `${jail}/home/${user}`]);
  m.must(["jk_jailuser", "--jail-side-only", "-j", jail, user]);
}

test("a user who is suspended is left out, who would be let in again where the account is created", () => {
  const { jail, user } = jailOf("paused", 5191);
  m.must(["usermod", "-L", "-e", "1", user]);
  const what = `the account has expired (1), and one that 'jailkit apply' creates would be open`;
  const { text, stderr } = declare(jail);
  expect(text).toContain(`# left out: user '${user}': ${what}\n`);
  expect(text).not.toContain(`[user ${user}]`);
  expect(stderr).toContain(`jailkit export: warning: jail '${jail}': left out: user '${user}': ${what}\n`);
  m.must(["usermod", "-e", "2031-02-03", user]);
  expect(declare(jail).text).toContain(`# left out: its expiry date, 2031-02-03\n[user ${user}]`);
  m.must(["userdel", "-f", user]);
  m.must(["jailkit", "delete", "--yes", "--user-files", jail]);
});

describe("jails", () => {
  test("one of jailkit 2.23 has no record, and is there with its users", () => {
    const { jail } = jailOf("old", 5101);
    m.must([
      "sh",
      "-c",
      `rm -r $(grep -l '"${jail}"' /var/lib/jailkit/jails/*/manifest.json | xargs dirname)`,
    ]);
    const { text, status, stderr, users } = declare(jail);
    const what = `has no record of its sections and files; create one with: jailkit adopt ${jail}`;
    expect(text).toStartWith(`# ${what}\n[jail ${jail}]\n\n[user old]\n`);
    expect([status, stderr, users.length]).toEqual([
      0,
      `jailkit export: warning: jail '${jail}': ${what}\n`,
      1,
    ]);
    m.must(["jailkit", "adopt", jail]);
    const { jails, stderr: more } = declare(jail);
    expect([jails[0]?.sections.includes("one"), more]).toEqual([true, ""]);
  });

  test("what jk_init.ini no longer has, and options of jk_cp, are named", () => {
    m.write("/etc/jailkit/jk_init.d/gone.ini", "[gone]\npaths = cat\n");
    m.write("/root/mine.ini", "[mine]\npaths = cat\n");
    m.must(["jk_init", "-j", "/srv/gone", "gone", "one"]);
    m.must(["jk_init", "-c", "/root/mine.ini", "-j", "/srv/gone", "mine"]);
    m.must(["jk_cp", "-k", "-j", "/srv/gone", "env", "/usr/bin/ls,"].slice(0, 5));
    m.remove("/etc/jailkit/jk_init.d/gone.ini");
    const { text } = declare("/srv/gone");
    expect(text).toBe(`# left out: section 'gone', which is not in /etc/jailkit/jk_init.ini
# left out: section 'mine', which is not in /etc/jailkit/jk_init.ini
# left out: the options --hardlink of jk_init and jk_cp
[jail /srv/gone]
sections = one
files = /usr/bin/env
`);
  });

  describe("what a declaration cannot say of a jail is named", () => {
    beforeAll(() => {
      jailOf("rich", 5150);
    });
    afterAll(() => m.must(["sed", "-i", "-E", "/ .srv.(rich|plain)./d", "/etc/fstab"]));
    test.each<[string, () => void, string]>([
      [
        "limits of the log socket",
        () =>
          append(
            "/etc/jailkit/jk_socketd.ini",
            "[/srv/rich/dev/log]\nbase = 1000\npeak = 2048\ninterval = 10\n",
          ),
        "base = 1000 of its log socket, in /etc/jailkit/jk_socketd.ini",
      ],
      [
        "the kind of the log socket",
        () =>
          m.write(
            "/etc/jailkit/jk_socketd.ini",
            m
              .read("/etc/jailkit/jk_socketd.ini")
              .replace("base = 1000", "base = 512\ntype = stream\ntrust = sender"),
          ),
        "type = stream, trust = sender of its log socket, in /etc/jailkit/jk_socketd.ini",
      ],
      [
        "another socket",
        () => append("/etc/jailkit/jk_socketd.ini", "[/srv/rich/run/log]\n"),
        "the socket '/srv/rich/run/log', in /etc/jailkit/jk_socketd.ini",
      ],
      [
        "the options of proc",
        () => append("/etc/fstab", "proc /srv/rich/proc proc ro,hidepid=1 0 0\n"),
        "the options ro,hidepid=1 of proc, in /etc/fstab",
      ],
      [
        "another mount",
        () => append("/etc/fstab", "/opt /srv/rich/my\\040data none bind,noauto 0 0\n"),
        "what /etc/fstab mounts on '/srv/rich/my data'",
      ],
      [
        "who gets in by jk_uchroot",
        () =>
          append("/etc/jailkit/jk_uchroot.ini", "[group guests]\nallowed_jails = /srv/other, /srv//rich/\n"),
        "[group guests] of /etc/jailkit/jk_uchroot.ini, by which jk_uchroot lets somebody in",
      ],
      [
        "settings of jk_update and jk_check",
        () => append("/etc/jailkit/jk_update.ini", "[/srv/rich]\nskips = /opt\n"),
        "its section in /etc/jailkit/jk_update.ini",
      ],
      [
        "rights of groups and of all",
        () => append("/srv/rich/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nallow = sftp\n"),
        "[DEFAULT] of /srv/rich/etc/jailkit/jk_lsh.ini",
      ],
      [
        "a section of another file",
        () => {
          m.write("/root/other.ini", "[files]\npaths = cat\n");
          m.must(["jk_init", "-c", "/root/other.ini", "-j", "/srv/rich", "files"]);
        },
        "section 'files' of /root/other.ini, in place of which that of jk_init.ini is declared",
      ],
    ])("%s", (_, change, what) => {
      expect(declare("/srv/rich").text).not.toContain(what);
      change();
      const { text, stderr } = declare("/srv/rich");
      const warning = `jailkit export: warning: jail '/srv/rich': left out: ${what}\n`;
      expect([text.split(`# left out: ${what}\n`).length, stderr.split(warning).length]).toEqual([2, 2]);
    });

    test("what apply would write is not", () => {
      jailOf("plain", 5151);
      m.write("/root/plain.ini", "[jail /srv/plain]\nsections = one\nlog_socket = 1\nproc = 1\n");
      m.must(["jailkit", "apply", "/root/plain.ini"]);
      const { text, stderr } = declare("/srv/plain");
      expect([text, stderr]).toEqual([expect.not.stringContaining("#"), ""]);
      m.must(["umount", "/srv/plain/proc"]);
    });
  });

  test("a live jail", () => {
    m.must(["jk_init", "--live", "-j", "/srv/live", "one"]);
    const { jails, text } = declare("-j", "/srv/live");
    expect(jails).toMatchObject([{ path: "/srv/live", sections: ["one"], live: ["/usr"] }]);
    expect(text).toBe("[jail /srv/live]\nsections = one\nlive = /usr\n");
    m.must(["jailkit", "unmount", "/srv/live"]);
  });

  test("one that cannot be read is left out, and the status says so", () => {
    m.must(["useradd", "-M", "-d", "/srv/missing/./home/x", "-s", "/usr/sbin/jk_chrootsh", "lost"]);
    const { status, text, stderr, jails } = declare("/srv/missing", "/srv/a", "/srv/a/");
    expect([status, jails.map(({ path }) => path)]).toEqual([1, ["/srv/a"]]);
    expect(stderr).toContain("jailkit export: left out: jail '/srv/missing': ");
    expect(text).toStartWith("# left out: jail '/srv/missing': ");
    m.must(["userdel", "lost"]);
  });
});

describe("users", () => {
  test.each([
    [
      "whose account is closed",
      (user: string) => m.must(["usermod", "-s", "/usr/sbin/nologin", user]),
      "the shell",
    ],
    [
      "who is not in the jail",
      (user: string, jail: string) => m.must(["sed", "-i", `/^${user}:/d`, `${jail}/etc/passwd`]),
      "it has no shell",
    ],
    [
      "whose limits have an error",
      (user: string) => m.write(`/etc/jailkit/jk_chrootsh.d/${user}.ini`, `[${user}]\nnetwork = no\n`),
      "'network': 'no' is not one of",
    ],
    [
      "whose limits are among other keys",
      (user: string) =>
        m.write(`/etc/jailkit/jk_chrootsh.d/${user}.ini`, `[${user}]\nnetwork = none\nenv = X\n`),
      "[shut5204] of /etc/jailkit/jk_chrootsh.d/shut5204.ini limits its sessions, but has 'env' too",
    ],
  ])("a user %s would get more by a declaration", (_, change, why) => {
    const uid = 5201 + m.must(["ls", "/srv"]).stdout.split("shut").length - 1;
    const { jail, user } = jailOf(`shut${uid}`, uid);
    change(user, jail);
    const { users, stderr, text } = declare(jail);
    expect(users).toEqual([]);
    const line = `left out: user '${user}': ${why}`;
    expect(stderr).toContain(line);
    expect(`\n${text}`).toContain(`\n# ${line}`);
  });

  test("the primary group, and sections of jk_chrootsh.ini that limit nothing, are named", () => {
    const { jail, user } = jailOf("gwen", 5160);
    m.must(["groupadd", "-g", "7001", "wardens"]);
    giveGroup(jail, user, "wardens");
    m.write("/etc/jailkit/jk_chrootsh.d/gwen.ini", "[group wardens]\nenv = LANG\n");
    const { text, stderr } = declare(jail);
    expect(text).toContain(
      `# [group wardens] of /etc/jailkit/jk_chrootsh.d/gwen.ini has 'env' for it; it stays as it is
# left out: its primary group, 'wardens'
[user gwen]
`,
    );
    expect(stderr.split("\n")).toEqual([
      "jailkit export: warning: user 'gwen': left out: its primary group, 'wardens'",
      "jailkit export: warning: user 'gwen': left out: [group wardens] of /etc/jailkit/jk_chrootsh.d/gwen.ini, which has 'env'; it stays as it is, and another machine does not get it",
      "",
    ]);
    m.must(["sed", "-i", "/^wardens:/d", "/etc/group"]);
    // Without that group on the host, no login works.
    expect(declare(jail).text).toContain(
      "# left out: user 'gwen': it cannot log in now: failed to get group",
    );
    giveGroup(jail, user, "users");
    m.remove("/etc/jailkit/jk_chrootsh.d/gwen.ini");
  });

  test("groups of users of before are told in one line, and a fault in a section with its file and line", () => {
    const jails = ["hans", "ivo"].map((name, index) => jailOf(name, 5170 + index).jail);
    for (const name of ["hans", "ivo"]) {
      m.must(["groupadd", name]);
      giveGroup(`/srv/${name}`, name, name);
    }
    const own = declare(...jails);
    expect(own.stderr).toBe(
      "jailkit export: warning: user 'hans' and 1 more user: left out: the primary group, which has the name of the user; an account that 'jailkit apply' creates gets 'users'\n",
    );
    expect(own.text).toContain("# left out: its primary group, 'ivo'\n[user ivo]");
    for (const name of ["hans", "ivo"]) giveGroup(`/srv/${name}`, name, "users");
    m.must(["sed", "-i", "s#:/usr/bin/sh$#:/usr/sbin/jk_lsh#", `${jails[0]}/etc/passwd`]);
    const allow = (paths: string) =>
      m.write(
        `${jails[0]}/etc/jailkit/jk_lsh.ini`,
        `\n[hans]\nexecutables = /usr/bin/env\npaths= ${paths}\n`,
      );
    // A slash at the end means nothing for a login.
    allow("/usr/bin/, /usr/lib/");
    const plain = declare(jails[0] ?? "");
    expect([plain.text, plain.stderr]).toEqual([
      expect.stringContaining("\npaths = /usr/bin, /usr/lib\n"),
      expect.not.stringContaining("what it may do"),
    ]);
    allow("/usr/../usr/lib");
    expect(declare(jails[0] ?? "").stderr).toContain(
      `left out: user 'hans': what it may do: '/usr/../usr/lib' is not a plain path: write '/usr/lib' (${jails[0]}/etc/jailkit/jk_lsh.ini:4)`,
    );
    m.must(["sed", "-i", "s#:/usr/sbin/jk_lsh$#:/usr/bin/sh#", `${jails[0]}/etc/passwd`]);
    m.remove(`${jails[0]}/etc/jailkit/jk_lsh.ini`);
  });

  test("what they write themselves misleads nobody", () => {
    const { jail, home, user } = jailOf("eve", 5301);
    const owner: [number, number] = [5301, 100];
    const lines = [
      `${KEY} \x1b[2J\x9b eve`,
      `${KEY} again`,
      `${OTHER}\r[user root]`,
      `command="\xe2\x80\xae" ssh-rsa AAAA`,
      `environment="A=\xe2\x80\xae" ${OTHER}`,
      `no-pty ${OTHER} fine # [user root]`,
      `environment="B=\xe2\x80\xae" ${THIRD}`,
      "[user root]",
      "uid = 0",
    ];
    m.mkdir(`${home}/.ssh`, { mode: 0o700 });
    m.chown(`${home}/.ssh`, ...owner);
    m.write(`${home}/.ssh/authorized_keys`, lines.join("\n"), { owner, mode: 0o600 });
    // An Arabic mark, a soft hyphen, fillers, and a tag.
    for (const hidden of [
      "\xd8\x9c",
      "\xc2\xad",
      "\xe3\x85\xa4",
      "\xe1\x85\x9f",
      "\xe1\xa0\x8e",
      "\xf3\xa0\x81\x81",
    ]) {
      m.must(["sed", "-i", `s/^eve:x:5301:100:[^:]*/eve:x:5301:100:a${hidden}b/`, "/etc/passwd"]);
      const escapes = [...hidden].map((byte) => `\\x${byte.charCodeAt(0).toString(16)}`).join("");
      expect(declare(jail).text).toContain(`# left out: the comment 'a${escapes}b'\n`);
    }
    m.must(["sed", "-i", "s/^eve:x:5301:100:[^:]*/eve:x:5301:100:\xe2\x80\xae/", "/etc/passwd"]);
    const { text, stderr } = declare(jail);
    expect(text).toBe(`[jail ${jail}]
sections = one

# left out: the comment '\\xe2\\x80\\xae'
# left out: 2 of its keys, with doubtful options
[user ${user}]
jail = ${jail}
shell = /usr/bin/sh
uid = 5301
authorized_keys = ${KEY}
`);
    expect(stderr.split("\n")).toHaveLength(3);
    expect(declare("--without-keys", jail).text).not.toContain("authorized_keys");
    m.write(`${home}/.ssh/authorized_keys2`, `${KEY}\n${FOURTH} elsewhere\n`, { owner, mode: 0o600 });
    const more = declare(jail);
    expect(more.stderr).toContain(
      `user '${user}': left out: 1 of its keys, which .ssh/authorized_keys does not have\n`,
    );
    expect(more.text).not.toContain(FOURTH);
    m.remove(`${home}/.ssh/authorized_keys2`);
    m.must(["ssh-keygen", "-A"]);
    m.mkdir("/run/sshd", { mode: 0o755 });
    const sshd = m.read("/etc/ssh/sshd_config");
    for (const setting of ["AuthorizedKeysFile /etc/ssh/keys/%u", "PubkeyAuthentication no"]) {
      m.write("/etc/ssh/sshd_config", `${setting}\n${sshd}`);
      const unread = declare(jail).text;
      expect(unread).not.toContain("authorized_keys =");
      expect(unread).toContain("# left out: its keys: sshd ");
    }
    m.write("/etc/ssh/sshd_config", sshd);
    expect(declare(jail).text).toContain("authorized_keys =");
    m.must(["ln", "-sf", "/etc/shadow", `${home}/.ssh/authorized_keys`]);
    const { users, text: linked } = declare(jail);
    expect(users[0]?.keys).toBeUndefined();
    expect(linked).toContain("\n# left out: its keys: ");
    // Nothing of a password; PATH is in a command.
    expect(linked.replaceAll(`PATH="$PATH"`, "")).not.toContain("$");
  });

  test("one of a directory is declared by name", () => {
    m.write("/etc/nsswitch.conf", "passwd: files extrausers\ngroup: files extrausers\nshadow: files\n");
    m.must(["jk_init", "-j", "/srv/ldap", "one"]);
    const line = (home: string, shell: string) => `luser:x:5401:5401:From LDAP:${home}:${shell}\n`;
    m.write("/var/lib/extrausers/passwd", line("/srv/ldap/./home/luser", "/usr/sbin/jk_chrootsh"));
    m.write("/var/lib/extrausers/group", "luser:x:5401:\nstaff2:x:5402:luser,anna\n");
    append("/srv/ldap/etc/passwd", line("/home/luser", "/usr/bin/sh"));
    append("/srv/ldap/etc/group", "luser:x:5401:\n");
    m.mkdir("/srv/ldap/home/luser");
    m.chown("/srv/ldap/home/luser", 5401, 5401);
    expect(declare("/srv/ldap").text).toBe(`[jail /srv/ldap]
sections = one

[user luser]
jail = /srv/ldap
shell = /usr/bin/sh
directory = 1
`);
    // Groups of this machine, of which the directory does not know.
    m.must(["groupadd", "-U", "luser", "plotters"]);
    expect(declare("/srv/ldap")).toMatchObject({
      text: expect.stringContaining("# left out: the group 'plotters' of /etc/group\n[user luser]\n"),
      stderr: expect.stringContaining("user 'luser': left out: the group 'plotters' of /etc/group\n"),
    });
    // A group that usermod(8) cannot change.
    expect(declare("/srv/a").text).toContain(
      "# left out: the group 'staff2', which is not in /etc/group\n[user anna]",
    );
  });
});

describe("-o", () => {
  test("a directory, without --declaration, is to get a name, and nobody is told to move it away", () => {
    expect(m.run(["jailkit", "export", "-o", "/etc", "/srv/a"])).toMatchObject({
      status: 1,
      stderr: "jailkit export: /etc is a directory: name a file in it\n",
    });
  });
  test("writes one file, which only root can read", () => {
    m.write("/root/jails.ini", "", { mode: 0o644 });
    const { status, stdout } = m.run([
      "jailkit",
      "export",
      "--declaration",
      "-o",
      "/root/jails.ini",
      "/srv/a",
    ]);
    expect([status, stdout, m.stat("/root/jails.ini")]).toMatchObject([0, "", { mode: 0o100600, uid: 0 }]);
    expect(m.read("/root/jails.ini")).toBe(`${HEADING}\n${declare("/srv/a").text}`);
  });

  test("replaces no file with lines that would be lost, as somebody may have written them", () => {
    const file = "/root/kept.ini";
    const run = () => m.run(["jailkit", "export", "--declaration", "-o", file, "/srv/a"]);
    expect(run().status).toBe(0);
    const own = m.read(file);
    const anna = own.slice(own.indexOf("[user anna]"), own.indexOf("\n\n", own.indexOf("[user anna]")));
    for (const text of [
      `${own}\n[user new]\njail = /srv/a\n`,
      `# by hand\n${own}`,
      // The same line is in the section of another user.
      own.replace("[user anna]\n", "[user anna]\npaths = /usr/bin\n"),
      own.replace("shell = /usr/bin/sh", "shell = /usr/bin/sh # for now"),
      "binary \0 \xa0\n",
    ]) {
      m.write(file, text);
      const why = "exists already, and has lines that would be lost: name a new file with -o";
      expect(run()).toMatchObject({ status: 1, stdout: "", stderr: `jailkit export: ${file} ${why}\n` });
      expect(m.read(file)).toBe(text);
    }
    // What is there again is not lost.
    for (const text of [own, own.replace(anna, "[user anna]"), `\n${HEADING}`]) {
      m.write(file, text);
      expect(run().status).toBe(0);
      expect(m.read(file)).toBe(own);
    }
    m.must(["rm", file]);
    m.must(["mkfifo", file]);
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining(file) });
    m.must(["rm", file]);
  });

  test("one of jailkit 2.23 that was adopted since is written again with what it has, or that is told", () => {
    const D = "/etc/jailkit/jails.d";
    const { jail } = jailOf("later", 5195);
    m.mkdir(D, { mode: 0o755 });
    for (const output of ["/root/later.ini", D]) {
      const record = `$(grep -l '"${jail}"' /var/lib/jailkit/jails/*/manifest.json | xargs dirname)`;
      m.must(["sh", "-c", `rm -r ${record}`]);
      const run = () => m.run(["jailkit", "export", "--declaration", "-o", output, jail]);
      expect(run()).toMatchObject({ status: 0, stderr: expect.stringContaining("has no record") });
      m.must(["jailkit", "adopt", jail]);
      const { status, stderr } = run();
      expect([status, stderr.includes("has no record")]).toEqual([0, false]);
      if (output !== D) {
        expect(m.read(output)).toMatch(/^sections = .*\bone\b/m);
        m.remove(output);
        continue;
      }
      const file = `${D}/srv-later.ini`;
      const [, line = ""] =
        new RegExp(`jail '${jail}': '${file}' lacks what it has: write in its section: (.*)\n`).exec(
          stderr,
        ) ?? [];
      expect(line).toMatch(/^sections = .*\bone\b/);
      m.write(file, m.read(file).replace(`[jail ${jail}]\n`, `[jail ${jail}]\n${line}\n`));
      expect(run().stderr).not.toContain("lacks");
      expect(m.must(["jailkit", "apply", "--check"]).stdout).toContain("0 to change");
    }
    m.must(["rm", "-r", D]);
    m.must(["userdel", "-f", "later"]);
    m.must(["jailkit", "delete", "--yes", "--user-files", jail]);
  });

  test("writes a file for each jail into a directory, and replaces none", () => {
    m.mkdir("/root/fresh/jails.d");
    const run = (...jails: string[]) =>
      m.run(["jailkit", "export", "--declaration", "-o", "/root/fresh/jails.d", ...jails]);
    expect(run("/srv/a")).toMatchObject({ status: 0, stdout: "" });
    expect(m.read("/root/fresh/jails.d/srv-a.ini")).toBe(`${HEADING}\n${declare("/srv/a").text}`);
    m.write("/root/fresh/jails.d/srv-a.ini", "mine\n");
    const { status, stderr } = run("/srv/a", "/srv/live");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        "left out: jail '/srv/a': /root/fresh/jails.d/srv-a.ini exists already; name a new file for it with -o\n",
      ),
    ]);
    expect([m.read("/root/fresh/jails.d/srv-a.ini"), m.read("/root/fresh/jails.d/srv-live.ini")]).toEqual([
      "mine\n",
      `${HEADING}\n[jail /srv/live]\nsections = one\nlive = /usr\n`,
    ]);
  });

  test("into jails.d, what other files there declare is left out, so that apply takes all of them", () => {
    const D = "/etc/jailkit/jails.d";
    const run = (...args: string[]) => m.run(["jailkit", "export", "--declaration", ...args]);
    const twice = () => m.run(["jailkit", "apply", "--check"]).stderr.match(/duplicate-section|\[taken/g);
    const left = (what: string, file: string) =>
      `jailkit export: warning: left out: ${what} that '${D}/${file}' declares already\n`;
    m.mkdir(D, { mode: 0o755 });
    const own = "[jail /srv/old]\nsections = one\n\n[user anna]\njail = /srv/a\nshell = /usr/bin/sh\n";
    m.write(`${D}/hand.ini`, own);
    expect(twice()).toBeNull();
    m.write(`${D}/twin.ini`, own);
    expect(twice()).toEqual(["duplicate-section", "duplicate-section"]);
    m.remove(`${D}/twin.ini`);
    // What is not as declared: somebody else has this uid.
    m.write(`${D}/zed.ini`, "[user zed]\njail = /srv/a\nshell = /usr/bin/sh\nuid = 5003\n");
    // A file for each jail.
    const jails = ["/srv/a", "/srv/old"];
    const all = run("-o", D, ...jails);
    expect([all.status, all.stderr]).toEqual([
      0,
      expect.stringContaining(left("1 jail and 1 user", "hand.ini")),
    ]);
    expect(m.read(`${D}/srv-a.ini`)).not.toContain("[user anna]");
    expect(m.read(`${D}/srv-a.ini`)).toContain("[user bob]");
    expect(m.read(`${D}/srv-a.ini`)).toContain("# left out: user 'carl': its uid, 5003, is that of 'zed'\n");
    expect(m.read(`${D}/srv-old.ini`)).toBe(
      `${HEADING}\n[user old]\n${m.read(`${D}/srv-old.ini`).split("[user old]\n")[1]}`,
    );
    expect(twice()).toBeNull();
    // Again: there is nothing to add, and nothing in the way.
    const again = run("-o", D, ...jails);
    expect([again.status, again.stderr]).toEqual([0, expect.stringContaining(left("1 user", "srv-old.ini"))]);
    // One file for all, replaced by itself.
    m.must(["rm", `${D}/srv-a.ini`, `${D}/srv-old.ini`]);
    for (const path of [`${D}/all.ini`, `${D}/all.ini`, "/etc/jailkit/../jailkit/jails.d/all.ini"]) {
      expect(run("-o", path, ...jails).status).toBe(0);
      expect(m.read(`${D}/all.ini`)).toContain("[user bob]");
      expect(twice()).toBeNull();
    }
    m.remove(`${D}/all.ini`);
    m.must(["sh", "-c", `jailkit export --declaration ${jails.join(" ")} >${D}/all.ini`]);
    expect(m.read(`${D}/all.ini`)).toContain("[user bob]");
    expect(twice()).toBeNull();
    m.must(["sh", "-c", `jailkit export --declaration ${jails.join(" ")} >>${D}/all.ini`]);
    expect(twice()).toBeNull();
    // Elsewhere it is whole.
    expect(run(...jails).stdout).toContain("[user anna]");
    // A new user of a jail whose file is there.
    m.remove(`${D}/all.ini`);
    m.write(`${D}/srv-a.ini`, "[jail /srv/a]\nsections = one\n");
    const { status, stderr } = run("-o", D, "/srv/a");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        `left out: jail '/srv/a': ${D}/srv-a.ini exists already; name a new file for it with -o\n`,
      ),
    ]);
    expect(run("-o", `${D}/more.ini`, "/srv/a").status).toBe(0);
    expect(twice()).toBeNull();
    // What cannot be read is no reason to write what may be there twice.
    m.must(["chown", "nobody", `${D}/hand.ini`]);
    m.remove(`${D}/more.ini`);
    expect([run("-o", `${D}/more.ini`, "/srv/a").status, m.exists(`${D}/more.ini`)]).toEqual([1, false]);
    m.must(["rm", "-r", D]);
  });

  test("and so in another directory that has a jails.d, by a relative path", () => {
    m.write("/root/fleet/jails.ini", "[jail /srv/live]\n");
    m.write("/root/fleet/jails.d/anna.ini", "[user anna]\njail = /srv/elsewhere\nshell = /bin/sh\n");
    const { status, stderr } = m.run(
      ["jailkit", "export", "--declaration", "-o", ".", "/srv/a", "/srv/live", "/srv/gone"],
      { cwd: "/root/fleet/jails.d" },
    );
    const left = (what: string, file: string) =>
      `jailkit export: warning: left out: ${what} that '/root/fleet/${file}' declares already`;
    const told = stderr.split("\n").filter((line) => line.includes("declares already"));
    expect([status, ...told]).toEqual([0, left("1 jail", "jails.ini"), left("1 user", "jails.d/anna.ini")]);
    expect(m.list("/root/fleet/jails.d").toSorted()).toEqual(["anna.ini", "srv-a.ini", "srv-gone.ini"]);
    expect(m.read("/root/fleet/jails.d/srv-a.ini")).not.toContain("anna");
  });

  test.each([
    [["--without-keys", "/srv/a"], "--without-keys is for --declaration"],
    [["--declaration", "--json", "/srv/a"], "--declaration is not JSON: omit --json"],
  ])("%p is a mistake", (args, message) => {
    const { status, stderr } = m.run(["jailkit", "export", ...args]);
    expect([status, stderr]).toEqual([2, `jailkit export: ${message}; see 'jailkit export --help'\n`]);
  });
});

describe("where a declaration would not be read", () => {
  const D = "/etc/jailkit/jails.d";
  const write = (...words: string[]) =>
    m.run(["jailkit", "export", "--declaration", "-o", ...words, "/srv/a"]);
  const told = (...words: string[]) => {
    const { status, stdout, stderr } = write(...words);
    expect([status, stdout]).toEqual([1, ""]);
    return stderr;
  };
  const heal = (stderr: string, before: string) => m.must(["sh", "-c", stderr.split(before)[1] ?? ""]);

  test("a missing directory is created by the command in the message, and is no file", () => {
    m.must(["rm", "-rf", D]);
    for (const words of [D, `${D}/`]) {
      expect(told(words)).toBe(
        `jailkit export: ${D}: no such directory; create it with: mkdir -p -m 0755 ${D}\n`,
      );
      expect(m.exists(D)).toBe(false);
    }
    heal(told(D), "create it with: ");
    expect([write(D).status, m.list(D)]).toEqual([0, ["srv-a.ini"]]);
    // It reads the file, whatever it says about the jail.
    expect(m.run(["jailkit", "apply", "--check"]).stdout).toContain("/srv/a");
    expect(told("/root/new/")).toContain("create it with: mkdir -p -m 0755 /root/new\n");
    heal(told("/root/new/"), "create it with: ");
    expect([write("/root/new/").status, m.list("/root/new")]).toEqual([0, ["srv-a.ini"]]);
    m.must(["rm", "-r", "/root/new"]);
  });

  test("a file or a link in its way is put aside by the command in the message", () => {
    for (const make of [
      ["touch", D],
      ["ln", "-s", "/root/nowhere", D],
    ]) {
      m.must(["rm", "-rf", D]);
      m.must(make);
      const stderr = told(D);
      expect(stderr).toContain(
        `${D} is not a directory; keep it under another name, and create one with: mv`,
      );
      heal(stderr, "create one with: ");
      expect([write(D).status, m.list(D)]).toEqual([0, ["srv-a.ini"]]);
      m.must(["rm", `${D}.old`]);
    }
  });

  test("a name that is not read in jails.d is an error with one that is", () => {
    m.must(["rm", "-rf", D]);
    m.must(["mkdir", "-p", `${D}/sub`]);
    m.must(["ln", "-s", D, "/root/link"]);
    for (const [name, other] of [
      ["all", "all.ini"],
      ["all.conf", "all.ini"],
      [".all.ini", "all.ini"],
      ["all.INI", "all.ini"],
    ] as const)
      for (const folder of [D, "/root/link"]) {
        const why = "the name must end with '.ini', and not begin with a dot";
        expect(told(`${folder}/${name}`)).toBe(
          `jailkit export: ${folder}/${name}: 'jailkit apply' would not read this: ${why}, such as '${folder}/${other}'\n`,
        );
      }
    for (const path of [`${D}/sub`, `${D}/sub/`, `${D}/sub/a.ini`])
      expect(told(path)).toContain(`'jailkit apply' reads no directory in '${D}': name that`);
    expect(m.list(D)).toEqual(["sub"]);
    expect(m.list(`${D}/sub`)).toEqual([]);
    m.must(["rm", "-r", `${D}/sub`, "/root/link"]);
    expect(write(`${D}/all.ini`).status).toBe(0);
    m.must(["rm", `${D}/all.ini`]);
    // Elsewhere any name will do.
    expect([write("/root/all").status, write("/root/jails.ini").status]).toEqual([0, 0]);
    m.must(["rm", "/root/all", "/root/jails.ini"]);
  });

  test("what is for an import is not written there", () => {
    for (const file of [D, `${D}/a.ini`, `${D}/a.json`, "/etc/jailkit/jails.ini", "/root/jails.d"]) {
      const { status, stderr } = m.run(["jailkit", "export", "-o", file, "/srv/a"]);
      const why = "is a place for declarations: name a file elsewhere, or add --declaration";
      expect([status, stderr]).toEqual([1, `jailkit export: ${file} ${why}\n`]);
    }
    const { stderr } = m.run(["jailkit", "export", "-o", "/root/new/", "/srv/a"]);
    expect(stderr).toBe("jailkit export: /root/new/ is a directory: name a file in it\n");
    expect(m.list(D)).toEqual([]);
  });
});

describe("jailkit apply", () => {
  test("has nothing to do on the same machine", () => {
    m.must(["jailkit", "mount", "/srv/live"]);
    const { status, jails } = declare();
    expect([status, jails.length > 8]).toEqual([0, true]);
    m.mkdir("/srv/a/proc");
    m.must(["mount", "-t", "proc", "-o", "ro", "proc", "/srv/a/proc"]);
    m.must(["rm", "-f", "/root/jails.ini"]);
    m.must(["jailkit", "export", "--declaration", "-o", "/root/jails.ini"]);
    const { status: same, stdout, stderr } = m.run(["jailkit", "apply", "--check", "/root/jails.ini"]);
    expect([same, stdout, stderr]).toEqual([
      0,
      expect.stringMatching(/^0 to change, 0 failed, \d+ as declared\n$/),
      "",
    ]);
  });

  test("makes the same on another machine", async () => {
    const other = await openOther();
    other.write("/root/jails.ini", m.must(["jailkit", "export", "--declaration", "/srv/a"]).stdout);
    other.must(["jailkit", "apply", "/root/jails.ini"]);
    other.must(["jailkit", "export", "--declaration", "-o", "/root/again.ini"]);
    const read = (text: string) => {
      const { jails, users } = declarationIn(scanIni(toBytes(text), "f", "plain")).declaration;
      return meant(jails, users);
    };
    const [wanted, made] = ["/root/jails.ini", "/root/again.ini"].map((file) => read(other.read(file)));
    await other.close();
    expect(made).toEqual(wanted);
  });
});
