import type { IniEntry, IniFile, IniSection, Problem } from "../config/model.ts";

// The key that is missing, by the code of the finding.
const LACKS: Readonly<Partial<Record<Problem["code"], string>>> = {
  "no-executables": "executables",
  "no-jails": "allowed_jails",
};

const isAt = (problem: Problem, { file, line, column }: Pick<Problem, "file" | "line" | "column">) =>
  problem.file === file && problem.line === line && problem.column === column;

/** Whether a problem is in the value of an entry. */
function isIn({ file, line, valueColumn, pieces }: IniEntry, problem: Problem): boolean {
  const last = pieces?.at(-1)?.line ?? line;
  const behind = problem.line > line || (problem.line === line && problem.column >= valueColumn);
  return problem.file === file && behind && problem.line <= last;
}

/**
 * Removes the problems that only follow from another problem: their fix would not help, and could remove what is right.
 */
export function withoutConsequences(
  problems: readonly Problem[],
  ini: Pick<IniFile, "sections" | "defaults">,
): Problem[] {
  const sections = [...ini.defaults, ...ini.sections];
  const has = (code: Problem["code"]) => problems.filter((one) => one.code === code);
  const [headers, doubtful] = [has("bad-header"), has("doubtful-header")];
  // A comment after a value is part of the value, and of its items.
  const commented = sections
    .flatMap(({ entries }) => entries)
    .filter((entry) => has("comment-in-value").some((one) => isIn(entry, one)));
  const misspelt = (section: IniSection, key: string) =>
    has("unknown-key").some(
      (one) =>
        one.fix?.kind === "key" && one.fix.name === key && section.entries.some((entry) => isAt(one, entry)),
    );

  function follows(problem: Problem): boolean {
    const { code, file, line } = problem;
    if (code === "no-section") return headers.some((one) => one.file === file && one.line < line);
    if (code === "stray-text") return doubtful.some((one) => isAt(problem, one));
    if (code !== "comment-in-value" && commented.some((entry) => isIn(entry, problem))) return true;
    const key = LACKS[code];
    return key !== undefined && sections.some((one) => isAt(problem, one) && misspelt(one, key));
  }

  return problems.filter((problem) => !follows(problem));
}
