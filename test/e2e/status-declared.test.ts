/** What `jailkit status` tells of declared users whom somebody has changed by hand, each once, in the words of the other tools. */
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
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j2";
const FILE = "/etc/jailkit/jails.d/a.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const SHELL = "/usr/sbin/jk_chrootsh";
const SIDE = `jk_jailuser --jail-side-only -j ${J}`;

let m: Machine;

const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const report = () => reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
const found = () => report().findings.map(({ kind, subject, command }) => [kind, subject, command]);
const checked = () => m.run(["jk_check", J]).stdout;
const planned = () => linesOf(m, "--check");
/** Whether a login of ann works. */
const enters = () => m.run([SHELL, "-c", "echo in"], { user: "ann", env: { USER: "ann" } }).stdout === "in\n";
/** Types the command of the only finding: then nothing needs attention, and apply has nothing to do. */
function mend(): void {
  const { findings } = report();
  expect(findings).toHaveLength(1);
  sh(findings[0]?.command ?? "false");
  expect([found(), planned().status, planned().summary.problems]).toEqual([[], 0, []]);
  expect(enters()).toBe(true);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, JAIL + user("ann") + user("bob"));
  m.must(["jailkit", "apply"]);
  expect([found(), enters()]).toEqual([[], true]);
});
afterEach(() => {
  for (const name of ["ann", "bob", "hand", "eve"]) m.run(["userdel", "-f", name]);
  for (const path of ["/srv", "/home/ann", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

test.each([
  ["a uid", "usermod -u 4321 ann", "user ann is changed in jail /srv/j2/"],
  ["a primary group", "usermod -g daemon ann", "user ann is changed in jail /srv/j2/"],
  [
    "the uid in the jail",
    `sed -i 's/^ann:x:[0-9]*/ann:x:4321/' ${J}/etc/passwd`,
    "user ann is changed in jail",
  ],
  [
    "the home in the jail",
    `sed -i 's|:/home/ann:|:/home/bob:|' ${J}/etc/passwd`,
    "the real homedir and jail homedir for user ann do not correspond in jail",
  ],
])("%s that was changed by hand is a finding, in the words of jk_check", (_, change, message) => {
  sh(change);
  expect(planned().changes.map(({ text }) => text)).toContain(
    "~ user ann: entry (the jail's etc/passwd contradicts the account)",
  );
  expect(found()).toEqual([["changed", "ann", "jailkit apply"]]);
  const said = report().findings[0]?.message ?? "";
  expect(said).toStartWith(message);
  expect(checked()).toContain(said);
  mend();
});

test("a declared uid that the account does not have any more is told by the file, and its line in the jail by the account", () => {
  m.write(FILE, JAIL + user("ann", `uid = ${uidIn(m, "ann")}\n`) + user("bob"));
  sh("usermod -u 4321 ann");
  expect(found()).toEqual([
    ["config", `${FILE}:6`, "jailkit config check"],
    ["changed", "ann", "jailkit apply"],
  ]);
  sh(`sed -i 's/^uid = .*/uid = 4321/' ${FILE}`);
  mend();
  expect([found(), planned().status]).toEqual([[], 0]);
});

test("a declared account with the uid of another one, for which apply does nothing, is told by the file alone", () => {
  const uid = uidIn(m, "ann");
  sh(`usermod -o -u ${uidIn(m, "bob")} ann`);
  expect(found()).toEqual([["config", `${FILE}:3`, "jailkit config check"]]);
  sh(`usermod -u ${uid} ann`);
  expect([found(), planned().status, enters()]).toEqual([[], 0, true]);
});

test("a home in another jail: nothing puts the user into that one, and what apply says heals", () => {
  const other = JAIL.replaceAll(J, "/srv/k");
  m.write(FILE, JAIL + other + user("ann") + user("bob"));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-d", "/srv/k/./home/ann", "ann"]);
  const commands = report().findings.map(({ command }) => command);
  expect(commands).toContain("jailkit apply --check");
  expect(`${commands} ${m.run(["jk_check"]).stdout}`).not.toMatch(/jk_jailuser|userdel|install -d/);
  for (let typed = 0; planned().status !== 0 && typed < 5; typed++) {
    for (const { remedy } of planned().summary.problems) sh(remedy ?? "false");
    m.run(["jailkit", "apply"]);
  }
  expect([planned().status, found(), enters(), m.exists("/srv/k/home/ann")]).toEqual([0, [], true, false]);
});

test("a login shell that lets nobody in is a finding of a declared user alone: apply would open it", () => {
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "hand"]);
  sh("usermod -s /usr/sbin/nologin ann; usermod -s /bin/false hand");
  expect(found()).toEqual([["closed", "ann", `usermod -s ${SHELL} ann`]]);
  const [words = "", opens, other] = report().findings[0]?.message.split("; ") ?? [];
  expect([opens, other]).toEqual([
    "'jailkit apply' would open its logins",
    `if nobody should log in, let the account expire: usermod -e 1 -s ${SHELL} ann`,
  ]);
  expect(checked()).toContain(words);
  mend();
  // One that expires stays closed, and is as declared.
  sh("usermod -s /usr/sbin/nologin ann");
  sh(other?.split(": ")[1] ?? "false");
  expect([found(), planned().status]).toEqual([[], 0]);
  expect(m.read("/etc/shadow")).toMatch(/^ann:.*:1:$/m);
  sh("usermod -e '' ann; usermod -s /bin/false ann");
  m.write(FILE, JAIL + user("bob"));
  expect(found()).toEqual([]);
});

test("a login shell that leads out of the jail is told in the words of jk_check", () => {
  sh("usermod -s /bin/bash ann");
  expect(found()).toEqual([["shell", "ann", `usermod -s ${SHELL} ann`]]);
  expect(checked()).toContain(report().findings[0]?.message ?? "?");
  mend();
});

test("a shell that was removed from the jail is one finding for all who have it, in the words of apply", () => {
  sh(`rm ${J}/usr/bin/bash`);
  expect(found()).toEqual([["no-shell", J, `jk_update -j ${J}`]]);
  const said = report().findings[0]?.message ?? "?";
  expect(planned().summary.problems.map(({ message }) => message)).toEqual([
    `user ann: ${said}`,
    `user bob: ${said}`,
  ]);
  // Whose logins are closed needs none.
  m.write(FILE, JAIL);
  sh("usermod -s /usr/sbin/nologin ann; usermod -s /usr/sbin/nologin bob");
  expect(found()).toEqual([]);
  sh(`usermod -s ${SHELL} ann; usermod -s ${SHELL} bob`);
  m.write(FILE, JAIL + user("ann") + user("bob"));
  mend();
});

test.each([
  ["is not a program", "chmod 0000"],
  ["is not a program", "rm PATH; touch"],
  ["can be executed by root alone", "chmod 0700"],
])(
  "a shell that users cannot execute any more, which %s (%s): the command heals, and apply says it, too",
  (why, act) => {
    const path = `${J}/usr/bin/bash`;
    sh(`${act.replace("PATH", path)} ${path}`);
    const command = `jk_check --fix ${J}`;
    expect(found()).toEqual([["no-shell", J, command]]);
    const message = `'${J}/bin/bash' ${why}, unlike the one in the record of the jail; fix it with: ${command}`;
    expect(planned().summary.problems.map(({ message, remedy }) => [message, remedy])).toEqual([
      [`user ann: ${message}`, command],
      [`user bob: ${message}`, command],
    ]);
    sh(command);
    expect([found(), planned().status]).toEqual([[], 0]);
  },
);

test.each([
  ["is missing", "rm NULL"],
  ["is not that device", "rm NULL; touch NULL"],
  ["is not that device", "rm NULL; mknod NULL c 1 5"],
])("the null device of a jail, which %s (%s), is a finding, and its command heals", (what, act) => {
  const place = `${J}/dev/null`;
  sh(act.replaceAll("NULL", place));
  expect(found()).toEqual([["no-login", J, `jk_check --fix ${J}`]]);
  expect(report().findings[0]?.message).toBe(
    `'${place}' ${what}, which programs need: no login with sftp works`,
  );
  mend();
});

test.each([
  ["is missing", "rm PATH"],
  ["is empty", "rm PATH; install -m 0755 /dev/null PATH"],
])("a file that programs need to start, which %s (%s), is a finding, and its command heals", (what, act) => {
  const files = sh("ldd /bin/sh | grep -o '/[^ ]*'").trim().split("\n");
  expect(files).toHaveLength(2);
  for (const file of files) {
    sh(act.replaceAll("PATH", `${J}${file}`));
    expect(enters()).toBe(false);
    expect(found()).toEqual([["no-login", J, `jk_update -j ${J}`]]);
    expect(report().findings[0]?.message).toBe(
      `'${J}${file}' ${what}, without which programs do not start: no login works`,
    );
    mend();
  }
  for (const file of files) sh(`rm ${J}${file}`);
  mend();
});

test("an empty shell, a directory of programs that users cannot pass, and a jail mounted nodev are findings, and their commands heal", () => {
  sh(`: > $(readlink -f ${J}/bin/bash)`);
  expect([enters(), found()]).toEqual([false, [["no-shell", J, `jk_check --fix ${J}`]]]);
  mend();
  sh(`chmod 700 ${J}/usr`);
  expect([enters(), found()]).toEqual([false, [["no-login", J, `chmod a+x ${J}/usr`]]]);
  mend();
  sh(`mount --bind /srv /srv; mount -o remount,bind,nodev /srv`);
  try {
    const { findings } = report();
    expect(findings).toMatchObject([
      { kind: "no-login", subject: J, message: expect.stringContaining("mounted nodev") },
    ]);
    mend();
    expect(sh(`echo x > ${J}/dev/null; findmnt -no VFS-OPTIONS /srv`)).not.toContain("nodev");
  } finally {
    sh("umount /srv");
  }
});

test.each(["/etc/passwd", "/etc/group"])("%s, which users cannot read any more, is a finding", (file) => {
  sh(`chmod 600 ${file}`);
  expect([enters(), found()]).toEqual([false, [["account-file", file, `chmod a+r ${file}`]]]);
  mend();
});

test.each(["passwd", "group", "shadow"])(
  "nsswitch.conf(5) by which nobody reads %s is a finding",
  (database) => {
    const file = "/etc/nsswitch.conf";
    const before = m.exists(file) ? m.read(file) : undefined;
    try {
      m.write(file, `# ours\n${database}: fiels\n`);
      expect(report().findings).toContainEqual(
        expect.objectContaining({
          ...{ kind: "account-file", subject: `${file}:2` },
          message: `'${database}' has no service 'files', so that nobody reads /etc/${database}, and no account in it can log in: write there, before the others: ${database}: files`,
        }),
      );
      m.write(file, `# ours\n${database}: files fiels\n`);
      expect(found()).toEqual([]);
      m.remove(file);
      expect(found()).toEqual([]);
    } finally {
      if (before === undefined) m.remove(file);
      else m.write(file, before);
    }
    expect(found()).toEqual([]);
  },
);

test("a primary group that was changed to that of root is a finding of all, and no command lets the account in with it", () => {
  const line = sh("grep ^ann: /etc/passwd");
  const finding = ["root-group", "ann", "usermod -g users ann"];
  sh("sed -i 's/^\\(ann:x:[0-9]*\\):[0-9]*:/\\1:0:/' /etc/passwd");
  expect(found()).toContainEqual(finding);
  // It makes the line in the jail the same.
  m.run(["jailkit", "apply"]);
  expect([found().slice(0, 1), enters()]).toEqual([[finding], false]);
  for (const words of [["jk_check"], ["jailkit", "explain", "ann"], ["jailkit", "status"]]) {
    const { stdout } = m.run(words);
    expect(stdout).toContain("usermod -g users ann");
    expect(stdout).not.toContain("chgrp");
  }
  sh("usermod -g users ann");
  m.must(["jailkit", "apply"]);
  expect([sh("grep ^ann: /etc/passwd"), found(), enters()]).toEqual([line, [], true]);
});

test("what a run that was stopped does not bring is told beside it", () => {
  const [id = "?"] = m.list("/var/lib/jailkit/jails");
  const record = `/var/lib/jailkit/jails/${id}/manifest.json`;
  m.write(record, m.read(record).replace(/("time":\d+)/, '$1,"unfinished":true'), { mode: 0o600 });
  sh("sed -i '/^ann:/d' /etc/shadow");
  expect(found()).toEqual([
    ["no-shadow", "ann", "usermod -p '*' ann"],
    ["incomplete", J, `jk_update -j ${J}`],
  ]);
});

test("a jail that never had what programs of this machine need to start lacks nothing", () => {
  m.must(["jk_init", "-j", "/srv/k", "terminfo"]);
  m.must(["useradd", "-d", "/srv/k/./home/hand", "-s", SHELL, "hand"]);
  m.must(["jk_jailuser", "--jail-side-only", "-j", "/srv/k", "hand"]);
  expect(m.exists("/srv/k/lib64")).toBe(false);
  expect(found()).toEqual([]);
});

test.each([
  ["mv HOME /srv/h; ln -s /srv/h HOME", "/srv/h", `jk_check ${J}`],
  // The homes that are there count.
  ["mv HOME /srv/j2/homes; mkdir /homes; ln -s /homes HOME", "/homes", `ln -sT homes ${J}/home`],
])("homes that are two, by a link (%s), are one finding, and its command heals", (act, host, shown) => {
  const place = `${J}/home`;
  sh(act.replaceAll("HOME", place));
  const [finding, ...more] = report().findings;
  expect([finding, more]).toMatchObject([{ kind: "two-homes", subject: J }, []]);
  const [problem] = planned().summary.problems;
  expect([`user ${finding?.message}`, finding?.command]).toEqual([
    problem?.message.replace("user ann", "user ann and 1 more"),
    problem?.remedy ?? "",
  ]);
  expect(checked()).toContain(finding?.command ?? "?");
  // On a page of 80 columns is what shows it, if it is long.
  expect(m.run(["jailkit", "status"]).stdout).toContain(shown);
  try {
    sh(finding?.command ?? "false");
    m.run(["jailkit", "apply"]);
    expect([found(), planned().status, enters()]).toEqual([[], 0, true]);
  } finally {
    m.run(["umount", place]);
    sh(`sed -i '\\|^${host} |d' /etc/fstab; rm -r ${host}`);
  }
});

describe("the rules of the limited shell", () => {
  const RULES = `${J}/etc/jailkit/jk_lsh.ini`;
  const lim = `[user lim]\njail = ${J}\nallow = sftp\n`;
  const end = ": no login with the limited shell works";
  const none = `'${RULES}' has no section for lim${end}`;
  beforeEach(() => {
    m.write(FILE, `${JAIL.replace("shell", "shell, sftp") + user("ann") + user("bob")}${lim}`);
    m.must(["jailkit", "apply"]);
    expect(found()).toEqual([]);
  });
  afterEach(() => m.run(["userdel", "lim"]));

  test.each([
    ["that somebody removed", "rm", none, "jailkit apply"],
    ["that somebody emptied", ": >", none, "jailkit apply"],
    [
      "that cannot be read",
      "echo '[[[' >>",
      `${RULES}:4:1: error: a section header without ']' [bad-header]${end}`,
      `sed -i '4s/^/#/' ${RULES}`,
    ],
  ])("%s are a finding, and its command heals", (_, act, message, command) => {
    sh(`${act} ${RULES}`);
    expect(found()).toEqual([["no-rules", J, command]]);
    expect(report().findings[0]?.message).toBe(message);
    mend();
  });

  test("that others can write are a finding, with the command that shows the way", () => {
    sh(`chmod 0666 ${RULES}`);
    expect(found()).toEqual([["no-rules", J, `jk_check ${J}`]]);
    expect(m.run(["jk_check", J]).stdout).toContain(`remedy: install -o root -g root -m 0644 ${RULES}`);
  });

  test("which have one for a group, or for all, are in order, as for a shell of jailkit 2", () => {
    for (const name of ["group users", "member audio", "DEFAULT"]) {
      sh(`usermod -aG audio lim; printf '[%s]\nallow = sftp\n' '${name}' > ${RULES}`);
      if (name === "member audio") sh(`getent group audio >> ${J}/etc/group`);
      expect([name, found()]).toEqual([name, []]);
    }
    sh(`mkdir -p ${J}/usr/sbin; cp /bin/true ${J}/usr/sbin/jk_lsh; rm ${RULES}`);
    expect(found().map(([kind]) => kind)).toEqual(["old-shell"]);
  });

  test("of a user who is not declared, who may need none, are told if they cannot be read", () => {
    m.write(FILE, JAIL);
    sh(`echo '[[[' > ${RULES}`);
    expect(found()).toEqual([["no-rules", J, `sed -i '1s/^/#/' ${RULES}`]]);
    sh(`rm ${RULES}`);
    expect(found()).toEqual([]);
  });
});

test.each([
  [
    "/bin/zsh",
    "bring it with the key 'files' of the jail, or declare another with the key 'shell' of the user",
  ],
  ["zsh", "the shell 'zsh' is not an absolute path: bring it with the key 'files' of the jail"],
  ["", "the shell '' is not an absolute path: bring it"],
])("a shell that the jail never had (%s), in place of the declared one", (shell, advice) => {
  sh(`sed -i '/^ann:/s|/bin/bash$|${shell}|' ${J}/etc/passwd`);
  expect(found()).toEqual([["no-shell", J, "jailkit apply"]]);
  expect(report().findings[0]?.message).toContain(advice);
  mend();
});

test("an account that is not declared, in the words of jk_check", () => {
  m.write(FILE, JAIL);
  sh("usermod -u 4321 ann");
  expect(found()).toEqual([["changed", "ann", `${SIDE} ann`]]);
  mend();
});

test("accounts that have exchanged their names, for which apply does nothing, are told by the file alone", () => {
  sh("usermod -l tmp ann; usermod -l ann bob; usermod -l bob tmp");
  expect(found()).toEqual([
    ["config", `${FILE}:6`, "jailkit config check"],
    ["config", `${FILE}:3`, "jailkit config check"],
  ]);
});

test("a shell that the jail never had, where nothing is declared: jk_check has the ways", () => {
  m.write(FILE, "");
  sh(`sed -i '/^ann:/s|/bin/bash$|/bin/zsh|' ${J}/etc/passwd`);
  expect(report().findings[0]?.message).toBe(
    `'${J}/bin/zsh' does not exist: copy the shell into the jail with jk_cp or jk_init, or choose another with -s`,
  );
  expect(found()).toEqual([["no-shell", J, `jk_check ${J}`]]);
});

test.each([
  ["/home/ann", ""],
  ["/home/ann, which is there", "install -d -o ann /home/ann; "],
  ["/nonexistent", ""],
  [`${J}/home/ann`, ""],
  ["/./home/ann", ""],
])("a declared account with the home %s is one finding, and its command mends all", (home, before) => {
  sh(`${before}usermod -d ${home.split(",")[0]} ann`);
  expect(found()).toEqual([["no-jail", "ann", `usermod -d ${J}/./home/ann ann`]]);
  // What is declared stays in the jail.
  expect(report().findings[0]?.message).not.toContain("--unjail");
  mend();
  expect(m.run(["jailkit", "config", "check"]).status).toBe(0);
});

test("other errors of its section are told beside that", () => {
  m.write(FILE, JAIL + user("ann", "groups = nobodys\n") + user("bob"));
  sh("usermod -d /home/ann ann");
  expect(found()).toEqual([
    ["config", `${FILE}:6`, "jailkit config check"],
    ["no-jail", "ann", `usermod -d ${J}/./home/ann ann`],
  ]);
});

test("of an account that was never in the jail, the file alone tells", () => {
  m.write(FILE, JAIL + user("ann") + user("bob") + user("eve"));
  m.addUser("eve", { home: "/home/eve" });
  expect(found()).toEqual([["config", `${FILE}:9`, "jailkit config check"]]);
});
