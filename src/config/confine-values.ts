import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
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

/** RLIMIT_* on x86-64 and aarch64, without those that have no effect (rss, locks). */
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

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

const PORTS = 65535;

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

/** The items of a list, "all", or none of them; or why it is none of these. */
function itemsOf(value: ByteString): "all" | ByteString[] | { reason: ByteString } {
  const items = splitList(value);
  const [first] = items;
  if (first === undefined) return { reason: "it has no item; none allows nothing" };
  if (items.length === 1 && first === "all") return "all";
  if (items.length === 1 && first === "none") return [];
  for (const item of items) {
    if (item === "all" || item === "none") return { reason: `'${item}' is not on its own` };
  }
  return items;
}

/** A path without a slash at its end; undefined if it is neither absolute nor of the home, or not plain. */
function plainPath(text: ByteString): ByteString | undefined {
  if (text === "/" || text === "~") return text;
  const path = text.endsWith("/") ? text.slice(0, -1) : text;
  if (!path.startsWith("/") && !path.startsWith("~/")) return undefined;
  const names = path.split("/");
  for (let at = 1; at < names.length; at++) {
    const name = names[at];
    if (name === "" || name === "." || name === "..") return undefined;
  }
  return path;
}

/** Reads "paths". */
export function readPaths(value: ByteString): Reading {
  const items = itemsOf(value);
  if (items === "all") return { value: items };
  if ("reason" in items) return items;
  const paths: ByteString[] = [];
  for (const item of items) {
    const path = plainPath(item);
    if (path === undefined) {
      return {
        reason: `${quoted(item)} is not a plain path that begins with / or ~/, nor all or none alone`,
      };
    }
    paths.push(path);
  }
  return { value: paths };
}

/** Reads "ports". */
export function readPorts(value: ByteString): Reading {
  const items = itemsOf(value);
  if (items === "all") return { value: items };
  if ("reason" in items) return items;
  const ports: number[] = [];
  for (const item of items) {
    const port = decimal(item, PORTS);
    if (port === undefined || port === 0) {
      return { reason: `${quoted(item)} is not a port from 1 to ${PORTS}, nor all or none alone` };
    }
    ports.push(port);
  }
  return { value: ports };
}

/** A limit such as `fsize 2G`, or why it is none. */
function readLimit(item: ByteString): Limit | { reason: ByteString } {
  let end = 0;
  while (end < item.length && item.charAt(end) !== " " && item.charAt(end) !== "\t") end++;
  const name = item.slice(0, end);
  while (item.charAt(end) === " " || item.charAt(end) === "\t") end++;
  const text = item.slice(end);
  const resource = Object.hasOwn(RESOURCES, name) ? RESOURCES[name] : undefined;
  if (resource === undefined) {
    return { reason: `${quoted(item)} does not begin with one of ${Object.keys(RESOURCES).join(", ")}` };
  }
  const last = text.slice(-1);
  const suffix = last >= "0" && last <= "9" ? "" : last;
  const unit = Object.hasOwn(UNITS, suffix) ? UNITS[suffix] : undefined;
  const digits = text.slice(0, text.length - suffix.length);
  const number = unit && decimal(digits, Math.floor(Number.MAX_SAFE_INTEGER / unit));
  if (unit === undefined || number === undefined) {
    return { reason: `${quoted(item)} is not a name and a number, with K, M, G or T, such as 'fsize 2G'` };
  }
  return { resource, name, value: number * unit };
}

/** Reads "limits". */
export function readLimits(value: ByteString): Reading {
  const limits: Limit[] = [];
  for (const item of splitList(value)) {
    const limit = readLimit(item);
    if ("reason" in limit) return limit;
    for (const other of limits) {
      if (other.name === limit.name) return { reason: `it has ${limit.name} twice` };
    }
    limits.push(limit);
  }
  return limits.length === 0 ? { reason: "it has no item" } : { value: limits };
}
