import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { print, printError } from "../cli/output.ts";
import { type Progress, startProgress } from "../cli/progress.ts";

/** Where the lines go that tell what happens. */
export interface Reporter {
  /** What was done; text from outside may be in it as it is. */
  say(line: ByteString): void;
  /** As `say`, where more output is asked for. */
  tell(line: ByteString): void;
  /** A warning on standard error; the message is printable already. */
  warn(message: ByteString): void;
  /** What went wrong, likewise. */
  fail(message: ByteString): void;
  /** How far the work is. */
  at(done: number, total: number): void;
  /** Writes what has been held back. Call it at the end: throws JailkitError "output" where something could not be shown. */
  flush(): void;
}

const MOST_HELD_BACK = 1 << 16;

/**
 * Lines of a tool. Those on standard output are written in large pieces, since a jail may take thousands; `silent`
 * keeps them to oneself, as where the output is JSON.
 */
export function makeReporter(tool: string, verbose: boolean, silent: boolean): Reporter {
  const progress: Progress = startProgress(tool);
  let held = "";
  let failure: unknown;
  // What is half done is not to stop because nobody can be told of it.
  const show = () => {
    progress.clear();
    try {
      if (held !== "" && failure === undefined) print(held);
    } catch (error) {
      failure = error;
    }
    held = "";
  };
  const say = (line: ByteString) => {
    if (silent) return;
    held += `${display(line)}\n`;
    if (held.length > MOST_HELD_BACK) show();
  };
  return {
    say,
    tell(line) {
      if (verbose) say(line);
    },
    warn(message) {
      show();
      printError(`${tool}: warning: ${message}`);
    },
    fail(message) {
      show();
      printError(`${tool}: ${message}`);
    },
    at: (done, total) => progress.at(done, total),
    flush() {
      show();
      const error = failure;
      failure = undefined;
      if (error !== undefined) throw error;
    },
  };
}
