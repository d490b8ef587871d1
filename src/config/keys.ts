import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { type Fix, findEntry, type IniEntry, type IniSection, type Problem, type Reading } from "./model.ts";
import { type KeyDescription, missingValue, readValue, type ValueOf } from "./values.ts";

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
  let name = "";
  for (let at = 0; at < key.length; at++) {
    name += key.charAt(at) === "_" ? key.charAt(++at).toUpperCase() : key.charAt(at);
  }
  return name;
}

/** The problem that a reading of an entry makes, if any. */
function readingProblem(entry: IniEntry, security: boolean, reading: Reading): Problem | undefined {
  const { file, line, valueColumn: column, key } = entry;
  if ("reason" in reading) {
    const severity = security ? "error" : "warning";
    return { file, line, column, severity, code: "bad-value", message: `${quoted(key)}: ${reading.reason}` };
  }
  if (reading.doubt === undefined) return undefined;
  const message = `${quoted(key)}: ${reading.doubt}`;
  const { meant = "" } = reading;
  const fix: Fix = meant === "" ? { kind: "disable" } : { kind: "value", text: meant };
  return { file, line, column, severity: "warning", code: "doubtful-value", message, fix };
}

/** Reads the keys of a table from a section; without a section all are missing. Other keys are ignored. */
export function readKeys<T extends KeyTable>(section: IniSection | undefined, table: T): SectionValues<T> {
  const values: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const [key, description] of Object.entries(table)) {
    const name = camelCase(key);
    values[name] = missingValue(description);
    const entry = findEntry(section, key);
    if (entry === undefined) continue;
    const reading = readValue(entry.value, description);
    const problem = readingProblem(entry, description.security, reading);
    if (problem !== undefined) problems.push(problem);
    if ("value" in reading) values[name] = reading.value;
  }
  // The readers give the type that goes with the kind of the key.
  return Object.assign(values, { problems }) as SectionValues<T>;
}
