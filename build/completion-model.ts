import type { OptionTable } from "../src/cli/options.ts";
import { longName } from "../src/cli/options.ts";
import { SERVICES } from "../src/known-programs/services.ts";
import { type Documented, documentedTools, synopsisWords } from "./documented.ts";

/** What completes a value: names of a kind, some words, or nothing. */
export type Kind = "jail" | "section" | "user" | "group" | "file" | "directory" | "none" | readonly string[];

/** An option, for completions. */
export interface CompletedOption {
  /** "-j" */
  readonly short?: string;
  /** "--jail" */
  readonly long: string;
  readonly description: string;
  /** The name and kind of its value; undefined for a flag. */
  readonly value?: { readonly name: string; readonly kind: Kind };
  readonly repeat: boolean;
}

/** The short and long name of an option. */
export const namesOf = ({ short, long }: CompletedOption) => (short === undefined ? [long] : [short, long]);

/** An operand. A repeated one is the last. */
export interface Operand {
  readonly name: string;
  readonly kind: Kind;
  readonly repeat: boolean;
}

/** A program, or a command of jailkit. */
export interface Completed {
  /** Its words: ["jk_init"], or ["jailkit", "config"]. */
  readonly words: readonly [string, ...string[]];
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** The operands without -j, and with it. */
  readonly operands: readonly Operand[];
  readonly operandsWithJail: readonly Operand[];
  /** Options end at the first operand. */
  readonly posix: boolean;
}

/** The names of values in --help, by kind. */
const NAMES = {
  jail: "JAIL OLD",
  section: "SECTION",
  user: "USER",
  group: "GROUP GROUPS",
  file: "ARGUMENT FILE PATH PROGRAM SHELL",
  directory: "DIR DIRECTORY",
  none: "ADDRESS BYTES COMMAND DATE DAYS HASH LIST N PORTS PROCMAIL-ARGUMENT SECONDS TEXT UID",
} satisfies Partial<Record<Kind & string, string>>;

/** The kind of each name of a value in --help. */
export const VALUE_KINDS: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(
    Object.entries(NAMES).flatMap(([kind, names]) => names.split(" ").map((name) => [name, kind])),
  ),
  SERVICES: SERVICES.map(({ name }) => name),
  TYPE: ["datagram", "stream"],
  WHEN: ["auto", "always", "never"],
  WHOM: ["kernel", "sender"],
};

// The name of a new account is not in any list.
const EXCEPTIONS: Readonly<Record<string, Kind>> = { "jk_addjailuser USER": "none" };

function kindOf(program: string, name: string): Kind {
  return EXCEPTIONS[`${program} ${name}`] ?? VALUE_KINDS[name] ?? "none";
}

function completedOptions(program: string, options: OptionTable): CompletedOption[] {
  return Object.entries(options)
    .filter(([, spec]) => !spec.hidden)
    .map(([key, spec]) => ({
      long: `--${longName(key, spec)}`,
      description: spec.description,
      repeat: spec.repeat ?? false,
      ...(spec.short === undefined ? {} : { short: `-${spec.short}` }),
      ...(spec.value === undefined || spec.optional
        ? {}
        : { value: { name: spec.value, kind: kindOf(program, spec.value) } }),
    }));
}

/** The operands in a line of a synopsis, and whether it has -j. */
function readLine(program: string, line: string, options: readonly CompletedOption[]) {
  const valued = new Set(options.flatMap((option) => (option.value === undefined ? [] : namesOf(option))));
  const words = synopsisWords(line).filter((word) => word !== "OPTION");
  const operands: Operand[] = [];
  let previous: "option with a value" | "operand" | undefined;
  for (const word of words) {
    const before = previous;
    previous = undefined;
    if (word === "...") {
      const last = before === "operand" ? operands.pop() : undefined;
      if (last !== undefined) operands.push({ ...last, repeat: true });
      previous = before;
    } else if ("()|".includes(word)) {
      if (before === "operand") previous = before;
    } else if (word.startsWith("-")) {
      if (valued.has(word)) previous = "option with a value";
    } else if (!"[]".includes(word) && before !== "option with a value") {
      const kind = /^[A-Z]/.test(word) ? kindOf(program, word) : [word];
      operands.push({ name: word, kind, repeat: false });
      previous = "operand";
    }
  }
  return { hasJailOption: words.includes("-j"), operands };
}

function completed({ help, posix }: Documented): Completed {
  const [program = "", ...command] = help.name.split(" ");
  const options = completedOptions(help.name, help.options);
  const all = help.synopsis.map((line) => readLine(help.name, line, options));
  // If a user or a jail may come first, it is mostly a user: a jail is completed after -j.
  const usersFirst = all.some((line) => !line.hasJailOption && line.operands[0]?.name === "USER");
  const lines = usersFirst ? all.filter((line) => line.operands[0]?.name !== "JAIL") : all;
  // Of several forms, the one with the most operands.
  const most = (hasJailOption: boolean) =>
    lines
      .filter((line) => line.hasJailOption === hasJailOption)
      .toSorted((a, b) => b.operands.length - a.operands.length)[0]?.operands;
  const withJail = most(true);
  const without = most(false);
  return {
    words: [program, ...command],
    summary: help.summary,
    options,
    operands: without ?? withJail ?? [],
    operandsWithJail: withJail ?? without ?? [],
    posix,
  };
}

/** Everything that is completed: programs with arguments that people type, and the commands of jailkit. */
export async function completedTools(): Promise<Completed[]> {
  const tools = await documentedTools();
  // Nobody types login shells and what a mail server starts; jailkit itself has only its commands.
  const untyped = ["jailkit", "jk_chrootsh", "jk_lsh", "jk_procmailwrapper"];
  return tools.filter(({ page }) => !untyped.includes(page)).map(completed);
}
