import { type ByteString, trim } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { type IniSection, LIMITS, type Position, type ProblemList } from "./model.ts";
import { firstNonBlank } from "./text.ts";

// isspace(3) in the C locale, as jailkit 2.23 trims
const HEADER_IN_COMMENT = /^[#; \t]*\[[^\]]*\]/;

const DOUBTFUL =
  "this was a section header for jailkit 2.23 and is none: put it on a line of its own, or start the line with #";

/**
 * Reads the text of a file in dialect "c", as jailkit 2.23 did, except that it took a `[` anywhere for a header. Such text
 * is an error if keys follow: they would change sections.
 */
export function scanC(text: ByteString, file: ByteString, problems: ProblemList): IniSection[] {
  const scan = newScan(file, problems);
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    scan.number++;
    scanLine(scan, text.slice(start, end));
    start = end + 1;
  }
  return scan.sections;
}

/** A scan, up to the current line. Not a class: the first use of one costs a login 50 microseconds. */
const newScan = (file: ByteString, problems: ProblemList) => ({
  file,
  problems,
  sections: [] as IniSection[],
  /** The lines of sections, by name. */
  firstLines: new Map<ByteString, number>(),
  /** Of the current line. */
  number: 0,
  section: undefined as IniSection | undefined,
  /** Of the current section. */
  keys: new Set<ByteString>(),
  /** A header of jailkit 2.23 that is none here, until a header or a key follows. */
  doubtful: undefined as Position | undefined,
});

type Scan = ReturnType<typeof newScan>;

function scanLine(scan: Scan, line: ByteString) {
  const { problems, number } = scan;
  const at = firstNonBlank(line);
  if (at < 0) return;
  const first = line.charAt(at);
  if (first === "#" || first === ";") return scanComment(scan, line, at);
  if (first === "[") return scanHeader(scan, line, at);
  const equals = line.indexOf("=", at);
  if (equals >= 0) return scanAssignment(scan, line, at, equals);
  problems.warning(number, at + 1, "stray-text", "a line without '=' is ignored");
  const bracket = line.indexOf("[");
  if (bracket >= 0) scan.doubtful = { line: number, column: bracket + 1 };
}

function scanComment(scan: Scan, line: ByteString, at: number) {
  const { problems, number } = scan;
  if (line.charAt(at) === ";") {
    const message = "';' starts no comment here, '#' does; the line is ignored";
    problems.warning(number, at + 1, "stray-text", message);
  } else if (at === 0) return;
  if (HEADER_IN_COMMENT.test(line.slice(at))) scan.doubtful = { line: number, column: at + 1 };
}

function scanHeader(scan: Scan, line: ByteString, at: number) {
  const { problems, number, firstLines, sections } = scan;
  const end = line.indexOf("]", at);
  const column = at + 1;
  if (end < 0) return problems.error(number, column, "bad-header", "a section header without ']'");
  const name = line.slice(at + 1, end);
  if (name === "") return problems.error(number, column, "bad-header", "a section header without a name");
  if (name.length > LIMITS.nameBytes) {
    const message = `a section name over ${LIMITS.nameBytes} bytes`;
    // The keys that follow are no other section's.
    enterSection(scan, name, column);
    return problems.error(number, column, "too-long", message, { kind: "disable-section" });
  }
  const rest = trim(line.slice(end + 1));
  if (rest.includes("[")) {
    const message = `another '[' after the header ${quoted(`[${name}]`)}`;
    problems.error(number, end + 2, "bad-header", message);
  } else if (rest !== "" && !/^[#;]/.test(rest)) {
    problems.warning(number, end + 2, "stray-text", "text after a section header is ignored");
  }
  const first = firstLines.get(name);
  if (first !== undefined) {
    const message = `section ${quoted(name)} is ignored: line ${first} has it already`;
    problems.warning(number, column, "duplicate-section", message);
  } else firstLines.set(name, number);
  if (sections.length >= LIMITS.sections) {
    return problems.error(number, column, "too-many", `more than ${LIMITS.sections} sections`);
  }
  sections.push(enterSection(scan, name, column));
}

function enterSection(scan: Scan, name: ByteString, column: number): IniSection {
  const section = { name, file: scan.file, line: scan.number, column, entries: [] };
  scan.section = section;
  scan.keys = new Set();
  scan.doubtful = undefined;
  return section;
}

function scanAssignment(scan: Scan, line: ByteString, at: number, equals: number) {
  const { file, problems, number, section, keys, doubtful } = scan;
  const key = trim(line.slice(at, equals));
  const column = at + 1;
  if (doubtful !== undefined) {
    problems.error(doubtful.line, doubtful.column, "doubtful-header", DOUBTFUL);
    scan.doubtful = undefined;
  }
  if (key === "") return problems.warning(number, column, "stray-text", "a value without a key is ignored");
  if (key.includes("["))
    return problems.error(number, column, "bad-header", `a '[' in the key ${quoted(key)}`);
  const value = trim(line.slice(equals + 1));
  if (key.length > LIMITS.nameBytes)
    return problems.error(number, column, "too-long", `a key over ${LIMITS.nameBytes} bytes`);
  if (value.length > LIMITS.valueBytes) {
    const message = `the value of ${quoted(key)} is over ${LIMITS.valueBytes} bytes`;
    // Without the line, the key would limit nothing.
    return problems.error(number, column, "too-long", message, { kind: "none" });
  }
  if (section === undefined) {
    const message = `${quoted(key)} before the first section is ignored`;
    return problems.warning(number, column, "no-section", message);
  }
  if (keys.has(key)) {
    const message = `${quoted(key)} is ignored: this section has one already`;
    return problems.warning(number, column, "duplicate-key", message);
  }
  if (keys.size >= LIMITS.keysInSection) {
    const message = `more than ${LIMITS.keysInSection} keys in a section`;
    return problems.error(number, column, "too-many", message);
  }
  keys.add(key);
  const valueColumn = equals + 2 + Math.max(0, firstNonBlank(line.slice(equals + 1)));
  const pieces = [{ line: number, column: valueColumn }];
  section.entries.push({ key, value, file, line: number, column, valueColumn, pieces, inherited: false });
}
