import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { print, printError } from "../cli/output.ts";
import { startProgress } from "../cli/progress.ts";

/** A line for standard output. Text from outside is in it as it is. */
export interface Message {
  readonly text: ByteString;
  /** Printed only with --verbose. */
  readonly detail: boolean;
}

/** What a LineReporter prints. */
interface ReporterOptions {
  readonly verbose: boolean;
  /** Nothing on standard output, as with --json. */
  readonly silent: boolean;
  /** No warnings and errors either. */
  readonly quiet?: boolean;
}

const MOST_HELD_BACK = 1 << 16;

/**
 * Prints the lines of a tool that fills a jail. Lines for standard output are held back and written in large pieces, since
 * there may be thousands: call flush() at the end.
 */
export class LineReporter {
  private readonly counter;
  private held = "";
  private failure: unknown;

  constructor(
    private readonly tool: string,
    private readonly options: ReporterOptions,
  ) {
    this.counter = startProgress(tool);
  }

  /** Prints what is done. Text from outside may be in it as it is. */
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

  /** Prints a warning, which is printable already, on standard error. */
  warn(message: ByteString): void {
    this.error(`warning: ${message}`);
  }

  /** Prints an error, likewise. */
  fail(message: ByteString): void {
    this.error(message);
  }

  /** Shows how far the work is. */
  progress(done: number, total: number): void {
    this.counter.at(done, total);
  }

  /** Writes what was held back. Throws JailkitError "output" if something could not be printed. */
  flush(): void {
    this.show();
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
    this.counter.clear();
    try {
      if (this.held !== "" && this.failure === undefined) print(this.held);
    } catch (error) {
      // Work that is half done must not stop because nobody reads the output.
      this.failure = error;
    }
    this.held = "";
  }
}
