import type { Completed, Kind } from "./completion-model.ts";

/** A word of the shell, in single quotes. */
const word = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;

const identifier = ({ words }: Completed) => `__jailkit_operand_${words.join("_")}`;

function offer(kind: Kind, program: string): string {
  if (typeof kind !== "string") return `-a ${word(kind.join(" "))}`;
  switch (kind) {
    case "jail":
      return "-a '(__jailkit_jails)'";
    case "section":
      return `-a '(__jailkit_sections (__jailkit_configfile /etc/jailkit/${program}.ini))'`;
    case "user":
      return "-a '(__jailkit_names /etc/passwd)'";
    case "group":
      return "-a '(__jailkit_names /etc/group)'";
    case "directory":
      return "-a '(__jailkit_directories)'";
    case "file":
      return "-F";
    case "none":
      return "";
  }
}

/** A function that prints the kind of the current operand, by its number. */
function operandFunction(tool: Completed): string {
  const valued = tool.options.flatMap(({ short, long, value }) =>
    value === undefined ? [] : short === undefined ? [long] : [short, long],
  );
  const shown = (kind: Kind) => (typeof kind === "string" ? kind : "word");
  const arms = (["j", ""] as const).flatMap((jail) =>
    (jail === "j" ? tool.operandsWithJail : tool.operands).map(({ kind, repeat }, index) => {
      return `        case '${jail}:${repeat ? "*" : index}'\n            echo ${shown(kind)}\n`;
    }),
  );
  const skip = tool.words.length;
  return `
function ${identifier(tool)}
    switch (__jailkit_words ${skip} ${tool.posix ? "posix" : "permute"} ${valued.join(" ")})
${arms.join("")}        case '*'
            echo none
    end
end
`;
}

function completions(tool: Completed): string {
  const [program, ...command] = tool.words;
  const here = command.length === 0 ? "" : ` -n '__jailkit_command ${command.join(" ")}'`;
  const lines = tool.options.map(({ short, long, description, value }) => {
    const names = `${short === undefined ? "" : ` -s ${short.slice(1)}`} -l ${long.slice(2)}`;
    const files = value?.kind === "file" ? " -r" : " -x";
    const tail = value === undefined ? "" : `${files} ${offer(value.kind, program)}`.trimEnd();
    return `complete -c ${program}${here}${names}${tail} -d ${word(description)}`;
  });
  const kinds = new Map<string, Kind>();
  for (const { kind } of [...tool.operands, ...tool.operandsWithJail]) {
    if (kind !== "none") kinds.set(typeof kind === "string" ? kind : "word", kind);
  }
  for (const [name, kind] of kinds) {
    const wanted = `test (${identifier(tool)}) = ${name}`;
    const condition = command.length === 0 ? wanted : `__jailkit_command ${command.join(" ")}; and ${wanted}`;
    lines.push(`complete -c ${program} -n '${condition}' ${offer(kind, program)}`);
  }
  return `${operandFunction(tool)}\n${lines.join("\n")}\n`;
}

/** Only in jailkit.fish: the names of the commands and programs, and the programs' own completions. */
function commandNames(tools: readonly Completed[]): string {
  const first = "-n 'test (count (commandline -opc)) -eq 1'";
  const names = tools
    .toSorted((a, b) => b.words.length - a.words.length)
    .map(({ words, summary }) => `complete -c jailkit ${first} -a ${words.at(-1)} -d ${word(summary)}`);
  return `
function __jailkit_command -a name
    set -l words (commandline -opc)
    test "$words[2]" = "$name"
end

${names.join("\n")}
complete -c jailkit ${first} -l help -d 'show the commands and exit'
complete -c jailkit ${first} -l version -d 'show the version and exit'
complete -c jailkit -n 'string match -q "jk_*" -- (commandline -opc)[2]' -a '(__fish_complete_subcommand)'
`;
}

/** Fills in the template for fish(1): the file of one program. */
export function fishCompletions(template: string, tools: readonly Completed[], program: string): string {
  const own = tools.filter(({ words }) => words[0] === program);
  const rest = [
    `\ncomplete -c ${program} -f\n`,
    ...(program === "jailkit" ? [commandNames(tools)] : []),
    ...own.map(completions),
  ];
  const filled: Record<string, string> = { PROGRAM: program, REST: rest.join("").trimEnd() };
  return template.replace(/@([A-Z]+)@/g, (whole, name: string) => filled[name] ?? whole);
}
