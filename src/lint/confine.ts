import { quoted } from "../cli/display.ts";
import type { IniSection } from "../config/model.ts";
import { type ConfineValues, confineProblem } from "../config/schemas/confine.ts";
import { type LintContext, lintSeparators, ownItems } from "./context.ts";

/** The keys of what a session may do: those that contradict each other refuse every session of the section. */
export function lintConfinement(
  section: IniSection,
  values: ConfineValues & { allowSetuid?: boolean },
  { report }: LintContext,
): void {
  const problem = confineProblem(section, values);
  if (problem === undefined) return;
  report(problem, problem.severity, problem.code, problem.message, problem.fix);
}

/** The paths in `read` and `write`. `isThere`: looks one up where the session runs; undefined if that place is not known. */
export function lintPlaces(
  section: IniSection,
  isThere: ((path: string) => boolean) | undefined,
  { report }: LintContext,
): void {
  for (const item of [...ownItems(section, "read"), ...ownItems(section, "write")]) {
    const { value } = item;
    if (!value.startsWith("/") || lintSeparators(item, isThere ?? (() => false), report)) continue;
    if (isThere === undefined || isThere(value)) continue;
    // Without its only item the key would limit nothing, so nothing is offered for typing.
    const why = value.includes("*") ? "a path has no wildcards" : "it allows nothing";
    report(item, "warning", "no-such-path", `${quoted(value)} does not exist: ${why}`);
  }
}
