/**
 * A string in which every code unit is one byte (0 to 255, ISO 8859-1). File names, arguments and lines of config files
 * are bytes, not text, and none is lost or reinterpreted this way. Literals such as "/etc/passwd" are byte strings.
 */
export type ByteString = string;

/** The bytes of a byte string, followed by a NUL, for C functions. */
export function cString(text: ByteString): Uint8Array {
  const bytes = new Uint8Array(text.length + 1);
  // A sixth of the time of a loop.
  Buffer.prototype.write.call(bytes, text, "latin1");
  return bytes;
}

/** The bytes of a byte string, without a NUL. */
export function toBytes(text: ByteString): Uint8Array {
  return cString(text).subarray(0, text.length);
}

/** Converts bytes to a byte string; `end` is exclusive. */
export function fromBytes(bytes: Uint8Array, start = 0, end = bytes.length): ByteString {
  // Not through Buffer.from: its first call costs a tenth of a millisecond.
  return Buffer.prototype.toString.call(bytes, "latin1", start, end);
}

/** The byte string before the first NUL in `bytes`. */
export function fromCString(bytes: Uint8Array, start = 0): ByteString {
  const nul = bytes.indexOf(0, start);
  return fromBytes(bytes, start, nul < 0 ? bytes.length : nul);
}

/** Converts text (UTF-16) to a byte string in UTF-8. */
export function utf8(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Whether isspace(3) is true for a byte. `\s` and String.trim also take A0 for one, which letters of UTF-8 end with. */
export const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

/** A byte string without the blanks of isspace(3) at both ends. */
export const trim = (text: ByteString): ByteString => trimmed(text, isSpace);

/**
 * The same for other blanks. No regular expression: anchored at the end, it takes quadratic time on long runs of them.
 */
export function trimmed(text: ByteString, isBlank: (code: number) => boolean): ByteString {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}
