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
  const items = splitList(value);
  for (let at = 0; at < items.length; at++) {
    const item = items[at] ?? "";
    if (!isName(item)) {
      const reason = `${quoted(item)} is not one of its words${didYouMean(item, Object.keys(ALLOW))}`;
      return { item: at, reason };
    }
    words.push(item);
  }
  return words.length === 0 ? { reason: "it has no item" } : { value: words };
}
