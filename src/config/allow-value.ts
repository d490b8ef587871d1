import { type ByteString, trim } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { suggest } from "../cli/suggest.ts";
import { ALLOW, type AllowName } from "../known-programs/allow/table.ts";
import type { Reading, Unreadable } from "./model.ts";
import { splitList } from "./text.ts";

const isName = (text: ByteString): text is AllowName => Object.hasOwn(ALLOW, text);

const restOf = (name: ByteString, first: ByteString) => trim(name.slice(first.length));

/** The words that an item has with other signs than commas between them, or in quotes; undefined if it has another word. */
function wordsIn(item: ByteString): readonly AllowName[] | undefined {
  const parts = item.split(/[\t-\r ;:"']+/).filter((part) => part !== "");
  const words: AllowName[] = [];
  for (let at = 0; at < parts.length; at++) {
    const [first = "", second = ""] = parts.slice(at, at + 2);
    const both = `${first} ${second}`;
    const word = isName(both) ? both : first;
    if (!isName(word)) return undefined;
    if (word === both) at++;
    words.push(word);
  }
  return words;
}

/** Why an item is no word, and what was probably meant. */
function badWord(item: ByteString): Pick<Unreadable, "reason" | "instead"> {
  const shown = quoted(item);
  const words = wordsIn(item) ?? [];
  if (words.length > 1) {
    const instead = words.join(", ");
    return {
      reason: `${shown} is one item here: commas separate the items of a list; write ${instead}`,
      instead,
    };
  }
  const near = words[0] ?? nearWord(item);
  if (near !== undefined) {
    const reason = `${shown} is not one of its words; did you mean ${quoted(near)}?`;
    // A guess allows nothing.
    return lettersOf(near) === lettersOf(item) ? { reason, instead: near } : { reason };
  }
  const alike = wordsOf(item);
  const hint = alike.length === 0 ? "" : `; those for ${firstOf(item)}: ${alike.join(", ")}`;
  return { reason: `${shown} is not one of its words${hint}` };
}

const lettersOf = (text: ByteString) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
const firstOf = (item: ByteString) => item.split(" ")[0]?.toLowerCase() ?? "";
const wordsOf = (item: ByteString) =>
  Object.keys(ALLOW).filter((name) => name.split(" ")[0] === firstOf(item));

/** Only a word of the same service is near: `rsync upload` is not what somebody means who wrote `rsync read`. */
function nearWord(item: ByteString): ByteString | undefined {
  const first = firstOf(item);
  const alike = wordsOf(item);
  const rest = restOf(item, first);
  if (alike.length === 0 || (rest === "" && isName(first))) return suggest(item, Object.keys(ALLOW));
  const ends = alike.map((name) => restOf(name, first));
  const near = suggest(rest, ends);
  return near === undefined || near === "" ? undefined : `${first} ${near}`;
}

/** A value of the key `allow`. An unknown word is refused, and so is a value without any. */
export function readAllow(value: ByteString): Reading {
  const words: AllowName[] = [];
  const items = splitList(value);
  for (let at = 0; at < items.length; at++) {
    const item = items[at] ?? "";
    if (!isName(item)) {
      return { item: at, ...badWord(item) };
    }
    words.push(item);
  }
  return words.length === 0 ? { reason: "it has no item" } : { value: words };
}
