import { FILTER_WORDS } from "./filter-words.ts";

/** A file of config/filters/, or several of them in one program, joined by `+`. */
export type FilterName = keyof typeof FILTER_WORDS;

function asWords(text: string): Uint32Array {
  const bytes = Buffer.alloc(text.length);
  bytes.write(text, "latin1");
  return new Uint32Array(bytes.buffer, bytes.byteOffset, text.length / 4);
}

/** A filter of config/filters/ for this architecture, as installFilter takes it: an array of struct sock_filter. */
export const filterOf = (name: FilterName): Uint32Array => asWords(FILTER_WORDS[name]());

/** The program of several filters, named in their order; undefined if there is none. */
export function filterOfAll(names: string): Uint32Array | undefined {
  const all: Readonly<Record<string, () => string>> = FILTER_WORDS;
  const text = all[names];
  return text === undefined ? undefined : asWords(text());
}
