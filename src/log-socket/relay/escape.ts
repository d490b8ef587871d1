const HASH = 0x23;
const ZERO = 0x30;
const SPACE = 0x20;
const DELETE = 0x7f;

/** Writes `#` and three octal digits into `to`, as rsyslog does. Returns the end. */
export function putEscaped(to: Uint8Array, at: number, byte: number): number {
  to[at] = HASH;
  to[at + 1] = ZERO + (byte >> 6);
  to[at + 2] = ZERO + ((byte >> 3) & 7);
  to[at + 3] = ZERO + (byte & 7);
  return at + 4;
}

const BOUNDS: Readonly<Record<number, readonly [number, number]>> = {
  224: [0xa0, 0xbf],
  237: [0x80, 0x9f],
  240: [0x90, 0xbf],
  244: [0x80, 0x8f],
};

const continues = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;

/** The length of the UTF-8 character (RFC 3629) at `at`, which is not ASCII; 0 if there is none. */
function characterLength(from: Uint8Array, at: number, end: number): number {
  const first = from[at] ?? 0;
  let length = 0;
  if (first >= 0xc2 && first <= 0xdf) length = 2;
  else if (first >= 0xe0 && first <= 0xef) length = 3;
  else if (first >= 0xf0 && first <= 0xf4) length = 4;
  if (at + length > end) return 0;
  for (let i = 1; i < length; i++) if (!continues(from[at + i])) return 0;
  // No overlong forms, no surrogates, and nothing beyond U+10FFFF.
  const second = from[at + 1] ?? 0;
  const [least = 0x80, most = 0xbf] = BOUNDS[first] ?? [];
  return second >= least && second <= most ? length : 0;
}

/** Whether there is a line or paragraph separator at `at`: U+2028, U+2029. */
const isSeparator = (from: Uint8Array, at: number) =>
  from[at] === 0xe2 && from[at + 1] === 0x80 && ((from[at + 2] ?? 0) & 0xfe) === 0xa8;

/** Writes a byte or character that is not ASCII. Escapes U+0080 to U+009F, also as single bytes, and separators. */
function putOther(to: Uint8Array, at: number, from: Uint8Array, i: number, length: number): number {
  const byte = from[i] ?? 0;
  let next = at;
  const bad =
    length === 0 ? byte < 0xa0 : (byte === 0xc2 && (from[i + 1] ?? 0) < 0xa0) || isSeparator(from, i);
  for (let j = i; j < i + Math.max(1, length); j++) {
    if (bad) next = putEscaped(to, next, from[j] ?? 0);
    else to[next++] = from[j] ?? 0;
  }
  return next;
}

/**
 * Writes text as one line: every control byte is escaped, since not all daemons do that, and terminals show the log.
 * Returns the end.
 */
export function putText(to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): number {
  let next = at;
  for (let i = start; i < end; i++) {
    const byte = from[i] ?? 0;
    if (byte >= SPACE && byte < DELETE) to[next++] = byte;
    else if (byte <= DELETE) next = putEscaped(to, next, byte);
    else {
      const length = characterLength(from, i, end);
      next = putOther(to, next, from, i, length);
      if (length > 1) i += length - 1;
    }
  }
  return next;
}
