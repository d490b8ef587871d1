import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { display, displayAgain } from "./display.ts";

/** Where in a file an error is. */
export interface ErrorPlace {
  /** Both count from 1; the column in bytes. */
  readonly line: number;
  readonly column: number;
  /** The whole line, as it is in the file. */
  readonly text: ByteString;
}

/**
 * The one error of the tools. The message is one line of printable text that names the thing and the remedy
 * (everything that came from outside went through `display`); `exitStatus` is what the tool ends with.
 */
export class JailkitError extends Error {
  override readonly name = "JailkitError";

  constructor(
    /** A stable name for programs, such as "unsafe-jail"; it appears in JSON output. */
    readonly code: string,
    readonly exitStatus: number,
    message: string,
    /** The line of a file that it is about; shown below the message. */
    readonly place?: ErrorPlace,
    /** What to type, apart from the message, where a report has a place of its own for it. */
    readonly remedy: string = "",
  ) {
    super(message);
  }
}

/** An error as reports have it. `code`: of one that has no code of its own. */
export function problemFrom(
  error: unknown,
  code: string,
  path: ByteString,
): { code: string; path: ByteString; message: string } {
  return { code: error instanceof JailkitError ? error.code : code, path, message: describeError(error) };
}

/**
 * A mistake in the arguments of a tool: the message says which, and the tool adds where its help is. `exitStatus`
 * does not count where options cannot be read: a tool has one exit status for these.
 */
export class UsageError extends JailkitError {
  constructor(message: string, exitStatus = 1) {
    super("usage", exitStatus, message);
  }
}

/** Any error as one printable line. */
export function describeError(error: unknown): string {
  if (error instanceof SystemError) {
    const what = error.path === undefined ? "" : `${display(error.path)}: `;
    return `${what}${error.call}: ${error.reason}`;
  }
  return error instanceof Error ? displayAgain(error.message) : display(String(error));
}
