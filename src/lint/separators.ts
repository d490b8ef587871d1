import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { IniEntry } from "../config/model.ts";
import { type Item, itemPlace, type LintContext } from "./context.ts";

/**
 * Whether an item of a list is several, with blanks, `;` or `:` between them, or stands in quotes, which have no meaning
 * here: that is reported, with the items as they are meant. `isOne`: the whole is right as it is.
 */
export function lintSeparators(
  item: Item,
  entry: IniEntry,
  isOne: (item: ByteString) => boolean,
  { report }: Pick<LintContext, "report">,
): boolean {
  const { value } = item;
  if (value.includes("\n") || isOne(value)) return false;
  const pieces = value.split(/[\s;:]+/).filter((piece) => piece !== "");
  const bare = pieces.map((piece) => piece.replace(/^["']+|["']+$/g, "")).filter((piece) => piece !== "");
  const alike = bare.every((piece) => piece.startsWith("/") === bare[0]?.startsWith("/"));
  const quotes = bare.some((piece, index) => piece !== pieces[index]);
  const several = pieces.length > 1 && alike;
  if (!quotes && !several) return false;
  const what = several ? "commas stand between the items of a list" : "there is no quoting";
  const meant = bare.join(", ");
  const message = `${quoted(value)} is one item here: ${what}; write ${meant}`;
  report(itemPlace(entry, item), "error", "not-a-list", message, { kind: "item", old: value, with: meant });
  return true;
}
