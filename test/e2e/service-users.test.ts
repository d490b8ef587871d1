/** Users whose accounts are not in /etc/passwd: libnss-extrausers represents the other name services. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { deleteReportSchema, diskReportSchema, listReportSchema } from "../../src/jails/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const LDAP = 5301;
let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_jailuser", "jk_check", "jailkit"] });
  m.write("/etc/jailkit/jk_init.d/test.ini", "[one]\npaths = cat\nincludesections = uidbasics\n");
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  for (const file of ["passwd", "group"]) m.write(`/var/lib/extrausers/${file}`, "");
});
afterAll(async () => m.close());

/** A jail with a user whom only the name service knows; in the jail's passwd or not. */
function jailOf(name: string, uid: number, inJail: boolean, shell = "/usr/sbin/jk_chrootsh"): string {
  const jail = `/srv/service${++jails}`;
  m.must(["jk_init", "-j", jail, "one"]);
  m.write("/var/lib/extrausers/passwd", `${name}:x:${uid}:${uid}::${jail}/./home/${name}:${shell}\n`);
  m.write("/var/lib/extrausers/group", `${name}:x:${uid}:\n`);
  if (inJail) {
    for (const [file, line] of [
      ["passwd", `${name}:x:${uid}:${uid}::/home/${name}:/bin/sh\n`],
      ["group", `${name}:x:${uid}:\n`],
    ])
      m.write(`${jail}/etc/${file}`, m.read(`${jail}/etc/${file}`) + line);
  }
  m.write(`${jail}/home/${name}/work`, "a year's work", { owner: [uid, uid] });
  m.chown(`${jail}/home/${name}`, uid, uid);
  return jail;
}

const jailkit = (...args: string[]) => m.run(["jailkit", ...args]);

describe("jailkit delete", () => {
  test.each([
    ["by the jail's passwd", true],
    ["by the owner of a home", false],
  ])("refuses while a user of a name service lives in it: found %s", (_, inJail) => {
    const jail = jailOf("ldapuser", LDAP, inJail);
    const before = m.snapshot(jail);
    for (const options of [["--yes"], ["--yes", "--unjail"], ["--dry-run"]]) {
      const { status, stderr } = jailkit("delete", ...options, jail);
      expect([status, stderr]).toEqual([1, expect.stringContaining("not in /etc/passwd (ldapuser)")]);
      expect(stderr).toContain("--user-files");
    }
    expect(m.snapshot(jail)).toEqual(before);
    const told = jailkit("delete", "--dry-run", "--user-files", jail).stdout;
    expect(told).toContain(`The user ldapuser, whose account is not in /etc/passwd, lives in it.`);
    expect(told).toContain(`2 files and directories of ldapuser (uid ${LDAP}) are deleted.`);
    const { status, stdout } = jailkit("delete", "--yes", "--json", "--user-files", jail);
    expect([status, reportOf(deleteReportSchema, stdout)]).toMatchObject([
      0,
      {
        users: ["ldapuser"],
        owners: [{ uid: LDAP, name: "ldapuser", objects: 2 }],
        warnings: [`the account 'ldapuser' still has its home in ${jail}`],
      },
    ]);
    expect(m.exists(jail)).toBe(false);
  });

  test("refuses while files of any other uid are in it, and names whose", () => {
    const jail = jailOf("elsewhere", LDAP, false);
    m.write("/var/lib/extrausers/passwd", `elsewhere:x:${LDAP}:${LDAP}::/home/elsewhere:/bin/sh\n`);
    m.write(`${jail}/var/spool/lost`, "lost", { owner: [4999, 4999] });
    const { status, stderr } = jailkit("delete", "--yes", jail);
    expect([status, stderr]).toEqual([
      1,
      `jailkit delete: ${jail}: has files of users other than root (uid 4999: 1, as ${jail}/var/spool/lost; ` +
        `elsewhere (uid ${LDAP}): 2, as ${jail}/home/elsewhere): keep all of it as it is with: jailkit forget ${jail}; take them out, or delete them with: jailkit delete --user-files ${jail}\n`,
    ]);
    expect(jailkit("delete", "--dry-run", jail).stderr).toBe(stderr);
    m.rename(`${jail}/var/spool/lost`, `${jail}/var/spool/lo\nst`);
    expect(jailkit("delete", "--yes", jail).stderr).toContain(`as ${jail}/var/spool/lo\\nst;`);
    expect(m.read(`${jail}/home/elsewhere/work`)).toBe("a year's work");
  });

  test("advises what is accepted while a user is to be taken out", () => {
    const jail = jailOf("nobodys", LDAP, false);
    m.addUser("lisa", { home: `${jail}/./home/lisa`, shell: "/usr/sbin/jk_chrootsh" });
    const { status, stderr } = jailkit("delete", "--yes", "--unjail", jail);
    const [, command = "false"] = / delete these with: (.*)\n$/.exec(stderr) ?? [];
    expect([status, command]).toEqual([1, `jailkit delete --unjail --user-files ${jail}`]);
    m.must(["sh", "-c", `yes | ${command}`]);
    expect(m.exists(jail)).toBe(false);
    m.must(["userdel", "lisa"]);
  });

  test("sees what is below a mount after it was unmounted", () => {
    const jail = jailOf("covered", LDAP, false);
    m.must(["mount", "-t", "tmpfs", "tmpfs", `${jail}/home`]);
    const { status, stderr } = jailkit("delete", "--yes", jail);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`covered (uid ${LDAP}): 2`)]);
    expect(m.read(`${jail}/home/covered/work`)).toBe("a year's work");
  });

  test("does not count files that were copied with their owner, nor users who are moved out", () => {
    const jail = `/srv/service${++jails}`;
    m.must(["jk_init", "-j", jail, "one"]);
    m.write("/usr/share/given", "given", { owner: [4321, 4321] });
    m.must(["jk_cp", "-o", "-j", jail, "/usr/share/given"]);
    expect(m.stat(`${jail}/usr/share/given`)?.uid).toBe(4321);
    // But what that user has made of it.
    for (const change of ["printf more >>", "printf other >"]) {
      m.must(["sh", "-c", `${change} ${jail}/usr/share/given`], { user: { uid: 4321, gid: 4321 } });
      const { status, stderr } = jailkit("delete", "--yes", jail);
      expect([status, stderr]).toEqual([1, expect.stringContaining("uid 4321: 1, as ")]);
    }
    m.must(["jk_cp", "-f", "-o", "-j", jail, "/usr/share/given"]);
    // And files that no longer belong to the user for whom they were copied.
    m.must(["chown", "4322", `${jail}/usr/share/given`]);
    const { status, stderr } = jailkit("delete", "--yes", jail);
    expect([status, stderr]).toEqual([1, expect.stringContaining("uid 4322: 1, as ")]);
    m.must(["chown", "4321", `${jail}/usr/share/given`]);
    m.addUser("local", { uid: 4100, home: "/home/local", createHome: true });
    m.must(["jk_jailuser", "-m", "-j", jail, "local"]);
    expect(jailkit("delete", "--yes", "--unjail", jail)).toMatchObject({ status: 0, stderr: "" });
    expect([m.exists(jail), m.exists("/home/local")]).toEqual([false, true]);
  });
});

test("jailkit list, jailkit disk and jk_check report users known only to a name service", () => {
  const jail = jailOf("listed", LDAP, true, "/bin/sh");
  const listed = reportOf(listReportSchema, jailkit("list", "--json", jail).stdout).jails[0]?.users;
  expect(listed).toEqual([{ name: "listed", home: `${jail}/./home/listed`, shell: "/bin/sh" }]);
  expect(reportOf(statusReportSchema, jailkit("status", "--json").stdout).users.fromServices).toBe(1);
  expect(jailkit("disk", "--users", jail).stdout).toContain(`${jail}  listed (uid ${LDAP})`);
  expect(reportOf(diskReportSchema, jailkit("disk", "--json", jail).stdout).jails[0]?.owners).toMatchObject([
    { uid: LDAP, name: "listed", objects: 2 },
  ]);
  const { stdout } = m.run(["jk_check", "-j", jail]);
  expect(stdout).toContain("user listed has a /./ but does not have the /usr/sbin/jk_chrootsh shell");
  m.write(`${jail}/etc/passwd`, m.read(`${jail}/etc/passwd`).replace(/^listed.*\n/m, ""));
  expect(m.run(["jk_check", "-j", jail]).stdout).toContain(
    `user listed does not exist in ${jail}/etc/passwd`,
  );
  // By the name alone: the uid is another one in the jail, and nothing there belongs to the user.
  m.write(`${jail}/etc/passwd`, `${m.read(`${jail}/etc/passwd`)}listed:x:5999:5999::/home/listed:/bin/sh\n`);
  m.must(["rm", "-r", `${jail}/home/listed`]);
  expect(reportOf(listReportSchema, jailkit("list", "--json", jail).stdout).jails[0]?.users).toEqual(listed);
});

test("jk_check compares with the service that nsswitch.conf(5) asks first, not with /etc/passwd", () => {
  const jail = jailOf("both", LDAP, true);
  const passwd = m.read("/etc/passwd");
  m.write(
    "/etc/passwd",
    `${passwd}both:x:4200:4200::${jail}/./home/both:/usr/sbin/jk_chrootsh
`,
  );
  const nss = m.read("/etc/nsswitch.conf");
  const changed = () => m.run(["jk_check", "-j", jail]).stdout.includes("user both is changed in jail");
  try {
    expect(changed()).toBe(true);
    m.write("/etc/nsswitch.conf", nss.replace(/^(passwd|group):.*$/gm, "$1: extrausers files"));
    expect(changed()).toBe(false);
    // The entry of the file is not the last word: the next service is asked too.
    m.write(
      "/etc/nsswitch.conf",
      nss.replace(/^passwd:.*$/gm, "passwd: files [SUCCESS=continue] extrausers"),
    );
    expect(changed()).toBe(false);
  } finally {
    m.write("/etc/nsswitch.conf", nss);
    m.write("/etc/passwd", passwd);
  }
});
