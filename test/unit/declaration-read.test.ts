import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { toBytes } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { isPlain } from "../../src/cli/display.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { adviceText } from "../../src/cli/remedy.ts";
import { fixText } from "../../src/config/fixes.ts";
import { LIMITS } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { policyKeys } from "../../src/config/schemas/jails.ts";
import { DeclarationError } from "../../src/declaration/errors.ts";
import { declarationIn, readDeclaration } from "../../src/declaration/read.ts";
import { savedLongAgo } from "./saved-long-ago.ts";

savedLongAgo();

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZQo3j7fvlQ4Fx7TpbzkdbtGwQkIOdSBvXzJPn1Qbjy";
const OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILdp94oAnvb+ufHoyHXb8aLddJm2h/FMX83n/z1CiKaH";

const read = (text: string) => declarationIn(scanIni(toBytes(text), "f", "plain"));

/** Problems as "2:1 code". */
const problems = (text: string) =>
  read(text).problems.map(({ line, column, code }) => `${line}:${column} ${code}`);

const user = (lines: string) => `[user anna]\njail = /srv/a\n${lines}\n`;

test.each([
  ["yes", "name those that are to be mounted, as in: live = /usr"],
  ["True", "name those that are to be mounted, as in: live = /usr"],
  ["no", "a jail without any has no line 'live', and after that --prune takes out of it what it has"],
])("live is no switch: %s", (word, meant) => {
  const ini = scanIni(toBytes(`[jail /srv/a]\nlive = ${word}\n`), "f", "plain");
  expect(
    declarationIn(ini).problems.map((one) => [one.line, one.column, one.message, fixText(one, ini)]),
  ).toEqual([[2, 8, `'live': '${word}' is no directory; ${meant}`, undefined]]);
});

test("jails and users with all their keys", () => {
  const { declaration, problems: found } = read(`
[jail /srv/a.example.com]
sections = basicshell, sftp,
  git
live = /usr
files = /usr/local/bin/tool, less
log_socket = yes
proc = 0

[jail /srv/b]

[user anna.smith]
jail = /srv/a.example.com
shell = /bin/bash
home = /data/anna
uid = 2001
comment = Anna Smith; # 1
groups = jailed, users
authorized_keys = ${KEY} anna@laptop
  # only at home
  from="192.0.2.0/24",command="echo a, b; # c" ${OTHER}
confine = require
limits = nofile 256,
  nproc 64

[user backup]
jail = /srv/b
allow = rsync download
read = /data
command x = ls *
environment = A=b,
  C=d

[user EXAMPLE\\carl]
jail = /srv/b
directory = 1
shell = /usr/sbin/jk_lsh
`);
  expect(found).toEqual([]);
  const [a, b] = declaration.jails;
  expect(a).toMatchObject({
    path: "/srv/a.example.com",
    place: { file: "f", line: 2, column: 7 },
    sections: ["basicshell", "sftp", "git"],
    live: ["/usr"],
    files: ["/usr/local/bin/tool", "less"],
    logSocket: true,
    proc: false,
  });
  expect(b).toMatchObject({
    sections: [],
    files: [],
    live: undefined,
    logSocket: undefined,
    proc: undefined,
  });
  const [anna, backup, carl] = declaration.users;
  expect(anna).toMatchObject({
    name: "anna.smith",
    jail: "/srv/a.example.com",
    shell: "/bin/bash",
    home: "/data/anna",
    uid: 2001,
    comment: "Anna Smith; # 1",
    groups: ["jailed", "users"],
    directory: false,
  });
  expect(anna?.keys?.map(({ line }) => line)).toEqual([
    `${KEY} anna@laptop`,
    `from="192.0.2.0/24",command="echo a, b; # c" ${OTHER}`,
  ]);
  expect(anna?.policy?.map(({ key, value }) => [key, value])).toEqual([
    ["confine", "require"],
    ["limits", "nofile 256, nproc 64"],
  ]);
  expect(backup).toMatchObject({ shell: "/usr/sbin/jk_lsh", home: "/home/backup", keys: undefined });
  expect(backup?.policy?.map(({ key }) => key)).toEqual(["allow", "read", "command x", "environment"]);
  expect(carl).toMatchObject({ name: "EXAMPLE\\carl", directory: true, policy: undefined });
});

test("each key of jk_lsh.ini but log_format is read in a section of a user", () => {
  for (const key of Object.keys(policyKeys)) {
    const codes = problems(user(`shell = /usr/sbin/jk_lsh\n${key === "command" ? "command x" : key} = x`));
    expect([key, codes.filter((one) => one.endsWith("unknown-key"))]).toEqual([key, []]);
  }
  expect(problems(user("allow = sftp\nlog_format = json"))).toEqual(["4:1 unknown-key"]);
});

describe("a section is refused:", () => {
  const refused: [string, string, string[]][] = [
    ["another name", "[group x]\n", ["1:1 unknown-section"]],
    ["[DEFAULT]", "[DEFAULT]\nproc = 1\n", ["1:1 unknown-section"]],
    ["two blanks", "[jail  /srv/a]\n", ["1:1 unknown-section"]],
    ["no name", "[jail ]\n", ["1:1 unknown-section"]],
    ["another case", "[Jail /srv/a]\n", ["1:1 unknown-section"]],
    ["a relative path", "[jail srv/a]\n", ["1:7 bad-path"]],
    ["a slash at the end", "[jail /srv/a/]\n", ["1:7 bad-path"]],
    ["a path with ..", "[jail /srv/../etc]\n", ["1:7 bad-path"]],
    ["a blank at the end of the path", "[jail /srv/a ]\n", ["1:7 bad-path"]],
    ["the root directory", "[jail /]\n", ["1:7 bad-path"]],
    ["a comment in the path", "[jail /srv/a # one]\n", ["1:7 comment-in-value"]],
    ["a jail twice", "[jail /srv/a]\n[jail /srv/a]\n", ["2:1 duplicate-section"]],
    ["a key of a user in a jail", "[jail /srv/a]\nshell = /bin/sh\n", ["2:1 unknown-key"]],
    ["a key of a jail in a user", user("shell = /bin/sh\nproc = 1"), ["4:1 unknown-key"]],
    ["a key in another case", "[jail /srv/a]\nProc = 1\n", ["2:1 unknown-key"]],
    ["an empty list", "[jail /srv/a]\nsections =\n", ["2:1 empty-value"]],
    ["an empty value", user("shell =\nallow = sftp"), ["3:8 bad-value"]],
    ["neither yes nor no", "[jail /srv/a]\nproc = maybe\n", ["2:8 bad-value"]],
    [
      "a file with a relative path",
      "[jail /srv/a]\nfiles = bin/x, -x, ..\n",
      ["2:9 bad-path", "2:16 bad-path", "2:20 bad-path"],
    ],
    ["the whole machine as a file", "[jail /srv/a]\nfiles = /\n", ["2:9 bad-path"]],
    [
      "a directory that cannot be live",
      "[jail /srv/a]\nlive = /usr, /home, /opt/..\n",
      ["2:14 bad-path", "2:21 bad-path"],
    ],
    ["an item twice", "[jail /srv/a]\nsections = a, b,\n  a\n", ["3:3 duplicate-item"]],
    [
      "a comma that is missing at the end of a line",
      "[jail /srv/a]\nsections = a,\n  b\n  c\n",
      ["3:3 not-a-list"],
    ],
    ["several groups in one", user("shell = /bin/sh\ngroups = users, a:b"), ["4:17 not-a-list"]],
    ["several files in one", '[jail /srv/a]\nfiles = less, "/bin/x" "/bin/y"\n', ["2:15 not-a-list"]],
    ["several live directories in one", "[jail /srv/a]\nlive = /usr /opt/x\n", ["2:8 not-a-list"]],
    [
      "several names in one, and paths that look so",
      user(
        "executables = /bin/a /bin/b\npaths = /bin:/usr/bin\nread = ~/a b, /srv/a b, /srv/users' files\nwrite = /srv;/opt\nenv = A B, C",
      ),
      ["7:7 not-a-list"],
    ],
    ["a comment after yes", "[jail /srv/a]\nproc = yes # b\n", ["2:8 comment-in-value"]],
    ["a comment after a list", "[jail /srv/a]\nsections = a # b\n", ["2:12 comment-in-value"]],
    ["a key that is indented", user("executables = /bin/a,\n  read = none"), ["4:3 indented-line"]],
    [
      "a key of a family that is indented",
      user("executables = /bin/a,\n  command x = ls"),
      ["4:3 indented-line"],
    ],
    ["a misspelt key that is indented", user("executables = /bin/a,\n  raed = none"), ["4:3 indented-line"]],
    [
      "a key that is indented below NAME=VALUE",
      user("allow = sftp\nenvironment = A=b,\n  raed = none"),
      ["5:3 indented-line"],
    ],
    [
      "programs and directories without plain paths",
      user("executables = git, /bin/../x\npaths = bin"),
      ["3:15 bad-path", "3:20 bad-path", "4:9 bad-path"],
    ],
    ["a key among NAME=VALUE", user("allow = sftp\nenvironment = A=b,\n  read=none"), ["5:3 indented-line"]],
    ["a path in two lines", user("shell = /bin/\n  sh"), ["3:9 indented-line"]],
    ["a command line in two lines", user("force = ls\n  /data"), ["3:9 indented-line"]],
  ];
  test.each(refused)("%s", (_, text, expected) => expect(problems(text)).toEqual(expected));
});

describe("a user is refused:", () => {
  const refused: [string, string, string[]][] = [
    ["without a jail", "[user anna]\nshell = /bin/sh\n", ["1:1 no-jail"]],
    ["without shell and rights", user(""), ["1:1 no-shell"]],
    ["with limits alone", user("limits = nofile 256"), ["1:1 no-shell"]],
    [
      "with the limited shell, and nothing that it allows",
      user("shell = /usr/sbin/jk_lsh\nread = /a"),
      ["1:1 no-shell"],
    ],
    [
      "with another shell, and rights of the limited one",
      user("shell = /bin/sh\nallow = sftp\nenv = X"),
      ["4:1 contradiction", "5:1 contradiction"],
    ],
    [
      "with keys that contradict each other",
      user("shell = /bin/sh\nconfine = 1\nno_new_privs = 0"),
      ["5:16 contradiction"],
    ],
    ["with an unknown word", user("allow = rsync downlod"), ["3:9 bad-value"]],
    ["with a word and a comment", user("allow = sftp # x"), ["3:9 comment-in-value"]],
    ["with a uid and a comment", user("allow = sftp\nuid = 2000 # x"), ["4:7 comment-in-value"]],
    ["with two unknown words", user("allow = foo, sftp, bar"), ["3:9 bad-value", "3:20 bad-value"]],
    [
      "with two wrong ports",
      user("allow = sftp\ntcp_bind = 1, x,\n  y"),
      ["4:15 bad-value", "5:3 bad-value"],
    ],
    [
      "with a value that a login would read in part",
      user("allow = sftp\numask = 022 x"),
      ["4:9 doubtful-value"],
    ],
    ["with a pattern that cannot be read", user("command x = ls 'a"), ["3:13 bad-command"]],
    ["with a key that resembles a command", user("allow = sftp\ncommand-x = ls"), ["4:1 unknown-key"]],
    ["with a name that is a path", "[user ../etc]\njail = /srv/a\nshell = /bin/sh\n", ["1:7 bad-account"]],
    [
      "with the name of a section for groups",
      "[user group x]\njail = /srv/a\nshell = /bin/sh\n",
      ["1:7 bad-account"],
    ],
    ["with the name DEFAULT", "[user DEFAULT]\njail = /srv/a\nshell = /bin/sh\n", ["1:7 bad-account"]],
    ["with a name that is not UTF-8", "[user \xff]\njail = /srv/a\nshell = /bin/sh\n", ["1:7 bad-account"]],
    ["in the root directory", "[user anna]\njail = /\nshell = /bin/sh\n", ["2:8 bad-account"]],
    [
      "in a jail that passwd(5) cannot hold",
      "[user anna]\njail = /srv/a:b\nshell = /bin/sh\n",
      ["2:8 bad-account"],
    ],
    ["in a jail with a relative path", "[user anna]\njail = srv/a\nshell = /bin/sh\n", ["2:8 bad-path"]],
    ["with a shell that has no path", user("shell = bash"), ["3:9 bad-path"]],
    ["with a comment after the shell", user("shell = /bin/sh # x"), ["3:9 comment-in-value"]],
    ["with a home of the jail's own", user("shell = /bin/sh\nhome = /etc/anna"), ["4:8 bad-account"]],
    ["with the home of all homes", user("shell = /bin/sh\nhome = /home"), ["4:8 bad-account"]],
    [
      "with a home that passwd(5) cannot hold",
      user("shell = /bin/sh\nhome = /home/a:b"),
      ["4:8 bad-account"],
    ],
    ["with the uid of root", user("shell = /bin/sh\nuid = 0"), ["4:7 bad-account"]],
    ["with the uid of root in more digits", user("shell = /bin/sh\nuid = 00"), ["4:7 bad-account"]],
    ["with the uid that means none", user("shell = /bin/sh\nuid = 4294967295"), ["4:7 bad-account"]],
    ["with the uid of nobody", user("shell = /bin/sh\nuid = 65534"), ["4:7 bad-account"]],
    ["with a uid and text", user("shell = /bin/sh\nuid = 1000a"), ["4:7 bad-account"]],
    [
      "with a comment that useradd(8) cannot write",
      // 4 of the name, 1 of the password, 18 of the home, 21 of the shell.
      user(`shell = /bin/sh\ncomment = ${"x".repeat(32_668 - 4 - 1 - 18 - 21 + 1)}`),
      ["4:11 bad-account"],
    ],
    [
      "with one that is too long for a longer home",
      user(`shell = /bin/sh\nhome = /home/anna2\ncomment = ${"x".repeat(32_668 - 4 - 1 - 18 - 21)}`),
      ["5:11 bad-account"],
    ],
    [
      "with a comment that passwd(5) cannot hold",
      user("shell = /bin/sh\ncomment = a:b"),
      ["4:11 bad-account"],
    ],
    ["with quotes around the comment", user('shell = /bin/sh\ncomment = "A B"'), ["4:11 bad-account"]],
    ["but not with quotes inside of the comment", user('shell = /bin/sh\ncomment = A "B"'), []],
    [
      "with a group that is no name",
      user("shell = /bin/sh\ngroups = users, a:, -x"),
      ["4:17 bad-account", "4:21 bad-account"],
    ],
    [
      "of a directory, with a uid",
      user("shell = /bin/sh\ndirectory = yes\nuid = 2001\ncomment = x"),
      ["5:1 contradiction", "6:1 contradiction"],
    ],
    [
      "with the home of another",
      `${user("shell = /bin/sh")}[user bert]\njail = /srv/a\nhome = /home/anna\nshell = /bin/sh\n`,
      ["6:8 taken"],
    ],
    [
      "with the uid of another",
      `${user("shell = /bin/sh\nuid = 2001")}[user bert]\njail = /srv/b\nuid = 2001\nshell = /bin/sh\n`,
      ["7:7 taken"],
    ],
  ];
  test.each(refused)("%s", (_, text, expected) => expect(problems(text)).toEqual(expected));

  const keys: [string, string, string[]][] = [
    ["a line that is no key", `\n  ${KEY}\n  hello`, ["6:3 bad-key"]],
    ["a key that was cut off", `${KEY.slice(0, -3)}`, ["4:19 bad-key"]],
    ["a key that is there twice", `${KEY} a\n  from="192.0.2.1" ${KEY}`, ["5:3 bad-key"]],
    ["options that sshd rejects", `\n  nosuch="x" ${KEY}`, ["5:3 bad-key"]],
    ["a private key", "\n  -----BEGIN OPENSSH PRIVATE KEY-----", ["5:3 bad-key"]],
    [
      "the lines of a private key, which are not shown",
      "\n  -----BEGIN RSA PRIVATE KEY-----\n  MIIG5Q\n  q8u6",
      ["5:3 bad-key"],
    ],
    ["two keys in a line", `${KEY} one, ${OTHER} two`, ["4:19 bad-key"]],
    [
      "two keys in a line, without a comment",
      `\n  ${KEY},\n  ${OTHER} ${KEY}`,
      ["5:3 bad-key", "6:3 bad-key"],
    ],
    ["two keys in a line, with options", `from="192.0.2.1" ${KEY} no-pty ${OTHER}`, ["4:19 bad-key"]],
    [
      "a key, but not with other words in its comment",
      `command="x ${OTHER}" ${KEY} ssh-ed25519 of anna, backup`,
      [],
    ],
    ["the name of a file", "/root/id.pub", ["4:19 bad-key"]],
    ["nothing but a comment", "# none", ["4:19 bad-key"]],
  ];
  test.each(keys)("with %s", (_, value, expected) => {
    expect(problems(user(`shell = /bin/sh\nauthorized_keys = ${value}`))).toEqual(expected);
  });
});

/** The codes of all problems with their remedies. */
const remedies = (text: string): [string, unknown][] => {
  const ini = scanIni(toBytes(text), "f", "plain");
  return declarationIn(ini).problems.map((one) => [one.code, fixText(one, ini)]);
};

test("words without a comma, or with other signs in them, have a remedy; a guess has none", () => {
  const line = (value: string) => [["bad-value", `write in line 3 of f:\nallow = ${value}`]];
  for (const [given, meant] of [
    ["rsync sftp", "rsync, sftp"],
    ["scp, rsync download sftp; git read", "scp, rsync download, sftp, git read"],
    ["rsync-download", "rsync download"],
    ["'Sftp Read-Only'", "sftp read-only"],
    ["SFTP", "sftp"],
  ] as const)
    expect<unknown[]>(remedies(user(`allow = ${given}`))).toEqual(line(meant));
  for (const guess of ["rsync downlod", "sftpp", "rsync\n  sftp"])
    expect(remedies(user(`allow = ${guess}`)).map(([, remedy]) => remedy)).not.toContain(
      expect.stringContaining("allow = "),
    );
  expect<unknown[]>(remedies(user("allow = foo, rsync-download"))).toEqual([
    ["bad-value", undefined],
    ...line("foo, rsync download"),
  ]);
});

test("a remedy neither takes out what was meant, nor allows more", () => {
  const written = (text: string) => remedies(text).map(([, remedy]) => remedy);
  const inUser = (line: string) => written(`[user anna]\njail = /srv/a\n${line}\n`);
  const line = (text: string) => [`write in line 3 of f:\n${text}`];
  expect(inUser("allow sftp")).toEqual(line("allow = sftp"));
  expect(inUser("shell\t/bin/bash ")).toEqual(line("shell = /bin/bash"));
  expect(inUser("executables = rsync, /bin/ls")).toEqual([undefined]);
  expect(written("[jail /srv/a]\nlive = usr\n")).toEqual(["write in line 2 of f:\nlive = /usr"]);
  const limited = (text: string) => inUser(`${text}\nallow = sftp`);
  for (const mask of ["0999", "0o22", "1000", "02x"])
    expect(limited(`umask = ${mask}`)).toEqual(line("umask = 077"));
  expect(limited("umask = 027 x")).toEqual(line("umask = 027"));
});

test("a value of which nobody knows what was meant gets the strictest, and the message says so", () => {
  for (const [given, key, strictest] of [
    ["yes", "network", "none"],
    ["yes", "tcp_connect", "none"],
    ["no", "confine", "require"],
  ]) {
    const ini = scanIni(toBytes(user(`allow = sftp\n${key} = ${given}`)), "f", "plain");
    const [problem, ...more] = declarationIn(ini).problems;
    expect(more).toEqual([]);
    expect(problem?.message).toEndWith(`; '${strictest}' is the strictest`);
    expect(problem && fixText(problem, ini)).toBe(`write in line 4 of f:\n${key} = ${strictest}`);
  }
});

test("a name in quotes is an error that shows it without", () => {
  for (const quote of ['"', "'"]) {
    const quoted = (text: string) => `${quote}${text}${quote}`;
    expect(
      remedies(`[jail ${quoted("/srv/a b/")}]\n[user ${quoted("anna")}]\njail = /srv/a b\nallow = sftp\n`),
    ).toEqual([
      ["bad-path", "write in line 1 of f:\n[jail /srv/a b]"],
      ["bad-account", "write in line 2 of f:\n[user anna]"],
    ]);
    const [key] = declarationIn(
      scanIni(toBytes(user(`shell = /bin/sh\nauthorized_keys = ${quoted(KEY)}`)), "f", "plain"),
    ).problems;
    expect([key?.line, key?.code, key?.message]).toEqual([
      4,
      "bad-key",
      expect.stringContaining("no quoting"),
    ]);
  }
});

test("a section of more words than a name has is commented out, and is no user's", () => {
  expect(remedies("[group devs]\njail = /srv/a\nallow = sftp\n")).toEqual([
    ["unknown-section", "sed -i '1,3s/^/#/' f"],
  ]);
});

test("a key below an empty authorized_keys is indented, and nothing else is to be done", () => {
  const text = user(`shell = /bin/sh\nauthorized_keys =\n${KEY}\n${OTHER}`);
  const found = remedies(text);
  expect(found).toEqual([
    ["stray-text", `write in line 5 of f:\n  ${KEY}`],
    ["stray-text", `write in line 6 of f:\n  ${OTHER}`],
  ]);
  expect(problems(text.replaceAll(/^ssh/gm, "  ssh"))).toEqual([]);
  expect(problems(user("authorized_keys =\nshell = /bin/sh"))).toEqual(["3:18 bad-value"]);
});

test("a backslash at the end of a line of a list goes", () => {
  for (const line of ["a, \\", "a \\", "a,\\"])
    expect([line, remedies(`[jail /srv/a]\nsections = ${line}\n  b\n`)]).toEqual([
      line,
      [["not-a-list", "write in line 2 of f:\nsections = a,"]],
    ]);
});

test("a file without any section is an error for the whole, and none of its lines is to be changed", () => {
  expect(remedies("root:x:0:0::/root:/bin/sh\n\nbin:x:1:1::/bin:/bin/sh\n")).toEqual([
    ["no-section", undefined],
  ]);
  expect(remedies("x = 1\ny = 2\n[jail /srv/a]\n")).toEqual([
    ["no-section", "sed -i '1s/^/#/' f"],
    ["no-section", "sed -i '2s/^/#/' f"],
  ]);
});

test("a path in quotes is an error that shows it without", () => {
  for (const quote of ['"', "'"]) {
    const ini = scanIni(toBytes(user(`shell = ${quote}/bin/sh${quote}`)), "f", "plain");
    expect(declarationIn(ini).problems.map((one) => fixText(one, ini))).toEqual([
      "write in line 3 of f:\nshell = /bin/sh",
    ]);
  }
});

test.each([
  ["/srv/a/home/anna", "/home/anna"],
  ["/srv/a/./data", "/data"],
])("the home %s, with the path of the jail, is an error that says what the jail sees", (home, inside) => {
  const ini = scanIni(toBytes(user(`shell = /bin/sh\nhome = ${home}`)), "f", "plain");
  const { problems: found } = declarationIn(ini);
  expect(found.map(({ line, column, code }) => [line, column, code])).toEqual([[4, 8, "bad-path"]]);
  expect(found.map((one) => fixText(one, ini))).toEqual([`write in line 4 of f:\nhome = ${inside}`]);
  expect(problems(user("shell = /bin/sh\nhome = /srv/abc"))).toEqual([]);
  // The longest that useradd(8) writes.
  expect(problems(user(`shell = /bin/sh\ncomment = ${"x".repeat(32_668 - 4 - 1 - 18 - 21)}`))).toEqual([]);
});

test("hostile bytes: nothing throws, places are in the file, texts are printable, and what is accepted is plain", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...[
        "[jail /srv/a]\n",
        "[user anna]\n",
        "[jail ",
        "[user ",
        "]\n",
        "\n",
        "\r\n",
        " ",
        "\t",
        "=",
        ",",
        "#",
        ";",
      ],
      ...["sections", "files", "live", "proc", "jail", "shell", "home", "uid", "groups", "authorized_keys"],
      ...[
        "allow",
        "read",
        "command x",
        "confine",
        "limits",
        "directory",
        " = ",
        "yes",
        "1",
        "/usr",
        "/bin/sh",
      ],
      ...[
        "/srv/a",
        "sftp",
        "none",
        KEY,
        "..",
        "\x1b[31m",
        "\xe2\x80\xae",
        "\0",
        "\\",
        "%(k)s",
        '"',
        "DEFAULT",
      ],
      ...["\njail = /srv/a\nshell = /bin/sh\n", "\njail = /srv/a\nallow = sftp\n"],
    ),
    fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join("");
      const ini = scanIni(toBytes(text), "f", "plain");
      const found = declarationIn(ini);
      const lines = text.split("\n");
      for (const problem of found.problems) {
        const { line, column, message } = problem;
        expect(line >= 1 && line <= lines.length && column <= (lines[line - 1]?.length ?? 0) + 2).toBe(true);
        expect(isPrintable(message)).toBe(true);
        expect(() => fixText(problem, ini)).not.toThrow();
      }
      if (found.problems.length > 0) return;
      accepted++;
      const { jails, users } = found.declaration;
      const paths = [
        ...jails.flatMap(({ path, live = [] }) => [path, ...live]),
        ...users.flatMap(({ jail, home, shell }) => [jail, home, shell]),
      ];
      for (const path of paths)
        expect([path, path !== "/" && path.startsWith("/")]).toEqual([normalPath(path), true]);
      for (const one of users) {
        expect(/[:/\n]/.test(one.name)).toBe(false);
        expect(one.uid).not.toBe(0);
        for (const { key, value } of one.policy ?? [])
          expect(scanIni(toBytes(`[a]\n${key} = ${value}\n`), "f", "c").sections[0]?.entries).toMatchObject([
            { key, value },
          ]);
      }
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(20);
});

/** Without control bytes and characters that turn or hide text. */
const isPrintable = (text: string) =>
  isPlain(text) || !/[\x00-\x1f\x7f]|\xe2\x80[\x8b-\x8f\xa8-\xae]/.test(text);

describe("files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "declaration-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => {
    writeFileSync(`${folder}/${name}`, text, "latin1");
    return `${folder}/${name}`;
  };
  const refusal = (...files: string[]): JailkitError => {
    try {
      readDeclaration(files);
    } catch (error) {
      if (error instanceof JailkitError) return error;
      throw error;
    }
    throw new Error("was read");
  };

  test("are read in their order, each once, and without drop-ins", () => {
    mkdirSync(`${folder}/a.d`);
    write("a.d/x.ini", "[jail /srv/x]\n");
    const [a, b] = [write("a.ini", "[jail /srv/b]\n"), write("b.ini", "[jail /srv/a]\n")];
    const { files, jails } = readDeclaration([a, b, a]);
    expect(files).toEqual([a, b]);
    expect(jails.map(({ path, place }) => [path, place.file])).toEqual([
      ["/srv/b", a],
      ["/srv/a", b],
    ]);
  });

  test("one that declares thousands of users may be larger than other files", () => {
    const users = Array.from(
      { length: 2000 },
      (_, i) => `[user u${i}]\njail = /srv/a\nshell = /bin/sh\nauthorized_keys = ${KEY} ${"x".repeat(450)}\n`,
    );
    const file = write("a.ini", users.join(""));
    expect(statSync(file).size).toBeGreaterThan(LIMITS.fileBytes);
    expect(readDeclaration([file]).users.length).toBe(2000);
    rmSync(file);
    expect(refusal(write("b.ini", "#".repeat(LIMITS.plainFileBytes + 1)))).toMatchObject({
      code: "config-unreadable",
    });
  });

  test("a list that is too long is one error, also if this machine has none of its items", () => {
    const list = "no such thing, ".repeat(LIMITS.valueBytes / 10);
    const error = refusal(write("a.ini", `[jail /srv/a]\nsections = ${list}x\n`));
    expect(error).toBeInstanceOf(DeclarationError);
    const all = error instanceof DeclarationError ? error.all : [];
    expect(all.map(({ position, finding }) => [position?.line, finding])).toEqual([[2, "too-long"]]);
  }, 60_000);

  test("the first error is thrown with its place and a remedy", () => {
    const file = write("a.ini", "[jail /srv/a]\nsectons = x\n\n[user anna]\n");
    const error = refusal(file);
    expect(error.message).toBe(
      `${file}:2:1: error: there is no key 'sectons'; did you mean 'sections'? [unknown-key]`,
    );
    expect(error).toMatchObject({
      code: "config-invalid",
      place: { line: 2, column: 1, text: "sectons = x" },
      remedy: `write in line 2 of ${file}:\nsections = x`,
    });
  });

  /** The places of all errors, and their codes. */
  const allErrors = (...files: string[]) => {
    const error = refusal(...files);
    if (!(error instanceof DeclarationError)) throw error;
    return error.all.map((one) => [
      ...[one.file.slice(folder.length + 1), one.position?.line, one.error.code, one.finding],
      one.error.remedy,
    ]);
  };

  test("all errors of all files are there, in their order, also beside a file that cannot be read", () => {
    const first = write("z.ini", "stray\n[jail /srv/z]\n");
    const second = write("b.ini", "[jail /srv/a]\nproc = 2\n[jail srv]\n");
    const folderInPlace = `${folder}/c.ini`;
    mkdirSync(folderInPlace);
    const last = write("a.ini", "[jail /srv/a]\nx = 1\n");
    expect(allErrors(first, `${folder}/none.ini`, second, folderInPlace, last)).toEqual([
      ["z.ini", 1, "config-invalid", "no-section", `sed -i '1s/^/#/' ${first}`],
      ["none.ini", undefined, "config-unreadable", undefined, ""],
      ["b.ini", 2, "config-invalid", "bad-value", ""],
      ["b.ini", 3, "config-invalid", "bad-path", ""],
      [
        ...["c.ini", undefined, "config-unreadable", "not-a-file"],
        `mv -nT ${folderInPlace} ${folderInPlace}.aside`,
      ],
      ["a.ini", 1, "config-invalid", "duplicate-section", ""],
      ["a.ini", 2, "config-invalid", "unknown-key", `sed -i '2s/^/#/' ${last}`],
    ]);
  });

  test("of jails.d, too; what others can write has no remedy in its lines, nor a line that is shown", () => {
    mkdirSync(`${folder}/jails.d`);
    write("jails.d/b.ini", "[jail /srv/b]\nx = 1\n");
    write("jails.ini", "[jail /srv/a]\nx = 1\n");
    write("jails.d/a.ini", "[jail /srv/c]\nx = 1\n");
    mkdirSync(`${folder}/jails.d/aa.ini`);
    const places = () =>
      allErrorsIn().map(({ file, position }) => `${file.slice(folder.length + 1)} ${position?.line}`);
    const allErrorsIn = () => {
      try {
        readDeclaration(undefined, folder);
      } catch (error) {
        if (error instanceof DeclarationError) return error.all;
        throw error;
      }
      throw new Error("was read");
    };
    const wanted = ["jails.ini 2", "jails.d/a.ini 2", "jails.d/aa.ini undefined", "jails.d/b.ini 2"];
    expect(places()).toEqual(wanted);
    chmodSync(`${folder}/jails.d/a.ini`, 0o666);
    expect(places()).toEqual([...wanted.slice(0, 1), "jails.d/a.ini undefined", ...wanted.slice(1)]);
    const inLines = allErrorsIn().filter(({ position }) => position !== undefined);
    expect(inLines.map(({ error }) => [error.remedy, error.place])).toEqual(
      inLines.map(() => ["", undefined]),
    );
  });

  test("a section in two of them is an error", () => {
    const [a, b] = [write("a.ini", "[jail /srv/a]\n"), write("b.ini", "[jail /srv/a]\n")];
    expect(refusal(a, b).message).toBe(
      `${b}:1:1: error: section 'jail /srv/a' is there already, in line 1 of ${a} [duplicate-section]`,
    );
  });

  test("what is only a warning for other files is an error", () => {
    const text = "\xef\xbb\xbf[jail /srv/a]\n";
    expect(refusal(write("a.ini", text)).message).toContain(": error: ");
    expect(read(text).problems).toMatchObject([{ code: "byte-order-mark", severity: "error" }]);
  });

  test("one that is missing, or that others can change, is refused", () => {
    mkdirSync(`${folder}/none.d`);
    write("none.d/x.ini", "[jail /srv/x]\n");
    expect(refusal(`${folder}/none.ini`)).toMatchObject({ code: "config-unreadable" });
    const file = write("a.ini", "[jail /srv/a]\n");
    chmodSync(file, 0o666);
    expect(refusal(file)).toMatchObject({ code: "config-unsafe" });
  });
});

describe("what only follows from another mistake is not reported", () => {
  test.each<[string, string, string[]]>([
    ["a misspelt shell", user("shel = /bin/sh"), ["3:1 unknown-key"]],
    ["misspelt rights", user("alow = sftp"), ["3:1 unknown-key"]],
    ["a jail with a colon", "[user anna]\njail: /srv/a\nshell = /bin/sh\n", ["2:1 stray-text"]],
    ["an indented shell", user("\tshell = /bin/sh"), ["3:2 indented-line"]],
    ["a shell with a colon", user("shell: /bin/sh"), ["3:1 stray-text"]],
    [
      "a shell with a colon, of the next user",
      `${user("uid = 2001")}${user("shell: /bin/sh").replace("anna", "bert")}`,
      ["1:1 no-shell", "6:1 stray-text"],
    ],
    ["another unknown key", user("colour = blue"), ["1:1 no-shell", "3:1 unknown-key"]],
    [
      "a user who is there twice",
      `${user("shell = /bin/sh\nuid = 2001")}${user("shell = /bin/sh\nuid = 2001")}`,
      ["5:1 duplicate-section"],
    ],
  ])("%s", (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });
});

describe("a remedy of a line says what was meant", () => {
  test.each([
    ["[users anna]\njail = /srv/a\nshell = /bin/sh\n", "[user anna]"],
    ["[user:anna]\njail = /srv/a\nshell = /bin/sh\n", "[user anna]"],
    ["[anna]\njail = /srv/a\nshell = /bin/sh\n", "[user anna]"],
    ["[Jail = /srv/a]\nproc = 1\n", "[jail /srv/a]"],
    ["[/srv/a]\nproc = 1\n", "[jail /srv/a]"],
    ["[jail/srv/a]\nproc = 1\n", "[jail /srv/a]"],
    ["[usr anna]\njail = /srv/a\nshell = /bin/sh\n", "[user anna]"],
    ["[jial /srv/a]\nproc = 1\n", "[jail /srv/a]"],
    ["[user anna ]\njail = /srv/a\nshell = /bin/sh\n", "[user anna]"],
    ["[Jail /srv/caf\xc3\xa0]\nproc = 1\n", "[jail /srv/caf\xc3\xa0]"],
    ["[user u]\njail = /srv/a\nallow = rsync download\nread = home/u\n", "read = /home/u"],
    ["[user u]\njail = /srv/a\nallow = rsync upload\nwrite = ~, srv/data/\n", "write = ~, /srv/data"],
    ["[user u]\njail = /srv/a\nallow = rsync download\nread = data\n", "read = none"],
    ["[jail /srv/a]\nproc : 1\n", "proc = 1"],
    ["[jail /srv/a]\nsections = sftp,\n  scp,\nC: x\n", "  C: x"],
  ])("%j", (text, expected) => {
    const ini = scanIni(toBytes(text), "f", "plain");
    const [first] = declarationIn(ini).problems;
    const fix = first === undefined ? undefined : fixText(first, ini);
    expect(
      adviceText(fix ?? "")
        .split("\n")
        .at(-1),
    ).toBe(expected);
  });
});

test("a file in UTF-16 is one problem, with the command that converts it", () => {
  for (const bytes of [
    Buffer.from("\ufeff[jail /srv/a]\n", "utf16le"),
    Buffer.from("\ufeff[jail /srv/a]\n", "utf16le").swap16(),
  ]) {
    const ini = scanIni(bytes, "f", "plain");
    const found = declarationIn(ini).problems;
    expect(found.map(({ line, column, code }) => [line, column, code])).toEqual([[1, 1, "nul-byte"]]);
    expect(found.map((one) => fixText(one, ini))).toEqual([
      "iconv -f UTF-16 -t UTF-8 f > f.new && mv -nT f f.orig && mv -nT f.new f",
    ]);
  }
});

test("what is named in place of a file is not to be moved away", () => {
  const directory = mkdtempSync(join(tmpdir(), "declaration-"));
  try {
    readDeclaration([directory, "/dev/null"]);
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error;
    expect(error.all.map(({ error: one }) => [one.code, one.message, one.remedy])).toEqual([
      ["config-unreadable", `${directory} is a directory: name the files in it`, ""],
      [
        "config-unreadable",
        "/dev/null is no regular file, as FILE must be: write it into one that is root's, and name that",
        "",
      ],
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a long line is not written again for each of its problems", () => {
  const remedies = (count: number) => {
    const ini = scanIni(toBytes(`[jail /srv/a]\nfiles = ${"a/b, ".repeat(count)}c\n`), "f", "plain");
    return declarationIn(ini).problems.map((one) => fixText(one, ini));
  };
  expect(remedies(1)).toEqual(["write in line 2 of f:\nfiles = /a/b, c"]);
  expect(new Set(remedies(5000))).toEqual(new Set([undefined]));
});

test.each(["[user]", "[User ]", "[users]", "[usr]", "[jail]", "[Jail ]"])(
  "%s has no remedy: nobody else knows the name, and without the section --prune would remove what it declares",
  (header) => {
    expect(remedies(`${header}\njail = /srv/a\nshell = /bin/sh\n`)).toEqual([["unknown-section", undefined]]);
  },
);

test("a name and a path may end with any letter, and a blank at the end is one error", () => {
  const named = (name: string) => `[jail /srv/${name}]\nproc = 1\n[user ${name}]\njail = /srv/${name}\n`;
  for (const letter of ["\xc3\xa0", "\xc2\x85x\xc4\xa0"])
    expect(problems(`${named(`caf${letter}`)}shell = /bin/sh\n`)).toEqual([]);
  expect(problems(`[user anna ]\njail = /srv/a\nallow = sftp\n`)).toEqual(["1:7 bad-account"]);
});

test("a path or a name that no file can have is an error of its line, without a remedy", () => {
  const [most, long] = [255, 256].map((length) => "a".repeat(length));
  const deep = "/directory".repeat(410);
  const jail = (lines: string) => `[jail /srv/a]\n${lines}\n`;
  const alone = (text: string) => read(text).problems.filter(({ code }) => code === "bad-path");
  expect(alone(jail(`files = /opt/${most}, ${most}\nlive = /opt/${most}`))).toEqual([]);
  // With /srv/a/. in front it has 4095 bytes, and one more.
  const inside = `/home${"/directory".repeat(408)}`;
  expect(alone(user(`shell = /bin/sh\nhome = ${inside}/a`))).toEqual([]);
  const all = [
    user(`shell = /bin/sh\nhome = ${inside}/abcd`),
    `[user anna]\njail = ${deep.slice(0, 4084)}\nshell = /bin/sh\n`,
    `[jail /srv/${long}]\n`,
    `[jail /srv//${long}]\n`,
    jail(`files = /usr/bin/env, /opt/${long}`),
    jail(`files = ${long}`),
    jail(`live = /opt/${long}`),
    user(`shell = /bin/${long}`),
    user(`shell = /bin/sh\nhome = /home/${long}/x`),
    user(`shell = /bin/sh\nhome = ${deep}`),
  ].map(alone);
  for (const found of all)
    expect(found).toMatchObject([{ severity: "error", code: "bad-path", fix: { kind: "none" } }]);
});
