import type { ByteString } from "../../ffi/bytes.ts";

/** A piece of an expanded word. `quoted`: literal; `split`: from an expansion, and split unless it is quoted. */
export interface Segment {
  text: ByteString;
  quoted: boolean;
  split: boolean;
}

/**
 * Text with a mark for each byte: "u" is unquoted. The others have no meaning in a pattern: "q" is quoted, and "b" comes
 * after a backslash, where a reader distinguishes the two.
 */
export interface MarkedText {
  text: ByteString;
  marks: string;
}

/** The same mark for each byte of a text. */
export const marksFor = (text: ByteString, mark: "u" | "q" | "b") => mark.repeat(text.length);

/** Segments joined to one marked text. */
export function markedText(segments: readonly Segment[]): MarkedText {
  const marks = segments.map(({ text, quoted }) => marksFor(text, quoted ? "q" : "u"));
  return { text: plainText(segments), marks: marks.join("") };
}

/** Segments joined, quotes removed. */
export function plainText(segments: readonly Segment[]): ByteString {
  return segments.map(({ text }) => text).join("");
}

/**
 * Field splitting as in sh(1), "Field Splitting": only bytes from unquoted expansions (`split`, not `quoted`) separate
 * fields. Runs of blanks and newlines of `ifs` separate, and vanish at the ends; each other byte of `ifs` ends a field,
 * also an empty one. A quoted empty text makes a field, an unquoted one does not.
 */
export function splitFields(segments: readonly Segment[], ifs: ByteString): MarkedText[] {
  const fields: MarkedText[] = [];
  let field: MarkedText | undefined;
  // A blank has just ended a field: one other byte of IFS still belongs to the same separator.
  let afterBlank = false;
  const append = (text: ByteString, quoted: boolean) => {
    field ??= { text: "", marks: "" };
    field.text += text;
    field.marks += marksFor(text, quoted ? "q" : "u");
    afterBlank = false;
  };
  const separate = (byte: ByteString) => {
    const blank = " \t\n".includes(byte);
    if (blank && field === undefined) return;
    if (field !== undefined || !afterBlank) fields.push(field ?? { text: "", marks: "" });
    field = undefined;
    afterBlank = blank;
  };

  for (const { text, quoted, split } of segments) {
    if (quoted || !split) {
      append(text, quoted);
      continue;
    }
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const byte = text.charAt(at);
      if (!ifs.includes(byte)) continue;
      if (at > start) append(text.slice(start, at), false);
      separate(byte);
      start = at + 1;
    }
    if (start < text.length) append(text.slice(start), false);
  }
  if (field !== undefined) fields.push(field);
  return fields;
}
