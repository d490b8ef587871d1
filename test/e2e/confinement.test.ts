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

const section = (who: string, first: string) => (lines: string) => `[${who}]\n${first}\n${lines}\n`;

/** The three kinds of session: its file and section, what is asked, and how it ends if it cannot be confined. */
const KINDS = {
  jk_chrootsh: {
    ...{ user: "shell", file: chrootsh, section: section("shell", "env = A"), status: 106 },
    question: ["--su", "shell", "--", COMMAND],
  },
  jk_lsh: {
    ...{ user: "lima", file: lsh, status: 126 },
    section: section("lima", "paths = /usr/bin\nexecutables = /usr/bin/touch"),
    question: ["--su", "lima", "--", COMMAND],
  },
  jk_uchroot: {
    ...{ user: "guest", file: uchroot, section: section("guest", `allowed_jails = ${J}`), status: 106 },
    question: ["-j", J, "guest", "--", ...COMMAND.split(" ")],
  },
};
type Kind = keyof typeof KINDS;

const write = (kind: Kind, lines: string) => m.write(KINDS[kind].file, KINDS[kind].section(lines));
beforeEach(() => {
  for (const kind of Object.keys(KINDS) as Kind[]) write(kind, "");
  m.remove(`${J}/data/new`);
});

const programOf = (kind: Kind) =>
  kind === "jk_uchroot"
    ? ["/usr/bin/jk_uchroot", "-j", J, "-x", "/usr/bin/touch", "--", "/data/new"]
    : ["/usr/sbin/jk_chrootsh", "-c", COMMAND];

function start(kind: Kind): RunResult {
  const { user } = KINDS[kind];
  return m.run(programOf(kind), { user, env: { USER: user }, cwd: "/" });
}

/** The same if root, who leaves the capabilities of files alone, has set the wrapper's filter. */
function startIn(wrapper: readonly string[], kind: Kind): RunResult {
  const { user } = KINDS[kind];
  const drop = ["/usr/bin/setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
  return m.run([...wrapper, ...drop, ...programOf(kind)], { env: { USER: user }, cwd: "/" });
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
      [`jk_chrootsh passed: ${ON}; no new privileges; 5 of 5 kernel features`],
      true,
    ],
    ["jk_lsh", "", [`jk_lsh passed: ${ON}; no new privileges; 5 of 5 kernel features`], true],
    [
      "jk_lsh",
      "write = ~",
      [
        "jk_lsh passed: execute system; write /home/lima; system calls login; signals and abstract sockets within the session; no new privileges; 8 of 8 kernel features",
      ],
      false,
    ],
    ["jk_uchroot", "", [`jk_uchroot passed: ${ON}; no new privileges; 5 of 5 kernel features`], true],
    [
      "jk_uchroot",
      "confine = 0\nwrite = none",
      ["jk_uchroot passed: write nothing; no new privileges; 4 of 4 kernel features"],
      false,
    ],
    ["jk_uchroot", "allow_setuid = 1", [], true],
  ];
  test.each(rows)("%s %j", (kind, lines, shown, writes) => {
    write(kind, lines);
    const told = explain(kind);
    expect(told.shown).toEqual(shown);
    expect(told.verdict).toBe("works");
    const { status, stderr } = start(kind);
    expect([status === 0, stderr.includes("Permission denied")]).toEqual([writes, !writes]);
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

// landlock_create_ruleset: ENOSYS
const old = ["/usr/bin/refuse-call", "38", "444", "--"];

describe("jk_chrootlaunch", () => {
  const launched = (options: readonly string[], wrapper: readonly string[] = []) => {
    m.remove(`${J}/data/new`);
    const words = ["-j", J, "-x", "/usr/bin/touch", "-u", "guest", ...options, "--", "/data/new"];
    const json = [...wrapper, "/usr/sbin/jailkit", "explain", "--json", "--launch", "--", ...words];
    const { verdict, exitStatus, steps } = reportOf(explainReportSchema, m.run(json).stdout);
    const own = steps.filter(({ name }) => name === "confinement");
    const { status } = m.run([...wrapper, "/usr/sbin/jk_chrootlaunch", ...words]);
    const shown = own.map(({ outcome, message }) => `${outcome}: ${message}`);
    return { shown, told: [verdict, exitStatus ?? 0], status, remedy: own.at(-1)?.remedy };
  };

  const rows: [string[], string[], number][] = [
    [[], [], 0],
    [["--limits=core 0"], ["passed: limits core 0"], 0],
    [["--write=none"], ["passed: write nothing; no new privileges; 4 of 4 kernel features"], 1],
    [["--write=/data"], ["passed: write /data; no new privileges; 4 of 4 kernel features"], 0],
    [["--confine=require"], [`passed: ${ON}; no new privileges; 5 of 5 kernel features`], 0],
  ];
  test.each(rows)("%j", (options, shown, ends) => {
    expect(launched(options)).toMatchObject({ shown, told: ["works", 0], status: ends });
  });

  test("a kernel that cannot do what is required refuses it, until the remedy", () => {
    const refused = launched(["--confine=require"], old);
    expect(refused).toMatchObject({ told: ["refused", 106], status: 106 });
    expect(refused.remedy).toBeNull();
    expect(refused.shown.at(-1)).toEndWith("; write --confine=1 in place of --confine=require");
    expect(launched(["--confine=1"], old)).toMatchObject({ told: ["works", 0], status: 0 });
  });
});

describe("a kernel that lacks Landlock", () => {
  test.each(Object.keys(KINDS) as Kind[])("is named, and does not stop %s", (kind) => {
    write(kind, "confine = 1");
    const { shown, verdict } = explain(kind, old);
    expect(shown).toEqual([
      `${kind} warned: ${ON}; no new privileges; 3 of 5 kernel features; the kernel lacks: execute needs Landlock of Linux 5.19, scope needs Landlock of Linux 6.12`,
    ]);
    expect(verdict).toBe("works");
    expect(startIn(old, kind).status).toBe(0);
  });

  test.each(Object.keys(KINDS) as Kind[])("refuses %s with confine = require, until the remedy", (kind) => {
    const { status } = KINDS[kind];
    write(kind, "confine = require");
    const { shown, verdict, exitStatus, remedy } = explain(kind, old);
    expect(shown.join("\n")).toContain(
      `failed: ${ON}; no new privileges; 3 of 5 kernel features; confine = require refuses the session, since the kernel lacks: execute needs`,
    );
    expect([verdict, exitStatus]).toEqual(["refused", status]);
    expect(startIn(old, kind).status).toBe(status);
    expect(typeRemedy(m, remedy ?? "").status).toBe(0);
    expect(explain(kind, old).verdict).toBe("works");
    expect(startIn(old, kind).status).toBe(0);
  });

  test.each(Object.keys(KINDS) as Kind[])("or does not answer, refuses %s", (kind) => {
    const broken = ["/usr/bin/refuse-call", "1", "444", "--"];
    write(kind, "confine = 1");
    const { shown, verdict, exitStatus } = explain(kind, broken);
    expect(shown.join("\n")).toStartWith(`${kind} failed: the session cannot be confined: `);
    expect([verdict, exitStatus]).toEqual(["refused", KINDS[kind].status]);
    expect(startIn(broken, kind).status).toBe(KINDS[kind].status);
  });

  test("is found by config check, whose remedy is typed", () => {
    const check = () => {
      const { stdout } = m.run([...old, "/usr/sbin/jailkit", "config", "check", "--json", chrootsh]);
      return reportOf(configReportSchema, stdout).findings;
    };
    write("jk_chrootsh", "confine = require");
    const [one, ...more] = check();
    expect([one?.code, one?.line, one?.column, more]).toEqual(["kernel-lacks", 3, 11, []]);
    expect(one?.message).toContain(
      "execute needs Landlock of Linux 5.19, scope needs Landlock of Linux 6.12",
    );
    expect(typeRemedy(m, one?.remedy ?? "").status).toBe(0);
    expect(check()).toEqual([]);
  });
});
