import { display } from "../cli/display.ts";
import { type ErrorPlace, JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { told } from "../cli/remedy.ts";
import { fixText, linesOf, type Sources } from "./fixes.ts";
import { type Place, type Problem, problemLine } from "./model.ts";

/** The place of a problem with its line; undefined if the file or line was not read. */
export function placeOf(sources: Sources, { file, line, column }: Place): ErrorPlace | undefined {
  const text = linesOf(sources, file)[line - 1]?.replace(/\r$/, "");
  return text === undefined ? undefined : { line, column, text };
}

/** A problem as an error, with its line if that is known. */
export function problemError(
  problem: Problem,
  exitStatus: number,
  sources: Sources = { texts: [], dialect: "c" },
  code: ProblemCode = "config-invalid",
): JailkitError {
  const line = problemLine(problem, display(problem.file));
  const place = placeOf(sources, problem);
  const inFile = place && { ...place, file: problem.file };
  const { message, remedy } = told(line, fixText(problem, sources) ?? "");
  return new JailkitError(code, exitStatus, message, inFile, remedy);
}
