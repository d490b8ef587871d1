import type { ByteString } from "../../ffi/bytes.ts";
import type { FindingCode } from "./finding-codes.ts";

/**
 * How a file is read. "c": jk_chrootsh, jk_lsh, jk_uchroot and jk_socketd (no continuation lines, no inheritance,
 * names of keys as they are, `=` alone, the first of several equal names wins). "py": jk_init, jk_check and
 * jk_update (continuation lines, [DEFAULT] inherited, keys without regard to case, `=` or `:`, no equal names).
 */
export type Dialect = "c" | "py";

/** A finding. "error": the file is not to be used. "warning": it can be, and does not say what it seems to. */
export interface Problem {
  file: ByteString;
  /** Both count from 1; the column in bytes. */
  line: number;
  column: number;
  severity: "error" | "warning";
  /** A stable name for programs. */
  code: FindingCode;
  /** One printable line. */
  message: ByteString;
  /** How it is mended, where that is not the usual for its code; see fixText. */
  fix?: Fix | undefined;
}

/** A change that mends a finding; what it is about begins at the place of the finding. */
export type Fix =
  /** A command, as it is. */
  | { kind: "command"; text: ByteString }
  /** Of sed(1). */
  | { kind: "strip"; expression: ByteString }
  /** The entry, or the section, becomes a comment. */
  | { kind: "disable" | "disable-section" }
  /** The whole line. */
  | { kind: "line"; text: ByteString }
  /** The name of the key. */
  | { kind: "key"; name: ByteString }
  /** The value. */
  | { kind: "value"; text: ByteString }
  /** A comment behind a value gets a line of its own. */
  | { kind: "comment" }
  /** A comma at the end of the line. */
  | { kind: "comma" }
  /** An item of a list is another, or goes. */
  | { kind: "item"; old: ByteString; with?: ByteString | undefined }
  /** Lines for a section, in the place of those with the same keys. */
  | { kind: "in-section"; section: ByteString; lines: readonly ByteString[] };

/** Where a piece of a value stands. */
export interface Place {
  line: number;
  column: number;
}

/** A key and its value. */
export interface IniEntry {
  key: ByteString;
  /** Without blanks at both ends; the lines of a continued value are joined by newlines. */
  value: ByteString;
  file: ByteString;
  line: number;
  column: number;
  /** Where the value starts. */
  valueColumn: number;
  /** Where each line of a value starts that goes over several; absent where positions inside it are not known. */
  pieces: Place[] | undefined;
  /** It came from [DEFAULT] (dialect "py"). */
  inherited: boolean;
}

/** A section, without entries that an earlier one overrides. */
export interface IniSection {
  name: ByteString;
  file: ByteString;
  line: number;
  column: number;
  entries: IniEntry[];
}

/** What a file, or a file and its drop-ins, say. */
export interface IniFile {
  file: ByteString;
  dialect: Dialect;
  /** In the order of the file. In dialect "py" [DEFAULT] is not among them: its keys are in each. */
  sections: IniSection[];
  /** [DEFAULT] in dialect "py", one for each file that has it. */
  defaults: IniSection[];
  problems: Problem[];
  /** What was read, by file. */
  texts: { file: ByteString; bytes: Uint8Array }[];
}

/** What is larger or more is an error; no sensible file comes near. They bound time and memory. */
export const LIMITS = {
  fileBytes: 1 << 20,
  valueBytes: 1 << 16,
  nameBytes: 1024,
  sections: 4096,
  keysInSection: 256,
  problems: 1000,
} as const;

/** Collects the problems of one file, up to a limit. */
export interface Reporter {
  readonly problems: Problem[];
  error(line: number, column: number, code: FindingCode, message: ByteString): void;
  warning(line: number, column: number, code: FindingCode, message: ByteString): void;
}

/** A reporter for `file`. An error is kept even beyond the limit when none was before it. */
export function reporter(file: ByteString): Reporter {
  const problems: Problem[] = [];
  let failed = false;
  const add = (
    severity: Problem["severity"],
    line: number,
    column: number,
    code: FindingCode,
    message: ByteString,
  ) => {
    const first = severity === "error" && !failed;
    if (problems.length < LIMITS.problems || first) {
      problems.push({ file, line, column, severity, code, message });
    }
    failed ||= severity === "error";
  };
  return {
    problems,
    error: (line, column, code, message) => add("error", line, column, code, message),
    warning: (line, column, code, message) => add("warning", line, column, code, message),
  };
}

/** The first entry with exactly this key. */
export function findEntry(section: IniSection | undefined, key: ByteString): IniEntry | undefined {
  return section?.entries.find((entry) => entry.key === key);
}

/**
 * `file:line:column: severity: message [code]`; `shownFile` is printable, and so is what stands for the severity, where it
 * is to look different.
 */
export function problemLine(
  problem: Problem,
  shownFile: ByteString,
  shownSeverity: ByteString = problem.severity,
): ByteString {
  const { line, column, message, code } = problem;
  return `${shownFile}:${line}:${column}: ${shownSeverity}: ${message} [${code}]`;
}
