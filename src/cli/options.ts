/** One option of a tool: the single description that parsing, help, manual pages and completions are made from. */
export interface OptionSpec {
  /** The one-letter form, without the dash. */
  readonly short?: string;
  /** The long form where it is not the key in kebab case. */
  readonly long?: string;
  /** What the value is called in the help; an option without it is a flag. */
  readonly value?: string;
  /** The option may be given several times, and all its values count. */
  readonly repeat?: boolean;
  readonly description: string;
  /** Understood, but not shown: kept for scripts written for jailkit 2. */
  readonly hidden?: boolean;
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
