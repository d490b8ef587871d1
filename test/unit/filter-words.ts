import { ALL_FILTER_WORDS } from "../../src/confine/filter-words.ts";
import type { FilterName } from "../../src/confine/filters.ts";

/** The compiled filter for an architecture, which need not be that of this machine. */
export function wordsFor(name: FilterName, architecture: keyof typeof ALL_FILTER_WORDS): Uint32Array {
  return new Uint32Array(Uint8Array.fromBase64(ALL_FILTER_WORDS[architecture][name]).buffer);
}
