import type { Completed, Kind, Operand } from "./completion-model.ts";

const nameOf = ({ words }: Completed) => words.join(" ");
const indented = (lines: readonly string[]) => lines.join("\n    ");

function assignment(kind: Kind): string {
  return typeof kind === "string" ? `kind=${kind}` : `kind=words words=(${kind.join(" ")})`;
}

function values(tools: readonly Completed[]): string[] {
  return tools.flatMap((tool) =>
    tool.options.flatMap(({ short, long, value }) => {
      if (value === undefined) return [];
      const names = short === undefined ? [long] : [short, long];
      const patterns = names.map((name) => `"${nameOf(tool)}:${name}"`).join(" | ");
      return [`${patterns}) ${assignment(value.kind)} ;;`];
    }),
  );
}

function options(tools: readonly Completed[]): string[] {
  return tools.map((tool) => {
    const names = tool.options.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]));
    return `"${nameOf(tool)}") found=(${names.join(" ")}) ;;`;
  });
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

/** Fills in the template for bash(1). */
export function bashCompletions(template: string, tools: readonly Completed[]): string {
  const programs = tools.flatMap(({ words }) => (words.length === 1 ? [words[0]] : []));
  const commands = tools.flatMap(({ words }) => words.slice(1));
  const posix = tools.filter((tool) => tool.posix).map((tool) => `"${nameOf(tool)}") ;;`);
  const filled: Record<string, string> = {
    VALUES: indented(values(tools)),
    OPTIONS: indented(options(tools)),
    OPERANDS: indented(operands(tools)),
    POSIX: indented(posix),
    COMMANDS: [...commands, ...programs, "--help", "--version"].join(" "),
    PROGRAMS: ["jailkit", ...programs].join(" "),
  };
  return template.replace(/@([A-Z]+)@/g, (word, name: string) => filled[name] ?? word);
}
