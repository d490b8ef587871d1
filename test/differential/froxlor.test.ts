/**
 * What Froxlor does with jailkit: the accounts of customers are in a name service and not in /etc/passwd, with a home in a
 * jail that the administrator made. libnss-extrausers represents the name service.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type Sshd, underTest } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const ours = underTest === "ours";
const JAIL = "/var/customers/jail";
const WEBS = "/var/customers/webs/web1";

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/passwd", `web1:x:10000:10000::${JAIL}/./home/web1:/usr/sbin/jk_chrootsh\n`);
  m.write("/var/lib/extrausers/group", "web1:x:10000:\n");
  m.write("/var/lib/extrausers/shadow", "web1:*:19000:0:99999:7:::\n", { mode: 0o600 });
  m.write(`${WEBS}/index.php`, "the site\n", { owner: [10000, 10000] });
  m.must(["chown", "10000:10000", WEBS]);
  m.must(["chmod", "0750", WEBS]);
  sshd = await m.startSshd();
});
afterAll(async () => m?.close());

const webs = () => m.must(["find", WEBS, "-printf", "%p %i %m %U %T@ %C@\\n"]).stdout;

test("a jail is created, and the directory of the customer is mounted as the home", () => {
  for (const section of ["basicshell", "sftp", "scp"])
    expect(m.run(["jk_init", "-f", "-j", JAIL, section]).status).toBe(0);
  expect(m.run(["jk_cp", "-j", JAIL, "-f", "/usr/bin/whoami"]).status).toBe(0);
  m.mkdir(`${JAIL}/home/web1`);
  m.must(["mount", "--bind", WEBS, `${JAIL}/home/web1`]);
});

test("jk_jailuser writes the account into the jail, although usermod does not know it", () => {
  const passwd = m.read("/etc/passwd");
  const before = webs();
  for (let run = 0; run < 2; run++) {
    const { status, stderr } = m.run(["jk_jailuser", "-n", "-s", "/bin/bash", "-j", JAIL, "web1"]);
    const errors = stderr.split("\n").filter((line) => line !== "" && !line.includes(": warning: sshd "));
    expect([status, errors]).toEqual([0, []]);
    expect(m.read(`${JAIL}/etc/passwd`).match(/^web1:.*$/gm)).toEqual([
      "web1:x:10000:10000::/home/web1:/bin/bash",
    ]);
  }
  expect(m.read(`${JAIL}/etc/group`)).toMatch(/^web1:x:10000:$/m);
  expect(m.read("/etc/passwd")).toBe(passwd);
  expect(webs()).toBe(before);
});

test("the customer logs in", () => {
  const { status, stdout } = sshd.ssh("web1", ["whoami; pwd; cat index.php"]);
  expect([status, stdout]).toEqual([0, "web1\n/home/web1\nthe site\n"]);
});

test("list, explain and check know the customer", () => {
  if (!ours) return;
  expect(m.must(["jailkit", "list"]).stdout).toMatch(new RegExp(`^${JAIL} +ready +web1 `, "m"));
  expect(m.must(["jailkit", "explain", "--su", "web1"]).stdout).toContain(JAIL);
  const before = webs();
  const { stdout } = m.run(["jk_check", "--fix", JAIL]);
  expect(stdout).not.toContain("/home/web1/");
  expect(webs()).toBe(before);
});

test("an update leaves the home alone", () => {
  const before = webs();
  expect(m.run(["jk_update", "-j", JAIL]).status).toBe(0);
  expect(webs()).toBe(before);
});

test("jailkit delete names the customer, and loses nothing", () => {
  if (!ours) return;
  const before = webs();
  const { status, stderr } = m.run(["jailkit", "delete", "--yes", JAIL]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("web1")]);
  expect(webs()).toBe(before);
  m.must(["umount", `${JAIL}/home/web1`]);
  expect(m.run(["jailkit", "delete", "--yes", "--user-files", JAIL]).stderr).not.toContain(
    "nothing was deleted",
  );
  expect(webs()).toBe(before);
});
