import type { ByteString } from "../../ffi/bytes.ts";
import { findEntry, type IniEntry, type IniFile, type Problem } from "./model.ts";
import { splitList } from "./text.ts";

/** Whether a problem is in the value of an entry. Pure. */
export function isIn({ file, line, valueColumn, pieces }: IniEntry, problem: Problem): boolean {
  const last = pieces?.at(-1)?.line ?? line;
  const behind = problem.line > line || (problem.line === line && problem.column >= valueColumn);
  return problem.file === file && behind && problem.line <= last;
}

/** The lines that a fix writes into a section, if it is one of these, and the entry that each takes the place of. */
function linesFor({ fix }: Problem, { defaults, sections }: IniFile) {
  if (fix?.kind !== "in-section") return [];
  const section = [...defaults, ...sections].find((one) => one.name === fix.section);
  return fix.lines.map((line) => {
    const [, key = "", value = ""] = /^([^=]*?) = (.*)$/.exec(line) ?? [];
    return { key, value, entry: findEntry(section, key) };
  });
}

/** The entries that the fix of a problem writes anew as a whole. Pure. */
export const replacedBy = (problem: Problem, ini: IniFile): IniEntry[] =>
  linesFor(problem, ini).flatMap(({ entry }) => entry ?? []);

/** What fixes of items change in an entry. */
const itemsIn = (entry: IniEntry | undefined, problems: readonly Problem[]) =>
  new Map(
    problems.flatMap((one): [ByteString, ByteString][] =>
      one.fix?.kind === "item" && entry !== undefined && isIn(entry, one)
        ? [[one.fix.old, one.fix.with ?? ""]]
        : [],
    ),
  );

/**
 * Problems with fixes that write a list into a section as a whole: each with what the fixes before it add, and with what others
 * change in the list that is there, all of which it would undo otherwise. Pure.
 */
export function withWholeLists(problems: readonly Problem[], ini: IniFile): Problem[] {
  const lists = new Map<string, ByteString[]>();
  return problems.map((problem) => {
    const { fix } = problem;
    if (fix?.kind !== "in-section") return problem;
    const lines = linesFor(problem, ini).map(({ key, value, entry }) => {
      const changes = itemsIn(entry, problems);
      const own = splitList(value).flatMap((item) => splitList(changes.get(item) ?? item));
      const name = `${fix.section}\0${key}`;
      const before = lists.get(name) ?? [];
      const all = before.every((item) => own.includes(item)) ? own : [...new Set([...before, ...own])];
      lists.set(name, all);
      return `${key} = ${all.join(", ")}`;
    });
    return { ...problem, fix: { ...fix, lines } };
  });
}
