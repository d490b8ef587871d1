import type { ByteString } from "../../ffi/bytes.ts";
import type { IniSection } from "./model.ts";
import { lowerCase } from "./text.ts";

// configparser.MAX_INTERPOLATION_DEPTH
const DEEPEST = 10;
// A name may have LIMITS.nameBytes.
const LONGEST_REFERENCE = 1100;

/** Values with a valid interpolation get it, as in Python; all of them are looked up as they were written. */
export function substitute(section: IniSection, budget: { bytes: number }): void {
  if (!section.entries.some((entry) => entry.value.includes("%"))) return;
  const written = new Map(section.entries.map((entry) => [entry.key, entry.value]));
  for (const entry of section.entries) {
    if (!entry.value.includes("%")) continue;
    const value = interpolate(entry.value, written, budget);
    if (value === undefined || value === entry.value) continue;
    entry.value = value;
    entry.pieces = undefined;
  }
}

/**
 * Replaces `%%` and `%(name)s` as Python's configparser.BasicInterpolation: names are keys of the same section (in
 * lower case), and their values are replaced in turn. Undefined if Python raises an exception (a lone `%`, an unknown
 * name, too deep): such a text means itself. Also undefined when `budget`, which all texts of a file share, is negative:
 * ten levels of ten references each would be 10^10 steps.
 */
function interpolate(
  text: ByteString,
  values: ReadonlyMap<ByteString, ByteString>,
  budget: { bytes: number },
  depth = 1,
): ByteString | undefined {
  if (depth > DEEPEST && text.includes("%")) return undefined;
  let out = "";
  for (let at = 0; at < text.length; ) {
    const percent = text.indexOf("%", at);
    const plain = percent < 0 ? text.slice(at) : text.slice(at, percent);
    budget.bytes -= plain.length + 1;
    if (budget.bytes < 0) return undefined;
    out += plain;
    if (percent < 0) break;
    const [found, name] = /^%(?:%|\(([^)]+)\)s)/.exec(text.slice(percent, percent + LONGEST_REFERENCE)) ?? [];
    const value = values.get(lowerCase(name ?? ""));
    const inner = found === "%%" ? "%" : value && interpolate(value, values, budget, depth + 1);
    if (found === undefined || inner === undefined) return undefined;
    out += inner;
    at = percent + found.length;
  }
  return out;
}
