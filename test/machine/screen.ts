/**
 * The screen that a terminal shows after output: rows without the blanks at their ends. It knows what our tools print: lines,
 * the carriage return, wide characters, colours, and erasing to the end of a line. Anything else of ECMA-48 throws.
 */
export function screenOf(output: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  const cells = () => {
    while (rows.length <= row) rows.push([]);
    return rows[row] ?? [];
  };
  const nextRow = () => {
    row++;
    column = 0;
  };
  for (const [token] of output.matchAll(/\x1b\[K|\x1b\[[0-9]*m|[\s\S]/gu)) {
    if (token.endsWith("m") && token.length > 1) continue;
    if (token === "\r") column = 0;
    else if (token === "\n") row++;
    else if (token === "\x1b[K") cells().splice(column);
    else if (token < " " || token === "\x7f")
      throw new Error(`${JSON.stringify(token)} in ${JSON.stringify(output)}`);
    else {
      const width = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(
        token,
      )
        ? 2
        : 1;
      if (column + width > columns) nextRow();
      const line = cells();
      while (line.length < column) line.push(" ");
      line[column] = token;
      if (width === 2) line[column + 1] = "";
      column += width;
    }
  }
  cells();
  return rows.map((line) => line.join("").trimEnd());
}
