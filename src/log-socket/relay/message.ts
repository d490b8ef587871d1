import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { putEscaped, putText } from "./escape.ts";

/** `bytes` from `start` to `end`, and the process that sent them. */
export interface Message {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly pid: number;
  readonly uid: number;
}

/** The most bytes that rewriting adds, besides the mark, the host's name and escapes. */
export const LONGEST_ADDITION = 128;

/** What tells the real sender in a rewritten message. */
export interface Mark {
  /** At the end of text. */
  readonly text: Uint8Array;
  /** In place of the last brace of a JSON object. No longer than twice the text and some bytes of LONGEST_ADDITION. */
  readonly member: Uint8Array;
}

// The field of a JSON object that tells the sender.
const SENDER = "jk_socketd";

// Daemons cut long messages, rsyslog at 8 KiB, and would cut the mark at the end.
const MAY_BE_CUT = 8000;

const LESS = 0x3c;
const GREATER = 0x3e;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const SPACE = 0x20;
const DASH = 0x2d;
const DELETE = 0x7f;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
const ONE = 0x31;

// RFC 5424, table 1: user, mail, daemon, auth, authpriv, local0 to local7. Messages that claim to come from the kernel,
// the log daemon or cron become user's, as the kernel does with what users write to /dev/kmsg.
const USER = 1;
const ALLOWED = new Set([1, 2, 3, 4, 10, 16, 17, 18, 19, 20, 21, 22, 23]);
const NOTICE = 5;

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= ZERO && byte <= NINE;

/** The priority in `<PRI>`, and the start of the message after it. Without a valid one: user.notice (RFC 3164). */
function readPriority(from: Uint8Array, start: number, end: number): [priority: number, next: number] {
  let at = start + 1;
  let priority = 0;
  while (at < end && at < start + 4 && isDigit(from[at])) priority = priority * 10 + (from[at++] ?? 0) - ZERO;
  const isValid = from[start] === LESS && at > start + 1 && at < end && from[at] === GREATER;
  if (!isValid || priority > 191) return [USER * 8 + NOTICE, start];
  const facility = priority >> 3;
  return [(ALLOWED.has(facility) ? facility : USER) * 8 + (priority & 7), at + 1];
}

/** The end of a word. Other bytes that separate words are escaped, so they end no word for daemons either. */
function wordEnd(from: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && from[next] !== SPACE) next++;
  return next;
}

const MONTHS = new Set(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]);
const MOST_WORDS_OF_A_TIME = 6;

/** Whether a word may be part of a date or time: `12`, `10:00:00.5`, `2024-11-24T10:00:00+01:00`. */
function isTimeWord(from: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const byte = from[i] ?? 0;
    // + , - . / and digits and the colon; T and Z
    if ((byte < 0x2b || byte > 0x3a) && byte !== 0x54 && byte !== 0x5a) return false;
  }
  return end > at;
}

function isMonth(from: Uint8Array, at: number, end: number): boolean {
  if (end !== at + 3) return false;
  return MONTHS.has(String.fromCharCode(from[at] ?? 0, from[at + 1] ?? 0, from[at + 2] ?? 0).toLowerCase());
}

function skipBlanks(from: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && from[next] === SPACE) next++;
  return next;
}

/**
 * The start of the tag: the first word that is not part of a time stamp. Daemons know many forms of time stamps, and no
 * word that one of them takes for the tag may be missed, so every word that looks like a time is skipped.
 */
function findTag(from: Uint8Array, start: number, end: number): number {
  let at = skipBlanks(from, start, end);
  for (let i = 0; i < MOST_WORDS_OF_A_TIME; i++) {
    const stop = wordEnd(from, at, end);
    if (!isTimeWord(from, at, stop) && (i > 0 || !isMonth(from, at, stop))) return at;
    at = skipBlanks(from, stop, end);
  }
  return at;
}

/** Writes into `to` at `at`, as all put functions do, and returns the end. */
function putNumber(to: Uint8Array, at: number, value: number): number {
  const digits = String(value);
  for (let i = 0; i < digits.length; i++) to[at + i] = digits.charCodeAt(i);
  return at + digits.length;
}

function putBytes(to: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) to[at + i] = bytes[i] ?? 0;
  return at + bytes.length;
}

/**
 * Copies a message of a trusted sender unchanged; for a stream, bytes that would end it are escaped. There must be room
 * for four times the message.
 */
export function copyMessage(message: Message, to: Uint8Array, at: number, isStream: boolean): number {
  const { bytes, start, end } = message;
  if (!isStream) {
    to.set(bytes.subarray(start, end), at);
    return at + end - start;
  }
  let next = at;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0 || byte === NEWLINE) next = putEscaped(to, next, byte);
    else to[next++] = byte;
  }
  return next;
}

/** The end of digits in brackets at `at`, which daemons take for a pid; undefined if there are none. */
function pidEnd(from: Uint8Array, at: number, end: number): number | undefined {
  if (from[at] !== OPEN) return undefined;
  let close = at + 1;
  while (close < end && isDigit(from[close])) close++;
  return close > at + 1 && close < end && from[close] === CLOSE ? close + 1 : undefined;
}

/** Writes the first word, which daemons take for the tag, with the real pid in each `[...]`. */
function putTag(to: Uint8Array, at: number, { bytes, pid }: Message, start: number, end: number): number {
  let next = at;
  let done = start;
  for (let i = start; i < end; i++) {
    const after = pidEnd(bytes, i, end);
    if (after === undefined) continue;
    next = putText(to, next, bytes, done, i + 1);
    next = putNumber(to, next, pid);
    to[next++] = CLOSE;
    done = after;
    i = after - 1;
  }
  return putText(to, next, bytes, done, end);
}

/**
 * Writes the header of RFC 5424, `1 TIME HOST APP PROCID MSGID `, with the real host and pid. Returns its end in `to` and
 * in the message; undefined if the message has no such header.
 */
function putStructured(
  to: Uint8Array,
  at: number,
  { bytes, pid }: Message,
  start: number,
  end: number,
  hostName: Uint8Array,
): [next: number, read: number] | undefined {
  if (bytes[start] !== ONE || bytes[start + 1] !== SPACE) return undefined;
  const time = start + 2;
  // The starts of the words after the time.
  const starts: number[] = [];
  for (let word = time; starts.length < 5; ) {
    const stop = wordEnd(bytes, word, end);
    if (stop === word || stop >= end) return undefined;
    word = stop + 1;
    starts.push(word);
  }
  const [host = 0, app = 0, process = 0, id = 0, text = 0] = starts;
  // "-" means no time.
  if (!isTimeWord(bytes, time, host - 1)) return undefined;
  let next = putText(to, at, bytes, start, host);
  next = putBytes(to, next, hostName);
  to[next++] = SPACE;
  next = putText(to, next, bytes, app, process);
  next = putNumber(to, next, pid);
  to[next++] = SPACE;
  return [putText(to, next, bytes, id, text), text];
}

/**
 * Whether `from` is one JSON object that a member at its end makes no other: printable ASCII, which every reader takes for
 * the same; not empty; and without such a member of its own.
 */
function isObject(from: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((from[i] ?? 0) >= DELETE) return false;
  let value: unknown;
  try {
    value = JSON.parse(fromBytes(from, start, end));
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const names = Object.keys(value);
  // Readers in C may end a name at a NUL.
  for (const name of names) if (name === SENDER || name.startsWith(`${SENDER}\0`)) return false;
  return names.length > 0;
}

/** The end of a text without blanks. */
function trimmedEnd(from: Uint8Array, start: number, end: number): number {
  let last = end;
  while (last > start && from[last - 1] === SPACE) last--;
  return last;
}

/** Writes the sender after the text from `start` to `end` of `to`: as a member, if the text is a JSON object. */
function putMark(to: Uint8Array, start: number, end: number, { text, member }: Mark, room: number): number {
  const first = skipBlanks(to, start, end);
  const last = trimmedEnd(to, first, end);
  const inBraces = to[first] === OPEN_BRACE && to[last - 1] === CLOSE_BRACE;
  if (inBraces && member.length <= room && isObject(to, first, last)) return putBytes(to, last - 1, member);
  return putBytes(to, end, text);
}

/**
 * Writes a message to `to[at]`, with its real sender: a facility that users may have, the pid from the kernel, and the
 * mark at the end (in a long message also before the text, since daemons cut it), or in the object if the text is one of
 * JSON. Control bytes are escaped. There must be room for four times the message, twice the text of the mark, the host's
 * name, and LONGEST_ADDITION. Returns the end; `at` for a message without content.
 */
export function rewriteMessage(
  message: Message,
  to: Uint8Array,
  at: number,
  mark: Mark,
  hostName: Uint8Array,
): number {
  const { bytes, start } = message;
  let end = message.end;
  // Some senders end a message with these.
  while (end > start && (bytes[end - 1] === 0 || bytes[end - 1] === NEWLINE)) end--;
  if (end === start) return at;
  const [priority, text] = readPriority(bytes, start, end);
  to[at] = LESS;
  let next = putNumber(to, at + 1, priority);
  to[next++] = GREATER;
  const structured = putStructured(to, next, message, text, end, hostName);
  let read: number;
  if (structured !== undefined) [next, read] = structured;
  else {
    const tag = findTag(bytes, text, end);
    next = putText(to, next, bytes, text, tag);
    read = wordEnd(bytes, tag, end);
    next = putTag(to, next, message, tag, read);
  }
  const last = putText(to, next, bytes, read, end);
  const room = MAY_BE_CUT - (last - at);
  if (mark.text.length <= room) return putMark(to, next, last, mark, room);
  // The mark would come after structured data, which may be long. So the data become text, and "-" stands for them.
  if (structured !== undefined) to[next++] = DASH;
  next = putBytes(to, next, mark.text);
  if (structured !== undefined) to[next++] = SPACE;
  return putBytes(to, putText(to, next, bytes, read, end), mark.text);
}

/** The mark of a user in a jail. `jail` is printable. */
export function markOf(jail: ByteString, uid: number): Mark {
  return {
    text: toBytes(` (jail=${jail} uid=${uid})`),
    // A printable jail is UTF-8, and so is its JSON.
    member: toBytes(`,"${SENDER}":${JSON.stringify({ jail, uid })}}`),
  };
}
