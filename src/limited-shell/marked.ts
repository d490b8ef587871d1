import type { ByteString } from "../../ffi/bytes.ts";

/** A piece of an expanded word: `quoted` bytes are literal; `split` ones came from an
 * expansion, and are split where they are not quoted. */
export interface Segment {
  text: ByteString;
  quoted: boolean;
  split: boolean;
}

/** Text with, for each byte, whether it was quoted ("q") and so has no meaning in a pattern, or not ("u"). */
export interface MarkedText {
  text: ByteString;
  marks: string;
}

/** Segments joined to one marked text. */
export function markedText(segments: readonly Segment[]): MarkedText {
  let text = "";
  let marks = "";
  for (const segment of segments) {
    text += segment.text;
    marks += (segment.quoted ? "q" : "u").repeat(segment.text.length);
  }
  return { text, marks };
}

/** Segments joined, quotes removed. */
export function plainText(segments: readonly Segment[]): ByteString {
  return segments.map((segment) => segment.text).join("");
}
