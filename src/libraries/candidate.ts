import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { close } from "../../ffi/files.ts";
import { type Abi, sameAbi } from "./elf/abi.ts";
import { type ElfFile, isElf, isLoadable, readElfFile, readElfHeader } from "./elf/dynamic.ts";
import { createElfReader } from "./elf/reader.ts";
import type { ImportFilter } from "./elf/symbols.ts";
import type { RootView } from "./root-view.ts";
import { SCRIPT_LINE_LIMIT } from "./script.ts";

/** What stands at a path: something that a loader of this ABI takes, or what it is instead. */
export type Candidate =
  | { kind: "elf"; path: ByteString; elf: ElfFile }
  | { kind: "absent" | "other-abi" }
  /** A regular file; `start` is what parseScriptLine takes. */
  | { kind: "not-elf"; start: ByteString };

/** Opens a file by its path, if it is a program or library of `abi` (any, where that is undefined). */
export type OpenCandidate = (path: ByteString, abi: Abi | undefined) => Candidate;

/**
 * Looks at files and remembers what they are. `importFilter`: see readElfFile. What it returns throws
 * JailkitError "bad-elf" for an ELF file that makes no sense.
 */
export function createCandidates(view: RootView, importFilter: ImportFilter | undefined): OpenCandidate {
  const known = new Map<ByteString, { candidate: Candidate; abi: Abi | undefined }>();

  function read(path: ByteString, abi: Abi | undefined): { candidate: Candidate; abi: Abi | undefined } {
    const opened = view.openFile(path);
    if (opened === undefined) return { candidate: { kind: "absent" }, abi };
    const { fd, stat } = opened;
    try {
      const reader = createElfReader(fd, path, stat.size);
      const start = reader.bytes(0, Math.min(SCRIPT_LINE_LIMIT, stat.size), "the start");
      if (!isElf(start)) return { candidate: { kind: "not-elf", start: fromBytes(start) }, abi };
      const header = readElfHeader(reader);
      if (!isLoadable(header)) return { candidate: { kind: "not-elf", start: "" }, abi };
      // A file for another machine is passed over unread, as ld.so does.
      if (abi !== undefined && !sameAbi(abi, header.abi)) {
        return { candidate: { kind: "other-abi" }, abi: header.abi };
      }
      const elf = readElfFile(reader, header, importFilter);
      return { candidate: { kind: "elf", path, elf }, abi: header.abi };
    } finally {
      close(fd);
    }
  }

  return (path, abi) => {
    let entry = known.get(path);
    const isOther = entry?.abi !== undefined && abi !== undefined && !sameAbi(entry.abi, abi);
    // What was passed over unread is read once somebody asks for its machine.
    if (entry === undefined || (entry.candidate.kind === "other-abi" && !isOther)) {
      entry = read(path, abi);
      known.set(path, entry);
    }
    return entry.candidate.kind === "elf" && isOther ? { kind: "other-abi" } : entry.candidate;
  };
}
