import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { IniEntry, Place, Position } from "./model.ts";
import { lowerCase, trim } from "./text.ts";

/** From where programs may be executed: from anywhere, or from the system's directories and these. */
export type ExecuteRule = "any" | readonly ByteString[];

/** The kinds of values, and the type that each is read into. */
interface KindTypes {
  /** Items at commas, without blanks around them; empty ones do not count. */
  list: ByteString[];
  /** A list of NAME=VALUE. */
  pairs: [name: ByteString, value: ByteString][];
  /** The value as it is. */
  text: ByteString | undefined;
  /** A number (its leading digits); anything but 0 means yes. */
  flag: boolean;
  /** yes, no, true, false, on, off, 1, 0. */
  yesno: boolean;
  /** A file mode mask (its leading octal digits), or -1 for "leave it alone". */
  octal: number | undefined;
  /** A number (its leading digits) within bounds. */
  integer: number;
  decimal: number;
  /** `any`, or `system` and absolute paths. */
  execute: ExecuteRule;
  /** One of a few words, each of which stands for a value. */
  choice: string;
}

/** A key of a config file: the one description that readers, manual pages and `jailkit config check` go by. */
export interface KeyDescription {
  readonly kind: keyof KindTypes;
  /** A value that cannot be read is a reason to refuse, not to take the default. */
  readonly security: boolean;
  /** One sentence for the manual page. */
  readonly help: string;
  /** For numbers and choices: the default. */
  readonly initial?: number | string;
  /** For numbers. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** For choices: the words, and what each stands for. */
  readonly choices?: Readonly<Record<string, string>>;
  /** A missing or empty value is undefined, and differs from a list without items. */
  readonly optional?: true;
}

/** The type of a key's value. */
export type ValueOf<K extends KeyDescription> =
  | (K extends { choices: Readonly<Record<string, infer Value>> } ? Value : KindTypes[K["kind"]])
  | (K extends { optional: true } ? undefined : never);

/** The items of a list: split at commas, trimmed, empty ones dropped. There is no quoting. */
export function splitList(value: ByteString): ByteString[] {
  const items: ByteString[] = [];
  for (const part of value.split(",")) {
    const item = trim(part);
    if (item !== "") items.push(item);
  }
  return items;
}

/** An item of a list, and where it starts. */
export interface ListItem extends Place {
  value: ByteString;
}

/** The items of an entry's list. */
export function listItems(entry: IniEntry): ListItem[] {
  const items: ListItem[] = [];
  let piece = 0;
  let column = 0;
  let item = "";
  let start: Position | undefined;
  for (const char of `${entry.value},`) {
    if (char === ",") {
      if (start !== undefined) items.push({ value: trim(item), file: entry.file, ...start });
      item = "";
      start = undefined;
    } else {
      if (start === undefined && trim(char) !== "") start = positionIn(entry, piece, column);
      item += char;
    }
    if (char === "\n") {
      piece++;
      column = 0;
    } else column++;
  }
  return items;
}

function positionIn({ pieces, line, valueColumn }: IniEntry, piece: number, offset: number): Position {
  const start = pieces?.[piece];
  if (start === undefined) return { line, column: valueColumn };
  return { line: start.line, column: start.column + offset };
}

/** The items of "pairs"; those that are not NAME=VALUE with one `=` and both parts there are left out, as in 2.23. */
function splitPairs(value: ByteString): [ByteString, ByteString][] {
  return splitList(value).flatMap((item): [ByteString, ByteString][] => {
    const [name = "", text = "", more] = item.split("=").map(trim);
    return more === undefined && name !== "" && text !== "" ? [[name, text]] : [];
  });
}

interface LeadingNumber {
  number: number;
  /** What stands after the digits. */
  rest: ByteString;
  /** What was taken for the number. */
  text: ByteString;
}

/** The number that scanf(3) finds at the start with %u: blanks, a sign, decimal digits. */
export function leadingInteger(value: ByteString): LeadingNumber | undefined {
  const match = /^([-+]?)([0-9]+)/.exec(trim(value));
  if (match?.[2] === undefined) return undefined;
  const number = Number(match[2]) * (match[1] === "-" ? -1 : 1);
  return { number, rest: trim(trim(value).slice(match[0].length)), text: match[0] };
}

/** As leadingInteger, with %o. */
function leadingOctal(value: ByteString): LeadingNumber | undefined {
  const match = /^([-+]?)([0-7]+)/.exec(trim(value));
  if (match?.[2] === undefined) return undefined;
  const number = Number.parseInt(match[2], 8) * (match[1] === "-" ? -1 : 1);
  return { number, rest: trim(trim(value).slice(match[0].length)), text: match[0] };
}

/** As leadingInteger, with %f, without exponents and hexadecimal. */
export function leadingDecimal(value: ByteString): LeadingNumber | undefined {
  const match = /^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)/.exec(trim(value));
  if (match === null) return undefined;
  return { number: Number(match[0]), rest: trim(trim(value).slice(match[0].length)), text: match[0] };
}

const YES_OR_NO: Readonly<Record<string, boolean>> = {
  yes: true,
  true: true,
  on: true,
  "1": true,
  no: false,
  false: false,
  off: false,
  "0": false,
};

/**
 * A value that was read, or why it could not be (one printable line). `doubt`: it was read, but looks wrong; `meant` is
 * what was taken, empty where that is nothing.
 */
export type Reading = { value: unknown; doubt?: ByteString; meant?: ByteString } | { reason: ByteString };

/** How a kind of value is read, and what a missing one means. */
interface Reader {
  read(value: ByteString, key: KeyDescription): Reading;
  missing(key: KeyDescription): unknown;
}

const noItems = () => [];
const no = () => false;
const nothing = () => undefined;

const READERS: Readonly<Record<keyof KindTypes, Reader>> = {
  list: { read: (value) => ({ value: splitList(value) }), missing: noItems },
  pairs: { read: readPairs, missing: noItems },
  text: { read: (value) => ({ value }), missing: nothing },
  flag: { read: readFlag, missing: no },
  yesno: { read: readYesOrNo, missing: no },
  octal: { read: readMask, missing: nothing },
  integer: {
    read: (value, key) => readBounded(value, leadingInteger(value), key),
    missing: ({ initial = 0 }) => initial,
  },
  decimal: {
    read: (value, key) => readBounded(value, leadingDecimal(value), key),
    missing: ({ initial = 0 }) => initial,
  },
  execute: { read: readExecute, missing: noItems },
  choice: { read: readChoice, missing: ({ initial }) => initial },
};

function readPairs(value: ByteString): Reading {
  const pairs = splitPairs(value);
  const lost = splitList(value).length - pairs.length;
  if (lost === 0) return { value: pairs };
  const doubt = `${lost} of the items ${lost === 1 ? "is" : "are"} not NAME=VALUE`;
  return { value: pairs, doubt, meant: pairs.map((pair) => pair.join("=")).join(", ") };
}

function readFlag(value: ByteString): Reading {
  const read = leadingInteger(value);
  if (read === undefined) return { reason: `${quoted(value)} is not a number (0 for no, 1 for yes)` };
  return { value: read.number !== 0, ...trailing(read) };
}

function readYesOrNo(value: ByteString): Reading {
  const word = lowerCase(trim(value));
  const meaning = Object.hasOwn(YES_OR_NO, word) ? YES_OR_NO[word] : undefined;
  return meaning === undefined ? { reason: `${quoted(value)} is neither yes nor no` } : { value: meaning };
}

function readMask(value: ByteString): Reading {
  const read = leadingOctal(value);
  if (read === undefined || read.number < -1) {
    return { reason: `${quoted(value)} is not an octal number, such as 022` };
  }
  if (read.number === -1) return { value: undefined, ...trailing(read) };
  if (read.number <= 0o777) return { value: read.number, ...trailing(read) };
  const mask = read.number & 0o777;
  return { value: mask, doubt: "only the last three digits count", meant: mask.toString(8).padStart(3, "0") };
}

function readExecute(value: ByteString): Reading {
  const items = splitList(value);
  if (items.length === 1 && items[0] === "any") return { value: "any" };
  const named = items.filter((item) => item !== "system").map((item) => item.replace(/\/+$/, ""));
  const wrong = named.find((item) => !item.startsWith("/"));
  if (wrong !== undefined) {
    return { reason: `${quoted(wrong || "/")} is not 'system', 'any' on its own, or a directory below /` };
  }
  if (named.length < items.length) return { value: named };
  return { reason: "'system' is not among the items, without which no program can start" };
}

function readChoice(value: ByteString, { choices = {} }: KeyDescription): Reading {
  if (Object.hasOwn(choices, value)) return { value: choices[value] };
  return { reason: `${quoted(value)} is not one of ${Object.keys(choices).join(", ")}` };
}

function readBounded(value: ByteString, read: LeadingNumber | undefined, key: KeyDescription): Reading {
  if (read === undefined) return { reason: `${quoted(value)} is not a number` };
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = key;
  if (read.number < minimum || read.number > maximum) {
    return { reason: `${quoted(value)} is not from ${minimum} to ${maximum}` };
  }
  return { value: read.number, ...trailing(read) };
}

function trailing({ rest, text }: LeadingNumber): { doubt?: ByteString; meant?: ByteString } {
  if (rest === "" || /^[#;]/.test(rest)) return {};
  return { doubt: `only the number before ${quoted(rest)} counts`, meant: text };
}

/** Reads a value of a key. An empty one counts as missing. */
export function readValue(value: ByteString, key: KeyDescription): Reading {
  return value === "" ? { value: missingValue(key) } : READERS[key.kind].read(value, key);
}

/** What a missing key means. */
export function missingValue(key: KeyDescription): unknown {
  return key.optional ? undefined : READERS[key.kind].missing(key);
}
