/** Pieces of the lists of files that a user can upload. */
import type { ByteString } from "../../ffi/bytes.ts";

export interface Ways {
  /** Where the list is from. */
  manuals: string;
  files: Readonly<Record<ByteString, ByteString>>;
  /** The ids of those that are known to work where a shell runs the same programs. */
  works: readonly string[];
}

/** Files in a folder that would be started themselves. */
export const payloads = (folder: string, prefix: string, names: string) =>
  Object.fromEntries(names.split(" ").map((name) => [`${folder}/${name}`, `@PAYLOAD:${prefix}-${name}@`]));

/** A text of these lines. */
export const lines = (...all: string[]) => all.map((line) => `${line}\n`).join("");
