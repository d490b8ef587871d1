import type { ByteString } from "../../ffi/bytes.ts";
import type { MarkedText, Segment } from "./marked.ts";

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
    field.marks += (quoted ? "q" : "u").repeat(text.length);
    afterBlank = false;
  };
  const end = () => {
    if (field !== undefined) fields.push(field);
    field = undefined;
  };
  const separate = (byte: ByteString) => {
    if (" \t\n".includes(byte)) {
      if (field === undefined) return;
      end();
      afterBlank = true;
    } else if (field === undefined && afterBlank) afterBlank = false;
    else {
      field ??= { text: "", marks: "" };
      end();
      afterBlank = false;
    }
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
  end();
  return fields;
}
