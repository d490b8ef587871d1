import { type Completed, type Kind, namesOf } from "./completion-model.ts";

/** A word of the shell, in single quotes. */
const word = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;

const identifier = ({ words }: Completed) => `__jailkit_operand_${words.join("_")}`;

const OFFERS: Readonly<Record<Kind & string, string>> = {
  jail: "-a '(__jailkit_jails)'",
  section: "-a '(__jailkit_sections (__jailkit_configfile /etc/jailkit/PROGRAM.ini))'",
  user: "-a '(__jailkit_names /etc/passwd)'",
  group: "-a '(__jailkit_names /etc/group)'",
  directory: "-a '(__jailkit_directories)'",
  file: "-F",
  none: "",
};

const offer = (kind: Kind, program: string) =>
  typeof kind === "string" ? OFFERS[kind].replace("PROGRAM", program) : `-a ${word(kind.join(" "))}`;

/** A function that prints the kind of the current operand, by its number. */
function operandFunction(tool: Completed): string {
  const valued = tool.options.flatMap((option) => (option.value === undefined ? [] : namesOf(option)));
  const shown = (kind: Kind) => (typeof kind === "string" ? kind : "word");
  const arms = (["j", ""] as const).flatMap((jail) =>
    (jail === "j" ? tool.operandsWithJail : tool.operands).map(({ kind, repeat }, index) => {
      return `        case '${jail}:${repeat ? "*" : index}'\n            echo ${shown(kind)}\n`;
    }),
  );
  return `
function ${identifier(tool)}
    switch (__jailkit_words ${tool.words.length} ${tool.posix ? "posix" : "permute"} ${valued.join(" ")})
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

/** What fills in the template for fish(1): the file of one program. */
export function fishCompletions(tools: readonly Completed[], program: string): Record<string, string> {
  const own = tools.filter(({ words }) => words[0] === program);
  const rest = [
    `\ncomplete -c ${program} -f\n`,
    ...(program === "jailkit" ? [commandNames(tools)] : []),
    ...own.map(completions),
  ];
  return { PROGRAM: program, REST: rest.join("").trimEnd() };
}
