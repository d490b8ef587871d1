import { UsageError } from "./error.ts";
import { longName, type OptionTable } from "./options.ts";

/**
 * Throws UsageError, with exit status 2, for options of which one would be ignored, by what the table says of them. Options
 * that only say how something is shown, or whether a run waits, need not have an effect.
 */
export function requireCombination(given: readonly string[], table: OptionTable): void {
  const named = (key: string) => `--${longName(key, table[key] ?? { description: "" })}`;
  for (const key of given) {
    const { needs = key, excludes = [] } = table[key] ?? {};
    if (!given.includes(needs)) throw new UsageError(`${named(key)} is for ${named(needs)}`, 2);
    const other = excludes.find((one) => given.includes(one));
    if (other !== undefined) throw new UsageError(`give ${named(key)} or ${named(other)}, not both`, 2);
  }
}
