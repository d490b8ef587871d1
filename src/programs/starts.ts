import type { ByteString } from "../../ffi/bytes.ts";
import type { Program } from "./program.ts";

/**
 * What a program executes itself, by all the rows of the table that it may be: directories and files, none where the
 * list is empty. Undefined where it is not known, or starts a shell: then the key `execute` alone counts.
 */
export function startsOf(programs: readonly Program[]): readonly ByteString[] | undefined {
  if (programs.length === 0) return undefined;
  const all: ByteString[] = [];
  for (const { starts } of programs) {
    if (starts === "system") return undefined;
    all.push(...starts);
  }
  return all;
}
