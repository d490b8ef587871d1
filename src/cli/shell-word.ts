import type { ByteString } from "../../ffi/bytes.ts";
import { displayAgain } from "./display.ts";

/**
 * A text as one word of a shell command, in printable bytes: the same to every shell of POSIX, so that a quote, a blank or
 * a control byte in the name of a file ends neither the word nor the line. A word that begins with a dash is for an
 * option's value: see `operands`.
 */
export function shellWord(text: ByteString): ByteString {
  // zsh takes =NAME for the path of a program.
  if (/^[\w@%+:,./-][\w@%+=:,./-]*$/.test(text)) return text;
  if (displayAgain(text) === text) return `'${text.replaceAll("'", "'\\''")}'`;
  // Quotes too: what a shell that does not know $'...' makes of them is another name then, and still one word.
  const escaped = text.replace(
    /[^\w@%+=:,./ -]|^-/g,
    (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  // $(...) takes newlines off the end.
  return text.endsWith("\n") ? `$'${escaped}'` : `"$(printf '${escaped.replaceAll("%", "%%")}')"`;
}

/** Texts as the last words of a shell command, none of which is read as an option. */
export function operands(...texts: readonly ByteString[]): ByteString {
  const words = texts.map(shellWord);
  return (texts.some((text) => text.startsWith("-")) ? ["--", ...words] : words).join(" ");
}

/** A command as root types it so that it is run with the rights of a user, and of no more. */
export function asUser(name: ByteString, command: ByteString): ByteString {
  return `runuser -u ${shellWord(name)} -- ${command}`;
}

/** The command that adds a line to a file; echo(1) would take some lines for options, and change others. */
export function appendCommand(line: ByteString, file: ByteString): ByteString {
  const word = shellWord(line);
  const print = word === line && !line.startsWith("-") ? "echo" : "printf '%s\\n'";
  return `${print} ${word} >> ${shellWord(file)}`;
}

/** What comes before a command that makes a file count again which others could write: what they wrote stays in it. */
export const readFirst = (path: ByteString): ByteString =>
  `read ${shellWord(path)} first, for others could write it; then: `;
