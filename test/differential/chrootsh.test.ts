import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as C from "../../ffi/constants.ts";
import { renderHelp } from "../../src/cli/help.ts";
import { VERSION } from "../../src/cli/version.ts";
import { CHROOTSH_HELP } from "../../src/enter/login/help.ts";
import { type Machine, openMachine, type RunOptions, type Syslog, underTest } from "../machine/machine.ts";
import { ends, expectedOf, prints, tableOf } from "./cases.ts";
import { J, makeJail, restoreDirectories, writeAccounts } from "./jail.ts";

const ini = "/etc/jailkit/jk_chrootsh.ini";
const bash = "/usr/bin/bash";

let m: Machine;
let log: Syslog;
let passwd: string;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, groups: ["games"] });
  m.addUser("other", { uid: 4002 });
  m.addUser("same", { uid: 4003 });
  makeJail(m, J, bash, "/usr/bin/id");
  passwd = m.read("/etc/passwd");
  log = await m.startSyslog();
});
afterAll(async () => m.close());

beforeEach(() => {
  restoreDirectories(m);
  m.mkdir("/etc/jailkit");
  m.mkdir(`${J}/home/u`, { owner: [4001, 4001] });
  account(`${J}/./home/u`);
  writeAccounts(m, J);
  m.write(ini, "");
  for (const path of ["/srv", "/etc/jailkit"]) m.must(["setfacl", "-b", path]);
});

/** Sets the home directory of u on the host; another primary group too, if asked for. */
function account(home: string, gid = 4001): void {
  m.write("/etc/passwd", passwd.replace(/^u:.*$/m, `u:x:4001:${gid}::${home}:/usr/sbin/jk_chrootsh`));
}

const env = { PATH: "/usr/bin:/bin", USER: "u" };
const chrootsh = (args: readonly string[], options: RunOptions = {}) =>
  m.run(["jk_chrootsh", ...args], { user: "u", env, ...options });

const table = tableOf(chrootsh, ["-c", "echo in"]);

const in_ = prints("in\n");
const section = (keys: string) => () => m.write(ini, `[DEFAULT]\n${keys}\n`);
const file = (path: string, content: string) => () => m.write(J + path, content);
const chmod = (path: string, mode: number) => () => m.chmod(path, mode);

table("going in", [
  { name: "a command", is: in_ },
  {
    name: "where and as whom",
    args: ["-c", "pwd; echo $HOME $USER $USERNAME $SHELL $0; id -u; id -G"],
    is: prints("/home/u\n/home/u u u /bin/bash /bin/bash\n4001\n4001 60\n"),
  },
  {
    name: "the jail is the root",
    args: ["-c", "echo /*"],
    is: prints("/bin /dev /etc /home /lib /lib64 /sbin /usr\n"),
  },
  { name: "the shell's own status", args: ["-c", "exit 42"], is: ends(42) },
  { name: "arguments reach the shell", args: ["-c", 'echo "$@"', "a", "b c", ""], is: prints("b c \n") },
  { name: "-h is the shell's", args: ["-h", "-c", "echo $-"], is: prints("hBc\n") },
  {
    name: "--help is the shell's",
    args: ["--help"],
    is: { status: 0, stdout: expect.stringContaining("GNU bash") },
  },
  {
    name: "--version is the shell's",
    args: ["--version"],
    is: { status: 0, stdout: expect.stringContaining("GNU bash") },
  },
  { name: "an empty environment", args: ["-c", "echo $HOME"], env: {}, is: prints("/home/u\n") },
  {
    name: "umask and limits stay",
    args: ["-c", "umask; ulimit -n"],
    umask: 0o57,
    limits: { NOFILE: 77 },
    is: prints("0057\n77\n"),
  },
  { name: "standard input", args: ["-c", "read x; echo $x"], stdin: "line\n", is: prints("line\n") },
  { name: "argv[0] is -jk_chrootsh", argv0: "-jk_chrootsh", is: in_ },
  { name: "argv[0] is a path", argv0: "/x/jk_chrootsh", is: in_ },
  { name: "argv[0] is su", argv0: "su", is: in_ },
  { name: "argv[0] is -su", argv0: "-su", is: in_ },
  { name: "argv[0] is another", argv0: "foo", is: ends(1) },
  { name: "no config file", before: () => m.remove(ini), is: in_ },
]);

table("who", [
  { name: "root", user: "root", env: {}, is: ends(12) },
  {
    name: "USER names one of two accounts with one uid",
    before: () => {
      const line = (file: string) => file.replace(/^u:(.*)$/m, "u:$1\ntwin:$1");
      m.write("/etc/passwd", line(m.read("/etc/passwd")));
      m.write(`${J}/etc/passwd`, line(m.read(`${J}/etc/passwd`)));
    },
    env: { USER: "twin" },
    args: ["-c", "echo $USER"],
    is: prints("twin\n"),
  },
  { name: "USER=nosuch", env: { USER: "nosuch" }, is: ends(13) },
  { name: "USER=other", env: { USER: "other" }, is: ends(13) },
  { name: "no account", user: { uid: 4999, gid: 4001 }, env: {}, is: ends(13) },
  { name: "no such group", user: { uid: 4001, gid: 4999 }, is: ends(13) },
  { name: "another gid than in passwd", user: { uid: 4001, gid: 4002 }, is: ends(15) },
  { name: "no capability, no setuid", noNewPrivs: true, is: ends(11) },
]);

table("the config directory", [
  { name: "group-writable", before: chmod("/etc/jailkit", 0o775), is: in_ },
  { name: "other-writable", before: chmod("/etc/jailkit", 0o757), is: ends(14) },
  { name: "not root's", before: () => m.chown("/etc/jailkit", 4001, 0), is: ends(14) },
]);

table("the environment", [
  { name: "is cleared", args: ["-c", "echo $FOO"], env: { ...env, FOO: "bar" }, is: prints("\n") },
  {
    name: "but for env",
    before: section("env = BAR, FOO"),
    args: ["-c", "echo $FOO"],
    env: { ...env, FOO: "b=r" },
    is: prints("b=r\n"),
  },
  {
    name: "of a session at a terminal",
    args: ["-c", "echo $TERM"],
    env: { ...env, TERM: "vt100" },
    is: { debian: prints("dumb\n"), ours: prints("vt100\n"), difference: "chrootsh-environment" },
  },
  {
    name: "of a session at a terminal, with env_only",
    before: section("env_only = 1"),
    args: ["-c", "echo $TERM"],
    env: { ...env, TERM: "vt100" },
    is: prints("dumb\n"),
  },
  {
    name: "HOME of the caller is not kept",
    before: section("env = HOME"),
    args: ["-c", "echo $HOME"],
    env: { ...env, HOME: "/x" },
    is: prints("/home/u\n"),
  },
]);

const home = (text: string) => () => account(text);
table("the home on the host", [
  { name: "empty", before: home(""), is: ends(16) },
  { name: "without separator", before: home(`${J}/home/u`), is: ends(17) },
  {
    name: "--help without a jail",
    before: home("/home/u"),
    args: ["--help"],
    is: { debian: ends(17), ours: prints(renderHelp(CHROOTSH_HELP)), difference: "chrootsh-help" },
  },
  {
    name: "--version without a jail",
    before: home("/home/u"),
    args: ["--version"],
    env: {},
    is: { debian: ends(17), ours: prints(`jk_chrootsh (jailkit) ${VERSION}\n`), difference: "chrootsh-help" },
  },
  { name: "--help and more, without a jail", before: home("/home/u"), args: ["--help", "x"], is: ends(17) },
  {
    name: "--help of a login shell, without a jail",
    before: home("/home/u"),
    argv0: "-jk_chrootsh",
    args: ["--help"],
    is: ends(17),
  },
  {
    name: "--help for root",
    user: "root",
    env: {},
    args: ["--help"],
    is: { debian: ends(12), ours: prints(renderHelp(CHROOTSH_HELP)), difference: "chrootsh-help" },
  },
  { name: "no jail before the separator", before: home("/./home/u"), is: ends(17) },
  { name: "the separator at the end", before: home(`${J}/.`), is: ends(17) },
  { name: "no such jail", before: home("/nope/./home/u"), is: ends(19) },
  { name: "a doubled separator", before: home(`${J}/././home/u`), is: ends(21) },
  { name: "a second separator", before: home(`${J}/./home/./u`), is: ends(21) },
  { name: "relative", before: home("srv/j/./home/u"), is: ends(21) },
  { name: "..", before: home("/srv/../srv/j/./home/u"), is: ends(21) },
  {
    name: "the jail is a link",
    before: () => {
      m.remove("/srv/l");
      m.symlink("j", "/srv/l");
      account("/srv/l/./home/u");
    },
    is: ends(21),
  },
  { name: "two slashes before the separator", before: home(`${J}//./home/u`), is: in_ },
  {
    name: "a slash at the end",
    before: home(`${J}/./home/u/`),
    args: ["-c", "echo $HOME"],
    is: prints("/home/u/\n"),
  },
  { name: "no such directory", before: home(`${J}/./home/nope`), is: ends(53) },
  {
    name: "a link",
    before: () => {
      m.remove(`${J}/home/l`);
      m.symlink("u", `${J}/home/l`);
      account(`${J}/./home/l`);
    },
    is: ends(53),
  },
]);

table("owner and mode of the home", [
  { name: "another owner", before: () => m.chown(`${J}/home/u`, 4002, 4001), is: ends(53) },
  { name: "another group", before: () => m.chown(`${J}/home/u`, 4001, 4002), is: ends(53) },
  { name: "group-writable", before: chmod(`${J}/home/u`, 0o775), is: ends(53) },
  { name: "other-writable", before: chmod(`${J}/home/u`, 0o757), is: ends(53) },
  ...(
    [
      ["relax_home_owner", () => m.chown(`${J}/home/u`, 4002, 4001)],
      ["relax_home_group", () => m.chown(`${J}/home/u`, 4001, 4002)],
      ["relax_home_group_permissions", chmod(`${J}/home/u`, 0o775)],
      ["relax_home_other_permissions", chmod(`${J}/home/u`, 0o757)],
    ] as const
  ).map(([key, change]) => ({
    name: key,
    before: () => {
      section(`${key} = 1`)();
      change();
    },
    is: in_,
  })),
  {
    name: "a file that only root can read",
    before: () => {
      section("relax_home_group = 0")();
      m.chmod(ini, 0o600);
    },
    is: { debian: in_, ours: ends(14), difference: "chrootsh-readable-config" },
  },
  {
    name: "relax_home_group does not relax the mode",
    before: () => {
      section("relax_home_group = 1")();
      m.chmod(`${J}/home/u`, 0o775);
    },
    is: { debian: in_, ours: ends(53), difference: "ini-key-prefix" },
  },
]);

const acl = (path: string, entries = "u:4002:rwx") => m.must(["setfacl", "-m", entries, path]);

table("ACLs", [
  { name: "of the directory above the jail, to read", before: () => acl("/srv", "u:4002:r-x"), is: in_ },
  {
    name: "of the directory above the jail",
    before: () => acl("/srv"),
    is: { debian: in_, ours: ends(53), difference: "acl-writers" },
  },
  {
    name: "of the configuration directory",
    before: () => acl("/etc/jailkit"),
    is: { debian: in_, ours: ends(14), difference: "acl-writers" },
  },
  {
    name: "of the config file",
    before: () => acl(ini, "u:4002:rw"),
    is: { debian: in_, ours: ends(14), difference: "acl-writers" },
  },
  { name: "of the home", before: () => acl(`${J}/home/u`), is: ends(53) },
  {
    name: "of the home, and relax_home_group_permissions",
    before: () => {
      section("relax_home_group_permissions = 1")();
      acl(`${J}/home/u`);
    },
    is: { debian: in_, ours: ends(53), difference: "relax-home-acl" },
  },
]);

table("the jail", [
  ...["dev", "etc", "usr", "usr/bin", "usr/lib", "usr/sbin"].map((name) => ({
    name: `${name} is group-writable`,
    before: chmod(`${J}/${name}`, 0o775),
    is: ends(53),
  })),
  { name: "the jail is other-writable", before: chmod(J, 0o757), is: ends(53) },
  { name: "the jail is group-writable", before: chmod(J, 0o775), is: ends(53) },
  { name: "the jail is the user's", before: () => m.chown(J, 4001, 0), is: ends(53) },
  { name: "etc is the user's", before: () => m.chown(`${J}/etc`, 4001, 0), is: ends(53) },
  {
    name: "usr is setgid",
    before: chmod(`${J}/usr`, 0o2755),
    is: { debian: ends(53), ours: in_, difference: "setgid-directories" },
  },
  { name: "home is group-writable", before: chmod(`${J}/home`, 0o775), is: in_ },
  { name: "home is everybody's", before: chmod(`${J}/home`, 0o777), is: in_ },
  // As ISPConfig has it in a site's jail.
  {
    name: "tmp is the user's and group-writable",
    before: () => m.mkdir(`${J}/tmp`, { mode: 0o770, owner: [4001, 4001] }),
    is: in_,
  },
  ...["tmp", "web", "private", "var"].map((name) => ({
    name: `${name} is root's and a client's group may write it`,
    before: () => m.mkdir(`${J}/${name}`, { mode: 0o770, owner: [0, 4001] }),
    is: in_,
  })),
  ...["run", "opt"].map((name) => ({
    name: `${name} is group-writable`,
    before: () => m.mkdir(`${J}/${name}`, { mode: 0o775 }),
    is: { debian: in_, ours: ends(53), difference: "jail-safety" },
  })),
  {
    name: "the directory above the jail is other-writable",
    before: chmod("/srv", 0o757),
    is: { debian: in_, ours: ends(53), difference: "jail-safety" },
  },
]);
beforeEach(() => {
  m.chmod("/srv", 0o755);
  m.mkdir(`${J}/home`);
});

const users = (line: string) => file("/etc/passwd", `${line}\n`);
table("the jail's passwd and group", [
  { name: "no such user", before: users("x:x:1:1::/:/bin/sh"), is: ends(35) },
  { name: "another uid", before: users("u:x:4002:4001::/home/u:/bin/bash"), is: ends(35) },
  { name: "another name", before: users("v:x:4001:4001::/home/u:/bin/bash"), env: {}, is: ends(37) },
  { name: "another home", before: users("u:x:4001:4001::/home/v:/bin/bash"), is: ends(39) },
  { name: "the home with a slash", before: users("u:x:4001:4001::/home/u/:/bin/bash"), is: in_ },
  { name: "another gid", before: users("u:x:4001:9::/home/u:/bin/bash"), is: in_ },
  { name: "no such group", before: file("/etc/group", ""), is: ends(35) },
  { name: "another name of the group", before: file("/etc/group", "g:x:4001:\n"), is: ends(37) },
  { name: "no passwd", before: () => m.remove(`${J}/etc/passwd`), is: ends(35) },
]);

const shell = (path: string) => users(`u:x:4001:4001::/home/u:${path}`);
table("the shell in the jail", [
  { name: "missing", before: shell("/bin/nope"), is: ends(111) },
  {
    name: "empty",
    before: () => {
      m.write(`${J}/bin/empty`, "", { mode: 0o755 });
      shell("/bin/empty")();
    },
    is: ends(111),
  },
  {
    name: "not executable",
    before: () => {
      m.write(`${J}/bin/text`, "x");
      shell("/bin/text")();
    },
    is: ends(111),
  },
  {
    name: "setuid",
    before: () => {
      m.write(`${J}/usr/bin/suid`, m.readBytes(bash), { mode: 0o4755 });
      shell("/usr/bin/suid")();
    },
    is: { debian: in_, ours: ends(111), difference: "unsafe-shell" },
  },
  {
    name: "the user's own",
    before: () => {
      m.write(`${J}/usr/bin/own`, m.readBytes(bash), { mode: 0o755, owner: [4001, 4001] });
      shell("/usr/bin/own")();
    },
    is: { debian: in_, ours: ends(111), difference: "unsafe-shell" },
  },
  {
    name: "injail_shell",
    before: () => {
      section("injail_shell=/bin/bash")();
      shell("/bin/nope")();
    },
    is: in_,
  },
  {
    name: "injail_shell after a blank",
    before: section("injail_shell = /bin/bash"),
    is: { debian: ends(111), ours: in_, difference: "injail-shell-trimmed" },
  },
  {
    name: "skip_injail_passwd_check with injail_shell",
    before: () => {
      section("injail_shell=/bin/bash\nskip_injail_passwd_check=1")();
      m.remove(`${J}/etc/passwd`);
    },
    is: in_,
  },
  {
    name: "injail_login_shell",
    before: section("injail_login_shell = 1"),
    args: ["-c", "exit 3"],
    stdin: "shopt -p login_shell; echo $0\n",
    is: prints("shopt -s login_shell\n/bin/bash\n"),
  },
]);

describe("descriptors", () => {
  test("none above 2 gets in", () => {
    const open = [{ fd: 9, path: "/", flags: C.O_PATH }];
    expect(chrootsh(["-c", "echo x >&9"], { open }).status).toBe(1);
  });

  test("not one above the limit either", () => {
    const result = chrootsh(["-c", "ulimit -n 1000; : <&200 && echo leaked"], {
      open: [{ fd: 200, path: "/etc/passwd" }],
      limits: { NOFILE: [100, 1000] },
    });
    const out = expectedOf({ debian: "leaked\n", ours: "", difference: "descriptors-above-limit" });
    expect(result.stdout).toBe(out);
  });

  test("a directory as standard input", () => {
    const { stderr } = chrootsh(["-c", "read x"], { open: [{ fd: 0, path: "/" }] });
    const said = expectedOf({
      debian: "Is a directory",
      ours: "",
      difference: "standard-descriptors",
    });
    expect(stderr.includes("Is a directory") ? "Is a directory" : stderr).toBe(said);
  });

  test("closed ones become /dev/null", () => {
    expect(chrootsh(["-c", "read x; echo $?"], { close: [0] })).toMatchObject(prints("1\n"));
  });
});

test("a limit below what the runtime needs", () => {
  const result = chrootsh(["-c", "echo in"], { limits: { NOFILE: 15 } });
  const is = expectedOf({ debian: prints("in\n"), ours: ends(127), difference: "low-limits" });
  expect(result).toMatchObject(is);
});

describe("messages", () => {
  test("a refused user", () => {
    account("/nope/./home/u");
    const told = expectedOf({
      debian: /^$/,
      ours: /^jk_chrootsh: .*JK-[A-Z2-7]{8}.*\n$/,
      difference: "chrootsh-says-why",
    });
    expect(chrootsh([]).stderr).toMatch(told);
  });

  test("the log", async () => {
    await log.clear();
    chrootsh(["-c", ":"]);
    account("/nope/./home/u");
    chrootsh([]);
    const lines = await log.lines();
    expect(lines.every((line) => line.ident === "jk_chrootsh" && line.facility === 4)).toBe(true);
    const entering = lines.find((line) => line.message.includes("now entering jail"));
    expect(entering?.severity).toBe(6);
    expect(entering?.message).toContain("/srv/j for user u (4001)");
    expect(lines.find((line) => line.message.includes("/nope"))?.severity).toBe(3);
  });
});
