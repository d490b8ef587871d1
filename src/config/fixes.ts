import { type ByteString, fromBytes, trim } from "../../ffi/bytes.ts";
import { type Advice, inWords, type Remedy, typed } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { adviceAt } from "../system/exchange.ts";
import { asideCommand, freeName } from "../system/free-name.ts";
import type { FindingCode } from "./finding-codes.ts";
import type { Dialect, Fix, IniFile, Place, Problem } from "./model.ts";
import { isUtf16 } from "./scan.ts";
import { type MeantHeader, meantHeader } from "./schemas/jails.ts";
import { COMMENT_BEHIND, COMMENT_IN_LINE, firstNonBlank, splitLines } from "./text.ts";
import { insteadOfCommand } from "./trusted.ts";
import { ADDS, IN_SECTION, turnOfRemedy } from "./turns.ts";

/** The files that problems are in. `items`: what their findings change in lists. `off`: what they make comments. */
export type Sources = Pick<IniFile, "texts" | "dialect"> & {
  readonly items?: ItemChanges;
  readonly off?: readonly Off[];
};

/** Lines that the remedy of a problem makes comments. */
interface Off {
  readonly problem: Problem;
  readonly last: number;
}

interface ItemChange {
  readonly old: ByteString;
  readonly with?: ByteString | undefined;
}

/** The changes of one line, by their columns. */
type LineChanges = ReadonlyMap<number, ItemChange>;
type ItemChanges = ReadonlyMap<string, LineChanges>;

const lineKey = ({ file, line }: Place) => `${line} ${file}`;

/** What findings change in lists: the remedy of each writes the whole line, and without the others it would undo theirs. */
export function itemChanges(problems: readonly Problem[]): ItemChanges {
  const changes = new Map<string, Map<number, ItemChange>>();
  for (const { fix, ...place } of problems) {
    if (fix?.kind !== "item") continue;
    const ofLine = changes.getOrInsert(lineKey(place), new Map());
    // What is to go need not be written in another way.
    if (fix.with === undefined || !ofLine.has(place.column)) ofLine.set(place.column, fix);
  }
  return changes;
}

/** Lines with all their changes: one may have thousands of problems. */
const changed = new WeakMap<LineChanges, ByteString>();

/** Of files that were split: one may have thousands of problems. */
const split = new WeakMap<IniFile["texts"][number], ByteString[]>();

const sourceOf = ({ texts }: Pick<Sources, "texts">, file: ByteString) =>
  texts.find((one) => one.file === file);

/** The lines of a file, without a byte order mark: columns count from after it. None if the file was not read. */
export function linesOf({ texts, dialect }: Sources, file: ByteString): readonly ByteString[] {
  const source = sourceOf({ texts }, file);
  if (source === undefined) return [];
  return split.getOrInsertComputed(source, ({ bytes }) =>
    splitLines(fromBytes(bytes).replace(/^\xef\xbb\xbf/, ""), dialect),
  );
}

const disable: Fix = { kind: "disable" };

/** The fix by the code of a finding, unless the finding has its own. */
const USUAL_FIXES: Readonly<Partial<Record<FindingCode, Fix>>> = {
  "bad-value": disable,
  // What limits the session stays.
  contradiction: disable,
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

// A longer line is not written again for each problem in it: of a list there may be thousands.
const LONGEST = 4096;
const REWRITES: readonly Fix["kind"][] = ["key", "comment", "comma", "item"];

/** How to fix a finding. */
function fixOf(problem: Problem, sources: Sources): Fix | undefined {
  if (problem.fix !== undefined) return problem.fix;
  const line = linesOf(sources, problem.file)[problem.line - 1] ?? "";
  return isHeader(problem, line) ? headerFix(line, sources.dialect) : USUAL_FIXES[problem.code];
}

/** The lines that the remedies of problems make comments, those of the larger parts first. */
export function switchedOff(problems: Iterable<readonly [Problem, Sources]>): Off[] {
  const found: Off[] = [];
  for (const [problem, sources] of problems) {
    const { kind } = fixOf(problem, sources) ?? {};
    const lines = linesOf(sources, problem.file);
    if (kind === "disable-section")
      found.push({ problem, last: lastOfSection(lines, problem.line, sources.dialect) });
    if (kind === "disable") found.push({ problem, last: lastLineOf(lines, problem.line, sources.dialect) });
  }
  return found.sort((a, b) => b.last - b.problem.line - (a.last - a.problem.line));
}

/** Whether the line of a problem becomes a comment by the remedy of another one, so that its own would bring it back. */
function isOff(problem: Problem, off: Sources["off"] = []): boolean {
  const { file, line } = problem;
  const first = off.find(
    ({ problem: { file: other, line: start }, last }) => file === other && start <= line && line <= last,
  );
  return first !== undefined && first.problem !== problem;
}

/** The turn in which the remedy of a finding is typed, for byTurns. */
export function turnOf(problem: Problem, sources: Sources): number {
  const fix = fixOf(problem, sources);
  if (fix?.kind === "strip" && fix.splits) return sources.dialect === "py" ? -1 : ADDS;
  if (fix?.kind === "comment" || (fix?.kind === "line" && fix.text.includes("\n"))) return ADDS;
  if (fix?.kind === "in-section") return IN_SECTION;
  return fix?.kind === "command" ? turnOfRemedy(typed(fix.text)).turn : 0;
}

/**
 * What to type to fix a finding: a command, or the text of a line. Undefined if only the administrator can know what is
 * meant.
 */
export function fixText(problem: Problem, sources: Sources): Advice | undefined {
  const { dialect } = sources;
  const lines = linesOf(sources, problem.file);
  const line = lines[problem.line - 1] ?? "";
  const fix = fixOf(problem, sources);
  if (fix === undefined || isOff(problem, sources.off)) return undefined;
  if (line.length > LONGEST && REWRITES.includes(fix.kind)) return undefined;
  const file = shellWord(problem.file);
  const source = problem.code === "nul-byte" ? sourceOf(sources, problem.file) : undefined;
  if (source !== undefined && isUtf16(source.bytes)) {
    const beside = freeName(problem.file, ".new");
    const whole = shellWord(beside);
    const command: Remedy = `iconv -f UTF-16 -t UTF-8 ${file} > ${whole} && ${asideCommand(problem.file, ".orig")} && mv -nT ${whole} ${file}`;
    // Others could put a link under the new name, also in a sticky directory.
    return adviceAt(beside, command).remedy ?? inWords(insteadOfCommand(beside));
  }
  const write = (text: ByteString, number = problem.line): Remedy =>
    `write in line ${number} of ${problem.file}:\n${text.replaceAll("\t", " ")}`;
  const off = (first: number, last: number) => commentOut(problem.file, first, last);
  switch (fix.kind) {
    case "none":
      return undefined;
    case "command":
      return fix.text === "" ? undefined : fix.text;
    case "strip":
      return `sed -i ${shellWord(fix.expression)} ${file}`;
    case "disable":
      return off(problem.line, lastLineOf(lines, problem.line, dialect));
    case "disable-section":
      return disableSection(problem, sources);
    case "line":
      return write(fix.text);
    case "key":
    case "value":
      return write(rewritten(line, fix, dialect));
    case "comment": {
      const at = commentLine(lines, problem.line, dialect);
      const text = lines[at - 1] ?? "";
      const start = text.search(COMMENT_IN_LINE.test(text) ? COMMENT_IN_LINE : COMMENT_BEHIND);
      const comment = text.slice(start).replace(/^[\t-\r ]*(?:[#;]|\/\/)?/, "#");
      return write(`${comment}\n${text.slice(0, start).replace(/[\t-\r ]+$/, "")}`, at);
    }
    case "comma":
      // A line is not continued by a backslash.
      return write(`${line.replace(/[\t-\r ,]*(?:\\[\t-\r ]*)?$/, "")},`);
    case "item": {
      const all = sources.items?.get(lineKey(problem)) ?? new Map([[problem.column, fix]]);
      const text = changed.getOrInsertComputed(all, () => withChanges(line, all));
      // Without its only item the key has no effect.
      if (/[=:][\t-\r ]*$/.test(text) && lastLineOf(lines, problem.line, dialect) === problem.line)
        return off(problem.line, problem.line);
      return write(text);
    }
    case "in-section":
      return `in section [${fix.section}] of ${problem.file} write:\n${fix.lines.join("\n")}`;
  }
}

/** A line with another key, or another value. */
function rewritten(
  line: ByteString,
  fix: Extract<Fix, { kind: "key" | "value" }>,
  dialect: Dialect,
): ByteString {
  const sign = line.search(dialect === "py" ? /[=:]/ : /=/);
  const start = firstNonBlank(line);
  if (fix.kind === "key") {
    const end = start + trim(line.slice(0, sign)).length;
    return `${line.slice(0, start)}${fix.name}${line.slice(end)}`;
  }
  const value = sign + 1 + Math.max(0, firstNonBlank(line.slice(sign + 1)));
  return `${line.slice(0, value)}${fix.text}`;
}

/** A line in which items of lists are replaced, or removed with their commas; from the end, so that columns stay. */
function withChanges(line: ByteString, changes: LineChanges): ByteString {
  let text = line;
  for (const [column, { old, with: meant }] of [...changes].sort(([a], [b]) => b - a)) {
    const before = text.slice(0, column - 1);
    const after = text.slice(column - 1 + old.length);
    if (meant !== undefined) text = `${before}${meant}${after}`;
    else if (/,[\t-\r ]*$/.test(before)) text = `${before.replace(/[\t-\r ]*,[\t-\r ]*$/, "")}${after}`;
    else text = `${before}${after.replace(/^[\t-\r ]*,[\t-\r ]*/, "")}`;
  }
  return text;
}

/** The command that makes lines of a file comments. */
const commentOut = (file: ByteString, first: number, last: number): Remedy =>
  `sed -i ${shellWord(`${first === last ? first : `${first},${last}`}s/^/#/`)} ${shellWord(file)}`;

/** The command that makes a section a comment. `place`: of its header. */
export function disableSection({ file, line }: Place, sources: Sources): Remedy {
  return commentOut(file, line, lastOfSection(linesOf(sources, file), line, sources.dialect));
}

/** The last line of a section. The next one may have a header with a mistake, as the scanner knows it. */
function lastOfSection(lines: readonly ByteString[], header: number, dialect: Dialect): number {
  const isMeant = ({ kind, marked }: MeantHeader) => marked || kind === "user";
  const test = (line: ByteString) => {
    const meant = unbracketed(line, dialect);
    return /^[\t-\r ]*\[/.test(line) || (meant !== undefined && isMeant(meant));
  };
  return lastLine(lines, header, { test }, /^[\t-\r ]*[^\t-\r #]/);
}

/** The name of the section that a line begins, as far as it can be read, with a mistake in it too; undefined if there is none. */
const headerName = (line: ByteString, dialect: Dialect): ByteString | undefined =>
  unbracketed(line, dialect)?.name ?? /^[\t-\r ]*\[([^\][]*[^\][ \t])/.exec(line)?.[1];

/** What a line without brackets around a name was probably meant for, where it is known what names of sections begin with. */
const unbracketed = (line: ByteString, dialect: Dialect) =>
  dialect === "plain" && !/^[\t-\r ]*\[.*\]/.test(line) ? meantHeader(line) : undefined;

/** The names of sections whose headers are problems, so that none of them counts, and their lines. */
export const misspeltHeaders = (ini: IniFile) =>
  ini.problems.flatMap(({ code, file, line }) => {
    const name =
      code === "bad-header" ? headerName(linesOf(ini, file)[line - 1] ?? "", ini.dialect) : undefined;
    return name === undefined ? [] : [{ name, line }];
  });

/** The header stays; text after it is removed, or gets a line of its own where it may be a key. */
function isHeader({ code }: Problem, line: ByteString): boolean {
  return code === "bad-header" || (code === "stray-text" && /^[\t-\r ]*\[/.test(line));
}

/**
 * What follows a header without a name counts for the section before it where a login reads it. Elsewhere nobody but who wrote it
 * knows the name: without the section its user or jail would not be declared.
 */
function headerFix(line: ByteString, dialect: Dialect): Fix {
  const name = headerName(line, dialect);
  if (name === undefined) return dialect === "plain" ? { kind: "none" } : disable;
  const after = unbracketed(line, dialect)?.rest ?? line.replace(/^[^\]]*\]*[\t-\r ]*/, "");
  const more = dialect === "plain" && after !== "" ? `\n${after.replace(/^\/\/(?=[\t-\r ]|$)/, "#")}` : "";
  return { kind: "line", text: `[${name}]${more}` };
}

/**
 * The last line of the entry that begins in a line; in dialect "py" it includes indented and empty lines. An indented header in a
 * value is an error of its own in dialect "plain".
 */
function lastLineOf(lines: readonly ByteString[], first: number, dialect: Dialect): number {
  const ends = dialect === "plain" ? /^[^\t-\r #;]|^[\t-\r ]*\[/ : /^[^\t-\r #;]/;
  return dialect === "c" ? first : lastLine(lines, first, ends, /^[\t-\r ]+[^\t-\r #;]/);
}

/** The last line that belongs to the one at `first`, before one that `ends` them. */
function lastLine(
  lines: readonly ByteString[],
  first: number,
  ends: Pick<RegExp, "test">,
  belongs: RegExp,
): number {
  let last = first;
  // Not from the first line on: a file may have thousands of problems.
  for (let index = first; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (ends.test(line)) break;
    if (belongs.test(line)) last = index + 1;
  }
  return last;
}

/** The first line of an entry with a comment after a value. */
function commentLine(lines: readonly ByteString[], first: number, dialect: Dialect): number {
  const entry = lines.slice(first - 1, lastLineOf(lines, first, dialect));
  return (
    first +
    Math.max(
      0,
      entry.findIndex((line) => COMMENT_BEHIND.test(trim(line))),
    )
  );
}
