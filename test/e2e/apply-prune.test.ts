/** `jailkit apply --prune`, runs that are killed, and two at once. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { did, FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;

let m: Machine;

/** Declares something, and makes it so. */
function declare(text: string): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply"]);
}

const has = (name: string, file = "/etc/passwd") => new RegExp(`^${name}:`, "m").test(m.read(file));

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => declare(JAIL));
afterAll(() => m?.close());

describe("without the word", () => {
  test("nothing is removed, and it is told", () => {
    declare(`${JAIL}${user("bob", `groups = team\nauthorized_keys = ${KEYS[0]}\n`)}`);
    m.write(FILE, JAIL);
    const { status, changes, summary } = linesOf(m);
    expect([status, changes, summary.undeclared]).toEqual([
      ...[0, []],
      [`jail ${J}: users bob`, "user bob (no longer declared)"],
    ]);
    expect([has("bob"), summary.noLongerDeclared]).toEqual([true, ["user bob"]]);
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
  });

  test("--delete-homes is refused", () => {
    expect(m.run(["jailkit", "apply", "--delete-homes"])).toMatchObject({
      ...{ status: 2, stdout: "", stderr: expect.stringContaining("is for --prune") },
    });
  });
});

describe("--prune", () => {
  test("removes an account that apply created, and keeps its home unless --delete-homes is given", () => {
    declare(`${JAIL}${user("bob", "confine = 1\n")}${user("carl")}`);
    m.write(FILE, `${JAIL}${user("carl")}`);
    const { changes } = linesOf(m, "--prune");
    expect(changes.map(({ text }) => text)).toEqual([
      expect.stringMatching(
        /^- user bob: account but not its home \/srv\/customer\/home\/bob, which stays with the uid \d+ \(no longer declared\)$/,
      ),
    ]);
    expect(changes[0]?.warnings).toEqual([
      expect.stringMatching(
        /^the home '\/srv\/customer\/home\/bob' of uid \d+ stays: this run is without --delete-homes/,
      ),
    ]);
    expect([has("bob"), has("bob", `${J}/etc/passwd`)]).toEqual([false, false]);
    expect(m.exists("/etc/jailkit/jk_chrootsh.d/bob.ini")).toBe(false);
    expect(m.exists(`${J}/home/bob`)).toBe(true);
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([has("carl"), m.exists(`${J}/home/carl`)]).toEqual([false, false]);
    // What somebody else left stays.
    expect(m.exists(`${J}/home/bob`)).toBe(true);
    m.remove(`${J}/home/bob`);
    expect(did(m, "--prune")).toEqual([]);
  });

  test("takes out an account that was there before, with its home", () => {
    m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
    declare(`${JAIL}${user("dora")}`);
    expect(m.exists(`${J}/home/dora`)).toBe(true);
    m.write(FILE, JAIL);
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user dora: entry in ${J} -> out of it, with its home (no longer declared)`,
    ]);
    expect(m.read("/etc/passwd")).toMatch(/^dora:.*:\/home\/dora:\/bin\/sh$/m);
    expect([m.exists("/home/dora"), m.exists(`${J}/home/dora`)]).toEqual([true, false]);
    m.must(["userdel", "-r", "dora"]);
  });

  test("another account that got the name stays as it is", () => {
    declare(`${JAIL}${user("bob")}`);
    m.must(["userdel", "bob"]);
    m.must(["sh", "-c", `rm -r ${J}/home/bob; sed -i /^bob:/d ${J}/etc/passwd`]);
    m.must(["jk_addjailuser", "-j", J, "-u", "7001", "-p", "*", "-s", "/bin/bash", "bob"]);
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect(m.read("/etc/passwd")).toMatch(/^bob:x:7001:100::\/srv\/customer\/\.\/home\/bob:.*jk_chrootsh$/m);
    expect([has("bob", `${J}/etc/passwd`), m.exists(`${J}/home/bob`)]).toEqual([true, true]);
    m.must(["sh", "-c", `userdel bob; rm -r ${J}/home/bob; sed -i /^bob:/d ${J}/etc/passwd`]);
  });

  test("no account gets a shell of the machine that it is not known to have had", () => {
    m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
    declare(`${JAIL}${user("guest")}${user("bob")}`);
    expect(m.run(["su", "-", "guest", "-c", "pwd"])).toMatchObject({ status: 0, stdout: "/home/guest\n" });
    // As after a run that was killed when the account was there.
    m.must(["sed", "-i", 's/"created":[0-9][0-9]*/"created":null/g', "/var/lib/jailkit/declared.json"]);
    m.write(FILE, JAIL);
    const { status, changes } = linesOf(m, "--prune", "--delete-homes");
    expect([status, changes.map(({ text }) => text)]).toEqual([
      ...[
        0,
        [
          `- user guest: entry in ${J} (no longer declared)`,
          `- user bob: entry in ${J} (no longer declared)`,
        ],
      ],
    ]);
    for (const name of ["guest", "bob"]) {
      expect(m.read("/etc/passwd")).toMatch(
        new RegExp(`^${name}:.*:${J}/\\./home/${name}:.*/jk_chrootsh$`, "m"),
      );
      expect([has(name, `${J}/etc/passwd`), m.exists(`/home/${name}`)]).toEqual([false, false]);
      expect(m.run(["su", "-", name, "-c", "pwd"])).toMatchObject({ stdout: "" });
    }
    expect(changes[0]?.warnings[0]).toContain("no session of it begins in the jail");
    expect(did(m, "--prune")).toEqual([]);
    // The command of the warning.
    const command =
      /, and (jk_jailuser .*) gives it a shell/.exec(changes[0]?.warnings[0] ?? "")?.[1] ?? "false";
    m.must(["sh", "-c", command]);
    expect(m.read("/etc/passwd")).toMatch(/^guest:.*:\/home\/guest:\/bin\/sh$/m);
    m.must(["sh", "-c", `userdel -r guest; userdel bob; rm -r ${J}/home/bob`]);
  });

  test("removes keys, groups, a policy and sections that were declared once, and no others", () => {
    const more = (keys: string, rest: string) => user("bob", `authorized_keys = ${keys}\n${rest}`);
    const keys = `${KEYS[0]}\n  ${KEYS[1]}`;
    declare(`${JAIL.trim()}, sftp\nfiles = id\n${more(keys, "groups = team, jailed\nconfine = 1\n")}`);
    const file = `${J}/home/bob/.ssh/authorized_keys`;
    m.must(["sed", "-i", "1i # mine", file]);
    m.must(["groupadd", "-f", "third"]);
    m.must(["gpasswd", "-a", "bob", "third"]);
    m.must(["jk_init", "-j", J, "scp"]);
    m.write(FILE, `${JAIL}${more(KEYS[0], "groups = jailed\n")}`);
    const { changes, summary } = linesOf(m);
    expect([changes, summary.undeclared]).toEqual([
      [],
      [
        `jail ${J}: sections sftp, scp`,
        `jail ${J}: files /usr/bin/id`,
        "user bob: groups team (no longer declared)",
        "user bob: policy (no longer declared)",
        `user bob: keys ${FINGERPRINTS[1]} (no longer declared)`,
      ],
    ]);
    expect(summary.noLongerDeclared).toEqual([
      ...[`jail ${J}: files /usr/bin/id`, `jail ${J}: sections sftp`],
      ...["user bob: groups team", "user bob: policy", `user bob: keys ${FINGERPRINTS[1]}`],
    ]);
    const told = [
      "user bob: groups team",
      "user bob: policy",
      `user bob: keys ${FINGERPRINTS[1]}`,
      `jail ${J}: files /usr/bin/id and 1 more`,
    ].map((what) => `no longer declared, and still there: ${what}; --prune removes this\n`);
    expect(m.run(["jailkit", "apply"]).stdout).toBe(`${told.join("")}0 changed, 0 failed, 2 as declared\n`);
    expect(m.must(["ssh-keygen", "-lf", file]).stdout).toContain(` ${FINGERPRINTS[1]} two `);
    expect(linesOf(m, "--check", "--prune").summary.noLongerDeclared).toEqual([]);
    expect(did(m, "--prune")).toEqual([
      `done - jail ${J}: files /usr/bin/id (no longer declared)`,
      `done - jail ${J}: sections sftp (no longer declared)`,
      "done - user bob: groups team (no longer declared)",
      "done - user bob: policy (no longer declared)",
      `done - user bob: keys ${FINGERPRINTS[1]} (no longer declared)`,
    ]);
    expect(m.read(file)).toBe(`# mine\n${KEYS[0]}\n`);
    expect(m.must(["id", "-Gn", "bob"]).stdout.trim().split(" ").sort()).toEqual([
      "jailed",
      "third",
      "users",
    ]);
    expect(m.read(`${J}/etc/group`)).toMatch(/^team:x:\d+:$/m);
    expect(m.exists("/etc/jailkit/jk_chrootsh.d/bob.ini")).toBe(false);
    expect(JSON.parse(m.must(["jailkit", "list", "--json", J]).stdout).jails[0]).toMatchObject({
      sections: ["uidbasics", "basicshell", "scp"],
      files: [],
    });
    expect(did(m, "--prune")).toEqual([]);
    m.must(["jk_init", "-j", J, "--remove", "scp"]);
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  test("of a file that was deleted says how it removes what that declared", () => {
    declare(JAIL);
    const file = "/etc/jailkit/jails.d/bob.ini";
    m.write(file, user("bob"));
    m.must(["jailkit", "apply", file]);
    m.remove(file);
    const { status, summary } = linesOf(m, "--prune", file);
    expect([status, summary.problems.map(({ remedy }) => remedy)]).toEqual([1, [null]]);
    const { stderr } = m.run(["jailkit", "apply", "--prune", file]);
    expect(stderr).toBe(
      `jailkit apply: ${file}: no such file; to remove what it declared once, create an empty one: touch ${file}\n`,
    );
    // It is for those that were there.
    expect(m.run(["jailkit", "apply", "--prune", `${file}.ini`]).stderr).toEndWith(": no such file\n");
    m.must(["touch", file]);
    expect(did(m, "--prune", "--delete-homes", file)).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
    m.remove(file);
  });

  test("removes the rights of a former shell, also after runs without it, and those of a former user", () => {
    const file = "/etc/jailkit/jk_chrootsh.d/bob.ini";
    const limited = `[user bob]\njail = ${J}\nallow = sftp\n`;
    declare(`${JAIL}${user("bob", "confine = 1\n")}`);
    declare(`${JAIL}${limited}`);
    expect(linesOf(m).summary.undeclared).toEqual(["user bob: policy (no longer declared)"]);
    expect(did(m, "--prune")).toEqual(["done - user bob: policy (no longer declared)"]);
    expect(m.exists(file)).toBe(false);
    expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).toContain("[bob]\nallow = sftp\n");
    declare(`${JAIL}${user("bob", "confine = 1\n")}`);
    declare(`${JAIL}${limited}`);
    declare(`${JAIL}${limited}umask = 027\n`);
    m.write(FILE, JAIL);
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
    expect(m.exists(file)).toBe(false);
    expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).not.toContain("[bob]");
  });

  test("deletes a jail without users, and keeps one in which somebody lives or has files", () => {
    const other = (name: string) => `[jail /srv/${name}]\nsections = uidbasics, basicshell\n`;
    declare(`${JAIL}${other("empty")}${other("lived")}`);
    m.must(["jk_addjailuser", "-j", "/srv/lived", "-p", "*", "-s", "/bin/bash", "guest"]);
    m.write(FILE, JAIL);
    const { status, changes, summary } = linesOf(m, "--prune", "--delete-homes");
    expect(changes.map(({ text, status: end }) => `${end} ${text}`)).toEqual([
      "done - jail /srv/empty (no longer declared)",
    ]);
    expect([status, m.exists("/srv/empty"), m.exists("/srv/lived"), has("guest")]).toEqual([
      ...[1, false, true, true],
    ]);
    expect(summary.problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^jail \/srv\/lived: .* stays: .*users live in it \(guest\)/),
    ]);
    m.must(["jailkit", "delete", "--yes", "--unjail", "/srv/lived"]);
    m.must(["userdel", "-r", "guest"]);
    expect(did(m, "--prune")).toEqual([]);
  });

  test("has nothing to do without a file, if nothing was declared", async () => {
    const fresh = await openApplyMachine();
    const run = () => fresh.run(["jailkit", "apply", "--prune"]);
    expect(run()).toMatchObject({ status: 0, stdout: "0 changed, 0 failed, 0 as declared\n", stderr: "" });
    // The last one has left.
    fresh.write(FILE, JAIL);
    fresh.must(["jailkit", "apply"]);
    fresh.write(FILE, "");
    fresh.must(["jailkit", "apply", "--prune"]);
    fresh.remove(FILE);
    expect(run().status).toBe(0);
    await fresh.close();
  });

  test("removes nothing if there is no file at all, nor what another file declared", () => {
    m.remove(FILE);
    const { status, stderr } = m.run(["jailkit", "apply", "--prune"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("--prune would remove everything")]);
    m.write("/root/other.ini", "");
    expect(m.run(["jailkit", "apply", "--prune", "/root/other.ini"])).toMatchObject({
      ...{ status: 0, stdout: "0 changed, 0 failed, 0 as declared\n" },
    });
    expect(m.exists(J)).toBe(true);
  });

  test("keeps what has moved to another file", () => {
    const [old, now] = ["/etc/jailkit/jails.d/old.ini", "/etc/jailkit/jails.d/now.ini"];
    declare(JAIL);
    m.write(old, user("bob"));
    m.must(["jailkit", "apply"]);
    m.write(old, "");
    m.write(now, user("bob"));
    expect(did(m, "--prune", old)).toEqual([]);
    m.write(now, "");
    expect(did(m, "--prune", "--delete-homes", old)).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
    for (const file of [old, now]) m.remove(file);
  });

  test("a process of the user, and a home that somebody exchanged, prevent it", async () => {
    declare(`${JAIL}${user("bob")}`);
    const session = await sleeperOf(m, "bob");
    m.write(FILE, JAIL);
    const busy = linesOf(m, "--prune", "--delete-homes");
    expect([busy.status, busy.summary.problems[0]?.message]).toEqual([
      ...[1, expect.stringMatching(/^user bob: 'bob' has running processes/)],
    ]);
    session.end();
    m.must(["pkill", "-KILL", "-u", "bob"], {});
    await session.ended;
    m.must(["sh", "-c", `rm -r ${J}/home/bob && ln -s /etc ${J}/home/bob && chown -h bob ${J}/home/bob`]);
    const { changes } = linesOf(m, "--prune", "--delete-homes");
    expect(changes[0]?.warnings[0]).toContain("the home that apply created there was not found");
    expect([m.exists("/etc/passwd"), has("bob")]).toEqual([true, false]);
    m.remove(`${J}/home/bob`);
  });
});

describe("a run that is killed", () => {
  const DECLARED = `[jail /srv/killed]
sections = uidbasics, basicshell, sftp
log_socket = yes
proc = yes
[user killed]
jail = /srv/killed
shell = /bin/bash
confine = 1
groups = team
authorized_keys = ${KEYS[0]}
`;

  const CALLS = "renameat,renameat2,linkat,symlinkat,mkdirat,unlinkat,fchown,mount,move_mount";

  /** Kills the run at the nth call that changes something, and the programs that it starts at theirs. False if it ends before. */
  const kill = (nth: number) => {
    const inject = ["-e", `trace=${CALLS}`, "-e", `inject=${CALLS}:signal=KILL:when=${nth}`];
    const { status } = m.run(["strace", "-f", "-qq", "-o", "/dev/null", ...inject, "jailkit", "apply"]);
    return status === 137;
  };

  test("goes on when it is repeated", () => {
    m.write(FILE, `${JAIL}${DECLARED}`);
    let killed = 0;
    for (let nth = 2; kill(nth); nth += 6) {
      killed++;
      const { status, stderr } = m.run(["jailkit", "apply"]);
      expect([nth, status, stderr.replace(/^jailkit apply: warning: .*\n/gm, "")]).toEqual([nth, 0, ""]);
      expect([nth, did(m)]).toEqual([nth, []]);
      expect(m.read("/srv/killed/etc/passwd")).toMatch(/^killed:x:\d+:100:.*:\/home\/killed:\/bin\/bash$/m);
      m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", "/srv/killed"]);
      m.must(["userdel", "-r", "killed"]);
      m.remove("/etc/jailkit/jk_chrootsh.d/killed.ini");
    }
    expect(killed).toBeGreaterThan(10);
  });
});

test("two at once: one waits for the other, or ends with --no-wait", async () => {
  declare(`${JAIL}`);
  m.write(FILE, `${JAIL}[jail /srv/twice]\nsections = uidbasics, basicshell, sftp\n`);
  const runs = [1, 2].map(() => m.start(["jailkit", "apply", "--json"]));
  const ends = await Promise.all(runs.map((run) => run.ended));
  expect(ends.map(({ status }) => status)).toEqual([0, 0]);
  const counts = ends.map(({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1) ?? "").changed);
  expect(counts.sort()).toEqual([0, 1]);
});

test("a jail in another one goes first, in one run", () => {
  const file = "/root/nested.ini";
  m.write(file, "[jail /srv/outer]\nsections = uidbasics\n[jail /srv/outer/in]\nsections = uidbasics\n");
  m.must(["jailkit", "apply", file]);
  m.write(file, "");
  const { status, stdout, stderr } = m.run(["jailkit", "apply", "--prune", file]);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout.split("\n").filter((line) => line.startsWith("- "))).toEqual([
    "- jail /srv/outer/in (no longer declared)",
    "- jail /srv/outer (no longer declared)",
  ]);
  expect(m.exists("/srv/outer")).toBe(false);
});

test("a home that stays is not that of a user who comes in the same run, and the advice helps", () => {
  linesOf(m, "--prune", "--delete-homes");
  declare(`${JAIL}${user("old")}`);
  // The next account does not get its uid.
  declare(`${JAIL}${user("old")}${user("later")}`);
  const home = "home = /home/old\n";
  m.write(FILE, `${JAIL}${user("later")}[user young]\njail = ${J}\nallow = sftp\n${home}`);
  // The new one may be the old one, whose name alone was changed in the file.
  const doubts = linesOf(m, "--prune", "--delete-homes");
  expect([doubts.changes, doubts.summary.problems.map(({ code, path }) => [path, code])]).toEqual([
    [],
    [
      ["old", "doubtful-account"],
      ["young", "bad-home"],
    ],
  ]);
  m.write(FILE, `${JAIL}${user("later")}`);
  expect(linesOf(m, "--prune").status).toBe(0);
  m.write(FILE, `${JAIL}${user("later")}[user young]\njail = ${J}\nallow = sftp\n${home}`);
  const { status, changes, summary } = linesOf(m, "--prune");
  expect([status, changes]).toEqual([1, []]);
  const [problem] = summary.problems;
  expect(problem?.code).toBe("foreign-home");
  // No rights for a name that nobody has.
  expect(m.run(["grep", "-r", "young", `${J}/etc`]).stdout).toBe("");
  const [, uid = ""] = /declare '(uid = \d+)' if it is that of this user/.exec(problem?.message ?? "") ?? [];
  m.write(FILE, `${JAIL}${user("later")}[user young]\njail = ${J}\nallow = sftp\n${home}${uid}\n`);
  expect(linesOf(m, "--prune").summary).toMatchObject({ failed: 0, exitStatus: 0 });
  expect(linesOf(m, "--check").summary).toMatchObject({ failed: 0, changed: 0 });
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune"]);
});

test("a group that has become the primary one is left as well when it is not declared any more", () => {
  declare(`${JAIL}${user("bob", "groups = team\n")}`);
  m.must(["usermod", "-g", "team", "bob"]);
  declare(`${JAIL}${user("bob", "groups = team\n")}`);
  m.write(FILE, `${JAIL}${user("bob")}`);
  expect(did(m, "--prune")).toEqual(["done - user bob: groups team (no longer declared)"]);
  expect(did(m, "--prune")).toEqual([]);
  m.must(["usermod", "-g", "users", "bob"]);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.must(["id", "-nG", "bob"]).stdout).not.toContain("team");
  expect(m.read(`${J}/etc/group`)).not.toMatch(/^team:.*bob/m);
  m.write(FILE, JAIL);
  expect(did(m, "--prune", "--delete-homes")).toHaveLength(1);
});

test("a jail in a directory with other things is not deleted with them, and what the error advises keeps them", () => {
  const place = "/srv/site";
  const file = "/etc/jailkit/jails.d/site.ini";
  const jail = (path: string) => `[jail ${path}]\nsections = uidbasics\nfiles = /data/tool\n`;
  m.must(["sh", "-c", "mkdir /data && cp /usr/bin/id /data/tool"]);
  m.must(["sh", "-c", `mkdir -p ${place}/htdocs /srv/back/home/x /srv/back/lost+found /srv/back/tmp`]);
  m.must(["sh", "-c", "chmod 1777 /srv/back/tmp; touch /srv/back/tmp/x"]);
  m.write(`${place}/htdocs/index.html`, "mine");
  m.write(file, jail(place) + jail("/srv/back"));
  expect(did(m)).toHaveLength(4);
  m.write(file, "");
  const prune = (...options: string[]) => {
    const { changes, summary } = linesOf(m, "--prune", ...options);
    return [changes.map(({ name }) => name), summary.problems.map(({ code, message }) => [code, message])];
  };
  const told = [
    [
      "holds-other-things",
      expect.stringContaining("it holds other things, such as 'htdocs': move them away, or keep all"),
    ],
  ];
  expect(prune("--check")).toEqual([["/srv/back"], told]);
  expect(prune()).toEqual([["/srv/back"], told]);
  expect([m.read(`${place}/htdocs/index.html`), m.exists("/srv/back")]).toEqual(["mine", false]);
  const [problem] = linesOf(m, "--prune").summary.problems;
  expect(problem?.message).toEndWith(`: move them away, or keep all of it as it is with: ${problem?.remedy}`);
  m.must(["sh", "-c", problem?.remedy ?? "false"]);
  expect(prune()).toEqual([[], []]);
  expect(m.read(`${place}/htdocs/index.html`)).toBe("mine");
  for (const path of [place, "/data"]) m.remove(path);
});
