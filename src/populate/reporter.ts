import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError, problemFrom } from "../cli/error.ts";
import { print, printError } from "../cli/output.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { startProgress } from "../cli/progress.ts";
import type { Entry, PopulateProblem } from "./entry.ts";
import { isPassedOver } from "./passed-over.ts";

/** A line for standard output. It may contain unescaped text from outside. */
interface Message {
  readonly text: ByteString;
  /** Printed only with --verbose. */
  readonly detail: boolean;
}

interface ReporterOptions {
  readonly verbose: boolean;
  /** Nothing on standard output, as with --json. */
  readonly silent: boolean;
  /** No warnings and errors either. */
  readonly quiet?: boolean;
  /** Problems that do not count for the exit status are warnings. */
  readonly lenient?: boolean;
}

const MOST_HELD_BACK = 1 << 16;

/** Prints the lines of a tool that fills a jail. Buffers standard output, which may be long: flush() at the end. */
export class LineReporter {
  private readonly counter;
  private held = "";
  private failure: unknown;
  private readonly failures = new Set<ByteString>();

  constructor(
    private readonly tool: string,
    private readonly options: ReporterOptions,
  ) {
    this.counter = startProgress(tool, "entries");
  }

  /** Prints a line about a step. It may contain unescaped text from outside. */
  say(line: ByteString): void {
    if (this.options.silent) return;
    this.held += `${display(line)}\n`;
    if (this.held.length > MOST_HELD_BACK) this.show();
  }

  /** Prints a line as `say` does, but only with --verbose. */
  detail(line: ByteString): void {
    if (this.options.verbose) this.say(line);
  }

  message({ text, detail }: Message): void {
    if (detail) this.detail(text);
    else this.say(text);
  }

  /** Prints a warning on standard error; it must be printable. */
  warn(message: ByteString): void {
    this.error(`warning: ${message}`);
  }

  /** Prints a problem on standard error, once: one reason may hold for many files. */
  fail(problem: PopulateProblem): void {
    const { message } = problem;
    if (this.failures.has(message)) return;
    this.failures.add(message);
    if (this.options.lenient === true && isPassedOver(problem)) this.warn(message);
    else this.error(message);
  }

  progress(done: number, total: number): void {
    this.counter.at(done, total);
  }

  /** Ends the messages about a jail: another may have the same. Throws JailkitError "output" if printing failed. */
  flush(): void {
    this.counter.clear();
    this.show();
    this.failures.clear();
    const error = this.failure;
    this.failure = undefined;
    if (error !== undefined) throw error;
  }

  private error(line: ByteString): void {
    if (this.options.quiet) return;
    this.show();
    printError(`${this.tool}: ${line}`);
  }

  private show(): void {
    try {
      if (this.held !== "" && this.failure === undefined) print(this.held);
    } catch (error) {
      // Do not stop half-done work because nobody reads the output.
      this.failure = error;
    }
    this.held = "";
  }
}

/** The line before an entry is created, in the words of jailkit 2. `to` is its path on the host. */
export function actionMessage(entry: Entry, to: ByteString, linked: boolean): Message {
  if (entry.action === "keep") return { text: `${to} already exists, will not touch it`, detail: true };
  switch (entry.type) {
    case "directory":
      return { text: `Create directory ${to}`, detail: true };
    case "device":
      return { text: `Creating device ${to}`, detail: true };
    case "symlink": {
      // Links on the way to a file, such as /bin, are a detail like its directories.
      const detail = entry.because.every(({ reason }) => reason.kind === "parent");
      return { text: `Creating symlink ${to} to ${entry.target ?? ""}`, detail };
    }
    case "file": {
      const verb = linked ? "Trying to link" : "Copying";
      return { text: `${verb} ${entry.source ?? ""} to ${to}`, detail: false };
    }
  }
}

/** Printed after an entry without its special bits was created. */
export function strippedMessage(to: ByteString): ByteString {
  return `removing setuid and setgid permissions from ${to}`;
}

/** An error about a path of the host, which the message names. `code`: if the error has none of its own. */
export function problemAt(path: ByteString, error: unknown, code: ProblemCode): PopulateProblem {
  const text = describeError(error);
  // An immutable directory is one reason for many files.
  const named = text.includes(display(path)) || (error instanceof JailkitError && error.code === "immutable");
  const message = named ? text : `${display(path)}: ${text}`;
  return { ...problemFrom(error, code, path), message };
}
