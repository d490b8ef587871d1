/** Files of jails.d and of other drop-in directories that nothing reads: told, and never a reason to remove something. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";
import { copyAnew, typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const FOLDER = "/etc/jailkit/jails.d";
const J = "/srv/customer";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;

/** Names that somebody meant, and what they become. */
const MEANT = {
  "x.INI": "x.ini",
  ".y.ini": "y.ini",
  "a.conf": "a.ini",
  "b.ini.txt": "b.ini",
  "c.ini ": "c.ini",
  two: "two.ini",
};
const LEFT = [
  "one.ini~",
  "one.ini.~1~",
  "#one.ini#",
  ".#one.ini",
  ".one.ini.swp",
  "one.ini.bak",
  "one.ini.dpkg-new",
  "one.ini.dpkg-old",
  "one.ini.ucf-dist",
  "one.ini.rpmsave",
  "one.ini.rpmnew",
  "one.ini.dist",
  "one.ini.old",
  ".ansible_tmp0x1y2zone.ini",
  "._one.ini",
  ".one.ini.Ab12Cd",
  "README.md",
  ".gitkeep",
];

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  for (const folder of [FOLDER, "/etc/jailkit/jk_init.d"]) m.remove(folder);
  m.mkdir(FOLDER);
  m.write(`${FOLDER}/one.ini`, JAIL);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});

const checked = () => reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);

test("what editors, packages and programs leave behind is no finding, and no warning", () => {
  for (const name of LEFT) m.write(`${FOLDER}/${name}`, "[user x]\n");
  m.mkdir(`${FOLDER}/archive`);
  expect(checked()).toMatchObject({ findings: [], failures: [] });
  expect(m.run(["jailkit", "apply", "--prune"])).toMatchObject({ status: 0, stderr: "" });
});

test("what somebody meant is told by config check and apply, and the remedy makes it read", () => {
  for (const name of Object.keys(MEANT)) m.write(`${FOLDER}/${name}`, "");
  m.symlink("one.ini", `${FOLDER}/link`);
  const names = [...Object.keys(MEANT), "link"].sort().map((name) => `${FOLDER}/${name}`);
  const { findings } = checked();
  expect(findings.map(({ file, severity, code }) => [file, severity, code])).toEqual(
    names.map((file) => [file, "warning", "unread-file"]),
  );
  const run = m.run(["jailkit", "apply"]);
  expect([run.status, run.stdout]).toEqual([0, "0 changed, 0 failed, 1 as declared\n"]);
  for (const { message } of findings)
    expect(run.stderr.split(`jailkit apply: warning: ${message}\n`)).toHaveLength(2);
  const { status, summary } = linesOf(m, "--check");
  expect([status, summary.problems]).toEqual([0, []]);
  expect(summary.unread).toEqual(findings.map(({ file, message, remedy }) => ({ file, message, remedy })));
  for (const { remedy } of summary.unread) if (remedy !== null) m.must(["sh", "-c", remedy]);
  m.remove(`${FOLDER}/link`);
  expect(m.list(FOLDER).sort()).toEqual(["one.ini", ...Object.values(MEANT)].sort());
  expect(m.run(["jailkit", "apply"])).toMatchObject({ status: 0, stderr: "" });
});

test("one whose right name is taken is moved out of the way, and nothing is lost", () => {
  m.write(`${FOLDER}/one.INI`, "other");
  m.write(`${FOLDER}/x.conf`, "");
  m.write(`${FOLDER}/x.txt`, "");
  for (const { remedy } of checked().findings) m.must(["sh", "-c", remedy ?? "false"]);
  expect(checked().findings).toEqual([]);
  expect(m.list(FOLDER).sort()).toEqual(["one.INI.aside", "one.ini", "x.ini", "x.txt.aside"]);
});

test("the names of users' files are escaped", () => {
  m.write(`${FOLDER}/\x1b[2J`, "");
  const { stderr } = m.run(["jailkit", "apply"]);
  expect(stderr).toContain("\\x1b[2J' is not read");
  expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  const [finding] = checked().findings;
  m.must(["sh", "-c", finding?.remedy ?? "false"]);
  expect(m.list(FOLDER).sort()).toEqual(["\x1b[2J.ini", "one.ini"]);
});

test("in other drop-in directories, also in a jail, config check tells the same", () => {
  const files = ["/etc/jailkit/jk_init.d/own.conf", `${J}/etc/jailkit/jk_lsh.d/own`];
  for (const file of files) m.write(file, "");
  expect(checked().findings.map(({ file, code }) => [file, code])).toEqual(
    files.map((file) => [file, "unread-file"]),
  );
  for (const file of files) m.remove(file);
});

describe("--prune", () => {
  const file = `${FOLDER}/bob.ini`;
  const renamed = `${FOLDER}/bob.INI`;
  beforeEach(() => {
    m.write(file, user("bob"));
    m.must(["jailkit", "apply"]);
    m.must(["mv", file, renamed]);
  });

  test("removes nobody whose file was renamed, and says why", () => {
    for (const options of [["--prune"], ["--prune", "--check"], ["--prune", "--delete-homes"]]) {
      const { status, stdout, stderr } = m.run(["jailkit", "apply", ...options]);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(`  remedy: mv -nT ${renamed} ${file}\n`);
      expect(stderr).toContain(
        `jailkit apply: --prune would remove user bob, which '${renamed}' may declare: that is not read; if it does not count any more: mv -nT ${renamed} ${renamed}.off\n`,
      );
    }
    const { status, changes, summary } = linesOf(m, "--prune");
    // A program that types the remedies of all problems removes nobody.
    const problems = summary.problems.map(({ code, path, remedy }) => [code, path, remedy]);
    expect([status, changes, problems]).toEqual([1, [], [["unread-file", renamed, null]]]);
    expect(summary.unread.map((one) => one.file)).toEqual([renamed]);
    expect(m.read("/etc/passwd")).toMatch(/^bob:/m);
    // Without the word nothing is removed anyway.
    expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
    m.must(["sh", "-c", summary.unread[0]?.remedy ?? "false"]);
    expect(did(m, "--prune")).toEqual([]);
    m.must(["mv", file, "/root/bob.ini"]);
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
  });

  test("has a free name for each file that does not count any more", () => {
    m.write(`${FOLDER}/carl.ini`, user("carl"));
    m.must(["jailkit", "apply"]);
    m.must(["mv", `${FOLDER}/carl.ini`, `${FOLDER}/carl.conf`]);
    m.write(`${renamed}.off`, "");
    for (const file of [renamed, `${FOLDER}/carl.conf`]) {
      const { summary } = linesOf(m, "--prune");
      const [, remedy = "false"] = /: (mv -nT .*)/.exec(`${summary.problems[0]?.message}`) ?? [];
      expect([summary.problems[0]?.path, m.exists(file)]).toEqual([file, true]);
      typeRemedy(m, remedy);
      expect(m.exists(file)).toBe(false);
    }
    expect(m.read(`${renamed}.off2`)).toBe(user("bob"));
    expect(did(m, "--prune", "--delete-homes")).toHaveLength(2);
  });

  test("of one file does not, either, if the account may have moved there", () => {
    m.write("/root/own.ini", user("carl"));
    m.must(["jailkit", "apply", "/root/own.ini"]);
    m.write("/root/own.ini", "");
    m.write(renamed, `${user("bob")}${user("carl")}`);
    expect(m.run(["jailkit", "apply", "--prune", "/root/own.ini"])).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining("would remove user carl, which ") },
    });
    m.must(["mv", renamed, file]);
    expect(did(m, "--prune", "/root/own.ini")).toEqual([]);
  });

  test("goes on if nothing would be removed", () => {
    m.must(["mv", renamed, file]);
    m.write(`${FOLDER}/notes`, "");
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { unread: [{}] } });
  });

  test("tells of it if no file is left that is read", () => {
    m.remove(`${FOLDER}/one.ini`);
    const { status, stderr } = m.run(["jailkit", "apply", "--prune"]);
    expect(status).toBe(1);
    expect(stderr).toContain(`warning: '${renamed}' is not read`);
    expect(stderr).toContain("--prune would remove everything");
  });
});

describe("what a remedy does to a file leaves --prune nothing to remove", () => {
  const refused = (file: string) => {
    const { status, stderr } = m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([status, stderr]).toEqual([
      1,
      `jailkit apply: --prune would remove user bob, which '${file}' may declare: that is not read; if it does not count any more: mv -nT ${file} ${file}.off\n`,
    ]);
    expect(m.read("/etc/passwd")).toMatch(/^bob:/m);
    // Without anything to remove it is no hindrance, and no warning.
    expect(m.run(["jailkit", "apply"])).toMatchObject({ status: 0, stderr: "" });
    typeRemedy(m, stderr.split("any more: ")[1]?.trim() ?? "false");
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
    expect(m.run(["jailkit", "apply", "--prune"])).toMatchObject({ status: 0, stderr: "" });
    m.must(["rm", "-r", `${file}.off`]);
  };
  const heal = (...files: readonly string[]) => {
    const { findings } = checked();
    expect(findings.map(({ file }) => file)).toEqual([...files]);
    for (const { remedy } of findings) typeRemedy(m, remedy ?? "false");
    expect(checked().findings).toEqual([]);
  };
  const declare = (file: string) => {
    m.write(file, user("bob"));
    m.must(["jailkit", "apply"]);
  };

  test("a name beside the right one", () => {
    declare(`${FOLDER}/x.ini`);
    m.must(["mv", `${FOLDER}/x.ini`, `${FOLDER}/x.conf`]);
    m.write(`${FOLDER}/x.ini`, "");
    heal(`${FOLDER}/x.conf`);
    refused(`${FOLDER}/x.conf.aside`);
  });

  test("a symbolic link to a file that was renamed", () => {
    declare(`${FOLDER}/x.ini`);
    m.must(["mv", `${FOLDER}/x.ini`, `${FOLDER}/x.old`]);
    m.symlink("x.old", `${FOLDER}/x.ini`);
    heal(`${FOLDER}/x.ini`);
    // It is declared as before.
    expect(did(m)).toEqual([]);
    expect(linesOf(m, "--prune").summary).toMatchObject({ problems: [], noLongerDeclared: [] });
    m.write(`${FOLDER}/x.ini`, "");
    refused(`${FOLDER}/x.ini.aside`);
    m.remove(`${FOLDER}/x.old`);
  });

  test("a symbolic link to a file that others could exchange, which is not copied", () => {
    declare(`${FOLDER}/x.ini`);
    m.must(["sh", "-ec", `mkdir /srv/open; chmod 1777 /srv/open; mv ${FOLDER}/x.ini /srv/open/x.ini`]);
    m.must(["chown", "nobody", "/srv/open/x.ini"]);
    m.symlink("/srv/open/x.ini", `${FOLDER}/x.ini`);
    expect(checked().findings).toMatchObject([
      {
        message: expect.stringContaining("; what it leads to does not count any more after the remedy"),
        remedy: `mv -nT ${FOLDER}/x.ini ${FOLDER}/x.ini.aside`,
      },
    ]);
    heal(`${FOLDER}/x.ini`);
    refused(`${FOLDER}/x.ini.aside`);
    m.remove("/srv/open");
  });

  test("a symbolic link to a file that others can write, whose copy is refused until it was read", () => {
    declare(`${FOLDER}/x.ini`);
    m.must(["sh", "-ec", `mv ${FOLDER}/x.ini /root/x.ini; chmod 0666 /root/x.ini`]);
    m.symlink("/root/x.ini", `${FOLDER}/x.ini`);
    typeRemedy(m, checked().findings[0]?.remedy ?? "false");
    const { findings } = checked();
    expect(findings).toMatchObject([{ code: "unsafe-file", remedy: copyAnew(`${FOLDER}/x.ini`) }]);
    typeRemedy(m, findings[0]?.remedy ?? "false");
    expect([checked().findings, did(m)]).toEqual([[], []]);
    m.must(["sh", "-ec", `: >${FOLDER}/x.ini; rm /root/x.ini`]);
    refused(`${FOLDER}/x.ini.aside`);
  });

  test("a directory in the place of jails.ini", () => {
    declare("/etc/jailkit/jails.ini");
    m.remove("/etc/jailkit/jails.ini");
    m.mkdir("/etc/jailkit/jails.ini");
    heal("/etc/jailkit/jails.ini");
    refused("/etc/jailkit/jails.ini.aside");
  });

  test.each(["customers", "customers/deep"])("files in the directory %s are told", (name) => {
    const directory = `${FOLDER}/customers`;
    declare(`${FOLDER}/x.ini`);
    m.must(["mkdir", "-p", `${FOLDER}/${name}`]);
    expect(checked().findings).toEqual([]);
    m.must(["mv", `${FOLDER}/x.ini`, `${FOLDER}/${name}/`]);
    const message = `'${directory}' has .ini files, which are not read in a directory: '${FOLDER}' is the place for them`;
    expect(
      checked().findings.map(({ code, file, severity, message }) => [code, file, severity, message]),
    ).toEqual([["unread-file", directory, "warning", message]]);
    const run = m.run(["jailkit", "apply", "--prune"]);
    expect(run.stderr).toContain(
      `jailkit apply: warning: ${message}\n  remedy: mv -nT ${directory} ${directory}.aside\n`,
    );
    expect(run.stderr).toContain(`which '${directory}' may declare`);
    expect(run.status).toBe(1);
    heal(directory);
    refused(`${directory}.aside`);
  });
});

describe("something else in the place of a file", () => {
  const places = ["dir", "fifo", "socket", "dangling", "loop"].map((name) => `${FOLDER}/${name}.ini`);
  beforeEach(() => {
    m.mkdir(`${FOLDER}/dir.ini`);
    m.must(["mkfifo", `${FOLDER}/fifo.ini`]);
    m.must(["python3", "-c", `import socket; socket.socket(socket.AF_UNIX).bind("${FOLDER}/socket.ini")`]);
    m.symlink("/no/where", `${FOLDER}/dangling.ini`);
    m.symlink("loop.ini", `${FOLDER}/loop.ini`);
    m.write(`${FOLDER}/wrong.ini`, "[jail /srv/new]\nsectons = uidbasics\n");
  });

  test("is a finding among the others, for everybody, and its remedy heals", () => {
    const wanted = [
      ...places.map((file) => [file, "not-a-file"]),
      [`${FOLDER}/wrong.ini`, "unknown-key"],
    ].sort();
    for (const as of ["root", "nobody"]) {
      const { status, stdout } = m.run(["jailkit", "config", "check", "--json"], { user: as });
      const { findings, failures } = reportOf(configReportSchema, stdout);
      expect([status, failures]).toEqual([1, []]);
      expect(findings.map(({ file, code }) => [file, code]).sort()).toEqual(wanted);
    }
    for (const { remedy } of checked().findings) typeRemedy(m, remedy ?? "");
    expect(checked().findings).toEqual([]);
  });

  test("is an error among the others in apply, with the same words", () => {
    const { findings } = checked();
    const { status, summary } = linesOf(m);
    expect([status, summary.failed]).toEqual([1, 0]);
    const said = (one: { message: string }) => one.message.replace(/^.*: error: | \[.*$/g, "");
    expect(summary.problems.map((one) => [said(one), one.remedy]).sort()).toEqual(
      findings.map((one) => [said(one), one.remedy]).sort(),
    );
  });

  test("of other kinds of files does not hide their findings", () => {
    m.remove(FOLDER);
    m.mkdir("/etc/jailkit/jk_init.d/dir.ini");
    m.write("/etc/jailkit/jk_init.d/own.ini", "[own]\npahts = /bin/ls\nincludesections = elsewhere\n");
    const found = () => checked().findings.map(({ file, code }) => [file.split("/").at(-1), code]);
    expect(found()).toEqual([
      ["dir.ini", "not-a-file"],
      ["own.ini", "unknown-key"],
    ]);
    m.remove("/etc/jailkit/jk_init.d/dir.ini");
    expect(found()).toContainEqual(["own.ini", "unknown-section"]);
  });

  test("a file that the caller may not read hides nothing", () => {
    for (const path of places) m.remove(path);
    m.write(`${FOLDER}/secret.ini`, "[jail /srv/new]\nsectons = 1\n", { mode: 0o600 });
    const { status, stdout } = m.run(["jailkit", "config", "check", "--json"], { user: "nobody" });
    const { findings, failures } = reportOf(configReportSchema, stdout);
    expect([status, findings.map(({ file, code }) => [file, code])]).toEqual([
      ...[2, [[`${FOLDER}/wrong.ini`, "unknown-key"]]],
    ]);
    expect(failures).toEqual([`cannot read ${FOLDER}/secret.ini: open: Permission denied`]);
  });
});

test("--prune FILE shows the errors of that file and of the usual ones at once, each once", () => {
  m.write("/root/own.ini", "[user x]\nshell = /bin/sh\n");
  m.write(`${FOLDER}/wrong.ini`, "[jail /srv/new]\nsectons = uidbasics\n");
  m.mkdir(`${FOLDER}/dir.ini`);
  const places = (...files: string[]) =>
    linesOf(m, "--prune", ...files).summary.problems.map(({ path, line }) => [path, line]);
  const usual = [
    [`${FOLDER}/dir.ini`, null],
    [`${FOLDER}/wrong.ini`, 2],
  ];
  expect(places("/root/own.ini")).toEqual([["/root/own.ini", 1], ...usual]);
  expect(places(`${FOLDER}/wrong.ini`)).toEqual(usual.toReversed());
  const { status, stderr } = m.run(["jailkit", "apply", "--prune", "/root/own.ini"]);
  expect(status).toBe(1);
  for (const file of ["/root/own.ini:1", `read ${FOLDER}/dir.ini`, `${FOLDER}/wrong.ini:2`])
    expect(stderr.split(file)).toHaveLength(2);
});
