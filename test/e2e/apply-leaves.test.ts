/** `jailkit apply --prune`: users who leave have nothing left that was declared, and nobody else loses anything by it. */
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
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { did, FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const ACCESS = `groups = team\nauthorized_keys = ${KEYS[0]}\n`;

let m: Machine;

function declare(text: string): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply"]);
}

const lineOf = (name: string, file = "/etc/passwd") =>
  new RegExp(`^${name}:.*$`, "m").exec(m.read(file))?.[0];
const inTeam = (name: string) => m.must(["id", "-Gn", name]).stdout.includes("team");

/** Adds an account outside, and declares it. */
function jail(name: string): void {
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
  declare(`${JAIL}${user(name, ACCESS)}`);
  const file = `${J}/home/${name}/.ssh/authorized_keys`;
  m.must(["sh", "-c", `echo '${KEYS[1]}' >>${file}`]);
  expect([inTeam(name), m.read(file)]).toEqual([true, `${KEYS[0]}\n${KEYS[1]}\n`]);
  m.write(FILE, JAIL);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => declare(JAIL));
afterAll(() => m?.close());

test("who goes out gets the former shell, but not with the declared keys and groups", () => {
  jail("dora");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(lineOf("dora")).toEndWith(":/home/dora:/bin/bash");
  expect(m.read("/home/dora/.ssh/authorized_keys")).toBe(`${KEYS[1]}\n`);
  expect(inTeam("dora")).toBe(false);
  m.must(["userdel", "-r", "dora"]);
});

test("whose declared keys cannot be removed stays, and cannot log in", () => {
  jail("fred");
  const file = `${J}/home/fred/.ssh/authorized_keys`;
  m.must(["runuser", "-u", "fred", "--", "sh", "-c", `mv ${file} ${file}2 && ln -s ${file}2 ${file}`]);
  const { status, summary } = linesOf(m, "--prune");
  expect([status, summary.problems.map(({ message }) => message)]).toEqual([
    ...[1, [expect.stringContaining("authorized_keys' is a symbolic link")]],
  ]);
  expect(lineOf("fred")).toContain(`:${J}/./home/fred:`);
  expect(lineOf("fred", `${J}/etc/passwd`)).toBeUndefined();
  m.must(["mv", "-T", `${file}2`, file]);
  expect(linesOf(m, "--prune").status).toBe(0);
  expect([lineOf("fred"), m.read("/home/fred/.ssh/authorized_keys")]).toEqual([
    ...[expect.stringMatching(/:\/home\/fred:\/bin\/bash$/), `${KEYS[1]}\n`],
  ]);
  m.must(["userdel", "-r", "fred"]);
});

test("who cannot leave one group leaves the others all the same, and is told how to leave that one", () => {
  m.must(["groupadd", "abc"]);
  m.addUser("kim", { home: "/home/kim", createHome: true, shell: "/bin/bash" });
  declare(`${JAIL}${user("kim", "groups = abc, team\n")}`);
  // As when a group is renamed by hand.
  const gid = m.must(["getent", "group", "abc"]).stdout.split(":")[2] ?? "";
  m.must(["groupadd", "-o", "-g", gid, "abc2"]);
  m.must(["gpasswd", "-a", "kim", "abc2"]);
  m.must(["gpasswd", "-d", "kim", "abc"]);
  m.write(FILE, JAIL);
  const { status, summary } = linesOf(m, "--prune");
  expect([status, summary.problems.map(({ message, remedy }) => [message, remedy])]).toEqual([
    1,
    [
      [
        `user kim: 'kim' is in the group 'abc' only by its gid ${gid}, as a member of 'abc2'; take it out of that one with: gpasswd -d kim abc2`,
        "gpasswd -d kim abc2",
      ],
    ],
  ]);
  expect([lineOf("kim"), inTeam("kim")]).toEqual([expect.stringContaining(`:${J}/./home/kim:`), false]);
  m.must(["sh", "-c", summary.problems[0]?.remedy ?? ""]);
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(lineOf("kim")).toMatch(/:\/home\/kim:\/bin\/bash$/);
  m.must(["sh", "-c", "userdel -r kim; groupdel abc2; groupdel abc"]);
});

test("who cannot log in any more, or whose home stays, has no declared key and group either", () => {
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
  declare(`${JAIL}${user("guest", ACCESS)}${user("bob", `authorized_keys = ${KEYS[0]}\n`)}`);
  m.write(FILE, JAIL);
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(inTeam("guest")).toBe(false);
  for (const name of ["guest", "bob"]) expect(m.read(`${J}/home/${name}/.ssh/authorized_keys`)).toBe("");
  m.must(["sh", "-c", `userdel guest; rm -r ${J}/home/guest ${J}/home/bob`]);
});

test("no login begins while sessions of before prevent the rest", async () => {
  m.addUser("gina", { home: "/home/gina", createHome: true, shell: "/bin/bash" });
  declare(`${JAIL}${user("gina")}${user("bob")}`);
  m.write(FILE, JAIL);
  const sessions = await Promise.all(["gina", "bob"].map((name) => sleeperOf(m, name)));
  const { status, summary } = linesOf(m, "--prune");
  expect([status, summary.problems.map(({ message }) => message)]).toEqual([
    ...[1, [expect.stringContaining("running processes"), expect.stringContaining("running processes")]],
  ]);
  for (const name of ["gina", "bob"]) {
    expect(lineOf(name)).toContain(`:${J}/./home/${name}:`);
    expect(m.run(["su", "-", name, "-c", "pwd"])).toMatchObject({ stdout: "" });
    m.must(["pkill", "-KILL", "-u", name]);
  }
  for (const session of sessions) await session.ended;
  expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
  expect([lineOf("gina"), lineOf("bob")]).toEqual([
    expect.stringMatching(/:\/home\/gina:\/bin\/bash$/),
    undefined,
  ]);
  m.must(["userdel", "-r", "gina"]);
});

test("the uid of an account that is removed is free for one that is created in the same run", async () => {
  const uid = "uid = 7171\n";
  declare(`${JAIL}${user("bob", uid)}`);
  m.write(FILE, `${JAIL}${user("fred", uid)}`);
  expect(linesOf(m, "--check").summary.problems).toMatchObject([{ path: "fred", code: "uid-taken" }]);
  m.must(["useradd", "-o", "-u", "7171", "twin"]);
  const taken = linesOf(m, "--check", "--prune").summary.problems;
  expect(taken).toMatchObject([{ path: "fred", message: expect.stringContaining("7171 belongs to 'twin'") }]);
  m.must(["userdel", "twin"]);
  const limited = `[user fred]\njail = ${J}\nallow = sftp\n`;
  m.write(FILE, `${JAIL}${limited}${uid}`);
  const session = await sleeperOf(m, "bob");
  const options = ["--prune", "--delete-homes"];
  const codes = linesOf(m, ...options).summary.problems.map(({ code }) => code);
  expect(codes).toEqual(["has-processes", "uid-taken"]);
  // A name that nobody has gets no rights.
  expect(m.run(["grep", "fred", `${J}/etc/jailkit/jk_lsh.ini`]).status).not.toBe(0);
  m.must(["pkill", "-KILL", "-u", "bob"]);
  await session.ended;
  const { changes, status } = linesOf(m, "--check", ...options);
  expect(changes.map(({ action, name }) => `${action} ${name}`)).toEqual([
    ...["remove bob", "create fred", "create fred"],
  ]);
  expect([status, linesOf(m, ...options).status, did(m, ...options)]).toEqual([10, 0, []]);
  expect([lineOf("bob"), lineOf("fred")]).toEqual([undefined, expect.stringContaining(":7171:")]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", ...options]);
});

test("a home in which another user lives is not deleted with the account that it belongs to", () => {
  declare(`${JAIL}${user("anna", "home = /home/web\n")}${user("bob")}`);
  m.must(["sh", "-c", `mv ${J}/home/bob ${J}/home/web/bob`]);
  m.must(["usermod", "-d", `${J}/./home/web/bob`, "bob"]);
  declare(`${JAIL}${user("anna", "home = /home/web\n")}${user("bob", "home = /home/web/bob\n")}`);
  m.write(FILE, `${JAIL}${user("bob", "home = /home/web/bob\n")}`);
  const { status, changes } = linesOf(m, "--prune", "--delete-homes");
  expect([status, changes[0]?.warnings]).toEqual([
    ...[0, [expect.stringMatching(/home\/web' of uid \d+ stays: the home of 'bob' is in it$/)]],
  ]);
  expect([lineOf("anna"), m.exists(`${J}/home/web/bob`)]).toEqual([undefined, true]);
  m.must(["sh", "-c", `userdel bob; rm -r ${J}/home/web; sed -i /^bob:/d ${J}/etc/passwd`]);
});

describe("who was taken out by hand, and is not declared any more", () => {
  const TAKEN = [
    "- user bob: groups team (no longer declared)",
    `- user bob: keys ${FINGERPRINTS[0]} (no longer declared)`,
  ];
  const out = (...more: string[]) => m.must(["jk_jailuser", "--unjail", "-m", ...more]);
  const warnings = (...options: string[]) => linesOf(m, ...options).summary.warnings;
  const stays = (name: string) =>
    `user ${name}: the account stays, as it was taken out of ${J} by hand; userdel ${name} removes it`;
  const keysOf = (name: string) => m.read(`/home/${name}/.ssh/authorized_keys`);

  /** Declares bob, whom apply creates, and takes him out. */
  function takeOut(more = ""): void {
    declare(`${JAIL}${user("bob", ACCESS + more)}`);
    m.must(["sh", "-c", `echo '${KEYS[1]}' >>${J}/home/bob/.ssh/authorized_keys`]);
    out("-s", "/usr/sbin/nologin", "bob");
    m.write(FILE, JAIL);
  }
  afterEach(() => {
    m.run(["userdel", "bob"]);
    for (const home of ["/home/bob", `${J}/home/bob`]) m.remove(home);
    m.run(["sed", "-i", "/^bob:/d", `${J}/etc/passwd`]);
    m.must(["jailkit", "apply", "--prune"]);
  });

  test.each([
    ["without limits", ""],
    ["with limits on the host", "confine = 1\n"],
  ])("stays, which is told once, without what apply gave: %s", (_, more) => {
    takeOut(more);
    expect([warnings("--check"), warnings(), warnings()]).toEqual([[stays("bob")], [stays("bob")], []]);
    expect(linesOf(m).summary.undeclared).toEqual(
      expect.arrayContaining([
        "user bob: groups team (no longer declared)",
        `user bob: keys ${FINGERPRINTS[0]} (no longer declared)`,
      ]),
    );
    expect([inTeam("bob"), keysOf("bob")]).toEqual([true, `${KEYS[0]}\n${KEYS[1]}\n`]);
    const planned = linesOf(m, "--check", "--prune").changes.map(({ text }) => text);
    expect(planned).toEqual(expect.arrayContaining(TAKEN));
    expect(did(m, "--prune", "--delete-homes")).toEqual(planned.map((text) => `done ${text}`));
    expect([inTeam("bob"), keysOf("bob")]).toEqual([false, `${KEYS[1]}\n`]);
    expect(lineOf("bob")).toEndWith(":/home/bob:/usr/sbin/nologin");
    expect([did(m, "--prune"), warnings("--prune"), linesOf(m).summary.undeclared]).toEqual([[], [], []]);
    expect(JSON.parse(m.read("/var/lib/jailkit/declared.json")).users).toEqual([]);
  });

  test("is told in the run that takes it back, and the command helps", () => {
    takeOut();
    const { changes, summary } = linesOf(m, "--prune");
    expect([changes.map(({ text }) => text), summary.warnings]).toEqual([TAKEN, [stays("bob")]]);
    m.must(/(userdel \S+) removes it$/.exec(`${summary.warnings[0]}`)?.[1]?.split(" ") ?? []);
    expect([lineOf("bob"), did(m, "--prune"), warnings("--prune")]).toEqual([undefined, [], []]);
  });

  test("and was there before apply: it is as it was, without a word", () => {
    jail("dora");
    out("dora");
    expect(warnings()).toEqual([]);
    expect(did(m, "--prune")).toEqual(TAKEN.map((text) => `done ${text.replace("bob", "dora")}`));
    expect([inTeam("dora"), keysOf("dora")]).toEqual([false, `${KEYS[1]}\n`]);
    expect(lineOf("dora")).toEndWith(":/home/dora:/bin/bash");
    m.must(["userdel", "-r", "dora"]);
  });

  test("and whom jk_jailuser puts into the jail again, is not of apply any more", () => {
    takeOut();
    m.must(["jailkit", "apply"]);
    m.must(["jk_jailuser", "-n", "-m", "-j", J, "-s", "/bin/bash", "bob"]);
    expect([did(m, "--prune", "--delete-homes"), warnings("--prune")]).toEqual([[], []]);
    expect([lineOf("bob"), inTeam("bob"), m.exists(`${J}/home/bob`)]).toEqual([
      ...[expect.stringContaining(`:${J}/./home/bob:`), true, true],
    ]);
  });

  test("and who is declared again, has an account that is not of apply any more", () => {
    takeOut();
    m.must(["jailkit", "apply"]);
    declare(`${JAIL}${user("bob")}`);
    expect(lineOf("bob")).toContain(`:${J}/./home/bob:`);
    m.write(FILE, JAIL);
    expect(did(m, "--prune")).not.toEqual([]);
    expect(lineOf("bob")).toContain(":/home/bob:");
  });

  test("and another account that has the name now, is not touched", () => {
    takeOut();
    m.must(["sh", "-c", "userdel bob && useradd -u 4242 -G team -d /home/bob bob && chown -R bob /home/bob"]);
    expect([did(m, "--prune"), warnings("--prune"), inTeam("bob")]).toEqual([[], [], true]);
  });

  test("is an error if its keys cannot be removed, until they can", () => {
    takeOut();
    const [keys, link] = ["/home/bob/.ssh/authorized_keys", "/home/bob/.ssh/x"];
    m.must(["runuser", "-u", "bob", "--", "sh", "-c", `mv ${keys} ${link} && ln -s ${link} ${keys}`]);
    const { status, changes } = linesOf(m, "--prune");
    expect([status, changes.map((one) => one.status), changes[1]?.errors]).toEqual([
      ...[1, ["done", "failed"], [expect.stringContaining("authorized_keys' is a symbolic link")]],
    ]);
    m.must(["mv", "-T", link, keys]);
    expect(did(m, "--prune")).toEqual([`done ${TAKEN[1]}`]);
    expect(keysOf("bob")).toBe(`${KEYS[1]}\n`);
  });

  test("is an error as long as its home is behind somebody's symbolic link", () => {
    takeOut();
    m.must(["sh", "-c", "mv /home/bob /home/real && ln -s real /home/bob && chown -h nobody /home/bob"]);
    expect(linesOf(m, "--prune").changes.map(({ what, status }) => [what, status])).toEqual([
      ["groups", "done"],
      ["keys", "failed"],
    ]);
    m.must(["chown", "-h", "root", "/home/bob"]);
    expect([did(m, "--prune"), keysOf("bob")]).toEqual([[`done ${TAKEN[1]}`], `${KEYS[1]}\n`]);
    m.remove("/home/real");
  });

  test.each([
    ["that root owns", "chown root /home/bob"],
    ["behind a symbolic link", "mv /home/bob /home/real && ln -s real /home/bob"],
  ])("loses the declared keys in a home %s, too, with which sshd lets somebody in", (_, change) => {
    takeOut();
    m.must(["sh", "-c", change]);
    expect(did(m, "--prune")).toEqual(TAKEN.map((text) => `done ${text}`));
    expect([keysOf("bob"), did(m, "--prune")]).toEqual([`${KEYS[1]}\n`, []]);
    m.remove("/home/real");
  });

  test.each([
    [
      "is hidden by who may write above it",
      "mv /home/team/bob /home/team/.b",
      "mv /home/team/.b /home/team/bob",
    ],
    [
      "is exchanged for one without keys",
      "mv /home/team/bob /home/team/.b && mv /home/team/roots /home/team/bob",
      "mv /home/team/bob /home/team/roots && mv /home/team/.b /home/team/bob",
    ],
  ])("loses its keys when the home is there again, which %s", (_, hide, back) => {
    takeOut();
    m.addUser("mallory");
    m.must(["sh", "-c", "mkdir -p /home/team/roots; mv /home/bob /home/team/bob; chown mallory /home/team"]);
    m.must(["usermod", "-d", "/home/team/bob", "bob"]);
    m.must(["sh", "-c", hide]);
    expect(did(m, "--prune")).toEqual([
      `done ${TAKEN[0]}`,
      "failed - user bob: keys 1 that cannot be read (no longer declared)",
    ]);
    for (let count = 0; count < 2; count++) {
      const { status, summary } = linesOf(m, "--prune");
      expect([status, summary.problems.map(({ code, message }) => [code, message])]).toEqual([
        1,
        [
          [
            "unsafe-parent",
            "user bob: the keys that were declared are not in '/home/team/bob', which others than root can exchange, and may come back with the home: first let root alone write the directories above /home/team/bob",
          ],
        ],
      ]);
    }
    m.must(["sh", "-c", back]);
    expect(did(m, "--prune")).toEqual([`done ${TAKEN[1]}`]);
    expect(m.read("/home/team/bob/.ssh/authorized_keys")).toBe(`${KEYS[1]}\n`);
    expect([did(m, "--prune"), warnings("--prune")]).toEqual([[], []]);
    m.must(["sh", "-c", "userdel mallory; rm -r /home/team"]);
  });

  test("is forgotten with keys that are gone when nobody else can bring them back", () => {
    takeOut();
    m.addUser("mallory");
    m.must(["sh", "-c", "mkdir -p /home/team; mv /home/bob /home/team/.b; chown mallory /home/team"]);
    m.must(["usermod", "-d", "/home/team/bob", "bob"]);
    expect(linesOf(m, "--prune").status).toBe(1);
    // As it says.
    m.must(["chown", "root", "/home/team"]);
    expect([did(m, "--prune"), warnings("--prune")]).toEqual([[], []]);
    m.must(["sh", "-c", "userdel mallory; rm -r /home/team"]);
  });

  test("is the only error if somebody has put a loop of links above the home", () => {
    takeOut();
    m.must(["sh", "-c", "mkdir /home/web; mv /home/bob /home/web/bob; usermod -d /home/web/bob bob"]);
    m.must(["sh", "-c", "mv /home/web /home/kept; ln -s web /home/web"]);
    m.write(FILE, `${JAIL}${user("gina")}`);
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems.map(({ path }) => path)]).toEqual([1, ["bob"]]);
    expect(lineOf("gina")).toBeDefined();
    m.must(["sh", "-c", "rm /home/web; mv /home/kept /home/web"]);
    m.write(FILE, JAIL);
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done ${TAKEN[1]}`,
      `done - user gina: account and its home ${J}/home/gina (no longer declared)`,
    ]);
    expect(m.read("/home/web/bob/.ssh/authorized_keys")).toBe(`${KEYS[1]}\n`);
    m.remove("/home/web");
  });
});

test("who left, and whom jk_jailuser put into the jail again, is not of apply any more", () => {
  declare(`${JAIL}${user("bob")}`);
  m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", "bob"]);
  m.write(FILE, JAIL);
  expect(did(m, "--prune")).toEqual([]);
  m.must(["jk_jailuser", "-m", "-j", J, "-s", "/bin/bash", "bob"]);
  expect(did(m, "--prune", "--delete-homes")).toEqual([]);
  expect([lineOf("bob"), m.exists(`${J}/home/bob`)]).toEqual([
    expect.stringContaining(`${J}/./home/bob`),
    true,
  ]);
  m.must(["sh", "-c", `userdel bob; rm -r ${J}/home/bob; sed -i /^bob:/d ${J}/etc/passwd`]);
});

test("a jail that was deleted, and that jk_init made again, is not of apply any more", () => {
  declare(`${JAIL}[jail /srv/t]\nsections = uidbasics\n`);
  m.must(["jailkit", "delete", "--yes", "/srv/t"]);
  m.write(FILE, JAIL);
  expect(did(m)).toEqual([]);
  m.must(["jk_init", "-j", "/srv/t", "uidbasics"]);
  expect(did(m, "--prune")).toEqual([]);
  expect(m.exists("/srv/t/etc")).toBe(true);
  m.must(["jailkit", "delete", "--yes", "/srv/t"]);
});

test("a jail that only a user names, who is to come, is not deleted", () => {
  declare(`${JAIL}[jail /srv/t]\nsections = uidbasics, basicshell\n`);
  m.write(FILE, `${JAIL}[user bob]\njail = /srv/t\nshell = /bin/bash\n`);
  const stays =
    "jail /srv/t: is not declared any more, and stays: users are declared in it: declare the jail again, or move [user bob] (/etc/jailkit/jails.d/one.ini:3) to another jail";
  for (const options of [["--check", "--prune"], ["--prune"]]) {
    const { changes, summary } = linesOf(m, ...options);
    expect([changes.map(({ of }) => of), summary.problems.map(({ message }) => message)]).toEqual([
      ["user"],
      [stays],
    ]);
  }
  expect(lineOf("bob")).toContain(":/srv/t/./home/bob:");
});

test("nobody is removed because all files of jails.d are gone, though jails.ini is there", () => {
  const main = "/etc/jailkit/jails.ini";
  declare(`${JAIL}${user("carl")}`);
  m.write(main, "[jail /srv/t]\nsections = uidbasics\n");
  m.remove(FILE);
  const refused = "there is no file in jails.d any more: --prune would remove all that such files declared";
  expect(m.run(["jailkit", "apply", "--prune", "--delete-homes"])).toMatchObject({
    ...{ status: 1, stdout: "", stderr: expect.stringContaining(refused) },
  });
  expect(lineOf("carl")).toContain(`:${J}/./home/carl:`);
  // The remedy.
  m.write(FILE, "");
  expect(did(m, "--prune", "--delete-homes")).toContain(
    `done - user carl: account and its home ${J}/home/carl (no longer declared)`,
  );
  m.remove(main);
});

test("a number is a gid, as for useradd(8): the group is joined by its name, and left again", () => {
  m.must(["groupadd", "-g", "4711", "proj"]);
  const members = (name: string) => new RegExp(`^${name}:.*:(.*)$`, "m").exec(m.read("/etc/group"))?.[1];
  m.write(FILE, `${JAIL}${user("numb", "groups = 4711, proj\n")}`);
  expect(did(m)).toContain(
    `done + user numb: account in ${J}, home /home/numb, shell /bin/bash, groups proj (it does not exist)`,
  );
  expect(members("proj")).toBe("numb");
  expect(did(m)).toEqual([]);
  // What was joined is remembered, whatever has the number later.
  m.must(["groupmod", "-g", "4712", "proj"]);
  m.must(["groupadd", "-g", "4711", "other"]);
  m.must(["usermod", "-a", "-G", "other", "numb"]);
  m.write(FILE, `${JAIL}${user("numb")}`);
  expect(did(m, "--prune")).toContain("done - user numb: groups proj (no longer declared)");
  expect([members("proj"), members("other")]).toEqual(["", "numb"]);
  m.write(FILE, JAIL);
});

test("a jail that is gone with its record is remembered no more", () => {
  const other = "/srv/gone";
  declare(`${JAIL}[jail ${other}]\nsections = uidbasics\n`);
  m.must([
    "sh",
    "-ec",
    `cd /var/lib/jailkit/jails; rm -r ${other} $(grep -l '"path":"${other}"' */manifest.json | cut -d/ -f1)`,
  ]);
  m.write(FILE, JAIL);
  expect(linesOf(m, "--prune").status).toBe(0);
  const { jails } = JSON.parse(m.read("/var/lib/jailkit/declared.json"));
  expect(jails.map(({ path }: { path: string }) => path)).toEqual([J]);
});
