/**
 * What `jailkit explain` and `jailkit config check` report about the key `execute` of jk_lsh.ini agrees with what then
 * happens, and their remedies work.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { callNumber } from "../../build/filters/libseccomp.ts";
import { explainReportSchema, type StepReport } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { HERE } from "../unit/filter-words.ts";

setDefaultTimeout(120_000);

const ini = "/etc/jailkit/jk_lsh.ini";
const policy = (more = "") =>
  `[DEFAULT]\nexecutables = /usr/bin/env, /usr/bin/whoiam, /usr/bin/capable, /srv/sh/script\n${more}`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_lsh", "jailkit"] });
  m.addUser("u", { createHome: true, shell: "/usr/sbin/jk_lsh" });
  m.must(["cp", "/usr/bin/id", "/usr/bin/whoiam"]);
  m.chmod("/usr/bin/whoiam", 0o4755);
  m.must(["cp", "/usr/bin/true", "/usr/bin/capable"]);
  m.must(["setcap", "cap_chown+ep", "/usr/bin/capable"]);
  m.mkdir("/srv/sh");
  m.must(["cp", "/usr/bin/dash", "/srv/sh/dash"]);
  m.write("/srv/sh/script", "#!/srv/sh/dash\necho ran\n", { mode: 0o755 });
  const without = compiledC(join(import.meta.dir, "../attack/refuse-call.c"), ["-static"]);
  m.write("/usr/bin/refuse-call", await Bun.file(without).bytes(), { mode: 0o755 });
});
afterAll(() => m?.close());
beforeEach(() => m.write(ini, policy()));

const run = (line: string): RunResult =>
  m.run(["/usr/sbin/jk_lsh", "-c", line], { user: "u", env: { USER: "u" }, cwd: "/home/u" });
const old = ["/usr/bin/refuse-call", "38", "444", "--"];

/** The steps about the key, and how it ends. */
function explain(command: string, wrapper: string[] = []): { status: number; steps: StepReport[] } {
  const words = [...wrapper, "/usr/sbin/jailkit", "explain", "--json", "--su", "u", "--", command];
  const { status, stdout } = m.run(words);
  const { steps } = reportOf(explainReportSchema, stdout);
  return { status, steps: steps.filter(({ name }) => name === "execute") };
}

/** What is wrong with the file, as "code: message". */
function check(wrapper: string[] = []): string[] {
  const { stdout } = m.run([...wrapper, "/usr/sbin/jailkit", "config", "check", "--json", ini]);
  const { findings } = reportOf(configReportSchema, stdout);
  return findings.map(({ code, message }) => `${code}: ${message}`);
}

test("the directories are listed", () => {
  const { status, steps } = explain("/usr/bin/env");
  expect(status).toBe(0);
  expect(steps[0]).toMatchObject({ outcome: "passed" });
  expect(steps[0]?.message).toMatch(
    /the allowed programs, and files in .*\/usr\/bin, \/usr\/sbin, \/usr\/lib\b/,
  );
});

describe("a known server", () => {
  const told = (more: string, command: string, wrapper: string[] = [], about = "server"): string[] => {
    m.write(ini, `[DEFAULT]\nexecutables = /usr/bin/svnserve, /usr/bin/git-receive-pack\n${more}`);
    const words = ["/usr/sbin/jailkit", "explain", "--json", "--su", "u", "--", command];
    const { steps } = reportOf(explainReportSchema, m.run([...wrapper, ...words]).stdout);
    return steps.filter(({ name }) => name === about).map(({ message }) => message);
  };

  test("is limited by a filter, besides Landlock: a kernel without filters is told", () => {
    const calls = [`${callNumber("prctl", HERE)}:22`, `${callNumber("seccomp", HERE)}`];
    const without = ["/usr/bin/refuse-call", "22", ...calls, "--"];
    const [line, starts] = ["/usr/bin/svnserve -t", "starts the hooks of any repository"];
    expect(told("", line, [], "programs")).toEqual([]);
    expect(told("", line, without).join("\n")).not.toContain("may itself execute");
    expect(told("", line, without, "programs").join("\n")).toContain(starts);
    expect(check(without).join("\n")).toContain(starts);
    expect(check().join("\n")).not.toContain(starts);
  });

  test("executes less than others, which is reported", () => {
    expect(told("", "/usr/bin/svnserve -t").join("\n")).toContain(
      "may itself execute: nothing, hooks neither;",
    );
    const git = told("", "/usr/bin/git-receive-pack /srv/r").join("\n");
    expect(git).toContain("Hooks of a repository do not run");
    expect(git).toContain("may itself execute: /usr/lib/git-core, ");
  });

  test("is freed by directories in the key, and where options are free", () => {
    expect(told("execute = system, /srv\n", "/usr/bin/svnserve -t").join("\n")).not.toContain(
      "may itself execute",
    );
    expect(told("allow_spawn_options = 1\n", "/usr/bin/svnserve -t")).toEqual([]);
  });
});

test("without a file, the check looks at that of each jail that accounts live in", () => {
  const jail = "/srv/inhabited";
  m.write(`${jail}/etc/jailkit/jk_lsh.ini`, "[v]\nexecutables = /usr/bin/true\nexecute = sytem\n");
  m.write(`${jail}/etc/passwd`, "v:x:4321:4321::/home/v:/usr/sbin/jk_lsh\n");
  m.addUser("v", { home: `${jail}/./home/v`, shell: "/usr/sbin/jk_chrootsh" });
  for (const user of ["root", "u"]) {
    const { status, stdout } = m.run(["/usr/sbin/jailkit", "config", "check"], { user });
    expect([user, status]).toEqual([user, 1]);
    expect(stdout).toContain(`${jail}/etc/jailkit/jk_lsh.ini:3:11: error: 'execute': 'sytem' is not`);
  }
  m.must(["userdel", "v"]);
  expect(m.run(["/usr/sbin/jailkit", "config", "check"]).stdout).not.toContain(jail);
});

describe("programs that are setuid, or have file capabilities", () => {
  const words = `if the program needs it, write execute = any and confine = 0 in ${ini}`;

  test("have no effect, which is reported", () => {
    const { steps } = explain("/usr/bin/env");
    expect(steps.slice(1)).toMatchObject([
      {
        outcome: "warned",
        message: `/usr/bin/whoiam is setuid, which has no effect in the limited shell; ${words}`,
        remedy: null,
      },
      {
        outcome: "warned",
        message: `/usr/bin/capable has file capabilities, which has no effect in the limited shell; ${words}`,
        remedy: null,
      },
    ]);
    expect(check()).toContain(
      "no-effect: '/usr/bin/whoiam' is setuid, which has no effect unless execute = any and confine = 0",
    );
    const { uid } = m.ids("u");
    expect(run("/usr/bin/whoiam -u")).toMatchObject({ status: 0, stdout: `${uid}\n` });
  });

  test("have none with execute = any alone, which is reported", () => {
    m.write(ini, policy("execute = any\n"));
    expect(explain("/usr/bin/env").steps.map(({ message }) => message)).toContain(
      `/usr/bin/whoiam is setuid, which has no effect in the limited shell; ${words}`,
    );
    expect(check().filter((line) => line.startsWith("no-effect"))).toHaveLength(2);
    const { uid } = m.ids("u");
    expect(run("/usr/bin/whoiam -u")).toMatchObject({ status: 0, stdout: `${uid}\n` });
  });

  test("have it with execute = any and confine = 0, and that is reported as well", () => {
    m.write(ini, policy("execute = any\nconfine = 0\n"));
    expect(explain("/usr/bin/env").steps).toMatchObject([
      { outcome: "warned", message: `execute = any: uploaded programs can be executed; change ${ini}` },
    ]);
    expect(check().filter((line) => /^(no-effect|not-executed|execute-any)/.test(line))).toEqual([
      "execute-any: with execute = any the programs can execute what a user has uploaded",
    ]);
    expect(run("/usr/bin/whoiam -u")).toMatchObject({ status: 0, stdout: "0\n" });
  });
});

test("an interpreter elsewhere is reported beforehand, and the remedy works", () => {
  const { status, steps } = explain("/srv/sh/script");
  expect(status).toBe(1);
  const line = "execute = system, /srv/sh";
  const message = `/srv/sh/script needs /srv/sh/dash, which may not be executed; write ${line} in ${ini}`;
  expect(steps.at(-1)).toMatchObject({ outcome: "failed", message, remedy: null });
  expect(check().join("\n")).toContain(
    `needs '/srv/sh/dash', which may not be executed; to allow it: ${line}`,
  );
  expect(run("/srv/sh/script")).toMatchObject({ status: 126, stdout: "" });

  m.write(ini, policy(`${line}\n`));
  expect(explain("/srv/sh/script").status).toBe(0);
  expect(check().join("\n")).not.toContain("not-executed");
  expect(run("/srv/sh/script")).toMatchObject({ status: 0, stdout: "ran\n" });
});

test("a directory that others can write is reported with its remedy", () => {
  m.write(ini, policy("execute = system, /srv/sh\n"));
  m.chmod("/srv/sh", 0o777);
  const why = "/srv/sh can be written by its group or by others; chmod go-w it";
  const { steps } = explain("/usr/bin/env");
  const found = check();
  m.chmod("/srv/sh", 0o755);
  expect(steps).toContainEqual(
    expect.objectContaining({
      outcome: "warned",
      message: `nothing in /srv/sh may be executed: ${why}; fix it, or change ${ini}`,
    }),
  );
  expect(found).toContain(`not-executed: nothing in '/srv/sh' may be executed: ${why}`);
});

test("calls that are refused", () => {
  const refused = ["/usr/bin/refuse-call", "1", "444", "--"];
  const { status, steps } = explain("/usr/bin/env", refused);
  expect(status).toBe(1);
  expect(steps[0]).toMatchObject({
    outcome: "failed",
    message: expect.stringContaining(
      "executions cannot be limited: landlock_create_ruleset: Operation not permitted; allow the calls",
    ),
  });
  const checked = m.run([...refused, "/usr/sbin/jailkit", "config", "check", ini]);
  expect(checked.status).toBe(2);
  expect(checked.stderr).toContain("cannot be checked: landlock_create_ruleset");
});

test("a kernel without Landlock", () => {
  const { status, steps } = explain("/usr/bin/env", old);
  expect(status).toBe(0);
  expect(steps[0]?.outcome).toBe("warned");
  expect(steps[0]?.message).toStartWith("the programs may execute anything: the kernel has no Landlock");
  expect(
    check(old).filter((line) => line.startsWith("no-landlock: this kernel has no Landlock")),
  ).toHaveLength(1);
  expect(check().join("\n")).not.toContain("Landlock");
  m.write(ini, policy("execute = any\n"));
  expect(check(old).join("\n")).not.toContain("Landlock");
});
