import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { Place } from "../config/model.ts";
import type { ReportFinding } from "../config/separators.ts";

// What a shell takes for more than bytes of a word, outside of quotes and in double quotes.
const BARE = /(?:\$[\w({@*#?!-]|&&|\|\||>>|<<|[;|&<>`()])/y;
const IN_DOUBLE_QUOTES = /(?:\$[\w({@*#?!-]|`)/y;

/** The first piece of a command line that only a shell would obey, and its index; undefined if there is none. */
function shellSyntax(line: ByteString, brackets: boolean): { at: number; text: ByteString } | undefined {
  let isDouble = false;
  for (let at = 0; at < line.length; at++) {
    const byte = line.charAt(at);
    const special = isDouble ? IN_DOUBLE_QUOTES : BARE;
    special.lastIndex = at;
    const text = special.exec(line)?.[0];
    if (text !== undefined) return { at, text };
    if (byte === "\\") at++;
    else if (byte === '"') isDouble = !isDouble;
    else if (byte === "'" && !isDouble) {
      at = line.indexOf("'", at + 1);
      if (at < 0) return undefined;
    } else if (byte === "[" && brackets && !isDouble) {
      const end = line.indexOf("]", at + 2);
      if (end > 0) at = end;
    }
  }
  return undefined;
}

/**
 * Reports a value of `force` or `command` that reads as if a shell ran it. `brackets`: those of
 * a pattern list bytes.
 */
export function lintShellSyntax(
  value: ByteString,
  place: Place,
  key: ByteString,
  report: ReportFinding,
  brackets: boolean,
): void {
  const found = shellSyntax(value, brackets);
  if (found === undefined) return;
  const message =
    `${quoted(key)}: no shell reads this, so that ${quoted(found.text)} is a part of a word; ` +
    "name a script that does what is meant, or put it into single quotes if the program is to get it";
  report({ ...place, column: place.column + found.at }, "warning", "shell-syntax", message);
}
