import { FILTER_WORDS } from "./filter-words.ts";

/** A file of config/filters/, or several of them in one program, joined by `+`. */
export type FilterName = keyof typeof FILTER_WORDS;

/** Whether there is such a program. */
export const isFilter = (name: string): name is FilterName => Object.hasOwn(FILTER_WORDS, name);

/** A filter of config/filters/ for this architecture, as installFilter takes it: an array of struct sock_filter. */
export function filterOf(name: FilterName): Uint32Array {
  const bytes = Buffer.from(FILTER_WORDS[name], "base64");
  // At an address that is a multiple of four.
  const words = new Uint32Array(bytes.length / 4);
  new Uint8Array(words.buffer).set(bytes);
  return words;
}
