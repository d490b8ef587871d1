import { type ByteString, toBytes } from "../../ffi/bytes.ts";

let decoder: TextDecoder | undefined;

/** The columns of printable UTF-8 on a terminal: two for a wide character, none for a combining one. */
export function widthOf(shown: ByteString): number {
  if (/^[\x20-\x7e]*$/.test(shown)) return shown.length;
  decoder ??= new TextDecoder("utf-8");
  return Bun.stringWidth(decoder.decode(toBytes(shown)));
}
