/** The archive of plain files: its digests, and what its install.sh does. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { VERSION } from "../../src/cli/version.ts";
import { account, makeAccount } from "../machine/log-relay.ts";
import { type Machine, openMachine, type RunOptions } from "../machine/machine.ts";
import { bring, packages, privilegeOf } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const entries = ["/usr/sbin/jk_chrootsh", "/usr/bin/jk_uchroot"];
let m: Machine;
let folder: string;

beforeEach(async () => {
  m = await openMachine();
  m.must(["dpkg", "--purge", "jailkit"]);
  m.must(["rm", "-f", "/usr/bin/procmail"]);
  const [tar = ""] = bring(m, "/root", packages().tar);
  m.must(["tar", "-C", "/root", "-xf", tar]);
  folder = tar.replace(/\.tar\.zst$/, "");
});
afterEach(() => m?.close());

const install = (words: string[], options: RunOptions = {}) =>
  m.run(["sh", `${folder}/install.sh`, ...words], options);

test("into a directory: owners, modes, privileges, one inode of all names", () => {
  expect(install(["/dest"])).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const shared = m.stat("/dest/usr/sbin/jailkit");
  expect(shared).toMatchObject({ uid: 0, gid: 0, mode: 0o100711 });
  for (const name of ["jk_init", "jk_cp", "jk_lsh", "jk_check"])
    expect(m.stat(`/dest/usr/sbin/${name}`)?.ino).toBe(shared?.ino ?? 0n);
  for (const path of entries) expect(privilegeOf(m, `/dest${path}`)).toBe("root:root 755 cap_sys_chroot=ep");
  expect(m.exists("/dest/usr/sbin/jk_procmailwrapper")).toBe(false);
  expect(m.read("/dest/etc/shells")).toBe("/usr/sbin/jk_chrootsh\n");
  expect(m.exists("/dest/usr/lib/sysusers.d/jailkit.conf")).toBe(true);
  expect(m.stat("/dest/etc/jailkit/jails.d")).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
  expect(m.read("/etc/passwd")).not.toContain(account);
  expect(m.must(["find", "/dest", "-name", "*.new"]).stdout).toBe("");
  expect(m.must(["/dest/usr/sbin/jk_cp", "--version"]).stdout).toBe(`jk_cp (jailkit) ${VERSION}\n`);
});

test("onto the machine: an account logs in; a second run changes nothing; an edited file stays", async () => {
  expect(install(["--with-procmail"])).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(privilegeOf(m, "/usr/sbin/jk_procmailwrapper")).toBe("root:root 755 cap_sys_chroot=ep");
  const { uid } = m.ids(account);
  expect(m.must(["getent", "group", "jailed"]).stdout).toMatch(/^jailed:[^:]*:[1-9]\d{0,2}:\n$/);
  m.mkdir("/home/jail");
  m.must(["jk_init", "-j", "/home/jail", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/home/jail", "-s", "/bin/bash", "u"]);
  m.must(["usermod", "-p", "*", "u"]);
  const sshd = await m.startSshd();
  expect(sshd.ssh("u", ["echo $PWD"])).toMatchObject({ status: 0, stdout: "/home/u\n" });

  const shells = m.read("/etc/shells");
  m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\n");
  m.write("/etc/jailkit/jails.d/one.ini", "");
  const again = install([]);
  expect(again).toMatchObject({ status: 0, stdout: "" });
  expect(m.ids(account).uid).toBe(uid);
  expect(again.stderr).toBe(
    "install.sh: /etc/jailkit/jk_lsh.ini is kept; the new default is /etc/jailkit/jk_lsh.ini.dist\n",
  );
  expect(m.read("/etc/jailkit/jk_lsh.ini")).toBe("[DEFAULT]\n");
  expect(m.exists("/etc/jailkit/jk_lsh.ini.dist")).toBe(true);
  expect(m.read("/etc/shells")).toBe(shells);
  expect(sshd.ssh("u", ["echo $PWD"])).toMatchObject({ status: 0, stdout: "/home/u\n" });

  expect(install(["--uninstall"])).toMatchObject({
    status: 0,
    stderr: expect.stringContaining("cannot log in without it:\ninstall.sh:     u\n"),
  });
  for (const place of ["/usr/sbin", "/usr/bin"])
    expect(m.list(place).filter((name) => /^j(?:k_|ailkit)/.test(name))).toEqual([]);
  expect(m.list("/etc/jailkit")).toEqual(
    ["jails.d", "jk_lsh.ini", "jk_socketd.d"].filter((name) => m.exists(`/etc/jailkit/${name}`)),
  );
  expect(m.read("/etc/shells")).not.toContain("jk_chrootsh");
});

test("--uninstall leaves the file tree as it was, below DESTDIR and on the machine", () => {
  const pruned = ["(", "-path", "/var/cache", "-o", "-path", "/var/tmp", ")", "-prune", "-o"];
  const listing = (...folders: string[]) =>
    m.must(["find", ...folders, ...pruned, "-printf", "%M %U:%G %p %l\\n"]).stdout;
  m.mkdir("/bare");
  m.mkdir("/full/usr/share/zsh/site-functions");
  m.write("/full/etc/shells", "/bin/sh\n");
  for (const place of ["/bare", "/full"]) {
    const before = listing(place);
    for (const words of [["--with-procmail"], []]) expect(install([...words, place]).status).toBe(0);
    expect(listing(place)).not.toBe(before);
    expect(install(["--uninstall", place])).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(listing(place)).toBe(before);
  }
  expect(m.read("/full/etc/shells")).toBe("/bin/sh\n");

  // The account stays, and useradd(8) leaves copies of what it changed: there they are from the start.
  makeAccount(m);
  m.remove("/usr/lib/sysusers.d/jailkit.conf");
  const machine = () => listing("/etc", "/opt", "/srv", "/usr", "/var");
  const before = machine();
  expect(install(["--with-procmail"]).status).toBe(0);
  expect(install(["--uninstall"])).toMatchObject({ status: 0, stderr: "" });
  expect(machine()).toBe(before);
});

test("--help shows the usage to everybody, and changes nothing", () => {
  m.addUser("reader");
  m.must(["chmod", "o+x", "/root"]);
  const result = install(["--help"], { user: "reader" });
  expect(result).toMatchObject({ status: 0, stderr: "" });
  for (const word of ["usage: sh install.sh ", "--with-procmail ", "--uninstall ", "DESTDIR ", "--help "])
    expect(result.stdout).toContain(word);
});

test("without setcap the entries are setuid root", () => {
  m.must(["rm", "/usr/sbin/setcap"]);
  expect(install(["/dest"]).status).toBe(0);
  for (const path of entries) expect(privilegeOf(m, `/dest${path}`)).toBe("root:root 4755");
});

test("a file that was changed in transit is not installed", () => {
  m.write(`${folder}/files/usr/sbin/jk_chrootsh`, "#!/bin/sh\n");
  const result = install(["/dest"]);
  expect(result.status).not.toBe(0);
  expect(result.stdout + result.stderr).toContain("files/usr/sbin/jk_chrootsh");
  expect(m.exists("/dest")).toBe(false);
});

test("only root may install, and only known words are accepted", () => {
  m.addUser("ordinary");
  m.must(["chmod", "o+x", "/root"]);
  expect(install([], { user: "ordinary" })).toMatchObject({
    status: 1,
    stderr: "install.sh: must be run as root\n",
  });
  expect(install(["--bogus"]).status).toBe(1);
  expect(install(["relative"]).status).toBe(1);
});
