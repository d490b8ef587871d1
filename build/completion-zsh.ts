import {
  type Completed,
  type CompletedOption,
  type Kind,
  namesOf,
  type Operand,
} from "./completion-model.ts";

/** A word of the shell, in single quotes. */
const word = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Text in a specification of _arguments(1) or _describe(1), with escaped brackets and colons. */
const plain = (text: string) => text.replace(/[\\[\]:]/g, "\\$&");

/** The end of the name of a function in the template. */
const functionOf = (kind: Kind) =>
  kind === "directory" ? "directories" : kind === "none" || typeof kind !== "string" ? "none" : `${kind}s`;

// A leading blank keeps the words unchanged.
const action = (kind: Kind) =>
  typeof kind === "string" ? ` _jailkit_${functionOf(kind)}` : `(${kind.join(" ")})`;

function optionSpecs(option: CompletedOption): string[] {
  const { short, long, description, value, repeat } = option;
  const exclusive = repeat ? "*" : `(${namesOf(option).join(" ")})`;
  const tail = `[${plain(description)}]${value === undefined ? "" : `:${value.name}:${action(value.kind)}`}`;
  const specs = [`${exclusive}${long}${value === undefined ? "" : "="}${tail}`];
  if (short !== undefined) specs.unshift(`${exclusive}${short}${value === undefined ? "" : "+"}${tail}`);
  return specs.map(word);
}

/** The operand at a position; a repeated one is also at all later positions. */
function operandAt(operands: readonly Operand[], index: number): Operand | undefined {
  const last = operands.at(-1);
  return operands[index] ?? (last?.repeat ? last : undefined);
}

function operandSpecs({ operands, operandsWithJail }: Completed): string[] {
  const count = Math.max(operands.length, operandsWithJail.length);
  return Array.from({ length: count }, (_, index) => {
    const without = operandAt(operands, index);
    const withJail = operandAt(operandsWithJail, index);
    const repeat = (operands[index]?.repeat ?? true) && (operandsWithJail[index]?.repeat ?? true);
    const kinds = [withJail?.kind ?? "none", without?.kind ?? "none"] as const;
    const [first, second] = kinds.map(action);
    const either = ` _jailkit_either ${kinds.map(functionOf).join(" ")}`;
    const name = (without ?? withJail)?.name ?? "";
    return word(
      `${repeat && index === count - 1 ? "*" : index + 1}:${name}:${first === second ? first : either}`,
    );
  });
}

function arm(tool: Completed): string {
  const specs = [...tool.options.flatMap(optionSpecs), ...operandSpecs(tool)];
  // If a program starts another one, the words that follow belong to that.
  const flags = tool.posix ? "-s -S -A '-*'" : "-s -S";
  const lines = [`_arguments ${flags} :`, ...specs].join(" \\\n        ");
  return `${word(tool.words.join(" "))})\n      ${lines}\n      ;;`;
}

/** What fills in the template for zsh(1). */
export function zshCompletions(tools: readonly Completed[]): Record<string, string> {
  const programs = tools.filter(({ words }) => words.length === 1);
  const commands = tools.filter(({ words }) => words.length > 1);
  const described = [...commands, ...programs].map(({ words, summary }) =>
    word(`${words.at(-1)}:${plain(summary)}`),
  );
  return {
    PROGRAMS: ["jailkit", ...programs.map(({ words }) => words[0])].join(" "),
    COMMANDS: described.join("\n        "),
    TOOLS: tools.map(arm).join("\n    "),
  };
}
