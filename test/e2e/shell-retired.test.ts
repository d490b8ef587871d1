/**
 * The limited shell that jailkit 2.23, or an earlier copy of ours, left in a jail: jk_update removes it, and the one
 * built into jk_chrootsh replaces it. What an administrator put there stays.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { adoptionReportSchema } from "../../src/jails/report-schema.ts";
import { type UpdatedJailReport, updateReportSchema } from "../../src/update/report-schema.ts";
import { installTools, type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const SHELL = "/usr/sbin/jk_lsh";
const OLD = "/root/jk_lsh-2.23";
const template = "/srv/template";
const linkedTemplate = "/srv/template-k";
let m: Machine;
let sshd: Sshd;
let jails = 0;

beforeAll(async () => {
  m = await openMachine({ under: "debian" });
  m.mkdir(template);
  for (const section of ["jk_lsh", "sftp", "basicshell", "rsync"])
    m.must(["jk_init", "-j", template, section]);
  m.mkdir(linkedTemplate);
  m.must(["jk_init", "-k", "-j", linkedTemplate, "jk_lsh", "basicshell"]);
  m.must(["cp", "-a", SHELL, OLD]);
  m.must(["cp", "-a", "/usr/sbin/jk_chrootsh", "/usr/local/sbin/jk_chrootsh"]);
  installTools(m, "ours");
  sshd = await m.startSshd();
});
afterAll(() => m?.close());

/** A jail as jailkit 2.23 made it. */
function oldJail(): string {
  const jail = `/srv/old${++jails}`;
  m.must(["cp", "-a", template, jail]);
  return jail;
}

/** An account that logs in to a jail with jk_lsh as its shell there. */
function userOf(jail: string, policy = "executables = /usr/bin/id, /bin/echo, /usr/bin/echo\n"): string {
  const name = `user${jails}`;
  const home = `/home/${name}`;
  const { uid, gid } = m.addUser(name, { home: `${jail}/.${home}`, shell: "/usr/sbin/jk_chrootsh" });
  m.mkdir(`${jail}${home}`, { owner: [uid, gid], mode: 0o755 });
  const add = (file: string, line: string) => m.write(jail + file, m.read(jail + file) + line);
  add("/etc/passwd", `${name}:x:${uid}:${gid}::${home}:${SHELL}\n`);
  add("/etc/group", `${name}:x:${gid}:\n`);
  m.write(`${jail}/etc/jailkit/jk_lsh.ini`, `[${name}]\n${policy}`);
  return name;
}

const update = (...args: string[]) => m.run(["jk_update", ...args]);
const blocks = (jail: string) => Number(m.must(["du", "-s", "-B1", jail]).stdout.split("\t")[0]);
/** What `jk_update --json` says of one jail. */
function report(jail: string, ...args: string[]): UpdatedJailReport {
  const [only] = reportOf(
    updateReportSchema,
    m.run(["jk_update", "--json", "-j", jail, ...args]).stdout,
  ).jails;
  if (only === undefined) throw new Error(`no report of ${jail}`);
  return only;
}
const digest = (path: string) => m.must(["sha256sum", path]).stdout.split(" ")[0];

describe("the shell of jailkit 2.23", () => {
  test("goes, nothing else changes, and logins work", () => {
    const jail = oldJail();
    const user = userOf(jail);
    expect(sshd.ssh(user, ["/bin/echo", "in"]).stdout).toBe("in\n");
    const before = m.snapshot(jail);
    const size = blocks(jail);
    const what = "the jk_lsh of jailkit 2: jk_chrootsh has its own built in";
    expect(update("--check", "-j", jail)).toMatchObject({ status: 10, stdout: "", stderr: "" });
    expect(update("--dry-run", "-j", jail)).toMatchObject({
      status: 0,
      stdout: `will remove ${jail}${SHELL}, ${what}\n`,
      stderr: "",
    });
    expect(report(jail, "--dry-run")).toMatchObject({
      state: "pending",
      changes: [{ action: "remove", type: "file", path: SHELL, done: false, reason: what }],
    });
    expect(m.snapshot(jail)).toEqual(before);
    const result = update("-j", jail);
    expect(result).toMatchObject({ status: 0, stdout: `removing ${jail}${SHELL}, ${what}\n`, stderr: "" });
    delete before[SHELL];
    delete before[SHELL.slice(1)];
    expect(m.snapshot(jail)).toEqual(before);
    expect(blocks(jail)).toBeLessThanOrEqual(size);
    expect(sshd.ssh(user, ["/bin/echo", "in"]).stdout).toBe("in\n");
    expect(update("-j", jail)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test("goes from a jail known only from the homes of accounts, and only from there", () => {
    const jail = oldJail();
    const user = userOf(jail);
    // What is older than the host's is not brought up to date: nobody gave this jail to jk_update.
    m.write(`${jail}/usr/bin/cat`, "older");
    m.must(["touch", "-d", "2001-01-01", `${jail}/usr/bin/cat`]);
    const { status, stdout, stderr } = update("--all");
    const unrecorded =
      /^jk_update: warning: \/srv\/\S+ and \d+ more have no record of the contents, so that this does not update them: run jailkit adopt --all\n$/;
    expect([status, stderr]).toEqual([0, expect.stringMatching(unrecorded)]);
    expect(stdout).toContain(`removing ${jail}${SHELL}, `);
    expect(m.exists(jail + SHELL)).toBe(false);
    // Of a jail without a record, nothing is left in its place.
    const records = "/var/lib/jailkit/jails";
    expect(m.list(records).filter((id) => m.list(`${records}/${id}`).length === 0)).toEqual([]);
    expect(m.read(`${jail}/usr/bin/cat`)).toBe("older");
    expect(sshd.ssh(user, ["/bin/echo", "in"]).stdout).toBe("in\n");
    const all = reportOf(updateReportSchema, m.must(["jk_update", "--all", "--json"]).stdout);
    expect(all.jails.map((each) => each.jail)).not.toContain(jail);
  });

  test("goes if we have put something into the jail since", () => {
    const jail = oldJail();
    m.must(["jk_cp", "-j", jail, "/usr/bin/id"]);
    const user = userOf(jail);
    expect(update("--check", "-j", jail).status).toBe(10);
    const size = blocks(jail);
    expect(report(jail)).toMatchObject({ state: "updated", changes: [{ path: SHELL, done: true }] });
    expect(m.exists(jail + SHELL)).toBe(false);
    expect(blocks(jail)).toBeLessThanOrEqual(size);
    expect(update("--check", "-j", jail).status).toBe(0);
    expect(sshd.ssh(user, ["/usr/bin/id", "-un"]).stdout).toBe(`${user}\n`);
  });

  test("goes after 'jailkit adopt', which does not count it as requested", () => {
    const jail = oldJail();
    const adopted = reportOf(adoptionReportSchema, m.must(["jailkit", "adopt", "--json", jail]).stdout);
    expect(JSON.stringify(adopted.files)).not.toContain("jk_lsh");
    const ofShell = report(jail).changes.filter(({ path }) => path === SHELL);
    expect(ofShell).toMatchObject([{ action: "remove", done: true }]);
    expect(m.exists(jail + SHELL)).toBe(false);
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test("goes after 'jailkit adopt' of a jail of hard links", () => {
    const adopted = reportOf(
      adoptionReportSchema,
      m.must(["jailkit", "adopt", "--json", linkedTemplate]).stdout,
    );
    expect(adopted.hardlink).toBe(true);
    const ofShell = report(linkedTemplate).changes.filter(({ path }) => path === SHELL);
    expect(ofShell).toMatchObject([{ action: "remove", done: true }]);
    expect(update("--check", "-j", linkedTemplate).status).toBe(0);
  });

  test("goes as a hard link, and the host's file stays", () => {
    const jail = oldJail();
    m.remove(jail + SHELL);
    m.must(["ln", OLD, jail + SHELL]);
    expect(report(jail).changes).toMatchObject([{ action: "remove", path: SHELL, done: true }]);
    expect(m.exists(jail + SHELL)).toBe(false);
    expect(m.stat(OLD)?.nlink).toBe(1);
  });

  test("goes with a link that leads to it", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.rename(jail + SHELL, `${jail}/usr/bin/jk_lsh`);
    m.symlink("../bin/jk_lsh", jail + SHELL);
    const paths = report(jail).changes.map(({ path }) => path);
    expect(paths.sort()).toEqual(["/usr/bin/jk_lsh", SHELL]);
    expect([m.exists(jail + SHELL), m.exists(`${jail}/usr/bin/jk_lsh`)]).toEqual([false, false]);
    expect(sshd.ssh(user, ["/bin/echo", "in"]).stdout).toBe("in\n");
  });

  test("goes from an unusual place that an account of the jail names", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.mkdir(`${jail}/opt/shells`);
    m.rename(jail + SHELL, `${jail}/opt/shells/jk_lsh`);
    m.write(`${jail}/etc/passwd`, m.read(`${jail}/etc/passwd`).replace(SHELL, "/opt/shells/jk_lsh"));
    expect(report(jail).changes).toMatchObject([{ path: "/opt/shells/jk_lsh", done: true }]);
    expect(sshd.ssh(user, ["/bin/echo", "in"]).stdout).toBe("in\n");
  });
});

test("a login that saw it there, and finds it missing, continues with the built-in one", async () => {
  const jail = oldJail();
  const user = userOf(jail);
  const calls = "fchdir,chdir";
  const traced = m.start([
    ...["strace", "-u", user, "-e", `trace=${calls}`, "-e", `inject=${calls}:signal=SIGSTOP`],
    ...["/usr/sbin/jk_chrootsh", "-c", "/bin/echo in"],
  ]);
  const stops = ({ stderr }: { stderr: string }) => stderr.split("stopped by SIGSTOP").length - 1;
  for (let seen = 1; ; seen++) {
    const stopped = await traced.until((output) => stops(output) >= seen || undefined).catch(() => false);
    if (!stopped) break;
    const pid = m.must(["pgrep", "-xo", "jk_chrootsh"]).stdout.trim();
    // The shell was checked before the session went to its home, which is the last that happens before it starts.
    const inHome = m.must(["readlink", `/proc/${pid}/cwd`]).stdout.trim() === `${jail}/home/${user}`;
    if (inHome && m.exists(jail + SHELL)) update("-j", jail);
    m.must(["kill", "-CONT", pid]);
  }
  expect(m.exists(jail + SHELL)).toBe(false);
  expect(await traced.ended).toMatchObject({ status: 0, stdout: "in\n" });
});

describe("a copy of our own runtime", () => {
  test("goes, whichever build it is of", () => {
    const jail = oldJail();
    m.must(["cp", "/usr/sbin/jk_lsh", jail + SHELL]);
    m.must(["truncate", "-s", "+1", jail + SHELL]);
    const what = "a copy of jailkit's own runtime: jk_chrootsh has its own built in";
    expect(report(jail).changes).toMatchObject([{ path: SHELL, done: true, reason: what }]);
    expect(m.exists(jail + SHELL)).toBe(false);
  });

  test("goes if a section copied it, and no section copies it again", () => {
    const jail = oldJail();
    m.remove(jail + SHELL);
    const ini = "/root/own.ini";
    m.write(ini, "[own]\npaths = /usr/sbin/jk_lsh, /etc/jailkit/jk_lsh.ini\n");
    m.must(["jk_init", "-c", ini, "-j", jail, "own"]);
    expect(m.exists(jail + SHELL)).toBe(false);
    m.must(["cp", "/usr/sbin/jk_lsh", jail + SHELL]);
    expect(report(jail).changes.filter(({ path }) => path === SHELL)).toMatchObject([
      { action: "remove", done: true },
    ]);
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test.each([
    ["jk_cp", ["jk_cp"], [SHELL]],
    ["jk_init --copy-shell", ["jk_init", "--copy-shell"], ["jk_lsh"]],
  ] as const)("stays, and is reported, if %s requested it", (_, [tool = "", ...options], names) => {
    const jail = oldJail();
    m.remove(jail + SHELL);
    m.must([tool, ...options, "-j", jail, ...names]);
    update("-j", jail);
    const { state, changes, kept } = report(jail);
    expect([state, changes]).toEqual(["up-to-date", []]);
    expect(kept).toMatchObject([{ path: SHELL, reason: expect.stringContaining("was asked for") }]);
    expect(digest(jail + SHELL)).toBe(digest(SHELL));
    // What is asked for is brought up to date, as it was before.
    m.write(jail + SHELL, m.readBytes(OLD), { mode: 0o755 });
    expect(report(jail).changes).toMatchObject([{ action: "replace", path: SHELL, done: true }]);
  });

  test("is never copied by an update without a request", () => {
    const jail = oldJail();
    // Under another name too: a tool of 2.23 that somebody had put into the jail.
    m.write(`${jail}/usr/sbin/jk_list`, "#!/usr/bin/python3\n", { mode: 0o755 });
    m.must(["touch", "-d", "2001-01-01", `${jail}/usr/sbin/jk_list`]);
    m.symlink("jk_list", `${jail}/usr/sbin/jk_check`);
    m.must(["touch", "-h", "-d", "2001-01-01", `${jail}/usr/sbin/jk_check`]);
    const { changes, kept } = report(jail);
    expect(changes.map(({ path }) => path)).toEqual([SHELL]);
    expect(kept.map(({ path }) => path)).toContain("/usr/sbin/jk_list");
    expect(m.read(`${jail}/usr/sbin/jk_list`)).toBe("#!/usr/bin/python3\n");
  });
});

describe("stays, and is reported:", () => {
  function expectKept(jail: string, reason: string, path = SHELL): void {
    const before = m.snapshot(jail);
    const dry = report(jail, "--dry-run");
    expect(dry.changes).toEqual([]);
    const told = dry.kept.filter((each) => each.path === path);
    expect(told).toMatchObject([{ path, reason: expect.stringContaining(reason) }]);
    const { status, stdout } = update("-j", jail);
    expect(status).toBe(0);
    expect(stdout).toContain(`${jail}${path} `);
    expect(stdout).toContain(reason);
    expect(m.snapshot(jail)).toEqual(before);
  }

  const contents: readonly (readonly [what: string, content: () => string | Uint8Array])[] = [
    ["a script of the administrator's", () => "#!/bin/sh\nexec /bin/echo own\n"],
    ["another program", () => m.readBytes("/usr/bin/true")],
    [
      "a script that quotes the messages of 2.23",
      () =>
        "#!/bin/sh\n# jk_lsh version 2.23, started; section %s does not have a key executables; which is never allowed by jk_lsh\n",
    ],
    ["a file without content", () => ""],
    ["the beginning of a program of 2.23", () => m.readBytes(OLD).subarray(0, 3000)],
  ];
  test.each(contents)("%s", (_, content) => {
    const jail = oldJail();
    m.remove(jail + SHELL);
    m.write(jail + SHELL, content(), { mode: 0o755 });
    expectKept(jail, "is not jailkit's");
  });

  test("a link to a program of another name", () => {
    const jail = oldJail();
    m.rename(jail + SHELL, `${jail}/usr/sbin/own-shell`);
    m.symlink("own-shell", jail + SHELL);
    expectKept(jail, "leads to /usr/sbin/own-shell");
  });

  test("what is in a directory that a user can write", () => {
    const jail = oldJail();
    m.chown(`${jail}/usr/sbin`, 4567, 4567);
    expectKept(jail, "is not owned by user 0");
  });

  test.each([
    ["belongs to a user", ["chown", "4567"], "is not owned by user 0"],
    ["is setuid", ["chmod", "u+s"], "is setuid"],
    ["may be written by its group", ["chmod", "g+w"], "is group writable"],
  ] as const)("what %s", (_, command, reason) => {
    const jail = oldJail();
    m.must([...command, jail + SHELL]);
    expectKept(jail, reason);
  });

  test("what a jk_chrootsh of 2.23 needs, which is the login shell of an account", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.must(["usermod", "-s", "/usr/local/sbin/jk_chrootsh", user]);
    expectKept(jail, "/usr/local/sbin/jk_chrootsh");
    m.must(["usermod", "-s", "/usr/sbin/jk_chrootsh", user]);
    expect(report(jail).changes).toMatchObject([{ path: SHELL, done: true }]);
  });

  test("what is needed while our jk_chrootsh has no privilege", () => {
    const jail = oldJail();
    m.must(["setcap", "-r", "/usr/sbin/jk_chrootsh"]);
    try {
      expectKept(jail, "/usr/sbin/jk_chrootsh has neither");
    } finally {
      m.must(["setcap", "cap_sys_chroot+ep", "/usr/sbin/jk_chrootsh"]);
    }
  });

  test("what the shell of an account leads to by another name", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.symlink("jk_lsh", `${jail}/usr/sbin/limited`);
    m.write(`${jail}/etc/passwd`, m.read(`${jail}/etc/passwd`).replace(SHELL, "/usr/sbin/limited"));
    expectKept(jail, `/usr/sbin/limited, the shell of ${user}`);
  });

  test("what an injail_shell leads to by another name; one of its own name does not matter", () => {
    const jail = oldJail();
    const user = userOf(jail);
    const ini = "/etc/jailkit/jk_chrootsh.d/own.ini";
    m.symlink("jk_lsh", `${jail}/usr/sbin/limited`);
    try {
      m.write(ini, `[${user}]\ninjail_shell = /usr/sbin/limited\n`);
      expectKept(jail, "/usr/sbin/limited, an injail_shell in /etc/jailkit/jk_chrootsh.ini");
      m.write(ini, `[${user}]\ninjail_shell = ${SHELL}\n`);
      expect(report(jail).changes).toMatchObject([{ path: SHELL, done: true }]);
      expect(sshd.ssh(user, ["/bin/echo", "in"]).stdout).toBe("in\n");
    } finally {
      m.remove(ini);
    }
  });

  test("what is an account's login shell on the host too, where sshd may change the root itself", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.must(["usermod", "-s", SHELL, "-d", `/home/${user}`, user]);
    expectKept(jail, `login shell of ${user}`);
  });

  test("what is the host's own, in a directory that is mounted in the jail", () => {
    const jail = oldJail();
    m.must(["mount", "--bind", "/usr/sbin", `${jail}/usr/sbin`]);
    try {
      expectKept(jail, "is on a file system that is mounted in the jail");
      const told = m.run(["jk_check", "--json", jail]).stdout;
      expect(told).not.toContain("own-shell");
    } finally {
      m.must(["umount", `${jail}/usr/sbin`]);
    }
    expect(m.exists(SHELL)).toBe(true);
  });

  test("nothing because of a missing jk_chrootsh", () => {
    const jail = oldJail();
    m.must(["usermod", "-s", "/opt/gone/jk_chrootsh", userOf(jail)]);
    expect(report(jail).changes).toMatchObject([{ path: SHELL, done: true }]);
  });

  test("what is to be skipped", () => {
    const jail = oldJail();
    expect(report(jail, "-s", SHELL)).toMatchObject({ changes: [], skipped: [SHELL] });
    m.write("/etc/jailkit/jk_update.d/own.ini", `[${jail}]\nskips = ${SHELL}\n`);
    m.must(["jk_update", "--all"]);
    expect(m.exists(jail + SHELL)).toBe(true);
    m.remove("/etc/jailkit/jk_update.d/own.ini");
  });
});

describe("jailkit explain", () => {
  const explain = (user: string, ...command: string[]) =>
    m.run(["jailkit", "explain", user, "--", ...command]);
  const spawning = ["/usr/bin/rsync", "-e", "/bin/sh", "x:", "."];

  /** The remedies that it names for the shell in the jail. */
  function remedies(stdout: string): string[] {
    return [...stdout.matchAll(/own-shell: .*\n +remedy: (.*)/g)].map(([, remedy = ""]) => remedy);
  }

  test("does not describe the built-in shell where that of 2.23 runs; its remedy heals it", () => {
    const jail = oldJail();
    const user = userOf(jail, "executables = /usr/bin/rsync\n");
    const before = explain(user, ...spawning);
    expect(before.status).toBe(2);
    expect(before.stdout).toContain(`${jail}${SHELL} is the jk_lsh of jailkit 2, and runs`);
    expect(before.stdout).toContain("rsync -e PROGRAM starts any program");
    expect(before.stdout).not.toContain(`section [${user}]`);
    expect(before.stdout).toContain(`executes: ${SHELL}\n`);
    const [remedy = "", ...others] = remedies(before.stdout);
    expect([remedy, others]).toEqual([`jk_update -j ${jail}`, []]);
    m.must(remedy.split(" "));
    const after = explain(user, ...spawning);
    expect(after.status).toBe(1);
    expect(after.stdout).toContain("(inside jk_chrootsh)");
    expect(after.stdout).toContain(`section [${user}]`);
    expect(after.stdout).toContain("FAILED   command: ");
    expect(remedies(after.stdout)).toEqual([]);
    expect(explain(user, "/usr/bin/rsync", "--server", "-e.LsfxC", ".", "x").status).toBe(0);
  });

  test("describes a copy of ours as long as it is identical, and no other", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.remove(jail + SHELL);
    m.must(["jk_cp", "-j", jail, SHELL]);
    const same = explain(user, "/bin/echo");
    expect([same.status, same.stdout.includes(`section [${user}]`)]).toEqual([0, true]);
    m.must(["truncate", "-s", "+1", jail + SHELL]);
    const other = explain(user, "/bin/echo");
    expect([other.status, other.stdout.includes(`section [${user}]`)]).toEqual([2, false]);
    expect(other.stdout).toContain("is a copy of jailkit of another version");
    for (const remedy of remedies(other.stdout)) m.must(remedy.split(" "));
    expect(explain(user, "/bin/echo").status).toBe(0);
  });

  test("reports that it does not know what another program does", () => {
    const jail = oldJail();
    const user = userOf(jail);
    m.write(jail + SHELL, "#!/bin/sh\nexec /bin/sh\n", { mode: 0o755 });
    const { status, stdout } = explain(user, "/bin/echo");
    expect(status).toBe(2);
    expect(stdout).toContain(`${jail}${SHELL} is not jailkit's, and runs`);
    expect(remedies(stdout)).toEqual([`mv -nT ${jail}${SHELL} ${jail}${SHELL}.old`]);
  });
});

describe("jk_check", () => {
  const findings = (jail: string) =>
    reportOf(checkReportSchema, m.run(["jk_check", "--json", jail]).stdout).jails.flatMap(
      (one) => one.findings,
    );

  test.each([
    ["the shell of 2.23", () => undefined],
    ["a copy of ours", (jail: string) => m.must(["cp", SHELL, jail + SHELL])],
  ] as const)("reports %s, once, and its remedy fixes it", (_, change) => {
    const jail = oldJail();
    change(jail);
    const told = findings(jail).filter(({ path }) => path === jail + SHELL);
    expect(told).toMatchObject([{ rule: "own-shell", remedy: `jk_update -j ${jail}` }]);
    m.must((told[0]?.remedy ?? "").split(" "));
    expect(findings(jail).filter(({ path }) => path === jail + SHELL)).toEqual([]);
  });

  test("does not report one that was requested", () => {
    const jail = oldJail();
    m.remove(jail + SHELL);
    m.must(["jk_cp", "-j", jail, SHELL]);
    expect(findings(jail).filter(({ path }) => path === jail + SHELL)).toEqual([]);
  });
});
