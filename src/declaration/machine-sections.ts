import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { IniSection } from "../config/model.ts";
import { reportSeparators } from "../config/separators.ts";
import { isListItem } from "../config/text.ts";
import type { ListItem } from "../config/values.ts";
import { isLibraryName } from "../libraries/dependency.ts";
import { noSuchSection } from "../profile/sections.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";
import { lackedFiles, lostWays, meantSections } from "./list-fixes.ts";
import type { FactContext } from "./machine-facts.ts";
import { itemsOf, type Subject } from "./section.ts";

/** Reports sections that do not exist. */
export function reportProfiles(
  items: readonly ListItem[],
  known: readonly ByteString[],
  { report }: FactContext,
): void {
  const fixOf = meantSections(items, known);
  for (const item of items) {
    const { value } = item;
    if (known.includes(value) || reportSeparators(item, (one) => known.includes(one), report)) continue;
    const message = noSuchSection(value, known.filter(isListItem), SECTIONS_FILE);
    report(item, "error", "unknown-section", message, fixOf(item));
  }
}

/** Reports files, programs and live directories that do not exist. */
export function reportLacked(section: IniSection, { facts, report }: FactContext): void {
  const isThere = (one: ByteString) => (one.includes("/") ? facts.exists(one) : facts.isProgram(one));
  const files = itemsOf(section, "files");
  const lackedFile = lackedFiles(files, isThere, facts.isBare);
  for (const item of files) {
    const { value } = item;
    if (answered(() => isThere(value)) !== false) continue;
    if (reportSeparators(item, (one) => facts.exists(one), report)) continue;
    const what = value.includes("/") ? "does not exist" : "is no program of this machine";
    // The name of one changes with its version. Jails that have it keep it, until the host has another.
    const severity = isLibraryName(value) ? "warning" : "error";
    const { fix, ways } = lackedFile(item);
    report(item, severity, "no-such-path", `${quoted(value)} ${what}${ways}`, fix);
  }
  for (const item of itemsOf(section, "live")) {
    if (answered(() => facts.isDirectory(item.value)) !== false) continue;
    const message = `${quoted(item.value)} is no directory of this machine${lostWays("live")}`;
    report(item, "error", "not-a-directory", message, { kind: "none" });
  }
}

/** Reports, once, that the file is not the one any more that the sections of jails are in; whether it did. */
export function reportLostSections(
  subjects: readonly { readonly section: IniSection; readonly subject: Subject }[],
  { facts, report }: Pick<FactContext, "facts" | "report">,
): boolean {
  const items = subjects.flatMap(({ section, subject }) =>
    subject.kind === "jail" ? itemsOf(section, "sections") : [],
  );
  const [first] = items;
  const lost = answered(() => facts.lostSections(new Set(items.map(({ value }) => value))));
  if (first === undefined || lost === undefined) return false;
  report(first, "error", "unknown-section", lost, { kind: "none" });
  return true;
}
