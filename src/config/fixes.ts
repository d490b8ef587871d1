import type { ByteString } from "../../ffi/bytes.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { FindingCode } from "./finding-codes.ts";
import type { Dialect, Fix, Problem } from "./model.ts";

/** What fixText needs to know of the files. */
export interface FixSource {
  dialect: Dialect;
  /** The lines of a file, without their newlines. */
  linesOf: (file: ByteString) => readonly ByteString[];
}

const disable: Fix = { kind: "disable" };

/** The fix by the code of a finding, unless the finding has its own. */
const USUAL_FIXES: Readonly<Partial<Record<FindingCode, Fix>>> = {
  "bad-value": disable,
  "byte-order-mark": { kind: "strip", expression: "1s/^\\xef\\xbb\\xbf//" },
  "doubtful-header": disable,
  "duplicate-key": disable,
  "duplicate-section": { kind: "disable-section" },
  "empty-value": disable,
  "nul-byte": { kind: "strip", expression: "s/\\x00//g" },
  "no-section": disable,
  "stray-text": disable,
  "too-long": disable,
};

/**
 * What to type to fix a finding: a command, or the text of a line. Undefined where only the administrator can know what
 * is meant.
 */
export function fixText(problem: Problem, source: FixSource): ByteString | undefined {
  const lines = source.linesOf(problem.file);
  const line = lines[problem.line - 1] ?? "";
  const fix = problem.fix ?? (isHeader(problem, line) ? headerFix(line) : USUAL_FIXES[problem.code]);
  if (fix === undefined) return undefined;
  const file = shellWord(problem.file);
  const write = (text: ByteString, number = problem.line) =>
    `write in line ${number} of ${problem.file}:\n${text.replaceAll("\t", " ")}`;
  const off = (first: number, last: number) =>
    `sed -i ${shellWord(`${first === last ? first : `${first},${last}`}s/^/#/`)} ${file}`;
  switch (fix.kind) {
    case "command":
      return fix.text;
    case "strip":
      return `sed -i ${shellWord(fix.expression)} ${file}`;
    case "disable":
      return off(problem.line, lastLineOf(lines, problem.line, source.dialect));
    case "disable-section":
      return off(problem.line, lastOfSection(lines, problem.line));
    case "line":
      return write(fix.text);
    case "key":
      return write(
        line.replace(/^(\s*)[^=:]*?(\s*[=:])/, (_all, start, sign) => `${start}${fix.name}${sign}`),
      );
    case "value":
      return write(line.replace(/^([^=:]*[=:]\s*).*$/, (_all, start) => `${start}${fix.text}`));
    case "comment": {
      const at = commentLine(lines, problem.line, source.dialect);
      const text = lines[at - 1] ?? "";
      const start = text.search(/\s[#;]/);
      return write(
        `${text
          .slice(start)
          .trimStart()
          .replace(/^[#;]?/, "#")}\n${text.slice(0, start).trimEnd()}`,
        at,
      );
    }
    case "comma":
      return write(`${line.trimEnd()},`);
    case "item": {
      const before = line.slice(0, problem.column - 1);
      const after = line.slice(problem.column - 1 + fix.old.length);
      if (fix.with !== undefined) return write(`${before}${fix.with}${after}`);
      const rest = /,\s*$/.test(before)
        ? `${before.replace(/\s*,\s*$/, "")}${after}`
        : `${before}${after.replace(/^\s*,\s*/, "")}`;
      // Without its only item the key has no effect.
      if (/[=:]\s*$/.test(rest) && lastLineOf(lines, problem.line, source.dialect) === problem.line)
        return off(problem.line, problem.line);
      return write(rest);
    }
    case "in-section":
      return `in section [${fix.section}] of ${problem.file} write:\n${fix.lines.join("\n")}`;
  }
}

/** The header stays; text after it is removed. */
function isHeader({ code }: Problem, line: ByteString): boolean {
  return code === "bad-header" || (code === "stray-text" && /^\s*\[/.test(line));
}

function headerFix(line: ByteString): Fix {
  const name = /^\s*\[([^\][]+)/.exec(line)?.[1];
  return name === undefined ? disable : { kind: "line", text: `[${name.trimEnd()}]` };
}

/** The last line of the entry that begins in a line; in dialect "py" it includes indented and empty lines. */
function lastLineOf(lines: readonly ByteString[], first: number, dialect: Dialect): number {
  if (dialect === "c") return first;
  let last = first;
  for (let number = first + 1; number <= lines.length; number++) {
    const line = lines[number - 1] ?? "";
    if (/^\s*$/.test(line) || /^\s*[#;]/.test(line)) continue;
    if (!/^\s/.test(line)) break;
    last = number;
  }
  return last;
}

function lastOfSection(lines: readonly ByteString[], first: number): number {
  let last = first;
  for (let number = first + 1; number <= lines.length; number++) {
    const line = lines[number - 1] ?? "";
    if (/^\s*\[/.test(line)) break;
    if (line.trim() !== "") last = number;
  }
  return last;
}

/** The first line of an entry with a comment after a value. */
function commentLine(lines: readonly ByteString[], first: number, dialect: Dialect): number {
  const last = lastLineOf(lines, first, dialect);
  for (let number = first; number <= last; number++)
    if (/\S\s[#;]/.test(lines[number - 1] ?? "")) return number;
  return first;
}
