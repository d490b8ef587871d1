import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { CONFIG_KINDS } from "../../src/config/schemas/catalogue.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { tool } from "../../src/tools/jailkit-config.ts";
import { reportOf } from "../report.ts";

describe("jailkit config check", () => {
  const jail = mkdtempSync(`${tmpdir()}/config-lint-`);
  afterAll(() => rmSync(jail, { recursive: true }));
  const config = `${jail}/etc/jailkit`;
  mkdirSync(`${config}/jk_lsh.d`, { recursive: true });
  mkdirSync(`${jail}/usr/bin`, { recursive: true });
  writeFileSync(`${jail}/etc/passwd`, "jailed:x:1:1::/:/bin/sh\n");
  writeFileSync(`${jail}/etc/group`, "jailed:x:1:\n");
  writeFileSync(`${jail}/usr/bin/bash`, "");
  chmodSync(`${jail}/usr/bin/bash`, 0o755);
  symlinkSync("/usr/bin/bash", `${jail}/usr/bin/shell`);
  const ini = `${config}/jk_lsh.ini`;

  async function run(...args: string[]): Promise<{ status: number; lines: string[]; errors: string[] }> {
    const child = Bun.spawn(
      [process.execPath, new URL("../../src/tools/shared.ts", import.meta.url).pathname, "config", ...args],
      { stdout: "pipe", stderr: "pipe" },
    );
    const [out, err, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const lines = (text: string) => text.split("\n").slice(0, -1);
    return { status, lines: lines(out), errors: lines(err) };
  }

  test("checks a file of a jail against the jail", async () => {
    writeFileSync(
      ini,
      "[jailed]\nexecutables = /usr/bin/shell, /usr/bin/ls\n[root]\nexecutables = /usr/bin/shell\n",
    );
    writeFileSync(
      `${config}/jk_lsh.d/x.ini`,
      "[group jailed]\npahts = /usr/bin\nexecutables = /usr/bin/none\n",
    );
    const { status, lines } = await run("check", ini);
    const owned = (line: string) => !line.includes("[unsafe-file]") && !line.startsWith(" ");
    expect(lines.filter((line) => line.includes(" | ")).slice(0, 4)).toEqual([
      "    2 | executables = /usr/bin/shell, /usr/bin/ls",
      "      |               ^",
      "    2 | executables = /usr/bin/shell, /usr/bin/ls",
      "      |                               ^",
    ]);
    expect(lines.filter(owned)).toEqual([
      `${ini}:2:15: warning: '/usr/bin/shell' ('bash') is a shell: it can start other programs; take it out of the section [starts-programs]`,
      `${ini}:2:31: error: '/usr/bin/ls' does not exist [no-such-path]`,
      `${ini}:3:1: error: the user 'root' is not in this jail [unknown-user]`,
      `${ini}:4:15: warning: '/usr/bin/shell' ('bash') is a shell: it can start other programs; take it out of the section [starts-programs]`,
      `${config}/jk_lsh.d/x.ini:2:1: error: there is no key 'pahts'; did you mean 'paths'? [unknown-key]`,
      `${config}/jk_lsh.d/x.ini:3:15: error: '/usr/bin/none' does not exist, nor does another one of 'executables': bring it back, or name others [no-such-path]`,
    ]);
    expect(status).toBe(1);
  });

  test("prints the same as JSON and as lines", async () => {
    writeFileSync(ini, "[jailed]\nexecutables = /usr/bin/\xff\n", "latin1");
    rmSync(`${config}/jk_lsh.d/x.ini`, { force: true });
    const { status, lines } = await run("check", "--json", ini);
    const { findings: found, ...rest } = reportOf(configReportSchema, lines.join("\n"));
    expect(rest).toEqual({ version: 1, tool: "jailkit config", files: [ini], failures: [] });
    expect(found.filter((one) => one.code !== "unsafe-file")).toEqual([
      {
        file: ini,
        line: 2,
        column: 15,
        severity: "error",
        code: "no-such-path",
        message:
          "'/usr/bin/\\xff' does not exist, nor does another one of 'executables': bring it back, or name others",
        remedy: null,
      },
    ]);
    expect(status).toBe(1);
  });

  test("reports a program in a jail whose path the host cannot look up", async () => {
    symlinkSync("loop", `${jail}/loop`);
    for (const path of [`/usr/bin/${"x".repeat(300)}`, `${jail}/loop`]) {
      writeFileSync(ini, `[jailed]\nexecutables = ${path}\n`);
      const { status, lines } = await run("check", ini);
      const why = "does not exist, nor does another one of 'executables': bring it back, or name others";
      expect(lines).toContain(`${ini}:2:15: error: '${path}' ${why} [no-such-path]`);
      expect(status).toBe(1);
    }
  });

  test("reports nothing for the default files", async () => {
    // Where everybody can read them: the checkout may be in root's home.
    const folder = mkdtempSync(`${tmpdir()}/config-default-`);
    try {
      chmodSync(folder, 0o755);
      const names = CONFIG_KINDS.map(({ name }) => {
        const file = `${folder}/${name}.ini`;
        copyFileSync(new URL(`../../config/${name}.ini`, import.meta.url), file);
        return file;
      });
      expect(await tool.main(["check", ...names])).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ["a directory", (path: string) => mkdirSync(path), "not a regular file"],
    ["a FIFO", (path: string) => execFileSync("mkfifo", [path]), "not a regular file"],
    [
      "a link to itself",
      (path: string) => symlinkSync("jk_lsh.ini", path),
      "a symbolic link, which is not followed here, or leads nowhere",
    ],
    [
      "a link that leads nowhere",
      (path: string) => symlinkSync("/no/where", path),
      "open: No such file or directory",
    ],
  ])("tells how to move %s out of the place of a file or a drop-in", async (_, make, why) => {
    const folder = mkdtempSync(`${tmpdir()}/config-kind-`);
    try {
      const file = `${folder}/jk_lsh.ini`;
      const dropIn = `${folder}/jk_lsh.d/jk_lsh.ini`;
      mkdirSync(`${folder}/jk_lsh.d`);
      for (const path of [file, dropIn]) {
        make(path);
        const { status, lines, errors } = await run("check", file);
        const remedy = `mv -nT ${path} ${path}.aside`;
        const said = `cannot read ${path}: (?:${why}|a symbolic link, .*)`;
        expect([status, errors]).toEqual([1, []]);
        expect(lines).toContainEqual(
          expect.stringMatching(new RegExp(`^${path}:1:1: error: ${said} \\[not-a-file\\]$`)),
        );
        expect(lines).toContain(`  remedy: ${remedy}`);
        execFileSync("sh", ["-c", remedy]);
        if (path === file) writeFileSync(file, "[DEFAULT]\nlog_format = json\n");
      }
      expect((await run("check", file)).lines.join("\n")).not.toContain("not-a-file");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each(["jails.d", "jails.d/", "jk_lsh.d", "my-jails"])(
    "moves no directory that is named away: %s",
    async (name) => {
      const folder = mkdtempSync(`${tmpdir()}/config-named-`);
      try {
        const directory = `${folder}/${name}`;
        chmodSync(folder, 0o755);
        mkdirSync(directory);
        writeFileSync(`${folder}/${name}/one.ini`, "");
        expect(await run("check", directory)).toEqual({
          ...{
            status: 2,
            lines: [],
            errors: [`jailkit config: ${directory} is a directory: name the files in it`],
          },
        });
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  test("exits with 2 if a file cannot be read or has an unknown name", async () => {
    const wrong = [
      [],
      ["chekc"],
      ["check", `${jail}/jk_lsh.ini`],
      ["check", "/etc/passwd"],
      ["check", "--nope"],
    ];
    for (const { status, lines, errors } of await Promise.all(wrong.map((args) => run(...args)))) {
      expect([status, lines]).toEqual([2, []]);
      expect(errors.length).toBeGreaterThan(0);
    }
  });
});
