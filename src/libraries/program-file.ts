import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readAt } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { PROGRAMS } from "../known-programs/table.ts";
import type { OwnStart } from "../known-programs/warnings.ts";
import { Candidates } from "./candidate.ts";
import { createImportFilter } from "./elf/symbols.ts";
import { RootView } from "./root-view.ts";
import { parseScriptLine, SCRIPT_LINE_LIMIT } from "./script.ts";

const DIRECTORIES =
  "/usr/bin /usr/local/bin /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec".split(" ");
const LARGEST = 1 << 26;

/**
 * The known server, of the host or below `root`, that has the same bytes as the program at a path below `root`, which is
 * then a copy under another name. Throws SystemError.
 */
export function copyOfKnown(root: ByteString, path: ByteString): ByteString | undefined {
  using view = new RootView(root);
  using host = new RootView();
  const sizeOf = (where: RootView, file: ByteString) => where.withFile(file, (_, { size }) => size);
  const size = sizeOf(view, path);
  const bytes = size === 0 ? undefined : view.readFile(path, LARGEST);
  if (bytes === undefined) return undefined;
  const isCopyOf = (where: RootView, known: ByteString) => {
    const others = sizeOf(where, known) === size ? where.readFile(known, LARGEST) : undefined;
    return others !== undefined && Buffer.compare(bytes, others) === 0;
  };
  const names = PROGRAMS.flatMap((program) => program.names);
  const servers = DIRECTORIES.flatMap((directory) => names.map((name) => `${directory}/${name}`));
  return servers.find((known) => [view, host].some((where) => isCopyOf(where, known)));
}

// The magic at the end of the archive in a program of PyInstaller; only the table of its sections may follow.
const PYINSTALLER = "MEI\x0c\x0b\x0a\x0b\x0e";
const TAIL = 1 << 16;

/** The programs that the program at a path below `root` starts itself, as far as its file shows. Throws SystemError. */
export function ownStart(root: ByteString, program: ByteString): OwnStart | undefined {
  using view = new RootView(root);
  return view.withFile(program, (fd, { size }): OwnStart | undefined => {
    const part = (length: number, offset: number) => {
      const buffer = new Uint8Array(length);
      return fromBytes(buffer, 0, readAt(fd, buffer, offset));
    };
    const line = parseScriptLine(part(SCRIPT_LINE_LIMIT, 0));
    if (line !== undefined) return { kind: "script", ...line };
    return part(TAIL, Math.max(0, size - TAIL)).includes(PYINSTALLER) ? { kind: "unpacks" } : undefined;
  });
}

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
