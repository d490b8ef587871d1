import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { FindingCode } from "./finding-codes.ts";
import type { Fix, Place, Problem } from "./model.ts";
import type { ListItem } from "./values.ts";

/** Adds a finding. */
export type ReportFinding = (
  place: Place,
  severity: Problem["severity"],
  code: FindingCode,
  message: ByteString,
  fix?: Fix,
) => void;

/**
 * Reports an item that is several items, with blanks, `;` or `:` between them, or that is in quotes, which have no
 * meaning here. `isOne`: whether the whole is right as it is. Returns whether there was something to report.
 */
export function reportSeparators(
  item: ListItem,
  isOne: (item: ByteString) => boolean,
  report: ReportFinding,
): boolean {
  const { value } = item;
  if (value.includes("\n") || isOne(value)) return false;
  const pieces = value.split(/[\t-\r ;:]+/).filter((piece) => piece !== "");
  const bare = pieces.map((piece) => piece.replace(/^["']+|["']+$/g, "")).filter((piece) => piece !== "");
  const alike = bare.every((piece) => piece.startsWith("/") === bare[0]?.startsWith("/"));
  const quotes = bare.some((piece, index) => piece !== pieces[index]);
  const several = pieces.length > 1 && alike;
  if (!quotes && !several) return false;
  const reason = several ? "commas separate the items of a list" : "there is no quoting";
  const meant = bare.join(", ");
  const message = `${quoted(value)} is one item here: ${reason}; write ${meant}`;
  report(item, "error", "not-a-list", message, { kind: "item", old: value, with: meant });
  return true;
}
