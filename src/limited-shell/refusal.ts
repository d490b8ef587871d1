import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";

/** The exit status for a command line that cannot be split into words. */
export const WORDS_EXIT_STATUS = 6;

/** The error for a command line that cannot be split into words. */
export class WordError extends JailkitError {
  constructor(
    /** A stable name, for the log. */
    readonly what: string,
    message: string,
  ) {
    super("bad-command-line", WORDS_EXIT_STATUS, message);
  }
}

/**
 * Throws for a control byte other than a tab, quoted or not. A newline would end the command in any shell, and the others
 * only confuse readers of the log; no client of sshd sends them.
 */
export function refuseControlBytes(line: ByteString): void {
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f)
      throw new WordError("control-character", `control character ${quoted(line.charAt(at))} in the command`);
  }
}

/** Why the limited shell refuses a command, by stable names. WordError has names of its own. */
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
  "no-pattern": "the arguments match no pattern of a key command",
  "not-found": "the program is listed but does not exist",
  "not-granted": "the words of the key allow do not cover the arguments",
  "spawn-option": "the arguments would start another program",
  "empty-command": "the command is empty",
} as const satisfies Readonly<Record<string, string>>;

/** The name of a refusal. */
export type RefusalCode = keyof typeof REFUSALS;
