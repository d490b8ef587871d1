/** Where a home may be: what others could create first, what is the jail's own, and what only jailkit has. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
let next = 0;

const user = (name: string, home: string, more = "") =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\nhome = ${home}\n${more}`;
const declare = (...users: readonly string[]) => m.write(FILE, JAIL + users.join(""));
const faults = (...options: readonly string[]) => linesOf(m, ...options).summary.problems;
const newName = () => `user${++next}`;
const exists = (name: string) => new RegExp(`^${name}:`, "m").test(m.read("/etc/passwd"));

beforeAll(async () => {
  m = await openApplyMachine();
  declare();
  m.must(["jailkit", "apply"]);
  m.mkdir(`${J}/tmp`, { mode: 0o1777 });
  m.addUser("bob", { uid: 4001, home: "/home/bob", createHome: true });
});
afterAll(() => m?.close());

describe("a home below a directory that is missing in one that users can write", () => {
  const missing = (name: string) =>
    `${J}/tmp is writable by everyone (mode 1777), and others could create ${J}/tmp/${name} first`;

  /** Runs the command, types what its error advises, and runs it again. */
  function heals(name: string, command: readonly string[]): void {
    const { status, stderr } = m.run(command);
    const remedy = `mkdir -m 0755 ${J}/tmp/${name}`;
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(`${missing(name)}; fix it with: ${remedy}\n`),
    ]);
    expect(m.exists(`${J}/tmp/${name}`)).toBe(false);
    m.must(["sh", "-c", remedy]);
    m.must(command);
    expect(m.stat(`${J}/tmp/${name}/sub`)?.uid).toBe(0);
    expect((m.stat(`${J}/tmp`)?.mode ?? 0) & 0o7777).toBe(0o1777);
  }

  test("jk_addjailuser", () => {
    const name = newName();
    heals(name, ["jk_addjailuser", "-j", J, "-d", `/tmp/${name}/sub/home`, name]);
    expect(m.stat(`${J}/tmp/${name}/sub/home`)?.uid).not.toBe(0);
  });

  test("jk_jailuser -m", () => {
    const name = newName();
    m.mkdir(`/tmp/${name}/sub`);
    m.addUser(name, { home: `/tmp/${name}/sub/home`, createHome: true });
    heals(name, ["jk_jailuser", "-n", "-m", "-j", J, name]);
    expect(m.stat(`${J}/tmp/${name}/sub/home`)?.uid).not.toBe(0);
  });

  test("jailkit apply", () => {
    const name = newName();
    declare(user(name, `/tmp/${name}/home`));
    const remedy = `mkdir -m 0755 ${J}/tmp/${name}`;
    for (const options of [["--check"], []])
      expect(faults(...options)).toMatchObject([
        { code: "unsafe-parent", message: expect.stringContaining(missing(name)), remedy },
      ]);
    expect([exists(name), m.exists(`${J}/tmp/${name}`)]).toEqual([false, false]);
    m.must(["sh", "-c", remedy]);
    m.must(["jailkit", "apply"]);
    expect(m.stat(`${J}/tmp/${name}/home`)?.uid).not.toBe(0);
  });

  test("who creates it first keeps it, and no command takes it by a name that its owner can exchange", () => {
    const name = newName();
    m.mkdir(`${J}/tmp/${name}`, { owner: [4001, 4001] });
    const { status, stderr } = m.run(["jk_addjailuser", "-j", J, "-d", `/tmp/${name}/home`, name]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        `: ${J}/tmp/${name} belongs to uid 4001, not to root: name another home with -d\n`,
      ),
    ]);
    declare(user(name, `/tmp/${name}/home`));
    for (const options of [["--check"], []])
      expect(faults(...options)).toMatchObject([{ code: "unsafe-parent", remedy: null }]);
    declare();
  });

  test("the home itself may be missing there", () => {
    const name = newName();
    declare(user(name, `/tmp/${name}`));
    expect(did(m)).toHaveLength(1);
    expect(m.stat(`${J}/tmp/${name}`)?.uid).not.toBe(0);
    declare();
  });
});

const CONFIG_CHECK = ["jailkit", "config", "check", FILE];
const RESERVED = [
  ["/libbob", "is a directory of the jail's own"],
  ["/librarian", "is a directory of the jail's own"],
  ["/root", "is a directory of the jail's own"],
  ["/opt", "is a directory of the jail's own"],
  ["/home/.jk-put-Dikq3yIBWv64", "has a name of jailkit's temporary files (.jk-...)"],
  ["/home/.jk-move-anna", "has a name of jailkit's temporary files (.jk-...)"],
] as const;

describe.each(RESERVED)("the home %s, which %s, is nobody's", (home, why) => {
  const nothing = (name: string, was: boolean) => {
    expect([exists(name), m.exists(J + home), m.run(["jk_check", J]).stdout]).toEqual([
      ...[false, was, expect.not.stringContaining(home)],
    ]);
  };

  test("declared", () => {
    const name = newName();
    const was = m.exists(J + home);
    declare(user(name, home));
    expect(m.run(CONFIG_CHECK)).toMatchObject({ status: 1, stdout: expect.stringContaining(why) });
    for (const options of [["--check"], []])
      expect(faults(...options)).toMatchObject([{ message: expect.stringContaining(why) }]);
    nothing(name, was);
    declare();
  });

  test("given to jk_addjailuser", () => {
    const name = newName();
    const was = m.exists(J + home);
    for (const more of [["--dry-run"], ["-M"], []])
      expect(m.run(["jk_addjailuser", ...more, "-j", J, "-d", home, name])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`'${J}${home}' ${why}: name another home with -d\n`),
      });
    nothing(name, was);
  });

  test("of an account of this machine", () => {
    const name = newName();
    m.addUser(name, { home });
    for (const more of [["--dry-run"], []])
      expect(m.run(["jk_jailuser", "-n", "-m", ...more, "-j", J, name])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`'${name}' would have the home '${home}' in the jail, which ${why}`),
      });
    declare(user(name, `/home/${name}`));
    // It is not advised to declare what would be refused.
    const advice = m.exists(home)
      ? ": declare another name"
      : `: give the account the home '/home/${name}' first`;
    for (const options of [["--check"], []])
      expect(faults(...options)).toMatchObject([{ message: expect.stringContaining(advice) }]);
    expect(m.run(CONFIG_CHECK).stdout).toContain(advice);
    declare();
    m.must(["userdel", name]);
  });
});

test("a jail that such a home has made unsafe: its user keeps it, and gets another home first", () => {
  m.mkdir(`${J}/libbob`, { owner: [4001, 4001] });
  m.must(["usermod", "-d", `${J}/./libbob`, "bob"]);
  const remedy = `give the account another home, and then type: chown -h root ${J}/libbob`;
  expect(faults()).toMatchObject([{ message: expect.stringContaining(remedy) }]);
  expect(m.run(["jk_check", J]).stdout.replaceAll(/\s+/g, " ")).toContain(remedy);
  expect(m.run(["jailkit", "status"]).stdout).toMatch(new RegExp(`^unsafe +${J} +jk_check ${J}$`, "m"));
  m.mkdir(`${J}/home`);
  m.must(["usermod", "-m", "-d", `${J}/./home/bob`, "bob"]);
  expect(faults()).toEqual([]);
  m.must(["usermod", "-d", "/home/bob", "bob"]);
});

test("no command moves the home of another account, also if the jail has no line of it", () => {
  declare(user("anna", "/home/anna"));
  m.must(["jailkit", "apply"]);
  m.must(["sed", "-i", "/^anna:/d", `${J}/etc/passwd`]);
  const theirs = "it is in the home of 'anna'";
  const other = newName();
  m.write(FILE, `${JAIL}${user(other, "/home/anna")}`);
  for (const options of [["--check"], []]) {
    const [problem] = faults(...options);
    const what = "is the home of 'anna': name another home with the key 'home'; or, to keep that account";
    expect(problem?.message).toContain(what);
    // Of who was declared there before, the name alone may be another one.
    expect(problem?.remedy).toBe(`usermod -l ${other} anna`);
  }
  const name = newName();
  const added = m.run(["jk_addjailuser", "-j", J, "-d", "/home/anna", name]).stderr;
  expect(added).toContain(
    `, not to the user: logins are refused; ${theirs}: give the account another home: usermod -d `,
  );
  m.must(["sh", "-c", "ssh-keygen -q -t ed25519 -N '' -f /root/key"]);
  const keys = ["jk_jailuser", "--jail-side-only", "--authorized-key", "/root/key.pub", "-j", J, name];
  const refused = m.run(keys).stderr;
  expect(refused).toContain(`no key is written there; ${theirs}: give the account another home: usermod -d `);
  expect(added + refused).not.toMatch(/\bmv /);
  // What is advised heals.
  m.must(["sh", "-c", /another home: (.*)/.exec(refused)?.[1] ?? "false"]);
  m.must(["install", "-d", "-o", name, "-m", "0700", `${J}/home/${name}`]);
  m.must(keys);
  expect(m.stat(`${J}/home/anna`)?.uid).toBe(m.ids("anna").uid);
  declare();
});

test.each([
  ["0711", "is a symbolic link .*; name its target instead$"],
  // What the user cannot reach is not looked at. The home's mode is what the machine gives to new ones.
  ["0700", "Permission denied; first let root alone write the directories above "],
])("a home behind a link in a home with mode %s: a login is refused, no command advised", (mode, why) => {
  const name = newName();
  m.must(["jk_addjailuser", "-j", J, name]);
  const { uid } = m.ids(name);
  m.must(["chmod", mode, `${J}/home/${name}`]);
  m.mkdir(`${J}/home/${name}/real`, { owner: [uid, uid] });
  m.must(["runuser", "-u", name, "--", "ln", "-s", "real", `${J}/home/${name}/link`]);
  const other = newName();
  const home = `/home/${name}/link/sub`;
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", other]);
  m.must(["usermod", "-d", `${J}/.${home}`, other]);
  m.must(["sed", "-i", `s,:/home/${other}:,:${home}:,`, `${J}/etc/passwd`]);
  declare(user(other, home, "groups = team\n"));
  const { stderr } = m.run(["jailkit", "apply"]);
  expect(m.ids(other).groups).toHaveLength(2);
  declare();
  expect(stderr).toMatch(new RegExp(`cannot log in, .*: ${why}`, "m"));
});

describe("an account of a directory", () => {
  const ACCOUNTS = "/var/lib/extrausers/passwd";
  const line = (home: string) => `luser:x:6001:6001::${home}:/bin/sh\n`;
  const luser = `[user luser]\njail = ${J}\ndirectory = yes\nshell = /bin/bash\n`;

  beforeAll(() => {
    const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
    m.write("/etc/nsswitch.conf", nss);
    m.write(ACCOUNTS, line("/home/luser"));
    m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
    declare(user("anna", "/home/anna"));
    m.must(["jailkit", "apply"]);
    declare(user("anna", "/home/anna"), luser);
  });

  const OWN = "is a directory of the jail's own";
  test.each([
    [`${J}/./etc`, OWN],
    [`${J}/./usr/bin`, OWN],
    [`${J}/./usr/none`, OWN],
    [`${J}/./tmp`, OWN],
    [`${J}/./`, OWN],
    [`${J}/./libbob`, OWN],
    ["/library", OWN],
    [`${J}/./home/.jk-move-luser`, "has a name of jailkit's temporary files"],
    [`${J}/./home/anna`, "it is in the home of 'anna'"],
    ["/home/anna", "it is in the home of 'anna'"],
    [`${J}/./home/anna/sub`, "it is in the home of 'anna'"],
  ])(
    "whose directory says %s must get another home there; nothing is moved, and there is no line",
    (home, why) => {
      m.write(ACCOUNTS, line(home));
      const before = m.read(`${J}/etc/passwd`);
      for (const options of [["--check"], []]) {
        const { changes, summary } = linesOf(m, ...options);
        const [problem, ...more] = summary.problems;
        expect([problem?.path, problem?.remedy, more]).toEqual(["luser", null, []]);
        expect(problem?.message).toContain(why);
        expect(problem?.message).toEndWith(
          `give the account another home in its directory, such as ${J}/./home/luser`,
        );
        expect(problem?.message).not.toMatch(/\b(?:mv|chown|mkdir) /);
        expect(changes).toEqual([]);
      }
      expect(m.read(`${J}/etc/passwd`)).toBe(before);
      expect([m.exists(`${J}/libbob`), m.exists(`${J}/library`), m.exists(`${J}/usr/none`)]).toEqual([
        ...[false, false, false],
      ]);
      const found = m.run(CONFIG_CHECK);
      expect(found.stdout).not.toContain("mv ");
      if (/libbob|library|jk-move/.test(home))
        expect(found).toMatchObject({
          status: 1,
          stdout: expect.stringContaining(`in the jail, which ${why}`),
        });
    },
  );

  test("a home that is missing and another account's", () => {
    m.write(ACCOUNTS, line(`${J}/./home/anna`));
    m.rename(`${J}/home/anna`, `${J}/home/away`);
    expect(faults("--check").map(({ path }) => path)).toContain("luser");
    m.rename(`${J}/home/away`, `${J}/home/anna`);
  });

  test("a jail that is not there yet", () => {
    m.write(ACCOUNTS, line("/srv/c2/./etc"));
    m.write(
      FILE,
      `${JAIL}${user("anna", "/home/anna")}[jail /srv/c2]\nsections = uidbasics, basicshell\n${luser.replace(J, "/srv/c2")}`,
    );
    expect(faults()).toMatchObject([{ path: "luser", message: expect.stringContaining(OWN) }]);
    expect(m.read("/srv/c2/etc/passwd")).not.toContain("luser");
    declare(user("anna", "/home/anna"), luser);
  });

  test("one that its directory gives another home gets it", () => {
    m.write(ACCOUNTS, line(`${J}/./home/luser`));
    expect(faults()).toEqual([]);
    expect(m.stat(`${J}/home/luser`)?.uid).toBe(6001);
    expect(m.read(`${J}/etc/passwd`)).toContain("luser:");
  });

  const muser = (jail: string, name = "muser") =>
    `[user ${name}]\njail = ${jail}\ndirectory = yes\nshell = /bin/bash\n`;
  /** Runs with two users of a jail; one has a problem, and nothing of it is made, nor is a directory told. */
  function refuses(
    jail: string,
    users: readonly string[],
    name: string,
    code: string,
    message: RegExp,
  ): void {
    m.write(FILE, `[jail ${jail}]\nsections = uidbasics, basicshell\n${users.join("")}`);
    const [check, run, again] = [["--check"], [], []].map((options) => linesOf(m, ...options));
    for (const one of [check, run]) {
      expect(one?.summary.problems).toMatchObject([
        { path: name, code, message: expect.stringMatching(message) },
      ]);
      expect(one?.changes.filter(({ status }) => status !== "planned" && status !== "done")).toEqual([]);
      expect(one?.changes.map((change) => change.name)).not.toContain(name);
      expect(one?.summary.directories.map((change) => change.user)).not.toContain(name);
    }
    expect(again?.changes).toEqual([]);
    expect(again?.summary.problems.map(({ path }) => path)).toEqual([name]);
    expect(m.read(`${jail}/etc/passwd`)).not.toContain(`${name}:`);
  }

  test.each([
    ["/srv/c3", "first"],
    ["/srv/c4", "last"],
  ])("in %s has its home, which a new user wants in the same run, also if it is declared %s", (jail, at) => {
    m.write(ACCOUNTS, "muser:x:6002:6002::/home/muser:/bin/sh\n");
    m.write("/var/lib/extrausers/group", "muser:x:6002:\nnuser:x:6003:\nouser:x:6004:\n");
    const name = newName();
    const users = [muser(jail), user(name, "/home/muser").replace(J, jail)];
    const theirs = /^.*\/home\/muser' is the home of 'muser': name another home with the key 'home'$/;
    refuses(jail, at === "first" ? users : users.toReversed(), name, "bad-home", theirs);
    expect([exists(name), m.stat(`${jail}/home/muser`)?.uid]).toEqual([false, 6002]);
  });

  test("does not get the home of another one that the same run puts into the jail", () => {
    m.write(ACCOUNTS, "muser:x:6002:6002::/home/muser:/bin/sh\nnuser:x:6003:6003::/home/muser:/bin/sh\n");
    const theirs =
      /is the home of 'muser': give the account another home in its directory, such as \/srv\/c5\/\.\/home\/nuser$/;
    refuses("/srv/c5", [muser("/srv/c5"), muser("/srv/c5", "nuser")], "nuser", "bad-home", theirs);
    expect(m.stat("/srv/c5/home/muser")?.uid).toBe(6002);
  });

  test("gets no home in that of a user whom the same run creates", () => {
    const name = newName();
    m.write(ACCOUNTS, `ouser:x:6004:6004::/home/${name}/sub:/bin/sh\n`);
    const theirs = /who could exchange it: give the account another home in its directory, such as /;
    const users = [muser("/srv/c6", "ouser"), user(name, `/home/${name}`).replace(J, "/srv/c6")];
    refuses("/srv/c6", users, "ouser", "unsafe-parent", theirs);
    expect(m.stat(`/srv/c6/home/${name}`)?.uid).toBe(m.ids(name).uid);
  });
});
