import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { type ErrorPlace, JailkitError } from "../cli/error.ts";
import { type FixSource, fixText } from "./fixes.ts";
import { type IniFile, type Problem, problemLine } from "./model.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Line `number`, from 1 on, without its end. In dialect "py" a carriage return ends a line too. */
function lineOf(bytes: Uint8Array, number: number, dialect: IniFile["dialect"]): ByteString | undefined {
  const isEnd = (at: number) =>
    bytes[at] === LINE_FEED ||
    (dialect === "py" && bytes[at] === CARRIAGE_RETURN && bytes[at + 1] !== LINE_FEED);
  let start = 0;
  for (let line = 1; line < number; line++) {
    while (start < bytes.length && !isEnd(start)) start++;
    start++;
  }
  if (start > bytes.length) return undefined;
  let end = start;
  while (end < bytes.length && !isEnd(end)) end++;
  if (bytes[end - 1] === CARRIAGE_RETURN && end > start) end--;
  // Columns of the first line count from after a byte order mark.
  if (start === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) start = 3;
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}

/** The files that problems are in. */
export type Sources = Pick<IniFile, "texts" | "dialect">;

/** The place of a problem with its line; undefined where the file or line was not read. */
export function placeOf(
  { texts, dialect }: Sources,
  { file, line, column }: Pick<Problem, "file" | "line" | "column">,
): ErrorPlace | undefined {
  for (const source of texts) {
    if (source.file !== file) continue;
    const text = lineOf(source.bytes, line, dialect);
    return text === undefined ? undefined : { line, column, text };
  }
  return undefined;
}

/** A problem as an error, with its line if that is known. */
export function problemError(
  problem: Problem,
  exitStatus: number,
  sources?: Sources,
  code = "config-invalid",
): JailkitError {
  const place = sources === undefined ? undefined : placeOf(sources, problem);
  const remedy = fixText(problem, sources === undefined ? NOTHING_READ : fixSource(sources));
  return new JailkitError(code, exitStatus, problemLine(problem, display(problem.file)), place, remedy);
}

const NOTHING_READ: FixSource = { dialect: "c", linesOf: () => [] };

/** The source for fixText. */
export function fixSource({ texts, dialect }: Sources): FixSource {
  return {
    dialect,
    linesOf(file) {
      const source = texts.find((one) => one.file === file);
      return source === undefined ? [] : fromBytes(source.bytes).split(/\r\n|\r|\n/);
    },
  };
}
