/**
 * jk_check of real jails: it finds each of more than 100 planted faults, and nothing else; what it fixes, what it
 * remembers, and the tests that it runs in a jail.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { CONSEQUENCES, FAULTS, JAIL, makeJail } from "./check-faults.ts";
import { check, fresh, summary } from "./check-helper.ts";

setDefaultTimeout(120_000);

async function machine(...more: string[]): Promise<Machine> {
  const only = ["jk_init", "jk_cp", "jk_check", "jk_jailuser", "jk_chrootsh", ...more];
  const m = await openMachine({ under: "ours", only });
  // Jails that the host knows of are no business of the tests.
  m.remove("/var/lib/jailkit");
  return m;
}

describe("planted faults", () => {
  let m: Machine;
  let clean: ReturnType<typeof check>;
  let faulty: ReturnType<typeof check>;
  beforeAll(async () => {
    m = await machine();
    makeJail(m);
    clean = check(m);
    for (const { plant } of FAULTS) plant(m);
    faulty = check(m);
  });
  afterAll(async () => m.close());

  test("before, only two programs are found that are dangerous, although they were requested", () => {
    const programs = ["mount", "su"].map((name) => `dangerous-program ${JAIL}/usr/bin/${name}`);
    expect(summary(clean.found)).toEqual(programs);
    expect(clean.status).toBe(1);
  });

  const named = (path: string) =>
    path.startsWith("//") ? path.slice(1) : `${JAIL}${path.replace(/(.)\/$/, "$1")}`;

  test.each(FAULTS.map((fault) => [fault.rule, named(fault.path)] as const))("%s: %s", (rule, path) => {
    expect(faulty.found.filter((found) => found.path === path).map((found) => found.rule)).toContain(rule);
  });

  test("there are at least 100 faults of 40 kinds", () => {
    expect(FAULTS.length).toBeGreaterThanOrEqual(100);
    expect(new Set(FAULTS.map(({ rule }) => rule)).size).toBeGreaterThanOrEqual(40);
  });

  test("nothing is found that was not planted", () => {
    const planted = new Set(FAULTS.map(({ rule, path }) => `${rule} ${named(path)}`));
    const others = summary(faulty.found).filter((found) => !planted.has(found));
    expect(others.filter((found) => !CONSEQUENCES.some((pattern) => pattern.test(found)))).toEqual([]);
    expect(faulty.jails[0]?.problems).toEqual([]);
    // A configuration that everybody can write is not used, which is reported.
    expect(faulty.status).toBe(2);
  });

  test("the same in text and as a SARIF log", () => {
    const { stdout, stderr, status } = m.run(["jk_check"]);
    expect(status).toBe(2);
    expect(stderr).toContain("/etc/jailkit/jk_check.ini is in /etc/jailkit, which can be written");
    for (const { message, level, reason } of faulty.found) {
      const more = reason === undefined ? "" : `  reason: ${reason}\n`;
      const word = level === "error" && reason === undefined ? "ERROR" : "WARNING";
      expect(stdout).toContain(`${word}: ${message}\n${more}`);
    }
    const log = JSON.parse(m.run(["jk_check", "--sarif"]).stdout);
    expect(log).toMatchObject({ version: "2.1.0", runs: [{ tool: { driver: { name: "jk_check" } } }] });
    const [run] = log.runs;
    expect(run.results.length).toBe(faulty.found.length);
    for (const { ruleId, ruleIndex, level, message, locations } of run.results) {
      expect(run.tool.driver.rules[ruleIndex].id).toBe(ruleId);
      expect(["error", "warning"]).toContain(level);
      expect(message.text).toBeString();
      expect(locations[0].physicalLocation.artifactLocation.uri).toStartWith("file:///");
    }
    expect(run.invocations[0]).toMatchObject({ executionSuccessful: false, exitCode: 2 });
  });
});

/** strace(1) that kills a program at a system call. */
const killedAt = (call: string, when: number) => [
  "strace",
  "-f",
  "-qq",
  "-o",
  "/dev/null",
  "-e",
  `inject=${call}:signal=KILL:when=${when}`,
];

describe("clean jails", () => {
  let m: Machine;
  beforeAll(async () => {
    m = await machine();
  });
  afterAll(async () => m.close());

  const sections = [
    ...readFileSync(join(import.meta.dir, "../../config/jk_init.ini"), "utf8").matchAll(/^\[(\w+)\]/gm),
  ].map((match) => match[1] ?? "");

  // A copied jail would get the programs of all alternatives, and not what each of them needs.
  const copied = sections.filter((section) => section !== "livebasics");

  test.each(copied)("section %s", (section) => {
    const jail = fresh();
    // What is not on this machine makes it end with 1, and the rest is in the jail.
    m.run(["jk_init", "-j", jail, section]);
    if (!m.exists(jail)) return;
    expect(check(m, "-j", jail)).toMatchObject({
      found: [],
      status: 0,
      jails: [{ path: jail, problems: [] }],
    });
  });

  test("all sections, and users, in one jail", () => {
    const jail = fresh();
    m.run(["jk_init", "-j", jail, ...sections]);
    m.addUser("u", { createHome: true, home: "/home/u" });
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", "u"]);
    m.must(
      [
        "sh",
        "-ec",
        "cd $0/home/u; echo x > own; ln -s own link; ln -s /usr/bin/ls tool; ln -s /nosuchfile lost; mkfifo fifo; mkdir -m 700 d",
        jail,
      ],
      {
        user: "u",
      },
    );
    const { found, status, jails } = check(m, "-j", jail);
    expect(summary(found)).toEqual([]);
    expect(status).toBe(0);
    expect(jails[0]?.sections).toEqual(expect.arrayContaining(["basicshell", "sftp", "perl"]));
    expect(jails[0]?.counts?.compared).toBeGreaterThan(1000);
  });

  test("hard links that were requested", () => {
    const jail = fresh();
    m.must(["cp", "-a", "/usr/bin/true", "/opt/linked"]);
    m.mkdir(jail);
    m.must(["jk_cp", "-k", "-j", jail, "/opt/linked"]);
    expect(m.stat(`${jail}/opt/linked`)?.nlink).toBe(2);
    expect(summary(check(m, jail).found)).toEqual([]);
  });

  test("setuid that was requested", () => {
    const jail = fresh();
    m.must(["sh", "-ec", "cp /usr/bin/true /opt/setuid; chmod 4755 /opt/setuid"]);
    m.mkdir(jail);
    m.must(["jk_cp", "-s", "-j", jail, "/opt/setuid"]);
    expect(m.stat(`${jail}/opt/setuid`)?.mode).toBe(0o104755);
    expect(summary(check(m, jail).found)).toEqual([]);
  });

  test("a whiteout, which any user can make: it is a fault only in the place of a device", () => {
    const jail = fresh();
    // An overlay has no whiteouts of its own.
    m.mkdir(jail);
    m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", jail]);
    m.must(["jk_init", "-j", jail, "basicshell", "uidbasics"]);
    m.addUser("wil", { createHome: true, home: "/home/wil" });
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", "wil"]);
    m.must(["mknod", `${jail}/home/wil/gap`, "c", "0", "0"], { user: "wil" });
    m.must(["mknod", `${jail}/srv-gap`, "c", "0", "0"]);
    expect(summary(check(m, jail).found)).toEqual([]);
    m.must(["mknod", `${jail}/dev/full`, "c", "0", "0"]);
    expect(summary(check(m, jail).found)).toEqual([`device-unexpected ${jail}/dev/full`]);
    m.must(["umount", jail]);
  });

  test("a log socket that jk_socketd serves", () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "logbasics"]);
    m.must([
      "perl",
      "-MIO::Socket::UNIX",
      "-e",
      "IO::Socket::UNIX->new(Local => $ARGV[0]) or die",
      `${jail}/dev/log`,
    ]);
    expect(summary(check(m, jail).found)).toEqual([]);
  });

  test("a mounted /proc and a /tmp of its own", () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "netbasics"]);
    m.must([
      "sh",
      "-ec",
      `cd ${jail}; mkdir proc tmp; mount -t proc -o ro proc proc; mount -t tmpfs tmpfs tmp`,
    ]);
    expect(summary(check(m, jail).found)).toEqual([]);
    m.must(["cp", "/usr/bin/true", `${jail}/tmp/true`]);
    m.chmod(`${jail}/tmp/true`, 0o4755);
    expect(summary(check(m, jail).found)).toContain(`setuid-for-others ${jail}/tmp/true`);
    m.must(["umount", `${jail}/proc`, `${jail}/tmp`]);
  });

  test("leftovers of an interrupted move, with the command that removes them, and none while a tool runs", async () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "uidbasics"]);
    // A home on another file system is copied.
    m.must(["sh", "-ec", "mkdir /homes; mount -t tmpfs -o mode=0755 tmpfs /homes"]);
    m.addUser("mover", { home: "/homes/mover", createHome: true });
    m.must(["sh", "-ec", "cd /homes/mover; for i in 1 2 3; do echo $i > $i; done"], { user: "mover" });
    const cut = m.run([...killedAt("utimensat", 2), "jk_jailuser", "-n", "-m", "-j", jail, "mover"]);
    expect(cut.signal).toBe("SIGKILL");
    // As where it cannot be written down.
    m.remove("/var/lib/jailkit/moves");
    const [left = ""] = m.list(`${jail}/homes`);
    const { found } = check(m, jail);
    expect(summary(found)).toEqual([`leftover ${jail}/homes/${left}`]);
    const tool = (user?: string) =>
      m.start(["perl", "-e", "$0 = 'jk_cp'; $| = 1; print 'named'; sleep 1000"], { user });
    for (const [user, findings] of [
      [undefined, 0],
      ["mover", 1],
    ] as const) {
      const running = tool(user);
      await running.until(({ stdout }) => stdout.includes("named") || undefined);
      expect(check(m, jail).found).toHaveLength(findings);
      running.kill();
      await running.ended;
    }
    m.must(["sh", "-c", found[0]?.remedy ?? ""]);
    expect([m.list(`${jail}/homes`), check(m, jail).found]).toEqual([[], []]);
    m.must(["userdel", "-r", "mover"]);
    m.must(["umount", "/homes"]);
  });

  test("a home that an interrupted move has put aside, and the command that moves it on", () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "uidbasics"]);
    m.addUser("aside", { home: "/home/aside", createHome: true });
    m.must(["sh", "-ec", "echo own > own"], { user: "aside", cwd: "/home/aside" });
    const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
    m.must(["mv", usermod, real]);
    m.write(usermod, `#!/bin/sh\n${real} "$@"\nkill -KILL $PPID\n`, { mode: 0o755 });
    const cut = m.run(["jk_jailuser", "-n", "-m", "-j", jail, "aside"]);
    m.must(["mv", "-f", real, usermod]);
    expect(cut.signal).toBe("SIGKILL");
    const { found } = check(m, jail);
    const home = `${jail}/home/aside`;
    expect(found).toMatchObject([
      {
        rule: "interrupted-move",
        path: "/home/.jk-move-aside",
        message: `${home}, the home of aside, is in /home/.jk-move-aside still, since a run of jailkit was killed while it moved it`,
        remedy: `jk_check --fix ${jail}`,
      },
    ]);
    m.must(["sh", "-c", found[0]?.remedy ?? ""]);
    expect(m.read(`${home}/own`)).toBe("own\n");
    expect([m.list("/home").includes(".jk-move-aside"), summary(check(m, jail).found)]).toEqual([false, []]);
    m.must(["userdel", "aside"]);
  });

  test("the owner and the group of a home: what the login refuses, and nothing that it allows", () => {
    const jail = fresh();
    const ini = "/etc/jailkit/jk_chrootsh.ini";
    const home = `${jail}/home/lent`;
    m.must(["jk_init", "-j", jail, "basicshell", "uidbasics"]);
    m.addUser("lent", { createHome: true, home: "/home/lent" });
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", "lent"]);
    m.chmod(home, 0o755);
    const judged = (settings: string) => {
      m.write(ini, settings);
      const { status } = m.run(["/usr/sbin/jk_chrootsh", "-c", "exit 0"], {
        user: "lent",
        env: { USER: "lent" },
      });
      return [status, summary(check(m, jail).found)];
    };
    const refused = (rule: string) => [53, [`${rule} ${home}`]];
    expect(judged("")).toEqual([0, []]);
    m.must(["chown", "root:root", home]);
    expect(judged("[lent]\nrelax_home_group = 1\n")).toEqual(refused("home-owner"));
    expect(judged("[lent]\nrelax_home_owner = 1\n")).toEqual(refused("home-group"));
    expect(judged("[lent]\nrelax_home_owner = 0\n[DEFAULT]\nrelax_home_owner = 1\n")).toEqual(
      refused("home-owner"),
    );
    const both = "relax_home_owner = 1\nrelax_home_group = 1\n";
    for (const name of ["lent", "group lent", "DEFAULT"])
      expect([name, judged(`[${name}]\n${both}`)]).toEqual([name, [0, []]]);
    expect(m.must(["jk_check", "-v", jail]).stdout).toContain(
      `the home ${home} of user lent belongs to uid 0, which jk_chrootsh.ini allows`,
    );
    m.remove(ini);
    m.must(["userdel", "lent"]);
  });

  test("who may write a home: what jk_chrootsh.ini allows is no finding, in the home itself alone", () => {
    const jail = fresh();
    const ini = "/etc/jailkit/jk_chrootsh.ini";
    const [home, inside] = [`${jail}/home/open`, `${jail}/home/open/inside`];
    m.must(["jk_init", "-j", jail, "basicshell", "uidbasics"]);
    m.addUser("open", { createHome: true, home: "/home/open" });
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", "open"]);
    m.must(["install", "-d", "-o", "open", "-m", "0755", inside]);
    const judged = (settings: string) => {
      m.write(ini, settings);
      return summary(check(m, jail).found);
    };
    const [group, others] = [`writable-for-group ${home}`, `writable-for-others ${home}`];
    m.chmod(home, 0o777);
    expect(judged("")).toEqual([others, group]);
    expect(judged("[open]\nrelax_home_group_permissions = 1\n")).toEqual([others]);
    expect(judged("[other]\nrelax_home_other_permissions = 1\n")).toEqual([others, group]);
    const both = "relax_home_group_permissions = 1\nrelax_home_other_permissions = 1\n";
    for (const name of ["open", "group open", "DEFAULT"])
      expect([name, judged(`[${name}]\n${both}`)]).toEqual([name, []]);
    m.chmod(inside, 0o777);
    expect(judged(`[open]\n${both}`)).toEqual([
      `writable-for-others ${inside}`,
      `writable-for-group ${inside}`,
    ]);
    m.chmod(inside, 0o755);
    // The login of the other one who has this home is refused.
    m.must(["useradd", "-M", "-d", `${jail}/./home/open`, "-s", "/usr/sbin/jk_chrootsh", "second"]);
    m.must(["jk_jailuser", "--jail-side-only", "-j", jail, "-s", "/bin/bash", "second"]);
    const found = judged(`[open]\n${both}`);
    expect(found).toEqual(expect.arrayContaining([others, group]));
    m.must(["userdel", "second"]);
    m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", jail, "second"]);
    // Whoever can write it could exchange the home of the other one.
    m.must(["useradd", "-M", "-d", `${jail}/./home/open/inside`, "-s", "/usr/sbin/jk_chrootsh", "third"]);
    m.must(["jk_jailuser", "--jail-side-only", "-j", jail, "-s", "/bin/bash", "third"]);
    expect(judged(`[open]\n${both}`)).toEqual(expect.arrayContaining([others, group]));
    m.must(["userdel", "third"]);
    expect(judged(`[open]\n${both}`)).toEqual(expect.arrayContaining([others, group]));
    m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", jail, "third"]);
    expect(judged(`[open]\n${both}`)).not.toContain(others);
    // Another login shell does not ask.
    m.must(["usermod", "-s", "/usr/sbin/jk_uchroot", "open"]);
    expect(judged(`[open]\n${both}`)).toEqual(expect.arrayContaining([others, group]));
    m.remove(ini);
    m.must(["userdel", "open"]);
  });

  test("names of any bytes", () => {
    const jail = fresh();
    const names = ["a b", "'q'", "new\nline", "\xff\xfe", "$(touch pwned)", "-rf"];
    for (const name of names) m.write(`/opt/names/${name}`, name);
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/opt/names"]);
    expect(summary(check(m, jail).found)).toEqual([]);
    for (const name of names) m.write(`${jail}/opt/names/${name}`, `${name}!`);
    const { found, stdout } = check(m, jail);
    expect(found.map(({ rule }) => rule)).toEqual(names.map(() => "different-size"));
    expect(found.map(({ path }) => path)).toContain(`${jail}/opt/names/\udcff\udcfe`);
    expect(stdout).not.toContain("\xff");
    expect(m.run(["jk_check", jail]).stdout).toContain(`${jail}/opt/names/new\\nline`);
  });
});

describe("exit status and arguments", () => {
  let m: Machine;
  beforeAll(async () => {
    m = await machine();
  });
  afterAll(async () => m.close());

  test("2 if a jail is missing, and findings of others are reported all the same", () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "netbasics"]);
    m.chmod(`${jail}/etc`, 0o777);
    const { status, stdout, stderr } = m.run(["jk_check", jail, "/srv/nosuchjail"]);
    expect(status).toBe(2);
    expect(stdout).toContain(`WARNING: ${jail}/etc/ is writable for others!`);
    expect(stderr).toBe("jk_check: cannot check files in /srv/nosuchjail/, it does not exist\n");
  });

  test("1 if the record is damaged or not root's own, because that is a finding", () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "netbasics"]);
    m.chmod("/var/lib/jailkit/jails", 0o777);
    expect(summary(check(m, jail).found)).toContain("registry-unsafe /var/lib/jailkit/jails");
    m.chmod("/var/lib/jailkit/jails", 0o700);
    expect(check(m, jail).status).toBe(0);
  });

  test("2 if a file cannot be read", () => {
    const jail = fresh();
    m.must(["jk_init", "-j", jail, "netbasics"]);
    m.addUser("reader");
    m.chmod(`${jail}/etc/hosts`, 0o600);
    const { status, stderr } = m.run(["jk_check", jail], { user: "reader" });
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^jk_check: the record of the jail cannot be used: .*\njk_check: .*etc\/hosts.*\n$/,
    );
  });

  test("2 for --json with --sarif, a bad option, and a config file that makes no sense", () => {
    expect(m.run(["jk_check", "--json", "--sarif"]).status).toBe(2);
    expect(m.run(["jk_check", "--bogus"]).status).toBe(2);
    m.write("/root/bad.ini", "[/srv/x]\nnonsense\n");
    expect(m.run(["jk_check", "-c", "/root/bad.ini"])).toMatchObject({ status: 2, stdout: "" });
  });

  test("relative names of jails, and -j several times", () => {
    const [one, two] = [fresh(), fresh()];
    for (const jail of [one, two]) m.must(["jk_init", "-j", jail, "netbasics"]);
    const { stdout } = m.run(["jk_check", "--json", "-j", "../srv/jail", "-j", two, one.slice(5)], {
      cwd: "/srv",
    });
    const { jails } = reportOf(checkReportSchema, stdout);
    expect(jails.map(({ path }) => path)).toEqual(["/srv/jail", two, one]);
  });
});

test("large files, compared in several threads, by either executable", async () => {
  const m = await machine("jailkit");
  try {
    const jail = fresh();
    m.mkdir("/opt/large");
    for (const name of ["a", "b", "c", "d"]) m.must(["truncate", "-s", "50M", `/opt/large/${name}`]);
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/opt/large"]);
    m.must([
      "sh",
      "-ec",
      `for f in b d; do printf x | dd of=${jail}/opt/large/$f bs=1 seek=52428799 conv=notrunc status=none; done`,
    ]);
    const lines = ["b", "d"].map(
      (name) =>
        `ERROR: ${jail}/opt/large/${name} and /opt/large/${name} are not the same!\n  remedy: jk_check --fix ${jail}\n`,
    );
    for (const command of [["jk_check"], ["jailkit", "jk_check"]])
      expect(m.run([...command, jail])).toMatchObject({ status: 1, stdout: lines.join(""), stderr: "" });
  } finally {
    await m.close();
  }
});

describe("a jail without a record", () => {
  let m: Machine;
  const jail = "/srv/old";
  beforeAll(async () => {
    m = await machine();
    m.must(["jk_init", "-j", jail, "basicshell", "rsync"]);
    m.remove("/var/lib/jailkit");
  });
  afterAll(async () => m.close());

  test("is compared with the host, path by path", () => {
    expect(summary(check(m, jail).found)).toEqual([]);
    m.write(`${jail}/usr/bin/evil`, "x", { mode: 0o755 });
    m.write(`${jail}/etc/nsswitch.conf`, "x");
    m.must([
      "sh",
      "-ec",
      `mknod ${jail}/dev/disk b 8 0; ln -f /usr/bin/ls ${jail}/usr/bin/ls; ln -f /usr/bin/id ${jail}/usr/bin/id`,
    ]);
    expect(summary(check(m, jail).found)).toEqual([
      `hard-link ${jail}`,
      `device-unexpected ${jail}/dev/disk`,
      `different-size ${jail}/etc/nsswitch.conf`,
      `no-counterpart ${jail}/usr/bin/evil`,
    ]);
  });
});

describe("what an earlier check found", () => {
  let m: Machine;
  const jail = "/srv/jail";
  const counts = (...args: string[]) => check(m, jail, ...args).jails[0]?.counts;
  beforeAll(async () => {
    m = await machine();
    m.must(["jk_init", "-j", jail, "basicshell"]);
  });
  afterAll(async () => m.close());

  /** Runs until new files are old enough to be remembered: their times must differ after the next change. */
  function settled(): { compared: number; known: number } {
    for (let round = 0; round < 300; round++) {
      const now = counts();
      if (now !== undefined && now?.compared === 0) return now;
    }
    throw new Error("never known");
  }

  test("is not read again, unless --full or it was changed", () => {
    const { known } = settled();
    expect(known).toBeGreaterThan(50);
    expect(counts("--full")).toMatchObject({ compared: known, known: 0 });
    expect(settled()).toMatchObject({ compared: 0, known });
    m.must([
      "sh",
      "-ec",
      `cp -p ${jail}/usr/bin/ls /root/ls; printf x | dd of=${jail}/usr/bin/ls bs=1 seek=5000 conv=notrunc status=none; touch -r /root/ls ${jail}/usr/bin/ls`,
    ]);
    const { found, jails } = check(m, jail);
    expect(summary(found)).toEqual([`different-content ${jail}/usr/bin/ls`]);
    expect(jails[0]?.counts).toMatchObject({ compared: 1, known: known - 1 });
    expect(summary(check(m, jail).found)).toEqual([`different-content ${jail}/usr/bin/ls`]);
    m.must(["cp", "-p", "/usr/bin/ls", `${jail}/usr/bin/ls`]);
  });

  test("distinguishes a file whose source is missing from a changed one", () => {
    m.must(["sh", "-ec", "mkdir /opt/gone; for f in kept touched changed; do echo $f > /opt/gone/$f; done"]);
    m.must(["jk_cp", "-j", jail, "/opt/gone"]);
    settled();
    check(m, jail, "--full");
    m.remove("/opt/gone");
    m.must(["sh", "-ec", `cd ${jail}/opt/gone; touch -d '2001-01-01' touched; echo CHANGED > changed`]);
    const rules = new Map(
      check(m, jail).found.map(({ rule, path }) => [path.slice(path.lastIndexOf("/") + 1), rule]),
    );
    expect(rules.get("kept")).toBe("source-gone");
    expect(rules.get("touched")).toBe("source-gone");
    expect(rules.get("changed")).toBe("changed-file");
    m.remove(`${jail}/opt/gone`);
  });

  test("is root's own, and believed only if it makes sense", () => {
    const id = check(m, jail).jails[0]?.record ?? "";
    const file = `/var/lib/jailkit/jails/${id}/verified.json`;
    expect(m.stat(file)).toMatchObject({ mode: 0o100600, uid: 0 });
    for (const text of ["", "{", '{"version":2,"files":[[1]]}', '{"version":1,"files":[]}', "null"]) {
      m.write(file, text);
      expect(counts()?.known).toBe(0);
    }
  });
});

describe("--fix and --run", () => {
  let m: Machine;
  let jail: string;
  beforeAll(async () => {
    m = await machine();
    jail = "/srv/mended";
    m.must(["jk_init", "-j", jail, "basicshell", "sftp", "scp", "rsync", "gitserver", "perl", "editors"]);
    m.addUser("u", { createHome: true, home: "/home/u" });
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", "u"]);
  });
  afterAll(async () => m.close());

  const before = () => m.snapshot(jail);

  test("a clean jail is left as it is", () => {
    const snapshot = before();
    expect(m.run(["jk_check", "--fix", jail])).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(before()).toEqual(snapshot);
  });

  test("what is safe to fix is restored", () => {
    const snapshot = before();
    m.must([
      "sh",
      "-ec",
      `cd ${jail}
      chmod 0777 usr/share . ; chmod 4755 usr/bin/ls; chmod 0600 usr/bin/cat; chgrp 60 usr/bin/mv
      setcap cap_setuid+ep usr/bin/cp; ln usr/bin/rm /srv/rm; printf x >> usr/bin/rsync; rm -r usr/bin/mkdir dev/null
      rm usr/bin/sh; ln -s bash usr/bin/sh; rm dev/urandom; mknod dev/urandom c 1 1; mknod dev/disk b 8 0
      rm usr/lib/*-linux-*/libc.so.6; rm -r usr/share/vim; sed -i 's/^root:x:/root:$6$a$b:/' etc/passwd`,
    ]);
    const { status, stdout, stderr } = m.run(["jk_check", "--fix", jail]);
    expect(stderr).toBe("");
    expect(stdout).toContain("Fixed: ");
    expect(stdout).not.toContain("Not fixed: ");
    expect(status).toBe(0);
    expect(before()).toEqual(snapshot);
    expect(m.must(["getcap", `${jail}/usr/bin/cp`]).stdout).toBe("");
    expect(m.stat(`${jail}/usr/bin/rm`)?.nlink).toBe(1);
    expect(check(m, jail)).toMatchObject({ status: 0, found: [] });
  });

  test("one repair heals all that it can: a file is copied once, whoever could write it", () => {
    const snapshot = before();
    const paths = ["/usr/bin/cat", "/usr/bin/cp", "/usr/bin/ls", "/usr/bin/rm", "/usr/share"];
    m.must([
      "sh",
      "-ec",
      `cd ${jail}; chmod 0777 usr/share usr/bin/cat usr/bin/cp usr/bin/ls usr/bin/rm
      setcap cap_setuid+ep usr/bin/cp; ln usr/bin/cp /srv/cp; chown u usr/bin/rm`,
    ]);
    const { status, found, jails } = check(m, "--fix", jail);
    expect(status).toBe(0);
    expect(found.length).toBe(2 * paths.length + 3);
    expect(jails[0]?.fixes.map(({ path }) => path).sort()).toEqual(paths.map((path) => jail + path));
    expect(before()).toEqual(snapshot);
    expect(check(m, jail)).toMatchObject({ status: 0, found: [] });
  });

  test("what is not is reported, and left alone", () => {
    m.must([
      "sh",
      "-ec",
      `cd ${jail}; echo edited >> etc/nsswitch.conf; echo mine > usr/bin/own; chmod 0666 home/u/.bashrc
      cp usr/bin/true home/u/rootly; chmod 4755 home/u/rootly; mkfifo usr/share/fifo`,
    ]);
    const snapshot = before();
    const { status, found } = check(m, "--fix", jail);
    expect(status).toBe(1);
    expect(before()).toEqual(snapshot);
    const left = found.filter(({ fixed }) => !fixed).map(({ rule }) => rule);
    expect(new Set(left)).toEqual(
      new Set([
        "different-size",
        "unrecorded",
        "file-writable-for-others",
        "fifo",
        "setuid-for-others",
        "setuid-for-group",
        "setuid-for-user",
      ]),
    );
    m.must([
      "sh",
      "-ec",
      `cd ${jail}; cp -p /etc/nsswitch.conf etc; rm usr/bin/own home/u/rootly usr/share/fifo; chmod 0644 home/u/.bashrc`,
    ]);
  });

  test("nothing is restored from where users other than root choose the file", () => {
    m.must([
      "sh",
      "-ec",
      "mkdir -p /opt/theirs; echo x > /opt/theirs/file; cp /usr/bin/true /opt/theirs/prog",
    ]);
    m.must(["jk_cp", "-j", jail, "/opt/theirs"]);
    m.must([
      "sh",
      "-ec",
      `rm ${jail}/opt/theirs/*; chown u /opt/theirs; rm /opt/theirs/file; ln -s /etc/shadow /opt/theirs/file`,
    ]);
    const { stdout, status } = m.run(["jk_check", "--fix", jail]);
    expect(status).toBe(1);
    expect(stdout).toContain("Not fixed: ");
    // The program is the same as before; but the next one to look may find another.
    expect(m.list(`${jail}/opt/theirs`)).toEqual([]);
    m.must(["sh", "-ec", "chown root /opt/theirs; rm /opt/theirs/file"]);
    m.remove(`${jail}/opt/theirs`);
  });

  test("the mode of the host's file is not changed through a hard link", () => {
    m.must(["sh", "-ec", "cp /usr/bin/true /opt/linked; chmod 0755 /opt/linked"]);
    m.must(["jk_cp", "-k", "-j", jail, "/opt/linked"]);
    m.chmod("/opt/linked", 0o700);
    const { stdout, status } = m.run(["jk_check", "--fix", jail]);
    expect(status).toBe(1);
    expect(stdout).toContain(`Not fixed: ${jail}/opt/linked: has other hard links`);
    expect(m.stat("/opt/linked")?.mode).toBe(0o100700);
    m.must(["rm", "/opt/linked", `${jail}/opt/linked`]);
  });

  test("a user who exchanges a directory and a symbolic link meanwhile gets no file of the host changed", async () => {
    m.write("/srv/outside/file", "x", { mode: 0o6777 });
    m.mkdir("/srv/outside", { mode: 0o777 });
    const outside = m.snapshot("/srv/outside");
    m.must(
      [
        "sh",
        "-ec",
        `cd ${jail}/home/u; mkdir a; cp /usr/bin/true a/file; chmod 6777 a a/file; ln -s /srv/outside b`,
      ],
      {
        user: "u",
      },
    );
    const flip =
      'chdir $ARGV[0]; $| = 1; print "go"; while (1) { rename "a", "c"; rename "b", "a"; rename "a", "b"; rename "c", "a" }';
    const racer = m.start(["perl", "-e", flip, `${jail}/home/u`], { user: "u" });
    await racer.until((started) => (started.stdout.includes("go") ? true : undefined));
    for (let round = 0; round < 8; round++) m.run(["jk_check", "--fix", jail]);
    racer.kill();
    await racer.ended;
    expect(m.snapshot("/srv/outside")).toEqual(outside);
    m.must(["sh", "-c", `rm -rf ${jail}/home/u/[abc]`]);
  });

  test("every test of every section passes as the jailed user, and leaves nothing", () => {
    const snapshot = before();
    const { jails } = check(m, "--run", jail);
    const tests = jails[0]?.tests ?? [];
    expect(tests.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
    for (const section of ["basicshell", "sftp", "scp", "rsync", "gitserver", "perl", "editors"])
      expect(tests.some(({ sections }) => sections.includes(section))).toBe(true);
    expect(before()).toEqual(snapshot);
  });

  test("without accounts no test is run, and the findings are shown all the same", () => {
    const { passwd, cat } = { passwd: `${jail}/etc/passwd`, cat: `${jail}/usr/bin/cat` };
    m.must(["sh", "-ec", `mv ${passwd} ${passwd}.kept; mkdir ${passwd}; chmod o+w ${cat}`]);
    const { jails, found, status } = check(m, "--run", jail);
    m.must(["sh", "-ec", `rmdir ${passwd}; mv ${passwd}.kept ${passwd}; chmod o-w ${cat}`]);
    expect(status).toBe(2);
    expect(summary(found)).toContain(`file-writable-for-others ${cat}`);
    const message = `no test was run in ${jail}: ${passwd}: not a regular file: Invalid argument`;
    expect(jails[0]?.problems).toContainEqual({ code: "not-run", path: jail, message, remedy: null });
  });

  test("a program that does not work is found", () => {
    const working = m.readBytes("/usr/bin/rsync");
    // The host's are broken as well, so only running them shows it.
    for (const root of ["", jail])
      m.write(`${root}/usr/bin/rsync`, "#!/bin/sh\necho broken >&2\nexit 3\n", { mode: 0o755 });
    for (const root of ["", jail])
      m.write(`${root}/usr/lib/openssh/sftp-server`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    const { found, status } = check(m, "--run", jail);
    expect(status).toBe(1);
    const messages = found.filter(({ rule }) => rule === "smoke-test").map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining("sftp"),
      expect.stringMatching(/rsync copies failed in .*: \/usr\/bin\/rsync --version ended with 3: broken$/),
    ]);
    m.write("/usr/bin/rsync", working, { mode: 0o755 });
  });

  test("the user who runs them is not root, and has no group of root's", () => {
    const probe = "#!/bin/sh\nid -u >&2\nid -G >&2\nexit 9\n";
    for (const root of ["", jail]) m.write(`${root}/usr/bin/rsync`, probe, { mode: 0o755 });
    const { found } = check(m, "--run", jail);
    const message = found.find(
      ({ rule, message: text }) => rule === "smoke-test" && /rsync/.test(text),
    )?.message;
    expect(message).toEndWith(`: ${m.ids("u").gid}`);
  });

  test("no name service of the jail is loaded by root", () => {
    const trap = compiledC(join(import.meta.dir, "check-trap.c"), ["-shared", "-fPIC"]);
    m.write(`${jail}/usr/lib/libnss_trap.so.2`, readFileSync(trap), { mode: 0o755 });
    m.write(`${jail}/etc/nsswitch.conf`, "passwd: trap files\ngroup: trap files\n");
    m.mkdir(`${jail}/tmp`, { mode: 0o1777 });
    check(m, "--run", jail);
    // The account that the tests are run by loads it, so it is one that works.
    expect(m.exists(`${jail}/tmp/loaded`)).toBe(true);
    expect(m.exists(`${jail}/loaded-by-root`)).toBe(false);
  });
});
