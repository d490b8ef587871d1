/**
 * The deb packages on a machine without jailkit: what is installed where, with which privilege, and that removal
 * removes it.
 */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { VERSION } from "../../src/cli/version.ts";
import { account } from "../machine/log-relay.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { bring, packages, privilegeOf, stateOf } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const jail = "/home/jail";
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
const entries = ["/usr/sbin/jk_chrootsh", "/usr/bin/jk_uchroot", "/usr/sbin/jk_procmailwrapper"];

let m: Machine;
let debs: string[];
let sshd: Sshd | undefined;

beforeEach(async () => {
  m = await openMachine();
  m.must(["dpkg", "--purge", "jailkit"], { env });
  const { deb, procmailDeb } = packages();
  debs = bring(m, "/root", deb, procmailDeb);
  sshd = undefined;
});
afterEach(() => m?.close());

const install = (...words: string[]) => m.must(["dpkg", ...words, "-i", ...debs], { env });

/** Makes a jail with an account in it. Returns what it says when somebody logs in. */
async function login(): Promise<string> {
  if (sshd === undefined) {
    m.mkdir(jail);
    m.must(["jk_init", "-j", jail, "basicshell"]);
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "u"]);
    m.must(["usermod", "-p", "*", "u"]);
    sshd = await m.startSshd();
  }
  const { status, stdout, stderr } = sshd.ssh("u", ["echo $PWD"]);
  return `${status} ${stderr}${stdout}`;
}

/** All names where a package may leave something, but for those of what dpkg and this test make. */
function names(): string[] {
  const pruned = ["/var/lib/dpkg", "/var/cache", "/var/log", "/var/tmp", jail];
  const prune = pruned.flatMap((path, i) => [...(i > 0 ? ["-o"] : []), "-path", path]);
  const folders = ["/boot", "/etc", "/home", "/opt", "/srv", "/usr", "/var"];
  const words = ["find", ...folders, "-xdev", "(", ...prune, ")", "-prune", "-o", "-print"];
  return m.must(words).stdout.split("\n").sort();
}

const accountLine = /^_jk-socketd:[^:]*:(\d+):\d+:[^:]*:\/nonexistent:\/usr\/sbin\/nologin$/m;

describe("a fresh install", () => {
  test("puts everything in its place, and the entries have only the capability", async () => {
    install();
    for (const name of ["jailkit", "jailkit-procmail"]) expect(stateOf(m, name)).toBe(`ii  ${VERSION}-1`);
    for (const path of entries) {
      expect(privilegeOf(m, path)).toBe("root:root 755 cap_sys_chroot=ep");
      expect(m.stat(path)?.size).toBeLessThan(10_240n);
    }
    const shared = m.stat("/usr/sbin/jailkit");
    expect(shared).toMatchObject({ uid: 0, gid: 0, mode: 0o100711 });
    const tools = m.list("/usr/sbin").filter((name) => name.startsWith("jk_"));
    expect(tools.length).toBeGreaterThan(10);
    for (const tool of tools) {
      const path = `/usr/sbin/${tool}`;
      if (entries.includes(path)) continue;
      expect(m.stat(path)?.ino).toBe(shared?.ino ?? 0n);
      // Whose options are those of a shell.
      if (tool === "jk_lsh") continue;
      expect(m.must([tool, "--version"]).stdout).toBe(`${tool} (jailkit) ${VERSION}\n`);
    }
    expect(m.read("/etc/shells")).toEndWith("/usr/sbin/jk_chrootsh\n");
    expect(m.must(["dpkg", "--verify", "jailkit", "jailkit-procmail"]).stdout).toBe("");
    for (const [path, mode] of [
      ["/etc/jailkit/jails.d", 0o40755],
      ["/var/lib/jailkit", 0o40755],
      ["/var/lib/jailkit/jails", 0o40700],
      ["/var/lib/jailkit/empty", 0o40755],
      ["/run/jailkit/log-sockets", 0o40700],
    ] as const)
      expect(m.stat(path)).toMatchObject({ uid: 0, gid: 0, mode });
    expect(m.must(["man", "-w", "jk_chrootsh"]).stdout).toContain("jk_chrootsh.8");
    expect(await login()).toBe("0 /home/u\n");
    // The one shared file costs nothing in a jail.
    m.must(["jk_init", "-j", jail, "jk_lsh"]);
    expect(m.exists(`${jail}/usr/sbin/jk_lsh`)).toBe(false);
  });

  test("has the guard in it: the environment is not code", () => {
    install();
    m.write("/root/x.ts", "console.log('code');");
    for (const [name, value] of [
      ["BUN_BE_BUN", "1"],
      ["BUN_OPTIONS", "--preload=/root/x.ts"],
    ] as const) {
      const { stdout } = m.must(["/usr/sbin/jk_cp", "--version"], { env: { [name]: value }, cwd: "/root" });
      expect(stdout).toBe(`jk_cp (jailkit) ${VERSION}\n`);
    }
    // What strip(1) leaves does not start.
    m.must(["cp", "/usr/sbin/jailkit", "/root/jk_cp"]);
    m.must(["strip", "/root/jk_cp"]);
    const stripped = m.run(["/root/jk_cp", "-e", "console.log('code')"], { env: { BUN_BE_BUN: "1" } });
    expect(stripped.status).not.toBe(0);
    expect(stripped.stdout).toBe("");
  });

  test("has units that systemd understands; the administrator enables them", () => {
    install();
    const system = "/usr/lib/systemd/system";
    const units = m.list(system).filter((name) => /^j(?:k_|ailkit)/.test(name));
    expect(units).toEqual(["jailkit-update.service", "jailkit-update.timer", "jk_socketd.service"]);
    const paths = units.map((name) => `${system}/${name}`);
    const verified = m.run(["systemd-analyze", "verify", ...paths]);
    expect(verified.stderr.split("\n").filter((line) => /jk_|jailkit/.test(line))).toEqual([]);
    expect(verified.status).toBe(0);
    const states = () => units.map((unit) => m.run(["systemctl", "is-enabled", unit]).stdout.trim());
    expect(states()).toEqual(["static", "disabled", "disabled"]);
    m.must(["systemctl", "enable", "jailkit-update.timer"]);
    install();
    expect(states()).toEqual(["static", "enabled", "disabled"]);
    m.must(["dpkg", "--purge", "jailkit-procmail", "jailkit"], { env });
    expect(m.must(["find", "/etc/systemd", "/var/lib/systemd", "-name", "j*k*"]).stdout).toBe("");
  });

  test("creates the account of the relay and the group of jailed accounts once, with or without systemd-sysusers, and leaves them", () => {
    const group = () => /^jailed:[^:]*:(\d+):$/m.exec(m.read("/etc/group"))?.[1];
    for (const missing of [[], ["/usr/bin/systemd-sysusers"]]) {
      for (const path of missing) m.remove(path);
      m.run(["userdel", account]);
      m.run(["groupdel", "jailed"]);
      expect(install().stderr).not.toContain(account);
      const [line, uid] = accountLine.exec(m.read("/etc/passwd")) ?? [];
      expect(Number(uid)).toBeGreaterThan(0);
      expect(Number(uid)).toBeLessThan(1000);
      // As in an upgrade from a version that had the account alone.
      m.must(["groupdel", "jailed"]);
      install();
      const gid = group();
      expect(Number(gid)).toBeGreaterThan(0);
      expect(Number(gid)).toBeLessThan(1000);
      m.must(["dpkg", "--purge", "jailkit-procmail", "jailkit"], { env });
      expect(accountLine.exec(m.read("/etc/passwd"))?.[0]).toBe(line ?? "none");
      expect(group()).toBe(gid);
      expect(m.exists("/usr/lib/sysusers.d/jailkit.conf")).toBe(false);
    }
    // If nothing can create accounts, the rest works, and this is reported.
    m.must(["userdel", account]);
    m.must(["groupdel", "jailed"]);
    for (const tool of ["useradd", "groupadd"])
      m.write(`/usr/sbin/${tool}`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const { stderr } = install();
    expect(stderr).toContain(`jailkit: cannot create the account ${account}, see jk_socketd(8)`);
    expect(stderr).toContain("jailkit: cannot create the group jailed, see jk_addjailuser(8)");
    expect(stateOf(m, "jailkit")).toBe(`ii  ${VERSION}-1`);
  });

  test("without setcap the entries stay setuid root, and work", async () => {
    m.must(["rm", "/usr/sbin/setcap"]);
    install();
    for (const path of entries) expect(privilegeOf(m, path)).toBe("root:root 4755");
    expect(await login()).toBe("0 /home/u\n");
  });

  test("on a file system without capabilities the entries stay setuid root, and work", async () => {
    m.write("/usr/sbin/setcap", "#!/bin/sh\necho 'Operation not supported' >&2\nexit 1\n", { mode: 0o755 });
    install();
    for (const path of entries) expect(privilegeOf(m, path)).toBe("root:root 4755");
    expect(await login()).toBe("0 /home/u\n");
  });

  test("settings of dpkg-statoverride apply, and continue to apply", () => {
    const [chrootsh = "", uchroot = ""] = entries;
    m.must(["dpkg-statoverride", "--add", "root", "games", "4750", chrootsh]);
    install();
    expect(privilegeOf(m, chrootsh)).toBe("root:games 4750");
    expect(privilegeOf(m, uchroot)).toBe("root:root 755 cap_sys_chroot=ep");
    m.must(["dpkg-statoverride", "--update", "--add", "root", "root", "755", uchroot]);
    install();
    expect(privilegeOf(m, chrootsh)).toBe("root:games 4750");
    expect(privilegeOf(m, uchroot)).toBe("root:root 755");
  });
});

test("a new version updates known jails, and a missing or unsafe jail does not stop it", () => {
  install();
  m.must(["cp", "/usr/bin/echo", "/usr/bin/of-the-host"]);
  for (const place of [jail, "/home/unsafe", "/home/gone"]) {
    m.mkdir(place);
    m.must(["jk_cp", "-j", place, "/usr/bin/of-the-host"]);
  }
  m.must(["cp", "/usr/bin/true", "/usr/bin/of-the-host"]);
  m.chmod("/home/unsafe", 0o777);
  m.remove("/home/gone");
  const result = install();
  expect(stateOf(m, "jailkit")).toBe(`ii  ${VERSION}-1`);
  expect(result.stderr).toContain("jailkit: some jails could not be updated, see jk_update(8)");
  expect(m.readBytes(`${jail}/usr/bin/of-the-host`)).toEqual(m.readBytes("/usr/bin/true"));
  expect(m.readBytes("/home/unsafe/usr/bin/of-the-host")).toEqual(m.readBytes("/usr/bin/echo"));
});

describe("removal", () => {
  test("remove keeps the configuration, purge leaves the jails alone", async () => {
    // useradd(8) leaves copies of the files that it changes.
    m.addUser("somebody");
    const before = new Set(names());
    install();
    expect(names().length).toBeGreaterThan(before.size);
    expect(await login()).toBe("0 /home/u\n");
    // A file that jailkit makes in /etc/jailkit, and one that was edited.
    m.must(["jk_init", "-j", jail, "jk_lsh"]);
    expect(m.list("/etc/jailkit/jk_socketd.d")).toHaveLength(1);
    m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\n");
    const inside = m.snapshot(jail);

    m.must(["dpkg", "--remove", "jailkit-procmail", "jailkit"], { env });
    expect(stateOf(m, "jailkit")).toStartWith("rc ");
    expect(m.exists("/etc/jailkit/jails.d")).toBe(false);
    expect(m.read("/etc/jailkit/jk_lsh.ini")).toBe("[DEFAULT]\n");
    expect(m.list("/etc/jailkit/jk_socketd.d")).toHaveLength(1);
    expect(m.read("/etc/shells")).not.toContain("jk_chrootsh");
    expect(m.list("/usr/sbin").filter((name) => /^j(?:k_|ailkit)/.test(name))).toEqual([]);

    m.must(["dpkg", "--purge", "jailkit", "jailkit-procmail"], { env });
    expect(stateOf(m, "jailkit") ?? "un").toStartWith("un");
    expect(names().filter((name) => !before.has(name))).toEqual([]);
    expect(m.snapshot(jail)).toEqual(inside);
    expect(m.exists("/etc/jailkit")).toBe(false);
    expect(m.exists("/var/lib/jailkit")).toBe(false);
  });

  test("the accounts that cannot log in without it are listed, control bytes in their names escaped", () => {
    install();
    const warning = () => m.must(["dpkg", "--remove", "jailkit-procmail", "jailkit"], { env }).stderr;
    expect(warning()).not.toContain("jk_chrootsh");
    install("--force-confold");
    const shell = "/usr/sbin/jk_chrootsh";
    const lines = ["ann:x:5001:5001::/home/jail/./home/ann", "b\x1b[2J\xe4:x:5002:5002::/home/jail/./home/b"];
    const limited = "lima:x:5003:5003::/home/lima:/usr/sbin/jk_lsh\n";
    m.write(
      "/etc/passwd",
      `${m.read("/etc/passwd")}${lines.map((line) => `${line}:${shell}\n`).join("")}${limited}`,
    );
    expect(warning()).toContain(
      [
        "these accounts have jk_chrootsh as their shell, and cannot log in without it:",
        "    ann",
        "    b^[[2JM-d",
        "while jailkit is installed, 'jk_jailuser -m --unjail -s SHELL USER' moves an account out of its jail.",
        "these accounts have jk_lsh as their shell, and cannot log in without it:",
        "    lima",
        "'usermod -s SHELL USER' changes the shell of an account.\n",
      ].join("\njailkit: "),
    );
    expect(stateOf(m, "jailkit")).toStartWith("rc ");
  });

  test("what somebody else put into /etc/jailkit survives a purge", () => {
    install();
    m.write("/etc/jailkit/notes", "mine\n");
    m.write("/etc/jailkit/jails.d/one.ini", "[jail /srv/one]\n");
    m.must(["dpkg", "--purge", "jailkit-procmail", "jailkit"], { env });
    expect(m.list("/etc/jailkit").sort()).toEqual(["jails.d", "notes"]);
    expect(m.list("/etc/jailkit/jails.d")).toEqual(["one.ini"]);
  });

  test("a removed package that comes back finds its configuration", async () => {
    install();
    m.write("/etc/jailkit/jk_chrootsh.ini", "[DEFAULT]\nenv = TERM\n");
    m.must(["dpkg", "--remove", "jailkit-procmail", "jailkit"], { env });
    install("--force-confold");
    expect(m.read("/etc/jailkit/jk_chrootsh.ini")).toBe("[DEFAULT]\nenv = TERM\n");
    expect(await login()).toBe("0 /home/u\n");
  });
});
