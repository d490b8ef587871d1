import { compileTogether, readFilters } from "../../build/filters/source.ts";
import type { Architecture } from "../../build/guard.ts";
import type { FilterName } from "../../src/confine/filters.ts";

const texts = readFilters();

/** The text of a filter in config/filters/. */
export function textOf(name: FilterName) {
  const text = texts.get(name);
  if (text === undefined) throw new Error(`${name}: no such filter`);
  return text;
}

/** A filter, compiled from its text for an architecture, which need not be that of this machine. */
export const wordsFor = (name: FilterName, architecture: Architecture) =>
  compileTogether([name], architecture);

/** The architecture of this machine. */
export const HERE: Architecture = process.arch === "arm64" ? "arm64" : "x64";
