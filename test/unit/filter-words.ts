import { proofsFor } from "../../build/filters/proofs.ts";
import { compileTogether, readFilters } from "../../build/filters/source.ts";
import type { Architecture } from "../../build/guard.ts";
import { SESSION_FILTERS, type SessionFilter } from "../../ffi/seccomp.ts";
import type { FilterName as OtherName } from "../../src/confine/filters.ts";

/** A file of config/filters/. */
export type FilterName = SessionFilter | OtherName;

const texts = readFilters();

/** The text of a filter in config/filters/. */
export function textOf(name: FilterName) {
  const text = texts.get(name);
  if (text === undefined) throw new Error(`${name}: no such filter`);
  return text;
}

const compiled = new Map<string, Uint32Array>();

/** A filter, compiled from its text for an architecture, which need not be that of this machine. */
export function wordsFor(name: FilterName, architecture: Architecture): Uint32Array {
  const key = `${name} ${architecture}`;
  const words = compiled.get(key) ?? compileTogether([name], architecture);
  compiled.set(key, words);
  return words;
}

/** The architecture of this machine. */
export const HERE: Architecture = process.arch === "arm64" ? "arm64" : "x64";

/** How the filters of a session show that they are in force here. */
export const PROOFS = proofsFor(HERE);

/** The filters of a session by their bits, in the order in which they are installed. */
export const filtersIn = (bits: number): SessionFilter[] =>
  (Object.keys(SESSION_FILTERS) as SessionFilter[]).filter((name) => (bits & SESSION_FILTERS[name]) !== 0);
