/**
 * Servers that cannot work, and configuration that the user cannot use: what `jailkit explain` and `jailkit config
 * check` report agrees with a login through sshd, and each remedy is typed as it is printed.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema, type StepReport } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine, type RunResult, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/home/j";
const ini = `${jail}/etc/jailkit/jk_lsh.ini`;
const success = { status: 0 };

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  sshd = await m.startSshd();
  m.must(["jk_init", "-j", jail, "jk_lsh", "sftp", "scp", "rsync"]);
  m.must(["jk_addjailuser", "-j", jail, "dev"]);
  m.must(["usermod", "-p", "*", "dev"]);
});
afterAll(() => m?.close());

function explain(command: string, ...options: string[]): { status: number; steps: StepReport[] } {
  const { status, stdout } = m.run(["jailkit", "explain", "--json", ...options, "dev", "--", command]);
  return { status, steps: reportOf(explainReportSchema, stdout).steps };
}
const troubles = (command: string, ...options: string[]): StepReport[] =>
  explain(command, ...options).steps.filter(
    ({ outcome, stage }) => stage !== "sshd" && (outcome === "failed" || outcome === "unknown"),
  );
function only(steps: StepReport[]): StepReport {
  expect(steps).toHaveLength(1);
  const [step] = steps;
  if (step === undefined) throw new Error("no step");
  return step;
}
/** What is wrong with the file of the jail, as "severity code: message". */
function check(): string[] {
  const { stdout } = m.run(["jailkit", "config", "check", "--json", ini]);
  const { findings } = reportOf(configReportSchema, stdout);
  return findings.map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
}
const login = (line: string): RunResult => sshd.ssh("dev", [line]);
/** Runs a remedy that is a command, word for word. */
const type = (remedy: string | null) => m.must((remedy ?? "").split(" "));

describe("a file without a section for the user", () => {
  const line = "/usr/bin/rsync --version";

  test.each([
    ["with sections for others", "[root]\nexecutables = /usr/bin/scp\n"],
    ["with nothing", ""],
    ["that is not there", undefined],
  ])("%s: the missing lines are shown", (_what, text) => {
    if (text === undefined) m.remove(ini);
    else m.write(ini, text);
    expect(login(line).status).not.toBe(0);
    const step = only(troubles(line));
    expect(step).toMatchObject({ name: "policy", outcome: "failed" });
    const [first, ...lines] = (step.remedy ?? "").split("\n");
    expect(first).toBe(`add these lines to ${ini}:`);
    expect(lines).toEqual(["[dev]", "paths = /usr/bin", "executables = /usr/bin/rsync"]);
    m.write(ini, `${text ?? ""}${lines.join("\n")}\n`);
    expect(troubles(line)).toEqual([]);
    expect(login(line)).toMatchObject(success);
    expect(login("rsync --version")).toMatchObject(success);
  });

  test("a [DEFAULT] for the form of the log is not told to let everybody in", () => {
    m.write(ini, "[DEFAULT]\nlog_format = text\n");
    const lines = (only(troubles(line)).remedy ?? "").split("\n").slice(1);
    expect(lines).toEqual(["[dev]", "paths = /usr/bin", "executables = /usr/bin/rsync"]);
  });

  test("for a command that is not a file server, those for file servers are shown", () => {
    m.write(ini, "");
    for (const command of ["sh -c id", "nosuch", "$(id)"]) {
      expect(only(troubles(command)).remedy).toEndWith(
        "\nexecutables = /usr/lib/openssh/sftp-server, /usr/bin/scp, /usr/bin/rsync",
      );
    }
    const { stdout } = m.run(["jailkit", "explain", "dev"]);
    expect(stdout).toContain(`\n           remedy: add these lines to ${ini}:\n             [dev]\n`);
  });
});

describe("a file that only root can read", () => {
  const dropIns = `${jail}/etc/jailkit/jk_lsh.d`;
  beforeAll(() => m.write(ini, "[dev]\npaths = /usr/bin\nexecutables = /usr/bin/rsync\n"));

  test.each([
    ["the limited shell's", ini, 0o640, 0o644, "chmod a+r"],
    ["the directory of its drop-ins", dropIns, 0o750, 0o755, "chmod a+rx"],
    ["a drop-in", `${dropIns}/x.ini`, 0o600, 0o644, "chmod a+r"],
    ["jk_chrootsh.ini", "/etc/jailkit/jk_chrootsh.ini", 0o640, 0o644, "chmod a+r"],
    ["the jail's passwd", `${jail}/etc/passwd`, 0o600, 0o644, "chmod a+r"],
    ["the jail's group", `${jail}/etc/group`, 0o640, 0o644, "chmod a+r"],
    ["the jail's etc", `${jail}/etc`, 0o700, 0o755, "chmod a+x"],
    ["the directory of the configuration", "/etc/jailkit", 0o700, 0o755, "chmod a+x"],
    ["that of the jail's", `${jail}/etc/jailkit`, 0o750, 0o755, "chmod a+x"],
  ])("%s is reported to root, and the remedy works", (_what, path, mode, before, remedy) => {
    m.write(`${dropIns}/x.ini`, "[nobody]\nexecutables = /usr/bin/scp\n");
    m.chmod(path, mode);
    expect(login("rsync --version").status).not.toBe(0);
    const found = troubles("rsync --version");
    const checked = m.run(["jailkit", "config", "check"]).stdout;
    expect(checked.includes(`fix it with: ${remedy} ${path} [unreadable-file]`)).toBe(
      path.endsWith(".ini") || remedy === "chmod a+x",
    );
    const told = found.map((step) => `${step.message}; ${step.remedy}`).join("\n");
    m.chmod(path, before);
    expect(told).toContain(`cannot read ${path}`);
    expect(told).toContain(`${remedy} ${path}`);
    m.chmod(path, mode);
    type(`${remedy} ${path}`);
    expect(troubles("rsync --version")).toEqual([]);
    expect(login("rsync --version")).toMatchObject(success);
    m.chmod(path, before);
    m.remove(dropIns);
  });

  test("jk_uchroot's is reported as well", () => {
    const file = "/etc/jailkit/jk_uchroot.ini";
    m.write(file, `[dev]\nallowed_jails = ${jail}\n`, { mode: 0o600 });
    const told = () =>
      troubles("/usr/bin/rsync", "-j", jail).map(({ message, remedy }) => `${message}: ${remedy}`);
    expect(told().join("\n")).toContain(`cannot read ${file}: chmod a+r ${file}`);
    type(`chmod a+r ${file}`);
    expect(told().join("\n")).not.toContain("cannot read");
  });
});

test("a script of Python without its interpreter, and Python without its standard library", () => {
  m.must(["jk_cp", "-j", jail, "/usr/bin/hg"]);
  m.write(ini, "[dev]\npaths = /usr/bin\nexecutables = /usr/bin/hg\n");
  const faulty = (inLog: string, message: RegExp) => {
    const { status, stderr } = login("hg --version");
    expect(stderr).toContain(inLog);
    const step = only(troubles("hg --version"));
    expect(step).toMatchObject({ name: "libraries", outcome: "failed", exitStatus: status });
    expect(step.message).toMatch(message);
    type(step.remedy);
    expect(troubles("hg --version")).toEqual([]);
    expect(login("hg --version")).toMatchObject(success);
  };
  faulty(
    "No such file",
    /^\/usr\/bin\/hg: needs \/usr\/bin\/python3, a program that is missing or not executable$/,
  );
  const python = m.must(["readlink", "-f", "/usr/bin/python3"]).stdout.trim();
  m.remove(`${jail}${python.replace("/bin/", "/lib/")}`);
  faulty("encodings", /^\/usr\/bin\/hg needs the standard library of \/usr\/bin\/python3\.\d+, which/);
  expect(login("hg init r")).toMatchObject(success);
});

/** Stands in for a program of PyInstaller: it starts itself a second time, and ends in the mark of the archive. */
const UNPACKER = `#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (getenv("AGAIN")) return puts("1.4.0") < 0;
  setenv("AGAIN", "1", 1);
  execv(argv[0], argv);
  perror("exec");
  return 126 + 0 * argc;
}
`;

describe("a server that starts another program before it serves", () => {
  const free = "or write execute = system, /usr/bin, which lets all servers of the section execute these";
  const policy = (program: string, more = "") =>
    m.write(ini, `[dev]\npaths = /usr/bin\nexecutables = ${program}\n${more}`);

  beforeAll(() => {
    m.must(["jk_cp", "-j", jail, "/usr/bin/env", "/usr/bin/dash", "/bin/sh", "/usr/bin/git"]);
    const python = m.must(["readlink", "-f", "/usr/bin/python3"]).stdout.trim();
    m.must(["jk_cp", "-j", jail, "/usr/bin/python3", `/usr/lib/${python.slice("/usr/bin/".length)}`]);
    const script = (name: string, text: string) =>
      m.write(`${jail}/usr/local/bin/${name}`, text, { mode: 0o755 });
    script("borg", "#!/usr/bin/env python3\nprint('1.4.0')\n");
    script("hg", "#!/usr/bin/python3\nprint('7.0')\n");
    script("rsync", '#!/bin/sh\nexec /usr/bin/rsync "$@"\n');
    script("scp", "#!/bin/sh\necho 1.0\n");
    script("git", '#!/bin/sh\nexec /usr/bin/git "$@"\n');
    m.write("/root/unpacker.c", UNPACKER);
    const mark = "MEI\x0c\x0b\x0a\x0b\x0e";
    m.must(["gcc", "-static", "-O1", "-o", "/root/unpacker", "/root/unpacker.c"]);
    const program = m.readBytes("/root/unpacker");
    const packed = new Uint8Array([...program, ...Buffer.from(`archive${mark}${"\0".repeat(80)}`, "latin1")]);
    m.write(`${jail}/opt/borg`, packed, { mode: 0o755 });
    m.write(`${jail}/opt/unison`, program, { mode: 0o755 });
  });

  test.each([
    [
      "/usr/local/bin/borg",
      "--version",
      "its first line lets '/usr/bin/env' start 'python3', which is refused",
    ],
    ["/usr/local/bin/git", "--version", "it is a script of '/bin/sh', which may not be executed"],
    [
      "/opt/borg",
      "--version",
      "it is built with PyInstaller and starts itself a second time, which is refused",
    ],
  ])("%s cannot work, and the remedy works", (program, version, why) => {
    policy(program);
    const line = `${program} ${version}`;
    expect(login(line).status).toBe(126);
    const step = only(troubles(line));
    expect(step.message).toStartWith(`'${program}' cannot work: ${why}; `);
    expect(step.message).toEndWith(`; ${free}`);
    expect(step.remedy).toBeNull();
    expect(check()).toContain(`error not-executed: ${step.message}`);
    policy(program, "execute = system, /usr/bin\n");
    expect(troubles(line)).toEqual([]);
    expect(check().join("\n")).not.toContain("not-executed");
    expect(login(line)).toMatchObject(success);
  });

  test("a directory that the user cannot reach frees nothing, which root sees, and the remedy works", () => {
    const line = "/usr/local/bin/git --version";
    policy("/usr/local/bin/git", "execute = system, /srv/closed/hooks\n");
    m.mkdir(`${jail}/srv/closed/hooks`);
    m.chmod(`${jail}/srv/closed`, 0o700);
    expect(login(line).status).toBe(126);
    expect(only(troubles(line)).message).toContain("cannot work");
    const warned = explain(line).steps.find(({ message }) => message.includes("/srv/closed/hooks"));
    expect(warned).toMatchObject({ outcome: "warned", remedy: `chmod a+x ${jail}/srv/closed` });
    type(warned?.remedy ?? null);
    expect(troubles(line)).toEqual([]);
    expect(login(line)).toMatchObject(success);
  });

  test("without a command, each allowed program is reported", () => {
    policy("/usr/local/bin/borg, /usr/local/bin/rsync");
    const { stdout } = m.run(["jailkit", "explain", "dev"]);
    expect(stdout).toContain("warning  server: '/usr/local/bin/borg' cannot work: ");
    expect(stdout).toContain(
      "warning  server: '/usr/local/bin/rsync' works only if it starts no other program",
    );
  });

  test("the first line that is proposed for env works", () => {
    const program = "/usr/local/bin/borg";
    policy(program);
    const line = /as in (#!\S+);/.exec(only(troubles(`${program} --version`)).message)?.[1] ?? "";
    m.write(`${jail}${program}`, `${line}\nprint('1.4.0')\n`, { mode: 0o755 });
    expect(troubles(`${program} --version`)).toEqual([]);
    expect(check().join("\n")).not.toContain("not-executed");
    expect(login(`${program} --version`)).toMatchObject({ ...success, stdout: "1.4.0\n" });
  });

  test("for a shell script, none can be proposed", () => {
    policy("/usr/local/bin/rsync, /usr/local/bin/scp");
    expect(login("/usr/local/bin/rsync --version").status).toBe(126);
    expect(login("/usr/local/bin/scp -t x")).toMatchObject({ ...success, stdout: "1.0\n" });
    for (const [program, words] of [
      ["/usr/local/bin/rsync", "--version"],
      ["/usr/local/bin/scp", "-t x"],
    ]) {
      const { status, steps } = explain(`${program} ${words}`);
      expect(status).toBe(2);
      const message = `'${program}' works only if it starts no other program: it is a shell script, and may itself execute nothing`;
      const said = expect.stringContaining(`${message}; list the program`);
      expect(steps).toContainEqual(expect.objectContaining({ outcome: "unknown", message: said }));
      expect(check().join("\n")).toContain(`warning not-executed: ${message}; list the program`);
    }
    policy("/usr/bin/rsync");
    expect(troubles("/usr/bin/rsync --version")).toEqual([]);
  });

  test("a Python script, and a program without the mark, are not reported", () => {
    policy("/usr/local/bin/hg, /opt/unison");
    expect(troubles("/usr/local/bin/hg --version")).toEqual([]);
    expect(login("/usr/local/bin/hg --version")).toMatchObject({ ...success, stdout: "7.0\n" });
    // What shows in no file is found by nobody.
    expect(troubles("/opt/unison -version")).toEqual([]);
    expect(check().join("\n")).not.toContain("not-executed");
  });
});

test("a copy of a server under another name is reported, and is recognized as a symbolic link", () => {
  m.must(["jk_cp", "-j", jail, "/usr/bin/rsync"]);
  m.must(["cp", `${jail}/usr/bin/rsync`, `${jail}/usr/bin/rs`]);
  m.write(ini, "[dev]\npaths = /usr/bin\nexecutables = /usr/bin/rs\n");
  // What the warning is about.
  expect(login("rs --help")).toMatchObject(success);
  const copy = "'/usr/bin/rs' is a copy of '/usr/bin/rsync', which jk_lsh does not know under this name";
  expect(check().join("\n")).toContain(`warning unknown-copy: ${copy}`);
  m.remove(`${jail}/usr/bin/rs`);
  m.symlink("rsync", `${jail}/usr/bin/rs`);
  expect(check().join("\n")).not.toContain("unknown-copy");
  expect(login("rs --help").status).toBe(4);
  expect(login("rs --version")).toMatchObject(success);
  // The original need not be in the jail.
  m.remove(`${jail}/usr/bin/rs`);
  m.must(["mv", `${jail}/usr/bin/rsync`, `${jail}/usr/bin/rs`]);
  expect(check().join("\n")).toContain(copy);
});
