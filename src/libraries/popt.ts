import type { ByteString } from "../../ffi/bytes.ts";
import { JailkitError } from "../cli/error.ts";
import { Candidates } from "./candidate.ts";
import { createImportFilter } from "./elf/symbols.ts";
import { RootView } from "./root-view.ts";

/**
 * Finds programs below a root directory that call poptReadDefaultConfig: popt(3) then reads ~/.popt, where a line `NAME
 * exec OPTION PROGRAM` makes the program NAME execute another. A program that cannot be read counts as none.
 */
export class PoptReaders implements Disposable {
  private readonly view: RootView;
  private readonly candidates: Candidates;

  constructor(root: ByteString) {
    this.view = new RootView(root);
    this.candidates = new Candidates(this.view, createImportFilter(["poptReadDefaultConfig"]));
  }

  readsPopt(path: ByteString): boolean {
    try {
      const candidate = this.candidates.open(path, undefined);
      return candidate.kind === "elf" && candidate.elf.imports.size > 0;
    } catch (error) {
      if (error instanceof JailkitError) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.view[Symbol.dispose]();
  }
}
