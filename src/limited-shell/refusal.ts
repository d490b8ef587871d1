import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";

/** The exit status for a command line that cannot be split into words. */
export const WORDS_EXIT_STATUS = 6;

/** The error for a command line that cannot be split into words. */
export function wordError(code: string, message: string): JailkitError {
  return new JailkitError(code, WORDS_EXIT_STATUS, message);
}

/**
 * Throws for a control byte other than a tab, quoted or not. A newline would end the command in any shell, and the others
 * only confuse readers of the log; no client of sshd sends them.
 */
export function refuseControlBytes(line: ByteString): void {
  const found = /[\x00-\x08\x0a-\x1f\x7f]/.exec(line);
  if (found !== null) {
    throw wordError("control-character", `control character ${quoted(found[0])} in the command`);
  }
}
