/** What `jailkit explain` says of a confined session agrees with what then happens, and its remedies work. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const NARROW = "/usr/bin/narrow";
const uchrootFile = "/etc/jailkit/jk_uchroot.ini";
const chrootshFile = "/etc/jailkit/jk_chrootsh.ini";
const lshFile = `${J}/etc/jailkit/jk_lsh.ini`;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  await m.startSyslog();
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics", "jk_lsh"]);
  m.addUser("u", { home: "/home/u", createHome: true });
  m.addUser("v", { home: "/home/v", createHome: true });
  m.must(["jk_jailuser", "-m", "-s", "/usr/sbin/jk_lsh", "-j", J, "u"]);
  m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "v"]);
  m.must(["cp", "/usr/bin/true", `${J}/home/u/own`]);
  m.must(["chown", "u", `${J}/home/u/own`]);
  // exit(0), as i386 has it.
  const lines = [".globl _start", "_start: movl $1,%eax", "xorl %ebx,%ebx", "int $0x80"];
  m.write("/root/narrow.s", `${lines.join("\n")}\n`);
  m.must(["as", "--32", "-o", "/root/narrow.o", "/root/narrow.s"]);
  m.must(["ld", "-m", "elf_i386", "-o", `${J}${NARROW}`, "/root/narrow.o"]);
}, 120_000);
afterAll(() => m?.close());

/** The exit status that is foretold, and the failed and warned steps about confinement. */
function explain(words: string[]) {
  const { stdout } = m.run(["jailkit", "explain", "--json", ...words]);
  const { steps, exitStatus } = reportOf(explainReportSchema, stdout);
  const own = steps.filter(({ name }) => name === "confinement");
  return { exitStatus: exitStatus ?? 0, own, failed: own.find(({ outcome }) => outcome === "failed") };
}

describe.skipIf(process.arch !== "x64")("jk_uchroot", () => {
  const call = (program: string) =>
    m.run(["jk_uchroot", "-j", J, "-x", program], { user: "u", env: { USER: "u" } }).status;
  const ask = (program: string) => explain(["-j", J, "u", "--", program]);
  const write = (keys: string) => m.write(uchrootFile, `[u]\nallowed_jails = ${J}\n${keys}`);

  test("a program of the system", () => {
    write("");
    expect(call("/bin/true")).toBe(0);
    const { exitStatus, failed, own } = ask("/bin/true");
    expect([exitStatus, failed]).toEqual([0, undefined]);
    expect(own[0]?.message).toStartWith("execute system; system calls login;");
  });

  test.each([
    ["/home/u/own", "execute = any"],
    [NARROW, "confine = 0"],
  ])("%s, until %s", (program, keys) => {
    write("");
    const { exitStatus, failed } = ask(program);
    expect(call(program)).not.toBe(0);
    expect(call(program)).toBe(exitStatus);
    expect(`${failed?.message} ${failed?.remedy}`).toContain(keys);
    write(`${keys}\n`);
    expect([call(program), ask(program).exitStatus, ask(program).failed]).toEqual([0, 0, undefined]);
  });
});

// With auditd, the records are not there.
const readsKernelLog = Bun.spawnSync(["sh", "-c", "dmesg && ! pgrep -x auditd"]).exitCode === 0;

describe.skipIf(process.arch !== "x64")("jk_lsh", () => {
  test.skipIf(!readsKernelLog)(
    "a 32-bit program that is killed is in the log of the kernel, as the manual says",
    () => {
      const records = () => m.must(["dmesg"]).stdout.match(/type=1326 .*comm="narrow".*$/gm) ?? [];
      const before = records().at(-1);
      m.write(lshFile, `[u]\nexecutables = ${NARROW}\n`);
      let told = before;
      // Of many records within five seconds, the kernel prints ten.
      for (let tries = 0; told === before && tries < 1000; tries++) {
        expect(m.run(["jk_chrootsh", "-c", NARROW], { user: "u", env: { USER: "u" } }).signal).toBe("SIGSYS");
        told = records().at(-1);
      }
      expect(told).not.toBe(before);
      expect(told).toContain(` uid=${m.ids("u").uid} `);
      expect(told).toContain(" sig=31 ");
    },
  );

  test("a 32-bit program, until confine = 0", () => {
    const call = () => m.run(["jk_chrootsh", "-c", NARROW], { user: "u", env: { USER: "u" } }).status;
    const ask = () => explain(["--su", "u", "--", NARROW]);
    m.write(lshFile, `[u]\nexecutables = ${NARROW}\n`);
    const { exitStatus, failed } = ask();
    expect(failed?.message).toContain("32-bit");
    expect(call()).toBe(exitStatus);
    m.write(lshFile, `[u]\nexecutables = ${NARROW}\nconfine = 0\n`);
    expect([call(), ask().exitStatus, ask().failed]).toEqual([0, 0, undefined]);
  });
});

describe("a program that may not be read", () => {
  const limited = (lines: string) =>
    m.write(lshFile, `[u]\nexecutables = /home/u/own, /usr/bin/id\n${lines}`);
  const start = () => m.run(["jk_chrootsh", "-c", "/home/u/own"], { user: "u", env: { USER: "u" } }).status;
  const ask = () => explain(["--su", "u", "--", "/home/u/own"]);

  test.each([
    ["read = /usr", 126, "without the key write, a user may have moved something else there"],
    ["read = ~", 0, undefined],
    ["read = /usr\nwrite = none", 0, undefined],
  ])("jk_lsh %j: %i", (lines, status, why) => {
    limited(`${lines}\n`);
    const { exitStatus, failed } = ask();
    expect([start(), exitStatus]).toEqual([status, status]);
    if (why === undefined) expect(failed).toBeUndefined();
    else expect(failed?.message).toStartWith(`/home/u/own may not be read, which execve(2) does: ${why}`);
  });

  test("jk_lsh: by a user's symbolic link, as far as write is given, too", () => {
    m.rename(`${J}/home/u/own`, `${J}/home/u/other`);
    m.symlink("other", `${J}/home/u/own`);
    m.must(["chown", "-h", "u", `${J}/home/u/own`]);
    limited("read = /usr\nwrite = none\n");
    const { exitStatus, failed } = ask();
    expect([start(), exitStatus]).toEqual([126, 126]);
    expect(failed?.message).toContain("a user may have made a symbolic link in it");
    m.remove(`${J}/home/u/own`);
    m.rename(`${J}/home/u/other`, `${J}/home/u/own`);
  });

  test("jk_uchroot: its caller names the program", () => {
    const call = (program: string) =>
      m.run(["jk_uchroot", "-j", J, "-x", program], { user: "u", env: { USER: "u" } }).status;
    m.must(["install", "-D", "/usr/bin/true", `${J}/srv/own`]);
    for (const [read, status] of [
      ["/usr", 111],
      ["/srv", 0],
    ] as const) {
      m.write(uchrootFile, `[u]\nallowed_jails = ${J}\nexecute = any\nread = ${read}\n`);
      const { exitStatus } = explain(["-j", J, "u", "--", "/srv/own"]);
      expect([read, call("/srv/own"), exitStatus]).toEqual([read, status, status]);
    }
    m.remove(uchrootFile);
  });
});

test("jk_uchroot: a [DEFAULT] without jails is not told to let everybody in", () => {
  m.write(uchrootFile, "[DEFAULT]\nlog_format = json\n");
  const { stdout } = m.run(["jailkit", "explain", "--json", "-j", J, "u", "--", "/bin/true"]);
  const { steps } = reportOf(explainReportSchema, stdout);
  const remedy = steps.find(({ outcome }) => outcome === "failed")?.remedy ?? "";
  expect(remedy).toContain("[u]");
  expect(remedy).not.toContain("[DEFAULT]");
});

test("jk_chrootsh: what a session may do", () => {
  m.write(chrootshFile, "[v]\nread = /usr\nnetwork = none\nlimits = nofile 99\n");
  const { own, exitStatus } = explain(["--su", "v"]);
  expect(exitStatus).toBe(0);
  expect(own.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^read \/usr; network none; limits nofile 99; no new privileges; /),
  ]);
  m.remove(chrootshFile);
  expect(explain(["--su", "v"]).own).toEqual([]);
});
