/** `jailkit apply` and a jail that has another limited shell, as that of jailkit 2.23, which does not confine anybody. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { installTools, type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/old";
const OLD = "/root/jk_lsh-2.23";
const FILE = "/etc/jailkit/jails.d/old.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, shell: string, more: string) =>
  `[user ${name}]\njail = ${J}\nshell = ${shell}\n${more}`;
const LIMITED = user("lisa", "/usr/sbin/jk_lsh", "executables = /bin/bash\nnetwork = none\n");
const OTHER = user("otto", "/bin/bash", "");

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "debian" });
  m.must(["groupadd", "-f", "-r", "jailed"]);
  m.mkdir(J);
  for (const section of ["uidbasics", "basicshell", "jk_lsh"]) m.must(["jk_init", "-j", J, section]);
  m.must(["cp", "-a", `${J}/usr/sbin/jk_lsh`, OLD]);
  installTools(m, "ours");
  m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
});
afterAll(() => m?.close());

test("nobody gets rights that it would not limit, until jk_update has removed it", () => {
  m.write(FILE, JAIL + LIMITED + OTHER);
  const problem = expect.objectContaining({
    ...{ code: "bad-shell", remedy: `jk_update -j ${J}` },
    message: expect.stringContaining(`'${J}/usr/sbin/jk_lsh' is the jk_lsh of jailkit 2`),
  });
  const waits = expect.objectContaining({ path: "lisa", waitsFor: J });
  for (const [status, ...options] of [[10, "--check"], [1], [1]] as const) {
    const { summary } = linesOf(m, ...options);
    expect([summary.exitStatus, summary.problems]).toEqual([status, [problem, waits]]);
  }
  const accounts = m.read("/etc/passwd");
  expect([accounts.includes("\nlisa:"), accounts.includes("\notto:")]).toEqual([false, true]);
  m.must(["jk_update", "-j", J]);
  expect(did(m)).toEqual(expect.arrayContaining([expect.stringMatching(/^done \+ user lisa: account/)]));
  expect(did(m)).toEqual([]);
});

test("jailkit status names the jail, once, with what removes it", () => {
  const found = () =>
    reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.filter(
      ({ kind }) => kind === "old-shell",
    );
  m.must(["jk_addjailuser", "-s", "/usr/sbin/jk_lsh", "-p", "*", J, "lola"]);
  expect(found()).toEqual([]);
  m.must(["cp", "-a", OLD, `${J}/usr/sbin/jk_lsh`]);
  expect(found()).toEqual([
    {
      ...{ kind: "old-shell", subject: J, command: `jk_update -j ${J}` },
      message: expect.stringContaining(`'${J}/usr/sbin/jk_lsh' is the jk_lsh of jailkit 2`),
    },
  ]);
  expect(m.run(["jailkit", "status"]).stdout).toMatch(
    new RegExp(`^old-shell +${J} +jk_update -j ${J}$`, "m"),
  );
  m.must(["sh", "-c", found()[0]?.command ?? "false"]);
  expect(found()).toEqual([]);
  // Who has another shell does not run it.
  m.must(["cp", "-a", OLD, `${J}/usr/sbin/jk_lsh`]);
  for (const name of ["lisa", "lola"])
    m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", J, name]);
  expect(found()).toEqual([]);
  for (const name of ["lisa", "lola"])
    m.must(["jk_jailuser", "--jail-side-only", "-s", "/usr/sbin/jk_lsh", "-j", J, name]);
  expect(found()).toHaveLength(1);
  m.must(["jk_update", "-j", J]);
});

test("what is taken away is taken away all the same, and nothing is reported as it should be", () => {
  m.write(FILE, JAIL + LIMITED.replace("executables", "groups = audio\nexecutables") + OTHER);
  m.must(["jailkit", "apply"]);
  m.must(["cp", "-a", OLD, `${J}/usr/sbin/jk_lsh`]);
  m.write(FILE, JAIL + LIMITED + OTHER);
  expect(linesOf(m)).toMatchObject({ status: 1, changes: [] });
  expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user lisa: groups audio/)]);
  expect(linesOf(m).summary.problems).toHaveLength(2);
});

test("another program of this name is as bad, and is moved away", () => {
  const shell = `${J}/usr/sbin/jk_lsh`;
  const login = (...words: string[]) => m.run(["/usr/sbin/jk_chrootsh", ...words], { user: "lisa" });
  m.must(["jk_update", "-j", J]);
  m.write(FILE, JAIL + user("lisa", "/usr/sbin/jk_lsh", "allow = sftp\n") + OTHER);
  m.must(["jailkit", "apply"]);
  expect(login("-c", "/bin/true").status).not.toBe(0);
  m.must(["cp", "/bin/bash", shell]);
  expect(login("-c", "/bin/true").status).toBe(0);
  const message = expect.stringContaining(`'${shell}' is not jailkit's, and runs instead`);
  const remedy = `mv -nT ${shell} ${shell}.old`;
  const problem = expect.objectContaining({ code: "bad-shell", message, remedy });
  for (const options of [["--check"], []])
    expect(linesOf(m, ...options).summary.problems).toEqual([
      problem,
      expect.objectContaining({ path: "lisa", waitsFor: J }),
    ]);
  const { findings } = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
  expect(findings.filter(({ kind }) => kind === "old-shell")).toEqual([
    { kind: "old-shell", subject: J, message, command: remedy },
  ]);
  m.must(["sh", "-ec", remedy]);
  expect(linesOf(m).summary).toMatchObject({ exitStatus: 0, problems: [] });
  expect(login("-c", "/bin/true").status).not.toBe(0);
  // A copy of ours obeys the same rules.
  m.must(["cp", "/usr/sbin/jk_lsh", shell]);
  expect(linesOf(m, "--check").summary.problems).toEqual([]);
  m.remove(shell);
});
