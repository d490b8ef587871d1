import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { FindingCode } from "./finding-codes.ts";
import type { Fix, Place, Problem } from "./model.ts";
import type { ListItem } from "./values.ts";

/** Adds a finding. */
export type ReportFinding<Code extends FindingCode = FindingCode> = (
  place: Place,
  severity: Problem["severity"],
  code: Code,
  message: ByteString,
  fix?: Fix,
) => void;

// A piece in quotes may have separators in it.
const PIECE = /(?:"[^"]+"|'[^']+')(?=[\t-\r ;:]|$)|[^\t-\r ;:]+/g;

/** The pieces of an item, without quotes around them. What begins with / may end with a quote, which is a part of its name. */
const piecesOf = (text: ByteString): ByteString[] =>
  (text.match(PIECE) ?? []).flatMap((piece) => {
    const bare = piece.startsWith("/") ? piece : piece.replace(/^["']+|["']+$/g, "");
    // In quotes, a path is one, and names are several.
    return bare === piece || bare.startsWith("/") ? bare : piecesOf(bare);
  });

/**
 * Reports an item that is several items, with blanks, `;` or `:` between them, or that is in quotes, which have no
 * meaning here. `isOne`: whether the whole is right as it is. Returns whether there was something to report.
 */
export function reportSeparators(
  item: ListItem,
  isOne: (item: ByteString) => boolean,
  report: ReportFinding<"not-a-list">,
): boolean {
  const { value } = item;
  if (value.includes("\n") || isOne(value)) return false;
  const bare = piecesOf(value).filter((piece) => piece !== "");
  const [first] = bare;
  if (first === undefined) return false;
  const several = bare.length > 1 && bare.every((piece) => piece.startsWith("/") === first.startsWith("/"));
  const quotes = !value.startsWith("/") && /(?:^|[\t-\r ;:])["']|["'](?:[\t-\r ;:]|$)/.test(value);
  if (!quotes && !several) return false;
  const reason = several ? "commas separate the items of a list" : "there is no quoting";
  const meant = bare.join(", ");
  const message = `${quoted(value)} is one item here: ${reason}; write ${meant}`;
  report(item, "error", "not-a-list", message, { kind: "item", old: value, with: meant });
  return true;
}
