import { longName, type OptionTable } from "./options.ts";

/** The source of a tool's help and manual page. */
export interface HelpSource {
  readonly name: string;
  /** A phrase, without a capital and a full stop. */
  readonly summary: string;
  readonly synopsis: readonly string[];
  readonly options: OptionTable;
  readonly exitStatus: Readonly<Record<number, string>>;
  readonly notes?: string;
}

const WIDTH = 80;

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > WIDTH - indent) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

/** Rows of a name and its description; a name that is too wide gets its own line. */
function columns(rows: readonly (readonly [string, string])[], width: number): string {
  return rows
    .map(([left, right]) => {
      const indent = " ".repeat(width);
      const first = left.length + 4 > width ? `  ${left}\n${indent}` : `  ${left}`.padEnd(width);
      return `${first}${wrap(right, width)}\n`;
    })
    .join("");
}

/** The options as rows for help: `-j, --jail=JAIL` and the description. */
export function optionRows(options: OptionTable): [string, string][] {
  return Object.entries(options)
    .filter(([, spec]) => !spec.hidden)
    .map(([key, spec]) => {
      const short = spec.short === undefined ? "    " : `-${spec.short}, `;
      const words = spec.words === undefined ? "" : `[=${spec.words.join("|")}]`;
      const joined = spec.value === undefined ? words : `=${spec.value}`;
      const value = spec.optional ? `[${joined}]` : joined;
      return [`${short}--${longName(key, spec)}${value}`, spec.description];
    });
}

/** The text of `--help`. */
export function renderHelp(source: HelpSource): string {
  const usage = source.synopsis.map(
    (line, i) => `${i === 0 ? "Usage: " : "       "}${source.name} ${line}\n`,
  );
  const statuses = Object.entries(source.exitStatus).map(([status, text]) => [status, text] as const);
  return [
    `${usage.join("")}${wrap(source.summary, 0)}\n`,
    `Options:\n${columns(optionRows(source.options), 28)}`,
    ...(source.notes === undefined ? [] : [`${wrap(source.notes, 0)}\n`]),
    `Exit status:\n${columns(statuses, 8)}`,
  ].join("\n");
}
