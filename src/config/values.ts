import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { IniEntry, Place } from "./model.ts";
import { lowerCase, trim } from "./text.ts";

/**
 * What the value of a key is.
 * "list": items at commas, without blanks around them; empty ones do not count.
 * "pairs": a list of NAME=VALUE.
 * "text": the value as it stands.
 * "flag": a number (its leading digits); anything but 0 means yes.
 * "yesno": yes, no, true, false, on, off, 1, 0.
 * "octal": a file mode mask (its leading octal digits), or -1 for "leave it alone".
 * "integer", "decimal": a number (its leading digits) within bounds.
 * "execute": `any`, or `system` and absolute paths.
 */
export type KeyKind =
  | "list"
  | "pairs"
  | "text"
  | "flag"
  | "yesno"
  | "octal"
  | "integer"
  | "decimal"
  | "execute";

/** From where programs may be executed: from anywhere, or from the system's directories and these. */
export type ExecuteRule = "any" | readonly ByteString[];

/** What a reader of values has to know of a key. */
export interface KeyFacts {
  readonly kind: KeyKind;
  /** A value that cannot be read is a reason to refuse, not to take the default. */
  readonly security: boolean;
  /** For numbers: the default and the bounds. */
  readonly initial?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The TypeScript type of a key's value. */
export type ValueOf<F extends { readonly kind: KeyKind }> = F["kind"] extends "list"
  ? ByteString[]
  : F["kind"] extends "pairs"
    ? [name: ByteString, value: ByteString][]
    : F["kind"] extends "text"
      ? ByteString | undefined
      : F["kind"] extends "flag" | "yesno"
        ? boolean
        : F["kind"] extends "octal"
          ? number | undefined
          : F["kind"] extends "execute"
            ? ExecuteRule
            : number;

/** The items of a list: split at commas, trimmed, empty ones dropped. There is no quoting. */
export function splitList(value: ByteString): ByteString[] {
  const items: ByteString[] = [];
  for (const part of value.split(",")) {
    const item = trim(part);
    if (item !== "") items.push(item);
  }
  return items;
}

/** The items of an entry's list, each with the place where it starts. */
export function listItems(entry: IniEntry): (Place & { value: ByteString })[] {
  const items: (Place & { value: ByteString })[] = [];
  let piece = 0;
  let column = 0;
  let item = "";
  let place: Place | undefined;
  const here = (): Place => {
    const start = entry.pieces?.[piece];
    if (start === undefined) return { line: entry.line, column: entry.valueColumn };
    return { line: start.line, column: start.column + column };
  };
  for (const char of `${entry.value},`) {
    if (char === ",") {
      if (place !== undefined) items.push({ value: trim(item), ...place });
      item = "";
      place = undefined;
    } else {
      if (place === undefined && trim(char) !== "") place = here();
      item += char;
    }
    if (char === "\n") {
      piece++;
      column = 0;
    } else column++;
  }
  return items;
}

/** The items of "pairs"; those that are not NAME=VALUE with one `=` and both parts there are left out, as in 2.23. */
export function splitPairs(value: ByteString): [ByteString, ByteString][] {
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
export function leadingOctal(value: ByteString): LeadingNumber | undefined {
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

const readers: Readonly<Record<KeyKind, (value: ByteString, facts: KeyFacts) => Reading>> = {
  list: (value) => ({ value: splitList(value) }),
  pairs: (value) => {
    const pairs = splitPairs(value);
    const lost = splitList(value).length - pairs.length;
    return lost === 0
      ? { value: pairs }
      : {
          value: pairs,
          doubt: `${lost} of the items ${lost === 1 ? "is" : "are"} not NAME=VALUE`,
          meant: pairs.map((pair) => pair.join("=")).join(", "),
        };
  },
  text: (value) => ({ value }),
  flag: (value) => {
    const read = leadingInteger(value);
    if (read === undefined) return { reason: `${quoted(value)} is not a number (0 for no, 1 for yes)` };
    return { value: read.number !== 0, ...trailing(read) };
  },
  yesno: (value) => {
    const word = lowerCase(trim(value));
    const known = Object.hasOwn(YES_OR_NO, word) ? YES_OR_NO[word] : undefined;
    return known === undefined ? { reason: `${quoted(value)} is neither yes nor no` } : { value: known };
  },
  octal: (value) => {
    const read = leadingOctal(value);
    if (read === undefined || read.number < -1) {
      return { reason: `${quoted(value)} is not an octal number, such as 022` };
    }
    if (read.number === -1) return { value: undefined, ...trailing(read) };
    if (read.number > 0o777) {
      const mask = read.number & 0o777;
      const meant = mask.toString(8).padStart(3, "0");
      return { value: mask, doubt: "only the last three digits count", meant };
    }
    return { value: read.number, ...trailing(read) };
  },
  integer: (value, facts) => bounded(value, leadingInteger(value), facts),
  decimal: (value, facts) => bounded(value, leadingDecimal(value), facts),
  execute: (value) => {
    const items = splitList(value);
    if (items.length === 1 && items[0] === "any") return { value: "any" };
    const named = items.filter((item) => item !== "system").map((item) => item.replace(/\/+$/, ""));
    const wrong = named.find((item) => !item.startsWith("/"));
    if (wrong !== undefined) {
      return { reason: `${quoted(wrong || "/")} is not 'system', 'any' on its own, or a directory below /` };
    }
    if (named.length < items.length) return { value: named };
    return { reason: "'system' is not among the items, without which no program can start" };
  },
};

function trailing({ rest, text }: LeadingNumber): { doubt?: ByteString; meant?: ByteString } {
  if (rest === "" || /^[#;]/.test(rest)) return {};
  return { doubt: `only the number before ${quoted(rest)} counts`, meant: text };
}

function bounded(value: ByteString, read: LeadingNumber | undefined, facts: KeyFacts): Reading {
  if (read === undefined) return { reason: `${quoted(value)} is not a number` };
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = facts;
  if (read.number < minimum || read.number > maximum) {
    return { reason: `${quoted(value)} is not from ${minimum} to ${maximum}` };
  }
  return { value: read.number, ...trailing(read) };
}

/** Reads a value that is there. An empty one counts as missing. */
export function readValue(value: ByteString, facts: KeyFacts): Reading {
  return value === "" ? { value: missingValue(facts) } : readers[facts.kind](value, facts);
}

/** What a key means that is not there. */
export function missingValue(facts: KeyFacts): unknown {
  switch (facts.kind) {
    case "list":
    case "pairs":
    case "execute":
      return [];
    case "flag":
    case "yesno":
      return false;
    case "integer":
    case "decimal":
      return facts.initial ?? 0;
    default:
      return undefined;
  }
}
