/**
 * An account of libnss-extrausers, which is in a file that a panel writes: from jk_jailuser, which says what to write there,
 * to logins over ssh, and out of the jail again.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { deleteReportSchema, listReportSchema } from "../../src/jails/report-schema.ts";
import { jailUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const KEY = "/run/machine-ssh/client.pub";
const FILE = "/var/lib/extrausers/passwd";
/** A full name with what a pattern would change, and a hash that nobody should print. */
const FIELDS = "anna:$6$secret$hash:6001:6001:A & \\1:";
const ANNA = `${FIELDS}/home/anna:/bin/sh\n`;
const OTHER = "annabel:x:6002:6002::/home/annabel:/bin/sh\n";

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write(FILE, OTHER + ANNA);
  m.write("/var/lib/extrausers/group", "anna:x:6001:\nannabel:x:6002:\nweb:x:6100:anna\n");
  m.write("/var/lib/extrausers/shadow", "anna:*:19000:0:99999:7:::\n", { mode: 0o600 });
  m.must(["jk_init", "-j", J, "basicshell", "sftp"]);
  sshd = await m.startSshd({
    config: ["UsePAM yes", "AuthorizedKeysFile .ssh/authorized_keys", "DisableForwarding yes"],
  });
});
afterAll(() => m?.close());

const run = (...words: string[]) => m.run(words);
const jailing = (...words: string[]) =>
  run("jk_jailuser", "-n", ...words, "-s", "/bin/bash", "--authorized-key", KEY, "-j", J, "anna");
const directoryOf = (stdout: string) => {
  const found = reportOf(jailUserReportSchema, stdout).users[0]?.directory;
  if (found === undefined || found === null) throw new Error(stdout);
  return found;
};
const users = () =>
  reportOf(listReportSchema, run("jailkit", "list", "--json", J).stdout).jails[0]?.users.map(
    ({ name }) => name,
  );
const login = () => sshd.ssh("anna", ["pwd; id -Gn"]);
/** Writes what was printed as the last two fields of the line. */
function set(fields: string): void {
  const text = m.read(FILE);
  m.write(
    FILE,
    text.replace(/^(anna:.*:)[^:\n]*:[^:\n]*$/m, (_, before) => before + fields),
  );
  expect(m.read(FILE)).toBe(`${OTHER}${FIELDS}${fields}\n`);
}
const JAILED = `${J}/./home/anna:/usr/sbin/jk_chrootsh`;

test("jk_jailuser changes nothing, and says what to write, the same in a dry run", () => {
  const before = [m.snapshot(J), m.snapshot("/var/lib/extrausers"), m.read("/etc/passwd")];
  const dry = jailing("--dry-run");
  expect(jailing()).toEqual(dry);
  expect(jailing("-m")).toEqual(dry);
  expect([dry.status, dry.stderr]).toEqual([
    1,
    `jk_jailuser: 'anna' is not in /etc/passwd, but in ${FILE}: set its home and shell there; nothing was changed\n`,
  ]);
  expect(dry.stdout).toBe(`# On this machine:
jk_jailuser --jail-side-only -s /bin/bash --authorized-key FILE -j ${J} anna

# In ${FILE}, as the last two fields of the line of the account, or in the program that writes this file:
${JAILED}
`);
  const json = jailing("--json");
  expect(jailing("--json", "--dry-run").status).toBe(json.status);
  const report = directoryOf(json.stdout);
  expect([report.file, report.homeDirectory, report.loginShell, report.ldif, report.override]).toEqual([
    FILE,
    ...JAILED.split(":"),
    [],
    null,
  ]);
  for (const { stdout } of [dry, json]) expect(stdout).not.toContain("secret");
  expect([m.snapshot(J), m.snapshot("/var/lib/extrausers"), m.read("/etc/passwd")]).toEqual(before);
  expect(users()).toEqual([]);
});

test("jk_addjailuser refuses the name, and the uid, the same in a dry run", () => {
  const both = (...words: string[]) => {
    const dry = run("jk_addjailuser", "--dry-run", "-j", J, ...words);
    expect(run("jk_addjailuser", "-j", J, ...words)).toEqual(dry);
    return [dry.status, dry.stdout, dry.stderr];
  };
  const exists = "jk_addjailuser: the user 'anna' exists already; jk_jailuser jails it\n";
  expect(both("anna")).toEqual([1, "", exists]);
  expect(both("-u", "6001", "new")).toEqual([
    1,
    "",
    "jk_addjailuser: the uid 6001 belongs to 'anna': choose another with -u\n",
  ]);
  expect(m.read("/etc/passwd")).not.toMatch(/^(?:anna|new):/m);
});

test("once the jail is prepared and the line is written, the login works", () => {
  const { before } = directoryOf(jailing("--json").stdout);
  m.must(["sh", "-c", before.map((line) => line.replace("FILE", KEY)).join("\n")]);
  expect(m.stat(`${J}/home/anna`)).toMatchObject({ uid: 6001, gid: 6001, mode: 0o40700 });
  expect(m.read(`${J}/etc/passwd`)).toContain("anna:x:6001:6001:A & \\1:/home/anna:/bin/bash\n");
  expect(login().stdout).not.toContain("/home/anna");
  set(JAILED);
  expect(login()).toMatchObject({ status: 0, stdout: "/home/anna\nanna web\n" });
  const verdict = run("jailkit", "explain", "--from", "127.0.0.1", "anna");
  expect([verdict.status, verdict.stdout]).toEqual([
    0,
    expect.stringContaining("A login of anna would work.\n"),
  ]);
  for (const dry of [["--dry-run"], []]) expect(jailing(...dry)).toMatchObject({ status: 0, stderr: "" });
});

const today = Math.floor(Date.now() / 86_400_000);
test.each([
  ["has expired (pam_unix)", "19000:0:99999:7::1:", "shadowExpire", "19000:0:99999:7:::"],
  ["has expired, and so has", "19000:0:1:7:1::", "shadowLastChange", `${today}:0:9:7:1::`],
  ["must be changed", "0:0:99999:7:::", `set shadowLastChange to ${today}`, `${today}:0:99999:7:::`],
])("explain tells what to change in a directory of an account that %s", (what, closed, words, healed) => {
  const shadow = (fields: string) =>
    m.write("/var/lib/extrausers/shadow", `anna:*:${fields}\n`, { mode: 0o600 });
  const explained = () => {
    const { stdout } = run("jailkit", "explain", "--json", "--from", "127.0.0.1", "anna");
    const { verdict, steps } = reportOf(explainReportSchema, stdout);
    return { verdict, failed: steps.filter(({ outcome }) => outcome === "failed") };
  };
  // With a hash in passwd(5), pam_unix does not ask shadow(5).
  const passwd = m.read(FILE);
  m.write(FILE, passwd.replace("anna:$6$secret$hash:", "anna:x:"));
  shadow(closed);
  expect(login().status).not.toBe(0);
  const { failed } = explained();
  expect(failed.map(({ remedy, message }) => [remedy, message])).toEqual([
    [null, expect.stringContaining(what)],
  ]);
  expect(failed[0]?.message).toContain(words);
  expect(failed[0]?.message).not.toMatch(/chage|passwd anna/);
  shadow(healed);
  expect([explained().verdict, login().status]).toEqual(["works", 0]);
  shadow("19000:0:99999:7:::");
  m.write(FILE, passwd);
});

test("list, jk_list, check and update see the account; delete refuses, and does so in a dry run", async () => {
  expect(users()).toEqual(["anna"]);
  const checked = reportOf(checkReportSchema, run("jk_check", "--json", J).stdout).jails[0];
  expect([checked?.findings, checked?.problems]).toEqual([[], []]);
  expect(run("jk_update", "--json", "-j", J).status).toBe(0);
  const session = m.start(["ssh", ...sshd.clientOptions, "anna@127.0.0.1", "echo here; cat"]);
  await session.until(({ stdout }) => stdout.includes("here") || undefined);
  expect(run("jk_list", J).stdout).toContain("anna");
  session.end();
  await session.ended;
  const before = m.snapshot(J);
  for (const options of [["--dry-run"], ["--yes"], ["--yes", "--unjail"], ["--dry-run", "--unjail"]]) {
    const { status, stderr } = run("jailkit", "delete", ...options, J);
    expect([status, stderr]).toEqual([1, expect.stringContaining("not in /etc/passwd (anna)")]);
    expect(stderr).toContain("jk_jailuser --unjail --dry-run anna shows how");
  }
  expect(m.snapshot(J)).toEqual(before);
  expect(login().status).toBe(0);
});

test("an account of another service, whose name the file has as well, is not one of the file", () => {
  const nss = m.read("/etc/nsswitch.conf");
  m.write("/etc/nsswitch.conf", nss.replace("passwd: files extrausers", "passwd: files systemd extrausers"));
  const record = {
    userName: "annabel",
    uid: 6002,
    gid: 6002,
    homeDirectory: "/home/other",
    shell: "/bin/sh",
  };
  m.write("/run/userdb/annabel.user", JSON.stringify(record));
  expect(run("getent", "passwd", "annabel").stdout).toContain(":/home/other:");
  const { stderr } = run("jk_jailuser", "-n", "-j", J, "annabel");
  expect(stderr).toContain("but in a directory (passwd: files systemd extrausers in /etc/nsswitch.conf)");
  m.write("/etc/nsswitch.conf", nss);
});

test("--unjail says what to write back, and what to do then", () => {
  const out = run("jk_jailuser", "--unjail", "anna");
  expect(run("jk_jailuser", "--unjail", "--dry-run", "anna")).toEqual(out);
  expect(out.status).toBe(1);
  const report = directoryOf(run("jk_jailuser", "--unjail", "--json", "anna").stdout);
  set(`${report.homeDirectory}:${report.loginShell}`);
  expect(m.read(FILE)).toBe(OTHER + ANNA);
  for (const command of report.after) m.must(["sh", "-c", command]);
  expect(m.read(`${J}/etc/passwd`)).not.toContain("anna");
  expect(users()).toEqual([]);
  const { status, stdout } = run("jailkit", "delete", "--yes", "--json", "--user-files", J);
  expect([status, reportOf(deleteReportSchema, stdout).warnings]).toEqual([0, []]);
  expect(m.exists(J)).toBe(false);
});

test("an account without rights: the advice is a command that gives them, or a key of the declaration", () => {
  const jail = "/srv/rights";
  m.must(["jk_init", "-j", jail, "sftp"]);
  const { stderr } = run("jk_jailuser", "--jail-side-only", "-j", jail, "annabel");
  const advised = `jk_jailuser -n --jail-side-only -j ${jail} --policy sftp annabel`;
  expect(stderr).toContain(
    `'annabel' can run nothing: no section of '${jail}/etc/jailkit/jk_lsh.ini' is for it`,
  );
  expect(stderr).toContain(`fix it with: ${advised}\n`);
  expect(run("sh", "-ec", advised)).toMatchObject({ status: 0, stderr: "" });
  expect(m.read(`${jail}/etc/jailkit/jk_lsh.ini`)).toContain("[annabel]");
  m.remove(jail);
  m.remove("/var/lib/jailkit");
  const declared = `[jail ${jail}]\nsections = sftp\n\n[user annabel]\njail = ${jail}\ndirectory = 1\n`;
  m.write("/etc/jailkit/jails.ini", declared);
  const checked = run("jailkit", "apply", "--check").stderr;
  expect(checked).toContain("'annabel' can run nothing: no section of ");
  const applied = run("jailkit", "apply").stderr;
  expect(applied).toContain(" is for it; declare what it may do with 'allow'\n");
  expect(applied).not.toContain("--policy");
  m.write("/etc/jailkit/jails.ini", `${declared}allow = sftp\n`);
  expect(run("jailkit", "apply").stderr).not.toContain("can run nothing");
  expect(m.read(`${jail}/etc/jailkit/jk_lsh.ini`)).toContain("[annabel]");
});
