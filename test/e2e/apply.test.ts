/** `jailkit apply`: the first run, the second, drift of each kind, --check, and failures that concern one jail. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const HOME = `${J}/home/anna`;

const DECLARED = `[jail ${J}]
sections = uidbasics, basicshell, sftp
files = id
log_socket = yes
proc = yes

[user anna]
jail = ${J}
shell = /bin/bash
uid = 5001
comment = Anna A
groups = jailed, team
authorized_keys = ${KEYS[0]}
  ${KEYS[1]}

[user files]
jail = ${J}
allow = sftp
read = /home/anna

[user closed]
jail = ${J}
shell = /bin/bash
confine = 1

[jail /srv/live]
live = /usr
sections = uidbasics
`;

let m: Machine;

/** The fields of an account on the host or in the jail. */
const line = (name: string, root = "") =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read(`${root}/etc/passwd`))?.[0];

/** Runs apply, and expects that a second run has nothing to do. */
function settle(...options: readonly string[]): string[] {
  const done = did(m, ...options);
  expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({ status: 0, stderr: "" });
  return done;
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, DECLARED);
});
afterAll(() => m?.close());

describe("first", () => {
  test("--check prints the plan, changes nothing, and exits with 10", () => {
    const before = ["/srv", "/etc", "/var/lib"].map((path) => m.snapshot(path));
    const { status, stdout, stderr } = m.run(["jailkit", "apply", "--check"]);
    const noKey = (name: string) =>
      `jailkit apply: warning: user ${name}: '${name}' has no password and no key, and cannot log in; declare a key with 'authorized_keys', or fix it with: passwd ${name}\n`;
    expect({ status, stderr, lines: stdout.split("\n") }).toEqual({
      status: 10,
      stderr: noKey("files") + noKey("closed"),
      lines: [
        `+ jail ${J}: sections uidbasics, basicshell, sftp (it does not exist)`,
        `+ jail ${J}: files id (it does not exist)`,
        `+ jail ${J}: log-socket (it does not exist)`,
        `+ jail ${J}: proc (it does not exist)`,
        `+ user anna: account in ${J}, home /home/anna, shell /bin/bash, groups jailed, team, 2 keys (it does not exist)`,
        "+ user files: policy allow, read (it has no section)",
        `+ user files: account in ${J}, home /home/files, shell /usr/sbin/jk_lsh (it does not exist)`,
        "+ user closed: policy confine (it has no section)",
        `+ user closed: account in ${J}, home /home/closed, shell /bin/bash (it does not exist)`,
        "+ jail /srv/live: live /usr (it does not exist)",
        "+ jail /srv/live: sections uidbasics (it does not exist)",
        "5 to change, 0 failed, 0 as declared",
        "",
      ],
    });
    expect(["/srv", "/etc", "/var/lib"].map((path) => m.snapshot(path))).toEqual(before);
  });

  test("everything is made by the first run", () => {
    const { status, stdout } = m.run(["jailkit", "apply"]);
    expect(stdout).toContain(`user anna: account in ${J}, home /home/anna, shell /bin/bash`);
    expect([status, stdout.split("\n").at(-2)]).toEqual([0, "5 changed, 0 failed, 0 as declared"]);
    expect(line("anna")).toBe(`anna:x:5001:100:Anna A:${J}/./home/anna:/usr/sbin/jk_chrootsh`);
    expect(line("anna", J)).toBe("anna:x:5001:100:Anna A:/home/anna:/bin/bash");
    expect(m.read(`${HOME}/.ssh/authorized_keys`)).toBe(`${KEYS.join("\n")}\n`);
    expect(m.must(["id", "-Gn", "anna"]).stdout).toBe("users jailed team\n");
    expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).toContain("[files]\nallow = sftp\nread = /home/anna\n");
    expect(m.read("/etc/jailkit/jk_chrootsh.d/closed.ini")).toContain("[closed]\nconfine = 1\n");
    expect(m.must(["stat", "-fc", "%T", `${J}/proc`]).stdout).toBe("proc\n");
    expect(m.exists("/srv/live/usr/bin/id")).toBe(true);
  });

  test("the second does nothing, and writes nothing", () => {
    // Without proc.
    const places = [`${J}/etc`, `${J}/home`, "/etc", "/var/lib"];
    const before = places.map((path) => m.snapshot(path));
    expect(m.run(["jailkit", "apply"])).toMatchObject({
      ...{ status: 0, stderr: "", stdout: "0 changed, 0 failed, 5 as declared\n" },
    });
    expect(places.map((path) => m.snapshot(path))).toEqual(before);
  });
});

/** What somebody changes, and what the next run does about it. */
const DRIFT: Readonly<Record<string, { scene: string; does: readonly string[] }>> = {
  "a section": {
    scene: `jk_init -j ${J} --remove sftp`,
    does: [`+ jail ${J}: sections sftp (not in the jail)`],
  },
  "a file": {
    scene: `jk_cp -j ${J} --remove /usr/bin/id`,
    does: [`+ jail ${J}: files id (not in the jail)`],
  },
  "the log socket": {
    scene: "rm /etc/jailkit/jk_socketd.d/srv-customer.ini",
    does: [`+ jail ${J}: log-socket (jk_socketd does not serve it)`],
  },
  "proc, unmounted": {
    scene: `umount ${J}/proc`,
    does: [`+ jail ${J}: proc (not mounted)`],
  },
  "proc, without its line": {
    scene: `sed -i '\\|${J}/proc|d' /etc/fstab`,
    does: [`+ jail ${J}: proc (no line of /etc/fstab mounts it at boot)`],
  },
  "proc, with a line for no boot": {
    scene: `sed -i '\\|${J}/proc|s/ ro,/ noauto,ro,/' /etc/fstab`,
    does: [`+ jail ${J}: proc (no line of /etc/fstab mounts it at boot)`],
  },
  "a live directory": {
    scene: "umount /srv/live/usr",
    does: ["+ jail /srv/live: mounts /usr (not mounted)"],
  },
  "a live directory, without its line": {
    scene: "sed -i '\\|/srv/live/usr|d' /etc/fstab",
    does: ["+ jail /srv/live: mounts /usr (not in /etc/fstab)"],
  },
  "a live directory, neither mounted nor in a line for each boot": {
    scene: "umount /srv/live/usr; sed -i '\\|/srv/live/usr|s/bind,/bind,noauto,/' /etc/fstab",
    does: [
      "+ jail /srv/live: mounts /usr (not mounted, and its line in /etc/fstab has 'noauto', so that no boot mounts it)",
    ],
  },
  "a live directory, in a line that allows more": {
    scene: "sed -i '\\|/srv/live/usr|s/nodev,/suid,/' /etc/fstab",
    does: ["+ jail /srv/live: mounts /usr (its line in /etc/fstab lacks 'nodev')"],
  },
  "a jail that was emptied": {
    scene: `umount ${J}/proc; cd ${J} && rm -rf usr lib* bin sbin etc`,
    does: [
      `+ jail ${J}: sections uidbasics, basicshell, sftp (its contents were removed)`,
      `+ jail ${J}: files id (its contents were removed)`,
      `+ jail ${J}: proc (its contents were removed)`,
      "+ user anna: entry /bin/bash (it is not in the jail's etc/passwd)",
      "+ user anna: groups jailed, team (it is not a member in the jail)",
      "+ user files: policy allow, read (it has no section)",
      "+ user files: entry /usr/sbin/jk_lsh (it is not in the jail's etc/passwd)",
      "+ user closed: entry /bin/bash (it is not in the jail's etc/passwd)",
    ],
  },
  "an account": {
    scene: `userdel closed; rm -r ${J}/home/closed; sed -i /^closed:/d ${J}/etc/passwd`,
    does: [`+ user closed: account in ${J}, home /home/closed, shell /bin/bash (it does not exist)`],
  },
  "a login shell": {
    scene: "usermod -s /bin/sh anna",
    does: ["~ user anna: account /bin/sh -> /usr/sbin/jk_chrootsh (its login shell on the host)"],
  },
  "a shell in the jail": {
    scene: `sed -i '/^anna:/s|/bin/bash|/bin/sh|' ${J}/etc/passwd`,
    does: ["~ user anna: shell /bin/sh -> /bin/bash"],
  },
  "a line in the jail": {
    scene: `sed -i /^anna:/d ${J}/etc/passwd`,
    does: ["+ user anna: entry /bin/bash (it is not in the jail's etc/passwd)"],
  },
  "a uid in the jail": {
    scene: `sed -i '/^anna:/s|5001|5002|' ${J}/etc/passwd`,
    does: ["~ user anna: entry (the jail's etc/passwd contradicts the account)"],
  },
  "a home": { scene: `rm -r ${J}/home/files`, does: ["+ user files: home /home/files (it is missing)"] },
  "a comment": { scene: "usermod -c other anna", does: ["~ user anna: comment 'other' -> 'Anna A'"] },
  "a group": {
    scene: "gpasswd -d anna team",
    does: ["+ user anna: groups team (it is not a member)"],
  },
  "a group in the jail": {
    scene: `sed -i '/^team:/s/anna//' ${J}/etc/group`,
    does: ["+ user anna: groups team (it is not a member in the jail)"],
  },
  "a key": {
    scene: `sed -i '/ two$/d' ${HOME}/.ssh/authorized_keys`,
    does: ["+ user anna: keys 1 of 2 (not in its authorized_keys)"],
  },
  "the options of a key": {
    scene: `sed -i 's/^/no-pty /' ${HOME}/.ssh/authorized_keys`,
    does: ["~ user anna: keys 2 of 2 (with other options in its authorized_keys)"],
  },
  "the options of a key, and another one": {
    scene: `sed -i '1s/^/no-pty /; 2d' ${HOME}/.ssh/authorized_keys`,
    does: [
      "~ user anna: keys 1 of 2 (with other options in its authorized_keys)",
      "+ user anna: keys 1 of 2 (not in its authorized_keys)",
    ],
  },
  "a second line of a key, with other options": {
    scene: `sed -i '1{p; s/^/no-pty /; s/ AAAA/\\tAAAA/}' ${HOME}/.ssh/authorized_keys`,
    does: ["~ user anna: keys 1 of 2 (with other options in its authorized_keys)"],
  },
  "a policy": {
    scene: `sed -i 's/^allow = sftp/allow = scp/' ${J}/etc/jailkit/jk_lsh.ini`,
    does: ["~ user files: policy differs in allow"],
  },
  "a confinement": {
    scene: "sed -i 's/^confine = 1/confine = 0/' /etc/jailkit/jk_chrootsh.d/closed.ini",
    does: ["~ user closed: policy differs in confine"],
  },
};

describe("drift", () => {
  test("an account that was removed alone is the same one again, with its home", () => {
    const line = () => m.run(["getent", "passwd", "closed"]).stdout;
    const before = line();
    m.must(["touch", `${J}/home/closed/letter`]);
    m.must(["userdel", "closed"]);
    expect(settle()).toEqual([
      `done + user closed: account in ${J}, home /home/closed, shell /bin/bash (it does not exist)`,
    ]);
    expect([line(), m.exists(`${J}/home/closed/letter`)]).toEqual([before, true]);
  });

  test.each(Object.entries(DRIFT))("%s is mended", (_, { scene, does }) => {
    m.must(["sh", "-c", scene]);
    expect(m.run(["jailkit", "apply", "--check"]).status).toBe(10);
    expect(settle()).toEqual(does.map((text) => `done ${text}`));
  });

  test("a policy that was changed is the only one that is written", () => {
    const file = `${J}/etc/jailkit/jk_lsh.ini`;
    m.write(file, `# of ours\n[DEFAULT]\nenv = A\n\n${m.read(file)}\n# kept\n[group staff]\nallow = scp\n`);
    m.must(["sed", "-i", "s/^read = .*/read = \\/tmp/", file]);
    expect(settle()).toEqual(["done ~ user files: policy differs in read"]);
    const text = m.read(file);
    expect(text).toContain("# of ours\n[DEFAULT]\nenv = A\n");
    expect(text).toContain("# kept\n[group staff]\nallow = scp\n");
    expect(text.match(/^\[files\]$/gm)).toHaveLength(1);
  });

  test("a key of a policy that is not known is taken out", () => {
    m.must(["sed", "-i", "s/^read = .*/&\\nnosuch = 1/", `${J}/etc/jailkit/jk_lsh.ini`]);
    expect(settle()).toEqual(["done ~ user files: policy differs in nosuch"]);
  });

  test("a section in a file of the administrator is not changed", () => {
    const places: readonly (readonly [ours: string, theirs: string, name: string])[] = [
      [`${J}/etc/jailkit/jk_lsh.ini`, `${J}/etc/jailkit/jk_lsh.d/own.ini`, "files"],
      ["/etc/jailkit/jk_chrootsh.d/closed.ini", "/etc/jailkit/jk_chrootsh.d/a.ini", "closed"],
    ];
    for (const [ours, theirs, name] of places) {
      const before = m.read(ours);
      m.write(ours, before.replace(`[${name}]`, "[nobody]"));
      m.write(theirs, `[${name}]\numask = 077\n`);
      const { status, stderr } = m.run(["jailkit", "apply"]);
      // Told once, though what takes something away is tried all the same.
      const lines = stderr.split("\n").filter((line) => line.includes(`'${theirs}', line 1: `));
      expect([status, lines.length]).toEqual([1, 1]);
      const { problems } = linesOf(m).summary;
      expect(problems).toMatchObject([{ code: "policy-exists", path: name }]);
      expect(m.read(theirs)).toBe(`[${name}]\numask = 077\n`);
      m.remove(theirs);
      m.write(ours, before);
    }
    expect(did(m)).toEqual([]);
  });

  test("what is there and not declared stays, and is shown", () => {
    m.must(["jk_init", "-j", J, "scp"]);
    m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
    const { status, summary } = linesOf(m);
    expect([status, summary.undeclared]).toEqual([0, [`jail ${J}: sections scp`, `jail ${J}: users guest`]]);
    expect(m.must(["jailkit", "apply", "-v"]).stdout).toContain(`not declared: jail ${J}: users guest\n`);
    m.must(["jk_init", "-j", J, "--remove", "scp"]);
    m.must(["jk_jailuser", "--unjail", "-m", "-s", "/usr/sbin/nologin", "guest"]);
    m.must(["userdel", "-r", "guest"]);
  });
});

describe("an account", () => {
  const more = (text: string) => m.write("/etc/jailkit/jails.d/two.ini", text);

  test("that exists outside moves into the jail, with its home and its files", () => {
    m.addUser("mover", { home: "/home/mover", createHome: true });
    m.write("/home/mover/letter", "dear reader\n", { owner: [m.ids("mover").uid, m.ids("mover").gid] });
    more(`[user mover]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`);
    expect(settle()).toEqual([
      `done ~ user mover: account /home/mover -> in ${J}/./home/mover, shell /bin/bash, with its home (it is in no jail)`,
      "done + user mover: keys 1 of 1 (not in its authorized_keys)",
    ]);
    expect(m.read(`${J}/home/mover/letter`)).toBe("dear reader\n");
    expect(m.exists("/home/mover")).toBe(false);
  });

  test("of another jail, with another uid or another home is a failure with a remedy, and stays as it is", () => {
    more("[user mover]\njail = /srv/live\nshell = /bin/bash\n");
    const { status, stderr } = m.run(["jailkit", "apply"]);
    expect([status, stderr]).toEqual([
      1,
      `jailkit apply: user mover: is in another jail, '${J}': take it out first, without a login outside, with: jk_jailuser --unjail -m -s /usr/sbin/nologin mover\n  declared in /etc/jailkit/jails.d/two.ini:2:8\n`,
    ]);
    m.must("jk_jailuser --unjail -m -s /usr/sbin/nologin mover".split(" "));
    expect(line("mover")).toEndWith(":/home/mover:/usr/sbin/nologin");
    expect(settle()).toEqual([
      "done ~ user mover: account /home/mover -> in /srv/live/./home/mover, shell /bin/bash, with its home (it is in no jail)",
    ]);
    m.must("jk_jailuser --unjail -m -s /bin/bash mover".split(" "));
    more(`[user mover]\njail = ${J}\nshell = /bin/bash\n`);
    settle();
    const before = m.read("/etc/passwd");
    more(`[user mover]\njail = ${J}\nshell = /bin/bash\nuid = 7777\n`);
    expect(m.run(["jailkit", "apply"])).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining("and 7777 is declared") },
    });
    more(`[user mover]\njail = ${J}\nshell = /bin/bash\nhome = /home/other\n`);
    const { stderr: told } = m.run(["jailkit", "apply"]);
    const [, declare = ""] = /: declare '(.*)'\n/.exec(told) ?? [];
    expect(m.read("/etc/passwd")).toBe(before);
    more(`[user mover]\njail = ${J}\nshell = /bin/bash\n${declare}\n`);
    expect(settle()).toEqual([]);
    expect(m.read(`${J}/home/mover/letter`)).toBe("dear reader\n");
  });

  test("with a group that does not exist, or a shell that the jail lacks, fails alone", () => {
    more(`[user mover]
jail = ${J}
shell = /bin/bash
groups = nosuch
[user fine]
jail = ${J}
shell = /bin/bash
authorized_keys = ${KEYS[0]}
[user lost]
jail = ${J}
shell = /bin/zsh
`);
    const { changes: plan, summary: planned } = linesOf(m, "--check");
    expect([plan.map(({ name }) => name), planned.failed]).toEqual([["fine"], 2]);
    const { status, changes, summary } = linesOf(m);
    expect(status).toBe(1);
    expect(changes.map(({ name, status }) => [name, status])).toEqual([["fine", "done"]]);
    expect(summary).toMatchObject({ changed: 1, failed: 2, exitStatus: 1 });
    expect(summary.problems.map(({ code, path, line, column }) => [code, path, line, column])).toEqual([
      ["no-such-group", "mover", 4, 10],
      ["bad-shell", "lost", 11, 9],
    ]);
    expect(summary.problems.map(({ file }) => file)).toEqual(Array(2).fill("/etc/jailkit/jails.d/two.ini"));
    m.remove("/etc/jailkit/jails.d/two.ini");
  });
});

test("an account that useradd(8) would refuse gets no rights either", () => {
  const two = "/etc/jailkit/jails.d/two.ini";
  const rights = `jail = ${J}\nallow = sftp\n`;
  m.write(two, `[user an@na]\n${rights}[user 123]\n${rights}[user twin]\n${rights}uid = 33\n`);
  const before = m.read(`${J}/etc/jailkit/jk_lsh.ini`);
  const { status, changes, summary } = linesOf(m);
  expect([status, changes, summary.problems.map(({ code, path }) => `${path} ${code}`)]).toEqual([
    ...[1, [], ["an@na bad-name", "123 bad-name", "twin uid-taken"]],
  ]);
  expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).toBe(before);
  m.remove(two);
});

test("an account of the system, whose home is not its own, gets no rights either", () => {
  const two = "/etc/jailkit/jails.d/two.ini";
  m.write(two, `[user backup]\njail = ${J}\nallow = sftp\n`);
  m.mkdir("/var/backups");
  const before = m.read(`${J}/etc/jailkit/jk_lsh.ini`);
  const { status, changes, summary } = linesOf(m);
  expect([status, changes, summary.problems.map(({ code }) => code)]).toEqual([1, [], ["not-their-home"]]);
  expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).toBe(before);
  m.remove(two);
});

describe("a jail", () => {
  const other = "/srv/other";
  const more = (text: string) => m.write("/etc/jailkit/jails.d/three.ini", text);

  test("that cannot be made leaves the others alone, and the next run goes on", () => {
    more(`[jail /srv/broken]
sections = uidbasics, nosuch
[user broken]
jail = /srv/broken
shell = /bin/bash
[jail /srv/nofile]
files = /nonexistent
[jail /srv/nosection]
sections = nosuch
[jail ${other}]
sections = uidbasics, basicshell
`);
    const { changes: plan, summary: planned } = linesOf(m, "--check");
    expect(plan.map(({ name, status: end }) => `${name} ${end}`)).toEqual([
      ...["broken not-done", `${other} planned`],
    ]);
    expect(planned.failed).toBe(4);
    const { status, changes, summary } = linesOf(m);
    expect(changes.map(({ name, status: end }) => `${name} ${end}`)).toEqual([
      ...["broken not-done", `${other} done`],
    ]);
    expect([status, summary.failed, summary.problems.map(({ message }) => message)]).toEqual([
      ...[1, 4],
      [
        "jail /srv/broken: section 'nosuch' does not exist in /etc/jailkit/jk_init.ini",
        "user broken: waits for the jail '/srv/broken'",
        "jail /srv/nofile: /nonexistent does not exist; bring it back, as by a mount, or take it out of 'files': then --prune takes it out of the jail, too",
        "jail /srv/nosection: section 'nosuch' does not exist in /etc/jailkit/jk_init.ini",
      ],
    ]);
    more(`[jail /srv/broken]
sections = uidbasics, basicshell
[user broken]
jail = /srv/broken
shell = /bin/bash
[jail ${other}]
sections = uidbasics, basicshell
`);
    expect(settle().map((text) => text.split(":")[0])).toEqual([
      "done + jail /srv/broken",
      "done + user broken",
    ]);
  });

  test("that cannot be where it is declared is none of the plan", () => {
    const home = "/home/owner";
    m.addUser("owner", { createHome: true, home });
    more(`[jail /etc]
sections = uidbasics
[jail ${home}/jail]
files = /usr/bin/ls
[jail ${other}]
files = nosuchprogram
`);
    const before = m.must(["ls", "-A", "/etc", home, other]).stdout;
    for (const words of [["--check"], []]) {
      const { status, changes, summary } = linesOf(m, ...words);
      expect([status, changes, summary.problems.map(({ code, path }) => [code, path])]).toEqual([
        ...[1, []],
        [
          ["host-directory", "/etc"],
          ["unsafe-jail", `${home}/jail`],
          ["no-such-path", other],
        ],
      ]);
    }
    expect(m.must(["ls", "-A", "/etc", home, other]).stdout).toBe(before);
    m.must(["userdel", "-r", "owner"]);
    more(`[jail ${other}]\nsections = uidbasics, basicshell\n`);
    expect(did(m)).toEqual([]);
  });

  test("that is neither there nor declared fails with its users, which the plan does not promise", () => {
    more("[user lost]\njail = /srv/nowhere\nshell = /bin/sh\n");
    const { status, changes, stderr, summary } = linesOf(m, "--check");
    expect([status, stderr, summary.changed, summary.failed]).toEqual([1, "", 0, 2]);
    expect(changes.map(({ name, status: end }) => `${end} ${name}`)).toEqual(["not-done lost"]);
    expect(summary.problems.map(({ message, file, line: at }) => [message, file, at])).toEqual([
      [
        "jail /srv/nowhere: it does not exist, and no section [jail /srv/nowhere] declares it; users are declared in it (lost): declare it with [jail /srv/nowhere], or name another one",
        ...["/etc/jailkit/jails.d/three.ini", 2],
      ],
      ["user lost: waits for the jail '/srv/nowhere'", "/etc/jailkit/jails.d/three.ini", 2],
    ]);
    // The machine has more that is as declared.
    const { unchanged } = summary;
    more(`[jail ${other}]\nsections = uidbasics, basicshell\n`);
    expect(linesOf(m, "--check").summary.unchanged).toBe(unchanged + 1);
    more("[user lost]\njail = /srv/nowhere\nshell = /bin/sh\n");
    expect(m.run(["jailkit", "apply"])).toMatchObject({
      ...{ status: 1, stdout: expect.stringMatching(/^0 changed, 2 failed, /m) },
      stderr: expect.stringContaining("\n  declared in /etc/jailkit/jails.d/three.ini:2:8\n"),
    });
    more(`[jail ${other}]\nsections = uidbasics, basicshell\n`);
    expect(did(m)).toEqual([]);
  });

  test("that cannot be as declared keeps its users from it, and --check says the same as the run", () => {
    more(`[jail ${other}]\nsections = uidbasics, basicshell\n[user first]\njail = ${other}\nshell = /bin/bash
[user lost]\njail = /srv/lost\nallow = sftp\n[jail /srv/lost]\nsections = uidbasics, nosuch\n`);
    const waits = "user lost: waits for the jail '/srv/lost': policy, account";
    const [planned, done] = [linesOf(m, "--check"), linesOf(m)];
    const words = ({ changes }: typeof done) =>
      changes.map(({ text, status }) => `${status === "planned" ? "done" : status} ${text}`);
    expect(words(planned)).toEqual(words(done));
    expect(words(done).map((text) => text.replace(/: .*/, ""))).toEqual([
      ...["done + user first", "not-done + user lost", "not-done + user lost"],
    ]);
    expect(planned.summary).toEqual({ ...done.summary, check: true, exitStatus: 10 });
    const { stdout, stderr } = m.run(["jailkit", "apply", "--check"]);
    expect(stdout).toMatch(/^0 to change, 2 failed, /m);
    for (const said of [stderr, m.run(["jailkit", "apply"]).stderr])
      expect(said.match(/user lost: .*/g)).toEqual([waits]);
    more(`[jail ${other}]\nsections = uidbasics, basicshell\n`);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  test("that users could change is refused", () => {
    m.must(["chmod", "o+w", `${other}/etc`]);
    const { status, stdout, stderr } = m.run(["jailkit", "apply"]);
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^0 changed, 1 failed/m)]);
    expect(stderr).toContain(`${other}/etc`);
    m.must(["chmod", "o-w", `${other}/etc`]);
  });

  test("whose file system is not mounted is not filled below the mount point", () => {
    m.mkdir("/mnt/disk");
    m.write("/etc/fstab", `${m.read("/etc/fstab")}/dev/none /mnt/disk ext4 noauto 0 0\n`);
    more("[jail /mnt/disk/jail]\nsections = uidbasics\n");
    expect(m.run(["jailkit", "apply"])).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining("fix it with: mount /mnt/disk\n") },
    });
    expect(m.exists("/mnt/disk/jail")).toBe(false);
    m.write("/etc/fstab", m.read("/etc/fstab").replace(/^\/dev\/none.*\n/m, ""));
    m.remove("/etc/jailkit/jails.d/three.ini");
  });
});

test("a broken file fails with its place, and nothing is changed", () => {
  m.write(
    "/etc/jailkit/jails.d/broken.ini",
    "[jail /srv/new]\nsections = uidbasics\n[user x]\nshel = /bin/sh\n",
  );
  const { status, stderr } = m.run(["jailkit", "apply"]);
  expect([status, stderr.split("\n")[0]]).toEqual([1, expect.stringContaining("broken.ini:")]);
  expect(m.exists("/srv/new")).toBe(false);
  const { summary } = linesOf(m);
  expect(summary).toMatchObject({
    exitStatus: 1,
    problems: ["no-jail", "unknown-key"].map((finding, index) => ({
      ...{ code: "config-invalid", finding, path: "/etc/jailkit/jails.d/broken.ini", line: index + 3 },
    })),
  });
  m.remove("/etc/jailkit/jails.d/broken.ini");
});

describe("files with errors", () => {
  const FOLDER = "/etc/jailkit/jails.d";
  afterEach(() => {
    for (const name of ["e1", "e2", "e3"]) m.remove(`${FOLDER}/${name}.ini`);
  });

  test("all are printed with their places and remedies, also beside a file that cannot be read", () => {
    m.write(
      `${FOLDER}/e1.ini`,
      "[jail /srv/new]\nsections = uidbasics\nsectons = x\n[user x]\nshell = /bin/sh\n",
    );
    m.symlink("/nowhere", `${FOLDER}/e2.ini`);
    m.write(`${FOLDER}/e3.ini`, "[jail srv\x1b]\n");
    const before = m.must(["ls", "-la", "/srv", "/var/lib/jailkit"]).stdout;
    const { status, stdout, stderr } = m.run(["jailkit", "apply"]);
    expect([status, stdout, stderr]).toEqual([
      1,
      "",
      `jailkit apply: ${FOLDER}/e1.ini:3:1: error: there is no key 'sectons'; did you mean 'sections'? [unknown-key]
    3 | sectons = x
      | ^
  remedy: sed -i '3s/^/#/' ${FOLDER}/e1.ini
jailkit apply: ${FOLDER}/e1.ini:4:1: error: the user 'x' has no jail: name one with the key 'jail' [no-jail]
    4 | [user x]
      | ^
jailkit apply: cannot read ${FOLDER}/e2.ini: a symbolic link, which is not followed here, or leads nowhere
  remedy: mv -nT ${FOLDER}/e2.ini ${FOLDER}/e2.ini.aside
jailkit apply: ${FOLDER}/e3.ini:1:10: error: a control character [control-character]
    1 | [jail srv\\x1b]
      |          ^
  remedy: sed -i '1s/[\\x01-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]//g' ${FOLDER}/e3.ini
`,
    ]);
    const { summary } = linesOf(m);
    const found = summary.problems.map((one) => [one.code, one.finding, one.file, one.line, one.column]);
    expect(found).toEqual([
      ["config-invalid", "unknown-key", `${FOLDER}/e1.ini`, 3, 1],
      ["config-invalid", "no-jail", `${FOLDER}/e1.ini`, 4, 1],
      ["config-unreadable", "not-a-file", `${FOLDER}/e2.ini`, null, null],
      ["config-invalid", "control-character", `${FOLDER}/e3.ini`, 1, 10],
    ]);
    // With the code and the remedy that jailkit config check gives the same.
    const { findings } = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
    for (const { finding, file, line, column, remedy } of summary.problems)
      expect(findings.map((one) => [one.code, one.file, one.line, one.column, one.remedy])).toContainEqual([
        ...[finding, file, line ?? 1, column ?? 1, remedy],
      ]);
    expect(m.must(["ls", "-la", "/srv", "/var/lib/jailkit"]).stdout).toBe(before);
    // jailkit config check shows the same.
    const checked = m.run(["jailkit", "config", "check"]);
    expect(checked.stdout).toContain(`${FOLDER}/e1.ini:3:1: error: `);
    expect(checked.stdout).toContain(`${FOLDER}/e3.ini:1:10: error: `);
    expect(checked.stdout).toContain(`${FOLDER}/e2.ini:1:1: error: cannot read ${FOLDER}/e2.ini: `);
    expect([checked.status, checked.stderr]).toEqual([1, ""]);
  });

  test("what a file that cannot be read may declare is not reported as missing", () => {
    m.symlink("/nowhere", `${FOLDER}/e1.ini`);
    m.write(`${FOLDER}/e2.ini`, "[user x]\njail = /srv/new\nshell = /bin/sh\nproc = 1\n");
    for (const words of [[], [`${FOLDER}/e2.ini`]]) {
      const { stdout } = m.run(["jailkit", "config", "check", ...words]);
      expect(stdout).toContain(":4:1: error: ");
      expect(stdout).not.toContain("neither declared nor known");
    }
  });

  test("only a hundred are printed, and all are in the summary", () => {
    m.write(`${FOLDER}/e1.ini`, Array.from({ length: 102 }, (_, i) => `[jail srv/${i}]\n`).join(""));
    const { stderr } = m.run(["jailkit", "apply"]);
    expect(stderr.split("\n").filter((line) => line.includes(": error: "))).toHaveLength(100);
    expect(stderr).toEndWith("jailkit apply: and 2 more errors\n");
    expect(linesOf(m).summary.problems).toHaveLength(102);
  });
});

test("names and paths of unusual shape are kept as they are", () => {
  const strange = "/srv/a b.c;d'e";
  m.write(
    "/etc/jailkit/jails.d/four.ini",
    `[jail ${strange}]\nsections = uidbasics, basicshell\n[user a.b_c-d]\njail = ${strange}\nshell = /bin/bash\nconfine = 1\n`,
  );
  expect(settle().map((text) => text.slice(0, 6))).toEqual(["done +", "done +", "done +"]);
  expect(line("a.b_c-d")).toContain(`:${strange}/./home/a.b_c-d:`);
});
