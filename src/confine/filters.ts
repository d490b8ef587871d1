import { FILTER_WORDS } from "./filter-words.ts";

/** The filters of config/filters/ that the guard does not have: it installs those of sessions. */
export type FilterName = keyof typeof FILTER_WORDS;

/** A filter for this architecture, as installFilter takes it: an array of struct sock_filter. */
export function filterOf(name: FilterName): Uint32Array {
  const text = FILTER_WORDS[name]();
  const bytes = Buffer.alloc(text.length);
  bytes.write(text, "latin1");
  return new Uint32Array(bytes.buffer, bytes.byteOffset, text.length / 4);
}
