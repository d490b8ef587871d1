import type { ByteString } from "../../ffi/bytes.ts";
import type { Program } from "./program.ts";

/**
 * What a program executes itself, by all the rows of the table that it may be: directories and files, none where the
 * list is empty. Undefined where it is not known, or starts a shell: then the key `execute` alone counts.
 */
export function startsOf(known: readonly Program[]): readonly ByteString[] | undefined {
  if (known.length === 0) return undefined;
  const all: ByteString[] = [];
  for (const { starts } of known) {
    if (starts === "system") return undefined;
    all.push(...starts);
  }
  return all;
}
