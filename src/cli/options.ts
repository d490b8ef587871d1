/** One option of a tool: parsing, help, manual pages and completions all come from this description. */
export interface OptionSpec {
  /** The one-letter form, without the dash. */
  readonly short?: string;
  /** The long form, if it is not the key in kebab case. */
  readonly long?: string;
  /** The name of the value in the help; an option without one is a flag. */
  readonly value?: string;
  /** For a flag: words that may be joined to it, as in `--json=lines`. */
  readonly words?: readonly string[];
  /** The value may be omitted, and is only given as `--NAME=VALUE`; without it, it is empty. */
  readonly optional?: boolean;
  /** The value may be empty: it is neither a name nor a path. */
  readonly mayBeEmpty?: boolean;
  /** The option may be repeated, and all its values count. */
  readonly repeat?: boolean;
  readonly description: string;
  /** The key of the option without which this one would have no effect: alone it is a mistake. */
  readonly needs?: string;
  /** The keys of options beside which this one, or they, would have no effect: both are a mistake. */
  readonly excludes?: readonly string[];
  /** Accepted, but not shown: for scripts written for jailkit 2. */
  readonly hidden?: boolean;
  /** Other letters and long names, accepted but not shown: those of jailkit 2. */
  readonly also?: readonly string[];
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** The values of the options in a table: a list for a repeated one, a byte string for one with a value, else a flag or its word. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends { repeat: true }
    ? string[]
    : T[K] extends { value: string }
      ? string | undefined
      : T[K] extends { words: readonly (infer Word)[] }
        ? boolean | Word
        : boolean;
};

/** The long form of an option: `dryRun` is `--dry-run`. */
export function longName(key: string, spec: OptionSpec): string {
  return spec.long ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

// Options that several tools take are here, so that they are the same in each; test/unit/options.test.ts checks it.

/** `-j JAIL`, for a tool that works on one jail. */
export const jailOption = (description: string) => ({ short: "j", value: "JAIL", description }) as const;

/** `-j JAIL`, for a tool that takes any number of jails. */
export const jailsOption = (description: string) =>
  ({ short: "j", value: "JAIL", repeat: true, description }) as const;

/** `-n`, `--dry-run` */
export const DRY_RUN = { short: "n", description: "show what would be done, and change nothing" } as const;

/** `--dry-run` of tools whose `-n` has another meaning since jailkit 2. */
export const DRY_RUN_WITHOUT_LETTER = { description: DRY_RUN.description } as const;

/** `-f`, `--force` */
export const forceOption = (description: string) => ({ short: "f", description }) as const;

/** `--json` */
export const JSON_OUTPUT = { description: "print one JSON object instead of lines" } as const;

/** `--json[=lines]`, for a tool that works on many jails. */
export const JSON_LINES_OUTPUT = {
  words: ["lines"],
  description:
    "print one JSON object instead of lines; as --json=lines, print an object in one line for each jail when it is done, and then one for the whole",
} as const;

/** `--jobs=N` */
export const JOBS = {
  value: "N",
  description: "work on N jails at once; by default, as many as there are processors",
} as const;

/** The option by which a tool starts itself again; see src/system/jobs.ts. */
export const WORKER = { hidden: true, description: "do jobs from standard input" } as const;

/** `--strict` of tools that pass over what jailkit 2 passed over. */
export const STRICT = {
  description: "exit with another status than 0 unless everything requested is there (always so with --json)",
} as const;

/** `-v`, `--verbose` */
export const VERBOSE = { short: "v", description: "print more details" } as const;

/** `-v` of tools that accept it, as jailkit 2 did, and ignore it. */
export const VERBOSE_IGNORED = { short: "v", hidden: true, description: "accepted and ignored" } as const;

/** `-k`, `--hardlink` */
export const HARDLINK = {
  short: "k",
  description: "use hard links where possible: owner and mode are shared with the host",
} as const;

/** `--help` and `--version` of programs that pass their arguments on to another. */
export const ABOUT_ITSELF = {
  help: { description: "show this help and exit; only as the single argument" },
  version: { description: "show the version and exit; only as the single argument" },
} as const satisfies OptionTable;

/** `--sync` */
export const SYNC = { description: "sync to disk before exiting" } as const;

/** The exit status of a tool that does not wait for another: EX_TEMPFAIL of sysexits(3). */
export const BUSY = 75;

/** `--no-wait` of tools that change a jail. */
export const NO_WAIT = {
  description: `exit with ${BUSY} if another tool is working on the jail, instead of waiting for it`,
} as const;

/** The line about it in their exit statuses. */
export const BUSY_STATUS = { [BUSY]: "another tool is working on the jail (with --no-wait)" } as const;
