import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import { ALLOW, type AllowName } from "../known-programs/allow/table.ts";
import type { Reading } from "./model.ts";
import { splitList } from "./text.ts";

const isName = (text: ByteString): text is AllowName => Object.hasOwn(ALLOW, text);

const restOf = (name: ByteString, first: ByteString) => name.slice(first.length).trim();

/**
 * What was probably meant, for the end of a message. Only a word of the same service is near: `rsync upload` is not what
 * somebody means who wrote `rsync read`.
 */
function hintFor(item: ByteString): string {
  const names = Object.keys(ALLOW);
  const first = item.split(" ")[0]?.toLowerCase() ?? "";
  const alike = names.filter((name) => name.split(" ")[0] === first);
  const rest = restOf(item, first);
  if (alike.length === 0 || (rest === "" && isName(first))) return didYouMean(item, names);
  const near = suggest(
    rest,
    alike.map((name) => restOf(name, first)),
  );
  if (near !== undefined && near !== "") return `; did you mean ${quoted(`${first} ${near}`)}?`;
  return `; those for ${first}: ${alike.join(", ")}`;
}

/** A value of the key `allow`. An unknown word is refused, and so is a value without any. */
export function readAllow(value: ByteString): Reading {
  const words: AllowName[] = [];
  const items = splitList(value);
  for (let at = 0; at < items.length; at++) {
    const item = items[at] ?? "";
    if (!isName(item)) {
      const reason = `${quoted(item)} is not one of its words${hintFor(item)}`;
      return { item: at, reason };
    }
    words.push(item);
  }
  return words.length === 0 ? { reason: "it has no item" } : { value: words };
}
