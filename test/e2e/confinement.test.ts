/**
 * What `jailkit explain` shows of the keys that the kernel enforces agrees with what sessions find, and its remedies and
 * those of `jailkit config check` work on a kernel that lacks a part.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const chrootsh = "/etc/jailkit/jk_chrootsh.ini";
const uchroot = "/etc/jailkit/jk_uchroot.ini";
const lsh = `${J}/etc/jailkit/jk_lsh.ini`;
const COMMAND = "/usr/bin/touch /data/new";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
  for (const [name, shell] of [
    ["shell", "/bin/bash"],
    ["lima", "/usr/sbin/jk_lsh"],
  ] as const) {
    m.addUser(name, { home: `/home/${name}`, createHome: true });
    m.must(["jk_jailuser", "-n", "-m", "-s", shell, "-j", J, name]);
  }
  m.addUser("guest", { createHome: true });
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "guest"]);
  m.mkdir(`${J}/data`, { mode: 0o1777 });
  const without = compiledC(join(import.meta.dir, "../attack/refuse-call.c"), ["-static"]);
  m.write("/usr/bin/refuse-call", await Bun.file(without).bytes(), { mode: 0o755 });
});
afterAll(() => m?.close());

const policy = (who: string, first: string) => (lines: string) => `[${who}]\n${first}\n${lines}\n`;
const SECTIONS = {
  [chrootsh]: policy("shell", "env = A"),
  [lsh]: policy("lima", "paths = /usr/bin\nexecutables = /usr/bin/touch"),
  [uchroot]: policy("guest", `allowed_jails = ${J}`),
};
beforeEach(() => {
  for (const [file, section] of Object.entries(SECTIONS)) m.write(file, section(""));
  m.remove(`${J}/data/new`);
});

/** The three kinds of session: its file, what is asked, and how it is started. */
const KINDS = {
  jk_chrootsh: { file: chrootsh, question: ["--su", "shell", "--", COMMAND], user: "shell", status: 106 },
  jk_lsh: { file: lsh, question: ["--su", "lima", "--", COMMAND], user: "lima", status: 126 },
  jk_uchroot: {
    ...{
      file: uchroot,
      question: ["-j", J, "guest", "--", ...COMMAND.split(" ")],
      user: "guest",
      status: 106,
    },
  },
} as const;
type Kind = keyof typeof KINDS;

function start(kind: Kind, wrapper: readonly string[] = []): RunResult {
  const { user } = KINDS[kind];
  const words =
    kind === "jk_uchroot"
      ? ["/usr/bin/jk_uchroot", "-j", J, "-x", "/usr/bin/touch", "--", "/data/new"]
      : ["/usr/sbin/jk_chrootsh", "-c", COMMAND];
  return m.run([...wrapper, ...words], { user, env: { USER: user }, cwd: "/" });
}

/** The steps about confinement, as "stage outcome: message", the verdict, and the remedy. */
function explain(kind: Kind, wrapper: readonly string[] = []) {
  const words = [...wrapper, "/usr/sbin/jailkit", "explain", "--json", ...KINDS[kind].question];
  const { verdict, exitStatus, steps } = reportOf(explainReportSchema, m.run(words).stdout);
  const about = steps.filter(({ name }) => name === "confinement");
  return {
    shown: about.map(({ stage, outcome, message }) => `${stage} ${outcome}: ${message}`),
    remedy: about.map(({ remedy }) => remedy).find((one) => one !== null),
    ...{ verdict, exitStatus },
  };
}

const ON = "execute system; system calls login; signals and abstract sockets within the session";

describe("what holds", () => {
  const rows: [Kind, string, string[], boolean][] = [
    ["jk_chrootsh", "", [], true],
    ["jk_chrootsh", "limits = core 0", ["jk_chrootsh passed: limits core 0"], true],
    [
      "jk_chrootsh",
      "write = none\nnetwork = none",
      ["jk_chrootsh passed: write nothing; network none; no new privileges; 5 of 5 kernel features"],
      false,
    ],
    [
      "jk_chrootsh",
      "read = /data\nwrite = /data",
      ["jk_chrootsh passed: read /data; write /data; no new privileges; 5 of 5 kernel features"],
      true,
    ],
    [
      "jk_chrootsh",
      "confine = require",
      [`jk_chrootsh passed: ${ON}; no new privileges; 4 of 4 kernel features`],
      true,
    ],
    ["jk_lsh", "", [`jk_lsh passed: ${ON}; no new privileges; 4 of 4 kernel features`], true],
    [
      "jk_lsh",
      "write = ~",
      [
        "jk_lsh passed: execute system; write /home/lima; system calls login; signals and abstract sockets within the session; no new privileges; 7 of 7 kernel features",
      ],
      false,
    ],
    ["jk_uchroot", "", [`jk_uchroot passed: ${ON}; no new privileges; 4 of 4 kernel features`], true],
    [
      "jk_uchroot",
      "confine = 0\nwrite = none",
      ["jk_uchroot passed: write nothing; no new privileges; 4 of 4 kernel features"],
      false,
    ],
    ["jk_uchroot", "allow_setuid = 1", [], true],
  ];
  test.each(rows)("%s %j", (kind, lines, shown, writes) => {
    const { file, user } = KINDS[kind];
    m.write(file, SECTIONS[file](lines));
    const told = explain(kind);
    expect(told.shown).toEqual(shown);
    expect(told.verdict).toBe("works");
    const { status, stderr } = start(kind);
    expect([user, status === 0, stderr.includes("Permission denied")]).toEqual([user, writes, !writes]);
    expect(m.exists(`${J}/data/new`)).toBe(writes);
  });

  test("a word narrows what the section gives", () => {
    m.must(["jk_cp", "-j", J, "/usr/bin/rsync"]);
    m.write(lsh, "[lima]\nallow = rsync download\nread = /data\n");
    const line = "rsync --server --sender -e.iLsfxCIvu . /data";
    const { stdout } = m.run(["/usr/sbin/jailkit", "explain", "--json", "--su", "lima", "--", line]);
    const { steps } = reportOf(explainReportSchema, stdout);
    const step = steps.find(({ name }) => name === "confinement");
    expect(step?.message).toContain("read /data; write nothing;");
  });
});

describe("a kernel that lacks Landlock", () => {
  // landlock_create_ruleset: ENOSYS
  const old = ["/usr/bin/refuse-call", "38", "444", "--"];

  test.each(Object.keys(KINDS) as Kind[])("is named, and does not stop %s", (kind) => {
    const { file } = KINDS[kind];
    m.write(file, SECTIONS[file]("confine = 1"));
    const { shown, verdict } = explain(kind, old);
    expect(shown).toEqual([
      `${kind} warned: ${ON}; no new privileges; 2 of 4 kernel features; the kernel lacks: execute needs Landlock of Linux 5.19, scope needs Landlock of Linux 6.12`,
    ]);
    expect(verdict).toBe("works");
  });

  test.each(Object.keys(KINDS) as Kind[])("refuses %s with confine = require, until the remedy", (kind) => {
    const { file, status } = KINDS[kind];
    m.write(file, SECTIONS[file]("confine = require"));
    const { shown, verdict, exitStatus, remedy } = explain(kind, old);
    expect(shown.join("\n")).toContain(
      "failed: execute system; system calls login; signals and abstract sockets within the session; no new privileges; 2 of 4 kernel features; confine = require refuses the session, since the kernel lacks: execute needs",
    );
    expect([verdict, exitStatus]).toEqual(["refused", status]);
    // A user who sets the filter gains no capability; so what jk_chrootsh does is seen without it.
    expect(typeRemedy(m, remedy ?? "").status).toBe(0);
    expect(explain(kind, old).verdict).toBe("works");
    expect(start(kind).status).toBe(0);
  });

  test("is found by config check, whose remedy is typed", () => {
    const check = () => {
      const { stdout } = m.run([...old, "/usr/sbin/jailkit", "config", "check", "--json", chrootsh]);
      return reportOf(configReportSchema, stdout).findings;
    };
    m.write(chrootsh, SECTIONS[chrootsh]("confine = require"));
    const [one, ...more] = check();
    expect([one?.code, one?.line, one?.column, more]).toEqual(["kernel-lacks", 3, 11, []]);
    expect(one?.message).toContain(
      "execute needs Landlock of Linux 5.19, scope needs Landlock of Linux 6.12",
    );
    expect(typeRemedy(m, one?.remedy ?? "").status).toBe(0);
    expect(check()).toEqual([]);
  });
});
