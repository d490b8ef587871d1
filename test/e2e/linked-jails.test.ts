/**
 * A known jail whose path leads through a symbolic link, as when its disk was changed: no login works, and one command, which all
 * reports name, lets record, accounts and configuration name the directory itself.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const OLD = "/srv/jails/one";
const NEW = "/data/jails/one";
const CHECK = "/etc/jailkit/jk_check.ini";
const FILE = "/etc/jailkit/jails.d/one.ini";
const LINKED = "/srv/jails: is a symbolic link; name its target instead: /data/jails";
const FOLLOW = `jailkit adopt --moved ${OLD} ${NEW}`;

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.must(["groupadd", "-f", "jailed"]);
});
beforeEach(() => {
  m.mkdir("/srv/jails");
  m.mkdir("/data");
  const users = ["anna", "berta"].map((name) => `[user ${name}]\njail = ${OLD}\nshell = /bin/bash\n`);
  m.write(FILE, `[jail ${OLD}]\nsections = uidbasics, basicshell\n${users.join("")}`);
  m.must(["jailkit", "apply"]);
});
afterEach(() => {
  m.write(FILE, "");
  m.write(CHECK, "");
  for (const name of ["anna", "berta"]) m.run(["userdel", name]);
  for (const jail of [OLD, NEW]) m.run(["jailkit", "forget", "--with-users", jail]);
  m.must(["rm", "-rf", "/srv/jails", "/data", "/var/lib/jailkit"]);
});
afterAll(() => m?.close());

const status = () => reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings;
const behindLink = () => status().filter(({ kind }) => kind === "unreadable");
const login = (name: string) =>
  m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: name, env: { USER: name } }).status;

function leaveLink(): void {
  m.must(["mv", "/srv/jails", "/data/jails"]);
  m.must(["ln", "-s", "/data/jails", "/srv/jails"]);
}

test("a jail that was moved with a link in its place: jailkit status, jailkit list and jk_check name the command", () => {
  leaveLink();
  m.write(CHECK, `[${OLD}]\nignorewritableforgroup = ${OLD}/var\n`);
  expect(login("anna")).toBe(21);
  expect(behindLink()).toEqual([{ kind: "unreadable", subject: OLD, message: LINKED, command: FOLLOW }]);
  const { jails } = reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout);
  expect(jails).toMatchObject([{ path: OLD, reason: LINKED, remedy: FOLLOW }]);
  const checked = check(m);
  // They are there, behind the link.
  expect(checked.found).toEqual([]);
  expect(checked.jails.flatMap(({ problems }) => problems)).toMatchObject([
    { code: "link-in-jail-path", message: expect.stringContaining(LINKED), remedy: FOLLOW },
  ]);
  expect(typeRemedy(m, FOLLOW)).toMatchObject({ status: 0, stderr: "" });
  expect(status()).toEqual([]);
  expect(check(m)).toMatchObject({ status: 0, found: [] });
  expect([login("anna"), login("berta")]).toEqual([0, 0]);
  expect(m.read(CHECK)).toBe(`[${NEW}]\nignorewritableforgroup = ${NEW}/var\n`);
  expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
  // The link is not needed any more.
  m.must(["rm", "/srv/jails"]);
  expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
});

test("jailkit config check names the command for a declaration", () => {
  leaveLink();
  const checked = () =>
    reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings;
  const remedies = checked().map(({ remedy }) => remedy);
  expect([...new Set(remedies)]).toEqual([FOLLOW]);
  expect(typeRemedy(m, FOLLOW)).toMatchObject({ status: 0, stderr: "" });
  expect(m.read(FILE)).toContain(`[jail ${NEW}]`);
  expect(checked()).toEqual([]);
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, changes: [] });
});

test.each([
  ["moved", "mv /srv/jails/one /data/jails/one"],
  ["copied to another disk", "cp -a /srv/jails/one /data/jails/one; rm -r /srv/jails/one"],
])("apply names the command for a jail that was %s, by whichever path it is declared", (_, moves) => {
  m.must(["sh", "-c", `mkdir /data/jails; ${moves}; ln -s ${NEW} ${OLD}`]);
  const says = () => linesOf(m).summary.problems.filter(({ message }) => message.startsWith("jail "));
  expect(says()).toMatchObject([{ path: OLD, code: "link-in-jail-path", remedy: FOLLOW }]);
  m.must(["sed", "-i", `s,${OLD},${NEW},`, FILE]);
  for (const options of [[], ["--prune"]]) {
    const { changes, summary } = linesOf(m, ...options);
    const remedies = new Set(summary.problems.flatMap(({ remedy }) => remedy ?? []));
    expect([changes, [...remedies], JSON.stringify(summary).includes("by a mount")]).toEqual([
      [],
      [FOLLOW],
      false,
    ]);
  }
  expect(typeRemedy(m, FOLLOW)).toMatchObject({ status: 0, stderr: "" });
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, changes: [] });
});

test("a jail that is not declared any more, with a link to another one in its place, is told by the link", () => {
  const two = "/srv/jails/two";
  m.write(FILE, `[jail ${OLD}]\nsections = uidbasics\n[jail ${two}]\nsections = uidbasics, basicshell\n`);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.must(["sh", "-c", `rm -r ${OLD}; ln -s two ${OLD}`]);
  m.write(FILE, `[jail ${two}]\nsections = uidbasics, basicshell\n`);
  const { problems } = linesOf(m, "--prune").summary;
  expect(problems).toMatchObject([
    { remedy: `jailkit forget ${OLD}`, message: expect.stringContaining(`by the symbolic link '${OLD}'`) },
  ]);
  expect(typeRemedy(m, `jailkit forget ${OLD}`)).toMatchObject({ status: 0 });
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, changes: [] });
  expect(m.exists(`${two}/bin/bash`)).toBe(true);
  m.must(["jailkit", "forget", two]);
});

test("an account alone that names a link", () => {
  m.must(["ln", "-s", "jails", "/srv/link"]);
  m.must(["usermod", "-d", "/srv/link/one/./home/anna", "anna"]);
  const follow = `jailkit adopt --moved /srv/link/one ${OLD}`;
  expect(behindLink().map(({ subject, command }) => [subject, command])).toEqual([["/srv/link/one", follow]]);
  expect(typeRemedy(m, follow)).toMatchObject({ status: 0, stderr: "" });
  expect(status()).toEqual([]);
  expect(login("anna")).toBe(0);
  m.remove("/srv/link");
});

test("no command follows a link that others than root choose, or that leads to another jail", () => {
  const list = { kind: "unreadable", subject: OLD, command: `jailkit list ${OLD}` };
  m.must(["mv", "/srv/jails", "/data/jails"]);
  m.must(["chmod", "1777", "/srv"]);
  m.must(["ln", "-s", "/data/jails", "/srv/jails"], { user: "nobody" });
  expect(behindLink()).toMatchObject([list]);
  expect(m.run(["jailkit", "adopt", "--moved", OLD, NEW])).toMatchObject({ status: 1, stdout: "" });
  m.must(["chmod", "0755", "/srv"]);
  m.must(["rm", "/srv/jails"]);
  m.must(["jk_init", "-j", "/data/other/one", "uidbasics"]);
  m.must(["ln", "-s", "/data/other", "/srv/jails"]);
  expect(behindLink()).toMatchObject([list]);
  const refused = m.run(["jailkit", "adopt", "--moved", OLD, NEW]);
  expect(refused).toMatchObject({
    status: 1,
    stderr: `jailkit adopt: ${OLD}: leads through a symbolic link to /data/other/one, so it was not moved\n`,
  });
  m.must(["rm", "/srv/jails"]);
  m.must(["jailkit", "delete", "--yes", "/data/other/one"]);
});
