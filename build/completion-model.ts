import type { OptionTable } from "../src/cli/options.ts";
import { longName } from "../src/cli/options.ts";
import { SERVICES } from "../src/programs/services.ts";
import { type Documented, documentedTools } from "./documented.ts";
import { readSynopsis, type SynopsisPart } from "./synopsis.ts";

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

/** The kind of each name of a value in --help. */
export const VALUE_KINDS: Readonly<Record<string, Kind>> = {
  ADDRESS: "none",
  ARGUMENT: "file",
  BYTES: "none",
  COMMAND: "none",
  DATE: "none",
  DAYS: "none",
  DIR: "directory",
  DIRECTORY: "directory",
  FILE: "file",
  GROUP: "group",
  GROUPS: "group",
  HASH: "none",
  JAIL: "jail",
  LIST: "none",
  OLD: "jail",
  PATH: "file",
  "PROCMAIL-ARGUMENT": "none",
  PROGRAM: "file",
  SECONDS: "none",
  SECTION: "section",
  SERVICES: SERVICES.map(({ name }) => name),
  SHELL: "file",
  TEXT: "none",
  TYPE: ["datagram", "stream"],
  UID: "none",
  USER: "user",
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
      ...(spec.value === undefined ? {} : { value: { name: spec.value, kind: kindOf(program, spec.value) } }),
    }));
}

/** The operands in a line of a synopsis. */
class SynopsisLine {
  hasJailOption = false;
  readonly operands: Operand[] = [];

  constructor(
    private readonly program: string,
    line: string,
    private readonly options: readonly CompletedOption[],
  ) {
    this.read(readSynopsis(line));
  }

  startsWith(name: string): boolean {
    return this.operands[0]?.name === name;
  }

  private read(parts: readonly SynopsisPart[]): void {
    let previous: "option with a value" | "operand" | undefined;
    for (const part of parts) {
      if (typeof part !== "string") {
        this.read(part);
        previous = undefined;
      } else if ("()|".includes(part)) {
        if (previous !== "operand") previous = undefined;
      } else if (part === "...") {
        this.repeatLast(previous === "operand");
      } else if (part.startsWith("-")) {
        if (part === "-j") this.hasJailOption = true;
        previous = this.takesValue(part) ? "option with a value" : undefined;
      } else if (previous === "option with a value" || part === "OPTION") {
        previous = undefined;
      } else {
        this.add(part);
        previous = "operand";
      }
    }
  }

  private takesValue(word: string): boolean {
    return this.options.some(
      ({ short, long, value }) => value !== undefined && (word === short || word === long),
    );
  }

  private add(word: string): void {
    const kind = /^[A-Z]/.test(word) ? kindOf(this.program, word) : [word];
    this.operands.push({ name: word, kind, repeat: false });
  }

  private repeatLast(repeat: boolean): void {
    const last = this.operands.pop();
    if (last !== undefined) this.operands.push({ ...last, repeat: last.repeat || repeat });
  }
}

function completed({ help, posix }: Documented): Completed {
  const [program = "", ...command] = help.name.split(" ");
  const options = completedOptions(help.name, help.options);
  const all = help.synopsis.map((line) => new SynopsisLine(help.name, line, options));
  // If a user or a jail may come first, it is mostly a user: a jail is completed after -j.
  const usersFirst = all.some((line) => !line.hasJailOption && line.startsWith("USER"));
  const lines = usersFirst ? all.filter((line) => !line.startsWith("JAIL")) : all;
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
