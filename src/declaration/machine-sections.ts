import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { IniSection } from "../config/model.ts";
import { reportSeparators } from "../config/separators.ts";
import { isListItem } from "../config/text.ts";
import type { ListItem } from "../config/values.ts";
import { noSuchSection } from "../profile/sections.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";
import { meantSections } from "./list-fixes.ts";
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
