/** The plan of `jailkit apply` has the lines of the run in the order of the run. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [A, B, GONE, LIVE] = ["/srv/a", "/srv/b", "/srv/gone", "/srv/live"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string, ...lines: string[]) => `[jail ${path}]\n${lines.join("\n")}\n`;
const user = (name: string, ...lines: string[]) => `[user ${name}]\n${lines.join("\n")}\n`;

const PRUNE = ["--prune", "--delete-homes"] as const;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["groupadd", "guests"]);
  m.must(["useradd", "-m", "-s", "/bin/sh", "outside"]);
});
afterAll(() => m?.close());

const BEFORE = [
  jail(A, "sections = uidbasics, basicshell, sftp", "files = id, tac", "log_socket = yes", "proc = yes"),
  jail(B, "sections = uidbasics, basicshell"),
  jail(GONE, "sections = uidbasics"),
  jail(LIVE, "sections = uidbasics, basicshell", "live = /usr, /opt"),
  user("changes", `jail = ${A}`, "allow = sftp", "groups = team", `authorized_keys = ${KEYS[0]}`),
  user("drifts", `jail = ${A}`, "shell = /bin/bash", `authorized_keys = ${KEYS[0]}`),
  user("gone", `jail = ${GONE}`, "allow = sftp"),
  user("moves", `jail = ${A}`, "allow = sftp"),
  user("out", `jail = ${B}`, "shell = /bin/bash"),
].join("");

const AFTER = [
  jail(A, "sections = uidbasics, basicshell, rsync", "files = id, env", "log_socket = no"),
  jail(B, "sections = uidbasics, basicshell", "log_socket = yes", "proc = yes"),
  jail(LIVE, "sections = uidbasics, basicshell, sftp", "files = tac", "live = /usr"),
  jail("/srv/new", "sections = uidbasics, basicshell", "files = id", "log_socket = yes"),
  user(
    "changes",
    ...[`jail = ${A}`, "shell = /bin/bash", "comment = Another", "groups = guests"],
    `authorized_keys = no-pty ${KEYS[1]}`,
  ),
  user(
    "drifts",
    ...[`jail = ${A}`, "shell = /bin/bash", "comment = Drifts", "groups = team", "confine = 1"],
    `authorized_keys =\n  no-pty ${KEYS[0]}\n  ${KEYS[1]}`,
  ),
  user("moves", `jail = ${B}`, "shell = /bin/bash"),
  user("new", "jail = /srv/new", "shell = /bin/bash", "groups = team", `authorized_keys = ${KEYS[0]}`),
  user("outside", "jail = /srv/new", "shell = /bin/bash", "groups = team", `authorized_keys = ${KEYS[0]}`),
].join("");

/** Lines of a plan, and those that say what was done, without the reason and what was done for each. */
const planned = (text: string) =>
  text.split("\n").flatMap((line) => /^[-+~] (.*?)(?: \(.*\))?$/.exec(line)?.[1] ?? []);
const doneIn = (text: string) =>
  text.split("\n").flatMap((line) => /^(?! )(.*): done$/.exec(line)?.[1] ?? []);

test("of everything at once: what is created, changed, moved and pruned", () => {
  m.write(FILE, BEFORE);
  expect(linesOf(m).status).toBe(0);
  m.must("jk_jailuser --unjail -m -s /usr/sbin/nologin moves".split(" "));
  m.must(["usermod", "-s", "/bin/sh", "drifts"]);
  m.must(["sed", "-i", "/^drifts:/s,:[^:]*$,:/bin/false,", `${A}/etc/passwd`]);
  m.must(["umount", `${LIVE}/usr`]);
  m.write(FILE, AFTER);
  const plan = linesOf(m, "--check", ...PRUNE);
  const text = m.run(["jailkit", "apply", "--check", ...PRUNE]).stdout;
  const { status, changes, summary } = linesOf(m, ...PRUNE);
  expect([status, summary.problems]).toEqual([0, []]);
  expect(changes.map((change) => change.text)).toEqual(plan.changes.map((change) => change.text));
  expect(text.split("\n").slice(0, -2)).toEqual(changes.map((change) => change.text));
  expect(changes[0]?.why).toBe("it has another jail now");
  const kinds = new Set(changes.map(({ action, of, what }) => `${action} ${of} ${what}`));
  expect([...kinds].sort()).toMatchInlineSnapshot(`
    [
      "change user account",
      "change user comment",
      "change user keys",
      "change user shell",
      "create jail files",
      "create jail log-socket",
      "create jail mounts",
      "create jail proc",
      "create jail sections",
      "create user account",
      "create user groups",
      "create user keys",
      "create user policy",
      "remove jail files",
      "remove jail jail",
      "remove jail live",
      "remove jail log-socket",
      "remove jail proc",
      "remove jail sections",
      "remove user account",
      "remove user groups",
      "remove user keys",
      "remove user policy",
    ]
  `);
  expect(did(m, "--prune")).toEqual([]);
});

test("in lines, without --prune", () => {
  m.write(FILE, BEFORE.replaceAll("log_socket = yes", "log_socket = no"));
  m.must("jk_jailuser --unjail -m -s /usr/sbin/nologin moves".split(" "));
  const { stdout } = m.run(["jailkit", "apply"]);
  expect(doneIn(stdout).length).toBeGreaterThan(5);
  expect(doneIn(stdout)).toEqual(planned(stdout));
});

test("a live jail that is not mounted gets a new section in the same run", () => {
  m.write(FILE, jail(LIVE, "sections = uidbasics, basicshell", "live = /usr"));
  m.must(["jailkit", "apply"]);
  m.must(["umount", `${LIVE}/usr`]);
  m.write("/etc/jailkit/jk_init.d/more.ini", "[more]\nemptydirs = /var/more\n");
  m.write(FILE, jail(LIVE, "sections = uidbasics, basicshell, more", "live = /usr"));
  expect(did(m)).toEqual([
    `done + jail ${LIVE}: mounts /usr (not mounted)`,
    `done + jail ${LIVE}: sections more (not in the jail)`,
  ]);
  expect(did(m)).toEqual([]);
});
