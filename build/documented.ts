import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type HelpSource, optionRows } from "../src/cli/help.ts";
import type { OptionTable } from "../src/cli/options.ts";
import type { Tool } from "../src/cli/tool.ts";
import { LSH_HELP } from "../src/enter/limited/help.ts";
import { CHROOTSH_HELP } from "../src/enter/login/help.ts";
import { PROCMAIL_HELP } from "../src/enter/procmail/help.ts";
import { UCHROOT_HELP } from "../src/enter/uchroot/options.ts";

/** A program, or a command of jailkit, for its manual page and the completions. */
export interface Documented {
  /** The name of its manual page: jk_init, or jailkit-explain for `jailkit explain`. */
  readonly page: string;
  readonly help: HelpSource;
  /** Options end at the first operand. */
  readonly posix: boolean;
}

const folder = join(import.meta.dir, "../src/tools");

// Any user may start these. They load no table of options at start, so it is not in their file.
const PROGRAMS: Readonly<Record<string, HelpSource>> = {
  jk_chrootsh: CHROOTSH_HELP,
  jk_lsh: LSH_HELP,
  jk_procmailwrapper: PROCMAIL_HELP,
  jk_uchroot: UCHROOT_HELP,
};

const JAILKIT: HelpSource = {
  name: "jailkit",
  summary: "all of jailkit in one executable",
  synopsis: ["COMMAND [ARGUMENT...]", "TOOL [ARGUMENT...]"],
  options: {
    help: { short: "h", description: "show the commands and exit" },
    version: { description: "show the version and exit" },
  },
  exitStatus: {
    0: "--help or --version; otherwise the exit status is that of the command or tool",
    2: "unknown command, or none given",
    11: "a privileged program, which cannot be started in this way",
  },
};

/** All programs of src/tools and commands of jailkit, by name. Throws for one without a table of options. */
export async function documentedTools(): Promise<Documented[]> {
  const found: Documented[] = [{ page: "jailkit", help: JAILKIT, posix: true }];
  const files = readdirSync(folder).filter((file) => /^(?:jk_\w+|jailkit-[\w-]+)\.ts$/.test(file));
  for (const file of files) {
    const page = file.slice(0, -3);
    const module: { tool?: Tool } = await import(join(folder, file));
    const help = module.tool ?? PROGRAMS[page];
    if (help === undefined)
      throw new Error(`src/tools/${file} exports no tool, and documented.ts has no help`);
    found.push({ page, help, posix: module.tool?.posix ?? false });
  }
  return found.sort((a, b) => (a.page < b.page ? -1 : 1));
}

/** The options that are not hidden, with their short and long names as they are typed. */
export function shownOptions(
  options: OptionTable,
): { names: string[]; value?: string; optional?: boolean; description: string }[] {
  return optionRows(options).map(([left, description]) => {
    const [, names = "", optional, value = optional] = /^(.*?)(?:\[=(.*)\]|=(.*))?$/.exec(left.trim()) ?? [];
    const shown = value === undefined ? {} : { value, optional: optional !== undefined };
    return { names: names.split(", "), description, ...shown };
  });
}

/** A word of a synopsis, or a group in square brackets. "...", "(", ")" and "|" are words. */
export type SynopsisPart = string | readonly SynopsisPart[];

/** The words of a line of a synopsis, and the brackets of groups. */
export const synopsisWords = (line: string) => line.match(/[[\]()|]|\.\.\.|[^\s[\]().|]+/g) ?? [];

/** The words and groups in a line of a synopsis. Throws if brackets do not match. */
export function readSynopsis(line: string): readonly SynopsisPart[] {
  const stack: SynopsisPart[][] = [[]];
  for (const word of synopsisWords(line)) {
    if (word === "[") stack.push([]);
    else if (word === "]") {
      const inner = stack.pop() ?? [];
      stack.at(-1)?.push(inner);
    } else stack.at(-1)?.push(word);
  }
  const [all] = stack;
  if (stack.length !== 1 || all === undefined) throw new Error(`brackets do not match in '${line}'`);
  return all;
}
