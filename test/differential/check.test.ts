import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type RunResult, underTest } from "../machine/machine.ts";
import { type Expected, expectedOf } from "./cases.ts";

setDefaultTimeout(120_000);

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.remove("/var/lib/jailkit");
  m.write("/etc/jailkit/jk_check.ini", "");
});
afterAll(async () => m.close());

/** What was found, wherever it was written to; jailkit 2.23 writes lines of other kinds between them. */
const findings = ({ stdout, stderr }: RunResult): string[] =>
  `${stdout}${stderr}`
    .split("\n")
    .filter((line) => /^(?:WARNING|ERROR): /.test(line))
    .map((line) => line.replaceAll("//", "/"));

/** A jail that jk_cp filled, as jailkit 2.23 would find it: without a record. */
function makeJail(...files: string[]): string {
  const jail = `/srv/jail${++jails}`;
  m.mkdir(jail);
  m.must(["jk_cp", "-j", jail, "/usr/bin/true", ...files]);
  m.remove("/var/lib/jailkit");
  return jail;
}

/** Runs jk_check on one jail with these lines in its section. */
function check(jail: string, lines: readonly string[] = [], options: readonly string[] = []): RunResult {
  m.write("/root/check.ini", [`[${jail}]`, ...lines, ""].join("\n"));
  return m.run(["jk_check", ...options, "-c", "/root/check.ini"]);
}

const ignore = (jail: string) => [`ignorepathoncompare = ${jail}/etc, ${jail}/home`];
const found: Expected<number> = { debian: 0, ours: 1, difference: "check-status" };

describe("options", () => {
  const cases: readonly (readonly [args: readonly string[], status: Expected<number>])[] = [
    [[], 0],
    [["-h"], 0],
    [["--help"], 0],
    [["-v"], 0],
    [["--verbose"], 0],
    [["--configfile=/etc/jailkit/jk_check.ini"], 0],
    [["--configfile", "/etc/jailkit/jk_check.ini"], 0],
    [["--bogus"], { debian: 1, ours: 2, difference: "check-status" }],
    [["-c"], { debian: 1, ours: 2, difference: "check-status" }],
  ];
  test.each(cases)("jk_check %j", (args, status) => {
    expect(m.run(["jk_check", ...args]).status).toBe(expectedOf(status));
  });

  test("a missing config file", () => {
    const { status, stdout } = m.run(["jk_check", "-c", "/nonexist"]);
    expect(status).toBe(0);
    expect(stdout).toBe("WARNING: /nonexist does not exist, only checking jails found in /etc/passwd\n");
  });

  test("a config file that makes no sense", () => {
    m.write("/root/twice.ini", "[/srv/x]\n[/srv/x]\n");
    const { status, stderr } = m.run(["jk_check", "-c", "/root/twice.ini"]);
    expect(status).toBe(expectedOf({ debian: 1, ours: 2, difference: "check-status" }));
    expect(stderr).toMatch(
      expectedOf({
        debian: /Traceback/,
        ours: /^jk_check: .*\n {4}2 \| .*\n {6}\| \^\n$/,
        difference: "one-line-errors",
      }),
    );
  });

  test("operands", () => {
    const jail = makeJail();
    m.chmod(`${jail}/usr`, 0o777);
    const { stdout } = m.run(["jk_check", jail]);
    const line = `WARNING: ${jail}/usr/ is writable for others!\n`;
    const told = expectedOf({ debian: "", ours: line, difference: "check-operands" });
    expect(stdout).toContain(told);
    if (told === "") expect(stdout).not.toContain(line);
  });
});

describe("a jail", () => {
  test("that is clean", () => {
    const jail = makeJail();
    const result = check(jail, ignore(jail));
    expect(findings(result)).toEqual([]);
    expect(result.status).toBe(0);
  });

  test("that is missing", () => {
    const result = check("/srv/nosuchjail");
    const line = "cannot check files in /srv/nosuchjail/, it does not exist\n";
    const told = expectedOf({
      debian: { status: 0, stdout: expect.stringContaining(line) },
      ours: { status: 2, stderr: `jk_check: ${line}` },
      difference: "check-status",
    });
    expect(result).toMatchObject(told);
  });

  test("written with a slash at the end", () => {
    const jail = makeJail();
    m.chmod(`${jail}/usr`, 0o777);
    expect(findings(check(`${jail}/`))).toContain(`WARNING: ${jail}/usr/ is writable for others!`);
  });

  test("that jailkit created, and that no user and no section names", () => {
    const jail = `/srv/jail${++jails}`;
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/usr/bin/true"]);
    m.chmod(`${jail}/usr`, 0o777);
    const { stdout } = m.run(["jk_check"]);
    const line = `WARNING: ${jail}/usr/ is writable for others!`;
    expect(stdout.split("\n").includes(line) ? 1 : 0).toBe(
      expectedOf({ debian: 0, ours: 1, difference: "check-known-jails" }),
    );
    m.remove("/var/lib/jailkit");
  });

  test("with -v shows what is tested", () => {
    const jail = makeJail();
    m.mkdir(`${jail}/empty`);
    const { stdout } = check(jail, ignore(jail), ["-v"]);
    for (const line of [
      `testing basedir ${jail}/`,
      `testing directory permissions for ${jail}/empty/`,
      `comparing  ${jail}/usr/bin/true and /usr/bin/true`,
      `testing file permissions for ${jail}/usr/bin/true`,
    ])
      expect(stdout).toContain(`${line}\n`);
  });
});

describe("permissions", () => {
  test("of a directory that others may write", () => {
    const jail = makeJail();
    m.mkdir(`${jail}/usr/share`);
    m.chmod(`${jail}/usr/share`, 0o777);
    const result = check(jail, ignore(jail));
    expect(findings(result)).toEqual([
      `WARNING: ${jail}/usr/share/ is writable for others!`,
      `WARNING: ${jail}/usr/share/ is writable for group!`,
    ]);
    expect(result.status).toBe(expectedOf(found));
  });

  test("of a directory for which logins are refused", () => {
    const jail = makeJail();
    m.chmod(`${jail}/usr`, 0o777);
    const all = (result: RunResult) => findings(result).sort();
    const lines = [
      `WARNING: ${jail}/usr/ is writable for group!`,
      `WARNING: ${jail}/usr/ is writable for others!`,
    ];
    const unsafe = `ERROR: ${jail}/usr is writable by `;
    const twice = [`${unsafe}group or others!`, ...lines];
    expect(all(check(jail, ignore(jail)))).toEqual(
      expectedOf({ debian: twice, ours: lines, difference: "check-remedies" }),
    );
    const ignored = [`ignorewritableforothers = ${jail}/usr`, `ignorewritableforgroup = ${jail}/usr`];
    expect(all(check(jail, [...ignore(jail), ...ignored]))).toEqual(
      expectedOf({
        debian: [`${unsafe}group or others!`],
        ours: [`${unsafe}everyone (mode 0777)`, `${unsafe}its group (gid 0, mode 0777)`],
        difference: "check-remedies",
      }),
    );
  });

  test("that are excluded from the check", () => {
    const jail = makeJail();
    for (const name of ["open", "opener"]) m.mkdir(`${jail}/home/${name}/sub`);
    for (const name of ["open/sub", "opener/sub"]) m.chmod(`${jail}/home/${name}`, 0o777);
    const lines = [`ignorewritableforothers = ${jail}/home`, `ignorewritableforgroup=${jail}/home`];
    expect(findings(check(jail, [...ignore(jail), ...lines]))).toEqual([]);
    const prefix = [
      `ignorewritableforothers = ${jail}/home/open`,
      `ignorewritableforgroup=${jail}/home/open`,
    ];
    const opener = `${jail}/home/opener/sub/`;
    expect(findings(check(jail, [...ignore(jail), ...prefix]))).toEqual(
      expectedOf({
        debian: [],
        ours: [`WARNING: ${opener} is writable for others!`, `WARNING: ${opener} is writable for group!`],
        difference: "check-component-prefix",
      }),
    );
  });

  test("of a directory like /tmp", () => {
    const jail = makeJail();
    m.mkdir(`${jail}/tmp`);
    m.chmod(`${jail}/tmp`, 0o1777);
    expect(findings(check(jail, ignore(jail)))).toEqual(
      expectedOf({
        debian: [
          `WARNING: ${jail}/tmp/ is writable for others!`,
          `WARNING: ${jail}/tmp/ is writable for group!`,
        ],
        ours: [],
        difference: "check-sticky",
      }),
    );
  });

  test("of a home that jk_chrootsh.ini lets others write", () => {
    const jail = makeJail();
    m.addUser("open", { home: `${jail}/./home/open`, shell: "/usr/sbin/jk_chrootsh" });
    m.must(["sh", "-ec", `grep ^open: /etc/passwd | sed 's|${jail}/./|/|' >>${jail}/etc/passwd`]);
    m.must(["install", "-d", "-o", "open", "-g", "open", "-m", "0777", `${jail}/home/open`]);
    const ini = "/etc/jailkit/jk_chrootsh.ini";
    const before = m.read(ini);
    m.write(ini, "[open]\nrelax_home_group_permissions = 1\nrelax_home_other_permissions = 1\n");
    const lines = findings(check(jail, ignore(jail))).filter((line) => line.includes("/home/open/ "));
    expect(lines).toEqual(
      expectedOf({
        debian: [
          `WARNING: ${jail}/home/open/ is writable for others!`,
          `WARNING: ${jail}/home/open/ is writable for group!`,
        ],
        ours: [],
        difference: "check-relaxed-homes",
      }),
    );
    m.write(ini, before);
    m.must(["userdel", "open"]);
  });

  const classes = ["others", "group", "user"];

  test("of a setuid program of root", () => {
    const jail = makeJail();
    const path = `${jail}/usr/bin/true`;
    m.chmod(path, 0o4755);
    const lines = classes.map((who) => `WARNING: ${path} is executable for ${who} and setuid root!!`);
    const result = check(jail, ignore(jail));
    expect(findings(result)).toEqual(lines);
    expect(result.status).toBe(expectedOf(found));
    const allowed = classes.map((who) => `ignoresetuidexecutefor${who} = ${path}`);
    expect(findings(check(jail, [...ignore(jail), ...allowed]))).toEqual([]);
    const below = classes.map((who) => `ignoresetuidexecutefor${who} = ${jail}/usr/bin`);
    expect(findings(check(jail, [...ignore(jail), ...below]))).toEqual(
      expectedOf({ debian: lines, ours: [], difference: "check-component-prefix" }),
    );
  });

  test("of a setgid program of root's group, for its user alone", () => {
    const jail = makeJail();
    m.chmod(`${jail}/usr/bin/true`, 0o2700);
    expect(findings(check(jail, ignore(jail)))).toEqual([
      `WARNING: ${jail}/usr/bin/true is executable for user and setuid root!!`,
    ]);
  });

  test("of a setuid program of somebody else", () => {
    const jail = makeJail();
    const path = `${jail}/srv/tool`;
    m.must(["install", "-D", "-m", "4711", "-o", "daemon", "-g", "daemon", "/usr/bin/true", path]);
    const { uid } = m.ids("daemon");
    const lines = classes.map((who) => `WARNING: ${path} is executable for ${who} and setuid uid ${uid}!!`);
    expect(findings(check(jail, [`ignorepathoncompare = ${jail}`]))).toEqual(
      expectedOf({ debian: [], ours: lines, difference: "check-finds-more" }),
    );
  });

  test("of a program whose setuid bit was requested", () => {
    const jail = `/srv/jail${++jails}`;
    m.mkdir(jail);
    m.must(["install", "-m", "4755", "/usr/bin/true", "/usr/bin/granted"]);
    m.must(["jk_cp", "-s", "-o", "-j", jail, "/usr/bin/granted"]);
    const lines = classes.map(
      (who) => `WARNING: ${jail}/usr/bin/granted is executable for ${who} and setuid root!!`,
    );
    expect(findings(check(jail, ignore(jail)))).toEqual(
      expectedOf({ debian: lines, ours: [], difference: "check-record" }),
    );
    m.remove("/var/lib/jailkit");
  });
});

describe("contents", () => {
  test("of another size", () => {
    const jail = makeJail();
    const path = `${jail}/usr/bin/true`;
    m.write(path, `${m.read(path)}x`, { mode: 0o755 });
    const result = check(jail, ignore(jail));
    const line = `ERROR: ${path} and /usr/bin/true have a different size!`;
    expect(findings(result)).toEqual([line]);
    expect(result.status).toBe(expectedOf(found));
    const stream = expectedOf({
      debian: { stderr: `${line}\n` },
      ours: { stdout: expect.stringContaining(`${line}\n`), stderr: "" },
      difference: "check-streams",
    });
    expect(result).toMatchObject(stream);
    const told = expectedOf<object>({
      debian: { stdout: "" },
      ours: { stdout: `${line}\n  remedy: jk_cp -f -j ${jail} /usr/bin/true\n` },
      difference: "check-remedies",
    });
    expect(result).toMatchObject(told);
  });

  test("with other bytes in a short file", () => {
    m.write("/srv/short", "abc");
    const jail = makeJail("/srv/short");
    m.write(`${jail}/srv/short`, "abd");
    expect(findings(check(jail, ignore(jail)))).toEqual([
      `ERROR: ${jail}/srv/short and /srv/short are not the same!`,
    ]);
  });

  test("with one other byte in a long file", () => {
    m.write("/srv/long", "x".repeat(16 << 20));
    const jail = makeJail("/srv/long");
    m.must(["sh", "-c", `printf y | dd of=${jail}/srv/long bs=1 seek=30000 conv=notrunc status=none`]);
    // What 2.23 looks at is one block of 1024 bytes, at random.
    expect(findings(check(jail, ignore(jail)))).toEqual(
      expectedOf({
        debian: [],
        ours: [`ERROR: ${jail}/srv/long and /srv/long are not the same!`],
        difference: "check-whole-files",
      }),
    );
  });

  test("of a link", () => {
    m.write("/srv/one", "x");
    m.write("/srv/two", "x");
    m.symlink("one", "/srv/link");
    const jail = makeJail("/srv/link", "/srv/two");
    m.remove(`${jail}/srv/link`);
    m.symlink("two", `${jail}/srv/link`);
    expect(findings(check(jail, ignore(jail)))).toEqual([
      `ERROR: symlinks ${jail}/srv/link and /srv/link point to different files!`,
    ]);
  });

  test("of a link in the place of a file", () => {
    m.write("/srv/file", "abc");
    const jail = makeJail("/srv/file");
    m.write(`${jail}/srv/abc`, "abc");
    m.write("/srv/abc", "abc");
    m.remove(`${jail}/srv/file`);
    m.symlink("abc", `${jail}/srv/file`);
    expect(findings(check(jail, ignore(jail)))).toEqual(
      expectedOf({
        debian: [`ERROR: cannot read ${jail}/srv/file or /srv/file !`],
        ours: [`ERROR: ${jail}/srv/file and /srv/file are not both symlinks!`],
        difference: "check-types",
      }),
    );
  });

  test("of a file that the host does not have", () => {
    const jail = makeJail();
    m.write(`${jail}/usr/bin/extra`, "x");
    expect(findings(check(jail, ignore(jail)))).toEqual([
      `ERROR: cannot read ${jail}/usr/bin/extra or /usr/bin/extra !`,
    ]);
  });

  test("of the kernel, where nothing is mounted", () => {
    const jail = makeJail();
    m.mkdir(`${jail}/proc`);
    for (const name of ["uptime", "version"]) m.write(`${jail}/proc/${name}`, "x");
    expect(findings(check(jail, ignore(jail))).sort()).toEqual(
      expectedOf({
        debian: ["uptime", "version"].map(
          (name) => `ERROR: ${jail}/proc/${name} and /proc/${name} have a different size!`,
        ),
        ours: [
          `ERROR: ${jail}/proc contains files, but the kernel's are not mounted there: they are copies, or somebody created them`,
        ],
        difference: "check-kernel-files",
      }),
    );
  });

  test("that are excluded from the comparison, or from everything", () => {
    const jail = makeJail();
    m.write(`${jail}/usr/bin/extra`, "x");
    m.chmod(`${jail}/usr/bin/extra`, 0o4755);
    const lines = [`ignorepathoncompare = ${jail}/etc,${jail}/usr/bin/extra`];
    expect(findings(check(jail, lines)).length).toBe(3);
    expect(findings(check(jail, [`ignorepatheverywhere = ${jail}/etc ,\n ${jail}/usr/bin/extra`]))).toEqual(
      [],
    );
  });

  test("with an empty list of exceptions", () => {
    const jail = makeJail();
    m.write(`${jail}/usr/bin/extra`, "x");
    m.remove(`${jail}/etc`);
    expect(findings(check(jail, ["ignorepathoncompare ="]))).toEqual(
      expectedOf({
        debian: [],
        ours: [`ERROR: cannot read ${jail}/usr/bin/extra or /usr/bin/extra !`],
        difference: "empty-items",
      }),
    );
  });

  test("of files generated for the jail, and of homes", () => {
    const jail = `/srv/jail${++jails}`;
    m.write("/root/init.ini", "[a]\nusers = root\n");
    m.must(["jk_init", "-c", "/root/init.ini", "-j", jail, "a"]);
    m.remove("/var/lib/jailkit");
    const lines = ["passwd", "group"].map(
      (name) => `ERROR: ${jail}/etc/${name} and /etc/${name} have a different size!`,
    );
    const own = findings(check(jail)).filter((line) => !line.includes("ld.so.cache"));
    expect(own.sort()).toEqual(
      expectedOf({ debian: lines.sort(), ours: [], difference: "check-generated-files" }),
    );
    m.write(`${jail}/home/someone/file`, "x", { owner: [4001, 4001] });
    m.chown(`${jail}/home/someone`, 4001, 4001);
    m.must(["groupadd", "-g", "4001", "someone"]);
    m.must(["useradd", "-M", "-u", "4001", "-g", "4001", "someone"]);
    expect(findings(check(jail, [`ignorepathoncompare = ${jail}/etc`]))).toEqual(
      expectedOf({
        debian: [`ERROR: cannot read ${jail}/home/someone/file or /home/someone/file !`],
        ours: [],
        difference: "check-homes",
      }),
    );
  });
});

describe("accounts", () => {
  const addJailed = (name: string, uid: number, home: string) =>
    m.must(["useradd", "-M", "-u", String(uid), "-U", "-d", home, "-s", "/usr/sbin/jk_chrootsh", name]);

  /** A jail with these lines in its passwd. */
  function withUsers(...lines: string[]): string {
    const jail = makeJail();
    m.write(`${jail}/etc/passwd`, lines.map((line) => `${line}\n`).join(""));
    return jail;
  }

  test("that the host does not have", () => {
    const jail = withUsers("root:x:0:0::/root:/bin/sh", "ghost:x:4999:4999::/home/ghost:/bin/sh");
    const result = check(jail, ignore(jail));
    expect(findings(result)).toEqual([
      `ERROR: user ghost in jail ${jail}/ does not exist on the real system`,
    ]);
    expect(result.status).toBe(expectedOf(found));
  });

  test("with other ids, and another home", () => {
    m.must(["useradd", "-M", "-u", "4010", "-U", "-d", "/srv/elsewhere", "changed"]);
    const jail = withUsers("changed:x:4011:4010::/home/changed:/bin/sh");
    expect(findings(check(jail, ignore(jail)))).toEqual([
      `ERROR: user changed is changed in jail ${jail}/`,
      `ERROR: the real homedir and jail homedir for user changed do not correspond in jail ${jail}/`,
    ]);
  });

  test("of the host that live in the jail", () => {
    const jail = makeJail();
    addJailed("lives", 4020, `${jail}/./home/lives`);
    m.mkdir(`${jail}/home/lives`, { owner: [4020, 4020] });
    m.write(`${jail}/etc/passwd`, "lives:x:4020:4020::/home/lives:/usr/sbin/jk_lsh\n");
    m.write(`${jail}/etc/group`, "lives:x:4020:\n");
    // What jailkit made for the jail is another case.
    const all = () => findings(m.run(["jk_check"])).filter((line) => !line.includes("different size"));
    const good = all();
    m.must(["usermod", "-s", "/bin/sh", "lives"]);
    m.write(`${jail}/etc/passwd`, "");
    const bad = all().sort();
    m.must(["userdel", "lives"]);
    expect(good).toEqual([]);
    expect(bad).toEqual([
      `ERROR: user lives does not exist in ${jail}/etc/passwd`,
      "ERROR: user lives has a /./ but does not have the /usr/sbin/jk_chrootsh shell",
    ]);
  });

  test("of the system that are in the jail for their names", () => {
    const line = m.read("/etc/passwd").match(/^daemon:.*$/m)?.[0] ?? "";
    const jail = withUsers(line);
    const differs = `ERROR: the real homedir and jail homedir for user daemon do not correspond in jail ${jail}/`;
    expect(findings(check(jail, ignore(jail)))).toEqual(
      expectedOf({ debian: [differs], ours: [], difference: "check-system-accounts" }),
    );
  });

  test("with two separators in the home", () => {
    const outer = "/srv/twofold";
    const inner = `${outer}/./inner`;
    m.mkdir(`${outer}/inner`);
    addJailed("twice", 4030, `${inner}/./home`);
    const lines = findings(m.run(["jk_check", "-c", "/nonexist"])).filter((line) => line.includes("twice"));
    expect(lines).toEqual([
      `ERROR: user twice does not exist in ${expectedOf({ debian: outer, ours: `${outer}/inner`, difference: "check-last-separator" })}/etc/passwd`,
    ]);
    m.must(["userdel", "twice"]);
  });
});
