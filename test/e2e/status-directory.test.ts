/** `jailkit status` and jk_check about an account of a directory whose jail has no line of it: what ends it is told. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/b";
const ACCOUNTS = "/var/lib/extrausers/passwd";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const LUSER = `[user luser]\njail = ${J}\ndirectory = 1\nshell = /bin/bash\n`;
const WAY = "jk_jailuser --unjail --dry-run -s /usr/sbin/nologin luser";

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
});
afterAll(() => m?.close());

const findings = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout)
    .findings.filter(({ subject }) => subject === "luser")
    .map(({ kind, message, command }) => [kind, message, command]);

test("after --prune", () => {
  m.write(ACCOUNTS, `luser:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`);
  m.write(FILE, JAIL + LUSER);
  m.must(["jailkit", "apply"]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  expect(findings()).toEqual([["not-in-jail", `user luser does not exist in ${J}/etc/passwd`, WAY]]);
  expect(m.run(["jk_check", J]).stdout).toMatch(new RegExp(`^  remedy: ${WAY}\n(?!  or)`, "m"));
  // It shows what to change.
  const { stdout } = m.run(["sh", "-c", WAY]);
  const [, fields = ""] = /:\n(.*)\n\n# Then on this machine:\n/.exec(stdout) ?? [];
  m.write(ACCOUNTS, `luser:x:6001:6001::${fields}\n`);
  expect(m.run(["jk_check", J]).stdout).not.toContain("user luser");
  expect(findings()).toEqual([]);
});

test("after its directory has given it another name", () => {
  const line = (name: string) => `${name}:x:6001:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`;
  m.write(ACCOUNTS, line("luser"));
  m.write(FILE, JAIL + LUSER);
  m.must(["jailkit", "apply"]);
  m.write(ACCOUNTS, line("annika"));
  const status = () => JSON.parse(m.run(["jailkit", "status", "--json"]).stdout).findings;
  expect(status()).toContainEqual(
    expect.objectContaining({ kind: "not-in-jail", subject: "annika", command: "jailkit config check" }),
  );
  const { jails } = JSON.parse(m.run(["jk_check", "--json", J]).stdout);
  const found = jails[0].findings.find(({ rule }: { rule: string }) => rule === "user-not-in-jail");
  expect(found.remedy).toBe(linesOf(m, "--check").summary.problems[0]?.remedy);
  typeRemedy(m, found.remedy);
  m.must(["jailkit", "apply"]);
  expect([status(), m.read(`${J}/etc/passwd`)]).toEqual([[], expect.stringContaining("annika:x:6001:")]);
});

test("after its directory has given it another uid: its home may stay its own", () => {
  const line = (uid: number) => `luser:x:${uid}:6001::${J}/./home/luser:/usr/sbin/jk_chrootsh\n`;
  const home = `${J}/home/luser`;
  for (const path of [J, "/var/lib/jailkit"]) m.remove(path);
  m.write(ACCOUNTS, line(6001));
  m.write(FILE, JAIL + LUSER);
  m.must(["jailkit", "apply"]);
  m.must(["sh", "-c", `echo letter >${home}/letter; chown 6001 ${home}/letter`]);
  m.write(ACCOUNTS, line(6555));
  const [problem] = linesOf(m).summary.problems;
  const give = `chown -hR --from=+6001 +6555 ${home}`;
  expect(problem?.message).toContain(`; if the uid of the same user was changed: ${give}; if not, keep it`);
  expect(problem?.remedy).toBe(null);
  m.must(["sh", "-c", give]);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([m.stat(home)?.uid, m.stat(`${home}/letter`)?.uid]).toEqual([6555, 6555]);
  expect(JSON.parse(m.run(["jailkit", "status", "--json"]).stdout).findings).toEqual([]);
});
