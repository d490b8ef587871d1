import type { ByteString } from "../../ffi/bytes.ts";
import type { Program } from "./program.ts";

/**
 * The directories and files that a program executes itself, by all rows of the table that it may be; maybe none. Undefined
 * for an unknown program, and for one that starts a shell: only the key `execute` limits these.
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
