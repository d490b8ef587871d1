import type { ByteString } from "../../ffi/bytes.ts";

// configparser.MAX_INTERPOLATION_DEPTH
const DEEPEST = 10;
/** A name may have LIMITS.nameBytes. */
const LONGEST_REFERENCE = 1100;

/**
 * `%%` and `%(name)s` replaced as by Python's configparser.BasicInterpolation: names are keys of the same section
 * (in small letters), and what they stand for is replaced in turn. Undefined where Python raises an exception (a
 * lone `%`, a name that is not there, too deep): such a text means itself. Also undefined when `budget`, which all
 * texts of a file share, is used up and negative: ten levels of ten references each would be 10^10 steps.
 */
export function interpolate(
  text: ByteString,
  values: ReadonlyMap<ByteString, ByteString>,
  budget: { bytes: number },
): ByteString | undefined {
  return new Expansion(values, budget).expand(text, 1);
}

class Expansion {
  constructor(
    readonly values: ReadonlyMap<ByteString, ByteString>,
    readonly budget: { bytes: number },
  ) {}

  expand(text: ByteString, depth: number): ByteString | undefined {
    if (depth > DEEPEST) return undefined;
    let out = "";
    for (let at = 0; at < text.length; ) {
      const percent = text.indexOf("%", at);
      const plain = percent < 0 ? text.slice(at) : text.slice(at, percent);
      this.budget.bytes -= plain.length + 1;
      if (this.budget.bytes < 0) return undefined;
      out += plain;
      if (percent < 0) break;
      const found = this.#replace(text, percent, depth);
      if (found === undefined) return undefined;
      out += found.text;
      at = found.end;
    }
    return out;
  }

  /** What replaces the `%%` or `%(name)s` at a place, and where that ends. */
  #replace(text: ByteString, at: number, depth: number): { text: ByteString; end: number } | undefined {
    if (text.charAt(at + 1) === "%") return { text: "%", end: at + 2 };
    const reference = /^%\(([^)]+)\)s/.exec(text.slice(at, at + LONGEST_REFERENCE));
    const value = this.values.get(reference?.[1]?.toLowerCase() ?? "");
    if (reference === null || value === undefined) return undefined;
    const inner = this.expand(value, depth + 1);
    return inner === undefined ? undefined : { text: inner, end: at + reference[0].length };
  }
}
