import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { keyOfBlob } from "./key-blob.ts";
import { type KeyLine, PASSED_OVER, readKeyLine, withoutBlanks } from "./key-lines.ts";

// The text of an authorized_keys: which keys are in it, and how it changes.

// What each line with a key has: at least 30 bytes, of which the first are its length. A user may have written a million lines
// that have not.
const BLOB = /AAAA[A-Za-z0-9+/]{36,}={0,2}/g;

/** The keys, each with its type, that somebody looks for. */
type Wanted = Pick<ReadonlySet<ByteString>, "has">;
type Known = Pick<ReadonlyMap<ByteString, KeyLine>, "get">;

/** A line with a key. */
interface Found extends KeyLine {
  /** It is one for sshd(8) of today; another one may read it, perhaps. */
  readonly isSure: boolean;
}

/** Where it begins and ends in a text. */
interface Spot {
  start: number;
  end: number;
  there: Found;
}

/** A line in which a wanted key was found, somewhere. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly line: ByteString;
  /** The key that sshd(8) reads there. */
  readonly sure: KeyLine | undefined;
  readonly isComment: boolean;
}

/**
 * Where wanted keys are in the text of an authorized_keys. One search finds them: the rest is not taken apart, nor is a line
 * more than once, or one of which it is `known` what it holds.
 */
function spotsIn(text: ByteString, wanted: Wanted, known?: Known): Spot[] {
  const spots: Spot[] = [];
  let place: Place | undefined;
  let end = -1;
  const even = evenLines(text);
  for (const { index, 0: blob } of even.matchAll(BLOB)) {
    const key = index < end ? undefined : keyOfBlob(blob);
    if (key === undefined || !wanted.has(key)) continue;
    if (place === undefined || place.end < index) place = placeAt(text, index, known);
    const there = place.sure ?? perhapsIn(even, place, key, { index, blob });
    if (there === undefined) continue;
    end = place.end;
    if (!wanted.has(there.key)) continue;
    spots.push({ start: place.start, end, there: { ...there, isSure: place.sure !== undefined } });
  }
  return spots;
}

/** The same text with each key in one piece, in the same lines: with blanks at their ends for what sshd passes over. */
function evenLines(text: ByteString): ByteString {
  if (!/[\v\f\r]/.test(text)) return text;
  const even = (line: ByteString) => line.replace(PASSED_OVER, "").padEnd(line.length);
  return text.split("\n").map(even).join("\n");
}

function placeAt(text: ByteString, index: number, known: Known | undefined): Place {
  const start = text.lastIndexOf("\n", index) + 1;
  const next = text.indexOf("\n", index);
  const end = next < 0 ? text.length : next;
  const line = text.slice(start, end);
  const sure = known?.get(line) ?? keyIn(line);
  return { start, end, line, sure, isComment: withoutBlanks(line).startsWith("#") };
}

/**
 * A line that has a key as a word, anywhere, and none for sshd(8) by what is known of it: whatever name of a type and which options
 * are before it, and whatever that may be for another one.
 */
function perhapsIn(
  even: ByteString,
  { start, line, isComment }: Place,
  key: ByteString,
  { index, blob }: { readonly index: number; readonly blob: ByteString },
): KeyLine | undefined {
  const isWord =
    /^[ \t\n\0]?$/.test(even.charAt(index + blob.length)) &&
    (index === start || /[ \t]/.test(even.charAt(index - 1)));
  if (isComment || !isWord) return undefined;
  const before = withoutBlanks(even.slice(start, index));
  // Without the type.
  const options = before.slice(0, Math.max(before.lastIndexOf(" "), before.lastIndexOf("\t"), 0));
  return { line: withoutBlanks(line), options: withoutBlanks(options), key };
}

const EACH: Wanted = { has: () => true };

/** The keys in the text of an authorized_keys, without lines that sshd skips: all of them, or those that are wanted. Pure. */
export const keyLinesIn = (text: ByteString, wanted = EACH): KeyLine[] =>
  spotsIn(text, wanted).flatMap(({ there: { isSure, ...line } }) => (isSure ? line : []));

/** The wanted keys in the text of an authorized_keys, also in lines that another sshd may accept. Pure. */
export const keysPerhapsIn = (text: ByteString, wanted: Wanted): ByteString[] =>
  spotsIn(text, wanted).map(({ there }) => there.key);

/** The key that sshd(8) reads in a line; undefined for none. */
function keyIn(line: ByteString): KeyLine | undefined {
  // sshd reads a line up to a NUL byte.
  const found = readKeyLine(line.split("\0", 1)[0] ?? "", false);
  return found === undefined || "problem" in found ? undefined : found;
}

/**
 * The text of an authorized_keys in which the lines of wanted keys are others, or gone if there is none for them; undefined if
 * all stay. `count`: how many do not.
 */
function withLines(
  text: ByteString,
  wanted: Wanted,
  lineFor: (there: KeyLine, line: ByteString) => ByteString | undefined,
) {
  const parts: ByteString[] = [];
  let [from, count] = [0, 0];
  for (const { start, end, there } of spotsIn(text, wanted)) {
    if (start > from) parts.push(text.slice(from, start - 1));
    const line = text.slice(start, end);
    const now = lineFor(there, line);
    if (now !== line) count++;
    if (now !== undefined) parts.push(now);
    from = end + 1;
  }
  if (from <= text.length) parts.push(text.slice(from));
  return { text: count === 0 ? undefined : parts.join("\n"), count };
}

/** The text of an authorized_keys without the lines of some keys, and how many these are. Pure. */
export const withoutKeys = (text: ByteString, keys: Wanted) => withLines(text, keys, () => undefined);

/** The text of an authorized_keys in which some keys have the lines, and so the options, that are given here. Pure. */
export function withLinesOf(text: ByteString, keys: readonly KeyLine[]) {
  const wanted = new Map(keys.map((one) => [one.key, one]));
  return withLines(text, wanted, (there, line) => {
    const one = wanted.get(there.key);
    return one === undefined || one.options === there.options ? line : one.line;
  });
}

/** The lines of an authorized_keys with some keys, by key, also those that another sshd may accept. */
export function linesOf(text: ByteString, keys: readonly KeyLine[]) {
  const wanted = new Set(keys.map(({ key }) => key));
  // Nearly always as they are given; to take them apart would need a tenth of a millisecond for each user.
  const known = new Map(keys.map((one) => [one.line, one]));
  const found = spotsIn(text, wanted, known).map(({ there }) => there);
  return Map.groupBy(found, ({ key }) => key);
}

/** Whether sshd(8) finds a key among the lines of linesOf. */
export const isThere = (lines: ReturnType<typeof linesOf>, key: ByteString): boolean =>
  lines.get(key)?.some(({ isSure }) => isSure) === true;

/** The result of adding keys to a file. */
export interface KeyMerge {
  /** The new text of the file; undefined if it does not change. */
  text: ByteString | undefined;
  added: number;
  /** Keys that were there already. */
  present: number;
  /** The keys among these that have other options there; they are not changed. */
  otherOptions: number;
}

/** Adds new keys to the end of the text of an authorized_keys. Pure. */
export function mergeKeys(existing: ByteString, keys: readonly KeyLine[]): KeyMerge {
  const there = linesOf(existing, keys);
  const fresh = keys.filter(({ key }) => !isThere(there, key));
  // If sshd does not accept a login by the first line of a key, it tries the next one.
  const other = keys.filter((one) => there.get(one.key)?.some(({ options }) => options !== one.options));
  const start = existing === "" || existing.endsWith("\n") ? existing : `${existing}\n`;
  return {
    text: fresh.length === 0 ? undefined : `${start}${fresh.map(({ line }) => `${line}\n`).join("")}`,
    added: fresh.length,
    present: keys.length - fresh.length,
    otherOptions: other.length,
  };
}

/** Printable lines about the keys that were or (`planned`) would be added. `file`: its path on the host. */
export function describeKeys({ added, present, otherOptions }: KeyMerge, path: ByteString, planned: boolean) {
  const file = quoted(path);
  const count = added === 1 ? "1 key" : `${added} keys`;
  const lines: string[] = [];
  if (added > 0) lines.push(`${planned ? "would add" : "added"} ${count} to ${file}`);
  if (present > 0) lines.push(`${present} of the keys ${present === 1 ? "is" : "are"} in ${file} already`);
  const kept = `${file} has one of the keys with other options: that line is not changed; edit it there`;
  return { lines, warnings: otherOptions === 0 ? [] : [kept] };
}
