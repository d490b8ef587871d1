/**
 * What ISPConfig does with jailkit, step by step, with the statuses that it relies on: sites of two customers get a shell
 * user, are updated, are logged in to by ssh, sftp and scp, lose the shell user with all of the jail, and get it again.
 * In the old order jk_jailuser comes before usermod, in the new one after it.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type Sshd, underTest } from "../machine/machine.ts";
import { expectedOf } from "./cases.ts";

setDefaultTimeout(300_000);

const ours = underTest === "ours";
const SECTIONS = ["coreutils", "basicshell", "extendedshell", "ssh", "sftp", "scp", "jk_lsh"];
const PROGRAMS = (
  "/usr/bin/groups /usr/bin/id /usr/bin/dircolors /usr/bin/lesspipe /usr/bin/basename /usr/bin/nano /usr/bin/none " +
  "/bin/tar /bin/rm /usr/bin/patch"
).split(" ");

interface Site {
  /** The document root, which is the jail. */
  readonly root: string;
  readonly client: number;
  readonly web: string;
  readonly shell: string;
  readonly uid: number;
  readonly order: "old" | "new";
  readonly hardlink: boolean;
}

const site = (number: number, order: Site["order"], hardlink: boolean): Site => ({
  root: `/var/www/clients/client${number}/web${number}`,
  client: 6000 + number,
  web: `web${number}`,
  shell: `c${number}u`,
  uid: 5000 + number,
  order,
  hardlink,
});
const SITES = [site(1, "new", false), site(2, "old", true)];

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  sshd = await m.startSshd();
  for (const one of SITES) makeSite(one);
});
afterAll(async () => m?.close());

/** A site without a shell user. */
function makeSite({ root, client, web, uid }: Site): void {
  m.must(["groupadd", "-g", String(client), `client${client - 6000}`]);
  m.must(["mkdir", "-p", root]);
  m.must(["useradd", "-u", String(uid), "-g", String(client), "-d", root, "-s", "/bin/false", web]);
  for (const [name, mode, owner] of [
    ["web", 0o711, uid],
    ["private", 0o710, uid],
    ["tmp", 0o770, uid],
    ["cgi-bin", 0o755, uid],
    ["log", 0o750, 0],
    ["ssl", 0o755, 0],
  ] as const) {
    m.mkdir(`${root}/${name}`);
    m.chown(`${root}/${name}`, owner, owner === 0 ? 0 : client);
    m.chmod(`${root}/${name}`, mode);
  }
  m.write(`${root}/web/index.php`, `the site ${web}`, { owner: [uid, client] });
  m.write(`${root}/private/secret`, `of ${web}`, { mode: 0o600, owner: [uid, client] });
  m.must(["chattr", "+i", root]);
}

/** Calls one of jailkit's tools, and expects 0, nothing of an error on stderr, and that it ends. */
function tool(...words: string[]) {
  const result = m.run(words);
  expect([words, result.status]).toEqual([words, 0]);
  // Warnings of ours begin with the tool's name and "warning"; 2.23 mixes all kinds of messages.
  const errors = result.stderr.split("\n").filter((line) => line !== "" && !line.includes(": warning: "));
  if (ours) expect([words, errors]).toEqual([words, []]);
  return result;
}

const options = ({ hardlink }: Site) => (hardlink ? ["-k"] : []);

/** Its tmp, as it is after each create and each update. */
function openTmp({ root, uid, client }: Site): void {
  m.mkdir(`${root}/tmp`);
  m.chown(`${root}/tmp`, uid, client);
  m.chmod(`${root}/tmp`, 0o770);
}

function fill(one: Site, ...force: string[]): void {
  const { root } = one;
  const { stdout, stderr } = tool("jk_init", ...options(one), ...force, "-j", root, ...SECTIONS);
  expect(stdout + stderr).toMatch(/section '?coreutils'? does not exist in \/etc\/jailkit\/jk_init\.ini/);
  openTmp(one);
  for (const program of PROGRAMS)
    if (m.exists(program)) tool("jk_cp", ...options(one), ...force, "-j", root, program);
}

/** Shell users and the web user live in the jail. */
function jail({ root, web, shell, order, uid, client }: Site): void {
  const users = [shell, web];
  const home = (name: string) => ["usermod", "--home", `${root}/./home/${name}`, name];
  const jailed = () => users.map((name) => tool("jk_jailuser", "-n", "-s", "/bin/bash", "-j", root, name));
  if (order === "old") jailed();
  for (const name of users) m.must(home(name));
  if (order === "new") jailed();
  for (const name of users) m.must([...home(name), "--shell", "/usr/sbin/jk_chrootsh"]);
  for (const name of users) {
    m.mkdir(`${root}/home/${name}`);
    m.chown(`${root}/home/${name}`, uid, client);
    m.chmod(`${root}/home/${name}`, 0o750);
  }
}

/** Creates a shell user with its jail. */
function create(one: Site): void {
  const { root, shell, uid, client } = one;
  m.must(["chattr", "-i", root]);
  m.chmod(root, 0o755);
  const ids = ["-o", "-u", String(uid), "-g", String(client)];
  m.must(["useradd", ...ids, "-d", root, "-s", "/bin/false", "-p", "*", shell]);
  if (!m.exists(`${root}/etc/jailkit`)) fill(one);
  m.write(`${root}/etc/bash.bashrc`, "# of the panel\n");
  m.write(`${root}/var/run/motd`, "");
  m.must(["touch", `${root}/etc/passwd`]);
  jail(one);
  m.must(["chattr", "+i", root]);
}

function update(one: Site): void {
  const { root } = one;
  m.must(["chattr", "-i", root]);
  const skips = ["/web", "/private", "/tmp", "/log"].map((path) => `--skip=${path}`);
  // Lines such as "removing outdated file ..." are parsed.
  tool("jk_update", "-j", root, ...options(one), "-d", ...skips);
  tool("jk_update", "-j", root, ...options(one), ...skips);
  fill(one, "-f");
  m.must(["chattr", "+i", root]);
}

/** Removes the shell user and, as it was the last one, the chroot. */
function remove({ root, shell, web }: Site): void {
  m.must(["chattr", "-i", root]);
  m.must(["userdel", "-f", shell]);
  m.must(["usermod", "-d", root, "-s", "/bin/false", web]);
  const file = `${root}/etc/passwd`;
  m.write(file, m.read(file).replace(new RegExp(`^${shell}:.*\n`, "m"), ""));
  m.must(["sh", "-c", `cd ${root} && rm -rf bin dev etc lib lib32 lib64 opt sys usr var`]);
  m.must(["rmdir", `${root}/home/${shell}`, `${root}/home/${web}`]);
  m.must(["chattr", "+i", root]);
}

/** What the shell user can do: by ssh, sftp, scp, and as the user of cron jobs. */
function expectLogin(one: Site): void {
  const { root, shell, web, uid, client } = one;
  const ssh = (...words: string[]) => sshd.ssh(shell, words);
  // Two names have the uid: the first in the jail's passwd is shown.
  expect(ssh("id -u; id -g; pwd; echo x > /tmp/f; cat /tmp/f; rm /tmp/f")).toMatchObject({
    status: 0,
    stdout: `${uid}\n${client}\n/home/${shell}\nx\n`,
    stderr: "",
  });
  m.write("/root/batch", "put /etc/hostname /web/up\nget /web/index.php /root/got\nrm /web/up\n");
  expect(m.run(["sftp", ...sshd.clientOptions, "-b", "/root/batch", `${shell}@127.0.0.1`]).status).toBe(0);
  expect(m.read("/root/got")).toBe(`the site ${web}`);
  const scp = ["scp", ...sshd.clientOptions, `${shell}@127.0.0.1:/private/secret`, "/root/got"];
  expect(m.run(scp)).toMatchObject({ status: 0 });
  const job = m.run(["jk_chrootsh", "-c", "pwd; echo done > /tmp/cron && rm /tmp/cron"], {
    user: web,
    env: { USER: web },
  });
  expect(job).toMatchObject({ status: 0, stdout: `/home/${web}\n` });
  expect(m.stat(`${root}/tmp`)).toMatchObject({ uid, gid: client, mode: 0o040770 });
}

/** The site's own files, which nothing may change. */
const content = ({ root }: Site) =>
  ["web", "private", "cgi-bin", "log", "ssl"].map((name) => m.snapshot(`${root}/${name}`));

describe.each(
  SITES.map((one) => [`${one.order} order, ${one.hardlink ? "hard links" : "copies"}`, one] as const),
)("%s", (_, one) => {
  // 2.23 writes an empty home into the jail where the jail itself is the home, and refuses the login.
  const works = () =>
    expectedOf({ debian: one.order === "new", ours: true, difference: "jailuser-jail-as-home" });
  let before: ReturnType<typeof content>;

  test("create", () => {
    before = content(one);
    create(one);
    if (one.order === "new" || works()) expectLogin(one);
    expect(content(one)).toEqual(before);
  });

  test("the customers see nothing of each other", () => {
    if (one.order === "old" && !works()) return;
    const [other = one] = SITES.filter((each) => each !== one);
    const tried = `ls ${other.root} /var/www; cat ${other.root}/private/secret /private/../../web${other.web}/private/secret; find / -xdev -name secret`;
    const { stdout } = sshd.ssh(one.shell, [tried]);
    expect(stdout).toBe("/private/secret\n");
    const out = sshd.ssh(one.shell, ["ln -s ../../../../../root/secret /tmp/out; cat /tmp/out; rm /tmp/out"]);
    expect(out.stdout).toBe("");
    // The jail's own directories are root's.
    const write = "for d in / /etc /usr /usr/bin /dev /lib /home; do touch $d/x 2>/dev/null && echo $d; done";
    expect(sshd.ssh(one.shell, [write]).stdout).toBe("");
  });

  test("update, with a program that has changed", () => {
    m.write("/usr/bin/patch", "#!/bin/sh\necho changed\n", { mode: 0o755 });
    m.remove(`${one.root}/usr/bin/patch`);
    m.write(`${one.root}/usr/bin/patch`, "old", { mode: 0o755 });
    update(one);
    expect(m.read(`${one.root}/usr/bin/patch`)).toContain("changed");
    if (one.order === "new" || works()) expectLogin(one);
    expect(content(one)).toEqual(before);
  });

  if (ours) {
    test("nothing is left to do afterwards, and nothing is wrong but what the panel has made", () => {
      expect(m.run(["jk_update", "--check", "-j", one.root])).toMatchObject({ status: 0, stderr: "" });
      m.must(["chattr", "-i", one.root]);
      m.must(["jk_update", "--all"]);
      expectLogin(one);
      const shown = m.run(["jk_check", one.root]).stdout;
      m.must(["chattr", "+i", one.root]);
      const lines = shown.split("\n").filter((line) => /^(?:ERROR|WARNING)/.test(line));
      expect(lines.filter((line) => !line.includes(`${one.root}/tmp/ is writable for group!`))).toEqual([]);
      expect(m.must(["jailkit", "list", one.root]).stdout).toContain(" ready ");
      expect(m.run(["jailkit", "explain", one.shell]).stdout).not.toContain("failed");
    });
  }

  test("delete", () => {
    remove(one);
    expect(m.list(one.root).sort()).toEqual("cgi-bin home log private ssl tmp web".split(" "));
    expect(content(one)).toEqual(before);
    expect(sshd.ssh(one.shell, ["true"]).status).toBe(255);
  });

  if (ours) {
    test("the deleted jail does not come back", () => {
      const left = m.snapshot(one.root);
      expect(m.run(["jk_update", "--all"])).toMatchObject({
        status: 0,
        stderr: expect.stringContaining(`${one.root} is emptied`),
      });
      expect(m.run(["jk_check", "--fix", one.root]).stdout).toContain("is emptied");
      expect(m.run(["jailkit", "list", one.root])).toMatchObject({
        status: 0,
        stdout: expect.stringContaining(" emptied "),
      });
      expect(m.snapshot(one.root)).toEqual(left);
    });
  }

  test("create again, months later", () => {
    create(one);
    if (one.order === "new" || works()) expectLogin(one);
    if (ours) {
      expect(m.must(["jailkit", "list", one.root]).stdout).toContain(" ready ");
      expect(m.run(["jk_update", "--check", "-j", one.root]).status).toBe(0);
    }
    expect(content(one)).toEqual(before);
  });

  if (ours) {
    test("and deleted for good, with the record", () => {
      remove(one);
      expect(m.run(["jailkit", "forget", one.root])).toMatchObject({ status: 0, stderr: "" });
      expect(m.must(["jailkit", "list"]).stdout).not.toContain(one.root);
      expect(content(one)).toEqual(before);
    });
  }
});
