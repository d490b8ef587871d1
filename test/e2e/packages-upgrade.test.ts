/**
 * The upgrade from Debian's jailkit 2.23, and back: an existing jail, its users and the edited files work before, at
 * every step of it, and after.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine, type RunResult, type Sshd } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { bring, oldPackage, packages, privilegeOf, repository, stateOf } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const jail = "/home/jail";
const newer = "/home/newer";
const chrootsh = "/usr/sbin/jk_chrootsh";
const uchroot = "/usr/bin/jk_uchroot";
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
// System calls that create, change or remove a name or its privilege.
const calls = ["rename", "renameat", "renameat2", "fchmodat", "fsetxattr"];
const keep = ["--force-confdef", "--force-confold"];
const unsafe =
  "error: '/etc/jailkit/jk_check.ini' can be written by its group or by others; copy it to a file of root's, read the copy, and move that over it [unsafe-file]";
const edits: Record<string, string> = {
  "jk_chrootsh.ini": "\n[DEFAULT]\nenv = TERM, TESTED\n",
  "jk_uchroot.ini": `\n[visitor]\nallowed_jails = ${jail}\n`,
};

let m: Machine;
let sshd: Sshd;
let old: string;
let deb: string;
let before: { names: string[]; bytes: number };

const shell = `${jail}/usr/sbin/jk_lsh`;
const whatOf = ({ status, stdout, stderr }: RunResult) => `${status} ${stderr}${stdout}`;
const sftp = (user: string) =>
  whatOf(m.run(["sftp", ...sshd.clientOptions, "-b", "-", `${user}@127.0.0.1`], { stdin: "pwd\n" }));

const client = (name: string, ...words: string[]) => whatOf(m.run([name, ...sshd.clientOptions, ...words]));
const rsync = (user: string) =>
  whatOf(m.run(["rsync", "-e", sshd.command, "/etc/hostname", `${user}@127.0.0.1:by-rsync`]));

/** What comes of sftp, scp and rsync of an account that may do nothing else. */
const transfers = (user: string) => [
  sftp(user),
  client("scp", "-O", "/etc/hostname", `${user}@127.0.0.1:by-scp`),
  rsync(user),
];
const transferred = (user: string) => [`0 sftp> pwd\nRemote working directory: /home/${user}\n`, "0 ", "0 "];

/** True where rsync, which is listed, starts a program that the user has uploaded, which is not. */
function escapes(): boolean {
  const proof = `${jail}/home/sftpuser/proof`;
  m.remove(proof);
  sshd.ssh("sftpuser", ["rsync -e /home/sftpuser/upload x:y ."]);
  return m.exists(proof);
}

/** All names in the jail but for those in homes, and the bytes that these take on the disk. */
function extent(): { names: string[]; bytes: number } {
  const prune = ["-path", `${jail}/home`, "-prune", "-o"];
  const lines = m
    .must(["find", jail, ...prune, "-printf", "%b %p\\n"])
    .stdout.trim()
    .split("\n")
    .sort();
  const bytes = lines.reduce((sum, line) => sum + 512 * Number.parseInt(line, 10), 0);
  return { names: lines.map((line) => line.slice(line.indexOf(" ") + 1)).sort(), bytes };
}

/** What comes of a login with a shell, of one that may do sftp, scp and rsync alone, and of jk_uchroot. */
function logins(): string[] {
  const login = sshd.ssh("shelluser", ["echo $USER in $PWD; echo /etc/jail*"]);
  const inside = m.run(["jk_uchroot", "-j", jail, "-x", "/bin/bash", "--", "-c", "echo in /*/jailkit"], {
    user: "visitor",
  });
  return [whatOf(login), whatOf(inside), ...transfers("sftpuser")];
}
const fine = [
  "0 shelluser in /home/shelluser\n/etc/jailkit\n",
  "0 in /etc/jailkit\n",
  ...transferred("sftpuser"),
];
/** The system calls after which dpkg, or a script of the package, was stopped and all could log in. */
const seen: string[] = [];
function lookAtLogins(call: string): void {
  const ours = /["<]\/usr\/s?bin\/j(?:ailkit|k_\w+)[">]/.test(call);
  if (!ours && !/^unlinkat\(.*<\/home\/jail\/usr\/sbin>, "jk_lsh", 0\) = 0/.test(call)) return;
  expect([call, ...logins()]).toEqual([call, ...fine]);
  seen.push(call);
}

/** Each file that was edited is as it was left, and with the default of no version. */
function expectEdits(): void {
  for (const [name, text] of Object.entries(edits)) expect(m.read(`/etc/jailkit/${name}`)).toEndWith(text);
}

beforeAll(async () => {
  m = await openMachine();
  old = oldPackage(m);
  [deb = ""] = bring(m, "/root", packages().deb);
  m.write("/etc/shells", `${m.read("/etc/shells")}${chrootsh}\n`);
  m.mkdir(jail);
  // All by 2.23.
  m.must(["jk_init", "-j", jail, "basicshell", "jk_lsh", "sftp", "scp", "rsync"]);
  for (const [name, shell] of [
    ["shelluser", "/bin/bash"],
    ["sftpuser", "/usr/sbin/jk_lsh"],
  ] as const) {
    m.addUser(name, { home: `/home/${name}`, createHome: true });
    m.must(["jk_jailuser", "-m", "-j", jail, "-s", shell, name]);
  }
  const { uid, gid } = m.addUser("visitor");
  m.write(
    `${jail}/etc/passwd`,
    `${m.read(`${jail}/etc/passwd`)}visitor:x:${uid}:${gid}::/home/visitor:/bin/bash\n`,
  );
  m.write(`${jail}/etc/group`, `${m.read(`${jail}/etc/group`)}visitor:x:${gid}:\n`);
  m.write(
    `${jail}/etc/jailkit/jk_lsh.ini`,
    "[sftpuser]\npaths = /usr/bin\nexecutables = /usr/lib/openssh/sftp-server, /usr/bin/scp, /usr/bin/rsync, /usr/bin/git-receive-pack\n",
  );
  m.must(["git", "init", "-q", "--bare", `${jail}/home/sftpuser/r.git`]);
  m.write(`${jail}/home/sftpuser/r.git/hooks/update`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const sftpuser = m.ids("sftpuser");
  m.write(`${jail}/home/sftpuser/upload`, "#!/bin/sh\n: > /home/sftpuser/proof\n", {
    mode: 0o755,
    owner: [sftpuser.uid, sftpuser.gid],
  });
  for (const [name, text] of Object.entries(edits))
    m.write(`/etc/jailkit/${name}`, m.read(`/etc/jailkit/${name}`) + text);
  // Only root could read them, and 2.23 was root.
  for (const name of Object.keys(edits)) m.chmod(`/etc/jailkit/${name}`, 0o600);
  // As some leave it; no login needs this one.
  m.chmod("/etc/jailkit/jk_check.ini", 0o666);
  sshd = await m.startSshd();
});
afterAll(() => m?.close());

test("with 2.23 all logins work", () => {
  expect(stateOf(m, "jailkit")).toStartWith("ii  2.23-");
  expect(privilegeOf(m, chrootsh)).toBe("root:root 4755");
  expect(logins()).toEqual(fine);
  expect(escapes()).toBe(true);
  before = extent();
});

test("while the new files are unpacked, all logins work at every step", async () => {
  const result = await runWithStops(m, ["dpkg", ...keep, "--unpack", deb], { calls, env }, lookAtLogins);
  expect(result).toMatchObject({ status: 0 });
  for (const name of Object.keys(edits)) {
    expect(result.stderr).toContain(`made /etc/jailkit/${name} readable for everyone`);
    expect(m.stat(`/etc/jailkit/${name}`)?.mode).toBe(0o100604);
  }
  expect(stateOf(m, "jailkit")).toMatch(/^iU +3\./);
  const renamed = seen.flatMap((call) => /^rename\(.*, "(.*)"\) = 0$/.exec(call)?.[1] ?? []);
  // An entry comes after what it starts: one of them by its name, and the other when the package is configured.
  expect(renamed[0]).toBe("/usr/sbin/jailkit");
  expect(renamed).toContain(chrootsh);
  expect(renamed).toContain("/usr/sbin/jk_lsh");
  expect(renamed).not.toContain(uchroot);
  expect(m.exists(`${uchroot}.jailkit-3`)).toBe(true);
  expect(privilegeOf(m, chrootsh)).toBe("root:root 4755");
  expect(privilegeOf(m, uchroot)).toBe("root:root 4755");
});

test("while it is configured, too; then the entries have a capability and no setuid bit", async () => {
  seen.length = 0;
  const configure = ["dpkg", ...keep, "--configure", "jailkit"];
  const result = await runWithStops(m, configure, { calls: [...calls, "unlinkat"], env }, lookAtLogins);
  expect(result).toMatchObject({ status: 0 });
  expect(result.stdout).toContain(`removing ${shell}, the jk_lsh of jailkit 2`);
  expect(result.stderr).toContain("hooks do not run in '/home/sftpuser/r.git' (update); let root keep them");
  expect(result.stderr).toContain(unsafe);
  expect(stateOf(m, "jailkit")).toMatch(/^ii +3\./);
  expect([m.exists(`${uchroot}.jailkit-3`), m.must(["dpkg-divert", "--list", uchroot]).stdout]).toEqual([
    false,
    "",
  ]);
  expect(seen.flatMap((call) => /^(\w+)\(.* = 0$/.exec(call)?.[1] ?? [])).toEqual([
    "renameat",
    "fsetxattr",
    "fchmodat",
    "fsetxattr",
    "fchmodat",
    "unlinkat",
  ]);
  for (const path of [chrootsh, uchroot])
    expect(privilegeOf(m, path)).toBe("root:root 755 cap_sys_chroot=ep");
  expect(logins()).toEqual(fine);
});

test("the jail has lost only the jk_lsh of 2.23, and the way that it left open is closed", () => {
  const after = extent();
  expect(after.names).toEqual(before.names.filter((name) => name !== shell));
  expect(after.bytes).toBeLessThanOrEqual(before.bytes);
  expect(escapes()).toBe(false);
  const { stdout } = m.must(["jk_update", "-j", jail, "--json"]);
  expect(reportOf(updateReportSchema, stdout).jails).toMatchObject([{ state: "up-to-date" }]);
  expect(extent()).toEqual(after);
});

test("edited files are kept, and the others are those of the new version", () => {
  expectEdits();
  expect(m.list("/etc/jailkit").filter((name) => name.endsWith(".dpkg-dist"))).toEqual([
    "jk_chrootsh.ini.dpkg-dist",
    // by jk_init of 2.23
    "jk_socketd.ini.dpkg-dist",
    "jk_uchroot.ini.dpkg-dist",
  ]);
  expect(m.read("/etc/jailkit/jk_socketd.ini")).toContain(`[${jail}/dev/log]`);
  const defaults = readFileSync(join(checkout, "config/jk_init.ini"), "latin1");
  expect(m.read("/etc/jailkit/jk_init.ini")).toBe(defaults);
  expect(m.exists("/usr/share/jailkit")).toBe(false);
  expect(m.read("/etc/shells").match(/jk_chrootsh/g)).toHaveLength(1);
});

test("the jail can be worked on with the new tools", () => {
  m.must(["jk_init", "-j", jail, "scp"]);
  expect(m.exists(`${jail}/usr/bin/scp`)).toBe(true);
  m.addUser("third", { home: "/home/third", createHome: true });
  m.must(["jk_jailuser", "-m", "-j", jail, "-s", "/bin/bash", "third"]);
  expect(sshd.ssh("third", ["echo $PWD"]).stdout).toBe("/home/third\n");
});

test("a new jail has no shell of its own", () => {
  m.mkdir(newer);
  for (const section of ["jk_lsh", "sftp"]) m.must(["jk_init", "-j", newer, section]);
  m.must(["jk_addjailuser", "-j", newer, "fourth"]);
  m.must(["usermod", "-p", "*", "fourth"]);
  m.write(`${newer}/etc/jailkit/jk_lsh.ini`, "[fourth]\nexecutables = /usr/lib/openssh/sftp-server\n");
  expect(m.exists(`${newer}/usr/sbin/jk_lsh`)).toBe(false);
  expect(sftp("fourth")).toBe("0 sftp> pwd\nRemote working directory: /home/fourth\n");
});

test("the same version again, from a capability to a capability, at every step", async () => {
  seen.length = 0;
  const result = await runWithStops(m, ["dpkg", ...keep, "-i", deb], { calls, env }, lookAtLogins);
  expect(result).toMatchObject({ status: 0 });
  expect(seen.length).toBeGreaterThan(10);
  // Told again for as long as it is so.
  expect(result.stderr).toContain(unsafe);
  expect(privilegeOf(m, chrootsh)).toBe("root:root 755 cap_sys_chroot=ep");
  expect(logins()).toEqual(fine);
});

test("apt-get --allow-downgrades restores 2.23, and prints what the jails then need", () => {
  const version = m.must(["dpkg-deb", "-f", old, "Version"]).stdout.trim();
  const apt = repository(m, "/root/repository", old, deb);
  const result = m.run(apt("install", "--allow-downgrades", `jailkit=${version}`), { env });
  expect(result).toMatchObject({ status: 0 });
  expect(result.stderr + result.stdout).toContain("jk_init -j JAIL jk_lsh");
  expect(stateOf(m, "jailkit")).toBe(`ii  ${version}`);
  expect(m.exists("/usr/sbin/jailkit")).toBe(false);
  expect(privilegeOf(m, chrootsh)).toBe("root:root 4755");
  expect(m.must(["file", "-b", "/usr/sbin/jk_init"]).stdout).toContain("Python script");
  expectEdits();
  expect(logins().slice(0, 2)).toEqual(fine.slice(0, 2));
  expect(sshd.ssh("third", ["echo $PWD"]).stdout).toBe("/home/third\n");
});

test("what it printed is right for all jails", () => {
  expect(sftp("sftpuser")).not.toStartWith("0 ");
  m.must(["jk_init", "-j", jail, "jk_lsh"]);
  expect(logins()).toEqual(fine);
  expect(sftp("fourth")).not.toStartWith("0 ");
  m.must(["jk_init", "-j", newer, "jk_lsh"]);
  expect(sftp("fourth")).toBe("0 sftp> pwd\nRemote working directory: /home/fourth\n");
});

test("apt-get upgrades in one go", () => {
  const apt = repository(m, "/root/repository", old, deb);
  expect(m.run(apt("install", "jailkit"), { env })).toMatchObject({ status: 0 });
  expect(stateOf(m, "jailkit")).toMatch(/^ii +3\./);
  expectEdits();
  expect([m.exists(shell), m.exists(`${newer}/usr/sbin/jk_lsh`), escapes()]).toEqual([false, false, false]);
  expect(logins()).toEqual(fine);
});
