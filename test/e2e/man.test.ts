import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { documentedTools } from "../../build/documented.ts";
import { writeManualPages } from "../../build/man.ts";
import { ensureBuilt } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), "man-"));
const tools = await documentedTools();
let files: string[] = [];

beforeAll(async () => {
  files = await writeManualPages(join(folder, "man"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(words: string[]): { status: number; stdout: string; stderr: string } {
  const done = Bun.spawnSync(words, {
    stdin: "ignore",
    env: { PATH: "/usr/sbin:/usr/bin", LC_ALL: "C.UTF-8" },
  });
  return { status: done.exitCode, stdout: `${done.stdout}`, stderr: `${done.stderr}` };
}

const shown = (file: string) =>
  run(["mandoc", "-T", "ascii", "-O", "width=1000", file]).stdout.replace(/.\x08/g, "");

/** The items of an indented list: a line at `indent`, with the deeper lines that follow, as one line. */
function items(lines: readonly string[], indent: number): string[] {
  const found: string[] = [];
  for (const line of lines) {
    const depth = line.search(/\S/);
    if (depth === indent) found.push(line.trim());
    else if (depth > indent && found.length > 0) found.push(`${found.pop()} ${line.trim()}`);
  }
  // A page has sentences where the help has phrases, and names the checks that end in an exit status.
  return found.map((item) =>
    item
      .replace(/\s+/g, " ")
      .replace(/\.$/, "")
      .replace(/\. Checks?: [a-z, -]+$/, "")
      .replace(
        /^((?:-\S+, )?-\S+|\d+) (.)/,
        (_, name: string, letter: string) => `${name} ${letter.toLowerCase()}`,
      ),
  );
}

/** The lines of a part of --help that a title opens. */
function helpPart(help: string, title: string): string[] {
  const after = help.split(`\n${title}:\n`)[1] ?? "";
  return (after.split(/\n\n/)[0] ?? "").split("\n");
}

/** The lines of a section of a page. */
function pagePart(page: string, title: string): string[] {
  const lines = page.split("\n");
  const start = lines.indexOf(title);
  const length = lines.slice(start + 1).findIndex((line) => /^\S/.test(line));
  return start < 0 ? [] : lines.slice(start + 1, start + 1 + length);
}

describe("manual pages", () => {
  test("mandoc finds nothing to warn of", () => {
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      expect(run(["mandoc", "-T", "lint", "-W", "warning", file])).toEqual({
        status: 0,
        stdout: "",
        stderr: "",
      });
    }
  });

  test("groff, which man(1) uses on most machines, finds nothing either", () => {
    for (const file of files) {
      expect(run(["groff", "-mandoc", "-Tutf8", "-ww", "-z", file])).toEqual({
        status: 0,
        stdout: "",
        stderr: "",
      });
    }
  });

  test("apropos(1) would find each by its name and summary", () => {
    for (const file of files) {
      const { stdout } = run(["lexgrog", file]);
      const name = basename(file).replace(/\.\d$/, "");
      expect(stdout).toMatch(new RegExp(`: "${name.replaceAll(".", "\\.")} - \\S.+"\n$`));
    }
  });

  // jk_chrootsh and jk_lsh take no options, and jailkit's help lists its commands.
  const withHelp = tools.filter(({ page }) => !["jailkit", "jk_chrootsh", "jk_lsh"].includes(page));

  test.each(withHelp.map(({ page, help }) => [help.name, page] as const))(
    "what '%s --help' says stands in its page",
    (name, page) => {
      const [program = "", ...command] = name.split(" ");
      const { stdout: help, status } = run([join(ensureBuilt([program]), program), ...command, "--help"]);
      expect(status).toBe(0);
      const text = shown(join(folder, `man/man8/${page}.8`));
      const options = items(
        helpPart(help, "Options").map((line) => line.replace(/^ {6}--/, "  --")),
        2,
      );
      expect(options.length).toBeGreaterThan(0);
      expect(items(pagePart(text, "OPTIONS"), 5)).toEqual(options);
      const statuses = items(helpPart(help, "Exit status"), 2);
      expect(statuses.length).toBeGreaterThan(0);
      expect(items(pagePart(text, "EXIT STATUS"), 5).filter((item) => /^\d/.test(item))).toEqual(statuses);
      // "..." is a word of its own in a page.
      const usage = help.slice(0, help.indexOf("\n\n")).split("\n");
      const synopses = usage
        .filter((line) => /^(?:Usage: | {7})/.test(line))
        .map((line) =>
          line
            .slice(7)
            .replace(/(\[[^\]]*)\]\.\.\./g, "$1 ...]")
            .replace(/(\w)\.\.\./g, "$1 ..."),
        );
      const lines = pagePart(text, "SYNOPSIS").map((line) => line.trim());
      expect(lines.filter((line) => line !== "")).toEqual(synopses.filter((line) => line.startsWith(name)));
    },
  );

  test("jailkit --help and jailkit(8) list the same commands", () => {
    const { stdout } = run([join(ensureBuilt(["jailkit"]), "jailkit"), "--help"]);
    const names = [...stdout.matchAll(/^ +([\w-]+)(?= {2})/gm)].map(([, name = ""]) => name);
    const commands = names.filter((name) => !name.startsWith("jk_"));
    const page = shown(join(folder, "man/man8/jailkit.8"));
    const listed = [...page.matchAll(/^ +jailkit-([\w-]+)\(8\)$/gm)].map(([, command]) => command);
    expect(listed).toEqual(commands);
  });
});
