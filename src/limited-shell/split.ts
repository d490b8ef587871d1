import type { ByteString } from "../../ffi/bytes.ts";
import { type MarkedText, marksFor } from "./fields.ts";
import { refuseControlBytes, WordError } from "./refusal.ts";

/** A word of a command line, and where it starts there. */
export interface MarkedWord extends MarkedText {
  start: number;
}

/**
 * The words of a command line without expansion: separated by unquoted blanks (space and tab), with quotes and
 * backslashes as in sh(1), because git, rsync and scp quote the names that they send. Nothing else is special:
 * `| ; & < > $ * ~` and backquotes are bytes of a word. Throws a JailkitError with exit status 6 for an open quote, a
 * backslash at the end, and control bytes.
 */
export function splitWords(line: ByteString): ByteString[] {
  const words: ByteString[] = [];
  for (const { text } of markedWords(line)) words.push(text);
  return words;
}

/** As splitWords, with the marks of quotes: "b" for a byte after a backslash outside of quotes. */
export function markedWords(line: ByteString): MarkedWord[] {
  refuseControlBytes(line);
  const words: MarkedWord[] = [];
  let word: MarkedWord | undefined;
  let at = 0;
  const add = (text: ByteString, mark: "u" | "q" | "b", next: number) => {
    word ??= { text: "", marks: "", start: at };
    word.text += text;
    word.marks += marksFor(text, mark);
    at = next;
  };
  while (at < line.length) {
    const byte = line.charAt(at);
    if (byte === " " || byte === "\t") {
      if (word !== undefined) words.push(word);
      word = undefined;
      at++;
    } else if (byte === "'") {
      const end = line.indexOf("'", at + 1);
      if (end < 0) throw new WordError("unbalanced-quote", "a single quote is not closed");
      add(line.slice(at + 1, end), "q", end + 1);
    } else if (byte === '"') {
      const inner = doubleQuoted(line, at + 1);
      add(inner.text, "q", inner.end);
    } else if (byte === "\\") {
      if (at + 1 === line.length) throw new WordError("unbalanced-quote", "a backslash ends the command");
      add(line.charAt(at + 1), "b", at + 2);
    } else add(byte, "u", at + 1);
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** The text in double quotes from `start` on, and the index after the closing quote. */
function doubleQuoted(line: ByteString, start: number): { text: ByteString; end: number } {
  let text = "";
  for (let at = start; at < line.length; at++) {
    const byte = line.charAt(at);
    if (byte === '"') return { text, end: at + 1 };
    const next = line.charAt(at + 1);
    // sh(1): within double quotes a backslash quotes these four, and is itself before anything else.
    if (byte === "\\" && next !== "" && '$`"\\'.includes(next)) {
      text += next;
      at++;
    } else text += byte;
  }
  throw new WordError("unbalanced-quote", "a double quote is not closed");
}
