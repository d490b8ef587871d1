import { quoted } from "../../cli/display.ts";
import { findEntry, type IniSection, type Problem } from "../model.ts";
import { readSection, section } from "../schema.ts";

/** Sections of jk_socketd.ini: the absolute path of a socket. */
export const socketdSchema = section({
  base: {
    kind: "integer",
    security: false,
    initial: 511,
    minimum: 10,
    maximum: 1_000_000,
    help: "bytes in an interval that are relayed without further thought",
  },
  peak: {
    kind: "integer",
    security: false,
    initial: 2048,
    minimum: 100,
    maximum: 10_000_000,
    help: "bytes in an interval that are relayed once in a while; not under base",
  },
  interval: {
    kind: "decimal",
    security: false,
    initial: 5,
    minimum: 0.01,
    maximum: 60,
    help: "length of an interval, in seconds",
  },
  type: {
    kind: "text",
    security: false,
    help: "datagram, as syslog(3) wants it, or stream",
  },
  trust: {
    kind: "text",
    security: false,
    help: "kernel: senders are who the kernel says; sender: who they say, as in jailkit 2.23",
  },
});

const TYPES: Readonly<Record<string, SocketType>> = { datagram: "dgram", dgram: "dgram", stream: "stream" };

/** What kind of socket it is. */
export type SocketType = "dgram" | "stream";
/** Whose word counts for who sent a message. */
export type SocketTrust = "kernel" | "sender";

/** The limits of one socket. */
export interface SocketLimits {
  base: number;
  peak: number;
  interval: number;
}

/** What a value must be one of; anything else is a problem, and counts as missing. */
function oneOf<T extends string>(
  ini: IniSection,
  key: string,
  value: string | undefined,
  known: Readonly<Record<string, T>>,
  problems: Problem[],
): T | undefined {
  if (value === undefined || value === "") return undefined;
  if (Object.hasOwn(known, value)) return known[value];
  const { file, line, valueColumn } = findEntry(ini, key) ?? { ...ini, valueColumn: ini.column };
  const message = `'${key}': ${quoted(value)} is not one of ${Object.keys(known).join(", ")}`;
  problems.push({ file, line, column: valueColumn, severity: "warning", code: "bad-value", message });
  return undefined;
}

/**
 * The limits of a section, defaults where a value is missing or out of bounds. A peak under base becomes the
 * default, or base where that is more. `type` and `trust`: a datagram socket and the kernel's word, if not given.
 */
export function readSocketLimits(ini: IniSection): {
  limits: SocketLimits;
  type: SocketType;
  trust: SocketTrust;
  problems: Problem[];
} {
  const { values, problems } = readSection(ini, socketdSchema);
  const limits: SocketLimits = { base: values.base, peak: values.peak, interval: values.interval };
  if (limits.peak < limits.base) {
    const { file, line, valueColumn } = findEntry(ini, "peak") ?? { ...ini, valueColumn: ini.column };
    limits.peak = Math.max(2048, limits.base);
    const message = `peak is under base (${limits.base}); ${limits.peak} is taken`;
    problems.push({ file, line, column: valueColumn, severity: "warning", code: "peak-under-base", message });
  }
  const trusts = { kernel: "kernel", sender: "sender" } as const;
  return {
    limits,
    type: oneOf(ini, "type", values.type, TYPES, problems) ?? "dgram",
    trust: oneOf(ini, "trust", values.trust, trusts, problems) ?? "kernel",
    problems,
  };
}
