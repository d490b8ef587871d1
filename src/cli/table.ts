import type { ByteString } from "../../ffi/bytes.ts";

/** The rows of a table as lines, with the columns aligned; those from `firstNumber` on are numbers, at the right. */
export function table(
  rows: readonly (readonly ByteString[])[],
  firstNumber = Number.POSITIVE_INFINITY,
): ByteString[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const aligned = (cell: ByteString, column: number) => {
    const width = widths[column] ?? 0;
    return column < firstNumber ? cell.padEnd(width) : cell.padStart(width);
  };
  return rows.map((row) => row.map(aligned).join("  ").trimEnd());
}
