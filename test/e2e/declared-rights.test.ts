/**
 * Remedies of jk_check and `jailkit explain` that are lines for a section which `jailkit apply` writes: what is typed holds also
 * after its next run.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema, idReportSchema } from "../../src/explain/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(60_000);

const J = "/srv/b";
const FILE = "/etc/jailkit/jails.d/one.ini";
const LSH = `${J}/etc/jailkit/jk_lsh.ini`;
const [SETTINGS, DROP_IN] = ["/etc/jailkit/jk_chrootsh.ini", "/etc/jailkit/jk_chrootsh.d/bob.ini"];
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\nfiles = /usr/bin/id, /usr/bin/touch\n`;
const LIMA = `[user lima]\njail = ${J}\nexecutables = /usr/bin/id\npaths = /usr/bin\n`;
const BOB = `[user bob]\njail = ${J}\nshell = /bin/bash\n`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of ["bob", "lima"]) m.run(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit", FILE, DROP_IN, SETTINGS]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
});
afterAll(() => m?.close());

function declare(text: string): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply"]);
}

/** What jk_check finds that is not confined, besides what no section does. */
const unconfined = () =>
  check(m, "--confinement").found.flatMap((one) =>
    one.rule === "not-confined" && !one.message.includes("no section") ? one : [],
  );

/** What is wrong with a login. */
function wrong(...words: string[]) {
  const { stdout } = m.run(["jailkit", "explain", "--json", "--su", ...words]);
  const { steps, verdict } = reportOf(explainReportSchema, stdout);
  const bad = steps.filter(
    ({ outcome, stage, remedy }) => outcome !== "passed" && stage !== "sshd" && remedy,
  );
  return { verdict, bad };
}

const inSection = (user: string, lines: string) => `in section [user ${user}] of ${FILE} write:\n${lines}`;
const THEN = "'jailkit apply' writes that section: type it after these lines";

/** Types a remedy that names the declaration, and then what the message says. */
function heal(told: { readonly message: string; readonly remedy: string | null } | undefined): void {
  expect(told?.message).toContain(THEN);
  expect(typeRemedy(m, told?.remedy ?? "false").status).toBe(0);
  m.must(["jailkit", "apply"]);
}

test.each([
  ["lima", LSH, LIMA, "confine = 0", "confine = 1"],
  ["lima", LSH, LIMA, "syscalls = any\nscope = 0", "syscalls = login\nscope = 1"],
  ["bob", DROP_IN, BOB, "confine = 0", "confine = 1"],
])("jk_check names the key of the declaration: %s, %s", (name, path, user, lines, wanted) => {
  declare(`${JAIL}${user}${lines}\n`);
  const found = unconfined();
  expect(found).toMatchObject([{ path, remedy: inSection(name, wanted) }]);
  heal({ message: found[0]?.message ?? "", remedy: found[0]?.remedy ?? null });
  expect(unconfined()).toEqual([]);
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
});

test.each([
  ["lima", LSH, LIMA],
  ["bob", DROP_IN, BOB],
])("what is declared already is applied: %s, %s", (name, path, user) => {
  declare(`${JAIL}${user}confine = 1\n`);
  m.write(path, m.read(path).replace("confine = 1", "confine = 0"));
  expect(unconfined()).toMatchObject([{ path, remedy: "jailkit apply" }]);
  m.must(["jailkit", "apply"]);
  expect([name, unconfined()]).toEqual([name, []]);
});

test("a section that is declared no more goes", () => {
  declare(`${JAIL}${LIMA}confine = 0\n`);
  m.write(FILE, JAIL);
  expect(unconfined()).toMatchObject([{ path: LSH, remedy: "jailkit apply --prune" }]);
  m.must(["jailkit", "apply", "--prune"]);
  expect(unconfined()).toEqual([]);
});

test("the rights of a declared user that were declared once are declared again", () => {
  declare(`${JAIL}${BOB}confine = 0\n`);
  m.write(FILE, JAIL + BOB);
  const found = unconfined();
  expect(found).toMatchObject([{ path: DROP_IN, remedy: inSection("bob", "confine = 1") }]);
  heal({ message: found[0]?.message ?? "", remedy: found[0]?.remedy ?? null });
  expect(unconfined()).toEqual([]);
  expect(linesOf(m, "--check", "--prune")).toMatchObject({ status: 0, changes: [] });
});

test("a section of nobody who is declared is changed by hand, as that of a declared user who has no rights there", () => {
  declare(JAIL + BOB);
  m.write(SETTINGS, "[bob]\nconfine = 0\n");
  m.write(LSH, "[hand]\nexecutables = /usr/bin/id\nconfine = 0\n");
  const by = (section: string, file: string) => `in section [${section}] of ${file} write:\nconfine = 1`;
  expect(unconfined().map(({ remedy }) => remedy)).toEqual([by("bob", SETTINGS), by("hand", LSH)]);
  for (const { remedy } of unconfined()) typeRemedy(m, remedy ?? "false");
  m.must(["jailkit", "apply"]);
  expect(unconfined()).toEqual([]);
});

test("jailkit explain names it for a program", () => {
  declare(JAIL + LIMA);
  const ask = ["lima", "--", "/usr/bin/touch /home/lima/x"];
  const { verdict, bad } = wrong(...ask);
  expect(verdict).toBe("refused");
  const told = bad.find(({ name }) => name === "command");
  expect(told?.remedy).toBe(inSection("lima", "executables = /usr/bin/id, /usr/bin/touch"));
  heal(told);
  expect(wrong(...ask).verdict).toBe("works");
});

test("for a section that is missing, and was declared", () => {
  declare(JAIL + LIMA);
  m.write(LSH, "");
  const told = () => wrong("lima", "--", "/usr/bin/id").bad.find(({ name }) => name === "policy");
  expect(told()?.remedy).toBe("jailkit apply");
  m.must(["jailkit", "apply"]);
  expect(wrong("lima", "--", "/usr/bin/id").verdict).toBe("works");
});

test("a key that cannot be declared goes, also by the id of the refusal", async () => {
  declare(`${JAIL}${BOB}confine = 1\n`);
  m.write(DROP_IN, `${m.read(DROP_IN)}injail_shell = sh\n`);
  const log = "/var/log/auth.log";
  m.remove(log);
  m.write(
    "/run/rsyslog.conf",
    `module(load="imuxsock" SysSock.RateLimit.Interval="0")\nauth.* action(type="omfile" file="${log}")\n`,
  );
  const syslog = m.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
  const until = async (is: () => boolean) => {
    while (!is()) await new Promise(setImmediate);
  };
  await until(() => m.exists("/dev/log"));
  expect(m.run(["/usr/sbin/jk_chrootsh", "-c", "id"], { user: "bob", env: { USER: "bob" } }).status).toBe(
    111,
  );
  const logged = () => /JK-[A-Z2-7]{8}/.exec(m.exists(log) ? m.read(log) : "")?.[0];
  await until(() => logged() !== undefined);
  const id = logged() ?? "";
  const { stdout } = m.run(["jailkit", "explain", "--json", id]);
  expect(reportOf(idReportSchema, stdout).now?.remedy).toBe("jailkit apply");
  m.must(["jailkit", "apply"]);
  expect(wrong("bob", "--", "id").verdict).toBe("works");
  syslog.kill();
  await syslog.ended;
});

test("for a word, with the line that brings its program", () => {
  declare(`${JAIL}[user lima]\njail = ${J}\nallow = scp\n`.replace("basicshell", "basicshell, scp"));
  const ask = ["lima", "--", "git-upload-pack 'x'"];
  const told = wrong(...ask).bad.find(({ name }) => name === "command");
  expect(told).toMatchObject({
    message: expect.stringContaining(`add 'gitserver' to 'sections', line 2 of ${FILE}; ${THEN}`),
    remedy: inSection("lima", "allow = scp, git read"),
  });
});

test("for what the section of a login shell forbids", () => {
  declare(`${JAIL}${BOB}write = none\n`);
  const ask = ["bob", "--", "/usr/bin/touch /home/bob/x"];
  const told = wrong(...ask).bad.find(({ remedy }) => remedy?.includes("write = "));
  expect(told?.remedy).toStartWith(inSection("bob", "write = "));
  heal(told);
  expect(wrong(...ask).bad.filter(({ remedy }) => remedy?.includes("write = "))).toEqual([]);
});

test.each([
  ["log_socket = 0", `in section [jail ${J}] of ${FILE} write:\nlog_socket = 1`],
  ["log_socket = 1", "jailkit apply"],
])("the socket of a declared jail: %s", (line, remedy) => {
  declare(`${JAIL}${line}\n`);
  m.run(["sh", "-c", `mkdir -p ${J}/dev; rm -f ${J}/dev/log`]);
  const ini = "/etc/jailkit/jk_socketd.ini";
  const before = m.read(ini);
  m.write(ini, "");
  m.remove("/etc/jailkit/jk_socketd.d");
  m.must(["python3", "-c", `import socket; socket.socket(socket.AF_UNIX).bind("${J}/dev/log")`]);
  const found = () => check(m, J).found.filter(({ rule }) => rule === "socket");
  expect(found()).toMatchObject([{ path: `${J}/dev/log`, remedy }]);
  typeRemedy(m, remedy);
  m.must(["jailkit", "apply"]);
  expect(found()).toEqual([]);
  m.write(ini, before);
});
