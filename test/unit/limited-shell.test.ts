// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what the limited shell reads
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { LshPolicy } from "../../src/limited-shell/decide.ts";
import { type Decision, decide } from "../../src/limited-shell/decide.ts";
import type { FileView } from "../../src/limited-shell/files.ts";

const REGULAR = [
  "/usr/bin/ls",
  "/usr/bin/printf",
  "/usr/bin/env",
  "/usr/bin/rsync",
  "/usr/bin/scp",
  "/usr/bin/git",
  "/usr/bin/git-upload-pack",
  "/usr/bin/sh",
  "/bin/ls",
  "/usr/lib/openssh/sftp-server",
  "/usr/bin/FOO=bar",
  "myscript",
  "bin/tool",
  "env",
  "/usr/bin//ls2",
  "/usr/bin//usr/bin/ls",
];

const files: FileView = {
  isRegularFile: (path) => REGULAR.includes(path) || path === "/usr/bin/../bin/ls",
  isDirectory: (path) => path === "/usr/bin/" || path === "/usr/bin",
  exists: (path) => REGULAR.includes(path),
  readDirectory: (path) => (path === "." ? ["a.txt", "b.txt", "myscript"] : undefined),
  readLink: () => undefined,
  look: () => undefined,
  identity: () => undefined,
  homeOf: (user) => (user === "ann" ? "/home/ann" : undefined),
};

const basic: LshPolicy = {
  paths: ["/usr/bin", "/bin/"],
  executables: ["/usr/bin/ls", "/usr/bin/printf", "/usr/bin/env"],
  allowWordExpansion: false,
  allowSpawnOptions: false,
};
const transfer: LshPolicy = {
  paths: ["/usr/bin"],
  executables: ["/usr/bin/rsync", "/usr/bin/scp", "/usr/bin/git-upload-pack", "/usr/lib/openssh/sftp-server"],
  allowWordExpansion: false,
  allowSpawnOptions: false,
};

function run(commandLine: string, policy: LshPolicy, environment: Record<string, string> = {}): Decision {
  return decide({
    commandLine,
    policy,
    environment: new Map(Object.entries(environment)),
    home: "/home/me",
    files,
  });
}

/** The argument vector, or the exit status and code of the refusal. */
function outcome(commandLine: string, policy: LshPolicy, environment?: Record<string, string>) {
  const decision = run(commandLine, policy, environment);
  return decision.allowed ? decision.argv : `${decision.exitStatus} ${decision.code}`;
}

describe("decide: what jailkit 2.23 does", () => {
  const p = "/usr/bin/printf";
  test.each<[string, string, LshPolicy, string[] | string]>([
    ["words", "printf [%s] a  b", basic, [p, "[%s]", "a", "b"]],
    ["blanks at the ends", " \tprintf x\t ", basic, [p, "x"]],
    ["quotes are processed", `printf [%s] "a b" 'c "d' e\\ f`, basic, [p, "[%s]", "a b", 'c "d', "e f"]],
    ["nothing is expanded", "printf [%s] *.txt $HOME ~", basic, [p, "[%s]", "*.txt", "$HOME", "~"]],
    [
      "operators are text",
      "printf a; b && c | d > e `f` $(g) {h,i}",
      basic,
      [p, "a;", "b", "&&", "c", "|", "d", ">", "e", "`f`", "$(g)", "{h,i}"],
    ],
    ["an absolute path that is listed", "/usr/bin/ls -l", basic, ["/usr/bin/ls", "-l"]],
    ["another path of the same file", "/bin/ls", basic, "4 not-allowed"],
    ["a path that only resolves to it", "/usr/bin/../bin/ls", basic, "4 not-allowed"],
    ["not listed", "sh -c id", basic, "4 not-allowed"],
    ["a path that begins with one that is listed", "/usr/bin/lsblk", basic, "4 not-allowed"],
    [
      "a name that is the beginning of one that is listed",
      "ls",
      { ...basic, executables: ["/usr/bin/lsblk"] },
      "4 not-allowed",
    ],
    ["not there", "nonexist", basic, "4 not-allowed"],
    ["the first hit in paths decides", "ls", { ...basic, paths: ["/bin", "/usr/bin"] }, "4 not-allowed"],
    [
      "an absolute word that is not there is looked for below paths",
      "/ls2",
      { ...basic, executables: ["/usr/bin//ls2"] },
      ["/usr/bin//ls2"],
    ],
    ["no key executables", "ls", { ...basic, executables: undefined }, "5 no-executables"],
    ["empty key executables", "ls", { ...basic, executables: [] }, "5 no-executables"],
    [
      "words are formed before the keys are looked at",
      "'ls",
      { ...basic, executables: undefined },
      "6 unbalanced-quote",
    ],
    [
      "an absolute path that is there is not looked for below paths",
      "/usr/bin/ls",
      { ...basic, executables: ["/usr/bin//usr/bin/ls"] },
      "4 not-allowed",
    ],
    ["a file in the current directory is not what a name means", "env", basic, ["/usr/bin/env"]],
    ["no paths", "ls", { ...basic, paths: [] }, "4 not-allowed"],
    ["no paths, absolute", "/usr/bin/ls", { ...basic, paths: [] }, ["/usr/bin/ls"]],
  ])("%s: %s", (_, line, policy, expected) => {
    expect(outcome(line, policy)).toStrictEqual(expected);
  });

  const expanding = { ...basic, allowWordExpansion: true };
  test.each<[string, string[] | string]>([
    [`printf [%s] "a b" $((1+2)) $NOPE`, [p, "[%s]", "a b", "3"]],
    ["printf *.txt ~ ~ann ~bob", [p, "a.txt", "b.txt", "/home/me", "/home/ann", "~bob"]],
    ["printf $X '$X'", [p, "x", "y", "$X"]],
    ["ls; ls", "6 illegal-word"],
    ["ls|cat", "6 illegal-word"],
    ["ls `id`", "6 command-substitution"],
    ["ls $(id)", "6 command-substitution"],
    ['ls "x', "6 syntax-error"],
    ["ls {a,b}", "6 illegal-word"],
    ["$NOPE", "6 empty-command"],
    ["$NOPE ls", ["/usr/bin/ls"]],
    ["m*t", "4 not-allowed"],
  ])("with expansion: %s", (line, expected) => {
    expect(outcome(line, expanding, { X: "x y" })).toStrictEqual(expected);
  });
});

describe("decide: what jailkit 2.23 got wrong", () => {
  test.each<[string, string, LshPolicy, string[] | string]>([
    ["an empty command", "", basic, "6 empty-command"],
    ["a blank command", " \t ", basic, "6 empty-command"],
    ["an empty program name", "'' -l", basic, "6 empty-command"],
    [
      "an empty program name is not the directory",
      '""',
      { ...basic, executables: ["/usr/bin/"] },
      "6 empty-command",
    ],
    [
      "a relative item runs from the current directory",
      "myscript",
      { ...basic, executables: ["myscript"] },
      "4 relative-executable",
    ],
    [
      "a relative item found through relative paths",
      "tool",
      { ...basic, paths: ["bin"], executables: ["bin/tool"] },
      "4 relative-executable",
    ],
    [
      "listed, but not in the jail",
      "/usr/bin/gone",
      { ...basic, executables: ["/usr/bin/gone"] },
      "127 not-found",
    ],
    ["listed, but a directory", "/usr/bin", { ...basic, executables: ["/usr/bin"] }, "127 not-found"],
    ["a newline", "ls\nid", basic, "6 control-character"],
    ["a quoted newline", "ls 'a\nb'", basic, "6 control-character"],
    ["carriage return", "ls\rid", basic, "6 control-character"],
    ["escape", "ls \x1b[2J", basic, "6 control-character"],
    ["DEL", "ls \x7f", basic, "6 control-character"],
    ["a backslash at the end", "ls \\", basic, "6 unbalanced-quote"],
  ])("%s", (_, line, policy, expected) => {
    expect(outcome(line, policy)).toStrictEqual(expected);
    if (!policy.allowWordExpansion && expected !== "6 unbalanced-quote") {
      expect(outcome(line, { ...policy, allowWordExpansion: true })).toStrictEqual(expected);
    }
  });

  test("internal-sftp is the sftp-server of the jail, with its options", () => {
    const server = "/usr/lib/openssh/sftp-server";
    expect(outcome("internal-sftp -f AUTH -l INFO -d /up -R", transfer)).toEqual([
      server,
      "-f",
      "AUTH",
      "-l",
      "INFO",
      "-d",
      "/up",
      "-R",
    ]);
    expect(outcome("internal-sftp", basic)).toBe("4 not-allowed");
    expect(outcome("internal-sftp", { ...basic, executables: ["/opt/sftp-server"] })).toBe("4 not-allowed");
    // Only a whole base name counts, and only this command.
    expect(outcome("internal-sftp", { ...basic, executables: ["/usr/bin/not-sftp-server"] })).toBe(
      "4 not-allowed",
    );
    for (const word of ["external-sftp", "internal-sftp2"])
      expect(outcome(word, transfer)).toBe("4 not-allowed");
  });

  test("assignments before a command are not performed", () => {
    expect(outcome("FOO=bar ls", basic)).toEqual("4 not-allowed");
    const decision = run("RSYNC_RSH=/tmp/x rsync a b:", transfer);
    expect(decision.allowed ? "" : decision.reason).toContain("assignments before a command");
    expect(outcome("FOO=bar ls", { ...basic, executables: ["/usr/bin/FOO=bar"] })).toEqual([
      "/usr/bin/FOO=bar",
      "ls",
    ]);
  });

  test("assignments in an expansion do not reach the environment", () => {
    const environment = new Map([["HOME", "/home/me"]]);
    const policy = { ...basic, allowWordExpansion: true };
    const line = "printf ${LD_PRELOAD:=/tmp/x.so} $((HOME=1)) $LD_PRELOAD";
    const decision = decide({ commandLine: line, policy, environment, home: "/", files });
    expect(decision).toMatchObject({ argv: ["/usr/bin/printf", "/tmp/x.so", "1", "/tmp/x.so"] });
    expect([...environment]).toEqual([["HOME", "/home/me"]]);
  });
});

describe("decide: lines that bypassed other limited shells", () => {
  const lines = [
    // lshell: quotes, control characters, functions, doubled blanks
    "echo'/1.sh'",
    '"sh"',
    "s'h' -i",
    "'/bin/'sh",
    "ls\x16\nsh",
    "cd () bash && cd",
    "  sh",
    "\tsh",
    "sh\t-i",
    "ls&&sh",
    "ls;sh",
    "ls|sh",
    "ls\\;sh",
    "echo$(sh)",
    "echo`sh`",
    "${SHELL}",
    "$SHELL",
    "ls<(sh)",
    "ls${IFS}-l;sh",
    "os.system('sh')",
    "\\sh",
    "LSHELL_ARGS=['--x'] ls",
    "-c sh",
    "-sh",
    "/usr/bin/ls/../sh",
    "./ls",
    "../usr/bin/ls",
    "ls/",
    "ls\xa0",
    "LS",
    "l?",
    // rssh, scponly, sudo-rs, btrbk
    "FOO=bar scp -t x",
    "scp",
    "scp -S /bin/sh -t x",
    "scp -oProxyCommand=sh -t x",
    "rsync -e sh a b:",
    "../../bin/sh",
    "ls#",
    "(ls)",
    "{ ls; }",
    "! ls",
    "exec ls",
    "command ls",
    "ls>out",
    ">out ls",
    "&ls",
    "~/ls",
    "ls$",
    "=ls",
    "%1",
    ":",
  ];
  test.each(lines)("%j", (line) => {
    for (const allowWordExpansion of [false, true]) {
      const decision = run(line, { ...basic, allowWordExpansion }, { SHELL: "/usr/bin/sh", IFS: " " });
      expect(decision.allowed).toBeFalse();
    }
  });

  test("any line runs only a listed file, or is refused in one printable line", () => {
    const piece = fc.constantFrom(
      ..."ls printf sh /usr/bin/ /bin/ ../ ' \" \\ $ ${ } ` ( ) $(( )) * ? [ ] ~ = ; | & < > \n \r \t \0 \x1b \xff \u00a0 rsync".split(
        " ",
      ),
      " ",
      " ",
      "$X",
      "${X:-",
      "a",
      "-e",
      "--rsh=x",
    );
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(text, fc.boolean(), (line, allowWordExpansion) => {
        const policy = { ...basic, allowWordExpansion };
        const decision = run(line, policy, { X: "ls -l;sh" });
        if (decision.allowed) {
          expect(policy.executables).toContain(decision.path);
          expect(decision.argv[0]).toBe(decision.path);
        } else {
          expect([4, 6]).toContain(decision.exitStatus);
          for (const told of [decision.reason, decision.shown]) expect(told).toMatch(/^[ -~\x80-\xff]+$/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("decide: messages", () => {
  test("the log has the words and the reason, the user sees the typed command", () => {
    expect(run("ls /etc/shadow; id", { ...basic, executables: ["/usr/bin/env"] })).toEqual({
      allowed: false,
      exitStatus: 4,
      code: "not-allowed",
      reason: "tried to run 'ls /etc/shadow; id', not allowed: '/usr/bin/ls' is not in executables",
      shown: "command 'ls' is not allowed",
    });
    expect(run("\x1b[31m", basic)).toMatchObject({ shown: "control character '\\x1b' in the command" });
    expect(run("r\xc2\x9bm", basic)).toMatchObject({ shown: "command 'r\\xc2\\x9bm' is not allowed" });
  });

  test.each<[string, string[], string]>([
    [
      "/bin/sh -i",
      ["/usr/bin/ls"],
      "tried to run '/bin/sh -i', not allowed: '/bin/sh' is not in executables",
    ],
    ["sh", ["/usr/bin/ls"], "tried to run 'sh', not allowed: '/usr/bin/sh' is not in executables"],
    [
      "zsh",
      ["/usr/bin/ls"],
      "tried to run 'zsh', not allowed: 'zsh' was not found in paths, and is not in executables",
    ],
    [
      "A=b ls",
      ["/x"],
      "tried to run 'A=b ls', not allowed: assignments before a command have no meaning here",
    ],
    [
      "internal-sftp",
      ["/x"],
      "tried to run 'internal-sftp', not allowed: no sftp-server that is in the jail is in executables",
    ],
    [
      "myscript",
      ["myscript"],
      "tried to run 'myscript', not allowed: 'myscript' in executables does not begin with '/'",
    ],
    ["/x y", ["/x"], "tried to run '/x y', not allowed: there is no regular file '/x' in the jail"],
    ["ls", [], "tried to run 'ls', not allowed: the section has no key executables"],
    ["ls 'x", ["/x"], "tried to run 'ls 'x', not allowed: a single quote is not closed"],
    [" ", ["/x"], "tried to run ' ', not allowed: there is no program name"],
  ])("the reason: %s", (line, executables, reason) => {
    expect(run(line, { ...basic, executables })).toMatchObject({ reason });
  });

  test("other errors are not turned into a refusal", () => {
    const broken = {
      ...files,
      isDirectory: files.isDirectory,
      homeOf: () => {
        throw new Error("nss");
      },
    };
    const request = {
      commandLine: "~x",
      policy: { ...basic, allowWordExpansion: true },
      environment: new Map(),
      home: "/",
    };
    expect(() => decide({ ...request, files: broken })).toThrow("nss");
  });

  test("the message is short, however long the command", () => {
    const long = "x".repeat(130_000);
    for (const line of [long, `ls ${long}`, `ls '${long}`, `scp ${long}`, `scp -${long}`, `scp --${long}`]) {
      const decision = run(line, { ...transfer, allowSpawnOptions: false });
      if (decision.allowed) throw new Error("allowed");
      expect(decision.reason.length).toBeLessThan(2300);
      expect(decision.shown.length).toBeLessThan(300);
    }
  });
});
