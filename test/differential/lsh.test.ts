// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { renderHelp } from "../../src/cli/help.ts";
import { VERSION } from "../../src/cli/version.ts";
import { LSH_HELP } from "../../src/enter/limited/help.ts";
import { type Machine, openMachine, type RunOptions, type Syslog, underTest } from "../machine/machine.ts";
import { type Expected, ends, expectedOf, prints, type Result } from "./cases.ts";

const ini = "/etc/jailkit/jk_lsh.ini";
const paths =
  "[DEFAULT]\npaths = /usr/bin, /bin/\nexecutables = /usr/bin/ls, /usr/bin/printf, /usr/bin/env\n";
const words = `${paths}allow_word_expansion = 1\n`;
const shell = (keys: string) => `[DEFAULT]\nexecutables = /bin/sh\n${keys}`;

let m: Machine;
let log: Syslog;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, home: "/home/u", createHome: true, groups: ["games"] });
  m.addUser("twin", { uid: 4002 });
  log = await m.startSyslog();
});
afterAll(async () => m.close());

const jail = { user: "u", env: { PATH: "/usr/bin:/bin", USER: "u" }, cwd: "/home/u" };

function lsh(args: readonly string[], options: RunOptions = {}) {
  return m.run(["jk_lsh", ...args], { ...jail, ...options });
}

interface Case extends RunOptions {
  args: readonly string[];
  is: Expected<Result>;
  /** The config file; false for none. */
  config?: string | false;
  name?: string;
}

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    test.each(cases.map((one) => [one.name ?? JSON.stringify(one.args), one] as const))("%s", (_, one) => {
      const { args, is, config = paths, name: _name, ...options } = one;
      if (config === false) m.remove(ini);
      else m.write(ini, config);
      expect(lsh(args, options)).toMatchObject(expectedOf(is));
    });
  });
}

test("a configuration that a user other than root can change", () => {
  for (const how of [{ owner: [4001, 4001] as const }, { mode: 0o664 }]) {
    m.write(ini, paths, how);
    const is = expectedOf({ debian: prints("x"), ours: ends(1), difference: "config-owner" });
    expect(lsh(["-c", "printf x"])).toMatchObject(is);
    m.remove(ini);
  }
});

test.each(["commands = printf", "command = printf", "force =", "allow = printf"])(
  "a key that is ignored: %s",
  (key) => {
    m.write(ini, `${paths}${key}\n`);
    const is = expectedOf({ debian: prints("x"), ours: ends(1), difference: "lsh-command-keys" });
    expect(lsh(["-c", "printf x"])).toMatchObject(is);
  },
);

test("descriptors", () => {
  m.write(ini, paths);
  const options = { open: [{ fd: 9, path: "/etc/passwd" }] };
  const is = expectedOf({
    debian: prints("/proc/self/fd/9\n"),
    ours: ends(2),
    difference: "lsh-descriptors",
  });
  expect(lsh(["-c", "ls /proc/self/fd/9"], options)).toMatchObject(is);
});

table("the command line", [
  { args: [], is: ends(7) },
  { args: ["-c"], is: ends(7) },
  {
    args: ["--help"],
    is: { debian: ends(7), ours: prints(renderHelp(LSH_HELP)), difference: "lsh-help" },
  },
  {
    args: ["--version"],
    config: false,
    is: { debian: ends(7), ours: prints(`jk_lsh (jailkit) ${VERSION}\n`), difference: "lsh-help" },
  },
  { args: ["--help"], argv0: "-jk_lsh", is: ends(7), name: "--help of a login shell" },
  { args: ["--help", "x"], is: ends(7) },
  { args: ["-c", "--help"], is: ends(4) },
  { args: ["foo", "bar"], is: ends(7) },
  { args: ["-c", "ls", "extra"], is: ends(7) },
  { args: [], config: false, is: ends(7), name: "no config file and no -c" },
  { args: ["-c", "ls"], config: false, is: ends(1), name: "no config file" },
  { args: ["-c", "printf [%s] a  b"], is: prints("[a][b]") },
  { args: ["--login", "-c", "printf x"], is: prints("x") },
  { args: ["a", "-x", "-c", "printf x"], is: prints("x") },
  { args: ["-c", "printf x"], argv0: "-jk_lsh", is: prints("x"), name: "argv[0] is -jk_lsh" },
  { args: ["-c", "printf x"], argv0: "any", is: prints("x"), name: "argv[0] is any name" },
  { args: ["-c", "printf [%s] *.txt $HOME ~"], is: prints("[*.txt][$HOME][~]") },
  { args: ["-c", "printf [%s] a;ls |ls >f &"], is: prints("[a;ls][|ls][>f][&]") },
  { args: ["-c", "printf [%s] $(ls) `ls`"], is: prints("[$(ls)][`ls`]") },
]);

table("which user", [
  { args: ["-c", "printf x"], env: { USER: "nosuch" }, is: ends(2), name: "USER=nosuch" },
  { args: ["-c", "printf x"], env: { USER: "root" }, is: ends(2), name: "USER=root" },
  { args: ["-c", "printf x"], env: { USER: "" }, is: prints("x"), name: "USER=" },
  { args: ["-c", "printf x"], env: {}, is: prints("x"), name: "no USER" },
  { args: ["-c", "printf x"], env: {}, user: { uid: 4999, gid: 4001 }, is: ends(2), name: "unknown uid" },
  { args: ["-c", "printf x"], user: { uid: 4001, gid: 4999 }, is: ends(3), name: "unknown gid" },
]);

table("which program", [
  { args: ["-c", "/bin/ls"], is: ends(4) },
  { args: ["-c", "/usr/bin/../bin/ls"], is: ends(4) },
  { args: ["-c", "sh -c id"], is: ends(4) },
  { args: ["-c", "nonexist"], is: ends(4) },
  { args: ["-c", "/usr/bin/printf x"], is: prints("x") },
  {
    args: ["-c", "ls"],
    config: "[DEFAULT]\npaths = /bin,/usr/bin\nexecutables = /usr/bin/ls\n",
    is: ends(4),
    name: "the first hit in paths decides",
  },
  {
    args: ["-c", "/bin/sh -c :"],
    config: "[DEFAULT]\npaths = /usr/bin\n",
    is: ends(5),
    name: "no key executables",
  },
  {
    args: ["-c", "ls"],
    config: "[DEFAULT]\npaths = /usr/bin\n[later]\nexecutables = /usr/bin/ls\n",
    is: { debian: ends(4), ours: ends(5), difference: "lsh-executables-missing" },
    name: "no key executables, and a section follows",
  },
  {
    args: ["-c", "./script"],
    config: "[DEFAULT]\nexecutables = ./script\n",
    is: { debian: prints("mine"), ours: ends(4), difference: "lsh-relative-executable" },
    name: "an executable of the user's own in the current directory",
  },
  {
    args: ["-c", "env ./script"],
    is: { debian: prints("mine"), ours: ends(126), difference: "lsh-execute" },
    name: "a script of the user's own, started by an allowed program",
  },
  {
    args: ["-c", "/usr/bin/suid -u"],
    config: "[DEFAULT]\nexecutables = /usr/bin/suid\nexecute = any\n",
    is: { debian: prints("0\n"), ours: prints("4001\n"), difference: "lsh-confine" },
    name: "a setuid program",
  },
  {
    args: ["-c", "/usr/bin/suid -u"],
    config: "[DEFAULT]\nexecutables = /usr/bin/suid\nexecute = any\nconfine = 0\n",
    is: prints("0\n"),
    name: "a setuid program with confine = 0",
  },
  {
    args: ["-c", "/usr/share/not-executable"],
    config: "[DEFAULT]\nexecutables = /usr/share/not-executable\n",
    is: { debian: ends(255), ours: ends(126), difference: "lsh-exec-status" },
    name: "not executable",
  },
  {
    args: ["-c", "/usr/bin/nosuch"],
    config: "[DEFAULT]\nexecutables = /usr/bin/nosuch\n",
    is: { debian: ends(255), ours: ends(127), difference: "lsh-exec-status" },
    name: "not there",
  },
  {
    args: ["-c", "/usr/bin/rsync --version"],
    config: "[DEFAULT]\nexecutables = /usr/bin/rsync\n",
    is: { status: 0 },
    name: "the version of a server",
  },
  {
    args: ["-c", "/usr/bin/rsync --help"],
    config: "[DEFAULT]\nexecutables = /usr/bin/rsync\n",
    is: { debian: { status: 0 }, ours: ends(4), difference: "lsh-spawn-options" },
    name: "rsync as a client",
  },
  {
    args: ["-c", "/usr/bin/rsync --help"],
    config: "[DEFAULT]\nexecutables = /usr/bin/rsync\nallow_spawn_options = 1\n",
    is: { status: 0 },
    name: "rsync as a client, where options that start programs are allowed",
  },
  {
    args: ["-c", "/usr/bin/rsync --server"],
    env: { PATH: "/usr/bin:/bin", USER: "u", HOME: "/home/u" },
    config: "[DEFAULT]\nexecutables = /usr/bin/rsync\nexecute = any\n",
    stdin: "",
    is: { debian: prints("mine"), ours: ends(1), difference: "lsh-program-environment" },
    name: "a program that ~/.popt names",
  },
  {
    args: ["-c", "/usr/bin/rsync --server"],
    env: { PATH: "/usr/bin:/bin", USER: "u", HOME: "/home/u" },
    config: "[DEFAULT]\nexecutables = /usr/bin/rsync\nallow_spawn_options = 1\nexecute = any\n",
    is: prints("mine"),
    name: "a program that ~/.popt names, where servers may start any",
  },
  {
    args: ["-c", "internal-sftp"],
    config: "[DEFAULT]\nexecutables = /usr/lib/openssh/sftp-server\n",
    stdin: "",
    is: { debian: ends(4), ours: ends(0), difference: "lsh-internal-sftp" },
    name: "internal-sftp",
  },
]);
beforeAll(() => {
  m.write("/home/u/script", "#!/bin/sh\nprintf mine\n", { mode: 0o755, owner: [4001, 4001] });
  m.write("/home/u/.popt", "rsync exec --server /home/u/script\n", { owner: [4001, 4001] });
  m.write("/usr/share/not-executable", "x");
  m.write("/usr/bin/suid", m.readBytes("/usr/bin/id"), { mode: 0o4755 });
});

table("words without expansion", [
  {
    args: ["-c", 'printf [%s] "a b"'],
    is: { debian: prints('["a][b"]'), ours: prints("[a b]"), difference: "lsh-quotes" },
  },
  {
    args: ["-c", "printf [%s] 'a b'"],
    is: { debian: prints("['a][b']"), ours: prints("[a b]"), difference: "lsh-quotes" },
  },
  {
    args: ["-c", "printf [%s] a\\ b"],
    is: { debian: prints("[a\\][b]"), ours: prints("[a b]"), difference: "lsh-quotes" },
  },
  {
    args: ["-c", "printf [%s] ''"],
    is: { debian: prints("['']"), ours: prints("[]"), difference: "lsh-quotes" },
  },
  { args: ["-c", 'printf [%s] "x'], is: { debian: prints('["x]'), ours: ends(6), difference: "lsh-quotes" } },
  {
    args: ["-c", "printf [%s] a\tb"],
    is: { debian: prints("[a\tb]"), ours: prints("[a][b]"), difference: "lsh-quotes" },
  },
  { args: ["-c", "printf [%s] \ta\t b"], is: prints("[a][b]") },
  {
    args: ["-c", "printf [%s] a\nls"],
    is: { debian: prints("[a\nls]"), ours: ends(6), difference: "lsh-control-bytes" },
  },
  { args: ["-c", ""], is: { debian: ends(139), ours: ends(6), difference: "lsh-empty-command" } },
  { args: ["-c", "  "], is: { debian: ends(139), ours: ends(6), difference: "lsh-empty-command" } },
]);

table(
  "words with expansion",
  [
    { args: ["-c", 'printf [%s] "a b" $((1+2)) $NOPE'], is: prints("[a b][3]") },
    {
      args: ["-c", "printf [%s] ~ \"$HOME\" '$HOME' \\$HOME"],
      is: prints("[/home/u][/home/u][$HOME][$HOME]"),
    },
    { args: ["-c", "printf [%s] ${NOPE:-x} ${NOPE:=y} ${HOME:+z} ${#HOME}"], is: prints("[x][y][z][7]") },
    {
      args: ["-c", "printf [%s] ${HOME#*/} ${HOME##*/} ${HOME%/*} ${HOME%%/u}"],
      is: prints("[home/u][u][/home][/home]"),
    },
    { args: ["-c", "printf [%s] /home/u/scr* /home/u/nope*"], is: prints("[/home/u/script][/home/u/nope*]") },
    { args: ["-c", "printf [%s] /home/u/[r-t]cri?t"], is: prints("[/home/u/script]") },
    { args: ["-c", "ls; ls"], is: ends(6) },
    { args: ["-c", "ls|cat"], is: ends(6) },
    { args: ["-c", "ls &"], is: ends(6) },
    { args: ["-c", "ls <f"], is: ends(6) },
    { args: ["-c", "ls >f"], is: ends(6) },
    { args: ["-c", "ls\nls"], is: ends(6) },
    { args: ["-c", "ls `id`"], is: ends(6) },
    { args: ["-c", "ls $(id)"], is: ends(6) },
    { args: ["-c", 'ls "$(id)"'], is: ends(6) },
    { args: ["-c", 'ls "x'], is: ends(6) },
    { args: ["-c", "ls {a,b}"], is: ends(6) },
    { args: ["-c", "ls (a)"], is: ends(6) },
    { args: ["-c", "$NOPE"], is: { debian: ends(139), ours: ends(6), difference: "lsh-empty-command" } },
  ].map((one) => ({ config: words, env: { ...jail.env, HOME: "/home/u" }, ...one })),
);

table("the umask of what is run", [
  {
    args: ["-c", "/bin/sh -c umask"],
    config: shell(""),
    umask: 0o77,
    is: { debian: prints("0000\n"), ours: prints("0077\n"), difference: "lsh-umask" },
    name: "no key",
  },
  {
    args: ["-c", "/bin/sh -c umask"],
    config: shell("umask = 027\n"),
    is: prints("0027\n"),
    name: "umask = 027",
  },
  {
    args: ["-c", "/bin/sh -c umask"],
    config: shell("umask = -1\n"),
    umask: 0o7,
    is: prints("0007\n"),
    name: "umask = -1",
  },
]);

const printenv = "/usr/bin/printenv";
const env = (keys: string) => `[DEFAULT]\nexecutables = ${printenv}\n${keys}`;
table("the environment of what is run", [
  {
    args: ["-c", `${printenv} A B`],
    config: env("environment = A=1,B = 2\n"),
    is: prints("1\n2\n"),
    name: "set",
  },
  {
    args: ["-c", `${printenv} C`],
    config: env("environment = C=a=b\n"),
    is: ends(1),
    name: "C=a=b is no setting",
  },
  {
    args: ["-c", `${printenv} D`],
    config: env("environment = D=, =E, F\n"),
    is: ends(1),
    name: "D= is no setting",
  },
  {
    args: ["-c", `${printenv} TERM`],
    config: env("environment = TERM=x\n"),
    env: { TERM: "y" },
    is: prints("x\n"),
    name: "overrides",
  },
  {
    args: ["-c", `${printenv} LANG HOME`],
    config: env(""),
    env: { LANG: "C", HOME: "/h" },
    is: prints("C\n/h\n"),
    name: "the usual names pass",
  },
  {
    args: ["-c", `${printenv} PERL5OPT`],
    config: env(""),
    env: { PERL5OPT: "-Mx" },
    is: { debian: prints("-Mx\n"), ours: ends(1), difference: "lsh-environment" },
    name: "other names of the caller",
  },
  {
    args: ["-c", `${printenv} LD_LIBRARY_PATH`],
    config: env("environment = LD_LIBRARY_PATH=/x\n"),
    is: { debian: prints("/x\n"), ours: ends(1), difference: "lsh-environment" },
    name: "LD_* in the config file",
  },
]);

describe("messages", () => {
  test("a refused user", () => {
    m.write(ini, paths);
    const { stderr } = lsh(["-c", "id"]);
    const told = expectedOf({ debian: /^$/, ours: /^jk_lsh: .*\n$/, difference: "lsh-says-why" });
    expect(stderr).toMatch(told);
  });

  test("the log", async () => {
    m.write(ini, paths);
    await log.clear();
    lsh(["-c", "printf a  b"]);
    lsh(["-c", "id -u"]);
    const lines = await log.lines();
    expect(
      lines.every((line) => line.ident === "jk_lsh" && line.facility === 4 && line.pid !== undefined),
    ).toBe(true);
    const executing = lines.find((line) => line.message.includes("executing command"));
    expect(executing?.severity).toBe(6);
    expect(executing?.message).toContain("/usr/bin/printf a b' for user u (4001)");
    const refused = lines.find((line) => line.message.includes("id -u"));
    expect(refused?.severity).toBe(3);
    expect(refused?.message).toContain("not allowed");
  });
});
