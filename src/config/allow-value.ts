import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean } from "../cli/suggest.ts";
import { ALLOW, type AllowName } from "../known-programs/allow/table.ts";
import type { Reading } from "./model.ts";
import { splitList } from "./text.ts";

const isName = (text: ByteString): text is AllowName => Object.hasOwn(ALLOW, text);

/** A value of the key `allow`. An unknown word is refused, and so is a value without any. */
export function readAllow(value: ByteString): Reading {
  const words: AllowName[] = [];
  for (const item of splitList(value)) {
    if (!isName(item))
      return { reason: `${quoted(item)} is not one of its words${didYouMean(item, Object.keys(ALLOW))}` };
    words.push(item);
  }
  return words.length === 0 ? { reason: "it has no item" } : { value: words };
}
