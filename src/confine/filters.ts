import { FILTER_WORDS } from "./filter-words.ts";

/** A file of config/filters/. */
export type FilterName = keyof typeof FILTER_WORDS;

/** A filter of config/filters/ for this architecture, as installFilter takes it: an array of struct sock_filter. */
export const filterOf = (name: FilterName): Uint32Array => new Uint32Array(FILTER_WORDS[name]);
