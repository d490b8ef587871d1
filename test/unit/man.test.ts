import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { documentedTools, shownOptions } from "../../build/documented.ts";
import { type ManualPage, manualPages } from "../../build/man.ts";
import { escapeText, optionList, prose, sentence, synopsis } from "../../build/mdoc.ts";
import type { HelpSource } from "../../src/cli/help.ts";
import { CONFIG_KINDS } from "../../src/config/schemas/catalogue.ts";
import { parseRefusal } from "../../src/explain/error-id.ts";
import { CHECKS_OF } from "../../src/explain/login-checks.ts";

const checkout = join(import.meta.dir, "../..");
const pages = await manualPages();
const tools = await documentedTools();

function page(name: string): ManualPage {
  const found = pages.find((one) => `${one.name}.${one.section}` === name);
  if (found === undefined) throw new Error(`no page ${name}`);
  return found;
}

function section(text: string, name: string): string {
  return text.split(/^\.Sh /m).find((part) => part.startsWith(`${name}\n`)) ?? "";
}

const help = (given: Partial<HelpSource>): HelpSource => ({
  name: "tool",
  summary: "do it",
  synopsis: [],
  options: {},
  exitStatus: {},
  ...given,
});

describe("pieces of mdoc", () => {
  test("text is shown literally", () => {
    expect(escapeText("use -j or --dry-run, a\\b")).toBe("use \\-j or \\-\\-dry\\-run, a\\eb");
    expect(escapeText(".so /etc/passwd")).toBe("\\&.so /etc/passwd");
    expect(escapeText("'x'")).toBe("\\&'x'");
    expect(escapeText("well-known")).toBe("well-known");
  });

  test("references become links, sentences become lines", () => {
    expect(prose("Through useradd(8), as root. See (prctl(2), X). End.")).toEqual([
      "Through",
      ".Xr useradd 8 ,",
      "as root.",
      "See",
      ".Xr ( prctl 2 ,",
      "X).",
      "End.",
    ]);
  });

  test("phrases become sentences", () => {
    expect(sentence("the jail")).toBe("The jail.");
    expect(sentence("jk_lsh is built in")).toBe("jk_lsh is built in.");
    expect(sentence("kernel: what it says")).toBe("kernel: what it says.");
  });

  test("a synopsis keeps its brackets", () => {
    const lines = synopsis(
      help({ name: "tool run", synopsis: ["[-mnv] [-s SHELL]... -j JAIL [--] [--x=Y] USER..."] }),
    );
    expect(lines.split("\n")).toEqual([
      ".Nm tool",
      ".Cm run",
      ".Op Fl mnv",
      ".Op Fl s Ar SHELL ...",
      ".Fl j Ar JAIL",
      ".Op Fl -",
      ".Op Fl \\-x=Y",
      ".Ar USER ...",
    ]);
  });

  test("hidden options are left out", () => {
    const options = { a: { description: "shown" }, b: { description: "not shown", hidden: true } };
    expect(optionList(help({ options }))).toContain("Shown.");
    expect(optionList(help({ options }))).not.toContain("ot shown");
  });
});

describe("pages", () => {
  test("there is one for every program, command and config file, and an overview", () => {
    const names = pages.map((one) => `${one.name}.${one.section}`);
    expect(new Set(names).size).toBe(names.length);
    for (const tool of tools) expect(names).toContain(`${tool.page}.8`);
    for (const { name } of CONFIG_KINDS) expect(names).toContain(`${name}.ini.5`);
    expect(names).toContain("jailkit.7");
    const programs = readdirSync(join(checkout, "src/tools")).filter((file) => file.startsWith("jk_"));
    for (const file of programs) expect(names).toContain(`${file.slice(0, -3)}.8`);
  });

  test.each(tools.map((tool) => [tool.page, tool] as const))("%s.8 has the complete table", (name, tool) => {
    const { text } = page(`${name}.8`);
    const options = section(text, "OPTIONS");
    for (const { names, value, optional } of shownOptions(tool.help.options)) {
      const flags = names.map((flag) => `Fl ${flag.slice(1).replaceAll("-", "\\-")}`).join(" , ");
      const kind = value === "lines" ? "Cm" : "Ar";
      const joined = optional ? ` Ns Op = Ns ${kind} ${value}` : ` Ns = Ns Ar ${value}`;
      expect(options).toContain(`.It ${flags}${value === undefined ? "" : joined}\n`);
    }
    const items = options.split("\n").filter((line) => line.startsWith(".It "));
    expect(items.length).toBe(shownOptions(tool.help.options).length);
    const statuses = [...section(text, "EXIT STATUS").matchAll(/^\.It (\S+)$/gm)].map(([, status]) => status);
    expect(statuses).toEqual(Object.keys(tool.help.exitStatus));
  });

  test("references to pages of jailkit lead to an existing page", () => {
    const known = new Set(pages.map((one) => `${one.name} ${one.section}`));
    const sources = readdirSync(join(checkout, "docs/man")).map((file) => file.replace(/\.(\d)\.in$/, " $1"));
    for (const source of sources) known.add(source);
    for (const { name, text } of pages) {
      for (const [, target = "", number = ""] of text.matchAll(/Xr (jk_[\w.]+|jailkit[\w.-]*) (\d)/g)) {
        expect({ name, target, known: known.has(`${target} ${number}`) }).toEqual({
          name,
          target,
          known: true,
        });
      }
    }
  });

  test("no placeholder is left, and pages are plain ASCII", () => {
    for (const { text } of pages) {
      expect(text).not.toMatch(/@[A-Z]+@/);
      expect(text).toMatch(/^[\n\x20-\x7e]+$/);
      expect(
        text
          .split("\n")
          .slice(0, 4)
          .map((line) => line.slice(0, 3)),
      ).toEqual([".Dd", ".Dt", ".Os", ".Sh"]);
    }
  });

  test("the worked example is that of README.md", () => {
    const readme = readFileSync(join(checkout, "README.md"), "utf8");
    const part = /^## A jailed sftp[\s\S]*?(?=^## The tools)/m.exec(readme)?.[0] ?? "";
    const commands = [...part.matchAll(/^```(?:sh|ini)\n([^`]*)```$/gm)].flatMap(([, block = ""]) =>
      block.trim().split("\n"),
    );
    expect(commands.length).toBeGreaterThan(15);
    const overview = page("jailkit.7")
      .text.split("\n")
      .map((line) => line.trim());
    for (const line of commands) expect(overview).toContain(line);
  });
});

describe("checks of a login", async () => {
  const folder = join(checkout, "src/enter");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const lists = await Promise.all(
    files.map(async (file): Promise<[string, object][]> => Object.entries(await import(join(folder, file)))),
  );
  const inEnter = lists
    .flat()
    .filter(([name, value]) => name.endsWith("_CHECKS") && Array.isArray(value))
    .flatMap(([list, checks]) => (checks as { name: string }[]).map((check) => ({ list, check })));

  test("explain makes all of them", () => {
    const explained = new Set(Object.values(CHECKS_OF).flat());
    const left = inEnter.filter(({ check }) => !(explained as Set<object>).has(check));
    expect(inEnter.length).toBeGreaterThan(40);
    expect(left.map(({ list, check }) => `${list} ${check.name}`)).toEqual([]);
  });

  test("their names are those that explain finds in a log", () => {
    const entry = { ident: "jk_chrootsh", source: "journal", when: "", pid: 1, sender: undefined };
    for (const { name } of Object.values(CHECKS_OF).flat()) {
      const message = `JK-AAAAAAAA: reason (check ${name}, uid 1)`;
      expect(parseRefusal("JK-AAAAAAAA", { ...entry, message })?.check).toBe(name);
    }
  });

  test.each(Object.entries(CHECKS_OF))("the exit statuses in %s.8 name them", (program, checks) => {
    const items = section(page(`${program}.8`).text, "EXIT STATUS").split(/^\.It /m);
    for (const { name, exitStatus } of checks) {
      const item = items.find((text) => text.startsWith(`${exitStatus}\n`)) ?? "";
      const [, names = ""] = /^Checks?: (.*)\.$/m.exec(item) ?? [];
      expect([name, names.replaceAll("\\-", "-").split(", ")]).toEqual([
        name,
        expect.arrayContaining([name]),
      ]);
    }
  });
});
