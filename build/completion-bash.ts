import { type Completed, type Kind, namesOf, type Operand } from "./completion-model.ts";

const nameOf = ({ words }: Completed) => words.join(" ");
const indented = (lines: readonly string[]) => lines.join("\n    ");

function assignment(kind: Kind): string {
  return typeof kind === "string" ? `kind=${kind}` : `kind=words words=(${kind.join(" ")})`;
}

function values(tools: readonly Completed[]): string[] {
  return tools.flatMap((tool) =>
    tool.options.flatMap((option) => {
      if (option.value === undefined) return [];
      const patterns = namesOf(option).map((name) => `"${nameOf(tool)}:${name}"`);
      return [`${patterns.join(" | ")}) ${assignment(option.value.kind)} ;;`];
    }),
  );
}

function options(tools: readonly Completed[]): string[] {
  return tools.map((tool) => `"${nameOf(tool)}") found=(${tool.options.flatMap(namesOf).join(" ")}) ;;`);
}

function operands(tools: readonly Completed[]): string[] {
  const arms = (tool: Completed, jail: string, list: readonly Operand[]) =>
    list.map(({ kind, repeat }, index) => {
      const key = `"${nameOf(tool)}:${jail}:"${repeat ? "*" : index}`;
      return `${key}) ${assignment(kind)} ;;`;
    });
  return tools.flatMap((tool) => [
    ...arms(tool, "j", tool.operandsWithJail),
    ...arms(tool, "", tool.operands),
  ]);
}

/** What fills in the template for bash(1). */
export function bashCompletions(tools: readonly Completed[]): Record<string, string> {
  const programs = tools.flatMap(({ words }) => (words.length === 1 ? [words[0]] : []));
  const commands = tools.flatMap(({ words }) => words.slice(1));
  const posix = tools.filter((tool) => tool.posix).map((tool) => `"${nameOf(tool)}") ;;`);
  return {
    VALUES: indented(values(tools)),
    OPTIONS: indented(options(tools)),
    OPERANDS: indented(operands(tools)),
    POSIX: indented(posix),
    COMMANDS: [...commands, ...programs, "--help", "--version"].join(" "),
    PROGRAMS: ["jailkit", ...programs].join(" "),
  };
}
