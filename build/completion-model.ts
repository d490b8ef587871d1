import type { OptionTable } from "../src/cli/options.ts";
import { longName } from "../src/cli/options.ts";
import { SERVICES } from "../src/programs/services.ts";
import { type Documented, documentedTools } from "./documented.ts";
import { readSynopsis, type SynopsisPart } from "./synopsis.ts";

/** What a value is completed with: names of a kind, one of some words, or nothing. */
export type Kind = "jail" | "section" | "user" | "group" | "file" | "directory" | "none" | readonly string[];

/** An option as completions need it. */
export interface CompletedOption {
  /** "-j" */
  readonly short?: string;
  /** "--jail" */
  readonly long: string;
  readonly description: string;
  /** What its value is called, and what it is completed with; undefined for a flag. */
  readonly value?: { readonly name: string; readonly kind: Kind };
  readonly repeat: boolean;
}

/** An operand; a repeated one is the last. */
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
  /** The operands where no -j was given, and where one was. */
  readonly operands: readonly Operand[];
  readonly operandsWithJail: readonly Operand[];
  /** Options end at the first operand. */
  readonly posix: boolean;
}

/** What each name of a value in --help stands for. */
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

// A new account has a name that nobody has.
const EXCEPTIONS: Readonly<Record<string, Kind>> = { "jk_addjailuser USER": "none" };

/** What a value of a program is completed with; nothing where its name says nothing. */
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

interface Line {
  hasJailOption: boolean;
  operands: Operand[];
}

/** The operands that a line of a synopsis names. */
function readLine(program: string, line: string, options: readonly CompletedOption[]): Line {
  const found: Line = { hasJailOption: false, operands: [] };
  const takesValue = (word: string) =>
    options.some(({ short, long, value }) => value !== undefined && (word === short || word === long));
  const read = (parts: readonly SynopsisPart[]) => {
    let awaitsValue = false;
    let added = false;
    for (const part of parts) {
      if (typeof part !== "string") {
        read(part);
        awaitsValue = false;
        added = false;
      } else if ("()|".includes(part)) {
        awaitsValue = false;
      } else if (part === "...") {
        const last = found.operands.pop();
        if (last !== undefined) found.operands.push({ ...last, repeat: last.repeat || added });
      } else if (part.startsWith("-")) {
        if (part === "-j") found.hasJailOption = true;
        awaitsValue = takesValue(part);
        added = false;
      } else if (awaitsValue || part === "OPTION") {
        awaitsValue = false;
        added = false;
      } else {
        const kind = /^[A-Z]/.test(part) ? kindOf(program, part) : [part];
        found.operands.push({ name: part, kind, repeat: false });
        added = true;
      }
    }
  };
  read(readSynopsis(line));
  return found;
}

function completed({ help, posix }: Documented): Completed {
  const [program = "", ...command] = help.name.split(" ");
  const options = completedOptions(help.name, help.options);
  const all = help.synopsis.map((line) => readLine(help.name, line, options));
  // Where a user or a jail may come first it is mostly a user: a jail has a slash, and is completed behind -j.
  const startsWith = (name: string) => (line: Line) => line.operands[0]?.name === name;
  const usersFirst = all.some((line) => !line.hasJailOption && startsWith("USER")(line));
  const lines = usersFirst ? all.filter((line) => !startsWith("JAIL")(line)) : all;
  // Of several forms the one with the most operands says most.
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

/** Everything that is completed: programs whose arguments somebody types, and the commands of jailkit. */
export async function completedTools(): Promise<Completed[]> {
  const tools = await documentedTools();
  // Login shells and what a mail server starts are not typed, and jailkit itself is a matter of its commands.
  const untyped = ["jailkit", "jk_chrootsh", "jk_lsh", "jk_procmailwrapper"];
  return tools.filter(({ page }) => !untyped.includes(page)).map(completed);
}
