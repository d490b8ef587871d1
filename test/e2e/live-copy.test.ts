/**
 * A directory that was copied from a live jail, with and without the mounted /usr: each tool says what makes it live. The
 * command is typed, and heals; nothing of the host's /usr changes.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

let m: Machine;
const sh = (script: string) => m.must(["sh", "-ec", script]);
const hostUsr = () =>
  sh("cd /usr && find . -xdev -maxdepth 3 -printf '%p %i %m %u %s %t %l\\n' | sort | sha256sum").stdout;
let before: string;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.must(["jk_init", "--live", "-j", "/srv/live", "basicshell", "sftp"]);
  m.must(["jk_addjailuser", "-j", "/srv/live", "-s", "/bin/bash", "-p", "*", "lily"]);
  before = hostUsr();
  // As cp -ax does if the jail is on a file system of its own.
  sh("umount /srv/live/usr; cp -a /srv/live /srv/empty; jailkit mount /srv/live");
  // As cp -a does; without the content of most files, for speed.
  sh("cp -a /srv/empty /srv/full; cp -a --attributes-only /usr/bin /usr/sbin /usr/lib64 /srv/full/usr");
});
afterAll(async () => m.close());

const state = (jail: string) => {
  const { jails } = reportOf(listReportSchema, m.run(["jailkit", "list", "--json", jail]).stdout);
  return { state: jails[0]?.state, remedy: jails[0]?.remedy };
};
const findings = (jail: string) =>
  reportOf(checkReportSchema, m.run(["jk_check", "--json", jail]).stdout).jails.flatMap(
    (one) => one.findings,
  );

const REMEDIES = {
  "/srv/empty": "jk_init --live -j /srv/empty",
  "/srv/full":
    "mv -nT /srv/full/usr /srv/full-usr.old && chmod go= /srv/full-usr.old && jk_init --live -j /srv/full",
};

for (const [jail, remedy] of Object.entries(REMEDIES)) {
  test(`${jail}: said by each tool, and healed`, () => {
    m.must(["usermod", "-d", `${jail}/./home/lily`, "lily"]);
    const there = jail === "/srv/empty" ? "nothing" : "a copy of the host's";
    const message = `${jail}/usr: ${there} is there, and the jail has no record, as in a copy of a live jail; to make it live (name its sections too): ${remedy}`;
    expect(state(jail)).toEqual({ state: "unrecorded", remedy });
    expect(m.run(["jailkit", "list", jail]).stderr).toBe(`jailkit list: ${message}\n`);
    expect(findings(jail)).toContainEqual(expect.objectContaining({ rule: "live-mount", message, remedy }));
    expect(m.run(["jailkit", "mount", jail])).toMatchObject({
      status: 1,
      stderr: `jailkit mount: ${message}\n`,
    });
    const adopted = m.run(["jailkit", "adopt", jail]);
    expect(adopted).toMatchObject({
      status: 1,
      stderr: `jailkit adopt: ${message}; use --force to record it as it is\n`,
    });
    if (jail === "/srv/full")
      expect(m.run(["jk_init", "--live", "-j", jail])).toMatchObject({
        status: 1,
        stderr: `jk_init: ${message}\n`,
      });
    const { stdout } = m.run(["jailkit", "explain", "lily"]);
    expect(stdout).toContain(`live-mount: ${message}\n           remedy: ${remedy}\n`);

    sh(`${state(jail).remedy} basicshell sftp`);
    expect(state(jail)).toEqual({ state: "ready", remedy: null });
    expect(findings(jail)).toEqual([]);
    const login = m.must(["/usr/sbin/jk_chrootsh", "-c", "php --version || perl -e 'print 42'"], {
      user: "lily",
    });
    expect(login.stdout).toMatch(/PHP|42/);
    expect(hostUsr()).toBe(before);
  });
}

test("after a command that ended between its two parts, the second is advised", () => {
  sh("mkdir /srv/half; cd /srv/empty; cp -a $(ls | grep -vx usr) /srv/half");
  expect(state("/srv/half")).toEqual({ state: "unrecorded", remedy: "jk_init --live -j /srv/half" });
  m.must(["jk_init", "--live", "-j", "/srv/half", "basicshell"]);
  expect(state("/srv/half")).toEqual({ state: "ready", remedy: null });
});

test("nobody but root enters what was moved away", () => {
  expect((m.stat("/srv/full-usr.old")?.mode ?? 0) & 0o077).toBe(0);
});

test("a jail that is live by hand is no copy, and neither is one of copied programs", () => {
  sh(
    "mkdir -p /srv/hand/usr; ln -s usr/bin /srv/hand/bin; mount --bind -o ro,nosuid,nodev /usr /srv/hand/usr",
  );
  expect(state("/srv/hand").remedy).toBe("jailkit adopt /srv/hand");
  sh("jk_init -j /srv/copied basicshell; jailkit forget --with-users /srv/copied");
  expect(state("/srv/copied").remedy).toBe("jailkit adopt /srv/copied");
  m.must(["jailkit", "adopt", "/srv/copied"]);
  const { status, stderr } = m.run(["jk_init", "--live", "-j", "/srv/copied", "basicshell"]);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining(
      "has files of its own; the host's can be mounted only on an empty directory; create a new live jail, and take the users there with: jk_jailuser --unjail --move, and jk_jailuser --move\n",
    ),
  });
});

/** A directory with the names of all programs of the host. */
const withNames = (jail: string) =>
  sh(
    `for d in bin sbin; do mkdir -p ${jail}/usr/$d; ls -A /usr/$d | (cd ${jail}/usr/$d && xargs -d '\\n' touch --); done`,
  );

test("a system of its own, with the same programs and a database of packages, is no copy", () => {
  withNames("/srv/system");
  expect(state("/srv/system").remedy).toStartWith("mv -nT /srv/system/usr ");
  m.mkdir("/srv/system/var/lib/dpkg");
  expect(state("/srv/system").remedy).toBe("jailkit adopt /srv/system");
  expect(m.run(["jailkit", "adopt", "-n", "/srv/system"]).stderr).not.toContain("live jail");
  // Nor is one where it is unknown whether there is such a database.
  sh(
    "mv /srv/system/var/lib /srv/system/var/real; ln -s real /srv/system/var/lib; chown -h 4711 /srv/system/var /srv/system/var/lib",
  );
  expect(state("/srv/system").remedy).toBe("jailkit adopt /srv/system");
});

test("a directory of the host that is mounted in what is moved is first unmounted, since mv and rm remove its files", () => {
  withNames("/srv/bound");
  sh("mkdir -p '/srv/bound/usr/a b' /opt/kept; mount --bind /opt '/srv/bound/usr/a b'");
  const { remedy } = state("/srv/bound");
  expect(remedy).toStartWith("umount '/srv/bound/usr/a b' && mv -nT /srv/bound/usr /srv/bound-usr.old && ");
  sh(`${remedy} basicshell`);
  sh("rm -r /srv/bound-usr.old");
  expect([state("/srv/bound").state, m.exists("/opt/kept")]).toEqual(["ready", true]);
});

test("no tool prints a command that moves a directory which a user could exchange", () => {
  m.addUser("eve", { uid: 4040, home: "/home/eve", createHome: true });
  withNames("/home/eve/jail");
  m.must(["usermod", "-d", "/home/eve/jail/./home/lily", "lily"]);
  // The same with a record, made while only root could change the directories above it.
  sh("mkdir -m 755 /home/all; jk_init --live -j /home/all/jail basicshell; jailkit unmount /home/all/jail");
  sh("mkdir /home/all/jail/usr/bin; chown eve /home/all");
  for (const jail of ["/home/eve/jail", "/home/all/jail"])
    for (const words of [
      ["jk_check", jail],
      ["jk_check", "--json", jail],
      ["jailkit", "list", "--json", jail],
      ["jailkit", "adopt", jail],
      ["jailkit", "mount", jail],
      ["jailkit", "explain", "lily"],
      ["jk_init", "--live", "-j", jail, "sftp"],
      ["jk_update", "-j", jail],
    ]) {
      const { stdout, stderr } = m.run(words);
      expect(stdout + stderr).not.toContain(`mv -nT ${jail}/usr `);
    }
});

test("a live jail with a record that is not mounted is no copy", () => {
  m.must(["jailkit", "unmount", "/srv/live"]);
  const remedies = findings("/srv/live").map(({ rule, remedy }) => `${rule}: ${remedy}`);
  expect(remedies).toContain("live-mount: jailkit mount /srv/live");
  m.must(["jailkit", "mount", "/srv/live"]);
});
