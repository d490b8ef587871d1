import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { editDistance, suggest } from "../../src/cli/suggest.ts";
import { scanIni } from "../../src/config/scan.ts";
import { CONFIG_KINDS, kindOf } from "../../src/config/schemas/catalogue.ts";
import type { HookedRepository } from "../../src/known-programs/hooks.ts";
import type { OwnStart } from "../../src/known-programs/warnings.ts";
import type { FileKind, LintWorld } from "../../src/lint/context.ts";
import { lint } from "../../src/lint/lint.ts";

const program: FileKind = { type: "file", executable: true };
const directory: FileKind = { type: "directory", executable: true };
const files: Record<string, FileKind> = {
  "/usr": directory,
  "/usr/bin": directory,
  "/bin": directory,
  "/srv/jail": directory,
  "/srv/jail/home": directory,
  "/srv/jail/dev": directory,
  "/usr/bin/ls": program,
  "/usr/bin/cat": program,
  "/bin/cat": program,
  "/usr/bin/rsync": program,
  "/usr/bin/vi": program,
  "/usr/bin/harmless": program,
  "/usr/bin/data": { ...program, executable: false },
  "/usr/bin/popt": program,
  "/usr/bin/cvs": program,
  "/usr/bin/svnserve": program,
  "/usr/bin/copy": program,
  "/usr/bin/twin": program,
  "/usr/bin/borg": program,
  "/usr/bin/git": program,
  "/usr/bin/hg": program,
  "/srv/hooks": directory,
};
const links: Record<string, string> = { "/usr/bin/vi": "vim.basic", "/usr/bin/harmless": "dash" };
const repositories: HookedRepository[] = [
  { path: "/home/u/r\x1b.git", kind: "git", hooks: ["update"] },
  { path: "/home/v/r.git", kind: "git", hooks: ["post-receive"] },
];
const ownStarts: Record<string, OwnStart> = {
  "/usr/bin/borg": { kind: "script", interpreter: "/usr/bin/env", lookedUp: "python3" },
  "/usr/bin/cvs": { kind: "script", interpreter: "/bin/sh", lookedUp: undefined },
  "/usr/bin/ls": { kind: "unpacks" },
};
const world: LintWorld = {
  userExists: (name) => ["root", "u"].includes(name),
  otherName: () => undefined,
  groupExists: (name) => ["root", "staff", "gone"].includes(name),
  groupRefusal: () => undefined,
  isOutside: (name) => name === "gone",
  groupOutside: (name) => (name === "hosts" ? { command: "jk_cp it" } : undefined),
  copyCommand: () => undefined,
  executableCommand: (path) => `chmod a+x ${path}`,
  startFault: () => undefined,
  jails: () => ["/srv/jail"],
  absence: () => undefined,
  jailsOf: () => ["/srv/jail"],
  userNames: () => ["root", "u"],
  groupNames: () => ["root", "staff"],
  lookUp: (path) => files[path],
  exists: (path, jail = "") => path === "/" || files[`${jail}${path}`] !== undefined,
  exchangeable: () => false,
  lacking: () => [],
  files: { readLink: (path) => links[path], identity: () => undefined, look: () => undefined },
  readsPopt: (path) => ["/usr/bin/rsync", "/usr/bin/popt", "/usr/bin/twin"].includes(path),
  ownStart: (path) => ownStarts[path],
  copyOfKnown: (path) => (/\/(?:copy|twin)$/.test(path) ? "/usr/bin/rsync" : undefined),
  hookedRepositories: (user) => repositories.filter(({ path }) => path.startsWith(`/home/${user ?? ""}`)),
  execution: (named) => ({
    limitsServers: true,
    leftOut: named.includes("/srv/jail") ? [{ path: "/srv/jail", why: "/srv/jail belongs to uid 1" }] : [],
    blocked: (path) => (path === "/bin/cat" ? { path: "/opt/lib/ld.so" } : undefined),
  }),
  grantedBy: (path) => (path === "/bin/cat" ? "is setuid" : undefined),
};

/** Findings in `text` as "3:7 code". */
function findings(file: string, text: string): string[] {
  const kind = kindOf(file);
  if (kind === undefined) throw new Error(`no kind for ${file}`);
  const ini = scanIni(toBytes(text), file, kind.dialect);
  return lint(ini, kind, world).map(({ line, column, code }) => `${line}:${column} ${code}`);
}

function scanned(file: string, text: string) {
  const kind = kindOf(file);
  if (kind === undefined) throw new Error(`no kind for ${file}`);
  return lint(scanIni(toBytes(text), file, kind.dialect), kind, world);
}

const message = (file: string, text: string): string[] => scanned(file, text).map((one) => one.message);

test("the section of a user who left the jail is not offered to the group of that name", () => {
  const [found, ...more] = scanned("/srv/jail/etc/jailkit/jk_lsh.ini", "[gone]\nexecutables = /usr/bin/ls\n");
  expect([found?.message, found?.fix, more]).toEqual([
    "the user 'gone' is not in this jail",
    { kind: "disable-section" },
    [],
  ]);
});

test("of two programs that are not found in paths, the second remedy keeps what the first one says", () => {
  const fixes = (paths: string) => {
    const text = `[u]\npaths = ${paths}\nexecutables = /usr/bin/ls, /bin/cat\n`;
    const about = scanned("jk_lsh.ini", text).filter(({ code }) => code === "not-in-paths");
    return about.map(({ fix }) => fix);
  };
  expect(fixes("/usr")).toEqual([
    { kind: "in-section", section: "u", lines: ["paths = /usr/bin, /usr"] },
    { kind: "in-section", section: "u", lines: ["paths = /bin, /usr/bin, /usr"] },
  ]);
  // Another remedy takes out what does not exist.
  expect(fixes("/usr, /srv")).toEqual(fixes("/usr"));
});

describe("jk_lsh.ini", () => {
  const rows: [string, string, string[]][] = [
    ["nothing wrong", "[u]\npaths = /usr/bin\nexecutables = /usr/bin/ls, /usr/bin/rsync\numask = 022\n", []],
    ["an unknown user", "[v]\nexecutables = /usr/bin/ls\n", ["1:1 unknown-user"]],
    ["an unknown group", "[group v]\nexecutables = /usr/bin/ls\n", ["1:1 unknown-group"]],
    ["a known group", "[group staff]\nexecutables = /usr/bin/ls\n", []],
    ["an unknown group of members", "[member v]\nexecutables = /usr/bin/ls\n", ["1:1 unknown-group"]],
    [
      "a group of members that the jail lacks",
      "[member hosts]\nexecutables = /usr/bin/ls\n",
      ["1:1 unknown-group"],
    ],
    ["a known group of members", "[member staff]\nexecutables = /usr/bin/ls\n", []],
    ["two blanks", "[group  staff]\nexecutables = /usr/bin/ls\n", ["1:1 unknown-user"]],
    ["the form of the log, and nothing else", "[DEFAULT]\nlog_format = json\n", []],
    [
      "the form of the log for one user",
      "[u]\nexecutables = /usr/bin/ls\nlog_format = json\n[DEFAULT]\nlog_format = xml\n",
      ["3:1 default-only", "5:14 bad-value"],
    ],
    ["an unknown key", "[u]\nexecutables = /usr/bin/ls\nexecutable = x\n", ["3:1 unknown-key"]],
    [
      "bad numbers",
      "[u]\nexecutables = /usr/bin/ls\numask = x\nallow_word_expansion = yes\n",
      ["3:9 bad-value", "4:24 bad-value"],
    ],
    ["words", "[u]\nallow = rsync download\nread = /usr\n", []],
    ["an unknown word", "[u]\nallow = rsync, rsync downlod\n", ["2:16 bad-value"]],
    [
      "a word twice",
      "[u]\nallow = rsync, git write, rsync\n",
      ["2:16 no-such-path", "2:16 no-such-path", "2:27 duplicate-item"],
    ],
    ["a word without its program", "[u]\nallow = rsync, unison\n", ["2:16 no-such-path"]],
    [
      "words for programs with faults",
      "[u]\nallow = borg, svn\nexecute = any\n",
      ["2:15 starts-programs", "3:11 execute-any"],
    ],
    ["a word for a program that cannot start", "[u]\nallow = svn, borg\n", ["2:14 not-executed"]],
    [
      "a pattern for the program of a word",
      "[u]\npaths = /usr/bin\nexecutables = /usr/bin/svnserve\nallow = rsync\ncommand a = svnserve -t\ncommand b = rsync ...\n",
      [],
    ],
    ["words that only read, and write", "[u]\nallow = rsync download\nwrite = /usr\n", ["3:9 unused-key"]],
    ["words that only read, and write = none", "[u]\nallow = rsync download\nwrite = none\n", []],
    ["a word that writes, and only read", "[u]\nallow = rsync upload\nread = /usr\n", ["2:9 unused-key"]],
    ["a word that writes, and write", "[u]\nallow = rsync upload\nread = /usr\nwrite = /usr\n", []],
    [
      "a program that is in a word and in executables",
      "[u]\npaths = /usr/bin\nexecutables = /usr/bin/rsync\nallow = rsync\n",
      ["3:15 unused-command"],
    ],
    [
      "patterns, and no list of programs",
      "[u]\ncommand a = rsync --server ...\ncommand b = /bin/cat x\n",
      ["3:13 no-effect", "3:13 not-executed"],
    ],
    ["a forced command", "[u]\nforce = rsync --server --sender . /data\n", []],
    ["an error in a pattern", "[u]\ncommand a = rsync [x\n", ["2:19 bad-command"]],
    ["an error in a forced command", "[u]\nforce = rsync 'x\n", ["2:9 bad-command"]],
    ["empty lines", "[u]\nforce =\ncommand a =\n", ["2:8 bad-command", "3:12 bad-command"]],
    ["a pattern without a name", "[u]\ncommand = rsync\n", ["2:1 unknown-key"]],
    ["a name with a blank", "[u]\ncommand a b = rsync\n", ["2:1 unknown-key"]],
    [
      "a program that is nowhere",
      "[u]\ncommand a = nowhere\nforce = /no/where\n",
      ["2:13 unused-command", "3:9 no-such-path"],
    ],
    [
      "a pattern for a program that is nowhere",
      "[u]\ncommand a = {nowhere,rsync} x\n",
      ["2:13 no-such-path"],
    ],
    ["a pattern for a shell", "[u]\ncommand a = harmless\n", ["2:13 starts-programs"]],
    [
      "patterns and programs that do not meet",
      "[u]\npaths = /usr/bin\nexecutables = /usr/bin/rsync, /usr/bin/twin\nenvironment = HOME=/\ncommand a = git-upload-pack x\ncommand b = rsync x\ncommand c = /usr/bin/hg\n",
      ["3:31 unused-command", "3:31 unknown-copy", "5:13 no-such-path", "7:13 unused-command"],
    ],
    [
      "what a forced command does not expand",
      "[u]\nforce = rsync --server ~\nallow_word_expansion = 1\n",
      ["2:9 doubtful-value"],
    ],
    ["commands for a shell", "[u]\nforce = ls; cat\n", ["2:9 no-such-path", "2:11 shell-syntax"]],
    ["a pipe", "[u]\nforce = ls /srv | cat\n", ["2:17 shell-syntax"]],
    ["a condition", "[u]\nforce = ls && cat\n", ["2:12 shell-syntax"]],
    ["another file as output", "[u]\nforce = ls >/srv/x\n", ["2:12 shell-syntax"]],
    ["a command in a command", "[u]\nforce = ls $(cat x)\n", ["2:12 shell-syntax"]],
    ["the same in backquotes", '[u]\nforce = ls "`cat x`"\n', ["2:13 shell-syntax"]],
    ["what the client asked for", "[u]\nforce = ls $SSH_ORIGINAL_COMMAND\n", ["2:12 shell-syntax"]],
    ["bytes of a shell in quotes", "[u]\nforce = ls 'a;b|c' \"a;b\" \\; a$ \\$HOME '$(x)'\n", []],
    ["bytes of a shell in patterns", "[u]\npaths = /usr/bin\ncommand b = ls '*;' [!;|] \\& $ []&]\n", []],
    [
      "bytes of a shell in a pattern",
      "[u]\npaths = /usr/bin\ncommand a = ls *;*\ncommand b = ls [!;]x [;]|[;]\ncommand c = ls '>\n",
      ["3:17 shell-syntax", "4:25 shell-syntax", "5:13 bad-command"],
    ],
    ["a comment after a pattern", "[u]\ncommand a = rsync # x\n", ["2:13 comment-in-value"]],
    [
      "a shell behind a link",
      "[u]\nexecutables = /usr/bin/ls, /usr/bin/harmless, /usr/bin/vi\n",
      ["2:28 starts-programs", "2:47 starts-programs"],
    ],
    [
      "servers with inputs that only the kernel closes",
      "[u]\nexecutables = /usr/bin/rsync, /usr/bin/svnserve\n",
      [],
    ],
    [
      "the same, where the kernel does not close them",
      "[u]\nexecutables = /usr/bin/cvs, /usr/bin/rsync, /usr/bin/svnserve\nexecute = any\n",
      ["2:15 starts-programs", "2:45 starts-programs", "3:11 execute-any"],
    ],
    [
      "a program that reads ~/.popt",
      "[u]\nexecutables = /usr/bin/popt, /usr/bin/rsync\n",
      ["2:15 starts-programs"],
    ],
    ["the same, with a home of root's", "[u]\nexecutables = /usr/bin/popt\nenvironment = A=b, HOME=/\n", []],
    ["a relative program", "[u]\nexecutables = ls\n", ["2:15 relative-executable"]],
    [
      "programs that are not there",
      "[u]\nexecutables = /nope, /usr/bin, /usr/bin/data, /usr/../x\n",
      ["2:15 no-such-path", "2:22 not-executable", "2:32 not-executable", "2:47 bad-path"],
    ],
    ["a program beside paths", "[u]\npaths = /bin\nexecutables = /usr/bin/ls\n", ["3:15 not-in-paths"]],
    [
      "a program that another hides",
      "[u]\npaths = /bin, /usr/bin\nexecutables = /usr/bin/cat\n",
      ["3:15 other-in-paths"],
    ],
    [
      "paths that are not there",
      "[u]\npaths = /nope, bin, /usr/bin/ls, /usr/bin\nexecutables = /usr/bin/ls\n",
      ["2:9 no-such-path", "2:16 bad-path", "2:21 not-a-directory"],
    ],
    [
      "LD_*",
      "[u]\nexecutables = /usr/bin/ls\nenvironment = A=b, LD_PRELOAD=/x\nenv = LD_LIBRARY_PATH, 1, PERL5OPT\n",
      ["3:20 code-variable", "4:7 code-variable", "4:24 bad-name", "4:27 code-variable"],
    ],
    [
      "two slashes in a variable and in a pattern",
      "[u]\npaths = /usr/bin\ncommand a = ls // x\nenvironment = A=one // two, B=//\n",
      [],
    ],
    [
      "a comment behind a variable",
      "[u]\nexecutables = /usr/bin/ls\nenvironment = A=one # c\n",
      ["3:15 comment-in-value"],
    ],
    ["a comment behind a value", "[u]\nexecutables = /usr/bin/ls # c\n", ["2:15 comment-in-value"]],
    [
      "a comment behind paths",
      "[u]\nexecutables = /usr/bin/ls\nread = /usr # c\nwrite = ~/in ; c\nexecute = system, /srv/hooks # c\n",
      ["3:8 comment-in-value", "4:9 comment-in-value", "5:11 comment-in-value"],
    ],
    [
      "spawn options",
      "[u]\nexecutables = /usr/bin/rsync\nallow_spawn_options = 1\n",
      ["2:15 starts-programs"],
    ],
    [
      "duplicates",
      "[u]\nexecutables = /usr/bin/ls, /usr/bin/ls\nexecutables = x\n[u]\nexecutables = /usr/bin/ls\n",
      ["2:28 duplicate-item", "3:1 duplicate-key", "4:1 duplicate-section"],
    ],
    ["a section that allows nothing", "[u]\n", ["1:1 no-executables"]],
    [
      "what execute takes from programs",
      "[u]\nexecutables = /usr/bin/ls, /bin/cat\n",
      ["2:28 no-effect", "2:28 not-executed"],
    ],
    [
      "anything may be executed",
      "[u]\nexecutables = /usr/bin/ls, /bin/cat\nexecute = any\nconfine = 0\n",
      ["3:11 execute-any"],
    ],
    [
      "anything may be executed, and gains no privilege",
      "[u]\nexecutables = /usr/bin/ls, /bin/cat\nexecute = any\n",
      ["2:28 no-effect", "3:11 execute-any"],
    ],
    [
      "directories of execute",
      "[u]\nexecutables = /usr/bin/ls\nexecute = system, /srv/jail/, /srv/../x, /srv/jail/dev\n",
      ["3:19 not-executed", "3:31 bad-path"],
    ],
    [
      "a server that starts another program first",
      "[u]\nexecutables = /usr/bin/borg\n",
      ["2:15 not-executed"],
    ],
    ["and may", "[u]\nexecutables = /usr/bin/borg\nexecute = system, /srv/hooks\n", []],
    [
      "and may not, by a directory that does not count",
      "[u]\nexecutables = /usr/bin/borg\nexecute = system, /srv/jail\n",
      ["2:15 not-executed", "3:19 not-executed"],
    ],
    [
      "a directory that counts beside one that does not frees a server",
      "[u]\nexecutables = /usr/bin/svnserve\nexecute = system, /srv/jail, /srv/hooks\n",
      ["2:15 starts-programs", "3:19 not-executed"],
    ],
    ["a copy of a server", "[u]\nexecutables = /usr/bin/twin\n", ["2:15 unknown-copy"]],
    ["which options may start", "[u]\nexecutables = /usr/bin/copy\nallow_spawn_options = 1\n", []],
    ["hooks that do not run", "[u]\nexecutables = /usr/bin/git\n", ["1:1 hooks-off"]],
    ["no repositories of that program", "[u]\nexecutables = /usr/bin/hg\n", []],
    [
      "hooks that root keeps",
      "[u]\nexecutables = /usr/bin/git\nenvironment = GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=core.hooksPath, GIT_CONFIG_VALUE_0=/srv/hooks\n",
      [],
    ],
    [
      "hooks that users write",
      "[u]\nexecutables = /usr/bin/git\nenvironment = GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=core.hooksPath, GIT_CONFIG_VALUE_0=hooks\n",
      ["3:15 code-variable", "3:35 code-variable", "3:68 code-variable"],
    ],
    [
      "hooks, and what is none",
      "[u]\nexecutables = /usr/bin/git\nenvironment = GIT_CONFIG_COUNT=2, GIT_CONFIG_KEY_0=core.hooksPath, GIT_CONFIG_VALUE_0=/srv/hooks, GIT_CONFIG_KEY_1=core.pager, GIT_CONFIG_VALUE_1=/x\n",
      [
        "3:15 code-variable",
        "3:35 code-variable",
        "3:68 code-variable",
        "3:99 code-variable",
        "3:128 code-variable",
      ],
    ],
    ["an unknown word", "[u]\nexecutables = /usr/bin/ls\nexecute = none\n", ["3:11 bad-value"]],
  ];
  test.each(rows)("%s", (_, text, expected) => {
    expect(findings("jk_lsh.ini", text)).toEqual(expected);
  });

  const hints: [string, string][] = [
    ["[u]\nexecutables=/usr/bin/ls\nexcutables = x\n", "did you mean 'executables'"],
    ["[u]\nexecutables=/usr/bin/ls\nallow-word-expansion = 1\n", "did you mean 'allow_word_expansion'"],
    ["[u]\nexecutables=/usr/bin/ls\nexe = x\n", "jailkit 2.23 took it for 'executables'"],
    ["[default]\nexecutables=/usr/bin/ls\n", "[DEFAULT]"],
    ["[ DEFAULT ]\nexecutables=/usr/bin/ls\n", "[DEFAULT]"],
    ["[Group staff]\nexecutables=/usr/bin/ls\n", "[group staff]"],
    ["[Member  staff]\nexecutables=/usr/bin/ls\n", "[member staff]"],
    ["[staff]\nexecutables=/usr/bin/ls\n", "[group staff]"],
    ["[u]\nexecutables=/usr/bin/vi\n", "'/usr/bin/vi' has the command !"],
    ["[u]\nexecutables=/usr/bin/harmless\n", "('dash') is a shell"],
    ["[u]\nexecutables=/bin/cat\n", "'/bin/cat' is setuid, which has no effect unless execute = any"],
    [
      "[u]\nexecutables=/bin/cat\n",
      "'/bin/cat' needs '/opt/lib/ld.so', which may not be executed; to allow it: execute = system, /opt/lib",
    ],
    [
      "[u]\nexecutables=/usr/bin/ls\nexecute = system, /srv/jail\n",
      "nothing in '/srv/jail' may be executed: /srv/jail belongs to uid 1",
    ],
    ["[u]\nexecutables=/usr/bin/git\n", "hooks do not run in '/home/u/r\\x1b.git' (update); let root keep"],
    ["[DEFAULT]\nexecutables=/usr/bin/git\n", "(update), '/home/v/r.git' (post-receive); let root"],
    [
      "[u]\nexecutables=/usr/bin/borg\n",
      "'/usr/bin/borg' cannot work: its first line lets '/usr/bin/env' start 'python3', which is refused; name that",
    ],
    [
      "[u]\nforce = ls; cat\n",
      "'force': no shell reads this, so that ';' is a part of a word; name a script that",
    ],
    ["[u]\nexecutables=/usr/bin/copy\n", "is a copy of '/usr/bin/rsync', which jk_lsh does not know"],
    ["[u]\nexecutables=/usr/bin/ls\nexecute = any\n", "can execute what a user has uploaded"],
  ];
  test.each(hints)("%p reports %p", (text, hint) => {
    expect(message("jk_lsh.ini", text).join("\n")).toContain(hint);
  });
});

test("a kernel that cannot limit execution is reported once, if it matters", () => {
  const kind = kindOf("jk_lsh.ini");
  if (kind === undefined) throw new Error("no kind");
  const found = (text: string) =>
    lint(scanIni(toBytes(text), "jk_lsh.ini", kind.dialect), kind, { ...world, execution: () => undefined });
  const any = "executables = /usr/bin/ls\nexecute = any\n";
  const system = "executables = /usr/bin/ls\n";
  const findings = found(`[u]\n${any}[root]\n${system}[group staff]\n${system}`);
  expect(findings.map(({ line, code }) => `${line} ${code}`)).toEqual(["3 execute-any", "4 no-landlock"]);
  expect(findings[1]?.message).toContain("this kernel has no Landlock");
  expect(found(`[u]\n${any}`).map(({ code }) => code)).toEqual(["execute-any"]);
});

test.each([
  ["/usr /bin", "/usr, /bin"],
  ["/usr:/nowhere", "/usr, /nowhere"],
  ["/usr '/bin'", "/usr, /bin"],
  ["/usr' files", undefined],
  ["/usr 'x'", undefined],
  ["/usr'", undefined],
  ["/usr /bin'", "/usr, /bin'"],
])("the remedy for the path %s names no other", (path, meant) => {
  const [finding] = scanned("jk_chrootsh.ini", `[u]\nread = ${path}\n`);
  if (meant === undefined) expect(finding).toMatchObject({ code: "no-such-path" });
  else expect(finding).toMatchObject({ code: "not-a-list", fix: { with: meant } });
});

test.each([
  ['"/usr/My Programs/x"', "/usr/My Programs/x"],
  ["\"/usr/bin/ls\" '/usr/bin/cat'", "/usr/bin/ls, /usr/bin/cat"],
  ['"/usr/bin/ls', "/usr/bin/ls"],
])("quotes around a program are left out: %s", (text, meant) => {
  const [finding] = scanned("jk_lsh.ini", `[u]\nexecutables = ${text}\n`);
  expect(finding).toMatchObject({ code: "not-a-list", fix: { with: meant } });
});

describe("the other files", () => {
  const rows: [string, string, string[]][] = [
    [
      "jk_chrootsh.ini",
      "[u]\nenv = TERM, LD_PRELOAD\ninjail_shell = bash\nrelax_home_owner = x\n",
      ["2:13 code-variable", "3:16 bad-path", "4:20 bad-value"],
    ],
    ["jk_chrootsh.ini", "[DEFAULT]\nrelax_home = 1\n", ["2:1 unknown-key"]],
    ["jk_chrootsh.ini", "[u]\nscope = 1\nno_new_privs = 0\n", ["3:16 contradiction"]],
    [
      "jk_chrootsh.ini",
      "[u]\nread = /data /srv, /nowhere, /a b\nwrite = '/data'\n",
      ["2:8 not-a-list", "2:20 no-such-path", "2:30 no-such-path", "3:9 bad-value"],
    ],
    [
      "jk_uchroot.ini",
      "[u]\nallowed_jails = /srv/jail\nallow_setuid = 1\nconfine = 1\n",
      ["3:16 contradiction"],
    ],
    [
      "jk_lsh.ini",
      "[u]\nallow = rsync\nno_new_privs = 0\nread = /usr/bin, /nowhere, ~/x\nwrite = /usr/bin/*\n",
      ["3:16 contradiction", "4:18 no-such-path", "5:9 no-such-path"],
    ],
    ["jk_uchroot.ini", "[DEFAULT]\nlog_format = json\n", []],
    [
      "jk_uchroot.ini",
      "[u]\nallowed_jails = /srv/jail, /srv/none, srv/jail\n",
      ["2:28 no-such-path", "2:39 bad-path"],
    ],
    ["jk_uchroot.ini", "[u]\nskip_injail_passwd_check = 1\n", ["1:1 no-jails"]],
    ["jk_socketd.ini", "[/srv/jail/dev/log]\nbase = 1024\npeak = 10240\ninterval = 2.0\n", []],
    ["jk_socketd.ini", `[/srv/jail/dev/${"l".repeat(120)}]\n`, []],
    ["jk_socketd.ini", "[/srv/jail/dev/log]\ntype = dgramm\ntrust=x\n", ["2:8 bad-value", "3:7 bad-value"]],
    [
      "jk_socketd.ini",
      "[/srv/none/dev/log]\nbase = 1\npeek = 1000\n[dev/log]\nbase=600\npeak=500\n",
      ["1:1 no-such-path", "2:8 bad-value", "3:1 unknown-key", "4:1 bad-path", "6:6 peak-under-base"],
    ],
    [
      "jk_check.ini",
      "[/srv/jail]\nignorepathoncompare = /srv/jail/home, /srv/jailhouse, home, /srv/jail/x\n",
      ["2:39 not-in-jail", "2:55 bad-path", "2:61 no-such-path"],
    ],
    [
      "jk_update.ini",
      "[/srv/jail]\nhardlinks = 2\nskips = usr/bin/x\n[/srv/none]\n",
      ["2:13 bad-value", "3:9 bad-path", "4:1 no-such-path"],
    ],
    [
      "jk_init.ini",
      "[a]\npaths = x, /y*, $LIBDIR/z, $LIB/z,\n  a/b\nincludesections = b, aa\nneed_proc = perhaps\n[b]\nincludesections=a\n",
      ["2:28 bad-path", "3:3 bad-path", "4:19 include-circle", "4:22 unknown-section", "5:13 bad-value"],
    ],
    [
      "jk_init.ini",
      "[DEFAULT]\nuser = root\n[a]\npaths = /x\n /y\n[b]\n",
      ["2:1 unknown-key", "4:9 bad-path"],
    ],
    ["jk_init.ini", "x\n[a]\n[a]\n", ["1:1 no-section", "3:1 duplicate-section"]],
  ];
  test.each(rows)("%s %p", (file, text, expected) => {
    expect(findings(file, text)).toEqual(expected);
  });

  // What is typed against what follows would take away what is right.
  test.each<[string, string, string[]]>([
    ["jk_lsh.ini", "[u]\nexcutables = /usr/bin/ls\n", ["2:1 unknown-key"]],
    [
      "jk_lsh.ini",
      "[u]\nenv = A\nexecutable = /usr/bin/ls\n[root]\n",
      ["3:1 unknown-key", "4:1 no-executables"],
    ],
    ["jk_uchroot.ini", "[u]\nallowed_jail = /srv/jail\n", ["2:1 unknown-key"]],
    ["jk_lsh.ini", "[u]\npaths = /usr/bin\nexecutables = /usr/bin/ls, /usr/bin\n", ["3:28 not-executable"]],
    ["jk_lsh.ini", "[u]\npaths = /usr/bin/../bin\nexecutables = /usr/bin/ls\n", ["2:9 bad-path"]],
    ["jk_lsh.ini", "[u]\nexecutables = /usr/bin/copy\n", ["2:15 unknown-copy"]],
    ["jk_chrootsh.ini", "[u\nenv = A\n", ["1:1 bad-header"]],
    ["jk_chrootsh.ini", "env = A\n[u\n", ["1:1 no-section", "2:1 bad-header"]],
    ["jk_chrootsh.ini", "[u]\nenv = A\n;[root]\nenv = B\n", ["3:1 doubtful-header", "4:1 duplicate-key"]],
    [
      "jk_init.ini",
      "[a]\npaths = /bin/ls, # x\n  /bin/cat\nusers = nosuch\n",
      ["2:9 comment-in-value", "4:9 unknown-user"],
    ],
    [
      "jk_init.ini",
      "[a]\nincludesections = b\n[b]\nincludesections = c\n[c]\nincludesections = a\n",
      ["2:19 include-circle"],
    ],
    ["jk_check.ini", "[/srv/jial]\nignorepathoncompare = /srv/jail/home\n", ["1:1 no-such-path"]],
  ])("one fault is reported once: %s %p", (file, text, expected) => {
    expect(findings(file, text)).toEqual(expected);
  });

  test.each([
    ["/etc/jailkit/jk_init.ini", "jk_init"],
    ["/etc/jailkit/jk_socketd.d/srv-jail.ini", "jk_socketd"],
    ["jk_lsh.ini.dpkg-dist", "jk_lsh"],
    ["my-jk_check.ini", "jk_check"],
    ["/etc/passwd", undefined],
  ])("%p is %p", (file, name) => {
    expect(kindOf(file)?.name).toBe(name);
  });
});

test("no fix of a value that cannot be read allows more", () => {
  const keys = [
    "confine",
    "no_new_privs",
    "env_only",
    "execute",
    "read",
    "write",
    "network",
    "tcp_connect",
    "tcp_bind",
    "syscalls",
    "scope",
  ];
  for (const key of keys) {
    const [finding, another] = scanned("jk_chrootsh.ini", `[u]\n${key} = +\n`);
    expect([key, finding?.code, another]).toEqual([key, "bad-value", undefined]);
    if (finding?.fix?.kind !== "line") throw new Error(key);
    expect(finding.fix.text).toMatch(/ = (?:require|system|none|login|1)$/);
    expect(scanned("jk_chrootsh.ini", `[u]\n${finding.fix.text}\n`)).toEqual([]);
  }
  const only = (file: string, text: string) => scanned(file, text).map(({ code, fix }) => [code, fix?.kind]);
  expect(only("jk_chrootsh.ini", "[u]\nlimits = nofile x\n")).toEqual([["bad-value", "none"]]);
  expect(only("jk_lsh.ini", "[u]\nexecutables = /usr/bin/ls\nallow = rsync downlod\n")).toEqual([
    ["bad-value", "none"],
  ]);
  // What is said of an empty value is said once.
  expect(only("jk_chrootsh.ini", "[u]\nread =\n")).toEqual([["bad-value", "line"]]);
});

test("the default files have no findings", () => {
  for (const { name } of CONFIG_KINDS) {
    const text = readFileSync(new URL(`../../config/${name}.ini`, import.meta.url), "latin1");
    expect(findings(`${name}.ini`, text)).toEqual([]);
  }
});

test("the default jk_init.ini has every section of jailkit 2.23", () => {
  const bytes = readFileSync(new URL("../../config/jk_init.ini", import.meta.url));
  const names = new Set(scanIni(bytes, "jk_init.ini", "py").sections.map((section) => section.name));
  const old =
    "uidbasics netbasics logbasics jk_lsh limitedshell cvs git scp sftp ssh rsync procmail basicshell interactiveshell midnightcommander extendedshell terminfo editors netutils apacheutils extshellplusnet openvpn apache perl xauth xclients vncserver ping";
  expect(old.split(" ").filter((name) => !names.has(name))).toEqual([]);
});

test("a distance is the same with a limit, unless it is larger", () => {
  const letters = ["", "a", "b"].flatMap((a) =>
    ["", "a", "c"].flatMap((b) => [`${a}b${b}`, `${b}${a}cb`, `${a}${b}a`]),
  );
  for (const one of letters)
    for (const other of letters)
      for (const most of [0, 1, 2]) {
        const distance = editDistance(one, other);
        expect(Math.min(editDistance(one, other, most), most + 1)).toBe(Math.min(distance, most + 1));
      }
});

test("suggestions", () => {
  expect(editDistance("executables", "excutabels")).toBe(2);
  expect(suggest("pahts", ["paths", "umask"])).toBe("paths");
  expect(suggest("Umask ", ["paths", "umask"])).toBe("umask");
  expect(suggest("colour", ["paths", "umask"])).toBeUndefined();
  expect(suggest("", ["paths"])).toBeUndefined();
});
