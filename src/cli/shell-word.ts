import type { ByteString } from "../../ffi/bytes.ts";
import { displayAgain } from "./display.ts";
import type { Remedy } from "./remedy.ts";

/**
 * A text as one word of a POSIX shell command, in printable bytes: no quote, blank or control byte in a file name ends
 * the word or the line. A word that begins with a dash is only safe as the value of an option: see `operands`.
 */
export function shellWord(text: ByteString): ByteString {
  // zsh takes =NAME for the path of a program.
  if (/^[\w@%+:,./-][\w@%+=:,./-]*$/.test(text)) return text;
  if (displayAgain(text) === text) return `'${text.replaceAll("'", "'\\''")}'`;
  // Quotes too: a shell without $'...' reads another name, but still one word.
  const escaped = text.replace(
    /[^\w@%+=:,./ -]|^-/g,
    (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  // $(...) removes newlines at the end.
  return text.endsWith("\n") ? `$'${escaped}'` : `"$(printf '${escaped.replaceAll("%", "%%")}')"`;
}

/** Texts as the last words of a shell command; none is read as an option. */
export function operands(...texts: readonly ByteString[]): ByteString {
  const words = texts.map(shellWord);
  return (texts.some((text) => text.startsWith("-")) ? ["--", ...words] : words).join(" ");
}

/** The command that appends a line to a file; echo(1) takes some lines for options, and changes others. */
export function appendCommand(line: ByteString, file: ByteString): Remedy {
  const word = shellWord(line);
  const print = word === line && !line.startsWith("-") ? ("echo" as const) : ("printf '%s\\n'" as const);
  return `${print} ${word} >> ${shellWord(file)}`;
}

/** Remedies of which each will do, for the end of a sentence: a command ends at its semicolon, or where the text does. */
export const oneOf = (remedies: readonly ByteString[]): ByteString => remedies.join("; or instead: ");

/** The advice before a command that makes a file trusted again: the lines of users who could write it are still there. */
export const readFirst = (path: ByteString): ByteString =>
  `read ${shellWord(path)} first, for others could write it; then: `;
