import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain } from "./display.ts";
import type { ErrorPlace } from "./error.ts";
import type { Remedy } from "./remedy.ts";
import { widthOf } from "./width.ts";

/** A longer line is cut around the place. */
const WIDTH = 72;
const BEFORE = 40;
/** Bytes examined on either side: no more can fit. */
const NEAR = 4 * WIDTH;
const TAB = 8;
const CUT = "...";

/** Some bytes of the line as they are shown, and their columns on a terminal. */
interface Cell {
  shown: ByteString;
  width: number;
  /** The end of the bytes in the line. */
  end: number;
}

// UTF-8 by its shape; any other byte alone.
const CHARACTER = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\s\S]/g;

const isContinuation = (code: number) => (code & 0xc0) === 0x80;

/** The line from byte `start` to byte `end` as cells. */
function cellsOf(text: ByteString, start: number, end: number): Cell[] {
  const cells: Cell[] = [];
  let column = 0;
  let at = start;
  for (const piece of text.slice(start, end).match(CHARACTER) ?? []) {
    const shown = piece === "\t" ? " ".repeat(TAB - (column % TAB)) : display(piece);
    const width = widthOf(shown);
    at += piece.length;
    column += width;
    const last = cells.at(-1);
    if (width === 0 && last !== undefined) {
      last.shown += shown;
      last.end = at;
    } else cells.push({ shown, width, end: at });
  }
  return cells;
}

/** The start and end of the examined piece of the line, in bytes and between characters. */
function nearby(text: ByteString, at: number): [number, number] {
  let start = Math.max(0, at - NEAR);
  let end = Math.min(text.length, at + NEAR);
  while (start > 0 && isContinuation(text.charCodeAt(start))) start--;
  while (end < text.length && isContinuation(text.charCodeAt(end))) end++;
  return [start, end];
}

/**
 * The line of a file that an error is about, and a caret under the place, both indented, as compilers show them. The
 * line is printable (`display`) and cut around the place if it is long.
 */
export function excerptLines({ line, column, text }: ErrorPlace): [ByteString, ByteString] {
  const at = Math.min(Math.max(0, column - 1), text.length);
  const [start, end] = nearby(text, at);
  const cells = cellsOf(text, start, end);
  const found = cells.findIndex((cell) => cell.end > at);
  const target = found < 0 ? cells.length : found;
  const width = (index: number) => cells[index]?.width ?? 0;
  const total = cells.reduce((sum, cell) => sum + cell.width, 0);
  const fits = start === 0 && end === text.length && total <= WIDTH;
  let first = target;
  let before = 0;
  while (first > 0 && (fits || before + width(first - 1) <= BEFORE)) before += width(--first);
  let last = target;
  let shownWidth = before;
  while (last < cells.length && (fits || shownWidth + width(last) <= WIDTH)) shownWidth += width(last++);
  const left = first > 0 || start > 0 ? CUT : "";
  const right = last < cells.length || end < text.length ? CUT : "";
  const shown = cells
    .slice(first, last)
    .map((cell) => cell.shown)
    .join("");
  const number = String(line).padStart(5);
  return [
    `${number} | ${left}${shown}${right}`.replace(/ +$/, ""),
    `${" ".repeat(number.length)} | ${" ".repeat(left.length + before)}^`,
  ];
}

/** A remedy, for below an excerpt; none for an empty one. */
export function remedyLines(remedy: Remedy = ""): ByteString[] {
  if (remedy === "") return [];
  const [first = "", ...more] = remedy.split("\n").map(displayAgain);
  return [`  remedy: ${first}`, ...more.map((line) => `    ${line}`)];
}
