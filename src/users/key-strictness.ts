import type { ByteString } from "../../ffi/bytes.ts";
import type { KeyLine } from "./key-lines.ts";
import { allowsNoMore } from "./key-options.ts";
import { isThere, keyLinesIn, linesOf } from "./key-text.ts";

/**
 * Of the keys that have other options in the text of an authorized_keys: those that may do less with the ones that are given
 * here, those that may do more, and those of which neither is certain. Pure.
 */
export function byStrictness(text: ByteString, keys: readonly KeyLine[]) {
  const there = linesOf(text, keys);
  const found = { less: [] as KeyLine[], more: [] as KeyLine[], unclear: [] as KeyLine[] };
  for (const one of keys) {
    const others = (there.get(one.key) ?? []).filter(({ options }) => options !== one.options);
    if (others.length === 0) continue;
    if (others.every(({ options }) => allowsNoMore(one.options, options))) found.less.push(one);
    else if (others.every(({ options }) => allowsNoMore(options, one.options))) found.more.push(one);
    else found.unclear.push(one);
  }
  return found;
}

/**
 * Of the keys that the text of an authorized_keys lacks: those that may certainly do no more than one of the keys which go from
 * it, each instead of another one. Pure.
 */
export function replacing(
  text: ByteString,
  keys: readonly KeyLine[],
  going: ReadonlySet<ByteString>,
): readonly KeyLine[] {
  const there = linesOf(text, keys);
  let gone = keyLinesIn(text, going);
  return keys.filter(({ key, options }) => {
    const former = isThere(there, key) ? undefined : gone.find((one) => allowsNoMore(options, one.options));
    if (former !== undefined) gone = gone.filter((one) => one.key !== former.key);
    return former !== undefined;
  });
}
