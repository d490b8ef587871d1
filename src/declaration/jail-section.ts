import { quoted } from "../cli/display.ts";
import { readKeys } from "../config/keys.ts";
import type { IniSection, Problem } from "../config/model.ts";
import { declaredUserKeys, jailKeys } from "../config/schemas/jails.ts";
import type { ListItem } from "../config/values.ts";
import { canBeLive } from "../populate/apply/live.ts";
import type { DeclaredJail } from "./model.ts";
import { itemsOf, pathFault, problemAt, type Subject, tableProblems, twice } from "./section.ts";

/** An operand of jk_cp: a plain absolute path, or the name of a program, which begins with no dash. */
function fileProblem(item: ListItem): Problem[] {
  const { value } = item;
  const isName = !value.includes("/") && !value.startsWith("-") && value !== "." && value !== "..";
  const fault = isName ? undefined : pathFault(value);
  if (fault === undefined && value !== "/") return [];
  const message = `'files': ${quoted(value)} ${fault ?? "is the whole machine"}`;
  return [problemAt(item, "bad-path", message, { kind: "item", old: value })];
}

function liveProblem(item: ListItem): Problem[] {
  if (canBeLive(item.value)) return [];
  const message = `'live': ${quoted(item.value)} is not /usr, /usr/local, /opt or a directory in /opt`;
  return [problemAt(item, "bad-path", message, { kind: "item", old: item.value })];
}

/** A section [jail PATH], and what is wrong with it as far as its text shows. Pure. */
export function readJail(
  section: IniSection,
  subject: Subject,
): { declared: DeclaredJail; problems: Problem[] } {
  const problems = tableProblems(section, "jail", jailKeys, declaredUserKeys);
  const { name: path, file, line, column } = subject;
  const fault = pathFault(path);
  if (fault !== undefined)
    problems.push(problemAt(subject, "bad-path", `the path of the jail, ${quoted(path)}, ${fault}`));
  else if (path === "/") problems.push(problemAt(subject, "bad-path", "'/' cannot be a jail"));
  else if (/[ \t][#;]/.test(path)) {
    const message = `a comment needs a line of its own; here it is part of the path ${quoted(path)}`;
    problems.push(problemAt(subject, "comment-in-value", message, { kind: "none" }));
  }
  const { problems: unread, ...values } = readKeys(section, jailKeys);
  problems.push(...unread.map((one): Problem => ({ ...one, severity: "error" })));
  const [sections, files, live] = ["sections", "files", "live"].map((key) => itemsOf(section, key));
  problems.push(...twice(sections ?? []), ...twice(files ?? []), ...twice(live ?? []));
  problems.push(...(files ?? []).flatMap(fileProblem), ...(live ?? []).flatMap(liveProblem));
  return { declared: { path, place: { file, line, column }, ...values }, problems };
}
