/** The rpm packages: into a root directory of their own, and on a machine with their scripts. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { VERSION } from "../../src/cli/version.ts";
import { account } from "../machine/log-relay.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { bring, packages, privilegeOf } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const scratch = "/srv/scratch";
const jail = "/home/jail";
const entries = ["/usr/sbin/jk_chrootsh", "/usr/bin/jk_uchroot", "/usr/sbin/jk_procmailwrapper"];

let m: Machine;
let rpms: string[];

beforeEach(async () => {
  m = await openMachine();
  m.must(["dpkg", "--purge", "jailkit"]);
  m.remove("/var/lib/rpm");
  const { rpm, procmailRpm } = packages();
  rpms = bring(m, "/root", rpm, procmailRpm);
});
afterEach(() => m?.close());

// What they need is Debian's here.
const rpm = (...words: string[]) => m.must(["rpm", "--nodeps", ...words]);

test("an installation into an empty root directory works there", () => {
  m.mkdir(scratch);
  rpm("--root", scratch, "--noscripts", "-i", ...rpms);
  for (const path of entries) expect(privilegeOf(m, scratch + path)).toBe("root:root 755 cap_sys_chroot=ep");
  expect(m.stat(`${scratch}/etc/jailkit/jails.d`)).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
  const shared = m.stat(`${scratch}/usr/sbin/jailkit`);
  expect(shared).toMatchObject({ uid: 0, gid: 0, mode: 0o100711 });
  expect(m.stat(`${scratch}/usr/sbin/jk_cp`)?.ino).toBe(shared?.ino ?? 0n);
  expect(m.must(["rpm", "--root", scratch, "-V", "--nodeps", "jailkit", "jailkit-procmail"]).stdout).toBe("");

  // A C library, a shell and accounts are all that it takes.
  const known = m.must(["/sbin/ldconfig", "-p"]).stdout;
  const needed = m
    .must(["readelf", "-d", `${scratch}/usr/sbin/jailkit`])
    .stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g);
  const libraries = [...needed].map(([, name]) => {
    const line = known.split("\n").find((one) => one.trim().startsWith(`${name} (`));
    return line?.split(" => ")[1] ?? "";
  });
  expect(libraries.length).toBeGreaterThan(2);
  m.must([`${scratch}/usr/sbin/jk_cp`, "-j", scratch, "/bin/sh", ...libraries]);
  m.write(
    `${scratch}/etc/passwd`,
    "root:x:0:0::/root:/bin/sh\nu:x:4001:4001::/jail/./home/u:/usr/sbin/jk_chrootsh\n",
  );
  m.write(`${scratch}/etc/group`, "root:x:0:\nu:x:4001:\n");
  const inside = (ids: string, ...words: string[]) =>
    m.run(["chroot", `--userspec=${ids}`, scratch, ...words]);
  expect(inside("0:0", "/usr/sbin/jk_cp", "--version").stdout).toBe(`jk_cp (jailkit) ${VERSION}\n`);
  m.mkdir(`${scratch}/jail`);
  expect(inside("0:0", "/usr/sbin/jk_cp", "-j", "/jail", "/bin/sh")).toMatchObject({ status: 0, stderr: "" });
  m.mkdir(`${scratch}/jail/home/u`, { owner: [4001, 4001] });
  m.mkdir(`${scratch}/jail/etc`);
  m.write(`${scratch}/jail/etc/passwd`, "root:x:0:0::/root:/bin/sh\nu:x:4001:4001::/home/u:/bin/sh\n");
  m.write(`${scratch}/jail/etc/group`, "root:x:0:\nu:x:4001:\n");
  expect(inside("4001:4001", "/usr/sbin/jk_chrootsh", "-c", "echo in $PWD; echo /*")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("in /home/u\n"),
  });
});

test("with its scripts: install, login, a kept file, the next version, and removal", async () => {
  const shells = m.read("/etc/shells");
  rpm("-i", ...rpms);
  expect(m.read("/etc/shells")).toBe(`${shells}/usr/sbin/jk_chrootsh\n`);
  for (const path of entries) expect(privilegeOf(m, path)).toBe("root:root 755 cap_sys_chroot=ep");

  const { uid } = m.ids(account);
  expect(uid).toBeLessThan(1000);
  const group = m.must(["getent", "group", "jailed"]).stdout;
  expect(group).toMatch(/^jailed:[^:]*:[1-9]\d{0,2}:\n$/);

  m.mkdir(jail);
  m.must(["jk_init", "-j", jail, "basicshell"]);
  m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "u"]);
  m.must(["usermod", "-p", "*", "u"]);
  const sshd = await m.startSshd();
  expect(sshd.ssh("u", ["echo $PWD"])).toMatchObject({ status: 0, stdout: "/home/u\n" });

  const edited = "[DEFAULT]\nenv = TERM\n";
  m.write("/etc/jailkit/jk_chrootsh.ini", edited);
  m.chmod("/etc/jailkit/jk_chrootsh.ini", 0o664);
  expect(sshd.ssh("u", ["true"]).status).not.toBe(0);
  const said = rpm("-U", "--replacepkgs", "--replacefiles", ...rpms);
  expect(said.stderr + said.stdout).toContain(
    "'/etc/jailkit/jk_chrootsh.ini' can be written by its group or by others; copy it to a file of root's, read the copy, and move that over it [unsafe-file]",
  );
  m.chmod("/etc/jailkit/jk_chrootsh.ini", 0o644);
  expect(m.read("/etc/jailkit/jk_chrootsh.ini")).toBe(edited);
  expect(m.read("/etc/shells")).toBe(`${shells}/usr/sbin/jk_chrootsh\n`);
  for (const path of entries) expect(privilegeOf(m, path)).toBe("root:root 755 cap_sys_chroot=ep");
  expect(sshd.ssh("u", ["echo $PWD"])).toMatchObject({ status: 0, stdout: "/home/u\n" });

  expect(m.ids(account).uid).toBe(uid);
  const inside = m.snapshot(jail);
  expect(rpm("-e", "jailkit-procmail", "jailkit").stderr).toContain(
    "jailkit: these accounts have jk_chrootsh as their shell, and cannot log in without it:\njailkit:     u\n",
  );
  expect(m.must(["getent", "group", "jailed"]).stdout).toBe(group);
  expect(m.read("/etc/shells")).toBe(shells);
  for (const folder of ["/usr/sbin", "/usr/bin"])
    expect(m.list(folder).filter((name) => /^j(?:k_|ailkit)/.test(name))).toEqual([]);
  expect(m.list("/etc/jailkit")).toContain("jk_chrootsh.ini.rpmsave");
  expect(m.exists("/etc/jailkit/jails.d")).toBe(false);
  rpm("-i", ...rpms);
  m.write("/etc/jailkit/jails.d/one.ini", "");
  rpm("-e", "jailkit-procmail", "jailkit");
  expect(m.list("/etc/jailkit/jails.d")).toEqual(["one.ini"]);
  expect(m.snapshot(jail)).toEqual(inside);
});
