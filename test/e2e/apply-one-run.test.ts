/** One run of `jailkit apply` does all of it: after each of these changes, a second run finds nothing. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\n${more}`;
const [FIRST] = KEYS;

let m: Machine;

/** What a run does; the next one has nothing to do, with --prune neither. */
function settle(text: string, ...options: readonly string[]): string[] {
  m.write(FILE, text);
  const { status, changes, summary, stderr } = linesOf(m, ...options);
  expect([status, summary.problems, stderr]).toEqual([0, [], ""]);
  expect(linesOf(m, ...options)).toMatchObject({ changes: [], summary: { problems: [] } });
  return changes.map(({ text: line }) => line);
}

const passwd = (name: string, root = "") =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read(`${root}/etc/passwd`))?.[0];

function addOutside(name: string, keys: string): void {
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/sh" });
  const { uid, gid } = m.ids(name);
  m.mkdir(`/home/${name}/.ssh`, { owner: [uid, gid], mode: 0o700 });
  m.write(`/home/${name}/.ssh/authorized_keys`, keys, { owner: [uid, gid], mode: 0o600 });
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("who leaves with a home that holds a directory of one who has left before does so at once", () => {
  for (const name of ["ada", "ben"]) addOutside(name, "");
  settle(JAIL + user("ada", "shell = /bin/bash\n") + user("ben", "shell = /bin/bash\n"));
  m.must(["sh", "-c", `chmod 777 ${J}/home/ben`], { user: "ben" });
  m.must(["sh", "-c", `mkdir ${J}/home/ben/of-ada; touch ${J}/home/ben/of-ada/file`], { user: "ada" });
  expect(settle(JAIL, "--prune")).toEqual([
    `- user ada: entry in ${J} -> out of it, with its home (no longer declared)`,
    `- user ben: entry in ${J} -> out of it, with its home (no longer declared)`,
  ]);
  expect(["ada", "ben"].map((name) => passwd(name)?.split(":")[5])).toEqual(["/home/ada", "/home/ben"]);
  expect(m.exists("/home/ben/of-ada/file")).toBe(true);
});

describe("an account from outside", () => {
  test("gets its keys, with their options, its comment and its groups at once", () => {
    addOutside("anna", `no-pty ${FIRST}\n# mine\n`);
    const keys = `authorized_keys = from="192.0.2.1" ${FIRST}\n  ${KEYS[1]}\n`;
    expect(
      settle(`${JAIL}${user("anna", `shell = /bin/bash\ncomment = Anna\ngroups = team\n${keys}`)}`),
    ).toEqual([
      "~ user anna: keys 1 of 2 (with other options in its authorized_keys)",
      `~ user anna: account /home/anna -> in ${J}/./home/anna, shell /bin/bash, with its home (it is in no jail)`,
      "+ user anna: groups team (it is not a member)",
      "+ user anna: keys 1 of 2 (not in its authorized_keys)",
      "~ user anna: comment '' -> 'Anna'",
    ]);
    expect(m.read(`${J}/home/anna/.ssh/authorized_keys`)).toBe(
      `from="192.0.2.1" ${FIRST}\n# mine\n${KEYS[1]}\n`,
    );
  });

  test("whose home has a file in the way gets all but the keys, and one error", () => {
    addOutside("odd", "");
    m.must([
      "sh",
      "-c",
      "rm /home/odd/.ssh/authorized_keys && ln -s /etc/passwd /home/odd/.ssh/authorized_keys",
    ]);
    m.write(FILE, `${JAIL}${user("odd", `shell = /bin/bash\nauthorized_keys = ${FIRST}\n`)}`);
    const { status, summary } = linesOf(m);
    expect([status, summary.problems.map(({ code }) => code)]).toEqual([1, ["keys-not-written"]]);
    expect(passwd("odd")).toContain(`:${J}/./home/odd:`);
    expect(did(m)).toEqual([]);
    // With it the account would not go out of the jail.
    m.remove(`${J}/home/odd/.ssh/authorized_keys`);
  });

  test("whose line is in the jail from before gets the declared shell, uid and home there", () => {
    addOutside("back", "");
    const line = `back:x:${m.ids("back").uid}:100::/old/home:/bin/sh\n`;
    m.write(`${J}/etc/passwd`, `${m.read(`${J}/etc/passwd`)}${line}`);
    settle(`${JAIL}${user("back", "allow = sftp\n")}`);
    expect(passwd("back", J)).toEndWith(":/home/back:/usr/sbin/jk_lsh");
  });
});

test("shell, rights, groups and keys of an account change at once, there and back", () => {
  const bash = user("anna", `shell = /bin/bash\nconfine = 1\ngroups = team\nauthorized_keys = ${FIRST}\n`);
  const limited = user("anna", `allow = sftp\ngroups = jailed\nauthorized_keys = ${KEYS[1]}\n`);
  for (const text of [bash, limited, bash, limited]) settle(JAIL + text);
  for (const text of [bash, limited, bash, limited]) settle(JAIL + text, "--prune");
  expect(m.must(["id", "-Gn", "anna"]).stdout).toContain("jailed");
  expect(m.read(`${J}/home/anna/.ssh/authorized_keys`)).toBe(`# mine\n${KEYS[1]}\n`);
  expect(m.exists("/etc/jailkit/jk_chrootsh.d/anna.ini")).toBe(false);
});

describe("a section that needs the log socket", () => {
  const custom = "[needy]\nneed_logsocket = 1\nneed_proc = 1\nemptydirs = /var/needy\n";

  test("is added where it is declared to be off, and removed where it is declared to be on", () => {
    m.mkdir("/etc/jailkit/jk_init.d");
    m.write("/etc/jailkit/jk_init.d/needy.ini", custom);
    const needy = JAIL.replace("sftp", "sftp, needy");
    expect(settle(`${needy}log_socket = no\nproc = no\n`)).toEqual([
      `+ jail ${J}: sections needy (not in the jail)`,
      `- jail ${J}: log-socket (declared to be off)`,
      `- jail ${J}: proc (declared to be off)`,
    ]);
    settle(`${needy}log_socket = yes\nproc = yes\n`);
    expect(settle(`${JAIL}log_socket = yes\nproc = yes\n`, "--prune")).toContain(
      `- jail ${J}: sections needy (no longer declared)`,
    );
    expect(m.must(["stat", "-fc", "%T", `${J}/proc`]).stdout).toBe("proc\n");
    expect(m.exists("/etc/jailkit/jk_socketd.d/srv-customer.ini")).toBe(true);
  });
});

test("an account that somebody removed gets its home again, with the keys as they are declared now", () => {
  const keys = (text: string) => `${JAIL}${user("again", `shell = /bin/bash\nauthorized_keys = ${text}\n`)}`;
  settle(keys(`${FIRST}\n  ${KEYS[1]}`));
  const { uid } = m.ids("again");
  m.must(["userdel", "again"]);
  // Without the shell that its line in the jail still has.
  settle(`${JAIL}${user("again", "allow = sftp\n")}`);
  expect(passwd("again", J)).toEndWith(":/usr/sbin/jk_lsh");
  m.must(["userdel", "again"]);
  const lines = settle(keys(`no-pty ${FIRST}`), "--prune").filter((line) => line.includes(" user again"));
  expect(lines).toEqual([
    "~ user again: keys 1 of 1 (with other options in its authorized_keys)",
    expect.stringMatching(/^\+ user again: account /),
    "- user again: policy (no longer declared)",
    `- user again: keys ${FINGERPRINTS[1]} (no longer declared)`,
  ]);
  expect(m.read(`${J}/home/again/.ssh/authorized_keys`)).toBe(`no-pty ${FIRST}\n`);
  expect(m.ids("again").uid).toBe(uid);
  // Its uid belongs to somebody else now.
  m.must([
    "sh",
    "-c",
    `userdel again; rm -r ${J}/home/again; sed -i /^again:/d ${J}/etc/passwd; useradd -u ${uid} other`,
  ]);
  expect(settle(keys(`no-pty ${FIRST}`))).toHaveLength(1);
  expect(m.ids("again").uid).not.toBe(uid);
  m.must(["userdel", "other"]);
});

test("no account gets the uid that another user has, who is created later", () => {
  const next = m.addUser("last").uid + 1;
  settle(`${JAIL}${user("first", "allow = sftp\n")}${user("second", `allow = sftp\nuid = ${next}\n`)}`);
  expect([m.ids("first").uid, m.ids("second").uid]).toEqual([next + 1, next]);
  // Their files are there still.
  m.must(["userdel", "first"]);
  settle(
    `${JAIL}${user("third", "allow = sftp\n")}${user("second", "allow = sftp\n")}${user("first", "allow = sftp\n")}`,
  );
  expect([m.ids("first").uid, m.ids("third").uid]).toEqual([next + 1, next + 2]);
  m.must(["userdel", "-r", "last"]);
});

test("a comment changes in the jail, too", () => {
  for (const comment of ["One", "Other, Two"]) {
    settle(`${JAIL}${user("said", `allow = sftp\ncomment = ${comment}\n`)}`);
    expect(passwd("said", J)?.split(":")[4]).toBe(comment);
  }
});

test.each([
  ["emptied", "cd /srv/live && rm -rf bin dev etc lib* sbin usr"],
  ["removed", "rm -rf /srv/live"],
])("a live jail that was %s is one of copies, if it is declared so", (_, command) => {
  const live = "[jail /srv/live]\nsections = uidbasics";
  for (const options of [[], ["--prune"]]) {
    settle(`${JAIL}${live}, sftp\nfiles = id\nlive = /usr\n`);
    m.must(["umount", "/srv/live/usr"]);
    m.must(["sh", "-c", command]);
    settle(`${JAIL}${live}\n`, ...options);
    expect(m.run(["mountpoint", "/srv/live/usr"]).status).not.toBe(0);
    // The next boot would mount it over what was copied.
    expect(m.read("/etc/fstab")).not.toContain("/srv/live/usr");
    expect(settle(`${JAIL}${live}\n`, "--prune").filter((line) => line.includes("/srv/live"))).toEqual([]);
    m.must(["jailkit", "delete", "--yes", "/srv/live"]);
  }
});

describe("a shell that the jail lacks", () => {
  const lacks = (name: string) =>
    `user ${name}: '${J}/bin/bash' does not exist: bring it with the key 'files' of the jail`;
  const text = `[jail ${J}]\nsections = uidbasics\n${user("shelled", "shell = /bin/bash\n")}`;
  const problems = (...options: readonly string[]) =>
    linesOf(m, ...options).summary.problems.map(({ message }) => message);

  test("is an error of the user, and no run removes one that somebody has", () => {
    settle(text.replace(/\[user .*$/s, ""), "--prune");
    m.write(FILE, text);
    for (const options of [["--prune"], [], ["--check"]])
      expect(problems(...options)).toEqual([expect.stringContaining(lacks("shelled"))]);
    settle(text.replace("uidbasics", "uidbasics, basicshell"));
    m.write(FILE, text);
    // See apply-lost-shell.test.ts.
    const stays = ["nothing is taken out of it", "would go with what is not declared any more"].map((what) =>
      expect.stringContaining(what),
    );
    for (const options of [["--check", "--prune"], ["--prune"], ["--prune"]])
      expect(problems(...options)).toEqual(stays);
    settle(text.replace("uidbasics", "uidbasics, basicshell"));
    m.must(["rm", `${J}/bin/bash`]);
    const lost = `user shelled: '${J}/bin/bash' was removed from the jail: bring it back with: jk_update -j ${J}`;
    expect(problems("--check")).toEqual([lost]);
    m.write(FILE, text.replace("uidbasics", "uidbasics, basicshell, scp"));
    expect(problems("--check")).toEqual([lost]);
    m.must(["jk_cp", "-f", "-j", J, "/bin/bash"]);
    settle(text.replace("uidbasics", "uidbasics, basicshell"));
  });

  test("is none if it is in a live directory that is mounted first", () => {
    const live = `${JAIL}[jail /srv/live]\nsections = uidbasics\nlive = /usr\n`;
    settle(live);
    m.must(["umount", "/srv/live/usr"]);
    settle(`${live}[user inside]\njail = /srv/live\nshell = /bin/bash\n`);
    m.must(["umount", "/srv/live/usr"]);
    settle(`${live}[user inside]\njail = /srv/live\nshell = /bin/bash\n`);
    settle(JAIL, "--prune", "--delete-homes");
  });
});

test("a jail that is not live any more is copied once, whatever is wrong with a user of it", () => {
  const text = "[jail /srv/once]\nsections = uidbasics\n";
  const lost = "[user lost]\njail = /srv/once\nshell = /bin/bash\ngroups = nosuch\n";
  settle(`${JAIL}${text}live = /usr\n`);
  m.write(FILE, JAIL + text + lost);
  expect(did(m, "--prune")).toContain("done - jail /srv/once: live /usr (no longer declared)");
  expect(did(m)).toEqual([]);
  settle(JAIL, "--prune", "--delete-homes");
});
