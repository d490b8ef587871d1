import { FILTER_WORDS } from "./filter-words.ts";

/** A file of config/filters/. */
export type FilterName = keyof typeof FILTER_WORDS;

/** A filter of config/filters/ for this architecture, as installFilter takes it: an array of struct sock_filter. */
export function filterOf(name: FilterName): Uint32Array {
  return new Uint32Array(Uint8Array.fromBase64(FILTER_WORDS[name]).buffer);
}
