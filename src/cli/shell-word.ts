import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "./display.ts";

/** A path as a word of a shell command. */
export function shellWord(path: ByteString): ByteString {
  if (/^[\w@%+=:,./-]+$/.test(path)) return path;
  const shown = display(path);
  // What display had to escape needs the shell's own escapes, which are the same.
  return shown === path ? `'${path.replaceAll("'", "'\\''")}'` : `$'${shown.replaceAll("'", "\\'")}'`;
}
