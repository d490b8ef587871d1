/**
 * What jk_chrootsh writes into the log, and `jailkit explain` prints, for an account that usermod(8) cannot change; and for a
 * home of an account that only the jail has.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const CHROOTSH = "/usr/sbin/jk_chrootsh";
const ACCOUNTS = "/var/lib/extrausers/passwd";
const PASSWD = `${J}/etc/passwd`;

let m: Machine;
let log: Syslog;
/** The lines of the jail. */
let lines: string;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
  m.write("/var/lib/extrausers/shadow", "luser:*:19000:0:99999:7:::\n");
  has(`${J}/./home/luser:${CHROOTSH}`);
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", J, "luser"]);
  for (const name of ["anna", "berta"]) m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", name]);
  m.must(["install", "-d", "-o", "6500", `${J}/web/x`]);
  lines = m.read(PASSWD);
  log = await m.startSyslog();
});
afterAll(() => m?.close());
beforeEach(() => m.write(PASSWD, lines));

/** What the directory says of luser. */
const has = (fields: string) => m.write(ACCOUNTS, `luser:x:6001:6001::${fields}\n`);

function login(user: string, ...words: readonly string[]) {
  const id = (option: string) => m.must(["id", option, user]).stdout.trim();
  const ids = [`--reuid=${id("-u")}`, `--regid=${id("-g")}`, "--clear-groups"];
  return m.run(["setpriv", ...ids, CHROOTSH, ...words], { env: { USER: user } });
}

/** The remedy of a login that is refused, by the log; and all of `jailkit explain`: the whole message where that has words instead. */
async function remediesOf(user: string) {
  await log.clear();
  const id = /JK-[A-Z2-7]{8}/.exec(login(user).stderr)?.[0] ?? "none";
  const line = (await log.lines()).find(({ message }) => message.startsWith(id));
  return { logged: line?.message.split("; remedy: ")[1] ?? line?.message, explained: explained(user) };
}

function explained(user: string): string[] {
  const { stdout } = m.run(["jailkit", "explain", "--json", "--su", user]);
  const { steps } = reportOf(explainReportSchema, stdout);
  return steps.flatMap(({ outcome, message, remedy }) =>
    outcome === "passed" ? [] : (remedy ?? (message.includes("; ") ? message : [])),
  );
}

const SHOWN =
  "set its home and shell where the account is kept, which 'jk_jailuser --dry-run -j JAIL luser' shows";
const OTHER = `give the account another home in its directory, such as ${J}/./home/luser`;

test("a login without fault", () => {
  expect(login("luser", "-c", "pwd").stdout).toBe("/home/luser\n");
});

test.each([
  ["a home outside of jails", "/home/luser", SHOWN],
  ["no home", "", SHOWN],
  ["a jail that does not exist", "/srv/k/./home/luser", SHOWN],
  ["a directory of the jail's own", `${J}/./etc`, OTHER],
  ["another account's home", `${J}/./home/anna`, OTHER],
  ["the home of an account that only the jail has", `${J}/./web/x`, OTHER],
  [
    "a link to the jail",
    "/srv/link/./home/luser",
    `give the account the home ${J}/./home/luser in its directory`,
  ],
])("a login of an account of a directory with %s", async (_, home, words) => {
  m.must(["ln", "-sfn", J, "/srv/link"]);
  has(`${home}:${CHROOTSH}`);
  m.write(PASSWD, `${lines}ghost:x:6500:6500::/web/x:/bin/sh\n`);
  const found = await remediesOf("luser");
  expect(found.logged).toContain(`; ${words} (check `);
  expect(found.explained[0]).toEndWith(`; ${words}`);
  expect(found.explained.join("\n")).not.toMatch(/usermod|jk_jailuser -m/);
});

test("one that is refused in the jail, whose etc/passwd has the account", async () => {
  has(`${J}/./etc/group:${CHROOTSH}`);
  m.write(PASSWD, lines.replace(":/home/luser:", ":/etc/group:"));
  const file = "/etc/jailkit/jk_chrootsh.ini";
  m.write(file, "[luser]\nrelax_home_owner = 1\nrelax_home_group = 1\n");
  const { logged, explained: messages } = await remediesOf("luser");
  expect(logged).toContain(`; ${OTHER} (check `);
  expect(messages).toEqual([expect.stringMatching(new RegExp(`; ${OTHER}$`))]);
  m.remove(file);
});

test.each([
  ["jk_lsh with a jail", `${J}/./home/luser:/usr/sbin/jk_lsh`, SHOWN],
  ["a shell of the host", "/home/luser:/bin/sh", `to jail the account, ${SHOWN}`],
  [
    "a jk_chrootsh that is not there",
    `${J}/./home/luser:/opt/jk_chrootsh`,
    `give the account the shell ${CHROOTSH} in its directory`,
  ],
])("explain of one with %s", (_, fields, words) => {
  has(fields);
  const remedies = explained("luser");
  expect(remedies[0]).toEndWith(`; ${words}`);
  expect(remedies.join("\n")).not.toMatch(/usermod|jk_jailuser -m/);
});

test.each([
  ["of a uid that no account of the host has", "install -d -o 6500 -g 6500 HOME"],
  ["that is missing", "rm -rf HOME"],
  ["that root has made", "install -d -o 0 HOME"],
])("no advice gives anybody the home %s, of an account that only the jail has", async (_, make) => {
  m.must(["sh", "-c", make.replaceAll("HOME", `${J}/web/x`)]);
  m.must(["usermod", "-d", `${J}/./web/x`, "berta"]);
  m.write(PASSWD, `${lines}ghost:x:6500:6500::/web/x:/bin/sh\n`);
  const { logged = "false", explained: remedies } = await remediesOf("berta");
  expect(logged).toStartWith(
    `usermod -d ${J}/./home/berta berta && jk_jailuser --jail-side-only -j ${J} berta && `,
  );
  // Who can look into the jail finds the home of its line there.
  const isMissing = make.startsWith("rm");
  expect(remedies[0]).toBe(isMissing ? `usermod -d ${J}/./home/berta berta` : logged);
  expect(remedies.join("\n")).not.toContain("/web/x");
  m.must(["sh", "-c", logged]);
  expect(login("berta", "-c", "pwd").stdout).toBe("/home/berta\n");
});

test("a home that is the account's own stays so, though a line of the jail has it, too", async () => {
  const { uid, gid } = m.ids("berta");
  m.must(["install", "-d", "-o", `${uid}`, "-g", `${gid}`, "-m", "0770", `${J}/web/x`]);
  m.must(["usermod", "-d", `${J}/./web/x`, "berta"]);
  m.write(PASSWD, `${lines.replace(":/home/berta:", ":/web/x:")}ghost:x:6500:6500::/web/x:/bin/sh\n`);
  expect((await remediesOf("berta")).logged).toBe(`chmod g-w ${J}/./web/x`);
});

test("jk_check prints no command that usermod would refuse", () => {
  has(`${J}/./etc:${CHROOTSH}`);
  m.write(PASSWD, lines.replace(":/home/luser:", ":/etc:"));
  const { stdout } = m.run(["jk_check", J]);
  expect(stdout).toContain("the home /srv/j/etc of user luser belongs to uid 0");
  expect(stdout).not.toContain("usermod");
});
