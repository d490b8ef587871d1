import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import {
  type Fix,
  findEntry,
  type IniEntry,
  type IniSection,
  type Place,
  type Problem,
  type Reading,
  type Unreadable,
  valuePlace,
} from "./model.ts";
import { splitList } from "./text.ts";
import {
  type KeyDescription,
  listItems,
  missingValue,
  type NamedValue,
  readValue,
  type ValueOf,
} from "./values.ts";

/** The keys of a file, by name. */
export type KeyTable = Readonly<Record<ByteString, KeyDescription>>;

type CamelCase<Key extends string> = Key extends `${infer Word}_${infer Rest}`
  ? `${Word}${Capitalize<CamelCase<Rest>>}`
  : Key;

/** The values of all keys of a table; each has the name of its key in camel case. */
export type KeyValues<T extends KeyTable> = {
  -readonly [Key in keyof T & string as CamelCase<Key>]: ValueOf<T[Key]>;
};

/** The values of a section, and what was wrong with them. */
export type SectionValues<T extends KeyTable> = KeyValues<T> & {
  /** An error: the section must not be used. A warning: the default was taken, or part of the value. */
  problems: Problem[];
};

/** `env_only` as `envOnly`; without patterns, whose first use costs a login time. */
export function camelCase(key: ByteString): string {
  let name = key;
  for (let at = name.indexOf("_"); at >= 0; at = name.indexOf("_", at + 1))
    name = name.slice(0, at) + name.charAt(at + 1).toUpperCase() + name.slice(at + 2);
  return name;
}

/** The whole line, because a login has not kept its text; none for a value of several lines. */
const lineFix = ({ key, value }: IniEntry, meant: ByteString): Fix =>
  meant === "" || value.includes("\n") ? { kind: "none" } : { kind: "line", text: `${key} = ${meant}` };

/** The place of an item of the list of an entry, or of the whole value. */
function placeOfItem(entry: IniEntry, items: readonly Place[], item: number | undefined): Place {
  const found = item === undefined ? undefined : items[item];
  if (found === undefined) return valuePlace(entry);
  const { file, line, column } = found;
  return { file, line, column };
}

/** As many items of a long list are read at once. */
const AT_ONCE = 64;

/** Why a value cannot be read, and after one item that cannot, why each other one of its list cannot. */
function allUnreadable(value: ByteString, description: KeyDescription, first: Unreadable): Unreadable[] {
  const found = [first];
  const items = splitList(value);
  for (let after = (first.item ?? items.length) + 1; after < items.length; ) {
    const some = items.slice(after, after + AT_ONCE);
    const next = readValue(some.join(","), description);
    const isBad = "reason" in next;
    if (isBad && next.item === undefined) break;
    if (isBad && next.item !== undefined) found.push({ ...next, item: after + next.item });
    after += isBad && next.item !== undefined ? next.item + 1 : some.length;
  }
  return found;
}

/** The value with what was meant in place of its items; undefined if that is known of none. */
function meantValue(value: ByteString, unreadable: readonly Unreadable[]): ByteString | undefined {
  const items = splitList(value);
  let isKnown = false;
  for (const { item, instead } of unreadable) {
    if (item === undefined || instead === undefined) continue;
    items[item] = instead;
    isKnown = true;
  }
  return isKnown ? items.join(", ") : undefined;
}

const isFaulty = (reading: Reading): boolean => "reason" in reading || reading.doubt !== undefined;

/** The problems that a faulty reading of an entry makes. */
function readingProblems(entry: IniEntry, description: KeyDescription, reading: Reading): Problem[] {
  const { file, line, valueColumn: column, key, value } = entry;
  if ("reason" in reading) {
    const { security, kind, strictest } = description;
    const severity = security ? "error" : "warning";
    // Without a line of this kind, which the usual fix takes out, more could be allowed.
    const code = kind === "line" ? "bad-command" : "bad-value";
    const all = allUnreadable(value, description, reading);
    const whole = meantValue(value, all);
    const items = reading.item === undefined ? [] : listItems(entry);
    return all.map(({ reason, item, instead, meant = instead === undefined ? strictest : whole }) => {
      // Without the key, which must have a value, something would not be declared any more.
      const unknown: Fix | undefined = description.filled && value !== "" ? { kind: "none" } : undefined;
      const fix = meant === undefined ? unknown : lineFix(entry, meant);
      // It may be the opposite of what was meant.
      const isStrict = meant === strictest && fix?.kind === "line";
      const message = `${quoted(key)}: ${reason}${isStrict ? `; '${meant}' is the strictest` : ""}`;
      return { ...placeOfItem(entry, items, item), severity, code, message, ...(fix && { fix }) };
    });
  }
  if (reading.doubt === undefined) return [];
  const message = `${quoted(key)}: ${reading.doubt}`;
  const { meant = "" } = reading;
  const fix: Fix = meant === "" ? { kind: "disable" } : { kind: "value", text: meant };
  return [{ file, line, column, severity: "warning", code: "doubtful-value", message, fix }];
}

const LONGEST_NAME = 64;

/** A letter, a digit, or one of `. _ -`. */
function isNameByte(code: number): boolean {
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return isLetter || (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x5f || code === 0x2d;
}

/** The name in a key of a family, such as `pull` in `command pull`; undefined for any other key. */
function nameIn(key: ByteString, family: ByteString): ByteString | undefined {
  const name = key.slice(family.length + 1);
  if (!key.startsWith(`${family} `) || name === "" || name.length > LONGEST_NAME) return undefined;
  for (let at = 0; at < name.length; at++) if (!isNameByte(name.charCodeAt(at))) return undefined;
  return name;
}

/** Whether a key was meant for a family: it begins as the family does, in whatever case. */
const resembles = (key: ByteString, family: ByteString) =>
  key.slice(0, family.length).toLowerCase() === family;

/** The description of a key; "misspelt" for one that resembles a family, which readKeys reports. */
export function describedBy(table: KeyTable, key: ByteString): KeyDescription | "misspelt" | undefined {
  // No key of a table looks like one of a family.
  const own = Object.hasOwn(table, key) ? table[key] : undefined;
  if (own !== undefined && own.family === undefined) return own;
  for (const known in table) {
    const description = table[known];
    if (description?.family !== undefined && resembles(key, known))
      return nameIn(key, known) === undefined ? "misspelt" : description;
  }
  return undefined;
}

/**
 * The keys of a family. One that resembles the family is an error: where keys of a family allow things one by one, a
 * section in which none is read would allow everything.
 */
function readFamily(
  section: IniSection | undefined,
  family: ByteString,
  description: KeyDescription,
  problems: Problem[],
): NamedValue[] {
  const found: NamedValue[] = [];
  for (const entry of section?.entries ?? []) {
    const { file, line, column, key, value } = entry;
    if (!resembles(key, family)) continue;
    const name = nameIn(key, family);
    if (name === undefined) {
      const form = `'${family} ${description.family}', with one blank and a name of letters, digits, '.', '_' and '-'`;
      const message = `${quoted(key)} is not ${form}`;
      problems.push({ file, line, column, severity: "error", code: "unknown-key", message });
      continue;
    }
    const reading = readValue(value, description);
    if (isFaulty(reading)) problems.push(...readingProblems(entry, description, reading));
    found.push({ name, value, place: valuePlace(entry) });
  }
  return found;
}

/** The keys of a table, each with the name of its value. */
type Named = readonly { key: ByteString; name: string; description: KeyDescription }[];

// Thousands of sections may be read by the same table.
const NAMED = new WeakMap<KeyTable, Named>();

function namedKeys(table: KeyTable): Named {
  let named = NAMED.get(table);
  if (named === undefined) {
    named = Object.entries(table).map(([key, description]) => ({ key, name: camelCase(key), description }));
    NAMED.set(table, named);
  }
  return named;
}

/** Reads the keys of a table from a section; without a section all are missing. Other keys are ignored. */
export function readKeys<T extends KeyTable>(section: IniSection | undefined, table: T): SectionValues<T> {
  const values: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const { key, name, description } of namedKeys(table)) {
    if (description.family !== undefined) {
      values[name] = readFamily(section, key, description, problems);
      continue;
    }
    values[name] = missingValue(description);
    const entry = findEntry(section, key);
    if (entry === undefined) continue;
    const reading = readValue(entry.value, description);
    if (isFaulty(reading)) problems.push(...readingProblems(entry, description, reading));
    if ("value" in reading) values[name] = reading.value;
  }
  // The readers give the type that goes with the kind of the key.
  return Object.assign(values, { problems }) as SectionValues<T>;
}
