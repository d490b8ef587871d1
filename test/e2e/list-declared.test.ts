/** What `jailkit list` and `jailkit status` say of a jail that is missing, while declarations name it or its users. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(120_000);

const [J, K] = ["/srv/b", "/srv/k"];
const ACCOUNTS = "/var/lib/extrausers/passwd";
const [FILE, NAMED] = ["/etc/jailkit/jails.d/one.ini", "/root/named.ini"];
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const LUSER = `[user luser]\njail = ${J}\ndirectory = 1\nshell = /bin/bash\n`;
const BOB = `[user bob]\njail = ${J}\nshell = /bin/bash\n`;
const OUT = `jk_jailuser --unjail --jail-side-only -j ${J} luser`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
});
beforeEach(() => {
  m.run(["userdel", "bob"]);
  for (const path of ["/srv", "/var/lib/jailkit", FILE, NAMED]) m.remove(path);
  m.write(ACCOUNTS, "");
  m.mkdir("/srv", { mode: 0o755 });
});
afterAll(() => m?.close());

const has = (home: string) => m.write(ACCOUNTS, `luser:x:6001:6001::${home}:/usr/sbin/jk_chrootsh\n`);
const type = (command: string | null | undefined) => m.must(["sh", "-c", command ?? "false"]);
const listed = (path: string) =>
  reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout).jails.find(
    (jail) => jail.path === path,
  );

/** The end of what both say, after the way to create the jail. */
function saidOf(path: string): string | undefined {
  const { findings } = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
  const reason = listed(path)?.reason ?? "";
  expect(findings.find(({ subject }) => subject === path)?.message).toBe(reason);
  return /SECTION; (.*)$/.exec(reason)?.[1];
}

/** Declares luser, whose directory has a home in a jail that is not there by then. */
function loseHome(file = FILE): void {
  has(`${J}/./home/luser`);
  m.write(file, JAIL + LUSER);
  m.must(["jailkit", "apply", ...(file === FILE ? [] : [file])]);
  has(`${K}/./home/luser`);
}

test("nobody is to take out the line of a declared user of a directory, which the next run would write again", () => {
  loseHome();
  const show = "jailkit apply --check";
  expect(saidOf(K)).toBe(
    `to let luser into ${J}, which has lines of them, change their directory as this shows: ${show}`,
  );
  const [, home] = /^(\S+):\/usr\/sbin\/jk_chrootsh$/m.exec(type(show).stdout) ?? [];
  has(home ?? "");
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
});

test("of one who is declared no more, --prune takes the line out", () => {
  loseHome();
  m.write(FILE, JAIL);
  const prune = "jailkit apply --prune";
  expect(saidOf(K)).toBe(`luser is declared no more in ${J}, which has lines of them: ${prune}`);
  type(prune);
  expect(m.read(`${J}/etc/passwd`)).not.toContain("luser");
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
});

test("of one whom another file declares, or did, that is named", () => {
  loseHome(NAMED);
  expect(saidOf(K)).toEndWith(`change their directory as this shows: jailkit apply --check ${NAMED}`);
});

test("the line of one who is declared in the missing jail goes", () => {
  has(`${J}/./home/luser`);
  m.write(FILE, JAIL + LUSER);
  m.must(["jailkit", "apply"]);
  m.must(["jk_init", "-j", K, "uidbasics", "basicshell"]);
  has(`${K}/./home/luser`);
  m.write(FILE, LUSER.replace(J, K) + JAIL);
  m.must(["jailkit", "apply"]);
  m.write(`${J}/etc/passwd`, `${m.read(`${J}/etc/passwd`)}luser:x:6001:6001::/home/luser:/bin/bash\n`);
  m.remove(K);
  const reason = listed(K)?.reason ?? "";
  expect(reason).toEndWith(`; take the lines of luser out of ${J}: ${OUT}`);
  expect(reason).not.toContain("change their directory");
  type(listed(K)?.remedy);
  type(OUT);
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
  expect(m.read(`${K}/etc/passwd`)).toContain("luser");
});

test("of one who was never declared both ways are shown", () => {
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  has(`${J}/./home/luser`);
  m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", J, "luser"]);
  has(`${K}/./home/luser`);
  expect(saidOf(K)).toEndWith(
    `change their directory as this shows: jk_jailuser --dry-run -j ${J} luser; or take these lines out: ${OUT}`,
  );
});

test("a declared jail, with its users: a run of apply is a part of the command, which all of them need", () => {
  m.write(FILE, JAIL + BOB);
  m.must(["jailkit", "apply"]);
  m.must(["jk_init", "-j", J, "netbasics"]);
  m.remove(J);
  expect(listed(J)?.remedy).toBe(
    `jk_init -j ${J} uidbasics basicshell && jk_init -j ${J} netbasics && jailkit apply`,
  );
  type(listed(J)?.remedy);
  expect(listed(J)).toMatchObject({ state: "ready", sections: ["uidbasics", "basicshell", "netbasics"] });
  expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
  m.remove(J);
  for (const path of m.list("/var/lib/jailkit/jails")) m.remove(`/var/lib/jailkit/jails/${path}`);
  expect(listed(J)?.remedy).toBe("jailkit apply");
  type(listed(J)?.remedy);
  expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
});

test.each([
  ["the jail and a user", JAIL + BOB, `[jail ${J}] and [user bob]`],
  ["a user", BOB, "[user bob]"],
])("what is not needed is taken out of the declaration first: %s", (_, text, sections) => {
  m.write(FILE, JAIL + BOB);
  m.must(["jailkit", "apply"]);
  m.write(FILE, text);
  m.remove(J);
  const [, where, command] =
    /; if it is not needed: first take (.*), or 'jailkit apply' brings that back; then: ([^;]*)/.exec(
      listed(J)?.reason ?? "",
    ) ?? [];
  expect(where).toBe(`${sections} out of ${FILE}`);
  m.write(FILE, "");
  type(command);
  expect(listed(J)).toBeUndefined();
  expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({ status: 0 });
});
