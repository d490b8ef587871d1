import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as C from "../../ffi/constants.ts";
import { type Machine, openMachine, type RunOptions, type Syslog, underTest } from "../machine/machine.ts";
import { ends, expectedOf, prints, tableOf } from "./cases.ts";
import { J, makeJail, restoreDirectories } from "./jail.ts";

const pidfile = "/run/daemon.pid";

let m: Machine;
let log: Syslog;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, groups: ["games"] });
  m.addUser("other", { uid: 4002 });
  makeJail(m, J, "/usr/bin/bash", "/usr/bin/id", "/usr/bin/echo", "/usr/bin/cat", "/usr/bin/env");
  log = await m.startSyslog();
});
afterAll(async () => m.close());

beforeEach(() => {
  restoreDirectories(m);
  m.write(`${J}/usr/bin/copy`, m.readBytes("/usr/bin/id"), { mode: 0o755 });
  m.remove(pidfile);
});

const launch = (args: readonly string[], options: RunOptions = {}) =>
  m.run(["jk_chrootlaunch", ...args], options);

const table = tableOf(launch, ["-j", J, "-x", "/usr/bin/echo", "in"]);

const in_ = prints("in\n");
const program = (path: string, ...words: string[]) => ["-j", J, "-x", path, "--", ...words];
const bash = (...words: string[]) => program("/usr/bin/bash", "-c", ...words);
const chmod = (path: string, mode: number) => () => m.chmod(path, mode);

table("starting", [
  { name: "a program", is: in_ },
  { name: "options after --", args: program("/usr/bin/echo", "a", "-u", "b"), is: prints("a -u b\n") },
  { name: "its path on the host", args: program(`${J}/usr/bin/echo`, "x"), is: prints("x\n") },
  { name: "its path without a slash", args: program("usr/bin/echo", "x"), is: prints("x\n") },
  { name: "argv[0]", args: bash("echo $0"), is: prints("/usr/bin/bash\n") },
  {
    name: "argv[0] for a path on the host",
    args: program(`${J}/usr/bin/bash`, "-c", "echo $0"),
    is: prints("usr/bin/bash\n"),
  },
  { name: "a slash after the jail", args: ["-j", `${J}/`, "-x", "/usr/bin/echo", "x"], is: prints("x\n") },
  { name: "long options", args: [`--jail=${J}`, "--exec", "/usr/bin/echo", "x"], is: prints("x\n") },
  { name: "-v", args: ["-v", "-j", J, "-x", "/usr/bin/echo", "x"], is: prints("x\n") },
  { name: "operands before options", args: ["a", "-j", J, "-x", "/usr/bin/echo", "b"], is: prints("a b\n") },
  {
    name: "where, and with which umask and limits",
    args: bash("pwd; umask; ulimit -n; echo /*"),
    umask: 0o57,
    limits: { NOFILE: 77 },
    is: prints("/\n0057\n77\n/bin /dev /etc /home /lib /lib64 /sbin /usr\n"),
  },
  {
    name: "the environment stays",
    args: program("/usr/bin/env"),
    env: { A: "1", LD_X: "2" },
    is: prints("A=1\nLD_X=2\n"),
  },
  { name: "the program's own status", args: bash("exit 42"), is: ends(42) },
]);

table("options", [
  { name: "none", args: [], is: ends(21) },
  { name: "no program", args: ["-j", J], is: ends(23) },
  { name: "no jail", args: ["-x", "/usr/bin/echo"], is: ends(21) },
  { name: "a relative jail", args: ["-j", "srv/j", "-x", "/usr/bin/echo"], is: ends(27) },
  { name: "no such jail", args: ["-j", "/nope", "-x", "/usr/bin/echo"], is: ends(25) },
  {
    name: "an empty jail",
    args: ["-j", "", "-x", "/usr/bin/env"],
    env: {},
    is: { debian: prints(""), ours: ends(27), difference: "launch-empty-jail" },
  },
  {
    name: "/",
    args: ["-j", "/", "-x", "/usr/bin/env"],
    env: {},
    is: { debian: prints(""), ours: ends(25), difference: "root-is-no-jail" },
  },
  {
    name: "a jail that is a link",
    before: () => {
      m.remove("/srv/l");
      m.symlink("j", "/srv/l");
    },
    args: ["-j", "/srv/l", "-x", "/usr/bin/echo", "x"],
    is: { debian: prints("x\n"), ours: ends(25), difference: "launch-jail-link" },
  },
  { name: "-h", args: ["-h"], is: { debian: { status: 1 }, ours: { status: 0 }, difference: "help-status" } },
  {
    name: "an unknown one",
    args: ["-V", "-j", J, "-x", "/usr/bin/echo", "x"],
    is: { debian: prints("x\n"), ours: ends(1), difference: "unknown-options" },
  },
  { name: "not as root", user: "u", is: ends(35) },
]);

const showIds = bash("id -u; id -g; id -G");
const as = (...words: string[]) => [...words, ...showIds];
const root = { user: { uid: 0, gid: 0, groups: [33, 5002] } };
table("ids", [
  {
    name: "user and group",
    args: as("-u", "u", "-g", "other"),
    is: {
      debian: prints("4001\n4002\n4002 0\n"),
      ours: prints("4001\n4002\n4002 60\n"),
      difference: "launch-groups",
    },
  },
  {
    name: "by number",
    args: as("-u", "4001", "-g", "4001"),
    is: {
      debian: prints("4001\n4001\n4001 0\n"),
      ours: prints("4001\n4001\n4001 60\n"),
      difference: "launch-groups",
    },
  },
  {
    name: "a user alone",
    args: as("-u", "u"),
    is: {
      debian: prints("4001\n0\n0\n"),
      ours: prints("4001\n4001\n4001 60\n"),
      difference: "launch-user-group",
    },
  },
  {
    name: "a group alone",
    args: as("-g", "u"),
    is: { debian: prints("0\n4001\n4001 0\n"), ours: prints("0\n4001\n4001\n"), difference: "launch-groups" },
  },
  {
    name: "groups of the caller",
    args: as("-u", "u", "-g", "u"),
    ...root,
    is: {
      debian: prints("4001\n4001\n4001 33 5002\n"),
      ours: prints("4001\n4001\n4001 60\n"),
      difference: "launch-groups",
    },
  },
  {
    name: "groups of the caller, for root",
    args: as(),
    ...root,
    is: { debian: prints("0\n0\n0 33 5002\n"), ours: prints("0\n0\n0\n"), difference: "launch-groups" },
  },
  { name: "no such user", args: as("-u", "nosuch"), is: ends(1) },
  { name: "no such uid", args: as("-u", "77777"), is: ends(1) },
  { name: "no such group", args: as("-g", "77777"), is: ends(1) },
  { name: "a negative number", args: as("-u", "-5"), is: ends(1) },
  {
    name: "a number and more",
    args: as("-u", "4001abc", "-g", "4001abc"),
    is: { debian: prints("4001\n4001\n4001 0\n"), ours: ends(1), difference: "launch-ids" },
  },
  { name: "a bad user comes before a missing jail", args: ["-u", "nosuch"], is: ends(1) },
]);

table("the jail", [
  ...["dev", "etc", "usr", "usr/bin", "usr/lib", "usr/sbin"].map((name) => ({
    name: `${name} is group-writable`,
    before: chmod(`${J}/${name}`, 0o775),
    is: ends(25),
  })),
  { name: "the jail is other-writable", before: chmod(J, 0o757), is: ends(25) },
  { name: "the jail is a user's", before: () => m.chown(J, 4001, 0), is: ends(25) },
  {
    name: "the directory above the jail is other-writable",
    before: chmod("/srv", 0o757),
    is: { debian: in_, ours: ends(25), difference: "jail-safety" },
  },
]);

const copy = `${J}/usr/bin/copy`;
const runCopy = { args: program("/usr/bin/copy", "-u") };
table("the program", [
  { name: "in order", ...runCopy, is: prints("0\n") },
  { name: "missing", args: program("/usr/bin/nope"), is: ends(29) },
  { name: "group-writable", before: chmod(copy, 0o775), ...runCopy, is: ends(29) },
  { name: "other-writable", before: chmod(copy, 0o757), ...runCopy, is: ends(29) },
  { name: "setuid", before: chmod(copy, 0o4755), ...runCopy, is: ends(29) },
  { name: "setgid", before: chmod(copy, 0o2755), ...runCopy, is: ends(29) },
  { name: "not root's", before: () => m.chown(copy, 4001, 0), ...runCopy, is: ends(29) },
  { name: "another group", before: () => m.chown(copy, 0, 4001), ...runCopy, is: ends(29) },
  { name: "a directory", args: program("/usr/bin"), is: ends(31) },
  {
    name: "not a program",
    before: () => m.write(`${J}/usr/bin/garbage`, "garbage", { mode: 0o755 }),
    args: program("/usr/bin/garbage"),
    is: ends(31),
  },
  {
    name: "a link of root's",
    before: () => {
      m.remove(`${J}/usr/bin/link`);
      m.symlink("echo", `${J}/usr/bin/link`);
    },
    args: program("/usr/bin/link", "x"),
    is: { debian: ends(29), ours: prints("x\n"), difference: "launch-program-path" },
  },
  {
    name: "in a user's directory",
    before: () => {
      m.mkdir(`${J}/home/u`, { owner: [4001, 4001] });
      m.write(`${J}/home/u/prog`, m.readBytes("/usr/bin/id"), { mode: 0o755 });
    },
    args: program("/home/u/prog", "-u"),
    is: { debian: prints("0\n"), ours: ends(29), difference: "launch-program-path" },
  },
  {
    name: "above the jail",
    before: () => m.write("/srv/outside", "#!/bin/sh\n", { mode: 0o755 }),
    args: program("/../outside"),
    is: { debian: ends(31), ours: ends(29), difference: "launch-program-path" },
  },
]);

describe("the pidfile", () => {
  const printsPid = ["-p", pidfile, ...bash("echo $$")];
  const content = () => (m.exists(pidfile) ? m.read(pidfile) : undefined);

  test("holds the program's pid, which is that of jk_chrootlaunch, without a newline", () => {
    const { stdout } = launch(printsPid);
    expect(content()).toBe(stdout.trim());
    expect(m.stat(pidfile)).toMatchObject({ mode: C.S_IFREG | 0o644, uid: 0, gid: 0 });
    expect(launch(["-p", pidfile, ...bash("exit 7")])).toMatchObject(ends(7));
  });

  test("is there only if the program was executed", () => {
    m.write(`${J}/usr/bin/garbage`, "garbage", { mode: 0o755 });
    expect(launch(["-p", pidfile, ...program("/usr/bin/garbage")])).toMatchObject(ends(31));
    const there = m.exists(pidfile) ? "there" : "missing";
    expect(there).toBe(expectedOf({ debian: "there", ours: "missing", difference: "launch-pidfile" }));
    expect(m.list("/run").filter((name) => name.includes("daemon.pid"))).toEqual(
      there === "there" ? ["daemon.pid"] : [],
    );
  });

  test("does not follow a link", () => {
    m.write("/root/target", "untouched");
    m.symlink("/root/target", pidfile);
    const { stdout } = launch(printsPid);
    const target = m.read("/root/target") === "untouched" ? "untouched" : "overwritten";
    expect(target).toBe(
      expectedOf({ debian: "overwritten", ours: "untouched", difference: "launch-pidfile" }),
    );
    expect(content()).toBe(stdout.trim());
  });

  test("that cannot be created does not keep the program from running", () => {
    expect(launch(["-p", "/nope/x", ...program("/usr/bin/echo", "x")])).toMatchObject(prints("x\n"));
  });
});

describe("descriptors", () => {
  test("none above 2 gets in", () => {
    const open = [{ fd: 9, path: "/", flags: C.O_PATH }];
    expect(launch(bash("echo x >&9"), { open }).status).toBe(1);
  });

  test("not one above the limit either", () => {
    const result = launch(bash("ulimit -n 1000; : <&200 && echo leaked"), {
      open: [{ fd: 200, path: "/etc/passwd" }],
      limits: { NOFILE: [100, 1000] },
    });
    const out = expectedOf({ debian: "leaked\n", ours: "", difference: "descriptors-above-limit" });
    expect(result.stdout).toBe(out);
  });
});

describe("messages and log", () => {
  test("starting", async () => {
    await log.clear();
    launch(program("/usr/bin/echo"));
    const lines = await log.lines();
    const started = lines.some(
      ({ ident, facility, severity, message }) =>
        ident === "jk_chrootlaunch" &&
        facility === 3 &&
        severity === 5 &&
        message === `executing /usr/bin/echo in jail ${J}`,
    );
    expect(started ? "logged" : "lost").toBe(
      expectedOf({ debian: "lost", ours: "logged", difference: "launch-log" }),
    );
  });

  test("root in a jail is warned about", async () => {
    await log.clear();
    const { stderr } = launch(program("/usr/bin/echo"));
    const lines = await log.lines();
    const warned = /warning: .* root/.test(stderr) && lines.some(({ severity }) => severity === 4);
    expect(warned ? "warned" : "silent").toBe(
      expectedOf({ debian: "silent", ours: "warned", difference: "launch-says-why" }),
    );
  });

  test("a failure", async () => {
    await log.clear();
    const { stderr } = launch(program("/usr/bin/nope"));
    const lines = (await log.lines()).filter(({ severity }) => severity === 3);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines[0]).toMatchObject({ ident: "jk_chrootlaunch", facility: 3 });
    expect(stderr === "" ? "silent" : "told").toBe(
      expectedOf({ debian: "silent", ours: "told", difference: "launch-says-why" }),
    );
  });
});
