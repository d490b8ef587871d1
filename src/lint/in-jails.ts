import { answered } from "../cli/error.ts";
import type { IniSection, Problem } from "../config/model.ts";
import type { ReportMachine } from "../declaration/machine-findings.ts";
import type { Declaration, DeclaredPlace } from "../declaration/model.ts";
import { ContentLint } from "./contents.ts";
import { PlaceLint } from "./places.ts";
import { ShellLint } from "./shells.ts";

/**
 * The errors of what jails and users cannot get as this machine and the jails are. `asked`: the sections that are looked at; all by
 * default.
 */
export function problemsInJails(
  { jails, users }: Pick<Declaration, "jails" | "users">,
  asked: (section: IniSection) => boolean = () => true,
): Problem[] {
  const problems: Problem[] = [];
  const report: ReportMachine = ({ file, line, column }, severity, code, message, fix) =>
    problems.push({ file, line, column, severity, code, message, ...(fix && { fix }) });
  const isAsked = ({ place: { section } }: { place: DeclaredPlace }) =>
    section !== undefined && asked(section);
  const contents = new ContentLint();
  for (const jail of jails.filter(isAsked)) contents.lint(jail, report);
  const byPath = new Map(jails.map((jail) => [jail.path, jail]));
  const shells = new ShellLint();
  using places = new PlaceLint(users);
  const byJail = Map.groupBy(users.filter(isAsked), ({ jail }) => jail);
  for (const user of [...byJail.values()].flat()) {
    // Of a path that cannot be looked at nothing is known.
    answered(() => shells.lint(user, byPath.get(user.jail), report));
    answered(() => places.lint(user, report));
  }
  return problems;
}
