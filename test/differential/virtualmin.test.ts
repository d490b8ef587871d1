/**
 * What Virtualmin does with jailkit, step by step, with the statuses that it relies on: a jail for a domain, with the
 * homes of its users bind-mounted into it, filled again every few hours, left, and removed behind jailkit's back.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type Sshd, underTest } from "../machine/machine.ts";
import { expectedOf } from "./cases.ts";

setDefaultTimeout(300_000);

const ours = underTest === "ours";
const JAIL = "/home/chroot/160000001";
const HOME = "/home/owner";
const SECTIONS =
  "perl basicshell extendedshell ssh scp sftp editors netutils php logbasics nosuchsection nothinghere".split(
    " ",
  );

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  sshd = await m.startSshd();
  const ini = "/etc/jailkit/jk_init.ini";
  m.write(ini, `${m.read(ini)}\n[nothinghere]\npaths = /opt/nothing /opt/here\n`);
  m.addUser("owner", { uid: 1500, home: HOME, createHome: true, shell: "/bin/bash" });
  m.write(`${HOME}/public_html/index.html`, "hello\n", { owner: [1500, 1500] });
  m.must([
    "sh",
    "-c",
    `chown -R owner: ${HOME}; chmod 0750 ${HOME}; grep -q jk_chrootsh /etc/shells || echo /usr/sbin/jk_chrootsh >> /etc/shells`,
  ]);
  m.write("/home/mysqld.sock", "");
});
afterAll(async () => m?.close());

/** Runs a tool; Virtualmin ends with an error at any status but 0. */
function tool(...words: string[]) {
  const result = m.run(words);
  expect([words, result.status]).toEqual([words, 0]);
  return result;
}

/** What it does at first, and again every few hours. */
function sync(): string {
  m.mkdir("/home/chroot");
  const said = SECTIONS.map((section) => tool("jk_init", "-f", "-j", JAIL, section));
  said.push(tool("jk_cp", "-j", JAIL, "-f", "/usr/bin/whoami"));
  m.must(["sh", "-ec", `mkdir -p ${JAIL}/tmp; chmod 01777 ${JAIL}/tmp`]);
  m.must(["sh", "-ec", `mkdir -p ${JAIL}/usr/share; cp -rf /usr/share/zoneinfo ${JAIL}/usr/share/`]);
  const writable = `find ${JAIL} -xdev -path ${JAIL}/tmp -prune -o ! -type l -perm -0020 -exec chmod g-w {} +`;
  m.must(["sh", "-ec", writable]);
  return said.map(({ stdout, stderr }) => stdout + stderr).join("");
}

/** The accounts in the jail, as Virtualmin writes them. */
function writeAccounts(): void {
  const system = (file: string) =>
    m
      .read(file)
      .split("\n")
      .filter((line) => Number(line.split(":")[2]) < 500);
  const passwd = [...system("/etc/passwd"), "owner:x:1500:1500::/home/owner:/bin/bash", ""];
  m.write(`${JAIL}/etc/passwd`, passwd.join("\n"));
  m.write(`${JAIL}/etc/group`, [...system("/etc/group"), "owner:x:1500:", ""].join("\n"));
  m.write(`${JAIL}/etc/shadow`, "owner:*:19000:0:99999:7:::\n", { mode: 0o600 });
}

const FSTAB = `${HOME} ${JAIL}${HOME} none bind,defaults 0 0\n`;

function bindHome(): void {
  m.must(["mkdir", "-p", `${JAIL}${HOME}`]);
  m.chmod(`${JAIL}${HOME}`, 0o1363);
  m.must(["mount", "--bind", HOME, `${JAIL}${HOME}`]);
  m.write("/etc/fstab", (m.exists("/etc/fstab") ? m.read("/etc/fstab") : "") + FSTAB);
}

const login = (...command: string[]) => sshd.ssh("owner", command);
const inodes = () => m.must(["find", HOME, "-printf", "%p %i %m %U %s %T@ %C@\\n"]).stdout;

test("a jail is created, section by section", () => {
  const said = sync();
  expect(said).toMatch(
    expectedOf({
      debian: /^WARNING: section nosuchsection does not exist/m,
      ours: /^jk_init: warning: section 'nosuchsection' does not exist/m,
      difference: "messages-named",
    }),
  );
  for (const path of ["/usr/bin/perl", "/usr/bin/bash", "/usr/bin/whoami", "/usr/share/zoneinfo"])
    expect(m.exists(JAIL + path)).toBe(true);
});

test("its user logs in, to the home that is mounted there", () => {
  bindHome();
  writeAccounts();
  m.must(["ln", "/home/mysqld.sock", `${JAIL}/tmp/mysqld.sock`]);
  tool("usermod", "-d", `${JAIL}/.${HOME}`, "-s", "/usr/sbin/jk_chrootsh", "owner");
  expect(login("pwd; cat public_html/index.html; whoami; ls /")).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^\/home\/owner\nhello\nowner\nbin\n/),
  });
  expect(login("ls /home/chroot").status).not.toBe(0);
});

test("a subuser lives below that home", () => {
  m.must([
    "useradd",
    "-p",
    "*",
    "-u",
    "1501",
    "-g",
    "owner",
    "-M",
    "-d",
    `${JAIL}/.${HOME}/homes/sub`,
    "-s",
    "/usr/sbin/jk_chrootsh",
    "sub",
  ]);
  m.must(["install", "-d", "-o", "1501", "-g", "1500", "-m", "0700", `${HOME}/homes`, `${HOME}/homes/sub`]);
  m.must(["chown", "owner:owner", `${HOME}/homes`]);
  m.must(["chmod", "0755", `${HOME}/homes`, HOME]);
  m.write(
    `${JAIL}/etc/passwd`,
    `${m.read(`${JAIL}/etc/passwd`)}sub:x:1501:1500::/home/owner/homes/sub:/bin/bash\n`,
  );
  expect(sshd.ssh("sub", ["whoami; pwd"])).toMatchObject({
    status: 0,
    stdout: "sub\n/home/owner/homes/sub\n",
  });
});

test("it is filled again while somebody is logged in, and the home is not touched", () => {
  const before = inodes();
  sync();
  writeAccounts();
  expect(inodes()).toBe(before);
  expect(login("perl -e 'print 1+1'")).toMatchObject({ status: 0, stdout: "2" });
  tool("jk_update", "-j", JAIL);
  expect(inodes()).toBe(before);
  expect(login("whoami")).toMatchObject({ status: 0, stdout: "owner\n" });
});

test("jk_check reports nothing in the home, and changes nothing there", () => {
  if (!ours) return;
  m.must([
    "sh",
    "-ec",
    `cp /bin/true ${HOME}/own; chown owner: ${HOME}/own; chmod 4777 ${HOME}/own; chmod 777 ${HOME}/public_html`,
  ]);
  const before = inodes();
  const { stdout, status } = m.run(["jk_check", "--fix", JAIL]);
  expect(status).not.toBe(2);
  expect(stdout).not.toContain("/usr/share/zoneinfo/");
  expect(inodes()).toBe(before);
  m.must(["rm", `${HOME}/own`]);
  m.must(["chmod", "755", `${HOME}/public_html`]);
});

test("jailkit delete refuses while users live there", () => {
  if (!ours) return;
  const before = inodes();
  const { status, stderr } = m.run(["jailkit", "delete", "--yes", JAIL]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("users live in it (owner, sub)")]);
  expect(inodes()).toBe(before);
  expect(m.exists(`${JAIL}/usr/bin/perl`)).toBe(true);
});

/** What it does when a domain is disabled, and its jail deleted. */
function removeBehind(): void {
  // The last session may be about to end, and usermod(8) changes no account with a process.
  m.run(["pidwait", "--uid", "owner"]);
  tool("usermod", "-d", HOME, "-s", "/bin/bash", "owner");
  m.run(["userdel", "sub"]);
  m.must(["umount", `${JAIL}${HOME}`]);
  m.write("/etc/fstab", m.read("/etc/fstab").replace(FSTAB, ""));
  m.must(["rm", "-rf", JAIL]);
}

test("the jail is removed behind our back, and nothing of the user's is lost", () => {
  const before = inodes();
  removeBehind();
  expect(inodes()).toBe(before);
  expect(login("whoami; pwd")).toMatchObject({ status: 0, stdout: "owner\n/home/owner\n" });
  tool("jk_update", "-k", "-j", JAIL);
  if (!ours) return;
  const { status, stdout } = m.run(["jailkit", "list"]);
  expect([status, stdout]).toEqual([1, expect.stringMatching(new RegExp(`^${JAIL} +missing `, "m"))]);
  expect(m.run(["jk_update", "--all"])).toMatchObject({
    status: 0,
    stderr: expect.stringContaining("is missing"),
  });
  expect(m.exists(JAIL)).toBe(false);
});

test("a jail at the same path starts with a new record", () => {
  tool("jk_init", "-f", "-j", JAIL, "basicshell");
  if (!ours) return;
  const list = JSON.parse(m.must(["jailkit", "list", "--json", JAIL]).stdout);
  expect(list.jails).toMatchObject([{ path: JAIL, state: "ready", sections: ["basicshell"], files: [] }]);
  expect(m.run(["jk_update", "--check", "-j", JAIL])).toMatchObject({ status: 0 });
  expect(m.exists(`${JAIL}/usr/bin/perl`)).toBe(false);
});

test("jailkit delete --unjail unmounts the home, and leaves it alone", () => {
  if (!ours) return;
  sync();
  bindHome();
  writeAccounts();
  tool("usermod", "-d", `${JAIL}/.${HOME}`, "-s", "/usr/sbin/jk_chrootsh", "owner");
  const before = inodes();
  const { status, stderr } = m.run(["jailkit", "delete", "--yes", "--unjail", JAIL]);
  const mounts = `/etc/fstab still mounts something in the jail: ${JAIL}${HOME} (line `;
  expect([status, stderr]).toEqual([0, expect.stringContaining(`jailkit delete: warning: ${mounts}`)]);
  expect(m.run(["findmnt"]).stdout).not.toContain(JAIL);
  expect(m.exists(JAIL)).toBe(false);
  expect(inodes()).toBe(before);
  // The panel jailed it, so that no record knows its shell outside.
  expect(m.read("/etc/passwd")).toContain("\nowner:x:1500:1500::/home/owner:/usr/sbin/nologin\n");
  m.must(["sh", "-c", /to let it log in: (usermod .*)/.exec(stderr)?.[1] ?? "false"]);
  expect(m.read("/etc/passwd")).toContain("\nowner:x:1500:1500::/home/owner:/bin/sh\n");
  expect(login("cat public_html/index.html")).toMatchObject({ status: 0, stdout: "hello\n" });
});
