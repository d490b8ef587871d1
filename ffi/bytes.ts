/**
 * Byte strings. A file name, an argument and a line of a config file are bytes, not text. They are held in
 * ordinary strings in which every code unit is one byte (0 to 255, ISO 8859-1), so that nothing is lost or
 * reinterpreted, and literals such as "/etc/passwd" are byte strings as they stand.
 */
export type ByteString = string;

/** The bytes of a byte string, followed by one NUL, as C functions take them. */
export function cString(text: ByteString): Uint8Array {
  const length = text.length;
  const bytes = new Uint8Array(length + 1);
  for (let i = 0; i < length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The bytes of a byte string, without a NUL. */
export function toBytes(text: ByteString): Uint8Array {
  return cString(text).subarray(0, text.length);
}

/** Bytes to a byte string; `end` is exclusive. */
export function fromBytes(bytes: Uint8Array, start = 0, end = bytes.length): ByteString {
  // Not through Buffer.from: its first call costs a tenth of a millisecond.
  return Buffer.prototype.toString.call(bytes, "latin1", start, end);
}

/** The byte string that stands before the first NUL in `bytes`. */
export function fromCString(bytes: Uint8Array, start = 0): ByteString {
  const nul = bytes.indexOf(0, start);
  return fromBytes(bytes, start, nul < 0 ? bytes.length : nul);
}

/** Text (UTF-16, as in a JavaScript literal with non-ASCII characters) to a byte string in UTF-8. */
export function utf8(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}
