/** Accounts of a directory that no file of this machine could have: found by names that are not theirs, or with fields that break passwd(5). */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const ANNA = `anna:x:7001:7001::${J}/./home/anna:/usr/sbin/jk_chrootsh\n`;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "directory = yes\n") =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const LIMITS = "directory = yes\nconfine = 1\nlimits = nproc 64, nofile 100\nnetwork = none\n";
const ALIASES = ["anna@example.org", "anna@EXAMPLE.ORG", "Anna"];

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  const [libc = ""] = m
    .must(["sh", "-c", "ls -d /usr/lib/*/libnss_files.so.2 /usr/lib64/libnss_files.so.2 || :"])
    .stdout.split("\n");
  const module = compiledC(join(import.meta.dir, "../fixtures/nss/domain.c"), ["-shared", "-fPIC"]);
  m.write(libc.replace("files", "domain"), readFileSync(module).toString("latin1"), { mode: 0o644 });
  const nss = m.read("/etc/nsswitch.conf");
  m.write("/etc/nsswitch.conf", nss.replace(/^passwd:.*$/gm, "passwd: files domain"));
  m.write("/etc/nss-domain", ANNA);
  m.must(["groupadd", "-g", "7001", "corp"]);
  m.mkdir("/etc/jailkit/jk_chrootsh.d", { mode: 0o755 });
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.mkdir(`${J}/home`, { mode: 0o755 });
  expect(m.must(["getent", "passwd", ...ALIASES]).stdout).toBe(ANNA.repeat(3));
});
afterAll(() => m?.close());

/** What the jail, the accounts and the settings of sessions are made of. */
const all = () =>
  m.must([
    "sh",
    "-c",
    `cat /etc/passwd /etc/group ${J}/etc/passwd ${J}/etc/group; ls ${J}/home /etc/jailkit/jk_chrootsh.d`,
  ]).stdout;

test.each(
  ALIASES.flatMap((name) => [
    [name, LIMITS],
    [name, ""],
  ]),
)("a user who is declared as %j gets nothing, and the remedy is the name of the account", (name, more) => {
  const before = all();
  m.write(FILE, JAIL + user(name, more));
  const message = `user ${name}: the name of the account is 'anna': write '[user anna]' in place of '[user ${name}]'`;
  const remedy = `write in line 3 of ${FILE}:\n[user anna]`;
  for (const words of [["--check"], [], [], ["--prune"]]) {
    const { status, changes, summary } = linesOf(m, ...words);
    expect([status, changes, summary.directories]).toEqual([1, [], []]);
    expect(summary.problems).toMatchObject([
      { code: "other-name", finding: "taken", line: 3, message, remedy },
    ]);
  }
  const { status, stdout } = m.run(["jailkit", "config", "check", FILE]);
  expect([status, stdout]).toEqual([
    1,
    expect.stringContaining(`${FILE}:3:1: error: '${name}': the name of`),
  ]);
  expect([all(), m.read("/var/lib/jailkit/declared.json").includes(name)]).toEqual([before, false]);
});

test("by the remedy the limits are those of the account, and a second run has nothing to do", () => {
  m.write(FILE, JAIL + user("anna@example.org", LIMITS));
  const [problem] = linesOf(m).summary.problems;
  expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
  expect(linesOf(m).summary.problems).toEqual([]);
  expect(m.read("/etc/jailkit/jk_chrootsh.d/anna.ini")).toContain("nofile 100");
  expect(did(m)).toEqual([]);
});

test("a second section for the account is told, and the remedy leaves one", () => {
  const before = all();
  m.write(FILE, JAIL + user("anna", LIMITS) + user("anna@example.org"));
  for (const words of [["--check"], []]) {
    const { changes, summary } = linesOf(m, ...words);
    expect([changes, summary.problems.map(({ code, message }) => [code, message])]).toEqual([
      [],
      [
        [
          "other-name",
          "user anna@example.org: the name of the account is 'anna', who is declared, too: one of the two sections is enough",
        ],
      ],
    ]);
  }
  expect(m.run(["jailkit", "config", "check", FILE]).stdout).toContain("one of the two sections is enough");
  expect(all()).toBe(before);
});

test("jk_jailuser refuses such a name, in each of its ways", () => {
  const before = all();
  const said = "the name of the account is 'anna': use that";
  for (const name of ALIASES)
    for (const words of [
      ["-n", "-j", J],
      ["--dry-run", "-j", J],
      ["--jail-side-only", "-j", J],
      ["--unjail"],
      ["--unjail", "--dry-run", "-s", "/usr/sbin/nologin"],
      ["--unjail", "--jail-side-only", "-j", J],
    ]) {
      const { status, stdout, stderr } = m.run(["jk_jailuser", ...words, name]);
      expect([status, stdout, stderr]).toEqual([1, "", `jk_jailuser: '${name}': ${said}\n`]);
    }
  expect(all()).toBe(before);
});

test("jk_addjailuser and jailkit import create no account of such a name", () => {
  const before = all();
  const { status, stderr } = m.run(["jk_addjailuser", "-j", J, "Anna"]);
  expect([status, stderr]).toEqual([
    1,
    "jk_addjailuser: 'Anna': the name of the account is 'anna': use that\n",
  ]);
  const exported = JSON.parse(m.must(["jailkit", "export", J]).stdout);
  const account = { uid: 7001, gid: 7001, group: "corp", groups: [], comment: "", local: false };
  const import_ = (name: string, ...words: string[]) => {
    const users = [{ name, ...account, home: "/home/anna", shell: "/bin/bash" }];
    m.write("/root/export.json", JSON.stringify({ ...exported, users }));
    return m.run(["jailkit", "import", "--trusted", "--dry-run", ...words, J, "/root/export.json"]).stderr;
  };
  for (const name of ALIASES)
    expect(import_(name)).toContain(`user '${name}': the name of the account is 'anna' on this machine`);
  expect(import_("anna")).not.toContain("the name of the account");
  expect(all()).toBe(before);
});

test("a line of such a name in a jail is told by jk_check, goes by the remedy, and becomes that of the account", () => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  const passwd = m.read(`${J}/etc/passwd`);
  m.write(`${J}/etc/passwd`, `${passwd}anna@example.org:x:7001:7001::/home/anna:/bin/bash\n`);
  const remedyFor = () => {
    const { findings } = JSON.parse(m.run(["jk_check", "--json", J]).stdout).jails[0];
    return findings.flatMap(({ rule, remedy }: { rule: string; remedy: string }) =>
      rule === "user-unknown" ? [remedy] : [],
    );
  };
  const stale = m.read(`${J}/etc/passwd`);
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "anna"]);
  expect(m.read(`${J}/etc/passwd`)).toBe(`${passwd}anna:x:7001:7001::/home/anna:/bin/bash\n`);
  expect(remedyFor()).toEqual([]);
  m.write(`${J}/etc/passwd`, stale);
  expect(remedyFor()).toEqual([`jk_jailuser --jail-side-only -j ${J} anna`]);
  m.must(["sh", "-c", remedyFor()[0]]);
  expect(m.read(`${J}/etc/passwd`)).toBe(`${passwd}anna:x:7001:7001::/home/anna:/bin/bash\n`);
  m.write(`${J}/etc/passwd`, stale);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "anna@example.org"]);
  expect(m.read(`${J}/etc/passwd`)).toBe(passwd);
});

test("a section for such a name is for nobody, which jailkit config check tells", () => {
  m.write("/etc/jailkit/jk_chrootsh.d/other.ini", "[anna@example.org]\nenv = LANG\n", { mode: 0o644 });
  const { stdout } = m.run(["jailkit", "config", "check", "/etc/jailkit/jk_chrootsh.ini"]);
  expect(stdout).toContain("error: the name of the user 'anna@example.org' is 'anna'");
});

test.each([
  ["without a group for its gid", "odd:x:7002:7999::/home/odd:/bin/sh", "no-group", "which is not a group"],
  [
    "with a colon in its comment",
    "odd:x:7002:7001:Bad;/root;/bin/sh:/home/odd:/bin/sh",
    "bad-path",
    "breaks passwd(5)",
  ],
  [
    "with a line in its comment",
    "odd:x:7002:7001:a|root;x;0;0:/home/odd:/bin/sh",
    "bad-path",
    "breaks passwd(5)",
  ],
  ["with a colon in its home", "odd:x:7002:7001::/home/a;b:/bin/sh", "bad-path", "breaks passwd(5)"],
  [
    "in a group that no list can have",
    "odd:x:7002:7001::/home/odd:/bin/sh",
    "bad-name",
    "'c,d' cannot be a group name",
  ],
])("one %s is refused by --check as by the run, and its directory gets no advice", (_, line, code, said) => {
  m.remove("/etc/jailkit/jk_chrootsh.d/other.ini");
  m.write("/etc/nss-domain", `${ANNA}${line}\n`);
  const groups = m.read("/etc/group");
  if (code === "bad-name") m.write("/etc/group", `${groups}c,d:x:7300:odd\n`);
  const other = "/srv/other";
  for (const jail of [J, other]) {
    m.write(
      FILE,
      `${JAIL}[jail ${other}]\nsections = uidbasics, basicshell\n${user("odd").replace(J, jail)}`,
    );
    m.remove(other);
    m.remove("/var/lib/jailkit/declared.json");
    const found = [["--check"], []].map((words) => {
      const { changes, summary } = linesOf(m, ...words);
      const about = changes.filter(({ of }) => of === "user").map(({ text, status }) => `${status} ${text}`);
      return [about, summary.problems.map((one) => [one.code, one.message]), summary.directories];
    });
    expect(found).toEqual(Array(2).fill([[], [[code, expect.stringContaining(said)]], []]));
    expect(m.read(`${jail}/etc/passwd`)).not.toContain("odd");
  }
  m.write("/etc/group", groups);
});

test("of one whose home in the jail is not its own, the directory is told what it should say when it is", () => {
  m.write("/etc/nss-domain", "odd:x:7002:7001::/home/odd:/bin/sh\n");
  m.write(FILE, JAIL + user("odd"));
  m.mkdir(`${J}/home/odd`, { mode: 0o755 });
  m.write(`${J}/home/odd/file`, "");
  const found = (...words: string[]) => {
    const { summary } = linesOf(m, ...words);
    return [summary.problems.map(({ path }) => path), summary.directories.map((one) => one.user)];
  };
  expect([found("--check"), found(), found()]).toEqual(Array(3).fill([["odd"], []]));
  m.must(["chown", "-R", "7002:7001", `${J}/home/odd`]);
  m.must(["chmod", "700", `${J}/home/odd`]);
  expect([found("--check"), found()]).toEqual(Array(2).fill([[], ["odd"]]));
});

test("one whose groups can make somebody root is warned of by --check as by the run, and what is said heals", () => {
  m.remove("/var/lib/jailkit/declared.json");
  const odd = (gid: number) =>
    m.write("/etc/nss-domain", `odd:x:7002:${gid}::${J}/./home/odd:/usr/sbin/jk_chrootsh\n`);
  m.write(FILE, JAIL + user("odd"));
  odd(0);
  m.must(["gpasswd", "-a", "odd", "disk"]);
  const said = (...words: string[]) => {
    const { stderr } = m.run(["jailkit", "apply", ...words]);
    return [...stderr.matchAll(/^.*warning: (.*can become root.*)$/gm)].map(([, line]) => line);
  };
  const line =
    "user odd: a member of the groups 'root', 'disk' can become root on most machines; unless you want that, leave it out of the key 'groups', and take it out: gpasswd -d odd disk; and give it another primary group in its directory (gidNumber)";
  expect(["--check", "-v", "--check"].map((word) => said(word))).toEqual([[line], [line], [line]]);
  m.must(["gpasswd", "-d", "odd", "disk"]);
  const primary =
    "user odd: a member of the group 'root' can become root on most machines; unless you want that, give it another primary group in its directory (gidNumber)";
  expect(said("--check")).toEqual([primary]);
  odd(7001);
  expect([said("--check"), said()]).toEqual([[], []]);
  expect(did(m)).toEqual([]);
});

test("one whose home is the whole jail is told what its directory should say", () => {
  m.write("/etc/nss-domain", `odd:x:7002:7001::${J}/./:/bin/sh\n`);
  const { status, stderr } = m.run(["jk_jailuser", "-n", "-j", J, "odd"]);
  expect([status, stderr]).toEqual([
    1,
    `jk_jailuser: 'odd' has the home '${J}/./', the jail itself, which can be no home in it: give the account another home in its directory, such as ${J}/./home/odd\n`,
  ]);
});

test("one that its directory calls root gets no shell outside of its jail, and no home or line of root, by any advice", () => {
  const has = (uid: number) =>
    m.write("/etc/nss-domain", `odd:x:${uid}:7001::${J}/./home/odd:/usr/sbin/jk_chrootsh\n`);
  has(7002);
  m.write(FILE, JAIL + user("odd"));
  m.must(["jailkit", "apply"]);
  has(0);
  const { steps } = reportOf(
    explainReportSchema,
    m.run(["jailkit", "explain", "--json", "--su", "odd"]).stdout,
  );
  const failures = steps.flatMap(({ stage, outcome, name, message, remedy }) =>
    stage === "jk_chrootsh" && outcome === "failed" ? [[name, message, remedy]] : [],
  );
  const advice = "; if the account is not to be root, give it another uid in its directory";
  expect(failures).toEqual([["not-root", expect.stringContaining(advice), null]]);
  const about = (found: ReturnType<typeof check>["found"]) =>
    found.filter(({ message }) => message.includes("odd")).map(({ rule, remedy }) => [rule, remedy]);
  expect(about(check(m, J).found)).toEqual([["extra-root", undefined]]);
  const status = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
  expect(status.findings.map(({ message }) => message)).toContain("'odd': a jail cannot hold root");
  has(7002);
  expect(about(check(m, J).found)).toEqual([]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune"]);
});

test("with SSSD, one that leaves is told the command that sets what is asked, whatever the directory says", () => {
  const nss = m.read("/etc/nsswitch.conf");
  m.write("/etc/nsswitch.conf", nss.replace(/^passwd:.*$/gm, "passwd: files domain sss"));
  m.write("/usr/sbin/sss_override", "#!/bin/sh\n", { mode: 0o755 });
  m.write("/etc/nss-domain", `odd:x:7002:7001::${J}/./home/odd:/usr/sbin/jk_chrootsh\n`);
  const { stdout } = m.run(["jk_jailuser", "--unjail", "--dry-run", "-s", "/usr/sbin/nologin", "odd"]);
  expect(stdout).toMatch(/^sss_override user-add odd --home \S*\/home\/odd --shell \/usr\/sbin\/nologin$/m);
  m.write("/etc/nsswitch.conf", nss);
});
