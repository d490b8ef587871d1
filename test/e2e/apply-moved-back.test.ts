/** All of /etc comes from an older backup, after a jail was moved, and all had followed it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [OLD, NEW, K] = ["/srv/j", "/data/j", "/srv/k"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const user = (name: string, jail: string) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`;
const DECLARED = `[jail ${OLD}]\nsections = uidbasics, basicshell\n${user("ann", OLD)}${user("lim", OLD)}[jail ${K}]\nsections = uidbasics, basicshell\n${user("bob", K)}`;
const REMEDY = `jailkit adopt --moved ${OLD} ${NEW}`;

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const FILES = "/etc/passwd /etc/shadow /etc/group /etc/gshadow";
const keep = () => sh(`rm -rf /root/bk; mkdir /root/bk; cp -a ${FILES} /etc/jailkit /root/bk`);
const restore = () =>
  sh(`cd /root/bk; cp -a passwd shadow group gshadow /etc; rm -r /etc/jailkit; cp -a jailkit /etc/jailkit`);
const all = () => sh("find /srv /data /etc/passwd -printf '%p %s %m %U %T@\\n' | sort");

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, DECLARED);
  m.must(["jailkit", "apply"]);
  m.mkdir("/data");
  for (const name of ["ann", "lim"]) sh(`echo ${name} >${OLD}/home/${name}/letter`);
});
afterAll(() => m?.close());

test("a jail that is declared where it was: nothing is made, and the command that lets all follow it heals", () => {
  keep();
  sh(`mv ${OLD} ${NEW}`);
  m.must(["sh", "-c", REMEDY]);
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0 });
  restore();
  const before = all();
  for (const options of [["--check"], [], ["--prune"], ["--prune", "--delete-homes"]]) {
    const { status, changes, summary } = linesOf(m, ...options);
    const made = changes.filter((change) => change.status === "done" || change.status === "planned");
    expect([options, status, made]).toEqual([options, 1, []]);
    expect(summary.problems.map(({ code, message, remedy }) => [code, message, remedy])).toEqual([
      ["moved", `jail ${OLD}: it was moved: ${REMEDY}`, REMEDY],
      ["waits-for-jail", expect.any(String), null],
      ["waits-for-jail", expect.any(String), null],
    ]);
    expect(summary.warnings.filter((line) => line.includes(NEW))).toEqual([]);
  }
  expect(all()).toBe(before);
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  expect(status.findings.map(({ kind, subject, command }) => [kind, subject, command])).toContainEqual([
    "missing",
    OLD,
    REMEDY,
  ]);
  const { findings } = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
  expect(findings).toMatchObject([{ line: 1, code: "moved", remedy: REMEDY }]);
  sh(REMEDY);
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
  expect(sh(`cat ${NEW}/home/ann/letter ${NEW}/home/lim/letter`)).toBe("ann\nlim\n");
  expect(m.exists(OLD)).toBe(false);
});

test.each([
  [
    "one of its users has another line there",
    `sed -i 's/^ann:x:[0-9]*/ann:x:4711/' ${NEW}/etc/passwd; chown 4711 ${NEW}/home/ann`,
  ],
  [
    "somebody else has a home there, of a directory perhaps",
    `echo zed:x:4712:100::/home/zed:/bin/sh >>${NEW}/etc/passwd; install -d -o 4712 ${NEW}/home/zed`,
  ],
  ["the home of one is not there", `rm -r ${NEW}/home/ann`],
  ["somebody lives there", `useradd -M -d ${NEW}/./home/zed -s /usr/sbin/jk_chrootsh zed`],
])("a directory of which that is not certain is not taken for it: %s", (_, plant) => {
  sh(`cp -a ${NEW} /root/saved; cp -a /etc/passwd /root/passwd`);
  sh(`sed -i 's#${NEW}#${OLD}#' /etc/passwd ${FILE}; ${plant}`);
  // Of the place where it was before, it is told that it may be this one: no command takes it for that.
  const { problems } = linesOf(m, "--check").summary;
  expect(problems.filter(({ code, remedy }) => code === "moved" && remedy !== null)).toEqual([]);
  sh(
    `rm -r ${NEW}; mv /root/saved ${NEW}; cp -a /root/passwd /etc/passwd; sed -i 's#${OLD}#${NEW}#' ${FILE}`,
  );
  m.run(["sh", "-c", "userdel zed; cp -a /root/passwd /etc/passwd"]);
});
