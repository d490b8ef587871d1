import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { type Fix, findEntry, type IniEntry, type IniSection, type Problem } from "./model.ts";
import { type KeyFacts, missingValue, type Reading, readValue, type ValueOf } from "./values.ts";

/** The keys of a file, by name. */
export type KeyTable = Readonly<Record<ByteString, KeyFacts>>;

/** The values of all keys of a table, and what was wrong with them. */
export interface KeyValues<T extends KeyTable> {
  values: { [K in keyof T]: ValueOf<T[K]> };
  /** An error: the section is not to be used. A warning: the default was taken, or part of the value. */
  problems: Problem[];
}

/** The problem that a reading of an entry makes, if any. */
export function problemOf(entry: IniEntry, facts: KeyFacts, reading: Reading): Problem | undefined {
  const { file, line, valueColumn: column, key } = entry;
  if ("reason" in reading) {
    const severity = facts.security ? "error" : "warning";
    return { file, line, column, severity, code: "bad-value", message: `${quoted(key)}: ${reading.reason}` };
  }
  if (reading.doubt === undefined) return undefined;
  const message = `${quoted(key)}: ${reading.doubt}`;
  const { meant = "" } = reading;
  const fix: Fix = meant === "" ? { kind: "disable" } : { kind: "value", text: meant };
  return { file, line, column, severity: "warning", code: "doubtful-value", message, fix };
}

/** Reads the keys of `table` from a section; without a section all are missing. Other keys are not looked at. */
export function readKeys<T extends KeyTable>(section: IniSection | undefined, table: T): KeyValues<T> {
  const values: Record<ByteString, unknown> = {};
  const problems: Problem[] = [];
  for (const [key, facts] of Object.entries(table)) {
    values[key] = missingValue(facts);
    const entry = findEntry(section, key);
    if (entry === undefined) continue;
    const reading = readValue(entry.value, facts);
    const problem = problemOf(entry, facts, reading);
    if (problem !== undefined) problems.push(problem);
    if ("value" in reading) values[key] = reading.value;
  }
  // The readers give the type that goes with the kind of the key.
  return { values: values as KeyValues<T>["values"], problems };
}
