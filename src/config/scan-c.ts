import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { type IniSection, LIMITS, type Place, type Reporter } from "./model.ts";
import { firstNonBlank, trim } from "./text.ts";

// isspace(3) in the C locale, as jailkit 2.23 trims
const HEADER_IN_COMMENT = /^[#; \t]*\[[^\]]*\]/;

/**
 * Reads the text of a file in dialect "c". Files that jailkit 2.23 read without accident come out the same. It
 * took a `[` anywhere for a header, so text that it took for one and that is none here is refused where keys
 * follow: they would change sections.
 */
export function scanC(text: ByteString, file: ByteString, report: Reporter): IniSection[] {
  const sections: IniSection[] = [];
  let section: IniSection | undefined;
  let keys = new Set<ByteString>();
  const firstLines = new Map<ByteString, number>();
  // A header of jailkit 2.23 that is none here, until a header or a key follows.
  let doubtful: Place | undefined;

  const header = (line: ByteString, number: number, at: number) => {
    const end = line.indexOf("]", at);
    const column = at + 1;
    if (end < 0) return report.error(number, column, "bad-header", "a section header without ']'");
    const name = line.slice(at + 1, end);
    if (name === "") return report.error(number, column, "bad-header", "a section header without a name");
    if (name.length > LIMITS.nameBytes) {
      return report.error(number, column, "too-long", `a section name over ${LIMITS.nameBytes} bytes`);
    }
    const rest = trim(line.slice(end + 1));
    if (rest.includes("[")) {
      report.error(number, end + 2, "bad-header", `another '[' after the header ${quoted(`[${name}]`)}`);
    } else if (rest !== "" && !/^[#;]/.test(rest)) {
      report.warning(number, end + 2, "stray-text", `text after a section header is ignored`);
    }
    const first = firstLines.get(name);
    if (first !== undefined) {
      const message = `section ${quoted(name)} is ignored: it stands in line ${first} already`;
      report.warning(number, column, "duplicate-section", message);
    } else firstLines.set(name, number);
    if (sections.length >= LIMITS.sections) {
      return report.error(number, column, "too-many", `more than ${LIMITS.sections} sections`);
    }
    section = { name, file, line: number, column, entries: [] };
    sections.push(section);
    keys = new Set();
    doubtful = undefined;
  };

  const assignment = (line: ByteString, number: number, at: number, equals: number) => {
    const key = trim(line.slice(at, equals));
    const column = at + 1;
    if (doubtful !== undefined) {
      const message =
        "this was a section header for jailkit 2.23 and is none: put it on a line of its own, or start the line with #";
      report.error(doubtful.line, doubtful.column, "doubtful-header", message);
      doubtful = undefined;
    }
    if (key === "") return report.warning(number, column, "stray-text", "a value without a key is ignored");
    if (key.includes("[")) {
      return report.error(number, column, "bad-header", `a '[' in the key ${quoted(key)}`);
    }
    const value = trim(line.slice(equals + 1));
    if (key.length > LIMITS.nameBytes || value.length > LIMITS.valueBytes) {
      const message = `a key over ${LIMITS.nameBytes} or a value over ${LIMITS.valueBytes} bytes`;
      return report.error(number, column, "too-long", message);
    }
    if (section === undefined) {
      return report.warning(
        number,
        column,
        "no-section",
        `${quoted(key)} before the first section is ignored`,
      );
    }
    if (keys.has(key)) {
      const message = `${quoted(key)} is ignored: this section has one already`;
      return report.warning(number, column, "duplicate-key", message);
    }
    if (keys.size >= LIMITS.keysInSection) {
      return report.error(number, column, "too-many", `more than ${LIMITS.keysInSection} keys in a section`);
    }
    keys.add(key);
    const leading = firstNonBlank(line.slice(equals + 1));
    const valueColumn = equals + 2 + Math.max(0, leading);
    const pieces = [{ line: number, column: valueColumn }];
    section.entries.push({ key, value, file, line: number, column, valueColumn, pieces, inherited: false });
  };

  let number = 0;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    number++;
    const at = firstNonBlank(line);
    const first = at < 0 ? "" : line.charAt(at);
    if (first === "" || (first === "#" && at === 0)) continue;
    if (first === "#" || first === ";") {
      if (first === ";") {
        report.warning(
          number,
          at + 1,
          "stray-text",
          "';' starts no comment here, '#' does; the line is ignored",
        );
      }
      if (HEADER_IN_COMMENT.test(line.slice(at))) doubtful = { line: number, column: at + 1 };
    } else if (first === "[") header(line, number, at);
    else {
      const equals = line.indexOf("=", at);
      if (equals >= 0) assignment(line, number, at, equals);
      else {
        report.warning(number, at + 1, "stray-text", "a line without '=' is ignored");
        if (line.includes("[")) doubtful = { line: number, column: line.indexOf("[") + 1 };
      }
    }
  }
  return sections;
}
