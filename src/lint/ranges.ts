import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { Place } from "../config/model.ts";
import type { ReportFinding } from "../config/separators.ts";

const BRACKET = /\[[!^]?\]?(?:\[:\w*:\]|[^\]])*\]/g;
const CLASS = /\[:\w*:\]/g;

const filler = (text: ByteString) => " ".repeat(text.length);

/** A quoted part of a command line, in which no bracket counts. */
const QUOTED = /'[^']*'|"(?:\\.|[^"\\])*"|\\./g;

/** The ranges of a pattern that match nothing, such as `z-a`, and their indexes. */
function emptyRanges(pattern: ByteString): { at: number; range: ByteString }[] {
  const found: { at: number; range: ByteString }[] = [];
  // A bracket without an end is none; to look for the end of many takes long.
  const closed = pattern.slice(0, pattern.lastIndexOf("]") + 1);
  for (const { 0: bracket, index } of closed.matchAll(BRACKET)) {
    const members = bracket.replace(CLASS, filler);
    // The last byte is the `]`.
    for (let at = /^\[[!^]/.test(members) ? 2 : 1; at < members.length - 1; at++) {
      if (members[at + 1] !== "-" || at + 2 >= members.length - 1) continue;
      const range = members.slice(at, at + 3);
      if (range.charCodeAt(0) > range.charCodeAt(2)) found.push({ at: index + at, range });
      at += 2;
    }
  }
  return found;
}

/** Warns of ranges in brackets that match nothing. `isCommand`: a part of the pattern may be in quotes. */
export function lintRanges(
  pattern: ByteString,
  place: Place,
  key: ByteString,
  report: ReportFinding,
  isCommand = false,
): void {
  for (const { at, range } of emptyRanges(isCommand ? pattern.replace(QUOTED, filler) : pattern)) {
    const meant = [...range].reverse().join("");
    const message = `${quoted(key)}: the range ${quoted(range)} matches nothing; did you mean ${quoted(meant)}?`;
    const fix = { kind: "item", old: range, with: meant } as const;
    report({ ...place, column: place.column + at }, "warning", "doubtful-value", message, fix);
  }
}
