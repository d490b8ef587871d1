import { readKeys, type SectionValues } from "./keys.ts";
import { findEntry, type IniSection } from "./model.ts";
import { socketdKeys } from "./schemas/socketd.ts";

/** A section of jk_socketd.ini as it counts: a peak under base becomes the default, or base where that is more. */
export function readSocketdSection(section: IniSection): SectionValues<typeof socketdKeys> {
  const values = readKeys(section, socketdKeys);
  const { base } = values;
  if (values.peak >= base) return values;
  values.peak = Math.max(socketdKeys.peak.initial, base);
  const { file, line, valueColumn } = findEntry(section, "peak") ?? {
    ...section,
    valueColumn: section.column,
  };
  const message = `peak is under base (${base}); ${values.peak} is taken`;
  values.problems.push({
    file,
    line,
    column: valueColumn,
    severity: "warning",
    code: "peak-under-base",
    message,
  });
  return values;
}
