import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as C from "../../ffi/constants.ts";
import { type Machine, openMachine, type RunOptions, type Syslog, underTest } from "../machine/machine.ts";
import { type Expected, ends, expectedOf, prints, type Result, tableOf } from "./cases.ts";
import { J, makeJail, restoreDirectories, writeAccounts } from "./jail.ts";

const ini = "/etc/jailkit/jk_uchroot.ini";
const allowed = `[DEFAULT]\nallowed_jails = ${J}\n`;

let m: Machine;
let log: Syslog;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, groups: ["games"] });
  m.addUser("other", { uid: 4002 });
  for (const jail of [J, "/srv/k"])
    makeJail(m, jail, "/usr/bin/bash", "/usr/bin/id", "/usr/bin/echo", "/usr/bin/env");
  log = await m.startSyslog();
});
afterAll(async () => m.close());

beforeEach(() => {
  restoreDirectories(m);
  m.mkdir("/etc/jailkit");
  for (const jail of [J, "/srv/k"]) writeAccounts(m, jail);
  m.write(ini, allowed);
});

const env = { PATH: "/usr/bin:/bin", USER: "u" };
const uchroot = (args: readonly string[], options: RunOptions = {}) =>
  m.run(["jk_uchroot", ...args], { user: "u", env, ...options });

const table = tableOf(uchroot, ["-j", J, "-x", "/usr/bin/echo", "in"]);

const in_ = prints("in\n");
const bash = (...words: string[]) => ["-j", J, "-x", "/usr/bin/bash", "--", "-c", ...words];
const config = (text: string) => () => m.write(ini, text);
const section = (keys: string) => config(`${allowed}${keys}\n`);
const file = (path: string, content: string) => () => m.write(J + path, content);
const chmod = (path: string, mode: number) => () => m.chmod(path, mode);

table("going in", [
  { name: "a program", is: in_ },
  {
    name: "arguments after --",
    args: ["-j", J, "-x", "/usr/bin/echo", "--", "a", "-b"],
    is: prints("a -b\n"),
  },
  {
    name: "a slash after the jail, none before the program",
    args: ["-j", `${J}/`, "-x", "usr/bin/echo"],
    is: prints("\n"),
  },
  { name: "long options", args: [`--jail=${J}`, "--executable", "/usr/bin/echo", "x"], is: prints("x\n") },
  { name: "--exec", args: ["--exec=/usr/bin/echo", "-j", J, "x"], is: prints("x\n") },
  { name: "joined values", args: [`-j${J}`, "-x/usr/bin/echo", "x"], is: prints("x\n") },
  { name: "-v", args: ["-v", "-j", J, "-x", "/usr/bin/echo", "x"], is: prints("x\n") },
  {
    name: "the last of several counts",
    args: ["-j", "/srv/k", "-x", "/no", "-j", J, "-x", "/usr/bin/echo"],
    is: prints("\n"),
  },
  {
    name: "operands before options",
    args: ["a", "-j", J, "b", "-x", "/usr/bin/echo", "c"],
    is: prints("a b c\n"),
  },
  {
    name: "argv[0] is what -x says",
    args: ["-j", J, "-x", "usr/bin/bash", "--", "-c", "echo $0"],
    is: prints("usr/bin/bash\n"),
  },
  {
    name: "where and as whom",
    args: bash("pwd; id -u; id -G; umask; ulimit -n; echo /*"),
    umask: 0o57,
    limits: { NOFILE: 77 },
    is: prints("/\n4001\n4001 60\n0057\n77\n/bin /dev /etc /home /lib /lib64 /sbin /usr\n"),
  },
  { name: "the program's own status", args: bash("exit 42"), is: ends(42) },
  { name: "standard input", args: bash("read x; echo $x"), stdin: "line\n", is: prints("line\n") },
  { name: "a link in the jail", args: ["-j", J, "-x", "/bin/echo", "x"], is: prints("x\n") },
  { name: "argv[0] is -jk_uchroot", argv0: "-jk_uchroot", is: in_ },
  { name: "argv[0] is another", argv0: "jk_chrootsh", is: ends(1) },
]);

const usage = (status = 1): Expected<Result> => ({
  debian: { status },
  ours: { status, stdout: "" },
  difference: "uchroot-usage",
});
table("options", [
  { name: "none", args: [], is: usage() },
  { name: "no program", args: ["-j", J], is: usage() },
  { name: "no jail", args: ["-x", "/usr/bin/echo"], is: usage() },
  { name: "-h", args: ["-h"], is: { debian: { status: 1 }, ours: { status: 0 }, difference: "help-status" } },
  {
    name: "--help",
    args: ["--help"],
    is: { debian: { status: 1 }, ours: { status: 0 }, difference: "help-status" },
  },
  {
    name: "an unknown one",
    args: ["-V", "-j", J, "-x", "/usr/bin/echo", "x"],
    is: { debian: prints("x\n"), ours: ends(1), difference: "unknown-options" },
  },
  { name: "as root", args: [], user: "root", env: {}, is: { status: 12 } },
]);

table("who", [
  { name: "root", user: "root", env: {}, is: ends(12) },
  { name: "USER=nosuch", env: { USER: "nosuch" }, is: ends(13) },
  { name: "USER=other", env: { USER: "other" }, is: ends(13) },
  { name: "USER unset", env: {}, is: in_ },
  { name: "no account", user: { uid: 4999, gid: 4001 }, env: {}, is: ends(13) },
  { name: "no such group", user: { uid: 4001, gid: 4999 }, is: ends(13) },
  { name: "no capability, no setuid", noNewPrivs: true, is: ends(11) },
]);

table("the configuration", [
  { name: "no file", before: () => m.remove(ini), is: ends(1) },
  { name: "no section", before: config(`[v]\nallowed_jails = ${J}\n`), is: ends(1) },
  { name: "no allowed_jails", before: config("[DEFAULT]\nskip_injail_passwd_check = 1\n"), is: ends(1) },
  { name: "an empty allowed_jails", before: config("[DEFAULT]\nallowed_jails =\n"), is: ends(1) },
  {
    name: "of the user",
    before: config(`[DEFAULT]\nallowed_jails = /x\n[u]\nallowed_jails = ${J}\n`),
    is: in_,
  },
  {
    name: "of the group",
    before: config(`[DEFAULT]\nallowed_jails = /x\n[group u]\nallowed_jails = ${J}\n`),
    is: in_,
  },
  { name: "of a supplementary group", before: config(`[group games]\nallowed_jails = ${J}\n`), is: ends(1) },
  { name: "a list", before: config(`[DEFAULT]\nallowed_jails = /x, ${J} , /srv/k\n`), is: in_ },
  { name: "group-writable directory", before: chmod("/etc/jailkit", 0o775), is: in_ },
  { name: "other-writable directory", before: chmod("/etc/jailkit", 0o757), is: ends(14) },
  { name: "not root's", before: () => m.chown("/etc/jailkit", 4001, 0), is: ends(14) },
]);

const at = (jail: string, program = "/usr/bin/echo") => ["-j", jail, "-x", program, "in"];
const same = (debian: Result = ends(21)): Expected<Result> => ({
  debian,
  ours: in_,
  difference: "uchroot-identity",
});
table("which jail", [
  { name: "another", args: at("/srv/k"), is: ends(21) },
  { name: "listed with a slash", before: config(`[DEFAULT]\nallowed_jails = ${J}/\n`), is: in_ },
  { name: "two slashes", args: at(`${J}//`), is: same() },
  { name: "relative", args: at("srv/j"), is: same() },
  { name: "..", args: at("/srv/k/../j"), is: same() },
  {
    name: "through a link",
    before: () => {
      m.remove("/srv/l");
      m.symlink("j", "/srv/l");
    },
    args: at("/srv/l"),
    is: same(),
  },
  {
    name: "a link that is listed",
    before: () => {
      m.remove("/srv/l");
      m.symlink("j", "/srv/l");
      m.write(ini, "[DEFAULT]\nallowed_jails = /srv/l\n");
    },
    args: at("/srv/l"),
    is: ends(21),
  },
  { name: "/", args: at("/"), is: ends(21) },
  { name: "empty", args: at(""), is: ends(21) },
  {
    name: "/ is listed",
    before: config("[DEFAULT]\nallowed_jails = /\n"),
    args: at("/"),
    is: { debian: in_, ours: ends(21), difference: "root-is-no-jail" },
  },
  {
    name: "missing",
    args: at("/nope"),
    is: { debian: { status: 1 }, ours: ends(21), difference: "uchroot-permission-first" },
  },
  {
    name: "listed and missing",
    before: config("[DEFAULT]\nallowed_jails = /nope\n"),
    args: at("/nope"),
    is: { debian: { status: 1 }, ours: ends(19), difference: "uchroot-permission-first" },
  },
  {
    name: "not allowed, and without such a program",
    args: at("/srv/k", "/nope"),
    is: { debian: { status: 1 }, ours: ends(21), difference: "uchroot-permission-first" },
  },
]);

table("the jail", [
  ...["dev", "etc", "usr", "usr/bin", "usr/lib", "usr/sbin"].map((name) => ({
    name: `${name} is group-writable`,
    before: chmod(`${J}/${name}`, 0o775),
    is: ends(53),
  })),
  { name: "the jail is other-writable", before: chmod(J, 0o757), is: ends(53) },
  { name: "the jail is the user's", before: () => m.chown(J, 4001, 0), is: ends(53) },
  { name: "home is group-writable", before: chmod(`${J}/home`, 0o775), is: in_ },
  {
    name: "the directory above the jail is other-writable",
    before: chmod("/srv", 0o757),
    is: { debian: in_, ours: ends(53), difference: "jail-safety" },
  },
]);

const users = (line: string) => file("/etc/passwd", `${line}\n`);
const skip = "skip_injail_passwd_check = 1";
table("the jail's passwd and group", [
  { name: "no such user", before: users("x:x:1:1::/:/bin/sh"), is: ends(35) },
  { name: "another uid", before: users("u:x:4002:4001::/:/bin/sh"), is: ends(35) },
  { name: "another name", before: users("v:x:4001:4001::/:/bin/sh"), env: {}, is: ends(37) },
  { name: "another home and shell", before: users("u:x:4001:4001::/nope:/nope"), is: in_ },
  { name: "no such group", before: file("/etc/group", ""), is: ends(35) },
  { name: "another name of the group", before: file("/etc/group", "g:x:4001:\n"), is: ends(37) },
  { name: "no passwd", before: () => m.remove(`${J}/etc/passwd`), is: ends(35) },
  {
    name: "not compared",
    before: () => {
      section(skip)();
      m.remove(`${J}/etc/passwd`);
      m.remove(`${J}/etc/group`);
    },
    is: in_,
  },
]);

const missing: Expected<Result> = {
  debian: { status: 1 },
  ours: { status: 1, stdout: "" },
  difference: "uchroot-usage",
};
table("the program", [
  { name: "missing", args: at(J, "/bin/nope"), is: missing },
  { name: "empty", args: at(J, ""), is: missing },
  { name: "a directory", args: at(J, "/usr/bin"), is: missing },
  {
    name: "not a program",
    before: () => m.write(`${J}/usr/bin/garbage`, "garbage", { mode: 0o755 }),
    args: at(J, "/usr/bin/garbage"),
    is: ends(111),
  },
  {
    name: "not executable",
    before: () => m.write(`${J}/usr/bin/text`, "x"),
    args: at(J, "/usr/bin/text"),
    is: ends(111),
  },
  {
    name: "in the home of the user",
    before: () => m.write(`${J}/home/u/own`, m.readBytes("/usr/bin/id"), { mode: 0o755 }),
    args: ["-j", J, "-x", "/home/u/own", "--", "-u"],
    is: { debian: prints("4001\n"), ours: ends(111), difference: "uchroot-confine" },
  },
  {
    name: "in the home of the user, with execute = any",
    before: () => {
      section("execute = any")();
      m.write(`${J}/home/u/own`, m.readBytes("/usr/bin/id"), { mode: 0o755 });
    },
    args: ["-j", J, "-x", "/home/u/own", "--", "-u"],
    is: prints("4001\n"),
  },
  {
    name: "setuid",
    before: () => m.write(`${J}/usr/bin/suid`, m.readBytes("/usr/bin/id"), { mode: 0o4755 }),
    args: ["-j", J, "-x", "/usr/bin/suid", "--", "-u"],
    is: { debian: prints("0\n"), ours: prints("4001\n"), difference: "uchroot-setuid" },
  },
  {
    name: "setuid with allow_setuid",
    before: () => {
      section("allow_setuid = 1")();
      m.write(`${J}/usr/bin/suid`, m.readBytes("/usr/bin/id"), { mode: 0o4755 });
    },
    args: ["-j", J, "-x", "/usr/bin/suid", "--", "-u"],
    is: prints("0\n"),
  },
]);

const odd = { ...env, LANG: "C", FOO: "bar", PERL5OPT: "-d", LD_X: "1" };
const printsEnv = ["-j", J, "-x", "/usr/bin/env"];
table("the environment", [
  {
    name: "what is harmless",
    args: printsEnv,
    env: odd,
    is: {
      debian: prints("PATH=/usr/bin:/bin\nUSER=u\nLANG=C\nFOO=bar\nPERL5OPT=-d\nLD_X=1\n"),
      ours: prints("PATH=/usr/bin:/bin\nUSER=u\nLANG=C\n"),
      difference: "uchroot-environment",
    },
  },
  {
    name: "and what env names",
    before: section("env = FOO"),
    args: printsEnv,
    env: odd,
    is: {
      debian: prints("PATH=/usr/bin:/bin\nUSER=u\nLANG=C\nFOO=bar\nPERL5OPT=-d\nLD_X=1\n"),
      ours: prints("PATH=/usr/bin:/bin\nUSER=u\nLANG=C\nFOO=bar\n"),
      difference: "uchroot-environment",
    },
  },
  { name: "none", args: printsEnv, env: {}, is: prints("") },
]);

describe("descriptors", () => {
  test("none above 2 gets in", () => {
    const open = [{ fd: 9, path: "/", flags: C.O_PATH }];
    expect(uchroot(bash("echo x >&9"), { open }).status).toBe(1);
  });

  test("not one above the limit either", () => {
    const result = uchroot(bash("ulimit -n 1000; : <&200 && echo leaked"), {
      open: [{ fd: 200, path: "/etc/passwd" }],
      limits: { NOFILE: [100, 1000] },
    });
    const out = expectedOf({ debian: "leaked\n", ours: "", difference: "descriptors-above-limit" });
    expect(result.stdout).toBe(out);
  });

  test("closed ones become /dev/null", () => {
    expect(uchroot(bash("read x; echo $?"), { close: [0] })).toMatchObject(prints("1\n"));
  });
});

describe("messages and log", () => {
  test("going in", async () => {
    await log.clear();
    uchroot(at(J));
    const lines = await log.lines();
    const entering = lines.find(({ message }) => message.includes("entering jail"));
    expect(entering).toMatchObject({ ident: "jk_uchroot", facility: 4, severity: 6 });
    expect(entering?.message).toContain(J);
    expect(entering?.message).toContain("u (4001)");
    expect(entering?.message).toContain("/usr/bin/echo");
  });

  test("a refusal", async () => {
    await log.clear();
    const { stderr } = uchroot(at("/srv/k"));
    const lines = (await log.lines()).filter(({ severity }) => severity === 3);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ ident: "jk_uchroot", facility: 4 });
    const id = /^jk_uchroot: refused: .* \(error id (JK-[A-Z2-7]{8})\)\n$/.exec(stderr)?.[1];
    const told = id !== undefined && lines[0]?.message.startsWith(`${id}: `) === true;
    expect(`${told}`).toBe(expectedOf({ debian: "false", ours: "true", difference: "uchroot-says-why" }));
  });
});
