import { type ByteString, toBytes } from "../../ffi/bytes.ts";

// Created on first use: it costs a millisecond, too much for a login.
let decoder: TextDecoder | undefined;

function decodeUtf8(text: ByteString): string {
  // U+FEFF is kept, so that it is seen, and survives in JSON.
  decoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return decoder.decode(toBytes(text));
}

// Controls, the backslash (so that nobody can forge an escape), line separators, and what turns or hides text: format
// characters, which all bidirectional controls are, those that are shown as nothing, such as fillers and tags, and blanks that
// only look like one. It costs a login without such text nothing: the pattern is compiled at its first use, after ASCII.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\\]|(?! )\p{Zs}/u;

/** Whether a text has characters that are not shown as they are, but as escapes. */
export const isUnsafe = (text: string): boolean => unsafe.test(text);

const hex = (code: number) => `\\x${code.toString(16).padStart(2, "0")}`;

function escapeBytes(text: ByteString): ByteString {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 10) out += "\\n";
    else if (code === 9) out += "\\t";
    else if (code === 92) out += "\\\\";
    else out += code < 32 || code > 126 ? hex(code) : text[i];
  }
  return out;
}

/** ASCII, and what may be UTF-8 character by character: one bad byte does not turn a whole name into escapes. */
const pieces = (text: ByteString) => text.match(/[\x00-\x7f]+|[\xc2-\xf4][\x80-\xbf]{1,3}|[\s\S]/g) ?? [];

/**
 * Makes a byte string safe for a terminal or a log line. Printable ASCII and UTF-8 stay; control bytes, escape
 * sequences, characters that turn or hide text, and invalid UTF-8 become `\n`, `\t` and `\xHH`. Everything that a jailed user can
 * influence goes through this before it is shown or logged.
 */
export function display(text: ByteString): ByteString {
  if (isPlain(text)) return text;
  if (/^[\x00-\x7f]*$/.test(text)) return escapeBytes(text);
  // Almost every name in another language.
  if (printableUtf8(text)) return text;
  let out = "";
  for (const piece of pieces(text)) {
    out += piece.charCodeAt(0) >= 0xc2 && printableUtf8(piece) ? piece : escapeBytes(piece);
  }
  return out;
}

function printableUtf8(piece: ByteString): boolean {
  try {
    return !isUnsafe(decodeUtf8(piece));
  } catch {
    return false;
  }
}

// From here on a loop costs a login more than the first use of a pattern.
const LONG = 400;

/** Whether all is printable ASCII, without a backslash. */
export function isPlain(text: ByteString): boolean {
  if (text.length > LONG) return /^[\x20-\x5b\x5d-\x7e]*$/.test(text);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x5c) return false;
  }
  return true;
}

/** The same for text with parts that are printable already: their backslashes are not escaped again. */
export function displayAgain(text: ByteString): ByteString {
  // Almost every line.
  if (isPlain(text)) return text;
  return text.split("\\").map(display).join("\\");
}

// Of a path in messages: more could not be read, and users nest directories without limit.
const LONGEST_SHOWN = 1024;

/** A path for messages, such as that of a directory that a user made: of a very long one only both ends. */
export function shortPath(path: ByteString): ByteString {
  if (path.length <= LONGEST_SHOWN) return path;
  const end = LONGEST_SHOWN / 4;
  return `${path.slice(0, end)}[...]${path.slice(-end)}`;
}

/** `display`, in single quotes. */
export function quoted(text: ByteString): ByteString {
  return `'${display(text)}'`;
}

/**
 * A byte string as text for JSON. UTF-8 is decoded; a byte that is not part of valid UTF-8 becomes the lone surrogate
 * U+DC80 to U+DCFF (Python's "surrogateescape"), so that every file name survives the round trip.
 */
export function jsonText(text: ByteString): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  let out = "";
  for (const piece of pieces(text)) {
    try {
      out += decodeUtf8(piece);
    } catch {
      for (let i = 0; i < piece.length; i++) {
        const code = piece.charCodeAt(i);
        out += String.fromCharCode(code < 0x80 ? code : 0xdc00 + code);
      }
    }
  }
  return out;
}

/** A number of things, such as "1 file" and "2 files". */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

/** What follows the first of some things: how many others there are, such as " and 2 more". */
export const andMore = (others: number): string => (others === 0 ? "" : ` and ${others} more`);

/** A number of files and what else a jail consists of. */
export const countedObjects = (count: number): string =>
  count === 1 ? "1 file, directory, link or device" : `${count} files, directories, links and devices`;
