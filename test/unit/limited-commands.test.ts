/** The keys `command` and `force` of jk_lsh.ini: what may run, and as what. */
import { describe, expect, spyOn, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { libc } from "../../ffi/libc.ts";
import { describedBy, readKeys } from "../../src/config/keys.ts";
import { scanIni } from "../../src/config/scan.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { type LimitedRequest, planLimited } from "../../src/enter/limited/limited.ts";
import { flatFirstAccounts } from "../../src/system/flat-accounts.ts";

const FILE = "/etc/jailkit/jk_lsh.ini";
const REGULAR = [
  ..."rsync scp git-upload-pack git-receive-pack printf id".split(" ").map((name) => `/usr/bin/${name}`),
  "/opt/rsync",
  "/usr/lib/openssh/sftp-server",
];

function plan(
  keys: string,
  asked: string | undefined,
  environment: readonly string[] = [],
  change: Partial<LimitedRequest> = {},
) {
  const u = { name: "u", password: "x", uid: 1000, gid: 7, gecos: "", home: "/home/u", shell: "/s" };
  const request: LimitedRequest = {
    argv: asked === undefined ? ["-jk_lsh"] : ["-jk_lsh", "-c", asked],
    environment,
    uid: 1000,
    gid: 7,
    groups: () => [],
    accounts: {
      userByName: () => u,
      userByUid: () => u,
      groupByGid: (gid) => ({ name: "g", password: "", gid, members: [] }),
      groupByName: () => undefined,
    },
    loadConfig: () => scanIni(toBytes(`[u]\n${keys}\n`), FILE, "c"),
    files: {
      isRegularFile: (path) => REGULAR.includes(path),
      isDirectory: () => false,
      exists: (path) => REGULAR.includes(path),
      readDirectory: () => ["x", "y"],
      readLink: () => undefined,
      look: () => undefined,
      identity: () => undefined,
      homeOf: () => undefined,
    },
    someNamedCounts: () => false,
    ...change,
  };
  return planLimited(request);
}

/** The vector, or the exit status and code of the refusal. */
function outcome(...args: Parameters<typeof plan>): readonly string[] | string {
  const made = plan(...args);
  return made.allowed ? made.argv : `${made.exitStatus} ${made.code}`;
}

const reason = (...args: Parameters<typeof plan>) => {
  const made = plan(...args);
  return made.allowed ? "allowed" : made.reason.replace(/^.*not allowed: |, according to .*$/g, "");
};

const EXAMPLES = `
command pull  = rsync --server --sender -* . /data/**
command site  = git-upload-pack '/srv/git/{site,shop}.git'
command stage = git-receive-pack /srv/git/stage.git
command drop  = scp -t /incoming/*`;
const SENDER = "rsync --server --sender -vlogDtpre.iLsfxCIvu";

describe("the examples of the manual", () => {
  test.each([
    `${SENDER} . /data/`,
    `${SENDER} . /data/a/b\\ c`,
    `/usr/bin/${SENDER} . /data/x`,
    "git-upload-pack '/srv/git/site.git'",
    "git-upload-pack '/srv/git/shop.git'",
    "git-receive-pack '/srv/git/stage.git'",
    "scp -t /incoming/file",
    "scp -t /incoming/",
  ])("%s is allowed", (line) => {
    expect(outcome(EXAMPLES, line)).toBeArray();
  });

  test.each([
    `${SENDER} . /etc/`,
    `${SENDER} . /data`,
    `${SENDER} . /data/../etc`,
    `${SENDER} . /data/a/..`,
    `${SENDER} . /data/a /etc/passwd`,
    `${SENDER} --files-from=/etc/x . /data/`,
    `${SENDER} --copy-devices . /data/`,
    "rsync --server -vlogDtpre.iLsfxCIvu . /data/",
    "rsync --server --sender --x . /data/",
    "rsync --server --sender -e/tmp/x . /data/",
    "rsync --server --sender -vs . /data/",
    "rsync --version",
    "rsync",
    `/opt/${SENDER} . /data/x`,
    "git-upload-pack '/srv/git/stage.git'",
    "git-upload-pack --timeout=1 '/srv/git/site.git'",
    "git-upload-pack '/srv/git/site.git/../stage.git'",
    "git-upload-pack '/srv/git/{site,shop}.git'",
    "git-receive-pack '/srv/git/site.git'",
    "git upload-pack /srv/git/site.git",
    "scp -f /incoming/file",
    "scp -r -t /incoming/file",
    "scp -t /incoming/a/b",
    "scp -t /incoming/..",
    "scp -t -- /incoming/x",
    "scp -t /incoming/a /incoming/b",
    "id",
    "printf x",
  ])("%s is refused", (line) => {
    expect(outcome(EXAMPLES, line)).toStartWith("4 ");
  });

  test("an allowed command is what the pattern was compared with", () => {
    expect(outcome(EXAMPLES, "scp  -t '/incoming/a b'")).toEqual(["/usr/bin/scp", "-t", "/incoming/a b"]);
    expect(plan(EXAMPLES, "scp -t /incoming/x")).toMatchObject({ by: { pattern: "drop" } });
  });
});

describe("what is written into a line", () => {
  const keys = "command x = printf a*";
  test.each<[line: string, expected: readonly string[] | string]>([
    ["printf 'a b'", ["/usr/bin/printf", "a b"]],
    ["printf a\\ b", ["/usr/bin/printf", "a b"]],
    ["'printf' a", ["/usr/bin/printf", "a"]],
    ["printf a b", "4 no-pattern"],
    ["printf a\tb", "4 no-pattern"],
    ["printf ''", "4 no-pattern"],
    ["printf a ''", "4 no-pattern"],
    ["'' printf a", "6 empty-command"],
    ["printf a\nid", "6 control-character"],
    ["printf a\x1b", "6 control-character"],
    ["printf a\xff\xfe", ["/usr/bin/printf", "a\xff\xfe"]],
    ["printf a;id", ["/usr/bin/printf", "a;id"]],
    ["printf a ; id", "4 no-pattern"],
    ["printf a$(id)", ["/usr/bin/printf", "a$(id)"]],
    ["printf 'a", "6 unbalanced-quote"],
    ["printf b", "4 no-pattern"],
    ["PRINTF a", "4 not-allowed"],
    ["/usr/bin//printf a", "4 not-allowed"],
    ["../usr/bin/printf a", "4 not-allowed"],
    [`printf a${"x".repeat(100_000)}`, ["/usr/bin/printf", `a${"x".repeat(100_000)}`]],
    [`printf ${"a ".repeat(60_000)}`, "4 no-pattern"],
  ])("%j", (line, expected) => {
    expect(outcome(keys, line)).toEqual(expected);
  });

  test("the words are compared as they are after expansion", () => {
    const expanding = `${keys}\nallow_word_expansion = 1`;
    expect(outcome(expanding, "printf $X", ["LC_ALL=b"])).toBe("4 no-pattern");
    expect(outcome(expanding, "printf $LC_ALL", ["LC_ALL=abc"])).toEqual(["/usr/bin/printf", "abc"]);
    expect(outcome(expanding, "printf $LC_ALL", ["LC_ALL=b"])).toBe("4 no-pattern");
    expect(outcome(expanding, "printf a$HOME/..", ["HOME=/x"])).toBe("4 no-pattern");
    expect(outcome(expanding, "printf ?")).toBe("4 no-pattern");
  });

  test("patterns that would take too long refuse", () => {
    const many = Array.from({ length: 200 }, (_, i) => `command x${i} = printf ${"**a".repeat(40)}b`).join(
      "\n",
    );
    expect(outcome(many, `printf ${"a".repeat(2000)}`)).toBe("6 expansion-too-large");
  });
});

describe("the programs of a section with patterns", () => {
  test.each<[keys: string, line: string, expected: readonly string[] | string]>([
    ["command x = rsync --server", "/opt/rsync --server", "4 not-allowed"],
    ["command x = /opt/rsync --server", "/opt/rsync --server", ["/opt/rsync", "--server"]],
    ["command x = /opt/rsync --server", "rsync --server", "4 not-allowed"],
    ["command x = rsync --server\npaths = /opt", "rsync --server", ["/opt/rsync", "--server"]],
    ["command x = rsync --server\npaths = /opt", "/usr/bin/rsync --server", "4 not-allowed"],
    // A name is the file that it is found as, and no other one that is allowed.
    ["command x = rsync --server\ncommand y = /opt/rsync --version", "/opt/rsync --server", "4 no-pattern"],
    ["command x = none a", "none a", "5 no-executables"],
    ["command x = none a\ncommand y = printf", "none a", "4 not-allowed"],
    ["command x = /usr/bin/none a", "/usr/bin/none a", "127 not-found"],
    // With executables these count alone.
    ["executables = /usr/bin/id\ncommand x = printf a", "printf a", "4 not-allowed"],
    ["executables = /usr/bin/id\ncommand x = printf a", "id", "4 no-pattern"],
    ["executables = /usr/bin/printf\ncommand x = printf a", "printf a", ["/usr/bin/printf", "a"]],
    ["executables = ,\ncommand x = printf a", "printf a", "5 no-executables"],
    ["command x = {id,printf} a", "printf a", ["/usr/bin/printf", "a"]],
    [
      "command x = /usr/lib/openssh/sftp-server -R",
      "internal-sftp -R",
      ["/usr/lib/openssh/sftp-server", "-R"],
    ],
    ["command x = /usr/lib/openssh/sftp-server -R", "internal-sftp", "4 no-pattern"],
    ["paths = /usr/bin", "printf a", "5 no-executables"],
  ])("%j: %s", (keys, line, expected) => {
    expect(outcome(keys, line)).toEqual(expected);
  });

  test("what the kernel lets them execute follows", () => {
    expect(plan(EXAMPLES, "scp -t /incoming/x")).toMatchObject({
      confinement: {
        execute: {
          executables: [
            "/usr/bin/rsync",
            "/usr/bin/git-upload-pack",
            "/usr/bin/git-receive-pack",
            "/usr/bin/scp",
          ],
        },
      },
    });
  });

  test("a refusal names the nearest pattern in the log, and nothing of it to the user", () => {
    expect(reason(EXAMPLES, `${SENDER} . /etc`)).toBe(
      "the nearest pattern is command pull: word 6, '/etc', is not '/data/**'",
    );
    const two = "command a = printf x y\ncommand b = printf x z q\ncommand c = printf x z";
    expect(reason(two, "printf x z r")).toBe("the nearest pattern is command b: word 4, 'r', is not 'q'");
    const other = "executables = /usr/bin/id\ncommand x = printf a";
    expect(reason(other, "id")).toBe("no pattern is for '/usr/bin/id'");
    expect(plan(EXAMPLES, `${SENDER} . /etc`)).toMatchObject({
      shown: "'rsync' is not allowed with these arguments",
    });
  });

  test("scp in its newer protocol is told about -O, where only the older one is allowed", () => {
    const shown = "sftp is not allowed; scp works with its option -O";
    expect(plan(EXAMPLES, "/usr/lib/openssh/sftp-server")).toMatchObject({ allowed: false, shown });
    expect(plan(EXAMPLES, "internal-sftp")).toMatchObject({ allowed: false, shown });
    const none = "command x = id";
    expect(plan(none, "internal-sftp")).toMatchObject({ shown: "command 'internal-sftp' is not allowed" });
  });
});

describe("keys that resemble command", () => {
  test.each([
    "command = printf",
    "command  x = printf",
    "command\tx = printf",
    "command x y = printf",
    "command x/y = printf",
    "Command x = printf",
    "commands x = printf",
    "command_x = printf",
    `command ${"x".repeat(65)} = printf`,
    "command x =",
    "command x = ''",
    "command x = printf [",
    "command x = printf 'a",
    "force =",
    "force = printf 'a",
  ])("%j refuses", (key) => {
    const keys = `executables = /usr/bin/printf\npaths = /usr/bin\n${key}`;
    expect(outcome(keys, "printf a")).toBe("1 config-invalid");
  });

  test("are described", () => {
    expect(describedBy(lshKeys, "command pull")).toBe(lshKeys.command);
    expect(describedBy(lshKeys, "command")).toBe("misspelt");
    expect(describedBy(lshKeys, "executables")).toBe(lshKeys.executables);
    expect(describedBy(lshKeys, "constructor")).toBeUndefined();
  });

  test("of two with one name the first counts, with a warning", () => {
    const ini = scanIni(toBytes("[u]\ncommand x = a\ncommand x = b\n"), FILE, "c");
    expect(readKeys(ini.sections[0], lshKeys).command.map(({ value }) => value)).toEqual(["a"]);
    expect(ini.problems.map(({ code }) => code)).toEqual(["duplicate-key"]);
  });
});

describe("force", () => {
  const force = "force = /usr/bin/printf '[%s]' a";

  test.each(["force = none x", "force = none x\ncommand y = id"])("%j: its program is missing", (keys) => {
    expect(reason(keys, "id")).toBe("the program of the key force was not found");
  });
  const argv = ["/usr/bin/printf", "[%s]", "a"];
  const original = (...args: Parameters<typeof plan>) => {
    const made = plan(...args);
    const found = made.allowed ? made.environment : [];
    return found.filter((one) => one.startsWith("SSH_ORIGINAL_COMMAND="));
  };

  test.each([undefined, "", "id", "rm -rf /", "'open", "a\nb", "\xff", "x".repeat(100_000)])(
    "runs for %j, which the program is told",
    (asked) => {
      expect(outcome(force, asked)).toEqual(argv);
      const told = asked === undefined ? [] : [`SSH_ORIGINAL_COMMAND=${asked}`];
      expect(original(force, asked, ["SSH_ORIGINAL_COMMAND=old"])).toEqual(told);
      expect(original(`${force}\nenv = SSH_ORIGINAL_COMMAND`, asked, ["SSH_ORIGINAL_COMMAND=old"])).toEqual(
        told,
      );
      expect(original(`${force}\nenvironment = SSH_ORIGINAL_COMMAND=old`, asked)).toEqual(told);
      expect(plan(force, asked)).toMatchObject({ by: { pattern: undefined, forced: { asked } } });
    },
  );

  test("without it the variable of sshd stays", () => {
    expect(original("command x = id", "id", ["SSH_ORIGINAL_COMMAND=old"])).toEqual([
      "SSH_ORIGINAL_COMMAND=old",
    ]);
  });

  test.each([
    "force = printf $SSH_ORIGINAL_COMMAND",
    'force = printf "$SSH_ORIGINAL_COMMAND"',
    "force = printf $LC_ALL",
    "force = printf ~",
    "force = printf *",
  ])("nothing in it is expanded: %s", (key) => {
    const made = outcome(`${key}\nallow_word_expansion = 1`, "$LC_ALL x", ["LC_ALL=z"]);
    expect(made).toEqual(["/usr/bin/printf", /printf "?([^"]*)/.exec(key)?.[1] ?? ""]);
  });

  test.each<[keys: string, expected: readonly string[] | string]>([
    ["force = printf x", ["/usr/bin/printf", "x"]],
    ["force = none x", "5 no-executables"],
    ["force = /none x", "127 not-found"],
    ["executables = /usr/bin/id\nforce = printf x", "4 not-allowed"],
    ["executables = /usr/bin/printf\nforce = printf x", ["/usr/bin/printf", "x"]],
    ["force = rsync --server -e/tmp/x . /", "4 spawn-option"],
    ["force = printf x\ncommand y = id", ["/usr/bin/printf", "x"]],
    [
      "force = /usr/lib/openssh/sftp-server -R -d /data",
      ["/usr/lib/openssh/sftp-server", "-R", "-d", "/data"],
    ],
  ])("%j is decided as other commands are, except for patterns", (keys, expected) => {
    expect(outcome(keys, "id")).toEqual(expected);
    expect(outcome(keys, undefined)).toEqual(expected);
  });

  test("of another section changes nothing: an interactive session is refused", () => {
    expect(outcome("command x = id", undefined)).toBe("7 interactive");
    expect(outcome("force = printf 'a", undefined)).toBe("7 interactive");
  });
});

test("what is logged of a section of a drop-in names that file", () => {
  const file = "/etc/jailkit/jk_lsh.d/u.ini";
  const learnt: unknown[] = [];
  plan("force = printf x", "id", [], {
    loadConfig: () => scanIni(toBytes("[u]\nforce = printf x\n"), file, "c"),
    learn: (known) => learnt.push(known),
  });
  expect(learnt).toContainEqual({ section: "u", file });
});

describe("a section [member GROUP] while a name service does not answer", () => {
  const ENOENT = 2;
  const sections = "[member far]\nforce = id\n[DEFAULT]\nforce = printf x\n";

  test("refuses the user: the next section may allow more", () => {
    const made = plan("", "id", [], {
      loadConfig: () => scanIni(toBytes(sections), FILE, "c"),
      accounts: {
        userByName: () => undefined,
        userByUid: () => ({ name: "u", password: "", uid: 1000, gid: 7, gecos: "", home: "/", shell: "" }),
        groupByGid: (gid) => ({ name: "g", password: "", gid, members: [] }),
        groupByName: () => {
          throw new SystemError(ENOENT, "getgrnam", "far");
        },
      },
    });
    expect(made).toMatchObject({ allowed: false, exitStatus: 1, code: "config-invalid" });
    expect(made.allowed ? "" : made.reason).toBe("abort, far: getgrnam: No such file or directory");
  });

  test("jk_lsh asks so that it notices", () => {
    // What nslcd(8) says while its server is down.
    const { getgrnam_r } = libc;
    const down = spyOn(libc, "getgrnam_r").mockImplementation((() => ENOENT) as typeof getgrnam_r);
    try {
      expect(() => flatFirstAccounts.groupByName("no-such-group-here")).toThrow(SystemError);
    } finally {
      down.mockRestore();
    }
    expect(flatFirstAccounts.groupByName("root")?.gid).toBe(0);
  });
});
