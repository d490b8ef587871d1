import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { type Abi, sameAbi } from "./elf/abi.ts";
import { type ElfFile, readElfFile } from "./elf/dynamic.ts";
import { isElf, isLoadable, readElfHeader } from "./elf/header.ts";
import { createElfReader } from "./elf/reader.ts";
import type { ImportFilter } from "./elf/symbols.ts";
import type { RootView } from "./root-view.ts";
import { SCRIPT_LINE_LIMIT } from "./script.ts";

/** The file at a path: one that a loader of this ABI accepts, or its type. */
type Candidate =
  | { kind: "elf"; path: ByteString; elf: ElfFile }
  | { kind: "absent" | "other-abi" }
  /** A regular file; `start` is for parseScriptLine. */
  | { kind: "not-elf"; start: ByteString };

interface Examined {
  candidate: Candidate;
  /** Of an ELF file; undefined for any other. */
  abi?: Abi;
}

/** Examines files that may be programs or libraries, and caches the results. `importFilter`: see readElfFile. */
export class Candidates {
  private readonly examined = new Map<ByteString, Examined>();

  constructor(
    private readonly view: RootView,
    private readonly importFilter: ImportFilter | undefined,
  ) {}

  /**
   * Examines the file at a path for a loader of `abi` (of any ABI if undefined). Throws JailkitError "bad-elf" for an
   * invalid ELF file.
   */
  open(path: ByteString, abi: Abi | undefined): Candidate {
    let entry = this.examined.get(path);
    const isOther = entry?.abi !== undefined && abi !== undefined && !sameAbi(entry.abi, abi);
    // A file of another ABI was not read to its end, so read it now if its ABI is requested.
    if (entry === undefined || (entry.candidate.kind === "other-abi" && !isOther)) {
      entry = this.examine(path, abi);
      this.examined.set(path, entry);
    }
    return entry.candidate.kind === "elf" && isOther ? { kind: "other-abi" } : entry.candidate;
  }

  private examine(path: ByteString, abi: Abi | undefined): Examined {
    const examined = this.view.withFile(path, (fd, { size }): Examined => {
      const reader = createElfReader(fd, path, size);
      const start = reader.bytes(0, Math.min(SCRIPT_LINE_LIMIT, size), "the start");
      if (!isElf(start)) return { candidate: { kind: "not-elf", start: fromBytes(start) } };
      const header = readElfHeader(reader);
      if (!isLoadable(header)) return { candidate: { kind: "not-elf", start: "" } };
      // As ld.so, skip a file for another machine without reading more.
      if (abi !== undefined && !sameAbi(abi, header.abi)) {
        return { candidate: { kind: "other-abi" }, abi: header.abi };
      }
      const elf = readElfFile(reader, header, this.importFilter);
      return { candidate: { kind: "elf", path, elf }, abi: header.abi };
    });
    return examined ?? { candidate: { kind: "absent" } };
  }
}
