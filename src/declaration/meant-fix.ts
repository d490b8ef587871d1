import { type ByteString, trim } from "../../ffi/bytes.ts";
import { linesOf } from "../config/fixes.ts";
import { type Fix, findEntry, type IniEntry, type IniFile, type Problem } from "../config/model.ts";
import { isDeclaredKey } from "../config/schemas/jails.ts";
import { meantLine } from "./section.ts";

/** Whether a section that is there twice declares more than the first one, or something else. */
function addsKeys({ file, line }: Problem, { sections }: IniFile): boolean {
  const section = sections.find((one) => one.file === file && one.line === line);
  const first = sections.find(({ name }) => name === section?.name);
  const isMore = ({ key, value }: IniEntry) => isDeclaredKey(key) && findEntry(first, key)?.value !== value;
  return section?.entries.some(isMore) ?? false;
}

const keyOf = (line: ByteString) => trim(line.slice(0, Math.max(0, line.indexOf("="))));

/**
 * A line such as `allow sftp` was meant for a key: as a comment it would mean the opposite. Several words are a comment; one
 * alone may be the end of a value. A key before all sections is meant for one of them.
 */
export function withMeantFix(problem: Problem, ini: IniFile): Problem {
  if (problem.code === "duplicate-section" && addsKeys(problem, ini))
    return { ...problem, fix: { kind: "none" } };
  const line = linesOf(ini, problem.file)[problem.line - 1] ?? "";
  if (problem.code === "no-section" && isDeclaredKey(keyOf(line)))
    return { ...problem, fix: { kind: "none" } };
  if (problem.code !== "stray-text" || problem.fix !== undefined) return problem;
  const text = meantLine(line);
  if (text !== undefined) return { ...problem, fix: { kind: "line", text } };
  const isComment = /[^ \t,][ \t]+[^ \t\r]/.test(line) && !/,[ \t\r]*$/.test(line);
  const fix: Fix = isComment ? { kind: "strip", expression: `${problem.line}s/^/#/` } : { kind: "none" };
  return { ...problem, fix };
}
