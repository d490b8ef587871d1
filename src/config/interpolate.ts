import type { ByteString } from "../../ffi/bytes.ts";

// configparser.MAX_INTERPOLATION_DEPTH
const DEEPEST = 10;

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
  const expand = (part: ByteString, depth: number): ByteString | undefined => {
    if (depth > DEEPEST) return undefined;
    let out = "";
    for (let at = 0; at < part.length; ) {
      const percent = part.indexOf("%", at);
      const plain = percent < 0 ? part.slice(at) : part.slice(at, percent);
      budget.bytes -= plain.length + 1;
      if (budget.bytes < 0) return undefined;
      out += plain;
      if (percent < 0) break;
      if (part.charAt(percent + 1) === "%") {
        out += "%";
        at = percent + 2;
        continue;
      }
      const reference = /^%\(([^)]+)\)s/.exec(part.slice(percent, percent + 1100));
      const value = reference?.[1] === undefined ? undefined : values.get(reference[1].toLowerCase());
      if (reference === null || value === undefined) return undefined;
      const inner = expand(value, depth + 1);
      if (inner === undefined) return undefined;
      out += inner;
      at = percent + reference[0].length;
    }
    return out;
  };
  return expand(text, 1);
}
