import { findEntry, type IniSection, type Problem } from "./model.ts";
import { readSection, section } from "./schema.ts";

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
});

/** The limits of one socket. */
export interface SocketLimits {
  base: number;
  peak: number;
  interval: number;
}

/**
 * The limits of a section, defaults where a value is missing or out of bounds. A peak under base becomes the
 * default, or base where that is more.
 */
export function readSocketLimits(ini: IniSection): { limits: SocketLimits; problems: Problem[] } {
  const { values, problems } = readSection(ini, socketdSchema);
  const limits = { ...values };
  if (limits.peak < limits.base) {
    const { file, line, valueColumn } = findEntry(ini, "peak") ?? { ...ini, valueColumn: ini.column };
    limits.peak = Math.max(2048, limits.base);
    const message = `peak is under base (${limits.base}); ${limits.peak} is taken`;
    problems.push({ file, line, column: valueColumn, severity: "warning", code: "peak-under-base", message });
  }
  return { limits, problems };
}
