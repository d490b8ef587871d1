import type { ByteString } from "../../ffi/bytes.ts";
import { widthOf } from "./width.ts";

/** The columns of the widest of several cells of printable UTF-8. */
export function widest(cells: readonly ByteString[]): number {
  return cells.reduce((most, cell) => Math.max(most, widthOf(cell)), 0);
}

/** A cell of printable UTF-8 with exactly `width` columns: cut, or with blanks at the end. */
export function fit(cell: ByteString, width: number): ByteString {
  const characters = cell.match(/[^\x80-\xbf][\x80-\xbf]*/g) ?? [];
  const shown = widthOf(cell) <= width ? cell : takeUnits(characters, width).join("");
  return shown + " ".repeat(width - widthOf(shown));
}

/** What must not be cut: a character, and an escape of `display`. */
const unitsOf = (text: ByteString) => text.match(/\\x[0-9a-f]{2}|\\[nt\\]|[^\x80-\xbf][\x80-\xbf]*/g) ?? [];

/**
 * Text of `display` with at most `width` columns: of a longer one the middle is replaced by dots, since the beginning
 * and the end tell paths apart.
 */
export function shortened(text: ByteString, width: number): ByteString {
  if (widthOf(text) <= width) return text;
  const units = unitsOf(text);
  const room = width - DOTS.length;
  const start = takeUnits(units, Math.floor(room / 3));
  const end = takeUnits(units.toReversed(), room - widthOf(start.join("")));
  return `${start.join("")}${DOTS}${end.toReversed().join("")}`;
}

const DOTS = "...";

/** The first units that fit into a width. */
function takeUnits(units: readonly ByteString[], width: number): ByteString[] {
  const taken: ByteString[] = [];
  let left = width;
  for (const unit of units) {
    left -= widthOf(unit);
    if (left < 0) break;
    taken.push(unit);
  }
  return taken;
}

/** The rows of a table as lines, with the columns aligned; those from `firstNumber` on are numbers, at the right. */
export function table(
  rows: readonly (readonly ByteString[])[],
  firstNumber = Number.POSITIVE_INFINITY,
): ByteString[] {
  const widths = (rows[0] ?? []).map((_, column) => widest(rows.map((row) => row[column] ?? "")));
  const aligned = (cell: ByteString, column: number) => {
    const width = widths[column] ?? 0;
    return column < firstNumber ? fit(cell, width) : cell.padStart(width);
  };
  return rows.map((row) => row.map(aligned).join("  ").replace(/ +$/, ""));
}
