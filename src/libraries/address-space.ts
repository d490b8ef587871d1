import type { ByteString } from "../../ffi/bytes.ts";
import { readAt } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { createLoader } from "./closure.ts";
import { isElf, PT_LOAD, readElfHeader, readElfImage } from "./elf/header.ts";
import { createElfReader } from "./elf/reader.ts";
import { RootView } from "./root-view.ts";

/** The bytes of address space from the first to the last segment of a file; undefined for a file that is not ELF. */
function spanOf(view: RootView, path: ByteString): { file: string; size: number } | undefined {
  return view.withFile(path, (fd, { devMajor, devMinor, inoHigh, inoLow, size: length }) => {
    const start = Buffer.alloc(4);
    if (readAt(fd, start, 0) < start.length || !isElf(start)) return undefined;
    const reader = createElfReader(fd, path, length);
    const { segments } = readElfImage(reader, readElfHeader(reader));
    const loads = segments.filter(({ type }) => type === PT_LOAD);
    const end = Math.max(...loads.map(({ address, size }) => address + size));
    const size = end - Math.min(...loads.map(({ address }) => address));
    return { file: `${devMajor}:${devMinor}:${inoHigh}:${inoLow}`, size: loads.length === 0 ? 0 : size };
  });
}

/**
 * The address space that the program at `path` below `root` takes at least, with its dynamic linker and its libraries, in
 * bytes; undefined for a script, and for a program that cannot be read.
 */
export function addressSpaceOf(root: ByteString, path: ByteString): number | undefined {
  try {
    using loader = createLoader({ root });
    using view = new RootView(root);
    const dependencies = loader.dependencies(path);
    if (dependencies.some(({ kind }) => kind === "script")) return undefined;
    const own = spanOf(view, path);
    if (own === undefined) return undefined;
    // One file may be found under two names.
    const spans = new Map([[own.file, own.size]]);
    for (const dependency of dependencies) {
      const span = spanOf(view, dependency.path);
      if (span !== undefined) spans.set(span.file, span.size);
    }
    return [...spans.values()].reduce((sum, size) => sum + size, 0);
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}
