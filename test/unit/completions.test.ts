import { describe, expect, test } from "bun:test";
import { type Completed, completedTools, VALUE_KINDS } from "../../build/completion-model.ts";
import { completionFiles } from "../../build/completions.ts";
import { documentedTools, readSynopsis, shownOptions } from "../../build/documented.ts";

const tools = await completedTools();
const documented = await documentedTools();
const texts = completionFiles(tools).flatMap((file) => ("text" in file ? [file] : []));

const text = (path: string) => texts.find((file) => file.path === path)?.text ?? "";
const operands = (name: string) => {
  const tool = tools.find(({ words }) => words.join(" ") === name);
  const shown = (list: Completed["operands"]) =>
    list.map(({ name: operand, repeat }) => `${operand}${repeat ? "..." : ""}`).join(" ");
  return tool && [shown(tool.operandsWithJail), shown(tool.operands)];
};

describe("synopses", () => {
  test("brackets, repetition and alternatives", () => {
    expect(readSynopsis("[-s PATH]... (-j JAIL | -c SECTION) [DIR...]")).toEqual([
      ["-s", "PATH"],
      "...",
      "(",
      "-j",
      "JAIL",
      "|",
      "-c",
      "SECTION",
      ")",
      ["DIR", "..."],
    ]);
    expect(() => readSynopsis("[-s")).toThrow("brackets");
    expect(() => readSynopsis("-s]")).toThrow("brackets");
  });

  test("operands, with and without -j", () => {
    expect(operands("jk_init")).toEqual(["SECTION...", "JAIL SECTION..."]);
    expect(operands("jk_cp")).toEqual(["FILE...", "JAIL FILE..."]);
    expect(operands("jk_jailuser")).toEqual(["USER...", "USER..."]);
    expect(operands("jk_list")).toEqual(["JAIL...", "JAIL..."]);
    expect(operands("jailkit config")).toEqual(["check FILE...", "check FILE..."]);
    expect(operands("jk_uchroot")).toEqual(["ARGUMENT...", "JAIL ARGUMENT..."]);
    expect(operands("jk_update")).toEqual(["DIRECTORY...", "JAIL DIRECTORY..."]);
    expect(operands("jailkit explain")?.[1]).toBe("USER COMMAND ARGUMENT...");
    expect(operands("jailkit adopt")).toEqual(["", "JAIL"]);
  });
});

describe("the tables", () => {
  test("the kind of every value and operand is known: build/completion-model.ts, VALUE_KINDS", () => {
    const values = tools.flatMap(({ options }) => options.flatMap(({ value }) => value?.name ?? []));
    const names = tools.flatMap((tool) =>
      [...tool.operands, ...tool.operandsWithJail].map(({ name }) => name),
    );
    const unknown = [...values, ...names].filter(
      (name) => /^[A-Z]/.test(name) && !Object.hasOwn(VALUE_KINDS, name),
    );
    expect(unknown).toEqual([]);
  });

  test("every visible option of every program is in the files of every shell", () => {
    const bash = text("bash-completion/completions/jailkit");
    const zsh = text("zsh/site-functions/_jailkit");
    for (const { words } of tools) {
      const name = words.join(" ");
      const help = documented.find((one) => one.help.name === name)?.help;
      const shown = shownOptions(help?.options ?? {});
      const fish = text(`fish/vendor_completions.d/${words[0]}.fish`);
      const line = bash.split("\n").find((one) => one.trim().startsWith(`"${name}") found=(`)) ?? "";
      const arm = zsh.split(`    '${name}')\n`)[1]?.split("\n      ;;")[0] ?? "";
      for (const { names } of shown) {
        const long = names.at(-1) ?? "";
        expect(line).toMatch(new RegExp(`[( ]${names.join(" ")}[) ]`));
        expect(arm).toMatch(new RegExp(`[)*]${long}[[=]`));
        expect(fish).toContain(` -l ${long.slice(2)} `);
      }
    }
  });

  test("hidden options are not", () => {
    for (const { text: content } of texts) expect(content).not.toMatch(/--nomove|-l nomove|--peek|-l peek/);
  });
});

describe("the files", () => {
  test("bash and fish find the file by the name of each program", () => {
    const paths = completionFiles(tools).map(({ path }) => path);
    for (const { words } of tools) {
      expect(paths).toContain(`bash-completion/completions/${words[0]}`);
      expect(paths).toContain(`fish/vendor_completions.d/${words[0]}.fish`);
      expect(text("zsh/site-functions/_jailkit").split("\n")[0]?.split(" ")).toContain(words[0]);
    }
  });

  test("are static: they evaluate nothing and pass nothing to a program that does", () => {
    for (const { text: content } of texts) {
      const code = content.replace(/^\s*#.*$/gm, "").replace(/'[^'\n]*'/g, "''");
      expect(code).not.toMatch(/@[A-Z]+@/);
      expect(code).not.toMatch(/\beval\b|\bsource\b|^\s*\. |compgen -W|\$\{\(e\)|`/m);
    }
  });
});
