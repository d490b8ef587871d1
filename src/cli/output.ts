import { type ByteString, toBytes, utf8 } from "../../ffi/bytes.ts";
import { S_IFCHR, S_IFMT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { fstat, writeAll } from "../../ffi/files.ts";
import { standardError } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { describeError, JailkitError } from "./error.ts";

/** EIO of a terminal says that it was closed. */
const isCharacterDevice = (fd: number) => (fstat(fd).mode & S_IFMT) === S_IFCHR;

// Not process.stdout: it costs milliseconds at start, and keeps what it could not write.
function put(fd: number, text: ByteString): void {
  try {
    writeAll(fd, toBytes(text));
  } catch (error) {
    // A reader that went away or a descriptor that was closed by the caller is not this program's failure.
    if (isErrno(error, "EPIPE", "EBADF") || (isErrno(error, "EIO") && isCharacterDevice(fd))) return;
    // Not the system's error: ENOSPC is to be taken for that of nothing else.
    throw new JailkitError("output", 1, `standard ${fd === 1 ? "output" : "error"}: ${describeError(error)}`);
  }
}

/** Writes a line of printable text (see `display`) to standard output. */
export function printLine(line: ByteString): void {
  put(1, `${line}\n`);
}

/** Writes text to standard output as it is. */
export function print(text: ByteString): void {
  put(1, text);
}

/** Writes a line of printable text (see `display`) to standard error. */
export function printError(line: ByteString): void {
  put(standardError, `${line}\n`);
}

/** Writes text to standard error as it is. */
export function printErrorAsItIs(text: ByteString): void {
  put(standardError, text);
}

/** Writes a value as JSON to standard output; byte strings in it must have gone through `jsonText`. */
export function printJson(value: unknown): void {
  put(1, `${utf8(JSON.stringify(value, null, 2))}\n`);
}

/** True where standard output is a terminal. */
export function stdoutIsTerminal(): boolean {
  return libc.isatty(1) === 1;
}

/** True where standard error is a terminal; progress is shown only there. */
export function stderrIsTerminal(): boolean {
  return libc.isatty(standardError) === 1;
}
