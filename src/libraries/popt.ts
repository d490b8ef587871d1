import type { ByteString } from "../../ffi/bytes.ts";
import { JailkitError } from "../cli/error.ts";
import { createCandidates } from "./candidate.ts";
import { createImportFilter } from "./elf/symbols.ts";
import { createRootView } from "./root-view.ts";

/**
 * Says of programs below a root directory whether they call poptReadDefaultConfig: popt(3) then reads ~/.popt, where a
 * line `NAME exec OPTION PROGRAM` makes the program NAME become another one. What cannot be read is none.
 */
export function createPoptReaders(root: ByteString): {
  readsPopt: (path: ByteString) => boolean;
  close: () => void;
} {
  const view = createRootView(root);
  const open = createCandidates(view, createImportFilter(["poptReadDefaultConfig"]));
  const readsPopt = (path: ByteString) => {
    try {
      const candidate = open(path, undefined);
      return candidate.kind === "elf" && candidate.elf.imports.size > 0;
    } catch (error) {
      if (error instanceof JailkitError) return false;
      throw error;
    }
  };
  return { readsPopt, close: () => view.close() };
}
