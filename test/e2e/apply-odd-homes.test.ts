/** `jailkit apply` and accounts that were there before, with homes where none should be. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/odd";
const FILE = "/etc/jailkit/jails.d/odd.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;

let m: Machine;

const homeOf = (name: string) => m.must(["getent", "passwd", name]).stdout.split(":")[5];

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
});
beforeEach(() => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

describe("a home that is a jail", () => {
  test.each(["/bin/bash", "/usr/sbin/jk_chrootsh"])(
    "is none in it, and the command of the first run gives the account another: with the shell %s",
    (shell) => {
      const home = shell === "/bin/bash" ? `${J}/./` : `${J}/.//`;
      const remedy = `usermod -d ${J}/./home/topb topb`;
      const jailed = () => m.run(["jk_jailuser", "-n", "-j", J, "-s", "/bin/bash", "topb"]).stderr;
      const tries: (() => string)[] = [
        jailed,
        () => linesOf(m).summary.problems[0]?.message.replace("first: ", "fix it with: ") ?? "",
      ];
      for (const run of tries) {
        m.must(["useradd", "-M", "-s", shell, "topb"]);
        m.must(["sed", "-i", `s#^\\(topb:.*:\\)[^:]*\\(:[^:]*\\)$#\\1${home}\\2#`, "/etc/passwd"]);
        expect(homeOf("topb")).toBe(home);
        m.write(FILE, `${JAIL}${user("topb")}`);
        expect(/fix it with: (.*)\n?$/.exec(run())?.[1]).toBe(remedy);
        m.must(["sh", "-c", remedy]);
        const { status, summary } = linesOf(m);
        expect([status, summary.problems, homeOf("topb")]).toEqual([0, [], `${J}/./home/topb`]);
        m.write(FILE, JAIL);
        m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
        m.run(["userdel", "topb"]);
        m.remove(`${J}/home/topb`);
      }
    },
  );

  test("is no place to go back to, and no command moves the jail away", () => {
    m.must(["useradd", "-M", "-d", J, "-s", "/bin/bash", "topa"]);
    m.write(FILE, `${JAIL}${user("topa")}`);
    m.run(["jailkit", "apply"]);
    m.must(["jailkit", "apply"]);
    expect(homeOf("topa")).toBe(`${J}/./home/topa`);
    m.write(FILE, JAIL);
    const foreseen = linesOf(m, "--prune", "--check");
    expect(JSON.stringify(foreseen)).not.toContain("mv -nT");
    const { status, changes } = linesOf(m, "--prune");
    expect([status, changes.map((one) => one.status)]).toEqual([0, ["done"]]);
    expect(changes[0]?.warnings).toContainEqual(
      expect.stringContaining(
        `'${J}', the former home of the account, is a jail: the home is '/home/topa' instead`,
      ),
    );
    expect([homeOf("topa"), m.exists(`${J}/home/topa`), m.exists("/home/topa")]).toEqual([
      ...["/home/topa", false, true],
    ]);
    expect(did(m, "--prune")).toEqual([]);
    m.must(["userdel", "-r", "topa"]);
  });

  test("is neither moved away for the home of an account that leaves", () => {
    m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "tess"]);
    m.must(["jk_init", "-j", "/home/tess", "uidbasics"]);
    expect(m.run(["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", "tess"])).toMatchObject({
      ...{
        status: 1,
        stderr: expect.stringContaining("'/home/tess' is a jail, and stays: give the account"),
      },
    });
    expect(homeOf("tess")).toBe(`${J}/./home/tess`);
    m.must(["userdel", "-r", "tess"]);
    m.must(["jailkit", "delete", "--yes", "/home/tess"]);
  });

  test("is not moved away for that of a new account, or one whose home it is in the jail", () => {
    m.must(["jk_init", "-j", `${J}/home/nest`, "uidbasics"]);
    m.write(FILE, `${JAIL}${user("nest")}`);
    expect(linesOf(m).summary.problems).toEqual([
      expect.objectContaining({
        ...{ code: "foreign-home", remedy: null, message: expect.stringContaining("; it is a jail: ") },
      }),
    ]);
    m.must(["useradd", "-M", "-d", `${J}/./home/nest`, "-s", "/usr/sbin/jk_chrootsh", "nest"]);
    const lines = JSON.stringify(linesOf(m));
    expect([lines.includes("mv -nT"), lines.includes("give the account")]).toEqual([false, true]);
    m.must(["userdel", "nest"]);
    m.must(["jailkit", "delete", "--yes", `${J}/home/nest`]);
  });
});

describe("a home in the jail that is not there", () => {
  const none = `${J}/home/none`;
  test.each([
    ["a path", none, false],
    ["a path", none, true],
    ["the jail itself", J, false],
    ["the jail itself", J, true],
  ])("%s (%s, with the jail: %p) is created by the first run", (_, home, withJail) => {
    if (withJail) {
      m.write(FILE, "");
      m.must(["jailkit", "delete", "--yes", J]);
    }
    m.must(["useradd", "-M", "-d", home, "-s", "/bin/bash", "none"]);
    m.write(FILE, `${JAIL}${user("none", `authorized_keys = ${KEYS[0]}\n`)}`);
    const plan = linesOf(m, "--check").changes.map(({ text }) => text);
    expect(plan).toContain("+ user none: home /home/none (it is missing)");
    const { status, changes } = linesOf(m);
    expect([status, changes.map(({ text }) => text)]).toEqual([0, plan]);
    expect(changes.flatMap(({ warnings }) => warnings).join()).not.toContain("cannot log in");
    expect([homeOf("none"), m.read(`${none}/.ssh/authorized_keys`)]).toEqual([
      `${J}/./home/none`,
      `${KEYS[0]}\n`,
    ]);
    expect(did(m)).toEqual([]);
    m.must(["userdel", "none"]);
    m.remove(none);
    m.run(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "none"]);
    m.remove("/var/lib/jailkit/declared.json");
  });
});

describe("a home that is a symbolic link of root's", () => {
  test.each(["/home/.real", "/mnt/.real"])("to %s is named as what it is, and its end moves", (real) => {
    m.must(["useradd", "-m", "-d", real, "-s", "/bin/bash", "hlink"]);
    m.write(`${real}/kept`, "kept");
    m.symlink(real, "/home/hlink");
    m.must(["usermod", "-d", "/home/hlink", "hlink"]);
    m.write(FILE, `${JAIL}${user("hlink", "groups = team\n")}`);
    const remedy = `usermod -d ${real} hlink`;
    const problem = {
      ...{ code: "not-their-home", path: "hlink", remedy },
      message: expect.stringContaining("'/home/hlink', which is a symbolic link and is not moved: "),
    };
    for (const options of [["--check"], []]) {
      const { status, changes, summary } = linesOf(m, ...options);
      expect([status, changes, summary.problems]).toEqual([1, [], [expect.objectContaining(problem)]]);
    }
    expect(m.run(["jk_jailuser", "-m", "-j", J, "hlink"])).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining(remedy) },
    });
    expect([homeOf("hlink"), m.must(["id", "-Gn", "hlink"]).stdout]).toEqual(["/home/hlink", "hlink\n"]);
    m.must(remedy.split(" "));
    m.write(FILE, `${JAIL}${user("hlink", `home = ${real}\n`)}`);
    expect(linesOf(m).status).toBe(0);
    expect([homeOf("hlink"), m.read(`${J}${real}/kept`)]).toEqual([`${J}/.${real}`, "kept"]);
    expect(did(m)).toEqual([]);
    m.must(["userdel", "hlink"]);
    for (const path of ["/home/hlink", `${J}${real}`]) m.remove(path);
    m.run(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "hlink"]);
    m.remove("/var/lib/jailkit/declared.json");
  });
});

test("a home that is another account's has the command that gives another one as its remedy", () => {
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "anna"]);
  m.must(["useradd", "-M", "-d", `${J}/./home/anna`, "-s", "/usr/sbin/jk_chrootsh", "bob"]);
  m.write(FILE, `${JAIL}${user("bob", "home = /home/anna\n")}`);
  const remedy = `usermod -d ${J}/./home/bob bob && jk_jailuser --jail-side-only -j ${J} bob`;
  expect(linesOf(m, "--check").summary.problems).toEqual([
    expect.objectContaining({ code: "bad-home", message: expect.stringContaining(remedy), remedy }),
  ]);
  m.must(["sh", "-c", remedy]);
  m.write(FILE, `${JAIL}${user("bob")}`);
  m.must(["jailkit", "apply"]);
  expect(did(m)).toEqual([]);
});

test("a home behind a link of root's in the jail is named where it is, and the login is there", () => {
  m.must(["sh", "-ec", `cd ${J}; mkdir -p homes; mv home home.before; ln -s /homes home`]);
  m.must(["useradd", "-M", "-d", `${J}/./home/linked`, "-s", "/usr/sbin/jk_chrootsh", "linked"]);
  m.write(FILE, `${JAIL}${user("linked")}`);
  const steps = linesOf(m).changes.flatMap((one) => one.steps);
  expect(steps).toContain(`created the home '${J}/homes/linked'`);
  expect([m.exists(`${J}/homes/linked`), m.run(["su", "-", "linked", "-c", "pwd -P"]).stdout]).toEqual([
    ...[true, "/homes/linked\n"],
  ]);
  m.must(["userdel", "linked"]);
  m.must(["sh", "-ec", `cd ${J}; rm home; mv home.before home; rm -r homes`]);
  m.run(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "linked"]);
  m.remove("/var/lib/jailkit/declared.json");
});

test.each([
  ["a symbolic link", "ln -s /etc"],
  ["a file", "touch"],
])(
  "what a user has put in the place of the own home is that, and not in the home of another: %s",
  (what, put) => {
    const home = `${J}/home/mia`;
    m.write(FILE, `${JAIL}${user("mia")}`);
    m.must(["jailkit", "apply"]);
    m.must(["chmod", "1777", `${J}/home`]);
    m.must(["sh", "-c", `mv ${home} ${home}.own && ${put} ${home}`], { user: "mia" });
    const told = () => linesOf(m).summary.problems;
    const start = `user mia: '${home}' is not a directory, but ${what} of its user: logins are refused; keep it under another name, and create a new one: `;
    expect(told()).toEqual([
      expect.objectContaining({
        ...{ code: "foreign-home", remedy: null },
        message: `${start}first let root alone write the directories above ${home}`,
      }),
    ]);
    m.must(["chmod", "0755", `${J}/home`]);
    const [{ message, remedy } = { message: "", remedy: null }] = told();
    expect(message).toBe(start + remedy);
    m.must(["sh", "-c", remedy ?? "false"]);
    expect([told(), m.stat(home)?.uid]).toEqual([[], m.ids("mia").uid]);
    m.must(["userdel", "mia"]);
    m.must(["sh", "-c", `rm -rf ${home}* && sed -i /^mia:/d ${J}/etc/passwd`]);
    m.remove("/var/lib/jailkit/declared.json");
  },
);

describe("a home with a device in it", () => {
  // An overlay has no whiteouts of its own.
  beforeAll(() => {
    m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home"]);
  });
  afterAll(() => m?.run(["umount", "/home"]));

  test.each([J, "/home/jail"])(
    "moves both ways, to %s, if it is a whiteout, which any user can make",
    (path) => {
      const home = "/home/wil";
      m.must(["useradd", "-m", "-d", home, "-s", "/bin/bash", "wil"]);
      const make = () =>
        m.must(["sh", "-ec", `cd ${homeOf("wil")}; rm -f gap; mknod gap c 0 0`], { user: "wil" });
      make();
      m.write(`${home}/kept`, "x");
      const jail = `[jail ${path}]\nsections = uidbasics, basicshell\n`;
      m.write(FILE, `${jail}[user wil]\njail = ${path}\nshell = /bin/bash\n`);
      expect([linesOf(m).summary.problems, m.exists(home)]).toEqual([[], false]);
      expect(m.read(`${homeOf("wil")}/kept`)).toBe("x");
      if (path !== J) make();
      m.write(FILE, jail);
      expect([linesOf(m, "--prune").changes[0]?.status, homeOf("wil"), m.exists(`${home}/gap`)]).toEqual([
        "done",
        home,
        false,
      ]);
      expect([m.read(`${home}/kept`), m.exists(`${path}${home}`)]).toEqual(["x", false]);
      m.must(["userdel", "-r", "wil"]);
    },
  );

  test("stays if root has made one, which the message names on the host", () => {
    m.write(FILE, `${JAIL}${user("dee")}`);
    m.must(["useradd", "-m", "-s", "/bin/bash", "dee"]);
    m.must(["jailkit", "apply"]);
    m.must(["mknod", `${J}/home/dee/null`, "c", "1", "3"]);
    m.write(FILE, JAIL);
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems]).toEqual([
      ...[
        1,
        [
          expect.objectContaining({
            message: expect.stringContaining(`'${J}/home/dee/null' is a device, which no home`),
          }),
        ],
      ],
    ]);
    m.remove(`${J}/home/dee/null`);
    m.must(["jailkit", "apply", "--prune"]);
    m.must(["userdel", "-r", "dee"]);
  });
});
