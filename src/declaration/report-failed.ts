import type { ByteString } from "../../ffi/bytes.ts";
import { display, jsonText } from "../cli/display.ts";
import { describeError, type JailkitError, problemFrom, remedyOf } from "../cli/error.ts";
import { excerptLines, remedyLines } from "../cli/excerpt.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport, remedyText } from "../cli/report.ts";
import type { UnreadFile } from "../config/unread.ts";
import { type DirectoryChange, directoryLines } from "../users/directory.ts";
import type { FaultText } from "./change.ts";
import { DeclarationError } from "./errors.ts";
import type { ApplySummary } from "./report-schema.ts";

/** The name of the tool, in messages. */
export const APPLY = "jailkit apply";

/** A file that is not read, in a report. */
export const unreadReport = ({ file, message, remedy }: UnreadFile) => ({
  file: jsonText(file),
  message: jsonText(message),
  remedy: remedyText(remedy),
});

/** Prints the remedy of an error below it, unless the message ends with it. */
export function printRemedy({ message, remedy = "" }: FaultText): void {
  if (!message.includes(remedy)) remedyLines(remedy).forEach(printError);
}

/** The last line of --json for a run that could not begin. `warnings`: of what it has done before; printable. */
export function failedSummary(
  error: JailkitError,
  path: ByteString,
  check: boolean,
  warnings: readonly string[],
): ApplySummary {
  const { all, unread } =
    error instanceof DeclarationError
      ? error
      : { all: [{ file: path, position: error.place, finding: undefined, error }], unread: [] };
  return {
    ...{ version: 1, tool: APPLY, check, changed: 0, failed: 0, unchanged: 0 },
    ...{
      undeclared: [],
      noLongerDeclared: [],
      unread: unread.map(unreadReport),
      warnings: [...warnings],
      directories: [],
    },
    problems: all.map(({ file, position, finding = null, error: one }) => ({
      ...problemReport(problemFrom(one, "failed", file)),
      ...{ file: jsonText(file), line: position?.line ?? null, column: position?.column ?? null },
      ...{ finding, remedy: remedyText(remedyOf(one)), waitsFor: null },
    })),
    exitStatus: statusAfterSignals<1 | typeof BUSY>(error.code === "busy" ? BUSY : 1),
  };
}

const MOST_SHOWN = 100;

/** Prints warnings of files that are not read. */
export function showUnread(unread: readonly UnreadFile[]): void {
  for (const { message, remedy } of unread.slice(0, MOST_SHOWN)) {
    printError(`${APPLY}: warning: ${message}`);
    remedyLines(remedy).forEach(printError);
  }
  const more = unread.length - MOST_SHOWN;
  if (more > 0) printError(`${APPLY}: warning: ${more} more file${more === 1 ? " is" : "s are"} not read`);
}

/** Prints all errors of declarations with their lines and remedies; returns the exit status. */
export function showErrors({ all, unread }: DeclarationError): number {
  showUnread(unread);
  for (const { error } of all.slice(0, MOST_SHOWN)) {
    printError(`${APPLY}: ${describeError(error)}`);
    const excerpt = error.place === undefined ? [] : excerptLines(error.place);
    // Some messages end with it.
    const remedy = error.message.includes(error.remedy) ? [] : remedyLines(error.remedy);
    [...excerpt, ...remedy].forEach(printError);
  }
  const more = all.length - MOST_SHOWN;
  if (more > 0) printError(`${APPLY}: and ${more} more error${more === 1 ? "" : "s"}`);
  return 1;
}

/** Prints what a directory should say about users. */
export function showDirectories(changes: readonly DirectoryChange[]): void {
  for (const change of changes) {
    printLine(`# The directory of user ${display(change.name)}:`);
    directoryLines(change).forEach(printLine);
    // It ends a record of LDIF.
    printLine("");
  }
}
