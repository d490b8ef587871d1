import type { ByteString } from "../../ffi/bytes.ts";

/** A piece of an expanded word. `quoted`: literal; `split`: from an expansion, and split unless it is quoted. */
export interface Segment {
  text: ByteString;
  quoted: boolean;
  split: boolean;
}

/** Text with a mark for each byte: "q" is quoted and has no meaning in a pattern, "u" is not. */
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
