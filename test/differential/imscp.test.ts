/**
 * What i-MSCP does with jailkit, step by step, with the statuses that it relies on: a jail of hard links for a customer, in
 * which directories of the host are mounted, a user with the uid of the customer's web server, and an update of all jails.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type Sshd, underTest } from "../machine/machine.ts";
import { expectedOf } from "./cases.ts";

setDefaultTimeout(300_000);

const ours = underTest === "ours";
const JAIL = "/home/imscp-jails/customer";
const SHARED = ["/opt", "/srv/shared"];
const APPS = ["/usr/bin/whoami", "/usr/bin/id"];

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  sshd = await m.startSshd();
  const ini = "/etc/jailkit/jk_init.ini";
  const base = "[imscp-base]\npaths = /bin/bash, ls, cat, /no/such\nincludesections = uidbasics, netbasics\n";
  m.write(ini, `${m.read(ini)}\n${base}`);
  m.addUser("vu2001", { uid: 2001, home: "/var/www/virtual/customer", shell: "/bin/false" });
  for (const path of SHARED) m.write(`/var/www${path}/app/run`, "of the host\n", { mode: 0o755 });
  m.must(["touch", "-d", "2001-01-01", ...SHARED.map((path) => `/var/www${path}/app/run`)]);
});
afterAll(async () => m?.close());

/** Runs a tool with the umask that the panel has; any status but 0 ends what it is about. */
function tool(...words: string[]) {
  const result = m.run(words, { umask: 0o22 });
  expect([words, result.status]).toEqual([words, 0]);
  return result;
}

const shared = () =>
  m.must(["find", ...SHARED.map((path) => `/var/www${path}`), "-printf", "%p %i %m %n %T@ %C@\\n"]).stdout;

function createJail(): void {
  tool("jk_init", "-f", "-k", "-j", JAIL, "imscp-base");
  const init = m.run(["jk_cp", "-f", "-k", "-i", "-j", JAIL, ...APPS], { umask: 0o22 });
  expect(init.status).toBe(expectedOf({ debian: 1, ours: 0, difference: "cp-init" }));
  tool("jk_cp", "-f", "-k", "-j", JAIL, ...APPS);
  m.write(`${JAIL}/etc/motd`, "Welcome\n");
  m.mkdir(`${JAIL}/opt`);
  m.mkdir(`${JAIL}/tmp`);
  m.chmod(`${JAIL}/tmp`, 0o777);
}

function mountShared(): void {
  for (const path of SHARED) {
    m.mkdir(JAIL + path);
    m.must(["mount", "--bind", `/var/www${path}`, JAIL + path]);
  }
}

/** What it does for a new user of the customer. */
function addUser(): void {
  m.must(["useradd", "-u", "2001", "-g", "2001", "-m", "-k", "/etc/skel", "-p", "*", "-o", "cust"]);
  tool("jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", JAIL, "cust");
}

test("a jail is created of hard links", () => {
  m.mkdir("/home/imscp-jails");
  createJail();
  expect(m.stat(`${JAIL}/usr/bin/whoami`)?.ino).toBe(m.stat("/usr/bin/whoami")?.ino ?? 0n);
});

test("a user with the uid of another account is moved into it, and logs in", () => {
  mountShared();
  addUser();
  expect(m.exists("/home/cust")).toBe(false);
  const { status, stdout } = sshd.ssh("cust", ["whoami; pwd; cat .profile > /tmp/profile; cat /opt/app/run"]);
  expect([status, stdout]).toEqual([0, "cust\n/home/cust\nof the host\n"]);
  expect(m.read("/etc/passwd")).toContain(`:${JAIL}/./home/cust:/usr/sbin/jk_chrootsh\n`);
});

test("an update of each jail gives 0, and touches nothing that is mounted there", () => {
  const before = shared();
  m.write(`${JAIL}/usr/bin/leftover`, "");
  for (const jail of [JAIL, "/home/imscp-jails/vanished", JAIL]) tool("jk_update", "-k", "-j", jail);
  const left = SHARED.filter((path) => m.exists(`/var/www${path}/app/run`)).length;
  expect(left).toBe(expectedOf({ debian: 1, ours: 2, difference: "update-mounts" }));
  if (ours) expect(shared()).toBe(before);
});

test("jk_check says nothing about what is mounted there, and --fix leaves it alone", () => {
  if (!ours) return;
  m.chmod("/var/www/srv/shared/app", 0o777);
  const before = shared();
  const { stdout } = m.run(["jk_check", "--fix", JAIL]);
  for (const path of SHARED) expect(stdout).not.toContain(`${JAIL}${path}/`);
  expect(shared()).toBe(before);
});

test("jailkit adopt --force explains the jail without what is mounted there", () => {
  if (!ours) return;
  const { stdout } = m.must(["jailkit", "adopt", "--force", "--dry-run", JAIL]);
  for (const path of SHARED) expect(stdout).not.toContain(`${JAIL}${path}/`);
});

test("nor does an update touch it in a jail of jailkit 2, which has no record", () => {
  if (!ours) return;
  m.must(["rm", "-rf", "/var/lib/jailkit/jails"]);
  const before = shared();
  for (const words of [[], ["/opt"], ["--prune", "/opt", "/srv"]]) {
    tool("jk_update", "-k", "-j", JAIL, ...words);
    expect(shared()).toBe(before);
  }
});

test("its section of jk_socketd.ini is accepted", () => {
  const file = "/etc/jailkit/jk_socketd.ini";
  const section = `# jail BEGIN.\n[${JAIL}/dev/log]\nbase = 512\npeak = 2048\ninterval = 10\n# jail END.\n`;
  m.mkdir(`${JAIL}/dev`);
  m.write(file, (m.exists(file) ? m.read(file) : "") + section);
  if (!ours) return;
  const { status, stdout, stderr } = m.run(["jailkit", "config", "check", file]);
  expect([status, stdout + stderr]).toEqual([0, ""]);
});

/** What it does when the customer is deleted. */
function removeBehind(): void {
  m.run(["userdel", "-f", "cust"]);
  const passwd = `${JAIL}/etc/passwd`;
  m.write(passwd, m.read(passwd).replace(/^cust:.*\n/m, ""));
  for (const path of SHARED) m.must(["umount", JAIL + path]);
  m.must(["rm", "-rf", JAIL]);
}

test("the customer is deleted behind our back, and created again", () => {
  const before = shared();
  removeBehind();
  expect(shared()).toBe(before);
  tool("jk_update", "-k", "-j", JAIL);
  expect(m.exists(JAIL)).toBe(false);
  createJail();
  mountShared();
  addUser();
  expect(sshd.ssh("cust", ["id -u"])).toMatchObject({ status: 0, stdout: "2001\n" });
});

test("jailkit delete unmounts the host's directories, and leaves them alone", () => {
  if (!ours) return;
  const before = shared();
  m.must(["jk_jailuser", "--unjail", "--move", "cust"]);
  const { status, stderr } = m.run(["jailkit", "delete", "--yes", "--user-files", JAIL]);
  const left = new RegExp(
    `^jailkit delete: warning: /etc/jailkit/jk_socketd.ini:\\d+ still names ${JAIL}/dev/log; take the section out with: sed -i '[0-9,]+s/\\^/#/' /etc/jailkit/jk_socketd.ini\n$`,
  );
  expect([status, stderr]).toEqual([0, expect.stringMatching(left)]);
  expect(m.exists(JAIL)).toBe(false);
  expect(shared()).toBe(before);
});
