/** One option of a tool: the single description that parsing, help, manual pages and completions are made from. */
export interface OptionSpec {
  /** The one-letter form, without the dash. */
  readonly short?: string;
  /** The long form where it is not the key in kebab case. */
  readonly long?: string;
  /** What the value is called in the help; an option without it is a flag. */
  readonly value?: string;
  /** Its value may be empty: one that is no name and no path. */
  readonly mayBeEmpty?: boolean;
  /** The option may be given several times, and all its values count. */
  readonly repeat?: boolean;
  readonly description: string;
  /** Understood, but not shown: kept for scripts written for jailkit 2. */
  readonly hidden?: boolean;
  /** Other spellings, letters and long names, that are understood and not shown: those of jailkit 2. */
  readonly also?: readonly string[];
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** What the options of a table turn into: a repeated one a list, one with a value a byte string, else a flag. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends { repeat: true }
    ? string[]
    : T[K] extends { value: string }
      ? string | undefined
      : boolean;
};

/** The long form of an option: `dryRun` is `--dry-run`. */
export function longName(key: string, spec: OptionSpec): string {
  return spec.long ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

// What several tools take is spelled here, so that it is the same in each; test/unit/options.test.ts holds the rule.

/** `-j JAIL`, for a tool that works on one jail. */
export const jailOption = (description: string) => ({ short: "j", value: "JAIL", description }) as const;

/** `-j JAIL`, for a tool that takes any number of jails. */
export const jailsOption = (description: string) =>
  ({ short: "j", value: "JAIL", repeat: true, description }) as const;

/** `-n`, `--dry-run` */
export const DRY_RUN = { short: "n", description: "tell what would be done, and change nothing" } as const;

/** `--dry-run` of tools whose `-n` jailkit 2 gave another meaning. */
export const DRY_RUN_WITHOUT_LETTER = { description: DRY_RUN.description } as const;

/** `-f`, `--force` */
export const forceOption = (description: string) => ({ short: "f", description }) as const;

/** `--json` */
export const JSON_OUTPUT = { description: "print one JSON object instead of lines" } as const;

/** `-v`, `--verbose` */
export const VERBOSE = { short: "v", description: "tell more of what is done" } as const;

/** `-v` of tools that take it, as in jailkit 2, and have nothing more to tell. */
export const VERBOSE_IGNORED = {
  short: "v",
  hidden: true,
  description: "accepted, and without a meaning",
} as const;

/** `-k`, `--hardlink` */
export const HARDLINK = {
  short: "k",
  description: "use hard links where possible: owner and mode are shared with the host",
} as const;

/** `--help` and `--version` of programs that hand their arguments on to another. */
export const ABOUT_ITSELF = {
  help: { description: "show this help and exit; only if it is the one argument" },
  version: { description: "show the version and exit; only if it is the one argument" },
} as const satisfies OptionTable;

/** `--sync` */
export const SYNC = { description: "have everything on the disk before ending" } as const;
