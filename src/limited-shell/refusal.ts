import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";

/** What a command line ends with that cannot be turned into words. */
export const WORDS_EXIT_STATUS = 6;

/** The error of a command line that cannot be turned into words: exit status 6, and `message` says why. */
export function wordError(code: string, message: string): JailkitError {
  return new JailkitError(code, WORDS_EXIT_STATUS, message);
}

/**
 * Throws where the command line holds a control byte other than a tab, quoted or not. A newline would end the
 * command in any shell, and the others exist only to confuse who reads the log; no client of sshd sends them.
 */
export function refuseControlBytes(line: ByteString): void {
  const found = /[\x00-\x08\x0a-\x1f\x7f]/.exec(line);
  if (found !== null) {
    throw wordError("control-character", `control character ${quoted(found[0])} in the command`);
  }
}
