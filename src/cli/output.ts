import { type ByteString, toBytes, utf8 } from "../../ffi/bytes.ts";
import { S_IFCHR, S_IFMT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { fstat, writeAll } from "../../ffi/files.ts";
import { standardError } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { isUnsafe } from "./display.ts";
import { describeError, JailkitError } from "./error.ts";

/** EIO of a terminal says that it was closed. */
const isCharacterDevice = (fd: number) => (fstat(fd).mode & S_IFMT) === S_IFCHR;

/** What was printed: on standard output (1) or standard error (2), and the text. */
export type Printed = readonly (readonly [1 | 2, ByteString])[];

let captured: [1 | 2, ByteString][] | undefined;
let noticed: ((text: ByteString) => void) | undefined;

/**
 * Does work, and returns what it printed instead of printing it; `notice` gets what cannot wait (see printNotice). Do not
 * nest.
 */
export async function capturing<T>(
  work: () => Promise<T>,
  notice: (text: ByteString) => void,
): Promise<{ result: T; printed: Printed }> {
  const printed: [1 | 2, ByteString][] = [];
  captured = printed;
  noticed = notice;
  try {
    return { result: await work(), printed };
  } finally {
    captured = undefined;
  }
}

/** Prints what was captured, perhaps in another process. */
export function printAgain(printed: Printed): void {
  for (const [fd, text] of printed) put(fd === 1 ? 1 : standardError, text);
}

// Not process.stdout: it costs milliseconds at start, and buffers output that it could not write.
function put(fd: number, text: ByteString): void {
  if (captured === undefined) putNow(fd, text);
  else captured.push([fd === 1 ? 1 : 2, text]);
}

let isBegun = false;

/** Whether this process has begun to print on standard output. */
export const hasPrinted = (): boolean => isBegun;

function putNow(fd: number, text: ByteString): void {
  isBegun ||= fd === 1;
  if (lastLine && (fd === standardError || stdoutIsTerminal())) showLastLine("");
  try {
    writeAll(fd, toBytes(text));
  } catch (error) {
    // A reader that went away, or a descriptor that the caller closed, is no failure of this program.
    if (isErrno(error, "EPIPE", "EBADF") || (isErrno(error, "EIO") && isCharacterDevice(fd))) return;
    // Not the SystemError: callers must not take its ENOSPC for that of a file.
    throw new JailkitError("output", 1, `standard ${fd === 1 ? "output" : "error"}: ${describeError(error)}`);
  }
}

/** Writes a line of printable text (see `display`) to standard output. */
export function printLine(line: ByteString): void {
  put(1, `${line}\n`);
}

/** Writes text to standard output unchanged. */
export function print(text: ByteString): void {
  put(1, text);
}

/** Writes a line of printable text (see `display`) to standard error. */
export function printError(line: ByteString): void {
  put(standardError, `${line}\n`);
}

/**
 * Writes a line to standard error that the log has, too, or the exit status. If that fails, as on a full disk or above a
 * limit on the size of files, nothing is thrown, and the exit status stays.
 */
export function tryPrintError(line: ByteString): void {
  try {
    printError(line);
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
  }
}

/** Writes text to standard output at once, also if the output of the work is captured. */
export function printNow(text: ByteString): void {
  putNow(1, text);
}

/** Writes text to standard error as it is. */
export function printErrorAsItIs(text: ByteString): void {
  put(standardError, text);
}

/** Writes a line of printable text to standard error at once, also if the output of the work is captured. */
export function printNotice(line: ByteString): void {
  if (captured === undefined) printError(line);
  else noticed?.(`${line}\n`);
}

let lastLine = false;

/**
 * Shows text, which must be shorter than a line, on the last line of the terminal on standard error, until anything else is
 * printed. An empty one removes it.
 */
export function showLastLine(text: ByteString): void {
  if (text === "" && !lastLine) return;
  lastLine = false;
  put(standardError, `\r\x1b[K${text}`);
  lastLine = text !== "";
}

/** True while there is text of showLastLine. */
export const isLastLineShown = (): boolean => lastLine;

// JSON.stringify escapes the others.
const NOT_ASCII = /[^\0-\x7e]/gu;

const escapedUnit = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * A value as JSON, in which strings have escapes for what display() does not show: many readers of lines take some of
 * it for the end of a line (Python's splitlines), terminals take some for commands, and some turns or hides text.
 */
const jsonOf = (value: unknown, indent?: number): ByteString =>
  utf8(
    JSON.stringify(value, null, indent).replace(NOT_ASCII, (one) =>
      isUnsafe(one) ? one.split("").map(escapedUnit).join("") : one,
    ),
  );

/** Writes a value as JSON to standard output; byte strings in it must have gone through `jsonText`. */
export function printJson(value: unknown): void {
  put(1, jsonDocument(value));
}

/** What it writes. */
export const jsonDocument = (value: unknown): ByteString => `${jsonOf(value, 2)}\n`;

/** Writes a value as one line of JSON to standard output; byte strings in it must have gone through `jsonText`. */
export function printJsonLine(value: unknown): void {
  put(1, jsonLine(value));
}

/** That line. */
export const jsonLine = (value: unknown): ByteString => `${jsonOf(value)}\n`;

/** True where standard output is a terminal. */
export function stdoutIsTerminal(): boolean {
  return libc.isatty(1) === 1;
}

/** True where standard error is a terminal; progress is shown only there. */
export function stderrIsTerminal(): boolean {
  return captured === undefined && libc.isatty(standardError) === 1;
}
