import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { editDistance } from "../cli/suggest.ts";
import type { Reading } from "./model.ts";
import { splitList } from "./text.ts";

/** A limit of setrlimit(2), soft and hard. */
export interface Limit {
  resource: number;
  /** In lower case, without RLIMIT_. */
  name: string;
  /** In the unit of the resource. */
  value: number;
}

/** RLIMIT_* on x86-64 and aarch64. */
export const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** Those that are sizes, in bytes. */
export const SIZES: Readonly<Record<string, true>> = {
  ...{ fsize: true, data: true, stack: true, core: true, memlock: true, as: true, msgqueue: true },
};

// Linux keeps these two, and does nothing with them.
const WITHOUT_EFFECT: Readonly<Record<string, true>> = { rss: true, locks: true };

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

const LARGEST = Number.MAX_SAFE_INTEGER;

// The readers use loops: a login reads these values.

/** A number of decimal digits; undefined for any other text, and for one beyond `maximum`. */
function decimal(text: ByteString, maximum: number): number | undefined {
  let number = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = 10 * number + digit;
    if (number > maximum) return undefined;
  }
  return text === "" ? undefined : number;
}

/** A path without a slash at its end; undefined if it is neither absolute nor of the home, or not plain. */
function plainPath(text: ByteString): ByteString | undefined {
  if (text === "/") return text;
  const path = text.endsWith("/") ? text.slice(0, -1) : text;
  if (path === "~") return path;
  if (!path.startsWith("/") && !path.startsWith("~/")) return undefined;
  const names = path.split("/");
  for (let at = 1; at < names.length; at++) {
    const name = names[at];
    if (name === "" || name === "." || name === "..") return undefined;
  }
  return path;
}

/** The items that were meant, if one is `all` or `none` in capitals, or numbers have blanks between them. */
function meantItems(items: readonly ByteString[], readItem: ReadItem): ByteString | undefined {
  const [first = ""] = items;
  const word = first.toLowerCase();
  if (items.length === 1 && (word === "all" || word === "none")) return word;
  const parts = items.flatMap((item) => item.split(/[\t-\r ]+/));
  return parts.every((part) => typeof readItem(part) === "number") ? parts.join(", ") : undefined;
}

type ReadItem = (item: ByteString) => ByteString | number | undefined;

/** The absolute path that was meant, if only its first slash is missing. One word may be anything. Pure. */
export const withSlash = (item: ByteString): ByteString | undefined =>
  /^\w.*\//.test(item) ? plainPath(`/${item}`) : undefined;

/** Why an item cannot be read. Apart from readItems, as all texts of errors here: a login has no time to load them. */
function badItem(items: readonly ByteString[], at: number, what: string, readItem: ReadItem): Reading {
  const item = items[at] ?? "";
  const reason = `${quoted(item)} is not ${what}, nor all or none alone`;
  const instead = readItem === plainPath ? withSlash(item) : undefined;
  const meant = meantItems(items, readItem);
  return {
    reason,
    item: at,
    ...(meant !== undefined && { meant }),
    ...(instead !== undefined && { instead }),
  };
}

/** Reads a list whose items are `what`; `readItem` returns undefined for another one. "all" and "none" stand alone. */
function readItems(value: ByteString, what: string, readItem: ReadItem): Reading {
  const items = splitList(value);
  const [first] = items;
  if (first === undefined) return { reason: "it has no item; 'none' allows nothing" };
  if (items.length === 1 && (first === "all" || first === "none"))
    return { value: first === "all" ? first : [] };
  const values: (ByteString | number)[] = [];
  for (const item of items) {
    const one = readItem(item);
    if (one === undefined) return badItem(items, values.length, what, readItem);
    values.push(one);
  }
  return { value: values };
}

/** Reads "paths". */
export const readPaths = (value: ByteString): Reading =>
  readItems(value, "a plain path that begins with / or ~/", plainPath);

/** Reads "ports". */
export const readPorts = (value: ByteString): Reading =>
  readItems(value, "a port from 1 to 65535", (item) => decimal(item, 65535) || undefined);

/** Why a limit has no number. */
function badNumber(name: ByteString, text: ByteString, unit: number): { reason: ByteString } {
  if (text === "") return { reason: `${name} has no number, as in 'nofile 256'` };
  if (text === "unlimited") return { reason: `'unlimited' is no limit: leave ${name} out` };
  const isSize = Object.hasOwn(SIZES, name);
  const digits = unit === 1 ? text : text.slice(0, -1);
  if (decimal(digits, Number.POSITIVE_INFINITY) === undefined) {
    const form = isSize ? "a number, which K, M, G or T may follow" : "a number";
    return { reason: `${name}: ${quoted(text)} is not ${form}` };
  }
  const suffix = text.charAt(text.length - 1);
  if (unit > 1 && !isSize) return { reason: `${name}: ${suffix} is for sizes in bytes, which this is not` };
  // The kernel takes 0 seconds for 1.
  if (name === "cpu" && decimal(digits, 0) === 0) return { reason: "cpu: the least is 1, in seconds" };
  return { reason: `${name}: ${quoted(text)} is more than ${LARGEST}: leave it out` };
}

/** The number of a limit with a unit, or why it is none. */
function sizeOf(name: ByteString, text: ByteString): number | { reason: ByteString } {
  const suffix = text.charAt(text.length - 1);
  const unit = Object.hasOwn(UNITS, suffix) ? (UNITS[suffix] ?? 1) : 1;
  const number = decimal(unit === 1 ? text : text.slice(0, -1), LARGEST / unit);
  const isGood = number !== undefined && (unit === 1 || Object.hasOwn(SIZES, name));
  return isGood && (name !== "cpu" || number > 0) ? number * unit : badNumber(name, text, unit);
}

/** The number of a limit, or why it is none. */
function numberOf(name: ByteString, text: ByteString): number | { reason: ByteString } {
  const number = decimal(text, LARGEST);
  return number !== undefined && (number > 0 || name !== "cpu") ? number : sizeOf(name, text);
}

/** Where the first byte is that stands between name and value in other files. */
function firstSign(text: ByteString): number {
  let at = 0;
  while (at < text.length && text.charAt(at) !== "=" && text.charAt(at) !== ":") at++;
  return at;
}

/** Why an item begins with no limit. */
function badLimit(item: ByteString, name: ByteString): { reason: ByteString } {
  if (Object.hasOwn(WITHOUT_EFFECT, name)) return { reason: `${name} has no effect in Linux` };
  const sign = firstSign(name);
  const known = name.slice(0, sign);
  if (sign < name.length && Object.hasOwn(RESOURCES, known))
    return { reason: `${quoted(item)} has no blank between name and number, as in 'nofile 256'` };
  const names = Object.keys(RESOURCES).join(", ");
  return { reason: `${quoted(item)} does not begin with one of ${names}, and a blank` };
}

function isBlank(text: ByteString, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

/** A limit such as `fsize 2G`, or why it is none. */
function readLimit(item: ByteString): Limit | { reason: ByteString } {
  let end = 0;
  while (end < item.length && !isBlank(item, end)) end++;
  const name = item.slice(0, end);
  const resource = Object.hasOwn(RESOURCES, name) ? RESOURCES[name] : undefined;
  if (resource === undefined) return badLimit(item, name);
  while (isBlank(item, end)) end++;
  const value = numberOf(name, item.slice(end));
  return typeof value === "number" ? { resource, name, value } : value;
}

/** The resource that was meant: a letter is wrong at most, so that it is no other one. */
function meantResource(word: ByteString): ByteString | undefined {
  const name = word.toLowerCase();
  if (Object.hasOwn(RESOURCES, name)) return name;
  if (Object.hasOwn(WITHOUT_EFFECT, name)) return undefined;
  const isNear = (one: string) => Math.abs(one.length - name.length) <= 1 && editDistance(name, one) === 1;
  const near = Object.keys(RESOURCES).filter(isNear);
  return near.length === 1 ? near[0] : undefined;
}

/** The limits that were meant by an item with other signs than commas in it, or another letter. */
function meantLimits(item: ByteString): ByteString | undefined {
  const words = item.split(/[\t-\r =:;]+/).filter((word) => word !== "");
  const meant: ByteString[] = [];
  for (let at = 0; at < words.length; at += 2) {
    const [word = "", number = ""] = words.slice(at, at + 2);
    const limit = `${meantResource(word)} ${number}`;
    if ("reason" in readLimit(limit)) return undefined;
    meant.push(limit);
  }
  return meant.length === 0 ? undefined : meant.join(", ");
}

/** Reads "limits". */
export function readLimits(value: ByteString): Reading {
  const limits: Limit[] = [];
  const items = splitList(value);
  for (let at = 0; at < items.length; at++) {
    const limit = readLimit(items[at] ?? "");
    if ("reason" in limit) {
      const instead = meantLimits(items[at] ?? "");
      return { ...limit, item: at, ...(instead !== undefined && { instead }) };
    }
    for (const other of limits) {
      if (other.name === limit.name) return { reason: `it has ${limit.name} twice`, item: at };
    }
    limits.push(limit);
  }
  return limits.length === 0 ? { reason: "it has no item" } : { value: limits };
}
