/**
 * Jobs of cron and at run outside the jail of the user who submitted them; the tools and `jailkit explain` report this,
 * and each remedy that they print prevents it.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema, type StepReport } from "../../src/explain/report-schema.ts";
import { jailUserReportSchema, newUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(180_000);

const J = "/srv/j";
const witness = "/var/tmp/outside";
const SHELL = ["-s", "/bin/sh"];

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["jk_addjailuser", "-j", J, ...SHELL, "u"]);
  m.must(["usermod", "-p", "*", "u"]);
  m.write("/etc/only-outside", "the host\n");
  m.start(["/usr/sbin/atd", "-f"]);
});
afterAll(() => m?.close());
beforeEach(() => {
  for (const name of ["cron.allow", "cron.deny", "at.allow", "at.deny"]) m.remove(`/etc/${name}`);
  m.write("/etc/at.deny", "");
});

/** What explain says of jobs. */
function told(): StepReport[] {
  const { stdout } = m.run(["jailkit", "explain", "--json", "--su", "u"]);
  const { steps } = reportOf(explainReportSchema, stdout);
  return steps.filter(({ stage }) => stage === "jobs");
}
const codes = () => told().map(({ name }) => name);
const stepOf = (code: string) => told().find(({ name }) => name === code);
/** What is printed: a command, or words that have commands in them. */
const adviceOf = (code: string) => stepOf(code)?.remedy ?? stepOf(code)?.message ?? "none";
const type = (command: string) => m.must(["sh", "-c", command]);

const job = (fifo: string) => `cat /etc/only-outside > ${witness}; id -un > ${fifo}`;
function fifoFor(name: string): string {
  const fifo = `/var/tmp/${name}`;
  m.remove(fifo);
  m.remove(witness);
  m.must(["mkfifo", "-m", "666", fifo]);
  m.must(["chmod", "1777", "/var/tmp"]);
  return fifo;
}

test("jk_jailuser, jk_addjailuser and explain report the same", () => {
  expect(codes()).toEqual(["cron", "at"]);
  const lines = told().map(({ message, remedy }) =>
    remedy === null ? message : `${message}; fix it with: ${remedy}`,
  );
  const jailed = m.must(["jk_jailuser", "--json", "-n", "-j", J, ...SHELL, "u"]);
  expect(reportOf(jailUserReportSchema, jailed.stdout).users[0]?.warnings).toEqual(lines);
  const added = m.must(["jk_addjailuser", "--json", "-j", J, ...SHELL, "v"]);
  expect(reportOf(newUserReportSchema, added.stdout).warnings).toEqual(
    lines.map((line) => line.replace("echo u", "echo v")),
  );
});

test("a crontab runs on the host, and what is printed ends that", () => {
  const fifo = fifoFor("cron-ready");
  m.must(["crontab", "-"], { user: "u", stdin: `@reboot ${job(fifo)}\n` });
  expect(codes()).toEqual(["crontab", "cron", "at"]);
  const cron = m.start(["/usr/sbin/cron", "-f"]);
  expect(m.must(["cat", fifo]).stdout).toBe("u\n");
  expect(m.read(witness)).toBe("the host\n");
  cron.kill();

  type(/: (touch [^;]*);/.exec(adviceOf("cron"))?.[1] ?? "");
  expect(m.run(["crontab", "-"], { user: "u", stdin: `@reboot ${job(fifo)}\n` }).status).not.toBe(0);
  expect(codes()).toEqual(["crontab", "at"]);
  type(adviceOf("crontab"));
  expect(codes()).toEqual(["at"]);
  expect(m.list("/var/spool/cron/crontabs")).toEqual([]);
  m.remove("/etc/cron.allow");
  expect(codes()).toEqual(["cron", "at"]);
  type(adviceOf("cron").split("alone: ")[1] ?? "");
  expect(codes()).toEqual(["at"]);
  expect(m.run(["crontab", "-"], { user: "u", stdin: "" }).status).not.toBe(0);
});

test("a job of at runs on the host, and what is printed ends that", () => {
  const fifo = fifoFor("at-ready");
  m.must(["at", "now"], { user: "u", stdin: `${job(fifo)}\n` });
  expect(m.must(["cat", fifo]).stdout).toBe("u\n");
  expect(m.read(witness)).toBe("the host\n");
  // It is listed until its shell has ended.
  while (m.must(["atq"]).stdout !== "");

  m.must(["at", "noon", "tomorrow"], { user: "u", stdin: "true\n" });
  expect(codes()).toEqual(["at-jobs", "cron", "at"]);
  type(adviceOf("at-jobs"));
  expect(m.must(["atq"]).stdout).toBe("");
  type(/: (touch [^;]*);/.exec(adviceOf("at"))?.[1] ?? "");
  expect(codes()).toEqual(["cron"]);
  expect(m.run(["at", "now"], { user: "u", stdin: "true\n" })).toMatchObject({ status: 1 });
  m.remove("/etc/at.allow");
  type(adviceOf("at").split("alone: ")[1] ?? "");
  expect(codes()).toEqual(["cron"]);
  expect(m.run(["at", "now"], { user: "u", stdin: "true\n" })).toMatchObject({ status: 1 });
});

test("an account in cron.allow is reported, with what removes it there", () => {
  m.write("/etc/cron.allow", "root\nu\n");
  m.write("/etc/at.allow", "root\n");
  expect(told().map(({ remedy }) => remedy)).toEqual([null]);
  expect(adviceOf("cron")).toEndWith("; take u out of /etc/cron.allow");
});
