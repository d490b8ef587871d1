/**
 * Why the limited shell refuses a command, by stable names. wordError has names of its own.
 */
export const REFUSALS = {
  "unknown-user": "the account is not known where the shell runs",
  "unknown-group": "the group of the account is not known there",
  interactive: "no command was given",
  "config-invalid": "jk_lsh.ini cannot be used",
  "config-missing": "there is no jk_lsh.ini",
  "no-section": "jk_lsh.ini has no section for the account",
  "no-executables": "the section allows no program",
  "not-allowed": "the program is not listed",
  "relative-executable": "the program is listed without its path",
  "not-found": "the program is listed but does not exist",
  "spawn-option": "the arguments would start another program",
  "empty-command": "the command is empty",
} as const satisfies Readonly<Record<string, string>>;

/** The name of a refusal. */
export type RefusalCode = keyof typeof REFUSALS;
