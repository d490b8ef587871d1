import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { misspeltHeaders } from "../config/fixes.ts";
import type { IniFile, Place } from "../config/model.ts";
import type { ReportFinding } from "../config/separators.ts";
import { meantSubject, type Subject, withoutLastBlanks, withoutQuotes } from "./section.ts";

/** A jail or a user that a file declares. */
export type Meant = Pick<Subject, "kind" | "name">;

/** The same of another file. */
export type MeantAt = Meant & Pick<Place, "file" | "line">;

/** The jails and users that a file declares, also by headers with a mistake, which is an error of its own. Pure. */
export function meantSubjects(ini: IniFile): (Meant & Pick<Place, "line">)[] {
  const headers = misspeltHeaders(ini).map((header) => ({ ...header, entries: [] }));
  return [...ini.sections, ...headers].flatMap((section) => {
    const { kind, name = "" } = meantSubject(section) ?? {};
    if (kind === undefined) return [];
    const bare = withoutLastBlanks(name.replace(/[ \t][#;].*$/, ""));
    const plain = withoutQuotes(bare) ?? bare;
    return [{ kind, name: kind === "jail" ? normalPath(plain) : plain, line: section.line }];
  });
}

/** The names of those of one kind. */
export const namesOfKind = (all: readonly Meant[], kind: Meant["kind"]): ReadonlySet<ByteString> =>
  new Set(all.flatMap((one) => (one.kind === kind ? [one.name] : [])));

const keyOf = ({ kind, name }: Meant) => `${kind} ${name}`;

/**
 * The sections that declare what no other one does. With another one it is not known which of them counts, and what the
 * machine contradicts in one is right in the other. Reports those that `others` have.
 */
export function withoutRepeated<T extends { readonly section: Place; readonly subject: Subject }>(
  sections: readonly T[],
  others: readonly MeantAt[],
  report: ReportFinding<"duplicate-section">,
): T[] {
  const counts = Map.groupBy(sections, ({ subject }) => keyOf(subject));
  const beside = new Map(others.map((one) => [keyOf(one), one]));
  return sections.filter(({ section, subject }) => {
    const other = beside.get(keyOf(subject));
    if (other !== undefined) {
      const where = `line ${other.line} of ${display(other.file)}`;
      const message = `section ${quoted(keyOf(subject))} is there already, in ${where}`;
      report(section, "error", "duplicate-section", message, { kind: "none" });
    }
    return other === undefined && counts.get(keyOf(subject))?.length === 1;
  });
}
