import type { ByteString } from "../../ffi/bytes.ts";
import type { Advice } from "../cli/remedy.ts";
import type { FindingCode } from "./finding-codes.ts";

/**
 * How a file is read. "c": jk_chrootsh, jk_lsh, jk_uchroot and jk_socketd (no continuation lines, no inheritance,
 * names of keys as they are, `=` alone, the first of several equal names wins). "py": jk_init, jk_check and
 * jk_update (continuation lines, [DEFAULT] inherited, keys without regard to case, `=` or `:`, no equal names). "plain":
 * files that jailkit 2.23 did not have (continuation lines, names of keys as they are, `=` alone, no [DEFAULT], no equal
 * names, no control characters; what is doubtful is an error).
 */
export type Dialect = "c" | "py" | "plain";

/** A position in a file. */
export interface Position {
  /** Both count from 1; the column in bytes. */
  line: number;
  column: number;
}

/** A position, and the file. */
export interface Place extends Position {
  file: ByteString;
}

/** A finding. "error": the file must not be used. "warning": it can be used, but does not mean what it seems to. */
export interface Problem extends Place {
  severity: "error" | "warning";
  /** A stable name for programs. */
  code: FindingCode;
  /** One printable line. */
  message: ByteString;
  /** The fix, if it is not the usual one for the code; see fixText. */
  fix?: Fix | undefined;
}

/** A change that fixes a finding; it begins at the place of the finding. */
export type Fix =
  /** Only the administrator can know what is meant, and without the entry more would be allowed. */
  | { kind: "none" }
  /** A command, as it is, or words. */
  | { kind: "command"; text: Advice }
  /** Of sed(1). `splits`: it makes several lines of one. */
  | { kind: "strip"; expression: ByteString; splits?: true }
  /** The entry, or the section, becomes a comment. */
  | { kind: "disable" | "disable-section" }
  /** The whole line. */
  | { kind: "line"; text: ByteString }
  /** The name of the key. */
  | { kind: "key"; name: ByteString }
  /** The value. */
  | { kind: "value"; text: ByteString }
  /** A comment after a value gets a line of its own. */
  | { kind: "comment" }
  /** A comma at the end of the line. */
  | { kind: "comma" }
  /** An item of a list is replaced or removed. */
  | { kind: "item"; old: ByteString; with?: ByteString | undefined }
  /** Lines for a section; they replace those with the same keys. */
  | { kind: "in-section"; section: ByteString; lines: readonly ByteString[] };

/**
 * A value, or the reason why it cannot be read (one printable line). `doubt`: why a value looks wrong; `meant` is the part
 * that counts, which may be empty.
 */
export type Reading = { value: unknown; doubt?: ByteString; meant?: ByteString } | Unreadable;

/**
 * Why a value cannot be read. `item`: which item of a list is to blame, from 0; undefined for the value as a whole. `meant`:
 * the value that was meant, if its form shows it; `instead`: the same of that item.
 */
export interface Unreadable {
  reason: ByteString;
  item?: number;
  instead?: ByteString;
  meant?: ByteString | undefined;
}

/** A key and its value. */
export interface IniEntry extends Place {
  key: ByteString;
  /** Without blanks at both ends; the lines of a continued value are joined by newlines. */
  value: ByteString;
  /** The start of the value. */
  valueColumn: number;
  /** The start of each line of the value; undefined if the value was substituted. */
  pieces: Position[] | undefined;
  /** It came from [DEFAULT] (dialect "py"). */
  inherited: boolean;
}

/** A section, without entries that an earlier one overrides. */
export interface IniSection extends Place {
  name: ByteString;
  entries: IniEntry[];
}

/** A file, or a file with its drop-ins. */
export interface IniFile {
  file: ByteString;
  dialect: Dialect;
  /** In the order of the file. In dialect "py" [DEFAULT] is not among them: its keys are in each. */
  sections: IniSection[];
  /** [DEFAULT] in dialect "py", one for each file that has it. */
  defaults: IniSection[];
  problems: Problem[];
  /** The bytes of each file. */
  texts: { file: ByteString; bytes: Uint8Array }[];
}

/** A file beyond these is an error; no sensible file comes near. They bound time and memory. */
export const LIMITS = {
  fileBytes: 1 << 20,
  /** In dialect "plain": a file may declare all users of a machine, with their keys. */
  plainFileBytes: 1 << 24,
  valueBytes: 1 << 16,
  nameBytes: 1024,
  sections: 1 << 16,
  keysInSection: 256,
  problems: 1000,
} as const;

/** The bytes of the largest file in a dialect. */
export const largestFile = (dialect: Dialect): number =>
  dialect === "plain" ? LIMITS.plainFileBytes : LIMITS.fileBytes;

type AddProblem = (line: number, column: number, code: FindingCode, message: ByteString, fix?: Fix) => void;

/** Collects the problems of one file, up to a limit. */
export interface ProblemList {
  readonly all: Problem[];
  readonly error: AddProblem;
  readonly warning: AddProblem;
}

/** The problems of `file`. The first error is kept even beyond the limit. */
export function problemList(file: ByteString): ProblemList {
  const all: Problem[] = [];
  let failed = false;
  const adding = (severity: Problem["severity"]): AddProblem => {
    return (line, column, code, message, fix) => {
      const first = severity === "error" && !failed;
      const problem = { file, line, column, severity, code, message };
      if (all.length < LIMITS.problems || first) all.push(fix === undefined ? problem : { ...problem, fix });
      failed ||= severity === "error";
    };
  };
  return { all, error: adding("error"), warning: adding("warning") };
}

/** The first entry with exactly this key. */
export function findEntry(section: IniSection | undefined, key: ByteString): IniEntry | undefined {
  if (section === undefined) return undefined;
  for (const entry of section.entries) if (entry.key === key) return entry;
  return undefined;
}

/** The place of the value of a key; of the section if it has no such key. */
export function keyPlace(section: IniSection, key: ByteString): Place {
  const { file, line, column } = section;
  const entry = findEntry(section, key);
  return entry === undefined ? { file, line, column } : valuePlace(entry);
}

/** The place of an entry's value. */
export function valuePlace({ file, line, valueColumn }: IniEntry): Place {
  return { file, line, column: valueColumn };
}

/** `file:line:column: severity: message [code]`; `shownFile` and `shownSeverity` are printable. */
export function problemLine(
  problem: Problem,
  shownFile: ByteString,
  shownSeverity: ByteString = problem.severity,
): ByteString {
  const { line, column, message, code } = problem;
  return `${shownFile}:${line}:${column}: ${shownSeverity}: ${message} [${code}]`;
}
