/** Programs that need more than their libraries, and scripts for interpreters that do. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check, fresh } from "./check-helper.ts";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check"] });
  m.remove("/usr/local/bin");
  m.write("/usr/local/bin/report", "#!/usr/bin/env python3\nprint(6 * 7)\n", { mode: 0o755 });
  m.write("/opt/app/tool.pl", "#!/usr/bin/perl\nprint 42;\n", { mode: 0o755 });
  m.write("/opt/app/start", "#!/bin/sh\necho started\n", { mode: 0o755 });
});
afterAll(async () => m.close());

/** A jail with the C library alone. */
function bare(): string {
  const jail = fresh();
  m.mkdir(jail);
  return jail;
}

const cp = (jail: string, ...files: string[]) => m.run(["jk_cp", "-j", jail, ...files]);

describe("jk_cp of a program names the section with the rest", () => {
  const PROGRAMS = {
    ...{ php: "php", python3: "python", perl: "perl", node: "node", ruby: "ruby", git: "git" },
    ...{ mysql: "mysqlclient", psql: "postgresqlclient", vim: "editors", convert: "imagemagick" },
    ...{ "7z": "7zip", composer: "composer", iconv: "gconv", phar: "php", file: "file" },
  };
  test.each(Object.entries(PROGRAMS))("%s: %s", (program, section) => {
    const jail = bare();
    const first = cp(jail, program);
    expect(first.status).toBe(0);
    const command = `jk_init -j ${jail} ${section}`;
    expect(first.stderr).toBe(
      `jk_cp: warning: /usr/bin/${program} needs more than its libraries: ${command}\n`,
    );
    expect(m.exists(`${jail}/usr/bin/${program}`)).toBe(true);
    m.must(command.split(" "));
    expect(cp(jail, program)).toMatchObject({ status: 0, stderr: "" });
  });

  const COMPLETE = "ls sh bash sed less zip rsync ssh wget tar ps find which head whoami ldconfig".split(" ");
  test.each(COMPLETE)("%s needs no more", (program) => {
    expect(cp(bare(), program)).toMatchObject({ status: 0, stderr: "" });
  });

  test("also in JSON and in a dry run, without a message", () => {
    const jail = bare();
    const { status, stdout, stderr } = m.run(["jk_cp", "--json", "--dry-run", "-j", jail, "php"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(reportOf(populateReportSchema("jk_cp"), stdout).suggestions).toEqual([
      { path: "/usr/bin/php", section: "php", command: `jk_init -j ${jail} php` },
    ]);
  });
});

describe("a script for an interpreter with a library", () => {
  test("is copied without it, and works with its section", () => {
    const jail = bare();
    const { status, stderr } = cp(jail, "report");
    const section = `jk_init -j ${jail} python`;
    const script = "/usr/local/bin/report is a script for /usr/bin/python3, which is left out";
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `jk_cp: warning: ${script}, since it needs its library: ${section}\n`,
    });
    expect(m.exists(`${jail}/usr/local/bin/report`)).toBe(true);
    expect(m.exists(`${jail}/usr/bin/python3`)).toBe(false);
    const [finding, ...others] = check(m, jail).found;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ rule: "missing-interpreter", remedy: section });
    m.must(section.split(" "));
    expect(check(m, jail).found).toEqual([]);
    expect(m.must(["chroot", jail, "/usr/local/bin/report"]).stdout).toBe("42\n");
    expect(cp(jail, "report").stderr).toBe("");
    m.must(["jk_init", "--remove", "-j", jail, "python"]);
    expect(m.exists(`${jail}/usr/bin/python3`)).toBe(false);
    expect(m.exists(`${jail}/usr/local/bin/report`)).toBe(true);
  });

  test("in a directory: a warning of jk_cp; other scripts have their shell", () => {
    const jail = bare();
    const { stderr } = cp(jail, "/opt/app");
    expect(stderr).toContain("/opt/app/tool.pl is a script for /usr/bin/perl");
    expect(stderr).toContain(`jk_init -j ${jail} perl\n`);
    expect(m.must(["chroot", jail, "/opt/app/start"]).stdout).toBe("started\n");
  });

  test("in a directory of a section: only with --verbose, and in JSON", () => {
    const jail = fresh();
    m.write("/root/app.ini", "[app]\npaths = /opt/app\n");
    const init = ["jk_init", "-c", "/root/app.ini", "-j", jail];
    const { stdout, stderr } = m.must([...init, "--dry-run", "-v", "app"]);
    expect(stdout).toContain("/opt/app/tool.pl is a script for /usr/bin/perl");
    expect(stderr).toBe("");
    expect(m.must([...init, "app"])).toMatchObject({ stderr: "" });
    expect(check(m, jail).found).toEqual([]);
    const report = reportOf(populateReportSchema("jk_init"), m.must([...init, "--json", "app"]).stdout);
    expect(report.suggestions.map(({ section }) => section)).toEqual(["perl"]);
  });

  test("that a jail has from an earlier version stays at an update", () => {
    const jail = bare();
    // As earlier versions did, which knew no sections of interpreters.
    m.rename("/etc/jailkit/jk_init.ini", "/root/jk_init.ini");
    expect(cp(jail, "/opt/app")).toMatchObject({ status: 0, stderr: "" });
    m.rename("/root/jk_init.ini", "/etc/jailkit/jk_init.ini");
    expect(m.must(["chroot", jail, "/opt/app/tool.pl"]).stdout).toBe("42");
    expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
    m.must(["jk_update", "-j", jail]);
    expect(m.must(["chroot", jail, "/opt/app/tool.pl"]).stdout).toBe("42");
  });

  test("in an interpreter's own section is told to nobody", () => {
    const { stderr } = m.must(["jk_init", "-j", fresh(), "git", "composer", "node", "ruby", "python"]);
    expect(stderr).toBe("");
  });
});
