/** jk_uchroot in a jail that jk_init created, and what `jailkit explain` reports about a call beforehand. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ExplainReport, explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine, type RunOptions, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const ini = "/etc/jailkit/jk_uchroot.ini";

let m: Machine;
let log: Syslog;
let passwd: string;

beforeAll(async () => {
  const only = ["jailkit", "jk_uchroot", "jk_init", "jk_cp", "jk_jailuser"];
  m = await openMachine({ under: "ours", only });
  log = await m.startSyslog();
  m.addUser("u", { uid: 4001, home: "/home/u", createHome: true, groups: ["games"] });
  m.addUser("v", { uid: 4002 });
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
  m.must(["jk_cp", "-j", J, "/usr/bin/id", "/usr/bin/perl"]);
  for (const file of ["passwd", "group"]) {
    const [line = ""] = m.read(`/etc/${file}`).match(/^u:.*$/m) ?? [];
    m.write(`${J}/etc/${file}`, `${m.read(`${J}/etc/${file}`)}${line}\n`);
  }
  passwd = m.read(`${J}/etc/passwd`);
}, 120_000);
afterAll(() => m?.close());

beforeEach(() => {
  m.write(`${J}/etc/passwd`, passwd);
  m.chmod(J, 0o755);
  m.write(ini, `[u]\nallowed_jails = ${J}\n`);
});

const env = { USER: "u", LANG: "C", FOO: "bar" };
const uchroot = (words: string[], options: RunOptions = {}) =>
  m.run(["jk_uchroot", ...words], { user: "u", env, ...options });

test("runs a shell in the jail, with its libraries and names from there", () => {
  const result = uchroot(["-j", J, "-x", "/bin/bash", "--", "-c", "pwd; id -un; echo $0 $FOO; exit 3"]);
  expect(result).toEqual({ ...result, status: 3, stdout: "/\nu\n/bin/bash\n", stderr: "" });
});

test("a program that talks, and one that is killed", async () => {
  const cat = m.start(["jk_uchroot", "-j", J, "-x", "/bin/cat"], { user: "u", env });
  cat.write("there\n");
  await cat.until(({ stdout }) => stdout === "there\n" || undefined);
  cat.end();
  expect(await cat.ended).toMatchObject({ status: 0, stdout: "there\n" });
  const killed = uchroot(["-j", J, "-x", "/bin/bash", "--", "-c", "kill -TERM $$"]);
  expect(killed).toMatchObject({ status: 143, signal: "SIGTERM" });
});

test("a refusal is one line, and the log has the reason and the remedy", async () => {
  m.write(`${J}/etc/passwd`, "");
  const { status, stderr } = uchroot(["-j", J, "-x", "/bin/bash"]);
  expect(status).toBe(35);
  const id =
    /^jk_uchroot: refused: the account is not known in the jail \(error id (JK-[A-Z2-7]{8})\)\n$/.exec(
      stderr,
    )?.[1];
  const line = await log.waitForLog(({ message }) => message.startsWith(`${id}: `));
  expect(line).toMatchObject({ ident: "jk_uchroot", facility: 4, severity: 3 });
  expect(line.message).toContain(`${J}/etc/passwd`);
  expect(line.message).toContain(`remedy: jk_jailuser --jail-side-only -j ${J} u`);
});

test("help is for everybody, including root", () => {
  for (const options of [{}, { user: "root" }, { noNewPrivs: true }]) {
    expect(uchroot(["--help"], options)).toMatchObject({ status: 0, stderr: "" });
    expect(uchroot(["--version"], options)).toMatchObject({
      status: 0,
      stdout: "jk_uchroot (jailkit) 3.0.0\n",
    });
  }
});

describe("jailkit explain", () => {
  function explain(words: string[], options: RunOptions = {}): ExplainReport & { status: number } {
    const result = m.run(["jailkit", "explain", "--json", ...words], options);
    expect(result.stderr).toBe("");
    return { ...reportOf(explainReportSchema, result.stdout), status: result.status };
  }

  test("a call that works: what is executed, with which arguments and environment", () => {
    m.write(ini, `[u]\nallowed_jails = ${J}\nenv = FOO\n`);
    const expected = { status: 0, about: "jk_uchroot", verdict: "works", jail: J, uchrootSection: "u" };
    const argv = ["/bin/bash", "-c", "a b"];
    expect(explain(["-j", J, "u", "--", ...argv])).toMatchObject({
      ...expected,
      command: { argv, environment: [] },
    });
    const own = explain(["-j", J, "u", "--", ...argv], { user: "u", env });
    expect(own).toMatchObject({
      ...expected,
      command: { argv, environment: ["USER=u", "LANG=C", "FOO=bar"] },
    });
    const { stdout } = m.run(["jailkit", "explain", "-j", J, "u", "--", "/bin/bash"]);
    expect(stdout).toContain("jk_uchroot.ini: section [u]");
    expect(stdout).toEndWith("jk_uchroot for u would work.\n");
  });

  test("the remedy for a setuid program changes the jail's, also by a symbolic link that means the host's to root", () => {
    m.write(ini, `[u]\nallowed_jails = ${J}\n`);
    const programs = ["/usr/bin/twin", `${J}/usr/bin/twin`];
    for (const path of programs) m.write(path, "", { mode: 0o4755 });
    m.must(["ln", "-s", "/usr/bin/twin", `${J}/usr/bin/link`]);
    const { steps } = explain(["-j", J, "u", "--", "/usr/bin/link"]);
    const warned = steps.find(({ name }) => name === "program");
    expect(warned).toMatchObject({ outcome: "warned", remedy: `chmod u-s,g-s ${J}/usr/bin/twin` });
    m.must(["bash", "-c", warned?.remedy ?? ""]);
    expect(programs.map((path) => m.stat(path)?.mode)).toEqual([0o104755, 0o100755]);
    for (const path of [...programs, `${J}/usr/bin/link`]) m.remove(path);
  });

  const shell = ["-j", J, "-x", "/bin/bash", "--", "-c", "exit 0"];
  const faults: [name: string, check: string, make: () => (() => void) | undefined][] = [
    ["nothing", "", () => undefined],
    ["no file", "config-file", () => void m.remove(ini)],
    ["no section", "config-file", () => void m.write(ini, "[v]\nallowed_jails = /\n")],
    [
      "a value that is none",
      "config-file",
      () => void m.write(ini, `[u]\nallowed_jails = ${J}\nallow_setuid = x\n`),
    ],
    ["another jail", "jail-allowed", () => void m.write(ini, "[u]\nallowed_jails = /srv\n")],
    [
      "a closed directory above",
      "jail-reachable",
      () => {
        m.chmod("/srv", 0o700);
        return () => m.chmod("/srv", 0o755);
      },
    ],
    ["an unsafe jail", "jail-safety", () => void m.chmod(J, 0o775)],
    ["not known in the jail", "jail-user", () => void m.write(`${J}/etc/passwd`, "")],
    [
      "another name in the jail",
      "jail-user",
      () => void m.write(`${J}/etc/passwd`, passwd.replace(/^u:/m, "w:")),
    ],
    [
      "the capability",
      "privilege",
      () => {
        m.must(["setcap", "-r", "/usr/bin/jk_uchroot"]);
        return () => void m.must(["setcap", "cap_sys_chroot+ep", "/usr/bin/jk_uchroot"]);
      },
    ],
    [
      "not executable",
      "exec",
      () => {
        m.chmod(`${J}/usr/bin/bash`, 0o744);
        return () => m.chmod(`${J}/usr/bin/bash`, 0o755);
      },
    ],
  ];

  test.each(faults)("agrees with the call itself: %s", (name, check, make) => {
    const mend = make();
    try {
      const { status } = uchroot(shell, { env: { USER: "u" } });
      for (const options of [{}, { user: "u" }]) {
        const found = explain(["-j", J, "u", "--", "/bin/bash", "-c", "exit 0"], options);
        const failed = found.steps.find(({ outcome }) => outcome === "failed");
        if (check === "") {
          expect([status, found.status, found.verdict, failed]).toEqual([0, 0, "works", undefined]);
          continue;
        }
        expect(found).toMatchObject({ status: 1, verdict: "refused" });
        expect([failed?.name, found.exitStatus]).toEqual([check, status]);
        expect(failed?.remedy ?? failed?.message).toMatch(/./);
        // Of a value the message names file, line and column.
        expect(failed?.message).toMatch(name === "a value that is none" ? /jk_uchroot\.ini:3:/ : /./);
      }
    } finally {
      mend?.();
    }
  });

  test("libraries that are missing in the jail", () => {
    const library = m.must(["sh", "-c", `ls ${J}/lib/*/libtinfo.so.6`]).stdout.trim();
    m.rename(library, `${library}.away`);
    const found = explain(["-j", J, "u", "--", "/bin/bash"]);
    m.rename(`${library}.away`, library);
    expect(found).toMatchObject({ status: 1, command: null });
    expect(found.steps.find(({ outcome }) => outcome === "failed")?.message).toContain("libtinfo.so.6");
  });

  test("wrong questions, and those about others", () => {
    expect(m.run(["jailkit", "explain", "-j", J, "u"])).toMatchObject({ status: 2, stdout: "" });
    expect(m.run(["jailkit", "explain", "-j", J, "v", "--", "/bin/bash"], { user: "u" }).status).toBe(2);
    expect(explain(["-j", J, "nosuch", "--", "/bin/bash"])).toMatchObject({ status: 1, verdict: "refused" });
  });
});
