import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { interpolate } from "./interpolate.ts";
import { type IniEntry, type IniSection, LIMITS, type Place, type Reporter } from "./model.ts";
import { lowerCase, strip } from "./text.ts";

// str.strip() of Python, as far as ASCII goes
const FIRST_NON_BLANK = /[^ \t\v\f\x1c-\x1f]/;

interface Draft {
  entry: IniEntry;
  lines: ByteString[];
  places: Place[];
}

/**
 * Reads the text of a file in dialect "py", by the rules of Python's configparser.ConfigParser with its defaults.
 * What raises an exception there is an error here; only a `%` that is no valid interpolation is an ordinary
 * character. Returns the sections with the keys of [DEFAULT] added, and [DEFAULT] by itself.
 */
export function scanPy(
  text: ByteString,
  file: ByteString,
  report: Reporter,
): { sections: IniSection[]; defaults: IniSection | undefined } {
  const sections: IniSection[] = [];
  const firstLines = new Map<ByteString, number>();
  const drafts: Draft[] = [];
  let defaults: IniSection | undefined;
  let section: IniSection | undefined;
  let draft: Draft | undefined;
  // The keys of the section at hand, with the lines they stand in.
  const defaultKeys = new Map<ByteString, number>();
  let keys = defaultKeys;
  let indent = 0;

  const header = (name: ByteString, number: number, column: number) => {
    draft = undefined;
    if (name.length > LIMITS.nameBytes) {
      report.error(number, column, "too-long", `a section name over ${LIMITS.nameBytes} bytes`);
    }
    if (name === "DEFAULT") {
      defaults ??= { name, file, line: number, column, entries: [] };
      section = defaults;
      keys = defaultKeys;
      return;
    }
    const first = firstLines.get(name);
    if (first !== undefined) {
      const message = `section ${quoted(name)} stands in line ${first} already`;
      report.error(number, column, "duplicate-section", message);
    } else firstLines.set(name, number);
    section = { name, file, line: number, column, entries: [] };
    keys = new Map();
    if (sections.length < LIMITS.sections) sections.push(section);
    else report.error(number, column, "too-many", `more than ${LIMITS.sections} sections`);
  };

  const option = (line: ByteString, number: number, at: number) => {
    draft = undefined;
    const column = at + 1;
    if (section === undefined) {
      return report.error(number, column, "no-section", "text before the first section header");
    }
    const delimiter = line.slice(at).search(/[=:]/);
    if (delimiter < 0) {
      return report.error(number, column, "stray-text", "a line that has no '=' and no ':'");
    }
    const key = lowerCase(strip(line.slice(at, at + delimiter)));
    if (key === "") return report.error(number, column, "stray-text", "a value without a key");
    if (key.length > LIMITS.nameBytes) {
      return report.error(number, column, "too-long", `a key over ${LIMITS.nameBytes} bytes`);
    }
    const earlier = keys.get(key);
    if (earlier !== undefined) {
      report.error(number, column, "duplicate-key", `${quoted(key)} stands in line ${earlier} already`);
    } else if (keys.size >= LIMITS.keysInSection) {
      return report.error(number, column, "too-many", `more than ${LIMITS.keysInSection} keys in a section`);
    } else keys.set(key, number);
    const afterDelimiter = at + delimiter + 1;
    const leading = line.slice(afterDelimiter).search(FIRST_NON_BLANK);
    const valueColumn = afterDelimiter + 1 + Math.max(0, leading);
    const entry = { key, value: "", file, line: number, column, valueColumn, inherited: false };
    draft = {
      entry: { ...entry, pieces: undefined },
      lines: [strip(line.slice(afterDelimiter))],
      places: [{ line: number, column: valueColumn }],
    };
    drafts.push(draft);
    if (earlier === undefined) section.entries.push(draft.entry);
  };

  let number = 0;
  for (const line of text.split(/\r\n|\r|\n/)) {
    number++;
    const at = line.search(FIRST_NON_BLANK);
    if (at < 0) {
      draft?.lines.push("");
      draft?.places.push({ line: number, column: 1 });
      continue;
    }
    const first = line.charAt(at);
    if (first === "#" || first === ";") continue;
    const content = strip(line);
    if (draft !== undefined && at > indent) {
      draft.lines.push(content);
      draft.places.push({ line: number, column: at + 1 });
      continue;
    }
    indent = at;
    const name = /^\[(.+)\]/.exec(content)?.[1];
    if (name !== undefined) header(name, number, at + 1);
    else option(line, number, at);
  }

  for (const { entry, lines, places } of drafts) {
    while (lines.length > 1 && lines.at(-1) === "") lines.pop();
    entry.value = lines.join("\n");
    entry.pieces = places.slice(0, lines.length);
    if (entry.value.length > LIMITS.valueBytes) {
      const message = `the value of ${quoted(entry.key)} is over ${LIMITS.valueBytes} bytes`;
      report.error(entry.line, entry.column, "too-long", message);
    }
  }
  for (const one of sections) inherit(one, defaults);
  const budget = { bytes: LIMITS.fileBytes };
  for (const one of sections) substitute(one, budget);
  if (budget.bytes < 0) report.error(1, 1, "too-long", "what stands for %(...)s is too long");
  return { sections, defaults };
}

function inherit(section: IniSection, defaults: IniSection | undefined): void {
  const own = new Set(section.entries.map((entry) => entry.key));
  for (const entry of defaults?.entries ?? []) {
    if (!own.has(entry.key)) section.entries.push({ ...entry, inherited: true });
  }
}

/** Values with a valid interpolation get it, as in Python; all of them are looked up as they were written. */
function substitute(section: IniSection, budget: { bytes: number }): void {
  if (!section.entries.some((entry) => entry.value.includes("%"))) return;
  const written = new Map(section.entries.map((entry) => [entry.key, entry.value]));
  for (const entry of section.entries) {
    if (!entry.value.includes("%")) continue;
    const value = interpolate(entry.value, written, budget);
    if (value === undefined || value === entry.value) continue;
    entry.value = value;
    entry.pieces = undefined;
  }
}
