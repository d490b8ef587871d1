/** jailkit config check: files that declare jails and users. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf } from "./apply-scene.ts";
import { copyAnew, typeRemedy } from "./remedies-scene.ts";

const FILE = "/etc/jailkit/jails.ini";
const FOLDER = "/etc/jailkit/jails.d";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZQo3j7fvlQ4Fx7TpbzkdbtGwQkIOdSBvXzJPn1Qbjy";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jailkit"] });
  m.must(["jk_init", "-j", "/srv/one", "uidbasics"]);
  m.addUser("bert", { uid: 4002, home: "/srv/one/./home/bert", shell: "/usr/sbin/jk_chrootsh" });
  m.must(["groupadd", "-f", "jailed"]);
});
afterAll(async () => m.close());
beforeEach(() => {
  m.remove(FILE);
  m.remove(FOLDER);
  m.mkdir(FOLDER);
});

const check = (...words: string[]) => m.run(["jailkit", "config", "check", ...words]);

test("a comment in a list is one finding, and its remedy keeps what is right", () => {
  m.write(FILE, "[jail /srv/new]\nsections = uidbasics, sftp # comment\n");
  const { stdout } = check();
  expect(stdout).toContain("2:12: error: 'sections': a comment needs a line of its own");
  expect(stdout).toContain("# comment\n    sections = uidbasics, sftp\n");
  expect(stdout).not.toContain("one item here");
});

test("two wrong items of one line have one remedy, and words without a comma are told apart", () => {
  m.write(
    FILE,
    "[jail /srv/new] # mine\nsections = nine, uidbasics, ten\n[user anna]\njail = /srv/new\nallow = rsync sftp\n",
  );
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ line, code, remedy }) => [line, code, remedy])).toEqual([
    [5, "bad-value", `write in line 5 of ${FILE}:\nallow = rsync, sftp`],
    // It adds a line.
    [1, "bad-header", `write in line 1 of ${FILE}:\n[jail /srv/new]\n# mine`],
  ]);
  expect(findings[0]?.message).toContain(
    "'rsync sftp' is one item here: commas separate the items of a list",
  );
  m.write(FILE, "[jail /srv/new]\nsections = nine, uidbasics, ten\n");
  const remedy = `write in line 2 of ${FILE}:\nsections = uidbasics`;
  expect(reportOf(configReportSchema, check("--json").stdout).findings.map((one) => one.remedy)).toEqual([
    remedy,
    remedy,
  ]);
});

test("all remedies of a report, typed in the order in which they are printed, heal", () => {
  const init = "/etc/jailkit/jk_init.ini";
  const kept = m.read(init);
  const texts: [file: string, text: string, meant: string][] = [
    [
      FILE,
      `[jail /srv/new] # mine
sections = uidbasics # all of it
live = usr
[user anna] // hers
jail = /srv/new
shell = bash
authorized_keys = ${KEY.slice(0, 40)}
${KEY.slice(40)}
[user carl # his]
jail = srv/new\rshell = /bin/bash\rgroups = jailed
[user dora]
jail = /srv/new ; there
allow = sftp sfpt
`,
      `[jail /srv/new]
# mine
# all of it
sections = uidbasics
live = /usr
[user anna]
# hers
jail = /srv/new
shell = /bin/bash
authorized_keys = ${KEY}

[user carl]
# his
jail = /srv/new
shell = /bin/bash
groups = jailed
[user dora]
# there
jail = /srv/new
allow = sftp sfpt
`,
    ],
    [
      init,
      "[a]\rpaths = /bin/ls # one\rusers = root daemon\n[b]\npaths = /bin/./ls // both\n",
      "[a]\n# one\npaths = /bin/ls\nusers = root, daemon\n[b]\n# both\npaths = /bin/ls\n",
    ],
  ];
  const type = (all: readonly { remedy?: string | null | undefined }[]) => {
    const typed = all.flatMap(({ remedy }) => remedy ?? []);
    for (const remedy of typed) typeRemedy(m, remedy);
    return typed.length;
  };
  // What is below a header that cannot be read is told by the next report.
  const untilHealed = (report: () => Parameters<typeof type>[0]) => {
    let reports = 0;
    while (type(report()) > 0 && reports < 9) reports++;
    return reports;
  };
  for (const [file, text, meant] of texts) {
    m.write(file, text);
    const reports = untilHealed(() => reportOf(configReportSchema, check("--json", file).stdout).findings);
    expect([file, m.read(file), reports]).toEqual([file, meant, 2]);
  }
  m.write(init, kept);
  // The same of the errors of `jailkit apply`.
  const [[, text, meant] = ["", "", ""]] = texts;
  m.write(FILE, text);
  expect([untilHealed(() => linesOf(m, "--check").summary.problems), m.read(FILE)]).toEqual([2, meant]);
});

test("a key that begins at the margin gets its indentation", () => {
  m.write(
    FILE,
    `[user anna]\njail = /srv/new\nshell = /bin/bash\nauthorized_keys = ${KEY} one\n${KEY} two\n`,
  );
  const { stdout } = check();
  expect(stdout).toContain(`remedy: write in line 5 of ${FILE}:`);
  expect(stdout).toContain(`      ${KEY} two`);
});

test("what follows a section without a name does not become that of the user before it", () => {
  m.write(FILE, "[user bert]\njail = /srv/one\nshell = /bin/bash\n[]\ngroups = jailed\n");
  const { stdout } = check("--json");
  const { findings } = reportOf(configReportSchema, stdout);
  expect(findings.map(({ line, code, remedy }) => [line, code, remedy])).toEqual([[4, "bad-header", null]]);
});

test("a declaration with each kind of section has no findings", () => {
  m.mkdir("/usr/local/bin");
  m.write("/usr/local/bin/tool", "#!/bin/sh\n", { mode: 0o755 });
  m.write(
    `${FOLDER}/c1.ini`,
    `[jail /srv/customers/c1]
sections = basicshell, sftp, git, uidbasics
live = /usr
files = /usr/local/bin/tool
log_socket = 1
proc = 1

[user anna]
jail = /srv/customers/c1
shell = /bin/bash
authorized_keys = ${KEY} anna@laptop
groups = jailed

[user backup-c1]
jail = /srv/customers/c1
allow = rsync download
read = /home/anna
`,
  );
  expect(check()).toMatchObject({ status: 0, stdout: "" });
});

test("findings have their line, a caret and a remedy", () => {
  m.write(
    `${FOLDER}/bad.ini`,
    `[jail /srv/new]
sectons = uidbasics
sections = uidbasics,
  basicshel
[user anna]
jail = /srv/nwe
shell = /bin/bash
allow = sftp
authorized_keys =
  # of the office
  ${KEY} a
  hello there
[user bert]
jail = /srv/one
shell = /bin/sh
uid = 4003
[user carl]
jail = /srv/one
shell = /bin/sh
home = /home/bert
`,
  );
  const { stdout, status } = check(`${FOLDER}/bad.ini`);
  expect(status).toBe(1);
  expect(stdout).toBe(
    `FILE:2:1: error: there is no key 'sectons'; did you mean 'sections'? [unknown-key]
    2 | sectons = uidbasics
      | ^
  remedy: sed -i '2s/^/#/' FILE
FILE:4:3: error: section 'basicshel' does not exist in /etc/jailkit/jk_init.ini; did you mean 'basicshell'? [unknown-section]
    4 |   basicshel
      |   ^
  remedy: write in line 4 of FILE:
      basicshell
FILE:6:8: error: the jail '/srv/nwe' is neither declared nor known: declare it with [jail /srv/nwe], or name another one; did you mean '/srv/new'? [unknown-jail]
    6 | jail = /srv/nwe
      |        ^
  remedy: write in line 6 of FILE:
    jail = /srv/new
FILE:8:1: error: 'allow' is for the limited shell, and 'shell' names another one [contradiction]
    8 | allow = sftp
      | ^
FILE:12:3: error: 'authorized_keys', line 12: is not a public key of OpenSSH [bad-key]
   12 |   hello there
      |   ^
FILE:16:7: error: 'bert' has the uid 4002 on this machine [taken]
   16 | uid = 4003
      |       ^
  remedy: write in line 16 of FILE:
    uid = 4002
FILE:20:8: error: '/home/bert' is the home of 'bert' in this jail, in line 13 of FILE: name another one with the key 'home' [taken]
   20 | home = /home/bert
      |        ^
`.replaceAll("FILE", `${FOLDER}/bad.ini`),
  );
});

test("hostile text is escaped in messages and in JSON", () => {
  m.write(
    FILE,
    "[user \x1b[2Janna\xe2\x80\xae]\njail = /srv/\x9b1m\nshell = /bin/sh\n[jail /srv/\xff]\nx\xff\\ = 1\n",
  );
  const { stdout, status } = check();
  expect(status).toBe(1);
  expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  expect(stdout).toContain("'x\\xff\\\\'");
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ line, code }) => [line, code])).toEqual([
    [1, "control-character"],
    [5, "unknown-key"],
  ]);
});

test.each([
  ["executables = /usr/bin/nonesuch", "/usr/bin/nonesuch"],
  ["allow = sftp\nwrite = /home/u1 /data", "/home/u1 /data"],
])("what apply gives all the same is a warning here, too: %s", (line, value) => {
  m.write(FILE, `[user bert]\njail = /srv/one\n${line}\n`);
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  const about = findings.filter(({ message }) => message.includes(`'${value}'`));
  expect(about.map(({ severity }) => severity)).toEqual(["warning"]);
  const { warnings } = linesOf(m, "--check").summary;
  expect(warnings.filter((message) => message.includes(`'${value}'`))).toHaveLength(1);
});

test("a jail of another file of jails.d is declared", () => {
  m.write(FILE, "[jail /srv/base]\nsections = basicshell\n");
  m.write(`${FOLDER}/a.ini`, "[jail /srv/a]\nsections = basicshell\n");
  m.write(
    `${FOLDER}/b.ini`,
    "[user u1]\njail = /srv/base\nshell = /bin/sh\n[user u2]\njail = /srv/a\nshell = /bin/sh\n[user u3]\njail = /srv/c\nshell = /bin/sh\n",
  );
  const [all, one] = [[], [`${FOLDER}/b.ini`]].map((files) =>
    reportOf(configReportSchema, check("--json", ...files).stdout),
  );
  const found = [[`${FOLDER}/b.ini`, 8, "unknown-jail"]];
  for (const report of [all, one])
    expect(report?.findings.map(({ file, line, code }) => [file, line, code])).toEqual(found);
  expect(all?.files).toEqual(expect.arrayContaining([FILE, `${FOLDER}/a.ini`, `${FOLDER}/b.ini`]));
});

test("variables that let users choose code are reported", () => {
  m.write(
    FILE,
    "[user bert]\njail = /srv/one\nallow = sftp\nenvironment = A=b, LD_PRELOAD=/x\nenv = LD_AUDIT, B\n",
  );
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ line, column, code }) => [line, column, code])).toEqual([
    [4, 20, "code-variable"],
    [5, 7, "code-variable"],
  ]);
});

test("directories of the host are no jails, by whatever path", () => {
  m.symlink("/etc", "/srv/link");
  m.write(FILE, "[jail /home]\n[jail /srv/link]\n[jail /srv/one]\n");
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ line, message }) => [line, message])).toEqual([
    [1, "'/home' is the host's /home, which cannot be a jail"],
    [2, "'/srv/link' is the host's /etc, which cannot be a jail"],
  ]);
});

test("a file that others can change is reported, and one that is in two files", () => {
  m.write(`${FOLDER}/a.ini`, "[jail /srv/a]\nsections = uidbasics\n", { mode: 0o666 });
  m.write(`${FOLDER}/b.ini`, "[jail /srv/a]\nsections = uidbasics\n");
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ file, code, remedy }) => [file, code, remedy])).toEqual([
    [`${FOLDER}/a.ini`, "unsafe-file", copyAnew(`${FOLDER}/a.ini`)],
    [`${FOLDER}/b.ini`, "duplicate-section", null],
  ]);
});

describe("what apply refuses by the state of the machine, config check reports, too", () => {
  beforeAll(() => {
    m.must(["jk_init", "-j", "/srv/two", "uidbasics"]);
    m.addUser("daemon2", { uid: 4005, home: "/home/daemon2" });
    m.mkdir("/home/daemon2");
    m.must(["chown", "root", "/home/daemon2"]);
  });

  const bert = (lines: string) => `[user bert]\nshell = /bin/sh\n${lines}\n`;
  test.each([
    ["empty-jail", "[jail /srv/new]\nlog_socket = 1\n"],
    ["in-another-jail", bert("jail = /srv/two")],
    ["home-differs", bert("jail = /srv/one\nhome = /home/b")],
    ["not-their-home", "[user daemon2]\njail = /srv/one\nshell = /bin/sh\n"],
  ])("%s", (code, text) => {
    m.write(FILE, text);
    const { findings } = reportOf(configReportSchema, check("--json").stdout);
    expect(findings.map((one): string => one.code)).toEqual([code]);
    const { stdout } = m.run(["jailkit", "apply", "--check", "--json"]);
    const { problems } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
    expect(problems.map((one: { code: string }) => one.code)).toEqual([code]);
    // Of one thing both say the same.
    const said = problems[0].message.replace(/^(jail|user) \S+: /, "");
    expect(findings[0]?.message).toEndWith(said);
  });
});

test("of a user who is declared twice, only that is told: no command takes a working user out of the jail", () => {
  const [a, b] = [`${FOLDER}/a.ini`, `${FOLDER}/b.ini`];
  // The account of bert is in /srv/one.
  m.write(a, "[jail /srv/one]\nsections = uidbasics\n[user bert]\njail = /srv/one\nshell = /bin/sh\n");
  m.write(b, "[jail /srv/new]\nsections = uidbasics\n[user bert]\njail = /srv/new\nshell = /bin/sh\n");
  const told = (...words: string[]) =>
    reportOf(configReportSchema, check("--json", ...words).stdout).findings.map(
      ({ file, line, code, remedy }) => [file, line, code, remedy],
    );
  expect(told()).toEqual([[b, 3, "duplicate-section", null]]);
  for (const [file, line] of [
    [a, 3],
    [b, 3],
  ] as const)
    expect(told(file)).toEqual([[file, line, "duplicate-section", null]]);
  m.remove(a);
  expect(told(b)[0]).toEqual([b, 4, "in-another-jail", expect.stringContaining("jk_jailuser --unjail")]);
});

/** `jailkit apply` would write it again: only a change of the declaration lasts. */
describe("a finding in a section that apply has written is reported where it is declared, and its remedy lasts", () => {
  const user = (lines: string) => `# ours\n[user carl]\njail = /srv/ours\n${lines}\n`;
  beforeEach(() => {
    m.write(`${FOLDER}/ours.ini`, "[jail /srv/ours]\nsections = sftp, uidbasics\nfiles = sh\n");
    m.write(`${FOLDER}/carl.ini`, user("allow = sftp"));
    m.must(["jailkit", "apply"]);
  });

  test.each([
    ["in the jail", "allow = sftp\nwrite = /srv/none,/home/carl", 5, "write = /home/carl"],
    ["on the host", "shell = /usr/bin/sh\nconfine = 1\nexecute = /srv/none, system", 6, "execute = system"],
  ])("%s", (_where, keys, line, remedy) => {
    m.write(`${FOLDER}/carl.ini`, user(keys));
    m.must(["jailkit", "apply"]);
    const { findings } = reportOf(configReportSchema, check("--json").stdout);
    expect(findings.map((one) => [one.file, one.line, one.remedy])).toEqual([
      [`${FOLDER}/carl.ini`, line, `write in line ${line} of ${FOLDER}/carl.ini:\n${remedy}`],
    ]);
    const lines = m.read(`${FOLDER}/carl.ini`).split("\n");
    m.write(`${FOLDER}/carl.ini`, lines.with(line - 1, remedy).join("\n"));
    m.must(["jailkit", "apply"]);
    expect(check()).toMatchObject({ status: 0, stdout: "" });
  });

  test.each([
    ["the jail", "/srv/ours/etc/passwd", "allow = sftp", "sed -i /^carl:/d /srv/ours/etc/passwd"],
    [
      "the jail and the host",
      "/srv/ours/etc/passwd",
      "allow = sftp",
      "userdel carl; sed -i /^carl:/d /srv/ours/etc/passwd",
    ],
    ["the host", "/etc/passwd", "shell = /usr/bin/sh\nconfine = 1", "userdel carl"],
  ])(
    "a user whom %s lacks is no fault of the declaration, and apply heals it",
    (_where, passwd, keys, harm) => {
      m.write(`${FOLDER}/carl.ini`, user(keys));
      m.must(["jailkit", "apply"]);
      expect(check()).toMatchObject({ status: 0, stdout: "" });
      m.must(["sh", "-ec", harm]);
      const { findings } = reportOf(configReportSchema, check("--json").stdout);
      expect(findings.at(-1)).toEqual({
        ...{ file: `${FOLDER}/carl.ini`, line: 2, column: 7, severity: "warning", code: "unknown-user" },
        message: `the user 'carl' is declared, and '${passwd}' lacks the account`,
        remedy: "jailkit apply",
      });
      // Another section may be left of what was declared before.
      for (const { severity, remedy } of findings)
        expect([severity, remedy]).toEqual(["warning", "jailkit apply"]);
      m.must(["jailkit", "apply"]);
      expect(check()).toMatchObject({ status: 0, stdout: "" });
    },
  );

  test("but one that somebody has written in is reported there", () => {
    m.must(["jailkit", "apply"]);
    const file = "/srv/ours/etc/jailkit/jk_lsh.ini";
    m.write(file, m.read(file).replace("allow = sftp", "allow = sftp\nwrite = /srv/none"));
    const { findings } = reportOf(configReportSchema, check("--json").stdout);
    expect(findings.map((one) => one.file)).toEqual([file]);
    m.must(["jailkit", "apply"]);
    expect(check()).toMatchObject({ status: 0, stdout: "" });
  });

  test.each([
    ["in the file", "/srv/ours/etc/jailkit/jk_lsh.ini"],
    ["in a drop-in", "/srv/ours/etc/jailkit/jk_lsh.d/more.ini"],
  ])("but a second section, %s, is reported there, and its remedy leaves the first one", (_where, file) => {
    m.must(["jailkit", "apply"]);
    const before = m.exists(file) ? m.read(file) : "";
    m.must(["mkdir", "-p", "/srv/ours/etc/jailkit/jk_lsh.d"]);
    m.write(file, `${before}[carl]\nallow = sftp\nwrite = /srv/none\n`);
    const line = before.split("\n").length;
    const { findings } = reportOf(configReportSchema, check("--json").stdout);
    expect(findings).toMatchObject([
      { file, line, code: "duplicate-section", severity: "warning" },
      { file, line: line + 2, code: "no-such-path" },
    ]);
    m.must(["sh", "-ec", findings[0]?.remedy ?? "false"]);
    expect([m.read(file), check()]).toMatchObject([
      `${before}#[carl]\n#allow = sftp\n#write = /srv/none\n`,
      { status: 0, stdout: "" },
    ]);
    expect(m.must(["jailkit", "apply"]).stdout).toContain("0 changed");
    m.write(file, before);
  });
});

test("rights without a program are one error, and nothing to type allows what nobody has declared", () => {
  m.write(FILE, "[jail /srv/one]\nsections = uidbasics\n[user dora]\njail = /srv/one\nread = ~\n");
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ line, code, remedy }) => [line, code, remedy])).toEqual([[3, "no-shell", null]]);
});

test("a link in place of jails.d is named as one, and what it leads to is declared after the remedy", () => {
  m.remove(FOLDER);
  m.mkdir("/srv/checkout/jails.d");
  m.write("/srv/checkout/jails.d/c.ini", "[user bert]\njail = /srv/one\ngroups = jailed\nshell = /bin/no\n");
  m.must(["ln", "-s", "/srv/checkout/jails.d", FOLDER]);
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  expect(findings.map(({ code, message }) => [code, message])).toEqual([
    ["not-a-file", expect.stringContaining(`${FOLDER} is a symbolic link, which it may not be`)],
  ]);
  expect(m.run(["jailkit", "apply"]).stderr).toContain(`${FOLDER} is a symbolic link, which it may not be`);
  m.must(["sh", "-ec", findings[0]?.remedy ?? "false"]);
  expect(check().stdout).toStartWith(`${FOLDER}/c.ini:4:9: error: '/bin/no' does not exist, `);
  expect(m.run(["jailkit", "apply", "--check"]).stderr).toContain(`${FOLDER}/c.ini:4`);
  m.remove(`${FOLDER}.aside`);
});

test("what was declared once is damaged: the check fails as apply does, and what it says heals", () => {
  const memory = "/var/lib/jailkit/declared.json";
  m.write(FILE, "[jail /srv/one]\nsections = uidbasics\n");
  m.must(["jailkit", "apply"]);
  expect(check()).toMatchObject({ status: 0, stdout: "", stderr: "" });
  m.write(memory, "{", { mode: 0o600 });
  for (const words of [[], [FILE]]) {
    const { status, stdout, stderr } = check(...words);
    expect([status, stdout, stderr]).toEqual([
      ...[2, "", expect.stringContaining(`jailkit config: ${memory}: is not JSON; move it away, `)],
    ]);
  }
  expect(check("/etc/jailkit/jk_init.ini").status).toBe(0);
  const { failures } = reportOf(configReportSchema, check("--json").stdout);
  const [, command = "false"] = /: (mv -nT .*)$/.exec(`${failures[0]}`) ?? [];
  m.must(command.split(" "));
  expect(check()).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

test("a file is named as it is from where one is, and one that is missing is told as such", () => {
  m.write(`${FOLDER}/c1.ini`, "[jail /srv/one]\nsections = nosuch\n");
  m.mkdir("/srv/one/etc/jailkit");
  m.write("/srv/one/etc/jailkit/jk_lsh.ini", "[nobodyhere]\nallow = sftp\n");
  const from = (directory: string, file: string) =>
    m.run(["sh", "-c", `cd "$1" && jailkit config check "$2"`, "sh", directory, file]);
  for (const [directory, file] of [
    [FOLDER, "c1.ini"],
    [FOLDER, "./c1.ini"],
    ["/etc/jailkit", "jails.d/c1.ini"],
  ] as const)
    expect(from(directory, file)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(`${FOLDER}/c1.ini:2:12: error: section 'nosuch'`),
    });
  // It is checked against its jail.
  expect(from("/srv/one/etc/jailkit", "jk_lsh.ini").stdout).toContain("[nobodyhere]");
  expect(from("/srv/one/etc/jailkit", "jk_lsh.ini").stdout).toBe(
    check("/srv/one/etc/jailkit/jk_lsh.ini").stdout,
  );
  for (const file of ["/tmp/nix.ini", "/etc/jailkit/jk_init.inni", `${FOLDER}/nix.ini`])
    expect(check(file)).toMatchObject({
      ...{ status: 2, stdout: "", stderr: `jailkit config: ${file}: no such file\n` },
    });
  m.remove("/srv/one/etc/jailkit");
});

test("of two files that claim a home or a uid, that of the new user has the error, whichever comes first", () => {
  m.write(
    `${FOLDER}/b.ini`,
    "[user cora]\njail = /srv/one\nshell = /bin/sh\nhome = /home/cora\nuid = 4712\n",
  );
  const text = (name: string) => m.read(`${FOLDER}/b.ini`).replace("[user cora]", `[user ${name}]`);
  const found = () => {
    const { findings } = reportOf(configReportSchema, check("--json").stdout);
    const both = /, in line|declared for/;
    return findings.flatMap(({ code, file, message }) =>
      code === "taken" && both.test(message) ? [`${file} ${message}`] : [],
    );
  };
  const place = `in line 1 of ${FOLDER}/b.ini`;
  const ofNew = [
    `${FOLDER}/a.ini '/home/cora' is the home of 'cora' in this jail, ${place}: name another one with the key 'home'`,
    `${FOLDER}/a.ini the uid 4712 is declared for 'cora' already, ${place}`,
  ];
  m.must(["useradd", "-M", "-u", "4712", "-d", "/srv/one/./home/cora", "cora"]);
  m.write(`${FOLDER}/a.ini`, text("adam"));
  expect(found()).toEqual(ofNew);
  const { status, stdout } = m.run(["jailkit", "apply", "--check", "--json"]);
  const { problems } = JSON.parse(stdout);
  expect([status, problems.map(({ file }: { file: string }) => file)]).toEqual([
    1,
    [`${FOLDER}/a.ini`, `${FOLDER}/a.ini`],
  ]);
  m.must(["userdel", "cora"]);
  // Nothing tells.
  expect(found().map((one) => one.split(" ")[0])).toEqual([`${FOLDER}/b.ini`, `${FOLDER}/b.ini`]);
  m.remove(`${FOLDER}/a.ini`);
  m.must(["install", "-D", "/bin/sh", "/srv/one/bin/sh"]);
  m.must(["jailkit", "apply"]);
  m.must(["userdel", "cora"]);
  m.write(`${FOLDER}/a.ini`, text("adam"));
  // What apply remembers.
  expect(found()).toEqual(ofNew);
  // Of two accounts, the one with another home.
  m.must(["useradd", "-M", "-u", "4712", "-d", "/srv/one/./home/cora", "cora"]);
  m.must(["useradd", "-M", "-u", "4713", "-d", "/srv/one/./home/adam", "adam"]);
  expect(found()).toEqual(ofNew);
  for (const name of ["adam", "cora"]) m.must(["userdel", name]);
  for (const name of ["a", "b"]) m.remove(`${FOLDER}/${name}.ini`);
});

test("of two files that claim a home or a uid, the place in the other one is told", () => {
  const user = (name: string) =>
    `[user ${name}]\njail = /srv/one\nshell = /bin/sh\nhome = /home/shared\nuid = 4711\n`;
  m.write(`${FOLDER}/a.ini`, user("zed"));
  m.write(`${FOLDER}/b.ini`, user("anna"));
  const { findings } = reportOf(configReportSchema, check("--json").stdout);
  const place = `in line 1 of ${FOLDER}/a.ini`;
  expect(findings.flatMap(({ code, file, message }) => (code === "taken" ? [[file, message]] : []))).toEqual([
    [
      `${FOLDER}/b.ini`,
      `'/home/shared' is the home of 'zed' in this jail, ${place}: name another one with the key 'home'`,
    ],
    [`${FOLDER}/b.ini`, `the uid 4711 is declared for 'zed' already, ${place}`],
  ]);
});
