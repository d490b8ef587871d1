/** A directory says of a declared account another jail, no jail, or a shell of the machine: apply and config check warn, and status sends there. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(120_000);

const [J, OTHER] = ["/srv/j2", "/srv/k"];
const ACCOUNTS = "/var/lib/extrausers/passwd";
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
const DORA = `[user dora]\njail = ${J}\ndirectory = 1\nshell = /bin/bash\n`;
const [RIGHT, CHROOT] = [`${J}/./home/dora`, "/usr/sbin/jk_chrootsh"];

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/group", "dora:x:7001:\n");
  m.write("/var/lib/extrausers/shadow", "dora:!:19000:0:99999:7:::\n");
  say(RIGHT, CHROOT);
  m.write(FILE, jail(J) + DORA + jail(OTHER));
  m.must(["jailkit", "apply"]);
});
beforeEach(() => {
  say(RIGHT, CHROOT);
  expect([applied(), checked(), status()]).toEqual([[], [], []]);
});
afterAll(() => m?.close());

const say = (home: string, shell: string) => m.write(ACCOUNTS, `dora:x:7001:7001::${home}:${shell}\n`);
/** The warnings of a run and of its plan, which have nothing else. */
function applied(): string[] {
  const [planned, made] = [linesOf(m, "--check"), linesOf(m)];
  expect([planned.status, planned.changes, planned.summary.problems]).toEqual([0, [], []]);
  expect([made.status, made.changes, made.summary.problems]).toEqual([0, [], []]);
  expect(planned.summary.warnings).toEqual(made.summary.warnings);
  return made.summary.warnings;
}
const checked = () =>
  m
    .run(["jailkit", "config", "check"])
    .stdout.split("\n")
    .filter((line) => /^\S/.test(line));
const status = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ kind, subject, command }) => [kind, subject, command],
  );
const logIn = () => m.run(["su", "-", "dora", "-c", "pwd; ls -d /srv"]);

const SHOWS = "jailkit apply --check";
/** Other commands of status, by the kinds of the findings. */
const LEADS: Readonly<Record<string, string>> = {
  missing: "jailkit list /srv/kk",
  shell: "jailkit explain dora",
};

test.each([
  [
    "another jail",
    `${OTHER}/./home/dora`,
    CHROOT,
    `has the home '${OTHER}/./home/dora', which names another jail`,
    "not-in-jail",
  ],
  [
    "a jail that is none",
    "/srv/kk/./home/dora",
    CHROOT,
    "has the home '/srv/kk/./home/dora', which names another jail",
    "missing",
  ],
  ["no jail", "/home/dora", CHROOT, "has the home '/home/dora', which names no jail", "no-jail"],
  [
    "no jail, below this one",
    `${J}/home/dora`,
    CHROOT,
    `has the home '${J}/home/dora', which names no jail`,
    "no-jail",
  ],
  [
    "no jail, below this one, and a shell of the machine",
    `${J}/home/dora`,
    "/bin/bash",
    `has the home '${J}/home/dora', which names no jail`,
    undefined,
  ],
  [
    "a shell of the machine",
    RIGHT,
    "/bin/bash",
    "has the shell '/bin/bash', which runs outside of it",
    "shell",
  ],
])("%s", (_, home, shell, what, kind) => {
  say(home, shell);
  const said = `no login comes into the jail '${J}': in its directory the account ${what}`;
  expect(applied()).toEqual([`user dora: ${said}`]);
  expect(checked()).toEqual([
    `${FILE}:3:1: warning: 'dora': ${said}; what it should have is shown by: ${SHOWS} [directory-differs]`,
  ]);
  expect(m.run(["jailkit", "config", "check"]).status).toBe(1);
  // Of an account with a shell of the machine in no jail, status knows nothing.
  const subject = kind === "missing" ? "/srv/kk" : "dora";
  expect(status()).toEqual(kind === undefined ? [] : [[kind, subject, LEADS[kind] ?? SHOWS]]);
  expect(logIn().stdout).not.toStartWith("/home/dora\n");
  // What it shows heals.
  const { stdout } = m.run(SHOWS.split(" "));
  const [, right = ""] = /fields of the line .*:\n(.*)\n/.exec(stdout) ?? [];
  expect(right).toBe(`${RIGHT}:${CHROOT}`);
  const [to = "", by = ""] = right.split(/:(?=[^:]*$)/);
  say(to, by);
  expect(logIn()).toMatchObject({ stdout: "/home/dora\n" });
});

test("what is not written yet, or lets nobody in, is no warning", () => {
  for (const [home, shell] of [
    ["/home/dora", "/bin/sh"],
    [RIGHT, "/usr/sbin/nologin"],
    [`${OTHER}/./home/dora`, "/usr/sbin/nologin"],
  ] as const) {
    say(home, shell);
    expect([applied(), checked()]).toEqual([[], []]);
    expect(linesOf(m).summary.directories).toMatchObject([{ user: "dora" }]);
  }
});
