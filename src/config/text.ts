import { type ByteString, isSpace, trim, trimmed } from "../../ffi/bytes.ts";
import type { Dialect, Fix } from "./model.ts";

/** The position of the first character that is not blank; -1 if there is none. */
export function firstNonBlank(text: ByteString): number {
  for (let at = 0; at < text.length; at++) if (!isSpace(text.charCodeAt(at))) return at;
  return -1;
}

/** Without the blanks at both ends that Python's str.strip() removes, as far as ASCII goes. */
export function strip(text: ByteString): ByteString {
  return trimmed(text, (code) => isSpace(code) || (code >= 28 && code <= 31));
}

/** The lines of a text, without their ends. In dialect "py" a carriage return ends a line too, as in Python. */
export function splitLines(text: ByteString, dialect: Dialect): ByteString[] {
  return text.split(dialect === "py" ? /\r\n|\r|\n/ : /\r?\n/);
}

/** For sed(1): makes lines of those that end with a carriage return alone, as in files of old editors. */
export const SPLIT = "s/\\x0d$//;s/\\x0d/\\n/g";

/** The fix for a line with control characters. Pure. */
export function withoutControl(line: ByteString, number: number): Fix {
  const others = "s/[\\x01-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]//g";
  return line.includes("\r")
    ? { kind: "strip", expression: `${number}{${others};${SPLIT}}`, splits: true }
    : { kind: "strip", expression: `${number}${others}` };
}

/** ASCII letters in lower case. */
export function lowerCase(text: ByteString): ByteString {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The items of a list: split at commas, trimmed, empty ones dropped. There is no quoting. */
export function splitList(value: ByteString): ByteString[] {
  const items: ByteString[] = [];
  for (const part of value.split(",")) {
    const item = trim(part);
    if (item !== "") items.push(item);
  }
  return items;
}

/** A comment behind a value, which is part of it here; also one as other languages have it. */
export const COMMENT_BEHIND = /[\t-\r ](?:[#;]|\/\/(?=[\t-\r ]|$))/;

/** The same where what is behind two slashes may be meant: in a command line they are the root directory, in a variable any text. */
export const COMMENT_IN_LINE = /[\t-\r ][#;]/;

/** True for a value that is one item of a list, on one line and without a comment: nothing quotes a comma. */
export const isListItem = (value: ByteString): boolean =>
  splitList(value)[0] === value && !/[\r\n]|[\t-\r ][#;]/.test(value);
