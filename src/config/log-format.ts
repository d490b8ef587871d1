import { type KeyTable, readKeys } from "./keys.ts";
import { findEntry, type IniFile, type Problem } from "./model.ts";
import type { KeyDescription } from "./values.ts";

/** The key log_format of the files for accounts. */
export const LOG_FORMAT = {
  kind: "choice",
  security: false,
  optional: true,
  initial: "text",
  choices: { text: "text", json: "json" },
  onlyDefault: true,
  help: "the form of the lines in the log; only in [DEFAULT], for all users",
} as const satisfies KeyDescription;

/** The form of the lines in the log. */
export type LogFormat = "text" | "json";

/**
 * The form of the log that [DEFAULT] names, for users with sections of their own too: who reads a log reads all its lines
 * in one way. Undefined if it names none.
 */
export function logFormatOf(
  ini: IniFile | undefined,
  keys: KeyTable & { readonly log_format: typeof LOG_FORMAT },
): { logFormat: LogFormat | undefined; problems: Problem[] } {
  for (const section of ini?.sections ?? []) {
    if (section.name !== "DEFAULT") continue;
    if (findEntry(section, "log_format") === undefined) break;
    return readKeys(section, { log_format: keys.log_format });
  }
  return { logFormat: undefined, problems: [] };
}
