/** install-tools: what it installs where, what it keeps, and that --uninstall leaves nothing. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { account, makeAccount } from "../machine/log-relay.ts";
import { ensureBuilt, type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const checkout = join(import.meta.dir, "../..");
let m: Machine;

beforeAll(async () => {
  ensureBuilt(["jailkit", "jk_chrootsh", "jk_procmailwrapper", "jk_uchroot"]);
  m = await openMachine();
});

afterAll(() => m?.close());

const install = (...words: string[]) =>
  m.run([process.execPath, join(checkout, "build/install.ts"), ...words], { cwd: checkout });
const defaults = readdirSync(join(checkout, "config")).filter((name) => name.endsWith(".ini"));

test("everything is in its place, with owners, modes and the capability", () => {
  m.mkdir("/dest/etc");
  m.write("/dest/etc/shells", "/bin/sh\n");
  expect(install("--destdir", "/dest")).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const shared = m.stat("/dest/usr/sbin/jailkit");
  expect(shared).toMatchObject({ uid: 0, gid: 0, mode: 0o100755 });
  for (const name of ["jk_init", "jk_cp", "jk_jailuser", "jk_addjailuser", "jk_lsh"]) {
    expect(m.stat(`/dest/usr/sbin/${name}`)?.ino).toBe(shared?.ino as bigint);
  }
  for (const path of ["/dest/usr/sbin/jk_chrootsh", "/dest/usr/bin/jk_uchroot"]) {
    expect(m.stat(path)).toMatchObject({ uid: 0, gid: 0, mode: 0o100755 });
    expect(m.stat(path)?.ino).not.toBe(shared?.ino as bigint);
    expect(m.must(["getcap", path]).stdout).toBe(`${path} cap_sys_chroot=ep\n`);
  }
  for (const name of defaults) expect(m.stat(`/dest/etc/jailkit/${name}`)).toMatchObject({ mode: 0o100644 });
  expect(m.stat("/dest/etc/jailkit/jails.d")).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
  expect(m.read("/dest/etc/shells")).toBe("/bin/sh\n/usr/sbin/jk_chrootsh\n");
  expect(m.must(["/dest/usr/sbin/jk_init", "--version"]).stdout).toStartWith("jk_init (jailkit) 3.");
});

test("a second run changes nothing, and an edited file stays", () => {
  m.write("/dest/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutables = /bin/true\n");
  const result = install("--destdir", "/dest");
  expect(result.status).toBe(0);
  expect(result.stdout).toContain("jk_lsh.ini: kept unchanged");
  expect(m.read("/dest/etc/jailkit/jk_lsh.ini")).toBe("[DEFAULT]\nexecutables = /bin/true\n");
  expect(m.exists("/dest/etc/jailkit/jk_lsh.ini.dist")).toBe(true);
  expect(m.read("/dest/etc/shells")).toBe("/bin/sh\n/usr/sbin/jk_chrootsh\n");
  expect(m.list("/dest/usr/sbin").filter((name) => name.startsWith("."))).toEqual([]);
});

test("a default of an earlier version that nobody edited is replaced", () => {
  const record = JSON.parse(m.read("/dest/var/lib/jailkit/installed.json"));
  const old = "# an old default\n";
  record.configuration["jk_update.ini"] = new Bun.CryptoHasher("sha256").update(old).digest("hex");
  m.write("/dest/var/lib/jailkit/installed.json", JSON.stringify(record));
  m.write("/dest/etc/jailkit/jk_update.ini", old);
  expect(install("--destdir", "/dest").status).toBe(0);
  expect(m.read("/dest/etc/jailkit/jk_update.ini")).not.toBe(old);
});

test("--uninstall removes what was installed, and no edited file", () => {
  expect(install("--destdir", "/dest", "--uninstall").status).toBe(0);
  expect(m.list("/dest")).toEqual(["etc"]);
  expect(m.list("/dest/etc/jailkit")).toEqual(["jk_lsh.ini"]);
  expect(m.read("/dest/etc/shells")).toBe("/bin/sh\n");
});

test("manual pages and completions are where man and the shells look for them", () => {
  expect(install("--destdir", "/d3").status).toBe(0);
  const share = "/d3/usr/share";
  const shown = m.must(["man", "-P", "cat", `${share}/man/man8/jk_init.8`], {
    env: { PATH: "/usr/bin:/bin", MANWIDTH: "80" },
  });
  expect(shown.stdout).toContain("jk_init");
  expect(m.must(["man", "-M", `${share}/man`, "-w", "jk_lsh.ini"]).stdout).toBe(
    `${share}/man/man5/jk_lsh.ini.5\n`,
  );
  const bash = `${share}/bash-completion/completions`;
  expect(m.stat(`${bash}/jk_init`)?.ino).toBe(m.stat(`${bash}/jailkit`)?.ino as bigint);
  expect(m.must(["bash", "-n", `${bash}/jk_init`])).toMatchObject({ stdout: "", stderr: "" });
  expect(m.must(["zsh", "-n", `${share}/zsh/site-functions/_jailkit`])).toMatchObject({
    stdout: "",
    stderr: "",
  });
  expect(m.must(["fish", "-n", `${share}/fish/vendor_completions.d/jk_cp.fish`]).stderr).toBe("");
});

test("--uninstall leaves the file tree as it was, below --destdir and on the machine", () => {
  const pruned = ["(", "-path", "/var/cache", "-o", "-path", "/var/tmp", ")", "-prune", "-o"];
  const listing = (...folders: string[]) =>
    m.must(["find", ...folders, ...pruned, "-printf", "%M %U:%G %p %l\\n"]).stdout;
  m.mkdir("/bare");
  m.mkdir("/full/usr/share/zsh/site-functions");
  m.write("/full/etc/shells", "/bin/sh\n");
  for (const place of ["/bare", "/full"]) {
    const before = listing(place);
    for (const words of [["--with-procmail"], []])
      expect(install("--destdir", place, ...words).status).toBe(0);
    expect(listing(place)).not.toBe(before);
    expect(install("--destdir", place, "--uninstall")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(listing(place)).toBe(before);
  }
  expect(m.read("/full/etc/shells")).toBe("/bin/sh\n");

  // Debian's jailkit would lend it directories and programs. The account stays, and useradd(8) leaves copies of what it
  // changed: there they are from the start.
  m.must(["dpkg", "--purge", "jailkit"]);
  makeAccount(m);
  m.remove("/usr/lib/sysusers.d/jailkit.conf");
  const machine = () => listing("/etc", "/opt", "/srv", "/usr", "/var");
  const before = machine();
  expect(install("--with-procmail").status).toBe(0);
  expect(machine()).not.toBe(before);
  // What a jail adds to files of the host goes with the jail.
  m.must(["jk_init", "-j", "/srv/once", "processes"]);
  m.must(["jailkit", "delete", "--yes", "/srv/once"]);
  expect(install("--uninstall")).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(machine()).toBe(before);
  m.must(["userdel", account]);
  m.must(["groupdel", "jailed"]);
});

test("--uninstall names the accounts that cannot log in without it, and how they get another shell", () => {
  const passwd = m.read("/etc/passwd");
  expect(install().status).toBe(0);
  const line = (name: string, shell: string) =>
    `${name}:x:5001:5001::/srv/jail/./home/x:/usr/sbin/${shell}\n`;
  const many = Array.from({ length: 25 }, (_, index) => line(`user${index}`, "jk_chrootsh"));
  const all = [line("b\x1b[2J\xe4", "jk_chrootsh"), ...many, line("lima", "jk_lsh")];
  m.write("/etc/passwd", m.read("/etc/passwd") + all.join(""));
  // Of those of another root directory nothing is known.
  expect(install("--destdir", "/d4").status).toBe(0);
  expect(install("--destdir", "/d4", "--uninstall").stderr).toBe("");
  const { status, stderr } = install("--uninstall");
  expect([status, stderr.split("\n")]).toEqual([
    0,
    [
      "install-tools: these accounts have jk_chrootsh as their shell, and cannot log in without it:",
      "    b\\x1b[2J\\xe4",
      ...Array.from({ length: 19 }, (_, index) => `    user${index}`),
      "    and 6 more",
      "install-tools: while jailkit is installed, 'jk_jailuser -m --unjail -s SHELL USER' moves an account out of its jail.",
      "install-tools: these accounts have jk_lsh as their shell, and cannot log in without it:",
      "    lima",
      "install-tools: 'usermod -s SHELL USER' changes the shell of an account.",
      "",
    ],
  ]);
  expect(m.exists("/usr/sbin/jk_chrootsh")).toBe(false);
  // Where nothing of it is installed, it takes nobody's shell away.
  expect(install("--uninstall")).toMatchObject({ status: 0, stderr: "" });
  m.must(["usermod", "-s", "/bin/sh", "lima"]);
  expect(m.read("/etc/passwd")).toMatch(/^lima:.*:\/bin\/sh$/m);
  m.must(["userdel", account]);
  m.must(["groupdel", "jailed"]);
  m.write("/etc/passwd", passwd);
});

test("what was installed before a failure is removed too", () => {
  // It has no room for the second of the programs.
  m.mkdir("/small");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=150m", "tmpfs", "/small"]);
  const before = m.must(["find", "/small"]).stdout;
  expect(install("--destdir", "/small")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("ENOSPC"),
  });
  expect(m.exists("/small/usr/sbin/jailkit")).toBe(true);
  expect(install("--destdir", "/small", "--uninstall")).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(m.must(["find", "/small"]).stdout).toBe(before);
  m.must(["umount", "/small"]);
});

test("on a file system without capabilities it is setuid root, and reports this", () => {
  m.mkdir("/plain");
  m.must(["mount", "-t", "ramfs", "-o", "mode=0755", "ramfs", "/plain"]);
  const result = install("--destdir", "/plain");
  expect(result.stderr).toBe("");
  expect(result.status).toBe(0);
  expect(result.stdout).toContain("setuid root instead");
  expect(m.stat("/plain/usr/sbin/jk_chrootsh")).toMatchObject({ uid: 0, mode: 0o104755 });
  m.must(["umount", "/plain"]);
});

test("onto the machine: the account of the relay and the group of jailed accounts are created, with or without systemd-sysusers", () => {
  const group = () => /^jailed:[^:]*:(\d+):$/m.exec(m.read("/etc/group"))?.[1];
  // Below --destdir that is for the machine which is started from there.
  expect(m.exists("/d1/usr")).toBe(false);
  expect(install("--destdir", "/d1").stdout).toBe("");
  expect(m.exists("/d1/usr/lib/sysusers.d/jailkit.conf")).toBe(true);
  expect(m.read("/etc/passwd")).not.toContain(account);
  expect(group()).toBeUndefined();
  for (const missing of [undefined, "/usr/bin/systemd-sysusers"]) {
    if (missing !== undefined) m.remove(missing);
    m.run(["userdel", account]);
    m.run(["groupdel", "jailed"]);
    expect(install().status).toBe(0);
    const { uid } = m.ids(account);
    const gid = group();
    expect(Number(gid)).toBeGreaterThan(0);
    expect(Number(gid)).toBeLessThan(1000);
    expect(install().status).toBe(0);
    expect([m.ids(account).uid, group()]).toEqual([uid, gid]);
  }
  m.must(["userdel", account]);
  m.must(["groupdel", "jailed"]);
  for (const tool of ["useradd", "groupadd"]) m.rename(`/usr/sbin/${tool}`, `/usr/sbin/${tool}.away`);
  const { status, stdout } = install();
  expect(status).toBe(0);
  expect(stdout).toContain(`there is no account ${account}; create it with: useradd`);
  expect(stdout).toContain("there is no group jailed; create it with: groupadd --system jailed\n");
  for (const tool of ["useradd", "groupadd"]) m.rename(`/usr/sbin/${tool}.away`, `/usr/sbin/${tool}`);
  // One that the administrator made, as for jailkit 2, is the same group.
  m.must(["groupadd", "-g", "3456", "jailed"]);
  expect(install().status).toBe(0);
  expect(install("--uninstall").status).toBe(0);
  expect(group()).toBe("3456");
  m.must(["groupdel", "jailed"]);
  expect(m.exists("/usr/lib/sysusers.d/jailkit.conf")).toBe(false);
});

test("--prefix and --sysconfdir change where files go", () => {
  const words = ["--destdir", "/d2", "--prefix", "/opt/jk", "--sysconfdir", "/opt/jk/etc"];
  expect(install(...words).status).toBe(0);
  expect(m.exists("/d2/opt/jk/sbin/jk_chrootsh")).toBe(true);
  expect(m.read("/d2/opt/jk/etc/shells")).toBe("/opt/jk/sbin/jk_chrootsh\n");
  expect(m.exists("/d2/opt/jk/etc/jailkit/jk_init.ini")).toBe(true);
  expect(m.exists("/d2/opt/jk/lib/sysusers.d/jailkit.conf")).toBe(true);
});

test.each([[["--prefix", "usr"]], [["--bogus"]], [["operand"]]])("%j is refused", (words) => {
  expect(install(...words).status).toBe(1);
});

test("only root may", () => {
  m.addUser("ordinary");
  const script = join(checkout, "build/install.ts");
  // A checkout that the user cannot even read is refused by the kernel.
  const attempt = () =>
    m.run([process.execPath, script, "--destdir", "/tmp"], { user: "ordinary", cwd: "/tmp" }).status;
  let status = 1;
  try {
    status = attempt();
  } catch (error) {
    expect(String(error)).toContain("Permission denied");
  }
  expect(status).not.toBe(0);
  expect(m.exists("/tmp/usr")).toBe(false);
});
