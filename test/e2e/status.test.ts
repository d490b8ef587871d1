/** jailkit status on a machine without jails, with jails in each condition, and with what else needs attention. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { FINDING_KINDS } from "../../src/status/kinds.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { makeAccount } from "../machine/log-relay.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const SHELL = "/usr/sbin/jk_chrootsh";
const REGISTRY = "/var/lib/jailkit/jails";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.write("/etc/jailkit/jk_init.d/test.ini", "[one]\npaths = cat\nincludesections = uidbasics\n");
});
afterAll(async () => m.close());

const init = (jail: string) => m.must(["jk_init", "-j", jail, "one"]);
const page = () => m.run(["jailkit", "status"]);
const report = () => {
  const { status, stdout } = m.run(["jailkit", "status", "--json"]);
  const told = reportOf(statusReportSchema, stdout);
  expect(told.exitStatus).toBe(status === 0 ? 0 : 1);
  return told;
};
const found = () => report().findings.map(({ kind, subject, command }) => [kind, subject, command]);
/** Types the command of the only finding. */
function mend(): void {
  const { findings } = report();
  expect(findings).toHaveLength(1);
  m.must(["sh", "-ec", findings[0]?.command ?? "false"]);
  expect(report().findings).toEqual([]);
}

/** The record of a jail. */
function recordOf(jail: string): string {
  const files = m.list(REGISTRY).map((id) => `${REGISTRY}/${id}/manifest.json`);
  const file = files.find((one) => m.read(one).includes(`"path":"${jail}"`));
  if (file === undefined) throw new Error(`${jail}: no record`);
  return file;
}

describe("a machine without jails", () => {
  test("and without /etc/jailkit is told so, by config check, too", () => {
    m.must(["mv", "/etc/jailkit", "/etc/jailkit.away"]);
    const [status, check] = [report(), m.run(["jailkit", "config", "check"])];
    m.must(["mv", "/etc/jailkit.away", "/etc/jailkit"]);
    const message = expect.stringContaining("/etc/jailkit is missing, with all settings");
    expect(status.findings).toMatchObject([{ kind: "config", message, command: "jailkit config check" }]);
    expect([check.status, check.stderr]).toEqual([2, message]);
  });

  test("needs nothing", () => {
    const { status, stdout, stderr } = page();
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^jailkit +3\.\d+\.\d+, Linux \S+, (?:no )?Landlock/);
    expect(stdout).toMatch(new RegExp(`^Logins +${SHELL} (?:has cap_sys_chroot|is setuid root)`, "m"));
    expect(stdout).toMatch(/^Jails +none$/m);
    expect(stdout).toMatch(/^Nothing needs attention\.$/m);
    expect(stdout).toEndWith("\njk_check looks at the contents of jails.\n");
    expect(report()).toMatchObject({
      versions: { kernel: m.must(["uname", "-r"]).stdout.trim() },
      logins: [{ program: SHELL, privilege: true }],
      ...{ jails: { total: 0 }, users: { total: 0 }, mounts: { total: 0, lacking: 0 } },
      ...{ requested: null, changed: null, declarations: null, findings: [], exitStatus: 0 },
    });
  });

  test("has the version of sshd, if there is one", () => {
    expect(report().versions.openssh).toMatch(/^OpenSSH_\d+\.\d+/);
  });

  test("is shown to root alone, and takes no arguments", () => {
    expect(m.run(["jailkit", "status"], { user: "nobody" })).toMatchObject({ status: 5, stdout: "" });
    expect(m.run(["jailkit", "status", "/srv/jail"])).toMatchObject({ status: 1, stdout: "" });
  });

  test("counts the declarations", () => {
    for (const name of ["a.ini", "b.ini", "b.ini~", ".c.ini"]) m.write(`/etc/jailkit/jails.d/${name}`, "");
    expect(report().declarations).toBe(2);
    expect(page().stdout).toMatch(/^Declarations +2 files in \/etc\/jailkit\/jails\.d$/m);
    expect(page().stdout).toEndWith(
      "\njk_check looks into jails, and 'jailkit apply --check' at their declarations.\n",
    );
    m.write("/etc/jailkit/jails.ini", "[jail /srv/jail]\nsections = uidbasics\n");
    expect(report().declarations).toBe(3);
    expect(page().stdout).toMatch(
      /^Declarations +\/etc\/jailkit\/jails\.ini, 2 files in \/etc\/jailkit\/jails\.d$/m,
    );
    m.remove("/etc/jailkit/jails.d");
    expect(report().declarations).toBe(1);
    expect(page().stdout).toMatch(/^Declarations +\/etc\/jailkit\/jails\.ini$/m);
    expect(page().stdout).toEndWith(" and 'jailkit apply --check' at their declarations.\n");
    m.write("/etc/jailkit/jails.ini", "# nothing\n");
    expect(report().declarations).toBeNull();
  });
});

describe("what else needs attention", () => {
  test("a jk_chrootsh that lost its capability", () => {
    m.must(["cp", SHELL, "/root/kept"]);
    m.must(["sh", "-ec", `cp ${SHELL} ${SHELL}.new; mv ${SHELL}.new ${SHELL}`]);
    const [finding] = report().findings;
    expect(finding).toMatchObject({ kind: "login", subject: SHELL });
    expect(page().status).toBe(1);
    mend();
  });

  describe("a login shell that is not what it should be", () => {
    const OTHER = "/opt/login/jk_chrootsh";
    const explained = () => {
      const { stdout } = m.run(["jailkit", "explain", "--json", "--su", "logger"]);
      const { steps } = reportOf(explainReportSchema, stdout);
      const bad = steps.filter(({ name, outcome }) => outcome === "failed" && SHELL_STEPS.includes(name));
      return [...new Set(bad.map(({ message, remedy }) => remedy ?? message.split("; ").at(-1)))];
    };
    const SHELL_STEPS = ["login-shell", "privilege"];
    const AWAY = `move ${OTHER} away, and install jailkit again`;
    const INSTEAD = `usermod -s ${SHELL} logger`;

    beforeAll(() => {
      init("/srv/login");
      m.addUser("logger", { createHome: true });
      m.must(["jk_jailuser", "-n", "-m", "-j", "/srv/login", "logger"]);
      m.mkdir("/opt/login");
    });
    afterAll(() => {
      m.must(["jailkit", "delete", "--yes", "--unjail", "/srv/login"]);
      m.must(["userdel", "-r", "logger"]);
      m.remove("/opt/login");
    });

    const plants = [
      ["missing", "", "install jailkit again"],
      ["a directory", `mkdir ${OTHER}`, AWAY],
      ["a FIFO", `mkfifo -m 0755 ${OTHER}`, AWAY],
      ["a program of others", `install -m 0755 /bin/true ${OTHER}`, AWAY],
      ["a script of others", `printf '#!/bin/sh\n' > ${OTHER}; chmod 0755 ${OTHER}`, AWAY],
    ] as const;
    test.each(plants)(
      "%s: the one that works takes its place, or jailkit is installed again",
      (_, plant, text) => {
        m.must(["sh", "-ec", plant]);
        m.must(["usermod", "-s", OTHER, "logger"]);
        expect(found()).toEqual([["login", OTHER, "jailkit explain logger"]]);
        m.must(["mv", SHELL, "/root/away"]);
        expect(explained()).toEqual([text]);
        m.must(["mv", "/root/away", SHELL]);
        expect(explained()).toEqual([INSTEAD]);
        m.must(["sh", "-ec", INSTEAD]);
        expect(explained()).toEqual([]);
        expect(found()).toEqual([]);
        m.remove(OTHER);
      },
    );

    test("a link to one that lost its capability: the command names the file", () => {
      m.must(["sh", "-ec", `cp ${SHELL} /opt/login/real; ln -s real ${OTHER}; usermod -s ${OTHER} logger`]);
      expect(explained()).toEqual([report().findings[0]?.command ?? ""]);
      mend();
      expect(explained()).toEqual([]);
      m.must(["usermod", "-s", SHELL, "logger"]);
    });
  });

  test("sessions of users who are not in the jail any more", async () => {
    const jail = "/srv/sessions";
    m.must(["jk_init", "-j", jail, "one"]);
    for (const name of ["stays", "leaves", "gone", "daemon2"]) {
      m.addUser(name, { home: `/home/${name}`, createHome: true });
      if (name !== "daemon2") m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
    }
    const start = async (name: string, words: string[] = []) => {
      const { uid } = m.ids(name);
      const session = m.start([...words, "chroot", `--userspec=${uid}:${uid}`, jail, "/usr/bin/cat"]);
      session.write("ready\n");
      await session.until(({ stdout }) => (stdout === "ready\n" ? true : undefined));
      const pid = m.must(["pgrep", "-x", "-u", String(uid), "cat"]).stdout.trim();
      return { session, pid, uid };
    };
    const sessions = [];
    for (const name of ["stays", "leaves", "daemon2"]) sessions.push(await start(name));
    const uid = m.ids("gone").uid;
    const login = ["sh", "-c", `echo ${uid} > /proc/self/loginuid && exec "$@"`, "sh"];
    const gone = await start("gone", login);
    sessions.push(gone);
    expect(found()).toEqual([]);
    m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", jail, "leaves", "gone"]);
    m.must(["userdel", "-f", "gone"]);
    const pid = sessions[1]?.pid ?? "";
    const { findings } = report();
    const count = (message: string) => `${message}, who is not in the jail any more: 1`;
    expect(findings).toEqual([
      {
        kind: "stray",
        subject: jail,
        message: count(`processes of leaves (uid ${sessions[1]?.uid})`),
        command: `kill -KILL ${pid}`,
      },
      {
        kind: "stray",
        subject: jail,
        message: count(`processes of uid ${uid}, which no account has`),
        command: `kill -KILL ${gone.pid}`,
      },
      {
        ...{ kind: "not-in-jail", subject: "leaves" },
        message: `user leaves does not exist in ${jail}/etc/passwd; if the account is to go: userdel leaves`,
        command: `jk_jailuser --jail-side-only -j ${jail} leaves`,
      },
    ]);
    expect(page().stdout).toMatch(new RegExp(`^stray +${jail} +kill -KILL ${pid}$`, "m"));
    for (const { command } of findings) m.must(["sh", "-c", command]);
    for (const index of [1, 3]) await sessions[index]?.session.ended;
    expect(found()).toEqual([]);
    for (const index of [0, 2]) m.must(["kill", "-KILL", sessions[index]?.pid ?? ""]);
    for (const { session } of sessions) await session.ended;
    m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
    for (const name of ["stays", "leaves", "daemon2"]) m.must(["userdel", "-r", name]);
  });

  test("a file with an error, though jailkit list refuses it", () => {
    init("/srv/good");
    m.write("/etc/jailkit/jk_update.ini", "stray\n");
    expect(m.run(["jailkit", "list"]).status).toBe(1);
    expect(found()).toEqual([["config", "/etc/jailkit/jk_update.ini:1", "jailkit config check"]]);
    expect(report()).toMatchObject({ jails: { total: 1 }, configuration: { errors: 1 } });
    m.remove("/etc/jailkit/jk_update.ini");
    // It is of users, and no error of the configuration of the host.
    m.write("/srv/good/etc/jailkit/jk_lsh.ini", "stray\n");
    m.write("/etc/jailkit/jk_lsh.ini", "[root]\nexecutables =\n");
    expect(report()).toMatchObject({ configuration: { errors: 0, warnings: 2 }, findings: [] });
    m.remove("/etc/jailkit/jk_lsh.ini");
    m.must(["jailkit", "delete", "--yes", "/srv/good"]);
  });

  test("a registry that others can write", () => {
    m.chmod(REGISTRY, 0o777);
    expect(page().stdout).toMatch(/^Jails +unknown$/m);
    expect(report()).toMatchObject({ jails: null, findings: [{ kind: "record", subject: REGISTRY }] });
    mend();
  });

  test("log sockets that nobody serves", async () => {
    await m.startSyslog();
    m.mkdir("/srv/log/dev");
    m.write("/etc/jailkit/jk_socketd.ini", "[/srv/log/dev/log]\n");
    expect(found()).toEqual([["log-socket", "jk_socketd", "jk_socketd"]]);
    // The service manager would keep it running.
    m.mkdir("/run/systemd/system");
    m.write("/etc/systemd/system/jk_socketd.service", "");
    expect(found()).toEqual([["log-socket", "jk_socketd", "systemctl enable --now jk_socketd.service"]]);
    m.remove("/run/systemd/system");
    m.remove("/etc/systemd/system/jk_socketd.service");
    m.must(["jk_socketd"]);
    expect(report().findings).toMatchObject([
      { subject: "jk_socketd", message: expect.stringContaining("there is no account _jk-socketd") },
    ]);
    m.must(["pkill", "-x", "jk_socketd"]);
    makeAccount(m);
    mend();
    expect(report().logSockets).toEqual({
      ...{ running: true, configured: 1, served: 1, working: 1, overLimit: 0 },
    });
    expect(page().stdout).toMatch(/^Log sockets +jk_socketd runs, 1 configured, 1 of 1 work$/m);
    // It may be created again meanwhile.
    m.must(["sh", "-c", "until rm -r /srv/log/dev; do :; done"]);
    while (report().logSockets.working !== 0);
    expect(found()).toEqual([
      ["config", "/etc/jailkit/jk_socketd.ini:1", "jailkit config check"],
      ["log-socket", "/srv/log/dev/log", "jailkit log-sockets"],
    ]);
    m.must(["pkill", "-x", "jk_socketd"]);
    m.remove("/etc/jailkit/jk_socketd.ini");
  });

  test("an account that is not in its jail, or whose shell leads out of it, in the words of jk_check", () => {
    const jail = "/srv/users";
    m.must(["jk_init", "-j", jail, "one"]);
    const file = "/etc/jailkit/jails.d/users.ini";
    m.write(file, `[jail ${jail}]\nsections = one\n[user declared]\njail = ${jail}\nallow = sftp\n`);
    m.must(["groupadd", "-f", "-r", "jailed"]);
    m.must(["jailkit", "apply"]);
    for (const name of ["byhand", "closed"]) {
      m.addUser(name, { createHome: true });
      m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
    }
    m.must(["usermod", "-s", "/usr/sbin/nologin", "closed"]);
    expect(found()).toEqual([]);
    const said = () => m.run(["jk_check", jail]).stdout;
    m.must(["usermod", "-s", "/bin/bash", "byhand"]);
    expect(found()).toEqual([["shell", "byhand", `usermod -s ${SHELL} byhand`]]);
    expect(said()).toContain(report().findings[0]?.message ?? "?");
    mend();
    for (const name of ["byhand", "declared"]) {
      m.must(["usermod", "-d", `/home/${name}`, name]);
      const noJail = ["no-jail", name, `usermod -d ${jail}/./home/${name} ${name}`];
      // The error of the file is the same.
      expect(found()).toEqual([noJail]);
      m.must(["sh", "-ec", noJail[2] ?? "false"]);
      expect(found()).toEqual([]);
    }
    m.must(["usermod", "-d", "/home/declared", "declared"]);
    const { summary } = linesOf(m);
    expect(summary.problems).toMatchObject([
      { code: "no-home", message: expect.stringContaining(`and '${jail}/home/declared' belongs to it`) },
    ]);
    m.must(["sh", "-ec", summary.problems[0]?.remedy ?? "false"]);
    expect([linesOf(m, "--check").status, found()]).toEqual([0, []]);
    m.must(["sed", "-i", "/^declared:/d; /^byhand:/d", `${jail}/etc/passwd`]);
    expect(found()).toEqual([
      ["not-in-jail", "declared", "jailkit apply"],
      ["not-in-jail", "byhand", `jk_jailuser --jail-side-only -j ${jail} byhand`],
    ]);
    const messages = report().findings.map(({ message }) => message);
    for (const message of messages) expect(said()).toContain(message.split(";")[0] ?? "?");
    // --prune may have taken it out, of which nothing tells any more.
    expect(messages.map((message) => message.split("; ")[1])).toEqual([
      undefined,
      "if the account is to go: userdel byhand",
    ]);
    // The page and jk_check say the same.
    const lines = said().split("\n");
    const below = (name: string) => {
      const at = lines.findIndex((line) => line.includes(`user ${name} does not exist in`));
      return lines.slice(at + 1, at + 3);
    };
    expect(below("byhand")).toEqual([
      `  remedy: jk_jailuser --jail-side-only -j ${jail} byhand`,
      "  or, if the account is to go: userdel byhand",
    ]);
    expect(below("declared")[0]).toBe("  remedy: jailkit apply");
    expect(lines.filter((line) => line.includes("is to go"))).toHaveLength(1);
    expect(page().stdout).toMatch(
      new RegExp(
        `^not-in-jail +declared +jailkit apply\nnot-in-jail +byhand *\n? .*jk_jailuser --jail-side-only -j ${jail} byhand\n    or, if the account is to go: userdel byhand\n`,
        "m",
      ),
    );
    // One that is not declared any more is not put back.
    m.write(file, m.read(file).replace(/\[user (.|\n)*/, ""));
    expect(found()[0]).toEqual(["not-in-jail", "declared", "jailkit apply --prune"]);
    expect(said()).toContain("user declared does not exist in ");
    expect(said()).toContain("  remedy: jailkit apply --prune\n");
    m.must(["sh", "-ec", `${found()[0]?.[2]} --delete-homes`]);
    expect([m.run(["id", "declared"]).status, found().map(([, name]) => name)]).toEqual([1, ["byhand"]]);
    m.write("/root/named.ini", `[user declared]\njail = ${jail}\nallow = sftp\n`);
    m.must(["jailkit", "apply", "/root/named.ini"]);
    m.must(["sed", "-i", "/^declared:/d", `${jail}/etc/passwd`]);
    expect(found()).toContainEqual(["not-in-jail", "declared", "jailkit apply /root/named.ini"]);
    for (const { command } of report().findings) m.must(["sh", "-ec", command]);
    expect(found()).toEqual([]);
    m.remove("/etc/jailkit/jails.d");
    for (const name of ["declared", "byhand", "closed"])
      m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", name]);
    m.must(["jailkit", "delete", "--yes", jail]);
    for (const name of ["declared", "byhand", "closed"]) m.must(["userdel", "-r", name]);
  });

  test.each([
    ["taken out of its jail", (leave: string) => leave],
    ["removed", () => "userdel former"],
  ])("an account of jailkit 2 whose logins --prune has ended is not put back, but %s", (_, ends) => {
    const jail = "/srv/former";
    const file = "/etc/jailkit/jails.d/former.ini";
    const declared = `[jail ${jail}]\nsections = one\n`;
    const user = `[user former]\njail = ${jail}\nallow = sftp\n`;
    init(jail);
    m.addUser("former", { home: `${jail}/./home/former`, shell: SHELL });
    const { uid, gid } = m.ids("former");
    m.mkdir(`${jail}/home`);
    m.mkdir(`${jail}/home/former`, { owner: [uid, gid] });
    m.must(["sh", "-c", `echo former:x:${uid}:${gid}::/home/former:/usr/sbin/jk_lsh >>${jail}/etc/passwd`]);
    m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
    const apply = (text: string) => {
      m.write(file, declared + text);
      m.must(["jailkit", "apply", "--prune"]);
    };
    const leave = "jk_jailuser --unjail -m -s /usr/sbin/nologin former";
    const other = "    or, if the account is to go: userdel former";
    const isTold = () => {
      expect(m.read(`${jail}/etc/passwd`)).not.toContain("former:");
      expect(page().stdout).toContain(`${leave}\n${other}\n`);
      expect(m.run(["jk_check", jail]).stdout).toContain(`  remedy: ${leave}\n${other.slice(2)}\n`);
    };
    // Also after a run that has nothing to do, and after the user was declared in between.
    for (const text of [user, "", "", user]) {
      apply(text);
      if (text === "") isTold();
    }
    m.must(["sed", "-i", "/^former:/d", `${jail}/etc/passwd`]);
    expect(found()).toEqual([["not-in-jail", "former", "jailkit apply"]]);
    apply("");
    isTold();
    m.must(ends(leave).split(" "));
    expect(found()).toEqual([]);
    apply("");
    const { users } = JSON.parse(m.read("/var/lib/jailkit/declared.json"));
    expect(users.map(({ name }: { name: string }) => name)).not.toContain("former");
    m.run(["userdel", "former"]);
    m.remove("/etc/jailkit/jails.d");
    m.must(["jailkit", "delete", "--yes", "--user-files", jail]);
    m.run(["rm", "-rf", "/home/former"]);
  });

  test("a home that jk_chrootsh refuses, with the command that helps", () => {
    const jail = "/srv/homes";
    init(jail);
    const names = ["open", "shared", "foreign", "all", "closed", "fine"];
    for (const name of names) {
      m.addUser(name, { createHome: true });
      m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
    }
    const home = (name: string) => `${jail}/home/${name}`;
    m.must(["usermod", "-s", "/usr/sbin/nologin", "closed"]);
    expect(found()).toEqual([]);
    for (const [name, mode] of [
      ["open", "0707"],
      ["shared", "0770"],
      ["all", "0777"],
      ["closed", "0777"],
    ] as const)
      m.must(["chmod", mode, home(name)]);
    m.must(["chgrp", "daemon", home("foreign")]);
    const place = (name: string) => `${jail}/./home/${name}`;
    expect(found()).toEqual([
      ["home", "open", `chmod o-w ${place("open")}`],
      ["home", "shared", `chmod g-w ${place("shared")}`],
      ["home", "foreign", `chgrp -h +${m.ids("foreign").gid} ${place("foreign")}`],
      ["home", "all", `chmod go-w ${place("all")}`],
    ]);
    expect(report().findings[1]?.message).toStartWith(
      `shared cannot log in, path ${place("shared")} is group`,
    );
    expect(page().stdout).toMatch(/^home +shared +chmod g-w \S+$/m);
    // What is in words is no command.
    m.must(["chmod", "1777", `${jail}/home`]);
    expect(found()).toEqual(
      ["open", "shared", "foreign", "all"].map((name) => ["home", name, `jailkit explain ${name}`]),
    );
    for (const { message, subject } of report().findings)
      expect(message).toEndWith(`; first let root alone write the directories above ${place(subject ?? "")}`);
    expect(page().stdout).not.toContain("first let");
    m.must(["chmod", "0755", `${jail}/home`]);
    for (const { command } of report().findings) m.must(["sh", "-ec", command]);
    expect(found()).toEqual([]);
    for (const name of names) m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", name]);
    m.must(["jailkit", "delete", "--yes", jail]);
    for (const name of names) m.must(["userdel", "-r", name]);
  });

  test("what was declared once, if it cannot be read", () => {
    const file = "/var/lib/jailkit/declared.json";
    m.write(file, "{", { mode: 0o600 });
    const { kind, subject, message } = report().findings[0] ?? {};
    expect({ kind, subject }).toEqual({ kind: "declared", subject: file });
    expect(m.run(["jailkit", "apply"]).stderr).toBe(`jailkit apply: ${message}\n`);
    mend();
    m.remove(`${file}.old`);
  });

  test("a jail whose record is damaged, by the kind of other records", () => {
    init("/srv/damaged");
    m.addUser("inside", { home: "/srv/damaged/./home/inside", shell: SHELL });
    const file = recordOf("/srv/damaged");
    const before = m.read(file);
    m.write(file, "{", { mode: 0o600 });
    const records = report().findings.filter(({ kind }) => ["record", "unreadable"].includes(kind));
    expect(records.map(({ kind, subject }) => [kind, subject])).toEqual([["record", "/srv/damaged"]]);
    m.write(file, before, { mode: 0o600 });
    m.must(["userdel", "inside"]);
    m.must(["jailkit", "delete", "--yes", "/srv/damaged"]);
  });

  test("a jail below a file system that is not mounted, and the command mounts it", () => {
    const before = m.read("/etc/fstab");
    for (const path of ["/root/disk", "/srv/disk"]) m.mkdir(path);
    m.write("/etc/fstab", `${before}/root/disk /srv/disk none bind,nofail 0 0\n`);
    m.must(["mount", "/srv/disk"]);
    init("/srv/disk/j");
    m.must(["umount", "/srv/disk"]);
    expect(found()).toEqual([["unmounted", "/srv/disk/j", "mount /srv/disk"]]);
    mend();
    m.must(["jailkit", "delete", "--yes", "/srv/disk/j"]);
    m.must(["umount", "/srv/disk"]);
    m.write("/etc/fstab", before);
    expect(found()).toEqual([]);
  });

  test.each([
    ["etc/passwd", "ln -sf /etc/passwd FILE"],
    ["etc/passwd", "rm FILE; mkdir FILE"],
    ["etc/group", "ln -sf /etc/group FILE"],
    ["etc/group", "rm FILE; mkdir FILE"],
    ["etc/group", "rm FILE"],
  ])("a jail whose %s is none (%s), and what is said of it lets its user log in", (name, plant) => {
    const jail = "/srv/files";
    const file = `${jail}/${name}`;
    m.must(["jk_init", "-j", jail, "basicshell"]);
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "gina"]);
    m.must(["sh", "-ec", plant.replaceAll("FILE", file)]);
    for (let most = 4; most > 0 && report().findings.length > 0; most--) {
      const [{ kind, command }] = report().findings as [ReturnType<typeof report>["findings"][number]];
      expect(["no-login", "not-in-jail"]).toContain(kind);
      m.must(["sh", "-ec", command ?? "false"]);
    }
    expect(report().findings).toEqual([]);
    // Nobody knows the shell any more that it had there.
    if (name === "etc/passwd")
      m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", jail, "gina"]);
    expect(m.must([SHELL, "-c", "echo in"], { user: "gina", env: { USER: "gina" } }).stdout).toBe("in\n");
    m.must(["userdel", "gina"]);
    m.must(["jailkit", "delete", "--yes", "--user-files", jail]);
  });

  test.each(["ln -sfT /nowhere FILE", "ln -sfT /etc FILE", "rm FILE; mkdir FILE"])(
    "a jail whose rules of the limited shell are no file (%s), and the command puts that aside",
    (plant) => {
      const jail = "/srv/limited";
      const file = `${jail}/etc/jailkit/jk_lsh.ini`;
      m.must(["jk_init", "-j", jail, "sftp", "jk_lsh"]);
      m.must(["jk_addjailuser", "-j", jail, "--policy", "sftp", "gita"]);
      // Nobody serves its log socket.
      const noLogins = () => found().filter(([kind]) => kind === "no-login");
      expect(noLogins()).toEqual([]);
      m.must(["sh", "-ec", plant.replaceAll("FILE", file)]);
      const command = `mv -nT ${file} ${file}.old`;
      expect(noLogins()).toEqual([["no-login", jail, command]]);
      m.must(command.split(" "));
      expect(noLogins()).toEqual([]);
      m.must(["userdel", "gita"]);
      m.must(["jailkit", "delete", "--yes", "--user-files", jail]);
    },
  );

  test("a jail that accounts name by a symbolic link, and the command names the jail itself", () => {
    init("/srv/linked");
    m.must(["jk_addjailuser", "-j", "/srv/linked", "-s", "/usr/bin/cat", "lena"]);
    m.symlink("/srv/linked", "/srv/by-link");
    m.must(["usermod", "-d", "/srv/by-link/./home/lena", "lena"]);
    expect(found()).toContainEqual([
      "unreadable",
      "/srv/by-link",
      "jailkit adopt --moved /srv/by-link /srv/linked",
    ]);
    mend();
    m.must(["userdel", "lena"]);
    m.must(["jailkit", "delete", "--yes", "--user-files", "/srv/linked"]);
    m.remove("/srv/by-link");
  });

  test("accounts of no jail", () => {
    m.addUser("stray", { home: "/./home/stray", shell: SHELL });
    m.addUser("lost", { home: "/srv/none/./home/lost", shell: "/opt/jk_chrootsh" });
    expect(found()).toEqual([
      ["login", "/opt/jk_chrootsh", "jailkit explain lost"],
      ["missing", "/srv/none", "jailkit list /srv/none"],
      ["no-jail", "stray", "jailkit explain stray"],
    ]);
    expect(report().users).toMatchObject({ total: 2, inMissingJails: 1, withoutJail: 1 });
    for (const name of ["stray", "lost"]) m.must(["userdel", name]);
    expect(found()).toEqual([]);
  });
});

test("a hostile name is shown with escapes, and the command is for that jail", () => {
  const jail = "/srv/\x1b[2J\n 'x' && $(id)\xff";
  init(jail);
  m.chmod(jail, 0o777);
  const { stdout } = page();
  expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  expect(stdout).toContain("unsafe");
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  mend();
  expect(m.stat(jail)?.mode).toBe(0o40755);
  m.must(["jailkit", "delete", "--yes", jail]);
});

test("a line of /etc/passwd that is commented out is no user of a jail", () => {
  const J = "/srv/commented";
  init(J);
  const before = m.read("/etc/passwd");
  m.write("/etc/passwd", `${before}#old:x:1500:100::${J}/./home/old:${SHELL}\n+nis::::::\n`);
  expect(found()).toEqual([]);
  expect(m.must(["jailkit", "list"]).stdout).not.toContain("old");
  expect(m.run(["jk_check", J]).stderr).not.toContain("old");
  m.must(["jailkit", "delete", "--yes", J]);
  m.write("/etc/passwd", before);
});

test("a home that is gone is a finding, with the command that makes one", () => {
  m.must(["jk_init", "-j", "/srv/gone", "one", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/srv/gone", "-p", "*", "-s", "/bin/sh", "gone"]);
  const told = () =>
    report().findings.flatMap(({ kind, subject, command }) => (subject === "gone" ? [[kind, command]] : []));
  expect(told()).toEqual([]);
  m.remove("/srv/gone/home/gone");
  const [[kind = "", command = ""] = []] = told();
  expect(kind).toBe("home");
  m.must(["sh", "-ec", command]);
  expect(told()).toEqual([]);
  m.must(["userdel", "-f", "gone"]);
  m.must(["jailkit", "delete", "--yes", "--user-files", "/srv/gone"]);
});

describe("a jail in each condition", () => {
  const at = (state: string) => `/srv/customers/${"with/a/long/path/".repeat(5)}${state}`;

  beforeAll(() => {
    for (const state of ["ready", "unsafe", "incomplete", "missing", "emptied", "unreadable"])
      init(at(state));
    for (const state of ["ready", "emptied"])
      m.addUser(state, { home: `${at(state)}/./home/${state}`, shell: SHELL });
    m.mkdir(`${at("unrecorded")}/etc`);
    m.addUser("old", { home: `${at("unrecorded")}/./home/old`, shell: SHELL });
    for (const [state, name, shell] of [
      ["ready", "ready", "/usr/bin/cat"],
      ["unrecorded", "old", "/usr/sbin/jk_lsh"],
    ] as const) {
      const { uid, gid } = m.ids(name);
      m.mkdir(`${at(state)}/home/${name}`, { owner: [uid, gid] });
      for (const [file, line] of [
        ["passwd", `${name}:x:${uid}:${gid}::/home/${name}:${shell}`],
        ["group", `${name}:x:${gid}:`],
      ] as const)
        m.must(["sh", "-c", 'echo "$1" >> "$2"', "sh", line, `${at(state)}/etc/${file}`]);
    }
    m.must(["jk_init", "--live", "-j", at("unmounted"), "one"]);
    m.must(["umount", `${at("unmounted")}/usr`]);
    m.chmod(`${at("unsafe")}/etc`, 0o777);
    const record = recordOf(at("incomplete"));
    m.write(record, m.read(record).replace(/("time":\d+)/, '$1,"unfinished":true'), { mode: 0o600 });
    m.remove(at("missing"));
    m.must(["sh", "-ec", 'cd "$1"; rm -rf bin etc lib* usr', "sh", at("emptied")]);
    m.write(recordOf(at("unreadable")), "", { mode: 0o600 });
  });

  const states = ["ready", "unrecorded", "unsafe", "unmounted", "incomplete", "emptied", "missing"];

  test("is counted as jailkit list has it", () => {
    const { jails, damagedRecords } = reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout);
    const counts = Map.groupBy(jails, ({ state }) => state);
    expect(damagedRecords).toHaveLength(1);
    expect([...counts.keys()]).toEqual(expect.arrayContaining(states));
    const told = report();
    expect(told.jails?.total).toBe(jails.length);
    for (const [state, number] of Object.entries(told.jails?.byState ?? {}))
      expect([state, number]).toEqual([state, counts.get(state as "ready")?.length ?? 0]);
    expect(told.users.total).toBe(3);
    expect(told.mounts).toEqual({ total: 1, lacking: 1 });
    const times = jails.flatMap(({ lastRequest }) => lastRequest ?? []).sort();
    expect([told.requested?.oldest.time, told.requested?.newest.time]).toEqual([times[0], times.at(-1)]);
  });

  test("is a finding, the worst first, unless it is ready, or has no record and no programs", () => {
    const findings = report().findings.map(({ kind, subject }) => [kind, subject]);
    const ranks = findings.map(([kind = ""]) => Object.keys(FINDING_KINDS).indexOf(kind));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    const own = findings.filter(([kind]) => kind !== "record");
    expect(own.map(([, subject]) => subject)).toEqual(
      ["unsafe", "unmounted", "incomplete", "missing", "emptied"].map(at),
    );
    expect(findings.length - own.length).toBe(1);
  });

  test("fits on a page of 80 columns, with no command cut", () => {
    const { status, stdout, stderr } = page();
    expect([status, stderr]).toEqual([1, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(30);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^unsafe {2,}\S+\.\.\.\S*\/unsafe\S* /m);
    for (const kind of ["unsafe", "unmounted", "incomplete", "missing", "emptied"])
      expect(stdout).toMatch(new RegExp(`^${kind} .* jailkit list$`, "m"));
  });

  test("is as the command says afterwards", () => {
    const fixed = ["unsafe", "unmounted", "incomplete"];
    for (const { kind, command } of report().findings)
      if (fixed.includes(kind)) m.must(["sh", "-ec", command]);
    expect(report().findings.filter(({ kind }) => fixed.includes(kind))).toEqual([]);
    expect(report().mounts).toEqual({ total: 1, lacking: 0 });
    expect(page().stdout).toMatch(/^Live mounts +1 mounted$/m);
  });
});

test("what the next boot would not show in a live jail is a finding, and its command heals", () => {
  m.must(["jk_init", "--live", "-j", "/srv/boot", "one"]);
  const told = () => found().filter(([, subject]) => subject === "/srv/boot");
  expect(told()).toEqual([]);
  m.must(["sed", "-i", "\\|/srv/boot|d", "/etc/fstab"]);
  const [finding, ...more] = told();
  expect([finding?.slice(0, 2), more]).toEqual([["boot", "/srv/boot"], []]);
  const { stdout } = m.run(["jk_check", "/srv/boot"]);
  expect(stdout).toContain(`remedy: ${finding?.[2]}\n`);
  m.must(["sh", "-ec", finding?.[2] ?? "false"]);
  expect([told(), m.read("/etc/fstab").includes("/srv/boot/usr")]).toEqual([[], true]);
  m.must(["jailkit", "delete", "-y", "/srv/boot"]);
});

describe("the work", () => {
  /** The number of system calls of a command. */
  function calls(argv: readonly string[]): number {
    const trace = "trace=!futex,madvise,sched_yield";
    m.run(["strace", "-f", "-qq", "-o", "/root/trace", "-e", trace, ...argv]);
    return m.read("/root/trace").split("\n").length;
  }
  const status = () => calls(["jailkit", "status"]);

  test("does not grow with the contents of a jail", () => {
    init("/srv/full");
    const before = status();
    m.must(["sh", "-ec", "for i in $(seq 500); do : > /srv/full/usr/lib/$i; done"]);
    expect(status() - before).toBeLessThan(100);
  });

  test("is that of jailkit list for each jail, and little more", () => {
    const both = () => [status(), calls(["jailkit", "list"])];
    const [few = 0, fewListed = 0] = both();
    for (let number = 0; number < 40; number++) init(`/srv/many/${number}`);
    const [many = 0, manyListed = 0] = both();
    // The time of its record, and once its record for all that the configuration is compared with.
    expect(many - few - (manyListed - fewListed)).toBeLessThan(40 * 10);
  });
});
