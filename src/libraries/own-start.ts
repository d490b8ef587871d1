import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readAt } from "../../ffi/files.ts";
import type { OwnStart } from "../programs/own-start.ts";
import { RootView } from "./root-view.ts";
import { parseScriptLine, SCRIPT_LINE_LIMIT } from "./script.ts";

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
