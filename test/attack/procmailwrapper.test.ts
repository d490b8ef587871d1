/**
 * What a user can do to jk_procmailwrapper: start it in any way, write mail and recipes, own the home. A probe replaces
 * procmail, inside and outside, and prints what it was given.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  type Machine,
  openMachine,
  type RunOptions,
  type RunResult,
  type Syslog,
} from "../machine/machine.ts";
import { descriptorsOf, expectConfined, groupsOf, J, readProbe, says, writeOutside } from "./probe.ts";

setDefaultTimeout(120_000);

const PROCMAIL = "/usr/bin/procmail";
const probe = readProbe();

describe.each([
  ["capability", "standalone"],
  ["setuid", "standalone"],
  ["capability", "package"],
] as const)("with the %s, %s", (privilege, layout) => {
  let m: Machine;
  let log: Syslog;
  let passwd: string;
  const uid = 4001;

  beforeAll(async () => {
    m = await openMachine({ under: "ours", only: ["jk_procmailwrapper"], privilege, layout });
    log = await m.startSyslog();
    m.addUser("u", { uid, groups: ["games"] });
    m.addUser("other", { uid: 4002 });
    writeOutside(m);
    m.write(PROCMAIL, probe, { mode: 0o755 });
    passwd = m.read("/etc/passwd").replace(/^u:.*\n/m, "");
  });
  afterAll(async () => m?.close());

  beforeEach(() => {
    m.remove(J);
    for (const name of ["dev", "etc", "lib", "usr/bin", "home"]) m.mkdir(`${J}/${name}`);
    m.mkdir(`${J}/home/u`, { owner: [uid, uid] });
    m.write(`${J}${PROCMAIL}`, probe, { mode: 0o755 });
    m.write(`${J}/etc/passwd`, `u:x:${uid}:${uid}::/home/u:/bin/sh\n`);
    m.write(`${J}/etc/group`, `u:x:${uid}:\n`);
    home(`${J}/./home/u`);
  });

  const home = (text: string, gid = uid) =>
    m.write("/etc/passwd", `${passwd}u:x:${uid}:${gid}::${text}:/bin/sh\n`);
  const deliver = (words: readonly string[] = [], options: RunOptions = {}) =>
    m.run(["jk_procmailwrapper", ...words], { user: "u", env: {}, ...options });
  const inside = (result: RunResult) => {
    expect(result.stderr).toBe("");
    expectConfined(result, uid);
    expect(says(result, "cwd")).toEqual(["/home/u"]);
  };
  /** Expects a refusal: the status, one line without a path, and an id that is in the log beside the reason. */
  const refused = async (result: RunResult, status: number, reason: string) => {
    expect(result).toMatchObject({ status, stdout: "" });
    expect(result.stderr).toMatch(/^jk_procmailwrapper: refused: [^/]+ \(error id JK-[A-Z2-7]{8}\)\n$/);
    const id = /JK-[A-Z2-7]{8}/.exec(result.stderr)?.[0] ?? "none";
    const line = (await log.lines()).find(({ message }) => message.includes(id));
    expect(line?.ident).toBe("jk_procmailwrapper");
    expect(line?.message).toContain(reason);
  };

  test("procmail in the jail has the user's ids, no capability and no way out", () => {
    const result = deliver(["-a", "x"]);
    inside(result);
    expect(says(result, "arg")).toEqual([PROCMAIL, "-a", "x"]);
    expect(says(result, "env").sort()).toEqual(["HOME=/home/u", "USER=u"]);
    expect(groupsOf(result)).toEqual([...m.ids("u").groups].sort());
    expect(says(result, "dumpable")).toEqual(["1"]);
  });

  test("supplementary groups are neither added nor removed", () => {
    const user = { uid, gid: uid, groups: [uid] };
    const result = deliver([], { user });
    inside(result);
    expect(says(result, "groups")).toEqual([String(uid)]);
  });

  test("with a jk_chrootsh.ini that cannot be used, the mail is kept", async () => {
    m.write("/etc/jailkit/jk_chrootsh.ini", "[u]\nlimits = none\n");
    await refused(deliver(), 75, "limits");
    m.remove("/etc/jailkit/jk_chrootsh.ini");
  });

  test("descriptors of the caller do not get in, not even above the limit of open files", () => {
    const open = [3, 4, 50, 200, 1000].map((fd) => ({ fd, path: "/" }));
    inside(deliver([], { open, limits: { NOFILE: [16, 4096] } }));
  });

  test("outside, procmail has no privilege either; arguments and environment are the caller's", () => {
    home("/home/john.doe");
    const env = ["SENDER=s", "HOME=/x", "A=1", "A=2"];
    const result = deliver(["-f", "-"], { env, open: [{ fd: 3, path: "/" }] });
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(says(result, "outside")).toEqual(["seen"]);
    expect(says(result, "uid")).toEqual([`${uid} ${uid} ${uid}`]);
    expect(says(result, "capabilities")).toEqual(["0 0 0 0"]);
    expect(says(result, "chroot")).toEqual(["Operation not permitted"]);
    expect(says(result, "arg")).toEqual([PROCMAIL, "-f", "-"]);
    expect(says(result, "env")).toEqual(env);
    expect(descriptorsOf(result)).toEqual(["0", "1", "2"]);
    expect(groupsOf(result)).toEqual([...m.ids("u").groups].sort());
  });

  test.each(["/home/john.doe", "/home/.hidden", "/home/u.", "/home/a.b/c", "/home/u"])(
    "%s is no jail",
    (path) => {
      home(path);
      expect(says(deliver(), "outside")).toEqual(["seen"]);
    },
  );

  // Recipes of an account that was meant to be in a jail must not run outside, whatever is wrong with its home.
  test.each<[home: string, status: number]>([
    [`${J}/.`, 17],
    ["/./home/u", 17],
    ["/././home/u", 17],
    ["//./home/u", 17],
    ["/nowhere/./home/u", 19],
    ["srv/j/./home/u", 21],
    ["/srv/../srv/j/./home/u", 21],
    [`${J}/././home/u`, 21],
    [`${J}/./home/./u`, 21],
    [`${J}/./home/nobody`, 53],
    [`${J}/./home/v`, 39],
  ])("the home %s is refused", async (path, status) => {
    m.mkdir(`${J}/home/v`, { owner: [uid, uid] });
    home(path);
    await refused(deliver(), status, "abort, ");
  });

  test("USER and LOGNAME do not choose the account", () => {
    for (const name of ["other", "root", "u", ""]) {
      inside(deliver([], { env: { USER: name, LOGNAME: name, HOME: "/home/other" } }));
    }
  });

  test("variables: no code for ld.so or the runtime", () => {
    const env = {
      LD_PRELOAD: "/tmp/evil.so",
      BUN_BE_BUN: "1",
      BUN_OPTIONS: "--preload=/tmp/evil.js",
      NODE_OPTIONS: "--require=/tmp/evil.js",
    };
    const result = deliver(["-e", "process.exit(66)"], { env });
    inside(result);
    expect(says(result, "env").sort()).toEqual(["HOME=/home/u", "USER=u"]);
  });

  test("--help among other arguments, or as another word, is procmail's", () => {
    for (const words of [["--help", "x"], ["x", "--help"], ["-h"], ["-v"], [""]]) {
      const result = deliver(words);
      inside(result);
      expect(says(result, "arg")).toEqual([PROCMAIL, ...words]);
    }
  });

  test("another name", async () => {
    await refused(deliver([], { argv0: "procmail" }), 1, "is called as procmail");
    await refused(m.run([], { path: "/usr/sbin/jk_procmailwrapper", user: "u", env: {} }), 1, "is called as");
  });

  test("root, and an unknown account: the mail is kept", async () => {
    await refused(deliver([], { user: "root" }), 75, "is run by root");
    await refused(deliver([], { user: { uid: 4999, gid: 4001 } }), 75, "user ID 4999");
  });

  test.if(layout === "package")("if the program cannot start, the mail is kept", async () => {
    const kept = async (result: RunResult, why: string) => {
      expect(result).toMatchObject({ status: 75, stdout: "" });
      const id = /JK-[A-Z2-7]{8}/.exec(result.stderr)?.[0] ?? "none";
      expect((await log.waitForLog(({ message }) => message.startsWith(id))).message).toContain(why);
    };
    await kept(deliver([], { limits: { NOFILE: 15 } }), "open files");
    await kept(deliver([], { limits: { AS: 1 << 30 } }), "address space");
    await kept(deliver([], { limits: { DATA: 1 << 30 } }), "data size");
    m.rename("/usr/sbin/jailkit", "/usr/sbin/jailkit.away");
    await kept(deliver(), "cannot be opened");
    m.rename("/usr/sbin/jailkit.away", "/usr/sbin/jailkit");
    inside(deliver());
  });

  test("a group that is not the account's, and one that nobody knows", async () => {
    await refused(deliver([], { user: { uid, gid: 4002 } }), 15, "group ID");
    await refused(deliver([], { user: { uid, gid: 4999 } }), 13, "group ID 4999");
  });

  test("no_new_privs costs the way into the jail, and nothing is delivered outside instead", async () => {
    await refused(deliver([], { noNewPrivs: true }), 11, "CAP_SYS_CHROOT is missing");
    home("/home/u");
    expect(says(deliver([], { noNewPrivs: true }), "outside")).toEqual(["seen"]);
  });

  test("a jail that others can write is refused, while 2.23 checked only its top", async () => {
    for (const name of ["", "/etc", "/dev", "/usr", "/lib"]) {
      m.chmod(`${J}${name}`, 0o777);
      await refused(deliver(), 53, "is not a safe jail");
      m.chmod(`${J}${name}`, 0o755);
    }
    m.chown(`${J}/etc`, uid, uid);
    await refused(deliver(), 53, "is not a safe jail");
  });

  test("a home that is a link or another's", async () => {
    m.remove(`${J}/home/u`);
    m.symlink("/tmp", `${J}/home/u`);
    await refused(deliver(), 53, "is not a directory");
    m.remove(`${J}/home/u`);
    m.mkdir(`${J}/home/u`, { owner: [4002, uid] });
    await refused(deliver(), 53, `is not owned by ${uid}`);
  });

  test("a home that its group can write, or of another group, gets its mail", () => {
    m.chmod(`${J}/home/u`, 0o2777);
    m.chown(`${J}/home/u`, uid, 4002);
    inside(deliver());
  });

  test("a procmail in the jail that is setuid, setgid, not root's, a symbolic link of the user, or missing", async () => {
    const file = `${J}${PROCMAIL}`;
    for (const mode of [0o4755, 0o2755, 0o775, 0o757]) {
      m.chmod(file, mode);
      await refused(deliver(), 111, "it is not safe to run");
    }
    m.chmod(file, 0o755);
    m.chown(file, uid, uid);
    await refused(deliver(), 111, "it is not safe to run");
    m.remove(file);
    m.write(`${J}/home/u/procmail`, probe, { mode: 0o755 });
    m.symlink("/home/u/procmail", file);
    await refused(deliver(), 111, "it is not safe to run");
    m.remove(file);
    m.symlink("/../../../usr/bin/true", file);
    await refused(deliver(), 111, "No such file");
    m.remove(file);
    await refused(deliver(), 111, "No such file");
    m.write(file, probe, { mode: 0o644 });
    await refused(deliver(), 111, "Permission denied");
  });

  test("account files of the jail with other data", async () => {
    m.write(`${J}/etc/passwd`, `v:x:${uid}:${uid}::/home/u:/bin/sh\n`);
    await refused(deliver(), 37, "differs from jail username");
    m.write(`${J}/etc/passwd`, `u:x:0:0::/home/u:/bin/sh\n`);
    await refused(deliver(), 35, "in the jail for user ID");
    m.write(`${J}/etc/passwd`, `u:x:${uid}:${uid}::/home/w:/bin/sh\n`);
    await refused(deliver(), 39, "differs from jail home directory");
    m.write(`${J}/etc/passwd`, `u:x:${uid}:${uid}::/home/u:/bin/sh\n`);
    m.write(`${J}/etc/group`, `w:x:${uid}:\n`);
    await refused(deliver(), 37, "differs from jail groupname");
    m.write(`${J}/etc/group`, "");
    await refused(deliver(), 35, "group information in the jail");
  });

  test("no procmail outside", async () => {
    home("/home/u");
    m.remove(PROCMAIL);
    const result = deliver();
    m.write(PROCMAIL, probe, { mode: 0o755 });
    await refused(result, 1, `failed to execute ${PROCMAIL}`);
  });

  test("log lines cannot be forged by arguments", async () => {
    await log.clear();
    inside(deliver(["x\n<86>sshd[1]: Accepted password for root", "\x1b[2J"]));
    const [line, ...more] = await log.lines();
    expect(more).toEqual([]);
    expect(line?.message).toEndWith("with arguments x\\n<86>sshd[1]: Accepted password for root \\x1b[2J");
  });
});
