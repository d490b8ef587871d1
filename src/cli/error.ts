import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError, UnansweredMount } from "../../ffi/error.ts";
import { display, displayAgain } from "./display.ts";
import type { ProblemCode } from "./problem-codes.ts";
import { type Remedy, withoutTerminal } from "./remedy.ts";
import { operands } from "./shell-word.ts";

/** The place of an error in a file. */
export interface ErrorPlace {
  /** The file, where the message alone does not do. */
  readonly file?: ByteString;
  /** Both count from 1; the column in bytes. */
  readonly line: number;
  readonly column: number;
  /** The whole line, unchanged. */
  readonly text: ByteString;
}

/**
 * The error of the tools. The message is one printable line that names the object and the remedy (everything from
 * outside went through `display`).
 */
export class JailkitError extends Error {
  override readonly name = "JailkitError";

  constructor(
    /** A stable name, such as "unsafe-jail", for JSON. */
    readonly code: ProblemCode,
    readonly exitStatus: number,
    message: string,
    /** The line of a file that the error is about; shown below the message. */
    readonly place?: ErrorPlace,
    /** What to type, for reports that show it apart from the message. */
    readonly remedy: Remedy = "",
  ) {
    super(message);
  }
}

/** An error as reports have it. `code`: of one that has no code of its own. `before`: begins the message. */
export function problemFrom(
  error: unknown,
  code: ProblemCode,
  path: ByteString,
  before = "",
): { code: ProblemCode; path: ByteString; message: string; remedy?: Remedy | undefined } {
  const own = error instanceof JailkitError ? error.code : code;
  return { code: own, path, message: before + describeError(error), remedy: remedyOf(error) };
}

/** The error that a problem of a report is. */
export const errorOf = ({
  code,
  message,
  remedy,
  exitStatus = 1,
}: Pick<ReturnType<typeof problemFrom>, "code" | "message" | "remedy"> & {
  readonly exitStatus?: number | undefined;
}): JailkitError => new JailkitError(code, exitStatus, message, undefined, remedy);

/** The command to type against an error; undefined if it has none. */
export function remedyOf(error: unknown): Remedy | undefined {
  if (error instanceof UnansweredMount) return unmountNow(error);
  return error instanceof JailkitError && error.remedy !== "" ? error.remedy : undefined;
}

/**
 * How to unmount it without asking its server; undefined if nothing can be typed as it is. The user may have led the path
 * to a mount of the machine's by then: so the command has the user's rights, if it is not root's place.
 */
function unmountNow({ mountPoint, uid, isInPlace }: UnansweredMount): Remedy | undefined {
  if (isInPlace) return `umount -l ${operands(mountPoint)}`;
  if (uid === 0) return undefined;
  return withoutTerminal(
    `setpriv --reuid=${uid} --regid=65534 --clear-groups fusermount3 -uz ${operands(mountPoint)}`,
  );
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

/** True for an error to report; any other is a fault of the program. */
export const isReported = (error: unknown): error is JailkitError | SystemError =>
  error instanceof JailkitError || error instanceof SystemError;

/** The result of `call`; undefined if it throws JailkitError or SystemError. */
export function answered<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isReported(error)) return undefined;
    throw error;
  }
}

/** The error of `require` with a code; undefined if it throws none. Any other is thrown. */
export function errorWithCode(code: string, require: () => void): JailkitError | undefined {
  try {
    require();
    return undefined;
  } catch (error) {
    if (error instanceof JailkitError && error.code === code) return error;
    throw error;
  }
}

/** Any error as one printable line. */
export function describeError(error: unknown): string {
  if (error instanceof UnansweredMount) {
    const remedy = unmountNow(error);
    const how =
      remedy === undefined
        ? "first let root alone write the directories above it, and then unmount it with umount -l"
        : `unmount it with: ${remedy}`;
    const why = "a program of a user serves the file system that is mounted here, and may never answer";
    return `${display(error.mountPoint)}: ${why}; ${how}`;
  }
  if (error instanceof SystemError) {
    const what = error.path === undefined ? "" : `${display(error.path)}: `;
    return `${what}${error.call}: ${error.reason}`;
  }
  return error instanceof Error ? displayAgain(error.message) : display(String(error));
}
