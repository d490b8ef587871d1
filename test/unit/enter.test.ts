import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { scanIni } from "../../src/config/scan.ts";
import { NOT_LOOKED_AT } from "../../src/enter/checks.ts";
import { limitRefusal } from "../../src/enter/confine-session.ts";
import { openPlainly } from "../../src/enter/gather.ts";
import { type LimitedRequest, limitedPolicy, planLimited } from "../../src/enter/limited/limited.ts";
import { loginEnvironment, shellArguments } from "../../src/enter/login/start-shell.ts";
import { errorId } from "../../src/enter/refusal.ts";
import { shellFact } from "../../src/enter/shell.ts";
import {
  hardLimits,
  lowSoftLimits,
  NEEDED,
  privilegeLimit,
  sessionLimits,
  tooLow,
} from "../../src/explain/limits.ts";
import {
  explainReport,
  INTERACTIVE,
  type LoginReport,
  type ReportStep,
  reportStatus,
} from "../../src/explain/report.ts";
import { reportLines } from "../../src/explain/show.ts";
import { closeJailRoot } from "../../src/jail/fs/walk.ts";
import { groupNumbered, userNamed, userNumbered } from "../../src/system/flat-accounts.ts";
import { makeJail, type TestJail } from "./jail-helper.ts";

describe("the environment of the shell", () => {
  const who = { home: "/home/u", name: "u", shell: "/bin/sh" };
  const own = ["HOME=/home/u", "USER=u", "USERNAME=u", "SHELL=/bin/sh"];

  const made = (given: string[], env: string[] = [], envOnly = false) =>
    loginEnvironment(given, { env, envOnly }, who).sort();

  test("has the variables that jk_chrootsh sets, a PATH, and the usual names of a session", () => {
    const usual = "PATH=/usr/local/bin:/usr/bin:/bin";
    expect(made([])).toEqual([usual, ...own].sort());
    const session = [
      ...["TERM=xterm", "LANG=C.UTF-8", "LC_ALL=C", "SSH_CONNECTION=a 1 b 2", "SSH_CLIENT=a 1 2"],
      ...["SSH_TTY=/dev/pts/0", "GIT_PROTOCOL=version=2", "DISPLAY=localhost:10.0", "PATH=/bin"],
    ];
    expect(made([...session, "HOME=/", "USERNAME=x", "SHELL=/x"])).toEqual([...session, ...own].sort());
    const odd = ["LD_PRELOAD=/x", "PATH=bin:/bin", "LANG=../x", "TERM=a/b", "GIT_SSH=x", "BASH_ENV=/x"];
    expect(made(odd)).toEqual([usual, ...own].sort());
  });

  test("with env_only has only the variables that jk_chrootsh sets", () => {
    expect(made(["LD_PRELOAD=/x", "PATH=/bin", "TERM=xterm", "HOME=/"], [], true)).toEqual([...own].sort());
  });

  test.each([true, false])(
    "keeps the first of several variables that env names, and never replaces one that is set",
    (only) => {
      const given = ["FOO=1", "FOO=2", "USER=root", "noassignment", "=x", "FOOT=3", "TERM=a/b", "LD_X=1"];
      const kept = made(
        [...given, "PATH=/bin"],
        ["FOO", "USER", "noassignment", "", "TERM", "LD_X", "PATH"],
        only,
      );
      expect(kept).toEqual(["FOO=1", "TERM=a/b", "LD_X=1", "PATH=/bin", ...own].sort());
    },
  );
});

describe("the arguments of the shell", () => {
  test("are those of jk_chrootsh, after the path of the shell", () => {
    expect(shellArguments("/bin/sh", ["-jk_chrootsh", "-c", "ls"], false)).toEqual(["/bin/sh", "-c", "ls"]);
    expect(shellArguments("/bin/sh", [], false)).toEqual(["/bin/sh"]);
  });

  test("are only --login with injail_login_shell", () => {
    expect(shellArguments("/bin/sh", ["x", "-c", "ls"], true)).toEqual(["/bin/sh", "--login"]);
  });
});

describe("flat account files", () => {
  const passwd =
    "root:x:0:0:root:/root:/bin/sh\nbad line\n#u:x:5:5::/:/\nu:x:1000:1000:a:1000:::/nowhere\nu:x:1001:7::/h:/s\nv:x:10:1000::/v:/s";

  test("a name", () => {
    expect(userNamed(passwd, "root")?.uid).toBe(0);
    expect(userNamed(passwd, "u")?.uid).toBe(1001);
    expect(userNamed(passwd, "v")?.home).toBe("/v");
    for (const name of ["", "oot", "x", "u:x", "v:x:10", "../root", "#u", "root\nv", ".*"]) {
      expect(userNamed(passwd, name)).toBeUndefined();
    }
  });

  test("a uid", () => {
    expect(userNumbered(passwd, 1001)?.name).toBe("u");
    expect(userNumbered(passwd, 10)?.name).toBe("v");
    for (const uid of [1, 5, 7, 100, 1000]) expect(userNumbered(passwd, uid)).toBeUndefined();
  });

  test("a gid", () => {
    const text = "a:x:10:\nb:10:7:u\nc:x:100:u,v\nd:x:1";
    expect(groupNumbered(text, 100)).toMatchObject({ name: "c", members: ["u", "v"] });
    expect(groupNumbered(text, 10)?.name).toBe("a");
    expect(groupNumbered(text, 0)).toBeUndefined();
  });
});

describe("a jail and its shell", () => {
  let jail: TestJail;
  beforeEach(() => {
    jail = makeJail();
  });
  afterEach(() => jail.close());

  test("a path that is not plain is reported, wherever it leads", () => {
    const open = (text: string) => {
      const { root, fact } = openPlainly(text);
      if (root !== undefined) closeJailRoot(root);
      return fact.kind;
    };
    const { path } = jail;
    for (const text of [path, `${path}/`]) expect(open(text)).toBe("opened");
    for (const text of [`${path}//`, `${path}/.`, `${path}/etc/..`, "/", "x"])
      expect(open(text)).toBe("not-plain");
    for (const text of [`${path}-none`, `${path}/none`]) expect(open(text)).toBe("unreachable");
  });

  test("a jail that the user cannot search is not left open", () => {
    const open = () => readdirSync("/proc/self/fd").length;
    chmodSync(jail.path, 0o700);
    const before = open();
    const { root, fact } = withRightsOf({ uid: 65534, gid: 65534, groups: [] }, () => openPlainly(jail.path));
    expect({ root, kind: fact.kind, open: open() }).toEqual({
      root: undefined,
      kind: "unreachable",
      open: before,
    });
  });

  test("a file that is not regular is not a shell", () => {
    mkdirSync(`${jail.path}/bin`);
    mkdirSync(`${jail.path}/bin/d`);
    writeFileSync(`${jail.path}/bin/sh`, "", { mode: 0o755 });
    symlinkSync("/dev/null", `${jail.path}/bin/null`);
    const kind = (path: string) => shellFact(jail.root, path).kind;
    expect(kind("/bin/sh")).toBe("file");
    for (const path of ["/bin/d", "/bin/null", "/bin/none", "bin/sh", ""]) expect(kind(path)).toBe("missing");
    expect(kind("/usr/sbin/jk_lsh")).toBe("internal");
    expect(kind("usr/sbin/jk_lsh")).toBe("missing");
    // To root, the link means the host's directory.
    symlinkSync("/bin", `${jail.path}/sbin`);
    mkdirSync(`${jail.path}/bin/a b`);
    expect(shellFact(jail.root, "/sbin/a b")).toMatchObject({
      advice: `mv -nT '${jail.path}/bin/a b' '${jail.path}/not-a b' && jk_cp -f -j ${jail.path} '/sbin/a b'`,
    });
  });
});

describe("limits.conf", () => {
  const user = { name: "u", uid: 1000, groups: ["g", "staff"], gids: [1000, 50] };
  const of = (...texts: string[]) =>
    hardLimits(
      texts.map((text, i) => ({ file: `/f${i}`, text })),
      user,
    );

  test.each([
    ["u hard as 1000000", 1000000],
    ["u - as 1000000", 1000000],
    ["u soft as 1000000", undefined],
    ["v hard as 1", undefined],
    ["# u hard as 1", undefined],
    ["u hard as unlimited", undefined],
    ["@g hard as 7", 7],
    ["@nobody hard as 7", undefined],
    ["* hard data 7", 7],
    ["500:1500 hard as 7", 7],
    ["1001: hard as 7", undefined],
    [":1000 hard as 7", 7],
    ["@50:60 hard as 7", 7],
    ["u hard sigpending 7", undefined],
    ["u HARD As 7", 7],
    ["u hard as 7x", 7],
    ["u hard as -1", undefined],
    ["%g hard as 7", undefined],
    ["u - stack 7", 7],
    ["u hard as 9\n* hard as 1\n@g hard as 2", 9],
    ["* hard as 1\nu hard as unlimited", undefined],
    ["u hard as 1\nu hard as 2", 2],
  ])("%j gives %p KiB", (text, kibibytes) => {
    expect(of(text)[0]?.value).toBe(kibibytes === undefined ? undefined : kibibytes * 1024);
  });

  test("later files win, and are named", () => {
    expect(of("u hard as 1", "\n\nu hard as 2 # comment")).toEqual([
      { item: "as", value: 2048, file: "/f1", line: 3 },
    ]);
  });

  test("a limit is too low if it is below the need of the runtime", () => {
    const border = (more: number) =>
      Object.entries(NEEDED)
        .map(([item, least]) => `u hard ${item} ${(item === "nofile" ? least : least / 1024) + more}\n`)
        .join("");
    expect(tooLow(of(border(0)), "sshd")).toEqual([]);
    expect(tooLow(of(border(-1)), "sshd").map(({ item }) => item)).toEqual(["as", "data", "stack", "nofile"]);
  });

  test("sshd has a process of the user besides the login shell", () => {
    const items = (text: string, service: string) => tooLow(of(text), service).map(({ item }) => item);
    expect(items("u hard nproc 1", "sshd")).toEqual(["nproc"]);
    expect(items("u hard nproc 2", "sshd")).toEqual([]);
    expect(items("u hard nproc 0", "su-l")).toEqual([]);
  });

  test("soft limits are raised, but only by programs that have started", () => {
    const low = (text: string, service = "sshd") =>
      lowSoftLimits([{ file: "/f", text }], user, service).map(({ item, certain }) => [item, certain]);
    expect(low("u soft as 1000000\nu soft nofile 16\nu soft stack 64\nu soft nproc 2\nu soft cpu 1")).toEqual(
      [],
    );
    expect(low("u soft as 1000\nu soft nofile 15\nu soft nproc 1\nu soft cpu 0")).toEqual([
      ["as", false],
      ["nofile", true],
      ["nproc", true],
      ["cpu", true],
    ]);
    expect(low("u soft nofile 15\nu soft nproc 0", "su-l")).toEqual([["nofile", false]]);
    expect(low("u hard as 1000")).toEqual([]);
  });

  test.each([
    ["u - nonewprivs 1", 1],
    ["u soft nonewprivs 1", 1],
    ["u - nonewprivs 1\n* - nonewprivs 0", undefined],
    ["u - nonewprivs 0\n* - nonewprivs 1", 2],
    ["u - nonewprivs yes", undefined],
    ["v - nonewprivs 1", undefined],
  ])("%j removes privileges in line %p", (text, line) => {
    expect(privilegeLimit([{ file: "/f", text }], user)?.line).toBe(line);
  });

  test.each([
    ["u - maxlogins 0", ["maxlogins 0"]],
    ["u soft MaxLogins 3", ["maxlogins 3"]],
    ["%g - maxlogins 0", ["maxlogins 0"]],
    ["%g - maxlogins 0\nu - maxlogins 3", ["maxlogins 3"]],
    ["%other - maxlogins 0", []],
    ["% - maxlogins 0", ["maxsyslogins 0"]],
    ["* - maxsyslogins 0", ["maxsyslogins 0"]],
  ])("%j counts logins: %p", (text, expected) => {
    const found = sessionLimits([{ file: "/f", text }], user);
    expect(found.map(({ item, value }) => `${item} ${value}`)).toEqual(expected);
  });
});

test("error ids are JK- and eight base-32 digits, and differ", () => {
  const ids = Array.from({ length: 100 }, errorId);
  for (const id of ids) expect(id).toMatch(/^JK-[A-Z2-7]{8}$/);
  expect(new Set(ids).size).toBe(100);
});

test("a limit that cannot be set is a refusal, whose remedy names the key", () => {
  const refusal = limitRefusal(new SystemError(1, "prlimit", "/bin/ls"));
  expect(refusal).toMatchObject({
    check: "confinement",
    exitStatus: 106,
    advice: { words: "change limits" },
  });
  expect(limitRefusal(new SystemError(1, "execve", "/bin/ls"))).toBeUndefined();
});

describe("the plan of the limited shell", () => {
  const u = { name: "u", password: "x", uid: 1000, gid: 7, gecos: "", home: "/home/u", shell: "/s" };
  const twin = { ...u, name: "twin" };
  const request = (
    argv: string[],
    ini: string | undefined,
    change: Partial<LimitedRequest> = {},
  ): LimitedRequest => ({
    argv,
    environment: ["USER=u", "PERL5OPT=-e", "LANG=C"],
    uid: 1000,
    gid: 7,
    groups: () => [8],
    accounts: {
      userByName: (name) => [u, twin, { ...u, name: "root", uid: 0 }].find((one) => one.name === name),
      userByUid: (uid) => (uid === 1000 ? u : undefined),
      groupByName: (name) =>
        name === "g" || name === "h"
          ? { name, password: "", gid: name === "g" ? 7 : 8, members: [] }
          : undefined,
      groupByGid: (gid) =>
        gid === 7 || gid === 9 ? { name: gid === 7 ? "g" : "", password: "", gid, members: [] } : undefined,
    },
    loadConfig: () => (ini === undefined ? undefined : scanIni(toBytes(ini), "/etc/jailkit/jk_lsh.ini", "c")),
    files: {
      isRegularFile: (path) => path === "/bin/ls",
      isDirectory: () => false,
      exists: (path) => path === "/bin/ls",
      readDirectory: () => undefined,
      readLink: () => undefined,
      look: () => undefined,
      identity: () => undefined,
      homeOf: () => undefined,
    },
    someNamedCounts: ({ named }) => named.includes("/srv/hooks"),
    ...change,
  });
  const ini = "[u]\npaths=/bin\nexecutables=/bin/ls\n";
  const ls = ["-jk_lsh", "-c", "ls -l"];
  const status = (...args: Parameters<typeof request>) => {
    const plan = planLimited(request(...args));
    return plan.allowed ? 0 : plan.exitStatus;
  };
  const lost: Partial<LimitedRequest> = { uid: 5, environment: [] };

  test.each([
    ["allowed", 0, ls, ini, {}],
    ["anything before -c", 0, ["x", "--login", "-c", "ls"], ini, {}],
    ["USER unset", 0, ls, ini, { environment: [] }],
    ["USER empty", 0, ls, ini, { environment: ["USER="] }],
    ["USER unknown", 2, ls, ini, { environment: ["USER=nosuch"] }],
    ["USER of another uid", 2, ls, ini, { environment: ["USER=root"] }],
    ["the first USER counts", 2, ls, ini, { environment: ["USER=root", "USER=u"] }],
    ["uid unknown", 2, ls, ini, lost],
    ["group unknown", 3, ls, ini, { gid: 8 }],
    ["a group without name", 3, ls, "[DEFAULT]\npaths=/bin\nexecutables=/bin/ls", { gid: 9 }],
    ["no arguments", 7, ["jk_lsh"], ini, {}],
    ["no argv", 7, [], ini, {}],
    ["-c alone", 7, ["jk_lsh", "-c"], ini, {}],
    ["-c not second-last", 7, ["jk_lsh", "-c", "ls", "extra"], ini, {}],
    ["-c last", 7, ["jk_lsh", "ls", "-c"], ini, {}],
    ["no file and no command", 7, ["jk_lsh"], undefined, {}],
    ["no file", 1, ls, undefined, {}],
    ["a file with an error", 1, ls, "[u]\nallow_word_expansion=yes\nexecutables=/bin/ls", {}],
    ["no section", 3, ls, "[v]\nexecutables=/bin/ls", {}],
    ["the group's section", 0, ls, "[DEFAULT]\n[group g]\npaths=/bin\nexecutables=/bin/ls", {}],
    ["a group's member", 0, ls, "[DEFAULT]\n[member h]\npaths=/bin\nexecutables=/bin/ls", {}],
    ["no member", 5, ls, "[DEFAULT]\n[member h]\npaths=/bin\nexecutables=/bin/ls", { groups: () => [9] }],
    [
      "the primary group has members too",
      0,
      ls,
      "[member g]\npaths=/bin\nexecutables=/bin/ls",
      { groups: () => [] },
    ],
    ["no executables", 5, ls, "[u]\npaths=/bin", {}],
    ["not allowed", 4, ["jk_lsh", "-c", "id"], ini, {}],
    ["a broken line", 6, ["jk_lsh", "-c", "ls 'x"], ini, {}],
    ["nothing", 6, ["jk_lsh", "-c", ""], ini, {}],
  ] as const)("%s: %d", (_, expected, argv, text, change) => {
    expect(status([...argv], text, change)).toBe(expected);
  });

  test("an unreadable file is a refusal, whatever it contains", () => {
    const loadConfig = () => {
      throw new JailkitError("config-unreadable", 1, "cannot read it");
    };
    expect(status(ls, ini, { loadConfig })).toBe(1);
  });

  test("has the program to execute, its environment and its umask", () => {
    const text = "[u]\npaths=/bin\nexecutables=/bin/ls\numask=027\nenvironment=A=b\nno_new_privs=1";
    expect(planLimited(request(ls, text))).toMatchObject({
      allowed: true,
      path: "/bin/ls",
      argv: ["/bin/ls", "-l"],
      environment: ["USER=u", "LANG=C", "A=b", "PYTHONNOUSERSITE=1"],
      umask: 0o027,
      confinement: { noNewPrivs: true },
    });
    const plain = planLimited(request(ls, ini));
    expect(plain).toMatchObject({ umask: undefined, confinement: { noNewPrivs: true } });
    const off = planLimited(request(ls, `${ini}\nconfine = 0\nexecute = any`));
    expect(off).toMatchObject({ confinement: { noNewPrivs: false } });
  });

  describe("the programs that a known server executes itself", () => {
    const only = (path: string): LimitedRequest["files"] => ({
      isRegularFile: (file) => file === path,
      isDirectory: () => false,
      exists: (file) => file === path,
      readDirectory: () => undefined,
      readLink: () => undefined,
      look: () => undefined,
      identity: () => undefined,
      homeOf: () => undefined,
    });
    const plan = (program: string, line: string, more = "") => {
      const text = `[u]\npaths=/bin\nexecutables=/bin/${program}\n${more}`;
      const made = planLimited(
        request(["x", "-c", `${program} ${line}`], text, { files: only(`/bin/${program}`) }),
      );
      if (!made.allowed) throw new Error(made.reason);
      return { starts: made.starts, execute: made.confinement.execute };
    };
    const upload = "/home/u/r";

    test("are none, and the key execute does not add any", () => {
      expect(plan("sftp-server", "")).toEqual({
        starts: [],
        execute: { named: [], executables: ["/bin/sftp-server"], home: "/home/u" },
      });
    });

    test("are those of the table, and none that are merely listed", () => {
      const { starts, execute } = plan("git-upload-pack", upload);
      expect(starts).toContain("/usr/lib/git-core");
      expect(execute).toMatchObject({ named: starts ?? [], onlyNamed: true, home: "/home/u" });
    });

    test.each(["execute = any", "execute = system, /srv/hooks", "allow_spawn_options = 1"])(
      "are not limited by the table with %s",
      (key) => {
        for (const [program, line] of [
          ["sftp-server", ""],
          ["git-upload-pack", upload],
        ] as const) {
          const { starts, execute } = plan(program, line, key);
          expect(starts).toBeUndefined();
          if (key === "execute = any") expect(execute).toBe("any");
          else expect(execute).not.toHaveProperty("onlyNamed");
        }
      },
    );

    test("are still limited by the table if a directory in execute does not count", () => {
      const { starts, execute } = plan("sftp-server", "", "execute = system, /srv/none");
      expect(starts).toEqual([]);
      expect(execute).toMatchObject({ named: ["/srv/none"] });
      expect(plan("git-upload-pack", upload, "execute = system, /srv/none").execute).toHaveProperty(
        "onlyNamed",
      );
    });

    test("are not known for other programs", () => {
      expect(plan("ls", "-l").starts).toBeUndefined();
    });
  });

  test("the log has the full reason of a refusal, and the user sees no path", () => {
    const plan = planLimited(request(["x", "-c", "/usr/bin/id secret"], ini));
    expect(plan).toMatchObject({ allowed: false });
    if (plan.allowed) return;
    expect(plan.reason).toContain("user u (1000) tried to run '/usr/bin/id secret'");
    expect(plan.reason).toContain("/etc/jailkit/jk_lsh.ini");
    expect(plan.shown).not.toContain("jailkit");
  });

  test("the policy alone", () => {
    expect(limitedPolicy(request([], ini))).toMatchObject({ section: "u" });
    expect(limitedPolicy(request([], undefined))).toMatchObject({ check: "config-missing", exitStatus: 1 });
    expect(limitedPolicy(request([], ini, lost))).toMatchObject({ check: "unknown-user", exitStatus: 2 });
  });
});

describe("the report", () => {
  const report: LoginReport = {
    about: "login",
    user: "u\x1b[1m",
    uid: 1,
    verdict: "refused",
    unjailed: false,
    exitStatus: 53,
    loginShell: "/s",
    jail: "/srv/\xff",
    home: "/h",
    chrootshSection: undefined,
    lshSection: undefined,
    uchrootSection: undefined,
    shell: undefined,
    internalShell: false,
    keptVariables: ["A"],
    command: { path: "/bin/ls", argv: ["/bin/ls", "a b"], environment: ["A=1"], umask: 0o22 },
    steps: [
      {
        stage: "jk_chrootsh",
        name: "jail-safety",
        outcome: "failed",
        message: "bad",
        remedy: "rm mend",
        exitStatus: 53,
      },
    ],
  };

  test("is printable, and has the remedy", () => {
    const lines = reportLines(report);
    expect(lines.join("\n")).toMatch(/^[\x20-\x7e\n]*$/);
    expect(lines).toContain("  FAILED   jail-safety: bad [exit 53]");
    expect(lines).toContain("           remedy: rm mend");
    expect(lines).toContain("  arguments: /bin/ls 'a b'");
    expect(lines.at(-1)).toBe("A login of u\\x1b[1m would be refused with exit status 53.");
  });

  test("has one exit status for each verdict", () => {
    expect(
      (["works", "refused", "unknown", "not-jailed"] as const).map((verdict) =>
        reportStatus({ ...report, verdict }),
      ),
    ).toEqual([0, 1, 2, 2]);
  });

  test("the checks that were skipped after a failure are one line, before the end", () => {
    const skipped = (name: string): ReportStep => ({
      ...{ stage: "jk_chrootsh", name, outcome: "skipped", remedy: "" },
      message: `${NOT_LOOKED_AT} x did not pass`,
    });
    const lines = reportLines({ ...report, steps: [...report.steps, skipped("a"), skipped("b")] });
    expect(lines.filter((line) => line.includes("skipped"))).toEqual([
      "  skipped  checks that build on that: a, b",
    ]);
  });

  test.each([
    ["works", "passed", "A login of u would work."],
    ["works", "warned", "A login of u would work, for single commands only."],
    ["unknown", "unknown", "A login of u may fail: it depends on something unknown (jk_lsh interactive)."],
    [
      "not-jailed",
      "passed",
      "A login of u would work, and is NOT JAILED: sshd serves it itself and never runs the login shell.",
    ],
  ] as const)("ends with the verdict: %s, %s", (verdict, outcome, line) => {
    const one: ReportStep = { stage: "jk_lsh", name: INTERACTIVE, outcome, message: "", remedy: "" };
    expect(reportLines({ ...report, user: "u", verdict, steps: [one] }).at(-1)).toBe(line);
  });

  test("as JSON has null for missing values", () => {
    expect(explainReport(report)).toMatchObject({
      jail: "/srv/\udcff",
      shell: null,
      command: { umask: "022" },
    });
  });
});
