import { type ByteString, trim } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { editDistance } from "../cli/suggest.ts";
import type { AllowName } from "../known-programs/allow/table.ts";
import { readAllow } from "./allow-value.ts";
import { type Limit, readLimits, readPaths, readPorts } from "./confine-values.ts";
import type { IniEntry, Place, Reading } from "./model.ts";
import { firstNonBlank, lowerCase, splitList } from "./text.ts";

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
  /** From where programs may be executed: `any`, or the system directories and these. */
  execute: "any" | readonly ByteString[];
  /** One of a few words, each of which stands for a value. */
  choice: string;
  /** Words of the table of src/known-programs/allow. */
  allow: readonly AllowName[];
  /** Absolute paths, `~`, and paths that begin with `~/`; `none`, or `all`. */
  paths: "all" | readonly ByteString[];
  /** Numbers of ports; `none`, or `all`. */
  ports: "all" | readonly number[];
  /** Items such as `nofile 256`. */
  limits: readonly Limit[];
  /** A command line or a pattern for one, which must not be empty. */
  line: ByteString | undefined;
  /** The lines of the value, without empty ones. */
  lines: readonly ByteString[];
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
  /** An empty value cannot be read. */
  readonly filled?: true;
  /**
   * Where more would be allowed without the key: what to write in place of a value that cannot be read, or nothing if only
   * the administrator can know.
   */
  readonly strictest?: string;
  /** There may be many of these in a section: the key, one blank, and a name, for which this stands in the manual. */
  readonly family?: string;
  /** It counts in [DEFAULT] alone, and there for all sections. */
  readonly onlyDefault?: true;
}

/** A key of a family, with its name. */
export interface NamedValue {
  name: ByteString;
  value: ByteString;
  /** Of the value. */
  place: Place;
}

/** The type of a key's value. */
export type ValueOf<K extends KeyDescription> = K extends { family: string }
  ? NamedValue[]
  : SingleValueOf<K>;

type SingleValueOf<K extends KeyDescription> =
  | (K extends { choices: Readonly<Record<string, infer Value>> } ? Value : KindTypes[K["kind"]])
  | (K extends { optional: true } ? undefined : never);

/** An item of a list, and where it starts. */
export interface ListItem extends Place {
  value: ByteString;
}

/** The items of an entry's list. */
export function listItems({ value, file, pieces, line, valueColumn }: IniEntry): ListItem[] {
  const items: ListItem[] = [];
  let piece = 0;
  let column = 0;
  const pass = (text: ByteString) => {
    const lines = text.split("\n");
    if (lines.length > 1) column = 0;
    piece += lines.length - 1;
    column += lines.at(-1)?.length ?? 0;
  };
  for (const part of value.split(",")) {
    const first = Math.max(0, firstNonBlank(part));
    pass(part.slice(0, first));
    const start = pieces?.[piece];
    const position = start
      ? { line: start.line, column: start.column + column }
      : { line, column: valueColumn };
    if (trim(part) !== "") items.push({ value: trim(part), file, ...position });
    pass(`${part.slice(first)},`);
  }
  return items;
}

/** The items of "pairs", without those that are not NAME=VALUE with exactly one `=` and both parts, as in 2.23. */
function splitPairs(value: ByteString): [ByteString, ByteString][] {
  return splitList(value).flatMap((item): [ByteString, ByteString][] => {
    const [name = "", text = "", more] = item.split("=").map(trim);
    return more === undefined && name !== "" && text !== "" ? [[name, text]] : [];
  });
}

interface LeadingNumber {
  number: number;
  /** The text after the digits. */
  rest: ByteString;
  /** The text of the number. */
  text: ByteString;
}

/** The number at the start of a value, as scanf(3) finds it. */
function leading(
  value: ByteString,
  pattern: RegExp,
  convert: (text: ByteString) => number,
): LeadingNumber | undefined {
  const text = pattern.exec(trim(value))?.[0];
  if (text === undefined) return undefined;
  return { number: convert(text), rest: trim(trim(value).slice(text.length)), text };
}

/** The leading number of a value, as %u of scanf(3) reads it: blanks, a sign, decimal digits. */
export const leadingInteger = (value: ByteString) => leading(value, /^[-+]?[0-9]+/, Number);

/** As leadingInteger, with %f, without exponents and hexadecimal. */
export const leadingDecimal = (value: ByteString) =>
  leading(value, /^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)/, Number);

/** How each kind of value is read. */
const READERS: Readonly<Record<keyof KindTypes, (value: ByteString, key: KeyDescription) => Reading>> = {
  list: (value) => ({ value: splitList(value) }),
  pairs: readPairs,
  text: (value) => ({ value }),
  flag: readFlag,
  yesno: readYesOrNo,
  octal: readMask,
  integer: (value, key) => readBounded(value, leadingInteger(value), key),
  decimal: (value, key) => readBounded(value, leadingDecimal(value), key),
  execute: readExecute,
  choice: readChoice,
  allow: readAllow,
  paths: readPaths,
  ports: readPorts,
  limits: readLimits,
  lines: (value) => ({ value: value.split("\n").filter((line) => line !== "") }),
  line: (value) => (value === "" ? { reason: "it is empty" } : { value }),
};

function readPairs(value: ByteString): Reading {
  const pairs = splitPairs(value);
  const lost = splitList(value).length - pairs.length;
  if (lost === 0) return { value: pairs };
  const doubt = `${lost} of the items ${lost === 1 ? "is" : "are"} not NAME=VALUE`;
  return { value: pairs, doubt, meant: pairs.map((pair) => pair.join("=")).join(", ") };
}

function readFlag(value: ByteString): Reading {
  // Almost every value: a login has no time for a pattern.
  if (value === "0" || value === "1") return { value: value === "1" };
  const read = leadingInteger(value);
  if (read === undefined) return { reason: `${quoted(value)} is not a number (0 for no, 1 for yes)` };
  return { value: read.number !== 0, ...trailing(read) };
}

function readYesOrNo(value: ByteString): Reading {
  const word = lowerCase(trim(value));
  if (["yes", "true", "on", "1"].includes(word)) return { value: true };
  if (["no", "false", "off", "0"].includes(word)) return { value: false };
  const near = ["yes", "no"].filter((one) => editDistance(word, one) === 1);
  return { reason: `${quoted(value)} is neither yes nor no`, meant: near.length === 1 ? near[0] : undefined };
}

function readMask(value: ByteString): Reading {
  const read = leading(value, /^[-+]?[0-7]+/, (text) => Number.parseInt(text, 8));
  if (read === undefined || read.number < -1) {
    return { reason: `${quoted(value)} is not an octal number, such as 022` };
  }
  if (read.number === -1) return { value: undefined, ...trailing(read) };
  const mask = read.number & 0o777;
  // What counts of a mistake such as 0999 may be 0, with which everybody could write new files.
  const meant = (mask & 0o022) === 0o022 ? mask.toString(8).padStart(3, "0") : "077";
  if (read.number > 0o777) return { value: mask, doubt: "only the last three digits count", meant };
  const { doubt } = trailing(read);
  return { value: mask, ...(doubt && { doubt, meant }) };
}

function readExecute(value: ByteString): Reading {
  const items = splitList(value);
  if (items.length === 1 && items[0] === "any") return { value: "any" };
  const named: ByteString[] = [];
  for (let at = 0; at < items.length; at++) {
    const item = items[at] ?? "";
    if (item === "system") continue;
    let end = item.length;
    while (item.charAt(end - 1) === "/") end--;
    const path = item.slice(0, end);
    if (!path.startsWith("/")) {
      const reason = `${quoted(path || "/")} is not 'system', 'any' on its own, or a directory below /`;
      return { item: at, reason };
    }
    named.push(path);
  }
  if (named.length < items.length) return { value: named };
  return { reason: "'system' is not among the items, without which no program can start" };
}

function readChoice(value: ByteString, { choices = {} }: KeyDescription): Reading {
  if (Object.hasOwn(choices, value)) return { value: choices[value] };
  const names = Object.keys(choices);
  const meant = names.find((name) => name === lowerCase(value));
  return { reason: `${quoted(value)} is not one of ${names.join(", ")}`, meant };
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

/**
 * Reads a value of a key. An empty one counts as missing, except for a line, without which more could be allowed, and for a
 * key that must be filled.
 */
export function readValue(value: ByteString, key: KeyDescription): Reading {
  if (value === "" && key.filled) return { reason: "it has no value" };
  return value === "" && key.kind !== "line" ? { value: missingValue(key) } : READERS[key.kind](value, key);
}

/** What a missing key means. */
export function missingValue({ kind, optional, initial, family }: KeyDescription): unknown {
  if (family !== undefined) return [];
  if (optional) return undefined;
  if (kind === "flag" || kind === "yesno") return false;
  return kind === "list" || kind === "pairs" || kind === "execute" ? [] : initial;
}

/** The description of a list that decides no access. */
export const listKey = (help: string) => ({ kind: "list", security: false, help }) as const;

/** The description of a flag; `help` says what 1 does. */
export const flagKey = (help: string) => ({ kind: "flag", security: true, help: `1: ${help}` }) as const;
